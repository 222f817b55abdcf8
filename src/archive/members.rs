//! Members of an archive that is to be written, as data.

use std::sync::Arc;

use crate::bytes::files::ByteSource;
use crate::digest::Digest;
use crate::image::layer::Transcoded;
use crate::tar::{TarHeader, padding};

/// One member.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) path: String,
    pub(crate) body: Body,
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) mtime: u64,
}

/// What a member is.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    File(Content),
    Directory,
    Symlink(String),
}

/// The bytes of a file and how many they are.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// At hand.
    Bytes(Arc<[u8]>),
    /// In a temporary file, already checked.
    Spooled(Arc<ByteSource>),
    /// A job that copies them as they are and checks them on the way.
    Pending { job: usize, size: u64 },
}

/// Bytes that were stored or will be: what names them, and where they are.
#[derive(Debug, Clone)]
pub(crate) struct StoredBlob {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Nothing where they are in a layout already.
    pub(crate) content: Option<Content>,
}

impl StoredBlob {
    /// What one pass over a layer made, wherever it went.
    pub(crate) fn of(there: &Transcoded) -> Self {
        Self { digest: there.stored.digest(), size: there.stored.size(), content: None }
    }
}

impl Content {
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Spooled(extent) => extent.size,
            Self::Pending { size, .. } => *size,
        }
    }
}

impl Member {
    /// A file of mode 0644 and time 0.
    pub(crate) fn file(path: impl Into<String>, content: Content) -> Self {
        Self { path: path.into(), body: Body::File(content), mode: 0o644, mtime: 0 }
    }

    /// A file of bytes at hand.
    pub(crate) fn bytes(path: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::file(path, Content::Bytes(bytes.into()))
    }

    /// Bytes of data.
    pub(crate) fn size(&self) -> u64 {
        match &self.body {
            Body::File(content) => content.size(),
            Body::Directory | Body::Symlink(_) => 0,
        }
    }

    /// Bytes of header, data and padding.
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

    /// Zero bytes behind the data.
    pub(crate) fn padding(&self) -> Vec<u8> {
        vec![0; usize::try_from(padding(self.size())).unwrap_or_default()]
    }
}
