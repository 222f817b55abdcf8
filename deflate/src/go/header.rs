//! The header of a dynamic block: the widths of its codes, in runs (RFC 1951, 3.2.7).

use super::bits::BitSink;
use super::tokens::{DISTANCES, FIRST_LENGTH, LITERALS};
use crate::deflate_bits::LENGTHS_ORDER;
use crate::huffman::PrefixCode;

/// Symbols that describe widths.
const SYMBOLS: usize = 19;
/// The widest code word for them.
const LIMIT: usize = 7;

/// A symbol and its extra bits.
#[derive(Clone, Copy)]
struct WidthRun {
    symbol: u8,
    extra: u8,
}

/// The header of a dynamic block.
pub(super) struct CodeHeader {
    literals: usize,
    distances: usize,
    runs: [WidthRun; LITERALS + DISTANCES],
    length: usize,
    code: PrefixCode<SYMBOLS>,
    counts: [u32; SYMBOLS],
    /// How many of the symbols' widths are written.
    shown: usize,
}

impl CodeHeader {
    /// The header for these codes, of which the symbols up to the last used one are told.
    pub(super) fn new(
        literals: (&PrefixCode<LITERALS>, usize),
        distances: (&PrefixCode<DISTANCES>, usize),
    ) -> Self {
        let mut header = Self {
            literals: literals.1,
            distances: distances.1,
            runs: [WidthRun { symbol: 0, extra: 0 }; LITERALS + DISTANCES],
            length: 0,
            code: PrefixCode::EMPTY,
            counts: [0; SYMBOLS],
            shown: SYMBOLS,
        };
        let mut widths = [0; LITERALS + DISTANCES];
        let (first, rest) = widths.split_at_mut(literals.1);
        first.copy_from_slice(&literals.0.widths[..literals.1]);
        rest[..distances.1].copy_from_slice(&distances.0.widths[..distances.1]);
        for run in widths[..literals.1 + distances.1].chunk_by(|a, b| a == b) {
            header.describe(run[0], run.len());
        }
        header.code = PrefixCode::build(&header.counts, LIMIT);
        while header.shown > 4 && header.counts[LENGTHS_ORDER[header.shown - 1]] == 0 {
            header.shown -= 1;
        }
        header
    }

    fn describe(&mut self, width: u8, mut count: usize) {
        if width == 0 {
            while count >= 11 {
                count -= self.push(18, count.min(138), 11);
            }
            if count >= 3 {
                count -= self.push(17, count, 3);
            }
        } else {
            count -= self.push(width, 1, 1);
            while count >= 3 {
                count -= self.push(16, count.min(6), 3);
            }
        }
        for _ in 0..count {
            self.push(width, 1, 1);
        }
    }

    /// Adds a symbol for `count` widths, of which `least` need no extra bits; returns `count`.
    fn push(&mut self, symbol: u8, count: usize, least: usize) -> usize {
        self.counts[usize::from(symbol)] += 1;
        self.runs[self.length] =
            WidthRun { symbol, extra: u8::try_from(count - least).unwrap_or_default() };
        self.length += 1;
        count
    }

    /// Bits that the header takes, with the type of the block.
    pub(super) fn cost(&self) -> usize {
        let extra = self.counts[16] * 2 + self.counts[17] * 3 + self.counts[18] * 7;
        3 + 5 + 5 + 4 + 3 * self.shown + self.code.cost(&self.counts) + extra as usize
    }

    /// Writes the header, of a block that is not the last.
    pub(super) fn write(&self, bits: &mut BitSink) {
        bits.put(0b100, 3);
        bits.put((self.literals - FIRST_LENGTH) as u64, 5);
        bits.put((self.distances - 1) as u64, 5);
        bits.put((self.shown - 4) as u64, 4);
        for &symbol in &LENGTHS_ORDER[..self.shown] {
            bits.put(self.code.widths[symbol].into(), 3);
        }
        for &WidthRun { symbol, extra } in &self.runs[..self.length] {
            let at = usize::from(symbol);
            bits.put(self.code.bits[at].into(), self.code.widths[at].into());
            match symbol {
                16 => bits.put(extra.into(), 2),
                17 => bits.put(extra.into(), 3),
                18 => bits.put(extra.into(), 7),
                _ => {}
            }
        }
    }
}
