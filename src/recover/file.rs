//! Makes a recovery file: what brings the compressed layers of images back that a conversion stores
//! uncompressed or in another form.
//!
//! It is a sparse OCI archive: the manifests, indexes and configs of the images, and an artifact with
//! a record of each layer. A layer whose writer is known is a few hundred bytes. Any other gzip layer
//! is its corrections, and the bytes of what is not gzip are stored.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Means;
use super::corrections::{self, CORRECTIONS};
use super::identify::{identified, own};
use super::record::{LayerRecord, RECORDS, RecordedAs, to_json};
use crate::bytes::files::ByteSource;
use crate::bytes::parallel::parallel;
use crate::codec::Compression;
use crate::digest::{Digest, Measured};
use crate::document::descriptor::Descriptor;
use crate::document::media_type::{MediaFamily, MediaKind, OCTETS, RECOVERY};
use crate::document::{Document, Manifest};
use crate::error::{At as _, Location, Result};
use crate::image::claims::Claims;
use crate::image::{Blob, Entry, Image, Layer, Node, NodeId, NotImage};
use crate::progress::{Activity, Event, Progress, tell, told};
use crate::source::{Kind, Source};

/// The empty config of an artifact (image-spec `manifest.md`, "Guidance for an Empty Descriptor").
const EMPTY: (&str, &[u8]) = ("application/vnd.oci.empty.v1+json", b"{}");

/// The content of a recovery file for these images, which a conversion to an OCI archive writes.
///
/// # Errors
/// A layer cannot be read or decompressed.
pub fn recovery_file(
    source: &Source,
    images: &BTreeSet<NodeId>,
    means: &Means,
    progress: &dyn Progress,
) -> Result<Source> {
    let mut layers: BTreeMap<Digest, (&Layer, &ByteSource, &Descriptor)> = BTreeMap::new();
    for image in images.iter().filter_map(|node| source.image(*node)) {
        for layer in &image.layers {
            if let (Some(blob), Some(claim)) = (&layer.blob, &layer.claim)
                && layer.codec != Compression::None
            {
                layers.entry(claim.digest).or_insert((layer, blob, claim));
            }
        }
    }
    let layers: Vec<_> = layers.into_values().collect();
    let size = |it: &(&Layer, &ByteSource, &Descriptor)| it.1.size;
    tell(progress, Event::Total(layers.iter().map(size).sum())).at(&source.at)?;
    let records = parallel(&layers, means.threads, &size, &|(layer, blob, claim)| {
        told(progress, (Activity::Recover, &blob.at, Some(blob.size)), || {
            record(layer, blob, claim, (means, progress))
        })
    })?;
    let (records, kept): (Vec<_>, Vec<_>) = records.into_iter().unzip();
    let (artifact, descriptor) = artifact(&source.at, &records, kept.into_iter().flatten())?;
    Ok(sparse(source, images, artifact, descriptor))
}

/// How a layer comes back, and the blob that this needs.
fn record(
    layer: &Layer,
    blob: &ByteSource,
    claim: &Descriptor,
    (means, progress): (&Means, &dyn Progress),
) -> Result<(LayerRecord, Option<(Descriptor, Blob)>)> {
    let written = match layer.codec {
        Compression::Gzip => identified(blob, progress)?,
        _ => None,
    };
    let Descriptor { digest, size, .. } = *claim;
    let as_recorded = |how| LayerRecord { diff_id: layer.diff_id, digest, size, how };
    if let Some(guess) = written {
        let header = guess.headers.into_iter().next().unwrap_or_default();
        return Ok((as_recorded(RecordedAs::Written(guess.writer, header)), None));
    }
    if let Some(own) = own(blob, layer.codec, means.threads)? {
        return Ok((as_recorded(RecordedAs::Own(own)), None));
    }
    if layer.codec == Compression::Gzip
        && let Some((measured, blob)) = corrections::of((blob, claim), &means.spool, progress)?
    {
        let descriptor = Descriptor::of(CORRECTIONS, &measured);
        let record = as_recorded(RecordedAs::Corrected(descriptor.digest));
        return Ok((record, Some((descriptor, Blob(blob)))));
    }
    let stored = (Descriptor::new(OCTETS, digest, size), Blob(blob.clone()));
    Ok((as_recorded(RecordedAs::Stored), Some(stored)))
}

/// The artifact with the records, and with the blobs that they need.
fn artifact(
    at: &Location,
    records: &[LayerRecord],
    kept: impl Iterator<Item = (Descriptor, Blob)>,
) -> Result<(Node, Descriptor)> {
    let bytes = |media_type: &str, bytes: &[u8]| {
        let descriptor = Descriptor::of(media_type, &Measured::of(bytes));
        let from = ByteSource::bytes(at.member(&descriptor.path()), bytes);
        (descriptor, Blob(from))
    };
    let (config, empty) = bytes(EMPTY.0, EMPTY.1);
    let mut blobs = vec![(config.clone(), empty), bytes(RECORDS, to_json(records).as_bytes())];
    blobs.extend(kept);
    let layers = blobs.iter().skip(1).map(|(descriptor, _)| descriptor.clone()).collect();
    let mut manifest = Manifest::of(MediaFamily::Oci, config, layers);
    manifest.artifact_type = RECOVERY.to_owned();
    let document = Document::parse(manifest.to_json().into_bytes()).at(at)?;
    let media_type = MediaKind::Manifest.name(MediaFamily::Oci).unwrap_or_default();
    let mut descriptor = Descriptor::of(media_type, document.measured());
    descriptor.artifact_type = RECOVERY.to_owned();
    let why = NotImage::Artifact;
    Ok((Node::Other { document: Box::new(document), why, blobs }, descriptor))
}

/// The images without their layers, and the artifact.
fn sparse(
    source: &Source,
    images: &BTreeSet<NodeId>,
    artifact: Node,
    descriptor: Descriptor,
) -> Source {
    let node = |(at, node): (NodeId, &Node)| match node {
        Node::Image(image) if images.contains(&at) => without_layers(image),
        Node::Index { .. } => node.clone(),
        _ => Node::Absent,
    };
    let mut nodes: Vec<Node> = source.nodes.iter().enumerate().map(node).collect();
    let leads =
        |entry: &&Entry| source.images_below(entry.node).iter().any(|node| images.contains(node));
    let mut entries: Vec<Entry> = source.entries.iter().filter(leads).cloned().collect();
    let (names, descriptor) = (Vec::new(), Some(Arc::new(descriptor)));
    entries.push(Entry { names, descriptor, node: nodes.len() });
    nodes.push(artifact);
    Source {
        at: source.at.clone(),
        kind: Kind::OciArchive,
        producer: None,
        blobs: Claims::of(&nodes),
        nodes,
        entries,
        index: None,
        problems: Vec::new(),
        notes: Vec::new(),
        named: BTreeSet::new(),
        lost: Vec::new(),
        numbers: None,
    }
}

/// An image as its manifest and config alone.
fn without_layers(image: &Image) -> Node {
    let Some(manifest) = &image.manifest else { return Node::Absent };
    let from = ByteSource::bytes(image.config_at.clone(), image.config.shared());
    let config = manifest.view().config.clone();
    let blobs = config.map(|config| (config, Blob(from))).into_iter().collect();
    Node::Other { document: Box::new(manifest.clone()), why: NotImage::Incomplete, blobs }
}
