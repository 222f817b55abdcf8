//! Writing compressed layers: independent blocks, encoded side by side, written in order.
//!
//! Each block becomes a gzip member or a zstd frame of its own, as `pigz -i`, eStargz and `pzstd`
//! write them. Where blocks end depends on the plain bytes alone, so the number of threads never
//! changes a byte. `--gzip-members one` is for readers that stop after the first member.

use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::error::ErrorKind;

/// How plain bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pipeline {
    /// gzip members of 1 MiB of plain bytes each.
    GzipMany(i32),
    /// One gzip member, encoded by one thread.
    GzipOne(u32),
    /// zstd frames of 2 MiB of plain bytes each, with check sums.
    Zstd(i32),
}

impl Pipeline {
    fn block(self) -> usize {
        match self {
            Self::GzipMany(_) | Self::GzipOne(_) => 1 << 20,
            Self::Zstd(_) => 2 << 20,
        }
    }
}

/// Gives the next plain bytes into a buffer and says how many; 0 is the end.
type Fill<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<usize, ErrorKind>;

/// Threads that encode the blocks of all layers that are being written.
#[derive(Debug)]
pub(crate) struct Pool {
    jobs: SyncSender<Job>,
}

impl Pool {
    /// Runs `work` with so many encoding threads, which end with it.
    pub(crate) fn with<R>(threads: usize, work: impl FnOnce(&Self) -> R) -> R {
        let (jobs, taken) = sync_channel::<Job>(threads);
        let taken = Mutex::new(taken);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| encode_blocks(&taken));
            }
            let pool = Self { jobs };
            let result = work(&pool);
            drop(pool);
            result
        })
    }
}

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
    let (order, replies) = sync_channel::<Receiver<io::Result<Vec<u8>>>>(2);
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            for reply in replies {
                // A worker that is gone has dropped its reply; that is an error as any other.
                let block = reply.recv().map_err(io::Error::other).flatten();
                out.write_all(&block.map_err(ErrorKind::Write)?)
                    .map_err(|error| super::kind_of(error, ErrorKind::Write))?;
            }
            Ok::<(), ErrorKind>(())
        });
        let read = feed(pipeline, fill, pool, &order);
        drop(order);
        let written = writer.join().unwrap_or(Err(ErrorKind::Interrupted));
        // A writer that failed made the reader stop: its error is the cause.
        written.and(read)
    })
}

#[derive(Debug)]
struct Job {
    pipeline: Pipeline,
    plain: Vec<u8>,
    reply: SyncSender<io::Result<Vec<u8>>>,
}

/// Cuts the plain bytes into blocks; an empty layer is one empty block.
fn feed(
    pipeline: Pipeline,
    fill: Fill<'_>,
    pool: &Pool,
    order: &SyncSender<Receiver<io::Result<Vec<u8>>>>,
) -> Result<(), ErrorKind> {
    let size = pipeline.block();
    let mut first = true;
    loop {
        let mut plain = vec![0; size];
        let mut filled = 0_usize;
        while let Some(free) = plain.get_mut(filled..).filter(|free| !free.is_empty()) {
            match fill(free)? {
                0 => break,
                count => filled = filled.saturating_add(count),
            }
        }
        plain.truncate(filled);
        if plain.is_empty() && !first {
            return Ok(());
        }
        first = false;
        let (reply, answer) = sync_channel(1);
        // Both fail only when the writer has given up, and it says why.
        if order.send(answer).is_err() || pool.jobs.send(Job { pipeline, plain, reply }).is_err() {
            return Ok(());
        }
        if filled < size {
            return Ok(());
        }
    }
}

fn encode_blocks(jobs: &Mutex<Receiver<Job>>) {
    let mut last: Option<(Pipeline, Encoder)> = None;
    loop {
        let job = match jobs.lock() {
            Ok(jobs) => jobs.recv(),
            Err(_) => return,
        };
        let Ok(Job { pipeline, plain, reply }) = job else { return };
        let encoder = match &mut last {
            Some((known, encoder)) if *known == pipeline => encoder,
            last => &mut last.insert((pipeline, Encoder::new(pipeline))).1,
        };
        let _ = reply.send(encoder.block(&plain)); // Nobody waits once the writer has failed.
    }
}

enum Encoder {
    Gzip(libdeflater::Compressor),
    #[cfg(feature = "zstd")]
    Zstd(io::Result<::zstd::bulk::Compressor<'static>>),
    #[cfg(not(feature = "zstd"))]
    Zstd,
}

impl Encoder {
    fn new(pipeline: Pipeline) -> Self {
        match pipeline {
            Pipeline::GzipMany(level) => {
                let level = libdeflater::CompressionLvl::new(level).unwrap_or_default();
                Self::Gzip(libdeflater::Compressor::new(level))
            }
            #[cfg(feature = "zstd")]
            Pipeline::Zstd(level) => Self::Zstd(zstd_compressor(level)),
            #[cfg(not(feature = "zstd"))]
            Pipeline::Zstd(_) => Self::Zstd,
            Pipeline::GzipOne(_) => Self::Gzip(libdeflater::Compressor::new(Default::default())),
        }
    }

    fn block(&mut self, plain: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => {
                let mut block = vec![0; encoder.gzip_compress_bound(plain.len())];
                let size = encoder.gzip_compress(plain, &mut block).map_err(io::Error::other)?;
                block.truncate(size);
                Ok(block)
            }
            #[cfg(feature = "zstd")]
            Self::Zstd(Ok(encoder)) => encoder.compress(plain),
            #[cfg(feature = "zstd")]
            Self::Zstd(Err(error)) => Err(io::Error::other(error.to_string())),
            #[cfg(not(feature = "zstd"))]
            Self::Zstd => Err(io::Error::other("this build has no zstd")),
        }
    }
}

#[cfg(feature = "zstd")]
fn zstd_compressor(level: i32) -> io::Result<::zstd::bulk::Compressor<'static>> {
    let mut encoder = ::zstd::bulk::Compressor::new(level)?;
    encoder.set_parameter(::zstd::zstd_safe::CParameter::ChecksumFlag(true))?;
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
