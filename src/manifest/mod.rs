//! Registry manifests as documents: what one is, its digest, one kind turned into another, what
//! differs. Works on the JSON alone where the answer follows from it.

mod blobs;
mod convert;
mod diff;
mod index;
mod read;
mod schema1;
mod show;
mod swap;

use crate::digest::{Digest, Measured};
use crate::document::kind::{DocumentKind, kind_of};
use crate::document::{
    Config, Document, Index, Manifest, Schema1, digest_payload, schema1_signatures,
};
use crate::error::ErrorKind;
use crate::json::{self, Trailing};

use crate::archive::manifest_json::{ManifestJson, SavedItem};
pub use crate::archive::v1::config::ConfigRules;
pub use blobs::BlobLookup;
pub use convert::{ConvertedManifest, ManifestRequest, convert};
pub use diff::{ManifestDifference, diff};
pub use index::PlatformFill;
pub use read::{FoundDocument, read, read_digest};
pub use show::{ManifestFacts, PartFacts, Schema1Layer, SignatureFacts, show};

/// What a download that failed often is.
const EMPTY: ErrorKind = ErrorKind::Json { what: "the document is empty", at: 0 };

/// A document that was read whole.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What it is.
    pub kind: DocumentKind,
    pub(crate) raw: Vec<u8>,
    pub(crate) body: ParsedBody,
}

/// What it says.
#[derive(Debug, Clone)]
pub(crate) enum ParsedBody {
    Schema1(Box<Schema1>),
    Manifest(Box<Document<Manifest>>),
    Index(Box<Document<Index>>),
    Config(Box<Document<Config>>),
    /// Items, each with its config, names and layers.
    Save(Vec<SavedItem>),
}

impl Parsed {
    /// The bytes, as they were read.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Digest and size as registries compute them: of a signed schema 1 manifest, of its payload.
    #[must_use]
    pub fn measured(&self) -> Measured {
        match &self.body {
            ParsedBody::Schema1(schema1) => schema1.measured(),
            _ => Measured::of(&self.raw),
        }
    }
}

/// Reads a document of any kind, found from what is in it.
///
/// # Errors
/// No JSON, a kind that nobody knows, two kinds at once, or a document that is damaged.
pub fn parse(raw: &[u8]) -> Result<Parsed, ErrorKind> {
    let kind = {
        if raw.iter().all(u8::is_ascii_whitespace) {
            return Err(EMPTY);
        }
        let checked = json::check(raw, Trailing::Refused)?;
        kind_of(checked.value)?
    };
    let body = match kind {
        DocumentKind::Schema1 => ParsedBody::Schema1(Box::new(Schema1::parse(raw)?)),
        DocumentKind::Schema2 | DocumentKind::OciManifest | DocumentKind::Artifact => {
            ParsedBody::Manifest(Box::new(Document::parse(raw)?))
        }
        DocumentKind::List | DocumentKind::OciIndex => {
            ParsedBody::Index(Box::new(Document::parse(raw)?))
        }
        DocumentKind::Config => ParsedBody::Config(Box::new(Document::parse(raw)?)),
        DocumentKind::SavedManifest => ParsedBody::Save(save_items(raw)?),
        DocumentKind::Descriptor | DocumentKind::RegistryError => {
            return Err(not_one(kind.name()));
        }
        DocumentKind::Unknown => {
            let found = "an object with none of manifests, layers, config, fsLayers and rootfs";
            return Err(not_one(found));
        }
    };
    Ok(Parsed { kind, raw: raw.to_vec(), body })
}

/// The digest as registries compute it, of any bytes; a damaged document has one too.
///
/// # Errors
/// A signed schema 1 manifest whose payload cannot be told; no document at all, as a download that
/// failed leaves it.
pub fn digest(raw: &[u8]) -> Result<Digest, ErrorKind> {
    if raw.iter().all(u8::is_ascii_whitespace) {
        return Err(EMPTY);
    }
    let Ok(checked) = json::check(raw, Trailing::Refused) else { return Ok(Digest::of(raw)) };
    let kind = kind_of(checked.value);
    if let Ok(DocumentKind::RegistryError) = kind {
        return Err(not_one(DocumentKind::RegistryError.name()));
    }
    let other = kind.is_ok_and(|kind| kind != DocumentKind::Schema1);
    match schema1_signatures(checked.value) {
        Some(signatures) if !other => Ok(Digest::of(&digest_payload(raw, signatures)?)),
        _ => Ok(Digest::of(raw)),
    }
}

fn not_one(found: &str) -> ErrorKind {
    ErrorKind::field("the document", "a manifest, index or config", found)
}

fn save_items(raw: &[u8]) -> Result<Vec<SavedItem>, ErrorKind> {
    let ManifestJson { items, problems, .. } = ManifestJson::parse(raw);
    problems.into_iter().next().map_or(Ok(items), Err)
}
