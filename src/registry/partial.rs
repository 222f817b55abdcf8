//! What a pull has fetched so far, in `DESTINATION.partial`, so that the next run goes on.
//!
//! Each blob is written there while it is read, and linked into the destination when it is whole.
//! Nothing in it is believed: the next run reads and hashes what is there from its first byte.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::bytes::files::{RemoteOutcome, WORTH_KEEPING};
use crate::bytes::staging::Folder;
use crate::digest::Digest;
use crate::error::{At as _, Error, ErrorKind, Location, Result};

/// The folder of one destination, locked.
#[derive(Debug)]
pub(crate) struct Partial {
    path: PathBuf,
    folder: Folder,
    handle: Arc<OwnedFd>,
}

/// The first bytes of a blob, and the place for the rest.
#[derive(Debug)]
pub(crate) struct PartialBlob {
    file: File,
    /// How many there are.
    pub(crate) kept: u64,
}

impl Partial {
    /// The folder for a destination; `None` if another run uses it.
    pub(crate) fn open(destination: &Path) -> Result<Option<Self>> {
        let mut name = OsString::from(destination);
        name.push(".partial");
        let path = PathBuf::from(name);
        let at = Location::of(&path);
        let write = |errno: Errno| ErrorKind::Write(errno.into());
        match rustix::fs::mkdirat(CWD, &path, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => (),
            Err(errno) => return Err(Error::new(&at, write(errno))),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let strange = |_| {
            let what = "expected a folder of what an earlier run fetched; move it away";
            ErrorKind::Usage { what, found: "something else".to_owned() }
        };
        let handle = rustix::fs::openat(CWD, &path, flags, Mode::empty()).map_err(strange);
        let handle = handle.at(&at)?;
        let there = rustix::fs::fstat(&handle).map_err(write).at(&at)?;
        if there.st_uid != rustix::process::geteuid().as_raw() {
            let what = "expected a folder of this user; move it away";
            let found = format!("one of user {}", there.st_uid);
            return Err(Error::new(&at, ErrorKind::Usage { what, found }));
        }
        if rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive)
            == Err(Errno::WOULDBLOCK)
        {
            return Ok(None);
        }
        let folder = handle.try_clone().map_err(ErrorKind::Write).at(&at)?;
        Ok(Some(Self { path, folder: Folder::of(folder), handle: Arc::new(handle) }))
    }

    /// The open folder, and the name of a blob in it.
    pub(crate) fn place(&self, digest: &Digest) -> (Folder, String) {
        (self.folder.clone(), name(digest))
    }

    /// What there is of a blob of this size: a regular file of this user, with one name.
    pub(crate) fn part(&self, digest: &Digest, size: u64) -> Result<PartialBlob, ErrorKind> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let open = || {
            let mode = Mode::from_raw_mode(0o644);
            rustix::fs::openat(&*self.handle, name(digest), flags | OFlags::CLOEXEC, mode)
        };
        let fits = |file: &File| {
            let there = file.metadata().ok()?;
            let ours = there.uid() == rustix::process::geteuid().as_raw();
            let whole = there.len() == size;
            let fits = there.is_file() && ours && there.len() <= size;
            (fits && (there.nlink() == 1 || whole)).then_some(there.len())
        };
        if let Ok(file) = open().map(File::from)
            && let Some(kept) = fits(&file)
        {
            return Ok(PartialBlob { file, kept });
        }
        self.discard(digest);
        let file = open().map(File::from).map_err(|errno| ErrorKind::Write(errno.into()))?;
        Ok(PartialBlob { file, kept: 0 })
    }

    /// Forgets a blob.
    pub(crate) fn discard(&self, digest: &Digest) {
        let _ = rustix::fs::unlinkat(&*self.handle, name(digest), AtFlags::empty());
    }

    /// Ends a run: removes everything if it succeeded, or if there is little; returns what is kept,
    /// as a number of blobs and of bytes.
    pub(crate) fn settle(&self, done: RemoteOutcome) -> Option<(PathBuf, usize, u64)> {
        let names = self.folder.names().unwrap_or_default();
        let parts: Vec<&String> = names.iter().filter(|it| it.ends_with(SUFFIX)).collect();
        let size = |name: &&String| {
            let there = rustix::fs::statat(&*self.handle, name.as_str(), AtFlags::SYMLINK_NOFOLLOW);
            there.ok().and_then(|it| u64::try_from(it.st_size).ok()).unwrap_or_default()
        };
        let bytes = parts.iter().map(size).fold(0, u64::saturating_add);
        if done == RemoteOutcome::Failed && bytes >= WORTH_KEEPING {
            return Some((self.path.clone(), parts.len(), bytes));
        }
        for name in parts {
            let _ = rustix::fs::unlinkat(&*self.handle, name.as_str(), AtFlags::empty());
        }
        let _ = std::fs::remove_dir(&self.path);
        None
    }
}

const SUFFIX: &str = ".part";

fn name(digest: &Digest) -> String {
    format!("{}{SUFFIX}", digest.hex())
}

impl PartialBlob {
    /// Reads what is there.
    pub(crate) fn read(&self, buffer: &mut [u8], at: u64) -> std::io::Result<usize> {
        let left = usize::try_from(self.kept.saturating_sub(at)).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        self.file.read_at(buffer.get_mut(..most).unwrap_or_default(), at)
    }

    /// Adds what arrived.
    pub(crate) fn write(&self, bytes: &[u8], at: u64) -> std::io::Result<()> {
        self.file.write_all_at(bytes, at).map_err(|error| ErrorKind::Write(error).into())
    }
}
