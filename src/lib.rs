//! Converts container images between `docker save` archives and OCI image layouts, without losing
//! a byte that matters.
//!
//! One image, several packagings. Every reader turns its format into the same model: [`image`]s
//! whose configs and manifests keep their bytes, below the entries that name them. Every writer
//! takes that model. Between them stand a plan, which says what will happen and what gets lost,
//! and one pass over each distinct layer that checks all its digests while it copies or
//! compresses.
//!
//! ```text
//!  docker archives ─┐                                ┌─ OCI layout, directory or tar
//!  (every dialect)      ├─ source::open ─ convert::plan ─┤
//!  OCI layout ──────────┘    Source          Plan     run└─ docker archive, four dialects
//!  (directory or tar)
//! ```
//!
//! Promises, which the types hold: what is written is named by what was measured, never by what
//! somebody claims ([`digest::Measured`]); a document is written as the bytes that were read
//! ([`document::Document`]); a destination appears whole or not at all; the same input gives the
//! same bytes, whatever the number of threads. The library never prints, exits, or looks at the
//! environment; it is silent but for [`progress::Progress`], which can also stop a run.
//!
//! ```no_run
//! use imgconv::convert::{self, Destination, Format, Target};
//! use imgconv::bytes::files::Input;
//! use imgconv::progress::Quiet;
//! use imgconv::source::{self, Options, Prefer};
//!
//! # fn main() -> imgconv::error::Result<()> {
//! let options = Options { prefer: Prefer::Neither, spool: "/tmp".into() };
//! let source = source::open(Input::from("nginx.tar"), &options, &Quiet)?;
//! let target = Target::new(Destination::Path("nginx".into()), Format::Layout);
//! let plan = convert::plan(source, target)?;
//! for loss in &plan.losses {
//!     eprintln!("lost: {loss}");
//! }
//! let mut more = Vec::new();
//! for image in convert::run(&plan, &Quiet, &mut more)? {
//!     println!("{:?} is {}", image.names, image.image_id);
//! }
//! # Ok(())
//! # }
//! ```

// Values: no I/O, no place.
pub mod digest;
pub mod limits;
pub mod platform;
pub mod reference;

// How things go wrong, and how a run is watched.
pub mod error;
pub mod progress;

// Byte formats, which know no images.
pub mod codec;
mod json;
mod tar;

// Names to bytes, and what documents say.
pub mod bytes;
pub mod document;

// The model.
pub mod image;

// Places where images live, each with its reader beside its writer.
mod archive;
mod layout;
mod store;

// Which program wrote a place.
pub mod producer;

// What a caller does.
pub mod compare;
pub mod convert;
pub mod explain;
pub mod history;
pub mod inspect;
pub mod manifest;
pub mod source;
pub mod verify;

// What fuzz/ reaches beside all that.
#[cfg(fuzzing)]
pub mod fuzzing;
