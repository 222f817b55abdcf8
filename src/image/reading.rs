//! What a reader brings home: images, and every problem and oddity that it met.

use std::collections::BTreeSet;

use crate::document::{Document, Index};
use crate::error::{Error, Location};
use crate::image::{Entry, Node, NodeId};

/// Something odd that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Where.
    pub at: Location,
    /// A stable word for programs.
    pub code: &'static str,
    /// What, in words.
    pub text: String,
}

impl Note {
    pub(crate) fn new(at: &Location, code: &'static str, text: impl Into<String>) -> Self {
        Self { at: at.clone(), code, text: text.into() }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.at, self.text)
    }
}

/// Everything one format's reader found.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) nodes: Vec<Node>,
    pub(crate) entries: Vec<Entry>,
    /// The `index.json` of a layout.
    pub(crate) index: Option<Document<Index>>,
    pub(crate) problems: Vec<Error>,
    pub(crate) notes: Vec<Note>,
}

impl Reading {
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
