//! Names to bytes: a layout directory, or an archive whose headers were indexed once.
//!
//! An archive that is compressed as a whole, or that comes through a pipe, is spooled once into an
//! unnamed temporary file, up to its end marker. Files of a layout directory may be symbolic links
//! to regular files (build systems lay blobs out so); whatever is no regular file is an error, and
//! a FIFO does not block.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod list;
mod peek;
mod stamp;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub(crate) use crate::bytes::files::list::What;
pub(crate) use crate::bytes::files::peek::{Peeked, peek};
pub(crate) use crate::bytes::files::stamp::Stamp;
use crate::codec::{Compressed, Compression, decoder, kind_of};
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::tar::{Tape, TarBody, TarIndex};

/// Where a source is read from.
#[derive(Debug)]
pub enum Input {
    /// A file, a directory or a named pipe.
    Path(PathBuf),
    /// An open pipe or file, shown as `-`.
    Stream(File),
    /// An open pipe of which the first bytes were read already, shown as `-`.
    Begun {
        /// Those bytes.
        head: Vec<u8>,
        /// Where the rest comes from.
        rest: File,
    },
}

/// The files of a source, by name.
#[derive(Debug)]
pub(crate) struct Files {
    at: Location,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Directory(PathBuf),
    Archive { file: Arc<File>, seen: Option<Seen>, index: TarIndex, same: Mutex<BTreeSet<u32>> },
}

/// Some bytes of a source: not checked against anything.
#[derive(Debug, Clone)]
pub(crate) struct ByteSource {
    pub(crate) at: Location,
    pub(crate) size: u64,
    place: Place,
    seen: Option<Seen>,
}

/// What a file looked like when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    size: u64,
    mtime: (i64, i64),
}

impl Seen {
    fn of(there: &fs::Metadata) -> Self {
        Self { size: there.size(), mtime: (there.mtime(), there.mtime_nsec()) }
    }
}

#[derive(Debug, Clone)]
enum Place {
    Range { file: Arc<File>, offset: u64 },
    Path(Arc<Path>),
    Bytes(Arc<[u8]>),
}

/// Tells one place from another, so that a layer named twice is read once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// An open file, by its address while it is open, and an offset.
    Range(usize, u64),
    /// A file of its own.
    Path(Arc<Path>),
    /// Bytes at hand.
    Bytes(Arc<[u8]>),
}

impl Files {
    /// Finds out what is there and, in an archive, where each member is.
    ///
    /// `spool` is the folder for the temporary file of a compressed archive or a pipe.
    pub(crate) fn open(input: Input, spool: &Path) -> Result<Self> {
        match input {
            Input::Stream(file) => {
                let at = Location::named("-");
                let kind = Self::archive(file, Vec::new(), spool).at(&at)?;
                Ok(Self { at, kind })
            }
            Input::Begun { head, rest } => {
                let at = Location::named("-");
                let kind = Self::archive(rest, head, spool).at(&at)?;
                Ok(Self { at, kind })
            }
            Input::Path(path) => {
                let at = Location::of(&path);
                let there = fs::metadata(&path).map_err(ErrorKind::Open).at(&at)?;
                let kind = if there.is_dir() {
                    Kind::Directory(path)
                } else if there.is_file() || there.file_type().is_fifo() {
                    let file = File::open(&path).map_err(ErrorKind::Open).at(&at)?;
                    Self::archive(file, Vec::new(), spool).at(&at)?
                } else {
                    let found = what(&there);
                    return Err(Error::new(&at, ErrorKind::NotAFile { found }));
                };
                Ok(Self { at, kind })
            }
        }
    }

    fn archive(file: File, begun: Vec<u8>, spool: &Path) -> Result<Kind, ErrorKind> {
        let there = file.metadata().map_err(ErrorKind::Open)?;
        let mut head = [0; HEAD];
        let mut tape: Box<dyn Spoolable> = if there.is_file() && begun.is_empty() {
            let read = read_full(&mut |buffer, at| file.read_at(buffer, at), &mut head, 0)?;
            let codec = Compression::sniff(head.get(..read).unwrap_or_default());
            let size = there.len();
            if codec == Compression::None {
                Box::new(Plain { file, size })
            } else {
                let reader = ranged(Arc::new(file), 0, size);
                Box::new(Spool::new(codec, (Box::new(reader), Some(size)), spool)?)
            }
        } else {
            let mut pipe = file;
            let mut head = begun;
            fill(&mut pipe, &mut head, HEAD)?;
            let codec = Compression::sniff(&head);
            let from = io::Cursor::new(head).chain(pipe);
            Box::new(Spool::new(codec, (Box::new(from), None), spool)?)
        };
        let index = TarIndex::read(tape.tape()).map_err(|kind| tape.explain(kind))?;
        if index.members.is_empty() && tape.is_empty()? {
            return Err(ErrorKind::Unrecognised { why: "the file is empty" });
        }
        let file = Arc::new(tape.finish()?);
        let seen = file.metadata().ok().map(|there| Seen::of(&there));
        Ok(Kind::Archive { file, seen, index, same: Mutex::default() })
    }

    pub(crate) fn at(&self) -> &Location {
        &self.at
    }

    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory(_))
    }

    /// The file of a name, through links; nothing where there is none.
    pub(crate) fn find(&self, name: &str) -> Result<Option<ByteSource>> {
        let at = self.at.member(name);
        match &self.kind {
            Kind::Directory(root) => file_of(root.join(name), at),
            Kind::Archive { file, seen, index, .. } => {
                let Some(found) = index.resolve(name).at(&at)? else { return Ok(None) };
                self.same(found, &at)?;
                match index.members.get(found as usize).map(|member| &member.body) {
                    Some(TarBody::File { offset, size }) => {
                        let place = Place::Range { file: Arc::clone(file), offset: *offset };
                        Ok(Some(ByteSource { at, size: *size, place, seen: *seen }))
                    }
                    Some(TarBody::Directory) => {
                        Err(Error::new(&at, ErrorKind::NotAFile { found: "a directory" }))
                    }
                    Some(TarBody::Other(found)) => {
                        Err(Error::new(&at, ErrorKind::NotAFile { found }))
                    }
                    _ => Ok(None),
                }
            }
        }
    }

    /// The first parts of all member names, each once, in the order of the archive.
    pub(crate) fn top_level(&self) -> Vec<&str> {
        let Kind::Archive { index, .. } = &self.kind else { return Vec::new() };
        let mut seen = BTreeSet::new();
        index
            .members
            .iter()
            .filter_map(|member| member.path.as_deref()?.split('/').next())
            .filter(|top| !top.is_empty() && seen.insert(*top))
            .collect()
    }

    /// Refuses a member that is there twice with different bytes: docker takes the last, skopeo
    /// the first.
    fn same(&self, found: u32, at: &Location) -> Result<()> {
        let Kind::Archive { file, index, same, .. } = &self.kind else { return Ok(()) };
        let Some(member) = index.members.get(found as usize) else { return Ok(()) };
        let all: Vec<&TarBody> =
            index.named(member.path.as_deref().unwrap_or_default()).map(|it| &it.1.body).collect();
        let [first, others @ ..] = all.as_slice() else { return Ok(()) };
        let Ok(mut same) = same.lock() else { return Ok(()) };
        if others.is_empty() || !same.insert(found) {
            return Ok(());
        }
        for other in others {
            let equal = match (first, other) {
                (TarBody::File { offset: a, size }, TarBody::File { offset: b, size: other }) => {
                    size == other && equal(file, *a, *b, *size).at(at)?
                }
                (first, other) => first == other,
            };
            if !equal {
                same.remove(&found);
                return Err(Error::new(at, ErrorKind::Twice));
            }
        }
        Ok(())
    }
}

impl ByteSource {
    /// Bytes that are at hand.
    pub(crate) fn bytes(at: Location, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { at, size: bytes.len() as u64, place: Place::Bytes(bytes), seen: None }
    }

    /// The first bytes of a file that is open and may have no name.
    pub(crate) fn open_file(file: File, size: u64, at: Location) -> Self {
        Self { at, size, place: Place::Range { file: Arc::new(file), offset: 0 }, seen: None }
    }

    /// Whether its file has another size or time than when it was opened.
    pub(crate) fn is_changed(&self) -> bool {
        let there = match &self.place {
            Place::Range { file, .. } => file.metadata(),
            Place::Path(path) => fs::metadata(path),
            Place::Bytes(_) => return false,
        };
        self.seen.is_some_and(|seen| there.map_or(true, |it| Seen::of(&it) != seen))
    }

    /// Tells this place from others of the same source.
    pub(crate) fn key(&self) -> Key {
        match &self.place {
            Place::Range { file, offset } => Key::Range(Arc::as_ptr(file).addr(), *offset),
            Place::Path(path) => Key::Path(Arc::clone(path)),
            Place::Bytes(bytes) => Key::Bytes(Arc::clone(bytes)),
        }
    }

    /// Everything, when it is within a limit. Of a file of its own that is what is there when it is
    /// opened: a writer may have put another one in its place since it was found.
    pub(crate) fn read(&self, limit: u64, what: &'static str) -> Result<Vec<u8>> {
        let (mut reader, size) = match &self.place {
            Place::Path(path) => {
                let file = open_regular(path).at(&self.at)?;
                let size = file.metadata().map_err(ErrorKind::Read).at(&self.at)?.len();
                (Box::new(ranged(Arc::new(file), 0, size)) as Box<dyn Read + Send>, size)
            }
            Place::Range { .. } | Place::Bytes(_) => (self.reader()?, self.size),
        };
        if size > limit {
            let found = format!("{size} bytes");
            return Err(Error::new(&self.at, ErrorKind::limit(what, limit, found)));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let read = |error| kind_of(error, ErrorKind::Read);
        reader.read_to_end(&mut bytes).map_err(read).at(&self.at)?;
        Ok(bytes)
    }

    /// The first bytes, as many as tell codecs apart.
    pub(crate) fn head(&self) -> Result<Vec<u8>> {
        let mut head = Vec::new();
        let read = |error| kind_of(error, ErrorKind::Read);
        self.reader()?.take(16).read_to_end(&mut head).map_err(read).at(&self.at)?;
        Ok(head)
    }

    /// The file that holds these bytes, where it is one of their own.
    pub(crate) fn own_file(&self) -> Option<File> {
        let Place::Path(path) = &self.place else { return None };
        open_regular(path).ok()
    }

    /// Exactly the bytes, from their start; an end before [`Self::size`] is an error.
    pub(crate) fn reader(&self) -> Result<Box<dyn Read + Send>> {
        Ok(match self.open()? {
            Opened::File(file, offset) => Box::new(ranged(file, offset, self.size)),
            Opened::Bytes(bytes) => Box::new(io::Cursor::new(bytes)),
        })
    }

    fn open(&self) -> Result<Opened> {
        Ok(match &self.place {
            Place::Bytes(bytes) => Opened::Bytes(Arc::clone(bytes)),
            Place::Path(path) => Opened::File(Arc::new(open_regular(path).at(&self.at)?), 0),
            Place::Range { file, offset } => Opened::File(Arc::clone(file), *offset),
        })
    }
}

/// Where bytes can be read.
enum Opened {
    /// From here in a file.
    File(Arc<File>, u64),
    Bytes(Arc<[u8]>),
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

fn file_of(path: PathBuf, at: Location) -> Result<Option<ByteSource>> {
    match fs::metadata(&path) {
        Ok(there) if there.is_file() => {
            let seen = Some(Seen::of(&there));
            Ok(Some(ByteSource { at, size: there.size(), place: Place::Path(path.into()), seen }))
        }
        Ok(there) => Err(Error::new(&at, ErrorKind::NotAFile { found: what(&there) })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(&at, ErrorKind::Open(error))),
    }
}

fn what(there: &fs::Metadata) -> &'static str {
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

fn equal(file: &Arc<File>, a: u64, b: u64, size: u64) -> Result<bool, ErrorKind> {
    let (mut a, mut b) = (ranged(Arc::clone(file), a, size), ranged(Arc::clone(file), b, size));
    let (mut left, mut right) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let read = |error| kind_of(error, ErrorKind::Read);
    loop {
        let count = a.read(&mut left).map_err(read)?;
        let other = right.get_mut(..count).unwrap_or_default();
        b.read_exact(other).map_err(read)?;
        if count == 0 {
            return Ok(true);
        }
        if left.get(..count) != Some(&*other) {
            return Ok(false);
        }
    }
}

/// Reads a range of an open file at its own pace.
struct Ranged {
    file: Arc<File>,
    at: u64,
    left: u64,
}

fn ranged(file: Arc<File>, at: u64, left: u64) -> Ranged {
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

/// A [`Tape`] that ends up as one plain file.
trait Spoolable: Tape {
    fn tape(&mut self) -> &mut dyn Tape;
    fn is_empty(&mut self) -> Result<bool, ErrorKind>;
    /// Reads to the end, so that check sums are checked and writers of pipes are not cut off.
    fn finish(self: Box<Self>) -> Result<File, ErrorKind>;
    /// Says what is wrong in the words of the outer compression, where there is one.
    fn explain(&self, kind: ErrorKind) -> ErrorKind {
        kind
    }
}

struct Plain {
    file: File,
    size: u64,
}

impl Tape for Plain {
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, ErrorKind> {
        read_full(&mut |buffer, at| self.file.read_at(buffer, at), buffer, offset)
    }

    fn reaches(&mut self, end: u64) -> Result<bool, ErrorKind> {
        Ok(end <= self.size)
    }
}

impl Spoolable for Plain {
    fn tape(&mut self) -> &mut dyn Tape {
        self
    }

    fn is_empty(&mut self) -> Result<bool, ErrorKind> {
        Ok(self.size == 0)
    }

    fn finish(self: Box<Self>) -> Result<File, ErrorKind> {
        Ok(self.file)
    }
}

/// Bytes that come once, kept in an unnamed file as far as they were asked for.
struct Spool {
    codec: Compression,
    inner: Option<Compression>,
    from: Box<dyn Read + Send>,
    temporary: File,
    size: u64,
    ended: bool,
}

impl Spool {
    fn new(
        codec: Compression,
        (from, size): (Box<dyn Read + Send>, Option<u64>),
        folder: &Path,
    ) -> Result<Self, ErrorKind> {
        let temporary = tempfile::tempfile_in(folder).map_err(ErrorKind::Spool)?;
        let from = decoder(codec, Compressed { from, size })?;
        Ok(Self { codec, inner: None, from, temporary, size: 0, ended: false })
    }

    fn fill(&mut self, end: u64) -> Result<(), ErrorKind> {
        let mut buffer = vec![0; 128 << 10];
        while self.size < end && !self.ended {
            let count = self.next(&mut buffer)?;
            let bytes = buffer.get(..count).unwrap_or_default();
            if self.size == 0 && self.codec != Compression::None {
                self.inner = Some(Compression::sniff(bytes)).filter(|it| *it != Compression::None);
            }
            self.temporary.write_all_at(bytes, self.size).map_err(ErrorKind::Spool)?;
            self.size = self.size.saturating_add(count as u64);
        }
        Ok(())
    }

    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        loop {
            match self.from.read(buffer) {
                Ok(count) => {
                    self.ended = count == 0;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(kind_of(error, ErrorKind::Read)),
            }
        }
    }
}

impl Tape for Spool {
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, ErrorKind> {
        self.fill(offset.saturating_add(buffer.len() as u64))?;
        let file = &self.temporary;
        read_full(&mut |buffer, at| file.read_at(buffer, at), buffer, offset)
    }

    fn reaches(&mut self, end: u64) -> Result<bool, ErrorKind> {
        self.fill(end)?;
        Ok(end <= self.size)
    }
}

impl Spoolable for Spool {
    fn tape(&mut self) -> &mut dyn Tape {
        self
    }

    fn is_empty(&mut self) -> Result<bool, ErrorKind> {
        self.fill(1)?;
        Ok(self.size == 0)
    }

    fn finish(mut self: Box<Self>) -> Result<File, ErrorKind> {
        let mut buffer = vec![0; 128 << 10];
        while !self.ended {
            self.next(&mut buffer)?;
        }
        Ok(self.temporary)
    }

    fn explain(&self, kind: ErrorKind) -> ErrorKind {
        match self.inner {
            Some(inner) => {
                ErrorKind::CompressedTwice { outer: self.codec.name(), inner: inner.name() }
            }
            None => kind,
        }
    }
}

/// First bytes that tell what a file is.
const HEAD: usize = 512;

/// Reads until so many bytes are there, or all.
fn fill(from: &mut dyn Read, head: &mut Vec<u8>, wanted: usize) -> Result<(), ErrorKind> {
    let mut buffer = [0; HEAD];
    while head.len() < wanted {
        let most = wanted.saturating_sub(head.len()).min(HEAD);
        match from.read(buffer.get_mut(..most).unwrap_or_default()) {
            Ok(0) => return Ok(()),
            Ok(count) => head.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(ErrorKind::Read(error)),
        }
    }
    Ok(())
}

fn read_full(
    read_at: &mut dyn FnMut(&mut [u8], u64) -> io::Result<usize>,
    buffer: &mut [u8],
    offset: u64,
) -> Result<usize, ErrorKind> {
    let mut filled = 0_usize;
    while let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) {
        match read_at(free, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(ErrorKind::Read(error)),
        }
    }
    Ok(filled)
}
