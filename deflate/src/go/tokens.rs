//! Literals and matches, and their symbols (RFC 1951, 3.2.5).

pub(super) use crate::deflate_bits::{
    DISTANCE_EXTRA, DISTANCE_SYMBOL, DISTANCE_SYMBOLS as DISTANCES, END_OF_BLOCK as END,
    LENGTH_EXTRA, LENGTH_SYMBOL, LITERAL_SYMBOLS as LITERALS, distance_step,
};

use crate::deflate_bits;

/// The symbol of the shortest length.
pub(super) const FIRST_LENGTH: usize = 257;
/// The shortest length that deflate knows.
pub(super) const SHORTEST: usize = 3;
/// The longest length that deflate knows.
pub(super) const LONGEST: usize = 258;

/// The symbol of a distance less one.
#[inline]
pub(super) fn distance_symbol(distance: u16) -> usize {
    deflate_bits::distance_symbol(distance.into()).into()
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
