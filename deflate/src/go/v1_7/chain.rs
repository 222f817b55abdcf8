//! Levels 2 to 9 of Go up to 1.26: chains of places with the same hash, in a window of 64 KiB.

use super::super::super::DeflateWriter;
use super::super::chains::{
    AHEAD, ChainMatch, ChainWindow, REACH, SHORTEST, START, SlidingWindow, bytes, common,
};
use super::super::plain::{BlockPlace, PlainBlocks};
use super::super::tokens::{DeflateToken, LONGEST};
use super::block::CheapestBlocks;

/// Tokens of a block.
const TOKENS: usize = 1 << 14;
/// The farthest distance of a match of the shortest length.
const NEAR: usize = 4096;

/// How thoroughly a level searches.
struct ChainSearch {
    /// A longer match ends the search.
    nice: usize,
    /// Places to look at.
    tries: u32,
    manner: ChainManner,
}

/// What a level does with a match.
#[derive(Clone, Copy)]
enum ChainManner {
    /// Takes it. Of one longer than this only the start is entered.
    Greedy(usize),
    /// Looks for a longer one at the next byte, unless it is this long.
    Lazy(usize),
}

impl ChainSearch {
    fn of_level(level: u8) -> Self {
        let (manner, nice, tries) = match level {
            2 => (ChainManner::Greedy(5), 16, 8),
            3 => (ChainManner::Greedy(6), 32, 32),
            4 => (ChainManner::Lazy(4), 16, 16),
            5 => (ChainManner::Lazy(16), 32, 32),
            6 => (ChainManner::Lazy(16), 128, 128),
            7 => (ChainManner::Lazy(32), 128, 256),
            8 => (ChainManner::Lazy(128), LONGEST, 1024),
            _ => (ChainManner::Lazy(LONGEST), LONGEST, 4096),
        };
        Self { nice, tries, manner }
    }
}

/// The writer of levels 2 to 9.
pub(super) struct ChainWriter {
    search: ChainSearch,
    blocks: CheapestBlocks,
    window: SlidingWindow,
    tokens: Vec<DeflateToken>,
    /// The match at the byte before.
    before: ChainMatch,
    /// Whether the byte before has no token yet.
    waiting: bool,
}

impl ChainWriter {
    pub(super) fn new(level: u8) -> Self {
        Self {
            search: ChainSearch::of_level(level),
            blocks: CheapestBlocks::new(),
            window: SlidingWindow::new(),
            tokens: Vec::with_capacity(TOKENS),
            before: ChainMatch::NONE,
            waiting: false,
        }
    }

    fn run(&mut self, place: BlockPlace, out: &mut Vec<u8>) {
        match self.search.manner {
            ChainManner::Greedy(entered) => self.greedy(entered, place, out),
            ChainManner::Lazy(enough) => self.lazy(enough, place, out),
        }
    }

    fn lazy(&mut self, enough: usize, place: BlockPlace, out: &mut Vec<u8>) {
        while self.goes_on(place) {
            let ahead = self.window.end - self.window.at;
            let last = self.window.enter(self.window.at, hash);
            self.window.links.prepare(hash(&self.window.bytes, self.window.at + 1));
            let before = self.before;
            self.before = ChainMatch::NONE;
            if before.length < enough && ahead > before.length {
                self.before = self.find(last, ahead);
            }
            if before.length >= SHORTEST && self.before.length <= before.length {
                self.push(DeflateToken::copy(before.length, before.distance));
                let next = self.window.at + before.length - 1;
                self.window.enter_all(self.window.at + 1..next, hash);
                self.window.at = next;
                self.waiting = false;
                self.before = ChainMatch::NONE;
            } else {
                if self.waiting {
                    self.push(DeflateToken::literal(self.window.bytes[self.window.at - 1]));
                    // This block ends before the byte at hand.
                    if self.tokens.len() == TOKENS {
                        self.block(self.window.at, out);
                    }
                }
                self.window.at += 1;
                self.waiting = true;
            }
            if self.tokens.len() == TOKENS {
                self.block(self.window.at, out);
            }
        }
        if place == BlockPlace::Last {
            if self.waiting {
                self.push(DeflateToken::literal(self.window.bytes[self.window.at - 1]));
                self.waiting = false;
            }
            self.block(self.window.at, out);
        }
    }

    fn greedy(&mut self, entered: usize, place: BlockPlace, out: &mut Vec<u8>) {
        while self.goes_on(place) {
            let ahead = self.window.end - self.window.at;
            let last = self.window.enter(self.window.at, hash);
            let found = if ahead >= SHORTEST { self.find(last, ahead) } else { ChainMatch::NONE };
            if found.length >= SHORTEST {
                self.push(DeflateToken::copy(found.length, found.distance));
                let next = self.window.at + found.length;
                if found.length <= entered {
                    self.window.enter_all(self.window.at + 1..next, hash);
                }
                self.window.at = next;
            } else {
                self.push(DeflateToken::literal(self.window.bytes[self.window.at]));
                self.window.at += 1;
            }
            if self.tokens.len() == TOKENS {
                self.block(self.window.at, out);
            }
        }
        if place == BlockPlace::Last {
            self.block(self.window.at, out);
        }
    }

    #[inline]
    fn goes_on(&self, place: BlockPlace) -> bool {
        match place {
            BlockPlace::Inner => self.window.at + AHEAD <= self.window.end,
            BlockPlace::Last => self.window.at < self.window.end,
        }
    }

    #[inline]
    fn push(&mut self, token: DeflateToken) {
        self.tokens.push(token);
    }

    /// Ends a block before `end`.
    fn block(&mut self, end: usize, out: &mut Vec<u8>) {
        if !self.tokens.is_empty() {
            let plain = self.window.block(end);
            self.blocks.cheapest(&self.tokens, plain, out);
            self.tokens.clear();
        }
    }

    /// Looks for the longest match of at most `ahead` bytes, from the place `last` backwards.
    #[inline]
    fn find(&self, last: usize, ahead: usize) -> ChainMatch {
        let at = self.window.at & 0xffff;
        let floor = at.saturating_sub(REACH);
        let lowest = floor.max(START);
        let mut found = ChainMatch::NONE;
        if last < lowest {
            return found;
        }
        let (window, links) = (&*self.window.bytes, &self.window.links);
        let most = ahead.min(LONGEST);
        let nice = self.search.nice.min(most);
        // Where the bytes are that a longer match must have: the last four of it.
        let mut tail = 0_u8;
        let mut wanted = u32::from_le_bytes(bytes(window, at));
        let mut place = last & 0xffff;
        for _ in 0..self.search.tries {
            if u32::from_le_bytes(bytes(window, place + usize::from(tail))) == wanted {
                let length = common(window, place, at).min(most);
                if length > found.length && (length > SHORTEST || at - place <= NEAR) {
                    found = ChainMatch { length, distance: at - place };
                    if length >= nice {
                        break;
                    }
                    tail = tail_of(length);
                    wanted = u32::from_le_bytes(bytes(window, at + usize::from(tail)));
                }
            }
            let next = links.before(place);
            // The link of the lowest place is overwritten by this one's.
            if place == floor || next < lowest {
                break;
            }
            place = next;
        }
        found
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a length is at most 258")]
fn tail_of(length: usize) -> u8 {
    (length - (SHORTEST - 1)) as u8
}

/// The hash of four bytes.
#[inline]
fn hash(window: &ChainWindow, at: usize) -> u32 {
    u32::from_be_bytes(bytes(window, at)).wrapping_mul(0x1e35_a7bd)
}

impl DeflateWriter for ChainWriter {
    fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            // Only a full window is worked on, so that cuts have no effect.
            if self.window.is_full() {
                self.run(BlockPlace::Inner, out);
                self.window.shift();
            }
            bytes = self.window.take(bytes);
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.run(BlockPlace::Last, out);
        self.blocks.finish(out);
    }
}
