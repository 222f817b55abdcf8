//! The bit stream of deflate (RFC 1951) and the tables that every writer shares.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "bits are shifted out as bytes; tables are made at compile time and indexed within their size"
)]

/// Bits that are not yet a whole number of bytes. The bytes go to the caller's buffer at once.
#[derive(Default)]
pub(crate) struct DeflateBits {
    held: u64,
    count: u32,
}

impl DeflateBits {
    /// Appends the `count` low bits of `value`; at most 32, and none set above them.
    #[inline(always)]
    pub(crate) fn put(&mut self, value: u64, count: u32, out: &mut Vec<u8>) {
        self.held |= value << self.count;
        self.count += count;
        if self.count >= 32 {
            out.extend_from_slice(&(self.held as u32).to_le_bytes());
            self.held >>= 32;
            self.count -= 32;
        }
    }

    /// Appends a code of a Huffman table.
    #[inline(always)]
    pub(crate) fn put_code(&mut self, code: BitCode, out: &mut Vec<u8>) {
        self.put(u64::from(code.bits), u32::from(code.len), out);
    }

    /// Fills the last byte with zero bits.
    pub(crate) fn align(&mut self, out: &mut Vec<u8>) {
        while self.count > 0 {
            out.push(self.held as u8);
            self.held >>= 8;
            self.count = self.count.saturating_sub(8);
        }
        self.held = 0;
    }

    /// The number of bits in the byte that is not yet full.
    pub(crate) fn pending(&self) -> u32 {
        self.count & 7
    }

    /// Writes a stored block: its header, its length and its bytes.
    pub(crate) fn put_stored(&mut self, bytes: &[u8], last: Last, out: &mut Vec<u8>) {
        self.put(last.bit(), 3, out);
        self.align(out);
        let len = bytes.len() as u16;
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(bytes);
    }
}

/// Whether a block is the stream's last one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    Yes,
    No,
}

impl Last {
    /// The bit that opens the block.
    pub(crate) fn bit(self) -> u64 {
        match self {
            Self::Yes => 1,
            Self::No => 0,
        }
    }
}

/// A Huffman code, its bits in the order in which deflate writes them. Length 0: not in the table.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BitCode {
    pub(crate) bits: u16,
    pub(crate) len: u8,
}

impl BitCode {
    /// The code that a table states as a number, most significant bit first.
    pub(crate) const fn from_number(number: u16, len: u8) -> Self {
        let bits = if len == 0 { 0 } else { number.reverse_bits() >> (16 - len) };
        Self { bits, len }
    }
}

/// The symbol that ends a block.
pub(crate) const END_OF_BLOCK: usize = 256;
/// The number of literal and length symbols that may be used.
pub(crate) const LITERAL_SYMBOLS: usize = 286;
/// The number of distance symbols that may be used.
pub(crate) const DISTANCE_SYMBOLS: usize = 30;
/// The order in which the lengths of the code of lengths are written.
pub(crate) const LENGTHS_ORDER: [usize; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Extra bits of a match's length, by length symbol minus 257.
pub(crate) const LENGTH_EXTRA: [u8; 32] = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0, 0, 0, 0,
];
/// Extra bits of a distance, by distance symbol.
pub(crate) const DISTANCE_EXTRA: [u8; 32] = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
    13, 0, 0,
];
/// The first length minus 3 of a length symbol.
pub(crate) static LENGTH_FIRST: [u8; 32] = first_lengths();
/// The first distance minus 1 of a distance symbol.
pub(crate) static DISTANCE_FIRST: [u16; 32] = first_distances();
/// The length symbol minus 257, by length minus 3.
pub(crate) static LENGTH_SYMBOL: [u8; 256] = length_symbols();
/// The symbols of distances, by [`distance_step`].
pub(crate) static DISTANCE_SYMBOL: [u8; 512] = distance_symbols();

const fn first_lengths() -> [u8; 32] {
    let mut first = [0; 32];
    let mut symbol = 1;
    while symbol < 28 {
        first[symbol] = first[symbol - 1] + (1 << LENGTH_EXTRA[symbol - 1]);
        symbol += 1;
    }
    // 258 has a symbol of its own without extra bits.
    first[28] = 255;
    first
}

const fn first_distances() -> [u16; 32] {
    let mut first = [0; 32];
    let mut symbol = 1;
    while symbol < DISTANCE_SYMBOLS {
        first[symbol] = first[symbol - 1] + (1 << DISTANCE_EXTRA[symbol - 1]);
        symbol += 1;
    }
    first
}

const fn length_symbols() -> [u8; 256] {
    let first = first_lengths();
    let mut table = [0; 256];
    let mut length = 0;
    while length < 256 {
        let mut symbol = 28;
        while first[symbol] as usize > length {
            symbol -= 1;
        }
        table[length] = symbol as u8;
        length += 1;
    }
    table
}

const fn distance_symbols() -> [u8; 512] {
    let first = first_distances();
    let mut table = [0; 512];
    let mut at = 0;
    while at < 512 {
        let distance = if at < 256 { at } else { (at - 256) << 7 };
        let mut symbol = DISTANCE_SYMBOLS - 1;
        while first[symbol] as usize > distance {
            symbol -= 1;
        }
        table[at] = symbol as u8;
        at += 1;
    }
    table
}

/// The symbol of a distance minus 1, which is below 32768.
#[inline(always)]
pub(crate) fn distance_symbol(less_one: u32) -> u8 {
    DISTANCE_SYMBOL[distance_step(less_one)]
}

/// Where the symbol of a distance minus 1 stands: of the first 256 one by one, of the others in steps
/// of 128.
#[inline(always)]
pub(crate) fn distance_step(less_one: u32) -> usize {
    let at = if less_one < 256 { less_one } else { 256 + (less_one >> 7) };
    (at & 511) as usize
}

/// The literal code of a block with fixed codes.
pub(crate) static FIXED_LITERALS: [BitCode; 288] = fixed_literals();
/// The distance code of a block with fixed codes.
pub(crate) static FIXED_DISTANCES: [BitCode; 32] = fixed_distances();

const fn fixed_literals() -> [BitCode; 288] {
    let mut codes = [BitCode { bits: 0, len: 0 }; 288];
    let mut at = 0;
    while at < 288 {
        let symbol = at as u16;
        codes[at] = match symbol {
            0..144 => BitCode::from_number(symbol + 48, 8),
            144..256 => BitCode::from_number(symbol + 256, 9),
            256..280 => BitCode::from_number(symbol - 256, 7),
            _ => BitCode::from_number(symbol - 88, 8),
        };
        at += 1;
    }
    codes
}

const fn fixed_distances() -> [BitCode; 32] {
    let mut codes = [BitCode { bits: 0, len: 0 }; 32];
    let mut at = 0;
    while at < 32 {
        codes[at] = BitCode::from_number(at as u16, 5);
        at += 1;
    }
    codes
}

/// The size in bits of all symbols counted, without extra bits.
pub(crate) fn bits_of_codes(counts: &[u16], codes: &[BitCode]) -> u64 {
    counts.iter().zip(codes).map(|(&count, code)| u64::from(count) * u64::from(code.len)).sum()
}

/// The size of the extra bits of all symbols counted.
pub(crate) fn bits_of_widths(counts: &[u16], widths: &[u8]) -> u64 {
    counts.iter().zip(widths).map(|(&count, &width)| u64::from(count) * u64::from(width)).sum()
}

/// Whether each counted symbol has a code.
pub(crate) fn all_coded(counts: &[u16], codes: &[BitCode]) -> bool {
    counts.iter().zip(codes).all(|(&count, code)| count == 0 || code.len != 0)
}

/// The eight bytes at `at`, the first one lowest; zero past the end, which no caller asks for.
#[inline(always)]
pub(crate) fn load64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

/// The four bytes at `at`, the first one lowest; zero past the end, which no caller asks for.
#[inline(always)]
pub(crate) fn load32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

/// How many bytes from `later` up to `end` equal those from `earlier` on.
#[inline(always)]
pub(crate) fn common_length(bytes: &[u8], earlier: usize, later: usize, end: usize) -> usize {
    let Some(ahead) = bytes.get(later..end) else { return 0 };
    let Some(behind) = bytes.get(earlier..earlier + ahead.len()) else { return 0 };
    let mut same = 0;
    while same + 8 <= ahead.len() {
        let differs = load64(ahead, same) ^ load64(behind, same);
        if differs != 0 {
            return same + (differs.trailing_zeros() >> 3) as usize;
        }
        same += 8;
    }
    while same < ahead.len() && ahead[same] == behind[same] {
        same += 1;
    }
    same
}
