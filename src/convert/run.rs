//! Doing what was planned: each distinct layer once, then the documents, then the last step.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::append;
use super::blobs::{Blobs, step};
use super::existing::is_added_to;
use super::jobs::{Job, parallel};
use super::plan::{Plan, is_plain};
use super::tree::Tree;
use super::written::{Written, written};
use super::{Destination, Form};
use crate::compression::{Compression, Pool};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::document::Index;
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::files::Extent;
use crate::image::NodeId;
use crate::layer::{Encode, keep, transcode};
use crate::layout::{INDEX_NAME, MARKER, MARKER_NAME};
use crate::members::{Content, Member, Stored};
use crate::progress::{Event, Progress};
use crate::reason::Loss;
use crate::save::dialect::{StoredLayer, Subject};
use crate::staging::{Beside, check_space};
use crate::tar::END;

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
        _ => error,
    })
}

fn write_all(plan: &Plan, progress: &dyn Progress, losses: &mut Vec<Loss>) -> Result<Vec<Written>> {
    match (&plan.target.destination, plan.target.form) {
        (Destination::Path(path), Form::Layout) if is_added_to(&plan.target) => {
            append::layout(plan, path, progress, losses)
        }
        (Destination::Path(path), Form::Layout) => {
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
            let (members, written) = members(plan, spool, progress, losses)?;
            write(plan, &members, out, &at, progress)?;
            Ok(written)
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
        parallel(plan.work(), threads, &|job| blobs.store(job, pool, progress))
    })?;
    let (tree, entries) = Tree::build(plan, &stored)?;
    losses.extend(tree.losses.iter().cloned());
    blobs.documents(&tree.members).at(&at)?;
    blobs.sync().at(&at)?;
    root.replace(MARKER_NAME, MARKER).at(&at)?;
    root.replace(INDEX_NAME, &index(plan, entries)).at(&at)?;
    interrupted(progress).at(&at)?;
    beside.publish("layout")?;
    Ok(written(plan, &|node| tree.manifest(node)))
}

/// The `index.json`: the source's own where it says the same, else new.
fn index(plan: &Plan, entries: Vec<Descriptor>) -> Vec<u8> {
    match &plan.source.index {
        Some(index) if plan.verbatim => index.raw().to_vec(),
        _ => Index::of(entries).to_json().into_bytes(),
    }
}

fn interrupted(progress: &dyn Progress) -> Result<(), ErrorKind> {
    match progress.event(Event::Read(0)).is_break() {
        true => Err(ErrorKind::Interrupted),
        false => Ok(()),
    }
}

fn archive(
    plan: &Plan,
    path: &Path,
    progress: &dyn Progress,
    losses: &mut Vec<Loss>,
) -> Result<Vec<Written>> {
    let at = Location::of(path);
    let replaces = is_added_to(&plan.target);
    let beside =
        if replaces { Beside::replacing(path, progress)? } else { Beside::create(path, progress)? };
    let (members, written) = members(plan, beside.path(), progress, losses)?;
    check_space(beside.path(), members.iter().map(Member::total).sum(), &at)?;
    let file = beside.make_file("archive")?;
    let out = file.try_clone().map_err(ErrorKind::Write).at(&at)?;
    write(plan, &members, out, &at, progress)?;
    file.sync_all().map_err(ErrorKind::Write).at(&at)?;
    interrupted(progress).at(&at)?;
    if replaces {
        beside.replace("archive")?
    } else {
        beside.publish("archive")?
    }
    Ok(written)
}

/// All members of a tar; what has no known size or digest yet goes through a temporary file.
fn members(
    plan: &Plan,
    spool: &Path,
    progress: &dyn Progress,
    losses: &mut Vec<Loss>,
) -> Result<(Vec<Member>, Vec<Written>)> {
    let jobs: Vec<(usize, &Job)> = plan.work().iter().enumerate().collect();
    let threads = plan.target.threads;
    let stored = Pool::with(threads, |pool| {
        parallel(&jobs, threads, &|(at, job)| match known(plan, job) {
            Some((digest, size)) => {
                Ok(Stored { digest, size, content: Some(Content::Pending { job: *at, size }) })
            }
            None => spooled(job, pool, spool, progress),
        })
    })?;
    if let Form::SaveArchive(dialect) = plan.target.form
        && dialect.is_plain()
    {
        let subjects = subjects(plan, &stored);
        let nodes = plan.subjects.iter().map(|(node, _)| *node);
        let by_node: BTreeMap<NodeId, &Subject> = nodes.zip(&subjects).collect();
        let manifest = |node| Some(dialect.manifest(by_node.get(&node)?)?.measured().digest());
        let written = written(plan, &manifest);
        return Ok((dialect.members(Vec::new(), &subjects)?, written));
    }
    let (tree, entries) = Tree::build(plan, &stored)?;
    losses.extend(tree.losses.iter().cloned());
    let written = written(plan, &|node| tree.manifest(node));
    let mut all = tree.members;
    all.push(Member::bytes(INDEX_NAME, index(plan, entries)));
    all.push(Member::bytes(MARKER_NAME, MARKER.to_vec()));
    let members = match plan.target.form {
        Form::SaveArchive(dialect) => dialect.members(all, &subjects(plan, &stored))?,
        Form::Layout | Form::LayoutArchive => {
            all.sort_by(|a, b| a.path.cmp(&b.path));
            all
        }
    };
    Ok((members, written))
}

/// The digest and size of what is copied as it is, where somebody says them; they are checked
/// while it is copied.
fn known(plan: &Plan, job: &Job) -> Option<(Digest, u64)> {
    if job.encode != Encode::Keep {
        return None;
    }
    let plain = is_plain(plan.target.form);
    match job.claims.first() {
        Some(claim) if !plain => Some((claim.digest, claim.size)),
        _ if job.codec == Compression::None => {
            job.diff_id().map(|diff_id| (diff_id.digest(), job.from.size))
        }
        _ => None,
    }
}

fn spooled(job: &Job, pool: &Pool, spool: &Path, progress: &dyn Progress) -> Result<Stored> {
    step(job, progress);
    let temporary = tempfile::tempfile_in(spool).map_err(ErrorKind::Spool).at(&job.from.at)?;
    let mut out = BufWriter::new(Positioned { file: &temporary, at: 0 });
    let there =
        transcode(&job.from, (job.codec, job.algorithm()), (job.encode, pool), &mut out, progress)
            .map_err(|kind| match kind {
                ErrorKind::Write(error) => Error::new(&job.from.at, ErrorKind::Spool(error)),
                kind => job.explain(kind),
            })?;
    out.flush().map_err(ErrorKind::Spool).at(&job.from.at)?;
    drop(out);
    job.check(&there)?;
    let (digest, size) = (there.stored.digest(), there.stored.size());
    let extent = Extent::open_file(temporary, size, job.from.at.clone());
    Ok(Stored { digest, size, content: Some(Content::Spooled(extent)) })
}

/// Writes at its own place, so that the file can be read meanwhile.
struct Positioned<'a> {
    file: &'a File,
    at: u64,
}

impl Write for Positioned<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write_at(bytes, self.at)?;
        self.at = self.at.saturating_add(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The images of `manifest.json` with what was stored for them.
fn subjects(plan: &Plan, stored: &[Stored]) -> Vec<Subject> {
    plan.subjects
        .iter()
        .filter_map(|(node, names)| {
            let image = plan.source.image(*node)?;
            let jobs = plan.jobs.of(*node);
            let layers = image.layers.iter().zip(jobs).filter_map(|(layer, job)| {
                let stored = match (job.and_then(|job| stored.get(job)), &layer.claim) {
                    (Some(stored), _) => stored.clone(),
                    // A foreign layer that is not here keeps its place in the list.
                    (None, Some(claim)) => {
                        Stored { digest: claim.digest, size: claim.size, content: None }
                    }
                    (None, None) => return None,
                };
                Some(StoredLayer { diff_id: layer.diff_id, stored })
            });
            Some(Subject {
                names: names.iter().filter_map(|name| name.reference.clone()).collect(),
                config: image.config.clone(),
                layers: layers.collect(),
                at: image.config_at.clone(),
            })
        })
        .collect()
}

/// Writes a tar; after an error no end marker follows.
fn write(
    plan: &Plan,
    members: &[Member],
    out: File,
    at: &Location,
    progress: &dyn Progress,
) -> Result<()> {
    let mut out = BufWriter::with_capacity(128 << 10, out);
    for member in members {
        let failed: std::cell::Cell<Option<Error>> = std::cell::Cell::new(None);
        let copy = |job: usize, out: &mut (dyn Write + Send)| {
            let Some(job) = plan.work().get(job) else { return Err(ErrorKind::Changed) };
            step(job, progress);
            copy(job, out, progress).map_err(|error| {
                failed.set(Some(error));
                ErrorKind::Interrupted
            })
        };
        let done = member.write(&mut out, &copy);
        // An error of the source is said there, not at the destination.
        if let Some(error) = failed.take() {
            return Err(error);
        }
        done.at(at)?;
    }
    out.write_all(&END).and_then(|()| out.flush()).map_err(ErrorKind::Write).at(at)
}

/// Copies bytes as they are and checks them against everything that was said of them.
fn copy(job: &Job, out: &mut (dyn Write + Send), progress: &dyn Progress) -> Result<()> {
    let (codec, algorithm) = (job.codec, job.algorithm());
    let there = keep(&job.from, (codec, algorithm), out, progress);
    job.check(&there.map_err(|kind| job.explain(kind))?)
}
