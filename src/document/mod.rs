//! Documents: the original bytes, their digest, and a parsed view.
//!
//! The original bytes are written; the view is only for reading. In a view, `null` and absent lists
//! are empty lists.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod config;
pub mod descriptor;
mod index;
pub mod kind;
mod manifest;
pub mod media_type;
mod schema1;
pub mod signature;

use std::sync::Arc;

pub use config::{Config, History};
pub use index::Index;
pub use manifest::Manifest;
pub use schema1::{Jwk, Jws, Layer1, Schema1};
pub(crate) use schema1::{digest_payload, schema1_signatures};

use crate::digest::Measured;
use crate::error::ErrorKind;
use crate::json::{self, Trailing, Value};
use crate::limits;

/// One kind of document.
pub(crate) trait View: Sized {
    /// The limit on its bytes.
    const LIMIT: u64;
    /// The subject of the limit, for messages.
    const WHAT: &'static str;
    /// Which keys must not be duplicated.
    const KEYS: Keys;
    /// Parses checked text.
    fn view(value: Value<'_>) -> Result<Self, ErrorKind>;
}

/// Which duplicate keys are an error.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keys {
    /// All.
    All,
    /// These at the top level, and `diff_ids` below it; for others, Go merges values or uses the
    /// last one.
    Top(&'static [&'static str]),
}

/// A complete document.
#[derive(Debug, Clone)]
pub struct Document<T> {
    raw: Arc<[u8]>,
    measured: Measured,
    view: T,
}

impl<T> Document<T> {
    /// The original bytes.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Digest and size of the bytes.
    #[must_use]
    pub fn measured(&self) -> &Measured {
        &self.measured
    }

    /// The parsed view.
    #[must_use]
    pub fn view(&self) -> &T {
        &self.view
    }

    pub(crate) fn shared(&self) -> Arc<[u8]> {
        Arc::clone(&self.raw)
    }
}

#[expect(private_bounds, reason = "the kinds of documents are closed")]
impl<T: View> Document<T> {
    /// Parses a document: within its limit, one value, no duplicate keys.
    ///
    /// # Errors
    /// It is not such a document, is too large, or is ambiguous.
    pub fn parse(raw: impl Into<Arc<[u8]>>) -> Result<Self, ErrorKind> {
        let raw = raw.into();
        if raw.len() as u64 > T::LIMIT {
            return Err(ErrorKind::limit(T::WHAT, T::LIMIT, raw.len()));
        }
        let checked = json::check(&raw, Trailing::Refused)?;
        let repeated = checked.duplicates.iter().find(|found| match T::KEYS {
            Keys::All => true,
            Keys::Top(keys) => {
                let known = keys.iter().any(|key| key.eq_ignore_ascii_case(&found.key));
                let ids = found.depth == 1 && found.key.eq_ignore_ascii_case("diff_ids");
                found.depth == 0 && known || ids
            }
        });
        if let Some(found) = repeated {
            return Err(ErrorKind::DuplicateKey { key: found.key.clone() });
        }
        let view = T::view(checked.value)?;
        let measured = Measured::of(&raw);
        Ok(Self { raw, measured, view })
    }
}

/// Refuses a document that can be read as two kinds (CVE-2021-41190): of the keys that identify a
/// kind, only the allowed ones may be present, compared without case (containers/image
/// `ValidateUnambiguousManifestFormat`).
fn unambiguous(value: Value<'_>, kind: &'static str, allowed: &[&str]) -> Result<(), ErrorKind> {
    const TELLING: [(&str, &str); 5] = [
        ("config", "a manifest (config)"),
        ("layers", "a manifest (layers)"),
        ("manifests", "an index (manifests)"),
        ("fsLayers", "a schema 1 manifest (fsLayers)"),
        ("history", "a schema 1 manifest (history)"),
    ];
    let found = value.fields("the document", TELLING.map(|(key, _)| key))?;
    for ((key, second), found) in TELLING.iter().zip(found) {
        if found.is_some() && !allowed.contains(key) {
            return Err(ErrorKind::AmbiguousDocument { first: kind, second });
        }
    }
    Ok(())
}

/// Refuses a document whose `mediaType` is of another kind.
fn check_media_type(
    found: &str,
    thing: crate::document::media_type::MediaKind,
    expected: &'static str,
) -> Result<(), ErrorKind> {
    let same = crate::document::media_type::MediaKind::of(found).is_none_or(|(of, _)| of == thing);
    if found.is_empty() || same {
        return Ok(());
    }
    Err(ErrorKind::MediaType { expected: expected.to_owned(), found: found.to_owned() })
}

/// The `schemaVersion` of a document of version 2; it may be absent, because old writers omitted
/// it.
fn check_version(version: Option<Value<'_>>) -> Result<(), ErrorKind> {
    match version {
        None => Ok(()),
        Some(version) if version.raw() == "2" => Ok(()),
        Some(version) => Err(version.unexpected("schemaVersion", "2")),
    }
}

/// Checks a count against the limit on layers.
fn check_layers(count: usize) -> Result<(), ErrorKind> {
    if count > limits::LAYERS {
        let limit = limits::LAYERS as u64;
        return Err(ErrorKind::limit("the number of layers", limit, "more"));
    }
    Ok(())
}
