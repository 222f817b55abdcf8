//! Names to bytes, wherever they are, and bytes to names: read by anybody, written whole or not at
//! all, and independent items side by side.

pub mod files;
pub(crate) mod parallel;
pub(crate) mod staging;
