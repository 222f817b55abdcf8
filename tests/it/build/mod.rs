//! Builders of archives and layouts as other programs write them, and checks of what comes out.
//!
//! Nothing here shares code with `src/`: headers are written byte by byte, digests and codecs come
//! straight from their crates, so that a wrong idea in the library cannot hide in its tests.

// Bytes and small images.
pub(crate) mod codec;
pub(crate) mod image;
pub(crate) mod tar;
pub(crate) mod xz;
// Docker archives, by who writes them.
pub(crate) mod classic;
pub(crate) mod hybrid;
pub(crate) mod others;
pub(crate) mod v1;
// OCI layouts, as a directory or a tar.
pub(crate) mod layout;
// The archive that the page in docs/ tells of.
pub(crate) mod shop;
// Odd ones of both kinds, each with a name.
pub(crate) mod odd_archives;
mod odd_artifacts;
mod odd_indexes;
pub(crate) mod odd_layouts;
// A registry that says what a test wants.
pub(crate) mod scripted;
// Running the command or the library, and reading what it wrote.
pub(crate) mod check;
pub(crate) mod golden;
pub(crate) mod inside;
pub(crate) mod known;
pub(crate) mod promise;
pub(crate) mod run;
pub(crate) mod trip;
