//! Finds the blobs of a stream that no selected image has, where its documents come first.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Target;
use crate::bytes::files::{ByteSource, Files, FindUnwanted, HeldDocuments};
use crate::digest::Digest;
use crate::document::descriptor::blob_path;
use crate::error::Location;
use crate::image::{Node, NodeId};
use crate::platform::Platform;
use crate::progress::Quiet;
use crate::source::{self, Prefer, Source, entries};

/// For a target with a selection.
pub(super) fn find(target: &Target) -> Option<FindUnwanted> {
    let platforms = target.platforms.only().to_vec();
    let images = target.images.clone();
    let selects = !images.is_empty() || !platforms.is_empty();
    selects.then(|| {
        FindUnwanted(Arc::new(move |held: &HeldDocuments| unwanted(held, &images, &platforms)))
    })
}

fn unwanted(
    held: &HeldDocuments,
    images: &[String],
    platforms: &[Platform],
) -> Option<BTreeSet<String>> {
    let at = Location::named("-");
    let file = |(name, bytes): (&String, &Arc<[u8]>)| {
        (name.clone(), ByteSource::bytes(at.member(name), Arc::clone(bytes)))
    };
    let files = Files::remote(at.clone(), held.iter().map(file).collect(), Default::default());
    let source = source::read(&files, Prefer::IndexJson, &Quiet).ok()?;
    let known = |node: &Node| !matches!(node, Node::Absent | Node::Broken);
    if !source.nodes.iter().all(known) {
        return None;
    }
    let entries = entries(&source, images, platforms).ok()?;
    let mut kept = BTreeSet::new();
    let mut todo: Vec<NodeId> = entries.iter().map(|entry| entry.node).collect();
    while let Some(node) = todo.pop() {
        if !kept.insert(node) {
            continue;
        }
        if let Some(Node::Index { children, .. }) = source.nodes.get(node) {
            // One without a platform may be wanted with any other.
            let is_wanted = |platform: Option<&Platform>| {
                let matches = |it: &Platform| platforms.iter().any(|wanted| it.matches(wanted));
                platforms.is_empty() || platform.is_none_or(matches)
            };
            let children = children.iter();
            let children = children.filter(|it| is_wanted(it.descriptor.platform.as_deref()));
            todo.extend(children.map(|child| child.node));
        }
    }
    let of = |nodes: &mut dyn Iterator<Item = NodeId>| -> BTreeSet<Digest> {
        nodes.flat_map(|node| layers(&source, node)).collect()
    };
    let wanted = of(&mut kept.iter().copied());
    let all = of(&mut (0..source.nodes.len()));
    Some(all.difference(&wanted).map(blob_path).collect())
}

/// The layers of a manifest.
fn layers(source: &Source, node: NodeId) -> Vec<Digest> {
    let manifest = match source.nodes.get(node) {
        Some(Node::Image(image)) => image.manifest.as_ref(),
        Some(Node::Other { document, .. }) => Some(&**document),
        _ => None,
    };
    let layers = manifest.into_iter().flat_map(|manifest| &manifest.view().layers);
    layers.map(|layer| layer.digest).collect()
}
