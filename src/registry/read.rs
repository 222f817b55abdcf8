//! Reads images of registries as a layout whose blobs are far away.
//!
//! Manifests, indexes and configs are fetched at once, level by level; layers when they are read.
//! Everything after the first answer is asked for by digest, so that one state of a tag counts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::attached::{LEVELS, With};
use super::name::{RegistryName, Which};
use super::remote::RemoteBlob;
use super::requests::Fetched;
use super::schema1::schema1_image;
use super::session::{Registries, RepositoryScope};
use crate::bytes::files::{ByteSource, Files, ImageMaker, Opened, RemoteInput};
use crate::bytes::parallel::parallel;
use crate::digest::Digest;
use crate::document::descriptor::{CONTAINERD_NAME, Descriptor, REF_NAME, blob_path};
use crate::document::media_type::{MediaKind, is_image_config};
use crate::document::{Document, Index, Manifest};
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::layout::{INDEX_NAME, MARKER, MARKER_NAME};
use crate::limits;
use crate::progress::{Event, Progress, tell};
use crate::reference::Reference;

/// The images of these names as a source, and what is attached to them.
#[must_use]
pub fn input(session: &Arc<Registries>, names: Vec<RegistryName>, with: With) -> RemoteInput {
    let session = Arc::clone(session);
    RemoteInput::new(move |spool, progress| open(session, (&names, with), (spool, progress)))
}

/// The manifest or index of a name alone, as a source.
#[must_use]
pub fn document(session: &Arc<Registries>, name: RegistryName) -> RemoteInput {
    let session = Arc::clone(session);
    RemoteInput::new(move |_, _| {
        let at = Location::named(&name.to_string());
        let found = session.existing_manifest(&name).at(&at)?;
        Ok(Opened::Document(at, found.raw))
    })
}

fn open(
    session: Arc<Registries>,
    (names, with): (&[RegistryName], With),
    (spool, progress): (&Path, &dyn Progress),
) -> Result<Opened> {
    let top = |name: &RegistryName| {
        let at = Location::named(&name.to_string());
        tell(progress, Event::Read(0)).at(&at)?;
        let found = session.existing_manifest(name).at(&at)?;
        session.judge_tag(name).at(&at)?;
        Ok(found)
    };
    let connections = session.access.connections;
    let found = parallel(names, connections, &|_| 0, &top)?;
    if let ([name], [only]) = (names, found.as_slice())
        && only.is_schema1
    {
        let (at, raw, names) =
            (Location::named(&name.to_string()), only.raw.clone(), names.to_vec());
        let log = session.log.clone();
        let image = ImageMaker::new(move |spool, progress| {
            files(&session, (&names, found, with), (spool, progress))
        });
        return Ok(Opened::Schema1 { at, raw, image, log });
    }
    files(&session, (names, found, with), (spool, progress)).map(Opened::Files)
}

/// Everything below the manifests that were found under these names, as a layout.
fn files(
    session: &Arc<Registries>,
    (names, found, with): (&[RegistryName], Vec<Fetched>, With),
    (spool, progress): (&Path, &dyn Progress),
) -> Result<Files> {
    let shown: Vec<String> = names.iter().map(ToString::to_string).collect();
    let at = Location::named(&shown.join(", "));
    let mut walk = Walk {
        session,
        at: at.clone(),
        files: BTreeMap::new(),
        known: BTreeSet::new(),
        manifests: Vec::new(),
    };
    let (mut entries, mut level, mut replaced) = (Vec::new(), Vec::new(), Vec::new());
    for (name, mut found) in names.iter().zip(found) {
        if found.is_schema1 {
            let image = schema1_image(session, (name, &found), (spool, progress))?;
            for (digest, bytes) in image.blobs {
                walk.known.insert(digest);
                walk.files.insert(blob_path(&digest), bytes);
            }
            replaced.push(image.replaced);
            found = image.manifest;
        }
        entries.push(entry(name.reference(), &found));
        let document = Wanted::of(name, found.digest, WantedKind::Manifest);
        walk.take(&document, found.raw, &mut level);
    }
    walk.down(level, progress)?;
    if with != With::None {
        walk.attached(with, &mut entries, progress)?;
    }
    let index = Index::of(entries).to_json().into_bytes();
    for (name, raw) in [(MARKER_NAME, MARKER.to_vec()), (INDEX_NAME, index)] {
        walk.files.insert(name.to_owned(), ByteSource::bytes(at.member(name), raw));
    }
    Ok(Files::remote(at, walk.files, (replaced, session.log.clone())))
}

/// The entry of a manifest in `index.json`.
fn entry(name: Option<&Reference>, found: &Fetched) -> Descriptor {
    let own = |raw: &[u8]| {
        let index = Document::<Index>::parse(raw).map(|it| it.view().media_type.clone());
        index.or_else(|_| Document::<Manifest>::parse(raw).map(|it| it.view().media_type.clone()))
    };
    let media_type = match found.media_type.as_str() {
        "" => own(&found.raw).unwrap_or_default(),
        said => said.to_owned(),
    };
    let mut entry = Descriptor::new(&media_type, found.digest, found.raw.len() as u64);
    if let Some(reference) = name {
        entry.annotations.insert(REF_NAME.to_owned(), reference.tag().to_owned());
        entry.annotations.insert(CONTAINERD_NAME.to_owned(), reference.to_string());
    }
    entry
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WantedKind {
    Manifest,
    Config,
    /// A layer that may be elsewhere: asked for, not fetched.
    Foreign,
}

/// A document to fetch.
struct Wanted {
    name: RegistryName,
    digest: Digest,
    size: u64,
    kind: WantedKind,
}

impl Wanted {
    fn of(name: &RegistryName, digest: Digest, kind: WantedKind) -> Self {
        Self { name: name.clone(), digest, size: 0, kind }
    }
}

/// What there is of something wanted.
enum Got {
    Bytes(Vec<u8>),
    There,
    Absent,
}

/// Collects everything below some manifests.
struct Walk<'a> {
    session: &'a Arc<Registries>,
    at: Location,
    files: BTreeMap<String, ByteSource>,
    known: BTreeSet<Digest>,
    /// The manifests and indexes that were fetched, and from where.
    manifests: Vec<(RegistryName, Digest)>,
}

impl Walk<'_> {
    /// Fetches everything below a level.
    fn down(&mut self, mut level: Vec<Wanted>, progress: &dyn Progress) -> Result<()> {
        for _ in 0..=limits::INDEX_DEPTH.saturating_add(1) {
            if level.is_empty() {
                break;
            }
            self.session.log.turn();
            level = self.level(&level, progress)?;
        }
        Ok(())
    }

    /// Fetches what is about the manifests so far, what is about that, and so on.
    fn attached(
        &mut self,
        with: With,
        entries: &mut Vec<Descriptor>,
        progress: &dyn Progress,
    ) -> Result<()> {
        let mut asked = 0;
        for _ in 0..LEVELS {
            let subjects = self.manifests.split_off(asked);
            self.manifests.extend(subjects.iter().cloned());
            asked = self.manifests.len();
            let session = self.session;
            let get = |(name, digest): &(RegistryName, Digest)| {
                let at = Location::named(&name.to_string());
                tell(progress, Event::Read(0)).at(&at)?;
                session.attached(name, *digest, with).at(&at)
            };
            let found = parallel(&subjects, session.access.connections, &|_| 0, &get)?;
            let mut level = Vec::new();
            for ((name, _), found) in subjects.iter().zip(found) {
                for (tag, found) in found {
                    let named = tag.and_then(|tag| name.tagged(&tag));
                    if named.is_none() && self.known.contains(&found.digest) {
                        continue;
                    }
                    entries.push(entry(named.as_ref(), &found));
                    let document = Wanted::of(name, found.digest, WantedKind::Manifest);
                    self.take(&document, found.raw, &mut level);
                }
            }
            self.down(level, progress)?;
        }
        Ok(())
    }

    /// Fetches a level; returns the next one.
    fn level(&mut self, level: &[Wanted], progress: &dyn Progress) -> Result<Vec<Wanted>> {
        let session = self.session;
        let at = self.at.clone();
        let get = |it: &Wanted| {
            let at = at.member(&blob_path(&it.digest));
            tell(progress, Event::Read(0)).at(&at)?;
            get(session, it).at(&at)
        };
        let got = parallel(level, session.access.connections, &|_| 0, &get)?;
        let mut next = Vec::new();
        for (wanted, got) in level.iter().zip(got) {
            match got {
                Got::Bytes(raw) => self.take(wanted, raw, &mut next),
                Got::There => self.remote(&wanted.name, wanted.digest, wanted.size),
                Got::Absent => (),
            }
        }
        Ok(next)
    }

    /// Keeps a document, and adds what it names.
    fn take(&mut self, wanted: &Wanted, raw: Vec<u8>, next: &mut Vec<Wanted>) {
        self.known.insert(wanted.digest);
        let path = blob_path(&wanted.digest);
        let at = self.at.member(&path);
        if wanted.kind == WantedKind::Manifest {
            self.manifests.push((wanted.name.clone(), wanted.digest));
            if let Ok(index) = Document::<Index>::parse(raw.as_slice()) {
                for child in &index.view().manifests {
                    self.child(&wanted.name, child, next);
                }
            } else if let Ok(manifest) = Document::<Manifest>::parse(raw.as_slice()) {
                self.parts(&wanted.name, manifest.view(), next);
            }
        }
        self.files.insert(path, ByteSource::bytes(at, raw));
    }

    fn child(&mut self, name: &RegistryName, child: &Descriptor, next: &mut Vec<Wanted>) {
        if child.data.is_some() || self.known.len() >= limits::MANIFESTS {
            return;
        }
        if !self.known.insert(child.digest) {
            return;
        }
        match MediaKind::of(&child.media_type) {
            Some((MediaKind::Manifest | MediaKind::Index, _)) | None => {
                next.push(Wanted::of(name, child.digest, WantedKind::Manifest));
            }
            Some(_) => self.remote(name, child.digest, child.size),
        }
    }

    fn parts(&mut self, name: &RegistryName, manifest: &Manifest, next: &mut Vec<Wanted>) {
        for (part, is_config) in manifest
            .config
            .iter()
            .map(|it| (it, true))
            .chain(manifest.layers.iter().map(|it| (it, false)))
        {
            if part.data.is_some() || !self.known.insert(part.digest) {
                continue;
            }
            let document = is_config && is_image_config(&part.media_type);
            let foreign = !part.urls.is_empty()
                || matches!(
                    MediaKind::of(&part.media_type),
                    Some((MediaKind::NonDistributable(_), _))
                );
            let kind = match (document && part.size <= limits::CONFIG, foreign) {
                (true, _) => WantedKind::Config,
                (_, true) => WantedKind::Foreign,
                _ => {
                    self.remote(name, part.digest, part.size);
                    continue;
                }
            };
            let wanted = Wanted::of(name, part.digest, kind);
            next.push(Wanted { size: part.size, ..wanted });
        }
    }

    /// A blob that is fetched when it is read.
    fn remote(&mut self, name: &RegistryName, digest: Digest, size: u64) {
        let path = blob_path(&digest);
        let at = Location::named(&name.to_string()).member(&path);
        let blob = RemoteBlob::new(self.session, name, (digest, size));
        self.files.insert(path, ByteSource::remote(at, size, Arc::new(blob)));
    }
}

fn get(session: &Arc<Registries>, wanted: &Wanted) -> Result<Got, ErrorKind> {
    let (name, digest) = (&wanted.name, wanted.digest);
    match wanted.kind {
        WantedKind::Manifest => match session.manifest(name, Which::Digest(digest))? {
            Some(found) => Ok(Got::Bytes(found.raw)),
            None => Ok(Got::Absent),
        },
        WantedKind::Foreign => {
            match session.has_blob(RepositoryScope::pull(&session.place_of(name)), digest)? {
                true => Ok(Got::There),
                false => Ok(Got::Absent),
            }
        }
        WantedKind::Config => {
            let blob = RemoteBlob::new(session, name, (digest, wanted.size));
            let from = ByteSource::remote(Location::named(""), wanted.size, Arc::new(blob));
            match from.read(limits::CONFIG, "the size of the config, in bytes,") {
                Ok(raw) => Ok(Got::Bytes(raw)),
                Err(Error { kind: ErrorKind::NotInRegistry { .. }, .. }) => Ok(Got::Absent),
                Err(error) => Err(error.kind),
            }
        }
    }
}
