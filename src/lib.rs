//! Converts container images between `docker save` archives, OCI image layouts and registries,
//! without losing data.
//!
//! Every reader converts its format to the same model: entries with names, and their [`image`]s,
//! whose configs and manifests keep their bytes. Every writer uses that model. Between them, a plan
//! decides what to write and reports what is lost, and one pass over each distinct layer checks all
//! its digests while it copies or compresses.
//!
//! ```text
//!  docker archives ─┐                                   ┌─ OCI layout, directory or tar
//!  (every dialect)  │                                   │
//!  OCI layouts ─────┼─ source::open ─── convert::plan ──┼─ docker archive, four dialects
//!  (directory, tar) │     Source            Plan     run│
//!  dir: folders ────┤                                   ├─ dir: folder
//!  registries ──────┘                                   └─ registry
//! ```
//!
//! The modules below are ordered from low to high; a module imports only lower ones. Each format
//! has one folder with its reader and its writer: `archive` for docker archives (each dialect is a
//! file of `archive/dialect`, V1 images are in `archive/v1`), `layout` for OCI layouts, `dir` for
//! folders of skopeo's `dir:`, `registry` for registries, whose repositories are read as layouts with blobs that are fetched when they are
//! read; nothing else opens connections. A reader continues after a problem and returns images *and*
//! problems, so that [`convert`], [`verify`], [`inspect`] and the others share it. The interface of a
//! writer is in `store`.
//!
//! The types guarantee: a written blob is named by its measured digest, never by a claim
//! ([`digest::Measured`]); a document is written with its original bytes ([`document::Document`]);
//! a destination appears completely or not at all; the same input gives the same bytes, for any
//! number of threads. The library never prints, exits, or reads the environment. It reports only to
//! [`progress::Progress`], which can also stop a run.
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
//! [`recover`] makes the compressed layers of a registry again, with the writers of gzip in the crate
//! `imgconv-deflate`. The feature `oci-spec` converts to and from the types of that crate.
//!
//! Three example programs are in `examples/`: `list`, `convert` (with a progress bar that can be
//! interrupted) and `verify`.

#![cfg_attr(not(feature = "registry"), allow(dead_code, reason = "blobs that are far away"))]

// Values: no I/O, no place.
pub mod digest;
pub mod limits;
pub mod platform;
pub mod reference;

// Errors, and progress of a run.
pub mod error;
pub mod progress;

// Byte formats, without knowledge of images.
pub mod codec;
mod json;
mod tar;

// Files and documents.
pub mod bytes;
pub mod document;

// The model.
pub mod image;

// Formats, each with its reader and writer.
mod archive;
mod dir;
mod layout;
#[cfg(feature = "registry")]
pub mod registry;
mod store;

// Which program wrote a place.
pub mod producer;

// The operations.
pub mod compare;
pub mod convert;
pub mod explain;
pub mod history;
pub mod inspect;
pub mod manifest;
pub mod recover;
pub mod source;
pub mod verify;

// Exports for fuzz/.
#[cfg(fuzzing)]
pub mod fuzzing;
