//! How a block is written by Go's `compress/flate` before Go 1.7 and by what `klauspost/compress`
//! made of it up to v1.8.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "symbols are bounded by their alphabets, and counts by the block"
)]

use super::deflate_bits::{
    BitCode, DISTANCE_EXTRA, DISTANCE_SYMBOLS, DeflateBits, END_OF_BLOCK, FIXED_DISTANCES,
    FIXED_LITERALS, LENGTH_EXTRA, LITERAL_SYMBOLS, Last, bits_of_codes, bits_of_widths,
};
use super::huffman::assign;
use super::klauspost_header::{KlauspostHeader, write_tokens};
use super::klauspost_literals::{count_bytes, write_literals};
use super::klauspost_rules::LongMatch;
use super::klauspost_tokens::FoundTokens;

const MOST_STORED: usize = 65535;

/// The tokens of a block, and the codes for them.
pub(crate) struct EarlyBlock {
    pub(crate) bits: DeflateBits,
    pub(crate) tokens: FoundTokens,
    header: KlauspostHeader,
    literals: [BitCode; 288],
    distances: [BitCode; 32],
    literal_counts: [u16; 288],
    /// How often the last block that had matches had one of distance 1.
    nearest: u16,
}

impl Default for EarlyBlock {
    fn default() -> Self {
        Self {
            bits: DeflateBits::default(),
            tokens: FoundTokens::new(LongMatch::Full),
            header: KlauspostHeader::default(),
            literals: [BitCode::default(); 288],
            distances: [BitCode::default(); 32],
            literal_counts: [0; 288],
            nearest: 0,
        }
    }
}

/// The size in bits of the bytes as they are, if they fit in one stored block.
fn stored_size(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= MOST_STORED).then_some((bytes.len() as u64 + 5) * 8)
}

fn used(counts: &[u16]) -> usize {
    counts.iter().rposition(|&count| count != 0).map_or(0, |last| last + 1)
}

impl EarlyBlock {
    /// Ends the block and makes its codes; says how many literal and distance symbols the header
    /// states.
    fn make_codes(&mut self) -> (usize, usize) {
        self.tokens.add_end();
        self.literal_counts[..END_OF_BLOCK].copy_from_slice(&self.tokens.literals);
        self.literal_counts[END_OF_BLOCK..].copy_from_slice(&self.tokens.lengths);
        let distance_counts = &mut self.tokens.distances;
        if used(distance_counts) == 0 {
            // A header must state at least one.
            distance_counts[0] = 1;
        }
        self.nearest = distance_counts[0];
        let (literals, distances) = (used(&self.literal_counts), used(distance_counts));
        assign(&self.literal_counts[..LITERAL_SYMBOLS], 15, &mut self.literals);
        assign(&distance_counts[..DISTANCE_SYMBOLS], 15, &mut self.distances);
        self.header.prepare(&self.literals[..literals], &self.distances[..distances]);
        (literals, distances)
    }

    /// The size of the symbols in bits, without extra bits.
    fn code_bits(&self, literals: &[BitCode], distances: &[BitCode]) -> u64 {
        bits_of_codes(&self.literal_counts, literals)
            + bits_of_codes(&self.tokens.distances, distances)
    }

    /// Writes the block in the shortest way and starts the next one. `bytes` is the input, while it
    /// is in the window.
    pub(crate) fn write_shortest(&mut self, bytes: Option<&[u8]>, out: &mut Vec<u8>) {
        let (literals, distances) = self.make_codes();
        let extra = bits_of_widths(&self.literal_counts[END_OF_BLOCK + 1..], &LENGTH_EXTRA)
            + bits_of_widths(&self.tokens.distances, &DISTANCE_EXTRA);
        let fixed = 3 + self.code_bits(&FIXED_LITERALS, &FIXED_DISTANCES) + extra;
        let dynamic = self.header.bits() + self.code_bits(&self.literals, &self.distances) + extra;
        match bytes {
            Some(bytes) if stored_size(bytes).is_some_and(|stored| stored < fixed.min(dynamic)) => {
                self.bits.put_stored(bytes, Last::No, out);
            }
            _ if fixed <= dynamic => {
                self.bits.put(0b010, 3, out);
                write_tokens(
                    &self.tokens.list,
                    &FIXED_LITERALS,
                    &FIXED_DISTANCES,
                    &mut self.bits,
                    out,
                );
            }
            _ => self.write_dynamic(literals, distances, out),
        }
        self.tokens.clear();
    }

    fn write_dynamic(&mut self, literals: usize, distances: usize, out: &mut Vec<u8>) {
        self.header.write(literals, distances, &mut self.bits, out);
        write_tokens(&self.tokens.list, &self.literals, &self.distances, &mut self.bits, out);
    }

    /// Writes the block with codes of its own, without those of distances where hardly anything
    /// matches, or `bytes` as they are where a sixteenth is not saved. Starts the next block.
    pub(crate) fn write_dynamic_or_stored(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let tokens = self.tokens.list.len();
        let few_matches = tokens + (tokens >> 6) > bytes.len();
        let (literals, distances) =
            if few_matches { self.make_literal_codes(bytes) } else { self.make_codes() };
        let size = self.header.bits() + self.code_bits(&self.literals, &self.distances);
        if stored_size(bytes).is_some_and(|stored| stored < size + (size >> 4)) {
            self.bits.put_stored(bytes, Last::No, out);
        } else if few_matches {
            self.header.write(literals, distances, &mut self.bits, out);
            write_literals(bytes, &self.literals, &mut self.bits, out);
            self.bits.put_code(self.literals[END_OF_BLOCK], out);
        } else {
            self.write_dynamic(literals, distances, out);
        }
        self.tokens.clear();
    }

    fn make_literal_codes(&mut self, bytes: &[u8]) -> (usize, usize) {
        self.literal_counts.fill(0);
        count_bytes(bytes, &mut self.literal_counts);
        self.literal_counts[END_OF_BLOCK] = 1;
        // The program forgets to clear this count, so it is part of the size.
        self.tokens.distances.fill(0);
        self.tokens.distances[0] = self.nearest;
        assign(&self.literal_counts[..LITERAL_SYMBOLS], 15, &mut self.literals);
        // A distance code of one bit that nothing uses.
        self.distances[0] = BitCode::from_number(0, 1);
        let symbols = (END_OF_BLOCK + 1, 1);
        self.header.prepare(&self.literals[..symbols.0], &self.distances[..symbols.1]);
        symbols
    }
}
