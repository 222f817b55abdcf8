//! Bytes behind the end of an archive, which nobody reads: a second archive, that somebody
//! appended with `cat` or `>>`, would go without a word.

use std::fs::File;

use super::spool::read_full;
use crate::codec::Compression;
use crate::error::ErrorKind;
use crate::tar::{BLOCK, is_header};

/// The first bytes behind the end that are not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrailingBytes {
    /// The first of them, from the start of the uncompressed tar; nothing for what follows the
    /// compressed data.
    pub(crate) at: Option<u64>,
    /// Whether another archive begins there.
    pub(crate) archive: bool,
}

/// Looks for them while the bytes behind the end come by.
#[derive(Debug)]
pub(super) struct TrailingSearch {
    /// Where the next bytes are.
    at: u64,
    first: Option<u64>,
    /// A block from there on, as far as it came.
    block: Vec<u8>,
}

impl TrailingSearch {
    /// From the end marker on.
    pub(super) fn new(end: u64) -> Self {
        Self { at: end, first: None, block: Vec::new() }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        let start = self.at;
        self.at = self.at.saturating_add(bytes.len() as u64);
        if self.first.is_none() {
            let Some(zeros) = bytes.iter().position(|byte| *byte != 0) else { return };
            self.first = Some(start.saturating_add(zeros as u64));
            bytes = bytes.get(zeros..).unwrap_or_default();
        }
        let missing = BLOCK.saturating_sub(self.block.len()).min(bytes.len());
        self.block.extend(bytes.get(..missing).unwrap_or_default());
    }

    fn is_done(&self) -> bool {
        self.block.len() >= BLOCK
    }

    pub(super) fn finish(self) -> Option<TrailingBytes> {
        // A header begins with a name.
        let archive =
            is_header(&self.block) || Compression::sniff(&self.block) != Compression::None;
        self.first.map(|first| TrailingBytes { at: Some(first), archive })
    }

    /// Looks in a file, from where it stands.
    pub(super) fn file(mut self, file: &File) -> Result<Option<TrailingBytes>, ErrorKind> {
        let mut buffer = vec![0; 128 << 10];
        while !self.is_done() {
            let count = read_full(file, &mut buffer, self.at)?;
            if count == 0 {
                break;
            }
            self.feed(buffer.get(..count).unwrap_or_default());
        }
        Ok(self.finish())
    }
}
