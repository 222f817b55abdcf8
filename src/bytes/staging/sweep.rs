//! What a killed writer leaves: told by its name and by a lock that nobody holds, and removed.
//!
//! A folder beside a destination is locked by its writer; inside a layout the lock of the layout
//! is ours when this is called. The kernel drops locks with the process, so what is not locked has
//! no writer. Anything of another name, kind or content is left alone.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, FlockOperation};

use super::{Folder, open_folder};

/// What the names of temporary files and folders begin with.
pub(crate) const PREFIX: &str = ".imgconv-";

/// What a writer makes in its folder beside a destination.
const INSIDE: [&str; 2] = ["archive", "layout"];

/// Locks a folder that was just made. Not so where somebody took it for one without a writer
/// meanwhile: it is gone then, or will be.
pub(super) fn claim(handle: &OwnedFd, path: &Path) -> bool {
    match rustix::fs::flock(handle, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => false,
        // Without locks nobody can take it either.
        Err(_) => true,
        Ok(()) => {
            let ours = rustix::fs::fstat(handle).map(|it| it.st_ino);
            matches!((ours, fs::symlink_metadata(path)), (Ok(ours), Ok(there)) if there.ino() == ours)
        }
    }
}

/// Removes the folders of killed writers beside a destination.
pub(super) fn beside(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = entry.file_type().is_ok_and(|kind| kind.is_dir()) && is_temporary(&name);
        if !ours {
            continue;
        }
        let path = entry.path();
        let Ok(handle) = open_folder(&path) else { continue };
        let alone = rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive).is_ok();
        if alone && is_private(&path) && holds_only_ours(&path) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

fn is_temporary(name: &OsStr) -> bool {
    name.to_str().and_then(|name| name.strip_prefix(PREFIX)).is_some_and(|random| {
        random.len() >= 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Whether it is of this user, and of nobody else's business.
fn is_private(path: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path).is_ok_and(|it| it.uid() == user && it.mode() & 0o077 == 0)
}

fn holds_only_ours(path: &Path) -> bool {
    let Ok(mut entries) = fs::read_dir(path) else { return false };
    entries.all(|entry| entry.is_ok_and(|it| it.file_name().to_str().is_some_and(is_inside)))
}

fn is_inside(name: &str) -> bool {
    INSIDE.contains(&name) || name.starts_with(".tmp")
}

impl Folder {
    /// Removes the unfinished files of killed writers in here; only under the lock of the layout.
    pub(crate) fn sweep(&self) {
        let Ok(entries) = rustix::fs::Dir::read_from(self.handle()) else { return };
        for entry in entries.flatten() {
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            let file = matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown);
            if file && is_temporary(name) {
                // Never a folder: this call refuses them.
                let _ = rustix::fs::unlinkat(self.handle(), entry.file_name(), AtFlags::empty());
            }
        }
    }
}
