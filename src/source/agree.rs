//! One reading of an archive that is a docker archive and a layout at once.

use std::collections::{BTreeMap, BTreeSet};

use super::image;
use crate::bytes::files::{Files, Key};
use crate::digest::ImageId;
use crate::error::{Error, ErrorKind, Location, Result};
use crate::image::reading::{Note, Reading};
use crate::image::{Entry, Image, Name, Node, NodeId};
use crate::layout;
use crate::reference::Reference;

/// Makes one reading of two that agree.
///
/// docker 25 leaves untagged images out of `index.json`, and 25.0.0 lists layers there in random
/// order and each once; a containerd export lists platforms there that `manifest.json` leaves out.
pub(super) fn agree(files: &Files, save: Reading, layout: Reading) -> Result<Reading> {
    let index_at = files.at().member(layout::INDEX_NAME);
    if layout.entries.is_empty() {
        let text = "it lists no image, manifest.json does: written by docker 25.0.0 to 25.0.2";
        return Ok(with_note(save, &index_at, "index-empty", text));
    }
    let miscounted = |error: &Error| matches!(error.kind, ErrorKind::LayerCount { .. });
    if save.problems.is_empty() && layout.problems.iter().any(miscounted) {
        let text = "its manifests list layers not as the configs do: manifest.json counts";
        return Ok(with_note(save, &index_at, "index-layers", text));
    }
    let mut merge = Merge::new(files, index_at, layout);
    for entry in save.entries {
        if let Some(Node::Image(ours)) = save.nodes.get(entry.node) {
            merge.item(ours, entry.names)?;
        }
    }
    let mut merged = merge.finish()?;
    merged.problems.extend(save.problems);
    merged.notes.extend(save.notes);
    Ok(merged)
}

fn with_note(mut reading: Reading, at: &Location, code: &'static str, text: &str) -> Reading {
    reading.notes.push(Note::new(at, code, text));
    reading
}

/// The reading of `index.json`, with what `manifest.json` adds.
struct Merge<'a> {
    files: &'a Files,
    index_at: Location,
    layout: Reading,
    /// Several where one image is there in more than one form: gzip and zstd, say.
    by_id: BTreeMap<ImageId, Vec<NodeId>>,
    named: BTreeSet<(NodeId, Option<Reference>)>,
    /// Images that both have.
    shared: BTreeSet<NodeId>,
    /// Images that `manifest.json` alone has.
    only_save: Vec<(Vec<Name>, Box<Image>)>,
}

impl<'a> Merge<'a> {
    fn new(files: &'a Files, index_at: Location, layout: Reading) -> Self {
        let mut by_id: BTreeMap<ImageId, Vec<NodeId>> = BTreeMap::new();
        for node in 0..layout.nodes.len() {
            if let Some(image) = image(&layout.nodes, node) {
                by_id.entry(image.id()).or_default().push(node);
            }
        }
        let mut named = BTreeSet::new();
        for entry in &layout.entries {
            for node in Reading::images_below(&layout.nodes, entry.node) {
                named.extend(entry.names.iter().map(|name| (node, name.reference.clone())));
            }
        }
        let (shared, only_save) = (BTreeSet::new(), Vec::new());
        Self { files, index_at, layout, by_id, named, shared, only_save }
    }

    fn note(&mut self, code: &'static str, text: impl Into<String>) {
        self.layout.notes.push(Note::new(&self.index_at, code, text));
    }

    /// Compares an item of `manifest.json` with what `index.json` says of the same image.
    fn item(&mut self, ours: &Image, names: Vec<Name>) -> Result<()> {
        let Some(nodes) = self.by_id.get(&ours.id()) else {
            self.only_save.push((names, Box::new(ours.clone())));
            return Ok(());
        };
        let like = |wanted: Same| {
            nodes.iter().copied().find(|node| {
                let theirs = image(&self.layout.nodes, *node);
                theirs.is_some_and(|theirs| same_layers(ours, theirs) == wanted)
            })
        };
        let node = match (like(Same::Yes), like(Same::OtherOrder)) {
            (Some(node), _) => node,
            (None, Some(node)) => {
                let text = "it lists the layers of an image in another order: manifest.json counts";
                self.note("index-layers", text);
                if let Some(theirs) = self.layout.nodes.get_mut(node) {
                    *theirs = Node::Image(Box::new(ours.clone()));
                }
                self.layout.index = None;
                node
            }
            (None, None) => return Err(self.disagree(&ours.id(), &ours.id())),
        };
        self.shared.insert(node);
        for name in names {
            if self.named.insert((node, name.reference.clone())) {
                let shown = name.shown();
                let text = format!("it does not call an image {shown}, as manifest.json does");
                self.note("index-name", text);
                self.layout.entries.push(Entry { names: vec![name], descriptor: None, node });
                self.layout.index = None;
            }
        }
        Ok(())
    }

    /// Adds what `manifest.json` alone has, unless `index.json` has something else instead.
    fn finish(mut self) -> Result<Reading> {
        let mut by_id = self.by_id.iter();
        let only_layout = by_id.find(|it| it.1.iter().any(|node| !self.shared.contains(node)));
        let only_layout = only_layout.map(|(id, _)| *id);
        for (names, ours) in std::mem::take(&mut self.only_save) {
            if let Some(theirs) = only_layout {
                return Err(self.disagree(&ours.id(), &theirs));
            }
            let text = "it leaves out an image that manifest.json has, as docker 25 and later do";
            self.note("index-image", text);
            self.layout.nodes.push(Node::Image(ours));
            let node = self.layout.nodes.len().saturating_sub(1);
            self.layout.entries.push(Entry { names, descriptor: None, node });
            self.layout.index = None;
        }
        Ok(self.layout)
    }

    fn disagree(&self, ours: &ImageId, theirs: &ImageId) -> Error {
        let (manifest, index) = if ours == theirs {
            (format!("{ours} with some layers"), "the same image with other layers".to_owned())
        } else {
            (ours.to_string(), theirs.to_string())
        };
        Error::new(self.files.at(), ErrorKind::Disagree { manifest, index })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
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
