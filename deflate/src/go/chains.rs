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

/// Bytes that are looked at before more must be there.
pub(super) const AHEAD: usize = SHORTEST + LONGEST;

/// The last 64 KiB, and how far the search in them is.
pub(super) struct SlidingWindow {
    pub(super) bytes: Box<ChainWindow>,
    /// The end of the bytes.
    pub(super) end: usize,
    /// The place to go on at.
    pub(super) at: usize,
    /// Where the block begins, while that is in the window.
    start: Option<usize>,
    pub(super) links: HashLinks,
}

impl SlidingWindow {
    pub(super) fn new() -> Self {
        let bytes = Box::new([0; FULL + 1023]);
        Self { bytes, end: START, at: START, start: Some(START), links: HashLinks::new() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.end == FULL
    }

    /// Takes bytes until it is full, and returns the others.
    pub(super) fn take<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (now, later) = bytes.split_at(bytes.len().min(FULL - self.end));
        self.bytes[self.end..self.end + now.len()].copy_from_slice(now);
        self.end += now.len();
        later
    }

    /// Makes room, once the search is far enough.
    pub(super) fn shift(&mut self) {
        if self.at < FULL - AHEAD {
            return;
        }
        self.bytes.copy_within(START + REACH..FULL, START);
        self.at -= REACH;
        self.end -= REACH;
        // A block that began before can no longer be stored.
        self.start = self.start.filter(|start| *start >= START + REACH).map(|start| start - REACH);
        self.links.shift();
    }

    /// The bytes of the block that ends at `end`, if they are all here; the next one begins there.
    pub(super) fn block(&mut self, end: usize) -> Option<&[u8]> {
        let start = self.start.replace(end);
        start.and_then(|start| self.bytes.get(start..end))
    }

    /// Enters a place by the hash of its bytes, unless less than a shortest match is left.
    #[inline]
    pub(super) fn enter(&mut self, at: usize, hash: impl Fn(&ChainWindow, usize) -> u32) -> usize {
        if at + SHORTEST <= self.end { self.links.enter(at, hash(&self.bytes, at)) } else { 0 }
    }

    /// Enters all places of a range, as far as there is a shortest match left.
    #[inline]
    pub(super) fn enter_all(
        &mut self,
        places: std::ops::Range<usize>,
        hash: impl Fn(&ChainWindow, usize) -> u32,
    ) {
        for at in places.start..places.end.min((self.end + 1).saturating_sub(SHORTEST)) {
            self.links.enter(at, hash(&self.bytes, at));
        }
    }
}

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
