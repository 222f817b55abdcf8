//! A window of 64 KiB, and the places in it that have the same hash.

use super::tokens::LONGEST;

/// The farthest distance, and what the window moves by.
pub(super) const REACH: usize = 1 << 15;
/// The first place in the window; 0 stands for none.
pub(super) const START: usize = 1;
/// The end of a full window, which holds 64 KiB.
pub(super) const FULL: usize = START + 2 * REACH;
/// Bits of a hash.
const HASH: u32 = 17;

/// The window, with room behind so that reads of eight bytes need no check.
pub(super) type ChainWindow = [u8; FULL + 1023];

/// The shortest match that is looked for.
pub(super) const SHORTEST: usize = 4;

/// A match that was found.
#[derive(Clone, Copy)]
pub(super) struct ChainMatch {
    pub(super) length: usize,
    pub(super) distance: usize,
}

impl ChainMatch {
    pub(super) const NONE: Self = Self { length: SHORTEST - 1, distance: 0 };
}

/// For each hash the last place with it, and for each place the one before.
pub(super) struct HashLinks {
    heads: Box<[u16; 1 << HASH]>,
    previous: Box<[u16; REACH]>,
}

impl HashLinks {
    pub(super) fn new() -> Self {
        Self { heads: Box::new([0; 1 << HASH]), previous: Box::new([0; REACH]) }
    }

    /// Enters a place and returns the last one with its hash, of which the highest bits count.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a place whose hash is known is below 65534"
    )]
    pub(super) fn enter(&mut self, at: usize, hash: u32) -> usize {
        let head = &mut self.heads[(hash >> (32 - HASH)) as usize];
        let last = *head;
        self.previous[at & (REACH - 1)] = last;
        *head = at as u16;
        last.into()
    }

    /// The last place with a hash.
    #[inline]
    pub(super) fn last(&self, hash: u32) -> usize {
        self.heads[(hash >> (32 - HASH)) as usize].into()
    }

    /// Brings a hash's slot into the cache, long before it is needed.
    #[inline]
    pub(super) fn prepare(&self, hash: u32) {
        std::hint::black_box(self.heads[(hash >> (32 - HASH)) as usize]);
    }

    /// The place before one with the same hash.
    #[inline]
    pub(super) fn before(&self, at: usize) -> usize {
        self.previous[at & (REACH - 1)].into()
    }

    /// Follows the window, which moves by [`REACH`].
    pub(super) fn shift(&mut self) {
        // Two loops, as the compiler makes vectors of them.
        for place in self.heads.iter_mut() {
            *place = place.saturating_sub(1 << 15);
        }
        for place in self.previous.iter_mut() {
            *place = place.saturating_sub(1 << 15);
        }
    }
}

/// The bytes at a place.
#[inline]
pub(super) fn bytes<const N: usize>(window: &ChainWindow, at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&window[at..at + N]);
    bytes
}

/// How many bytes are the same at two places, up to the longest match or a little more.
#[inline]
pub(super) fn common(window: &ChainWindow, a: usize, b: usize) -> usize {
    let mut length = 0;
    while length < LONGEST {
        let a = u64::from_le_bytes(bytes(window, a + length));
        let b = u64::from_le_bytes(bytes(window, b + length));
        if a != b {
            return length + ((a ^ b).trailing_zeros() >> 3) as usize;
        }
        length += 8;
    }
    length
}
