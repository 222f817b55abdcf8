//! Which platform each image is for: as its index says, else as its config does.

use std::collections::BTreeMap;

use super::Source;
use crate::image::{Node, NodeId};
use crate::platform::Platform;

impl Source {
    /// The platform of each image. What an index says counts, as it is what a puller chooses by
    /// (image-spec `image-index.md`, platform); the config's own where no index says one.
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

/// `BuildKit` says `unknown/unknown` of what is of no platform.
fn is_known(platform: &Platform) -> bool {
    !matches!(platform.os.as_str(), "" | "unknown")
}
