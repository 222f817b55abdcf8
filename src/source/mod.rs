//! Opens a source: detects its kind from its content, and reads it.
//!
//! An archive that is both a docker archive and a layout is read both ways, and the two readings
//! must agree, because docker, podman and containerd use different ones.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod agree;
mod document;
mod notes;
mod platforms;
mod select;
mod unrecognised;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use crate::bytes::files::{Files, Input, Listed, Opened, Reception, Replaced, What};
use crate::digest::{Digest, ImageId};
use crate::document::{Document, Index};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::image::claims::Claims;
use crate::image::reading::{Note, Reading};
use crate::image::reason::{Loss, Reason};
use crate::image::{Entry, Image, Name, Node, NodeId};
use crate::platform::Platform;
use crate::producer::{Producer, producer};
use crate::progress::Progress;
use crate::{archive, dir, layout};

pub use crate::bytes::files::Arrival;
pub(crate) use notes::{Apart, config_notes, digest_of, own_ref_name, unambiguous};
pub(crate) use platforms::{below, candidates};
pub use select::{SHORT, Selection, entries, entry};
pub(crate) use select::{damaged, listed, matching, no_such, only, only_all};

/// The kind of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A `docker save` archive.
    DockerArchive,
    /// An OCI layout in a directory.
    Layout,
    /// An OCI archive.
    OciArchive,
    /// A tar that is both.
    Both,
    /// A folder of skopeo's `dir:`.
    Directory,
    /// Images of a registry.
    Registry,
    /// A single config.
    Config,
    /// A single manifest.
    Manifest,
    /// A single index.
    Index,
}

impl Kind {
    /// The name for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DockerArchive => "docker archive",
            Self::Layout => "layout",
            Self::OciArchive => "OCI archive",
            Self::Both => "docker archive that is an OCI layout too",
            Self::Directory => "dir: folder",
            Self::Registry => "registry",
            Self::Config => "config",
            Self::Manifest => "manifest",
            Self::Index => "index",
        }
    }

    /// The formats, as `--to` and prefixes name them; for a document its kind.
    #[must_use]
    pub fn formats(self) -> &'static [&'static str] {
        match self {
            Self::DockerArchive => &["docker-archive"],
            Self::Layout => &["oci"],
            Self::OciArchive => &["oci-archive"],
            Self::Both => &["docker-archive", "oci-archive"],
            Self::Directory => &["dir"],
            Self::Registry => &["docker"],
            Self::Config => &["config"],
            Self::Manifest => &["manifest"],
            Self::Index => &["index"],
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        self.formats().serialize(to)
    }
}

/// Which reading to use if two differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prefer {
    /// Both must agree.
    Neither,
    /// Use the one of docker.
    ManifestJson,
    /// Use the one of containerd.
    IndexJson,
}

/// How to open a source.
///
/// By default both readings of an archive must agree, and temporary files go into `/tmp`, because
/// the library does not read the environment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Which reading to use.
    pub prefer: Prefer,
    /// Folder for the temporary file of a pipe or a compressed archive.
    pub spool: PathBuf,
    /// What will be wanted of a pipe or a compressed archive.
    pub arrival: Arrival,
}

impl Options {
    /// Temporary files go into the folder `spool`.
    #[must_use]
    pub fn new(spool: impl Into<PathBuf>) -> Self {
        Self { prefer: Prefer::Neither, spool: spool.into(), arrival: Arrival::anything() }
    }

    pub(crate) fn reception(&self) -> Reception<'_> {
        Reception { spool: &self.spool, arrival: &self.arrival }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new("/tmp")
    }
}

/// An opened source: its content, and all problems and notes.
#[derive(Debug)]
pub struct Source {
    /// Its place.
    pub at: Location,
    /// Its kind.
    pub kind: Kind,
    /// Its probable writer.
    pub producer: Option<Producer>,
    /// Images, indexes and other nodes, each once.
    pub nodes: Vec<Node>,
    /// Its entries, in order.
    pub entries: Vec<Entry>,
    /// Its `index.json`, if it has exactly these `entries`.
    pub index: Option<Document<Index>>,
    /// Its problems.
    pub problems: Vec<Error>,
    /// Notes about it.
    pub notes: Vec<Note>,
    /// Every blob in the source, with all claims about it.
    pub(crate) blobs: Claims,
    /// Other names in documents.
    pub(crate) named: BTreeSet<String>,
    /// What was lost before a conversion.
    pub(crate) lost: Vec<Loss>,
    /// The numbers of the entries, if some were left out.
    pub(crate) numbers: Option<Vec<Option<usize>>>,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One image of a source, from [`Source::images`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SourceImage<'a> {
    /// The names of all entries that lead to it, in order, each once.
    pub names: Vec<&'a Name>,
    /// Its platform, from its index, otherwise from the config.
    pub platform: Platform,
    /// Its ID.
    pub id: ImageId,
    /// The digest of its manifest, if the source has one.
    pub manifest: Option<Digest>,
    /// The image, with its layers.
    pub image: &'a Image,
}

impl Source {
    /// Every complete image, in order, each once.
    #[must_use]
    pub fn images(&self) -> Vec<SourceImage<'_>> {
        let mut platforms = self.platforms();
        let mut found: Vec<(NodeId, SourceImage<'_>)> = Vec::new();
        for entry in &self.entries {
            for node in self.images_below(entry.node) {
                let place = found.iter().position(|known| known.0 == node).or_else(|| {
                    let image = self.image(node)?;
                    let platform = platforms.remove(&node).unwrap_or_default();
                    let manifest = image.manifest.as_ref().map(|it| it.measured().digest());
                    let (names, id) = (Vec::new(), image.id());
                    found.push((node, SourceImage { names, platform, id, manifest, image }));
                    found.len().checked_sub(1)
                });
                if let Some((_, known)) = place.and_then(|place| found.get_mut(place)) {
                    for name in &entry.names {
                        if !known.names.contains(&name) {
                            known.names.push(name);
                        }
                    }
                }
            }
        }
        found.into_iter().map(|(_, image)| image).collect()
    }

    /// One image of a source, as if that had no other.
    pub(crate) fn of_image(at: &Location, image: Image, entries: Vec<Entry>) -> Self {
        let nodes = vec![Node::Image(Box::new(image))];
        let blobs = Claims::of(&nodes);
        Self {
            at: at.clone(),
            kind: Kind::Both,
            producer: None,
            nodes,
            entries,
            index: None,
            problems: Vec::new(),
            notes: Vec::new(),
            blobs,
            named: BTreeSet::new(),
            lost: Vec::new(),
            numbers: None,
        }
    }

    /// The number of an entry, as in `@N`, counted in the whole source; `None` for a child of an
    /// index that was selected by digest.
    #[must_use]
    pub fn number(&self, entry: usize) -> Option<usize> {
        match &self.numbers {
            Some(numbers) => numbers.get(entry).copied().flatten(),
            None => Some(entry),
        }
    }

    /// The images under a node, in order, each once.
    #[must_use]
    pub fn images_below(&self, node: NodeId) -> Vec<NodeId> {
        Reading::images_below(&self.nodes, node)
    }

    /// The image at a node.
    #[must_use]
    pub fn image(&self, node: NodeId) -> Option<&Image> {
        image(&self.nodes, node)
    }
}

/// Indexes, and the positions of children in them.
pub(crate) type Stale = BTreeSet<(NodeId, usize)>;

/// All nodes below the entries, each once, without the ones left out.
pub(crate) fn reachable(source: &Source, entries: &[Entry], without: &Stale) -> Vec<NodeId> {
    let mut found = Vec::new();
    let mut seen = vec![false; source.nodes.len()];
    let mut todo: Vec<NodeId> = entries.iter().rev().map(|entry| entry.node).collect();
    while let Some(node) = todo.pop() {
        if std::mem::replace(seen.get_mut(node).unwrap_or(&mut true), true) {
            continue;
        }
        found.push(node);
        if let Some(Node::Index { children, .. }) = source.nodes.get(node) {
            let kept = children.iter().enumerate().rev();
            todo.extend(kept.filter(|it| !without.contains(&(node, it.0))).map(|it| it.1.node));
        }
    }
    found
}

fn image(nodes: &[Node], node: NodeId) -> Option<&Image> {
    match nodes.get(node) {
        Some(Node::Image(image)) => Some(image),
        _ => None,
    }
}

/// Opens a docker archive or a layout.
///
/// # Errors
/// Only if the source cannot be read at all; other problems are in [`Source::problems`].
pub fn open(input: Input, options: &Options, progress: &dyn Progress) -> Result<Source> {
    read(&dir::open_files(input, options.reception(), progress)?, options.prefer, progress)
}

/// Opens a docker archive, a layout, or a single document, without its blobs.
///
/// # Errors
/// As [`open`].
pub fn open_any(input: Input, options: &Options, progress: &dyn Progress) -> Result<Source> {
    match dir::open(input, options.reception(), progress)? {
        Opened::Document(at, raw) => document::read(&at, raw),
        other => {
            let files = other.into_files(options.reception(), progress)?;
            read(&files, options.prefer, progress)
        }
    }
}

/// Reads open files. It continues after a problem.
pub(crate) fn read(files: &Files, prefer: Prefer, progress: &dyn Progress) -> Result<Source> {
    // First: it reads documents again, and these need not be there beside the images.
    let producer = (!files.is_remote() && !files.is_flat()).then(|| producer(files)).flatten();
    let (archive, index) = (archive::has_manifest(files), layout::is_layout(files));
    let (kind, reading) = match (archive, index) {
        (true, true) => (Kind::Both, both(files, prefer, progress)),
        (false, true) if files.is_flat() => {
            let mut reading = layout::read(files);
            let notes = reading.kept(dir::notes(files)).unwrap_or_default();
            reading.notes.extend(notes);
            (Kind::Directory, reading)
        }
        (false, true) if files.is_remote() => (Kind::Registry, layout::read(files)),
        (false, true) if files.is_directory() => (Kind::Layout, layout::read(files)),
        (false, true) => (Kind::OciArchive, layout::read(files)),
        (true, false) => (Kind::DockerArchive, archive::read(files, progress)),
        (false, false) if archive::is_v1(files) => {
            (Kind::DockerArchive, archive::read(files, progress))
        }
        (false, false) => {
            if let Some(path) = dangling(files) {
                let at = files.at().member(path);
                return Err(Error::new(&at, ErrorKind::LinkLoop { path: path.to_owned() }));
            }
            let why = unrecognised::why(files);
            return Err(Error::new(files.at(), ErrorKind::Unrecognised { why }));
        }
    };
    let is_over = |it: &&Error| matches!(it.kind, ErrorKind::Interrupted);
    if let Some(over) = reading.problems.iter().find(is_over) {
        return Err(Error::new(&over.at, ErrorKind::Interrupted));
    }
    let mut blobs = Claims::of(&reading.nodes);
    blobs.extend(reading.broken);
    let mut source = Source {
        at: files.at().clone(),
        kind,
        producer,
        nodes: reading.nodes,
        entries: reading.entries,
        index: reading.index,
        problems: reading.problems,
        notes: reading.notes,
        blobs,
        named: reading.named,
        lost: files.replaced().iter().flat_map(not_kept).collect(),
        numbers: None,
    };
    source.notes.extend(files.behind().map(|behind| notes::behind(files, behind)));
    notes::add(&mut source);
    if source.entries.is_empty() && source.problems.is_empty() {
        let found = "an empty index".to_owned();
        source.problems.push(Error::new(files.at(), ErrorKind::NoImage { found }));
    }
    // In the order in which they were found: causes come first.
    let mut seen = BTreeSet::new();
    source.problems.retain(|it| seen.insert((it.at.clone(), it.kind.to_string())));
    Ok(source)
}

/// What is lost of a schema 1 manifest.
fn not_kept(it: &Replaced) -> Vec<Loss> {
    let Replaced { name, digest, signatures } = it;
    let manifest = format!("{name}, schema 1 manifest {digest}");
    let signed = format!("{name}, {signatures} in schema 1 manifest {digest}");
    let signature = (*signatures > 0).then(|| Loss::new(Reason::Signature, signed));
    std::iter::once(Loss::new(Reason::Manifest, manifest)).chain(signature).collect()
}

/// A document that identifies an archive, but is a link without a target.
fn dangling(files: &Files) -> Option<&'static str> {
    let listed = files.list().ok().filter(|_| !files.is_directory())?;
    let names = [archive::MANIFEST, layout::INDEX_NAME];
    let link = |it: &Listed| (it.what == What::Link).then(|| it.path.clone()).flatten();
    let links: Vec<String> = listed.iter().filter_map(link).collect();
    names.into_iter().find(|name| links.iter().any(|link| link == name))
}

fn both(files: &Files, prefer: Prefer, progress: &dyn Progress) -> Reading {
    match prefer {
        Prefer::ManifestJson => archive::read(files, progress),
        Prefer::IndexJson => layout::read(files),
        Prefer::Neither => agree::agree(files, archive::read(files, progress), layout::read(files)),
    }
}
