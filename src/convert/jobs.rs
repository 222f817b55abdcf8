//! The layers and blobs of a conversion, each distinct one once, and reading them in parallel.

use std::collections::BTreeMap;
use std::io::Write;

use crate::bytes::files::{ByteSource, Key};
use crate::codec::{Compression, Pool};
use crate::digest::{Algorithm, DiffId, Measured};
use crate::document::descriptor::{Claim, Descriptor};
use crate::error::{At as _, Error, ErrorKind, Result};
use crate::image::layer::{Encode, Transcoded, transcode};
use crate::image::{Blob, Image, NodeId};
use crate::progress::{Event, Progress};

/// One distinct blob to read, and what all who name it say of it.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) from: ByteSource,
    pub(super) codec: Compression,
    pub(super) encode: Encode,
    /// What manifests say of the stored bytes.
    pub(super) claims: Vec<Claim>,
    /// What configs say of the uncompressed tar, with the layer's number.
    diff_ids: Vec<(usize, DiffId)>,
}

impl Job {
    /// Bytes that are read.
    pub(super) fn size(&self) -> u64 {
        self.from.size
    }

    /// The same bytes, read from another place that has them.
    pub(super) fn moved(&self, from: ByteSource) -> Self {
        Self { from, ..self.clone() }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.claims.first().map_or(Algorithm::Sha256, |claim| claim.digest.algorithm())
    }

    /// Reads it once, writes it as it is to be stored, and checks everything that was said of it;
    /// what was written is void after an error.
    pub(super) fn store(
        &self,
        pool: &Pool,
        out: &mut (dyn Write + Send),
        progress: &dyn Progress,
    ) -> Result<Transcoded> {
        let there = self.transcode(pool, out, progress).map_err(|kind| self.explain(kind))?;
        self.check(&there)?;
        Ok(there)
    }

    /// The same without the checks of what was said.
    pub(super) fn transcode(
        &self,
        pool: &Pool,
        out: &mut (dyn Write + Send),
        progress: &dyn Progress,
    ) -> Result<Transcoded, ErrorKind> {
        let verb = match self.encode {
            Encode::Keep => "checks and copies",
            Encode::Plain => "checks and decompresses",
            Encode::Compress(_) => "checks and compresses",
        };
        let _ = progress.event(Event::Step(&format!("{verb} {}", self.from.at)));
        let form = (self.codec, self.algorithm());
        transcode(&self.from, form, (self.encode, pool), out, progress)
    }

    /// Compares what was measured with everything that was said.
    pub(super) fn check(&self, there: &Transcoded) -> Result<()> {
        for claim in &self.claims {
            claim.check(&there.source).at(&self.from.at)?;
        }
        self.check_plain(there).at(&self.from.at)
    }

    /// Compares the uncompressed tar with every diff ID that was said of it.
    pub(super) fn check_plain(&self, there: &Transcoded) -> Result<(), ErrorKind> {
        self.diff_ids.iter().try_for_each(|(layer, diff_id)| there.check_diff_id(*layer, *diff_id))
    }

    /// NotImage a layer could not be read: damaged data most often is other data than was described,
    /// and then the digests say more.
    pub(super) fn explain(&self, kind: ErrorKind) -> Error {
        let damaged = matches!(kind, ErrorKind::Compression { .. });
        let described = if damaged { self.check_claims() } else { Ok(()) };
        described.err().unwrap_or_else(|| Error::new(&self.from.at, kind))
    }

    fn check_claims(&self) -> Result<()> {
        // What cannot be read to its end has no digest to compare.
        let Ok(there) = Measured::read(self.algorithm(), &mut self.from.reader()?) else {
            return Ok(());
        };
        self.claims.iter().try_for_each(|claim| claim.check(&there).at(&self.from.at))
    }

    /// The codec of what is stored.
    pub(super) fn stored_codec(&self) -> Compression {
        use crate::codec::Pipeline;
        match self.encode {
            Encode::Keep => self.codec,
            Encode::Plain => Compression::None,
            Encode::Compress(Pipeline::GzipMany(_) | Pipeline::GzipOne(_)) => Compression::Gzip,
            Encode::Compress(Pipeline::Zstd(_)) => Compression::Zstd,
        }
    }

    pub(super) fn diff_id(&self) -> Option<DiffId> {
        self.diff_ids.first().map(|(_, diff_id)| *diff_id)
    }
}

/// What tells one job from another.
type Identity = (Key, Algorithm, Encode, Compression);

/// All jobs, and which of them make up each image.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    jobs: Vec<Job>,
    known: BTreeMap<Identity, usize>,
    images: BTreeMap<NodeId, Vec<(Encode, Option<usize>)>>,
    blobs: BTreeMap<crate::digest::Digest, usize>,
}

impl Jobs {
    pub(super) fn all(&self) -> &[Job] {
        &self.jobs
    }

    /// The job of each layer of an image; nothing for a layer that is not here.
    pub(super) fn of(&self, image: NodeId) -> impl Iterator<Item = Option<usize>> {
        self.images.get(&image).into_iter().flatten().map(|(_, job)| *job)
    }

    /// How each layer of an image is stored.
    pub(super) fn encodes(&self, image: NodeId) -> Vec<Encode> {
        self.images.get(&image).into_iter().flatten().map(|(encode, _)| *encode).collect()
    }

    /// The job of a blob that is copied as it is.
    pub(super) fn of_blob(&self, descriptor: &Descriptor) -> Option<usize> {
        self.blobs.get(&descriptor.digest).copied()
    }

    /// Adds the layers of an image.
    pub(super) fn image(&mut self, node: NodeId, image: &Image, encodes: Vec<Encode>) {
        let mut layers = Vec::with_capacity(encodes.len());
        for (at, (layer, encode)) in image.layers.iter().zip(encodes).enumerate() {
            let job = layer.blob.clone().map(|from| {
                let claims = layer.claim.iter().map(Descriptor::claim).collect();
                let diff_ids = vec![(at.saturating_add(1), layer.diff_id)];
                self.add(Job { from, codec: layer.codec, encode, claims, diff_ids })
            });
            layers.push((encode, job));
        }
        self.images.insert(node, layers);
    }

    /// Adds a blob that is copied as it is.
    pub(super) fn blob(&mut self, descriptor: &Descriptor, blob: &Blob) {
        let job = self.add(Job {
            from: blob.0.clone(),
            codec: Compression::None,
            encode: Encode::Keep,
            claims: vec![descriptor.claim()],
            diff_ids: Vec::new(),
        });
        self.blobs.insert(descriptor.digest, job);
    }

    /// Gives back the memory that only adding needs.
    pub(super) fn shrink(&mut self) {
        self.jobs.shrink_to_fit();
        self.known.clear();
    }

    fn add(&mut self, job: Job) -> usize {
        let identity = (job.from.key(), job.algorithm(), job.encode, job.codec);
        if let Some(known) = self.known.get(&identity).copied() {
            if let Some(other) = self.jobs.get_mut(known) {
                for claim in job.claims {
                    if !other.claims.contains(&claim) {
                        other.claims.push(claim);
                    }
                }
                for (layer, id) in job.diff_ids {
                    if !other.diff_ids.iter().any(|(_, known)| *known == id) {
                        other.diff_ids.push((layer, id));
                    }
                }
            }
            return known;
        }
        self.jobs.push(job);
        let at = self.jobs.len().saturating_sub(1);
        self.known.insert(identity, at);
        at
    }
}
