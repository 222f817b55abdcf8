//! Destinations that are one tar: what is in it, and writing it to a file or a pipe.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Format;
use super::existing::is_added_to;
use super::jobs::Job;
use super::plan::{Plan, is_plain};
use super::tree::{Tree, index};
use super::written::{Written, written};
use crate::archive::dialect::{SavedImage, StoredLayer};
use crate::archive::members::{Body, Content, Member, StoredBlob};
use crate::bytes::files::ByteSource;
use crate::bytes::parallel::parallel;
use crate::bytes::staging::{Beside, SyncedFile, check_space};
use crate::codec::{Compression, Pool, claimed_plain_size, kind_of};
use crate::digest::Digest;
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::NodeId;
use crate::image::layer::Encode;
use crate::image::reason::Loss;
use crate::layout::{INDEX_NAME, MARKER, MARKER_NAME};
use crate::progress::Progress;
use crate::tar::END;

/// Where the sizes come from of layers that are to be plain.
#[derive(Debug, Clone, Copy)]
enum Sizes<'a> {
    /// From what their gzip members say, so that they are written in their places at once; notes
    /// that one of them lied.
    Claimed(&'a AtomicBool),
    /// From decoding them into a temporary file first.
    Measured,
}

/// All members of a tar, in order.
struct Contents<'a> {
    members: Vec<Member>,
    written: Vec<Written>,
    /// What no member holds, as another has the same name; it is checked all the same.
    unread: Vec<&'a Job>,
}

/// Writes a docker archive or an OCI archive to a path.
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
    let mut file = beside.make_file("archive")?;
    let known = losses.len();
    let lied = AtomicBool::new(false);
    let first = write(plan, (&beside, &file), Sizes::Claimed(&lied), progress, losses);
    let written = if lied.load(Ordering::Relaxed) {
        losses.truncate(known);
        file.clear().map_err(ErrorKind::Write).at(&at)?;
        write(plan, (&beside, &file), Sizes::Measured, progress, losses)?
    } else {
        first?
    };
    file.sync().map_err(ErrorKind::Write).at(&at)?;
    if replaces {
        beside.replace("archive")?
    } else {
        beside.publish("archive")?
    }
    Ok(written)
}

fn write(
    plan: &Plan,
    (beside, file): (&Beside<'_>, &SyncedFile),
    sizes: Sizes<'_>,
    progress: &dyn Progress,
    losses: &mut Vec<Loss>,
) -> Result<Vec<Written>> {
    let at = plan.target.at();
    Pool::with(plan.target.threads, |pool| {
        let contents = contents(plan, (beside.path(), sizes), pool, progress, losses)?;
        let sure = contents.members.iter().map(|member| sure(plan, member));
        check_space(beside.path(), sure.sum(), &at)?;
        self::file(plan, &contents, file, (sizes, pool), progress)?;
        Ok(contents.written)
    })
}

/// Bytes that a member takes at least.
fn sure(plan: &Plan, member: &Member) -> u64 {
    let total = member.total();
    match &member.body {
        Body::File(Content::Pending { job, .. }) => {
            plan.work().get(*job).map_or(total, |job| job.from.size.min(total))
        }
        _ => total,
    }
}

/// What has no known size or digest yet goes through a temporary file.
fn contents<'a>(
    plan: &'a Plan,
    (spool, sizes): (&Path, Sizes<'_>),
    pool: &Pool,
    progress: &dyn Progress,
    losses: &mut Vec<Loss>,
) -> Result<Contents<'a>> {
    let jobs: Vec<(usize, &Job)> = plan.work().iter().enumerate().collect();
    let size = |(_, job): &(usize, &Job)| job.size();
    let stored =
        parallel(&jobs, plan.target.threads, &size, &|(at, job)| match known(plan, job, sizes) {
            Some((digest, size)) => {
                Ok(StoredBlob { digest, size, content: Some(Content::Pending { job: *at, size }) })
            }
            None => spooled(job, pool, spool, progress),
        })?;
    let (members, written) = members(plan, &stored, losses)?;
    let pending = |content: &Content| match content {
        Content::Pending { job, .. } => Some(*job),
        Content::Bytes(_) | Content::Spooled(_) => None,
    };
    let held: BTreeSet<usize> = members
        .iter()
        .filter_map(|member| match &member.body {
            Body::File(content) => pending(content),
            Body::Directory | Body::Symlink(_) => None,
        })
        .collect();
    let unread = stored
        .iter()
        .filter_map(|stored| pending(stored.content.as_ref()?))
        .filter(|job| !held.contains(job))
        .filter_map(|job| plan.work().get(job));
    Ok(Contents { members, written, unread: unread.collect() })
}

fn members(
    plan: &Plan,
    stored: &[StoredBlob],
    losses: &mut Vec<Loss>,
) -> Result<(Vec<Member>, Vec<Written>)> {
    if let Format::DockerArchive(dialect) = plan.target.form
        && dialect.is_plain()
    {
        let subjects = subjects(plan, stored);
        let nodes = plan.subjects.iter().map(|(node, _)| *node);
        let by_node: BTreeMap<NodeId, &SavedImage<'_>> = nodes.zip(&subjects).collect();
        let manifest = |node| Some(dialect.manifest(by_node.get(&node)?)?.measured().digest());
        let written = written(plan, &manifest);
        return Ok((dialect.members(Vec::new(), &subjects)?, written));
    }
    let (tree, entries) = Tree::build(plan, stored)?;
    losses.extend(tree.losses.iter().cloned());
    let written = written(plan, &|node| tree.manifest(node));
    let mut all = tree.members;
    all.push(Member::bytes(INDEX_NAME, index(plan, entries)));
    all.push(Member::bytes(MARKER_NAME, MARKER.to_vec()));
    let members = match plan.target.form {
        Format::DockerArchive(dialect) => dialect.members(all, &subjects(plan, stored))?,
        Format::Layout | Format::OciArchive => {
            all.sort_by(|a, b| a.path.cmp(&b.path));
            all
        }
    };
    Ok((members, written))
}

/// The digest and size of what is read while it is written, where somebody says them; they are
/// checked on the way.
fn known(plan: &Plan, job: &Job, sizes: Sizes<'_>) -> Option<(Digest, u64)> {
    let plain = |size| job.diff_id().map(|diff_id| (diff_id.digest(), size));
    match (job.encode, sizes) {
        (Encode::Keep, _) => match job.claims.first() {
            Some(claim) if !is_plain(plan.target.form) => Some((claim.digest, claim.size)),
            _ if job.codec == Compression::None => plain(job.from.size),
            _ => None,
        },
        (Encode::Plain, Sizes::Claimed(_)) if job.codec == Compression::Gzip => {
            plain(claimed_plain_size(job.from.size, &job.from.parts().ok()?)?)
        }
        _ => None,
    }
}

fn spooled(job: &Job, pool: &Pool, spool: &Path, progress: &dyn Progress) -> Result<StoredBlob> {
    let temporary = tempfile::tempfile_in(spool).map_err(ErrorKind::Spool).at(&job.from.at)?;
    let mut out = BufWriter::new(&temporary);
    let there = job.store(pool, &mut out, progress).map_err(|error| match error.kind {
        ErrorKind::Write(cause) => Error::new(&error.at, ErrorKind::Spool(cause)),
        _ => error,
    })?;
    out.flush().map_err(ErrorKind::Spool).at(&job.from.at)?;
    drop(out);
    let (digest, size) = (there.stored.digest(), there.stored.size());
    let extent = Arc::new(ByteSource::open_file(temporary, size, job.from.at.clone()));
    Ok(StoredBlob { digest, size, content: Some(Content::Spooled(extent)) })
}

/// Writes at its own place, as others do at theirs.
struct Positioned<'a> {
    file: &'a SyncedFile,
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
fn subjects<'a>(plan: &'a Plan, stored: &[StoredBlob]) -> Vec<SavedImage<'a>> {
    plan.subjects
        .iter()
        .filter_map(|(node, names)| {
            let image = plan.source.image(*node)?;
            let jobs = plan.jobs.of(*node);
            let layers = image.layers.iter().zip(jobs).filter_map(|(layer, job)| {
                let stored = match (job.and_then(|job| stored.get(job)), &layer.claim) {
                    (Some(stored), _) => stored.clone(),
                    // A non-distributable layer that is not here keeps its place in the list.
                    (None, Some(claim)) => {
                        StoredBlob { digest: claim.digest, size: claim.size, content: None }
                    }
                    (None, None) => return None,
                };
                Some(StoredLayer { diff_id: layer.diff_id, stored })
            });
            let mut layers: Vec<StoredLayer> = layers.collect();
            layers.shrink_to_fit();
            Some(SavedImage {
                names: names.iter().filter_map(|name| name.reference.clone()).collect(),
                config: &image.config,
                layers,
                at: image.config_at.clone(),
            })
        })
        .collect()
}

/// Writes a tar to a pipe, member by member; after an error no end marker follows.
pub(super) fn stream(
    plan: &Plan,
    (out, spool): (File, &Path),
    progress: &dyn Progress,
    losses: &mut Vec<Loss>,
) -> Result<Vec<Written>> {
    let at = &plan.target.at();
    let sizes = Sizes::Measured;
    Pool::with(plan.target.threads, |pool| {
        let contents = contents(plan, (spool, sizes), pool, progress, losses)?;
        let mut out = BufWriter::with_capacity(128 << 10, out);
        for member in &contents.members {
            out.write_all(&member.header()).map_err(ErrorKind::Write).at(at)?;
            content(plan, member, &mut out, (sizes, pool), progress)?;
            out.write_all(&member.padding()).map_err(ErrorKind::Write).at(at)?;
        }
        check_unread(plan, &contents, pool, progress)?;
        out.write_all(&END).and_then(|()| out.flush()).map_err(ErrorKind::Write).at(at)?;
        Ok(contents.written)
    })
}

/// Writes a tar to a file: every size is known, so members are written to their places side by
/// side.
fn file(
    plan: &Plan,
    contents: &Contents<'_>,
    out: &SyncedFile,
    (sizes, pool): (Sizes<'_>, &Pool),
    progress: &dyn Progress,
) -> Result<()> {
    let at = &plan.target.at();
    let mut placed = Vec::with_capacity(contents.members.len());
    let mut offset = 0_u64;
    for member in &contents.members {
        placed.push((offset, member));
        offset = offset.saturating_add(member.total());
    }
    let size = |(_, member): &(u64, &Member)| member.size();
    parallel(&placed, plan.target.threads, &size, &|(offset, member)| {
        let mut out = BufWriter::with_capacity(64 << 10, Positioned { file: out, at: *offset });
        out.write_all(&member.header()).map_err(ErrorKind::Write).at(at)?;
        content(plan, member, &mut out, (sizes, pool), progress)?;
        out.write_all(&member.padding()).and_then(|()| out.flush()).map_err(ErrorKind::Write).at(at)
    })?;
    check_unread(plan, contents, pool, progress)?;
    Positioned { file: out, at: offset }.write_all(&END).map_err(ErrorKind::Write).at(at)
}

fn check_unread(
    plan: &Plan,
    contents: &Contents<'_>,
    pool: &Pool,
    progress: &dyn Progress,
) -> Result<()> {
    let check = |job: &&Job| job.store(pool, &mut std::io::sink(), progress);
    let size = |job: &&Job| job.size();
    parallel(&contents.unread, plan.target.threads, &size, &check).map(drop)
}

/// Writes the bytes of a member; those that were not read before are checked on the way.
fn content(
    plan: &Plan,
    member: &Member,
    out: &mut (dyn Write + Send),
    (sizes, pool): (Sizes<'_>, &Pool),
    progress: &dyn Progress,
) -> Result<()> {
    let Body::File(content) = &member.body else { return Ok(()) };
    let at = &plan.target.at();
    let write = |error| kind_of(error, ErrorKind::Write);
    match content {
        Content::Bytes(bytes) => out.write_all(bytes).map_err(write).at(at),
        Content::Spooled(extent) => {
            let mut reader = BufReader::with_capacity(128 << 10, extent.reader()?);
            std::io::copy(&mut reader, out).map(drop).map_err(write).at(at)
        }
        Content::Pending { job, size } => match plan.work().get(*job) {
            Some(job) => copy((job, *size), out, (sizes, pool), progress),
            None => Err(Error::new(at, ErrorKind::Changed)),
        },
    }
}

/// Reads a layer or blob into its place and checks it against everything that was said of it.
fn copy(
    (job, size): (&Job, u64),
    out: &mut (dyn Write + Send),
    (sizes, pool): (Sizes<'_>, &Pool),
    progress: &dyn Progress,
) -> Result<()> {
    // What is kept has a size that somebody said: where it has another, that is what is reported.
    let left = if job.encode == Encode::Plain { size } else { u64::MAX };
    let mut out = Place { out, left, full: false };
    let there = job.transcode(pool, &mut out, progress);
    if let Sizes::Claimed(lied) = sizes
        && job.encode == Encode::Plain
        && (out.full || there.as_ref().is_ok_and(|it| it.stored.size() != size))
    {
        lied.store(true, Ordering::Relaxed);
        return Err(Error::new(&job.from.at, ErrorKind::Changed));
    }
    job.check(&there.map_err(|kind| job.explain(kind))?)
}

/// A place of so many bytes in an archive, which takes no more.
struct Place<'a> {
    out: &'a mut (dyn Write + Send),
    left: u64,
    full: bool,
}

impl Write for Place<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() as u64 > self.left {
            self.full = true;
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        let count = self.out.write(bytes)?;
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
