//! The folder `blobs` of a layout: staged, checked, and named by what was measured.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bytes::staging::{Folder, Published, StagedFile, Sync};
use crate::digest::{Algorithm, Digest, Measured};
use crate::document::descriptor::blob_path;
use crate::error::{At as _, ErrorKind, Location, Result};
use crate::image::claims::ClaimedBlob;
use crate::image::layer::Encode;
use crate::store::{Job, NewDocument, Session, StoredBlob};

/// The folder, open.
pub(super) struct Blobs {
    folder: Folder,
    sha256: Folder,
    count: AtomicUsize,
}

/// Names that blobs have got and that nothing refers to yet; they go with this, unless kept.
pub(super) struct NewNames(Vec<(Folder, String)>);

impl NewNames {
    /// Leaves them, as something refers to them now.
    pub(super) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for NewNames {
    fn drop(&mut self) {
        self.0.iter().for_each(|(folder, name)| folder.remove(name));
    }
}

/// Where the blobs of an algorithm are in a layout.
fn folder_of(algorithm: Algorithm, layout: &Location) -> Location {
    layout.member(&format!("blobs/{}", algorithm.name()))
}

/// So many files are had on disk one by one; more than that together, which a disk does faster.
const ONE_BY_ONE: usize = 32;

impl Blobs {
    pub(super) fn open(root: &Folder, at: &Location) -> Result<Self> {
        let folder = root.open_or_make("blobs").at(&at.member("blobs"))?;
        let sha256 = folder.open_or_make(Algorithm::Sha256.name());
        let sha256 = sha256.at(&folder_of(Algorithm::Sha256, at))?;
        Ok(Self { folder, sha256, count: AtomicUsize::new(0) })
    }

    /// The folder of a layout that is there, where it has one.
    pub(super) fn find(root: &Folder, at: &Location) -> Result<Option<Self>> {
        match root.open_folder("blobs").at(&at.member("blobs"))? {
            Some(_) => Self::open(root, at).map(Some),
            None => Ok(None),
        }
    }

    fn of(&self, algorithm: Algorithm) -> Result<Folder, ErrorKind> {
        match algorithm {
            Algorithm::Sha256 => Ok(self.sha256.clone()),
            Algorithm::Sha512 => self.folder.open_or_make(algorithm.name()),
        }
    }

    /// Reads, checks and stores one layer or blob.
    pub(super) fn store(&self, job: &Job<'_>, session: Session<'_>) -> Result<StoredBlob> {
        let from = &job.blob.from;
        let kept = job.encode == Encode::Keep;
        let algorithm = if kept { job.blob.algorithm } else { Algorithm::Sha256 };
        let mut staged = self.of(algorithm).and_then(|folder| folder.stage()).at(&from.at)?;
        let shared = if kept { staged.share(from) } else { None };
        let there = match shared {
            Some(from) => {
                let blob = ClaimedBlob { from, ..job.blob.clone() };
                Job { blob: &blob, ..*job }.store(&mut io::sink(), session)?
            }
            None => job.store(&mut staged, session)?,
        };
        self.publish(staged, &there.stored).at(&from.at)?;
        Ok(StoredBlob::of(&there))
    }

    /// Stores a document.
    pub(super) fn document(&self, document: &NewDocument) -> Result<(), ErrorKind> {
        let algorithm = document.digest.algorithm();
        let mut staged = self.of(algorithm)?.stage()?;
        staged.write_all(&document.raw).map_err(ErrorKind::Write)?;
        self.publish(staged, &Measured::with(algorithm, &document.raw))
    }

    fn publish(&self, staged: StagedFile, there: &Measured) -> Result<(), ErrorKind> {
        let many = self.count.fetch_add(1, Ordering::Relaxed) >= ONE_BY_ONE;
        staged.publish(there, if many { Sync::Later } else { Sync::Now }).map(drop)
    }

    /// Holds a blob of another folder under a second name in here, so that it stays whatever
    /// becomes of the first; a file system without hard links goes without.
    pub(super) fn hold(&self, other: &Self, digest: &Digest) {
        if let (Ok(from), Ok(to)) = (other.of(digest.algorithm()), self.of(digest.algorithm())) {
            from.hold(&to, digest);
        }
    }

    /// Gives everything in here its name in another folder too; only under the lock of that.
    pub(super) fn publish_into(&self, other: &Self, at: &Location) -> Result<NewNames> {
        let mut new = NewNames(Vec::new());
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let from = self.folder.open_folder(algorithm.name()).at(at)?;
            let Some(from) = from else { continue };
            let to = other.of(algorithm).at(&folder_of(algorithm, at))?;
            for name in from.names().at(at)? {
                if let Ok(digest) = format!("{}:{name}", algorithm.name()).parse() {
                    let place = at.member(&blob_path(&digest));
                    if from.link(&to, &digest).at(&place)? == Published::New {
                        new.0.push((to.clone(), name));
                    }
                    other.count.fetch_add(1, Ordering::Relaxed);
                }
            }
            to.sync().at(at)?;
        }
        Ok(new)
    }

    /// Has everything on disk, names included.
    pub(super) fn sync(&self) -> Result<(), ErrorKind> {
        if self.count.load(Ordering::Relaxed) > ONE_BY_ONE {
            self.folder.sync_all()?;
        }
        self.sha256.sync()?;
        self.folder.sync()
    }
}
