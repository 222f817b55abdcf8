//! Level 1 of Go up to 1.26: blocks of 65535 bytes, and one place per hash.

use super::super::super::DeflateWriter;
use super::super::bits::MOST_STORED;
use super::super::plain::{BlockPlace, PlainBlocks};
use super::super::tokens::{DeflateToken, LONGEST};
use super::block::CheapestBlocks;

/// The farthest distance.
const REACH: usize = 1 << 15;
/// Where a block begins: behind what it can reach, and a place that it cannot, which stands for
/// none.
const START: usize = REACH + 1;
/// Bytes at the end of a block where no match is looked for.
const MARGIN: usize = 15;
/// Bits of a hash.
const HASH: u32 = 14;
/// The fewest bytes at the end that are not just stored.
const STORED: usize = 17;
/// The most bytes at the end in which no match is looked for.
const WITHOUT_MATCHES: usize = 127;

/// The bytes, with a size that spares bounds checks.
type FastBytes = [u8; (1 << 17) + 8];

/// The writer of level 1.
pub(super) struct FastWriter {
    blocks: CheapestBlocks,
    bytes: Box<FastBytes>,
    /// Bytes of the block.
    filled: usize,
    places: Box<[u32; 1 << HASH]>,
    tokens: Vec<DeflateToken>,
}

impl FastWriter {
    pub(super) fn new() -> Self {
        Self {
            blocks: CheapestBlocks::new(),
            bytes: Box::new([0; (1 << 17) + 8]),
            filled: 0,
            places: Box::new([0; 1 << HASH]),
            tokens: Vec::with_capacity(MOST_STORED),
        }
    }

    fn block(&mut self, place: BlockPlace, out: &mut Vec<u8>) {
        let end = START + self.filled;
        self.tokens.clear();
        search(&self.bytes, end, &mut self.places, &mut self.tokens);
        let plain = &self.bytes[START..end];
        if self.tokens.len() > self.filled - (self.filled >> 4) {
            self.blocks.literals(plain, place, out);
        } else {
            self.blocks.dynamic(&self.tokens, plain, out);
        }
    }

    /// Makes room for the block after a full one.
    #[expect(clippy::cast_possible_truncation, reason = "a block is shorter than 65536 bytes")]
    fn shift(&mut self) {
        self.bytes.copy_within(self.filled..self.filled + START, 0);
        let moved = self.filled as u32;
        for place in self.places.iter_mut() {
            *place = place.saturating_sub(moved);
        }
        self.filled = 0;
    }
}

/// Finds the matches of a block, which ends at `end`.
fn search(
    bytes: &FastBytes,
    end: usize,
    places: &mut [u32; 1 << HASH],
    tokens: &mut Vec<DeflateToken>,
) {
    let limit = end - MARGIN;
    let mut emitted = START;
    let mut at = START;
    let mut word = load32(bytes, at);
    'block: loop {
        // The longer nothing is found, the larger are the steps.
        let mut skip = 32;
        let mut next = at;
        let mut candidate;
        loop {
            at = next;
            let step = skip >> 5;
            next = at + step;
            skip += step;
            if next > limit {
                break 'block;
            }
            candidate = swap(places, word, at);
            if at - candidate <= REACH && load32(bytes, candidate) == word {
                break;
            }
            word = load32(bytes, next);
        }
        literals(tokens, &bytes[emitted..at]);
        loop {
            let length = common(bytes, candidate, at, end);
            tokens.push(DeflateToken::copy(length, at - candidate));
            at += length;
            emitted = at;
            if at >= limit {
                break 'block;
            }
            let both = load64(bytes, at - 1);
            swap(places, low32(both), at - 1);
            word = low32(both >> 8);
            candidate = swap(places, word, at);
            if at - candidate > REACH || load32(bytes, candidate) != word {
                word = low32(both >> 16);
                at += 1;
                break;
            }
        }
    }
    literals(tokens, &bytes[emitted..end]);
}

#[inline]
fn literals(tokens: &mut Vec<DeflateToken>, bytes: &[u8]) {
    tokens.extend(bytes.iter().map(|byte| DeflateToken::literal(*byte)));
}

/// Enters a place with its four bytes and returns the one before.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a place is below 131072")]
fn swap(places: &mut [u32; 1 << HASH], word: u32, at: usize) -> usize {
    let slot = &mut places[(word.wrapping_mul(0x1e35_a7bd) >> (32 - HASH)) as usize];
    let last = *slot;
    *slot = at as u32;
    last as usize
}

#[inline]
fn low32(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}

#[inline]
fn load32(bytes: &FastBytes, at: usize) -> u32 {
    low32(load64(bytes, at))
}

#[inline]
fn load64(bytes: &FastBytes, at: usize) -> u64 {
    let at = at & ((1 << 17) - 1);
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(value)
}

/// The length of a match whose first four bytes are known to be the same.
#[inline]
fn common(bytes: &FastBytes, candidate: usize, at: usize, end: usize) -> usize {
    let most = LONGEST.min(end - at);
    let mut length = 4;
    while length < most {
        let other = load64(bytes, candidate + length) ^ load64(bytes, at + length);
        if other != 0 {
            return most.min(length + (other.trailing_zeros() >> 3) as usize);
        }
        length += 8;
    }
    most
}

impl DeflateWriter for FastWriter {
    fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.filled == MOST_STORED {
                self.block(BlockPlace::Inner, out);
                self.shift();
            }
            let (now, later) = bytes.split_at(bytes.len().min(MOST_STORED - self.filled));
            let from = START + self.filled;
            self.bytes[from..from + now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = later;
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let plain = &self.bytes[START..START + self.filled];
        match self.filled {
            0 => {}
            1..STORED => self.blocks.stored(plain, out),
            STORED..=WITHOUT_MATCHES => self.blocks.literals(plain, BlockPlace::Last, out),
            _ => self.block(BlockPlace::Last, out),
        }
        self.filled = 0;
        self.blocks.finish(out);
    }
}
