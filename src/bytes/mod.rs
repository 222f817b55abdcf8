//! Reads bytes by name, writes files completely or not at all, and processes independent items in
//! parallel.

pub mod files;
pub(crate) mod parallel;
pub(crate) mod staging;
