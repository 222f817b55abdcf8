//! Which layers the images of one source share, with their stored bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::image::{Image, Name, NodeId};
use crate::source::Source;

/// The images of a source and their layers.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SharedLayers {
    /// Every image, in the order of the source.
    pub images: Vec<SharingImage>,
    /// Every different layer, in the order in which they come.
    pub layers: Vec<SharedLayer>,
    /// Stored bytes of the layers of all images, a shared layer counted for each of them.
    pub size: u64,
    /// Stored bytes of the different layers, each counted once.
    pub size_once: u64,
}

/// An image and its layers.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SharingImage {
    /// Its names, as people know them.
    pub names: Vec<String>,
    /// `os/arch[/variant]`.
    pub platform: String,
    /// Digest of the config.
    pub image_id: String,
    /// Whether the page is about this image.
    pub explained: bool,
    /// Stored bytes of its layers.
    pub size: u64,
    /// Positions in [`SharedLayers::layers`], base first.
    pub layers: Vec<usize>,
}

/// A layer: equal diff IDs and equally many stored bytes make it the same.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SharedLayer {
    /// Digest of the uncompressed tar, as the configs say.
    pub diff_id: String,
    /// Stored bytes; nothing where no blob is here and no manifest says how many.
    pub size: Option<u64>,
    /// How many of the images have it.
    pub images: usize,
    /// The instruction that made it, in the first of them; empty where its history does not say.
    pub created_by: String,
}

/// What the images share; nothing where the source has one image.
pub(super) fn shared(source: &Source, explained: Option<&Image>) -> Option<SharedLayers> {
    let images = images(source);
    if images.len() < 2 {
        return None;
    }
    let mut all = SharedLayers::default();
    // By diff ID and size; positions in the list of layers, and the last image that was counted.
    let platforms = source.platforms();
    let mut places = BTreeMap::new();
    for (number, (node, image, names)) in images.iter().enumerate() {
        let history = &image.config.view().history;
        let mut made = history.iter().filter(|step| !step.empty_layer);
        let mut own = SharingImage {
            names: names.iter().map(|name| name.shown()).collect(),
            platform: platforms.get(node).map(ToString::to_string).unwrap_or_default(),
            image_id: image.id().to_string(),
            explained: explained.is_some_and(|it| std::ptr::eq(it, *image)),
            size: 0,
            layers: Vec::new(),
        };
        for layer in &image.layers {
            let created_by = made.next().map(|step| step.created_by.clone()).unwrap_or_default();
            let size = layer.stored_size().or(layer.claim.as_ref().map(|claim| claim.size));
            let (at, last) = places.entry((layer.diff_id, size)).or_insert_with(|| {
                let diff_id = layer.diff_id.to_string();
                all.layers.push(SharedLayer { diff_id, size, images: 0, created_by });
                all.size_once = all.size_once.saturating_add(size.unwrap_or(0));
                (all.layers.len().saturating_sub(1), None)
            });
            if last.replace(number) != Some(number)
                && let Some(known) = all.layers.get_mut(*at)
            {
                known.images = known.images.saturating_add(1);
            }
            own.layers.push(*at);
            own.size = own.size.saturating_add(size.unwrap_or(0));
        }
        all.size = all.size.saturating_add(own.size);
        all.images.push(own);
    }
    Some(all)
}

/// Every image with its names, in the order of the source.
fn images(source: &Source) -> Vec<(NodeId, &Image, Vec<&Name>)> {
    let mut found: Vec<(NodeId, &Image, Vec<&Name>)> = Vec::new();
    let mut places: BTreeMap<NodeId, usize> = BTreeMap::new();
    for entry in &source.entries {
        for node in source.images_below(entry.node) {
            let Some(image) = source.image(node) else { continue };
            let place = *places.entry(node).or_insert_with(|| {
                found.push((node, image, Vec::new()));
                found.len().saturating_sub(1)
            });
            let Some((_, _, names)) = found.get_mut(place) else { continue };
            for name in &entry.names {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    found
}
