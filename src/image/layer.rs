//! Reads a layer once: computes every digest and writes the requested form in one pass.

use std::io::{Read, Write};

use crate::bytes::files::ByteSource;
use crate::codec::{
    Compressed, Compression, Pipeline, Pool, PoolHasher, decoder_in, encode, kind_of,
};
use crate::digest::{Algorithm, DiffId, Hasher, Measured};
use crate::error::ErrorKind;
use crate::progress::{Event, Progress, Quiet, tell};

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

/// Reads a layer once and checks it, writing nothing.
pub(crate) fn measure(
    from: &ByteSource,
    form: (Compression, Algorithm),
    pool: &Pool,
    progress: &dyn Progress,
) -> Result<Transcoded, ErrorKind> {
    transcode(from, form, (Encode::Keep, pool), &mut std::io::sink(), progress)
}

/// The same outside a run, with its own pool and no observer.
pub(crate) fn measure_alone(
    from: &ByteSource,
    form: (Compression, Algorithm),
) -> Result<Transcoded, ErrorKind> {
    Pool::with(1, |pool| measure(from, form, pool, &Quiet))
}

/// Reads a layer once and writes it; after an error, the output is not valid.
pub(crate) fn transcode(
    from: &ByteSource,
    form: (Compression, Algorithm),
    to: (Encode, &Pool),
    out: &mut (dyn Write + Send),
    progress: &dyn Progress,
) -> Result<Transcoded, ErrorKind> {
    let reader = from.reader().map_err(|error| error.kind)?;
    pass((reader, from.size), form, to, out, progress)
}

/// The same for a layer that is fetched: its codec is that of its first bytes.
pub(crate) fn transcode_fetched(
    from: &ByteSource,
    algorithm: Algorithm,
    to: (Encode, &Pool),
    out: &mut (dyn Write + Send),
    progress: &dyn Progress,
) -> Result<Transcoded, ErrorKind> {
    let mut reader = from.reader().map_err(|error| error.kind)?;
    let mut head = Vec::new();
    let read = reader.by_ref().take(16).read_to_end(&mut head);
    read.map_err(|error| kind_of(error, ErrorKind::Read))?;
    let codec = Compression::sniff(&head);
    let reader = Box::new(std::io::Cursor::new(head).chain(reader));
    pass((reader, from.size), (codec, algorithm), to, out, progress)
}

fn pass(
    (reader, size): (Box<dyn Read + Send>, u64),
    (codec, algorithm): (Compression, Algorithm),
    (to, pool): (Encode, &Pool),
    out: &mut (dyn Write + Send),
    progress: &dyn Progress,
) -> Result<Transcoded, ErrorKind> {
    // If all threads compress, or if only hashing is needed, it is done in this thread.
    let aside = (codec != Compression::None && !matches!(to, Encode::Compress(_))).then_some(pool);
    let mut source = PoolHasher::new(algorithm, aside);
    let mut uncompressed = PoolHasher::new(Algorithm::Sha256, aside);
    let mut stored = Hasher::new(Algorithm::Sha256);
    // Kept bytes are written when they are read, new bytes when they are ready.
    let (tapped, out) = if to == Encode::Keep { (Some(out), None) } else { (None, Some(out)) };
    let tap = Tap { from: reader, hasher: &mut source, out: tapped, progress };
    // If a layer is stored uncompressed, the bytes read are the uncompressed tar and are hashed
    // only once.
    let once = codec == Compression::None && algorithm == Algorithm::Sha256;
    {
        let tap = Compressed { from: Box::new(tap), size: Some(size) };
        let mut decoded = decoder_in(codec, tap, pool)?;
        let mut fill = |buffer: &mut [u8]| loop {
            let count = match decoded.read(buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(kind_of(error, ErrorKind::Read)),
            };
            if !once {
                uncompressed.update(buffer.get(..count).unwrap_or_default())?;
            }
            return Ok(count);
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
    let source = source.finish()?;
    let uncompressed = if once { source } else { uncompressed.finish()? };
    let stored = match to {
        Encode::Keep => source,
        Encode::Decompress => uncompressed,
        Encode::Compress(_) => stored.finish(),
    };
    Ok(Transcoded { source, uncompressed, stored })
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
    from: Box<dyn Read + Send>,
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
