//! Opens an input and finds out what it is: a directory, an archive, or one JSON document.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::arrival::{Receiver, Reception};
use super::byte_source::{ByteSource, Seen, ranged, what};
use super::foreign;
use super::log::RequestLog;
use super::refresh::refresh;
use super::spool::{Spool, Unpacked, read_full};
use super::trailing::{TrailingBytes, TrailingSearch};
use super::{ArchiveBytes, Files, FilesIn};
use crate::codec::{Compressed, Compression, Pool};
use crate::digest::Digest;
use crate::error::{At as _, Error, ErrorKind, Location, Result, kind_of};
use crate::limits;
use crate::progress::{Activity, Progress, told};
use crate::tar::{BLOCK, Forward, Tape, TarIndex, is_header};

/// Where a source is read from.
#[non_exhaustive]
pub enum Input {
    /// A file, a directory or a named pipe.
    Path(PathBuf),
    /// An open file, shown as `-`: a regular file is read in place, anything else as a stream.
    File(File),
    /// A stream, shown as `-`: a pipe, the body of a response.
    Stream(Box<dyn Read + Send>),
    /// Images of a registry.
    Registry(RemoteInput),
}

/// A source that is not on this machine; `registry` makes one.
pub struct RemoteInput(RemoteOpen);

type RemoteOpen = Box<dyn FnOnce(&Path, &dyn Progress) -> Result<Opened> + Send>;

impl RemoteInput {
    /// `open` fetches the documents; its temporary files go into the folder that it is given.
    pub(crate) fn new(
        open: impl FnOnce(&Path, &dyn Progress) -> Result<Opened> + Send + 'static,
    ) -> Self {
        Self(Box::new(open))
    }
}

impl Input {
    /// A stream.
    #[must_use]
    pub fn stream(from: impl Read + Send + 'static) -> Self {
        Self::Stream(Box::new(from))
    }
}

impl From<RemoteInput> for Input {
    fn from(remote: RemoteInput) -> Self {
        Self::Registry(remote)
    }
}

impl From<PathBuf> for Input {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<OsString> for Input {
    fn from(path: OsString) -> Self {
        Self::Path(path.into())
    }
}

impl From<&Path> for Input {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

impl From<&str> for Input {
    fn from(path: &str) -> Self {
        Self::Path(path.into())
    }
}

impl From<File> for Input {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            Self::Stream(_) => f.debug_tuple("Stream").finish_non_exhaustive(),
            Self::Registry(_) => f.debug_tuple("Registry").finish_non_exhaustive(),
        }
    }
}

/// The type of an input.
#[derive(Debug)]
pub(crate) enum Opened {
    /// One document and its place.
    Document(Location, Vec<u8>),
    /// A schema 1 manifest of a registry, and how to make an image of it.
    Schema1 { at: Location, raw: Vec<u8>, image: ImageMaker, log: RequestLog },
    /// A directory or an archive.
    Files(Files),
}

/// Fetches the layers of a schema 1 manifest, and shows the image that they make as a layout.
pub(crate) struct ImageMaker(FilesOpen);

type FilesOpen = Box<dyn FnOnce(&Path, &dyn Progress) -> Result<Files> + Send>;

impl ImageMaker {
    /// `make` puts temporary files into the folder that it is given.
    pub(crate) fn new(
        make: impl FnOnce(&Path, &dyn Progress) -> Result<Files> + Send + 'static,
    ) -> Self {
        Self(Box::new(make))
    }

    pub(crate) fn files(self, to: Reception<'_>, progress: &dyn Progress) -> Result<Files> {
        (self.0)(to.spool, progress)
    }
}

impl fmt::Debug for ImageMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ImageMaker")
    }
}

/// A document of a registry that another one stands for.
#[derive(Debug, Clone)]
pub(crate) struct Replaced {
    /// The name of the image.
    pub(crate) name: String,
    /// The digest that the registry has.
    pub(crate) digest: Digest,
    /// The number of its signatures.
    pub(crate) signatures: usize,
}

/// Opens a directory, an archive or one document. `to` is for a compressed archive or a stream.
pub(crate) fn open(input: Input, to: Reception<'_>, progress: &dyn Progress) -> Result<Opened> {
    let (at, begun) = begin(input)?;
    match begun {
        Begun::Remote(remote) => (remote.0)(to.spool, progress),
        Begun::Bytes(bytes) if foreign::is_json(bytes.head()) => {
            bytes.whole().at(&at).map(|raw| Opened::Document(at, raw))
        }
        begun => files(at, begun, to, progress).map(Opened::Files),
    }
}

impl Opened {
    /// The directory or archive; a document of a registry or of a folder is a schema 1 manifest,
    /// because others are shown as layouts, and only that of a registry makes an image.
    pub(crate) fn into_files(self, to: Reception<'_>, progress: &dyn Progress) -> Result<Files> {
        match self {
            Self::Files(files) => Ok(files),
            Self::Schema1 { image, .. } => image.files(to, progress),
            Self::Document(at, _) => {
                let (expected, found) = ("manifest or index", "schema 1 manifest");
                Err(Error::new(&at, ErrorKind::WrongKind { expected, found }))
            }
        }
    }
}

impl Files {
    /// The same, but only a directory or an archive; a document is an error.
    pub(crate) fn open(input: Input, to: Reception<'_>, progress: &dyn Progress) -> Result<Self> {
        let (at, begun) = begin(input)?;
        files(at, begun, to, progress)
    }

    /// The documents of a registry by their names in a layout, and its blobs.
    pub(crate) fn remote(
        at: Location,
        files: BTreeMap<String, ByteSource>,
        (replaced, log): (Vec<Replaced>, RequestLog),
    ) -> Self {
        Self { at, there: FilesIn::Remote { files, replaced, log } }
    }
}

/// An opened input with known first bytes.
enum Begun {
    Directory(PathBuf),
    Bytes(InputBytes),
    Remote(RemoteInput),
}

enum InputBytes {
    /// Bytes that can be read again.
    File { head: Vec<u8>, file: File, size: u64 },
    /// A stream whose first bytes were read.
    Stream { head: Vec<u8>, rest: Box<dyn Read + Send> },
}

/// Enough first bytes to detect the type of a file.
const HEAD: usize = BLOCK;

fn begin(input: Input) -> Result<(Location, Begun)> {
    match input {
        Input::Registry(remote) => Ok((Location::named("-"), Begun::Remote(remote))),
        Input::Stream(rest) => {
            let at = Location::named("-");
            let bytes = InputBytes::stream(rest).at(&at)?;
            Ok((at, Begun::Bytes(bytes)))
        }
        Input::File(file) => {
            let at = Location::named("-");
            let bytes = InputBytes::file(file).at(&at)?;
            Ok((at, Begun::Bytes(bytes)))
        }
        Input::Path(path) => {
            let at = Location::of(&path);
            let there = fs::metadata(&path).map_err(ErrorKind::Open).at(&at)?;
            if there.is_dir() {
                return Ok((at, Begun::Directory(path)));
            }
            if !there.is_file() && !there.file_type().is_fifo() {
                return Err(Error::new(&at, ErrorKind::NotAFile { found: what(&there) }));
            }
            let file = File::open(&path).map_err(ErrorKind::Open).at(&at)?;
            let bytes = InputBytes::file(file).at(&at)?;
            Ok((at, Begun::Bytes(bytes)))
        }
    }
}

impl InputBytes {
    fn file(file: File) -> Result<Self, ErrorKind> {
        refresh(&file);
        let there = file.metadata().map_err(ErrorKind::Open)?;
        // A file without a size may have bytes, as in /proc.
        if !there.is_file() || there.len() == 0 {
            return Self::stream(Box::new(file));
        }
        let mut head = vec![0; HEAD];
        let count = read_full(&file, &mut head, 0)?;
        head.truncate(count);
        Ok(Self::File { head, file, size: there.len() })
    }

    fn stream(mut rest: Box<dyn Read + Send>) -> Result<Self, ErrorKind> {
        let mut head = Vec::with_capacity(HEAD);
        let read = rest.by_ref().take(HEAD as u64).read_to_end(&mut head);
        read.map_err(|error| kind_of(error, ErrorKind::Read))?;
        Ok(Self::Stream { head, rest })
    }

    fn head(&self) -> &[u8] {
        match self {
            Self::File { head, .. } | Self::Stream { head, .. } => head,
        }
    }

    /// All bytes from the start, and their number if known.
    fn compressed(self) -> Compressed<'static> {
        match self {
            Self::File { file, size, .. } => {
                let from = Box::new(ranged(Arc::new(file), 0, size));
                Compressed { from, size: Some(size) }
            }
            Self::Stream { head, rest } => {
                Compressed { from: Box::new(io::Cursor::new(head).chain(rest)), size: None }
            }
        }
    }

    /// All bytes of a document.
    fn whole(self) -> Result<Vec<u8>, ErrorKind> {
        let mut raw = Vec::new();
        let most = limits::CONFIG.saturating_add(1);
        let read = self.compressed().from.take(most).read_to_end(&mut raw);
        read.map_err(|error| kind_of(error, ErrorKind::Read))?;
        if raw.len() as u64 > limits::CONFIG {
            let what = "the size of a document, in bytes,";
            return Err(ErrorKind::limit(what, limits::CONFIG, "more"));
        }
        Ok(raw)
    }
}

fn files(at: Location, begun: Begun, to: Reception<'_>, progress: &dyn Progress) -> Result<Files> {
    let there = match begun {
        Begun::Directory(root) => FilesIn::Directory(root),
        Begun::Bytes(bytes) if bytes.head().is_empty() => {
            return Err(Error::new(&at, ErrorKind::Unrecognised { why: "the file is empty" }));
        }
        Begun::Bytes(bytes) => archive(bytes, &at, to, progress)?,
        Begun::Remote(remote) => {
            return (remote.0)(to.spool, progress)?.into_files(to, progress);
        }
    };
    Ok(Files { at, there })
}

fn archive(
    bytes: InputBytes,
    at: &Location,
    to: Reception<'_>,
    progress: &dyn Progress,
) -> Result<FilesIn> {
    let codec = Compression::sniff(bytes.head());
    let (bytes, index, behind) = match bytes {
        InputBytes::File { file, size, .. } if codec == Compression::None => {
            let mut plain = Plain { file, size };
            let index = index(&mut plain).at(at)?;
            let behind = TrailingSearch::new(index.end).file(&plain.file).at(at)?;
            (in_place(plain.file), index, behind)
        }
        bytes if to.arrival.is_anything() => {
            let from = bytes.compressed();
            told(progress, (Activity::Spool, at, from.size), || {
                let from = Unpacked::new(codec, from, progress).at(at)?;
                let mut spool = Spool::new(from, to.spool).at(at)?;
                let index = index(&mut spool).map_err(|kind| spool.explain(kind)).at(at)?;
                let (file, behind) = spool.finish(index.end).at(at)?;
                Ok((in_place(file), index, behind))
            })?
        }
        bytes => {
            let from = bytes.compressed();
            told(progress, (Activity::Receive, at, from.size), || {
                receive((codec, from), to, progress).map_err(|kind| {
                    let at = to.arrival.place_of(&kind).unwrap_or(at);
                    Error::new(at, kind)
                })
            })?
        }
    };
    Ok(FilesIn::Archive { bytes, index, same: Mutex::default(), behind })
}

fn in_place(file: File) -> ArchiveBytes {
    let seen = file.metadata().ok().map(|there| Seen::of(&there));
    ArchiveBytes::InPlace { file: Arc::new(file), seen }
}

/// Takes a stream apart while it arrives.
fn receive(
    (codec, from): (Compression, Compressed<'_>),
    to: Reception<'_>,
    progress: &dyn Progress,
) -> Result<(ArchiveBytes, TarIndex, Option<TrailingBytes>), ErrorKind> {
    let mut from = Unpacked::new(codec, from, progress)?;
    Pool::with(to.arrival.threads(), |pool| {
        let mut receiver = Receiver::new(to, pool);
        let mut tape = Forward::new(&mut from, Some(&mut receiver));
        let index = index(&mut tape).and_then(|index| {
            let mut search = TrailingSearch::new(index.end);
            let mut buffer = vec![0; 128 << 10];
            let mut at = index.end;
            loop {
                let count = tape.next(at, &mut buffer)?;
                if count == 0 {
                    return Ok((index, search));
                }
                search.feed(buffer.get(..count).unwrap_or_default());
                at = at.saturating_add(count as u64);
            }
        });
        let (index, search) = index.map_err(|kind| from.explain(kind))?;
        let behind = from.finish(search)?;
        Ok((ArchiveBytes::Received(receiver.received), index, behind))
    })
}

/// The members of an archive; for other files, the error names their type.
fn index(tape: &mut dyn Tape) -> Result<TarIndex, ErrorKind> {
    let wrong = match TarIndex::read(tape) {
        Ok(index) if index.members.is_empty() && !tape.reaches(1)? => {
            return Err(ErrorKind::Unrecognised { why: "the file is empty" });
        }
        Ok(index) => return Ok(index),
        Err(kind @ (ErrorKind::TarHeader { .. } | ErrorKind::Truncated { .. })) => kind,
        Err(kind) => return Err(kind),
    };
    let mut head = [0; BLOCK];
    let count = tape.read_at(&mut head, 0)?;
    let head = head.get(..count).unwrap_or_default();
    Err(if is_header(head) { wrong } else { ErrorKind::Unrecognised { why: foreign::name(head) } })
}

/// An archive that is read in place.
struct Plain {
    file: File,
    size: u64,
}

impl Tape for Plain {
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, ErrorKind> {
        read_full(&self.file, buffer, offset)
    }

    fn reaches(&mut self, end: u64) -> Result<bool, ErrorKind> {
        Ok(end <= self.size)
    }
}
