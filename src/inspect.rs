//! Facts about a source, as its documents tell them; no layer is read.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{At as _, Result};
use crate::image::{Image, Name, Node, NodeId, Why};
use crate::save::legacy_ids;
use crate::source::Source;

/// What a source offers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The path of the source.
    pub source: String,
    /// What it is.
    pub kind: &'static str,
    /// What it offers by name, in order.
    pub entries: Vec<Entry>,
    /// Every image once, in the order of the entries.
    pub images: Vec<ImageFacts>,
    /// What is odd about it.
    pub notes: Vec<String>,
}

/// An item of `manifest.json` or an entry of `index.json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its names, as people know them.
    pub names: Vec<String>,
    /// `image`, `index`, `artifact`, `attestation`, `incomplete`, `blob`, `absent` or
    /// `broken`.
    pub what: &'static str,
    /// The digest of its manifest or index, where there is one.
    pub digest: Option<String>,
    /// Positions in [`Inspection::images`] of what is below it.
    pub images: Vec<usize>,
}

/// One image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageFacts {
    /// `os/arch[/variant]`.
    pub platform: String,
    /// Digest of the config.
    pub image_id: String,
    /// Digest of the registry's manifest, where the source has it.
    pub manifest_digest: Option<String>,
    /// When it was made, as the config says.
    pub created: String,
    /// Base first.
    pub layers: Vec<LayerFacts>,
}

/// One layer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerFacts {
    /// Digest of the stored bytes, where a manifest says it.
    pub digest: Option<String>,
    /// Number of stored bytes; nothing for a layer that is not here.
    pub size: Option<u64>,
    /// What the stored bytes are compressed with.
    pub compression: &'static str,
    /// Digest of the plain tar, as the config says.
    pub diff_id: String,
    /// Digest of this layer with all below it.
    pub chain_id: String,
    /// Directory name in archives of docker 1.10 to 24.
    pub legacy_id: String,
    /// The instruction that made it; empty where the history does not say.
    pub created_by: String,
}

/// Collects the facts.
///
/// # Errors
/// A config that docker could not decode, which has no legacy IDs.
pub fn inspect(source: &Source) -> Result<Inspection> {
    let mut order: Vec<NodeId> = Vec::new();
    let mut places: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut entries = Vec::new();
    for entry in &source.entries {
        let mut images = Vec::new();
        for node in source.images_below(entry.node) {
            let place = *places.entry(node).or_insert_with(|| {
                order.push(node);
                order.len().saturating_sub(1)
            });
            images.push(place);
        }
        let own = source.image(entry.node).and_then(|image| image.manifest.as_ref());
        let digest = entry.descriptor.as_ref().map(|it| it.digest.to_string());
        entries.push(Entry {
            names: entry.names.iter().map(Name::shown).collect(),
            what: source.nodes.get(entry.node).map_or("absent", what),
            digest: digest.or(own.map(|it| it.measured().digest().to_string())),
            images,
        });
    }
    let images = order.iter().filter_map(|node| source.image(*node)).map(facts);
    Ok(Inspection {
        source: source.at.to_string(),
        kind: source.kind.name(),
        entries,
        images: images.collect::<Result<_>>()?,
        notes: source.notes.iter().map(ToString::to_string).collect(),
    })
}

fn what(node: &Node) -> &'static str {
    match node {
        Node::Image(_) => "image",
        Node::Index { .. } => "index",
        Node::Other { why: Why::Artifact, .. } => "artifact",
        Node::Other { why: Why::Attestation, .. } => "attestation",
        Node::Other { why: Why::Incomplete, .. } => "incomplete",
        Node::Opaque(..) => "blob",
        Node::Absent => "absent",
        Node::Broken => "broken",
    }
}

fn facts(image: &Image) -> Result<ImageFacts> {
    let config = image.config.view();
    let legacy = legacy_ids(&image.config).at(&image.config_at)?;
    let made = config.history.iter().filter(|step| !step.empty_layer);
    let made: Vec<&str> = made.map(|step| step.created_by.as_str()).collect();
    let chain = config.chain_ids();
    let layers = image.layers.iter().zip(&chain).zip(&legacy).enumerate();
    let layers = layers.map(|(at, ((layer, chain_id), legacy_id))| LayerFacts {
        digest: layer.claim.as_ref().map(|claim| claim.digest.to_string()),
        size: layer.stored_size(),
        compression: layer.codec.name(),
        diff_id: layer.diff_id.to_string(),
        chain_id: chain_id.to_string(),
        legacy_id: legacy_id.to_string(),
        created_by: made.get(at).copied().unwrap_or_default().to_owned(),
    });
    Ok(ImageFacts {
        platform: config.platform.to_string(),
        image_id: image.id().to_string(),
        manifest_digest: image.manifest.as_ref().map(|it| it.measured().digest().to_string()),
        created: config.created.clone(),
        layers: layers.collect(),
    })
}
