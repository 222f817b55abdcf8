//! Allows one writer at a time in the last step: read an index again, merge, replace it.
//!
//! It uses two locks: a kernel lock, which ends with its holder, and a symbolic link next to the
//! destination, which only one process can create. The link also works through another mount of the
//! folder and on file systems without locks. Its target identifies the holder, so that the link of
//! a dead writer can be removed.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::owner::Owner;
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::progress::{Event, Progress, tell};

/// The prefix of lock names.
const PREFIX: &str = ".imgconv-lock";
/// The prefix of locks that are being removed.
const ASIDE: &str = ".imgconv-lock-";
/// The time between two attempts.
const PAUSE: Duration = Duration::from_millis(5);
/// The number of attempts if the state of the holder is unknown: about a minute.
const TRIES: usize = 12_000;
/// The number of checks for a link that was moved aside: it returns at once or never.
const RETURN_TRIES: usize = 100;

/// The right to do the last step; released on drop.
#[derive(Debug)]
pub(crate) struct CommitLock {
    folder: OwnedFd,
    owner: Owner,
    /// `None` on file systems without symbolic links.
    link: Option<String>,
    _kernel: Option<File>,
}

impl CommitLock {
    /// Waits until no other process is in its last step; reports that it waits.
    ///
    /// `file` has the kernel lock; `folder` contains the link.
    pub(crate) fn take(
        (folder, name): (OwnedFd, &str),
        file: File,
        at: &Location,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let mut wait = Wait { at, progress, said: false };
        let kernel = kernel_lock(file, &mut wait)?;
        let link = format!("{PREFIX}{name}");
        let owner = Owner::this();
        let mut tries = 0;
        while tries < TRIES {
            match rustix::fs::symlinkat(owner.word(), &folder, &link) {
                Ok(()) => return Ok(Self { folder, owner, link: Some(link), _kernel: kernel }),
                Err(Errno::EXIST) => match holder(&folder, &link) {
                    None => (),
                    Some(word) if Owner::is_dead(&word) => take_away(&folder, &link, &word),
                    // Waits for a living holder without a limit.
                    Some(word) => {
                        tries += usize::from(!Owner::is_alive(&word));
                        wait.pause()?;
                    }
                },
                Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {
                    return Ok(Self { folder, owner, link: None, _kernel: kernel });
                }
                Err(errno) => return Err(Error::new(at, ErrorKind::Write(errno.into()))),
            }
        }
        Err(Error::new(at, ErrorKind::Locked { link }))
    }
}

impl CommitLock {
    /// Whether this process still holds the lock. On a file system without kernel locks, a process
    /// that removes the link of a dead writer may have moved this one, and puts it back.
    pub(crate) fn is_held(&self) -> bool {
        let Some(link) = &self.link else { return true };
        for _ in 0..RETURN_TRIES {
            match holder(&self.folder, link) {
                Some(word) => return word == self.owner.word(),
                None => sleep(PAUSE),
            }
        }
        false
    }
}

impl Drop for CommitLock {
    fn drop(&mut self) {
        if let Some(link) = self.link.as_ref().filter(|_| self.is_held()) {
            let _ = rustix::fs::unlinkat(&self.folder, link, AtFlags::empty());
        }
    }
}

/// A waiting process, which may be interrupted.
struct Wait<'a> {
    at: &'a Location,
    progress: &'a dyn Progress,
    said: bool,
}

impl Wait<'_> {
    fn pause(&mut self) -> Result<()> {
        if !self.said {
            self.said = true;
            tell(self.progress, Event::Waiting { at: self.at }).at(self.at)?;
        }
        tell(self.progress, Event::Read(0)).at(self.at)?;
        sleep(PAUSE);
        Ok(())
    }
}

/// The kernel lock; `None` if the file system has none.
fn kernel_lock(file: File, wait: &mut Wait<'_>) -> Result<Option<File>> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => wait.pause()?,
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(TryLockError::Error(error)) => {
                let errno = Errno::from_io_error(&error);
                if matches!(errno, Some(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK)) {
                    return Ok(None);
                }
                return Err(ErrorKind::Write(error)).at(wait.at);
            }
        }
    }
}

/// The holder of a lock; `None` if it was released.
fn holder(folder: &OwnedFd, link: &str) -> Option<String> {
    let target = rustix::fs::readlinkat(folder, link, Vec::new()).ok()?;
    Some(target.to_string_lossy().into_owned())
}

/// Removes the link of a dead writer.
fn take_away(folder: &OwnedFd, link: &str, dead: &str) {
    // Moved aside first, to be sure that it is the link of the dead writer and not a new one.
    let aside = format!("{ASIDE}{}", Owner::this().word());
    if rustix::fs::renameat(folder, link, folder, &aside).is_err() {
        return;
    }
    if holder(folder, &aside).is_some_and(|moved| moved != dead)
        && rustix::fs::renameat_with(folder, &aside, folder, link, RenameFlags::NOREPLACE).is_ok()
    {
        return;
    }
    let _ = rustix::fs::unlinkat(folder, &aside, AtFlags::empty());
}

/// Removes a lock that a dead writer was removing for another dead writer.
pub(super) fn remove_aside(parent: &Path, name: &OsStr) {
    let Some(name) = name.to_str() else { return };
    let Some(taker) = name.strip_prefix(ASIDE) else { return };
    let Ok(folder) = super::open_folder(parent) else { return };
    if Owner::is_dead(taker) && holder(&folder, name).is_some_and(|held| Owner::is_dead(&held)) {
        let _ = rustix::fs::unlinkat(&folder, name, AtFlags::empty());
    }
}
