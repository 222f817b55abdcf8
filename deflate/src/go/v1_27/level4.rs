//! How level 4 of Go 1.27 finds matches: one place per hash of four bytes, and one per hash of
//! seven.

use super::history::{QuickBlock, QuickMatch, REACH, START, SinglePlaces};
use super::quick::QuickSearch;

/// The search of level 4.
pub(super) struct Level4 {
    short: SinglePlaces<4, 15, { 1 << 15 }>,
    long: SinglePlaces<7, 15, { 1 << 15 }>,
}

impl Level4 {
    pub(super) fn new() -> Self {
        Self { short: SinglePlaces::new(), long: SinglePlaces::new() }
    }

    /// Looks for a match from `at` on. Returns where, the place of the match, and the place after
    /// the one it was found at.
    #[inline]
    fn first(&mut self, block: &QuickBlock<'_>, mut at: usize) -> Option<[usize; 3]> {
        let limit = block.limit();
        let mut value = block.load64(at);
        loop {
            let next = at + 1 + (block.missed(at) >> 6);
            if next > limit {
                return None;
            }
            let after = block.load64(next);
            let short = self.short.enter(value, at);
            let long = self.long.enter(value, at);
            if block.fits(at, long, value, REACH) {
                return Some([at, long, next]);
            }
            if block.fits(at, short, value, REACH) {
                let long = self.long.get(after);
                if block.fits(next, long, after, REACH) {
                    // Go compares with what is at the distance, seen from the start of its history.
                    let other = START + (next - long);
                    if block.common(next + 4, other + 4) > block.common(at + 4, short + 4) {
                        return Some([next, long, next]);
                    }
                }
                return Some([at, short, next]);
            }
            value = after;
            at = next;
        }
    }

    fn enter(&mut self, value: u64, at: usize) {
        self.short.enter(value, at);
        self.long.enter(value, at);
    }
}

impl QuickSearch for Level4 {
    fn search(&mut self, block: &mut QuickBlock<'_>) {
        let mut at = block.start;
        while let Some([found, from, next]) = self.first(block, at) {
            let length = 4 + block.common(found + 4, from + 4);
            let copy = block.emit(QuickMatch { at: found, from, length });
            at = (copy.at + copy.length).max(next + 1);
            if at >= block.limit() {
                if at + 8 < block.end {
                    self.enter(block.load64(at), at);
                }
                break;
            }
            for inner in (next..at - 1).step_by(3) {
                let value = block.load64(inner);
                self.long.enter(value, inner);
                self.long.enter(value >> 8, inner + 1);
                self.short.enter(value >> 8, inner + 1);
            }
            self.enter(block.load64(at - 1), at - 1);
        }
        block.finish();
    }

    fn shift(&mut self, moved: usize) {
        self.short.shift(moved);
        self.long.shift(moved);
    }
}
