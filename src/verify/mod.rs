//! Checks everything that can be checked without a network, and lists all of it.
//!
//! The readers stop where a conversion has to; the walks here go on. At the end the readers are
//! asked too, so that nothing passes here that a conversion would refuse.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod archive;
mod check;
mod config;
mod document;
mod finding;
mod jobs;
mod tree;
mod walk;

pub use check::{CHECKS, Check, Severity};
pub use finding::Finding;

use crate::archive::MANIFEST;
use crate::bytes::files::{self, Files, Input, Opened};
use crate::error::{Class, Error, ErrorKind, Location, Result};
use crate::layout;
use crate::progress::Progress;
use crate::source::{self, Options};
use finding::Findings;
use walk::Walk;

/// What was found in one source.
#[derive(Debug)]
pub struct Verification {
    /// Where it is.
    pub at: Location,
    /// Everything that was found, sorted by place.
    pub findings: Vec<Finding>,
}

impl Verification {
    /// How many findings are problems.
    #[must_use]
    pub fn problems(&self) -> usize {
        self.findings.iter().filter(|it| it.severity == Severity::Problem).count()
    }
}

/// Checks a docker archive, a layout or one document.
///
/// # Errors
/// Only what keeps it from running: nothing is there, it cannot be read, it was interrupted.
pub fn verify(
    input: Input,
    options: &Options,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Verification> {
    match files::open(input, &options.spool, progress) {
        Ok(Opened::Document(at, raw)) => {
            let mut findings = Findings::default();
            document::document(&raw, &at, &mut findings);
            Ok(Verification { at, findings: findings.finish() })
        }
        Ok(Opened::Files(files)) => all(&files, options, threads, progress),
        Err(error) => alone(error),
    }
}

/// An archive that cannot be opened is its own finding.
fn alone(error: Error) -> Result<Verification> {
    let is_finding = matches!(error.kind, ErrorKind::Unrecognised { .. });
    if error.kind.class() == Class::CouldNot && !is_finding {
        return Err(error);
    }
    let mut findings = Findings::default();
    findings.error(&error);
    Ok(Verification { at: error.at, findings: findings.finish() })
}

fn all(
    files: &Files,
    options: &Options,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Verification> {
    let mut walk = Walk::new(files);
    // An archive that somebody unpacked is none, but what is wrong with it can be said.
    let unpacked = files.is_directory() && !layout::is_layout(files);
    if crate::archive::has_manifest(files)
        || unpacked && matches!(files.find(MANIFEST), Ok(Some(_)))
    {
        archive::items(&mut walk);
    } else if crate::archive::is_legacy(files) {
        archive::v1(&mut walk);
    }
    if layout::is_layout(files) {
        tree::layout(&mut walk);
    }
    walk.leftovers()?;
    match source::read(files, options.prefer) {
        Ok(source) => {
            for problem in &source.problems {
                add(&mut walk.findings, problem)?;
            }
            for note in source.notes {
                if !walk.findings.has(&note.at, note.code) {
                    walk.findings.say(&note.at, note.code, note.text);
                }
            }
        }
        Err(error) => add(&mut walk.findings, &error)?,
    }
    let Walk { jobs, mut findings, .. } = walk;
    jobs.run(threads, progress, &mut findings)?;
    Ok(Verification { at: files.at().clone(), findings: findings.finish() })
}

/// What the reader found, unless a walk has found it already.
fn add(findings: &mut Findings, error: &Error) -> Result<()> {
    if error.kind.class() == Class::CouldNot {
        let (at, kind) = (error.at.clone(), error.kind.code());
        if findings.has(&at, kind) {
            return Ok(());
        }
    }
    if !findings.has(&error.at, error.kind.code()) {
        findings.error(error);
    }
    Ok(())
}
