//! Opens a source: finds out which kind it is from its content, and reads it.
//!
//! An archive that is both a save archive and a layout is read both ways, and the two readings
//! must agree: docker, podman and containerd each take the one they know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::document::{Document, Index};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::files::{Files, Input, Key};
use crate::image::{Entry, Image, Node, NodeId};
use crate::reading::{Note, Reading};
use crate::{layout, save};

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A `docker save` archive.
    SaveArchive,
    /// An OCI layout in a directory.
    Layout,
    /// An OCI layout in a tar.
    LayoutArchive,
    /// A tar that is both.
    Both,
}

impl Kind {
    /// The words for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SaveArchive => "save archive",
            Self::Layout => "layout",
            Self::LayoutArchive => "layout in a tar",
            Self::Both => "save archive that is a layout too",
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

/// Opens a save archive or a layout.
///
/// # Errors
/// Only where nothing can be read at all, or two readings disagree; whatever else is wrong is in
/// [`Source::problems`].
pub fn open(input: Input, options: &Options) -> Result<Source> {
    let files = Files::open(input, &options.spool)?;
    let (archive, index) = (save::has_manifest(&files), layout::is_layout(&files));
    let (kind, reading) = match (archive, index) {
        (true, true) => (Kind::Both, both(&files, options.prefer)?),
        (false, true) if files.is_directory() => (Kind::Layout, layout::read(&files)?),
        (false, true) => (Kind::LayoutArchive, layout::read(&files)?),
        (true, false) => (Kind::SaveArchive, save::read(&files)?),
        (false, false) if save::is_legacy(&files) => (Kind::SaveArchive, save::read(&files)?),
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
    Ok(Source { at, kind, nodes, entries, index, problems, notes })
}

fn both(files: &Files, prefer: Prefer) -> Result<Reading> {
    match prefer {
        Prefer::ManifestJson => save::read(files),
        Prefer::IndexJson => layout::read(files),
        Prefer::Neither => agree(files, save::read(files)?, layout::read(files)?),
    }
}

/// Makes one reading of two that agree.
///
/// docker 25 leaves untagged images out of `index.json`, and 25.0.0 lists layers there in random
/// order and each once; a containerd export lists platforms there that `manifest.json` leaves out.
fn agree(files: &Files, save: Reading, mut layout: Reading) -> Result<Reading> {
    let index_at = files.at().member(layout::INDEX_NAME);
    if layout.entries.is_empty() {
        let text = "it lists no image, manifest.json does: written by docker 25.0.0 to 25.0.2";
        return Ok(with_note(save, &index_at, text));
    }
    let miscounted = |error: &Error| matches!(error.kind, ErrorKind::LayerCount { .. });
    if save.problems.is_empty() && layout.problems.iter().any(miscounted) {
        let text = "its manifests list each layer once, not as the configs do: manifest.json counts";
        return Ok(with_note(save, &index_at, text));
    }
    let by_id: BTreeMap<_, NodeId> = (0..layout.nodes.len())
        .filter_map(|node| Some((image(&layout.nodes, node)?.id(), node)))
        .collect();
    let mut shared = BTreeSet::new();
    let mut only_save = Vec::new();
    for entry in save.entries {
        let Some(Node::Image(ours)) = save.nodes.get(entry.node) else { continue };
        let Some(node) = by_id.get(&ours.id()).copied() else {
            only_save.push((entry.names, ours.clone()));
            continue;
        };
        shared.insert(node);
        if let Some(Node::Image(theirs)) = layout.nodes.get_mut(node) {
            match same_layers(ours, theirs) {
                Same::Yes => (),
                Same::OtherOrder => {
                    let text = "it lists the layers of an image in another order: manifest.json counts";
                    layout.notes.push(Note::new(&index_at, text));
                    *theirs = ours.clone();
                    layout.index = None;
                }
                Same::No => return Err(disagree(files, &ours.id(), &theirs.id())),
            }
        }
        for name in entry.names {
            let named = |other: &Entry| {
                let below = Reading::images_below(&layout.nodes, other.node).contains(&node);
                below && other.names.iter().any(|it| it.reference == name.reference)
            };
            if !layout.entries.iter().any(named) {
                let text = format!("manifest.json calls an image {}, index.json does not", name.shown());
                layout.notes.push(Note::new(&index_at, text));
                layout.entries.push(Entry { names: vec![name], descriptor: None, node });
                layout.index = None;
            }
        }
    }
    let only_layout = by_id.iter().find(|(_, node)| !shared.contains(*node));
    for (names, ours) in only_save {
        if let Some((theirs, _)) = only_layout {
            return Err(disagree(files, &ours.id(), theirs));
        }
        layout.nodes.push(Node::Image(ours));
        let node = layout.nodes.len() - 1;
        layout.entries.push(Entry { names, descriptor: None, node });
        layout.index = None;
        let text = "it leaves out an image that manifest.json has: written by docker 25 or later";
        layout.notes.push(Note::new(&index_at, text));
    }
    layout.problems.extend(save.problems);
    layout.notes.extend(save.notes);
    Ok(layout)
}

fn with_note(mut reading: Reading, at: &Location, text: &str) -> Reading {
    reading.notes.push(Note::new(at, text));
    reading
}

fn disagree(
    files: &Files,
    ours: &crate::digest::ImageId,
    theirs: &crate::digest::ImageId,
) -> Error {
    let (manifest, index) = (ours.to_string(), theirs.to_string());
    let (manifest, index) = if manifest == index {
        (format!("{manifest} with some layers"), "the same image with other layers".to_owned())
    } else {
        (manifest, index)
    };
    Error::new(files.at(), ErrorKind::Disagree { manifest, index })
}

enum Same {
    Yes,
    OtherOrder,
    No,
}

/// Whether two readings of one image mean the same bytes as its layers.
fn same_layers(ours: &Image, theirs: &Image) -> Same {
    let keys = |image: &Image| -> Vec<Option<Key>> {
        image.layers.iter().map(|layer| Some(layer.blob.as_ref()?.key())).collect()
    };
    let (ours, theirs) = (keys(ours), keys(theirs));
    if ours == theirs {
        return Same::Yes;
    }
    let set = |keys: &[Option<Key>]| keys.iter().cloned().collect::<BTreeSet<_>>();
    if set(&ours) == set(&theirs) { Same::OtherOrder } else { Same::No }
}
