//! How `klauspost/compress` flate writes a block in which it found next to no matches: with literal
//! codes only.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a block has at most 65535 bytes; the program rounds too"
)]

use super::deflate_bits::{BitCode, DeflateBits, END_OF_BLOCK, all_coded, bits_of_codes};
use super::go_log2::go_log2;
use super::huffman::assign;
use super::klauspost_block::{Flushed, KlauspostBlocks, stored_size};
use super::klauspost_rules::LiteralRule;
use super::klauspost_tokens::{rough_log2, rounded_cost};

/// What a header of literal codes is taken to cost, in bits.
const HEADER_GUESS: u64 = 70 * 8;
/// Symbols with a code: the bytes and the end of the block.
const SYMBOLS: usize = END_OF_BLOCK + 1;

impl KlauspostBlocks {
    /// Writes `bytes` with literal codes only, or as they are.
    pub(crate) fn literals(&mut self, bytes: &[u8], flushed: Flushed, out: &mut Vec<u8>) {
        self.literal_counts.fill(0);
        count_bytes(bytes, &mut self.literal_counts);
        let rule = self.rules.literals;
        if rule == LiteralRule::CodeUnlessRandom
            && bytes.len() > 1024
            && looks_random(bytes.len(), &self.literal_counts)
        {
            return self.stored(bytes, out);
        }
        let judged = match rule {
            LiteralRule::Code | LiteralRule::CodeUnlessRandom => self.judge_code(bytes),
            LiteralRule::Estimate => self.judge_estimate(bytes, flushed),
            LiteralRule::EstimateFilled => self.judge_estimate_filled(bytes, flushed),
            LiteralRule::EstimateRounded => self.judge_estimate_rounded(bytes, flushed),
        };
        let Some(new_is_shorter) = judged else { return self.stored(bytes, out) };
        if self.open > 0 && new_is_shorter {
            self.close(out);
        }
        if self.open == 0 {
            self.take_new_code(flushed);
            // A distance code of one bit that nothing uses.
            self.header.prepare(&self.literals[..SYMBOLS], &[BitCode::from_number(0, 1)]);
            self.header.write(SYMBOLS, 1, &mut self.bits, out);
            self.literals_only = true;
            self.open = self.header.bits();
        }
        write_literals(bytes, &self.literals, &mut self.bits, out);
        if flushed == Flushed::Yes {
            self.close(out);
            self.literals_only = false;
        }
    }

    /// The size of the block with new codes, given the bits of its symbols.
    fn with_header(&self, bits: u64) -> u64 {
        let bits = bits + if self.open == 0 { HEADER_GUESS } else { self.open };
        bits + (bits >> self.rules.penalty)
    }

    /// Whether new codes are shorter than those of the open block; nothing, if the bytes as they
    /// are are no longer.
    fn judge_code(&mut self, bytes: &[u8]) -> Option<bool> {
        self.literal_counts[END_OF_BLOCK] = 1;
        assign(&self.literal_counts[..SYMBOLS], 15, &mut self.fresh_literals);
        let new =
            self.with_header(bits_of_codes(&self.literal_counts[..SYMBOLS], &self.fresh_literals));
        let counts = &self.literal_counts[..END_OF_BLOCK];
        (stored_size(bytes) > new).then(|| {
            !all_coded(counts, &self.literals) || new < bits_of_codes(counts, &self.literals)
        })
    }

    fn judge_estimate(&self, bytes: &[u8], flushed: Flushed) -> Option<bool> {
        let counts = &self.literal_counts[..END_OF_BLOCK];
        let unused = counts.iter().filter(|&&count| count == 0).count();
        let symbols = bytes.len() + if flushed == Flushed::No { unused } else { 0 };
        let new = self.with_header(shannon_bits(counts, symbols) + bytes.len() as u64 / 32);
        (stored_size(bytes) >= new).then(|| new < bits_of_codes(counts, &self.literals))
    }

    fn judge_estimate_filled(&mut self, bytes: &[u8], flushed: Flushed) -> Option<bool> {
        let counts = &mut self.literal_counts[..END_OF_BLOCK];
        let new = shannon_bits(counts, bytes.len()) + 15;
        let unused = if flushed == Flushed::No { fill(counts) } else { 0 };
        let single = (-rough_log2(1.0 / bytes.len() as f32)).max(1.0);
        let filled = (0..unused).fold(0.0f32, |bits, _| bits + single);
        let new = self.with_header(new);
        let with_unused = new + (filled + 0.99) as u64;
        let counts = &self.literal_counts[..END_OF_BLOCK];
        (stored_size(bytes) >= new).then(|| with_unused < bits_of_codes(counts, &self.literals))
    }

    fn judge_estimate_rounded(&mut self, bytes: &[u8], flushed: Flushed) -> Option<bool> {
        if !self.literals_only {
            self.distance_counts.fill(0);
        }
        let counts = &mut self.literal_counts[..END_OF_BLOCK];
        let share = 1.0 / bytes.len() as f64;
        let mut bits = rounded_cost(counts, share);
        if flushed == Flushed::No {
            bits += (-go_log2(share)).ceil() * fill(counts) as f64;
        }
        let new = (bits + 0.99) as u64 + 15;
        // The size of the open block's codes counts its header twice, and the distances of a block
        // before it.
        let open = self.header.bits() + self.open + u64::from(self.distance_counts[0]);
        let open = open + bits_of_codes(&self.literal_counts, &self.literals);
        (stored_size(bytes) >= new + (new >> 4)).then(|| new + (new >> self.rules.penalty) < open)
    }

    fn take_new_code(&mut self, flushed: Flushed) {
        match self.rules.literals {
            LiteralRule::Code | LiteralRule::CodeUnlessRandom => {
                std::mem::swap(&mut self.literals, &mut self.fresh_literals);
                return;
            }
            LiteralRule::Estimate if flushed == Flushed::No => {
                fill(&mut self.literal_counts[..SYMBOLS]);
            }
            LiteralRule::Estimate | LiteralRule::EstimateFilled | LiteralRule::EstimateRounded => {}
        }
        self.literal_counts[END_OF_BLOCK] = 1;
        assign(&self.literal_counts[..SYMBOLS], 15, &mut self.literals);
    }
}

/// Counts each symbol once that does not occur; says how many there are.
fn fill(counts: &mut [u16]) -> usize {
    let mut unused = 0;
    for count in counts.iter_mut().filter(|count| **count == 0) {
        *count = 1;
        unused += 1;
    }
    unused
}

/// The size of literals with an optimal code, none of it shorter than one bit.
fn shannon_bits(counts: &[u16], symbols: usize) -> u64 {
    let share = 1.0 / symbols as f32;
    let mut bits = 0.0f32;
    for &count in counts.iter().filter(|&&count| count != 0) {
        let count = f32::from(count);
        bits += (-rough_log2(count * share)).max(1.0) * count;
    }
    (bits + 0.99) as u64
}

/// Counts the bytes, at most 65535.
pub(super) fn count_bytes(bytes: &[u8], counts: &mut [u16; 288]) {
    // Two tables, so that equal neighbours do not wait for each other.
    let mut odd = [0u16; 256];
    let mut pairs = bytes.chunks_exact(2);
    for pair in &mut pairs {
        counts[usize::from(pair[0])] += 1;
        odd[usize::from(pair[1])] += 1;
    }
    for &byte in pairs.remainder() {
        counts[usize::from(byte)] += 1;
    }
    for (count, odd) in counts.iter_mut().zip(odd) {
        *count += odd;
    }
}

/// Whether all bytes occur about equally often.
fn looks_random(len: usize, counts: &[u16; 288]) -> bool {
    let average = len as f64 / 256.0;
    let most = (len * 2) as f64;
    let mut deviation = 0.0;
    for &count in &counts[..256] {
        let difference = f64::from(count) - average;
        deviation += difference * difference;
        if deviation > most {
            break;
        }
    }
    deviation < most
}

/// Writes bytes with literal codes.
pub(super) fn write_literals(
    bytes: &[u8],
    codes: &[BitCode; 288],
    bits: &mut DeflateBits,
    out: &mut Vec<u8>,
) {
    out.reserve(bytes.len());
    for &byte in bytes {
        bits.put_code(codes[usize::from(byte)], out);
    }
}
