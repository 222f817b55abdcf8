//! The result of a reader: images, and all problems and notes.

use std::collections::BTreeSet;

use serde::ser::{Serialize, Serializer};

use super::claims::Claims;
use crate::digest::DiffId;
use crate::document::{Document, Index};
use crate::error::{Error, ErrorKind, Finding, Location, Severity, Shown};
use crate::image::{Entry, Node, NodeId};
use crate::json::{self, Trailing};
use crate::limits;

/// Something unusual that has no effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Note {
    /// Where.
    pub at: Location,
    /// A stable code for programs.
    pub code: &'static str,
    /// The text, with the expected and found values.
    pub text: String,
    /// The expected and found values, if there are both.
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

impl From<&Note> for Finding {
    fn from(note: &Note) -> Self {
        let (expected, found) = note.sides.clone().unzip();
        Self {
            code: note.code,
            severity: Severity::Note,
            kind: None,
            at: note.at.clone(),
            text: note.text.clone(),
            expected,
            found,
            hint: None,
        }
    }
}

impl Serialize for Note {
    /// As every finding.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Finding::from(self).serialize(to)
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.at, self.text)
    }
}

/// The result of the reader of one format. A reader continues after a problem.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) nodes: Vec<Node>,
    pub(crate) entries: Vec<Entry>,
    /// The `index.json` of a layout.
    pub(crate) index: Option<Document<Index>>,
    pub(crate) problems: Vec<Error>,
    pub(crate) notes: Vec<Note>,
    /// Claims about the blobs of [`Node::Broken`] nodes.
    pub(crate) broken: Claims,
    /// Other names in documents.
    pub(crate) named: BTreeSet<String>,
}

impl Reading {
    pub(crate) fn note(&mut self, at: &Location, code: &'static str, text: impl Into<String>) {
        self.notes.push(Note::new(at, code, text));
    }

    pub(crate) fn problem(&mut self, at: &Location, kind: impl Into<ErrorKind>) {
        self.problems.push(Error::new(at, kind.into()));
    }

    /// The value; an error becomes a problem.
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
    /// Every path that nodes refer to in a layout or archive: by a digest in any field of a
    /// document, or by the place of their bytes.
    pub(crate) fn paths(nodes: &[Node], entries: &[Entry]) -> BTreeSet<String> {
        let mut named = BTreeSet::new();
        named.extend(entries.iter().filter_map(|it| Some(it.descriptor.as_ref()?.path())));
        let mut at = |at: Option<&Location>| {
            let path = at.and_then(Location::member_name);
            named.extend(path.map(|path| path.trim_start_matches("./").to_owned()));
        };
        for node in nodes {
            if let Node::Image(image) = node {
                at(Some(&image.config_at));
                image.layers.iter().for_each(|it| at(it.blob.as_ref().map(|blob| &blob.at)));
            }
        }
        for node in nodes {
            match node {
                Node::Image(image) => {
                    let raw = image.manifest.as_ref().map(Document::raw);
                    named.extend(paths_in(raw.unwrap_or_default()));
                }
                Node::Index { document, .. } => named.extend(paths_in(document.raw())),
                Node::Other { document, .. } => named.extend(paths_in(document.raw())),
                Node::UnknownBlob(_, blob) => {
                    let what = "the size of a document, in bytes,";
                    let raw = blob.0.read(limits::MANIFEST, what);
                    named.extend(paths_in(&raw.unwrap_or_default()));
                }
                Node::Absent | Node::Broken => (),
            }
        }
        named
    }
}

/// The blobs of all digests in a document.
pub(crate) fn paths_in(raw: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(raw);
    let mut found = BTreeSet::new();
    for (algorithm, digits) in [("sha256", 64), ("sha512", 128)] {
        for behind in text.split(&format!("{algorithm}:")).skip(1) {
            let hex = behind.get(..digits).unwrap_or_default();
            if hex.len() == digits && hex.bytes().all(|it| it.is_ascii_hexdigit()) {
                found.insert(format!("blobs/{algorithm}/{hex}"));
            }
        }
    }
    found
}

/// The diff IDs of a damaged config, as far as they can be read.
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
