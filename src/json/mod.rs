//! Strict reading of JSON whose exact bytes matter.
//!
//! [`check`] walks a whole document once: RFC 8259, UTF-8, one value, bounded nesting, and no key
//! twice in any letter case (Go matches names without case, so two spellings are two readings).
//! A [`Value`] is then a piece of checked text, looked into one level at a time; nothing is ever
//! built in memory, and numbers that nobody reads may have any size.
//!
//! `serde_json` is not used for this: it hides the order of keys and what was written twice.

pub(crate) mod edit;
pub(crate) mod go;
mod scan;
mod value;

pub(crate) use scan::{Trailing, check};
pub(crate) use value::{JsonKind, Value, same_key};
