//! Finds bytes by name: in a layout directory, in an archive with an index of its headers, or in a
//! registry.
//!
//! A compressed archive or a pipe is taken apart while it arrives, or spooled once into an unnamed
//! temporary file, up to the end marker. Files of a layout directory may be symbolic links to regular files (some build systems
//! write them). Anything else is an error, and a FIFO does not block.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod arrival;
mod arrived;
mod byte_source;
mod flat;
mod foreign;
mod list;
mod log;
mod open;
mod refresh;
mod spool;
mod stamp;
#[cfg(test)]
mod tests;
mod trailing;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

pub use crate::bytes::files::arrival::Arrival;
use crate::bytes::files::arrival::ReceivedMember;
pub(crate) use crate::bytes::files::arrival::{BlobForms, FindUnwanted, HeldDocuments, Reception};
pub(crate) use crate::bytes::files::arrived::{BlobUse, StagedBlob};
pub(crate) use crate::bytes::files::byte_source::{
    BlobKey, ByteSource, RemoteBytes, RemoteOutcome, RemotePresence, WORTH_KEEPING, file_of, what,
};
use crate::bytes::files::byte_source::{BytesAt, Seen};
pub(crate) use crate::bytes::files::flat::CHILD;
use crate::bytes::files::flat::Flat;
pub(crate) use crate::bytes::files::foreign::{is_page, name as foreign_name};
pub(crate) use crate::bytes::files::list::{Listed, What};
pub(crate) use crate::bytes::files::log::{LoggedRequest, RequestLog};
#[cfg(feature = "registry")]
pub(crate) use crate::bytes::files::open::ImageMaker;
pub use crate::bytes::files::open::{Input, RemoteInput};
pub(crate) use crate::bytes::files::open::{Opened, Replaced, open};
pub(crate) use crate::bytes::files::spool::temporary;
pub(crate) use crate::bytes::files::stamp::Stamp;
pub(crate) use crate::bytes::files::trailing::TrailingBytes;
use crate::error::{At as _, Error, ErrorKind, Location, Result, kind_of};
use crate::tar::{TarBody, TarIndex};

/// The files of a source, by name.
#[derive(Debug)]
pub(crate) struct Files {
    at: Location,
    there: FilesIn,
}

#[derive(Debug)]
enum FilesIn {
    Directory(PathBuf),
    Archive {
        bytes: ArchiveBytes,
        index: TarIndex,
        same: Mutex<BTreeSet<u32>>,
        behind: Option<TrailingBytes>,
    },
    /// A folder of blobs that is shown as a layout.
    Flat(Flat),
    /// The documents of a registry, and its blobs, which are fetched when they are read.
    Remote {
        files: BTreeMap<String, ByteSource>,
        replaced: Vec<Replaced>,
        log: RequestLog,
    },
}

/// The bytes of an archive.
#[derive(Debug)]
enum ArchiveBytes {
    /// In one file, as it was when it was opened.
    InPlace { file: Arc<File>, seen: Option<Seen> },
    /// What was kept of its members, by offset; not of empty ones.
    Received(BTreeMap<u64, ReceivedMember>),
}

impl ArchiveBytes {
    /// The bytes of a member.
    fn member(&self, at: Location, (offset, size): (u64, u64)) -> ByteSource {
        match self {
            Self::InPlace { file, seen } => {
                ByteSource::new(at, size, BytesAt::Range { file: Arc::clone(file), offset }, *seen)
            }
            Self::Received(members) => {
                let known = members.get(&offset).map(|member| member.place.clone());
                ByteSource::new(at, size, known.unwrap_or(BytesAt::Empty(offset)), None)
            }
        }
    }
}

impl Files {
    pub(crate) fn at(&self) -> &Location {
        &self.at
    }

    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.there, FilesIn::Directory(_))
    }

    /// Whether it is a folder that is shown as a layout.
    pub(crate) fn is_flat(&self) -> bool {
        matches!(self.there, FilesIn::Flat(_))
    }

    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.there, FilesIn::Remote { .. })
    }

    /// Documents of a registry that others stand for.
    pub(crate) fn replaced(&self) -> &[Replaced] {
        match &self.there {
            FilesIn::Remote { replaced, .. } => replaced,
            _ => &[],
        }
    }

    /// What its registry was asked for.
    pub(crate) fn log(&self) -> Option<&RequestLog> {
        match &self.there {
            FilesIn::Remote { log, .. } => Some(log),
            _ => None,
        }
    }

    /// What follows the end of an archive and is not read.
    pub(crate) fn behind(&self) -> Option<TrailingBytes> {
        match &self.there {
            FilesIn::Directory(_) | FilesIn::Flat(_) | FilesIn::Remote { .. } => None,
            FilesIn::Archive { behind, .. } => *behind,
        }
    }

    /// The file with a name, after links; `None` if there is none.
    pub(crate) fn find(&self, name: &str) -> Result<Option<ByteSource>> {
        let at = self.at.member(name);
        match &self.there {
            FilesIn::Directory(root) => file_of(root.join(name), at),
            FilesIn::Flat(flat) => flat.find(name, &self.at),
            FilesIn::Remote { files, .. } => Ok(files.get(name).cloned()),
            FilesIn::Archive { bytes, index, .. } => {
                let Some(found) = index.resolve(name).at(&at)? else { return Ok(None) };
                self.same(found, &at)?;
                match index.members.get(found as usize).map(|member| &member.body) {
                    Some(TarBody::File { offset, size }) => {
                        Ok(Some(bytes.member(at, (*offset, *size))))
                    }
                    Some(TarBody::Directory) => {
                        Err(Error::new(&at, ErrorKind::NotAFile { found: "a directory" }))
                    }
                    Some(TarBody::Other(found)) => {
                        Err(Error::new(&at, ErrorKind::NotAFile { found }))
                    }
                    _ => Ok(None),
                }
            }
        }
    }

    /// The place of a file that may be missing.
    pub(crate) fn place(&self, name: &str) -> Location {
        match &self.there {
            FilesIn::Flat(flat) => flat.place(name, &self.at),
            _ => self.at.member(name),
        }
    }

    /// A directory, shown as a layout: these documents by their names there, and every other file
    /// that is named by a hex digest.
    pub(crate) fn shown_as_layout(self, documents: BTreeMap<String, ByteSource>) -> Self {
        let there = match self.there {
            FilesIn::Directory(root) => FilesIn::Flat(Flat { root, documents }),
            there => there,
        };
        Self { there, ..self }
    }

    /// The first parts of all member names, each once, in the order of the archive.
    pub(crate) fn top_level(&self) -> Vec<&str> {
        let FilesIn::Archive { index, .. } = &self.there else { return Vec::new() };
        let mut seen = BTreeSet::new();
        index
            .members
            .iter()
            .filter_map(|member| member.path.as_deref()?.split('/').next())
            .filter(|top| !top.is_empty() && seen.insert(*top))
            .collect()
    }

    /// Refuses duplicate members with different bytes: docker reads the last, skopeo the first.
    fn same(&self, found: u32, at: &Location) -> Result<()> {
        let FilesIn::Archive { bytes, index, same, .. } = &self.there else { return Ok(()) };
        let Some(member) = index.members.get(found as usize) else { return Ok(()) };
        let all: Vec<&TarBody> =
            index.named(member.path.as_deref().unwrap_or_default()).map(|it| &it.1.body).collect();
        let [first, others @ ..] = all.as_slice() else { return Ok(()) };
        let Ok(mut same) = same.lock() else { return Ok(()) };
        if others.is_empty() || !same.insert(found) {
            return Ok(());
        }
        for other in others {
            let equal = match (first, other) {
                (TarBody::File { offset: a, size }, TarBody::File { offset: b, size: other }) => {
                    let member = |offset: u64| bytes.member(at.clone(), (offset, *size));
                    size == other && equal(&member(*a), &member(*b))?
                }
                (first, other) => first == other,
            };
            if !equal {
                same.remove(&found);
                return Err(Error::new(at, ErrorKind::Twice));
            }
        }
        Ok(())
    }
}

fn equal(a: &ByteSource, b: &ByteSource) -> Result<bool> {
    if let Some((a, b)) = a.measured().zip(b.measured()) {
        return Ok(a == b);
    }
    let at = &a.at;
    let (mut a, mut b) = (a.reader()?, b.reader()?);
    let (mut left, mut right) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let read = |error| kind_of(error, ErrorKind::Read);
    loop {
        let count = a.read(&mut left).map_err(read).at(at)?;
        let other = right.get_mut(..count).unwrap_or_default();
        b.read_exact(other).map_err(read).at(at)?;
        if count == 0 {
            return Ok(true);
        }
        if left.get(..count) != Some(&*other) {
            return Ok(false);
        }
    }
}
