//! What a reader brings home: images, and every problem and oddity that it met.

use std::collections::BTreeSet;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::claims::Claims;
use crate::digest::DiffId;
use crate::document::{Document, Index};
use crate::error::{Error, ErrorKind, Location, Shown};
use crate::image::{Entry, Node, NodeId};
use crate::json::{self, Trailing};

/// Something odd that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Note {
    /// Where.
    pub at: Location,
    /// A stable word for programs.
    pub code: &'static str,
    /// What, in words, with what was expected and found.
    pub text: String,
    /// What was expected and what was found, where both can be told apart.
    pub sides: Option<(String, String)>,
}

impl Note {
    pub(crate) fn new(at: &Location, code: &'static str, text: impl Into<String>) -> Self {
        Self { at: at.clone(), code, text: text.into(), sides: None }
    }

    pub(crate) fn differs(
        at: &Location,
        code: &'static str,
        what: &str,
        (expected, found): (&str, &str),
    ) -> Self {
        let text = format!("{what}, expected {}, found {}", Shown(expected), Shown(found));
        let sides = Some((expected.to_owned(), found.to_owned()));
        Self { at: at.clone(), code, text, sides }
    }
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (expected, found) = self.sides.clone().unzip();
        let mut object = to.serialize_struct("Note", 5)?;
        object.serialize_field("code", self.code)?;
        object.serialize_field("at", &self.at)?;
        object.serialize_field("text", &self.text)?;
        object.serialize_field("expected", &expected)?;
        object.serialize_field("found", &found)?;
        object.end()
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.at, self.text)
    }
}

/// Everything that one format's reader found. A reader goes on after a problem.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) nodes: Vec<Node>,
    pub(crate) entries: Vec<Entry>,
    /// The `index.json` of a layout.
    pub(crate) index: Option<Document<Index>>,
    pub(crate) problems: Vec<Error>,
    pub(crate) notes: Vec<Note>,
    /// What is said of the blobs of nodes that are [`Node::Broken`].
    pub(crate) broken: Claims,
    /// What documents name beside the nodes that are here.
    pub(crate) named: BTreeSet<String>,
}

impl Reading {
    pub(crate) fn note(&mut self, at: &Location, code: &'static str, text: impl Into<String>) {
        self.notes.push(Note::new(at, code, text));
    }

    pub(crate) fn problem(&mut self, at: &Location, kind: impl Into<ErrorKind>) {
        self.problems.push(Error::new(at, kind.into()));
    }

    /// The value, or nothing and one problem more.
    pub(crate) fn kept<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.problems.push(error)).ok()
    }

    /// Adds a node.
    pub(crate) fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len().saturating_sub(1)
    }

    /// The images under a node, in order, each once.
    pub(crate) fn images_below(nodes: &[Node], node: NodeId) -> Vec<NodeId> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut todo = vec![node];
        while let Some(at) = todo.pop() {
            if !seen.insert(at) {
                continue;
            }
            match nodes.get(at) {
                Some(Node::Image(_)) => found.push(at),
                Some(Node::Index { children, .. }) => {
                    todo.extend(children.iter().rev().map(|child| child.node));
                }
                _ => (),
            }
        }
        found
    }
}

impl Reading {
    /// Every path that the documents of nodes name, in a layout or an archive.
    pub(crate) fn paths(nodes: &[Node], entries: &[Entry]) -> BTreeSet<String> {
        let mut named = BTreeSet::new();
        let mut path = |path: Option<&str>| {
            named.extend(path.map(|path| path.trim_start_matches("./").to_owned()));
        };
        for entry in entries {
            path(entry.descriptor.as_ref().map(|it| it.path()).as_deref());
        }
        for node in nodes {
            match node {
                Node::Image(image) => {
                    path(image.config_at.member_name());
                    let config = image.manifest.as_ref().and_then(|it| it.view().config.as_ref());
                    path(config.map(|it| it.path()).as_deref());
                    for layer in &image.layers {
                        path(layer.claim.as_ref().map(|it| it.path()).as_deref());
                        path(layer.blob.as_ref().and_then(|it| it.at.member_name()));
                    }
                }
                Node::Index { children, .. } => {
                    children.iter().for_each(|child| path(Some(&child.descriptor.path())));
                }
                Node::Other { document, .. } => {
                    let view = document.view();
                    let blobs = view.config.iter().chain(&view.layers);
                    blobs.for_each(|it| path(Some(&it.path())));
                }
                Node::UnknownBlob(..) | Node::Absent | Node::Broken => (),
            }
        }
        named
    }
}

/// The diff IDs of a config that is not as it should be, as far as they can be read.
pub(crate) fn diff_ids_of(raw: &[u8]) -> Vec<DiffId> {
    let read = || {
        let checked = json::check(raw, Trailing::Refused).ok()?;
        let [rootfs] = checked.value.fields("config", ["rootfs"]).ok()?;
        let [ids] = rootfs?.fields("rootfs", ["diff_ids"]).ok()?;
        let ids = ids?.list("rootfs.diff_ids").ok()?;
        Some(ids.filter_map(|id| id.string("rootfs.diff_ids").ok()?.parse().ok()).collect())
    };
    read().unwrap_or_default()
}
