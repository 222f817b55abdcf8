//! The matcher of `klauspost/compress` flate at level 5 from v1.4.1 to v1.8.6, on processors with
//! SSE 4.2: hash chains without laziness, and longer and longer steps where nothing matches.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "positions are bounded by the block of 1 MiB and its dictionary"
)]

use super::deflate_bits::{common_length, load32};
use super::early_block::EarlyBlock;

const HALF: usize = 1 << 15;
const WINDOW: usize = 2 * HALF;
const SHORTEST: usize = 4;
const LONGEST: usize = 258;
/// With less than this ahead the program moves its window.
const AHEAD: usize = SHORTEST + LONGEST;
const HASH_BITS: u32 = 17;
/// A match of four bytes is not worth more than this distance.
const TOO_FAR: usize = 4096;
const MOST_TOKENS: usize = 1 << 14;
/// A match of `NICE` bytes ends the search over `CHAIN` positions.
const NICE: usize = 12;
const CHAIN: usize = 8;
/// Longer matches are not entered.
const ENTERED: usize = 12;

/// The remainders of the processor's CRC instruction, by byte and by how many bytes follow it.
static REMAINDERS: [[u32; 256]; 4] = remainders();

const fn remainders() -> [[u32; 256]; 4] {
    let mut tables = [[0; 256]; 4];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0x82f6_3b78 } else { value >> 1 };
            bit += 1;
        }
        tables[0][byte] = value;
        byte += 1;
    }
    let mut table = 1;
    while table < 4 {
        byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

#[inline(always)]
fn hash(bytes: u32) -> usize {
    let [first, second, third, fourth] = bytes.to_le_bytes();
    let crc = REMAINDERS[3][usize::from(first)]
        ^ REMAINDERS[2][usize::from(second)]
        ^ REMAINDERS[1][usize::from(third)]
        ^ REMAINDERS[0][usize::from(fourth)];
    crc as usize & ((1 << HASH_BITS) - 1)
}

/// The matcher. Positions are kept plus one; 0: none.
pub(crate) struct KlauspostEarly {
    heads: Box<[u32; 1 << HASH_BITS]>,
    chains: Box<[u32; HALF]>,
    pub(crate) block: EarlyBlock,
}

impl Default for KlauspostEarly {
    fn default() -> Self {
        Self {
            heads: Box::new([0; 1 << HASH_BITS]),
            chains: Box::new([0; HALF]),
            block: EarlyBlock::default(),
        }
    }
}

/// Where the program stands.
struct EarlyPlace {
    at: usize,
    /// Where its window starts and ends.
    window: usize,
    end: usize,
    /// Where the block starts, while that is in the window.
    block: Option<usize>,
    /// How many steps found nothing since the last match.
    misses: u16,
}

impl KlauspostEarly {
    /// Compresses `bytes` from `start` on; what lies before may be referred to.
    pub(crate) fn compress(&mut self, bytes: &[u8], start: usize, out: &mut Vec<u8>) {
        self.heads.fill(0);
        for at in 0..(start + 1).saturating_sub(SHORTEST) {
            self.enter(bytes, at);
        }
        // As in the program, what lies before counts as part of the first block when its size is
        // looked at.
        let mut place = EarlyPlace { at: start, window: 0, end: 0, block: Some(0), misses: 0 };
        loop {
            place.end = bytes.len().min(place.window + WINDOW);
            let least = if place.end == bytes.len() { 1 } else { AHEAD };
            while place.end - place.at >= least {
                self.step(bytes, &mut place, out);
            }
            if place.end == bytes.len() {
                break;
            }
            place.window += HALF;
            place.block = place.block.filter(|&block| block >= place.window);
        }
        if !self.block.tokens.list.is_empty() {
            let end = place.at;
            self.flush(bytes, &mut place, end, out);
        }
    }

    fn flush(&mut self, bytes: &[u8], place: &mut EarlyPlace, end: usize, out: &mut Vec<u8>) {
        match place.block {
            Some(start) => self.block.write_dynamic_or_stored(&bytes[start..end], out),
            None => self.block.write_shortest(None, out),
        }
        place.block = Some(end);
    }

    /// Enters the position; gives the one before with the same hash, if there is one.
    #[inline(always)]
    fn enter(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let hash = hash(load32(bytes, at));
        let before = self.heads[hash];
        self.chains[at & (HALF - 1)] = before;
        self.heads[hash] = at as u32 + 1;
        (before as usize).checked_sub(1)
    }

    /// Takes a match, or bytes without one.
    #[inline(always)]
    fn step(&mut self, bytes: &[u8], place: &mut EarlyPlace, out: &mut Vec<u8>) {
        let ahead = place.end - place.at;
        let before = if ahead >= SHORTEST { self.enter(bytes, place.at) } else { None };
        let least = place.at.saturating_sub(HALF).max(place.window);
        let found = before
            .filter(|&before| before >= least)
            .and_then(|before| self.search(bytes, place, before));
        if let Some((length, distance)) = found {
            place.misses = 0;
            self.block.tokens.add_match(length as i32, distance as i32);
            let after = place.at + length;
            if length <= ENTERED {
                for at in place.at + 1..after.min(place.end + 1 - SHORTEST) {
                    self.enter(bytes, at);
                }
            }
            place.at = after;
            if self.block.tokens.list.len() == MOST_TOKENS {
                self.flush(bytes, place, after, out);
            }
            return;
        }
        place.misses = place.misses.wrapping_add(1);
        let after = place.end.min(place.at + usize::from(place.misses >> 5) + 1);
        while place.at < after {
            let most = MOST_TOKENS - self.block.tokens.list.len();
            let now = after.min(place.at + most);
            self.block.tokens.add_literals(&bytes[place.at..now]);
            place.at = now;
            if self.block.tokens.list.len() == MOST_TOKENS {
                self.flush(bytes, place, now, out);
            }
        }
    }

    /// Looks for the longest match from `from` on; gives its length and distance.
    #[inline(always)]
    fn search(&self, bytes: &[u8], place: &EarlyPlace, mut from: usize) -> Option<(usize, usize)> {
        let at = place.at;
        let end = place.end.min(at + LONGEST);
        let nice = NICE.min(end - at);
        let mut length = SHORTEST - 1;
        let mut found = None;
        for _ in 0..CHAIN {
            if bytes[from + length] == bytes[at + length] {
                let same = common_length(bytes, from, at, end);
                if same > length && (same > SHORTEST || at - from <= TOO_FAR) {
                    length = same;
                    found = Some((length, at - from));
                    if length >= nice {
                        break;
                    }
                }
            }
            let Some(next) = (self.chains[from & (HALF - 1)] as usize).checked_sub(1) else {
                break;
            };
            if from + HALF == at || next + HALF < at || next < place.window {
                break;
            }
            from = next;
        }
        found
    }
}
