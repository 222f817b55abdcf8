//! Layers of writers that are not known: what a gzip file has beyond its uncompressed bytes.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use imgconv_deflate::corrections::{put_together, take_apart};

use super::layers::uncompressed;
use crate::bytes::files::{ByteSource, temporary};
use crate::codec::Compression;
use crate::digest::{Digest, Hasher, Measured};
use crate::document::descriptor::Descriptor;
use crate::error::{At as _, ErrorKind, Result, carried, kind_of};
use crate::progress::{Progress, Uncounted, Watched};

/// The media type of corrections.
pub(super) const CORRECTIONS: &str = "application/vnd.imgconv.recovery.corrections.v1";

/// The corrections of gzip bytes, in a file in this folder, once they have been seen to give these
/// bytes; `None` if there are none that are much smaller.
pub(super) fn of(
    (blob, claim): (&ByteSource, &Descriptor),
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Option<(Measured, ByteSource)>> {
    let again = Uncounted(progress);
    let watched = Watched { from: blob.reader()?, progress: &again };
    let mut to = HashedFile::new(folder, claim.digest).at(&blob.at)?;
    let done = take_apart(BufReader::new(watched), &mut to).and_then(|()| to.flush());
    if !fits(done).at(&blob.at)? {
        return Ok(None);
    }
    let (measured, file) = to.finish().at(&blob.at)?;
    if measured.size() > claim.size / 2 {
        return Ok(None);
    }
    let corrections = ByteSource::open_file(file, measured.size(), blob.at.clone());
    let from = uncompressed(Compression::Gzip, blob, &again)?;
    let found = applied((from, &corrections), claim, folder).at(&blob.at)?;
    Ok(found.map(|_| (measured, corrections)))
}

/// The compressed bytes, in a file in this folder; `None` if these are not their corrections.
pub(super) fn applied(
    (from, corrections): (impl Read, &ByteSource),
    claim: &Descriptor,
    folder: &Path,
) -> Result<Option<File>, ErrorKind> {
    let mut to = HashedFile::new(folder, claim.digest)?;
    to.left = claim.size;
    let corrections = BufReader::new(corrections.reader().map_err(|error| error.kind)?);
    let done = put_together(from, corrections, &mut to).and_then(|()| to.flush());
    if !fits(done)? {
        return Ok(None);
    }
    let (measured, file) = to.finish()?;
    Ok((measured.digest() == claim.digest).then_some(file))
}

/// Whether it was done; an error of other bytes than are expected is an answer.
fn fits(done: io::Result<()>) -> Result<bool, ErrorKind> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if carried(&error) => Err(kind_of(error, ErrorKind::Read)),
        Err(_) => Ok(false),
    }
}

/// A temporary file, and the digest of what is written to it.
struct HashedFile {
    file: BufWriter<File>,
    hasher: Hasher,
    /// Bytes that may still be written.
    left: u64,
}

impl HashedFile {
    fn new(folder: &Path, digest: Digest) -> Result<Self, ErrorKind> {
        let file = BufWriter::new(temporary(folder)?);
        Ok(Self { file, hasher: Hasher::new(digest.algorithm()), left: u64::MAX })
    }

    fn finish(self) -> Result<(Measured, File), ErrorKind> {
        let file = self.file.into_inner();
        Ok((self.hasher.finish(), file.map_err(|error| ErrorKind::Spool(error.into_error()))?))
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or(io::ErrorKind::FileTooLarge)?;
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(ErrorKind::Spool)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(self.file.flush().map_err(ErrorKind::Spool)?)
    }
}
