//! Strict reading of JSON whose exact bytes matter.
//!
//! [`check`] walks a whole document once: RFC 8259, UTF-8, one value, bounded nesting, and no
//! duplicate keys (Go compares names without case, so two spellings are ambiguous). A [`Value`] is
//! a piece of the checked text and is read one level at a time; no tree is built in memory, and
//! unused numbers may have any size.
//!
//! `serde_json` is not used, because it hides the order of keys and duplicates.

pub(crate) mod edit;
pub(crate) mod go;
mod scan;
mod value;

pub(crate) use scan::{Trailing, check};
pub(crate) use value::{JsonKind, Value, same_key};
