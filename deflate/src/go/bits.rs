//! The bits of a deflate stream, collected to bytes.

/// The most bytes of a stored block.
pub(super) const MOST_STORED: usize = 65535;

/// Bytes that the buffer holds before it must be drained.
const ROOM: usize = 1 << 15;
/// Fill level from which on the buffer is drained.
const FULL: usize = ROOM / 2;
/// Widest value that is put at once.
const WIDEST: u32 = 56;

/// Collects bits, the first one lowest, and hands out whole bytes.
pub(super) struct BitSink {
    cursor: BitCursor,
    buffer: Box<BitBuffer>,
}

type BitBuffer = [u8; ROOM + 8];

/// Where bits go to; a copy of it lives in registers.
#[derive(Clone, Copy)]
struct BitCursor {
    pending: u64,
    width: u32,
    filled: usize,
}

impl BitCursor {
    #[inline]
    fn put(&mut self, buffer: &mut BitBuffer, value: u64, width: u32) {
        debug_assert!(width <= WIDEST && value >> width == 0);
        self.pending |= value << (self.width & 63);
        self.width = self.width.wrapping_add(width);
        // The mask spares a bounds check.
        let at = self.filled & (ROOM - 1);
        buffer[at..at + 8].copy_from_slice(&self.pending.to_le_bytes());
        self.filled = at + (self.width >> 3) as usize;
        self.pending >>= self.width & 56;
        self.width &= 7;
    }
}

impl BitSink {
    pub(super) fn new() -> Self {
        let cursor = BitCursor { pending: 0, width: 0, filled: 0 };
        Self { cursor, buffer: Box::new([0; ROOM + 8]) }
    }

    /// Appends the lowest `width` bits of `value`; the others must be zero.
    #[inline]
    pub(super) fn put(&mut self, value: u64, width: u32) {
        self.cursor.put(&mut self.buffer, value, width);
    }

    /// Appends what `word` makes of each item: bits, and how many they are.
    #[inline]
    pub(super) fn put_all<T>(
        &mut self,
        items: impl Iterator<Item = T>,
        word: impl Fn(T) -> (u64, u32),
    ) {
        let (mut cursor, buffer) = (self.cursor, &mut *self.buffer);
        for item in items {
            let (value, width) = word(item);
            cursor.put(buffer, value, width);
        }
        self.cursor = cursor;
    }

    /// Calls of [`BitSink::put`] that are possible between two calls of [`BitSink::relieve`].
    pub(super) const BURST: usize = (ROOM - FULL) / 8;

    /// Moves the bytes to `out` once they are many.
    #[inline]
    pub(super) fn relieve(&mut self, out: &mut Vec<u8>) {
        if self.cursor.filled >= FULL {
            self.drain(out);
        }
    }

    /// Moves all whole bytes to `out`.
    pub(super) fn drain(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.buffer.get(..self.cursor.filled).unwrap_or_default());
        self.cursor.filled = 0;
    }

    /// Fills the last byte with zeros.
    pub(super) fn align(&mut self) {
        if self.cursor.width > 0 {
            self.put(0, 8 - self.cursor.width);
        }
    }

    /// Writes bytes as they are, behind the type of their block.
    pub(super) fn stored(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.align();
        let length = plain.len() as u64 & 0xffff;
        self.put(length | (length ^ 0xffff) << 16, 32);
        self.drain(out);
        out.extend_from_slice(plain);
    }
}
