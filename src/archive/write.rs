//! Writes one tar, a docker archive or an OCI archive, to a file or to a pipe.
//!
//! A blob with a known size and digest is written directly and checked at the same time; everything
//! else goes through a temporary file first. A file appears completely or not at all; after an
//! error, a pipe gets no end marker.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::Dialect;
use super::members::{Body, Content, NewMember};
use crate::bytes::files::{ByteSource, temporary};
use crate::bytes::parallel::parallel;
use crate::bytes::staging::{CommitLock, FileState, Private, SyncedFile, check_space, lock_file};
use crate::codec::{Compression, claimed_size, kind_of};
use crate::digest::Digest;
use crate::document::descriptor::blob_path;
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::layer::Encode;
use crate::image::names::spelled;
use crate::image::reading::Note;
use crate::layout::write::index_json;
use crate::layout::{INDEX_NAME, MARKER, MARKER_NAME};
use crate::limits;
use crate::store::{Job, Session, Store, StoredBlob, Top, connections};
use crate::tar::END;

/// The type of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TarFormat {
    Docker(Dialect),
    Oci,
}

impl TarFormat {
    fn is_uncompressed(self) -> bool {
        matches!(self, Self::Docker(dialect) if dialect.is_plain())
    }
}

/// How to find the sizes of layers to decompress.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sizes<'a> {
    /// From their gzip members, so that they are written directly; and whether a size was wrong, so
    /// that everything must be written again.
    Claimed(&'a AtomicBool),
    /// From decompressing them into a temporary file first.
    Measured,
}

/// An archive in progress.
pub(crate) struct ArchiveStore<'a> {
    format: TarFormat,
    sizes: Sizes<'a>,
    at: Location,
    /// The blobs by digest, and the places of their bytes.
    held: Mutex<BTreeMap<Digest, Held<'a>>>,
    /// Blobs without a member, because another blob has the same bytes; they are also checked.
    unread: Mutex<Vec<Job<'a>>>,
    /// Temporary files that are not in use; at most one per thread.
    spools: Mutex<Vec<SpoolFile>>,
    /// Dropped last: some file systems (FUSE, NFS) keep a folder while one of its files is open.
    out: Output<'a>,
}

/// The destination of an archive.
enum Output<'a> {
    File(Box<NewFile<'a>>),
    Pipe { out: Mutex<Box<dyn Write + Send + 'a>>, spool: PathBuf },
}

/// An archive that will be a file.
struct NewFile<'a> {
    path: PathBuf,
    /// Closed before its folder goes.
    file: SyncedFile,
    private: Private<'a>,
    /// The archive to replace, as it was when it was read.
    replaces: Option<FileState>,
    /// The lock, if the whole run needs it.
    lock: Option<CommitLock>,
}

/// The bytes of a blob.
#[derive(Clone)]
enum Held<'a> {
    /// In the source; checked when they are written.
    Pending(Job<'a>),
    /// In a temporary file; already checked.
    Spooled(ByteSource),
}

impl<'a> ArchiveStore<'a> {
    /// Starts a new archive.
    pub(crate) fn create(
        (format, sizes): (TarFormat, Sizes<'a>),
        path: &Path,
        private: Private<'a>,
    ) -> Result<Self> {
        Self::file((format, sizes), path, private, (None, None))
    }

    /// Starts an archive that replaces one that was read.
    pub(crate) fn replace(
        (format, sizes): (TarFormat, Sizes<'a>),
        path: &Path,
        private: Private<'a>,
        (there, lock): (FileState, Option<CommitLock>),
    ) -> Result<Self> {
        Self::file((format, sizes), path, private, (Some(there), lock))
    }

    fn file(
        (format, sizes): (TarFormat, Sizes<'a>),
        path: &Path,
        private: Private<'a>,
        (replaces, lock): (Option<FileState>, Option<CommitLock>),
    ) -> Result<Self> {
        let file = private.make_file("archive")?;
        let path = path.to_owned();
        let at = Location::of(&path);
        let file = NewFile { path, private, file, replaces, lock };
        Ok(Self::of((format, sizes), at, Output::File(Box::new(file))))
    }

    /// Starts an archive for a pipe, which cannot be rewritten.
    pub(crate) fn pipe(format: TarFormat, out: Box<dyn Write + Send + 'a>, spool: &Path) -> Self {
        let out = Output::Pipe { out: Mutex::new(out), spool: spool.to_owned() };
        Self::of((format, Sizes::Measured), Location::named("-"), out)
    }

    fn of((format, sizes): (TarFormat, Sizes<'a>), at: Location, out: Output<'a>) -> Self {
        let (held, unread, spools) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { format, sizes, at, out, held, unread, spools }
    }

    /// The claimed digest and size of a blob that can be written directly, if known.
    fn known(&self, job: &Job<'_>) -> Option<StoredBlob> {
        let blob = job.blob;
        let form = (blob.codec, blob.algorithm);
        if let Some(Ok(there)) = blob.from.answer(form, job.encode) {
            return Some(StoredBlob::of(&there));
        }
        let uncompressed = job.encode == Encode::Keep && blob.codec == Compression::None;
        let claim = blob.stored.first().filter(|_| job.encode == Encode::Keep);
        if let Some(size) = self.claimed(job) {
            return Some(StoredBlob { digest: blob.diff_id()?.digest(), size });
        }
        match claim {
            Some(claim) if !self.format.is_uncompressed() => {
                Some(StoredBlob { digest: claim.digest, size: claim.size })
            }
            _ if uncompressed => {
                let digest = blob.diff_id()?.digest();
                Some(StoredBlob { digest, size: blob.from.size })
            }
            _ => None,
        }
    }

    /// The claimed uncompressed size of a layer.
    fn claimed(&self, job: &Job<'_>) -> Option<u64> {
        let Sizes::Claimed(_) = self.sizes else { return None };
        let from = &job.blob.from;
        // What came from a pipe is known, and is not written a second time.
        let gzip = job.encode == Encode::Decompress
            && job.blob.codec == Compression::Gzip
            && !from.is_received();
        if gzip { claimed_size(from.size, &from.parts().ok()?) } else { None }
    }

    /// Reads a blob into its place, up to its claimed size.
    fn store(
        &self,
        (job, size): (&Job<'_>, u64),
        out: &mut (dyn Write + Send),
        session: Session<'_>,
    ) -> Result<()> {
        let Sizes::Claimed(lied) = self.sizes else { return job.store(out, session).map(drop) };
        if job.encode != Encode::Decompress {
            return job.store(out, session).map(drop);
        }
        let mut place = Place { out, left: size };
        let done = job.store(&mut place, session);
        let full = place.left == u64::MAX;
        if full || done.is_ok() && place.left != 0 {
            lied.store(true, Ordering::Relaxed);
            return Err(Error::new(&job.blob.from.at, ErrorKind::Changed));
        }
        done.map(drop)
    }

    /// Stores a blob without a known size or digest in a temporary file.
    fn spool(&self, job: &Job<'_>, session: Session<'_>) -> Result<(StoredBlob, ByteSource)> {
        let at = &job.blob.from.at;
        let folder = match &self.out {
            Output::File(new) => new.private.path(),
            Output::Pipe { spool, .. } => spool,
        };
        let free = self.spools.lock().ok().and_then(|mut spools| spools.pop());
        let mut spool = match free {
            Some(spool) => spool,
            None => SpoolFile { file: Arc::new(temporary(folder).at(at)?), end: 0 },
        };
        let start = spool.end;
        let there = job.afresh(|| {
            spool.end = start;
            job.store(&mut spool, session)
        });
        let there = there.map_err(|error| match error.kind {
            ErrorKind::Write(cause) => Error { kind: ErrorKind::Spool(cause), ..error },
            _ => error,
        })?;
        let stored = StoredBlob::of(&there);
        let from = ByteSource::range(Arc::clone(&spool.file), (start, stored.size), at.clone());
        if let Ok(mut spools) = self.spools.lock() {
            spools.push(spool);
        }
        Ok((stored, from))
    }

    fn hold(&self, stored: StoredBlob, held: Held<'a>) {
        let Ok(mut all) = self.held.lock() else { return };
        let Some(known) = all.insert(stored.digest, held) else { return };
        // Of two blobs with the same bytes, one is written and the other only checked.
        if let (Held::Pending(job), Ok(mut unread)) = (known, self.unread.lock()) {
            unread.push(job);
        }
    }

    /// All members, in order.
    fn members(&self, top: &Top<'a>) -> Result<Vec<NewMember>> {
        let mut members = Vec::new();
        if !self.format.is_uncompressed() {
            let blob = |it: &StoredBlob| NewMember::file(blob_path(&it.digest), Content::Blob(*it));
            members.extend(top.blobs.iter().map(blob));
            let document = |it: &crate::store::NewDocument| {
                NewMember::bytes(blob_path(&it.digest), it.raw.clone())
            };
            members.extend(top.documents.iter().map(document));
            let index = index_json(top.verbatim.as_deref(), &spelled(&top.entries)).at(&self.at)?;
            members.push(NewMember::bytes(INDEX_NAME, index));
            members.push(NewMember::bytes(MARKER_NAME, MARKER.to_vec()));
        }
        match self.format {
            TarFormat::Docker(dialect) => members = dialect.members(members, &top.images)?,
            TarFormat::Oci => members.sort_by(|a, b| a.path.cmp(&b.path)),
        }
        let large = |it: &&NewMember| {
            let document = matches!(it.path.as_str(), "manifest.json" | "repositories");
            document && it.size() > limits::ARCHIVE_DOCUMENT
        };
        if let Some(member) = members.iter().find(large) {
            let what = "the size of manifest.json, in bytes,";
            let kind = ErrorKind::limit(what, limits::ARCHIVE_DOCUMENT, member.size());
            return Err(Error::new(&self.at.member(&member.path), kind));
        }
        Ok(members)
    }

    fn held(&self, digest: &Digest) -> Option<Held<'a>> {
        self.held.lock().ok()?.get(digest).cloned()
    }

    /// The blob of a member that is read when it is written.
    fn pending(&self, member: &NewMember) -> Option<Job<'a>> {
        match &member.body {
            Body::File(Content::Blob(blob)) => match self.held(&blob.digest) {
                Some(Held::Pending(job)) => Some(job),
                _ => None,
            },
            _ => None,
        }
    }

    /// Writes a member: its header, its bytes and its padding.
    fn member(
        &self,
        member: &NewMember,
        out: &mut (dyn Write + Send),
        session: Session<'_>,
    ) -> Result<()> {
        let at = &self.at;
        let write = |error| kind_of(error, ErrorKind::Write);
        out.write_all(&member.header()).map_err(write).at(at)?;
        match &member.body {
            Body::File(Content::Bytes(bytes)) => out.write_all(bytes).map_err(write).at(at)?,
            Body::File(Content::Blob(blob)) => match self.held(&blob.digest) {
                Some(Held::Pending(job)) => self.store((&job, blob.size), out, session)?,
                Some(Held::Spooled(from)) => {
                    let mut reader = BufReader::with_capacity(128 << 10, from.reader()?);
                    std::io::copy(&mut reader, out).map_err(write).at(at)?;
                }
                None => {
                    let kind = ErrorKind::MissingBlob { expected: blob.digest };
                    return Err(Error::new(at, kind));
                }
            },
            Body::Directory | Body::Symlink(_) => (),
        }
        out.write_all(&member.padding()).map_err(write).at(at)
    }

    /// The minimum size of a member.
    fn least_size(&self, member: &NewMember) -> u64 {
        let total = member.total();
        match &member.body {
            Body::File(Content::Blob(blob)) => match self.held(&blob.digest) {
                // Its room is given back when it is copied.
                Some(Held::Pending(job)) if job.blob.from.staged(job.encode).is_some() => 0,
                Some(Held::Pending(job)) => job.size().min(total),
                _ => total,
            },
            _ => total,
        }
    }

    /// Writes to a file: every size is known, so members are written in parallel.
    fn to_file(
        &self,
        members: &[NewMember],
        file: &SyncedFile,
        session: Session<'_>,
    ) -> Result<()> {
        let mut placed = Vec::with_capacity(members.len());
        let mut offset = 0_u64;
        for member in members {
            placed.push((offset, member));
            offset = offset.saturating_add(member.total());
        }
        let size = |(_, member): &(u64, &NewMember)| member.size();
        let write = |error| kind_of(error, ErrorKind::Write);
        let is_remote = |it: &NewMember| self.pending(it).is_some_and(|job| job.is_remote());
        let threads = match members.iter().any(is_remote) {
            true => connections(session.threads),
            false => session.threads,
        };
        parallel(&placed, threads, &size, &|(offset, member)| {
            let place = || {
                let mut out = BufWriter::with_capacity(64 << 10, Positioned { file, at: *offset });
                self.member(member, &mut out, session)?;
                out.flush().map_err(write).at(&self.at)
            };
            match self.pending(member) {
                Some(job) => job.afresh(place),
                None => place(),
            }
        })?;
        self.check_unread(members, session)?;
        Positioned { file, at: offset }.write_all(&END).map_err(ErrorKind::Write).at(&self.at)
    }

    /// Checks the blobs without a member.
    fn check_unread(&self, members: &[NewMember], session: Session<'_>) -> Result<()> {
        let mut written = BTreeSet::new();
        for member in members {
            if let Body::File(Content::Blob(blob)) = &member.body {
                written.insert(blob.digest);
            }
        }
        let mut unread: Vec<Job<'a>> =
            self.unread.lock().map(|mut it| std::mem::take(&mut *it)).unwrap_or_default();
        if let Ok(held) = self.held.lock() {
            unread.extend(held.iter().filter(|(digest, _)| !written.contains(digest)).filter_map(
                |(_, held)| match held {
                    Held::Pending(job) => Some(*job),
                    Held::Spooled(_) => None,
                },
            ));
        }
        let size = |job: &Job<'_>| job.size();
        let check = |job: &Job<'_>| job.check(session);
        parallel(&unread, session.threads, &size, &check).map(drop)
    }
}

impl<'a> Store<'a> for ArchiveStore<'a> {
    fn put(&self, job: Job<'a>, session: Session<'_>) -> Result<StoredBlob> {
        if let Some(stored) = self.known(&job) {
            self.hold(stored, Held::Pending(job));
            return Ok(stored);
        }
        let (stored, from) = self.spool(&job, session)?;
        self.hold(stored, Held::Spooled(from));
        Ok(stored)
    }

    fn finish(mut self: Box<Self>, top: Top<'a>, session: Session<'_>) -> Result<Vec<Note>> {
        let at = self.at.clone();
        let members = self.members(&top)?;
        match &self.out {
            Output::File(new) => {
                let least = members.iter().map(|member| self.least_size(member)).sum();
                check_space(new.private.path(), least, &at)?;
                self.to_file(&members, &new.file, session)?;
            }
            Output::Pipe { out, .. } => {
                let mut out = out.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let mut out = BufWriter::with_capacity(128 << 10, &mut *out);
                for member in &members {
                    self.member(member, &mut out, session)?;
                }
                self.check_unread(&members, session)?;
                out.write_all(&END).and_then(|()| out.flush()).map_err(ErrorKind::Write).at(&at)?;
            }
        }
        let Output::File(new) = &mut self.out else { return Ok(Vec::new()) };
        let NewFile { path, private, file, replaces, lock } = &mut **new;
        file.sync().map_err(ErrorKind::Write).at(&at)?;
        match replaces {
            None => private.publish("archive", path)?,
            Some(there) => {
                let lock = match lock.take() {
                    Some(lock) => lock,
                    None => lock_file(path, session.progress)?,
                };
                if !lock.is_held() {
                    return Err(Error::new(&at, ErrorKind::DestinationChanged));
                }
                private.replace("archive", path, *there)?;
            }
        }
        Ok(Vec::new())
    }
}

/// An unnamed temporary file that is shared by blobs.
struct SpoolFile {
    file: Arc<File>,
    end: u64,
}

impl Write for SpoolFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write_at(bytes, self.end)?;
        self.end = self.end.saturating_add(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A writer that accepts at most this number of bytes.
struct Place<'a> {
    out: &'a mut (dyn Write + Send),
    /// The maximum value after an overflow.
    left: u64,
}

impl Write for Place<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() as u64 > self.left {
            self.left = u64::MAX;
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

/// Writes at an offset of a file.
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
