//! Merges the two readings of an archive that is both a docker archive and a layout.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::image;
use crate::bytes::files::{BlobKey, Files};
use crate::digest::ImageId;
use crate::document::descriptor::{CONTAINERD_NAME, Descriptor, REF_NAME};
use crate::error::{Error, ErrorKind, Location};
use crate::image::reading::Reading;
use crate::image::{Entry, Image, Name, Node, NodeId};
use crate::layout;
use crate::reference::Reference;

/// Merges two readings; a disagreement is a problem.
///
/// docker 25 leaves untagged images out of `index.json`, and 25.0.0 lists each layer there only
/// once and in random order; a containerd export lists platforms there that are missing from
/// `manifest.json`.
pub(super) fn agree(files: &Files, archive: Reading, layout: Reading) -> Reading {
    let index_at = files.at().member(layout::INDEX_NAME);
    if layout.entries.is_empty() && layout.problems.is_empty() {
        let text = "it lists no image, but manifest.json does; docker 25.0.0 to 25.0.2 wrote it";
        return with_note(archive, &index_at, "index-empty", text);
    }
    let miscounted = |error: &Error| matches!(error.kind, ErrorKind::LayerCount { .. });
    let miscounts = !layout.problems.is_empty() && layout.problems.iter().all(miscounted);
    if archive.problems.is_empty() && miscounts {
        let text = "its manifests and configs list different layers; manifest.json is used";
        let named = Reading::paths(&layout.nodes, &layout.entries);
        return Reading { named, ..with_note(archive, &index_at, "index-layers", text) };
    }
    let Reading { nodes, entries, problems, notes, broken, .. } = archive;
    let mut merge = Merge::new(index_at, layout);
    for entry in entries {
        if let Some(Node::Image(ours)) = nodes.get(entry.node)
            && let Err(kind) = merge.item(ours, entry.names)
        {
            merge.layout.problem(files.at(), kind);
        }
    }
    let mut merged = merge.finish(files.at());
    if !merged.problems.is_empty() {
        merged.named.extend(Reading::paths(&nodes, &[]));
    }
    merged.problems.extend(problems);
    merged.notes.extend(notes);
    merged.broken.extend(broken);
    merged
}

fn with_note(mut reading: Reading, at: &Location, code: &'static str, text: &str) -> Reading {
    reading.note(at, code, text);
    reading
}

/// The reading of `index.json`, with the additions of `manifest.json`.
struct Merge {
    index_at: Location,
    layout: Reading,
    /// Several if one image has more than one manifest: gzip and zstd, OCI and Docker.
    by_id: BTreeMap<ImageId, Vec<NodeId>>,
    /// The images in `index.json`, by name.
    named: BTreeMap<Reference, Vec<NodeId>>,
    /// Images in both.
    shared: BTreeSet<NodeId>,
    /// Images only in `manifest.json`.
    only_archive: Vec<(Vec<Name>, Box<Image>)>,
}

impl Merge {
    fn new(index_at: Location, layout: Reading) -> Self {
        let mut by_id: BTreeMap<ImageId, Vec<NodeId>> = BTreeMap::new();
        for node in 0..layout.nodes.len() {
            if let Some(image) = image(&layout.nodes, node) {
                by_id.entry(image.id()).or_default().push(node);
            }
        }
        let mut named: BTreeMap<Reference, Vec<NodeId>> = BTreeMap::new();
        for entry in &layout.entries {
            let below = Reading::images_below(&layout.nodes, entry.node);
            for reference in entry.names.iter().filter_map(|name| name.reference.clone()) {
                named.entry(reference).or_default().extend(&below);
            }
        }
        let (shared, only_archive) = (BTreeSet::new(), Vec::new());
        Self { index_at, layout, by_id, named, shared, only_archive }
    }

    fn note(&mut self, code: &'static str, text: impl Into<String>) {
        self.layout.note(&self.index_at, code, text);
    }

    /// Compares an item of `manifest.json` with the image in `index.json`: the manifest with the
    /// same name, or, if the name is missing there, the first one with the same config.
    fn item(&mut self, ours: &Image, names: Vec<Name>) -> Result<(), ErrorKind> {
        let id = ours.id();
        let Some(all) = self.by_id.get(&id).cloned() else {
            self.only_archive.push((names, Box::new(ours.clone())));
            return Ok(());
        };
        if names.is_empty() {
            return self.same(ours, &all).map(drop);
        }
        for name in names {
            let known = name.reference.as_ref().and_then(|it| self.named.get(it));
            if let Some(below) = known {
                let own = |node: &NodeId| all.contains(node);
                let candidates: Vec<NodeId> = below.iter().copied().filter(own).collect();
                if candidates.is_empty() {
                    let other = below.first().and_then(|node| image(&self.layout.nodes, *node));
                    let theirs = other.map_or(id, Image::id);
                    return Err(disagree(&id, &theirs));
                }
                self.same(ours, &candidates)?;
                continue;
            }
            let node = self.same(ours, &all)?;
            let text =
                format!("it does not have the name {}, but manifest.json does", name.shown());
            self.note("index-name", text);
            let descriptor = self.descriptor(node);
            self.layout.entries.push(Entry { names: vec![name], descriptor, node });
            self.layout.index = None;
        }
        Ok(())
    }

    /// The descriptor of an image in the layout, without its name.
    fn descriptor(&self, node: NodeId) -> Option<Arc<Descriptor>> {
        image(&self.layout.nodes, node)?.manifest.as_ref()?;
        let entries = self.layout.entries.iter().filter(|entry| entry.node == node);
        let own = entries.filter_map(|entry| entry.descriptor.as_deref());
        let children = self.layout.nodes.iter().filter_map(|it| match it {
            Node::Index { children, .. } => Some(children),
            _ => None,
        });
        let below = children.flatten().filter(|child| child.node == node);
        let mut all = own.chain(below.map(|child| &child.descriptor));
        let mut descriptor = all.next()?.clone();
        descriptor.annotations.remove(CONTAINERD_NAME);
        descriptor.annotations.remove(REF_NAME);
        Some(Arc::new(descriptor))
    }

    /// The first of these images with the same layers.
    fn same(&mut self, ours: &Image, candidates: &[NodeId]) -> Result<NodeId, ErrorKind> {
        let like = |wanted: Same| {
            candidates.iter().copied().find(|node| {
                let theirs = image(&self.layout.nodes, *node);
                theirs.is_some_and(|theirs| same_layers(ours, theirs) == wanted)
            })
        };
        let node = match (like(Same::Yes), like(Same::OtherOrder)) {
            (Some(node), _) => node,
            (None, Some(node)) => {
                let text =
                    "it lists the layers of an image in another order; manifest.json is used";
                self.note("index-layers", text);
                if let Some(theirs) = self.layout.nodes.get_mut(node) {
                    *theirs = Node::Image(Box::new(ours.clone()));
                }
                self.layout.index = None;
                node
            }
            (None, None) => return Err(disagree(&ours.id(), &ours.id())),
        };
        self.shared.insert(node);
        self.add_sources(node, ours);
        Ok(node)
    }

    /// Adds what only `manifest.json` says: where the non-distributable layers are stored.
    fn add_sources(&mut self, node: NodeId, ours: &Image) {
        let Some(Node::Image(theirs)) = self.layout.nodes.get_mut(node) else { return };
        for (theirs, ours) in theirs.layers.iter_mut().zip(&ours.layers) {
            if theirs.elsewhere().is_none() {
                theirs.source.clone_from(&ours.source);
            }
        }
    }

    /// Adds the images that are only in `manifest.json`, unless `index.json` has a different image
    /// instead.
    fn finish(mut self, at: &Location) -> Reading {
        let mut by_id = self.by_id.iter();
        let only_layout = by_id.find(|it| !it.1.iter().any(|node| self.shared.contains(node)));
        let only_layout = only_layout.map(|(id, _)| *id);
        for (names, ours) in std::mem::take(&mut self.only_archive) {
            if let Some(theirs) = only_layout {
                self.layout.problem(at, disagree(&ours.id(), &theirs));
                continue;
            }
            let text = "it leaves out an image that manifest.json lists, as docker 25 and later do";
            self.note("index-image", text);
            let node = self.layout.push(Node::Image(ours));
            self.layout.entries.push(Entry { names, descriptor: None, node });
            self.layout.index = None;
        }
        self.layout
    }
}

fn disagree(ours: &ImageId, theirs: &ImageId) -> ErrorKind {
    let (manifest, index) = if ours == theirs {
        (format!("{ours} with some layers"), "the same image with other layers".to_owned())
    } else {
        (ours.to_string(), theirs.to_string())
    };
    ErrorKind::Disagree { manifest, index }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Same {
    Yes,
    OtherOrder,
    No,
}

/// Whether two readings of an image have the same layers.
fn same_layers(ours: &Image, theirs: &Image) -> Same {
    let keys = |image: &Image| -> Vec<Option<BlobKey>> {
        image.layers.iter().map(|layer| Some(layer.blob.as_ref()?.key())).collect()
    };
    let (ours, theirs) = (keys(ours), keys(theirs));
    if ours == theirs {
        return Same::Yes;
    }
    let set = |keys: &[Option<BlobKey>]| keys.iter().cloned().collect::<BTreeSet<_>>();
    if set(&ours) == set(&theirs) { Same::OtherOrder } else { Same::No }
}
