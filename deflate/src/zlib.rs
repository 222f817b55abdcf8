//! What zlib, GNU gzip, BusyBox and pigz write: one matcher, and what differs as data.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "levels and sizes are bounded"
)]

use super::DeflateWriter;
use super::deflate_bits::Last;
use super::zlib_match::{EFFORTS, ZlibBlockEnd, ZlibEffort, ZlibMatcher, ZlibRules, ZlibTail};

/// What pigz gives to one thread.
const PIGZ_BLOCK: usize = 1 << 17;

/// A program of zlib's family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZlibProgram {
    /// zlib at memory level 8: Python, jib and everything else in Java.
    Zlib,
    /// GNU gzip.
    Gzip,
    /// BusyBox as it is built by default; it has no level below 4. Without levels compiled in it is
    /// level 9.
    BusyBoxSmall,
    /// BusyBox with `GZIP_FAST` 1.
    BusyBoxMedium,
    /// BusyBox with `GZIP_FAST` 2.
    BusyBoxBig,
    /// pigz 2.4 or later with more than one thread.
    Pigz,
}

impl ZlibProgram {
    fn rules(self, effort: ZlibEffort, level: usize) -> ZlibRules {
        let rules = |most_symbols, block_end, tail, hash_bits| ZlibRules {
            effort,
            most_symbols,
            block_end,
            tail,
            hash_bits,
        };
        let gzip_end = if level > 2 { ZlibBlockEnd::Full4096 } else { ZlibBlockEnd::Full };
        match self {
            Self::Zlib | Self::Pigz => {
                rules((1 << 14) - 1, ZlibBlockEnd::Full, ZlibTail::Exact, 15)
            }
            Self::Gzip => rules((1 << 15) - 1, gzip_end, ZlibTail::StaleBehindZeros, 15),
            Self::BusyBoxSmall => rules((1 << 13) - 1, ZlibBlockEnd::Full4096, ZlibTail::Stale, 13),
            Self::BusyBoxMedium => {
                rules((1 << 14) - 1, ZlibBlockEnd::Full4096, ZlibTail::Stale, 14)
            }
            Self::BusyBoxBig => rules((1 << 15) - 1, ZlibBlockEnd::Full4096, ZlibTail::Stale, 15),
        }
    }
}

/// Compresses as `program` does at `level`, 1 to 9.
pub(crate) fn encoder(program: ZlibProgram, level: usize) -> Box<dyn DeflateWriter> {
    let lowest = match program {
        ZlibProgram::BusyBoxSmall | ZlibProgram::BusyBoxMedium | ZlibProgram::BusyBoxBig => 4,
        ZlibProgram::Zlib | ZlibProgram::Gzip | ZlibProgram::Pigz => 1,
    };
    let level = level.clamp(lowest, 9);
    let matcher = ZlibMatcher::new(program.rules(EFFORTS[level - 1], level));
    match program {
        ZlibProgram::Pigz => Box::new(PigzWriter { matcher, taken: 0 }),
        _ => Box::new(ZlibWriter { matcher }),
    }
}

struct ZlibWriter {
    matcher: ZlibMatcher,
}

impl DeflateWriter for ZlibWriter {
    fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.matcher.write(bytes, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.matcher.finish(Last::Yes, out);
    }
}

struct PigzWriter {
    matcher: ZlibMatcher,
    /// How much of the block there is.
    taken: usize,
}

impl DeflateWriter for PigzWriter {
    fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            // A whole block waits for the byte after it: the last one ends in another way.
            if self.taken == PIGZ_BLOCK {
                self.matcher.finish(Last::No, out);
                self.matcher.block.fill_byte(out);
                self.matcher.restart();
                self.taken = 0;
            }
            let (now, rest) = bytes.split_at(bytes.len().min(PIGZ_BLOCK - self.taken));
            self.matcher.write(now, out);
            self.taken += now.len();
            bytes = rest;
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.matcher.finish(Last::Yes, out);
    }
}
