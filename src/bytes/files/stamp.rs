//! Mode, time and dialect of a tar header, as evidence of its writer.

use std::os::unix::fs::FileExt as _;

use super::{ArchiveBytes, Files, FilesIn};
use crate::tar::{BLOCK, TarBody};

/// Mode, time and dialect of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) mtime: u64,
    /// Whether it has the magic of GNU tar.
    pub(crate) gnu: bool,
}

impl Stamp {
    pub(super) fn of(header: &::tar::Header) -> Option<Self> {
        let (mode, mtime) = (header.mode().ok()?, header.mtime().ok()?);
        Some(Self { mode, mtime, gnu: header.as_gnu().is_some() })
    }
}

impl Files {
    /// The stamp of a regular member with this name; `None` for folders and links.
    pub(crate) fn stamp(&self, name: &str) -> Option<Stamp> {
        let FilesIn::Archive { bytes, index, .. } = &self.there else { return None };
        let (_, member) = index.named(name).next()?;
        let TarBody::File { offset, .. } = member.body else { return None };
        match bytes {
            ArchiveBytes::Received(members) => members.get(&offset)?.stamp.clone(),
            ArchiveBytes::InPlace { file, .. } => {
                // The header of a member is the block before its data.
                let start = offset.checked_sub(BLOCK as u64)?;
                let mut header = ::tar::Header::new_old();
                file.read_exact_at(header.as_mut_bytes(), start).ok()?;
                Stamp::of(&header)
            }
        }
    }
}
