//! Symbols counted, codes chosen for them, and tokens written with these codes.

use super::bits::BitSink;
use super::header::CodeHeader;
use super::tokens::{
    DISTANCE_EXTRA, DISTANCE_SYMBOL, DISTANCES, DeflateToken, END, FIRST_LENGTH, LENGTH_EXTRA,
    LENGTH_SYMBOL, LITERALS, distance_step, distance_symbol,
};
use crate::huffman::{PrefixCode, WIDEST};

/// How often each symbol occurs in a block.
pub(super) struct SymbolCounts {
    pub(super) literals: [u32; LITERALS],
    pub(super) distances: [u32; DISTANCES],
}

impl SymbolCounts {
    pub(super) fn of_tokens(tokens: &[DeflateToken]) -> Self {
        // Two tables, since equal selectors in a row would wait for each other.
        let mut selectors = [[0_u32; 512]; 2];
        let mut steps = [0_u32; 512];
        let mut add = |token: DeflateToken, table: &mut [u32; 512]| {
            table[token.selector()] += 1;
            if token.is_copy() {
                steps[distance_step(token.distance().into())] += 1;
            }
        };
        let (pairs, rest) = tokens.as_chunks::<2>();
        let [even, odd] = &mut selectors;
        for [first, second] in pairs {
            add(*first, even);
            add(*second, odd);
        }
        for token in rest {
            add(*token, even);
        }
        let mut distances = [0; DISTANCES];
        for (symbol, count) in DISTANCE_SYMBOL.iter().zip(steps) {
            distances[usize::from(*symbol)] += count;
        }
        let mut literals = [0; LITERALS];
        for (selector, (a, b)) in selectors[0].iter().zip(&selectors[1]).enumerate() {
            let symbol = match selector.checked_sub(256) {
                None => selector,
                Some(length) => FIRST_LENGTH + usize::from(LENGTH_SYMBOL[length]),
            };
            literals[symbol] += a + b;
        }
        literals[END] = 1;
        Self { literals, distances }
    }

    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        let mut tables = [[0_u32; 256]; 4];
        let (groups, rest) = bytes.as_chunks::<4>();
        for group in groups {
            for (table, byte) in tables.iter_mut().zip(group) {
                table[usize::from(*byte)] += 1;
            }
        }
        for byte in rest {
            tables[0][usize::from(*byte)] += 1;
        }
        let mut literals = [0; LITERALS];
        for (byte, count) in literals.iter_mut().take(256).enumerate() {
            *count = tables.iter().map(|table| table[byte]).sum();
        }
        literals[END] = 1;
        Self { literals, distances: [0; DISTANCES] }
    }

    /// Number of literals and lengths up to the last used one, and of distances.
    /// Without a match one distance is counted, since a code needs a symbol.
    pub(super) fn used(&mut self) -> (usize, usize) {
        let last =
            |counts: &[u32]| counts.iter().rposition(|count| *count > 0).map_or(0, |at| at + 1);
        if last(&self.distances) == 0 {
            self.distances[0] = 1;
        }
        (last(&self.literals), last(&self.distances))
    }

    /// Bits that lengths and distances take besides their symbols.
    pub(super) fn extra(&self) -> usize {
        let sum = |counts: &[u32], extra: &[u8]| -> usize {
            counts
                .iter()
                .zip(extra)
                .map(|(&count, &extra)| count as usize * usize::from(extra))
                .sum()
        };
        sum(&self.literals[FIRST_LENGTH..], &LENGTH_EXTRA) + sum(&self.distances, &DISTANCE_EXTRA)
    }
}

/// Both codes of a block.
pub(super) struct CodePair {
    pub(super) literals: PrefixCode<LITERALS>,
    pub(super) distances: PrefixCode<DISTANCES>,
}

impl CodePair {
    /// The codes of fixed blocks.
    pub(super) fn fixed() -> Self {
        // The code has two words that no symbol uses.
        let mut widths = [8; LITERALS + 2];
        widths[144..256].fill(9);
        widths[256..280].fill(7);
        let all = PrefixCode::of_widths(widths);
        let mut literals = PrefixCode::EMPTY;
        literals.bits.copy_from_slice(&all.bits[..LITERALS]);
        literals.widths.copy_from_slice(&all.widths[..LITERALS]);
        Self { literals, distances: PrefixCode::of_widths([5; DISTANCES]) }
    }

    pub(super) fn build(counts: &SymbolCounts) -> Self {
        Self {
            literals: PrefixCode::build(&counts.literals, WIDEST),
            distances: PrefixCode::build(&counts.distances, WIDEST),
        }
    }

    /// Bits that the symbols take.
    pub(super) fn cost(&self, counts: &SymbolCounts) -> usize {
        self.literals.cost(&counts.literals) + self.distances.cost(&counts.distances)
    }
}

/// A block with codes of its own.
pub(super) struct OwnCodes {
    pub(super) counts: SymbolCounts,
    pub(super) codes: CodePair,
    pub(super) header: CodeHeader,
}

impl OwnCodes {
    pub(super) fn new(mut counts: SymbolCounts) -> Self {
        let (literals, distances) = counts.used();
        let codes = CodePair::build(&counts);
        let header = CodeHeader::new((&codes.literals, literals), (&codes.distances, distances));
        Self { counts, codes, header }
    }

    /// Bits that the block takes, without those of [`SymbolCounts::extra`].
    pub(super) fn cost(&self) -> usize {
        self.header.cost() + self.codes.cost(&self.counts)
    }
}

/// Up to 24 bits, and how many they are.
#[derive(Clone, Copy)]
struct CodeWord(u32);

impl CodeWord {
    fn new(bits: u32, width: u32) -> Self {
        Self(bits | width << 24)
    }

    #[inline]
    fn bits(self) -> u64 {
        u64::from(self.0 & 0xff_ffff)
    }

    #[inline]
    fn width(self) -> u32 {
        self.0 >> 24
    }
}

/// Codes made ready to write tokens.
pub(super) struct WordTable {
    /// Literals, then lengths with their extra bits.
    selectors: [CodeWord; 512],
    /// Distances; the width includes the extra bits.
    distances: [CodeWord; 32],
    /// The extra bits of a distance.
    masks: [u16; 32],
    /// Where they go.
    shifts: [u8; 32],
    end: CodeWord,
}

impl WordTable {
    pub(super) fn new(codes: &CodePair) -> Self {
        let none = CodeWord(0);
        let mut table = Self {
            selectors: [none; 512],
            distances: [none; 32],
            masks: [0; 32],
            shifts: [0; 32],
            end: none,
        };
        let literal = |symbol: usize| {
            (u32::from(codes.literals.bits[symbol]), u32::from(codes.literals.widths[symbol]))
        };
        let (literals, lengths) = table.selectors.split_at_mut(256);
        for (symbol, word) in literals.iter_mut().enumerate() {
            let (bits, width) = literal(symbol);
            *word = CodeWord::new(bits, width);
        }
        for (step, (word, symbol)) in (0..).zip(lengths.iter_mut().zip(LENGTH_SYMBOL)) {
            let (bits, width) = literal(FIRST_LENGTH + usize::from(symbol));
            let extra = LENGTH_EXTRA[usize::from(symbol)];
            // Lengths of a symbol are aligned to its extra bits, but for the longest.
            *word = CodeWord::new(
                bits | (step & ((1 << extra) - 1)) << width,
                width + u32::from(extra),
            );
        }
        for (symbol, extra) in DISTANCE_EXTRA.into_iter().take(DISTANCES).enumerate() {
            let width = codes.distances.widths[symbol];
            table.distances[symbol] =
                CodeWord::new(codes.distances.bits[symbol].into(), u32::from(width + extra));
            table.masks[symbol] = (1 << extra) - 1;
            table.shifts[symbol] = width;
        }
        let (bits, width) = literal(END);
        table.end = CodeWord::new(bits, width);
        table
    }

    /// Writes tokens, without the end of the block.
    pub(super) fn write(&self, tokens: &[DeflateToken], bits: &mut BitSink, out: &mut Vec<u8>) {
        bits.drain(out);
        for burst in tokens.chunks(BitSink::BURST) {
            bits.put_all(burst.iter(), |token| {
                let word = self.selectors[token.selector()];
                if !token.is_copy() {
                    return (word.bits(), word.width());
                }
                let symbol = distance_symbol(token.distance()) & 31;
                let far = self.distances[symbol];
                let extra = u64::from(token.distance() & self.masks[symbol]);
                let value = far.bits() | extra << (self.shifts[symbol] & 63);
                (word.bits() | value << (word.width() & 63), word.width().wrapping_add(far.width()))
            });
            bits.relieve(out);
        }
    }

    /// Writes bytes as literals, without the end of the block.
    pub(super) fn write_literals(&self, bytes: &[u8], bits: &mut BitSink, out: &mut Vec<u8>) {
        bits.drain(out);
        for burst in bytes.chunks(3 * BitSink::BURST) {
            bits.put_all(burst.chunks(3), |group| {
                group.iter().fold((0, 0_u32), |(value, width), byte| {
                    let word = self.selectors[usize::from(*byte)];
                    (value | word.bits() << (width & 63), width.wrapping_add(word.width()))
                })
            });
            bits.relieve(out);
        }
    }

    /// Ends a block.
    pub(super) fn end(&self, bits: &mut BitSink, out: &mut Vec<u8>) {
        bits.put(self.end.bits(), self.end.width());
        bits.drain(out);
    }

    /// Bits of the end of a block.
    pub(super) fn end_width(&self) -> usize {
        self.end.width() as usize
    }
}
