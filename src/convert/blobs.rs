//! The blobs of a layout that is being written: staged, checked, and named by what was measured.

use std::io::{self, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::jobs::Job;
use crate::archive::members::{Body, Content, Member, StoredBlob};
use crate::bytes::staging::{Folder, Published, StagedFile, Sync};
use crate::codec::Pool;
use crate::digest::{Algorithm, Measured};
use crate::error::{At as _, ErrorKind, Result};
use crate::image::layer::Encode;
use crate::progress::Progress;

/// The folder `blobs` of a layout that is being written.
pub(super) struct Blobs {
    folder: Folder,
    sha256: Folder,
    /// What was not there before, to be taken back when the run fails.
    new: Mutex<Vec<(Algorithm, String)>>,
    count: AtomicUsize,
}

/// So many files are had on disk one by one; more than that together, which a disk does faster.
const ONE_BY_ONE: usize = 32;

impl Blobs {
    pub(super) fn open(root: &Folder) -> Result<Self, ErrorKind> {
        let folder = root.open_or_make("blobs")?;
        let sha256 = folder.open_or_make(Algorithm::Sha256.name())?;
        Ok(Self { folder, sha256, new: Mutex::default(), count: AtomicUsize::new(0) })
    }

    fn of(&self, algorithm: Algorithm) -> Result<Folder, ErrorKind> {
        match algorithm {
            Algorithm::Sha256 => Ok(self.sha256.clone()),
            Algorithm::Sha512 => self.folder.open_or_make(algorithm.name()),
        }
    }

    /// Removes what killed writers left; only under the lock of the layout.
    pub(super) fn sweep(&self) {
        self.sha256.sweep();
    }

    /// Reads, checks and stores one layer or blob.
    pub(super) fn store(
        &self,
        job: &Job,
        pool: &Pool,
        progress: &dyn Progress,
    ) -> Result<StoredBlob> {
        let algorithm = job.algorithm();
        let to = if job.encode == Encode::Keep { algorithm } else { Algorithm::Sha256 };
        let mut staged = self.of(to).and_then(|folder| folder.stage()).at(&job.from.at)?;
        let shared = if job.encode == Encode::Keep { staged.share(&job.from) } else { None };
        let there = match shared {
            Some(from) => job.moved(from).store(pool, &mut io::sink(), progress)?,
            None => job.store(pool, &mut staged, progress)?,
        };
        self.publish(staged, &there.stored).at(&job.from.at)?;
        Ok(StoredBlob::of(&there))
    }

    /// Stores documents.
    pub(super) fn documents(&self, members: &[Member]) -> Result<(), ErrorKind> {
        for member in members {
            let Body::File(Content::Bytes(bytes)) = &member.body else { continue };
            let algorithm = match member.path.starts_with("blobs/sha512/") {
                true => Algorithm::Sha512,
                false => Algorithm::Sha256,
            };
            let mut staged = self.of(algorithm)?.stage()?;
            staged.write_all(bytes).map_err(ErrorKind::Write)?;
            self.publish(staged, &Measured::with(algorithm, bytes))?;
        }
        Ok(())
    }

    fn publish(&self, staged: StagedFile, there: &Measured) -> Result<(), ErrorKind> {
        let many = self.count.fetch_add(1, Ordering::Relaxed) >= ONE_BY_ONE;
        let sync = if many { Sync::Later } else { Sync::Now };
        if staged.publish(there, sync)? == Published::New
            && let Ok(mut new) = self.new.lock()
        {
            new.push((there.digest().algorithm(), there.digest().hex()));
        }
        Ok(())
    }

    /// Leaves what this run added where it is, as something names it now.
    pub(super) fn keep(&self) {
        if let Ok(mut new) = self.new.lock() {
            new.clear();
        }
    }

    /// Takes back what this run added.
    pub(super) fn undo(&self) {
        let new = self.new.lock().map(|mut new| std::mem::take(&mut *new)).unwrap_or_default();
        for (algorithm, name) in new {
            if let Ok(folder) = self.of(algorithm) {
                folder.remove(&name);
            }
        }
    }

    pub(super) fn sync(&self) -> Result<(), ErrorKind> {
        if self.count.load(Ordering::Relaxed) > ONE_BY_ONE {
            self.folder.sync_all()?;
        }
        self.sha256.sync()?;
        self.folder.sync()
    }
}
