//! The blobs to read, each once whatever names it, in parallel, with all that is claimed of them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::finding::Findings;
use crate::bytes::files::{ByteSource, Key};
use crate::bytes::parallel::parallel;
use crate::codec::{Compression, Pool};
use crate::digest::{Algorithm, DiffId, Digest, Measured};
use crate::error::{Error, ErrorKind, Result};
use crate::image::layer::measure;
use crate::progress::{Event, Progress};

/// What is claimed of one blob.
#[derive(Debug, Clone)]
pub(super) enum Claim {
    /// The stored bytes have this digest.
    Digest(Digest),
    /// The stored bytes are so many.
    Size(u64),
    /// The uncompressed tar has this diff ID; the number of the layer, from one.
    DiffId(usize, DiffId),
    /// The name of a member has a hash: of the stored bytes or of the uncompressed tar.
    Name(String),
}

/// One blob.
#[derive(Debug)]
struct Job {
    from: ByteSource,
    /// Nothing where the content is no layer.
    codec: Option<Compression>,
    algorithm: Algorithm,
    claims: Vec<Claim>,
}

/// All blobs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    jobs: Vec<Job>,
    known: BTreeMap<(Key, Algorithm), usize>,
}

impl Jobs {
    /// Adds claims about a blob; a codec says that it is a layer.
    pub(super) fn add(
        &mut self,
        from: &ByteSource,
        algorithm: Algorithm,
        codec: Option<Compression>,
        claims: impl IntoIterator<Item = Claim>,
    ) {
        let key = (from.key(), algorithm);
        let at = *self.known.entry(key).or_insert_with(|| {
            let (from, claims) = (from.clone(), Vec::new());
            self.jobs.push(Job { from, codec: None, algorithm, claims });
            self.jobs.len().saturating_sub(1)
        });
        if let Some(job) = self.jobs.get_mut(at) {
            job.codec = job.codec.or(codec);
            job.claims.extend(claims);
        }
    }

    /// Whether a blob will be read.
    pub(super) fn has(&self, from: &ByteSource) -> bool {
        let key = from.key();
        [Algorithm::Sha256, Algorithm::Sha512]
            .iter()
            .any(|algorithm| self.known.contains_key(&(key.clone(), *algorithm)))
    }

    /// Reads all of them; everything that is wrong is added to the findings.
    ///
    /// # Errors
    /// Interrupted, or the machine cannot read.
    pub(super) fn run(
        &self,
        threads: usize,
        progress: &dyn Progress,
        findings: &mut Findings,
    ) -> Result<()> {
        let total = self.jobs.iter().map(|job| job.from.size).sum();
        let _ = progress.event(Event::Total(total));
        let found = Mutex::new(std::mem::take(findings));
        let done = Pool::with(threads, |pool| {
            let size = |job: &Job| job.from.size;
            parallel(&self.jobs, threads, &size, &|job| job.run(pool, progress, &found))
        });
        *findings = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        done.map(drop)
    }
}

impl Job {
    fn run(&self, pool: &Pool, progress: &dyn Progress, findings: &Mutex<Findings>) -> Result<()> {
        let at = &self.from.at;
        let _ = progress.event(Event::Step(&format!("verify {at}")));
        let codec = self.codec.unwrap_or(Compression::None);
        let read = measure(&self.from, (codec, self.algorithm), pool, progress);
        let mut problems = Vec::new();
        let (source, plain) = match read {
            Ok(read) => (Some(read.source), Some(read.plain)),
            Err(kind @ (ErrorKind::Interrupted | ErrorKind::Read(_))) => {
                return Err(Error::new(at, kind));
            }
            Err(kind) => {
                problems.push(kind);
                (self.hash()?, None)
            }
        };
        let mut names = Vec::new();
        for claim in &self.claims {
            problems.extend(claim.check(source.as_ref(), plain.as_ref(), &mut names));
        }
        if !problems.is_empty() && self.from.is_changed() {
            problems = vec![ErrorKind::Changed];
        }
        if let Ok(mut findings) = findings.lock() {
            problems.iter().for_each(|kind| findings.kind(at, kind));
            for (expected, found) in names {
                findings.differs(at, "layer-name", "named by a hash", (&expected, &found));
            }
        }
        Ok(())
    }

    /// The digest of the stored bytes alone, where they cannot be decoded.
    fn hash(&self) -> Result<Option<Measured>> {
        Ok(Measured::read(self.algorithm, &mut self.from.reader()?).ok())
    }
}

impl Claim {
    fn check(
        &self,
        source: Option<&Measured>,
        plain: Option<&Measured>,
        names: &mut Vec<(String, String)>,
    ) -> Option<ErrorKind> {
        match self {
            Self::Digest(expected) => {
                let found = source?.digest();
                (found != *expected).then_some(ErrorKind::Digest { expected: *expected, found })
            }
            Self::Size(expected) => {
                let found = source?.size();
                (found != *expected).then_some(ErrorKind::Size { expected: *expected, found })
            }
            Self::DiffId(layer, expected) => {
                let found = plain?.diff_id()?;
                let (layer, expected) = (*layer, *expected);
                (found != expected).then_some(ErrorKind::DiffId { layer, expected, found })
            }
            Self::Name(hex) => {
                let fits = |it: &Measured| it.digest().hex() == *hex;
                if !source.is_some_and(fits) && !plain.is_some_and(fits) {
                    names.push((hex.clone(), source?.digest().hex()));
                }
                None
            }
        }
    }
}
