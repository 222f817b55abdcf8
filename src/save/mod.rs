//! `docker save` archives: reading every dialect, writing four.

pub(crate) mod dialect;
mod item;
mod legacy;
mod read;
pub(crate) mod v1config;
mod v1id;
pub(crate) mod v1image;

pub use dialect::Dialect;
pub(crate) use item::Item;
pub(crate) use legacy::REPOSITORIES;
pub(crate) use read::{MANIFEST, has_manifest, hash_of, is_legacy, read};

use crate::digest::LegacyId;
use crate::document::{Config, Document};
use crate::error::ErrorKind;

/// The directory names of an image's layers in archives of docker 1.10 to 24, base first.
pub(crate) fn legacy_ids(config: &Document<Config>) -> Result<Vec<LegacyId>, ErrorKind> {
    Ok(v1id::layers(config)?.into_iter().map(|layer| layer.id).collect())
}
