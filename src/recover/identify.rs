//! Finds the writer of compressed bytes: the one that makes them again from the uncompressed ones.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io::Read;

use serde::Serialize;

use super::attempt::{Guess, RebuildGoal};
use super::layers::uncompressed;
use super::rebuild::{measure_all, try_all};
use super::record::own_name;
use crate::bytes::files::ByteSource;
use crate::codec::{Compression, GzipProgram, Pipeline, Pool, WRITERS, ZSTD_LEVEL, is_own};
use crate::digest::{Algorithm, Measured};
use crate::error::{At as _, ErrorKind, Result, kind_of};
use crate::image::Layer;
use crate::image::layer::{Encode, measure};
use crate::progress::{Activity, Progress, Quiet, told};

/// The program that compressed a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KnownWriter {
    /// The name of the writer in recovery files.
    pub name: String,
    /// A program that compresses like this.
    pub like: &'static str,
    /// What the writer is.
    pub what: String,
}

impl std::fmt::Display for KnownWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "as {} ({})", self.like, self.what)
    }
}

/// The writer that gives the bytes of a layer, if one is known; it costs about one compression.
///
/// # Errors
/// The layer cannot be read or decompressed.
pub fn writer_of(
    layer: &Layer,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Option<KnownWriter>> {
    match layer.blob.as_ref().filter(|_| layer.codec == Compression::Gzip) {
        Some(blob) => writer_of_bytes(blob, threads, progress),
        None => Ok(None),
    }
}

/// The same for gzip bytes.
pub(crate) fn writer_of_bytes(
    blob: &ByteSource,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Option<KnownWriter>> {
    told(progress, (Activity::Recover, &blob.at, Some(blob.size)), || {
        let found = identified(blob, progress)?.map(|guess| KnownWriter {
            name: guess.writer.name.to_owned(),
            like: guess.writer.like,
            what: guess.writer.what.to_owned(),
        });
        match found {
            Some(found) => Ok(Some(found)),
            None => Ok(own(blob, Compression::Gzip, threads)?.and_then(known)),
        }
    })
}

/// What each program that compresses layers makes of a layer, in one pass over it.
pub(crate) fn made_by_programs(
    layer: &Layer,
    progress: &dyn Progress,
) -> Result<Vec<(&'static str, Measured)>> {
    let Some(blob) = &layer.blob else { return Ok(Vec::new()) };
    let writers = GzipProgram::ALL.into_iter().filter_map(GzipProgram::writer);
    let guesses: Vec<Guess> = writers.map(Guess::of).collect();
    let from = uncompressed(layer.codec, blob, progress)?;
    let made = measure_all(from, &guesses).at(&blob.at)?;
    let made = guesses.iter().zip(made);
    Ok(made.filter_map(|(guess, made)| Some((guess.writer.like, made?))).collect())
}

/// The guess that gives these gzip bytes.
pub(super) fn identified(blob: &ByteSource, progress: &dyn Progress) -> Result<Option<Guess>> {
    let Some(header) = header(blob)? else { return Ok(None) };
    let guess = |writer| Guess { writer, headers: vec![header.clone()] };
    let guesses: Vec<Guess> = WRITERS.iter().map(guess).collect();
    let from = uncompressed(Compression::Gzip, blob, progress)?;
    let size = header.len();
    let goal = || {
        let from = blob.reader_from(size as u64).map_err(|error| error.kind)?;
        Ok(RebuildGoal::Body { header: size, from })
    };
    Ok(try_all(from, &guesses, &goal).at(&blob.at)?.found.map(|(guess, _)| guess))
}

fn known(pipeline: Pipeline) -> Option<KnownWriter> {
    let what = match pipeline {
        Pipeline::GzipMany(level) => format!("libdeflate, level {level}, in members"),
        _ => return None,
    };
    Some(KnownWriter { name: own_name(pipeline)?, like: "imgconv", what })
}

/// How this program compressed it, if it did. Of zstd only the default is probable enough.
pub(super) fn own(
    blob: &ByteSource,
    codec: Compression,
    threads: usize,
) -> Result<Option<Pipeline>> {
    let pipelines = match codec {
        Compression::Gzip if header(blob)?.is_some_and(|header| is_own(&header)) => {
            OWN_LEVELS.map(Pipeline::GzipMany).to_vec()
        }
        Compression::Zstd if cfg!(feature = "zstd") => vec![Pipeline::Zstd(ZSTD_LEVEL)],
        _ => Vec::new(),
    };
    let form = (codec, Algorithm::Sha256);
    for pipeline in pipelines {
        let to = Encode::Compress(pipeline);
        let made = Pool::with(threads, |pool| measure(blob, form, (to, pool), &Quiet));
        let made = made.at(&blob.at)?;
        if made.stored.digest() == made.source.digest() {
            return Ok(Some(pipeline));
        }
    }
    Ok(None)
}

/// The levels of this program's own gzip, its default first.
const OWN_LEVELS: [i32; 12] = [2, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// The header of the first member (RFC 1952, 2.3); `None` if it is too long to be one.
fn header(blob: &ByteSource) -> Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    let read = blob.reader()?.take(LONGEST).read_to_end(&mut head);
    read.map_err(|error| kind_of(error, ErrorKind::Read)).at(&blob.at)?;
    let end = header_end(&head);
    Ok(end.map(|end| {
        head.truncate(end);
        head
    }))
}

/// The longest header that is kept.
const LONGEST: u64 = 32 << 10;

fn header_end(head: &[u8]) -> Option<usize> {
    let flags = *head.get(3)?;
    let mut at = 10_usize;
    if flags & 4 != 0 {
        let size: [u8; 2] = head.get(at..at.checked_add(2)?)?.try_into().ok()?;
        at = at.checked_add(2)?.checked_add(usize::from(u16::from_le_bytes(size)))?;
    }
    // A name and a comment each end in a zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let text = head.get(at..)?.iter().position(|byte| *byte == 0)?;
            at = at.checked_add(text)?.checked_add(1)?;
        }
    }
    if flags & 2 != 0 {
        at = at.checked_add(2)?;
    }
    (head.len() >= at).then_some(at)
}
