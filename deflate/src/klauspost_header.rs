//! The header of a deflate block with codes of its own, and the tokens behind it, as klauspost's
//! flate writes them.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "symbols are bounded by their alphabets"
)]

use super::deflate_bits::{
    BitCode, DISTANCE_EXTRA, DISTANCE_FIRST, DeflateBits, END_OF_BLOCK, LENGTH_EXTRA, LENGTH_FIRST,
    LENGTH_SYMBOL, LENGTHS_ORDER, bits_of_codes,
};
use super::huffman::assign;
use super::klauspost_tokens::FoundToken;

/// Writes the tokens; the last one may be the end of the block.
pub(crate) fn write_tokens(
    tokens: &[FoundToken],
    literals: &[BitCode; 288],
    distances: &[BitCode; 32],
    bits: &mut DeflateBits,
    out: &mut Vec<u8>,
) {
    out.reserve(tokens.len());
    for token in tokens {
        if let Some(symbol) = token.symbol() {
            bits.put_code(literals[symbol.min(END_OF_BLOCK)], out);
            continue;
        }
        let length = token.length();
        let symbol = usize::from(LENGTH_SYMBOL[usize::from(length)] & 31);
        let code = literals[END_OF_BLOCK + 1 + symbol.min(30)];
        let extra = u64::from(length - LENGTH_FIRST[symbol]) << code.len | u64::from(code.bits);
        bits.put(extra, u32::from(code.len + LENGTH_EXTRA[symbol]), out);

        let symbol = token.distance_symbol() & 31;
        let code = distances[symbol];
        let extra = u64::from(token.distance() as u16 - DISTANCE_FIRST[symbol]) << code.len
            | u64::from(code.bits);
        bits.put(extra, u32::from(code.len + DISTANCE_EXTRA[symbol]), out);
    }
}

/// The header of a block with codes of its own: the codes' lengths, run by run.
pub(crate) struct KlauspostHeader {
    /// A symbol of the code of lengths, with the value and the width of its extra bits.
    pub(crate) runs: Vec<(u8, u8, u8)>,
    counts: [u16; 19],
    codes: [BitCode; 19],
}

impl Default for KlauspostHeader {
    fn default() -> Self {
        Self { runs: Vec::with_capacity(320), counts: [0; 19], codes: [BitCode::default(); 19] }
    }
}

impl KlauspostHeader {
    /// Collects the runs of both tables as one list, as the format wants it, and makes the code for
    /// them.
    pub(crate) fn prepare(&mut self, literals: &[BitCode], distances: &[BitCode]) {
        self.runs.clear();
        self.counts.fill(0);
        let mut lengths = literals.iter().chain(distances).map(|code| code.len).peekable();
        while let Some(length) = lengths.next() {
            let mut count = 1;
            while lengths.next_if_eq(&length).is_some() {
                count += 1;
            }
            self.add_run(length, count);
        }
        assign(&self.counts, 7, &mut self.codes);
    }

    fn add(&mut self, symbol: u8, extra: usize, width: u8) {
        self.runs.push((symbol, extra as u8, width));
        self.counts[usize::from(symbol)] += 1;
    }

    fn add_run(&mut self, length: u8, mut count: usize) {
        if length != 0 {
            self.add(length, 0, 0);
            count -= 1;
            while count >= 3 {
                let repeated = count.min(6);
                self.add(16, repeated - 3, 2);
                count -= repeated;
            }
        } else {
            while count >= 11 {
                let zeros = count.min(138);
                self.add(18, zeros - 11, 7);
                count -= zeros;
            }
            if count >= 3 {
                self.add(17, count - 3, 3);
                count = 0;
            }
        }
        for _ in 0..count {
            self.add(length, 0, 0);
        }
    }

    /// How many lengths of the code of lengths are stated.
    fn stated(&self) -> usize {
        let last = LENGTHS_ORDER.iter().rposition(|&symbol| self.counts[symbol] != 0);
        last.map_or(0, |last| last + 1).max(4)
    }

    /// The header's size.
    pub(crate) fn bits(&self) -> u64 {
        let extra: u64 = self.runs.iter().map(|&(_, _, width)| u64::from(width)).sum();
        3 + 5 + 5 + 4 + 3 * self.stated() as u64 + bits_of_codes(&self.counts, &self.codes) + extra
    }

    /// Writes the header of a block with this many literal and distance symbols.
    pub(crate) fn write(
        &self,
        literals: usize,
        distances: usize,
        bits: &mut DeflateBits,
        out: &mut Vec<u8>,
    ) {
        let stated = self.stated();
        bits.put(0b100, 3, out);
        bits.put((literals - 257) as u64, 5, out);
        bits.put((distances - 1) as u64, 5, out);
        bits.put((stated - 4) as u64, 4, out);
        for &symbol in &LENGTHS_ORDER[..stated] {
            bits.put(u64::from(self.codes[symbol].len), 3, out);
        }
        for &(symbol, extra, width) in &self.runs {
            bits.put_code(self.codes[usize::from(symbol)], out);
            bits.put(u64::from(extra), u32::from(width), out);
        }
    }
}
