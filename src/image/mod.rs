//! What every format reads into: images, and the tree of indexes that names them.

pub(crate) mod claims;
pub(crate) mod layer;
mod layer_reader;
pub(crate) mod names;
mod oci;
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

/// One image for one platform, whole.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Image {
    /// The config, byte for byte; its digest is the image ID.
    pub config: Document<Config>,
    /// Where the config was found.
    pub config_at: Location,
    /// The layers, base first; as many as the config has diff IDs.
    pub layers: Vec<Layer>,
    /// The registry's own manifest, byte for byte, where the source has it.
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
    /// What the config says the uncompressed tar hashes to.
    pub diff_id: DiffId,
    /// What a manifest says of the stored bytes, where there is one.
    pub claim: Option<Descriptor>,
    /// What the stored bytes are compressed with, by their first bytes.
    pub codec: Compression,
    pub(crate) blob: Option<ByteSource>,
}

impl Layer {
    /// Whether the bytes are there; non-distributable layers may be elsewhere.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.blob.is_some()
    }

    /// Stored bytes of this layer, where they are there.
    #[must_use]
    pub fn stored_size(&self) -> Option<u64> {
        self.blob.as_ref().map(|blob| blob.size)
    }
}

/// A place in the list of nodes of a source.
pub type NodeId = usize;

/// Something that an index can name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Node {
    /// A whole image.
    Image(Box<Image>),
    /// An index and what it names, in order.
    Index {
        /// The index, byte for byte.
        document: Box<Document<Index>>,
        /// Its entries.
        children: Vec<Child>,
    },
    /// A manifest that is no image, or whose config or layers are not all here.
    Other {
        /// The manifest, byte for byte.
        document: Box<Document<Manifest>>,
        /// Why it is no whole image.
        why: NotImage,
        /// Those of its blobs that are here.
        blobs: Vec<(Descriptor, Blob)>,
    },
    /// A blob of a type that means nothing here.
    UnknownBlob(Box<Descriptor>, Blob),
    /// Nothing of it is here.
    Absent,
    /// It is here and damaged; the source's problems say how.
    Broken,
}

/// Why a manifest is no whole image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotImage {
    /// Its config is no image config.
    Artifact,
    /// It says what is known of an image (`BuildKit` attestation).
    Attestation,
    /// Its config or some of its layers are not here.
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

/// One thing that a source offers: an item of `manifest.json`, an entry of `index.json`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Entry {
    /// Its names, in order.
    pub names: Vec<Name>,
    /// The entry of `index.json`, where there is one.
    pub descriptor: Option<Arc<Descriptor>>,
    /// What it is.
    pub node: NodeId,
}

/// A name in an archive or a layout.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Name {
    /// The full name, where it is known.
    pub reference: Option<Reference>,
    /// The `org.opencontainers.image.ref.name`, as it stands; empty where there is none.
    pub ref_name: String,
}

impl fmt::Display for Name {
    /// As people know it.
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

    /// As people know it.
    #[must_use]
    pub fn shown(&self) -> String {
        self.reference.as_ref().map_or_else(|| self.ref_name.clone(), Reference::familiar)
    }

    /// Whether somebody who asks for `wanted` may mean this.
    #[must_use]
    pub fn answers_to(&self, wanted: &str) -> bool {
        let parsed = wanted.parse::<Reference>().ok();
        let full = self.reference.is_some() && self.reference == parsed;
        let tag = self.reference.as_ref().is_some_and(|it| it.tag() == wanted);
        full || tag || (!self.ref_name.is_empty() && self.ref_name == wanted)
    }
}
