//! The folder `blobs` of a layout: blobs are staged, checked, and named by their measured digest.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bytes::files::{ByteSource, StagedBlob};
use crate::bytes::staging::{Folder, Published, StagedFile, Sync};
use crate::digest::{Algorithm, Digest, Measured};
use crate::document::descriptor::blob_path;
use crate::error::{At as _, ErrorKind, Location, Result};
use crate::image::claims::ClaimedBlob;
use crate::image::layer::Encode;
use crate::store::{Job, NewDocument, Session, StoredBlob};

/// The folder, open.
pub(crate) struct Blobs {
    folder: Folder,
    sha256: Folder,
    /// `None` to make one below the folder when it is needed.
    sha512: Option<Folder>,
    count: AtomicUsize,
}

/// Names of new blobs that no document refers to yet; removed on drop, unless kept.
pub(super) struct NewNames(Vec<(Folder, String)>);

impl NewNames {
    /// Keeps them, because a document refers to them.
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

/// Up to this number of files are synced one by one; more are synced together, which is faster.
const ONE_BY_ONE: usize = 32;

impl Blobs {
    pub(super) fn open(root: &Folder, at: &Location) -> Result<Self> {
        let folder = root.open_or_make("blobs").at(&at.member("blobs"))?;
        let sha256 = folder.open_or_make(Algorithm::Sha256.name());
        let sha256 = sha256.at(&folder_of(Algorithm::Sha256, at))?;
        Ok(Self { folder, sha256, sha512: None, count: AtomicUsize::new(0) })
    }

    /// One folder for all blobs, not below it.
    pub(crate) fn flat(folder: &Folder) -> Self {
        let (sha256, sha512) = (folder.clone(), Some(folder.clone()));
        Self { folder: folder.clone(), sha256, sha512, count: AtomicUsize::new(0) }
    }

    /// The folder of an existing layout, if it has one.
    pub(super) fn find(root: &Folder, at: &Location) -> Result<Option<Self>> {
        match root.open_folder("blobs").at(&at.member("blobs"))? {
            Some(_) => Self::open(root, at).map(Some),
            None => Ok(None),
        }
    }

    fn of(&self, algorithm: Algorithm) -> Result<Folder, ErrorKind> {
        match algorithm {
            Algorithm::Sha256 => Ok(self.sha256.clone()),
            Algorithm::Sha512 => match &self.sha512 {
                Some(folder) => Ok(folder.clone()),
                None => self.folder.open_or_make(algorithm.name()),
            },
        }
    }

    /// Reads, checks and stores one layer or blob.
    pub(crate) fn store(&self, job: &Job<'_>, session: Session<'_>) -> Result<StoredBlob> {
        job.afresh(|| self.store_once(job, session))
    }

    fn store_once(&self, job: &Job<'_>, session: Session<'_>) -> Result<StoredBlob> {
        let claim = session.shared.map(|run| run.claim(job, session.progress)).transpose()?;
        let claim = claim.flatten();
        let from = &job.blob.from;
        let kept = job.encode == Encode::Keep;
        let algorithm = if kept { job.blob.algorithm } else { Algorithm::Sha256 };
        if let Some(remote) = from.as_remote().filter(|_| kept)
            && let Some((folder, name)) = remote.kept()
        {
            let there = job.store(&mut io::sink(), session)?;
            let to = self.of(algorithm).at(&from.at)?;
            to.adopt((&folder, &name), &there.stored.digest()).at(&from.at)?;
            return Ok(StoredBlob::of(&there));
        }
        if let Some(file) = from.staged(job.encode).and_then(StagedBlob::own) {
            let there = job.check(session)?;
            let folder = self.of(algorithm).at(&from.at)?;
            if folder.name(file, &there.stored, self.sync_next()).at(&from.at)?.is_some() {
                return Ok(StoredBlob::of(&there));
            }
        }
        let mut staged = self.of(algorithm).and_then(|folder| folder.stage()).at(&from.at)?;
        let shared = if kept { staged.share(from) } else { None };
        let there = match shared {
            Some(from) => {
                let blob = ClaimedBlob { from, ..job.blob.clone() };
                Job { blob: &blob, ..*job }.store(&mut io::sink(), session)?
            }
            None => job.store(&mut staged, session)?,
        };
        if let Some(claim) = claim
            && let Ok(file) = staged.handle()
        {
            let stored = StoredBlob::of(&there);
            claim.staged(stored, ByteSource::open_file(file, stored.size, from.at.clone()));
        }
        self.publish(staged, &there.stored).at(&from.at)?;
        Ok(StoredBlob::of(&there))
    }

    /// Whether there is a blob with this digest, and its bytes match.
    pub(super) fn holds(&self, digest: &Digest) -> Result<bool, ErrorKind> {
        self.of(digest.algorithm())?.holds(digest)
    }

    /// Stores a document.
    pub(crate) fn document(&self, document: &NewDocument) -> Result<(), ErrorKind> {
        let algorithm = document.digest.algorithm();
        let mut staged = self.of(algorithm)?.stage()?;
        staged.write_all(&document.raw).map_err(ErrorKind::Write)?;
        self.publish(staged, &Measured::with(algorithm, &document.raw))
    }

    fn publish(&self, staged: StagedFile, there: &Measured) -> Result<(), ErrorKind> {
        staged.publish(there, self.sync_next()).map(drop)
    }

    /// When the next file must be synced.
    fn sync_next(&self) -> Sync {
        let many = self.count.fetch_add(1, Ordering::Relaxed) >= ONE_BY_ONE;
        if many { Sync::Later } else { Sync::Now }
    }

    /// Links a blob of another folder into this one, so that it is kept even if the first name is
    /// removed; does nothing on file systems without hard links.
    pub(super) fn hold(&self, other: &Self, digest: &Digest) {
        if let (Ok(from), Ok(to)) = (other.of(digest.algorithm()), self.of(digest.algorithm())) {
            from.hold(&to, digest);
        }
    }

    /// Moves everything to another folder; only under the lock of that folder.
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

    /// Syncs everything to disk, including names.
    pub(crate) fn sync(&self) -> Result<(), ErrorKind> {
        if self.count.load(Ordering::Relaxed) > ONE_BY_ONE {
            self.folder.sync_all()?;
        }
        self.sha256.sync()?;
        self.folder.sync()
    }
}
