//! The uncompressed bytes around the place where tokens are coded, and the matches that lie before
//! it.

use super::stream::REACH;
use crate::deflate_bits::common_length;

/// The longest match.
pub(super) const LONGEST: usize = 258;
/// Bytes that are looked at behind a block.
pub(super) const AHEAD: usize = LONGEST + 8;
/// Links that may be followed for each byte, and when they are used up, at one place.
const PATIENCE: usize = 256;
const IMPATIENT: usize = 16;

/// A match, longer than all that lie nearer.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Candidate {
    pub(super) length: usize,
    pub(super) distance: usize,
    /// How many places with the same hash were looked at, this one included.
    pub(super) hops: usize,
}

/// How a program looks for matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SearchRules {
    /// How many places with the same hash it looks at.
    pub(super) hops: usize,
    /// How many bytes are hashed: 3 or 4.
    pub(super) hashed: usize,
    /// The places within a match are entered if it is not longer than this.
    pub(super) entered: usize,
    /// Of a longer match this many places behind the first are.
    pub(super) first: usize,
}

/// Bytes, and where their hashes last occurred.
#[derive(Clone)]
pub(super) struct History {
    /// What is held of the bytes.
    pub(super) bytes: Vec<u8>,
    /// How many came before them.
    gone: u64,
    /// The place that is coded next, the first byte of the member, and the end of what may be looked
    /// at; all within `bytes`.
    pub(super) at: usize,
    pub(super) floor: usize,
    pub(super) end: usize,
    rules: SearchRules,
    /// The last place of each hash, and the one before each place, in the low bits of all bytes.
    heads: Box<[u32]>,
    /// The last place of each hash of three bytes, where four are hashed.
    shorts: Box<[u32]>,
    links: Box<[u32]>,
    patience: usize,
}

const HASH_BITS: u32 = 15;

impl History {
    pub(super) fn new(rules: SearchRules) -> Self {
        Self {
            bytes: Vec::new(),
            gone: 0,
            at: 0,
            floor: 0,
            end: 0,
            rules,
            heads: vec![0; 1 << HASH_BITS].into(),
            shorts: vec![0; 1 << HASH_BITS].into(),
            links: vec![0; REACH].into(),
            patience: 0,
        }
    }

    /// Drops what is out of reach.
    pub(super) fn shift(&mut self) {
        let drop = self.at.saturating_sub(REACH);
        if drop > 8 * REACH {
            self.bytes.drain(..drop);
            self.gone += drop as u64;
            self.at -= drop;
            self.floor = self.floor.saturating_sub(drop);
            self.end = self.end.saturating_sub(drop);
        }
    }

    /// The place that is coded next, among all bytes.
    pub(super) fn position(&self) -> u64 {
        self.gone + self.at as u64
    }

    /// The low bits of a place among all bytes.
    fn place(&self, at: usize) -> u32 {
        (self.gone + at as u64) as u32
    }

    /// The hash of some bytes at a place; `None` at the end.
    fn hash(&self, at: usize, count: usize) -> Option<usize> {
        let bytes = self.bytes.get(at..at + count).filter(|_| at + count <= self.end)?;
        let value = bytes.iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
        Some((value.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize)
    }

    /// Enters a place.
    fn enter(&mut self, at: usize) {
        let place = self.place(at);
        if self.rules.hashed == 4
            && let Some(hash) = self.hash(at, 3)
        {
            self.shorts[hash] = place;
        }
        if let Some(hash) = self.hash(at, self.rules.hashed) {
            self.links[place as usize % REACH] = self.heads[hash];
            self.heads[hash] = place;
        }
    }

    /// Finds the matches at `at`, the nearest first, each longer than those before it.
    pub(super) fn search(&mut self, at: usize, found: &mut Vec<Candidate>) {
        found.clear();
        let Some(hash) = self.hash(at, 3) else { return };
        let (place, most) = (self.place(at), LONGEST.min(self.end - at));
        let reach = REACH.min(at - self.floor);
        let mut best = 2;
        if self.rules.hashed == 4 {
            let distance = place.wrapping_sub(self.shorts[hash]) as usize;
            let is_near = (1..=reach).contains(&distance);
            let length = if is_near { self.common(at, distance, most) } else { 0 };
            if length > best {
                found.push(Candidate { length, distance, hops: 0 });
                best = length;
            }
        }
        let Some(hash) = self.hash(at, self.rules.hashed) else { return };
        let (mut link, mut before) = (self.heads[hash], 0);
        let allowed =
            if self.patience > 0 { self.rules.hops } else { self.rules.hops.min(IMPATIENT) };
        for hops in 1..=allowed {
            let distance = place.wrapping_sub(link) as usize;
            if distance <= before || distance > reach {
                break;
            }
            before = distance;
            self.patience = self.patience.saturating_sub(1);
            let from = at - distance;
            if best < most && self.bytes[from + best] == self.bytes[at + best] {
                let length = self.common(at, distance, most);
                if length > best {
                    found.push(Candidate { length, distance, hops });
                    best = length;
                    if length == most {
                        break;
                    }
                }
            }
            link = self.links[link as usize % REACH];
        }
    }

    fn common(&self, at: usize, distance: usize, most: usize) -> usize {
        common_length(&self.bytes, at - distance, at, at + most)
    }

    /// How long the match at this distance is; 0 if there is none.
    pub(super) fn match_length(&self, distance: usize) -> usize {
        if distance == 0 || distance > REACH.min(self.at - self.floor) {
            return 0;
        }
        self.common(self.at, distance, LONGEST.min(self.end - self.at))
    }

    /// Enters the next place, for the search behind it.
    pub(super) fn enter_next(&mut self) {
        self.enter(self.at);
    }

    /// Goes on behind `length` bytes, of which the first is entered.
    pub(super) fn pass(&mut self, length: usize) {
        let all = length <= self.rules.entered;
        let entered = if all { length } else { length.min(1 + self.rules.first) };
        (self.at + 1..self.at + entered).for_each(|at| self.enter(at));
        self.at += length;
        self.patience = (self.patience + PATIENCE * length).min(1 << 24);
    }
}
