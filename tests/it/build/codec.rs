//! Compresses as other programs do, and takes apart what imgconv wrote, by content alone.

use std::io::{Read, Write};

use bzip2::read::MultiBzDecoder;
use bzip2::write::BzEncoder;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use lzma_rust2::XzReader;

use super::xz;

/// What a layer or a whole archive is stored as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Codec {
    Plain,
    Gzip,
    /// Several members, as pigz and estargz write.
    GzipMembers,
    Zstd,
    /// A skippable frame, then two frames with another skippable one between them.
    ZstdFrames,
    Bzip2,
    Xz,
}

impl Codec {
    pub(crate) const ALL: [Self; 7] = [
        Self::Plain,
        Self::Gzip,
        Self::GzipMembers,
        Self::Zstd,
        Self::ZstdFrames,
        Self::Bzip2,
        Self::Xz,
    ];

    pub(crate) fn pack(self, plain: &[u8]) -> Vec<u8> {
        let (first, second) = plain.split_at(plain.len() / 2);
        match self {
            Self::Plain => plain.to_vec(),
            Self::Gzip => gzip(plain),
            Self::GzipMembers => [gzip(first), gzip(b""), gzip(second)].concat(),
            Self::Zstd => zstd(plain),
            Self::ZstdFrames => {
                [skippable(0, b"toc"), zstd(first), skippable(15, b""), zstd(second)].concat()
            }
            Self::Bzip2 => {
                let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::best());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            Self::Xz => xz::stored(plain),
        }
    }
}

pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 3).unwrap()
}

/// A frame that decoders step over (RFC 8878, 3.1.2).
pub(crate) fn skippable(number: u8, data: &[u8]) -> Vec<u8> {
    let size = u32::try_from(data.len()).unwrap();
    [&[0x50 + number, 0x2a, 0x4d, 0x18], size.to_le_bytes().as_slice(), data].concat()
}

/// The uncompressed bytes, whatever the codec; a damaged stream is a panic.
pub(crate) fn unpack(stored: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    if stored.starts_with(b"\x1f\x8b") {
        MultiGzDecoder::new(stored).read_to_end(&mut plain).unwrap();
    } else if stored.starts_with(b"\x28\xb5\x2f\xfd") || stored.get(1..4) == Some(b"\x2a\x4d\x18") {
        zstd::stream::copy_decode(stored, &mut plain).unwrap();
    } else if stored.starts_with(b"BZh") {
        MultiBzDecoder::new(stored).read_to_end(&mut plain).unwrap();
    } else if stored.starts_with(b"\xfd7zXZ\0") {
        XzReader::new(stored, true).read_to_end(&mut plain).unwrap();
    } else {
        plain.extend_from_slice(stored);
    }
    plain
}
