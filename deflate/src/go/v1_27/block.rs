//! Blocks as Go 1.27 writes them: a block may go on with the codes of the one before.

use super::super::bits::{BitSink, MOST_STORED};
use super::super::emit::{CodePair, OwnCodes, SymbolCounts, WordTable};
use super::super::plain::{BlockPlace, PlainBlocks};
use super::super::tokens::{DeflateToken, END};
use super::estimate::estimated_bits;

/// Blocks of fewer tokens may have the fixed codes.
const FEW: usize = 250;
/// Bits that the header of literals is thought to take.
const LITERALS_HEADER: usize = 70 * 8;

/// Where the codes at hand come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CodeSource {
    Tokens,
    Literals,
}

/// A block that is not ended, since the next one may go on with its codes.
struct OpenBlock {
    codes: CodePair,
    table: WordTable,
    source: CodeSource,
    /// Bits of its header.
    header: usize,
}

/// Writes blocks.
pub(super) struct ReusingBlocks {
    bits: BitSink,
    fixed: CodePair,
    open: Option<OpenBlock>,
    /// What new codes are thought to cost more than the best: one in two to the power of this.
    penalty: u32,
}

impl ReusingBlocks {
    pub(super) fn new(penalty: u32) -> Self {
        Self { bits: BitSink::new(), fixed: CodePair::fixed(), open: None, penalty }
    }

    /// Writes tokens in the way that is thought cheapest. `plain` is what they stand for, where it
    /// is still known.
    pub(super) fn tokens(
        &mut self,
        tokens: &[DeflateToken],
        plain: Option<&[u8]>,
        place: BlockPlace,
        out: &mut Vec<u8>,
    ) {
        let plain = plain.filter(|plain| plain.len() <= MOST_STORED);
        let mut counts = SymbolCounts::of_tokens(tokens);
        // The end of the last block is counted as a token.
        let total = tokens.len() + usize::from(place == BlockPlace::Last);
        if self.open.as_ref().is_some_and(|open| !open.serves(&counts)) {
            self.end(out);
        }
        let estimate = estimated_bits(&counts, total);
        counts.used();
        let extra = counts.extra();
        if let Some(open) = &self.open {
            let fresh = open.header + estimate;
            let fresh = fresh + open.table.end_width() + (fresh >> self.penalty);
            let again = open.codes.cost(&counts) + extra;
            if fresh < again {
                self.end(out);
            }
            let cost = fresh.min(again);
            let fixed = 3 + self.fixed.cost(&counts) + extra + 7;
            if plain.is_some_and(|plain| stored_cost(plain) <= cost) {
                return self.stored(plain.unwrap_or_default(), out);
            }
            if total < FEW && fixed < cost {
                return self.with_fixed(tokens, out);
            }
        }
        if self.open.is_none() {
            let plan = OwnCodes::new(counts);
            let cost = plan.cost() + extra;
            let fixed = 3 + self.fixed.cost(&plan.counts) + extra;
            let fixed = (total < FEW && fixed <= cost).then_some(fixed);
            if plain.is_some_and(|plain| stored_cost(plain) <= fixed.unwrap_or(cost)) {
                return self.stored(plain.unwrap_or_default(), out);
            }
            if fixed.is_some() {
                return self.with_fixed(tokens, out);
            }
            self.begin(plan, CodeSource::Tokens);
        }
        if let Some(open) = &self.open {
            open.table.write(tokens, &mut self.bits, out);
        }
        self.close(place, out);
    }

    fn with_fixed(&mut self, tokens: &[DeflateToken], out: &mut Vec<u8>) {
        self.end(out);
        self.bits.put(0b010, 3);
        let table = WordTable::new(&self.fixed);
        table.write(tokens, &mut self.bits, out);
        table.end(&mut self.bits, out);
    }

    fn begin(&mut self, plan: OwnCodes, source: CodeSource) {
        plan.header.write(&mut self.bits);
        let table = WordTable::new(&plan.codes);
        self.open =
            Some(OpenBlock { table, codes: plan.codes, source, header: plan.header.cost() });
    }

    fn close(&mut self, place: BlockPlace, out: &mut Vec<u8>) {
        if place == BlockPlace::Last {
            self.end(out);
        }
    }

    /// Ends the block that is open.
    fn end(&mut self, out: &mut Vec<u8>) {
        if let Some(open) = self.open.take() {
            open.table.end(&mut self.bits, out);
        }
    }
}

impl PlainBlocks for ReusingBlocks {
    const MOST_LITERALS: usize = 1 << 15;

    fn literals(&mut self, plain: &[u8], place: BlockPlace, out: &mut Vec<u8>) {
        let counts = SymbolCounts::of_bytes(plain);
        if plain.len() > 1024 && even(&counts, plain.len()) {
            return self.stored(plain, out);
        }
        let plan = OwnCodes::new(counts);
        let header = self.open.as_ref().map_or(LITERALS_HEADER, |open| open.header);
        let fresh = plan.codes.literals.cost(&plan.counts.literals) + header;
        let fresh = fresh + (fresh >> self.penalty);
        if stored_cost(plain) <= fresh {
            return self.stored(plain, out);
        }
        if self.open.as_ref().is_some_and(|open| open.again(&plan.counts) > fresh) {
            self.end(out);
        }
        if self.open.is_none() {
            self.begin(plan, CodeSource::Literals);
        }
        if let Some(open) = &self.open {
            open.table.write_literals(plain, &mut self.bits, out);
        }
        self.close(place, out);
    }

    fn stored(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.end(out);
        self.bits.put(0b000, 3);
        self.bits.stored(plain, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.end(out);
        // A fixed block, and its end.
        self.bits.put(0b011, 10);
        self.bits.align();
        self.bits.drain(out);
    }
}

impl OpenBlock {
    /// Whether tokens can be written with its codes.
    fn serves(&self, counts: &SymbolCounts) -> bool {
        self.source == CodeSource::Tokens
            && all(&counts.literals, &self.codes.literals.widths)
            && all(&counts.distances, &self.codes.distances.widths)
    }

    /// Bits of literals with its codes, without the end of the block.
    fn again(&self, counts: &SymbolCounts) -> usize {
        let (literals, widths) = (&counts.literals[..END], &self.codes.literals.widths);
        if !all(literals, widths) {
            return usize::MAX;
        }
        literals
            .iter()
            .zip(widths)
            .map(|(count, width)| *count as usize * usize::from(*width))
            .sum()
    }
}

/// Whether every symbol that is counted has a code word.
fn all(counts: &[u32], widths: &[u8]) -> bool {
    counts.iter().zip(widths).all(|(count, width)| *count == 0 || *width > 0)
}

/// Whether all bytes are about as frequent, so that no code saves anything.
#[expect(clippy::cast_precision_loss, reason = "a block is shorter than 65536 bytes")]
fn even(counts: &SymbolCounts, length: usize) -> bool {
    let average = length as f64 / 256.0;
    let limit = (length * 2) as f64;
    let mut sum = 0.0;
    counts.literals[..END].iter().all(|count| {
        let off = f64::from(*count) - average;
        sum += off * off;
        sum < limit
    })
}

fn stored_cost(plain: &[u8]) -> usize {
    (plain.len() + 5) * 8
}
