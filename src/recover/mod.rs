//! Recovers the layers and manifests of a registry from uncompressed layers.
//!
//! A manifest states the digest of each compressed layer. gzip writers are deterministic and few, so
//! the uncompressed bytes are compressed again by one known writer after the other, until one gives
//! the stated digest. A wrong guess costs time and never correctness.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod attempt;
mod conjecture;
mod corrections;
mod dates;
mod file;
mod identify;
mod layers;
mod place;
mod rebuild;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

pub use file::recovery_file;
pub(crate) use identify::made_by_programs;
pub(crate) use identify::writer_of_bytes;
pub use identify::{KnownWriter, writer_of};

use crate::bytes::files::ByteSource;
use crate::digest::{DiffId, Digest, ImageId};
use crate::document::descriptor::Descriptor;
use crate::document::media_type::RECOVERY;
use crate::document::{Document, Index, Manifest};
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::reason::{Loss, Reason};
use crate::image::{Blob, Image, Node, NodeId};
use crate::limits;
use crate::progress::{Progress, Uncounted};
use crate::source::{Source, SourceImage};
use record::{LayerRecord, RECORDS};

/// What is known of images that were compressed once: their manifests and indexes.
#[derive(Debug, Default)]
pub struct Recovery {
    at: Vec<Location>,
    manifests: Vec<Document<Manifest>>,
    indexes: Vec<Document<Index>>,
    /// Manifests of which nothing else is known.
    digests: BTreeSet<Digest>,
    records: RecoveryRecords,
}

/// What recovery files say of layers, by their digests.
#[derive(Debug, Default)]
struct RecoveryRecords {
    layers: BTreeMap<Digest, LayerRecord>,
    stored: BTreeMap<Digest, ByteSource>,
}

/// How layers are made again.
#[derive(Debug, Clone)]
pub struct Means {
    /// Folder for temporary files, which hold what was recovered until it is stored.
    pub spool: PathBuf,
    /// Number of threads.
    pub threads: usize,
}

/// What became of one image. `docs/schema/conversion.json` describes its JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RecoveredImage {
    /// The image, for messages: its names, or its ID.
    pub name: String,
    /// The digest of the manifest that states its layers.
    pub manifest: Digest,
    /// Its layers, base first.
    pub layers: Vec<RecoveredLayer>,
}

impl RecoveredImage {
    /// Whether all layers are as the manifest states, so that it is kept.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.layers.iter().all(|it| !matches!(it.fate, LayerFate::NotRecovered { .. }))
    }
}

/// What became of one layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RecoveredLayer {
    /// The digest of the uncompressed tar.
    pub diff_id: DiffId,
    /// The digest that the manifest states.
    pub digest: Digest,
    /// What became of it.
    #[serde(flatten)]
    pub fate: LayerFate,
}

/// What became of a layer that a manifest states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "fate", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LayerFate {
    /// The source has these bytes.
    There,
    /// It was made again.
    Recovered {
        /// The program that compresses like this.
        like: &'static str,
        /// What its writer is.
        what: &'static str,
    },
    /// No known writer gives these bytes.
    NotRecovered {
        /// The number of writers that were tried.
        tried: usize,
    },
}

impl Recovery {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns the manifests of a source, whose layers may be missing.
    ///
    /// # Errors
    /// It has no manifest of an image.
    pub fn learn(&mut self, from: &Source) -> Result<()> {
        let before = self.manifests.len();
        for node in &from.nodes {
            match node {
                Node::Image(image) => self.manifests.extend(image.manifest.clone()),
                Node::Other { document, .. } if document.view().is_image() => {
                    self.manifests.push((**document).clone());
                }
                Node::Other { document, blobs, .. }
                    if document.view().artifact_type == RECOVERY =>
                {
                    self.records.learn(blobs)?;
                }
                Node::Index { document, .. } => self.indexes.push((**document).clone()),
                _ => (),
            }
        }
        if self.manifests.len() == before {
            let found = from.kind.name().to_owned();
            let what = "--recover needs the manifest of an image";
            return Err(Error::new(&from.at, ErrorKind::Usage { what, found }));
        }
        self.at.push(from.at.clone());
        Ok(())
    }

    /// Learns the digest of a manifest. It is found if one of the writers in use today made all
    /// layers, and the manifest is as its program builds it.
    pub fn learn_digest(&mut self, digest: Digest) {
        self.digests.insert(digest);
    }

    /// Finds the manifests of which only the digest is known.
    fn conjecture(
        &self,
        source: &Source,
        images: &BTreeSet<NodeId>,
        progress: &dyn Progress,
    ) -> Result<Vec<Document<Manifest>>> {
        let mut found = Vec::new();
        if self.digests.is_empty() {
            return Ok(found);
        }
        for image in images.iter().filter_map(|node| source.image(*node)) {
            let progress = &Uncounted(progress);
            found.extend(conjecture::manifest(image, &self.digests, progress)?);
        }
        Ok(found)
    }

    /// Replaces the layers of these images by the ones that the known manifests state, as far as
    /// they can be made again, and adds the manifests.
    ///
    /// What cannot be recovered is a loss of the source, which a strict conversion refuses.
    ///
    /// # Errors
    /// No manifest is of one of these images, or a layer cannot be read.
    pub fn apply(
        &self,
        source: &mut Source,
        images: &BTreeSet<NodeId>,
        means: &Means,
        progress: &dyn Progress,
    ) -> Result<Vec<RecoveredImage>> {
        let more = self.conjecture(source, images, progress)?;
        let found = more.iter().map(|it| it.measured().digest()).collect();
        let unfound: Vec<Loss> = self.digests.difference(&found).map(unfound).collect();
        let matched = self.matched(&more, source, images)?;
        let made = layers::make(source, (&matched, &self.records), means, progress)?;
        let names = names(source);
        let mut found = Vec::new();
        for (node, manifest) in &matched {
            let Some(Node::Image(image)) = source.nodes.get_mut(*node) else { continue };
            let name = names.get(&image.id()).cloned().unwrap_or_default();
            let recovered = place::layers(image, manifest, &made, name);
            source.lost.extend(lost(&recovered));
            found.push(recovered);
        }
        source.lost.extend(unfound);
        place::documents(source, &self.indexes, &found);
        Ok(found)
    }

    /// The images that would be recovered, by their names, each with the number of its layers.
    ///
    /// # Errors
    /// No manifest is of one of these images.
    pub fn foresee(
        &self,
        source: &Source,
        images: &BTreeSet<NodeId>,
    ) -> Result<Vec<(String, usize)>> {
        let names = names(source);
        let mut found = Vec::new();
        for (node, manifest) in self.matched(&[], source, images)? {
            let Some(image) = source.image(node) else { continue };
            let layers = image.layers.iter().zip(&manifest.view().layers);
            let missing = layers.filter(|(layer, claim)| !layers::is_there(layer, claim)).count();
            found.push((names.get(&image.id()).cloned().unwrap_or_default(), missing));
        }
        Ok(found)
    }

    /// The images that a known manifest is about, with the first of these, and without those that
    /// have it already.
    fn matched<'a>(
        &'a self,
        more: &'a [Document<Manifest>],
        source: &Source,
        images: &BTreeSet<NodeId>,
    ) -> Result<Vec<(NodeId, &'a Document<Manifest>)>> {
        let mut found = Vec::new();
        let mut any = false;
        for node in images {
            let Some(image) = source.image(*node) else { continue };
            let known = self.manifests.iter().chain(more);
            let Some(manifest) = manifest_of(known, image) else { continue };
            any = true;
            let own = image.manifest.as_ref().map(Document::raw);
            if own != Some(manifest.raw()) {
                found.push((*node, manifest));
            }
        }
        if any || images.is_empty() || self.manifests.is_empty() {
            return Ok(found);
        }
        let ids = images.iter().filter_map(|node| source.image(*node)).map(|it| it.id().digest());
        let there = self.manifests.iter().filter_map(|it| Some(it.view().config.as_ref()?.digest));
        let kind = ErrorKind::OtherImage { expected: joined(ids), found: joined(there) };
        Err(Error::new(self.at.first().unwrap_or(&source.at), kind))
    }
}

impl RecoveryRecords {
    /// Learns the blobs of a recovery file.
    fn learn(&mut self, blobs: &[(Descriptor, Blob)]) -> Result<()> {
        for (descriptor, Blob(from)) in blobs {
            if descriptor.media_type == RECORDS {
                let raw = from.read(limits::CONFIG, "the size of the records, in bytes,")?;
                let records = record::parse(&raw).at(&from.at)?;
                self.layers.extend(records.into_iter().map(|it| (it.digest, it)));
            } else {
                self.stored.insert(descriptor.digest, from.clone());
            }
        }
        Ok(())
    }
}

fn manifest_of<'a>(
    known: impl IntoIterator<Item = &'a Document<Manifest>>,
    image: &Image,
) -> Option<&'a Document<Manifest>> {
    let id = image.id().digest();
    known.into_iter().find(|it| {
        let view = it.view();
        let same = view.config.as_ref().is_some_and(|config| config.digest == id);
        same && view.layers.len() == image.layers.len()
    })
}

fn unfound(digest: &Digest) -> Loss {
    let text = format!("{digest}: no known writer and program gives this manifest");
    Loss::new(Reason::NotRecovered, text)
}

/// The images in messages: their first names, otherwise their IDs.
fn names(source: &Source) -> BTreeMap<ImageId, String> {
    let name = |it: &SourceImage<'_>| {
        it.names.first().map_or_else(|| it.id.to_string(), |name| name.shown())
    };
    source.images().iter().map(|it| (it.id, name(it))).rev().collect()
}

fn joined(ids: impl Iterator<Item = Digest>) -> String {
    ids.map(|id| id.to_string()).collect::<Vec<_>>().join(", ")
}

fn lost(image: &RecoveredImage) -> Vec<Loss> {
    let mut losses = Vec::new();
    for (at, layer) in image.layers.iter().enumerate() {
        if let LayerFate::NotRecovered { tried } = layer.fate {
            let (number, all) = (at.saturating_add(1), image.layers.len());
            let text = format!(
                "{}: layer {number} of {all} ({}): none of {tried} known writers gives {}",
                image.name, layer.diff_id, layer.digest
            );
            losses.push(Loss::new(Reason::NotRecovered, text));
        }
    }
    losses
}
