//! Documents: the bytes that were read, their digest, and a view of what they say.
//!
//! What is written is the bytes; the view is for reading. `null` and absent lists are empty lists
//! in a view only.

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
    /// What a limit is said to be of.
    const WHAT: &'static str;
    /// Which keys may not be there twice.
    const KEYS: Keys;
    /// Reads checked text.
    fn view(value: Value<'_>) -> Result<Self, ErrorKind>;
}

/// Which repeated keys are an error.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keys {
    /// All.
    All,
    /// These at the top level, and `diff_ids` below it; elsewhere Go merges or takes the last.
    Top(&'static [&'static str]),
}

/// A document that was read whole.
#[derive(Debug, Clone)]
pub struct Document<T> {
    raw: Arc<[u8]>,
    measured: Measured,
    view: T,
}

impl<T> Document<T> {
    /// The bytes, which is what gets written.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Digest and size of the bytes.
    #[must_use]
    pub fn measured(&self) -> &Measured {
        &self.measured
    }

    /// What the document says.
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
    /// Parses a document: within its limit, one value, no key twice.
    ///
    /// # Errors
    /// It is not such a document, is too large, or can be read in two ways.
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

/// Refuses a document that can be read as two kinds (CVE-2021-41190): of the keys that tell kinds
/// apart only the allowed ones may be there, in any letter case (containers/image
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

/// Refuses a document whose `mediaType` is of another kind than it is read as.
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

/// The `schemaVersion` of a document of version 2; absent passes, as old writers left it out.
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
