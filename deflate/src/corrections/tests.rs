//! Corrections give back what was taken apart, are small, and never more than they say.

use std::io::{self, Write};

use super::{put_together, take_apart};
use crate::{DeflateWriter, GoRelease, KlauspostRelease, PgzipBlock, ZlibProgram, go, pgzip, zlib};

const HEADER: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff";

/// Lines of words, as no compressor finds them hard or trivial.
fn text(length: usize, mut seed: u32) -> Vec<u8> {
    let mut below = |end: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % end
    };
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let word = below(40) * below(40);
        let line = format!("{word:x} {} ", word.wrapping_mul(2_654_435_761) >> below(20));
        bytes.extend_from_slice(line.as_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn member(mut writer: Box<dyn DeflateWriter>, plain: &[u8]) -> Vec<u8> {
    let mut out = HEADER.to_vec();
    writer.write(plain, &mut out);
    writer.finish(&mut out);
    out.extend(crc32fast::hash(plain).to_le_bytes());
    out.extend(u32::try_from(plain.len()).unwrap().to_le_bytes());
    out
}

/// A member with this deflate stream.
fn framed(deflate: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut out = [HEADER, deflate].concat();
    out.extend(crc32fast::hash(plain).to_le_bytes());
    out.extend(u32::try_from(plain.len()).unwrap().to_le_bytes());
    out
}

/// The corrections, once they have been seen to give the file again.
fn corrections(gzip: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut corrections = Vec::new();
    take_apart(gzip, &mut corrections).unwrap();
    let mut again = Vec::new();
    put_together(plain, corrections.as_slice(), &mut again).unwrap();
    assert!(again == gzip, "{} bytes instead of {}", again.len(), gzip.len());
    corrections
}

/// A few writers that choose in different ways.
fn writers() -> [(&'static str, Box<dyn DeflateWriter>); 8] {
    [
        ("zlib 6", zlib(ZlibProgram::Zlib, 6)),
        ("zlib 1", zlib(ZlibProgram::Zlib, 1)),
        ("pigz 9", zlib(ZlibProgram::Pigz, 9)),
        ("Go 6", go(GoRelease::To126, 6).unwrap()),
        ("Go 1", go(GoRelease::To126, 1).unwrap()),
        ("Go 0", go(GoRelease::To126, 0).unwrap()),
        ("Go -2", go(GoRelease::To126, -2).unwrap()),
        ("pgzip", pgzip(PgzipBlock::Large, KlauspostRelease::V1_18_1)),
    ]
}

#[test]
fn every_writer_comes_back_and_costs_little() {
    let plain = text(1_500_000, 1);
    for (name, writer) in writers() {
        let gzip = member(writer, &plain);
        let size = corrections(&gzip, &plain).len();
        // These leave places out in steps that grow, which the model does not know.
        let parts = if matches!(name, "Go 1" | "pgzip") { 3 } else { 50 };
        assert!(size * parts < gzip.len(), "{name}: {size} of {}", gzip.len());
    }
}

#[test]
fn small_and_uniform_bytes_come_back() {
    for plain in [Vec::new(), vec![7], text(300, 2), vec![0; 600_000], text(70_000, 3)] {
        for (_, writer) in writers() {
            corrections(&member(writer, &plain), &plain);
        }
    }
}

#[test]
fn members_headers_and_what_follows_come_back() {
    let plain = text(200_000, 4);
    let mut gzip = Vec::new();
    for piece in plain.chunks(3_000) {
        gzip.extend(member(zlib(ZlibProgram::Zlib, 9), piece));
    }
    let size = corrections(&gzip, &plain).len();
    assert!(size * 50 < gzip.len(), "{size} of {}", gzip.len());
    // An empty member, a name and a comment, an extra field, and zeros at the end.
    gzip.extend(member(zlib(ZlibProgram::Zlib, 6), b""));
    let last = member(zlib(ZlibProgram::Zlib, 6), b"end");
    gzip.extend(b"\x1f\x8b\x08\x1e\x01\x02\x03\x04\x02\x03\x03\0abca.tar\0said\0\x12\x34");
    gzip.extend(&last[HEADER.len()..]);
    gzip.extend([0; 700]);
    corrections(&gzip, &[plain.as_slice(), b"end"].concat());
}

#[test]
fn a_wrong_checksum_comes_back() {
    let plain = text(1_000, 5);
    let mut gzip = member(zlib(ZlibProgram::Zlib, 6), &plain);
    let at = gzip.len() - 7;
    gzip[at] ^= 1;
    corrections(&gzip, &plain);
}

#[test]
fn odd_blocks_come_back() {
    // Bits before a stored block that are set; then an empty block with fixed codes.
    let stored = [0b1111_1000, 3, 0, 0xfc, 0xff, b'a', b'b', b'c', 3, 0];
    corrections(&framed(&stored, b"abc"), b"abc");
    // A block with fixed codes that is larger than a piece: 600,000 times the literal `a` (0x91,
    // eight bits with the highest first).
    let count = 600_000;
    let mut bits = crate::deflate_bits::DeflateBits::default();
    let mut fixed = Vec::new();
    bits.put(0b011, 3, &mut fixed);
    (0..count).for_each(|_| bits.put(0x91_u64.reverse_bits() >> 56, 8, &mut fixed));
    bits.put(0, 7, &mut fixed);
    bits.align(&mut fixed);
    let plain = vec![b'a'; count];
    let size = corrections(&framed(&fixed, &plain), &plain).len();
    assert!(size < 2_000, "{size}");
}

#[test]
fn what_cannot_be_taken_apart_is_refused() {
    let refused = |gzip: &[u8]| take_apart(gzip, &mut Vec::new()).unwrap_err().kind();
    let plain = text(5_000, 6);
    let gzip = member(zlib(ZlibProgram::Zlib, 6), &plain);
    assert_eq!(refused(b""), io::ErrorKind::InvalidData);
    assert_eq!(refused(&plain), io::ErrorKind::InvalidData);
    for cut in [10, 20, gzip.len() / 2, gzip.len() - 9, gzip.len() - 1] {
        assert_eq!(refused(&gzip[..cut]), io::ErrorKind::UnexpectedEof, "{cut}");
    }
    // A block of the kind that is reserved.
    assert_eq!(refused(&framed(&[7], b"")), io::ErrorKind::InvalidData);
    // A match before the first byte: fixed codes, length 3, distance 1.
    assert_eq!(refused(&framed(&[0b0000_0011, 0b10, 0, 0], b"")), io::ErrorKind::InvalidData);
}

/// Takes so many bytes and no more.
struct Limited(usize);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn any_other_corrections_or_bytes_end_without_harm() {
    let plain = text(40_000, 7);
    let gzip = [
        member(zlib(ZlibProgram::Zlib, 6), &plain[..30_000]),
        member(go(GoRelease::To126, 1).unwrap(), &plain[30_000..]),
    ]
    .concat();
    let right = corrections(&gzip, &plain);
    let mut seed = 1_u32;
    for round in 0..400 {
        let mut wrong = right.clone();
        for _ in 0..=round % 4 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (seed >> 8) as usize % wrong.len();
            wrong[at] ^= 1 << (seed & 7);
        }
        wrong.truncate(if round % 5 == 0 { wrong.len() / 2 } else { wrong.len() });
        // What becomes of it is the digest's to judge; that it ends is ours.
        let _ = put_together(plain.as_slice(), wrong.as_slice(), &mut Limited(1 << 20));
    }
    let other = text(40_000, 8);
    let mut again = Vec::new();
    let made = put_together(other.as_slice(), right.as_slice(), &mut again);
    assert!(made.is_err() || again != gzip);
    assert!(put_together(&plain[..100], right.as_slice(), &mut Vec::new()).is_err());
}
