//! The model of every format: images, and the tree of indexes that names them.

pub(crate) mod claims;
pub(crate) mod layer;
mod layer_reader;
pub(crate) mod names;
#[cfg(any(test, feature = "oci-spec"))]
mod oci;
pub mod readers;
pub mod reading;
pub mod reason;

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

pub use layer_reader::LayerReader;

use crate::bytes::files::ByteSource;
use crate::codec::Compression;
use crate::digest::{DiffId, ImageId};
use crate::document::descriptor::Descriptor;
use crate::document::{Config, Document, Index, Manifest};
use crate::error::Location;
use crate::reference::Reference;

/// One complete image for one platform.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Image {
    /// The config, byte for byte; its digest is the image ID.
    pub config: Document<Config>,
    /// Where the config was found.
    pub config_at: Location,
    /// The layers, base first; as many as the config has diff IDs.
    pub layers: Vec<Layer>,
    /// The registry manifest, byte for byte, if the source has it.
    pub manifest: Option<Document<Manifest>>,
}

impl Image {
    /// Digest of the config.
    #[must_use]
    pub fn id(&self) -> ImageId {
        ImageId::of(self.config.raw())
    }
}

/// One layer of an image.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The digest of the uncompressed tar, from the config.
    pub diff_id: DiffId,
    /// The claim of a manifest about the stored bytes, if there is a manifest.
    pub claim: Option<Box<Descriptor>>,
    /// The codec of the stored bytes, detected from the bytes.
    pub codec: Compression,
    /// What `LayerSources` of a docker archive says of a non-distributable layer.
    pub(crate) source: Option<Box<Descriptor>>,
    pub(crate) blob: Option<ByteSource>,
}

impl Layer {
    /// Whether the source has the bytes; non-distributable layers may be missing.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.blob.is_some()
    }

    /// The descriptor of a non-distributable layer, with its urls.
    pub(crate) fn elsewhere(&self) -> Option<&Descriptor> {
        self.source.as_deref().or(self.claim.as_deref().filter(|it| it.is_elsewhere()))
    }

    /// The stored bytes, if the source has them.
    #[must_use]
    pub fn stored_size(&self) -> Option<u64> {
        self.blob.as_ref().map(|blob| blob.size)
    }
}

/// An index into the list of nodes of a source.
pub type NodeId = usize;

/// An item that an index can name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Node {
    /// A complete image.
    Image(Box<Image>),
    /// An index and what it names, in order.
    Index {
        /// The index, byte for byte.
        document: Box<Document<Index>>,
        /// Its entries.
        children: Vec<Child>,
    },
    /// A manifest that is not an image, or an image with missing parts.
    Other {
        /// The manifest, byte for byte.
        document: Box<Document<Manifest>>,
        /// Why it is not a complete image.
        why: NotImage,
        /// Its blobs that the source has.
        blobs: Vec<(Descriptor, Blob)>,
    },
    /// A blob of an unknown type.
    UnknownBlob(Box<Descriptor>, Blob),
    /// It is missing.
    Absent,
    /// It is damaged; see the problems of the source.
    Broken,
}

/// Why a manifest is not a complete image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotImage {
    /// Its config is not an image config.
    Artifact,
    /// It is an attestation of an image (`BuildKit`).
    Attestation,
    /// Its config or some of its layers are missing.
    Incomplete,
    /// Its layers are encrypted.
    Encrypted,
}

/// Stored bytes, copied as they are.
#[derive(Debug, Clone)]
pub struct Blob(pub(crate) ByteSource);

/// An entry of an index and what it names.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Child {
    /// The entry.
    pub descriptor: Descriptor,
    /// What it names.
    pub node: NodeId,
}

/// One entry of a source: an item of `manifest.json`, an entry of `index.json`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Entry {
    /// Its names, in order.
    pub names: Vec<Name>,
    /// The descriptor in `index.json`, if there is one.
    pub descriptor: Option<Arc<Descriptor>>,
    /// What it is.
    pub node: NodeId,
}

/// A name in an archive or a layout.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Name {
    /// The full name, if known.
    pub reference: Option<Reference>,
    /// The `org.opencontainers.image.ref.name`, as written; empty if there is none.
    pub ref_name: String,
}

impl fmt::Display for Name {
    /// In the short form that docker shows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Name {
    /// A full name.
    #[must_use]
    pub fn of(reference: Reference) -> Self {
        Self { reference: Some(reference), ref_name: String::new() }
    }

    /// A tag or another text of a layout that is not a full name.
    #[must_use]
    pub fn of_ref_name(ref_name: impl Into<String>) -> Self {
        Self { reference: None, ref_name: ref_name.into() }
    }

    /// In the short form that docker shows.
    #[must_use]
    pub fn shown(&self) -> String {
        self.reference.as_ref().map_or_else(|| self.ref_name.clone(), Reference::familiar)
    }

    /// Whether `wanted` may refer to this name.
    #[must_use]
    pub fn answers_to(&self, wanted: &str) -> bool {
        let parsed = wanted.parse::<Reference>().ok();
        let full = self.reference.is_some() && self.reference == parsed;
        let tag = self.reference.as_ref().is_some_and(|it| it.tag() == wanted);
        full || tag || (!self.ref_name.is_empty() && self.ref_name == wanted)
    }
}
