//! The algorithm of Go 1.27.

mod block;
mod deep;
mod estimate;
mod history;
mod lazy;
mod level1;
mod level2;
mod level3;
mod level4;
mod quick;

use super::super::DeflateWriter;
use super::plain::{PlainKind, PlainWriter};
use block::ReusingBlocks;
use deep::{DeepSearch, Level5, Level6};
use lazy::LazyWriter;
use level1::Level1;
use level2::Level2;
use level3::Level3;
use level4::Level4;
use quick::QuickWriter;

/// A writer of this level; `None` if there is no such level.
pub(super) fn encoder(level: i32) -> Option<Box<dyn DeflateWriter>> {
    Some(match level {
        -2 => Box::new(PlainWriter::new(PlainKind::Literals, ReusingBlocks::new(10))),
        0 => Box::new(PlainWriter::new(PlainKind::Stored, ReusingBlocks::new(10))),
        1 => Box::new(QuickWriter::new(Level1::new())),
        2 => Box::new(QuickWriter::new(Level2::new())),
        3 => Box::new(QuickWriter::new(Level3::new())),
        4 => Box::new(QuickWriter::new(Level4::new())),
        5 => Box::new(QuickWriter::new(DeepSearch::<Level5>::new())),
        -1 | 6 => Box::new(QuickWriter::new(DeepSearch::<Level6>::new())),
        7..=9 => Box::new(LazyWriter::new(u8::try_from(level).ok()?)),
        _ => return None,
    })
}
