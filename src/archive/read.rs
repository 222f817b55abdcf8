//! Reads `docker save` archives of docker 1.10 and later, and of everybody who writes like it.
//!
//! Only `manifest.json` binds configs and layers; no meaning is taken from a path, and the codec
//! of a layer is found from its bytes (moby `tarexport/load.go`, containerd
//! `archive/importer.go`). The form without `manifest.json` is in `legacy`.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use super::Item;
use super::v1;
use crate::bytes::files::{ByteSource, Files};
use crate::codec::Compression;
use crate::document::{Config, Document};
use crate::error::{At as _, Error, ErrorKind, Location, Result, Shown};
use crate::image::reading::{Note, Reading};
use crate::image::{Entry, Image, Layer, Name, Node};
use crate::json::{self, Trailing, Value};
use crate::limits;

pub(crate) const MANIFEST: &str = "manifest.json";

/// Whether this is a docker archive of docker 1.10 or later.
pub(crate) fn has_manifest(files: &Files) -> bool {
    !files.is_directory() && !matches!(files.find(MANIFEST), Ok(None))
}

/// Whether this looks like a docker archive from before docker 1.10.
pub(crate) fn is_legacy(files: &Files) -> bool {
    !files.is_directory() && v1::read::is_archive(files)
}

/// Reads all images.
pub(crate) fn read(files: &Files) -> Result<Reading> {
    let at = files.at().member(MANIFEST);
    let Some(manifest) = files.find(MANIFEST)? else { return v1::read::read(files) };
    let raw = manifest.read(limits::ARCHIVE_DOCUMENT, "the size of manifest.json, in bytes,")?;
    let checked = json::check(&raw, Trailing::Allowed).at(&at)?;
    if let Some(repeated) = checked.duplicates.first() {
        return Err(Error::new(&at, ErrorKind::DuplicateKey { key: repeated.key.clone() }));
    }
    let mut reader = Reader { files, at, reading: Reading::default(), found: BTreeMap::new() };
    if checked.trailing {
        let text = "bytes after the JSON value; docker ignores them, skopeo refuses them";
        reader.note("trailing-bytes", text);
    }
    if checked.value.is_null() {
        let found = "null".to_owned();
        return Err(Error::new(&reader.at, ErrorKind::NoImage { found }));
    }
    let items = checked.value.list("manifest.json").at(&reader.at)?;
    for (count, item) in items.enumerate() {
        if count == limits::IMAGES {
            let limit = limits::IMAGES as u64;
            let kind = ErrorKind::limit("the number of images", limit, "more");
            return Err(Error::new(&reader.at, kind));
        }
        match reader.item(item) {
            Ok(entry) => reader.reading.entries.push(entry),
            Err(error) => reader.reading.problems.push(error),
        }
    }
    if reader.reading.entries.is_empty() && reader.reading.problems.is_empty() {
        let found = "an empty list".to_owned();
        return Err(Error::new(&reader.at, ErrorKind::NoImage { found }));
    }
    Ok(reader.reading)
}

struct Reader<'a> {
    files: &'a Files,
    at: Location,
    reading: Reading,
    /// Layers by their path, so that each is looked for once.
    found: BTreeMap<String, (ByteSource, Compression)>,
}

impl Reader<'_> {
    fn note(&mut self, code: &'static str, text: impl Into<String>) {
        self.reading.notes.push(Note::new(&self.at, code, text));
    }

    fn item(&mut self, item: Value<'_>) -> Result<Entry> {
        let item = Item::read(item).at(&self.at)?;
        let path = item.config().at(&self.at)?;
        let config_at = self.files.at().member(path);
        let bytes = self.member(path)?.read(limits::CONFIG, "the size of the config, in bytes,")?;
        let config: Document<Config> = Document::parse(bytes).at(&config_at)?;
        let digest = config.measured().digest();
        if let Some(hex) = hash_of(path).filter(|hex| *hex != digest.hex()) {
            let text = format!("named by a hash, expected {hex}, found {}", digest.hex());
            self.reading.notes.push(Note::new(&config_at, "config-name", text));
        }
        let layers = self.layers(item.layers, &config)?;
        let image = Image { config, config_at, layers, manifest: None };
        let names = item.names.iter().filter_map(|name| self.name(name)).collect();
        self.reading.nodes.push(Node::Image(Box::new(image)));
        Ok(Entry { names, descriptor: None, node: self.reading.nodes.len().saturating_sub(1) })
    }

    fn layers(&mut self, paths: Vec<String>, config: &Document<Config>) -> Result<Vec<Layer>> {
        let diff_ids = &config.view().diff_ids;
        let count = paths.len();
        if count != diff_ids.len() {
            let kind = ErrorKind::LayerCount { diff_ids: diff_ids.len(), layers: count };
            return Err(Error::new(&self.at, kind));
        }
        let mut found = Vec::with_capacity(paths.len());
        for (path, diff_id) in paths.into_iter().zip(diff_ids) {
            let (blob, codec) = match self.found.get(&path) {
                Some(known) => known.clone(),
                None => {
                    let blob = self.member(&path)?;
                    let codec = Compression::sniff(&blob.head()?);
                    self.found.entry(path).or_insert((blob, codec)).clone()
                }
            };
            found.push(Layer { diff_id: *diff_id, claim: None, codec, blob: Some(blob) });
        }
        Ok(found)
    }

    fn member(&self, path: &str) -> Result<ByteSource> {
        self.files.find(path)?.ok_or_else(|| {
            let by = MANIFEST.to_owned();
            Error::new(&self.files.at().member(path), ErrorKind::MissingMember { by })
        })
    }

    /// A name that docker takes for one; others are noted and left out, as by skopeo.
    fn name(&mut self, name: &str) -> Option<Name> {
        match name.parse() {
            Ok(reference) => Some(Name::of(reference)),
            Err(_) => {
                let text = format!("RepoTags has \"{}\", which is no image name", Shown(name));
                self.note("name-invalid", text);
                None
            }
        }
    }
}

/// The hash that the name of a member says, where it is one: `HEX.json`, `HEX.tar`, `HEX.tar.gz`,
/// `sha256:HEX` or `blobs/sha256/HEX`.
pub(crate) fn hash_of(path: &str) -> Option<String> {
    let name = path.strip_prefix("blobs/sha256/").unwrap_or(path);
    let name = name.trim_start_matches("./").trim_start_matches("sha256:");
    let stem = name.split('.').next().unwrap_or_default();
    let digits = stem.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    (stem.len() == 64 && digits && !name.contains('/')).then(|| stem.to_owned())
}
