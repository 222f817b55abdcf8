//! Exports the inner parsers to the targets in `fuzz/`; only in builds with `--cfg fuzzing`.

use std::io::Read;

use crate::codec::{Compressed, Compression, Pool, decoder, decoder_in};
use crate::document::{Config, Document, Index, Manifest};
use crate::error::{ErrorKind, kind_of};
use crate::json::{self, Trailing, edit};
use crate::tar::{self, Tape, TarBody};

/// One member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedMember {
    /// The cleaned name; `None` if it escapes the archive.
    pub path: Option<String>,
    /// The offset and size of the data of a regular file.
    pub data: Option<(u64, u64)>,
    /// Target of a link.
    pub link: Option<String>,
}

/// All members of an archive.
///
/// # Errors
/// The input is refused.
pub fn members(bytes: &[u8]) -> Result<Vec<IndexedMember>, ErrorKind> {
    let index = tar::TarIndex::read(&mut TapeBytes(bytes))?;
    let member = |member: &tar::TarMember| {
        let (data, link) = match &member.body {
            TarBody::File { offset, size } => (Some((*offset, *size)), None),
            TarBody::Symlink(to) | TarBody::Hardlink(to) => (None, Some(to.clone())),
            TarBody::Directory | TarBody::Other(_) => (None, None),
        };
        IndexedMember { path: member.path.clone(), data, link }
    };
    Ok(index.members.iter().map(member).collect())
}

/// The number of the member at a path, after links.
///
/// # Errors
/// The input is refused.
pub fn resolve(bytes: &[u8], path: &str) -> Result<Option<u32>, ErrorKind> {
    tar::TarIndex::read(&mut TapeBytes(bytes))?.resolve(path)
}

/// A name without empty and `.` parts, with `..` resolved; `None` if it escapes the root.
#[must_use]
pub fn clean(name: &str) -> Option<String> {
    tar::clean(name).ok()
}

/// The URL that a `Location` leads to from another.
///
/// # Errors
/// The input is refused.
#[cfg(feature = "registry")]
pub fn joined(base: &str, location: &str) -> Result<String, ErrorKind> {
    crate::registry::parsers::joined(base, location)
}

/// The next page of a list, as the values of `Link` say.
#[cfg(feature = "registry")]
#[must_use]
pub fn next_page(fields: &[&str]) -> Option<String> {
    crate::registry::parsers::next_page(fields)
}

/// Whether the values of `WWW-Authenticate` have a challenge that can be met.
#[cfg(feature = "registry")]
#[must_use]
pub fn is_met(fields: &[&str]) -> bool {
    crate::registry::parsers::is_met(fields)
}

/// Whether a file of credentials has a login for a repository.
///
/// # Errors
/// The input is refused.
#[cfg(feature = "registry")]
pub fn has_login(raw: &[u8], host: &str, path: &str) -> Result<bool, ErrorKind> {
    crate::registry::parsers::has_login(raw, host, path)
}

/// Parses a config.
///
/// # Errors
/// The input is refused.
pub fn config(raw: &[u8]) -> Result<Document<Config>, ErrorKind> {
    Document::parse(raw)
}

/// Parses an index.
///
/// # Errors
/// The input is refused.
pub fn index(raw: &[u8]) -> Result<Document<Index>, ErrorKind> {
    Document::parse(raw)
}

/// Parses a manifest.
///
/// # Errors
/// The input is refused.
pub fn manifest(raw: &[u8]) -> Result<Document<Manifest>, ErrorKind> {
    Document::parse(raw)
}

/// The text of the value in a document, and its duplicate keys.
///
/// # Errors
/// The input is refused.
pub fn json(raw: &[u8]) -> Result<(&str, Vec<String>), ErrorKind> {
    let checked = json::check(raw, Trailing::Refused)?;
    Ok((checked.value.raw(), checked.duplicates.into_iter().map(|it| it.key).collect()))
}

/// The document, rewritten without changes.
///
/// # Errors
/// The input is refused.
pub fn rewritten(raw: &[u8]) -> Result<String, ErrorKind> {
    edit::rewrite(raw, &mut |_, _| edit::Action::Into(Vec::new()))
}

/// At most `limit` decoded bytes.
///
/// # Errors
/// The input is refused.
pub fn decode(codec: Compression, bytes: &[u8], limit: u64) -> Result<Vec<u8>, ErrorKind> {
    taken(decoder(codec, compressed(bytes))?, limit)
}

/// The same as in conversions: gzip members with a size are decoded in parallel.
///
/// # Errors
/// The input is refused.
pub fn decode_aside(codec: Compression, bytes: &[u8], limit: u64) -> Result<Vec<u8>, ErrorKind> {
    Pool::with(2, |pool| taken(decoder_in(codec, compressed(bytes), pool)?, limit))
}

fn compressed(bytes: &[u8]) -> Compressed<'_> {
    Compressed { from: Box::new(bytes), size: Some(bytes.len() as u64) }
}

fn taken(from: impl Read, limit: u64) -> Result<Vec<u8>, ErrorKind> {
    let mut plain = Vec::new();
    let read = from.take(limit).read_to_end(&mut plain);
    read.map_err(|error| kind_of(error, ErrorKind::Read))?;
    Ok(plain)
}

struct TapeBytes<'a>(&'a [u8]);

impl Tape for TapeBytes<'_> {
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, ErrorKind> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn reaches(&mut self, end: u64) -> Result<bool, ErrorKind> {
        Ok(end <= self.0.len() as u64)
    }
}
