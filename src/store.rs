//! The interface of a destination: blobs are written first, in any order and from any thread; names
//! last.
//!
//! The implementations are `layout::write` and `archive::write`. No part of a destination is
//! visible before [`Store::finish`].

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod shared;

use std::io::Write;
use std::sync::Arc;

use crate::bytes::files::{BlobUse, ByteSource};
use crate::codec::{Compression, Pool};
use crate::digest::{DiffId, Digest};
use crate::document::descriptor::Descriptor;
use crate::document::{Config, Document};
use crate::error::{At as _, Class, ErrorKind, Location, Result};
use crate::image::Entry;
use crate::image::claims::ClaimedBlob;
use crate::image::layer::{Encode, Transcoded};
use crate::image::reading::Note;
use crate::progress::{Activity, Progress, told};
use crate::reference::Reference;
pub use shared::CompressedLayers;
pub(crate) use shared::SharingRun;
use shared::copy_of;

/// The shared state of a run.
#[derive(Clone, Copy)]
pub(crate) struct Session<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) threads: usize,
    pub(crate) progress: &'a dyn Progress,
    /// What other runs of the process compressed, if they share it.
    pub(crate) shared: Option<&'a SharingRun<'a>>,
}

/// A distinct blob, and the form in which it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) blob: &'a ClaimedBlob,
    pub(crate) encode: Encode,
    pub(crate) then: BlobUse,
}

impl Job<'_> {
    /// The bytes to read.
    pub(crate) fn size(&self) -> u64 {
        self.blob.from.size
    }

    /// Reads it once, writes it in its form, and checks all claims; after an error, the output is
    /// not valid.
    pub(crate) fn store(
        &self,
        out: &mut (dyn Write + Send),
        session: Session<'_>,
    ) -> Result<Transcoded> {
        let there = session.shared.and_then(|run| run.find(self));
        let activity = if there.is_some() { Activity::Copy } else { self.activity() };
        let what = (activity, &self.blob.from.at, Some(self.size()));
        told(session.progress, what, || match there {
            Some(there) => self.copy(there, out, session),
            None => self.pass(self.encode, out, session),
        })
    }

    /// Does this with the blob. If it was continued where a connection or an earlier run ended, and is
    /// wrong, it is fetched once more from its first byte.
    pub(crate) fn afresh<T>(&self, mut done: impl FnMut() -> Result<T>) -> Result<T> {
        let again = || self.blob.from.as_remote().is_some_and(|it| it.discard());
        match done() {
            Err(error) if error.class() == Class::Refused && again() => done(),
            first => first,
        }
    }

    /// Whether its bytes are fetched when they are read.
    pub(crate) fn is_remote(&self) -> bool {
        self.blob.from.as_remote().is_some()
    }

    /// The same, but writes nothing.
    pub(crate) fn check(&self, session: Session<'_>) -> Result<Transcoded> {
        let what = (self.activity(), &self.blob.from.at, Some(self.size()));
        told(session.progress, what, || self.measured(self.encode, session))
    }

    fn activity(&self) -> Activity {
        match self.encode {
            Encode::Keep => Activity::Copy,
            Encode::Decompress => Activity::Decompress,
            Encode::Compress(_) => Activity::Compress,
        }
    }

    /// The same with the compressed bytes that another run stored.
    fn copy(
        &self,
        (stored, from): (StoredBlob, ByteSource),
        out: &mut (dyn Write + Send),
        session: Session<'_>,
    ) -> Result<Transcoded> {
        match copy_of(stored, &from, out).at(&self.blob.from.at)? {
            Some(stored) => Ok(Transcoded { stored, ..self.measured(Encode::Keep, session)? }),
            None => self.pass(self.encode, out, session),
        }
    }

    fn pass(
        &self,
        encode: Encode,
        out: &mut (dyn Write + Send),
        session: Session<'_>,
    ) -> Result<Transcoded> {
        let (to, out) = ((encode, session.pool), (out, self.then));
        self.checked(self.blob.transcode(to, out, session.progress))
    }

    fn measured(&self, encode: Encode, session: Session<'_>) -> Result<Transcoded> {
        self.checked(self.blob.measure((encode, session.pool), session.progress))
    }

    fn checked(&self, there: Result<Transcoded, ErrorKind>) -> Result<Transcoded> {
        let there = there.map_err(|kind| self.blob.explain(kind))?;
        self.blob.check(&there)?;
        Ok(there)
    }

    /// Reads and checks it, and writes nothing.
    pub(crate) fn read(&self, session: Session<'_>) -> Result<()> {
        told(session.progress, (Activity::Copy, &self.blob.from.at, Some(self.size())), || {
            self.measured(Encode::Keep, session).map(drop)
        })
    }

    /// The codec of the stored bytes.
    pub(crate) fn stored_codec(&self) -> Compression {
        match self.encode {
            Encode::Keep => self.blob.codec,
            Encode::Decompress => Compression::None,
            Encode::Compress(pipeline) => pipeline.codec(),
        }
    }
}

/// Bytes that a store has, or will have at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredBlob {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// One image of `manifest.json`, with its stored parts.
#[derive(Debug)]
pub(crate) struct SavedImage<'a> {
    pub(crate) names: Vec<Reference>,
    pub(crate) config: &'a Document<Config>,
    /// The digest of the config blob, if the archive is also a layout.
    pub(crate) config_blob: Digest,
    pub(crate) layers: Vec<StoredLayer>,
    /// The descriptors of its non-distributable layers, for `LayerSources`.
    pub(crate) sources: Vec<(DiffId, &'a Descriptor)>,
    /// The place of its config.
    pub(crate) at: Location,
}

/// A stored layer.
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
    pub(crate) role: DocumentRole,
}

/// How a registry stores a document; a layout stores all of them as blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DocumentRole {
    /// As a blob.
    Config,
    /// As a manifest or index.
    Manifest,
}

/// The content of a destination above the blobs.
#[derive(Debug, Default)]
pub(crate) struct Top<'a> {
    /// The blobs that documents name, each once.
    pub(crate) blobs: Vec<StoredBlob>,
    /// The documents, each once, children before parents.
    pub(crate) documents: Vec<NewDocument>,
    /// The entries of `index.json`, each with a descriptor.
    pub(crate) entries: Vec<Entry>,
    /// The `index.json` of the source, if it has exactly these `entries`.
    pub(crate) verbatim: Option<Arc<[u8]>>,
    /// The images of `manifest.json`, if the destination has one.
    pub(crate) images: Vec<SavedImage<'a>>,
}

/// A destination of images.
pub(crate) trait Store<'a>: Sync {
    /// Stores a blob, or uses an existing one; all claims are checked, at the latest by
    /// [`Self::finish`].
    fn put(&self, job: Job<'a>, session: Session<'_>) -> Result<StoredBlob>;

    /// Publishes the complete destination; returns notes.
    fn finish(self: Box<Self>, top: Top<'a>, session: Session<'_>) -> Result<Vec<Note>>;
}

/// The number of blobs at once that come from or go to a registry: they wait for the network, not for
/// a core, and a registry has other clients.
pub(crate) fn connections(threads: usize) -> usize {
    threads.clamp(4, 8)
}

impl StoredBlob {
    /// The result of one pass over a blob.
    pub(crate) fn of(there: &Transcoded) -> Self {
        Self { digest: there.stored.digest(), size: there.stored.size() }
    }
}
