//! Levels 0 and -2: blocks without matches.

use super::super::DeflateWriter;
use super::bits::MOST_STORED;

/// Whether a block is the last of the input.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockPlace {
    Inner,
    Last,
}

/// How a release of Go writes blocks without matches.
pub(super) trait PlainBlocks: Send {
    /// Bytes of a block of literals.
    const MOST_LITERALS: usize;
    /// Writes literals with a code, unless that saves too little.
    fn literals(&mut self, plain: &[u8], place: BlockPlace, out: &mut Vec<u8>);
    /// Writes bytes as they are, at most [`MOST_STORED`].
    fn stored(&mut self, plain: &[u8], out: &mut Vec<u8>);
    /// Writes the last block, which is empty.
    fn finish(&mut self, out: &mut Vec<u8>);
}

/// What is done with the bytes.
#[derive(Clone, Copy)]
pub(super) enum PlainKind {
    Stored,
    Literals,
}

/// The writer of levels 0 and -2.
pub(super) struct PlainWriter<B> {
    kind: PlainKind,
    most: usize,
    blocks: B,
    bytes: Vec<u8>,
}

impl<B: PlainBlocks> PlainWriter<B> {
    pub(super) fn new(kind: PlainKind, blocks: B) -> Self {
        let most = match kind {
            PlainKind::Stored => MOST_STORED,
            PlainKind::Literals => B::MOST_LITERALS,
        };
        Self { kind, most, blocks, bytes: Vec::with_capacity(most) }
    }

    fn block(&mut self, place: BlockPlace, out: &mut Vec<u8>) {
        if self.bytes.is_empty() {
            return;
        }
        match self.kind {
            PlainKind::Stored => self.blocks.stored(&self.bytes, out),
            PlainKind::Literals => self.blocks.literals(&self.bytes, place, out),
        }
        self.bytes.clear();
    }
}

impl<B: PlainBlocks> DeflateWriter for PlainWriter<B> {
    fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.bytes.len() == self.most {
                self.block(BlockPlace::Inner, out);
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.most - self.bytes.len()));
            self.bytes.extend_from_slice(now);
            bytes = later;
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.block(BlockPlace::Last, out);
        self.blocks.finish(out);
    }
}
