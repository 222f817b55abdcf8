//! The bound on what comes out of compressed bytes: every decoder has it, so no caller can forget.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Compression;
use crate::error::ErrorKind;
use crate::limits;

/// What went into a decoder and came out of it so far.
pub(super) struct Ratio {
    /// All that will go in, where it is known; a layer may begin with a file of zeros.
    size: u64,
    /// What has gone in, for pipes.
    read: Arc<AtomicU64>,
    decoded: u64,
}

impl Ratio {
    /// Counts what goes into a decoder. gzip needs no bound: it has one of 1032.
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

    /// Refuses streams that blow up beyond any real layer: the ratio of [`limits`].
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
