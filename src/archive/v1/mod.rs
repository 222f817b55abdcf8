//! The V1 image format: docker before 1.10, and the JSON per layer that docker up to 24 writes in
//! addition to `manifest.json`.

pub(crate) mod config;
pub(crate) mod fields;
pub(crate) mod id;
pub(crate) mod image;
pub(super) mod read;
pub(crate) mod schema1;
