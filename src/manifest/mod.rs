//! Registry manifests as documents: shows, digests, converts and compares them. Uses only the JSON
//! if that is enough.

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
pub use read::{FoundDocument, read, read_all, read_digest};
pub use show::{ManifestFacts, PartFacts, Schema1Layer, SignatureFacts, show};

/// What a download that failed often is.
const EMPTY: ErrorKind = ErrorKind::Json { what: "the document is empty", at: 0 };

/// A complete document.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// Its kind.
    pub kind: DocumentKind,
    pub(crate) raw: Vec<u8>,
    pub(crate) body: ParsedBody,
}

/// Its parsed content.
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
    /// The original bytes.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Digest and size as registries compute them; for a signed schema 1 manifest, of its payload.
    #[must_use]
    pub fn measured(&self) -> Measured {
        match &self.body {
            ParsedBody::Schema1(schema1) => schema1.measured(),
            _ => Measured::of(&self.raw),
        }
    }
}

/// Parses a document of any kind, detected from its content.
///
/// # Errors
/// It is not JSON, has an unknown kind, is ambiguous, or is damaged.
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
/// A signed schema 1 manifest without a valid payload; not a document, such as a failed download.
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
