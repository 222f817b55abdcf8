//! How level 2 of Go 1.27 finds matches: as level 1, with more hashes and more places entered.

use super::history::{QuickBlock, QuickMatch, REACH, SinglePlaces};
use super::quick::QuickSearch;

/// The search of level 2.
pub(super) struct Level2(SinglePlaces<5, 17, { 1 << 17 }>);

impl Level2 {
    pub(super) fn new() -> Self {
        Self(SinglePlaces::new())
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
            let next = at + 2 + (block.missed(at) >> 5);
            if next > limit {
                return None;
            }
            let now = block.load64(next);
            let from = self.0.enter(value, at);
            if block.fits(at, from, value, REACH) {
                self.0.enter(now, next);
                return Some([at, from, next]);
            }
            let from = self.0.enter(now, next);
            if block.fits(next, from, now, REACH) {
                return Some([next, from, next + 1]);
            }
            value = now >> 8;
            at = next + 1;
        }
    }

    /// Enters places of a match that ended at `at` or a little before, and returns the place for
    /// `at`.
    #[inline]
    fn enter_match(&mut self, block: &QuickBlock<'_>, length: usize, at: usize) -> usize {
        for inner in (at - length + 2..at - 5).step_by(7) {
            let value = block.load64(inner);
            self.0.enter(value, inner);
            self.0.enter(value >> 16, inner + 2);
            self.0.enter(value >> 32, inner + 4);
        }
        let value = block.load64(at - 2);
        self.0.enter(value, at - 2);
        self.0.enter(value >> 8, at - 1);
        self.0.enter(value >> 16, at)
    }
}

impl QuickSearch for Level2 {
    fn search(&mut self, block: &mut QuickBlock<'_>) {
        let mut at = block.start;
        let mut value = block.load64(at);
        while let Some([found, from, next]) = self.first(block, at, value) {
            at = found;
            let mut from = from;
            loop {
                let length = 4 + block.common(at + 4, from + 4);
                let copy = block.emit(QuickMatch { at, from, length });
                at = (copy.at + copy.length).max(next + 1);
                if at >= block.limit() {
                    if at + copy.length + 8 < block.end {
                        self.0.enter(block.load64(at), at);
                    }
                    return block.finish();
                }
                from = self.enter_match(block, copy.length, at);
                value = block.load64(at);
                if !block.fits(at, from, value, REACH + 1) {
                    value >>= 8;
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
