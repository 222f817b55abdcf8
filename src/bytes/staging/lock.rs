//! One writer at a time for the last step: reading an index anew, merging, replacing it.
//!
//! Two things hold others off: a lock of the kernel, which ends with its holder, and a symbolic
//! link beside the destination, which can only be made where there is none. The link is seen
//! through another mount of the folder too, and on file systems without locks. Its target says who
//! holds it, so that the link of a dead writer is taken away.

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

/// What the names of locks begin with.
const PREFIX: &str = ".imgconv-lock";
/// What the names of locks begin with that are being taken away.
const ASIDE: &str = ".imgconv-lock-";
/// How long one waits before it is tried again.
const PAUSE: Duration = Duration::from_millis(5);
/// So often a lock is tried whose holder cannot be asked whether it lives: about a minute.
const TRIES: usize = 12_000;
/// So often a link is looked for that was moved aside: it comes back at once or never.
const RETURN_TRIES: usize = 100;

/// The right to do the last step; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct CommitLock {
    folder: OwnedFd,
    owner: Owner,
    /// Nothing on file systems without symbolic links.
    link: Option<String>,
    _kernel: Option<File>,
}

impl CommitLock {
    /// Waits until nobody else is at their last step; says so when it has to wait.
    ///
    /// `file` is what the lock of the kernel is on, `folder` where the link is made.
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
                    // One that certainly lives is waited for, however long it takes.
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
    /// Whether this is still the one that holds it: on a file system without locks of the kernel,
    /// somebody who took a dead writer's link away may have met this one instead, and puts it back.
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

/// Somebody who waits, and may be told to stop.
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

/// The lock of the kernel; nothing where the file system has none.
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

/// Who holds a lock; nothing where nobody does any more.
fn holder(folder: &OwnedFd, link: &str) -> Option<String> {
    let target = rustix::fs::readlinkat(folder, link, Vec::new()).ok()?;
    Some(target.to_string_lossy().into_owned())
}

/// Removes the link of a writer that is dead.
fn take_away(folder: &OwnedFd, link: &str, dead: &str) {
    // Moved aside first: what is removed has to be the dead one's, not one made meanwhile.
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

/// Removes a lock that a dead writer was taking away from another dead one.
pub(super) fn remove_aside(parent: &Path, name: &OsStr) {
    let Some(name) = name.to_str() else { return };
    let Some(taker) = name.strip_prefix(ASIDE) else { return };
    let Ok(folder) = super::open_folder(parent) else { return };
    if Owner::is_dead(taker) && holder(&folder, name).is_some_and(|held| Owner::is_dead(&held)) {
        let _ = rustix::fs::unlinkat(&folder, name, AtFlags::empty());
    }
}
