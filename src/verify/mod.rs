//! Checks everything that can be checked without a network, and lists all findings.
//!
//! It works like a conversion without output: the same readers, whose problems and notes are
//! findings, and the same pass over each distinct blob, where every contradiction is a finding. It
//! also reports files that no document names.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod check;
mod document;
mod finding;
mod leftovers;
mod presence;

use std::sync::Mutex;

use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};

pub(crate) use check::DESTINATION_NOTES;
pub use check::{CHECKS, Check};

use crate::bytes::files::{Files, Input, Opened};
use crate::bytes::parallel::parallel;
use crate::codec::{Compression, Pool};
use crate::digest::Measured;
use crate::dir;
use crate::error::{At as _, Class, Error, ErrorKind, Finding, Location, Result, Severity};
use crate::image::claims::{ClaimedBlob, Claims};
use crate::image::layer::{Encode, Transcoded};
use crate::image::reading::Note;
use crate::progress::{Activity, Event, Progress, Uncounted, tell, told};
use crate::recover::{KnownWriter, writer_of_bytes};
use crate::source::{self, Kind, Options, Selection, Source, Stale, only_all, reachable};
use crate::store::connections;
use finding::Findings;

/// The findings in one source.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// The source.
    pub at: Location,
    /// The findings, sorted by place.
    pub findings: Vec<Finding>,
    /// How much of it was checked.
    pub extent: Extent,
    /// The gzip layers, if their writers were looked for, in the order of the source.
    pub writers: Option<Vec<LayerWriter>>,
    /// The number of blobs that exist and were not read, if only documents were checked.
    pub unread: Option<usize>,
}

/// The program that compressed a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LayerWriter {
    /// The layer.
    pub at: Location,
    /// The writer that gives its bytes, if one is known.
    pub writer: Option<KnownWriter>,
}

/// How much work a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Effort {
    /// Number of threads.
    pub threads: usize,
    /// Whether gzip layers are compressed again.
    pub rebuild: Rebuild,
    /// What is checked of blobs.
    pub blobs: BlobCheck,
}

/// What is checked of blobs that are not documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobCheck {
    /// All bytes.
    Bytes,
    /// That they exist, with the sizes that documents state.
    Presence,
}

impl Effort {
    /// Every blob is read once.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { threads, rebuild: Rebuild::Nothing, blobs: BlobCheck::Bytes }
    }
}

/// Which layers are compressed again, as a check of reproducible builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuild {
    /// None.
    Nothing,
    /// Every gzip layer.
    GzipLayers,
}

/// How much of a source was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Extent {
    /// It cannot be read, and the findings say why.
    Nothing,
    /// A single document.
    Document,
    /// Some images of a source of this kind.
    Images(Kind),
    /// All of a source of this kind.
    Whole(Kind),
}

impl Verification {
    /// The checks that were made, in the order of the catalogue.
    pub fn checks(&self) -> impl Iterator<Item = &'static Check> {
        let found = |check: &Check| self.findings.iter().any(|it| it.code == check.code);
        let rebuilt = |check: &Check| check.code != "layer-not-rebuilt" || self.writers.is_some();
        let read = |check: &Check| self.unread.is_none() || !check.needs_blobs();
        let made =
            move |check: &Check| check.applies_to(self.extent) && rebuilt(check) && read(check);
        CHECKS.iter().filter(move |check| made(check) || found(check))
    }

    /// The number of problems.
    #[must_use]
    pub fn problems(&self) -> usize {
        self.findings.iter().filter(|it| it.severity == Severity::Problem).count()
    }
}

impl Serialize for Verification {
    /// As an item of `sources` in `docs/schema/verification.json`.
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        let problems = self.problems();
        let mut object = to.serialize_struct("Verification", 6)?;
        object.serialize_field("source", &self.at)?;
        object.serialize_field("problems", &problems)?;
        object.serialize_field("notes", &self.findings.len().saturating_sub(problems))?;
        object.serialize_field("findings", &self.findings)?;
        match &self.writers {
            Some(writers) => object.serialize_field("writers", writers)?,
            None => object.skip_field("writers")?,
        }
        match &self.unread {
            Some(unread) => object.serialize_field("unreadBlobs", unread)?,
            None => object.skip_field("unreadBlobs")?,
        }
        object.end()
    }
}

/// Checks a docker archive, a layout or one document.
///
/// # Errors
/// Only if it cannot run: the source is missing, cannot be read, or the run was interrupted.
pub fn verify(
    input: Input,
    options: &Options,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Verification> {
    verify_images(input, options, &Selection::default(), Effort::new(threads), progress)
}

/// Checks some images of a source: all documents, and the blobs of those images.
///
/// # Errors
/// As [`verify`]; and there is no such image, or a single document has no images to select from.
pub fn verify_images(
    input: Input,
    options: &Options,
    selection: &Selection,
    effort: Effort,
    progress: &dyn Progress,
) -> Result<Verification> {
    match dir::open(input, options.reception(), progress) {
        Ok(Opened::Document(at, raw)) => {
            only_all(&at, selection)?;
            let mut findings = Findings::default();
            document::document(&raw, &at, &mut findings);
            Ok(Verification {
                at,
                findings: findings.finish(),
                extent: Extent::Document,
                writers: None,
                unread: None,
            })
        }
        Ok(Opened::Schema1 { at, raw, image, .. }) => {
            let mut own = Findings::default();
            document::document(&raw, &at, &mut own);
            if effort.blobs == BlobCheck::Presence {
                let (findings, extent) = (own.finish(), Extent::Document);
                return Ok(Verification { at, findings, extent, writers: None, unread: Some(0) });
            }
            let files = image.files(options.reception(), progress)?;
            let mut found = all(&files, (options, selection), effort, progress)?;
            found.findings.extend(own.finish());
            Ok(found)
        }
        Ok(Opened::Files(files)) => all(&files, (options, selection), effort, progress),
        Err(error) => alone(error),
    }
}

/// An archive that cannot be opened is a finding.
fn alone(error: Error) -> Result<Verification> {
    let is_finding = matches!(error.kind, ErrorKind::Unrecognised { .. });
    if error.kind.class() == Class::CouldNot && !is_finding {
        return Err(error);
    }
    let mut findings = Findings::default();
    findings.error(&error);
    Ok(Verification {
        at: error.at,
        findings: findings.finish(),
        extent: Extent::Nothing,
        writers: None,
        unread: None,
    })
}

fn all(
    files: &Files,
    (options, selection): (&Options, &Selection),
    effort: Effort,
    progress: &dyn Progress,
) -> Result<Verification> {
    let mut findings = Findings::default();
    let (mut writers, mut unread) = (None, None);
    let mut extent = Extent::Nothing;
    match source::read(files, options.prefer, progress) {
        Ok(mut source) => {
            let kind = source.kind;
            let is_whole = selection.is_all();
            extent = if is_whole { Extent::Whole(kind) } else { Extent::Images(kind) };
            source.problems.iter().for_each(|problem| findings.error(problem));
            source.notes.iter().for_each(|note| findings.note(note));
            if is_whole {
                leftovers::find(files, &mut source, &mut findings)?;
            } else {
                source.narrow(selection)?;
                let chosen = reachable(&source, &source.entries, &Stale::new());
                let chosen = chosen.into_iter().filter_map(|node| source.nodes.get(node));
                source.blobs = Claims::of(chosen);
            }
            match effort.blobs {
                BlobCheck::Bytes => blobs(&source, effort.threads, progress, &mut findings)?,
                BlobCheck::Presence => {
                    let there =
                        presence::blobs_exist(&source, effort.threads, progress, &mut findings);
                    unread = Some(there?);
                }
            }
            if effort.rebuild == Rebuild::GzipLayers {
                writers = Some(rebuild(&source, effort.threads, progress, &mut findings)?);
            }
        }
        Err(error) if matches!(error.kind, ErrorKind::Interrupted) => return Err(error),
        Err(error) => findings.error(&error),
    }
    let (at, findings) = (files.at().clone(), findings.finish());
    Ok(Verification { at, findings, extent, writers, unread })
}

/// Reads every blob once and adds all problems to the findings.
fn blobs(
    source: &Source,
    threads: usize,
    progress: &dyn Progress,
    findings: &mut Findings,
) -> Result<()> {
    let all = source.blobs.all();
    let total = all.iter().map(|blob| blob.from.size).sum();
    tell(progress, Event::Total(total)).at(&source.at)?;
    let found = Mutex::new(std::mem::take(findings));
    let done = Pool::with(threads, |pool| {
        let size = |blob: &ClaimedBlob| blob.from.size;
        let threads = match all.iter().any(|blob| blob.from.as_remote().is_some()) {
            true => connections(threads),
            false => threads,
        };
        parallel(all, threads, &size, &|blob| {
            let what = (Activity::Verify, &blob.from.at, Some(blob.from.size));
            told(progress, what, || check_blob(blob, pool, progress, &found))
        })
    });
    *findings = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.map(drop)
}

/// Looks for the writer of every gzip layer; damaged ones are already findings.
fn rebuild(
    source: &Source,
    threads: usize,
    progress: &dyn Progress,
    findings: &mut Findings,
) -> Result<Vec<LayerWriter>> {
    let is_gzip = |it: &&ClaimedBlob| it.codec == Compression::Gzip && !it.diff_ids.is_empty();
    let layers: Vec<&ClaimedBlob> = source.blobs.all().iter().filter(is_gzip).collect();
    let writers = parallel(&layers, threads, &|it| it.from.size, &|it| {
        let at = it.from.at.clone();
        let writer = match writer_of_bytes(&it.from, threads, &Uncounted(progress)) {
            Err(error) if error.kind.class() == Class::CouldNot => return Err(error),
            found => found.ok().flatten(),
        };
        Ok(LayerWriter { at, writer })
    })?;
    for it in writers.iter().filter(|it| it.writer.is_none()) {
        let text = "no known writer gives its compressed bytes";
        findings.note(&Note::new(&it.at, "layer-not-rebuilt", text));
    }
    Ok(writers)
}

fn check_blob(
    blob: &ClaimedBlob,
    pool: &Pool,
    progress: &dyn Progress,
    findings: &Mutex<Findings>,
) -> Result<()> {
    let at = &blob.from.at;
    let mut misnamed = None;
    let mut problems = match blob.measure((Encode::Keep, pool), progress) {
        Ok(there) => {
            misnamed = misnamed_layer(blob, &there);
            blob.problems(&there)
        }
        Err(kind @ ErrorKind::Interrupted) => return Err(Error::new(at, kind)),
        // A registry that cannot be asked says nothing about the image.
        Err(kind) if blob.from.as_remote().is_some() && kind.class() == Class::CouldNot => {
            return Err(Error::new(at, kind));
        }
        Err(kind @ (ErrorKind::Read(_) | ErrorKind::Open(_))) => vec![kind],
        Err(kind) => blob.problems_of_damaged(kind),
    };
    if !problems.is_empty() && blob.from.is_changed() {
        problems = vec![ErrorKind::Changed];
    }
    if let Ok(mut findings) = findings.lock() {
        problems.iter().for_each(|kind| findings.kind(at, kind));
        misnamed.iter().for_each(|note| findings.note(note));
    }
    Ok(())
}

fn misnamed_layer(blob: &ClaimedBlob, there: &Transcoded) -> Option<Note> {
    // Only a layer has a diff ID; the names of other members have no meaning.
    let hex = leftovers::layer_hash(&blob.from).filter(|_| !blob.diff_ids.is_empty())?;
    let fits = |it: &Measured| it.digest().hex() == hex;
    let found = there.source.digest().hex();
    let other = !fits(&there.source) && !fits(&there.uncompressed);
    let what = "the hash in its name differs";
    other.then(|| Note::differs(&blob.from.at, "layer-name", what, (&hex, &found)))
}
