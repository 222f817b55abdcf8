//! Finds and removes the leftovers of killed writers.
//!
//! The name of a private folder identifies its process. The folder is removed only if that process
//! has certainly ended, no process holds its lock, and it is private, owned by this user, and
//! contains only files of a writer. Everything else is kept.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::open_folder;
use super::owner::Owner;

/// The prefix of temporary files and folders.
pub(crate) const PREFIX: &str = ".imgconv-";

/// The files of a writer in its private folder.
const INSIDE: [&str; 3] = ["archive", "blobs", "layout"];

/// The name prefix of private folders of this process.
pub(super) fn prefix() -> String {
    format!("{PREFIX}{}-", Owner::this().word())
}

/// Locks a new folder. Fails if another process has taken it as a leftover: then it is removed.
pub(super) fn claim(handle: &OwnedFd, path: &Path) -> bool {
    match rustix::fs::flock(handle, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => false,
        // Without locks, no other process can take it either.
        Err(_) => true,
        Ok(()) => {
            let ours = rustix::fs::fstat(handle).map(|it| it.st_ino);
            matches!((ours, fs::symlink_metadata(path)), (Ok(ours), Ok(there)) if there.ino() == ours)
        }
    }
}

/// A private folder of a dead writer, locked against other processes.
pub(crate) struct Abandoned {
    pub(crate) path: PathBuf,
    _locked: OwnedFd,
}

impl Abandoned {
    /// Removes it.
    pub(crate) fn remove(self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes the private folders of dead writers next to a destination.
pub(crate) fn sweep_beside(destination: &Path) {
    if let Some(parent) = super::parent_of(destination) {
        abandoned(parent).into_iter().for_each(Abandoned::remove);
    }
}

/// The private folders of dead writers in a folder. Locks that they moved aside are removed at
/// once.
pub(crate) fn abandoned(parent: &Path) -> Vec<Abandoned> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        super::lock::remove_aside(parent, &name);
        let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !folder || !is_of_a_dead_writer(&name) {
            continue;
        }
        let path = entry.path();
        let Ok(handle) = open_folder(&path) else { continue };
        // Without locks, only the name decides.
        let locked = rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive);
        let alive = locked == Err(rustix::io::Errno::WOULDBLOCK);
        if !alive && is_private(&path) && holds_only_ours(&path) {
            found.push(Abandoned { path, _locked: handle });
        }
    }
    found
}

fn is_of_a_dead_writer(name: &OsStr) -> bool {
    let word = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    word.is_some_and(Owner::is_dead)
}

/// Whether it belongs to this user and is private.
fn is_private(path: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path).is_ok_and(|it| it.uid() == user && it.mode() & 0o077 == 0)
}

fn holds_only_ours(path: &Path) -> bool {
    let Ok(mut entries) = fs::read_dir(path) else { return false };
    entries.all(|entry| entry.is_ok_and(|it| it.file_name().to_str().is_some_and(is_inside)))
}

fn is_inside(name: &str) -> bool {
    INSIDE.contains(&name) || name.starts_with(".tmp") || name.starts_with(PREFIX)
}
