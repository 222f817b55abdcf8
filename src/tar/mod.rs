//! Tar archives: headers in, headers out, no knowledge of images.
//!
//! One strict reader for everything. Where two common readers would see different members, the
//! archive is refused (POSIX `pax`, "ustar Interchange Format" and "pax Header Block"; GNU tar
//! manual, "Basic Tar Format"). Sparse members are refused. Nothing is ever unpacked.

mod content;
mod index;
mod links;
mod pax;
mod write;

pub(crate) use content::content;
#[cfg(fuzzing)]
pub(crate) use index::TarMember;
pub(crate) use index::{Tape, TarBody, TarIndex, is_header};
pub(crate) use links::clean;
pub(crate) use write::{END, TarHeader, padding};

/// Bytes of a header, and what data is padded to.
pub(crate) const BLOCK: usize = 512;
