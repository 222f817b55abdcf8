//! Adding to a layout in place: blobs first, `index.json` last, under a lock.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::blobs::Blobs;
use super::existing::unname;
use super::jobs::Job;
use super::plan::Plan;
use super::tree::Tree;
use super::written::{Written, written};
use crate::archive::members::StoredBlob;
use crate::bytes::files::{Files, Input};
use crate::bytes::parallel::parallel;
use crate::bytes::staging::{Folder, Locked, lock};
use crate::codec::{Compression, Pool};
use crate::digest::DiffId;
use crate::document::descriptor::{CONTAINERD_NAME, Descriptor, REF_NAME};
use crate::document::{Document, Index};
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::Node;
use crate::image::layer::{Encode, measure};
use crate::image::reading::Reading;
use crate::image::reason::Loss;
use crate::layout::{self, INDEX_NAME, MARKER, MARKER_NAME};
use crate::limits;
use crate::progress::{Event, Progress, Quiet};

/// Adds the planned entries to a layout: blobs first, `index.json` last, under a lock.
pub(super) fn layout(
    plan: &Plan,
    path: &Path,
    progress: &dyn Progress,
    losses: &mut Vec<Loss>,
) -> Result<Vec<Written>> {
    let at = Location::of(path);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::open(path, flags, Mode::empty())
        .map_err(|errno| ErrorKind::Write(errno.into()))
        .at(&at)?;
    let locked = File::from(handle);
    let alone = lock(&locked, &at, progress)?;
    let root = OwnedFd::from(locked.try_clone().map_err(ErrorKind::Write).at(&at)?);
    let root = Folder::of(root);
    let index = existing_index(&root, &at)?;
    let blobs = Blobs::open(&root).at(&at.member("blobs"))?;
    if alone == Locked::Alone {
        root.sweep();
        blobs.sweep();
    }
    let done = add(plan, path, (&root, index, &blobs), progress, losses);
    if done.is_err() {
        blobs.undo();
    }
    done
}

/// Adds blobs and entries to an open layout.
fn add(
    plan: &Plan,
    path: &Path,
    (root, index, blobs): (&Folder, Option<Document<Index>>, &Blobs),
    progress: &dyn Progress,
    losses: &mut Vec<Loss>,
) -> Result<Vec<Written>> {
    let at = Location::of(path);
    let here = stored_layers(plan, path);
    let threads = plan.target.threads;
    let stored = Pool::with(threads, |pool| {
        parallel(plan.work(), threads, &Job::size, &|job| match reusable(job, &here) {
            Some(layer) => reuse(job, layer, pool, progress),
            None => blobs.store(job, pool, progress),
        })
    })?;
    let (tree, entries) = Tree::build(plan, &stored)?;
    losses.extend(tree.losses.iter().cloned());
    blobs.documents(&tree.members).at(&at)?;
    blobs.sync().at(&at)?;
    if index.is_none() {
        root.replace(MARKER_NAME, MARKER).at(&at)?;
    }
    let old = index.as_ref().map(|index| index.view().clone());
    let new = merged(old.unwrap_or_else(|| Index::of(Vec::new())), entries);
    let unchanged = index.as_ref().is_some_and(|old| old.view().manifests == new.manifests);
    if !unchanged {
        let raw = new.to_json().into_bytes();
        root.replace(INDEX_NAME, &raw).at(&at.member(INDEX_NAME))?;
        blobs.keep();
    }
    root.sync().at(&at)?;
    Ok(written(plan, &|node| tree.manifest(node)))
}

/// The index of a layout that is there; nothing for an empty folder.
fn existing_index(root: &Folder, at: &Location) -> Result<Option<Document<Index>>> {
    let marker_at = at.member(MARKER_NAME);
    let Some(marker) = root.read(MARKER_NAME, limits::LAYOUT_MARKER).at(&marker_at)? else {
        return match root.is_empty().at(at)? {
            true => Ok(None),
            false => Err(Error::new(at, ErrorKind::NotALayout)),
        };
    };
    layout::check_marker(&marker).at(&marker_at)?;
    let index_at = at.member(INDEX_NAME);
    match root.read(INDEX_NAME, limits::ARCHIVE_DOCUMENT).at(&index_at)? {
        Some(raw) => Document::parse(raw).at(&index_at).map(Some),
        None => {
            let by = MARKER_NAME.to_owned();
            Err(Error::new(&index_at, ErrorKind::MissingMember { by }))
        }
    }
}

/// A compressed layer that a layout has already.
struct Here {
    codec: Compression,
    claim: Descriptor,
    from: crate::bytes::files::ByteSource,
}

/// Layers by their uncompressed tar and by what they are compressed with.
type Layers = BTreeMap<(DiffId, Compression), Here>;

/// The layers of a layout's images, where any is to be compressed; none where it cannot be read,
/// as nothing depends on it.
fn stored_layers(plan: &Plan, path: &Path) -> Layers {
    let mut here = Layers::new();
    if !plan.work().iter().any(|job| matches!(job.encode, Encode::Compress(_))) {
        return here;
    }
    let Ok(files) = Files::open(Input::Path(path.to_owned()), path, &Quiet) else { return here };
    let Ok(Reading { nodes, .. }) = layout::read(&files) else { return here };
    for node in nodes {
        let Node::Image(image) = node else { continue };
        for layer in image.layers {
            if let (Some(claim), Some(from)) = (layer.claim, layer.blob) {
                let codec = layer.codec;
                here.entry((layer.diff_id, codec)).or_insert(Here { codec, claim, from });
            }
        }
    }
    here
}

/// A layer of the layout that can stand for one that would be compressed again.
fn reusable<'a>(job: &Job, here: &'a Layers) -> Option<&'a Here> {
    let Encode::Compress(_) = job.encode else { return None };
    here.get(&(job.diff_id()?, job.stored_codec()))
}

/// Checks a layer that is there, its stored bytes and its uncompressed tar, instead of reading the source.
fn reuse(job: &Job, layer: &Here, pool: &Pool, progress: &dyn Progress) -> Result<StoredBlob> {
    let _ = progress.event(Event::Step(&format!("finds {} there already", layer.claim.digest)));
    let form = (layer.codec, layer.claim.digest.algorithm());
    let there = measure(&layer.from, form, pool, progress).at(&layer.from.at)?;
    layer.claim.check(&there.source).at(&layer.from.at)?;
    job.check_plain(&there).at(&layer.from.at)?;
    Ok(StoredBlob { digest: layer.claim.digest, size: layer.claim.size, content: None })
}

/// The entries of an index with new ones behind them. A name moves to the new entry; an image that
/// loses its last name stays without one.
fn merged(mut index: Index, new: Vec<Descriptor>) -> Index {
    let mut taken: Vec<String> = index
        .manifests
        .iter()
        .filter_map(|entry| entry.annotations.get(REF_NAME).cloned())
        .collect();
    for mut entry in new {
        let same = |old: &Descriptor, key: &str| {
            let value = entry.annotations.get(key);
            value.is_some() && old.annotations.get(key) == value
        };
        let full = entry.annotations.contains_key(CONTAINERD_NAME);
        let named = entry.annotations.contains_key(REF_NAME);
        let rival = index
            .manifests
            .iter()
            .position(|old| if full { same(old, CONTAINERD_NAME) } else { same(old, REF_NAME) });
        match rival {
            Some(at) if index.manifests.get(at).is_some_and(|old| old.digest == entry.digest) => {
                continue;
            }
            Some(at) => {
                if let Some(old) = index.manifests.get_mut(at) {
                    unname(old);
                }
            }
            None if !named && index.manifests.iter().any(|old| old.digest == entry.digest) => {
                continue;
            }
            None => {
                // The tag alone is another image's already: the full name tells them apart.
                if let (Some(ref_name), Some(name)) =
                    (entry.annotations.get(REF_NAME), entry.annotations.get(CONTAINERD_NAME))
                    && taken.contains(ref_name)
                {
                    let name = name.clone();
                    entry.annotations.insert(REF_NAME.to_owned(), name);
                }
            }
        }
        taken.extend(entry.annotations.get(REF_NAME).cloned());
        index.manifests.push(entry);
    }
    index
}
