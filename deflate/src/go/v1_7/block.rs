//! Blocks as Go up to 1.26 writes them: fixed, dynamic or stored.

use super::super::bits::{BitSink, MOST_STORED};
use super::super::emit::{CodePair, OwnCodes, SymbolCounts, WordTable};
use super::super::plain::{BlockPlace, PlainBlocks};
use super::super::tokens::DeflateToken;

/// Writes blocks.
pub(super) struct CheapestBlocks {
    bits: BitSink,
    fixed: CodePair,
}

impl CheapestBlocks {
    pub(super) fn new() -> Self {
        Self { bits: BitSink::new(), fixed: CodePair::fixed() }
    }

    /// Writes tokens in the cheapest way. `plain` is what they stand for, where it is still known.
    pub(super) fn cheapest(
        &mut self,
        tokens: &[DeflateToken],
        plain: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) {
        let plan = OwnCodes::new(SymbolCounts::of_tokens(tokens));
        let fixed = 3 + self.fixed.cost(&plan.counts);
        let dynamic = plan.cost();
        if let Some(plain) = plain
            && plain.len() <= MOST_STORED
            && stored_cost(plain) < fixed.min(dynamic) + plan.counts.extra()
        {
            return self.stored(plain, out);
        }
        if dynamic < fixed {
            plan.header.write(&mut self.bits);
            self.tokens(tokens, &WordTable::new(&plan.codes), out);
        } else {
            self.bits.put(0b010, 3);
            self.tokens(tokens, &WordTable::new(&self.fixed), out);
        }
    }

    /// Writes tokens with codes of their own, unless that saves less than a sixteenth.
    pub(super) fn dynamic(&mut self, tokens: &[DeflateToken], plain: &[u8], out: &mut Vec<u8>) {
        let plan = OwnCodes::new(SymbolCounts::of_tokens(tokens));
        // Extra bits are left out here, as Go does.
        if worth(plan.cost(), plain) {
            plan.header.write(&mut self.bits);
            self.tokens(tokens, &WordTable::new(&plan.codes), out);
        } else {
            self.stored(plain, out);
        }
    }

    fn tokens(&mut self, tokens: &[DeflateToken], table: &WordTable, out: &mut Vec<u8>) {
        table.write(tokens, &mut self.bits, out);
        table.end(&mut self.bits, out);
    }
}

impl PlainBlocks for CheapestBlocks {
    const MOST_LITERALS: usize = MOST_STORED;

    fn literals(&mut self, plain: &[u8], _: BlockPlace, out: &mut Vec<u8>) {
        let plan = OwnCodes::new(SymbolCounts::of_bytes(plain));
        if worth(plan.cost(), plain) {
            plan.header.write(&mut self.bits);
            let table = WordTable::new(&plan.codes);
            table.write_literals(plain, &mut self.bits, out);
            table.end(&mut self.bits, out);
        } else {
            self.stored(plain, out);
        }
    }

    fn stored(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.bits.put(0b000, 3);
        self.bits.stored(plain, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.bits.put(0b001, 3);
        self.bits.stored(&[], out);
    }
}

/// Whether a block of this many bits saves a sixteenth.
fn worth(cost: usize, plain: &[u8]) -> bool {
    stored_cost(plain) >= cost + (cost >> 4)
}

fn stored_cost(plain: &[u8]) -> usize {
    (plain.len() + 5) * 8
}
