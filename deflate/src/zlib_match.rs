//! The matcher of zlib and its relatives: hash chains in a window of 64 KiB, greedy or lazy.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "positions are bounded by the window"
)]

use super::deflate_bits::{Last, common_length, load32};
use super::zlib_block::ZlibBlock;

const HALF: usize = 1 << 15;
const WINDOW: usize = 2 * HALF;
const SHORTEST: usize = 3;
const LONGEST: usize = 258;
/// With less than this ahead the program reads on.
const AHEAD: usize = LONGEST + SHORTEST + 1;
/// How far back a match may start.
const REACH: usize = HALF - AHEAD;
/// A match of three bytes is not worth more than this distance.
const TOO_FAR: usize = 4096;
const HASH_BITS: u32 = 15;
/// Bytes behind the window, so that a match can be compared anywhere in it.
const SPARE: usize = LONGEST + 8;

/// How hard a level tries.
#[derive(Clone, Copy)]
pub(crate) struct ZlibEffort {
    /// From this length on a quarter of the chain is enough.
    pub(crate) good: usize,
    /// Lazy: a match of this length is taken at once. Greedy: longer ones are not entered byte by
    /// byte.
    pub(crate) lazy: usize,
    /// From this length on the search ends.
    pub(crate) nice: usize,
    /// How many positions are looked at.
    pub(crate) chain: usize,
    /// Whether a match waits for the one after it.
    pub(crate) waits: ZlibWaits,
}

/// Whether a match is taken at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ZlibWaits {
    Lazy,
    Greedy,
}

/// The levels 1 to 9, the same in all relatives.
pub(crate) const EFFORTS: [ZlibEffort; 9] = {
    const fn row(
        good: usize,
        lazy: usize,
        nice: usize,
        chain: usize,
        waits: ZlibWaits,
    ) -> ZlibEffort {
        ZlibEffort { good, lazy, nice, chain, waits }
    }
    [
        row(4, 4, 8, 4, ZlibWaits::Greedy),
        row(4, 5, 16, 8, ZlibWaits::Greedy),
        row(4, 6, 32, 32, ZlibWaits::Greedy),
        row(4, 4, 16, 16, ZlibWaits::Lazy),
        row(8, 16, 32, 32, ZlibWaits::Lazy),
        row(8, 16, 128, 128, ZlibWaits::Lazy),
        row(8, 32, 128, 256, ZlibWaits::Lazy),
        row(32, 128, 258, 1024, ZlibWaits::Lazy),
        row(32, 258, 258, 4096, ZlibWaits::Lazy),
    ]
};

/// When a block ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ZlibBlockEnd {
    /// At a number of symbols.
    Full,
    /// Also where it compresses well, looked at every 4096 symbols.
    Full4096,
}

/// What the program does at the end of its input.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ZlibTail {
    /// zlib: matches end where the input ends.
    Exact,
    /// gzip: stale bytes behind the end take part in the choice of the last match, but for two
    /// zeros, and none is looked for in the window's last bytes.
    StaleBehindZeros,
    /// BusyBox: stale bytes take part, and matches are looked for everywhere.
    Stale,
}

/// What differs between programs and levels.
#[derive(Clone, Copy)]
pub(crate) struct ZlibRules {
    pub(crate) effort: ZlibEffort,
    /// The number of symbols that ends a block.
    pub(crate) most_symbols: usize,
    pub(crate) block_end: ZlibBlockEnd,
    pub(crate) tail: ZlibTail,
    /// The size of the hash table as a power of two, at most 15.
    pub(crate) hash_bits: u32,
}

/// The matcher with its window.
pub(crate) struct ZlibMatcher {
    rules: ZlibRules,
    window: Box<[u8; WINDOW + SPARE]>,
    /// The newest position of a hash; 0: none.
    heads: Box<[u16; 1 << HASH_BITS]>,
    /// The position before with the same hash, by position.
    chains: Box<[u16; HALF]>,
    hash_mask: u32,
    /// Where the next byte to compress is.
    at: usize,
    /// Where the window's input ends.
    end: usize,
    /// Where the block starts; below zero: no longer in the window.
    block_start: isize,
    /// A byte before `at` waits whether the match that starts at it is the best.
    waiting: bool,
    length: usize,
    start: usize,
    /// Positions before `at` from here on are not yet entered.
    late: usize,
    pub(crate) block: ZlibBlock,
}

impl ZlibMatcher {
    pub(crate) fn new(rules: ZlibRules) -> Self {
        Self {
            rules,
            window: Box::new([0; WINDOW + SPARE]),
            heads: Box::new([0; 1 << HASH_BITS]),
            chains: Box::new([0; HALF]),
            hash_mask: (1 << rules.hash_bits) - 1,
            at: 0,
            end: 0,
            block_start: 0,
            waiting: false,
            length: SHORTEST - 1,
            start: 0,
            late: usize::MAX,
            block: ZlibBlock::new(rules.most_symbols),
        }
    }

    /// Compresses as far as the program would before it asks for more input.
    pub(crate) fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let room = &mut self.window[self.end..WINDOW];
            let (taken, rest) = bytes.split_at(bytes.len().min(room.len()));
            room[..taken.len()].copy_from_slice(taken);
            self.end += taken.len();
            bytes = rest;
            if self.end == WINDOW {
                self.run(ZlibInput::GoesOn, out);
                self.slide();
            }
        }
    }

    /// Compresses the rest and ends the block.
    pub(crate) fn finish(&mut self, last: Last, out: &mut Vec<u8>) {
        self.run(ZlibInput::GoesOn, out);
        self.slide_if_full();
        if self.rules.tail == ZlibTail::StaleBehindZeros {
            let behind = WINDOW.min(self.end + SHORTEST - 1);
            self.window[self.end..behind].fill(0);
        }
        self.run(ZlibInput::Ends, out);
        if self.waiting {
            self.block.add_literal(self.window[self.at - 1]);
            self.waiting = false;
        }
        self.length = SHORTEST - 1;
        self.flush(last, out);
    }

    /// Starts a stream of its own that may refer to the 32 KiB before it. The stream before has
    /// ended.
    pub(crate) fn restart(&mut self) {
        let dictionary = self.end.min(HALF);
        self.window.copy_within(self.end - dictionary..self.end, 0);
        self.heads.fill(0);
        self.at = dictionary;
        self.end = dictionary;
        self.block_start = dictionary as isize;
        // The last two positions lack a byte. They are entered when it comes.
        for at in 0..(dictionary + 1).saturating_sub(SHORTEST) {
            self.enter(at);
        }
        self.late = dictionary.saturating_sub(SHORTEST - 1);
    }

    /// Enters the dictionary's last positions.
    fn enter_late(&mut self) {
        while self.late < self.at && self.late + SHORTEST <= self.end {
            self.enter(self.late);
            self.late += 1;
        }
        self.late = usize::MAX;
    }

    fn slide_if_full(&mut self) {
        if self.at >= HALF + REACH {
            self.slide();
        }
    }

    /// Moves the upper half of the window down.
    fn slide(&mut self) {
        self.window.copy_within(HALF..WINDOW, 0);
        self.at -= HALF;
        self.end -= HALF;
        self.start = self.start.wrapping_sub(HALF);
        self.block_start -= HALF as isize;
        for position in self.heads.iter_mut().chain(self.chains.iter_mut()) {
            *position = position.saturating_sub(HALF as u16);
        }
    }

    fn flush(&mut self, last: Last, out: &mut Vec<u8>) {
        let len = (self.at as isize - self.block_start) as usize;
        let bytes = usize::try_from(self.block_start)
            .ok()
            .and_then(|start| self.window.get(start..self.at));
        self.block.write(bytes, len, last, out);
        self.block_start = self.at as isize;
    }

    fn run(&mut self, input: ZlibInput, out: &mut Vec<u8>) {
        self.enter_late();
        match self.rules.effort.waits {
            ZlibWaits::Lazy => {
                while self.ready(input) {
                    self.step_lazy(out)
                }
            }
            ZlibWaits::Greedy => {
                while self.ready(input) {
                    self.step_greedy(out)
                }
            }
        }
    }

    /// Whether there is enough to compress the next byte.
    #[inline(always)]
    fn ready(&mut self, input: ZlibInput) -> bool {
        let ahead = self.end - self.at;
        if ahead >= AHEAD {
            return true;
        }
        if input == ZlibInput::GoesOn || ahead == 0 {
            return false;
        }
        if self.rules.tail == ZlibTail::Exact {
            self.slide_if_full();
        }
        true
    }

    #[inline(always)]
    fn hash(&self, at: usize) -> usize {
        let bytes = load32(&self.window[..], at);
        let (first, second, third) = (bytes & 0xff, bytes >> 8 & 0xff, bytes >> 16 & 0xff);
        ((first << 10 ^ second << 5 ^ third) & 0x7fff & self.hash_mask) as usize
    }

    /// Enters the position; gives the one before with the same hash.
    #[inline(always)]
    fn enter(&mut self, at: usize) -> usize {
        let hash = self.hash(at);
        let before = self.heads[hash];
        self.chains[at & (HALF - 1)] = before;
        self.heads[hash] = at as u16;
        usize::from(before)
    }

    /// Whether the three bytes at `at` are there. gzip does not ask.
    #[inline(always)]
    fn enough(&self, at: usize) -> bool {
        at + SHORTEST <= self.end || self.rules.tail != ZlibTail::Exact
    }

    /// Whether a match may be looked for from `before` on.
    #[inline(always)]
    fn reachable(&self, before: usize) -> bool {
        before != 0
            && self.at - before <= REACH
            && (self.rules.tail != ZlibTail::StaleBehindZeros || self.at <= WINDOW - AHEAD)
    }

    /// Whether the block ends with the symbol just added.
    #[inline(always)]
    fn block_is_full(&self) -> bool {
        let symbols = self.block.len();
        symbols == self.rules.most_symbols
            || symbols & 0xfff == 0
                && self.rules.block_end == ZlibBlockEnd::Full4096
                && self.block.good_enough((self.at as isize - self.block_start) as usize)
    }

    #[inline(always)]
    fn step_greedy(&mut self, out: &mut Vec<u8>) {
        let before = if self.enough(self.at) { self.enter(self.at) } else { 0 };
        let length = if self.reachable(before) { self.longest(before, SHORTEST - 1) } else { 0 };
        let full;
        if length >= SHORTEST {
            self.block.add_match(length, self.at - self.start);
            full = self.block_is_full();
            let after = self.at + length;
            if length <= self.rules.effort.lazy && self.enough(after) {
                for at in self.at + 1..after {
                    self.enter(at);
                }
            }
            self.at = after;
        } else {
            self.block.add_literal(self.window[self.at]);
            full = self.block_is_full();
            self.at += 1;
        }
        if full {
            self.flush(Last::No, out);
        }
    }

    #[inline(always)]
    fn step_lazy(&mut self, out: &mut Vec<u8>) {
        let before = if self.enough(self.at) { self.enter(self.at) } else { 0 };
        let (length_before, start_before) = (self.length, self.start);
        self.length = SHORTEST - 1;
        if length_before < self.rules.effort.lazy && self.reachable(before) {
            self.length = self.longest(before, length_before);
            if self.length == SHORTEST && self.at - self.start > TOO_FAR {
                self.length = SHORTEST - 1;
            }
        }
        if length_before >= SHORTEST && self.length <= length_before {
            self.block.add_match(length_before, self.at - 1 - start_before);
            let full = self.block_is_full();
            let after = self.at - 1 + length_before;
            for at in self.at + 1..after {
                if self.enough(at) {
                    self.enter(at);
                }
            }
            self.at = after;
            self.waiting = false;
            self.length = SHORTEST - 1;
            if full {
                self.flush(Last::No, out);
            }
            return;
        }
        if self.waiting {
            self.block.add_literal(self.window[self.at - 1]);
            if self.block_is_full() {
                self.flush(Last::No, out);
            }
        }
        self.waiting = true;
        self.at += 1;
    }

    /// The length of the longest match at the next byte that is longer than `best`, or `best`, as
    /// far as the input goes.
    #[inline(always)]
    fn longest(&mut self, mut from: usize, mut best: usize) -> usize {
        let window = &self.window[..];
        let at = self.at;
        let ahead = self.end - at;
        let effort = &self.rules.effort;
        let (most, nice) = match self.rules.tail {
            ZlibTail::Exact if best >= ahead => return ahead,
            ZlibTail::Exact => (LONGEST.min(ahead), effort.nice.min(ahead)),
            ZlibTail::Stale | ZlibTail::StaleBehindZeros => (LONGEST, effort.nice),
        };
        let end = at + most;
        let mut tries = if best >= effort.good { effort.chain >> 2 } else { effort.chain };
        let limit = at.saturating_sub(REACH);
        let head = load16(window, at);
        let mut tail = load16(window, at + best - 1);
        loop {
            if load16(window, from + best - 1) == tail && load16(window, from) == head {
                let length = common_length(window, from, at, end);
                if length > best {
                    self.start = from;
                    best = length;
                    if length >= nice {
                        break;
                    }
                    tail = load16(window, at + best - 1);
                }
            }
            from = usize::from(self.chains[from & (HALF - 1)]);
            tries -= 1;
            if from <= limit || tries == 0 {
                break;
            }
        }
        best.min(ahead)
    }
}

/// Whether more input may come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ZlibInput {
    GoesOn,
    Ends,
}

#[inline(always)]
fn load16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |chunk| u16::from_le_bytes(*chunk))
}
