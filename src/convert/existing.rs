//! An existing destination: not changed, or read to be added to.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{Destination, Existing, Format, Target};
use crate::bytes::files::{Input, what};
use crate::bytes::staging::{FileState, parent_of};
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::names::merge;
use crate::image::reading::Note;
use crate::image::{Entry, Image, Node};
use crate::layout::MARKER_NAME;
use crate::progress::Progress;
use crate::source::{self, Options, Source};

/// Whether the destination is new or added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    New,
    /// The destination at the time of the plan.
    Append(FileState),
}

/// Looks at the destination before anything is read.
///
/// # Errors
/// The destination exists and must not be changed, or its folder is missing.
pub fn check_destination(target: &Target) -> Result<()> {
    let Destination::Path(path) = &target.destination else { return Ok(()) };
    let at = Location::of(path);
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(_) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            return match fs::metadata(parent) {
                Ok(there) if there.is_dir() => writable(parent).at(&at),
                Ok(_) => Err(Error::new(&at, ErrorKind::ParentNotADirectory)),
                Err(error) => Err(Error::new(&at, no_parent(error))),
            };
        }
    };
    if there.is_symlink() {
        let kind = match target.existing {
            Existing::Refuse => ErrorKind::Exists,
            Existing::Append => ErrorKind::Symlink { expected: "a layout or an archive" },
        };
        return Err(Error::new(&at, kind));
    }
    match (target.existing, target.format) {
        (Existing::Append, Format::Layout) if there.is_dir() => writable(path).at(&at),
        (Existing::Append, Format::OciArchive | Format::DockerArchive(_) | Format::Registry)
            if there.is_file() =>
        {
            Ok(())
        }
        (Existing::Append, Format::OciArchive | Format::DockerArchive(_) | Format::Registry) => {
            let found = what(&there).to_owned();
            Err(Error::new(&at, ErrorKind::Usage { what: "expected an archive to add to", found }))
        }
        (Existing::Append, Format::Layout) => Err(Error::new(&at, ErrorKind::NotALayout)),
        (_, Format::Directory) => Err(Error::new(&at, ErrorKind::FileExists)),
        (Existing::Refuse, Format::Layout) if there.is_dir() && !is_layout(path) => {
            let empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
            let kind = if empty { ErrorKind::Exists } else { ErrorKind::NotALayout };
            Err(Error::new(&at, kind))
        }
        _ => Err(Error::new(&at, ErrorKind::Exists)),
    }
}

/// Why the folder of a destination cannot be used.
fn no_parent(error: std::io::Error) -> ErrorKind {
    match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NoParent,
        std::io::ErrorKind::NotADirectory => ErrorKind::ParentNotADirectory,
        _ => ErrorKind::Write(error),
    }
}

/// Whether files can be created in a folder: checked before a long read.
fn writable(folder: &Path) -> Result<(), ErrorKind> {
    use rustix::fs::{Access, AtFlags, CWD};
    use rustix::io::Errno;
    let wanted = Access::WRITE_OK | Access::EXEC_OK;
    match rustix::fs::accessat(CWD, folder, wanted, AtFlags::EACCESS) {
        Err(errno @ (Errno::ACCESS | Errno::PERM | Errno::ROFS)) => {
            Err(ErrorKind::Write(errno.into()))
        }
        // If this cannot be checked, the write will fail.
        _ => Ok(()),
    }
}

fn is_layout(path: &Path) -> bool {
    fs::symlink_metadata(path.join(MARKER_NAME)).is_ok()
}

/// The number of retries for an archive that cannot be read.
const TRIES: usize = 3;
/// The time between retries.
const PAUSE: Duration = Duration::from_millis(20);

fn is_odd(read: &Result<Source>) -> bool {
    read.as_ref().is_err_and(|error| !matches!(error.kind, ErrorKind::Interrupted))
}

/// Decides whether the destination is new or added to; returns the content of an existing archive.
pub(super) fn mode(target: &Target, progress: &dyn Progress) -> Result<(Mode, Option<Source>)> {
    let Destination::Path(path) = &target.destination else { return Ok((Mode::New, None)) };
    let there = match target.existing {
        Existing::Append => FileState::of(path),
        Existing::Refuse => None,
    };
    let Some(mut there) = there else { return Ok((Mode::New, None)) };
    if target.format == Format::Layout {
        return Ok((Mode::Append(there), None));
    }
    let spool = parent_of(path).unwrap_or(Path::new("."));
    let options = Options::new(spool);
    let mut tries = 0;
    loop {
        let read = source::open(Input::Path(path.clone()), &options, progress);
        let read = read.and_then(|mut source| match source.problems.is_empty() {
            true => Ok(source),
            false => Err(source.problems.swap_remove(0)),
        });
        match FileState::of(path) {
            // Another mount of the folder may still cache parts of the previous file.
            Some(now) if now == there && tries < TRIES && is_odd(&read) => {
                tries += 1;
                std::thread::sleep(PAUSE);
            }
            // A read error is reported only if the file did not change.
            Some(now) if now == there => return read.map(|it| (Mode::Append(there), Some(it))),
            Some(now) => there = now,
            None => return Ok((Mode::New, None)),
        }
    }
}

/// Puts the entries of an archive before the new ones, and adds its nodes and blobs to the source
/// of the conversion.
pub(super) fn add(
    source: &mut Source,
    fresh: Vec<Entry>,
    mut there: Source,
    at: &Location,
) -> (Vec<Entry>, Vec<Note>) {
    let offset = source.nodes.len();
    for node in &mut there.nodes {
        if let Node::Index { children, .. } = node {
            for child in children {
                child.node = child.node.saturating_add(offset);
            }
        }
    }
    for entry in &mut there.entries {
        entry.node = entry.node.saturating_add(offset);
    }
    source.nodes.append(&mut there.nodes);
    source.blobs.extend(there.blobs);
    let same = |a: &Entry, b: &Entry| match (&a.descriptor, &b.descriptor) {
        (Some(a), Some(b)) => a.digest == b.digest,
        _ => {
            let id = |entry: &Entry| source.image(entry.node).map(Image::id);
            id(a).is_some() && id(a) == id(b)
        }
    };
    merge(there.entries, fresh, &same, at)
}
