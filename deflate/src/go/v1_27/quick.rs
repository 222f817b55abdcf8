//! Levels 1 to 6 of Go 1.27: blocks of 65535 bytes, each level with its own way to find matches.

use super::super::super::DeflateWriter;
use super::super::bits::MOST_STORED;
use super::super::plain::{BlockPlace, PlainBlocks};
use super::super::tokens::DeflateToken;
use super::block::ReusingBlocks;
use super::history::{QuickBlock, QuickHistory};

/// The most bytes at the end that are just stored.
const STORED: usize = 32;
/// The fewest bytes at the end in which a match is looked for.
const SEARCHED: usize = 128;

/// Finds matches.
pub(super) trait QuickSearch: Send {
    /// Finds the matches of a block. If there is none, no token is written.
    fn search(&mut self, block: &mut QuickBlock<'_>);
    /// Moves all places that are known.
    fn shift(&mut self, moved: usize);
}

/// The writer of levels 1 to 6.
pub(super) struct QuickWriter<S> {
    search: S,
    blocks: ReusingBlocks,
    bytes: Vec<u8>,
    history: QuickHistory,
    tokens: Vec<DeflateToken>,
}

impl<S: QuickSearch> QuickWriter<S> {
    pub(super) fn new(search: S) -> Self {
        Self {
            search,
            blocks: ReusingBlocks::new(7),
            bytes: Vec::with_capacity(MOST_STORED),
            history: QuickHistory::new(),
            tokens: Vec::with_capacity(MOST_STORED),
        }
    }

    fn block(&mut self, place: BlockPlace, out: &mut Vec<u8>) {
        let length = self.bytes.len();
        if let Some(moved) = self.history.make_room(length) {
            self.search.shift(moved);
        }
        self.search.search(&mut self.history.add(&self.bytes, &mut self.tokens));
        if self.tokens.is_empty() {
            self.blocks.stored(&self.bytes, out);
        } else if self.tokens.len() > length - (length >> 4) {
            self.blocks.literals(&self.bytes, place, out);
        } else {
            self.blocks.tokens(&self.tokens, Some(&self.bytes), place, out);
        }
        self.bytes.clear();
    }
}

impl<S: QuickSearch> DeflateWriter for QuickWriter<S> {
    fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.bytes.len() == MOST_STORED {
                self.block(BlockPlace::Inner, out);
            }
            let (now, later) = bytes.split_at(bytes.len().min(MOST_STORED - self.bytes.len()));
            self.bytes.extend_from_slice(now);
            bytes = later;
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        match self.bytes.len() {
            0 => {}
            SEARCHED.. => self.block(BlockPlace::Last, out),
            1..=STORED => self.blocks.stored(&self.bytes, out),
            _ => self.blocks.literals(&self.bytes, BlockPlace::Last, out),
        }
        self.bytes.clear();
        self.blocks.finish(out);
    }
}
