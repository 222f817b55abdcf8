//! Writing compressed layers: independent blocks, encoded side by side, written in order.
//!
//! Each block becomes a gzip member or a zstd frame of its own, as `pigz -i`, eStargz and `pzstd`
//! write them. Where blocks end depends on the plain bytes alone, so the number of threads never
//! changes a byte. `--gzip-members one` is for readers that stop after the first member.

use std::io::{self, Write};

use super::pool::{InOrder, Pool};
use super::sized;
use crate::error::ErrorKind;

/// Plain bytes of a gzip member.
pub(super) const GZIP_BLOCK: usize = 1 << 20;
/// Plain bytes of a zstd frame: its window, so more of them finds more, and needs more memory.
const ZSTD_BLOCK: usize = 4 << 20;

/// How plain bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pipeline {
    /// gzip members of 1 MiB of plain bytes each, which say how long they are.
    GzipMany(i32),
    /// One gzip member, encoded by one thread.
    GzipOne(u32),
    /// zstd frames of 4 MiB of plain bytes each, with check sums.
    Zstd(i32),
}

impl Pipeline {
    fn block(self) -> usize {
        match self {
            Self::GzipMany(_) | Self::GzipOne(_) => GZIP_BLOCK,
            Self::Zstd(_) => ZSTD_BLOCK,
        }
    }
}

/// Gives the next plain bytes into a buffer and says how many; 0 is the end.
type Fill<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<usize, ErrorKind>;

/// Encodes what `fill` gives into `out`: blocks side by side in the pool, written in order.
pub(crate) fn encode(
    pipeline: Pipeline,
    pool: &Pool,
    fill: Fill<'_>,
    out: &mut (dyn Write + Send),
) -> Result<(), ErrorKind> {
    if let Pipeline::GzipOne(level) = pipeline {
        return one_member(level, fill, out);
    }
    let mut blocks = InOrder::new(pool);
    let mut first = true;
    let mut free = Vec::new();
    loop {
        while !blocks.has_room() {
            free.extend(write_oldest(&mut blocks, out)?);
        }
        let plain = next(free.pop().unwrap_or_default(), pipeline.block(), fill)?;
        let last = plain.len() < pipeline.block();
        // An empty layer is one empty block.
        if first || !plain.is_empty() {
            blocks.push(move |worker| (worker.encoders.of(pipeline).block(&plain), plain));
        }
        first = false;
        if last {
            break;
        }
    }
    while write_oldest(&mut blocks, out)?.is_some() {}
    Ok(())
}

/// A block that was encoded, and its plain bytes, whose memory is used again.
type Encoded = (io::Result<Vec<u8>>, Vec<u8>);

/// A block's worth of plain bytes; fewer at the end only.
fn next(mut plain: Vec<u8>, size: usize, fill: Fill<'_>) -> Result<Vec<u8>, ErrorKind> {
    plain.resize(size, 0);
    let mut filled = 0_usize;
    while let Some(free) = plain.get_mut(filled..).filter(|free| !free.is_empty()) {
        match fill(free)? {
            0 => break,
            count => filled = filled.saturating_add(count),
        }
    }
    plain.truncate(filled);
    Ok(plain)
}

fn write_oldest(
    blocks: &mut InOrder<'_, Encoded>,
    out: &mut (dyn Write + Send),
) -> Result<Option<Vec<u8>>, ErrorKind> {
    let Some(done) = blocks.pop() else { return Ok(None) };
    // A thread that is gone has dropped its reply; that is an error as any other.
    let (block, plain) = done.map_err(io::Error::other).map_err(ErrorKind::Write)?;
    let write = |error| super::kind_of(error, ErrorKind::Write);
    out.write_all(&block.map_err(ErrorKind::Write)?).map_err(write)?;
    Ok(Some(plain))
}

/// The encoder that a thread used last, as most blocks want the same.
#[derive(Default)]
pub(super) struct Encoders(Option<(Pipeline, Encoder)>);

impl Encoders {
    fn of(&mut self, pipeline: Pipeline) -> &mut Encoder {
        self.0.take_if(|(last, _)| *last != pipeline);
        &mut self.0.get_or_insert_with(|| (pipeline, Encoder::new(pipeline))).1
    }
}

/// An encoder and room for what it makes, which is kept as it is large.
struct Encoder {
    codec: Codec,
    room: Vec<u8>,
}

enum Codec {
    Gzip(libdeflater::Compressor),
    #[cfg(feature = "zstd")]
    Zstd(io::Result<::zstd::bulk::Compressor<'static>>),
    #[cfg(not(feature = "zstd"))]
    Zstd,
}

impl Encoder {
    fn new(pipeline: Pipeline) -> Self {
        let codec = match pipeline {
            Pipeline::GzipMany(level) => {
                let level = libdeflater::CompressionLvl::new(level).unwrap_or_default();
                Codec::Gzip(libdeflater::Compressor::new(level))
            }
            #[cfg(feature = "zstd")]
            Pipeline::Zstd(level) => Codec::Zstd(zstd_compressor(level)),
            #[cfg(not(feature = "zstd"))]
            Pipeline::Zstd(_) => Codec::Zstd,
            Pipeline::GzipOne(_) => Codec::Gzip(libdeflater::Compressor::new(Default::default())),
        };
        Self { codec, room: Vec::new() }
    }

    fn block(&mut self, plain: &[u8]) -> io::Result<Vec<u8>> {
        match &mut self.codec {
            Codec::Gzip(encoder) => member(encoder, plain, &mut self.room),
            #[cfg(feature = "zstd")]
            Codec::Zstd(Ok(encoder)) => {
                self.room.clear();
                self.room.reserve(::zstd::zstd_safe::compress_bound(plain.len()));
                encoder.compress_to_buffer(plain, &mut self.room)?;
                Ok(self.room.clone())
            }
            #[cfg(feature = "zstd")]
            Codec::Zstd(Err(error)) => Err(io::Error::other(error.to_string())),
            #[cfg(not(feature = "zstd"))]
            Codec::Zstd => Err(io::Error::other("this build has no zstd")),
        }
    }
}

/// A gzip member that says how long it is.
fn member(
    encoder: &mut libdeflater::Compressor,
    plain: &[u8],
    room: &mut Vec<u8>,
) -> io::Result<Vec<u8>> {
    room.resize(encoder.deflate_compress_bound(plain.len()), 0);
    let size = encoder.deflate_compress(plain, room).map_err(io::Error::other)?;
    let whole = size.saturating_add(sized::HEADER).saturating_add(sized::TRAILER);
    let mut member = Vec::with_capacity(whole);
    member.extend(sized::header(u32::try_from(whole).map_err(io::Error::other)?));
    member.extend_from_slice(room.get(..size).unwrap_or_default());
    member.extend(libdeflater::crc32(plain).to_le_bytes());
    member.extend(u32::try_from(plain.len()).map_err(io::Error::other)?.to_le_bytes());
    Ok(member)
}

#[cfg(feature = "zstd")]
fn zstd_compressor(level: i32) -> io::Result<::zstd::bulk::Compressor<'static>> {
    use ::zstd::zstd_safe::CParameter;
    let mut encoder = ::zstd::bulk::Compressor::new(level)?;
    encoder.set_parameter(CParameter::ChecksumFlag(true))?;
    if level == 2 {
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
