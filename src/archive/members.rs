//! The members of an archive to write, as data.

use std::sync::Arc;

use crate::store::StoredBlob;
use crate::tar::{TarHeader, padding};

/// One member.
#[derive(Debug, Clone)]
pub(crate) struct NewMember {
    pub(crate) path: String,
    pub(crate) body: Body,
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) mtime: u64,
}

/// The content of a member.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    File(Content),
    Directory,
    Symlink(String),
}

/// The bytes of a file.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Bytes in memory.
    Bytes(Arc<[u8]>),
    /// A blob of the archive.
    Blob(StoredBlob),
}

impl Content {
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob(blob) => blob.size,
        }
    }
}

impl NewMember {
    /// A file with mode 0644 and time 0.
    pub(crate) fn file(path: impl Into<String>, content: Content) -> Self {
        Self { path: path.into(), body: Body::File(content), mode: 0o644, mtime: 0 }
    }

    /// A file with bytes in memory.
    pub(crate) fn bytes(path: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::file(path, Content::Bytes(bytes.into()))
    }

    /// The size of the data.
    pub(crate) fn size(&self) -> u64 {
        match &self.body {
            Body::File(content) => content.size(),
            Body::Directory | Body::Symlink(_) => 0,
        }
    }

    /// The size of header, data and padding.
    pub(crate) fn total(&self) -> u64 {
        let size = self.size();
        (self.header().len() as u64).saturating_add(size).saturating_add(padding(size))
    }

    /// The header blocks.
    pub(crate) fn header(&self) -> Vec<u8> {
        let (kind, target) = match &self.body {
            Body::File(_) => (::tar::EntryType::Regular, ""),
            Body::Directory => (::tar::EntryType::Directory, ""),
            Body::Symlink(target) => (::tar::EntryType::Symlink, target.as_str()),
        };
        let (size, mode, mtime) = (self.size(), self.mode, self.mtime);
        TarHeader { path: &self.path, kind, target, size, mode, mtime }.header()
    }

    /// The number of zero bytes after the data.
    pub(crate) fn padding(&self) -> Vec<u8> {
        vec![0; usize::try_from(padding(self.size())).unwrap_or_default()]
    }
}
