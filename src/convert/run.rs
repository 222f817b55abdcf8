//! Doing what was planned: each distinct blob once, then the documents, then the last step.

use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

use super::documents::DocumentTree;
use super::existing::Mode;
use super::outcome::{Outcome, written};
use super::plan::Plan;
use super::{Destination, Existing, Format};
use crate::archive::write::{ArchiveStore, Sizes, TarFormat};
use crate::bytes::parallel::parallel;
use crate::bytes::staging::{CommitLock, FileState, Private, lock_file};
use crate::codec::Pool;
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::layer::Encode;
use crate::layout::write::{LayoutStore, WhenThere};
use crate::progress::{Event, Latch, Progress, tell};
use crate::store::{Job, Session, Store};

/// Converts. Everything is checked on the way; the destination appears complete or not at all.
///
/// # Errors
/// Anything that is not as it should be, in the source or on the machine.
pub fn run(plan: &Plan, progress: &dyn Progress) -> Result<Outcome> {
    let progress = &Latch::new(progress);
    let lied = AtomicBool::new(false);
    let done = match attempt(plan, (None, Sizes::Claimed(&lied)), progress) {
        Err(_) if lied.into_inner() => attempt(plan, (None, Sizes::Measured), progress),
        done => done,
    };
    let done = match done {
        Err(error) if was_overtaken(plan, &error) => again(plan, progress),
        done => done,
    };
    // What could not be written is said of where it should go.
    done.map_err(|error| match error.kind {
        ErrorKind::Write(_) => Error { at: plan.target.at(), ..error },
        ErrorKind::Digest { .. }
        | ErrorKind::Size { .. }
        | ErrorKind::DiffId { .. }
        | ErrorKind::Compression { .. }
            if changed(plan, &error.at) =>
        {
            Error { kind: ErrorKind::Changed, ..error }
        }
        _ => error,
    })
}

/// Whether what is there was written to after it was opened.
fn changed(plan: &Plan, at: &Location) -> bool {
    plan.jobs().iter().any(|job| job.blob.from.at == *at && job.blob.from.is_changed())
}

/// Whether another writer of the archive was faster, and adding to it is what was asked for.
fn was_overtaken(plan: &Plan, error: &Error) -> bool {
    let Destination::Path(path) = &plan.target.destination else { return false };
    let archive = plan.target.format != Format::Layout;
    let late = match (&error.kind, plan.mode) {
        (ErrorKind::Exists | ErrorKind::DestinationChanged, _) => true,
        (ErrorKind::Interrupted, _) | (_, Mode::New) => false,
        // Through a second mount one may have read half of one file and half of the other.
        (_, Mode::Append(there)) => {
            let own = error.at.place() == plan.target.at().place();
            let read = !matches!(error.kind, ErrorKind::Write(_) | ErrorKind::NoSpace { .. });
            FileState::of(path) != Some(there) || own && read
        }
    };
    archive && late && plan.target.existing == Existing::Append
}

/// So often an archive is added to under a lock. Once is enough, unless somebody who takes the link
/// of a dead writer away meets that of this one, or another mount of the folder sees none.
const TRIES: usize = 8;

/// Reads the archive anew and adds to that, alone from the beginning.
fn again(plan: &Plan, progress: &dyn Progress) -> Result<Outcome> {
    let Destination::Path(path) = &plan.target.destination else {
        return Err(Error::new(&plan.target.at(), ErrorKind::DestinationChanged));
    };
    let mut tries = 1;
    loop {
        let lock = lock_file(path, progress)?;
        let plan = plan.again(progress)?;
        match attempt(&plan, (Some(lock), Sizes::Measured), progress) {
            Err(error) if tries < TRIES && was_overtaken(&plan, &error) => tries += 1,
            done => return done,
        }
    }
}

fn attempt(
    plan: &Plan,
    (lock, sizes): (Option<CommitLock>, Sizes<'_>),
    progress: &dyn Progress,
) -> Result<Outcome> {
    let jobs = plan.jobs();
    let total = jobs.iter().map(Job::size).sum();
    tell(progress, Event::Total(total)).at(&plan.target.at())?;
    match (&plan.target.destination, plan.target.format) {
        (Destination::Path(path), Format::Layout) => {
            let store = match plan.mode {
                Mode::Append(_) => LayoutStore::append(path, progress)?,
                Mode::New => {
                    let when_there = match plan.target.existing {
                        Existing::Refuse => WhenThere::Refuse,
                        Existing::Append => WhenThere::Append,
                    };
                    let kept = jobs.iter().filter(|job| job.encode == Encode::Keep);
                    let needed = kept.map(Job::size).sum();
                    LayoutStore::create(path, when_there, needed, progress)?
                }
            };
            store_all(plan, jobs, Box::new(store), progress)
        }
        (Destination::Path(path), _) => {
            let format = (tar_format(plan.target.format), sizes);
            let store = match plan.mode {
                Mode::New => {
                    ArchiveStore::create(format, path, Private::beside_new(path, progress)?)?
                }
                Mode::Append(there) => {
                    let private = Private::beside(path, progress)?;
                    ArchiveStore::replace(format, path, private, (there, lock))?
                }
            };
            store_all(plan, jobs, Box::new(store), progress)
        }
        (Destination::Stream { out, spool }, _) => {
            let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
            let format = tar_format(plan.target.format);
            let store = ArchiveStore::pipe(format, Box::new(&mut *out), spool);
            store_all(plan, jobs, Box::new(store), progress)
        }
    }
}

fn tar_format(format: Format) -> TarFormat {
    match format {
        Format::DockerArchive(dialect) => TarFormat::Docker(dialect),
        Format::Layout | Format::OciArchive => TarFormat::Oci,
    }
}

fn store_all<'a>(
    plan: &'a Plan,
    jobs: Vec<Job<'a>>,
    store: Box<dyn Store<'a> + 'a>,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let threads = plan.target.threads;
    Pool::with(threads, |pool| {
        let session = Session { pool, threads, progress };
        let stored = parallel(&jobs, threads, &Job::size, &|job| store.put(*job, session))?;
        let documents = DocumentTree::build(plan, &stored)?;
        let outcome = written(plan, &documents);
        let (top, late) = documents.finish();
        let notes = store.finish(top, session)?;
        let mut losses = plan.losses.clone();
        losses.extend(late);
        let notes = plan.notes.iter().cloned().chain(notes).collect();
        Ok(Outcome { losses, notes, ..outcome })
    })
}
