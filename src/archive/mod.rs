//! `docker save` archives: reads every dialect and writes four.

pub(crate) mod dialect;
pub(crate) mod manifest_json;
pub(crate) mod members;
mod read;
pub(crate) mod v1;
pub(crate) mod write;

pub use dialect::Dialect;
pub(crate) use manifest_json::MANIFEST;
pub(crate) use read::{has_manifest, hash_of, is_v1, read};
pub(crate) use v1::read::REPOSITORIES;

use crate::digest::V1LayerId;
use crate::document::{Config, Document};
use crate::error::ErrorKind;

/// The directory names of an image's layers in archives of docker 1.10 to 24, base first.
pub(crate) fn v1_layer_ids(config: &Document<Config>) -> Result<Vec<V1LayerId>, ErrorKind> {
    Ok(v1::id::layers(config)?.into_iter().map(|layer| layer.id).collect())
}
