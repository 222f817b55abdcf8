//! What Go's `compress/flate` wrote up to Go 1.6, before it was rewritten: docker's layers until
//! the middle of 2016.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "positions are bounded by the window, and lengths by 258"
)]

use super::DeflateWriter;
use super::deflate_bits::{Last, common_length, load32};
use super::early_block::EarlyBlock;

const HALF: usize = 1 << 15;
const WINDOW: usize = 2 * HALF;
const SHORTEST: usize = 3;
const LONGEST: usize = 258;
/// With less than this ahead the program waits for more.
const AHEAD: usize = SHORTEST + LONGEST;
/// Bytes behind the window, so that four can be read anywhere in it.
const SPARE: usize = 8;
const HASH_BITS: u32 = 17;
/// A match of three bytes is not worth more than this distance.
const TOO_FAR: usize = 4096;
const MOST_TOKENS: usize = 1 << 14;
/// Level 6, the default: a match of `LAZY` bytes is taken at once, one of `NICE` ends the search
/// over `CHAIN` positions.
const LAZY: usize = 16;
const NICE: usize = 128;
const CHAIN: usize = 128;

/// Compresses as Go up to 1.6 does at level 6.
pub(crate) fn encoder() -> Box<dyn DeflateWriter> {
    Box::new(GoEarlyWriter {
        window: Box::new([0; WINDOW + SPARE]),
        heads: Box::new([0; 1 << HASH_BITS]),
        chains: Box::new([0; HALF]),
        at: 0,
        end: 0,
        block_start: Some(0),
        waiting: false,
        length: SHORTEST - 1,
        distance: 0,
        block: EarlyBlock::default(),
    })
}

struct GoEarlyWriter {
    window: Box<[u8; WINDOW + SPARE]>,
    /// The newest position of a hash plus one; 0: none.
    heads: Box<[u16; 1 << HASH_BITS]>,
    /// The position before with the same hash, plus one, by position.
    chains: Box<[u16; HALF]>,
    at: usize,
    end: usize,
    /// Where the block starts, while that is in the window.
    block_start: Option<usize>,
    /// The byte before `at` waits whether the match that starts at it is the best.
    waiting: bool,
    length: usize,
    distance: usize,
    block: EarlyBlock,
}

impl DeflateWriter for GoEarlyWriter {
    fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            // The window is worked off when there is more to come than it can hold.
            if self.end == WINDOW {
                while self.end - self.at >= AHEAD {
                    self.step(out);
                }
                self.slide();
            }
            let room = &mut self.window[self.end..WINDOW];
            let (taken, rest) = bytes.split_at(bytes.len().min(room.len()));
            room[..taken.len()].copy_from_slice(taken);
            self.end += taken.len();
            bytes = rest;
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        while self.at < self.end {
            self.step(out);
        }
        if self.waiting {
            self.block.tokens.add_literals(&self.window[self.at - 1..self.at]);
        }
        if !self.block.tokens.list.is_empty() {
            self.flush(out);
        }
        self.block.bits.put_stored(&[], Last::Yes, out);
    }
}

impl GoEarlyWriter {
    /// Moves the upper half of the window down.
    fn slide(&mut self) {
        self.window.copy_within(HALF..WINDOW, 0);
        self.at -= HALF;
        self.end -= HALF;
        self.block_start = self.block_start.and_then(|start| start.checked_sub(HALF));
        for position in self.heads.iter_mut().chain(self.chains.iter_mut()) {
            *position = position.saturating_sub(HALF as u16);
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        let bytes = self.block_start.and_then(|start| self.window.get(start..self.at));
        self.block.write_shortest(bytes, out);
        self.block_start = Some(self.at);
    }

    /// Enters the position; gives the one before with the same hash, if there is one.
    #[inline(always)]
    fn enter(&mut self, at: usize) -> Option<usize> {
        let bytes = load32(&self.window[..], at);
        let (first, second, third) = (bytes & 0xff, bytes >> 8 & 0xff, bytes >> 16 & 0xff);
        let hash = ((first << 12) + (second << 6) + third) as usize & ((1 << HASH_BITS) - 1);
        let before = self.heads[hash];
        self.chains[at & (HALF - 1)] = before;
        self.heads[hash] = at as u16 + 1;
        usize::from(before).checked_sub(1)
    }

    /// Takes one byte, or the match that waits.
    #[inline(always)]
    fn step(&mut self, out: &mut Vec<u8>) {
        let ahead = self.end - self.at;
        let before = if ahead >= SHORTEST { self.enter(self.at) } else { None };
        let (length_before, distance_before) = (self.length, self.distance);
        self.length = SHORTEST - 1;
        if let Some(before) = before
            && before + HALF >= self.at
            && ahead > length_before
            && length_before < LAZY
        {
            self.search(before, ahead);
        }
        if length_before >= SHORTEST && self.length <= length_before {
            self.block.tokens.add_match(length_before as i32, distance_before as i32);
            let after = self.at + length_before - 1;
            for at in self.at + 1..after.min(self.end.saturating_sub(SHORTEST - 1)) {
                self.enter(at);
            }
            self.at = after;
            self.waiting = false;
            self.length = SHORTEST - 1;
            if self.block.tokens.list.len() == MOST_TOKENS {
                self.flush(out);
            }
            return;
        }
        if self.waiting {
            self.block.tokens.add_literals(&self.window[self.at - 1..self.at]);
            if self.block.tokens.list.len() == MOST_TOKENS {
                self.flush(out);
            }
        }
        self.at += 1;
        self.waiting = true;
    }

    /// Looks for the longest match from `from` on.
    #[inline(always)]
    fn search(&mut self, mut from: usize, ahead: usize) {
        let window = &self.window[..];
        let at = self.at;
        let end = at + ahead.min(LONGEST);
        let nice = NICE.min(ahead);
        for _ in 0..CHAIN {
            if window[from + self.length] == window[at + self.length] {
                let length = common_length(window, from, at, end);
                if length > self.length && (length > SHORTEST || at - from <= TOO_FAR) {
                    self.length = length;
                    self.distance = at - from;
                    if length >= nice {
                        return;
                    }
                }
            }
            let Some(next) = usize::from(self.chains[from & (HALF - 1)]).checked_sub(1) else {
                return;
            };
            if from + HALF == at || next + HALF < at {
                return;
            }
            from = next;
        }
    }
}
