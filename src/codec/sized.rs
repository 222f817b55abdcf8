//! gzip members with their length in the header, so that several can be decoded in parallel.
//!
//! An extra field (RFC 1952, 2.3.1.1) of subfield `IC` holds the number of bytes of its whole
//! member, header and trailer included: four bytes, least significant first. Other programs skip
//! unknown fields. The field is only a claim. A member is accepted if its deflate stream ends
//! exactly before the claimed trailer and both checksums are right, so every other program decodes
//! the same bytes. From the first other member on, the decoder of [`super::gzip`], which ignores
//! the field, reads everything.

use std::io::{self, Cursor, Read};
use std::mem;

use flate2::{Decompress, FlushDecompress, Status};

use super::pool::{InOrder, Pool, set_len};
use super::{CodecInput, Decoder};

/// Uncompressed bytes of a member.
pub(super) const GZIP_BLOCK: usize = 1 << 20;
/// Bytes of the header.
pub(super) const HEADER: usize = 20;
/// Checksum and size of the uncompressed bytes.
pub(super) const TRAILER: usize = 8;
/// The header before the size: an extra field of eight bytes; no time, no name, unknown system.
const FIXED: [u8; 16] = *b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x08\0IC\x04\0";
/// The largest member; a larger claim is ignored.
const LONGEST: usize = 2 * GZIP_BLOCK;

/// The header of a member with this number of bytes.
pub(super) fn header(size: u32) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let bytes = FIXED.into_iter().chain(size.to_le_bytes());
    header.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    header
}

/// Whether bytes begin as a member that is written here.
pub(crate) fn is_own(head: &[u8]) -> bool {
    head.get(..HEADER).and_then(claimed).is_some()
}

/// The size that a header claims for its member; `None` for other headers.
fn claimed(header: &[u8]) -> Option<usize> {
    let (fixed, size) = header.split_last_chunk::<4>()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    (fixed == FIXED && (HEADER.saturating_add(TRAILER)..=LONGEST).contains(&size)).then_some(size)
}

/// Claims of the uncompressed size of a gzip stream, of which `part` reads any range; `None` if it
/// is unknown.
///
/// A member ends with its uncompressed size modulo 2^32 (RFC 1952, 2.3.1). For a stream of one
/// member it is used if it is a plausible size of a tar; the decoded bytes decide.
pub(crate) fn claimed_size(
    stored: u64,
    part: &dyn Fn(u64, usize) -> Option<Vec<u8>>,
) -> Option<u64> {
    let size_before = |end: u64| {
        let last = part(end.checked_sub(4)?, 4)?;
        Some(u64::from(u32::from_le_bytes(last.try_into().ok()?)))
    };
    let (mut at, mut total) = (0_u64, 0_u64);
    while at < stored {
        let Some(size) = part(at, HEADER).and_then(|header| claimed(&header)) else {
            let size = size_before(stored).filter(|_| at == 0)?;
            return (size >= stored && size.is_multiple_of(512)).then_some(size);
        };
        at = at.checked_add(size as u64).filter(|end| *end <= stored)?;
        total = total.checked_add(size_before(at)?)?;
    }
    Some(total)
}

/// A member that went through the pool; `plain` is `None` if its claim is wrong.
struct Decoded {
    stored: Vec<u8>,
    plain: Option<Vec<u8>>,
}

/// A decoder of raw deflate streams, kept by a thread of the pool.
struct Inflate(Decompress);

impl Default for Inflate {
    fn default() -> Self {
        Self(Decompress::new(false))
    }
}

/// Decodes a member of the claimed length into reused memory.
fn inflate(stored: &[u8], mut plain: Vec<u8>, inflate: &mut Decompress) -> Option<Vec<u8>> {
    let (body, trailer) = stored.get(HEADER..)?.split_last_chunk::<TRAILER>()?;
    let [a, b, c, d, size @ ..] = *trailer;
    let size = usize::try_from(u32::from_le_bytes(size)).ok().filter(|it| *it <= GZIP_BLOCK)?;
    set_len(&mut plain, size);
    inflate.reset(false);
    let ended = inflate.decompress(body, &mut plain, FlushDecompress::Finish).ok()?;
    let whole = ended == Status::StreamEnd
        && inflate.total_in() == body.len() as u64
        && inflate.total_out() == size as u64;
    (whole && libdeflater::crc32(&plain) == u32::from_le_bytes([a, b, c, d])).then_some(plain)
}

/// Reads a gzip stream: members with a size ahead and in parallel, everything else in order.
pub(super) struct SizedMembers<'a> {
    members: InOrder<'a, Decoded>,
    behind: Behind<'a>,
    /// Memory of members that were read, for reuse.
    spare: Vec<(Vec<u8>, Vec<u8>)>,
    plain: Cursor<Vec<u8>>,
    /// Whether a member was read.
    any: bool,
}

/// The state after the members that were sent to the pool.
enum Behind<'a> {
    /// Perhaps another member with a size.
    Members(CodecInput<'a>),
    /// Bytes that are not such a member.
    Other(Box<dyn Read + Send + 'a>),
    /// Those bytes, in a decoder.
    Decoding(Box<dyn Read + Send + 'a>),
}

impl<'a> SizedMembers<'a> {
    pub(super) fn new(input: CodecInput<'a>, pool: &'a Pool) -> Self {
        Self {
            members: InOrder::new(pool),
            behind: Behind::Members(input),
            spare: Vec::new(),
            plain: Cursor::default(),
            any: false,
        }
    }

    /// Sends members to the pool while there is room.
    fn read_ahead(&mut self) {
        while let Behind::Members(input) = &mut self.behind
            && self.members.claim()
        {
            let (stored, plain) = self.spare.pop().unwrap_or_default();
            let (stored, whole) = member(input, stored);
            if matches!(whole, Ok(true)) {
                self.members.push(move |worker| {
                    let plain =
                        worker.kept::<Inflate>().and_then(|it| inflate(&stored, plain, &mut it.0));
                    Decoded { stored, plain }
                });
                continue;
            }
            self.members.release();
            let error = Failing(whole.err());
            self.put_back(stored, Box::new(error));
        }
    }

    /// Puts bytes that are not such a member back in front of the rest.
    fn put_back(&mut self, stored: Vec<u8>, then: Box<dyn Read + Send + 'a>) {
        let nothing = Behind::Other(Box::new(io::empty()));
        let behind: Box<dyn Read + Send + 'a> = match mem::replace(&mut self.behind, nothing) {
            Behind::Members(input) => Box::new(input),
            Behind::Other(rest) | Behind::Decoding(rest) => rest,
        };
        self.behind = Behind::Other(Box::new(Cursor::new(stored).chain(then).chain(behind)));
    }

    /// Passes a member and everything after it to the decoder that ignores sizes.
    fn doubt(&mut self, mut stored: Vec<u8>) -> io::Result<()> {
        while let Some(other) = self.members.pop() {
            stored.extend(other.map_err(io::Error::other)?.stored);
        }
        self.put_back(stored, Box::new(io::empty()));
        Ok(())
    }
}

impl Read for SizedMembers<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.plain.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            if let Behind::Decoding(rest) = &mut self.behind {
                return rest.read(buffer);
            }
            self.read_ahead();
            match self.members.pop().transpose().map_err(io::Error::other)? {
                Some(Decoded { stored, plain: Some(plain) }) => {
                    self.any = true;
                    let read = mem::replace(&mut self.plain, Cursor::new(plain));
                    self.spare.push((stored, read.into_inner()));
                }
                Some(Decoded { stored, plain: None }) => self.doubt(stored)?,
                None => {
                    let nothing = Behind::Decoding(Box::new(io::empty()));
                    if let Behind::Other(rest) = mem::replace(&mut self.behind, nothing) {
                        let decoder = Decoder { any: self.any, ..Decoder::gzip(rest) };
                        self.behind = Behind::Decoding(Box::new(decoder));
                    }
                }
            }
        }
    }
}

/// Reads a member with a size; otherwise returns the bytes that were read so far.
fn member(input: &mut CodecInput<'_>, mut stored: Vec<u8>) -> (Vec<u8>, io::Result<bool>) {
    stored.clear();
    let whole = up_to(input, &mut stored, HEADER).and_then(|()| match claimed(&stored) {
        None => Ok(false),
        Some(size) => up_to(input, &mut stored, size).map(|()| stored.len() == size),
    });
    (stored, whole)
}

/// Reads up to this number of bytes.
fn up_to(input: &mut CodecInput<'_>, read: &mut Vec<u8>, size: usize) -> io::Result<()> {
    let missing = size.saturating_sub(read.len());
    input.take(missing as u64).read_to_end(read).map(drop)
}

/// Returns a pending error once.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seed: u8, size: usize) -> Vec<u8> {
        (0..=u8::MAX)
            .cycle()
            .map(|at| seed.wrapping_mul(31).wrapping_add(at / 7))
            .take(size)
            .collect()
    }

    /// A member as it is written here, with another size in its field.
    fn lying(plain: &[u8], size: usize) -> Vec<u8> {
        let mut encoder = libdeflater::Compressor::new(Default::default());
        let mut body = vec![0; encoder.deflate_compress_bound(plain.len())];
        let written = encoder.deflate_compress(plain, &mut body).unwrap();
        body.truncate(written);
        let mut member = header(u32::try_from(size).unwrap()).to_vec();
        member.extend(body);
        member.extend(libdeflater::crc32(plain).to_le_bytes());
        member.extend(u32::try_from(plain.len()).unwrap().to_le_bytes());
        member
    }

    fn honest(plain: &[u8]) -> Vec<u8> {
        lying(plain, lying(plain, 0).len())
    }

    /// What a reader finds that skips the field, as all others do: zlib's, member after member.
    fn others(stored: &[u8]) -> Option<Vec<u8>> {
        let mut plain = Vec::new();
        flate2::bufread::MultiGzDecoder::new(stored).read_to_end(&mut plain).ok()?;
        Some(plain)
    }

    fn ours(stored: &[u8], threads: usize) -> Option<Vec<u8>> {
        let input: Box<dyn Read + Send> = Box::new(Cursor::new(stored.to_vec()));
        Pool::with(threads, |pool| {
            let mut plain = Vec::new();
            SizedMembers::new(CodecInput::new(input), pool).read_to_end(&mut plain).ok()?;
            Some(plain)
        })
    }

    #[test]
    fn a_size_that_lies_never_changes_what_is_read() {
        let (a, b) = (text(1, 40_000), text(2, 90_000));
        let (one, two) = (honest(&a), honest(&b));
        let mut cases = vec![
            ("honest", [one.clone(), two.clone()].concat()),
            ("empty members", [honest(b""), one.clone(), honest(b"")].concat()),
            // The same trailer stands at the claimed end and at the real one.
            ("covers an equal member", [lying(&a, 2 * one.len()), one.clone()].concat()),
            ("covers another member", [lying(&a, one.len() + two.len()), two.clone()].concat()),
            ("past the end", [one.clone(), lying(&b, two.len() + 1)].concat()),
            ("largest", [one.clone(), lying(&b, u32::MAX as usize), two.clone()].concat()),
            ("a plain member between", {
                let mut encoder = flate2::bufread::GzEncoder::new(&b[..], Default::default());
                let mut foreign = Vec::new();
                encoder.read_to_end(&mut foreign).unwrap();
                [one.clone(), foreign, two.clone()].concat()
            }),
        ];
        for size in [0, 1, HEADER, HEADER + TRAILER, one.len() - 1, one.len() + 1] {
            cases.push(("off", [lying(&a, size), two.clone()].concat()));
        }
        for (name, stored) in cases {
            let expected = others(&stored);
            assert!(expected.is_some(), "{name}");
            for threads in [1, 3] {
                assert!(ours(&stored, threads) == expected, "{name}, {threads} threads");
            }
        }
    }

    #[test]
    fn damage_is_refused_wherever_it_is() {
        let one = honest(&text(1, 3000));
        let stored = [one.clone(), honest(&text(2, 500)), one].concat();
        let plain = others(&stored).unwrap();
        for at in 0..stored.len() {
            let mut damaged = stored.clone();
            damaged[at] ^= 0x10;
            // Some bytes mean nothing: the time, the system, the field itself.
            let (ours, others) = (ours(&damaged, 2), others(&damaged));
            assert!(ours.is_none() || ours.as_ref() == Some(&plain), "byte {at}");
            assert!(others.is_none() || ours == others, "byte {at}");
        }
        for end in 0..stored.len() {
            let whole = others(&stored[..end]).filter(|_| end > 0);
            assert!(ours(&stored[..end], 2) == whole, "cut at {end}");
        }
    }

    #[test]
    fn sizes_are_told_from_ends_of_members() {
        let claim = |stored: &[u8]| {
            claimed_size(stored.len() as u64, &|at, size| {
                stored.get(usize::try_from(at).unwrap()..)?.get(..size).map(<[u8]>::to_vec)
            })
        };
        let (one, two) = (honest(&text(1, 3000)), honest(&text(2, 500)));
        assert_eq!(claim(&[one.clone(), two.clone()].concat()), Some(3500));
        assert_eq!(claim(&[one.clone(), two[..two.len() - 1].to_vec()].concat()), None);
        assert_eq!(claim(&[&one[..], b"\0"].concat()), None);
        for (size, told) in [(10_240, true), (10_241, false), (512, true), (0, false)] {
            let mut foreign = Vec::new();
            let plain = text(3, size);
            flate2::bufread::GzEncoder::new(&plain[..], Default::default())
                .read_to_end(&mut foreign)
                .unwrap();
            assert_eq!(claim(&foreign), told.then_some(size as u64), "{size}");
        }
        assert_eq!(claim(b""), Some(0));
    }
}
