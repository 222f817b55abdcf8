//! Writes OCI layouts to directories: a new one, or into an existing one.
//!
//! Blobs and documents are created in a private folder. For a new layout, that folder is renamed.
//! In an existing layout, they get their names together with the new `index.json`, under a lock for
//! this step only, so that any number of writers can work at the same time (image-spec
//! `image-layout.md`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use super::blobs::Blobs;
use super::{INDEX_NAME, MARKER, MARKER_NAME, check_marker};
use crate::bytes::files::{ByteSource, Files, Input, Reception};
use crate::bytes::staging::{
    CommitLock, Folder, PREFIX, Private, abandoned, check_space, open_folder, sweep_beside,
};
use crate::codec::Compression;
use crate::digest::{Algorithm, DiffId, Digest};
use crate::document::descriptor::{Claim, Descriptor};
use crate::document::{Document, Index};
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::layer::{Encode, measure};
use crate::image::names::{merge, spelled};
use crate::image::reading::{Note, Reading};
use crate::image::{Entry, Name, Node};
use crate::limits;
use crate::progress::{Activity, Event, Progress, Quiet, Uncounted, tell, told};
use crate::store::{Job, Session, Store, StoredBlob, Top};

/// What to do with an existing layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenThere {
    Refuse,
    Append,
}

/// Where compressed layers come from that need not be compressed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReusedFrom {
    /// From the layout, as it was when the run started.
    Layout,
    /// From other runs of this process, which say so.
    OtherRuns,
}

/// A layout in progress.
pub(crate) struct LayoutStore<'a> {
    path: PathBuf,
    at: Location,
    root: Folder,
    blobs: Blobs,
    when_there: WhenThere,
    /// The existing layout.
    there: Option<There>,
    /// Dropped last: to remove it takes descriptors, which those above give back.
    private: Private<'a>,
}

/// A layout that existed when the run started.
struct There {
    blobs: Option<Blobs>,
    /// Its compressed layers, by uncompressed tar and codec.
    layers: BTreeMap<(DiffId, Compression), (Claim, ByteSource)>,
}

impl<'a> LayoutStore<'a> {
    /// Starts a new layout; `needed` bytes must be free.
    pub(crate) fn create(
        path: &Path,
        (when_there, reused): (WhenThere, ReusedFrom),
        needed: u64,
        progress: &'a dyn Progress,
    ) -> Result<Self> {
        let at = Location::of(path);
        let private = match Private::beside_new(path, progress) {
            // Created after the run was planned.
            Err(Error { kind: ErrorKind::Exists, .. })
                if when_there == WhenThere::Append
                    && fs::symlink_metadata(path).is_ok_and(|it| it.is_dir()) =>
            {
                return Self::append(path, reused, progress);
            }
            private => private?,
        };
        check_space(private.path(), needed, &at)?;
        let root = private.make_folder("layout")?;
        let blobs = Blobs::open(&root, &at)?;
        Ok(Self { path: path.to_owned(), at, private, root, blobs, when_there, there: None })
    }

    /// Starts to add to an existing layout.
    pub(crate) fn append(
        path: &Path,
        reused: ReusedFrom,
        progress: &'a dyn Progress,
    ) -> Result<Self> {
        let at = Location::of(path);
        let layout = open_root(path, &at)?;
        existing_index(&layout, &at)?;
        sweep_beside(path);
        let private = Private::inside(path, at.clone(), progress)?;
        let root = private.root()?;
        let blobs = Blobs::open(&root, &at)?;
        let layers = match reused {
            ReusedFrom::Layout => stored_layers(path),
            ReusedFrom::OtherRuns => BTreeMap::new(),
        };
        let there = There { blobs: Blobs::find(&layout, &at)?, layers };
        let (path, there) = (path.to_owned(), Some(there));
        Ok(Self { path, at, private, root, blobs, when_there: WhenThere::Append, there })
    }

    /// Checks a layer of the layout, its stored bytes and uncompressed tar, instead of reading the
    /// source.
    fn reuse(&self, job: &Job<'_>, session: Session<'_>) -> Result<Option<StoredBlob>> {
        let Some(there) = &self.there else { return Ok(None) };
        let (Encode::Compress(_), Some(diff_id)) = (job.encode, job.blob.diff_id()) else {
            return Ok(None);
        };
        let codec = job.stored_codec();
        let Some((claim, from)) = there.layers.get(&(diff_id, codec)) else { return Ok(None) };
        let digest = claim.digest;
        // Linked first, so that it is kept while it is read and until it is named again.
        if let Some(blobs) = &there.blobs {
            self.blobs.hold(blobs, &digest);
        }
        let form = (codec, digest.algorithm());
        told(session.progress, (Activity::Reuse { digest }, &from.at, Some(from.size)), || {
            let read =
                measure(from, form, (Encode::Keep, session.pool), &Uncounted(session.progress));
            let read = read.at(&from.at)?;
            claim.check(&read.source).at(&from.at)?;
            job.blob.check_diff_ids(&read).at(&from.at)?;
            tell(session.progress, Event::Read(job.size())).at(&from.at)
        })?;
        Ok(Some(StoredBlob { digest, size: claim.size }))
    }

    /// Links a layer that another run of this process stored in this layout, after the source was
    /// checked.
    fn link(&self, job: &Job<'_>, session: Session<'_>) -> Result<Option<StoredBlob>> {
        let blobs = self.there.as_ref().and_then(|there| there.blobs.as_ref());
        let stored = session.shared.and_then(|shared| shared.stored_here(job));
        let (Some(blobs), Some(stored)) = (blobs, stored) else { return Ok(None) };
        self.blobs.hold(blobs, &stored.digest);
        if !self.blobs.holds(&stored.digest).at(&job.blob.from.at)? {
            return Ok(None);
        }
        job.read(session)?;
        Ok(Some(stored))
    }

    /// Renames the new layout into place; returns whether the place was free.
    fn publish(&self, top: &Top<'_>, descriptors: &[Descriptor]) -> Result<bool> {
        let raw = index_json(top.verbatim.as_deref(), descriptors).at(&self.at)?;
        self.root.replace(MARKER_NAME, MARKER, &self.root).at(&self.at)?;
        self.root.replace(INDEX_NAME, &raw, &self.root).at(&self.at)?;
        self.root.sync().at(&self.at)?;
        match self.private.publish("layout", &self.path) {
            Err(Error { kind: ErrorKind::Exists, .. }) if self.when_there == WhenThere::Append => {
                Ok(false)
            }
            done => done.map(|()| true),
        }
    }

    /// Adds the blobs and entries to an existing layout, under the lock; `private` is a folder
    /// inside it.
    fn commit(
        &self,
        entries: Vec<Entry>,
        private: &Folder,
        progress: &dyn Progress,
    ) -> Result<Vec<Note>> {
        let at = &self.at;
        self.private.go_on()?;
        let root = open_root(&self.path, at)?;
        let handle = open_folder(&self.path).map_err(ErrorKind::Write).at(at)?;
        let file = handle.try_clone().map_err(ErrorKind::Write).at(at)?;
        let lock = CommitLock::take((handle, ""), file.into(), at, progress)?;
        let index_at = at.member(INDEX_NAME);
        let old = existing_index(&root, at)?;
        let known = old.as_ref().map(|index| index.view().manifests.clone()).unwrap_or_default();
        let same = |a: &Entry, b: &Entry| digest_of(a) == digest_of(b);
        let (merged, notes) = merge(entries_of(&known), entries, &same, &index_at);
        let manifests = spelled(&merged);
        let blobs = Blobs::open(&root, at)?;
        if old.is_none() {
            root.replace(MARKER_NAME, MARKER, private).at(at)?;
        }
        if old.is_none() || manifests != known {
            let view = old.as_ref().map(|index| index.view().clone());
            let view = view.unwrap_or_else(|| Index::of(Vec::new()));
            let raw = Index { manifests, ..view }.to_json().into_bytes();
            fits(&raw).at(at)?;
            let published = self.blobs.publish_into(&blobs, at)?;
            blobs.sync().at(at)?;
            let now = root.read(INDEX_NAME, limits::ARCHIVE_DOCUMENT).at(&index_at)?;
            let changed = now.as_deref() != old.as_ref().map(Document::raw);
            if changed || !lock.is_held() {
                // Another process without the lock, or that has it now, may have written: its
                // changes must not be lost.
                return Err(Error::new(&index_at, ErrorKind::DestinationChanged));
            }
            root.replace(INDEX_NAME, &raw, private).at(&index_at)?;
            published.keep();
            root.sync().at(at)?;
        }
        sweep(&self.path, &root);
        Ok(notes)
    }
}

impl<'j> Store<'j> for LayoutStore<'_> {
    fn put(&self, job: Job<'j>, session: Session<'_>) -> Result<StoredBlob> {
        let there = match self.link(&job, session)? {
            None => self.reuse(&job, session)?,
            there => there,
        };
        match there {
            Some(stored) => Ok(stored),
            None => self.blobs.store(&job, session),
        }
    }

    fn finish(self: Box<Self>, top: Top<'j>, session: Session<'_>) -> Result<Vec<Note>> {
        for document in &top.documents {
            self.blobs.document(document).at(&self.at)?;
        }
        self.blobs.sync().at(&self.at)?;
        if self.there.is_some() {
            return self.commit(top.entries, &self.private.root()?, session.progress);
        }
        if self.publish(&top, &spelled(&top.entries))? {
            return Ok(Vec::new());
        }
        // Another process was faster: move the new files into its layout, through a folder inside
        // it, where the next writer finds the leftovers of a killed one.
        let private = Private::inside(&self.path, self.at.clone(), session.progress)?;
        let folder = private.root()?;
        self.root.move_into("blobs", &folder).at(&self.at)?;
        self.commit(top.entries, &folder, session.progress)
    }
}

/// The bytes of an `index.json`: those of the source, or new ones.
pub(crate) fn index_json(
    verbatim: Option<&[u8]>,
    entries: &[Descriptor],
) -> Result<Vec<u8>, ErrorKind> {
    let raw = match verbatim {
        Some(raw) => raw.to_vec(),
        None => Index::of(entries.to_vec()).to_json().into_bytes(),
    };
    fits(&raw)?;
    Ok(raw)
}

/// Refuses an `index.json` above the limit for reading.
fn fits(raw: &[u8]) -> Result<(), ErrorKind> {
    if raw.len() as u64 > limits::ARCHIVE_DOCUMENT {
        let what = "the size of index.json, in bytes,";
        return Err(ErrorKind::limit(what, limits::ARCHIVE_DOCUMENT, raw.len()));
    }
    Ok(())
}

fn digest_of(entry: &Entry) -> Option<Digest> {
    entry.descriptor.as_ref().map(|it| it.digest)
}

fn entries_of(descriptors: &[Descriptor]) -> Vec<Entry> {
    let entry = |descriptor: &Descriptor| Entry {
        names: Name::all_of_entry(descriptor),
        descriptor: Some(Arc::new(descriptor.clone())),
        node: 0,
    };
    descriptors.iter().map(entry).collect()
}

fn open_root(path: &Path, at: &Location) -> Result<Folder> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::open(path, flags, Mode::empty())
        .map_err(|errno| ErrorKind::Write(errno.into()))
        .at(at)?;
    Ok(Folder::of(handle))
}

/// The index of an existing layout; `None` for an empty folder, or one where a writer has written,
/// or was killed after, only its first file.
fn existing_index(root: &Folder, at: &Location) -> Result<Option<Document<Index>>> {
    let marker_at = at.member(MARKER_NAME);
    let Some(marker) = root.read(MARKER_NAME, limits::LAYOUT_MARKER).at(&marker_at)? else {
        let others = root.names().at(at)?;
        let ours = |name: &String| name.starts_with(PREFIX) || name == "blobs";
        return match others.iter().all(ours) {
            true => Ok(None),
            false => Err(Error::new(at, ErrorKind::NotALayout)),
        };
    };
    check_marker(&marker).at(&marker_at)?;
    let index_at = at.member(INDEX_NAME);
    let read = || root.read(INDEX_NAME, limits::ARCHIVE_DOCUMENT).at(&index_at);
    if let Some(raw) = read()? {
        return Document::parse(raw).at(&index_at).map(Some);
    }
    if root.names().at(at)?.iter().any(|name| name.starts_with(PREFIX)) {
        return Ok(None);
    }
    // The writer may have finished between the two checks.
    match read()? {
        Some(raw) => Document::parse(raw).at(&index_at).map(Some),
        None => {
            let by = MARKER_NAME.to_owned();
            Err(Error::new(&index_at, ErrorKind::MissingMember { by }))
        }
    }
}

/// The compressed layers of a layout; empty if it cannot be read, because they are optional.
fn stored_layers(path: &Path) -> BTreeMap<(DiffId, Compression), (Claim, ByteSource)> {
    let mut found = BTreeMap::new();
    let Ok(files) = Files::open(Input::Path(path.to_owned()), Reception::spooled(path), &Quiet)
    else {
        return found;
    };
    for node in super::read(&files).nodes {
        let Node::Image(image) = node else { continue };
        for layer in image.layers {
            if let (Some(claim), Some(from)) = (layer.claim, layer.blob) {
                found.entry((layer.diff_id, layer.codec)).or_insert((claim.claim(), from));
            }
        }
    }
    found
}

/// Removes the leftovers of dead writers in a layout: their private folders, and their named blobs
/// that no document refers to. Only under the lock.
fn sweep(path: &Path, root: &Folder) {
    let abandoned = abandoned(path);
    if abandoned.is_empty() {
        return;
    }
    let Ok(files) = Files::open(Input::Path(path.to_owned()), Reception::spooled(path), &Quiet)
    else {
        return;
    };
    let Reading { nodes, entries, .. } = super::read(&files);
    let named = Reading::paths(&nodes, &entries);
    for folder in abandoned {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let below = format!("blobs/{}", algorithm.name());
            let (Ok(theirs), Ok(Some(ours))) = (
                open_folder(&folder.path.join(&below)).map(Folder::of),
                open_below(root, algorithm),
            ) else {
                continue;
            };
            for name in theirs.names().unwrap_or_default() {
                if !named.contains(&format!("{below}/{name}")) && theirs.is_same(&ours, &name) {
                    ours.remove(&name);
                }
            }
        }
        folder.remove();
    }
}

fn open_below(root: &Folder, algorithm: Algorithm) -> Result<Option<Folder>, ErrorKind> {
    match root.open_folder("blobs")? {
        Some(blobs) => blobs.open_folder(algorithm.name()),
        None => Ok(None),
    }
}
