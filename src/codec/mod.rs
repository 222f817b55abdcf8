//! Codecs: detects, reads and writes compressed bytes.
//!
//! The codec is detected from the bytes, never from a name or a media type. Each codec has one row,
//! in its own file. A stream must end with its trailer and correct checksums; only zero bytes may
//! follow the last member or frame.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod blocks;
#[cfg(feature = "bzip2")]
mod bzip2;
mod dense;
mod foreign;
mod gzip;
mod hashing;
mod pool;
mod ratio;
mod sized;
mod transcode;
mod writer;
#[cfg(feature = "xz")]
mod xz;
#[cfg(feature = "zstd")]
mod zstd;

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::str::FromStr;

pub(crate) use crate::error::kind_of;
use crate::error::{ErrorKind, carried};
use ratio::Ratio;

pub(crate) use blocks::{GZIP_LEVEL, Pipeline, ZSTD_LEVEL, encode};
pub(crate) use foreign::foreign;
pub(crate) use gzip::is_padded;
pub(crate) use hashing::PoolHasher;
pub(crate) use pool::Pool;
pub(crate) use sized::{claimed_size, is_own};
pub(crate) use transcode::{Encode, SNIFFED, Transcoded, WholePass, transcode, transcode_whole};
pub use writer::GzipProgram;
pub(crate) use writer::{Dated, MemberBody, WRITERS, WriterRow};

/// A codec, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Uncompressed bytes.
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

/// The properties of one codec.
pub(crate) struct CodecRow {
    name: &'static str,
    is: fn(&[u8]) -> bool,
    /// Reads one member, frame or stream; `None` in a build without the codec.
    decode: Option<Open>,
}

/// Starts to decode the next bytes.
type Open = for<'a> fn(CodecInput<'a>) -> io::Result<Box<dyn CodecStream<'a> + 'a>>;

/// A source of compressed bytes.
type CodecInput<'a> = BufReader<Box<dyn Read + Send + 'a>>;

/// One member, frame or stream that is being decoded.
trait CodecStream<'a>: Read + Send {
    /// The bytes after it, when it has ended.
    fn rest(self: Box<Self>) -> CodecInput<'a>;
}

static PLAIN: CodecRow = CodecRow { name: "uncompressed", is: |_| true, decode: None };
#[cfg(not(feature = "zstd"))]
mod zstd {
    pub(super) static ROW: super::CodecRow = super::CodecRow {
        name: "zstd",
        is: |head| {
            matches!(head, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
        },
        decode: None,
    };
}
#[cfg(not(feature = "bzip2"))]
mod bzip2 {
    pub(super) static ROW: super::CodecRow = super::CodecRow {
        name: "bzip2",
        is: |head| matches!(head, [b'B', b'Z', b'h', b'1'..=b'9', ..]),
        decode: None,
    };
}
#[cfg(not(feature = "xz"))]
mod xz {
    pub(super) static ROW: super::CodecRow =
        super::CodecRow { name: "xz", is: |head| head.starts_with(b"\xfd7zXZ\0"), decode: None };
}

impl Compression {
    /// Every codec; no compression first.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Zstd, Self::Bzip2, Self::Xz];

    fn row(self) -> &'static CodecRow {
        match self {
            Self::None => &PLAIN,
            Self::Gzip => &gzip::ROW,
            Self::Zstd => &zstd::ROW,
            Self::Bzip2 => &bzip2::ROW,
            Self::Xz => &xz::ROW,
        }
    }

    /// The name of the codec.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The codec of data that begins with these bytes.
    #[must_use]
    pub fn sniff(head: &[u8]) -> Self {
        let compressed = &Self::ALL[1..];
        compressed.iter().copied().find(|codec| (codec.row().is)(head)).unwrap_or(Self::None)
    }
}

/// Compressed bytes, and their number if known.
pub(crate) struct Compressed<'a> {
    pub(crate) from: Box<dyn Read + Send + 'a>,
    pub(crate) size: Option<u64>,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Text that does not name a codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected gzip, zstd, bzip2, xz or none")]
pub struct InvalidCompression;

impl FromStr for Compression {
    type Err = InvalidCompression;

    /// Parses a name; `none` means not compressed.
    fn from_str(text: &str) -> Result<Self, InvalidCompression> {
        let named = |codec: &Self| codec.name() == text || text == "none" && *codec == Self::None;
        Self::ALL.into_iter().find(named).ok_or(InvalidCompression)
    }
}

/// Decodes all bytes, within the limits of [`crate::limits`].
///
/// # Errors
/// The build does not have the codec.
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
    Ok(Box::new(Decoder {
        row,
        open,
        state: DecoderState::Between(input(from)),
        any: false,
        ratio,
    }))
}

/// The same, with a pool if the bytes allow parallel decoding.
///
/// # Errors
/// The build does not have the codec.
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

fn input<'a>(from: Box<dyn Read + Send + 'a>) -> CodecInput<'a> {
    BufReader::with_capacity(64 << 10, from)
}

/// All members of a compressed stream, one after the other.
struct Decoder<'a> {
    row: &'static CodecRow,
    open: Open,
    state: DecoderState<'a>,
    /// Whether there was a member: then the rest may be empty.
    any: bool,
    /// `None` if the codec itself limits the output.
    ratio: Option<Ratio>,
}

enum DecoderState<'a> {
    Between(CodecInput<'a>),
    Inside(Box<dyn CodecStream<'a> + 'a>),
    Ended,
}

impl Read for Decoder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, DecoderState::Ended) {
                DecoderState::Ended => return Ok(0),
                DecoderState::Between(input) => match self.start(input)? {
                    Some(stream) => self.state = DecoderState::Inside(stream),
                    None => return Ok(0),
                },
                DecoderState::Inside(mut stream) => {
                    let read = stream.read(buffer).map_err(|error| self.damaged(error))?;
                    if read == 0 {
                        self.state = DecoderState::Between(stream.rest());
                        continue;
                    }
                    if let Some(ratio) = &mut self.ratio {
                        ratio.check(read as u64)?;
                    }
                    self.state = DecoderState::Inside(stream);
                    return Ok(read);
                }
            }
        }
    }
}

impl<'a> Decoder<'a> {
    /// Decodes gzip members one after the other.
    fn gzip(from: Box<dyn Read + Send + 'a>) -> Self {
        let state = DecoderState::Between(input(from));
        Self { row: &gzip::ROW, open: gzip::open, state, any: false, ratio: None }
    }

    /// The next member; `None` at the end.
    fn start(
        &mut self,
        mut input: CodecInput<'a>,
    ) -> io::Result<Option<Box<dyn CodecStream<'a> + 'a>>> {
        let head = input.fill_buf()?;
        if self.any && head.is_empty() {
            return Ok(None);
        }
        if self.any && head.first() == Some(&0) {
            let count = zeros(&mut input)?;
            let head = input.fill_buf()?;
            if head.is_empty() {
                return Ok(None);
            }
            // Padding between streams is legal (xz file format, 2.2).
            if self.row.name != xz::ROW.name || count % 4 != 0 || !(self.row.is)(head) {
                return Err(self.damaged(io::Error::other(TRAILING)));
            }
        }
        let head = input.fill_buf()?;
        if self.any && !head.is_empty() && !(self.row.is)(head) && head.len() >= 6 {
            return Err(self.damaged(io::Error::other(TRAILING)));
        }
        self.any = true;
        (self.open)(input).map_err(|error| self.damaged(error)).map(Some)
    }

    fn damaged(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::Interrupted || carried(&error) {
            return error;
        }
        let text = error.to_string();
        if text == HEADER_FIELD {
            let what = "a field of the gzip header, in bytes,";
            return ErrorKind::limit(what, 65_535, "more").into();
        }
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "it is truncated".to_owned(),
            _ => text,
        };
        ErrorKind::Compression { codec: self.row.name, what }.into()
    }
}

/// What flate2 says of a file name or comment in a gzip header that is over its limit.
const HEADER_FIELD: &str = "gzip header field too long";

/// The error for bytes after the end of the compressed data.
pub(crate) const TRAILING: &str = "unexpected bytes follow the end";

/// Skips zero padding and returns its length.
fn zeros(input: &mut CodecInput<'_>) -> io::Result<u64> {
    let mut total = 0_u64;
    loop {
        let bytes = input.fill_buf()?;
        let count = bytes.iter().take_while(|byte| **byte == 0).count();
        let all = count == bytes.len();
        input.consume(count);
        total = total.saturating_add(count as u64);
        if count == 0 || !all {
            return Ok(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_is_found_by_its_name() {
        for codec in Compression::ALL {
            assert_eq!(codec.to_string().parse(), Ok(codec));
        }
        assert_eq!("none".parse(), Ok(Compression::None));
        for text in ["", "GZIP", "lz4", "gzip "] {
            assert_eq!(text.parse::<Compression>(), Err(InvalidCompression), "{text}");
        }
    }
}
