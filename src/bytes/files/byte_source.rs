//! Bytes of a source: in a separate file, in an archive, in memory, or in a registry.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::ops::Deref;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::arrived::{ArrivedBlob, StagedBlob};
use super::refresh::refresh;
use crate::bytes::staging::Folder;
use crate::codec::{Compression, Encode, SNIFFED, Transcoded};
use crate::digest::{Algorithm, Digest, Measured};
use crate::error::{At as _, Error, ErrorKind, Location, Result, kind_of};

/// Unchecked bytes of a source. Shared by everything that refers to the same layer.
#[derive(Debug, Clone)]
pub(crate) struct ByteSource(Arc<SourceBytes>);

/// Where they are.
#[derive(Debug)]
pub(crate) struct SourceBytes {
    pub(crate) at: Location,
    pub(crate) size: u64,
    place: BytesAt,
    seen: Option<Seen>,
}

impl Deref for ByteSource {
    type Target = SourceBytes;

    fn deref(&self) -> &SourceBytes {
        &self.0
    }
}

/// What a file looked like when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    size: u64,
    mtime: (i64, i64),
}

impl Seen {
    pub(super) fn of(there: &fs::Metadata) -> Self {
        Self { size: there.size(), mtime: (there.mtime(), there.mtime_nsec()) }
    }
}

#[derive(Debug, Clone)]
pub(super) enum BytesAt {
    Range {
        file: Arc<File>,
        offset: u64,
    },
    Path(Arc<Path>),
    Bytes(Arc<[u8]>),
    /// A whole member of a stream.
    Held(Arc<[u8]>),
    /// A member of a stream without bytes, at this offset.
    Empty(u64),
    /// What was found of a member of a stream, and perhaps its bytes in another form.
    Arrived(Arc<ArrivedBlob>),
    Remote(Arc<dyn RemoteBytes>),
}

/// Bytes that are fetched when they are read.
pub(crate) trait RemoteBytes: fmt::Debug + Send + Sync {
    /// A reader from an offset on; an end before the size is an error.
    fn open(&self, offset: u64) -> Result<Box<dyn Read + Send>, ErrorKind>;

    /// Whether they exist, without reading them.
    fn presence(&self) -> Result<RemotePresence, ErrorKind>;

    /// Their digest, which identifies them.
    fn digest(&self) -> Digest;

    /// The repository that has them, `HOST/NAME`.
    fn repository(&self) -> String;

    /// Keeps what is read beside a destination, so that a later run goes on there.
    fn keep_beside(&self, destination: &Path) -> Result<()>;

    /// Where the bytes are kept: a folder, and the name there.
    fn kept(&self) -> Option<(Folder, String)>;

    /// Forgets the kept bytes; returns whether some were there before this run.
    fn discard(&self) -> bool;

    /// Ends a run that kept bytes.
    fn settle(&self, done: RemoteOutcome);
}

/// What is known of bytes that were not fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RemotePresence {
    Missing,
    /// The size is what the server states, if it does.
    There {
        size: Option<u64>,
    },
}

/// The least number of fetched bytes that are kept after a failure.
pub(crate) const WORTH_KEEPING: u64 = 16 << 20;

/// How a run with remote bytes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RemoteOutcome {
    Done,
    Failed,
}

/// Identifies a place, so that a layer that is named twice is read once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BlobKey {
    /// An open file, by its address while it is open, and an offset.
    Range(usize, u64),
    /// A separate file.
    Path(Arc<Path>),
    /// Bytes in memory.
    Bytes(Arc<[u8]>),
    /// A blob of a registry.
    Remote(Digest),
}

impl ByteSource {
    pub(super) fn new(at: Location, size: u64, place: BytesAt, seen: Option<Seen>) -> Self {
        Self(Arc::new(SourceBytes { at, size, place, seen }))
    }

    /// Bytes in memory.
    pub(crate) fn bytes(at: Location, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self::new(at, bytes.len() as u64, BytesAt::Bytes(bytes), None)
    }

    /// Bytes that are fetched when they are read.
    pub(crate) fn remote(at: Location, size: u64, from: Arc<dyn RemoteBytes>) -> Self {
        Self::new(at, size, BytesAt::Remote(from), None)
    }

    /// The bytes to fetch, if they are not on this machine: nothing is known of them before they
    /// are read.
    pub(crate) fn as_remote(&self) -> Option<&Arc<dyn RemoteBytes>> {
        match &self.place {
            BytesAt::Remote(from) => Some(from),
            _ => None,
        }
    }

    /// The first bytes of an open file, which may have no name.
    pub(crate) fn open_file(file: File, size: u64, at: Location) -> Self {
        Self::new(at, size, BytesAt::Range { file: Arc::new(file), offset: 0 }, None)
    }

    /// A part of an open file: its offset and size.
    pub(crate) fn range(file: Arc<File>, (offset, size): (u64, u64), at: Location) -> Self {
        Self::new(at, size, BytesAt::Range { file, offset }, None)
    }

    /// Whether the size or time of its file changed since it was opened.
    pub(crate) fn is_changed(&self) -> bool {
        let there = match &self.place {
            BytesAt::Range { file, .. } => file.metadata(),
            BytesAt::Path(path) => fs::metadata(path),
            _ => return false,
        };
        self.seen.is_some_and(|seen| there.map_or(true, |it| Seen::of(&it) != seen))
    }

    /// Identifies this place in its source.
    pub(crate) fn key(&self) -> BlobKey {
        match &self.place {
            BytesAt::Range { file, offset } => BlobKey::Range(Arc::as_ptr(file).addr(), *offset),
            BytesAt::Path(path) => BlobKey::Path(Arc::clone(path)),
            BytesAt::Bytes(bytes) => BlobKey::Bytes(Arc::clone(bytes)),
            BytesAt::Held(bytes) => BlobKey::Range(Arc::as_ptr(bytes).addr(), 0),
            BytesAt::Empty(offset) => BlobKey::Range(0, *offset),
            BytesAt::Arrived(blob) => BlobKey::Range(Arc::as_ptr(blob).addr(), 0),
            BytesAt::Remote(from) => BlobKey::Remote(from.digest()),
        }
    }

    /// Reads everything, within a limit. A separate file is read as it is when it is opened: a
    /// writer may have replaced it since it was found.
    pub(crate) fn read(&self, limit: u64, what: &'static str) -> Result<Vec<u8>> {
        let mut bytes =
            Vec::with_capacity(usize::try_from(self.size.min(limit)).unwrap_or_default());
        let over = limit.saturating_add(1);
        let mut reader: Box<dyn Read + Send> = match &self.place {
            // Reads to the end, because the size of a file may be outdated if it was changed
            // through another mount.
            BytesAt::Path(path) => {
                let file = open_regular(path).at(&self.at)?;
                refresh(&file);
                Box::new(file.take(over))
            }
            // It may not have been kept.
            BytesAt::Arrived(_) if self.size > limit => Box::new(io::repeat(0).take(over)),
            BytesAt::Arrived(blob) => Box::new(blob.document().take(over)),
            _ => Box::new(self.reader()?.take(over)),
        };
        let read = |error| kind_of(error, ErrorKind::Read);
        reader.read_to_end(&mut bytes).map_err(read).at(&self.at)?;
        if bytes.len() as u64 > limit {
            let found = format!("{} bytes", self.size.max(bytes.len() as u64));
            return Err(Error::new(&self.at, ErrorKind::limit(what, limit, found)));
        }
        Ok(bytes)
    }

    /// Reads a number of bytes at any offset of one opened file; `None` if they do not exist, or are
    /// not on this machine.
    pub(crate) fn parts(&self) -> Result<impl Fn(u64, usize) -> Option<Vec<u8>>> {
        let (opened, whole) = (self.open()?, self.size);
        Ok(move |at: u64, size: usize| {
            let end = at.checked_add(size as u64).filter(|end| *end <= whole)?;
            match &opened {
                OpenBytes::File(file, offset) => {
                    let mut part = vec![0; size];
                    file.read_exact_at(&mut part, offset.checked_add(at)?).ok()?;
                    Some(part)
                }
                OpenBytes::Bytes(bytes) => {
                    let range = usize::try_from(at).ok()?..usize::try_from(end).ok()?;
                    bytes.get(range).map(<[u8]>::to_vec)
                }
                OpenBytes::Arrived(blob) => blob.part(at, size),
                OpenBytes::Remote(_) => None,
            }
        })
    }

    /// The first bytes, enough to detect the codec; none if they are not on this machine.
    pub(crate) fn head(&self) -> Result<Vec<u8>> {
        match &self.place {
            BytesAt::Remote(_) => return Ok(Vec::new()),
            BytesAt::Arrived(blob) => {
                return Ok(blob.head.get(..SNIFFED).unwrap_or_default().to_vec());
            }
            _ => (),
        }
        let mut head = Vec::new();
        let read = |error| kind_of(error, ErrorKind::Read);
        self.reader()?.take(16).read_to_end(&mut head).map_err(read).at(&self.at)?;
        Ok(head)
    }

    /// The file with these bytes, if it is a separate one.
    pub(crate) fn own_file(&self) -> Option<File> {
        let BytesAt::Path(path) = &self.place else { return None };
        open_regular(path).ok()
    }

    /// A reader of exactly these bytes; an end before [`Self::size`] is an error.
    pub(crate) fn reader(&self) -> Result<Box<dyn Read + Send>> {
        self.reader_from(0)
    }

    /// A reader of these bytes from an offset on.
    pub(crate) fn reader_from(&self, offset: u64) -> Result<Box<dyn Read + Send>> {
        let left = self.size.saturating_sub(offset);
        Ok(match self.open()? {
            OpenBytes::File(file, start) => {
                Box::new(ranged(file, start.saturating_add(offset), left))
            }
            OpenBytes::Bytes(bytes) => {
                let mut bytes = io::Cursor::new(bytes);
                bytes.set_position(offset);
                Box::new(bytes)
            }
            OpenBytes::Arrived(blob) => {
                let mut reader = blob.reader().at(&self.at)?;
                let read = |error| kind_of(error, ErrorKind::Read);
                let skipped = reader.by_ref().take(offset);
                io::copy(&mut { skipped }, &mut io::sink()).map_err(read).at(&self.at)?;
                reader
            }
            OpenBytes::Remote(from) => from.open(offset).at(&self.at)?,
        })
    }

    /// What was found of a member of a stream, and is not whole in memory.
    fn arrived(&self) -> Option<&ArrivedBlob> {
        match &self.place {
            BytesAt::Arrived(blob) => Some(blob),
            _ => None,
        }
    }

    /// The digest of the bytes and their number, if they were measured when they arrived.
    pub(super) fn measured(&self) -> Option<Measured> {
        self.arrived().map(|blob| blob.source)
    }

    /// What a pass over a layer would find, if it is known since it arrived.
    pub(crate) fn answer(
        &self,
        form: (Compression, Algorithm),
        to: Encode,
    ) -> Option<Result<Transcoded, ErrorKind>> {
        self.arrived()?.answer(form, to)
    }

    /// The bytes of a layer in this form, if they were staged in it when they arrived.
    pub(crate) fn staged(&self, to: Encode) -> Option<&StagedBlob> {
        self.arrived()?.staged(to)
    }

    /// The sizes of the files of a layer and of its tar, if they were counted when it arrived.
    pub(crate) fn contents(&self) -> Option<Result<Option<(u64, u64)>, ErrorKind>> {
        self.arrived()?.contents()
    }

    /// The first uncompressed bytes of a layer, if they are known since it arrived.
    pub(crate) fn plain_head(&self) -> Option<Vec<u8>> {
        self.arrived().map(|blob| blob.plain_head.clone())
    }

    /// Whether it is a member of a stream.
    pub(crate) fn is_received(&self) -> bool {
        matches!(self.place, BytesAt::Held(_) | BytesAt::Empty(_) | BytesAt::Arrived(_))
    }

    fn open(&self) -> Result<OpenBytes> {
        Ok(match &self.place {
            BytesAt::Bytes(bytes) | BytesAt::Held(bytes) => OpenBytes::Bytes(Arc::clone(bytes)),
            BytesAt::Empty(_) => OpenBytes::Bytes(Arc::new([])),
            BytesAt::Arrived(blob) => OpenBytes::Arrived(Arc::clone(blob)),
            BytesAt::Path(path) => OpenBytes::File(Arc::new(open_regular(path).at(&self.at)?), 0),
            BytesAt::Range { file, offset } => OpenBytes::File(Arc::clone(file), *offset),
            BytesAt::Remote(from) => OpenBytes::Remote(Arc::clone(from)),
        })
    }
}

/// A place to read bytes from.
enum OpenBytes {
    /// An offset in a file.
    File(Arc<File>, u64),
    Bytes(Arc<[u8]>),
    Arrived(Arc<ArrivedBlob>),
    Remote(Arc<dyn RemoteBytes>),
}

/// Opens a regular file without ever waiting for a FIFO.
fn open_regular(path: &Path) -> Result<File, ErrorKind> {
    let there = fs::metadata(path).map_err(ErrorKind::Open)?;
    if !there.is_file() {
        return Err(ErrorKind::NotAFile { found: what(&there) });
    }
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)
        .map_err(ErrorKind::Open)?;
    let there = file.metadata().map_err(ErrorKind::Open)?;
    if there.is_file() { Ok(file) } else { Err(ErrorKind::NotAFile { found: what(&there) }) }
}

/// A regular file, after links; `None` if there is none.
pub(crate) fn file_of(path: PathBuf, at: Location) -> Result<Option<ByteSource>> {
    match fs::metadata(&path) {
        Ok(there) if there.is_file() => {
            let seen = Some(Seen::of(&there));
            Ok(Some(ByteSource::new(at, there.size(), BytesAt::Path(path.into()), seen)))
        }
        Ok(there) => Err(Error::new(&at, ErrorKind::NotAFile { found: what(&there) })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(&at, ErrorKind::Open(error))),
    }
}

pub(crate) fn what(there: &fs::Metadata) -> &'static str {
    let kind = there.file_type();
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() {
        "a character device"
    } else {
        "a block device"
    }
}

/// Reads a range of an open file, with its own position.
pub(super) struct Ranged {
    file: Arc<File>,
    at: u64,
    left: u64,
}

pub(super) fn ranged(file: Arc<File>, at: u64, left: u64) -> Ranged {
    Ranged { file, at, left }
}

impl Read for Ranged {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let free = buffer.get_mut(..most).unwrap_or_default();
        if free.is_empty() {
            return Ok(0);
        }
        let count = match self.file.read_at(free, self.at) {
            Ok(0) => return Err(ErrorKind::Changed.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(ErrorKind::Read(error).into()),
        };
        self.at = self.at.saturating_add(count as u64);
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}
