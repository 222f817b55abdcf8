//! Writes compressed layers: independent blocks, encoded in parallel, written in order.
//!
//! Each block becomes a separate gzip member or zstd frame, as `pigz -i`, eStargz and `pzstd` write
//! them. Block boundaries depend only on the uncompressed bytes, so the number of threads never
//! changes a byte. `--gzip-members one` is for readers that stop after the first member.

use std::io::{self, Write};

use super::Compression;
use super::dense::noisy;
use super::pool::{InOrder, Pool, set_len};
use super::sized::{self, GZIP_BLOCK};
use super::writer::{GzipProgram, MemberBody};
use crate::error::ErrorKind;

/// The default gzip level, on the scale of libdeflate: layers are not larger than those of zlib
/// level 6, which skopeo uses, in a third of the time.
pub(crate) const GZIP_LEVEL: i32 = 2;
/// The default zstd level.
pub(crate) const ZSTD_LEVEL: i32 = 2;
/// Uncompressed bytes of a zstd frame, which is also its window: a larger one compresses better and
/// needs more memory.
const ZSTD_BLOCK: usize = 4 << 20;

/// How uncompressed bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pipeline {
    /// gzip members of 1 MiB uncompressed bytes each, with their length in the header.
    GzipMany(i32),
    /// One gzip member, encoded by one thread.
    GzipOne(u32),
    /// One gzip member with the bytes of a program, encoded by one thread.
    GzipLike(GzipProgram),
    /// zstd frames of 4 MiB uncompressed bytes each, with checksums.
    Zstd(i32),
}

impl Pipeline {
    /// The codec of the written bytes.
    pub(crate) fn codec(self) -> Compression {
        match self {
            Self::GzipMany(_) | Self::GzipOne(_) | Self::GzipLike(_) => Compression::Gzip,
            Self::Zstd(_) => Compression::Zstd,
        }
    }

    fn block(self) -> usize {
        match self {
            Self::GzipMany(_) | Self::GzipOne(_) | Self::GzipLike(_) => GZIP_BLOCK,
            Self::Zstd(_) => ZSTD_BLOCK,
        }
    }
}

/// Writes the next uncompressed bytes into a buffer and returns their number; 0 is the end.
type Fill<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<usize, ErrorKind>;

/// Encodes the bytes of `fill` into `out`: blocks are encoded in parallel by the pool and written
/// in order.
pub(crate) fn encode(
    pipeline: Pipeline,
    pool: &Pool,
    fill: Fill<'_>,
    out: &mut (dyn Write + Send),
) -> Result<(), ErrorKind> {
    match pipeline {
        Pipeline::GzipOne(level) => return one_member(level, fill, out),
        Pipeline::GzipLike(program) => return member_of(program, fill, out),
        Pipeline::GzipMany(_) | Pipeline::Zstd(_) => (),
    }
    let mut blocks = InOrder::new(pool);
    let mut first = true;
    loop {
        while !blocks.claim() {
            write_oldest(&mut blocks, pool, out)?;
        }
        let mut plain = pool.spare.plain.take();
        let filled = fill_up(&mut plain, pipeline.block(), fill)?;
        // An empty layer is one empty block.
        if first || filled > 0 {
            blocks.push(move |worker| {
                let (bytes, room) =
                    (plain.get(..filled).unwrap_or_default(), worker.spare.coded.take());
                let encoders = worker.kept::<Encoders>();
                let encoders = encoders.ok_or_else(|| io::Error::other("an encoder is missing"));
                let block = encoders.and_then(|it| it.of(pipeline).block(bytes, room));
                worker.spare.plain.give_back(plain);
                block
            });
        }
        first = false;
        if filled < pipeline.block() {
            break;
        }
    }
    while write_oldest(&mut blocks, pool, out)? {}
    Ok(())
}

/// Fills a buffer with the uncompressed bytes of one block; only the last block may be shorter.
fn fill_up(plain: &mut Vec<u8>, size: usize, fill: Fill<'_>) -> Result<usize, ErrorKind> {
    set_len(plain, size);
    let mut filled = 0_usize;
    while let Some(free) = plain.get_mut(filled..).filter(|free| !free.is_empty()) {
        match fill(free)? {
            0 => break,
            count => filled = filled.saturating_add(count),
        }
    }
    Ok(filled)
}

/// Writes the oldest block; returns whether there was one.
fn write_oldest(
    blocks: &mut InOrder<'_, io::Result<Vec<u8>>>,
    pool: &Pool,
    out: &mut (dyn Write + Send),
) -> Result<bool, ErrorKind> {
    let Some(block) = blocks.pop() else { return Ok(false) };
    // A thread that ended has dropped its reply, which is an error.
    let block = block.map_err(io::Error::other).flatten().map_err(ErrorKind::Write)?;
    out.write_all(&block).map_err(|error| super::kind_of(error, ErrorKind::Write))?;
    pool.spare.coded.give_back(block);
    Ok(true)
}

/// The last encoder of a thread, because most blocks use the same one.
#[derive(Default)]
struct Encoders(Option<(Pipeline, Encoder)>);

impl Encoders {
    fn of(&mut self, pipeline: Pipeline) -> &mut Encoder {
        self.0.take_if(|(last, _)| *last != pipeline);
        &mut self.0.get_or_insert_with(|| (pipeline, Encoder::new(pipeline))).1
    }
}

enum Encoder {
    Gzip(GzipMembersEncoder),
    #[cfg(feature = "zstd")]
    Zstd(io::Result<::zstd::bulk::Compressor<'static>>),
    #[cfg(not(feature = "zstd"))]
    Zstd,
}

impl Encoder {
    fn new(pipeline: Pipeline) -> Self {
        match pipeline {
            Pipeline::GzipMany(level) => Self::Gzip(GzipMembersEncoder::new(level)),
            #[cfg(feature = "zstd")]
            Pipeline::Zstd(level) => Self::Zstd(zstd_compressor(level)),
            #[cfg(not(feature = "zstd"))]
            Pipeline::Zstd(_) => Self::Zstd,
            // Never encoded in blocks.
            Pipeline::GzipOne(_) | Pipeline::GzipLike(_) => {
                Self::Gzip(GzipMembersEncoder::new(GZIP_LEVEL))
            }
        }
    }

    /// Encodes a block into the memory of an earlier one.
    fn block(&mut self, plain: &[u8], mut coded: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(members) => members.encode(plain, &mut coded)?,
            #[cfg(feature = "zstd")]
            Self::Zstd(Ok(encoder)) => {
                coded.clear();
                coded.reserve_exact(::zstd::zstd_safe::compress_bound(plain.len()));
                encoder.compress_to_buffer(plain, &mut coded)?;
            }
            #[cfg(feature = "zstd")]
            Self::Zstd(Err(error)) => return Err(io::Error::other(error.to_string())),
            #[cfg(not(feature = "zstd"))]
            Self::Zstd => return Err(io::Error::other("this build has no zstd")),
        }
        Ok(coded)
    }
}

/// Writes gzip members with their length in the header.
struct GzipMembersEncoder {
    encoder: libdeflater::Compressor,
    /// For bytes that do not compress; `None` at higher levels.
    store: Option<libdeflater::Compressor>,
    /// What the encoder writes to: it is only ever made longer, as making room zeroes it.
    room: Vec<u8>,
}

impl GzipMembersEncoder {
    fn new(level: i32) -> Self {
        let encoder = |level| {
            let level = libdeflater::CompressionLvl::new(level).unwrap_or_default();
            libdeflater::Compressor::new(level)
        };
        let store = (level <= GZIP_LEVEL).then(|| encoder(0));
        Self { encoder: encoder(level), store, room: Vec::new() }
    }

    fn encode(&mut self, plain: &[u8], member: &mut Vec<u8>) -> io::Result<()> {
        let Self { encoder, store, room } = self;
        let is_dense = store.is_some() && is_dense(plain, encoder, room)?;
        let encoder = store.as_mut().filter(|_| is_dense).unwrap_or(encoder);
        let body = deflate(encoder, plain, room)?;
        let size = body.len().saturating_add(sized::HEADER).saturating_add(sized::TRAILER);
        member.clear();
        member.reserve_exact(size);
        member.extend(sized::header(u32::try_from(size).map_err(io::Error::other)?));
        member.extend_from_slice(body);
        member.extend(libdeflater::crc32(plain).to_le_bytes());
        member.extend(u32::try_from(plain.len()).map_err(io::Error::other)?.to_le_bytes());
        Ok(())
    }
}

/// Encodes bytes into a buffer that is made long enough.
fn deflate<'a>(
    encoder: &mut libdeflater::Compressor,
    plain: &[u8],
    room: &'a mut Vec<u8>,
) -> io::Result<&'a [u8]> {
    set_len(room, encoder.deflate_compress_bound(plain.len()).max(room.len()));
    let size = encoder.deflate_compress(plain, room).map_err(io::Error::other)?;
    room.get(..size).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Whether samples of a block look random and do not compress.
fn is_dense(
    plain: &[u8],
    encoder: &mut libdeflater::Compressor,
    room: &mut Vec<u8>,
) -> io::Result<bool> {
    let Some(samples) = noisy(plain) else { return Ok(false) };
    let size = deflate(encoder, &samples, room)?.len();
    Ok(size.saturating_mul(64) >= samples.len().saturating_mul(63))
}

#[cfg(feature = "zstd")]
fn zstd_compressor(level: i32) -> io::Result<::zstd::bulk::Compressor<'static>> {
    use ::zstd::zstd_safe::CParameter;
    let mut encoder = ::zstd::bulk::Compressor::new(level)?;
    encoder.set_parameter(CParameter::ChecksumFlag(true))?;
    if level == ZSTD_LEVEL {
        // The level's own window is a quarter of a frame, and its table for less than that; twice
        // the table still is within a core's cache.
        encoder.set_parameter(CParameter::WindowLog(ZSTD_BLOCK.ilog2()))?;
        encoder.set_parameter(CParameter::HashLog(17))?;
    }
    Ok(encoder)
}

fn one_member(level: u32, fill: Fill<'_>, out: &mut (dyn Write + Send)) -> Result<(), ErrorKind> {
    let write = |error| super::kind_of(error, ErrorKind::Write);
    let mut encoder =
        flate2::GzBuilder::new().operating_system(255).write(out, flate2::Compression::new(level));
    let mut buffer = vec![0; 128 << 10];
    loop {
        let count = fill(&mut buffer)?;
        if count == 0 {
            break;
        }
        encoder.write_all(buffer.get(..count).unwrap_or_default()).map_err(write)?;
    }
    encoder.finish().map(drop).map_err(write)
}

fn member_of(
    program: GzipProgram,
    fill: Fill<'_>,
    out: &mut (dyn Write + Send),
) -> Result<(), ErrorKind> {
    let write = |error| super::kind_of(error, ErrorKind::Write);
    let (mut buffer, mut made) = (vec![0; 128 << 10], Vec::new());
    let writer =
        program.writer().and_then(|row| Some((row.headers.first()?, MemberBody::start(row)?)));
    let (header, mut member) = writer.ok_or(ErrorKind::NoCodec { codec: "gzip" })?;
    made.extend(header.iter());
    loop {
        let count = fill(&mut buffer)?;
        if count == 0 {
            break;
        }
        member.write(buffer.get(..count).unwrap_or_default(), &mut made);
        out.write_all(&made).map_err(write)?;
        made.clear();
    }
    member.finish(&mut made);
    out.write_all(&made).map_err(write)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::super::dense::tests::noise;
    use super::*;

    /// Bytes that these take in members, which hold them.
    fn members(plain: &[u8], level: i32) -> usize {
        let mut rest = plain;
        let mut out = Vec::new();
        let mut fill = |buffer: &mut [u8]| rest.read(buffer).map_err(ErrorKind::Read);
        Pool::with(2, |pool| encode(Pipeline::GzipMany(level), pool, &mut fill, &mut out)).unwrap();
        let mut found = Vec::new();
        flate2::bufread::MultiGzDecoder::new(&out[..]).read_to_end(&mut found).unwrap();
        assert!(found == plain);
        out.len()
    }

    #[test]
    fn noise_is_stored_and_what_has_an_order_is_not_taken_for_it() {
        let whole = noise(1, GZIP_BLOCK + 1000);
        let size = members(&whole, GZIP_LEVEL);
        assert!((whole.len()..whole.len() + 300).contains(&size), "{size}");
        // Values are as frequent as in noise, but they come again.
        let again: Vec<u8> = whole[..8 << 10].iter().copied().cycle().take(GZIP_BLOCK).collect();
        let ramp: Vec<u8> = (0..=u8::MAX).cycle().take(GZIP_BLOCK).collect();
        for (name, plain) in [("again", again), ("ramp", ramp)] {
            let size = members(&plain, GZIP_LEVEL);
            assert!(size < plain.len() / 16, "{name}: {size}");
        }
    }
}
