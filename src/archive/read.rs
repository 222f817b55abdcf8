//! Reads archives of docker 1.10 and later, and of programs that write such archives.
//!
//! Only `manifest.json` connects configs and layers. Paths have no meaning, and the codec of a
//! layer is detected from its bytes (moby `tarexport/load.go`, containerd `archive/importer.go`).
//! The format without `manifest.json` is in `v1`.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};

use super::manifest_json::{self, MANIFEST, ManifestJson, SavedItem};
use super::v1;
use crate::bytes::files::{ByteSource, Files};
use crate::codec::Compression;
use crate::digest::{DiffId, Digest};
use crate::document::descriptor::Descriptor;
use crate::document::media_type::MediaKind;
use crate::document::{Config, Document};
use crate::error::{Error, ErrorKind, Location, Result, Shown};
use crate::image::readers;
use crate::image::reading::{Note, Reading, diff_ids_of};
use crate::image::{Entry, Image, Layer, Name, Node};
use crate::json::{self, Trailing};
use crate::limits;
use crate::progress::Progress;
use crate::reference::Reference;

/// Whether this is a docker archive of docker 1.10 or later.
pub(crate) fn has_manifest(files: &Files) -> bool {
    !files.is_directory() && !matches!(files.find(MANIFEST), Ok(None))
}

/// Whether this looks like a docker archive from before docker 1.10.
pub(crate) fn is_v1(files: &Files) -> bool {
    !files.is_directory() && v1::read::is_archive(files)
}

/// Reads all images.
pub(crate) fn read(files: &Files, progress: &dyn Progress) -> Reading {
    let at = files.at().member(MANIFEST);
    let mut reader =
        ArchiveReader { files, at, reading: Reading::default(), found: BTreeMap::new() };
    match manifest_json::read(files) {
        Ok(Some(document)) => reader.document(document),
        Ok(None) => return v1::read::read(files, progress),
        Err(error) => reader.reading.problems.push(error),
    }
    reader.reading
}

struct ArchiveReader<'a> {
    files: &'a Files,
    at: Location,
    reading: Reading,
    /// Layers by path, so that each is found only once.
    found: BTreeMap<String, (ByteSource, Compression)>,
}

impl ArchiveReader<'_> {
    fn document(&mut self, document: ManifestJson) {
        if document.trailing {
            self.reading.notes.push(readers::TRAILING_BYTES.note(&self.at));
        }
        let at = &self.at;
        self.reading.problems.extend(document.problems.into_iter().map(|it| Error::new(at, it)));
        let mut names = BTreeSet::new();
        for (number, item) in document.items.into_iter().enumerate() {
            if !item.parent.is_empty() {
                let text = format!("Parent is {}, which no destination keeps", Shown(&item.parent));
                self.reading.note(&self.at, "parent-lost", text);
            }
            for unread in &item.unread_sources {
                let text = format!("LayerSources is not used: {unread}");
                self.reading.note(&self.at, "layer-sources", text);
            }
            let found: Vec<Name> = item.names.iter().filter_map(|name| self.name(name)).collect();
            names.extend(found.iter().filter_map(|name| name.reference.clone()));
            let node = self.item(number, item);
            let node = self.reading.push(node);
            self.reading.entries.push(Entry { names: found, descriptor: None, node });
        }
        self.repositories(&names);
        v1::read::notes(self.files, &mut self.reading);
    }

    fn item(&mut self, number: usize, item: SavedItem) -> Node {
        let (ids, config) = self.config(&item).unwrap_or_default();
        if config.is_some() && ids.len() != item.layers.len() {
            let (diff_ids, layers) = (ids.len(), item.layers.len());
            self.reading.problem(&self.at, ErrorKind::LayerCount { diff_ids, layers });
        }
        let mut blobs = Vec::new();
        for (at, path) in item.layers.iter().take(limits::LAYERS).enumerate() {
            if path.is_empty() {
                let field = format!("[{number}].Layers[{at}]");
                let kind = ErrorKind::field(&field, "the path of a layer", "an empty string");
                self.reading.problem(&self.at, kind);
                blobs.push(None);
                continue;
            }
            let source = ids.get(at).and_then(|id| item.sources.get(&id.to_string()));
            let source = source.filter(|it| it.is_elsewhere());
            let found = self.layer(path).map_err(|error| match (source, &error.kind) {
                (Some(said), ErrorKind::MissingMember { .. }) => Error {
                    kind: ErrorKind::LayerElsewhere { urls: said.urls.join(", ") },
                    ..error
                },
                _ => error,
            });
            let found = self.reading.kept(found);
            blobs.push(found.map(|(blob, codec)| (blob, codec, source)));
        }
        let counted = ids.len() == blobs.len();
        match config.filter(|_| counted && blobs.iter().all(Option::is_some)) {
            Some(config) => {
                let layers = ids.into_iter().zip(blobs.into_iter().flatten());
                let layers = layers.map(|(diff_id, (blob, codec, source))| Layer {
                    diff_id,
                    claim: source
                        .filter(|it| is_stored_as(it, &blob, codec))
                        .cloned()
                        .map(Box::new),
                    codec,
                    source: source.cloned().map(Box::new),
                    blob: Some(blob),
                });
                let config_at = self.files.at().member(&item.config);
                let layers = layers.collect();
                Node::Image(Box::new(Image { config, config_at, layers, manifest: None }))
            }
            None => {
                for (at, blob) in blobs.iter().enumerate() {
                    let Some((from, codec, _)) = blob else { continue };
                    let id = ids.get(at).filter(|_| counted);
                    let id = id.map(|id| (at.saturating_add(1), *id));
                    self.reading.broken.layer(from, *codec, None, id);
                }
                Node::Broken
            }
        }
    }

    /// The diff IDs of the config of an item, as far as they can be read, and the config if it is
    /// valid.
    fn config(&mut self, item: &SavedItem) -> Option<(Vec<DiffId>, Option<Document<Config>>)> {
        let path = match item.config() {
            Ok(path) => path,
            Err(kind) => {
                self.reading.problem(&self.at, kind);
                return None;
            }
        };
        let from = self.member(path);
        let from = self.reading.kept(from)?;
        let raw = from.read(limits::CONFIG, "the size of the config, in bytes,");
        let raw = self.reading.kept(raw)?;
        let digest = Digest::of(&raw);
        if let Some(hex) = hash_of(path).filter(|hex| *hex != digest.hex()) {
            let what = "the hash in its name differs";
            let note = Note::differs(&from.at, "config-name", what, (&hex, &digest.hex()));
            self.reading.notes.push(note);
        }
        match Document::<Config>::parse(raw.as_slice()) {
            Ok(config) => Some((config.view().diff_ids.clone(), Some(config))),
            Err(kind) => {
                self.reading.problem(&from.at, kind);
                Some((diff_ids_of(&raw), None))
            }
        }
    }

    fn layer(&mut self, path: &str) -> Result<(ByteSource, Compression)> {
        if let Some(known) = self.found.get(path) {
            return Ok(known.clone());
        }
        let blob = self.member(path)?;
        let codec = Compression::sniff(&blob.head()?);
        Ok(self.found.entry(path.to_owned()).or_insert((blob, codec)).clone())
    }

    fn member(&mut self, path: &str) -> Result<ByteSource> {
        let odd = match path {
            path if path.starts_with('/') => Some(&readers::PATH_ABSOLUTE),
            path if path.split('/').any(|part| matches!(part, "" | ".")) => {
                Some(&readers::PATH_UNCLEAN)
            }
            _ => None,
        };
        if let Some(note) = odd.map(|row| row.note(&self.at))
            && !self.reading.notes.contains(&note)
        {
            self.reading.notes.push(note);
        }
        let at = self.files.at().member(path);
        self.files.find(path)?.ok_or_else(|| manifest_json::missing(&at, MANIFEST))
    }

    /// A name that is valid for docker; others are noted and left out, as in skopeo.
    fn name(&mut self, name: &str) -> Option<Name> {
        if let Ok(reference) = name.parse() {
            if name.contains('@') {
                let text = format!("RepoTags has \"{}\"; its digest is left out", Shown(name));
                self.reading.note(&self.at, "name-invalid", text);
            }
            return Some(Name::of(reference));
        }
        // containerd names images like this that were pulled by digest; `index.json` then keeps the
        // name.
        let digested = Reference::is_digested(name);
        if digested && matches!(self.files.find("index.json"), Ok(Some(_))) {
            return None;
        }
        let what = if digested { "a name without a tag" } else { "not an image name" };
        let text = format!("RepoTags has \"{}\", which is {what}", Shown(name));
        self.reading.note(&self.at, "name-invalid", text);
        None
    }

    /// Names of `repositories`, which loaders since docker 1.10 do not read.
    fn repositories(&mut self, names: &BTreeSet<Reference>) {
        let file = v1::read::REPOSITORIES;
        let found = self.files.find(file);
        let Some(Some(from)) = self.reading.kept(found) else { return };
        let raw = from.read(limits::ARCHIVE_DOCUMENT, "the size of repositories, in bytes,");
        let Ok(raw) = raw else { return };
        let checked = match json::check(&raw, Trailing::Allowed) {
            Ok(checked) => checked,
            Err(fault) => {
                let fault = ErrorKind::from(fault);
                let text = format!("it is not read because manifest.json exists: {fault}");
                return self.reading.note(&from.at, "name-lost", text);
            }
        };
        for (repository, tags) in checked.value.members(file).into_iter().flatten() {
            for (tag, _) in tags.members("a repository").into_iter().flatten() {
                let known = Reference::new(&repository, &tag).is_ok_and(|it| names.contains(&it));
                if !known {
                    let name = format!("{repository}:{tag}");
                    let text = format!("manifest.json does not have the name {}", Shown(&name));
                    self.reading.note(&from.at, "name-lost", text);
                }
            }
        }
    }
}

/// Whether an archive has a non-distributable layer as its registry has it: docker stores it without
/// compression, crane as it is.
fn is_stored_as(source: &Descriptor, blob: &ByteSource, codec: Compression) -> bool {
    let kind = MediaKind::of(&source.media_type).map(|(kind, _)| kind);
    let same = kind == Some(MediaKind::NonDistributable(codec));
    same && source.size == blob.size
}

/// The hash in the name of a member, if there is one: `HEX.json`, `HEX.tar`, `HEX.tar.gz`,
/// `sha256:HEX` or `blobs/sha256/HEX`.
pub(crate) fn hash_of(path: &str) -> Option<String> {
    let name = path.strip_prefix("blobs/sha256/").unwrap_or(path);
    let name = name.trim_start_matches("./").trim_start_matches("sha256:");
    let stem = name.split('.').next().unwrap_or_default();
    let digits = stem.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    (stem.len() == 64 && digits && !name.contains('/')).then(|| stem.to_owned())
}
