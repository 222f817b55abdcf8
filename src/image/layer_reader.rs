//! Reads the bytes of one layer, for programs that use the library; checks them at the end.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::fmt;
use std::io::{self, Read};

use super::Layer;
use crate::codec::{Compressed, Compression, decoder};
use crate::digest::{Digest, Hasher};
use crate::error::{At as _, Error, ErrorKind, Location, Result, kind_of};

impl Layer {
    /// The stored bytes, compressed or not. At the end they are compared with the manifest, and
    /// with the diff ID if they are not compressed. If they differ, the last read fails; do not
    /// trust the bytes before it.
    ///
    /// # Errors
    /// They are missing or cannot be read.
    pub fn open(&self) -> Result<LayerReader> {
        let (from, at) = self.checked()?;
        Ok(LayerReader { from, at })
    }

    /// The uncompressed tar. At the end it is compared with the diff ID, and the stored bytes with
    /// the manifest.
    ///
    /// # Errors
    /// As [`Self::open`]; or this build does not have the codec.
    pub fn uncompressed(&self) -> Result<LayerReader> {
        let (from, at) = self.checked()?;
        if self.codec == Compression::None {
            return Ok(LayerReader { from, at });
        }
        let stored = Compressed { from, size: self.stored_size() };
        let from = decoder(self.codec, stored).at(&at)?;
        let from = Box::new(CheckedReader::new(from, self.diff_id.digest(), None));
        Ok(LayerReader { from, at })
    }

    /// The stored bytes, their place, and all claims about them.
    fn checked(&self) -> Result<(Box<dyn Read + Send>, Location)> {
        let Some(blob) = &self.blob else {
            let diff_id = self.diff_id.digest();
            let expected = self.claim.as_ref().map_or(diff_id, |claim| claim.digest);
            let at = Location::named(&format!("layer {}", self.diff_id));
            return Err(Error::new(&at, ErrorKind::MissingBlob { expected }));
        };
        let mut from = blob.reader()?;
        if let Some(claim) = &self.claim {
            from = Box::new(CheckedReader::new(from, claim.digest, Some(claim.size)));
        }
        if self.codec == Compression::None {
            from = Box::new(CheckedReader::new(from, self.diff_id.digest(), None));
        }
        Ok((from, blob.at.clone()))
    }
}

/// A reader of a layer, from [`Layer::open`] or [`Layer::uncompressed`].
///
/// Problems are an [`Error`] inside the [`io::Error`].
pub struct LayerReader {
    from: Box<dyn Read + Send>,
    at: Location,
}

impl Read for LayerReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.from.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => Error::new(&self.at, kind_of(error, ErrorKind::Read)).into(),
        })
    }
}

impl fmt::Debug for LayerReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LayerReader").field(&self.at).finish()
    }
}

/// A reader that hashes its bytes and compares the digest at the end.
struct CheckedReader<R> {
    from: R,
    hasher: Hasher,
    digest: Digest,
    size: Option<u64>,
}

impl<R: Read> CheckedReader<R> {
    fn new(from: R, digest: Digest, size: Option<u64>) -> Self {
        Self { from, hasher: Hasher::new(digest.algorithm()), digest, size }
    }

    fn check(&self) -> Result<(), ErrorKind> {
        let there = self.hasher.clone().finish();
        if let Some(expected) = self.size.filter(|size| *size != there.size()) {
            return Err(ErrorKind::Size { expected, found: there.size() });
        }
        if self.digest != there.digest() {
            return Err(ErrorKind::Digest { expected: self.digest, found: there.digest() });
        }
        Ok(())
    }
}

impl<R: Read> Read for CheckedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        if count == 0 && !buffer.is_empty() {
            self.check()?;
        }
        Ok(count)
    }
}
