//! How level 3 of Go 1.27 finds matches: two places per hash of five bytes.

use super::history::{DoublePlaces, QuickBlock, QuickMatch, REACH, TwoPlaces};
use super::quick::QuickSearch;

/// How far a place may be, plus one.
const NEAR: usize = REACH - 4;

/// The search of level 3.
pub(super) struct Level3(DoublePlaces<5, 16, { 1 << 16 }>);

impl Level3 {
    pub(super) fn new() -> Self {
        Self(DoublePlaces::new())
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
            let next = at + 1 + (block.missed(at) >> 7);
            if next > limit {
                return None;
            }
            let places = self.0.enter(value, at);
            if let Some(from) = choose(block, at, value, places) {
                return Some([at, from, next]);
            }
            value = block.load64(next);
            at = next;
        }
    }

    /// Enters places of a match that ended at `at` or a little before, and returns those for `at`.
    #[inline]
    fn enter_match(&mut self, block: &QuickBlock<'_>, length: usize, at: usize) -> TwoPlaces {
        for inner in (at - length + 2..at - 5).step_by(6) {
            self.0.enter(block.load64(inner), inner);
        }
        let value = block.load64(at - 2);
        self.0.enter(value, at - 2);
        self.0.enter(value >> 8, at - 1);
        self.0.enter(value >> 16, at)
    }
}

/// The place with the longer match.
#[inline]
fn choose(block: &QuickBlock<'_>, at: usize, value: u64, places: TwoPlaces) -> Option<usize> {
    let TwoPlaces { last, before } = places;
    if at - last > NEAR {
        return None;
    }
    if !block.fits(at, last, value, NEAR + 1) {
        return block.fits(at, before, value, NEAR).then_some(before);
    }
    let both = block.fits(at, before, value, NEAR + 1);
    let better = both && block.common(at + 4, before + 4) > block.common(at + 4, last + 4);
    Some(if better { before } else { last })
}

impl QuickSearch for Level3 {
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
                    let source = copy.from + copy.length;
                    if source + 8 < block.end {
                        self.0.enter(block.load64(source), source);
                    }
                    return block.finish();
                }
                let places = self.enter_match(block, copy.length, at);
                value = block.load64(at);
                let near = at - places.last < NEAR;
                let fits = |place| near && block.fits(at, place, value, NEAR);
                if fits(places.last) {
                    from = places.last;
                } else if fits(places.before) {
                    from = places.before;
                } else {
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
