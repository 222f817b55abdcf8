//! Levels 7 to 9 of Go 1.27: chains of places with the same hash, in a window of 64 KiB.

use super::super::super::DeflateWriter;
use super::super::chains::{
    AHEAD, ChainMatch, ChainWindow, REACH, SHORTEST, START, SlidingWindow, bytes, common,
};
use super::super::plain::{BlockPlace, PlainBlocks};
use super::super::tokens::{
    DISTANCE_EXTRA, DeflateToken, LENGTH_EXTRA, LENGTH_SYMBOL, LONGEST, distance_symbol,
};
use super::block::ReusingBlocks;
use crate::huffman::{PrefixCode, WIDEST};

/// Tokens of a block.
const TOKENS: usize = 1 << 15;
/// Bytes at the start of a match that another one need not have.
const SKIPPED: usize = 2;
/// What a match must save more than, in bits.
const LEAST_GAIN: usize = 4;
/// What a match is thought to cost besides its extra bits.
const COST: usize = 3;

/// How thoroughly a level searches.
struct LazySearch {
    /// Of a match this long no longer one is looked for at the next byte.
    enough: usize,
    /// A longer match ends the search.
    nice: usize,
    /// Places to look at.
    tries: u16,
}

impl LazySearch {
    fn of_level(level: u8) -> Self {
        let (enough, nice, tries) = match level {
            7 => (12, 16, 24),
            8 => (30, 40, 64),
            _ => (LONGEST, LONGEST, 1024),
        };
        Self { enough, nice, tries }
    }

    /// Whether matches are weighed by what they save, and not by their length alone.
    fn weighs(&self) -> bool {
        self.tries > 100
    }
}

/// The writer of levels 7 to 9.
pub(super) struct LazyWriter {
    search: LazySearch,
    blocks: ReusingBlocks,
    window: SlidingWindow,
    tokens: Vec<DeflateToken>,
    /// The match at the byte before.
    before: ChainMatch,
    /// Whether the byte before has no token yet.
    waiting: bool,
    /// Literals since the last match.
    missed: u16,
    /// Bits that each literal is thought to take.
    widths: [u8; 256],
}

impl LazyWriter {
    pub(super) fn new(level: u8) -> Self {
        Self {
            search: LazySearch::of_level(level),
            blocks: ReusingBlocks::new(8),
            window: SlidingWindow::new(),
            tokens: Vec::with_capacity(TOKENS),
            before: ChainMatch::NONE,
            waiting: false,
            missed: 0,
            widths: [1; 256],
        }
    }

    /// Estimates from the next bytes what literals take.
    fn weigh(&mut self) {
        if !self.search.weighs() || self.window.at == self.window.end {
            return;
        }
        let mut counts = [0; 256];
        for byte in &self.window.bytes[self.window.at..self.window.end.min(self.window.at + TOKENS)]
        {
            counts[usize::from(*byte)] += 1;
        }
        // A byte that does not occur counts as one bit.
        self.widths = PrefixCode::build(&counts, WIDEST).widths.map(|width| width.max(1));
    }

    fn run(&mut self, place: BlockPlace, out: &mut Vec<u8>) {
        self.weigh();
        while self.window.at + AHEAD <= self.window.end
            || place == BlockPlace::Last && self.window.at < self.window.end
        {
            let ahead = self.window.end - self.window.at;
            let last = self.window.enter(self.window.at, hash);
            self.window.links.prepare(hash(&self.window.bytes, self.window.at + 1));
            let before = self.before;
            self.before = ChainMatch::NONE;
            if before.length < self.search.enough && ahead > before.length {
                self.before = self.find(last, ahead);
            }
            if before.length >= SHORTEST && self.before.length <= before.length {
                self.copy(before, ahead, place, out);
                continue;
            }
            if self.before.length >= SHORTEST {
                self.missed = 0;
            }
            if self.waiting {
                self.missed = self.missed.wrapping_add(1);
                self.literal(place, out);
                self.window.at += 1;
                self.hurry(place, out);
            } else {
                self.window.at += 1;
                self.waiting = true;
            }
        }
        if place == BlockPlace::Last {
            if self.waiting {
                self.tokens.push(DeflateToken::literal(self.window.bytes[self.window.at - 1]));
                self.waiting = false;
            }
            self.block(self.window.at, place, out);
        }
    }

    /// Writes the match at the byte before.
    fn copy(&mut self, found: ChainMatch, ahead: usize, place: BlockPlace, out: &mut Vec<u8>) {
        let found = self.farther(found, ahead, place, out);
        self.push(
            DeflateToken::copy(found.length, found.distance),
            self.window.at + found.length - 1,
            place,
            out,
        );
        let next = self.window.at + found.length - 1;
        self.window.enter_all(self.window.at + 1..next, hash);
        self.window.at = next;
        self.waiting = false;
        self.before = ChainMatch::NONE;
        self.missed = 0;
    }

    /// Prefers a match that ends later, by what follows the match at hand, even if it begins up to
    /// two bytes later.
    fn farther(
        &mut self,
        found: ChainMatch,
        ahead: usize,
        place: BlockPlace,
        out: &mut Vec<u8>,
    ) -> ChainMatch {
        let first = self.window.at - 1;
        let end = first + found.length;
        if found.length >= LONGEST - SKIPPED || end + SHORTEST > self.window.end {
            return found;
        }
        let lowest = self.window.at.saturating_sub(REACH).max(START);
        let Some(from) =
            self.window.links.last(hash(&self.window.bytes, end)).checked_sub(found.length)
        else {
            return found;
        };
        let distance = first - from;
        if distance == found.distance || from <= lowest + SKIPPED {
            return found;
        }
        let most = ahead.min(LONGEST + SKIPPED) - SKIPPED;
        let mut length = common(&self.window.bytes, first + SKIPPED, from + SKIPPED).min(most);
        if length <= found.length {
            return found;
        }
        for skipped in (0..SKIPPED).rev() {
            if length >= LONGEST
                || self.window.bytes[first + skipped] != self.window.bytes[from + skipped]
            {
                for _ in 0..=skipped {
                    self.literal(place, out);
                    self.window.at += 1;
                    self.window.enter(self.window.at, hash);
                }
                break;
            }
            length += 1;
        }
        ChainMatch { length, distance }
    }

    /// After many literals goes on without a look at every byte.
    fn hurry(&mut self, place: BlockPlace, out: &mut Vec<u8>) {
        let over = self.missed.saturating_sub(self.search.tries);
        if over == 0 {
            return;
        }
        for _ in 0..=over >> 6 {
            if self.window.at + 1 >= self.window.end {
                break;
            }
            self.literal(place, out);
            self.window.enter(self.window.at, hash);
            self.window.at += 1;
        }
        self.literal(place, out);
        self.waiting = false;
    }

    /// Writes the byte before as a literal.
    fn literal(&mut self, place: BlockPlace, out: &mut Vec<u8>) {
        self.push(
            DeflateToken::literal(self.window.bytes[self.window.at - 1]),
            self.window.at,
            place,
            out,
        );
    }

    /// Writes a token for bytes up to `end`.
    fn push(&mut self, token: DeflateToken, end: usize, place: BlockPlace, out: &mut Vec<u8>) {
        self.tokens.push(token);
        if self.tokens.len() == TOKENS {
            self.block(end, place, out);
        }
    }

    /// Ends a block before `end`.
    fn block(&mut self, end: usize, place: BlockPlace, out: &mut Vec<u8>) {
        if !self.tokens.is_empty() {
            let plain = self.window.block(end);
            self.blocks.tokens(&self.tokens, plain, place, out);
            self.tokens.clear();
        }
    }

    /// Looks for the best match of at most `ahead` bytes, from the place `last` backwards.
    #[inline]
    fn find(&self, last: usize, ahead: usize) -> ChainMatch {
        let at = self.window.at & 0xffff;
        let lowest = at.saturating_sub(REACH).max(START);
        let mut found = ChainMatch::NONE;
        if last < lowest {
            return found;
        }
        let window = &*self.window.bytes;
        let most = ahead.min(LONGEST);
        let nice = self.search.nice.min(most);
        let mut gain = LEAST_GAIN;
        let mut place = last & 0xffff;
        for _ in 0..self.search.tries {
            let tail = (found.length - (SHORTEST - 1)) & 255;
            if bytes::<4>(window, place + tail) == bytes::<4>(window, at + tail) {
                let length = common(window, place, at).min(most);
                let distance = at - place;
                if length > found.length && self.gains(at, length, distance, &mut gain) {
                    found = ChainMatch { length, distance };
                    if length >= nice {
                        break;
                    }
                }
            }
            let next = self.window.links.before(place);
            if place == lowest || next < lowest {
                break;
            }
            place = next;
        }
        found
    }

    /// Whether a match saves more than the best so far, where that is asked.
    #[inline]
    fn gains(&self, at: usize, length: usize, distance: usize, gain: &mut usize) -> bool {
        if !self.search.weighs() {
            return true;
        }
        let plain: usize = self.window.bytes[at..at + length]
            .iter()
            .map(|byte| usize::from(self.widths[usize::from(*byte)]))
            .sum();
        // Go takes the symbol of the distance, not of one less, and its table ends before the
        // farthest.
        let far = u16::try_from(distance % REACH).map_or(0, distance_symbol);
        let far = if distance == REACH { 14 } else { far };
        let extra = DISTANCE_EXTRA[far] + LENGTH_EXTRA[usize::from(LENGTH_SYMBOL[length - 3])];
        let saved = plain.saturating_sub(usize::from(extra) + COST);
        let better = saved > *gain;
        if better {
            *gain = saved;
        }
        better
    }
}

/// The hash of four bytes.
#[inline]
fn hash(window: &ChainWindow, at: usize) -> u32 {
    u32::from_le_bytes(bytes(window, at)).wrapping_mul(2_654_435_761)
}

impl DeflateWriter for LazyWriter {
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
