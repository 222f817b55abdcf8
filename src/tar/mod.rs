//! Tar archives: reads and writes headers, without knowledge of images.
//!
//! One strict reader for all formats. It refuses an archive that two common programs would read
//! differently (POSIX `pax`, "ustar Interchange Format" and "pax Header Block"; GNU tar manual,
//! "Basic Tar Format"). Sparse members are refused. Nothing is ever unpacked.

mod content;
mod forward;
mod index;
mod links;
mod pax;
mod write;

pub(crate) use content::content;
pub(crate) use forward::{Forward, PassingMember, Taker};
#[cfg(fuzzing)]
pub(crate) use index::TarMember;
pub(crate) use index::{Tape, TarBody, TarIndex, is_header};
pub(crate) use links::clean;
pub(crate) use write::{END, TarHeader, padding};

/// Size of a header; data is padded to a multiple of it.
pub(crate) const BLOCK: usize = 512;
