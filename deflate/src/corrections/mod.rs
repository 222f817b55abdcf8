//! What a deflate stream has beyond its uncompressed bytes, whoever compressed them: so little that
//! the stream can be kept as corrections of them.
//!
//! A compressor chooses: where a block ends, which match it takes, how it writes its codes. Most
//! choose much alike. A model looks for matches as they do and learns, while it goes, what this one
//! chooses; each choice is coded by how probable the model held it. Who has the uncompressed bytes
//! runs the same model and reads the choices.

mod headers;
mod history;
mod members;
mod model;
mod odds;
mod rules;
mod stream;
mod tokens;

#[cfg(test)]
mod tests;

pub use members::{put_together, take_apart};
