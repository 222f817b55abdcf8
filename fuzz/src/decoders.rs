//! Decoders, each against another implementation of its format.

use std::io::{self, Read, Write};

use imgconv::codec::Compression;
use imgconv::fuzzing;
use imgconv_deflate::corrections::{put_together, take_apart};

/// More than this is not looked at.
const LIMIT: u64 = 4 << 20;

/// What we take, the other decoder takes and gives the same bytes.
pub fn decoders(bytes: &[u8]) {
    let codec = Compression::sniff(bytes);
    let ours = fuzzing::decode(codec, bytes, LIMIT);
    if codec == Compression::Gzip {
        let aside = fuzzing::decode_aside(codec, bytes, LIMIT);
        assert!(ours.is_ok() == aside.is_ok(), "{ours:?} and aside {aside:?}");
        assert!(ours.as_ref().ok() == aside.as_ref().ok(), "side by side other bytes come out");
        // It costs far more than all else.
        if bytes.len() % 16 == 0 {
            corrections(bytes, ours.as_deref().unwrap_or_default());
        }
    }
    let Ok(ours) = ours else { return };
    if ours.len() as u64 == LIMIT {
        return;
    }
    // ruzstd refuses the ID of a dictionary also where it is 0, which means none.
    let dictionary = |it: &[u8]| it.starts_with(b"\x28\xb5\x2f\xfd") && it[4] & 3 != 0;
    if codec == Compression::Zstd && bytes.windows(5).any(dictionary) {
        return;
    }
    // Zeros that follow the end pass here; not every other decoder knows them.
    let padded = bytes.last() == Some(&0);
    let theirs = match codec {
        Compression::None => Some(bytes.to_vec()),
        Compression::Gzip => gzip(bytes),
        Compression::Zstd => zstd(bytes),
        Compression::Bzip2 => read(bzip2_rs::DecoderReader::new(bytes)),
        Compression::Xz => read(liblzma::read::XzDecoder::new_multi_decoder(bytes)),
        other => panic!("{} has no second decoder here", other.name()),
    };
    match theirs {
        Some(theirs) => assert!(ours == theirs, "{} gives other bytes", codec.name()),
        // bzip2_rs and ruzstd refuse streams that libbz2 and zstd take, the latter blocks that are
        // larger than their window; where both read, they must agree.
        None => {
            let lax = matches!(codec, Compression::Bzip2 | Compression::Zstd);
            assert!(padded || lax, "only we take this {}", codec.name());
        }
    }
}

/// What is taken apart comes back from its uncompressed bytes; anything else ends.
fn corrections(gzip: &[u8], plain: &[u8]) {
    let mut corrections = Vec::new();
    if take_apart(gzip, &mut corrections).is_ok()
        && !plain.is_empty()
        && (plain.len() as u64) < LIMIT
    {
        let mut again = Vec::new();
        put_together(plain, corrections.as_slice(), &mut again).unwrap();
        assert!(again == gzip, "corrections give other bytes");
    }
    let (first, second) = gzip.split_at(gzip.len() / 2);
    let _ = put_together(first, second, &mut Limited(1 << 20));
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

fn read(reader: impl Read) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    reader.take(LIMIT).read_to_end(&mut out).ok().map(|_| out)
}

fn zstd(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while !bytes.is_empty() && bytes[0] != 0 {
        if matches!(bytes, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) {
            let size = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
            bytes = bytes.get(8 + size as usize..)?;
            continue;
        }
        let mut decoder = ruzstd::decoding::StreamingDecoder::new(&mut bytes).ok()?;
        decoder.read_to_end(&mut out).ok()?;
    }
    Some(out)
}

/// Members one after the other (RFC 1952), inflated by miniz.
fn gzip(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while bytes.starts_with(&[0x1f, 0x8b]) {
        let flags = *bytes.get(3)?;
        let mut at = 10;
        if flags & 4 != 0 {
            at += 2 + usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        }
        for flag in [8, 16] {
            if flags & flag != 0 {
                at += bytes.get(at..)?.iter().position(|byte| *byte == 0)? + 1;
            }
        }
        if flags & 2 != 0 {
            at += 2;
        }
        let mut state =
            miniz_oxide::inflate::stream::InflateState::new(miniz_oxide::DataFormat::Raw);
        let start = out.len();
        loop {
            let mut buffer = [0; 1 << 15];
            let rest = bytes.get(at..)?;
            let step = miniz_oxide::inflate::stream::inflate(
                &mut state,
                rest,
                &mut buffer,
                miniz_oxide::MZFlush::None,
            );
            at += step.bytes_consumed;
            out.extend_from_slice(&buffer[..step.bytes_written]);
            match step.status.ok()? {
                miniz_oxide::MZStatus::StreamEnd => break,
                _ if step.bytes_consumed + step.bytes_written == 0 => return None,
                _ => (),
            }
        }
        let size = u32::from_le_bytes(bytes.get(at + 4..at + 8)?.try_into().ok()?);
        assert_eq!(size as usize, out.len() - start, "the size in a trailer");
        bytes = bytes.get(at + 8..)?;
    }
    bytes.iter().all(|byte| *byte == 0).then_some(out)
}
