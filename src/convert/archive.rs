//! Destinations that are one tar: what is in it, and writing it to a file or a pipe.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::Form;
use super::blobs::step;
use super::existing::is_added_to;
use super::jobs::Job;
use super::plan::{Plan, is_plain};
use super::tree::{Tree, index};
use super::written::{Written, written};
use crate::compression::{Compression, Pool, kind_of};
use crate::digest::Digest;
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::files::Extent;
use crate::image::NodeId;
use crate::layer::{Encode, keep, transcode};
use crate::layout::{INDEX_NAME, MARKER, MARKER_NAME};
use crate::members::{Body, Content, Member, Stored};
use crate::parallel::parallel;
use crate::progress::Progress;
use crate::reason::Loss;
use crate::save::dialect::{StoredLayer, Subject};
use crate::staging::{Beside, check_space};
use crate::tar::END;

/// Writes a save archive or a layout in a tar to a path.
pub(super) fn archive(
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
    self::file(plan, &members, &file, &at, progress)?;
    file.sync_all().map_err(ErrorKind::Write).at(&at)?;
    if replaces {
        beside.replace("archive")?
    } else {
        beside.publish("archive")?
    }
    Ok(written)
}

/// All members of a tar; what has no known size or digest yet goes through a temporary file.
pub(super) fn members(
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

/// Writes a tar to a pipe, member by member; after an error no end marker follows.
pub(super) fn stream(
    plan: &Plan,
    members: &[Member],
    out: File,
    at: &Location,
    progress: &dyn Progress,
) -> Result<()> {
    let mut out = BufWriter::with_capacity(128 << 10, out);
    for member in members {
        out.write_all(&member.header()).map_err(ErrorKind::Write).at(at)?;
        content(plan, member, &mut out, at, progress)?;
        out.write_all(&member.padding()).map_err(ErrorKind::Write).at(at)?;
    }
    out.write_all(&END).and_then(|()| out.flush()).map_err(ErrorKind::Write).at(at)
}

/// Writes a tar to a file: every size is known, so members are written to their places side by
/// side.
fn file(
    plan: &Plan,
    members: &[Member],
    out: &File,
    at: &Location,
    progress: &dyn Progress,
) -> Result<()> {
    let mut placed = Vec::with_capacity(members.len());
    let mut offset = 0_u64;
    for member in members {
        placed.push((offset, member));
        offset = offset.saturating_add(member.total());
    }
    parallel(&placed, plan.target.threads, &|(offset, member)| {
        let mut out = BufWriter::with_capacity(64 << 10, Positioned { file: out, at: *offset });
        out.write_all(&member.header()).map_err(ErrorKind::Write).at(at)?;
        content(plan, member, &mut out, at, progress)?;
        out.write_all(&member.padding()).and_then(|()| out.flush()).map_err(ErrorKind::Write).at(at)
    })?;
    out.write_all_at(&END, offset).map_err(ErrorKind::Write).at(at)
}

/// Writes the bytes of a member; those that are copied as they are get checked on the way.
fn content(
    plan: &Plan,
    member: &Member,
    out: &mut (dyn Write + Send),
    at: &Location,
    progress: &dyn Progress,
) -> Result<()> {
    let Body::File(content) = &member.body else { return Ok(()) };
    let write = |error| kind_of(error, ErrorKind::Write);
    match content {
        Content::Bytes(bytes) => out.write_all(bytes).map_err(write).at(at),
        Content::Spooled(extent) => {
            let mut reader = extent.reader()?;
            std::io::copy(&mut reader, out).map(drop).map_err(write).at(at)
        }
        Content::Pending { job, .. } => match plan.work().get(*job) {
            Some(job) => copy(job, out, progress),
            None => Err(Error::new(at, ErrorKind::Changed)),
        },
    }
}

/// Copies bytes as they are and checks them against everything that was said of them.
fn copy(job: &Job, out: &mut (dyn Write + Send), progress: &dyn Progress) -> Result<()> {
    step(job, progress);
    let (codec, algorithm) = (job.codec, job.algorithm());
    let there = keep(&job.from, (codec, algorithm), out, progress);
    job.check(&there.map_err(|kind| job.explain(kind))?)
}
