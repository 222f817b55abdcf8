//! Everything that is written appears whole or not at all.
//!
//! A new layout or archive is made in a private folder beside its destination and renamed into
//! place as the last step, never over anything. An existing layout gets its new blobs first and
//! its new `index.json` last, under a lock. Files are created relative to folder handles, never
//! through a link, and are on disk before they get their names.

mod folder;
mod sweep;
mod synced;

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

pub(crate) use folder::{Folder, Published, StagedFile, Sync};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
pub(crate) use sweep::PREFIX;
pub(crate) use synced::SyncedFile;

use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::progress::{Event, Progress};

/// A private folder beside a destination; it goes when this is dropped.
pub(crate) struct Beside<'a> {
    folder: tempfile::TempDir,
    handle: OwnedFd,
    parent: PathBuf,
    destination: PathBuf,
    at: Location,
    progress: &'a dyn Progress,
}

impl<'a> Beside<'a> {
    /// Makes the folder, if nothing stands where the destination should go.
    pub(crate) fn create(destination: &Path, progress: &'a dyn Progress) -> Result<Self> {
        let at = Location::of(destination);
        match fs::symlink_metadata(destination) {
            Ok(_) => return Err(Error::new(&at, ErrorKind::Exists)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(Error::new(&at, ErrorKind::NoParent));
            }
            Err(error) => return Err(Error::new(&at, ErrorKind::Write(error))),
        }
        Self::replacing(destination, progress)
    }

    /// The same for a destination that exists and will be replaced.
    pub(crate) fn replacing(destination: &Path, progress: &'a dyn Progress) -> Result<Self> {
        let at = Location::of(destination);
        let parent = match destination.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => return Err(Error::new(&at, ErrorKind::Exists)),
        };
        if !parent.is_dir() {
            return Err(Error::new(&at, ErrorKind::NoParent));
        }
        sweep::beside(parent);
        let (folder, handle) = private(parent).map_err(ErrorKind::Write).at(&at)?;
        let _ = progress.event(Event::Staged(folder.path()));
        let parent = parent.to_owned();
        let destination = destination.to_owned();
        Ok(Self { folder, handle, parent, destination, at, progress })
    }

    /// The private folder, for spooled files.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a folder in here, with the permissions that the umask leaves.
    pub(crate) fn make_folder(&self, name: &str) -> Result<Folder> {
        folder::make(&self.handle, name)
            .map_err(|error| ErrorKind::Write(error.into()))
            .at(&self.at)
    }

    /// Makes a file in here.
    pub(crate) fn make_file(&self, name: &str) -> Result<SyncedFile> {
        folder::create(&self.handle, name)
            .map(SyncedFile::new)
            .map_err(ErrorKind::Write)
            .at(&self.at)
    }

    /// Gives what is called `name` in here its final name; never over anything.
    pub(crate) fn publish(self, name: &str) -> Result<()> {
        self.interrupted()?;
        let file = self.destination.file_name().unwrap_or_default();
        let parent = open_folder(&self.parent).map_err(ErrorKind::Write).at(&self.at)?;
        let renamed =
            rustix::fs::renameat_with(&self.handle, name, &parent, file, RenameFlags::NOREPLACE);
        match renamed {
            Ok(()) => (),
            Err(rustix::io::Errno::EXIST) => return Err(Error::new(&self.at, ErrorKind::Exists)),
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                // A file system without the flag: look once more, then rename.
                let there = rustix::fs::statat(&parent, file, AtFlags::SYMLINK_NOFOLLOW);
                if there.is_ok() {
                    return Err(Error::new(&self.at, ErrorKind::Exists));
                }
                rename(&self.handle, name, &parent, file).at(&self.at)?;
            }
            Err(errno) => return Err(Error::new(&self.at, ErrorKind::Write(errno.into()))),
        }
        folder::sync(&parent).map_err(ErrorKind::Write).at(&self.at)
    }

    /// Whether somebody wants the run to end before its last step.
    fn interrupted(&self) -> Result<()> {
        match self.progress.event(Event::Read(0)).is_break() {
            true => Err(Error::new(&self.at, ErrorKind::Interrupted)),
            false => Ok(()),
        }
    }

    /// Puts what is called `name` in here in the place of the destination.
    pub(crate) fn replace(self, name: &str) -> Result<()> {
        self.interrupted()?;
        let file = self.destination.file_name().unwrap_or_default();
        let parent = open_folder(&self.parent).map_err(ErrorKind::Write).at(&self.at)?;
        rename(&self.handle, name, &parent, file).at(&self.at)?;
        folder::sync(&parent).map_err(ErrorKind::Write).at(&self.at)
    }
}

impl Drop for Beside<'_> {
    fn drop(&mut self) {
        // What is inside goes now, so that the observer is told when it is gone.
        let path = self.folder.path().to_owned();
        let _ = fs::remove_dir_all(&path);
        let _ = self.progress.event(Event::Settled(&path));
    }
}

/// A private folder that is locked while its writer lives, so that what a killed one leaves can be
/// told from what is being written.
fn private(parent: &Path) -> io::Result<(tempfile::TempDir, OwnedFd)> {
    loop {
        let private = fs::Permissions::from_mode(0o700);
        let folder =
            tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(parent)?;
        match open_folder(folder.path()) {
            Ok(handle) if sweep::claim(&handle, folder.path()) => return Ok((folder, handle)),
            Ok(_) => (),
            // Another run took it for one without a writer, before it was locked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(error) => return Err(error),
        }
    }
}

fn rename(
    from: &OwnedFd,
    name: &str,
    to: &OwnedFd,
    file: &std::ffi::OsStr,
) -> Result<(), ErrorKind> {
    rustix::fs::renameat(from, name, to, file).map_err(|errno| ErrorKind::Write(errno.into()))
}

fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Whether nobody else writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locked {
    /// The lock is ours.
    Alone,
    /// The file system has no locks: the last step is still one rename.
    Unknown,
}

/// Locks a file or folder for one writer at a time; says so when it has to wait.
pub(crate) fn lock(file: &File, at: &Location, progress: &dyn Progress) -> Result<Locked> {
    match file.try_lock() {
        Ok(()) => Ok(Locked::Alone),
        Err(TryLockError::WouldBlock) => {
            let _ = progress.event(Event::Step(&format!("waits for another writer of {at}")));
            file.lock().map_err(ErrorKind::Write).at(at).map(|()| Locked::Alone)
        }
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            Ok(Locked::Unknown)
        }
        Err(TryLockError::Error(error)) => Err(Error::new(at, ErrorKind::Write(error))),
    }
}

/// Refuses to begin what the file system has no room for.
pub(crate) fn check_space(folder: &Path, needed: u64, at: &Location) -> Result<()> {
    let Ok(there) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = there.f_bavail.saturating_mul(there.f_frsize);
    if free < needed {
        return Err(Error::new(at, ErrorKind::NoSpace { needed, free }));
    }
    Ok(())
}
