//! What is at the destination already: left alone, or read to be added to.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use super::{Destination, Existing, Format, Target};
use crate::bytes::files::Input;
use crate::bytes::staging::lock;
use crate::document::descriptor::{CONTAINERD_NAME, Descriptor, REF_NAME};
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::{Child, Entry, Node};
use crate::layout::MARKER_NAME;
use crate::progress::Quiet;
use crate::source::{self, Options, Prefer, Source};

/// Looks at the destination before anything is read.
///
/// # Errors
/// Something stands there that must not be touched, or the folder is not there.
pub fn check_destination(target: &Target) -> Result<()> {
    let Destination::Path(path) = &target.destination else { return Ok(()) };
    let at = Location::of(path);
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(_) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            return match parent.is_none_or(Path::is_dir) {
                true => writable(parent.unwrap_or(Path::new("."))).at(&at),
                false => Err(Error::new(&at, ErrorKind::NoParent)),
            };
        }
    };
    if there.is_symlink() {
        let kind = match target.existing {
            Existing::Refuse => ErrorKind::Exists,
            Existing::Append => ErrorKind::Symlink { expected: "a layout or an archive itself" },
        };
        return Err(Error::new(&at, kind));
    }
    match (target.existing, target.form) {
        (Existing::Append, Format::Layout) if there.is_dir() => writable(path).at(&at),
        (Existing::Append, Format::OciArchive | Format::DockerArchive(_)) if there.is_file() => {
            Ok(())
        }
        (Existing::Append, Format::Layout) => Err(Error::new(&at, ErrorKind::NotALayout)),
        (Existing::Refuse, Format::Layout) if there.is_dir() && !is_layout(path) => {
            let empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
            let kind = if empty { ErrorKind::Exists } else { ErrorKind::NotALayout };
            Err(Error::new(&at, kind))
        }
        _ => Err(Error::new(&at, ErrorKind::Exists)),
    }
}

/// Whether something can be made in a folder: better known now than after a long read.
fn writable(folder: &Path) -> Result<(), ErrorKind> {
    use rustix::fs::{Access, AtFlags, CWD};
    use rustix::io::Errno;
    let wanted = Access::WRITE_OK | Access::EXEC_OK;
    match rustix::fs::accessat(CWD, folder, wanted, AtFlags::EACCESS) {
        Err(errno @ (Errno::ACCESS | Errno::PERM | Errno::ROFS)) => {
            Err(ErrorKind::Write(errno.into()))
        }
        // What cannot be asked shows when it is tried.
        _ => Ok(()),
    }
}

fn is_layout(path: &Path) -> bool {
    fs::symlink_metadata(path.join(MARKER_NAME)).is_ok()
}

/// Whether there is something to add to.
pub(super) fn is_added_to(target: &Target) -> bool {
    match &target.destination {
        Destination::Path(path) if target.existing == Existing::Append => {
            fs::symlink_metadata(path).is_ok()
        }
        _ => false,
    }
}

/// Opens the archive that is added to, puts its entries before those that were chosen, and keeps
/// it locked until the plan is done with.
pub(super) fn existing_archive(
    source: &mut Source,
    entries: &mut Vec<Entry>,
    target: &Target,
) -> Result<Option<File>> {
    let Destination::Path(path) = &target.destination else { return Ok(None) };
    if target.form == Format::Layout || !is_added_to(target) {
        return Ok(None);
    }
    let at = Location::of(path);
    let locked = locked_file(path, &at)?;
    let spool = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let options = Options { prefer: Prefer::Neither, spool: spool.to_owned() };
    let mut there = source::open(Input::Path(path.clone()), &options, &Quiet)?;
    if !there.problems.is_empty() {
        return Err(there.problems.swap_remove(0));
    }
    let offset = source.nodes.len();
    for node in &mut there.nodes {
        if let Node::Index { children, .. } = node {
            let shifted = children.iter().map(|child| Child {
                node: child.node.saturating_add(offset),
                descriptor: child.descriptor.clone(),
            });
            *children = shifted.collect();
        }
    }
    source.nodes.append(&mut there.nodes);
    let moved = |name: &crate::image::Name| {
        entries.iter().flat_map(|entry| &entry.names).any(|new| new.reference == name.reference)
    };
    let mut all: Vec<Entry> = there
        .entries
        .into_iter()
        .map(|mut entry| {
            entry.node = entry.node.saturating_add(offset);
            entry.names.retain(|name| !moved(name));
            if let Some(descriptor) = &mut entry.descriptor
                && entry.names.is_empty()
            {
                unname(Arc::make_mut(descriptor));
            }
            entry
        })
        .collect();
    let fresh = std::mem::take(entries);
    let known = |entry: &Entry, new: &Entry| {
        let id = |node| source.image(node).map(crate::image::Image::id);
        id(new.node).is_some() && id(entry.node) == id(new.node)
    };
    // An image that is there already gets its new names; it is not there twice.
    all.retain(|entry| !entry.names.is_empty() || !fresh.iter().any(|new| known(entry, new)));
    all.extend(fresh);
    *entries = all;
    Ok(Some(locked))
}

/// Locks the file that is there now; one that was replaced meanwhile is not it.
fn locked_file(path: &Path, at: &Location) -> Result<File> {
    loop {
        let file = File::open(path).map_err(ErrorKind::Open).at(at)?;
        lock(&file, at, &Quiet)?;
        let open = file.metadata().map_err(ErrorKind::Read).at(at)?;
        let there = fs::symlink_metadata(path).map_err(ErrorKind::Read).at(at)?;
        if (open.dev(), open.ino()) == (there.dev(), there.ino()) {
            return Ok(file);
        }
    }
}

/// Takes an image's names away.
pub(super) fn unname(descriptor: &mut Descriptor) {
    descriptor.annotations.remove(CONTAINERD_NAME);
    descriptor.annotations.remove(REF_NAME);
}
