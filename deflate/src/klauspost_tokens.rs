//! What klauspost's matcher finds in one block, with the counts that decide how the block is
//! written.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::excessive_precision,
    reason = "tokens are packed into 32 bits; a block has at most 65535 bytes; the program rounds too"
)]

use super::deflate_bits::{
    DISTANCE_EXTRA, DISTANCE_SYMBOLS, END_OF_BLOCK, LENGTH_EXTRA, LENGTH_SYMBOL, LITERAL_SYMBOLS,
    bits_of_widths, distance_symbol,
};
use super::go_log2::go_log2;
use super::klauspost_rules::{EstimateRule, LongMatch};

const MATCH: u32 = 1 << 30;
const LONGEST_MATCH: i32 = 258;
const SHORTEST_MATCH: i32 = 3;

/// A literal, a match or the end of the block.
#[derive(Clone, Copy)]
pub(crate) struct FoundToken(u32);

impl FoundToken {
    /// The literal, or 256 for the end of the block, unless the token is a match.
    #[inline(always)]
    pub(crate) fn symbol(self) -> Option<usize> {
        (self.0 < MATCH).then_some((self.0 & 0x1ff) as usize)
    }

    /// The length minus 3.
    #[inline(always)]
    pub(crate) fn length(self) -> u8 {
        (self.0 >> 22) as u8
    }

    /// The distance minus 1.
    #[inline(always)]
    pub(crate) fn distance(self) -> u32 {
        self.0 & 0xffff
    }

    /// The symbol of the distance.
    #[inline(always)]
    pub(crate) fn distance_symbol(self) -> usize {
        (self.0 >> 16 & 31) as usize
    }
}

/// The tokens of one block. Counts are 16 bits wide, as a block has at most 65535 bytes.
pub(crate) struct FoundTokens {
    pub(crate) list: Vec<FoundToken>,
    pub(crate) literals: [u16; 256],
    /// The end of the block, then the length symbols.
    pub(crate) lengths: [u16; 32],
    pub(crate) distances: [u16; 32],
    /// Literal and length symbols that were counted once although they do not occur.
    filled: u32,
    /// The last token is the end of the block.
    ended: bool,
    long_match: LongMatch,
}

impl FoundTokens {
    /// An empty list.
    pub(crate) fn new(long_match: LongMatch) -> Self {
        Self {
            list: Vec::with_capacity(1 << 16),
            literals: [0; 256],
            lengths: [0; 32],
            distances: [0; 32],
            filled: 0,
            ended: false,
            long_match,
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.literals.fill(0);
        self.lengths.fill(0);
        self.distances.fill(0);
        self.filled = 0;
        self.ended = false;
    }

    /// Adds literals.
    #[inline(always)]
    pub(crate) fn add_literals(&mut self, bytes: &[u8]) {
        self.list.extend(bytes.iter().map(|&byte| FoundToken(u32::from(byte))));
        for &byte in bytes {
            let count = &mut self.literals[usize::from(byte)];
            *count = count.wrapping_add(1);
        }
    }

    /// Adds a match of any length, in pieces.
    #[inline(always)]
    pub(crate) fn add_match(&mut self, mut length: i32, distance: i32) {
        let less_one = (distance - 1) as u32;
        let symbol = distance_symbol(less_one);
        while length > 0 {
            let piece = match self.long_match {
                _ if length <= LONGEST_MATCH => length,
                LongMatch::Full if length > LONGEST_MATCH + SHORTEST_MATCH => LONGEST_MATCH,
                _ => LONGEST_MATCH - SHORTEST_MATCH,
            };
            length -= piece;
            let piece = (piece - SHORTEST_MATCH) as u8;
            let count = &mut self.lengths[usize::from(LENGTH_SYMBOL[usize::from(piece)] + 1) & 31];
            *count = count.wrapping_add(1);
            let count = &mut self.distances[usize::from(symbol & 31)];
            *count = count.wrapping_add(1);
            self.list.push(FoundToken(
                MATCH | u32::from(piece) << 22 | u32::from(symbol) << 16 | less_one,
            ));
        }
    }

    /// Adds the end of the block.
    pub(crate) fn add_end(&mut self) {
        self.list.push(FoundToken(END_OF_BLOCK as u32));
        self.lengths[0] += 1;
        self.ended = true;
    }

    /// Counts each symbol once that does not occur.
    pub(crate) fn fill(&mut self) {
        let lengths = &mut self.lengths[..LITERAL_SYMBOLS - END_OF_BLOCK];
        for count in self.literals.iter_mut().chain(lengths).filter(|count| **count == 0) {
            *count = 1;
            self.filled += 1;
        }
        for count in self.distances[..DISTANCE_SYMBOLS].iter_mut().filter(|count| **count == 0) {
            *count = 1;
        }
    }

    /// The size in bits that an optimal code would give, as the first releases reckon it.
    fn rounded_bits(&self) -> u64 {
        // There are two more distance symbols in the table that the program looks counts up in.
        let distance_width = |count: u16| match count & 31 {
            30 | 31 => 14,
            count => DISTANCE_EXTRA[usize::from(count)],
        };
        let total = self.list.len() as u32 + self.filled - u32::from(self.ended);
        let mut bits = rounded_cost(&self.literals, 1.0 / f64::from(total)) + 15.0;
        let lengths = &self.lengths[1..LITERAL_SYMBOLS - END_OF_BLOCK];
        bits += rounded_cost(lengths, 1.0 / f64::from(total));
        let mut extra = 0;
        for &count in lengths {
            extra += u64::from(LENGTH_EXTRA[usize::from(count & 31)]) * u64::from(count);
        }
        let matches: u32 = lengths.iter().map(|&count| u32::from(count)).sum();
        if matches > 0 {
            let distances = &self.distances[..DISTANCE_SYMBOLS];
            bits += rounded_cost(distances, 1.0 / f64::from(matches));
            for &count in distances {
                extra += u64::from(distance_width(count)) * u64::from(count);
            }
        }
        bits as u64 + extra
    }

    /// The size in bits that an optimal code would give, by an approximated logarithm.
    pub(crate) fn estimated_bits(&self, rule: EstimateRule) -> u64 {
        let mut total = self.list.len() as u32 + self.filled;
        if rule != EstimateRule::ClampedWithEnd && self.ended {
            total -= 1;
        }
        if rule == EstimateRule::Rounded {
            return self.rounded_bits();
        }
        let cost = match rule {
            EstimateRule::Rounded | EstimateRule::Plain => |bits: f32| bits,
            EstimateRule::Clamped | EstimateRule::ClampedWithEnd => {
                |bits: f32| bits.clamp(1.0, 15.0)
            }
        };
        let add_cost = |bits: f32, count: u16, share: f32| {
            let number = f32::from(count);
            if count == 0 { bits } else { bits + cost(-rough_log2(number * share)) * number }
        };
        let share = 1.0 / total as f32;
        let mut bits = self.literals.iter().fold(0.0, |bits, &count| add_cost(bits, count, share));
        // The end of the block.
        bits += 15.0;
        let lengths = &self.lengths[1..LITERAL_SYMBOLS - END_OF_BLOCK];
        bits = lengths.iter().fold(bits, |bits, &count| add_cost(bits, count, share));
        let mut extra = bits_of_widths(lengths, &LENGTH_EXTRA);
        let matches: u32 = lengths.iter().map(|&count| u32::from(count)).sum();
        if matches > 0 {
            let share = 1.0 / matches as f32;
            let distances = &self.distances[..DISTANCE_SYMBOLS];
            bits = distances.iter().fold(bits, |bits, &count| add_cost(bits, count, share));
            extra += bits_of_widths(distances, &DISTANCE_EXTRA);
        }
        bits as u64 + extra
    }
}

/// The size of the symbols counted, each one's share rounded up. All numbers are whole, so their
/// order does not matter.
pub(super) fn rounded_cost(counts: &[u16], share: f64) -> f64 {
    let used = counts.iter().filter(|&&count| count != 0).map(|&count| f64::from(count));
    used.map(|count| (-go_log2(count * share) * count).ceil()).sum()
}

/// A parabola through the mantissa: fast, and off by less than a hundredth.
#[inline(always)]
pub(super) fn rough_log2(value: f32) -> f32 {
    let raw = value.to_bits();
    let exponent = (raw >> 23 & 255) as f32 - 128.0;
    let mantissa = f32::from_bits((raw & !0x7f80_0000).wrapping_add(127 << 23));
    exponent + (((-0.344_848_43_f32 * mantissa + 2.024_665_78) * mantissa) - 0.674_877_59)
}
