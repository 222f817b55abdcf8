//! A place that images are written to: blobs first, in any order and from any thread; names last.
//!
//! One implementation stands beside the reader of each place: `layout::write`, `archive::write`.
//! Nothing of a destination can be seen before [`Store::finish`].

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io::Write;
use std::sync::Arc;

use crate::codec::{Compression, Pipeline, Pool};
use crate::digest::{DiffId, Digest};
use crate::document::{Config, Document};
use crate::error::{Location, Result};
use crate::image::Entry;
use crate::image::claims::ClaimedBlob;
use crate::image::layer::{Encode, Transcoded};
use crate::image::reading::Note;
use crate::progress::{Activity, Progress, told};
use crate::reference::Reference;

/// What a whole run shares.
#[derive(Clone, Copy)]
pub(crate) struct Session<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) threads: usize,
    pub(crate) progress: &'a dyn Progress,
}

/// A distinct blob, and the form in which it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) blob: &'a ClaimedBlob,
    pub(crate) encode: Encode,
}

impl Job<'_> {
    /// Bytes that are read.
    pub(crate) fn size(&self) -> u64 {
        self.blob.from.size
    }

    /// Reads it once, writes it in its form, and checks everything that is said of it; what was
    /// written is void after an error.
    pub(crate) fn store(
        &self,
        out: &mut (dyn Write + Send),
        session: Session<'_>,
    ) -> Result<Transcoded> {
        let activity = match self.encode {
            Encode::Keep => Activity::Copy,
            Encode::Decompress => Activity::Decompress,
            Encode::Compress(_) => Activity::Compress,
        };
        let what = (activity, &self.blob.from.at, Some(self.size()));
        told(session.progress, what, || {
            let there = self.blob.transcode((self.encode, session.pool), out, session.progress);
            let there = there.map_err(|kind| self.blob.explain(kind))?;
            self.blob.check(&there)?;
            Ok(there)
        })
    }

    /// What the stored bytes are compressed with.
    pub(crate) fn stored_codec(&self) -> Compression {
        match self.encode {
            Encode::Keep => self.blob.codec,
            Encode::Decompress => Compression::None,
            Encode::Compress(Pipeline::GzipMany(_) | Pipeline::GzipOne(_)) => Compression::Gzip,
            Encode::Compress(Pipeline::Zstd(_)) => Compression::Zstd,
        }
    }
}

/// Bytes that a store has, or will have when it is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredBlob {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// One image of `manifest.json`, with what is stored for it.
#[derive(Debug)]
pub(crate) struct SavedImage<'a> {
    pub(crate) names: Vec<Reference>,
    pub(crate) config: &'a Document<Config>,
    /// The digest under which the config is a blob, where the archive is a layout too.
    pub(crate) config_blob: Digest,
    pub(crate) layers: Vec<StoredLayer>,
    /// Where its config was found.
    pub(crate) at: Location,
}

/// A layer as it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredLayer {
    pub(crate) diff_id: DiffId,
    pub(crate) stored: StoredBlob,
}

/// A document of the destination: a config, a manifest or an index.
#[derive(Debug, Clone)]
pub(crate) struct NewDocument {
    pub(crate) digest: Digest,
    pub(crate) raw: Arc<[u8]>,
}

/// What a destination is to show: everything above the blobs.
#[derive(Debug, Default)]
pub(crate) struct Top<'a> {
    /// The blobs that documents name, each once.
    pub(crate) blobs: Vec<StoredBlob>,
    /// The documents, each once, children before parents.
    pub(crate) documents: Vec<NewDocument>,
    /// The entries of `index.json`, each with a descriptor.
    pub(crate) entries: Vec<Entry>,
    /// The source's `index.json`, where it says just what `entries` say.
    pub(crate) verbatim: Option<Arc<[u8]>>,
    /// The images of `manifest.json`, where the destination has one.
    pub(crate) images: Vec<SavedImage<'a>>,
}

/// A place that images are written to.
pub(crate) trait Store<'a>: Sync {
    /// Stores a blob, or finds that the place has it; either way everything that is said of it is
    /// checked, at the latest by [`Self::finish`].
    fn put(&self, job: Job<'a>, session: Session<'_>) -> Result<StoredBlob>;

    /// Makes the destination appear, whole; what is noted on the way.
    fn finish(self: Box<Self>, top: Top<'a>, session: Session<'_>) -> Result<Vec<Note>>;
}

impl StoredBlob {
    /// What one pass over a blob made.
    pub(crate) fn of(there: &Transcoded) -> Self {
        Self { digest: there.stored.digest(), size: there.stored.size() }
    }
}
