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
//!  docker archives ─┐                                   ┌─ OCI layout, directory or tar
//!  (every dialect)  ├─ source::open ─── convert::plan ──┤
//!  OCI layouts ─────┘     Source            Plan     run└─ docker archive, four dialects
//!  (directory, tar)
//! ```
//!
//! The modules below stand on floors, the lowest first, and import downwards only. Each place where
//! images live has one folder, its one reader beside its one store: `archive` for docker archives
//! (each dialect is a file of `archive/dialect`, V1 images are in `archive/v1`), `layout` for OCI
//! layouts. A reader goes on after a problem and returns images *and* problems, so that [`convert`],
//! [`verify`], [`inspect`] and the others are uses of one reading. What a store takes is in `store`.
//!
//! Promises, which the types hold: what is written is named by what was measured, never by what
//! somebody claims ([`digest::Measured`]); a document is written as the bytes that were read
//! ([`document::Document`]); a destination appears whole or not at all; the same input gives the
//! same bytes, whatever the number of threads. The library never prints, exits, or looks at the
//! environment; it is silent but for [`progress::Progress`], which can also stop a run.
//!
//! ```
//! use imgconv::bytes::files::Input;
//! use imgconv::convert::{self, Destination, Format, Target};
//! use imgconv::progress::Quiet;
//! use imgconv::source::{self, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let layout = folder.path().join("layout");
//! let archive = "testdata/archives/docker-20.10-one.tar";
//! let source = source::open(Input::from(archive), &Options::default(), &Quiet)?;
//! for it in source.images() {
//!     println!("{} for {}, {} layers", it.id, it.platform, it.image.layers.len());
//! }
//!
//! let target = Target::new(Destination::Path(layout), Format::Layout);
//! let plan = convert::plan(source, target)?;
//! for loss in &plan.losses {
//!     eprintln!("will be lost: {loss}");
//! }
//! let outcome = convert::run(&plan, &Quiet)?;
//! for image in &outcome.written {
//!     println!("{} is {}", image.names.join(", "), image.image_id);
//! }
//! # assert_eq!(outcome.written[0].names, ["imgconv.test/app:1.0"]);
//! # Ok(())
//! # }
//! ```
//!
//! Three programs to begin with are in `examples/`: `list`, `convert` (with a bar, and a way to give
//! up) and `verify`.

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
