//! The limit on the output of compressed bytes. Every decoder has it, so no caller can forget it.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Compression;
use crate::error::ErrorKind;
use crate::limits;

/// The input and output of a decoder so far.
pub(super) struct Ratio {
    /// The total input, if known; a layer may begin with a file of zeros.
    size: u64,
    /// The input so far, for pipes.
    read: Arc<AtomicU64>,
    decoded: u64,
}

impl Ratio {
    /// Counts the input of a decoder. gzip needs no limit: its ratio is at most 1032.
    pub(super) fn of<'a>(
        codec: Compression,
        from: Box<dyn Read + Send + 'a>,
        size: Option<u64>,
    ) -> (Box<dyn Read + Send + 'a>, Option<Self>) {
        if codec == Compression::Gzip {
            return (from, None);
        }
        let read = Arc::default();
        let ratio = Self { size: size.unwrap_or(0), read: Arc::clone(&read), decoded: 0 };
        (Box::new(CountedInput { from, read }), Some(ratio))
    }

    /// Refuses streams with a higher ratio than any real layer (see [`limits`]).
    pub(super) fn check(&mut self, more: u64) -> Result<(), ErrorKind> {
        self.decoded = self.decoded.saturating_add(more);
        if self.decoded <= limits::RATIO_FREE {
            return Ok(());
        }
        let size = self.size.max(self.read.load(Ordering::Relaxed));
        if self.decoded <= size.saturating_mul(limits::RATIO) {
            return Ok(());
        }
        let found = format!("{} bytes from {size}", self.decoded);
        Err(ErrorKind::limit("the ratio of output to compressed input", limits::RATIO, found))
    }
}

struct CountedInput<'a> {
    from: Box<dyn Read + Send + 'a>,
    read: Arc<AtomicU64>,
}

impl Read for CountedInput<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
