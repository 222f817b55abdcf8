//! Opens a source: finds out which kind it is from its content, and reads it.
//!
//! An archive that is both a docker archive and a layout is read both ways, and the two readings
//! must agree: docker, podman and containerd each take the one they know.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod agree;
mod bare;

use std::path::PathBuf;

use crate::bytes::files::{self, Files, Input, Opened};
use crate::document::{Document, Index};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::image::reading::{Note, Reading};
use crate::image::{Entry, Image, Node, NodeId};
use crate::producer::{Producer, producer};
use crate::progress::Progress;
use crate::{archive, layout};

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A `docker save` archive.
    DockerArchive,
    /// An OCI layout in a directory.
    Layout,
    /// An OCI OCI archive.
    OciArchive,
    /// A tar that is both.
    Both,
    /// A config alone.
    Config,
    /// A manifest alone.
    Manifest,
    /// An index alone.
    Index,
}

impl Kind {
    /// The words for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DockerArchive => "docker archive",
            Self::Layout => "layout",
            Self::OciArchive => "OCI archive",
            Self::Both => "docker archive that is an OCI layout too",
            Self::Config => "config",
            Self::Manifest => "manifest",
            Self::Index => "index",
        }
    }
}

/// Which reading counts where two differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// Both must agree.
    Neither,
    /// That of docker.
    ManifestJson,
    /// That of containerd.
    IndexJson,
}

/// How to open a source.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which reading counts.
    pub prefer: Prefer,
    /// Folder for the temporary file of a pipe or a compressed archive.
    pub spool: PathBuf,
}

/// An opened source: what it offers, and every problem and oddity met on the way.
#[derive(Debug)]
pub struct Source {
    /// Where it is.
    pub at: Location,
    /// What it is.
    pub kind: Kind,
    /// Who seems to have written it.
    pub producer: Option<Producer>,
    /// Images, indexes and other things, each once.
    pub nodes: Vec<Node>,
    /// What it offers by name, in order.
    pub entries: Vec<Entry>,
    /// Its `index.json`, where that says exactly what `entries` says.
    pub index: Option<Document<Index>>,
    /// What is wrong with it.
    pub problems: Vec<Error>,
    /// What is odd about it.
    pub notes: Vec<Note>,
}

impl Source {
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

fn image(nodes: &[Node], node: NodeId) -> Option<&Image> {
    match nodes.get(node) {
        Some(Node::Image(image)) => Some(image),
        _ => None,
    }
}

/// Opens a docker archive or a layout.
///
/// # Errors
/// Only where nothing can be read at all, or two readings disagree; whatever else is wrong is in
/// [`Source::problems`].
pub fn open(input: Input, options: &Options, progress: &dyn Progress) -> Result<Source> {
    read(&Files::open(input, &options.spool, progress)?, options.prefer)
}

/// Opens a docker archive, a layout, or one document alone, which has nothing of what it names.
///
/// # Errors
/// As [`open`].
pub fn open_any(input: Input, options: &Options, progress: &dyn Progress) -> Result<Source> {
    match files::open(input, &options.spool, progress)? {
        Opened::Document(at, raw) => bare::read(&at, raw),
        Opened::Files(files) => read(&files, options.prefer),
    }
}

/// Reads files that are open.
pub(crate) fn read(files: &Files, prefer: Prefer) -> Result<Source> {
    let (archive, index) = (archive::has_manifest(files), layout::is_layout(files));
    let (kind, reading) = match (archive, index) {
        (true, true) => (Kind::Both, both(files, prefer)?),
        (false, true) if files.is_directory() => (Kind::Layout, layout::read(files)?),
        (false, true) => (Kind::OciArchive, layout::read(files)?),
        (true, false) => (Kind::DockerArchive, archive::read(files)?),
        (false, false) if archive::is_legacy(files) => (Kind::DockerArchive, archive::read(files)?),
        (false, false) => {
            let why = if files.is_directory() {
                "the directory has no oci-layout and no index.json"
            } else {
                "the archive is empty or has no manifest.json, no index.json and no repositories"
            };
            return Err(Error::new(files.at(), ErrorKind::Unrecognised { why }));
        }
    };
    let Reading { nodes, entries, index, mut problems, notes } = reading;
    if entries.is_empty() && problems.is_empty() {
        let found = "an empty index".to_owned();
        problems.push(Error::new(files.at(), ErrorKind::NoImage { found }));
    }
    problems.sort_by(|a, b| a.at.cmp(&b.at));
    let at = files.at().clone();
    let producer = producer(files);
    Ok(Source { at, kind, producer, nodes, entries, index, problems, notes })
}

fn both(files: &Files, prefer: Prefer) -> Result<Reading> {
    match prefer {
        Prefer::ManifestJson => archive::read(files),
        Prefer::IndexJson => layout::read(files),
        Prefer::Neither => agree::agree(files, archive::read(files)?, layout::read(files)?),
    }
}
