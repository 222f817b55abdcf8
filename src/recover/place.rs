//! Puts recovered layers, manifests and indexes into a source.

use std::sync::Arc;

use super::layers::{MadeLayers, is_there};
use super::{LayerFate, RecoveredImage, RecoveredLayer};
use crate::document::descriptor::Descriptor;
use crate::document::{Document, Index, Manifest};
use crate::image::claims::Claims;
use crate::image::{Child, Entry, Image, Node, NodeId};
use crate::source::Source;

/// Replaces the layers of an image, and its manifest if all of them are as it states.
pub(super) fn layers(
    image: &mut Image,
    manifest: &Document<Manifest>,
    made: &MadeLayers,
    name: String,
) -> RecoveredImage {
    let mut found = Vec::new();
    for (layer, claim) in image.layers.iter_mut().zip(&manifest.view().layers) {
        let key = (layer.diff_id, claim.digest);
        let fate = match made.get(&key) {
            _ if is_there(layer, claim) => {
                layer.claim = Some(Box::new(claim.clone()));
                LayerFate::There
            }
            Some(made) => {
                if let Some((blob, codec)) = &made.blob {
                    layer.blob = Some(blob.clone());
                    layer.codec = *codec;
                    layer.claim = Some(Box::new(claim.clone()));
                }
                made.fate.clone()
            }
            None => LayerFate::NotRecovered { tried: 0 },
        };
        found.push(RecoveredLayer { diff_id: layer.diff_id, digest: claim.digest, fate });
    }
    let manifest_digest = manifest.measured().digest();
    let recovered = RecoveredImage { manifest: manifest_digest, name, layers: found };
    if recovered.is_whole() {
        image.manifest = Some(manifest.clone());
    }
    recovered
}

/// Names the recovered manifests, and the known indexes whose children are all here, in place of
/// what named the images before.
pub(super) fn documents(
    source: &mut Source,
    indexes: &[Document<Index>],
    images: &[RecoveredImage],
) {
    if images.is_empty() {
        return;
    }
    source.index = None;
    renew_indexes(source);
    for entry in &mut source.entries {
        let Some(Node::Image(image)) = source.nodes.get(entry.node) else { continue };
        let Some(manifest) = &image.manifest else { continue };
        let new = manifest.descriptor();
        let old = entry.descriptor.as_deref();
        if old.is_none_or(|old| old.digest != new.digest) {
            entry.descriptor = Some(Arc::new(named(old, new)));
        }
    }
    for index in indexes {
        adopt(source, index);
    }
    source.blobs = Claims::of(&source.nodes);
}

/// The entry of a document, with the names of the one that it replaces.
fn named(old: Option<&Descriptor>, new: Descriptor) -> Descriptor {
    old.map_or_else(|| new.clone(), |old| old.renewed(&new))
}

/// Entries that lead to the children of a known index lead to the index.
fn adopt(source: &mut Source, index: &Document<Index>) {
    let at = |digest| {
        source.nodes.iter().position(|node| match node {
            Node::Image(image) => {
                image.manifest.as_ref().is_some_and(|it| it.measured().digest() == digest)
            }
            _ => false,
        })
    };
    let mut children = Vec::new();
    for descriptor in &index.view().manifests {
        let Some(node) = at(descriptor.digest) else { return };
        children.push(Child { descriptor: descriptor.clone(), node });
    }
    let nodes: Vec<NodeId> = children.iter().map(|child| child.node).collect();
    if !source.entries.iter().any(|entry| nodes.contains(&entry.node)) {
        return;
    }
    let node = source.nodes.len();
    source.nodes.push(Node::Index { document: Box::new(index.clone()), children });
    let mut kept: Vec<Entry> = Vec::new();
    for mut entry in std::mem::take(&mut source.entries) {
        if nodes.contains(&entry.node) {
            let mut new = named(entry.descriptor.as_deref(), index.descriptor());
            new.platform = None;
            (entry.node, entry.descriptor) = (node, Some(Arc::new(new)));
            if kept.iter().any(|it| it.node == node && it.names == entry.names) {
                continue;
            }
        }
        kept.push(entry);
    }
    source.entries = kept;
}

/// Indexes of the source that name an image whose manifest is another one now.
fn renew_indexes(source: &mut Source) {
    loop {
        let mut changed = None;
        for (at, node) in source.nodes.iter().enumerate() {
            let Node::Index { document, children } = node else { continue };
            let new: Vec<Descriptor> = children.iter().map(|it| child(source, it)).collect();
            if new.iter().zip(children).any(|(new, old)| new.digest != old.descriptor.digest) {
                changed = Some((at, Index { manifests: new, ..document.view().clone() }));
                break;
            }
        }
        let Some((at, index)) = changed else { return };
        let Ok(document) = Document::<Index>::parse(index.to_json().into_bytes()) else { return };
        let new = document.descriptor();
        if let Some(Node::Index { document: old, children }) = source.nodes.get_mut(at) {
            for (child, descriptor) in children.iter_mut().zip(&document.view().manifests) {
                child.descriptor = descriptor.clone();
            }
            **old = document;
        }
        for entry in source.entries.iter_mut().filter(|entry| entry.node == at) {
            entry.descriptor = Some(Arc::new(named(entry.descriptor.as_deref(), new.clone())));
        }
    }
}

/// What names a child of an index.
fn child(source: &Source, child: &Child) -> Descriptor {
    let own = match source.nodes.get(child.node) {
        Some(Node::Image(image)) => image.manifest.as_ref().map(Document::<Manifest>::descriptor),
        Some(Node::Index { document, .. }) => Some(document.descriptor()),
        _ => None,
    };
    match own {
        Some(own)
            if own.digest != child.descriptor.digest
                && own.digest.algorithm() == child.descriptor.digest.algorithm() =>
        {
            child.descriptor.renewed(&own)
        }
        _ => child.descriptor.clone(),
    }
}
