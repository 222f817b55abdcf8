//! Deflate (RFC 1951) with the exact bytes of other programs.
//!
//! Compressors are deterministic: the same program, version and level give the same bytes for the
//! same input. Who has the uncompressed bytes can therefore make the compressed ones again, if the
//! compressor is known. This crate writes what some of them write, bit for bit, in safe Rust and
//! with little memory. Each writer takes its input in pieces of any size, and the cuts do not change
//! a byte.
//!
//! Where the compressor is not known, [`corrections`] keep what it chose.

pub mod corrections;
mod deflate_bits;
mod early_block;
mod go;
mod go_early;
mod go_log2;
mod huffman;
mod klauspost_block;
mod klauspost_early;
mod klauspost_header;
mod klauspost_literals;
mod klauspost_match;
mod klauspost_rules;
mod klauspost_tokens;
mod pgzip;
mod zlib;
mod zlib_block;
mod zlib_match;

pub use go::GoRelease;
pub use klauspost_rules::KlauspostRelease;
pub use pgzip::PgzipBlock;
pub use zlib::ZlibProgram;

/// Compresses to raw deflate, with the exact bytes of one program.
pub trait DeflateWriter: Send {
    /// Compresses `bytes`, which may be cut anywhere, and appends what is complete to `out`.
    fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>);

    /// Ends the stream.
    fn finish(&mut self, out: &mut Vec<u8>);
}

/// As Go's `compress/flate` at a level from -2 to 9; `None` if there is no such level.
#[must_use]
pub fn go(release: GoRelease, level: i32) -> Option<Box<dyn DeflateWriter>> {
    go::encoder(release, level)
}

/// As Go's `compress/flate` up to 1.6 at its default level, 6.
#[must_use]
pub fn go_early() -> Box<dyn DeflateWriter> {
    go_early::encoder()
}

/// As `klauspost/pgzip` at its default level, with one release of `klauspost/compress`.
#[must_use]
pub fn pgzip(block: PgzipBlock, release: KlauspostRelease) -> Box<dyn DeflateWriter> {
    pgzip::encoder(block, release)
}

/// As a program of zlib's family at a level from 1 to 9.
#[must_use]
pub fn zlib(program: ZlibProgram, level: usize) -> Box<dyn DeflateWriter> {
    zlib::encoder(program, level)
}
