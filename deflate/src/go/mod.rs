//! Deflate with the exact bytes of Go's `compress/flate`.

mod bits;
mod chains;
mod emit;
mod header;
mod plain;
#[cfg(test)]
mod tests;
mod tokens;
mod v1_27;
mod v1_7;

use super::DeflateWriter;

/// Which of Go's algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoRelease {
    /// That of Go 1.7 to 1.26.
    To126,
    /// That of Go 1.27.
    From127,
}

/// A writer of this level, from -2 to 9 as Go counts them; `None` if there is no such level.
pub(crate) fn encoder(release: GoRelease, level: i32) -> Option<Box<dyn DeflateWriter>> {
    match release {
        GoRelease::To126 => v1_7::encoder(level),
        GoRelease::From127 => v1_27::encoder(level),
    }
}
