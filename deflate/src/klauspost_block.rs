//! How `klauspost/compress` flate writes a block: stored, with fixed codes, with codes of its own,
//! or with those of the block before, which then has no end yet.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "symbols are bounded by their alphabets, and counts by the block"
)]

use super::deflate_bits::{
    BitCode, DISTANCE_EXTRA, DISTANCE_SYMBOLS, DeflateBits, END_OF_BLOCK, FIXED_DISTANCES,
    FIXED_LITERALS, LENGTH_EXTRA, LITERAL_SYMBOLS, Last, all_coded, bits_of_codes, bits_of_widths,
};
use super::huffman::assign;
use super::klauspost_header::{KlauspostHeader, write_tokens};
use super::klauspost_rules::{CodedSymbols, EmptyEnd, EstimateRule, FixedTried, KlauspostRules};
use super::klauspost_tokens::FoundTokens;

/// Below this number of tokens fixed codes are tried.
const FEW: usize = 250;

/// Whether the stream is flushed after the block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    Yes,
    No,
}

/// What is written: the tokens, and the bytes that they stand for.
struct TokenBlock<'a> {
    tokens: &'a mut FoundTokens,
    bytes: &'a [u8],
    flushed: Flushed,
    /// The size of the extra bits.
    extra: u64,
}

impl TokenBlock<'_> {
    fn stored_size(&self) -> u64 {
        stored_size(self.bytes)
    }
}

/// The size in bits of the bytes as they are.
pub(super) fn stored_size(bytes: &[u8]) -> u64 {
    (bytes.len() as u64 + 5) * 8
}

/// Writes blocks of one stream.
pub(crate) struct KlauspostBlocks {
    pub(super) rules: KlauspostRules,
    pub(super) bits: DeflateBits,
    pub(super) literals: [BitCode; 288],
    pub(super) fresh_literals: [BitCode; 288],
    distances: [BitCode; 32],
    pub(super) header: KlauspostHeader,
    pub(super) literal_counts: [u16; 288],
    pub(super) distance_counts: [u16; 32],
    /// The header's size in bits while the last block is open, so that its codes can serve again.
    pub(super) open: u64,
    /// The open block has literals only.
    pub(super) literals_only: bool,
}

impl KlauspostBlocks {
    /// A writer at the start of a stream.
    pub(crate) fn new(rules: KlauspostRules) -> Self {
        Self {
            rules,
            bits: DeflateBits::default(),
            literals: [BitCode::default(); 288],
            fresh_literals: [BitCode::default(); 288],
            distances: [BitCode::default(); 32],
            header: KlauspostHeader::default(),
            literal_counts: [0; 288],
            distance_counts: [0; 32],
            open: 0,
            literals_only: false,
        }
    }

    /// Starts anew; the stream before ended at a whole byte.
    pub(crate) fn restart(&mut self) {
        self.open = 0;
        self.literals_only = false;
    }

    /// Ends the block that is still open.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        if self.open > 0 {
            self.bits.put_code(self.literals[END_OF_BLOCK], out);
            self.open = 0;
        }
    }

    /// Writes `bytes` as they are; without any, this is the mark of a flush.
    pub(crate) fn stored(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.close(out);
        self.bits.put_stored(bytes, Last::No, out);
    }

    /// Ends the stream with an empty block.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        match self.rules.end {
            EmptyEnd::Stored => self.bits.put_stored(&[], Last::Yes, out),
            EmptyEnd::Fixed => {
                self.bits.put(0b011, 3 + 7, out);
                self.bits.align(out);
            }
        }
    }

    /// Writes the tokens, or `bytes`, which they stand for, where that is not longer.
    pub(crate) fn tokens(
        &mut self,
        tokens: &mut FoundTokens,
        bytes: &[u8],
        flushed: Flushed,
        out: &mut Vec<u8>,
    ) {
        if flushed == Flushed::Yes {
            tokens.add_end();
        }
        if self.literals_only && self.open > 0 {
            self.close(out);
            self.literals_only = false;
        }
        match self.rules.coded {
            CodedSymbols::All if flushed == Flushed::No => tokens.fill(),
            CodedSymbols::All => {}
            _ if self.open > 0 && !self.reusable(tokens) => self.close(out),
            _ => {}
        }
        let stated = self.count(tokens, flushed);
        let extra = self.extra_bits();
        let mut block = TokenBlock { tokens, bytes, flushed, extra };
        let written = (self.open > 0 && self.write_otherwise_than_open(&mut block, out))
            || (self.open == 0 && self.write_otherwise_than_new(&mut block, stated, out));
        if written {
            return;
        }
        if flushed == Flushed::Yes {
            self.open = 0;
        }
        write_tokens(&block.tokens.list, &self.literals, &self.distances, &mut self.bits, out);
    }

    /// Decides whether the open block's codes serve; closes it if not. Writes the block if a way
    /// without codes of its own is shorter, and says so.
    fn write_otherwise_than_open(&mut self, block: &mut TokenBlock<'_>, out: &mut Vec<u8>) -> bool {
        let mut size = self.code_bits() + block.extra;
        if self.rules.estimate == EstimateRule::Rounded {
            // The first releases count the header of the codes that are there already.
            size += self.header.bits();
        }
        let mut new = self.open + block.tokens.estimated_bits(self.rules.estimate);
        let end = u64::from(self.literals[END_OF_BLOCK].len);
        let end = if self.rules.coded == CodedSymbols::All { 0 } else { end };
        new += end + (new >> self.rules.penalty);
        if new < size {
            self.close(out);
            size = new;
        }
        if self.tries_fixed(block) && self.fixed_bits(block.extra) + 7 < size {
            self.fixed_or_stored(block, size, out);
            return true;
        }
        self.stored_if_shorter(block, size, out)
    }

    /// Makes new codes and writes the header, unless a way without them is shorter: then writes the
    /// block, and says so.
    fn write_otherwise_than_new(
        &mut self,
        block: &mut TokenBlock<'_>,
        (literals, distances): (usize, usize),
        out: &mut Vec<u8>,
    ) -> bool {
        if self.rules.coded != CodedSymbols::All {
            self.literal_counts[END_OF_BLOCK] = 1;
        }
        assign(&self.literal_counts[..LITERAL_SYMBOLS], 15, &mut self.literals);
        assign(&self.distance_counts[..DISTANCE_SYMBOLS], 15, &mut self.distances);
        self.header.prepare(&self.literals[..literals], &self.distances[..distances]);
        let size = self.header.bits() + self.code_bits() + block.extra;
        if self.tries_fixed(block) {
            let fixed = self.fixed_bits(block.extra);
            if fixed <= size {
                self.fixed_or_stored(block, fixed, out);
                return true;
            }
        }
        if self.stored_if_shorter(block, size, out) {
            return true;
        }
        self.header.write(literals, distances, &mut self.bits, out);
        self.open = self.header.bits();
        self.literals_only = false;
        false
    }

    fn tries_fixed(&self, block: &TokenBlock<'_>) -> bool {
        match self.rules.fixed {
            FixedTried::Never => false,
            FixedTried::Always => true,
            FixedTried::Few => block.tokens.list.len() < FEW,
        }
    }

    fn stored_if_shorter(&mut self, block: &TokenBlock<'_>, size: u64, out: &mut Vec<u8>) -> bool {
        let shorter = match self.rules.coded {
            CodedSymbols::All => block.stored_size() < size + (size >> 4),
            _ => block.stored_size() <= size,
        };
        if shorter {
            self.stored(block.bytes, out);
        }
        shorter
    }

    /// Writes with fixed codes unless the bytes as they are take no more than `size`.
    fn fixed_or_stored(&mut self, block: &mut TokenBlock<'_>, size: u64, out: &mut Vec<u8>) {
        if block.stored_size() <= size {
            return self.stored(block.bytes, out);
        }
        self.close(out);
        self.bits.put(0b010, 3, out);
        if block.flushed == Flushed::No {
            block.tokens.add_end();
        }
        write_tokens(&block.tokens.list, &FIXED_LITERALS, &FIXED_DISTANCES, &mut self.bits, out);
    }

    /// Whether the open block's codes cover all symbols.
    fn reusable(&self, tokens: &FoundTokens) -> bool {
        let (literals, lengths) = self.literals.split_at(END_OF_BLOCK);
        all_coded(&tokens.distances[..DISTANCE_SYMBOLS], &self.distances)
            && all_coded(&tokens.lengths[..LITERAL_SYMBOLS - END_OF_BLOCK], lengths)
            && all_coded(&tokens.literals, literals)
    }

    /// Takes the counts; says how many literal and distance symbols a header states.
    fn count(&mut self, tokens: &FoundTokens, flushed: Flushed) -> (usize, usize) {
        self.literal_counts[..256].copy_from_slice(&tokens.literals);
        self.literal_counts[256..].copy_from_slice(&tokens.lengths);
        self.distance_counts = tokens.distances;
        if self.rules.coded == CodedSymbols::Used {
            self.literal_counts[END_OF_BLOCK] = 1;
        } else if flushed == Flushed::No {
            return (LITERAL_SYMBOLS, DISTANCE_SYMBOLS);
        }
        let used = |counts: &[u16]| {
            counts.iter().rposition(|&count| count != 0).map_or(0, |last| last + 1)
        };
        let literals = used(&self.literal_counts);
        let mut distances = used(&self.distance_counts);
        if distances == 0 {
            // A header must state at least one.
            self.distance_counts[0] = 1;
            distances = 1;
        }
        (literals, distances)
    }

    fn code_bits(&self) -> u64 {
        bits_of_codes(&self.literal_counts, &self.literals)
            + bits_of_codes(&self.distance_counts, &self.distances)
    }

    fn extra_bits(&self) -> u64 {
        bits_of_widths(&self.literal_counts[END_OF_BLOCK + 1..LITERAL_SYMBOLS], &LENGTH_EXTRA)
            + bits_of_widths(&self.distance_counts[..DISTANCE_SYMBOLS], &DISTANCE_EXTRA)
    }

    fn fixed_bits(&self, extra: u64) -> u64 {
        let literals = bits_of_codes(&self.literal_counts, &FIXED_LITERALS);
        3 + literals + bits_of_codes(&self.distance_counts, &FIXED_DISTANCES) + extra
    }
}
