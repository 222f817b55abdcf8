//! One attempt to make the compressed bytes of a layer again, with one writer.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::bytes::files::temporary;
use crate::codec::{Dated, MemberBody, WriterRow};
use crate::digest::{Algorithm, Digest, Hasher, Measured};
use crate::error::{ErrorKind, kind_of};

/// A writer, and the headers with which its stream may begin.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Guess {
    pub(super) writer: &'static WriterRow,
    pub(super) headers: Vec<Vec<u8>>,
}

impl Guess {
    /// A writer with the headers that its programs write.
    pub(super) fn of(writer: &'static WriterRow) -> Self {
        Self { writer, headers: writer.headers.iter().map(|it| it.to_vec()).collect() }
    }
}

/// The bytes that an attempt is measured against.
pub(super) enum RebuildGoal<'a> {
    /// Only their digest and size are known; what is made is kept in a file in this folder, if
    /// there is one.
    Claim { digest: Digest, size: u64, folder: Option<&'a Path> },
    /// They are here: what follows the header.
    Body { header: usize, from: Box<dyn Read + Send + 'a> },
    /// Nothing is known; what the first header gives is measured.
    Unknown,
}

/// What an attempt has made.
#[derive(Debug)]
pub(super) enum Remade {
    /// The goal, with this header.
    Whole { header: Vec<u8>, kept: Option<Kept> },
    /// Something that has the size of the goal with another header.
    OtherHeader { kept: Option<Kept> },
    /// What was measured without a goal.
    Measured(Measured),
}

/// A file with what was made.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) file: File,
    /// Bytes behind the header.
    pub(super) length: u64,
}

impl Kept {
    /// Puts a header before what was made; returns where it begins.
    pub(super) fn begin(&self, header: &[u8]) -> Result<u64, ErrorKind> {
        let offset = BODY.saturating_sub(header.len() as u64);
        self.file.write_all_at(header, offset).map_err(ErrorKind::Spool)?;
        Ok(offset)
    }

    /// What is behind the header.
    pub(super) fn body(&self) -> Result<impl Read, ErrorKind> {
        let mut file = self.file.try_clone().map_err(ErrorKind::Spool)?;
        file.seek(SeekFrom::Start(BODY)).map_err(ErrorKind::Spool)?;
        Ok(file.take(self.length))
    }
}

/// An attempt under way.
pub(super) struct Attempt<'a> {
    member: MemberBody,
    /// Bytes that are not yet compared.
    made: Vec<u8>,
    check: AttemptCheck<'a>,
}

enum AttemptCheck<'a> {
    Digest {
        streams: Vec<(Vec<u8>, Hasher)>,
        goal: (Digest, u64),
        file: Option<File>,
        written: u64,
        dated: Dated,
    },
    Bytes {
        header: Vec<u8>,
        from: Box<dyn Read + Send + 'a>,
        room: Vec<u8>,
    },
    Measure(Hasher),
}

/// The place of the first byte behind the header, whose length is decided last.
const BODY: u64 = 64 << 10;

/// Lengths of headers with a time, and perhaps a name.
const DATED_HEADERS: RangeInclusive<u64> = 10..=266;

/// Whether an attempt may still succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hope {
    Open,
    Lost,
}

impl<'a> Attempt<'a> {
    /// `None` for a writer that cannot start.
    pub(super) fn new(guess: &Guess, goal: RebuildGoal<'a>) -> Result<Option<Self>, ErrorKind> {
        let check = match goal {
            RebuildGoal::Claim { digest, size, folder } => {
                let stream = |header: &Vec<u8>| {
                    let mut hasher = Hasher::new(digest.algorithm());
                    hasher.update(header);
                    (header.clone(), hasher)
                };
                let fits = |header: &&Vec<u8>| (header.len() as u64) < BODY;
                let streams = guess.headers.iter().filter(fits).map(stream).collect();
                let file = folder.map(temporary).transpose()?;
                let (goal, dated) = ((digest, size), guess.writer.dated);
                AttemptCheck::Digest { streams, goal, file, written: 0, dated }
            }
            RebuildGoal::Body { header, from } => {
                let known = guess.headers.iter().find(|it| it.len() == header);
                AttemptCheck::Bytes {
                    header: known.cloned().unwrap_or_default(),
                    from,
                    room: Vec::new(),
                }
            }
            RebuildGoal::Unknown => {
                let mut hasher = Hasher::new(Algorithm::Sha256);
                hasher.update(guess.headers.first().map(Vec::as_slice).unwrap_or_default());
                AttemptCheck::Measure(hasher)
            }
        };
        let member = MemberBody::start(guess.writer);
        Ok(member.map(|member| Self { member, made: Vec::new(), check }))
    }

    /// Compresses more.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<Hope, ErrorKind> {
        self.member.write(bytes, &mut self.made);
        self.flush()
    }

    /// Ends the stream; returns what was made if it is the goal.
    pub(super) fn finish(mut self) -> Result<Option<Remade>, ErrorKind> {
        self.member.finish(&mut self.made);
        if self.flush()? == Hope::Lost {
            return Ok(None);
        }
        match self.check {
            AttemptCheck::Digest { streams, goal: (digest, size), file, written, dated } => {
                let kept = file.map(|file| Kept { file, length: written });
                for (header, hasher) in streams {
                    let fits = written.saturating_add(header.len() as u64) == size;
                    if fits && hasher.finish().digest() == digest {
                        return Ok(Some(Remade::Whole { header, kept }));
                    }
                }
                let header = size.saturating_sub(written);
                let other = dated == Dated::Mostly && DATED_HEADERS.contains(&header);
                Ok(other.then_some(Remade::OtherHeader { kept }))
            }
            AttemptCheck::Bytes { header, mut from, .. } => {
                let more = from.read(&mut [0]).map_err(|error| kind_of(error, ErrorKind::Read))?;
                Ok((more == 0).then_some(Remade::Whole { header, kept: None }))
            }
            AttemptCheck::Measure(hasher) => Ok(Some(Remade::Measured(hasher.finish()))),
        }
    }

    /// Compares what was made; a stream that is larger than the goal is given up at once.
    fn flush(&mut self) -> Result<Hope, ErrorKind> {
        if self.made.is_empty() {
            return Ok(Hope::Open);
        }
        let hope = match &mut self.check {
            AttemptCheck::Digest { streams, goal, file, written, .. } => {
                let end = written.saturating_add(self.made.len() as u64);
                if end > goal.1 || streams.is_empty() {
                    Hope::Lost
                } else {
                    streams.iter_mut().for_each(|(_, hasher)| hasher.update(&self.made));
                    if let Some(file) = file {
                        let at = BODY.saturating_add(*written);
                        file.write_all_at(&self.made, at).map_err(ErrorKind::Spool)?;
                    }
                    *written = end;
                    Hope::Open
                }
            }
            AttemptCheck::Bytes { from, room, .. } => {
                room.resize(self.made.len(), 0);
                match from.read_exact(room) {
                    Ok(()) if *room == self.made => Hope::Open,
                    Ok(()) => Hope::Lost,
                    Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Hope::Lost,
                    Err(error) => return Err(kind_of(error, ErrorKind::Read)),
                }
            }
            AttemptCheck::Measure(hasher) => {
                hasher.update(&self.made);
                Hope::Open
            }
        };
        self.made.clear();
        Ok(hope)
    }
}
