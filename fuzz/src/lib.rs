//! What the targets do: each asserts more than that nothing crashes.
//!
//! The builders of `tests/it/build` make the sources; they share no code with the library.

#[allow(dead_code, reason = "only some of the builders are needed here")]
#[path = "../../tests/it/build"]
mod build {
    pub(crate) mod classic;
    pub(crate) mod codec;
    pub(crate) mod hybrid;
    pub(crate) mod image;
    pub(crate) mod layout;
    pub(crate) mod others;
    pub(crate) mod tar;
    pub(crate) mod v1;
    pub(crate) mod xz;
}

mod archive;
mod damage;
mod decoders;
mod holds;
mod images;
pub mod layout;
mod parsers;
pub mod save_archive;

pub use archive::mend;
pub use decoders::decoders;
pub use holds::any_source;
pub use parsers::{documents, json, names, tar_index};
