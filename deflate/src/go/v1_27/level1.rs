//! How level 1 of Go 1.27 finds matches: one place per hash of five bytes.

use super::history::{QuickBlock, QuickMatch, REACH, SinglePlaces};
use super::quick::QuickSearch;

type Level1Table = SinglePlaces<5, 15, { 1 << 15 }>;

/// The search of level 1.
pub(super) struct Level1(Level1Table);

impl Level1 {
    pub(super) fn new() -> Self {
        Self(Level1Table::new())
    }

    /// Looks for a match from `at` on, whose bytes are `value`. Returns where, the place of the
    /// match, and the place to go on at.
    #[inline]
    fn first(
        &mut self,
        block: &QuickBlock<'_>,
        mut at: usize,
        mut value: u64,
    ) -> Option<[usize; 3]> {
        let limit = block.limit();
        loop {
            let slot = Level1Table::slot(value);
            let next = at + 2 + (block.missed(at) >> 5);
            if next > limit {
                return None;
            }
            let now = block.load64(next);
            let from = self.0.enter_slot(slot, at);
            let slot = Level1Table::slot(now);
            if block.fits(at, from, value, REACH) {
                self.0.enter_slot(slot, next);
                return Some([at, from, next]);
            }
            let from = self.0.enter_slot(slot, next);
            if block.fits(next, from, now, REACH) {
                // Go enters the place after under this hash too.
                self.0.enter_slot(slot, next + 1);
                return Some([next, from, next + 1]);
            }
            value = now >> 8;
            at = next + 1;
        }
    }
}

impl QuickSearch for Level1 {
    fn search(&mut self, block: &mut QuickBlock<'_>) {
        let mut at = block.start;
        let mut value = block.load64(at);
        while let Some([found, from, next]) = self.first(block, at, value) {
            at = found;
            let mut from = from;
            loop {
                let length = 4 + block.common(at + 4, from + 4);
                let copy = block.emit(QuickMatch { at, from, length });
                at = copy.at + copy.length;
                if next >= at {
                    at = next + 1;
                }
                if at >= block.limit() {
                    if at + copy.length + 8 < block.end {
                        self.0.enter(block.load64(at), at);
                    }
                    return block.finish();
                }
                let both = block.load64(at - 2);
                self.0.enter(both, at - 2);
                from = self.0.enter(both >> 16, at);
                if !block.fits(at, from, both >> 16, REACH + 1) {
                    value = both >> 24;
                    at += 1;
                    break;
                }
            }
        }
        block.finish();
    }

    fn shift(&mut self, moved: usize) {
        self.0.shift(moved);
    }
}
