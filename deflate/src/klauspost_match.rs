//! The matcher of `klauspost/compress` flate at level 5, its default: two hash tables, one over
//! four bytes and one over seven bytes that keeps two positions.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "positions are bounded by the block, and tables are cleared before they overflow"
)]

use super::deflate_bits::{common_length, load32, load64};
use super::klauspost_rules::{KlauspostRules, MatchEnd};
use super::klauspost_tokens::FoundTokens;

/// The most that any release has; a table that is used to a half costs no more.
const TABLE_BITS: u32 = 16;
const TABLE_MASK: usize = (1 << TABLE_BITS) - 1;
const REACH: i32 = 1 << 15;
const LONGEST: i32 = 258;
/// The last bytes of a block, where no match starts.
const MARGIN: usize = 11;
/// Tables are cleared before positions come near the end of their numbers.
const CLEAR_AT: i32 = 1 << 30;

/// Positions by hash. A position is kept with the number of all bytes of earlier streams added,
/// so that a new stream needs no cleared tables.
pub(crate) struct KlauspostMatcher {
    short: Box<[i32; 1 << TABLE_BITS]>,
    /// The newest position in the low half, the one before it in the high half.
    long: Box<[u64; 1 << TABLE_BITS]>,
    base: i32,
    match_end: MatchEnd,
    table_bits: u32,
}

/// A match that the search came upon.
struct Found {
    at: i32,
    from: i32,
    /// 0: at least four, not yet measured.
    length: i32,
    next: i32,
}

#[inline(always)]
fn hash4(bytes: u64, bits: u32) -> usize {
    ((bytes as u32).wrapping_mul(2_654_435_761) >> (32 - bits)) as usize & TABLE_MASK
}

#[inline(always)]
fn hash7(bytes: u64, bits: u32) -> usize {
    ((bytes << 8).wrapping_mul(58_295_818_150_454_627) >> (64 - bits)) as usize & TABLE_MASK
}

#[inline(always)]
fn newest(pair: u64) -> i32 {
    pair as u32 as i32
}

/// The pair with a newer position; the older one goes.
#[inline(always)]
fn newer(pair: u64, position: i32) -> u64 {
    pair << 32 | u64::from(position as u32)
}

#[inline(always)]
fn older(pair: u64) -> i32 {
    (pair >> 32) as i32
}

impl KlauspostMatcher {
    /// Empty tables.
    pub(crate) fn new(rules: &KlauspostRules) -> Self {
        Self {
            short: Box::new([0; 1 << TABLE_BITS]),
            long: Box::new([0; 1 << TABLE_BITS]),
            base: 1 << 16,
            match_end: rules.match_end,
            table_bits: rules.table_bits,
        }
    }

    /// Puts everything seen so far out of reach; `seen` bytes were given since the last call.
    pub(crate) fn forget(&mut self, seen: usize) {
        self.base += REACH + seen as i32;
        if self.base > CLEAR_AT {
            self.short.fill(0);
            self.long.fill(0);
            self.base = 1 << 16;
        }
    }

    /// Finds the matches of `bytes` from `start` on; what lies before may be referred to.
    /// Adds nothing when there is none.
    pub(crate) fn find(&mut self, bytes: &[u8], start: usize, tokens: &mut FoundTokens) {
        if bytes.len() < start + MARGIN + 2 {
            return;
        }
        let limit = (bytes.len() - MARGIN) as i32;
        let mut at = start as i32;
        let mut emitted = at;
        let mut ahead = load64(bytes, start);
        while let Some(mut found) = self.search(bytes, at, emitted, limit, ahead) {
            measure(bytes, &mut found);
            self.improve(bytes, limit, &mut found);
            extend_back(bytes, emitted, &mut found);
            tokens.add_literals(&bytes[emitted as usize..found.at as usize]);
            tokens.add_match(found.length, found.at - found.from);
            at = found.at + found.length;
            emitted = at;
            if found.next >= at {
                at = found.next + 1;
            }
            if at >= limit {
                break;
            }
            self.index_match(bytes, at - found.length + 1, at);
            let last = load64(bytes, (at - 1) as usize);
            self.put_both(last, at - 1);
            ahead = last >> 8;
        }
        if !tokens.list.is_empty() {
            tokens.add_literals(&bytes[emitted as usize..]);
        }
    }

    #[inline(always)]
    fn put_short(&mut self, slot: usize, at: i32) {
        self.short[slot] = at + self.base;
    }

    #[inline(always)]
    fn put_long(&mut self, slot: usize, at: i32) {
        self.long[slot] = newer(self.long[slot], at + self.base);
    }

    #[inline(always)]
    fn put_both(&mut self, bytes: u64, at: i32) {
        self.put_short(hash4(bytes, self.table_bits), at);
        self.put_long(hash7(bytes, self.table_bits), at);
    }

    /// Goes on until four bytes equal; faster and faster while nothing is found.
    #[inline(always)]
    fn search(
        &mut self,
        bytes: &[u8],
        start: i32,
        emitted: i32,
        limit: i32,
        mut ahead: u64,
    ) -> Option<Found> {
        let (base, bits) = (self.base, self.table_bits);
        let (short_table, long_table) = (&mut *self.short, &mut *self.long);
        let mut next = start;
        let (mut short_slot, mut long_slot) = (hash4(ahead, bits), hash7(ahead, bits));
        loop {
            let at = next;
            next = at + 1 + ((at - emitted) >> 6);
            if next > limit {
                return None;
            }
            let short = short_table[short_slot];
            let long = long_table[long_slot];
            let upcoming = load64(bytes, next as usize);
            short_table[short_slot] = at + base;
            long_table[long_slot] = newer(long, at + base);
            short_slot = hash4(upcoming, bits);
            long_slot = hash7(upcoming, bits);
            let mut found = long_match(bytes, at, ahead, long, base);
            let from = short - base;
            if found.is_none() && equal(bytes, from, at, ahead) {
                let length = match_from_fourth(bytes, from, at);
                // A longer match may start at the next position.
                let long = long_table[long_slot];
                let better = next_match(bytes, next, upcoming, long, base, length);
                found = Some(better.unwrap_or(Found { at, from, length, next: 0 }));
            }
            if let Some(found) = found {
                short_table[short_slot] = next + base;
                long_table[long_slot] = newer(long_table[long_slot], next + base);
                return Some(Found { next, ..found });
            }
            ahead = upcoming;
        }
    }

    /// Takes the position that the table has for the match's end, if a match from there is longer.
    #[inline(always)]
    fn improve(&self, bytes: &[u8], limit: i32, found: &mut Found) {
        let MatchEnd::Tried(skip) = self.match_end else { return };
        let end = found.at + found.length;
        if found.length >= 30 || end >= limit {
            return;
        }
        let candidate = newest(self.long[hash7(load64(bytes, end as usize), self.table_bits)]);
        let from = candidate - self.base - found.length + skip;
        let at = found.at + skip;
        let distance = at - from;
        if from >= 0 && distance < REACH && distance > 0 {
            let length = common_length(bytes, from as usize, at as usize, bytes.len()) as i32;
            if length > found.length {
                found.from = from;
                found.length = length;
                found.at = at;
            }
        }
    }

    /// Enters every third position within a match.
    #[inline(always)]
    fn index_match(&mut self, bytes: &[u8], start: i32, end: i32) {
        let mut at = start;
        if at >= end - 1 {
            return;
        }
        let window = load64(bytes, at as usize);
        self.put_both(window, at);
        self.put_long(hash7(window >> 8, self.table_bits), at + 1);
        self.put_short(hash4(window >> 16, self.table_bits), at + 2);
        at += 4;
        while at < end - 1 {
            let window = load64(bytes, at as usize);
            self.put_long(hash7(window, self.table_bits), at);
            self.put_short(hash4(window >> 8, self.table_bits), at + 1);
            at += 3;
        }
    }
}

/// The match at one of the positions where seven bytes may equal. The longer one, if both match.
#[inline(always)]
fn long_match(bytes: &[u8], at: i32, ahead: u64, long: u64, base: i32) -> Option<Found> {
    let from = newest(long) - base;
    if at - from >= REACH {
        return None;
    }
    let before = older(long) - base;
    let before_equals = equal(bytes, before, at, ahead);
    let found = |from, length| Some(Found { at, from, length, next: 0 });
    if !equal(bytes, from, at, ahead) {
        return if before_equals { found(before, 0) } else { None };
    }
    if !before_equals {
        return found(from, 0);
    }
    let length = match_from_fourth(bytes, from, at);
    let other = match_from_fourth(bytes, before, at);
    if other > length { found(before, other) } else { found(from, length) }
}

/// The match at the next position, if it is longer than `length`.
#[inline(always)]
fn next_match(
    bytes: &[u8],
    next: i32,
    upcoming: u64,
    long: u64,
    base: i32,
    length: i32,
) -> Option<Found> {
    let newest = newest(long) - base;
    if next - newest >= REACH {
        return None;
    }
    for from in [newest, older(long) - base] {
        if equal(bytes, from, next, upcoming) {
            let other = match_from_fourth(bytes, from, next);
            if other > length {
                return Some(Found { at: next, from, length: other, next });
            }
        }
    }
    None
}

/// Whether `from` can be referred to and has the four bytes of `ahead`, which are those at `at`.
#[inline(always)]
fn equal(bytes: &[u8], from: i32, at: i32, ahead: u64) -> bool {
    at - from < REACH && load32(bytes, from as usize) == ahead as u32
}

/// The length of a match whose first four bytes are known, up to 258.
#[inline(always)]
fn match_from_fourth(bytes: &[u8], from: i32, at: i32) -> i32 {
    let end = bytes.len().min((at + LONGEST) as usize);
    common_length(bytes, (from + 4) as usize, (at + 4) as usize, end) as i32 + 4
}

#[inline(always)]
fn measure(bytes: &[u8], found: &mut Found) {
    let known = match found.length {
        0 => 4,
        LONGEST => LONGEST,
        _ => return,
    };
    let (from, at) = ((found.from + known) as usize, (found.at + known) as usize);
    found.length = known + common_length(bytes, from, at, bytes.len()) as i32;
}

#[inline(always)]
fn extend_back(bytes: &[u8], emitted: i32, found: &mut Found) {
    while found.from > 0
        && found.at > emitted
        && bytes[found.from as usize - 1] == bytes[found.at as usize - 1]
    {
        found.at -= 1;
        found.from -= 1;
        found.length += 1;
    }
}
