//! How levels 5 and 6 of Go 1.27 find matches: the last place with the same four bytes, and the
//! last two with the same seven.

use super::history::{DoublePlaces, QuickBlock, QuickMatch, REACH, SinglePlaces};
use super::quick::QuickSearch;

/// The tables of both levels.
pub(super) struct DeepTables {
    short: SinglePlaces<4, 15, { 1 << 15 }>,
    long: DoublePlaces<7, 15, { 1 << 15 }>,
}

/// The place after the one at which a match was found, and its bytes.
#[derive(Clone, Copy)]
pub(super) struct DeepNext {
    at: usize,
    value: u64,
}

/// What the levels do differently.
pub(super) trait DeepManner: Send {
    /// The logarithm of how long nothing is found before steps grow.
    const PATIENCE: u32;
    /// Prefers another match to one of four bytes or a few more. `distance` is that of the last
    /// match.
    fn better(
        tables: &mut DeepTables,
        block: &QuickBlock<'_>,
        copy: QuickMatch,
        next: DeepNext,
        distance: usize,
    ) -> QuickMatch;
    /// Prefers a match that ends later, by what follows the match at hand.
    fn farther(tables: &DeepTables, block: &QuickBlock<'_>, copy: QuickMatch) -> QuickMatch;
    /// Enters places of a match, which ends before `to`. `next` is entered.
    fn enter(
        tables: &mut DeepTables,
        block: &QuickBlock<'_>,
        copy: QuickMatch,
        next: usize,
        to: usize,
    );
    /// Enters places behind the last match, from `from` on.
    fn enter_rest(tables: &mut DeepTables, block: &QuickBlock<'_>, from: usize);
}

/// The search of levels 5 and 6.
pub(super) struct DeepSearch<M> {
    tables: DeepTables,
    manner: std::marker::PhantomData<M>,
}

impl<M: DeepManner> DeepSearch<M> {
    pub(super) fn new() -> Self {
        let tables = DeepTables { short: SinglePlaces::new(), long: DoublePlaces::new() };
        Self { tables, manner: std::marker::PhantomData }
    }
}

impl DeepTables {
    #[inline]
    fn enter(&mut self, value: u64, at: usize) {
        self.short.enter(value, at);
        self.long.enter(value, at);
    }

    /// Looks for a match from `at` on; returns it and the place after the one it was found at.
    #[inline]
    fn first<M: DeepManner>(
        &mut self,
        block: &QuickBlock<'_>,
        mut at: usize,
        distance: usize,
    ) -> Option<(QuickMatch, usize)> {
        let limit = block.limit();
        let mut value = block.load64(at);
        loop {
            let next = at + 1 + (block.missed(at) >> M::PATIENCE);
            if next > limit {
                return None;
            }
            let next = DeepNext { at: next, value: block.load64(next) };
            let short = self.short.enter(value, at);
            let long = self.long.enter(value, at);
            if at - long.last < REACH {
                let before = block.fits(at, long.before, value, REACH);
                let found = if block.fits(at, long.last, value, REACH) {
                    let last = copy_of(block, at, long.last);
                    Some(if before { longest(last, copy_of(block, at, long.before)) } else { last })
                } else {
                    before.then(|| copy_of(block, at, long.before))
                };
                if let Some(copy) = found {
                    self.enter(next.value, next.at);
                    return Some((copy, next.at));
                }
            }
            if block.fits(at, short, value, REACH) {
                let copy = copy_of(block, at, short);
                return Some((M::better(self, block, copy, next, distance), next.at));
            }
            value = next.value;
            at = next.at;
        }
    }
}

#[inline]
fn copy_of(block: &QuickBlock<'_>, at: usize, from: usize) -> QuickMatch {
    QuickMatch { at, from, length: block.one_token(at, from) }
}

/// The longer match; of equals the first.
#[inline]
fn longest(first: QuickMatch, second: QuickMatch) -> QuickMatch {
    if second.length > first.length { second } else { first }
}

/// The match that begins two bytes later and has at `place` what follows `copy`, if it is longer.
/// The end is that of `copy`, its start that of `first`.
#[inline]
fn farther(
    block: &QuickBlock<'_>,
    copy: QuickMatch,
    first: QuickMatch,
    place: usize,
) -> QuickMatch {
    let distance = (first.at + copy.length).wrapping_sub(place);
    let at = first.at + 2;
    if distance == 0 || distance >= REACH || at - distance < super::history::START {
        return copy;
    }
    let from = at - distance;
    longest(copy, QuickMatch { at, from, length: block.common(at, from) })
}

impl<M: DeepManner> QuickSearch for DeepSearch<M> {
    fn search(&mut self, block: &mut QuickBlock<'_>) {
        let mut at = block.start;
        let mut distance = 1;
        while let Some((mut copy, next)) = self.tables.first::<M>(block, at, distance) {
            copy.length = block.whole(copy);
            let copy = block.emit(M::farther(&self.tables, block, copy));
            distance = copy.at - copy.from;
            at = (copy.at + copy.length).max(next + 1);
            if at >= block.limit() {
                M::enter_rest(&mut self.tables, block, next + 1);
                break;
            }
            M::enter(&mut self.tables, block, copy, next, at);
        }
        block.finish();
    }

    fn shift(&mut self, moved: usize) {
        self.tables.short.shift(moved);
        self.tables.long.shift(moved);
    }
}

/// The manner of level 5.
pub(super) struct Level5;

impl DeepManner for Level5 {
    const PATIENCE: u32 = 6;

    #[inline]
    fn better(
        tables: &mut DeepTables,
        block: &QuickBlock<'_>,
        copy: QuickMatch,
        next: DeepNext,
        _: usize,
    ) -> QuickMatch {
        tables.short.enter(next.value, next.at);
        let long = tables.long.enter(next.value, next.at);
        if next.at - long.last < REACH {
            for from in [long.last, long.before] {
                if block.fits(next.at, from, next.value, REACH) {
                    let other = copy_of(block, next.at, from);
                    if other.length > copy.length {
                        return other;
                    }
                }
            }
        }
        copy
    }

    #[inline]
    fn farther(tables: &DeepTables, block: &QuickBlock<'_>, copy: QuickMatch) -> QuickMatch {
        let end = copy.at + copy.length;
        if copy.length >= 30 || end >= block.limit() {
            return copy;
        }
        farther(block, copy, copy, tables.long.get(block.load64(end)).last)
    }

    #[inline]
    fn enter(
        tables: &mut DeepTables,
        block: &QuickBlock<'_>,
        copy: QuickMatch,
        _: usize,
        to: usize,
    ) {
        let first = to - copy.length + 1;
        if first + 1 < to {
            let value = block.load64(first);
            tables.enter(value, first);
            tables.long.enter(value >> 8, first + 1);
            tables.short.enter(value >> 16, first + 2);
            for at in (first + 4..to - 1).step_by(3) {
                let value = block.load64(at);
                tables.long.enter(value, at);
                tables.short.enter(value >> 8, at + 1);
            }
        }
        tables.enter(block.load64(to - 1), to - 1);
    }

    fn enter_rest(_: &mut DeepTables, _: &QuickBlock<'_>, _: usize) {}
}

/// The manner of level 6.
pub(super) struct Level6;

impl DeepManner for Level6 {
    const PATIENCE: u32 = 7;

    #[inline]
    fn better(
        tables: &mut DeepTables,
        block: &QuickBlock<'_>,
        mut copy: QuickMatch,
        next: DeepNext,
        distance: usize,
    ) -> QuickMatch {
        tables.short.enter(next.value, next.at);
        let long = tables.long.enter(next.value, next.at);
        let (at, from) = (copy.at + 1, copy.at + 1 - distance);
        if block.load32(from) == block.load32(at) {
            let again = copy_of(block, at, from);
            if again.length > copy.length {
                return again;
            }
        }
        if next.at - long.last < REACH {
            for from in [long.last, long.before] {
                if block.fits(next.at, from, next.value, REACH) {
                    copy = longest(copy, copy_of(block, next.at, from));
                }
            }
        }
        copy
    }

    #[inline]
    fn farther(tables: &DeepTables, block: &QuickBlock<'_>, copy: QuickMatch) -> QuickMatch {
        let end = copy.at + copy.length;
        if end >= block.limit() {
            return copy;
        }
        let places = tables.long.get(block.load64(end));
        if places.last + REACH <= end {
            return copy;
        }
        let better = farther(block, copy, copy, places.last);
        farther(block, better, copy, places.before)
    }

    #[inline]
    fn enter(
        tables: &mut DeepTables,
        block: &QuickBlock<'_>,
        _: QuickMatch,
        next: usize,
        to: usize,
    ) {
        for at in (next + 1..to - 1).step_by(2) {
            let value = block.load64(at);
            tables.enter(value, at);
            tables.long.enter(value >> 8, at + 1);
        }
    }

    fn enter_rest(tables: &mut DeepTables, block: &QuickBlock<'_>, from: usize) {
        for at in (from..block.end - 8).step_by(2) {
            tables.enter(block.load64(at), at);
        }
    }
}
