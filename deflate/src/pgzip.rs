//! What skopeo, podman, buildah and CRI-O write: `klauspost/pgzip`, whose blocks are compressed
//! each one alone after the end of the block before it as a dictionary, with `klauspost/compress`
//! flate at its default level, 5.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "positions are bounded by the block and its dictionary"
)]

use super::DeflateWriter;
use super::deflate_bits::Last;
use super::klauspost_block::{Flushed, KlauspostBlocks};
use super::klauspost_early::KlauspostEarly;
use super::klauspost_match::KlauspostMatcher;
use super::klauspost_rules::{Dictionary, KlauspostRelease, KlauspostRules};
use super::klauspost_tokens::FoundTokens;

/// How much of a block the next one may refer to.
const TAIL: usize = 16384;
/// What klauspost's compressor takes at once.
const CHUNK: usize = 65535;

/// What one goroutine of pgzip gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PgzipBlock {
    /// 256 KiB: pgzip to v1.2.1.
    Small,
    /// 1 MiB: pgzip from v1.2.2 on.
    Large,
}

/// Compresses as pgzip does with blocks of this size and a release of klauspost's flate.
pub(crate) fn encoder(block: PgzipBlock, release: KlauspostRelease) -> Box<dyn DeflateWriter> {
    let block = match block {
        PgzipBlock::Small => 1 << 18,
        PgzipBlock::Large => 1 << 20,
    };
    let rules = release.rules();
    let program = match release {
        KlauspostRelease::V1_4_1 => PgzipProgram::Early(Box::default()),
        _ => PgzipProgram::Fast(Box::new(KlauspostFast::new(rules))),
    };
    let held = Vec::with_capacity(TAIL + block);
    Box::new(PgzipWriter { held, block, dictionary: rules.dictionary, tail: 0, program })
}

struct PgzipWriter {
    /// The end of the block before, then the block.
    held: Vec<u8>,
    /// The size of a whole block.
    block: usize,
    dictionary: Dictionary,
    /// The length of the end of the block before.
    tail: usize,
    program: PgzipProgram,
}

enum PgzipProgram {
    Early(Box<KlauspostEarly>),
    Fast(Box<KlauspostFast>),
}

impl DeflateWriter for PgzipWriter {
    fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let room = self.tail + self.block - self.held.len();
            let (taken, rest) = bytes.split_at(room.min(bytes.len()));
            self.held.extend_from_slice(taken);
            bytes = rest;
            if let PgzipProgram::Fast(fast) = &mut self.program {
                fast.advance(&self.held, out);
            }
            if self.held.len() == self.tail + self.block {
                self.flush(out);
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        // Even the last block is flushed; where the stream ends with a whole block, an empty one
        // follows.
        self.flush(out);
        match &mut self.program {
            PgzipProgram::Early(early) => early.block.bits.put_stored(&[], Last::Yes, out),
            PgzipProgram::Fast(fast) => fast.blocks.finish(out),
        }
    }
}

impl PgzipWriter {
    /// Ends the block at a whole byte and starts the next one.
    fn flush(&mut self, out: &mut Vec<u8>) {
        match &mut self.program {
            PgzipProgram::Early(early) => {
                early.compress(&self.held, self.tail, out);
                early.block.bits.put_stored(&[], Last::No, out);
            }
            PgzipProgram::Fast(fast) => fast.flush(&self.held, out),
        }
        if self.held.len() - self.tail > TAIL && self.dictionary == Dictionary::Used {
            self.held.drain(..self.held.len() - TAIL);
        } else {
            self.held.clear();
        }
        self.tail = self.held.len();
        if let PgzipProgram::Fast(fast) = &mut self.program {
            fast.restart(&self.held);
        }
    }
}

/// klauspost's flate from v1.9 on.
struct KlauspostFast {
    /// How much of the block, with what lies before it, is compressed.
    done: usize,
    matcher: KlauspostMatcher,
    tokens: FoundTokens,
    blocks: KlauspostBlocks,
}

impl KlauspostFast {
    fn new(rules: KlauspostRules) -> Self {
        Self {
            done: 0,
            matcher: KlauspostMatcher::new(&rules),
            tokens: FoundTokens::new(rules.long_match),
            blocks: KlauspostBlocks::new(rules),
        }
    }

    /// Compresses what can be compressed before the flush.
    fn advance(&mut self, held: &[u8], out: &mut Vec<u8>) {
        // A whole chunk waits for the byte after it: the last one before a flush is written in
        // another way.
        while held.len() - self.done > CHUNK {
            self.chunk(held, self.done + CHUNK, Flushed::No, out);
        }
    }

    fn flush(&mut self, held: &[u8], out: &mut Vec<u8>) {
        self.chunk(held, held.len(), Flushed::Yes, out);
        self.blocks.stored(&[], out);
        self.matcher.forget(held.len());
    }

    fn restart(&mut self, dictionary: &[u8]) {
        self.blocks.restart();
        self.done = dictionary.len();
        // As in the program, the dictionary goes through the matcher and what it finds is dropped.
        self.matcher.find(dictionary, 0, &mut self.tokens);
        self.tokens.clear();
    }

    /// Compresses up to `end`.
    fn chunk(&mut self, held: &[u8], end: usize, flushed: Flushed, out: &mut Vec<u8>) {
        let start = std::mem::replace(&mut self.done, end);
        let chunk = &held[start..end];
        if flushed == Flushed::Yes && chunk.len() < 128 {
            return match chunk.len() {
                0 => {}
                1..=32 => self.blocks.stored(chunk, out),
                _ => self.blocks.literals(chunk, Flushed::Yes, out),
            };
        }
        self.matcher.find(&held[..end], start, &mut self.tokens);
        let tokens = self.tokens.list.len();
        if tokens == 0 {
            self.blocks.stored(chunk, out);
        } else if tokens > chunk.len() - (chunk.len() >> 4) {
            self.blocks.literals(chunk, flushed, out);
        } else {
            self.blocks.tokens(&mut self.tokens, chunk, flushed, out);
        }
        self.tokens.clear();
    }
}
