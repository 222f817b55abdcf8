//! Codecs: what bytes are compressed with, and how they are read and written.
//!
//! The codec is found from the bytes, never from a name or a media type. Each has one row, in a
//! file of its own. A stream must end with its own trailer and right check sums; after the last
//! member or frame zero bytes pass and anything else is an error.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod blocks;
#[cfg(feature = "bzip2")]
mod bzip2;
mod dense;
mod gzip;
mod hashing;
mod pool;
mod ratio;
mod sized;
#[cfg(feature = "xz")]
mod xz;
#[cfg(feature = "zstd")]
mod zstd;

use std::io::{self, BufRead, BufReader, Read};

use crate::error::ErrorKind;
use ratio::Ratio;

pub(crate) use blocks::{GZIP_LEVEL, Pipeline, ZSTD_LEVEL, encode};
pub(crate) use hashing::PoolHasher;
pub(crate) use pool::Pool;

/// A codec, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compression {
    /// Plain bytes.
    None,
    /// gzip, RFC 1952.
    Gzip,
    /// Zstandard, RFC 8878.
    Zstd,
    /// bzip2; read only.
    Bzip2,
    /// xz; read only.
    Xz,
}

/// What is known of one codec.
pub(crate) struct Row {
    name: &'static str,
    is: fn(&[u8]) -> bool,
    /// Reads one member, frame or stream; nothing in a build without the codec.
    decode: Option<Open>,
}

/// Starts to decode what comes next.
type Open = for<'a> fn(Input<'a>) -> io::Result<Box<dyn Stream<'a> + 'a>>;

/// Compressed bytes to come.
type Input<'a> = BufReader<Box<dyn Read + Send + 'a>>;

/// One member, frame or stream that is being decoded.
trait Stream<'a>: Read + Send {
    /// The bytes behind it, once it has ended.
    fn rest(self: Box<Self>) -> Input<'a>;
}

static PLAIN: Row = Row { name: "plain", is: |_| true, decode: None };
#[cfg(not(feature = "zstd"))]
mod zstd {
    pub(super) static ROW: super::Row = super::Row {
        name: "zstd",
        is: |head| {
            matches!(head, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
        },
        decode: None,
    };
}
#[cfg(not(feature = "bzip2"))]
mod bzip2 {
    pub(super) static ROW: super::Row = super::Row {
        name: "bzip2",
        is: |head| matches!(head, [b'B', b'Z', b'h', b'1'..=b'9', ..]),
        decode: None,
    };
}
#[cfg(not(feature = "xz"))]
mod xz {
    pub(super) static ROW: super::Row =
        super::Row { name: "xz", is: |head| head.starts_with(b"\xfd7zXZ\0"), decode: None };
}

impl Compression {
    /// Every codec, plain first.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Zstd, Self::Bzip2, Self::Xz];

    fn row(self) -> &'static Row {
        match self {
            Self::None => &PLAIN,
            Self::Gzip => &gzip::ROW,
            Self::Zstd => &zstd::ROW,
            Self::Bzip2 => &bzip2::ROW,
            Self::Xz => &xz::ROW,
        }
    }

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What these first bytes are compressed with.
    #[must_use]
    pub fn sniff(head: &[u8]) -> Self {
        let compressed = &Self::ALL[1..];
        compressed.iter().copied().find(|codec| (codec.row().is)(head)).unwrap_or(Self::None)
    }
}

/// Compressed bytes, and how many they are where that is known beforehand.
pub(crate) struct Compressed<'a> {
    pub(crate) from: Box<dyn Read + Send + 'a>,
    pub(crate) size: Option<u64>,
}

/// Decodes everything that comes, under the limits of [`crate::limits`].
///
/// # Errors
/// A codec that this build lacks.
pub(crate) fn decoder<'a>(
    codec: Compression,
    Compressed { from, size }: Compressed<'a>,
) -> Result<Box<dyn Read + Send + 'a>, ErrorKind> {
    if codec == Compression::None {
        return Ok(from);
    }
    let row = codec.row();
    let open = row.decode.ok_or(ErrorKind::NoCodec { codec: row.name })?;
    let (from, ratio) = Ratio::of(codec, from, size);
    Ok(Box::new(Decoder { row, open, state: State::Between(input(from)), any: false, ratio }))
}

/// The same, with the help of a pool where the bytes say how they can be decoded side by side.
///
/// # Errors
/// A codec that this build lacks.
pub(crate) fn decoder_in<'a>(
    codec: Compression,
    compressed: Compressed<'a>,
    pool: &'a Pool,
) -> Result<Box<dyn Read + Send + 'a>, ErrorKind> {
    if codec != Compression::Gzip {
        return decoder(codec, compressed);
    }
    Ok(Box::new(sized::SizedMembers::new(input(compressed.from), pool)))
}

fn input<'a>(from: Box<dyn Read + Send + 'a>) -> Input<'a> {
    BufReader::with_capacity(64 << 10, from)
}

/// All members of a compressed stream, one after the other.
struct Decoder<'a> {
    row: &'static Row,
    open: Open,
    state: State<'a>,
    /// Whether there was a member: what follows may be nothing then.
    any: bool,
    /// Nothing where the codec itself bounds what comes out.
    ratio: Option<Ratio>,
}

enum State<'a> {
    Between(Input<'a>),
    Inside(Box<dyn Stream<'a> + 'a>),
    Ended,
}

impl Read for Decoder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(input) => match self.start(input)? {
                    Some(stream) => self.state = State::Inside(stream),
                    None => return Ok(0),
                },
                State::Inside(mut stream) => {
                    let read = stream.read(buffer).map_err(|error| self.damaged(error))?;
                    if read == 0 {
                        self.state = State::Between(stream.rest());
                        continue;
                    }
                    if let Some(ratio) = &mut self.ratio {
                        ratio.check(read as u64)?;
                    }
                    self.state = State::Inside(stream);
                    return Ok(read);
                }
            }
        }
    }
}

impl<'a> Decoder<'a> {
    /// Decodes gzip members one after the other.
    fn gzip(from: Box<dyn Read + Send + 'a>) -> Self {
        let state = State::Between(input(from));
        Self { row: &gzip::ROW, open: gzip::open, state, any: false, ratio: None }
    }

    /// The next member, or nothing at the end.
    fn start(&mut self, mut input: Input<'a>) -> io::Result<Option<Box<dyn Stream<'a> + 'a>>> {
        let head = input.fill_buf()?;
        if self.any && head.is_empty() {
            return Ok(None);
        }
        if self.any && head.first() == Some(&0) {
            return zeros(input).map_err(|error| self.damaged(error)).map(|()| None);
        }
        if self.any && !head.is_empty() && !(self.row.is)(head) && head.len() >= 6 {
            return Err(
                self.damaged(io::Error::other("bytes that belong to nothing follow the end"))
            );
        }
        self.any = true;
        (self.open)(input).map_err(|error| self.damaged(error)).map(Some)
    }

    fn damaged(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::Interrupted || carried(&error) {
            return error;
        }
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "it is truncated, the end is missing".to_owned(),
            _ => error.to_string(),
        };
        ErrorKind::Compression { codec: self.row.name, what }.into()
    }
}

/// Zero padding up to the end.
fn zeros(mut input: Input<'_>) -> io::Result<()> {
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(());
        }
        if bytes.iter().any(|byte| *byte != 0) {
            return Err(io::Error::other("bytes other than zeros follow the end"));
        }
        let count = bytes.len();
        input.consume(count);
    }
}

/// A kind on its way through [`Read`] and [`io::Write`].
#[derive(Debug)]
struct Carried(ErrorKind);

impl std::fmt::Display for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Carried {}

impl From<ErrorKind> for io::Error {
    fn from(kind: ErrorKind) -> Self {
        Self::other(Carried(kind))
    }
}

fn carried(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Carried>())
}

/// The kind that an I/O error carries, or `other` of the error itself.
pub(crate) fn kind_of(error: io::Error, other: fn(io::Error) -> ErrorKind) -> ErrorKind {
    if !carried(&error) {
        return other(error);
    }
    match error.into_inner().map(|inner| inner.downcast::<Carried>()) {
        Some(Ok(carried)) => carried.0,
        _ => ErrorKind::Interrupted, // Cannot be: it was carried.
    }
}
