//! What levels 1 to 6 of Go 1.27 look back on.

use super::super::bits::MOST_STORED;
use super::super::tokens::{DeflateToken, LONGEST, SHORTEST};

/// The farthest distance.
pub(super) const REACH: usize = 1 << 15;
/// Where the history begins. Places below cannot be reached, so that 0 stands for none.
pub(super) const START: usize = REACH + 1;
/// Bytes of the history.
const MOST: usize = 5 * MOST_STORED;
/// A size that spares bounds checks.
const SIZE: usize = 1 << 19;
/// Bytes at the end of a block where no match is looked for.
const MARGIN: usize = 11;

/// Bytes of this block and of blocks before.
pub(super) struct QuickHistory {
    bytes: Box<[u8; SIZE + 8]>,
    end: usize,
}

/// A block to find matches in.
pub(super) struct QuickBlock<'b> {
    bytes: &'b [u8; SIZE + 8],
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) tokens: &'b mut Vec<DeflateToken>,
    /// The first byte that has no token yet.
    emitted: usize,
}

/// A match that begins at `at` and repeats what is at `from`.
#[derive(Clone, Copy)]
pub(super) struct QuickMatch {
    pub(super) at: usize,
    pub(super) from: usize,
    pub(super) length: usize,
}

impl QuickHistory {
    pub(super) fn new() -> Self {
        Self { bytes: Box::new([0; SIZE + 8]), end: START }
    }

    /// Makes room for a block. Returns how far all places move; they move seldom, as Go's level 4
    /// looks at absolute places.
    pub(super) fn make_room(&mut self, length: usize) -> Option<usize> {
        if self.end - START + length <= MOST {
            return None;
        }
        let moved = self.end - START - REACH;
        self.bytes.copy_within(self.end - REACH..self.end, START);
        self.end = START + REACH;
        Some(moved)
    }

    /// Adds a block, for which there must be room.
    pub(super) fn add<'b>(
        &'b mut self,
        block: &[u8],
        tokens: &'b mut Vec<DeflateToken>,
    ) -> QuickBlock<'b> {
        let start = self.end;
        self.end += block.len();
        self.bytes[start..self.end].copy_from_slice(block);
        tokens.clear();
        QuickBlock { bytes: &self.bytes, start, end: self.end, tokens, emitted: start }
    }
}

impl QuickBlock<'_> {
    /// From here on no match is looked for.
    pub(super) fn limit(&self) -> usize {
        self.end - MARGIN
    }

    /// How far the bytes without a token reach back from `at`, in steps.
    #[inline]
    pub(super) fn missed(&self, at: usize) -> usize {
        at - self.emitted
    }

    #[inline]
    pub(super) fn load64(&self, at: usize) -> u64 {
        let at = at & (SIZE - 1);
        let mut value = [0; 8];
        value.copy_from_slice(&self.bytes[at..at + 8]);
        u64::from_le_bytes(value)
    }

    #[inline]
    pub(super) fn load32(&self, at: usize) -> u32 {
        low32(self.load64(at))
    }

    #[inline]
    fn load8(&self, at: usize) -> u8 {
        self.bytes[at & (SIZE - 1)]
    }

    /// Whether `word` is at `place`, less than `reach` before `at`.
    #[inline]
    pub(super) fn fits(&self, at: usize, place: usize, word: u64, reach: usize) -> bool {
        at.wrapping_sub(place) < reach && self.load32(place) == low32(word)
    }

    /// How many bytes at two places are the same, the first of which is the later one.
    #[inline]
    pub(super) fn common(&self, at: usize, from: usize) -> usize {
        self.common_up_to(at, from, self.end - at)
    }

    /// The length of a match whose first four bytes are known to be the same, within one token.
    #[inline]
    pub(super) fn one_token(&self, at: usize, from: usize) -> usize {
        4 + self.common_up_to(at + 4, from + 4, (self.end - at - 4).min(LONGEST - 4))
    }

    /// The whole length of a match, which may take more than one token.
    #[inline]
    pub(super) fn whole(&self, copy: QuickMatch) -> usize {
        if copy.length < LONGEST {
            return copy.length;
        }
        copy.length + self.common(copy.at + copy.length, copy.from + copy.length)
    }

    #[inline]
    fn common_up_to(&self, at: usize, from: usize, most: usize) -> usize {
        let mut length = 0;
        while length < most {
            let other = self.load64(at + length) ^ self.load64(from + length);
            if other != 0 {
                return most.min(length + (other.trailing_zeros() >> 3) as usize);
            }
            length += 8;
        }
        most
    }

    /// Lengthens a match to the front, and writes it and the literals before. Returns it.
    #[inline]
    pub(super) fn emit(&mut self, mut copy: QuickMatch) -> QuickMatch {
        while copy.from > START
            && copy.at > self.emitted
            && self.load8(copy.from - 1) == self.load8(copy.at - 1)
        {
            copy = QuickMatch { at: copy.at - 1, from: copy.from - 1, length: copy.length + 1 };
        }
        self.literals(copy.at);
        let distance = copy.at - copy.from;
        let mut left = copy.length;
        while left > LONGEST {
            // What remains must be long enough for a token.
            let now = if left > LONGEST + SHORTEST { LONGEST } else { LONGEST - SHORTEST };
            self.tokens.push(DeflateToken::copy(now, distance));
            left -= now;
        }
        self.tokens.push(DeflateToken::copy(left, distance));
        self.emitted = copy.at + copy.length;
        copy
    }

    fn literals(&mut self, end: usize) {
        let bytes = &self.bytes[self.emitted..end];
        self.tokens.extend(bytes.iter().map(|byte| DeflateToken::literal(*byte)));
    }

    /// Writes the rest as literals, if there was a match at all.
    pub(super) fn finish(&mut self) {
        if !self.tokens.is_empty() {
            self.literals(self.end);
        }
    }
}

#[inline]
pub(super) fn low32(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}

/// The hash of four, five or seven bytes.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "at most 17 bits are left")]
fn hash<const BITS: u32>(value: u64, bytes: u32) -> usize {
    (match bytes {
        4 => u64::from(low32(value).wrapping_mul(2_654_435_761) >> (32 - BITS)),
        5 => (value << 24).wrapping_mul(889_523_592_379) >> (64 - BITS),
        _ => (value << 8).wrapping_mul(58_295_818_150_454_627) >> (64 - BITS),
    }) as usize
}

/// For each hash of `BYTES` bytes the last place with it.
pub(super) struct SinglePlaces<const BYTES: u32, const BITS: u32, const SLOTS: usize>(
    Box<[u32; SLOTS]>,
);

impl<const BYTES: u32, const BITS: u32, const SLOTS: usize> SinglePlaces<BYTES, BITS, SLOTS> {
    pub(super) fn new() -> Self {
        Self(Box::new([0; SLOTS]))
    }

    #[inline]
    pub(super) fn slot(value: u64) -> usize {
        hash::<BITS>(value, BYTES)
    }

    /// Enters a place and returns the one before.
    #[inline]
    pub(super) fn enter(&mut self, value: u64, at: usize) -> usize {
        self.enter_slot(Self::slot(value), at)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a place is below 2^19")]
    pub(super) fn enter_slot(&mut self, slot: usize, at: usize) -> usize {
        std::mem::replace(&mut self.0[slot], at as u32) as usize
    }

    #[inline]
    pub(super) fn get(&self, value: u64) -> usize {
        self.0[Self::slot(value)] as usize
    }

    #[expect(clippy::cast_possible_truncation, reason = "a place is below 2^19")]
    pub(super) fn shift(&mut self, moved: usize) {
        for place in self.0.iter_mut() {
            *place = place.saturating_sub(moved as u32);
        }
    }
}

/// For each hash of `BYTES` bytes the last two places with it.
pub(super) struct DoublePlaces<const BYTES: u32, const BITS: u32, const SLOTS: usize>(
    Box<[[u32; 2]; SLOTS]>,
);

/// The last place with a hash, and the one before.
#[derive(Clone, Copy)]
pub(super) struct TwoPlaces {
    pub(super) last: usize,
    pub(super) before: usize,
}

impl<const BYTES: u32, const BITS: u32, const SLOTS: usize> DoublePlaces<BYTES, BITS, SLOTS> {
    pub(super) fn new() -> Self {
        Self(Box::new([[0; 2]; SLOTS]))
    }

    /// Enters a place and returns those before.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a place is below 2^19")]
    pub(super) fn enter(&mut self, value: u64, at: usize) -> TwoPlaces {
        let slot = &mut self.0[hash::<BITS>(value, BYTES)];
        let [last, before] = *slot;
        *slot = [at as u32, last];
        TwoPlaces { last: last as usize, before: before as usize }
    }

    #[inline]
    pub(super) fn get(&self, value: u64) -> TwoPlaces {
        let [last, before] = self.0[hash::<BITS>(value, BYTES)];
        TwoPlaces { last: last as usize, before: before as usize }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a place is below 2^19")]
    pub(super) fn shift(&mut self, moved: usize) {
        for place in self.0.as_flattened_mut() {
            *place = place.saturating_sub(moved as u32);
        }
    }
}
