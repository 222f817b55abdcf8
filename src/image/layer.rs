//! Reads a layer once, or takes what was found when it arrived.

use std::io::{Read as _, Write};

use crate::bytes::files::{BlobUse, ByteSource};
use crate::codec::{Compression, Pool, SNIFFED, kind_of, transcode as pass};
pub(crate) use crate::codec::{Encode, Transcoded};
use crate::digest::Algorithm;
use crate::error::ErrorKind;
use crate::progress::{Event, Progress, Quiet, tell};

/// Reads a layer once and checks it, writing nothing.
pub(crate) fn measure(
    from: &ByteSource,
    form: (Compression, Algorithm),
    to: (Encode, &Pool),
    progress: &dyn Progress,
) -> Result<Transcoded, ErrorKind> {
    match from.answer(form, to.0) {
        Some(there) => {
            tell(progress, Event::Read(from.size))?;
            there
        }
        None => transcode(from, form, to, (&mut std::io::sink(), BlobUse::Again), progress),
    }
}

/// The same outside a run, with its own pool and no observer.
pub(crate) fn measure_alone(
    from: &ByteSource,
    form: (Compression, Algorithm),
) -> Result<Transcoded, ErrorKind> {
    Pool::with(1, |pool| measure(from, form, (Encode::Keep, pool), &Quiet))
}

/// Reads a layer once and writes it; after an error, the output is not valid.
pub(crate) fn transcode(
    from: &ByteSource,
    form: (Compression, Algorithm),
    to: (Encode, &Pool),
    (out, then): (&mut (dyn Write + Send), BlobUse),
    progress: &dyn Progress,
) -> Result<Transcoded, ErrorKind> {
    if let Some(there) = from.answer(form, to.0) {
        let there = there?;
        if let Some(staged) = from.staged(to.0) {
            staged.copy((&there.stored, then), out, progress)?;
            tell(progress, Event::Read(from.size))?;
            return Ok(there);
        }
    }
    let mut reader = from.reader().map_err(|error| error.kind)?;
    pass((&mut reader, Some(from.size)), form, to, out, progress)
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
    let read = reader.by_ref().take(SNIFFED as u64).read_to_end(&mut head);
    read.map_err(|error| kind_of(error, ErrorKind::Read))?;
    let codec = Compression::sniff(&head);
    let mut reader = std::io::Cursor::new(head).chain(reader);
    pass((&mut reader, Some(from.size)), (codec, algorithm), to, out, progress)
}
