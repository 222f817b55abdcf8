//! The distinct blobs of a conversion, each once per form, and the blobs of each image.

use std::collections::BTreeMap;

use crate::bytes::files::BlobUse;
use crate::digest::{Algorithm, Digest};
use crate::document::descriptor::Descriptor;
use crate::image::claims::{BlobId, Claims};
use crate::image::layer::Encode;
use crate::image::{Blob, Image, NodeId};
use crate::store::Job;

/// An index into the list of work.
pub(super) type WorkId = usize;

/// All blobs to read.
#[derive(Debug, Clone, Default)]
pub(super) struct Work {
    items: Vec<(BlobId, Encode)>,
    known: BTreeMap<(BlobId, Encode), WorkId>,
    images: BTreeMap<NodeId, Vec<(Encode, Option<WorkId>)>>,
    blobs: BTreeMap<Digest, WorkId>,
}

impl Work {
    /// The work for each blob, in order.
    pub(super) fn jobs<'a>(&self, claims: &'a Claims) -> Vec<Job<'a>> {
        (0..self.items.len()).filter_map(|id| self.job(id, claims)).collect()
    }

    pub(super) fn job<'a>(&self, id: WorkId, claims: &'a Claims) -> Option<Job<'a>> {
        let (blob, encode) = *self.items.get(id)?;
        claims.get(blob).map(|blob| Job { blob, encode, then: BlobUse::Again })
    }

    /// The work for each layer of an image; `None` for a missing layer.
    pub(super) fn of(&self, image: NodeId) -> impl Iterator<Item = Option<WorkId>> {
        self.images.get(&image).into_iter().flatten().map(|(_, id)| *id)
    }

    /// How each layer of an image is stored.
    pub(super) fn encodes(&self, image: NodeId) -> Vec<Encode> {
        self.images.get(&image).into_iter().flatten().map(|(encode, _)| *encode).collect()
    }

    /// The work for a blob that is copied as it is.
    pub(super) fn of_blob(&self, descriptor: &Descriptor) -> Option<WorkId> {
        self.blobs.get(&descriptor.digest).copied()
    }

    /// Adds the layers of an image.
    pub(super) fn image(
        &mut self,
        node: NodeId,
        image: &Image,
        encodes: Vec<Encode>,
        claims: &Claims,
    ) {
        let mut layers = Vec::with_capacity(encodes.len());
        for (layer, encode) in image.layers.iter().zip(encodes) {
            let algorithm = layer.claim.as_ref().map(|it| it.digest.algorithm());
            let blob = layer.blob.as_ref();
            let blob = blob.and_then(|it| claims.find(it, algorithm.unwrap_or(Algorithm::Sha256)));
            layers.push((encode, blob.map(|blob| self.add(blob, encode))));
        }
        self.images.insert(node, layers);
    }

    /// Adds a blob that is copied as it is.
    pub(super) fn blob(&mut self, descriptor: &Descriptor, blob: &Blob, claims: &Claims) {
        if let Some(found) = claims.find(&blob.0, descriptor.digest.algorithm()) {
            let id = self.add(found, Encode::Keep);
            self.blobs.insert(descriptor.digest, id);
        }
    }

    /// Frees the memory that only adding needs.
    pub(super) fn shrink(&mut self) {
        self.items.shrink_to_fit();
        self.known.clear();
    }

    fn add(&mut self, blob: BlobId, encode: Encode) -> WorkId {
        *self.known.entry((blob, encode)).or_insert_with(|| {
            self.items.push((blob, encode));
            self.items.len().saturating_sub(1)
        })
    }
}
