//! Finds the platform of each image, and the images of a platform.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;
use crate::image::{Child, Entry, Node, NodeId, NotImage};
use crate::platform::Platform;

impl Source {
    /// The platform of each image. The platform in an index counts, because clients select by it
    /// (image-spec `image-index.md`, platform); otherwise the one in the config.
    #[must_use]
    pub fn platforms(&self) -> BTreeMap<NodeId, Platform> {
        let mut found = BTreeMap::new();
        let said = self.nodes.iter().flat_map(|node| match node {
            Node::Index { children, .. } => children.as_slice(),
            _ => &[],
        });
        let said = said.map(|child| (child.node, Some(&child.descriptor)));
        let named = self.entries.iter().map(|it| (it.node, it.descriptor.as_deref()));
        for (node, descriptor) in said.chain(named) {
            let platform = descriptor.and_then(|it| it.platform.as_deref());
            if let Some(platform) = platform.filter(|it| is_known(it)) {
                found.entry(node).or_insert_with(|| platform.clone());
            }
        }
        for (node, it) in self.nodes.iter().enumerate() {
            if let Node::Image(image) = it {
                found.entry(node).or_insert_with(|| image.config.view().platform.clone());
            }
        }
        found
    }
}

/// `BuildKit` writes `unknown/unknown` if there is no platform.
fn is_known(platform: &Platform) -> bool {
    !matches!(platform.os.as_str(), "" | "unknown")
}

/// An image that a platform may select.
pub(crate) struct Candidate {
    pub(crate) platform: Platform,
    pub(crate) whole: bool,
    /// Its entry in an index, if there is one.
    pub(crate) child: Option<Child>,
}

pub(crate) fn candidates(source: &Source, entry: &Entry) -> Vec<Candidate> {
    if let Some(image) = source.image(entry.node) {
        // A child that was selected alone has the platform from its index.
        let said = entry.descriptor.as_ref().and_then(|it| it.platform.as_deref().cloned());
        let platform = said.unwrap_or_else(|| image.config.view().platform.clone());
        return vec![Candidate { platform, whole: true, child: None }];
    }
    let mut found = Vec::new();
    for child in below(source, entry.node) {
        let said = child.descriptor.platform.as_deref().cloned();
        match source.nodes.get(child.node) {
            Some(Node::Image(image)) => {
                let platform = said.unwrap_or_else(|| image.config.view().platform.clone());
                found.push(Candidate { platform, whole: true, child: Some(child.clone()) });
            }
            Some(Node::Absent | Node::Other { why: NotImage::Incomplete, .. }) => {
                let platform = said.filter(|it| it.os != "unknown");
                found.extend(platform.map(|platform| Candidate {
                    platform,
                    whole: false,
                    child: Some(child.clone()),
                }));
            }
            _ => (),
        }
    }
    found
}

/// Everything below an index except indexes, in order; each index is opened once.
pub(crate) fn below(source: &Source, index: NodeId) -> Vec<&Child> {
    let (mut found, mut seen, mut todo) = (Vec::new(), BTreeSet::new(), vec![index]);
    while let Some(node) = todo.pop() {
        let Some(Node::Index { children, .. }) = source.nodes.get(node) else { continue };
        if !seen.insert(node) {
            continue;
        }
        let is_index =
            |child: &Child| matches!(source.nodes.get(child.node), Some(Node::Index { .. }));
        found.extend(children.iter().filter(|child| !is_index(child)));
        todo.extend(children.iter().rev().map(|child| child.node));
    }
    found
}
