//! Runs a plan: each distinct blob once, then the documents, then the last step.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};

use super::documents::DocumentTree;
use super::existing::Mode;
use super::outcome::{Outcome, written};
use super::plan::Plan;
use super::{Destination, Existing, Format};
use crate::archive::write::{ArchiveStore, Sizes, TarFormat};
use crate::bytes::files::{RemoteBytes, RemoteOutcome, StagedBlob, WORTH_KEEPING};
use crate::bytes::parallel::parallel;
use crate::bytes::staging::{CommitLock, FileState, Private, lock_file};
use crate::codec::Pool;
use crate::dir::write::DirStore;
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::layer::Encode;
use crate::layout::write::{LayoutStore, ReusedFrom, WhenThere};
use crate::progress::{Event, Latch, Progress, tell};
use crate::store::{Job, Session, Store, connections};

/// Converts. Everything is checked; the destination appears completely or not at all.
///
/// # Errors
/// Any problem of the source or the machine.
pub fn run(plan: &Plan, progress: &dyn Progress) -> Result<Outcome> {
    let progress = &Latch::new(progress);
    let kept = keep(plan)?;
    let done = to_the_end(plan, progress);
    if let Some(remote) = kept {
        remote.settle(if done.is_ok() { RemoteOutcome::Done } else { RemoteOutcome::Failed });
    }
    done
}

/// Keeps what is fetched beside the destination, if it is much.
fn keep(plan: &Plan) -> Result<Option<Arc<dyn RemoteBytes>>> {
    let Destination::Path(path) = &plan.target.destination else { return Ok(None) };
    let jobs = plan.jobs();
    let remote = jobs.iter().filter(|job| job.blob.from.as_remote().is_some());
    let size = remote.clone().map(Job::size).fold(0, u64::saturating_add);
    let Some(first) = remote.clone().find_map(|job| job.blob.from.as_remote()) else {
        return Ok(None);
    };
    if size < WORTH_KEEPING {
        return Ok(None);
    }
    first.keep_beside(path)?;
    Ok(Some(Arc::clone(first)))
}

fn to_the_end(plan: &Plan, progress: &dyn Progress) -> Result<Outcome> {
    let lied = AtomicBool::new(false);
    let done = match attempt(plan, (None, Sizes::Claimed(&lied)), progress) {
        Err(_) if lied.into_inner() => attempt(plan, (None, Sizes::Measured), progress),
        done => done,
    };
    let done = match done {
        Err(error) if was_overtaken(plan, &error) => again(plan, progress),
        done => done,
    };
    // A write error is reported at the destination.
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

/// Whether the source was written to after it was opened.
fn changed(plan: &Plan, at: &Location) -> bool {
    plan.jobs().iter().any(|job| job.blob.from.at == *at && job.blob.from.is_changed())
}

/// Whether another writer of the archive was faster, and the run may add to it.
fn was_overtaken(plan: &Plan, error: &Error) -> bool {
    let Destination::Path(path) = &plan.target.destination else { return false };
    let archive = plan.target.format != Format::Layout;
    let late = match (&error.kind, plan.mode) {
        (ErrorKind::Exists | ErrorKind::DestinationChanged, _) => true,
        (ErrorKind::Interrupted, _) | (_, Mode::New) => false,
        // Through another mount, the read may have mixed two versions of the file.
        (_, Mode::Append(there)) => {
            let own = error.at.place() == plan.target.at().place();
            let read = !matches!(error.kind, ErrorKind::Write(_) | ErrorKind::NoSpace { .. });
            FileState::of(path) != Some(there) || own && read
        }
    };
    archive && late && plan.target.existing == Existing::Append
}

/// The number of attempts to add to an archive under a lock. One is enough, unless another process
/// removes this link instead of that of a dead writer, or another mount of the folder does not see
/// it.
const TRIES: usize = 8;

/// Reads the archive again and adds to it, with the lock from the start.
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
                Mode::Append(_) => LayoutStore::append(path, reused_from(plan), progress)?,
                Mode::New => {
                    let when_there = match plan.target.existing {
                        Existing::Refuse => WhenThere::Refuse,
                        Existing::Append => WhenThere::Append,
                    };
                    let when_there = (when_there, reused_from(plan));
                    LayoutStore::create(path, when_there, needed(&jobs), progress)?
                }
            };
            store_all(plan, jobs, Box::new(store), progress)
        }
        (Destination::Path(path), Format::Directory) => {
            let store = DirStore::create(path, needed(&jobs), progress)?;
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
        #[cfg(feature = "registry")]
        (Destination::Registry { session, spool, .. }, _) => {
            let store = super::push::store(plan, session, spool)?;
            store_all(plan, jobs, Box::new(store), progress)
        }
    }
}

/// The least number of bytes that these blobs take, beside those that wait there for their names.
fn needed(jobs: &[Job<'_>]) -> u64 {
    let waits =
        |job: &Job<'_>| job.blob.from.staged(job.encode).and_then(StagedBlob::own).is_some();
    jobs.iter().filter(|job| job.encode == Encode::Keep && !waits(job)).map(Job::size).sum()
}

fn tar_format(format: Format) -> TarFormat {
    match format {
        Format::DockerArchive(dialect) => TarFormat::Docker(dialect),
        Format::Layout | Format::OciArchive | Format::Directory | Format::Registry => {
            TarFormat::Oci
        }
    }
}

/// The number of blobs at once.
fn workers(plan: &Plan, jobs: &[Job<'_>]) -> usize {
    let threads = plan.target.threads;
    match jobs.iter().any(Job::is_remote) || plan.target.format == Format::Registry {
        true => connections(threads),
        false => threads,
    }
}

/// Runs that share their layers do not read the whole layout each time.
fn reused_from(plan: &Plan) -> ReusedFrom {
    match plan.target.shared {
        Some(_) => ReusedFrom::OtherRuns,
        None => ReusedFrom::Layout,
    }
}

fn store_all<'a>(
    plan: &'a Plan,
    jobs: Vec<Job<'a>>,
    store: Box<dyn Store<'a> + 'a>,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let threads = plan.target.threads;
    let shared = plan.target.shared.as_deref().zip(plan.target.destination.as_path());
    let shared = &shared.map(|(shared, path)| shared.run(path));
    Pool::with(threads, |pool| {
        let session = Session { pool, threads, progress, shared: shared.as_ref() };
        let stored =
            parallel(&jobs, workers(plan, &jobs), &Job::size, &|job| store.put(*job, session))?;
        let documents = DocumentTree::build(plan, &stored)?;
        let outcome = written(plan, &documents);
        let notes = store.finish(documents.finish(), session)?;
        let holds_blobs = matches!(plan.target.format, Format::Layout | Format::OciArchive);
        if let Some(run) = shared.as_ref().filter(|_| holds_blobs) {
            run.completed(jobs.iter().zip(stored.iter().copied()));
        }
        let losses = plan.losses.clone();
        let notes = plan.notes.iter().cloned().chain(notes).collect();
        Ok(Outcome { losses, notes, ..outcome })
    })
}
