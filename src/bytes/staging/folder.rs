//! Creates files inside an open folder: never through a link, and synced before they get a name.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::synced::SyncedFile;
use crate::bytes::files::ByteSource;
use crate::digest::{Digest, Measured};
use crate::error::ErrorKind;

/// An open folder of a layout.
#[derive(Debug, Clone)]
pub(crate) struct Folder(Arc<OwnedFd>);

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Creates a folder and opens it.
pub(super) fn make(parent: impl AsFd, name: &str) -> rustix::io::Result<Folder> {
    rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o777 & !0o022))?;
    match rustix::fs::openat(&parent, name, FOLDER, Mode::empty()) {
        Ok(handle) => Ok(Folder(Arc::new(handle))),
        Err(errno) => {
            // Removed now: later there may be no descriptor left to open what is around it.
            let _ = rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR);
            Err(errno)
        }
    }
}

/// Whether a file system or kernel cannot rename without replacing. EPERM is also what a seccomp
/// filter says of a call that it does not know.
pub(super) fn has_no_flag(errno: Errno) -> bool {
    matches!(errno, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM)
}

/// Creates a new file.
pub(super) fn create(folder: impl AsFd, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(0o644))?))
}

/// Syncs the names in a folder to disk.
pub(super) fn sync(folder: impl AsFd) -> io::Result<()> {
    match rustix::fs::fsync(folder) {
        Ok(()) | Err(Errno::INVAL) => Ok(()), // Some file systems cannot sync folders.
        Err(errno) => Err(errno.into()),
    }
}

impl Folder {
    /// An open folder.
    pub(crate) fn of(handle: OwnedFd) -> Self {
        Self(Arc::new(handle))
    }

    pub(super) fn handle(&self) -> &OwnedFd {
        &self.0
    }

    /// Opens the folder with this name, which must not be a link; creates it if it is missing.
    pub(crate) fn open_or_make(&self, name: &str) -> Result<Self, ErrorKind> {
        match rustix::fs::openat(&*self.0, name, FOLDER, Mode::empty()) {
            Ok(handle) => Ok(Self::of(handle)),
            Err(Errno::NOENT) => match make(&*self.0, name) {
                // Another process created it first.
                Err(Errno::EXIST) => self.open_or_make(name),
                made => made.map_err(|errno| ErrorKind::Write(errno.into())),
            },
            Err(errno @ (Errno::LOOP | Errno::NOTDIR)) => Err(self.no_folder(name, errno)),
            Err(errno) => Err(ErrorKind::Write(errno.into())),
        }
    }

    /// A file without a final name yet.
    pub(crate) fn stage(&self) -> Result<StagedFile, ErrorKind> {
        // The name is random, so this many attempts fail only in a folder under attack.
        for _ in 0..64 {
            let name = temporary_name()?;
            match create(&*self.0, &name) {
                Ok(file) => {
                    let (folder, file) = (self.clone(), SyncedFile::new(file));
                    return Ok(StagedFile { folder, file, name, done: false });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (),
                Err(error) => return Err(ErrorKind::Write(error)),
            }
        }
        Err(ErrorKind::Write(io::ErrorKind::AlreadyExists.into()))
    }

    /// Writes a complete file under its final name; an existing file is replaced and keeps its
    /// permissions. The file is created in a private folder, so that a killed writer leaves nothing
    /// here.
    pub(crate) fn replace(
        &self,
        name: &str,
        bytes: &[u8],
        private: &Self,
    ) -> Result<(), ErrorKind> {
        let mut staged = private.stage()?;
        if let Ok(old) = rustix::fs::statat(&*self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            let mode = Mode::from_raw_mode(old.st_mode & 0o7777);
            rustix::fs::chmodat(&*private.0, &staged.name, mode, AtFlags::empty())
                .map_err(|errno| ErrorKind::Write(errno.into()))?;
        }
        staged.file.write_all(bytes).and_then(|()| staged.file.sync()).map_err(ErrorKind::Write)?;
        rustix::fs::renameat(&*private.0, &staged.name, &*self.0, name)
            .map_err(|errno| ErrorKind::Write(errno.into()))?;
        staged.done = true;
        Ok(())
    }

    /// Reads a regular file that is not a link; `None` if there is none.
    pub(crate) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ErrorKind> {
        let Some(file) = self.open(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(ErrorKind::Read)?;
        if bytes.len() as u64 > limit {
            return Err(ErrorKind::limit("the size of the document, in bytes,", limit, "more"));
        }
        Ok(Some(bytes))
    }

    /// The names in it.
    pub(crate) fn names(&self) -> Result<Vec<String>, ErrorKind> {
        let read = |errno: Errno| ErrorKind::Read(errno.into());
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&*self.0).map_err(read)? {
            let entry = entry.map_err(read)?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }

    /// Opens the folder with this name, which must not be a link; `None` if there is none.
    pub(crate) fn open_folder(&self, name: &str) -> Result<Option<Self>, ErrorKind> {
        match rustix::fs::openat(&*self.0, name, FOLDER, Mode::empty()) {
            Ok(handle) => Ok(Some(Self::of(handle))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno @ (Errno::LOOP | Errno::NOTDIR)) => Err(self.no_folder(name, errno)),
            Err(errno) => Err(ErrorKind::Open(errno.into())),
        }
    }

    /// The error for a link or another file in place of a folder.
    fn no_folder(&self, name: &str, errno: Errno) -> ErrorKind {
        let there = rustix::fs::statat(&*self.0, name, AtFlags::SYMLINK_NOFOLLOW);
        match there.map(|it| FileType::from_raw_mode(it.st_mode)) {
            Ok(FileType::Symlink) => ErrorKind::Symlink { expected: "a folder" },
            _ => ErrorKind::Open(errno.into()),
        }
    }

    /// Moves a blob to the same name in another folder. An existing blob is hashed before it is
    /// used, unless it is the same file.
    pub(crate) fn link(&self, to: &Self, digest: &Digest) -> Result<Published, ErrorKind> {
        let name = digest.hex();
        match rustix::fs::linkat(&*self.0, &name, &*to.0, &name, AtFlags::empty()) {
            Ok(()) => Ok(Published::New),
            Err(Errno::EXIST) if self.is_same(to, &name) => Ok(Published::WasThere),
            Err(Errno::EXIST) => to.holds(digest).map(|_| Published::WasThere),
            // A file system without hard links: rename it.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::XDEV | Errno::MLINK) => {
                if to.holds(digest)? {
                    return Ok(Published::WasThere);
                }
                rustix::fs::renameat(&*self.0, &name, &*to.0, &name)
                    .map_err(|errno| ErrorKind::Write(errno.into()))?;
                Ok(Published::New)
            }
            Err(errno) => Err(ErrorKind::Write(errno.into())),
        }
    }

    /// Links a file of another folder here, under the name of a digest that was measured; without
    /// hard links, it is moved.
    pub(crate) fn adopt(&self, from: (&Self, &str), there: &Digest) -> Result<(), ErrorKind> {
        let ((folder, name), to) = (from, there.hex());
        let write = |errno: Errno| ErrorKind::Write(errno.into());
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&*folder.0, name, flags, Mode::empty()).map_err(write)?;
        rustix::fs::fsync(file).map_err(write)?;
        match rustix::fs::linkat(&*folder.0, name, &*self.0, &to, AtFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => self.holds(there).map(drop),
            Err(_) => rustix::fs::renameat(&*folder.0, name, &*self.0, &to).map_err(write),
        }
    }

    /// Links a blob into another folder, if the file system can.
    pub(crate) fn hold(&self, to: &Self, digest: &Digest) {
        let name = digest.hex();
        let _ = rustix::fs::linkat(&*self.0, &name, &*to.0, &name, AtFlags::empty());
    }

    /// Moves an item to the same name in another folder.
    pub(crate) fn move_into(&self, name: &str, to: &Self) -> Result<(), ErrorKind> {
        rustix::fs::renameat(&*self.0, name, &*to.0, name)
            .map_err(|errno| ErrorKind::Write(errno.into()))
    }

    /// Whether a name is the same file in both folders.
    pub(crate) fn is_same(&self, other: &Self, name: &str) -> bool {
        let file = |folder: &Self| {
            let there = rustix::fs::statat(&*folder.0, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            Some((there.st_dev, there.st_ino))
        };
        file(self).is_some_and(|ours| file(other) == Some(ours))
    }

    fn open(&self, name: &str) -> Result<Option<File>, ErrorKind> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&*self.0, name, flags, Mode::empty()) {
            Ok(handle) => File::from(handle),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => {
                return Err(ErrorKind::Symlink { expected: "a regular file" });
            }
            Err(errno) => return Err(ErrorKind::Open(errno.into())),
        };
        if file.metadata().map_err(ErrorKind::Read)?.is_file() {
            return Ok(Some(file));
        }
        Err(ErrorKind::NotAFile { found: "something else" })
    }

    /// Whether the blob with this digest exists and its bytes match its name.
    pub(crate) fn holds(&self, digest: &Digest) -> Result<bool, ErrorKind> {
        let Some(mut file) = self.open(&digest.hex())? else { return Ok(false) };
        let found =
            Measured::read(digest.algorithm(), &mut file).map_err(ErrorKind::Read)?.digest();
        if found == *digest {
            return Ok(true);
        }
        Err(ErrorKind::WrongBlob { expected: *digest, found })
    }

    /// Removes a file that this run made.
    pub(crate) fn remove(&self, name: &str) {
        let _ = rustix::fs::unlinkat(&*self.0, name, AtFlags::empty());
    }

    /// Syncs the whole file system to disk.
    pub(crate) fn sync_all(&self) -> Result<(), ErrorKind> {
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&*self.0).map_err(|errno| ErrorKind::Write(errno.into()))?;
        #[cfg(not(target_os = "linux"))]
        rustix::fs::sync();
        Ok(())
    }

    /// Syncs the names in this folder to disk.
    pub(crate) fn sync(&self) -> Result<(), ErrorKind> {
        sync(&*self.0).map_err(ErrorKind::Write)
    }
}

/// When a file must be synced to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// Before it gets its name.
    Now,
    /// Together with all other files, before any document names it.
    Later,
}

/// The result of naming a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    /// The file has its name.
    New,
    /// A file with the same bytes existed.
    WasThere,
}

/// A file without a final name; removed if it does not get one.
#[derive(Debug)]
pub(crate) struct StagedFile {
    folder: Folder,
    file: SyncedFile,
    name: String,
    done: bool,
}

impl StagedFile {
    /// Shares the bytes of a separate file instead of copying them, if the file system can (btrfs,
    /// XFS). They must then be read from this file, which no other process changes.
    pub(crate) fn share(&self, from: &ByteSource) -> Option<ByteSource> {
        let shared = self.file.share(&from.own_file()?, from.size);
        let handle = shared.then(|| self.file.handle().ok()).flatten()?;
        Some(ByteSource::open_file(handle, from.size, from.at.clone()))
    }

    /// Another handle, to read what was written.
    pub(crate) fn handle(&self) -> io::Result<File> {
        self.file.handle()
    }

    /// Names the file by its measured digest. An existing blob with that name is hashed before it
    /// is used, and this file is removed.
    pub(crate) fn publish(mut self, there: &Measured, sync: Sync) -> Result<Published, ErrorKind> {
        let name = there.digest().hex();
        if sync == Sync::Now {
            self.file.sync().map_err(ErrorKind::Write)?;
        }
        let folder = &*self.folder.0;
        let renamed =
            rustix::fs::renameat_with(folder, &self.name, folder, &name, RenameFlags::NOREPLACE);
        match renamed {
            Ok(()) => {
                self.done = true;
                Ok(Published::New)
            }
            Err(Errno::EXIST) => self.folder.holds(&there.digest()).map(|_| Published::WasThere),
            Err(errno) if has_no_flag(errno) => {
                if self.folder.holds(&there.digest())? {
                    return Ok(Published::WasThere);
                }
                rustix::fs::renameat(folder, &self.name, folder, &name)
                    .map_err(|errno| ErrorKind::Write(errno.into()))?;
                self.done = true;
                Ok(Published::New)
            }
            Err(errno) => Err(ErrorKind::Write(errno.into())),
        }
    }
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !self.done {
            let _ = rustix::fs::unlinkat(&*self.folder.0, &self.name, AtFlags::empty());
        }
    }
}

/// A random name that is not the name of a blob.
fn temporary_name() -> Result<String, ErrorKind> {
    let mut random = [0; 12];
    fill_random(&mut random).map_err(ErrorKind::Read)?;
    Ok(format!("{}{}", super::PREFIX, random.map(|byte| format!("{byte:02x}")).concat()))
}

/// Uses the system call, because a `chroot` folder may have no `/dev`.
fn fill_random(random: &mut [u8; 12]) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let flags = rustix::rand::GetRandomFlags::empty();
        let got = rustix::io::retry_on_intr(|| rustix::rand::getrandom(&mut random[..], flags));
        if got == Ok(random.len()) {
            return Ok(());
        }
    }
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(random))
}
