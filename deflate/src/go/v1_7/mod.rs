//! The algorithm of Go 1.7 to 1.26.

mod block;
mod chain;
mod fast;

use super::super::DeflateWriter;
use super::plain::{PlainKind, PlainWriter};
use block::CheapestBlocks;
use chain::ChainWriter;
use fast::FastWriter;

/// A writer of this level; `None` if there is no such level.
pub(super) fn encoder(level: i32) -> Option<Box<dyn DeflateWriter>> {
    Some(match level {
        -2 => Box::new(PlainWriter::new(PlainKind::Literals, CheapestBlocks::new())),
        0 => Box::new(PlainWriter::new(PlainKind::Stored, CheapestBlocks::new())),
        1 => Box::new(FastWriter::new()),
        -1 => Box::new(ChainWriter::new(6)),
        2..=9 => Box::new(ChainWriter::new(u8::try_from(level).ok()?)),
        _ => return None,
    })
}
