//! Collects all claims about each distinct blob, and checks them in one pass.
//!
//! Readers build the list. `verify` reads every blob of it; a conversion reads and stores the blobs
//! that it needs.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::io::{Read as _, Write};

use super::layer::{self, Encode, Transcoded, transcode, transcode_fetched};
use super::{Image, Node};
use crate::bytes::files::{BlobKey, BlobUse, ByteSource};
use crate::codec::{Compressed, Compression, Pool, decoder, foreign, kind_of};
use crate::digest::{Algorithm, DiffId, Digest, Measured};
use crate::document::descriptor::{Claim, Descriptor};
use crate::error::{At as _, Error, ErrorKind, Result};
use crate::progress::Progress;

/// One blob, and all claims about it.
#[derive(Debug, Clone)]
pub(crate) struct ClaimedBlob {
    pub(crate) from: ByteSource,
    /// The digest algorithm of the stored bytes.
    pub(crate) algorithm: Algorithm,
    /// The codec of a layer; `Compression::None` if it is not a layer.
    pub(crate) codec: Compression,
    /// Claims of descriptors about the stored bytes.
    pub(crate) stored: Vec<Claim>,
    /// Claims of configs about the uncompressed tar, with the layer number, counted from one.
    pub(crate) diff_ids: Vec<(usize, DiffId)>,
    /// Digests from the name of its file.
    pub(crate) named: Vec<Digest>,
    /// Why it may not be the layer at all, if it is a non-distributable one.
    pub(crate) elsewhere: Option<String>,
}

impl ClaimedBlob {
    /// Reads it once and writes it in the requested form, without checking the claims.
    pub(crate) fn transcode(
        &self,
        (to, pool): (Encode, &Pool),
        (out, then): (&mut (dyn Write + Send), BlobUse),
        progress: &dyn Progress,
    ) -> Result<Transcoded, ErrorKind> {
        if self.from.as_remote().is_some() && !self.diff_ids.is_empty() {
            return transcode_fetched(&self.from, self.algorithm, (to, pool), out, progress);
        }
        let form = (self.codec, self.algorithm);
        transcode(&self.from, form, (to, pool), (out, then), progress)
    }

    /// Reads it once and writes nothing; what was found when it arrived is not read again.
    pub(crate) fn measure(
        &self,
        to: (Encode, &Pool),
        progress: &dyn Progress,
    ) -> Result<Transcoded, ErrorKind> {
        if self.from.as_remote().is_some() {
            let out = (&mut std::io::sink() as _, BlobUse::Again);
            return self.transcode(to, out, progress);
        }
        layer::measure(&self.from, (self.codec, self.algorithm), to, progress)
    }

    /// All claims that the bytes contradict.
    pub(crate) fn problems(&self, there: &Transcoded) -> Vec<ErrorKind> {
        let mut found = self.stored_problems(&there.source);
        for (layer, expected) in &self.diff_ids {
            let differs = there.check_diff_id(*layer, *expected).err();
            found.extend(differs.map(|kind| self.diagnosed(kind, there)));
        }
        self.unless_elsewhere(found)
    }

    /// Bytes in place of a non-distributable layer are not damaged: they are not the layer.
    fn unless_elsewhere(&self, found: Vec<ErrorKind>) -> Vec<ErrorKind> {
        match &self.elsewhere {
            Some(urls) if !found.is_empty() => {
                vec![ErrorKind::LayerElsewhere { urls: urls.clone() }]
            }
            _ => found,
        }
    }

    /// Why a diff ID differs, where that can be told: nobody fetches again what was never damaged.
    fn diagnosed(&self, kind: ErrorKind, there: &Transcoded) -> ErrorKind {
        let ErrorKind::DiffId { layer, expected, found } = kind else { return kind };
        if self.codec != Compression::None && expected.digest() == there.source.digest() {
            return ErrorKind::DiffIdOfCompressed { layer, expected: found, found: expected };
        }
        let Ok(head) = self.uncompressed_head() else { return kind };
        let inner = Compression::sniff(&head);
        if inner != Compression::None {
            let (outer, inner) = (self.codec.name(), inner.name());
            return ErrorKind::CompressedTwice { outer, inner };
        }
        foreign(&head).map_or(kind, |what| ErrorKind::Unsupported { what })
    }

    fn uncompressed_head(&self) -> Result<Vec<u8>> {
        if let Some(head) = self.from.plain_head() {
            return Ok(head);
        }
        let from = Compressed { from: self.from.reader()?, size: Some(self.from.size) };
        let decoded = decoder(self.codec, from).at(&self.from.at)?;
        let mut head = Vec::new();
        let read = |error| kind_of(error, ErrorKind::Read);
        decoded.take(16).read_to_end(&mut head).map_err(read).at(&self.from.at)?;
        Ok(head)
    }

    /// The same for bytes that cannot be decoded. They are usually not the described bytes, so a
    /// wrong digest is the better message.
    pub(crate) fn problems_of_damaged(&self, kind: ErrorKind) -> Vec<ErrorKind> {
        let known = self.from.answer((Compression::None, self.algorithm), Encode::Keep);
        if let Some(Ok(there)) = known {
            let mut found = self.stored_problems(&there.source);
            found.push(kind);
            return self.unless_elsewhere(found);
        }
        let there = match self.from.reader() {
            // Bytes that cannot be read to the end have no digest.
            Ok(mut reader) => Measured::read(self.algorithm, &mut reader).ok(),
            Err(error) => return vec![error.kind],
        };
        let mut found = there.map(|there| self.stored_problems(&there)).unwrap_or_default();
        found.push(kind);
        self.unless_elsewhere(found)
    }

    fn stored_problems(&self, there: &Measured) -> Vec<ErrorKind> {
        let mut found = Vec::new();
        for claim in &self.stored {
            found.extend(claim.problems(there));
        }
        let other = self.named.iter().filter(|expected| **expected != there.digest());
        found.extend(other.map(|it| ErrorKind::Digest { expected: *it, found: there.digest() }));
        found
    }

    /// Compares the measured values with all claims.
    pub(crate) fn check(&self, there: &Transcoded) -> Result<()> {
        match self.problems(there).into_iter().next() {
            Some(kind) => Err(Error::new(&self.from.at, kind)),
            None => Ok(()),
        }
    }

    /// Why it could not be read.
    pub(crate) fn explain(&self, kind: ErrorKind) -> Error {
        let kind = match kind {
            ErrorKind::Compression { .. } => self.problems_of_damaged(kind).swap_remove(0),
            kind => kind,
        };
        Error::new(&self.from.at, kind)
    }

    /// Compares the uncompressed tar with every claimed diff ID.
    pub(crate) fn check_diff_ids(&self, there: &Transcoded) -> Result<(), ErrorKind> {
        self.diff_ids.iter().try_for_each(|(layer, diff_id)| there.check_diff_id(*layer, *diff_id))
    }

    pub(crate) fn diff_id(&self) -> Option<DiffId> {
        self.diff_ids.first().map(|(_, diff_id)| *diff_id)
    }

    fn takes(&mut self, other: Self) {
        if self.codec == Compression::None {
            self.codec = other.codec;
        }
        extend(&mut self.stored, other.stored, |a, b| a == b);
        extend(&mut self.diff_ids, other.diff_ids, |a, b| a.1 == b.1);
        extend(&mut self.named, other.named, |a, b| a == b);
        self.elsewhere = self.elsewhere.take().or(other.elsewhere);
    }
}

fn extend<T>(list: &mut Vec<T>, more: Vec<T>, same: fn(&T, &T) -> bool) {
    for item in more {
        if !list.iter().any(|known| same(known, &item)) {
            list.push(item);
        }
    }
}

/// An index into a list of claims.
pub(crate) type BlobId = usize;

/// Distinct blobs with all claims about them, in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    blobs: Vec<ClaimedBlob>,
    known: BTreeMap<(BlobKey, Algorithm), BlobId>,
}

impl Claims {
    /// Collects the claims of nodes.
    pub(crate) fn of<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Self {
        let mut claims = Self::default();
        for node in nodes {
            match node {
                Node::Image(image) => claims.image(image),
                Node::Other { blobs, .. } => {
                    for (said, blob) in blobs {
                        claims.blob(said, &blob.0);
                    }
                }
                Node::UnknownBlob(said, blob) => {
                    claims.blob(said, &blob.0);
                }
                Node::Index { .. } | Node::Absent | Node::Broken => (),
            }
        }
        claims
    }

    fn image(&mut self, image: &Image) {
        for (at, layer) in image.layers.iter().enumerate() {
            if let Some(from) = &layer.blob {
                let number = at.saturating_add(1);
                let id = Some((number, layer.diff_id));
                let id = self.layer(from, layer.codec, layer.claim.as_deref(), id);
                if let (Some(source), Some(blob)) = (&layer.source, self.blobs.get_mut(id)) {
                    blob.elsewhere = Some(source.urls.join(", "));
                }
            }
        }
    }

    /// Adds a layer, with the claims of its manifest and config.
    pub(crate) fn layer(
        &mut self,
        from: &ByteSource,
        codec: Compression,
        said: Option<&Descriptor>,
        diff_id: Option<(usize, DiffId)>,
    ) -> BlobId {
        let algorithm = said.map_or(Algorithm::Sha256, |said| said.digest.algorithm());
        self.add(ClaimedBlob {
            from: from.clone(),
            algorithm,
            codec,
            stored: said.iter().map(|said| said.claim()).collect(),
            diff_ids: diff_id.into_iter().collect(),
            named: Vec::new(),
            elsewhere: None,
        })
    }

    /// Adds a blob that is not a layer.
    pub(crate) fn blob(&mut self, said: &Descriptor, from: &ByteSource) -> BlobId {
        self.layer(from, Compression::None, Some(said), None)
    }

    /// Adds a file that is named by its digest.
    pub(crate) fn named(&mut self, from: ByteSource, digest: Digest) {
        let (algorithm, codec) = (digest.algorithm(), Compression::None);
        let (stored, diff_ids, named) = (Vec::new(), Vec::new(), vec![digest]);
        let elsewhere = None;
        self.add(ClaimedBlob { from, algorithm, codec, stored, diff_ids, named, elsewhere });
    }

    /// Adds all claims of another list.
    pub(crate) fn extend(&mut self, others: Self) {
        for blob in others.blobs {
            self.add(blob);
        }
    }

    /// The blob with these bytes.
    pub(crate) fn find(&self, from: &ByteSource, algorithm: Algorithm) -> Option<BlobId> {
        self.known.get(&(from.key(), algorithm)).copied()
    }

    /// Frees the memory that only adding and finding need.
    pub(crate) fn shrink(&mut self) {
        self.blobs.shrink_to_fit();
        self.known.clear();
    }

    pub(crate) fn get(&self, id: BlobId) -> Option<&ClaimedBlob> {
        self.blobs.get(id)
    }

    pub(crate) fn all(&self) -> &[ClaimedBlob] {
        &self.blobs
    }

    fn add(&mut self, blob: ClaimedBlob) -> BlobId {
        let key = (blob.from.key(), blob.algorithm);
        match self.known.get(&key) {
            Some(known) => {
                if let Some(other) = self.blobs.get_mut(*known) {
                    other.takes(blob);
                }
                *known
            }
            None => {
                let id = self.blobs.len();
                self.blobs.push(blob);
                self.known.insert(key, id);
                id
            }
        }
    }
}
