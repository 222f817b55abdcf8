//! Writes every destination completely or not at all.
//!
//! A new layout or archive is created in a private folder next to its destination. The last step
//! renames it into place and never replaces a file. Blobs for an existing layout are created in a
//! private folder inside it and get their names together with the new `index.json`, under a lock
//! for this step only. Files are created relative to folder handles, never through a link, and are
//! synced to disk before they get their names.

mod folder;
mod lock;
mod owner;
mod sweep;
mod synced;
mod unnamed;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

pub(crate) use folder::{Folder, Published, StagedFile, Sync};
pub(crate) use lock::CommitLock;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
pub(crate) use sweep::{PREFIX, abandoned, sweep_beside};
pub(crate) use synced::SyncedFile;
pub(crate) use unnamed::{UnnamedFile, give_back};

use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::progress::{Event, Progress, tell};

/// A private folder for new files; removed on drop.
pub(crate) struct Private<'a> {
    /// Closed before the folder goes, which takes descriptors if it is not empty.
    handle: OwnedFd,
    folder: tempfile::TempDir,
    at: Location,
    progress: &'a dyn Progress,
}

impl<'a> Private<'a> {
    /// Creates one next to a destination that does not exist.
    pub(crate) fn beside_new(destination: &Path, progress: &'a dyn Progress) -> Result<Self> {
        let at = Location::of(destination);
        match fs::symlink_metadata(destination) {
            Ok(_) => return Err(Error::new(&at, ErrorKind::Exists)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(Error::new(&at, ErrorKind::NoParent));
            }
            Err(error) => return Err(Error::new(&at, ErrorKind::Write(error))),
        }
        Self::beside(destination, progress)
    }

    /// The same for a destination that exists and will be replaced.
    pub(crate) fn beside(destination: &Path, progress: &'a dyn Progress) -> Result<Self> {
        let at = Location::of(destination);
        let parent = parent_of(destination).ok_or_else(|| Error::new(&at, ErrorKind::Exists))?;
        if !parent.is_dir() {
            return Err(Error::new(&at, ErrorKind::NoParent));
        }
        sweep_beside(destination);
        Self::inside(parent, at, progress)
    }

    /// Creates one inside a folder.
    pub(crate) fn inside(parent: &Path, at: Location, progress: &'a dyn Progress) -> Result<Self> {
        let (folder, handle) = private(parent).map_err(ErrorKind::Write).at(&at)?;
        let private = Self { folder, handle, at, progress };
        tell(progress, Event::Staged(private.path())).at(&private.at)?;
        Ok(private)
    }

    /// Its path, for spooled files.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder handle.
    pub(crate) fn root(&self) -> Result<Folder> {
        let handle = self.handle.try_clone().map_err(ErrorKind::Write).at(&self.at)?;
        Ok(Folder::of(handle))
    }

    /// Creates a folder inside, with the permissions of the umask.
    pub(crate) fn make_folder(&self, name: &str) -> Result<Folder> {
        folder::make(&self.handle, name)
            .map_err(|error| ErrorKind::Write(error.into()))
            .at(&self.at)
    }

    /// Creates a file inside.
    pub(crate) fn make_file(&self, name: &str) -> Result<SyncedFile> {
        folder::create(&self.handle, name)
            .map(SyncedFile::new)
            .map_err(ErrorKind::Write)
            .at(&self.at)
    }

    /// Moves the item `name` to its final name; never replaces anything.
    pub(crate) fn publish(&self, name: &str, destination: &Path) -> Result<()> {
        self.go_on()?;
        let (parent, file) = self.place(destination)?;
        let renamed =
            rustix::fs::renameat_with(&self.handle, name, &parent, file, RenameFlags::NOREPLACE);
        match renamed {
            Ok(()) => (),
            Err(Errno::EXIST) => return Err(Error::new(&self.at, ErrorKind::Exists)),
            Err(errno) if folder::has_no_flag(errno) => {
                self.publish_without_flag(name, &parent, file)?
            }
            Err(errno) => return Err(Error::new(&self.at, ErrorKind::Write(errno.into()))),
        }
        folder::sync(&parent).map_err(ErrorKind::Write).at(&self.at)
    }

    /// The same on a file system that cannot rename without replacing (FUSE, NFS). A file gets its
    /// name with a hard link, which replaces nothing; a folder can only replace an empty one.
    fn publish_without_flag(&self, name: &str, parent: &OwnedFd, file: &OsStr) -> Result<()> {
        let kind = rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW);
        if kind.is_ok_and(|it| FileType::from_raw_mode(it.st_mode) == FileType::RegularFile) {
            match rustix::fs::linkat(&self.handle, name, parent, file, AtFlags::empty()) {
                // Its first name is removed with the private folder.
                Ok(()) => return Ok(()),
                Err(Errno::EXIST) => return Err(Error::new(&self.at, ErrorKind::Exists)),
                // The file system has no hard links either.
                Err(_) => (),
            }
        }
        if rustix::fs::statat(parent, file, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(Error::new(&self.at, ErrorKind::Exists));
        }
        match rustix::fs::renameat(&self.handle, name, parent, file) {
            Ok(()) => Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR | Errno::ISDIR) => {
                Err(Error::new(&self.at, ErrorKind::Exists))
            }
            Err(errno) => Err(Error::new(&self.at, ErrorKind::Write(errno.into()))),
        }
    }

    /// Stops an interrupted run before its last step.
    pub(crate) fn go_on(&self) -> Result<()> {
        tell(self.progress, Event::Read(0)).at(&self.at)
    }

    /// Replaces an unchanged file with the item `name`, and keeps the permissions of the file.
    pub(crate) fn replace(&self, name: &str, destination: &Path, seen: FileState) -> Result<()> {
        self.go_on()?;
        let (parent, file) = self.place(destination)?;
        if FileState::of(destination) != Some(seen) {
            return Err(Error::new(&self.at, ErrorKind::DestinationChanged));
        }
        let mode = Mode::from_raw_mode(seen.mode & 0o7777);
        rustix::fs::chmodat(&self.handle, name, mode, AtFlags::empty())
            .map_err(|errno| ErrorKind::Write(errno.into()))
            .at(&self.at)?;
        rename(&self.handle, name, &parent, file).at(&self.at)?;
        folder::sync(&parent).map_err(ErrorKind::Write).at(&self.at)
    }

    fn place<'p>(&self, destination: &'p Path) -> Result<(OwnedFd, &'p OsStr)> {
        let parent = parent_of(destination).unwrap_or(Path::new("."));
        let parent = open_folder(parent).map_err(ErrorKind::Write).at(&self.at)?;
        Ok((parent, destination.file_name().unwrap_or_default()))
    }
}

impl Drop for Private<'_> {
    fn drop(&mut self) {
        // Remove the content now, so that the observer learns about it afterwards.
        let path = self.folder.path().to_owned();
        // An empty folder goes without a descriptor, as there may be none left.
        let _ = fs::remove_dir(&path).or_else(|_| fs::remove_dir_all(&path));
        // This event cannot stop the run, which remembers a break until the next event.
        let _ = self.progress.event(Event::Settled(&path));
    }
}

/// The parent folder of a path.
pub(crate) fn parent_of(path: &Path) -> Option<&Path> {
    path.parent().map(|parent| match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    })
}

/// Identifies a file, to detect whether it was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileState {
    file: (u64, u64),
    size: u64,
    time: (i64, i64),
    mode: u32,
}

impl FileState {
    /// The file with a name, if there is one.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        ask_anew(path);
        let there = fs::symlink_metadata(path).ok()?;
        let (file, time) = ((there.dev(), there.ino()), (there.mtime(), there.mtime_nsec()));
        Some(Self { file, size: there.size(), time, mode: there.mode() })
    }
}

/// Makes the kernel ask the file system (FUSE, NFS) for the current state of a file, to see changes
/// through another mount.
fn ask_anew(path: &Path) {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, StatxFlags, statx};
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::STATX_FORCE_SYNC;
        let _ = statx(CWD, path, flags, StatxFlags::BASIC_STATS);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = path;
}

/// The right to replace a file that did not change since it was read.
pub(crate) fn lock_file(path: &Path, progress: &dyn Progress) -> Result<CommitLock> {
    let at = Location::of(path);
    loop {
        let file = File::open(path).map_err(ErrorKind::Open).at(&at)?;
        let inode = file.metadata().map_err(ErrorKind::Read).at(&at)?.ino();
        let parent = open_folder(parent_of(path).unwrap_or(Path::new(".")));
        let parent = parent.map_err(ErrorKind::Write).at(&at)?;
        let name = format!(".{}", path.file_name().unwrap_or_default().to_string_lossy());
        let lock = CommitLock::take((parent, &name), file, &at, progress)?;
        if fs::symlink_metadata(path).is_ok_and(|there| there.ino() == inode) {
            return Ok(lock);
        }
    }
}

/// A private folder, locked while its writer lives, so that leftovers of a killed writer can be
/// recognized.
fn private(parent: &Path) -> io::Result<(tempfile::TempDir, OwnedFd)> {
    loop {
        let private = fs::Permissions::from_mode(0o700);
        let mut builder = tempfile::Builder::new();
        let prefix = sweep::prefix();
        let folder = builder.prefix(&prefix).permissions(private).tempdir_in(parent)?;
        match open_folder(folder.path()) {
            Ok(handle) if sweep::claim(&handle, folder.path()) => return Ok((folder, handle)),
            Ok(_) => (),
            // Another run removed it as a leftover before it was locked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(error) => {
                // It goes without being opened, as that is what failed.
                let _ = fs::remove_dir(folder.path());
                return Err(error);
            }
        }
    }
}

fn rename(from: &OwnedFd, name: &str, to: &OwnedFd, file: &OsStr) -> Result<(), ErrorKind> {
    rustix::fs::renameat(from, name, to, file).map_err(|errno| ErrorKind::Write(errno.into()))
}

pub(crate) fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Refuses to start if the file system does not have enough space.
pub(crate) fn check_space(folder: &Path, needed: u64, at: &Location) -> Result<()> {
    let Ok(there) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = there.f_bavail.saturating_mul(there.f_frsize);
    if free < needed {
        return Err(Error::new(at, ErrorKind::NoSpace { needed, free }));
    }
    Ok(())
}
