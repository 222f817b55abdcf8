//! The result of a conversion.

use std::collections::BTreeMap;

use serde::Serialize;

use super::documents::DocumentTree;
use super::plan::Plan;
use crate::digest::{Digest, ImageId};
use crate::document::media_type::MediaKind;
use crate::image::reading::Note;
use crate::image::reason::Loss;
use crate::image::{Name, NodeId};
use crate::platform::Platform;

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Outcome {
    /// The entries of the destination, in order.
    pub entries: Vec<WrittenEntry>,
    /// The images that were written, each once.
    pub written: Vec<Written>,
    /// The losses, as in the plan.
    pub losses: Vec<Loss>,
    /// Notes about the source and the destination.
    pub notes: Vec<Note>,
}

/// An entry of the destination: an image, an index, or something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WrittenEntry {
    /// Its names, as docker shows them.
    pub names: Vec<String>,
    /// The digest that a registry would return for the name. `None` if the destination has no
    /// manifests.
    pub digest: Option<Digest>,
    /// Its media type; empty if there is no manifest.
    pub media_type: String,
    /// Its size.
    pub size: Option<u64>,
    /// Positions of its images in [`Outcome::written`].
    pub images: Vec<usize>,
}

impl WrittenEntry {
    /// Whether it is an index.
    #[must_use]
    pub fn is_index(&self) -> bool {
        matches!(MediaKind::of(&self.media_type), Some((MediaKind::Index, _)))
    }
}

/// One image that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Written {
    /// Its names, as docker shows them.
    pub names: Vec<String>,
    /// Its platform, from its index, otherwise from the config.
    pub platform: Platform,
    /// The digest of its manifest, if the destination has one.
    #[serde(rename = "manifestDigest")]
    pub manifest: Option<Digest>,
    /// Its image ID.
    pub image_id: ImageId,
}

/// The written images, in order.
pub(super) fn written(plan: &Plan, documents: &DocumentTree<'_, '_>) -> Outcome {
    let platforms = plan.source.platforms();
    let mut places: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut written: Vec<Written> = Vec::new();
    for (node, names) in plan.named_images() {
        let Some(image) = plan.source.image(node) else { continue };
        places.insert(node, written.len());
        written.push(Written {
            names: names.iter().map(Name::shown).collect(),
            platform: platforms.get(&node).cloned().unwrap_or_default(),
            manifest: documents.manifest(node),
            image_id: image.id(),
        });
    }
    let mut entries: Vec<WrittenEntry> = Vec::new();
    let mut known: BTreeMap<Digest, usize> = BTreeMap::new();
    if plan.holds_documents() {
        for entry in documents.entries() {
            let names = entry.names.iter().map(Name::shown);
            let Some(said) = entry.descriptor.as_deref() else { continue };
            // An image has an entry for each of its names.
            let at = *known.entry(said.digest).or_insert(entries.len());
            match entries.get_mut(at) {
                Some(known) => known.names.extend(names),
                None => entries.push(WrittenEntry {
                    names: names.collect(),
                    digest: Some(said.digest),
                    media_type: said.media_type.clone(),
                    size: Some(said.size),
                    images: plan
                        .source
                        .images_below(entry.node)
                        .iter()
                        .filter_map(|node| places.get(node).copied())
                        .collect(),
                }),
            }
        }
    } else {
        entries.extend(written.iter().enumerate().map(|(at, image)| WrittenEntry {
            names: image.names.clone(),
            digest: image.manifest,
            media_type: String::new(),
            size: None,
            images: vec![at],
        }));
    }
    Outcome { entries, written, ..Outcome::default() }
}
