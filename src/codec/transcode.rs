//! One pass over a layer: computes every digest and writes the requested form.

use std::io::{Read, Write};

use super::{Compressed, Compression, Pipeline, Pool, PoolHasher, decoder_in, encode, kind_of};
use crate::digest::{Algorithm, DiffId, Hasher, Measured};
use crate::error::ErrorKind;
use crate::progress::{Event, Progress, tell};

/// How a layer is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Encode {
    /// As it is, byte for byte.
    Keep,
    /// As an uncompressed tar.
    Decompress,
    /// Recompressed.
    Compress(Pipeline),
}

/// What one pass over a layer found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transcoded {
    /// The bytes that were read.
    pub(crate) source: Measured,
    /// The uncompressed tar.
    pub(crate) uncompressed: Measured,
    /// The bytes that were written.
    pub(crate) stored: Measured,
}

impl Transcoded {
    /// Compares the uncompressed tar with the diff ID of layer number `layer` in the config.
    pub(crate) fn check_diff_id(&self, layer: usize, expected: DiffId) -> Result<(), ErrorKind> {
        match self.uncompressed.diff_id() {
            Some(found) if found != expected => Err(ErrorKind::DiffId { layer, expected, found }),
            _ => Ok(()),
        }
    }
}

/// What one pass over a layer found that is read to its end, even if it cannot be decoded.
#[derive(Debug)]
pub(crate) struct WholePass {
    /// The bytes that were read.
    pub(crate) source: Measured,
    /// The rest of the result, or why it cannot be decoded.
    pub(crate) found: Result<Transcoded, ErrorKind>,
    /// The first uncompressed bytes.
    pub(crate) plain_head: Vec<u8>,
}

/// The number of first bytes that tell what a file is.
pub(crate) const SNIFFED: usize = 16;

/// The bytes of a layer, and their number if known.
type Stored<'a> = (&'a mut (dyn Read + Send), Option<u64>);

/// Reads a layer once and writes it; after an error, the output is not valid.
pub(crate) fn transcode(
    from: Stored<'_>,
    form: (Compression, Algorithm),
    to: (Encode, &Pool),
    out: &mut (dyn Write + Send),
    progress: &dyn Progress,
) -> Result<Transcoded, ErrorKind> {
    let mut source = hasher(form, to);
    let written = written(from, form, (to, &mut source), out, (progress, &mut Vec::new()))?;
    Ok(written.with(source.finish()?, to.0))
}

/// The same, but damaged bytes are read and hashed to their end too.
pub(crate) fn transcode_whole(
    (from, size): Stored<'_>,
    form: (Compression, Algorithm),
    to: (Encode, &Pool),
    out: &mut (dyn Write + Send),
    progress: &dyn Progress,
) -> Result<WholePass, ErrorKind> {
    let mut source = hasher(form, to);
    let mut plain_head = Vec::new();
    let told = (progress, &mut plain_head);
    let written = match written((from, size), form, (to, &mut source), out, told) {
        Err(kind) if !is_damage(&kind) => return Err(kind),
        Err(kind) => {
            let mut tap = Tap { from, hasher: &mut source, out: None, progress };
            let mut fill = |buffer: &mut [u8]| filled(&mut tap, buffer);
            copy(&mut fill, &mut std::io::sink())?;
            Err(kind)
        }
        done => done,
    };
    let source = source.finish()?;
    Ok(WholePass { source, found: written.map(|it| it.with(source, to.0)), plain_head })
}

/// Whether the bytes of a layer are at fault, not the pipe or the disk.
fn is_damage(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Compression { .. } | ErrorKind::Limit { .. } | ErrorKind::NoCodec { .. }
    )
}

/// If all threads compress, or if only hashing is needed, it is done in this thread.
fn hashed_aside(codec: Compression, (to, pool): (Encode, &Pool)) -> Option<&Pool> {
    (codec != Compression::None && !matches!(to, Encode::Compress(_))).then_some(pool)
}

fn hasher((codec, algorithm): (Compression, Algorithm), to: (Encode, &Pool)) -> PoolHasher<'_> {
    PoolHasher::new(algorithm, hashed_aside(codec, to))
}

/// What was written, except for the digests that are those of the source.
struct WrittenForm {
    uncompressed: Option<Measured>,
    stored: Measured,
}

impl WrittenForm {
    fn with(self, source: Measured, to: Encode) -> Transcoded {
        let uncompressed = self.uncompressed.unwrap_or(source);
        let stored = match to {
            Encode::Keep => source,
            Encode::Decompress => uncompressed,
            Encode::Compress(_) => self.stored,
        };
        Transcoded { source, uncompressed, stored }
    }
}

fn written(
    (from, size): Stored<'_>,
    (codec, algorithm): (Compression, Algorithm),
    ((to, pool), source): ((Encode, &Pool), &mut PoolHasher<'_>),
    out: &mut (dyn Write + Send),
    (progress, plain_head): (&dyn Progress, &mut Vec<u8>),
) -> Result<WrittenForm, ErrorKind> {
    let mut uncompressed = PoolHasher::new(Algorithm::Sha256, hashed_aside(codec, (to, pool)));
    let mut stored = Hasher::new(Algorithm::Sha256);
    // Kept bytes are written when they are read, new bytes when they are ready.
    let (tapped, out) = if to == Encode::Keep { (Some(out), None) } else { (None, Some(out)) };
    let tap = Tap { from, hasher: source, out: tapped, progress };
    // If a layer is stored uncompressed, the bytes read are the uncompressed tar and are hashed
    // only once.
    let once = codec == Compression::None && algorithm == Algorithm::Sha256;
    {
        let tap = Compressed { from: Box::new(tap), size };
        let mut decoded = decoder_in(codec, tap, pool)?;
        let mut fill = |buffer: &mut [u8]| {
            let count = filled(&mut *decoded, buffer)?;
            let bytes = buffer.get(..count).unwrap_or_default();
            let missing = SNIFFED.saturating_sub(plain_head.len()).min(count);
            plain_head.extend(bytes.get(..missing).unwrap_or_default());
            if !once {
                uncompressed.update(bytes)?;
            }
            Ok(count)
        };
        match (to, out) {
            (Encode::Compress(pipeline), Some(out)) => {
                let mut made = Hashing { out, hasher: &mut stored };
                encode(pipeline, pool, &mut fill, &mut made)?;
            }
            (Encode::Decompress, Some(out)) => copy(&mut fill, out)?,
            _ => copy(&mut fill, &mut std::io::sink())?,
        }
    }
    let uncompressed = if once { None } else { Some(uncompressed.finish()?) };
    Ok(WrittenForm { uncompressed, stored: stored.finish() })
}

fn filled(from: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
    loop {
        match from.read(buffer) {
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => (),
            Err(error) => return Err(kind_of(error, ErrorKind::Read)),
        }
    }
}

fn copy(
    fill: &mut dyn FnMut(&mut [u8]) -> Result<usize, ErrorKind>,
    out: &mut dyn Write,
) -> Result<(), ErrorKind> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        let count = fill(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        out.write_all(bytes).map_err(|error| kind_of(error, ErrorKind::Write))?;
    }
}

/// The input of a decoder: hashed, counted, and copied if the stored bytes are wanted.
struct Tap<'a, 'b, 'c> {
    from: &'a mut (dyn Read + Send),
    hasher: &'a mut PoolHasher<'c>,
    out: Option<&'a mut (dyn Write + Send + 'b)>,
    progress: &'a dyn Progress,
}

impl Read for Tap<'_, '_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.from.read(buffer)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        self.hasher.update(bytes)?;
        if let Some(out) = &mut self.out {
            out.write_all(bytes).map_err(write_error)?;
        }
        tell(self.progress, Event::Read(count as u64))?;
        Ok(count)
    }
}

/// A write error, kept separate from read errors.
fn write_error(error: std::io::Error) -> std::io::Error {
    kind_of(error, ErrorKind::Write).into()
}

/// Hashed output.
struct Hashing<'a, 'b> {
    out: &'a mut (dyn Write + Send + 'b),
    hasher: &'a mut Hasher,
}

impl Write for Hashing<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
