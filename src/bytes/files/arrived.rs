//! A blob of a stream, as it was found when it arrived: its digests and sizes, and perhaps its bytes
//! in the form that the destination wants.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use super::byte_source::{ByteSource, ranged};
use crate::bytes::staging::{UnnamedFile, give_back};
use crate::codec::{Compressed, Compression, Encode, Transcoded, decoder};
use crate::digest::{Algorithm, Hasher, Measured};
use crate::error::{ErrorKind, Location, kind_of};
use crate::progress::{Event, Progress, tell};

/// What was found of a blob when it arrived.
#[derive(Debug)]
pub(crate) struct ArrivedBlob {
    pub(super) source: Measured,
    pub(super) codec: Compression,
    /// What else was found, or why it cannot be decoded.
    pub(super) found: Result<Transcoded, ErrorKind>,
    /// The form of the last digest that was taken, and of the staged bytes.
    pub(super) encode: Encode,
    /// The first of its bytes.
    pub(super) head: Vec<u8>,
    /// The first uncompressed bytes.
    pub(super) plain_head: Vec<u8>,
    /// The last bytes.
    pub(super) tail: Vec<u8>,
    /// The sizes of its files and of its tar, if they were asked for.
    pub(super) contents: Option<Result<Option<(u64, u64)>, ErrorKind>>,
    /// `None` if only its digests were wanted.
    pub(super) staged: Option<StagedBlob>,
}

/// Whether a blob is read again after it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlobUse {
    Again,
    Once,
}

/// Where the bytes of a blob wait to be placed.
#[derive(Debug)]
pub(crate) struct StagedBlob {
    pub(super) place: StagedIn,
    pub(crate) size: u64,
}

#[derive(Debug)]
pub(super) enum StagedIn {
    /// In a file of its own, which can get a name.
    Own(UnnamedFile),
    /// In a part of a temporary file.
    Part(Arc<File>, u64),
}

impl StagedBlob {
    pub(crate) fn reader(&self) -> impl Read + Send + use<> {
        match &self.place {
            StagedIn::Own(file) => ranged(Arc::clone(file.file()), 0, self.size),
            StagedIn::Part(file, offset) => ranged(Arc::clone(file), *offset, self.size),
        }
    }

    /// Copies the bytes, which must be these; the room of those that are copied is given back if they
    /// are not read again.
    pub(crate) fn copy(
        &self,
        (there, then): (&Measured, BlobUse),
        out: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<(), ErrorKind> {
        let (mut from, mut done) = (self.reader(), 0_u64);
        let mut hasher = Hasher::new(there.digest().algorithm());
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = match from.read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(|error| kind_of(error, ErrorKind::Read))?,
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            hasher.update(bytes);
            out.write_all(bytes).map_err(|error| kind_of(error, ErrorKind::Write))?;
            if let (BlobUse::Once, StagedIn::Part(file, offset)) = (then, &self.place) {
                give_back(file, offset.saturating_add(done), count as u64);
            }
            done = done.saturating_add(count as u64);
            tell(progress, Event::Read(0))?;
        }
        if hasher.finish() == *there { Ok(()) } else { Err(ErrorKind::Changed) }
    }

    /// The same bytes, as a source.
    pub(crate) fn source(&self, at: &Location) -> ByteSource {
        let (file, offset) = match &self.place {
            StagedIn::Own(file) => (file.file(), 0),
            StagedIn::Part(file, offset) => (file, *offset),
        };
        ByteSource::range(Arc::clone(file), (offset, self.size), at.clone())
    }

    /// The file, if it can get a name.
    pub(crate) fn own(&self) -> Option<&UnnamedFile> {
        match &self.place {
            StagedIn::Own(file) => Some(file),
            StagedIn::Part(..) => None,
        }
    }
}

impl ArrivedBlob {
    pub(super) fn size(&self) -> u64 {
        self.source.size()
    }

    /// What a pass over its bytes would find; `None` if they must be read for that.
    pub(super) fn answer(
        &self,
        (codec, algorithm): (Compression, Algorithm),
        to: Encode,
    ) -> Option<Result<Transcoded, ErrorKind>> {
        let source = self.source;
        if algorithm != source.digest().algorithm() {
            return None;
        }
        if codec == Compression::None && self.codec != Compression::None {
            // It is no layer, and was not to be decoded.
            let there = Transcoded { source, uncompressed: source, stored: source };
            return (!matches!(to, Encode::Compress(_))).then_some(Ok(there));
        }
        if codec != self.codec {
            return None;
        }
        let there = match &self.found {
            Ok(there) => there,
            Err(kind) => return Some(Err(again(kind))),
        };
        let stored = match to {
            Encode::Keep => source,
            Encode::Decompress => there.uncompressed,
            to if to == self.encode => there.stored,
            Encode::Compress(_) => return None,
        };
        Some(Ok(Transcoded { stored, ..*there }))
    }

    /// The bytes in this form, if they are there in it.
    pub(super) fn staged(&self, to: Encode) -> Option<&StagedBlob> {
        let plain = self.codec == Compression::None;
        let same = |one, other| one == other || plain && !is_new(one) && !is_new(other);
        self.staged.as_ref().filter(|_| same(self.encode, to))
    }

    /// The bytes as a document, which they are not: they begin as something else. So the first of
    /// them are enough where the others were not kept.
    pub(super) fn document(&self) -> Box<dyn Read + Send> {
        match self.reader() {
            Ok(reader) => reader,
            Err(_) => Box::new(io::Cursor::new(self.head.clone())),
        }
    }

    /// The bytes as they came.
    pub(super) fn reader(&self) -> Result<Box<dyn Read + Send>, ErrorKind> {
        let staged = self.staged.as_ref().ok_or_else(not_kept)?;
        let from = Box::new(staged.reader());
        if self.staged(Encode::Keep).is_some() {
            return Ok(from);
        }
        match (self.codec, self.encode) {
            (Compression::None, Encode::Compress(pipeline)) => {
                let from = Compressed { from, size: Some(staged.size) };
                decoder(pipeline.codec(), from)
            }
            _ => Err(not_kept()),
        }
    }

    /// A part of the bytes, of those that are known.
    pub(super) fn part(&self, at: u64, size: usize) -> Option<Vec<u8>> {
        let tail = self.size().checked_sub(self.tail.len() as u64)?;
        let from = usize::try_from(at.checked_sub(tail)?).ok()?;
        self.tail.get(from..)?.get(..size).map(<[u8]>::to_vec)
    }

    /// The sizes of its files and of its tar, if they were asked for.
    pub(super) fn contents(&self) -> Option<Result<Option<(u64, u64)>, ErrorKind>> {
        self.contents.as_ref().map(|found| match found {
            Ok(sizes) => Ok(*sizes),
            Err(kind) => Err(again(kind)),
        })
    }
}

fn is_new(form: Encode) -> bool {
    matches!(form, Encode::Compress(_))
}

fn not_kept() -> ErrorKind {
    let text = "it did not look like a part of an image when it arrived; write the pipe to a file";
    ErrorKind::Read(io::Error::other(text))
}

/// The same error once more.
fn again(kind: &ErrorKind) -> ErrorKind {
    match kind {
        ErrorKind::Compression { codec, what } => {
            ErrorKind::Compression { codec, what: what.clone() }
        }
        ErrorKind::Limit { what, limit, found } => {
            ErrorKind::Limit { what, limit: *limit, found: found.clone() }
        }
        ErrorKind::NoCodec { codec } => ErrorKind::NoCodec { codec },
        other => ErrorKind::Read(io::Error::other(other.to_string())),
    }
}
