//! Doing what was planned: each distinct layer once, then the documents, then the last step.

use std::path::Path;

use super::append;
use super::archive::{archive, stream};
use super::blobs::Blobs;
use super::existing::is_added_to;
use super::jobs::Job;
use super::plan::Plan;
use super::tree::{Tree, index};
use super::written::{Written, written};
use super::{Destination, Format};
use crate::bytes::parallel::parallel;
use crate::bytes::staging::{Beside, check_space};
use crate::codec::Pool;
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::layer::Encode;
use crate::image::reason::Loss;
use crate::layout::{INDEX_NAME, MARKER, MARKER_NAME};
use crate::progress::{Event, Progress};

/// Converts. Everything is checked on the way; the destination appears complete or not at all.
///
/// Losses that only show when documents are made are added to `losses`.
///
/// # Errors
/// Anything that is not as it should be, in the source or on the machine.
pub fn run(plan: &Plan, progress: &dyn Progress, losses: &mut Vec<Loss>) -> Result<Vec<Written>> {
    let total = plan.work().iter().map(|job| job.from.size).sum();
    let _ = progress.event(Event::Total(total));
    let done = write_all(plan, progress, losses);
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
    plan.work().iter().any(|job| job.from.at == *at && job.from.is_changed())
}

fn write_all(plan: &Plan, progress: &dyn Progress, losses: &mut Vec<Loss>) -> Result<Vec<Written>> {
    match (&plan.target.destination, plan.target.form) {
        (Destination::Path(path), Format::Layout) if is_added_to(&plan.target) => {
            append::layout(plan, path, progress, losses)
        }
        (Destination::Path(path), Format::Layout) => {
            let done = layout(plan, path, progress, losses);
            // Somebody was faster, and adding is what was asked for.
            let late = |error: &Error| matches!(error.kind, ErrorKind::Exists);
            if done.as_ref().is_err_and(late) && is_added_to(&plan.target) {
                return append::layout(plan, path, progress, losses);
            }
            done
        }
        (Destination::Path(path), _) => archive(plan, path, progress, losses),
        (Destination::Stream { file, spool }, _) => {
            let at = Location::named("-");
            let out = file.try_clone().map_err(ErrorKind::Write).at(&at)?;
            stream(plan, (out, spool), progress, losses)
        }
    }
}

fn layout(
    plan: &Plan,
    path: &Path,
    progress: &dyn Progress,
    losses: &mut Vec<Loss>,
) -> Result<Vec<Written>> {
    let at = Location::of(path);
    let beside = Beside::create(path, progress)?;
    let kept = plan.work().iter().filter(|job| job.encode == Encode::Keep);
    check_space(beside.path(), kept.map(|job| job.from.size).sum(), &at)?;
    let root = beside.make_folder("layout")?;
    let blobs = Blobs::open(&root).at(&at)?;
    let threads = plan.target.threads;
    let stored = Pool::with(threads, |pool| {
        parallel(plan.work(), threads, &Job::size, &|job| blobs.store(job, pool, progress))
    })?;
    let (tree, entries) = Tree::build(plan, &stored)?;
    losses.extend(tree.losses.iter().cloned());
    blobs.documents(&tree.members).at(&at)?;
    blobs.sync().at(&at)?;
    root.replace(MARKER_NAME, MARKER).at(&at)?;
    root.replace(INDEX_NAME, &index(plan, entries)).at(&at)?;
    root.sync().at(&at)?;
    beside.publish("layout")?;
    Ok(written(plan, &|node| tree.manifest(node)))
}
