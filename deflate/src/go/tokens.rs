//! Literals and matches, and their symbols (RFC 1951, 3.2.5).

/// Symbols for literals, the end of a block, and lengths.
pub(super) const LITERALS: usize = 286;
/// Symbols for distances.
pub(super) const DISTANCES: usize = 30;
/// The symbol that ends a block.
pub(super) const END: usize = 256;
/// The symbol of the shortest length.
pub(super) const FIRST_LENGTH: usize = 257;
/// Symbols for lengths.
pub(super) const LENGTHS: usize = LITERALS - FIRST_LENGTH;
/// The shortest length that deflate knows.
pub(super) const SHORTEST: usize = 3;
/// The longest length that deflate knows.
pub(super) const LONGEST: usize = 258;

/// Number of extra bits per symbol of a length.
pub(super) const LENGTH_EXTRA: [u8; LENGTHS] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
/// Number of extra bits per symbol of a distance.
pub(super) const DISTANCE_EXTRA: [u8; DISTANCES] = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
    13,
];

/// Per length, less the shortest, its symbol, less the first.
#[expect(clippy::cast_possible_truncation, reason = "symbols are below 30")]
pub(super) const LENGTH_SYMBOL: [u8; 256] = {
    let mut table = [0; 256];
    let mut symbol = 0;
    let mut length = 0;
    while symbol < LENGTHS - 1 {
        let mut left = 1 << LENGTH_EXTRA[symbol];
        while left > 0 && length < 256 {
            table[length] = symbol as u8;
            length += 1;
            left -= 1;
        }
        symbol += 1;
    }
    table[255] = (LENGTHS - 1) as u8;
    table
};

/// The symbols of distances: of the first 256 one by one, of the others in steps of 128.
#[expect(clippy::cast_possible_truncation, reason = "symbols are below 30")]
pub(super) const DISTANCE_SYMBOL: [u8; 512] = {
    let mut table = [0; 512];
    let mut symbol = 0;
    let mut distance = 0;
    while symbol < DISTANCES {
        let end = distance + (1 << DISTANCE_EXTRA[symbol]);
        while distance < end {
            if distance < 256 {
                table[distance] = symbol as u8;
            } else {
                table[256 + (distance >> 7)] = symbol as u8;
            }
            distance += 1;
        }
        symbol += 1;
    }
    table
};

/// Where the symbol of a distance less one stands.
#[inline]
pub(super) fn distance_step(distance: u16) -> usize {
    let distance = usize::from(distance);
    if distance < 256 { distance } else { 256 | distance >> 7 & 255 }
}

/// The symbol of a distance less one.
#[inline]
pub(super) fn distance_symbol(distance: u16) -> usize {
    usize::from(DISTANCE_SYMBOL[distance_step(distance)])
}

/// A literal, or a match: 9 bits that select a literal or a length, then 16 of the distance less
/// one.
#[derive(Clone, Copy)]
pub(super) struct DeflateToken(u32);

impl DeflateToken {
    #[inline]
    pub(super) fn literal(byte: u8) -> Self {
        Self(u32::from(byte) << 16)
    }

    /// A match, of at most the longest length and at most 32768 bytes back.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "both are bounded by deflate")]
    pub(super) fn copy(length: usize, distance: usize) -> Self {
        debug_assert!((SHORTEST..=LONGEST).contains(&length) && (1..=1 << 15).contains(&distance));
        Self((length as u32).wrapping_add(253) << 16 | (distance as u32).wrapping_sub(1) & 0xffff)
    }

    /// The literal, or 256 and the length less the shortest.
    #[inline]
    pub(super) fn selector(self) -> usize {
        (self.0 >> 16 & 511) as usize
    }

    #[inline]
    pub(super) fn is_copy(self) -> bool {
        self.0 >= 1 << 24
    }

    /// The distance less one.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
    pub(super) fn distance(self) -> u16 {
        self.0 as u16
    }
}
