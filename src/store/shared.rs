//! Layers that several conversions of one process compress only once.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Job, StoredBlob};
use crate::bytes::files::{ByteSource, Files, Input, Reception};
use crate::digest::{DiffId, Measured};
use crate::document::descriptor::blob_path;
use crate::error::{At as _, ErrorKind, Result};
use crate::image::layer::Encode;
use crate::progress::{Event, Progress, Quiet, tell};

/// The layers that conversions have compressed so far. Each conversion reads and checks its own
/// source in any case; what it does not do again is to compress the same tar in the same way.
#[derive(Debug, Default)]
pub struct CompressedLayers {
    known: Mutex<BTreeMap<LayerKey, CompressedLayer>>,
    changed: Condvar,
    runs: AtomicU64,
}

/// A tar, and how it is compressed.
type LayerKey = (DiffId, Encode);

/// A layer that is or will be compressed.
#[derive(Debug)]
enum CompressedLayer {
    /// A run is at it.
    Begun,
    /// In a file of a destination that is not complete, of the run with this number.
    Staged(StoredBlob, ByteSource, u64),
    /// In a complete destination.
    Stored(StoredBlob, PathBuf),
}

impl CompressedLayer {
    /// The bytes, if they are still there.
    fn found(&self) -> Option<(StoredBlob, ByteSource)> {
        match self {
            Self::Begun => None,
            Self::Staged(stored, from, _) => Some((*stored, from.clone())),
            Self::Stored(stored, destination) => {
                let input = Input::Path(destination.clone());
                let files = Files::open(input, Reception::spooled(Path::new("/")), &Quiet).ok()?;
                let from = files.find(&blob_path(&stored.digest)).ok()??;
                (from.size == stored.size).then_some((*stored, from))
            }
        }
    }
}

/// The time between two looks at whether a run that waits was interrupted.
const PAUSE: Duration = Duration::from_millis(100);

impl CompressedLayers {
    /// The part of one conversion into a path.
    pub(crate) fn run<'a>(&'a self, destination: &'a Path) -> SharingRun<'a> {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        SharingRun { shared: self, destination, number }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LayerKey, CompressedLayer>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A conversion that shares its layers; when it ends, those that did not get into its destination
/// are forgotten.
#[derive(Debug)]
pub(crate) struct SharingRun<'a> {
    shared: &'a CompressedLayers,
    destination: &'a Path,
    number: u64,
}

/// The right to compress a layer; others wait for it until it is dropped.
pub(crate) struct LayerClaim<'a> {
    run: &'a SharingRun<'a>,
    key: LayerKey,
}

/// The layer that a job would compress.
fn key(job: &Job<'_>) -> Option<LayerKey> {
    let compresses = matches!(job.encode, Encode::Compress(_));
    job.blob.diff_id().filter(|_| compresses).map(|diff_id| (diff_id, job.encode))
}

impl SharingRun<'_> {
    /// The right to compress a layer, if it is to be compressed and nobody did it yet. Waits while
    /// another run compresses it; that one waits for nobody meanwhile.
    pub(crate) fn claim(
        &self,
        job: &Job<'_>,
        progress: &dyn Progress,
    ) -> Result<Option<LayerClaim<'_>>> {
        let Some(key) = key(job) else { return Ok(None) };
        let mut known = self.shared.lock();
        loop {
            match known.get(&key) {
                Some(CompressedLayer::Begun) => (),
                Some(layer) if layer.found().is_some() => return Ok(None),
                // It went with its destination, or was never there.
                Some(_) | None => {
                    known.insert(key, CompressedLayer::Begun);
                    return Ok(Some(LayerClaim { run: self, key }));
                }
            }
            let waited = self.shared.changed.wait_timeout(known, PAUSE);
            known = waited.unwrap_or_else(PoisonError::into_inner).0;
            tell(progress, Event::Read(0)).at(&job.blob.from.at)?;
        }
    }

    /// A layer that is compressed already, without waiting for one that is not.
    pub(crate) fn find(&self, job: &Job<'_>) -> Option<(StoredBlob, ByteSource)> {
        self.shared.lock().get(&key(job)?)?.found()
    }

    /// A layer that the destination has, which other runs completed.
    pub(crate) fn stored_here(&self, job: &Job<'_>) -> Option<StoredBlob> {
        match self.shared.lock().get(&key(job)?)? {
            CompressedLayer::Stored(stored, there) if there == self.destination => Some(*stored),
            _ => None,
        }
    }

    /// The destination is complete, and has these layers.
    pub(crate) fn completed<'j>(&self, jobs: impl Iterator<Item = (&'j Job<'j>, StoredBlob)>) {
        let mut known = self.shared.lock();
        for (job, stored) in jobs {
            let Some(key) = key(job) else { continue };
            if !matches!(known.get(&key), Some(CompressedLayer::Stored(..))) {
                known.insert(key, CompressedLayer::Stored(stored, self.destination.to_owned()));
            }
        }
    }
}

impl Drop for SharingRun<'_> {
    fn drop(&mut self) {
        self.shared.lock().retain(|_, layer| match layer {
            CompressedLayer::Staged(_, _, number) => *number != self.number,
            CompressedLayer::Begun | CompressedLayer::Stored(..) => true,
        });
    }
}

impl LayerClaim<'_> {
    /// Says where the compressed layer is.
    pub(crate) fn staged(self, stored: StoredBlob, from: ByteSource) {
        let staged = CompressedLayer::Staged(stored, from, self.run.number);
        self.run.shared.lock().insert(self.key, staged);
    }
}

impl Drop for LayerClaim<'_> {
    fn drop(&mut self) {
        let mut known = self.run.shared.lock();
        if matches!(known.get(&self.key), Some(CompressedLayer::Begun)) {
            known.remove(&self.key);
        }
        self.run.shared.changed.notify_all();
    }
}

/// Copies a layer that another conversion stored, whose bytes anybody may have changed since: its
/// digest is measured before the first byte is written, and again. `None` if it is not what it was.
pub(crate) fn copy_of(
    stored: StoredBlob,
    from: &ByteSource,
    out: &mut dyn Write,
) -> Result<Option<Measured>, ErrorKind> {
    let algorithm = stored.digest.algorithm();
    let measured = |out: &mut dyn Write| {
        let reader = from.reader().map_err(io::Error::from)?;
        let mut reader = Copying { from: reader.take(stored.size), out };
        Measured::read(algorithm, &mut reader)
    };
    match measured(&mut io::sink()) {
        Ok(there) if there.digest() == stored.digest => (),
        _ => return Ok(None),
    }
    let there = measured(out).map_err(ErrorKind::Write)?;
    match there.digest() == stored.digest {
        true => Ok(Some(there)),
        false => Err(ErrorKind::Digest { expected: stored.digest, found: there.digest() }),
    }
}

/// A reader that writes what it reads.
struct Copying<'a, R> {
    from: R,
    out: &'a mut dyn Write,
}

impl<R: io::Read> io::Read for Copying<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.out.write_all(buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}
