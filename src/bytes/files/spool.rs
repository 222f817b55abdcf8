//! The temporary file of a compressed archive or a stream.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::trailing::{TrailingBytes, TrailingSearch};
use crate::codec::{Compressed, Compression, TRAILING, decoder};
use crate::error::{ErrorKind, Location, kind_of};
use crate::progress::{Progress, Watched};
use crate::tar::Tape;

/// A stream, after its outer compression.
pub(super) struct Unpacked<'a> {
    codec: Compression,
    inner: Option<Compression>,
    from: Box<dyn Read + Send + 'a>,
    begun: bool,
    ended: bool,
    /// Whether something follows the end of the compressed data.
    trailing: bool,
}

impl<'a> Unpacked<'a> {
    pub(super) fn new(
        codec: Compression,
        from: Compressed<'a>,
        progress: &'a dyn Progress,
    ) -> Result<Self, ErrorKind> {
        let watched = Watched { from: from.from, progress };
        let from = decoder(codec, Compressed { from: Box::new(watched), size: from.size })?;
        Ok(Self { codec, inner: None, from, begun: false, ended: false, trailing: false })
    }

    /// The next bytes; none at the end.
    pub(super) fn next(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        while !self.ended {
            match self.from.read(buffer) {
                Ok(count) => {
                    self.ended = count == 0;
                    if !self.begun && self.codec != Compression::None {
                        let inner = Compression::sniff(buffer.get(..count).unwrap_or_default());
                        self.inner = Some(inner).filter(|it| *it != Compression::None);
                    }
                    self.begun = true;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => match kind_of(error, ErrorKind::Read) {
                    ErrorKind::Compression { what, .. } if what == TRAILING => {
                        (self.ended, self.trailing) = (true, true);
                    }
                    kind => return Err(kind),
                },
            }
        }
        Ok(0)
    }

    /// Reads to the end, so that checksums are checked and the writer of a pipe can finish; what
    /// follows the end of the archive, of which `search` has seen a part.
    pub(super) fn finish(
        &mut self,
        mut search: TrailingSearch,
    ) -> Result<Option<TrailingBytes>, ErrorKind> {
        let mut buffer = vec![0; 128 << 10];
        while !self.ended {
            let count = self.next(&mut buffer)?;
            search.feed(buffer.get(..count).unwrap_or_default());
        }
        let trailing = self.trailing.then_some(TrailingBytes { at: None, archive: false });
        Ok(search.finish().or(trailing))
    }

    /// Reports an error of the outer compression, if there is one.
    pub(super) fn explain(&self, kind: ErrorKind) -> ErrorKind {
        match (self.inner, &kind) {
            // An interrupt, a full disk or a limit is reported as it is.
            (
                _,
                ErrorKind::Interrupted
                | ErrorKind::Spool(_)
                | ErrorKind::Write(_)
                | ErrorKind::Limit { .. },
            )
            | (None, _) => kind,
            (Some(inner), _) => {
                ErrorKind::CompressedTwice { outer: self.codec.name(), inner: inner.name() }
            }
        }
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.next(buffer)?)
    }
}

/// A stream that is copied into an unnamed file as far as it was read.
pub(super) struct Spool<'a> {
    from: Unpacked<'a>,
    temporary: File,
    size: u64,
}

impl<'a> Spool<'a> {
    /// `folder` is the folder of the file.
    pub(super) fn new(from: Unpacked<'a>, folder: &Path) -> Result<Self, ErrorKind> {
        Ok(Self { from, temporary: temporary(folder)?, size: 0 })
    }

    fn fill(&mut self, end: u64) -> Result<(), ErrorKind> {
        let mut buffer = vec![0; 128 << 10];
        while self.size < end {
            let count = self.from.next(&mut buffer)?;
            if count == 0 {
                break;
            }
            let bytes = buffer.get(..count).unwrap_or_default();
            self.temporary.write_all_at(bytes, self.size).map_err(ErrorKind::Spool)?;
            self.size = self.size.saturating_add(count as u64);
        }
        Ok(())
    }

    /// Reads the stream to its end; what follows the end of the archive.
    pub(super) fn finish(mut self, end: u64) -> Result<(File, Option<TrailingBytes>), ErrorKind> {
        let mut search = TrailingSearch::new(end);
        let mut buffer = vec![0; 128 << 10];
        let mut at = end;
        while at < self.size {
            let count = read_full(&self.temporary, &mut buffer, at)?;
            search.feed(buffer.get(..count).unwrap_or_default());
            at = at.saturating_add(count.max(1) as u64);
        }
        let behind = self.from.finish(search)?;
        Ok((self.temporary, behind))
    }

    /// Reports an error of the outer compression, if there is one.
    pub(super) fn explain(&self, kind: ErrorKind) -> ErrorKind {
        self.from.explain(kind)
    }
}

impl Tape for Spool<'_> {
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, ErrorKind> {
        self.fill(offset.saturating_add(buffer.len() as u64))?;
        read_full(&self.temporary, buffer, offset)
    }

    fn reaches(&mut self, end: u64) -> Result<bool, ErrorKind> {
        self.fill(end)?;
        Ok(end <= self.size)
    }
}

/// A new file in a folder, without a name. An error names the folder.
pub(crate) fn temporary(folder: &Path) -> Result<File, ErrorKind> {
    tempfile::tempfile_in(folder).map_err(|error| {
        let text = format!("{}: {error}", Location::of(folder));
        ErrorKind::Spool(io::Error::new(error.kind(), text))
    })
}

/// Fills a buffer from an offset, as far as there are bytes.
pub(super) fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize, ErrorKind> {
    let mut filled = 0_usize;
    while let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) {
        match file.read_at(free, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(ErrorKind::Read(error)),
        }
    }
    Ok(filled)
}
