//! Facts about a source from its documents; no layer is read.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::archive::v1_layer_ids;
use crate::bytes::parallel::parallel;
use crate::codec::Compression;
use crate::digest::{DiffId, V1LayerId};
use crate::error::{At as _, Finding, Result, Severity};
use crate::image::{Image, Layer, Name, Node, NodeId, NotImage};
use crate::producer::Producer;
use crate::progress::{Event, Progress, tell};
use crate::recover::{KnownWriter, writer_of};
use crate::source::{Kind, Source, SourceImage};

/// The facts about a source.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Inspection {
    /// The path of the source.
    pub source: String,
    /// The kind of source.
    #[serde(rename = "formats")]
    pub kind: Kind,
    /// The probable writer, and the evidence.
    pub producer: Option<Producer>,
    /// Its entries, in order.
    pub entries: Vec<InspectedEntry>,
    /// Every image once, in the order of the entries.
    pub images: Vec<InspectedImage>,
    /// Its problems, then the notes about it.
    pub findings: Vec<Finding>,
}

impl Inspection {
    /// The number of its problems.
    #[must_use]
    pub fn problems(&self) -> usize {
        self.findings.iter().filter(|it| it.severity == Severity::Problem).count()
    }
}

/// An item of `manifest.json` or an entry of `index.json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InspectedEntry {
    /// The N of `@N`; `None` for a child of an index that was selected by digest.
    pub number: Option<usize>,
    /// Its names, as docker shows them.
    pub names: Vec<String>,
    /// `image`, `index`, `artifact`, `attestation`, `incomplete`, `blob`, `absent` or
    /// `broken`.
    #[serde(rename = "type")]
    pub what: &'static str,
    /// The digest of its manifest or index, if there is one.
    pub digest: Option<String>,
    /// The media type of that document; empty if there is none.
    pub media_type: String,
    /// The size of that document.
    pub size: Option<u64>,
    /// Positions in [`Inspection::images`] of its images.
    pub images: Vec<usize>,
    /// The children of an index, in order.
    pub children: Vec<InspectedChild>,
}

/// A child of an index.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InspectedChild {
    /// As [`InspectedEntry::what`].
    #[serde(rename = "type")]
    pub what: &'static str,
    /// The platform in the index, otherwise the one of the image.
    pub platform: Option<String>,
    /// Its digest.
    pub digest: String,
    /// Its media type, from the index.
    pub media_type: String,
    /// Its size, from the index.
    pub size: u64,
    /// The position in [`Inspection::images`], if it is an image.
    pub image: Option<usize>,
    /// Its children; empty if they were shown before.
    pub children: Vec<Self>,
}

/// One image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InspectedImage {
    /// Its names, as docker shows them.
    pub names: Vec<String>,
    /// `os/arch[/variant]`, from an index, otherwise from the config.
    pub platform: String,
    /// Digest of the config.
    pub image_id: String,
    /// Digest of the registry manifest, if the source has it.
    pub manifest_digest: Option<String>,
    /// The media type of that manifest; empty if there is none.
    pub manifest_media_type: String,
    /// The size of that manifest.
    pub manifest_size: Option<u64>,
    /// The media type of the config in that manifest; empty if there is none.
    pub config_media_type: String,
    /// The size of the config.
    pub config_size: u64,
    /// The creation time in the config.
    pub created: String,
    /// Stored bytes of all its layers in the source.
    pub layers_size: u64,
    /// Base first.
    pub layers: Vec<InspectedLayer>,
}

/// One layer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InspectedLayer {
    /// Its number, counted from one.
    pub layer: usize,
    /// Digest of the stored bytes, if a manifest contains it.
    pub digest: Option<String>,
    /// The media type in the manifest; empty if there is no manifest.
    pub media_type: String,
    /// Number of stored bytes; `None` for a missing layer.
    pub size: Option<u64>,
    /// The codec of the stored bytes; `None` if both the bytes and a descriptor are missing.
    pub compression: Option<&'static str>,
    /// Size of the uncompressed tar, if it is stored uncompressed; `history` computes the others.
    pub uncompressed_size: Option<u64>,
    /// Digest of the uncompressed tar, from the config.
    pub diff_id: String,
    /// Digest of this layer and all layers below it.
    pub chain_id: String,
    /// Directory name in archives of docker 1.10 to 24; empty if docker cannot decode the config.
    pub v1_layer_id: String,
    /// The instruction in the history; empty if there is none.
    pub created_by: String,
    /// Positions in [`Inspection::images`] of other images with the same layer.
    pub shared_with: Vec<usize>,
    /// The writer that gives its bytes, if it was looked for and one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writer: Option<Option<KnownWriter>>,
}

/// Adds the programs that compressed the gzip layers, which are read and compressed again.
///
/// # Errors
/// A layer cannot be read or decompressed.
pub fn add_writers(
    inspection: &mut Inspection,
    source: &Source,
    threads: usize,
    progress: &dyn Progress,
) -> Result<()> {
    let layers = |it: &SourceImage<'_>| it.image.layers.to_vec();
    let all: Vec<Vec<Layer>> = source.images().iter().map(layers).collect();
    let gzip = |it: &&Layer| it.is_here() && it.codec == Compression::Gzip;
    let key = |it: &Layer| (it.diff_id, it.claim.as_ref().map(|claim| claim.digest));
    let distinct: BTreeMap<_, &Layer> =
        all.iter().flatten().filter(gzip).map(|it| (key(it), it)).collect();
    let distinct: Vec<_> = distinct.into_iter().collect();
    let size = |it: &(_, &Layer)| it.1.stored_size().unwrap_or_default();
    tell(progress, Event::Total(distinct.iter().map(size).sum())).at(&source.at)?;
    let found =
        parallel(&distinct, threads, &size, &|it| Ok((it.0, writer_of(it.1, threads, progress)?)))?;
    let found: BTreeMap<_, Option<KnownWriter>> = found.into_iter().collect();
    for (image, layers) in inspection.images.iter_mut().zip(&all) {
        for (facts, layer) in image.layers.iter_mut().zip(layers) {
            facts.writer = found.get(&key(layer)).cloned();
        }
    }
    Ok(())
}

/// Collects the facts and problems of a source, as far as it can be read.
#[must_use]
pub fn inspect(source: &Source) -> Inspection {
    let mut order: Vec<NodeId> = Vec::new();
    let mut places: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut entries = Vec::new();
    let mut names: Vec<Vec<String>> = Vec::new();
    for (at, entry) in source.entries.iter().enumerate() {
        let mut images = Vec::new();
        for node in source.images_below(entry.node) {
            let place = *places.entry(node).or_insert_with(|| {
                order.push(node);
                names.push(Vec::new());
                order.len().saturating_sub(1)
            });
            images.push(place);
            let known = names.get_mut(place).into_iter();
            known.for_each(|all| all.extend(entry.names.iter().map(Name::shown)));
        }
        let document = source.nodes.get(entry.node).and_then(document);
        let own = source.image(entry.node).and_then(|image| image.manifest.as_ref());
        let mut walk = ChildWalk { source, places: &places, seen: BTreeSet::new() };
        let children = walk.children(entry.node);
        let digest = entry.descriptor.as_ref().map(|it| it.digest.to_string());
        let said = entry.descriptor.as_deref().map(|it| (it.media_type.clone(), it.size));
        let read = || own.map(|it| (it.view().media_type.clone(), it.measured().size()));
        let (media_type, size) = said.or_else(read).unzip();
        let media_type = media_type.unwrap_or_default();
        entries.push(InspectedEntry {
            number: source.number(at),
            names: entry.names.iter().map(Name::shown).collect(),
            what: source.nodes.get(entry.node).map_or("absent", what),
            digest: digest.or(own.map(|it| it.measured().digest().to_string())).or(document),
            media_type,
            size,
            images,
            children,
        });
    }
    let images: Vec<&Image> = order.iter().filter_map(|node| source.image(*node)).collect();
    let shared = Shared::of(&images);
    let platforms = source.platforms();
    let mut problems: Vec<Finding> = source.problems.iter().map(Finding::from).collect();
    let mut inspected = Vec::with_capacity(images.len());
    for (at, ((image, node), names)) in images.iter().zip(&order).zip(names).enumerate() {
        // A config that docker cannot decode has no V1 layer IDs.
        let ids = v1_layer_ids(&image.config).at(&image.config_at);
        let ids = ids.map_err(|error| problems.push(Finding::from(&error)));
        let platform = platforms.get(node).map(ToString::to_string).unwrap_or_default();
        let facts = facts(image, &ids.unwrap_or_default(), &shared.with_each(image, at));
        inspected.push(InspectedImage { names, platform, ..facts });
    }
    Inspection {
        source: source.at.to_string(),
        kind: source.kind,
        producer: source.producer.clone(),
        entries,
        images: inspected,
        findings: problems.into_iter().chain(source.notes.iter().map(Finding::from)).collect(),
    }
}

/// The digest of a single document, which has no descriptor.
fn document(node: &Node) -> Option<String> {
    match node {
        Node::Index { document, .. } => Some(document.measured().digest().to_string()),
        Node::Other { document, .. } => Some(document.measured().digest().to_string()),
        _ => None,
    }
}

/// Walks down from an entry; each index is opened once, because several indexes may name it.
struct ChildWalk<'a> {
    source: &'a Source,
    places: &'a BTreeMap<NodeId, usize>,
    seen: BTreeSet<NodeId>,
}

impl ChildWalk<'_> {
    fn children(&mut self, node: NodeId) -> Vec<InspectedChild> {
        let Some(Node::Index { children, .. }) = self.source.nodes.get(node) else {
            return Vec::new();
        };
        if !self.seen.insert(node) {
            return Vec::new();
        }
        children
            .iter()
            .map(|child| {
                let below = self.children(child.node);
                let found = self.source.nodes.get(child.node).map_or("absent", what);
                let said = child.descriptor.platform.as_ref().map(ToString::to_string);
                let own = self.source.image(child.node);
                let own = own.map(|image| image.config.view().platform.to_string());
                InspectedChild {
                    what: if child.descriptor.is_attestation() { "attestation" } else { found },
                    platform: said.or(own),
                    digest: child.descriptor.digest.to_string(),
                    media_type: child.descriptor.media_type.clone(),
                    size: child.descriptor.size,
                    image: self.places.get(&child.node).copied(),
                    children: below,
                }
            })
            .collect()
    }
}

/// Which images have a layer.
struct Shared(BTreeMap<DiffId, BTreeSet<usize>>);

impl Shared {
    fn of(images: &[&Image]) -> Self {
        let mut all: BTreeMap<DiffId, BTreeSet<usize>> = BTreeMap::new();
        for (at, image) in images.iter().enumerate() {
            for layer in &image.layers {
                all.entry(layer.diff_id).or_default().insert(at);
            }
        }
        Self(all)
    }

    /// For each layer of an image the other images that have it.
    fn with_each(&self, image: &Image, own: usize) -> Vec<Vec<usize>> {
        image.layers.iter().map(|layer| self.with(&layer.diff_id, own)).collect()
    }

    /// The other images with the layer.
    fn with(&self, layer: &DiffId, own: usize) -> Vec<usize> {
        let all = self.0.get(layer).into_iter().flatten();
        all.copied().filter(|at| *at != own).collect()
    }
}

fn what(node: &Node) -> &'static str {
    match node {
        Node::Image(_) => "image",
        Node::Index { .. } => "index",
        Node::Other { why: NotImage::Artifact, .. } => "artifact",
        Node::Other { why: NotImage::Attestation, .. } => "attestation",
        Node::Other { why: NotImage::Incomplete, .. } => "incomplete",
        Node::Other { why: NotImage::Encrypted, .. } => "encrypted image",
        Node::UnknownBlob(..) => "blob",
        Node::Absent => "absent",
        Node::Broken => "broken",
    }
}

/// All but the names and the platform, which its entries decide.
fn facts(image: &Image, ids: &[V1LayerId], shared: &[Vec<usize>]) -> InspectedImage {
    let config = image.config.view();
    let made = config.history.iter().filter(|step| !step.empty_layer);
    let made: Vec<&str> = made.map(|step| step.created_by.as_str()).collect();
    let chain = config.chain_ids();
    let layers = image.layers.iter().zip(&chain).zip(shared).enumerate();
    let layers = layers.map(|(at, ((layer, chain_id), shared_with))| InspectedLayer {
        layer: at.saturating_add(1),
        digest: layer.claim.as_ref().map(|claim| claim.digest.to_string()),
        media_type: layer.claim.as_ref().map(|it| it.media_type.clone()).unwrap_or_default(),
        size: layer.stored_size(),
        compression: (layer.is_here() || layer.claim.is_some()).then(|| layer.codec.name()),
        uncompressed_size: layer.stored_size().filter(|_| layer.codec == Compression::None),
        shared_with: shared_with.clone(),
        writer: None,
        diff_id: layer.diff_id.to_string(),
        chain_id: chain_id.to_string(),
        v1_layer_id: ids.get(at).map(ToString::to_string).unwrap_or_default(),
        created_by: made.get(at).copied().unwrap_or_default().to_owned(),
    });
    let manifest = image.manifest.as_ref();
    let claim = manifest.and_then(|it| it.view().config.as_ref());
    InspectedImage {
        names: Vec::new(),
        platform: String::new(),
        image_id: image.id().to_string(),
        manifest_digest: manifest.map(|it| it.measured().digest().to_string()),
        manifest_media_type: manifest.map(|it| it.view().media_type.clone()).unwrap_or_default(),
        manifest_size: manifest.map(|it| it.measured().size()),
        config_media_type: claim.map(|it| it.media_type.clone()).unwrap_or_default(),
        config_size: image.config.measured().size(),
        created: config.created.clone(),
        layers_size: image.layers.iter().filter_map(Layer::stored_size).sum(),
        layers: layers.collect(),
    }
}
