//! Plans a conversion: the images, how each layer is stored, and the losses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::encoding::{encodes, lose_layers, lose_manifest};
use super::existing::{self, Mode};
use super::fetched::other_platforms;
use super::platforms::Chosen;
use super::saved::{Grouped, dialect_note, several_note, subjects};
use super::select;
use super::work::Work;
use super::{Existing, Format, GzipMembers, Losses, Target};
use crate::archive::Dialect;
use crate::bytes::files::{BlobKey, BlobUse};
use crate::codec::Compression;
use crate::digest::Digest;
use crate::document::Document;
use crate::document::media_type::{MediaFamily, MediaKind};
use crate::error::{Error, ErrorKind, Result};
use crate::image::claims::Claims;
use crate::image::layer::Encode;
use crate::image::names::is_spelled_apart;
use crate::image::readers;
use crate::image::reading::Note;
use crate::image::reason::{Loss, Reason};
use crate::image::{Child, Entry, Image, Layer, Name, Node, NodeId};
use crate::layout::RECORDED;
use crate::platform::Platform;
use crate::progress::{Progress, Quiet};
use crate::recover::{self, Means};
use crate::source::{Apart, Source, Stale, digest_of, reachable, unambiguous};
use crate::store::Job;

/// All decisions that are made before a layer is read.
pub struct Plan {
    /// What will be lost.
    pub losses: Vec<Loss>,
    /// Notes about the source.
    pub notes: Vec<Note>,
    pub(super) target: Arc<Target>,
    pub(super) source: Source,
    pub(super) entries: Vec<Entry>,
    /// For a docker archive: the images of `manifest.json`, in order, with their names.
    pub(super) subjects: Vec<(NodeId, Vec<Name>)>,
    pub(super) work: Work,
    /// Children of indexes that describe a changed image and are left out.
    pub(super) stale: Stale,
    pub(super) mode: Mode,
    /// Whether the `index.json` of the source can be kept.
    verbatim: bool,
    /// The selected entries, in case the destination changes during the run.
    own: Own,
}

/// The source before the existing archive was added.
#[derive(Clone)]
struct Own {
    nodes: usize,
    chosen: Chosen,
    notes: Vec<Note>,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("target", &self.target)
            .field("images", &self.images())
            .field("losses", &self.losses)
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}

/// The manifest of an image in the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlannedManifest {
    /// Kept byte for byte.
    Kept(crate::digest::Digest),
    /// A new one; its digest is known after the layers are stored.
    New,
    /// The destination has none.
    None,
}

/// One planned image.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PlannedImage {
    /// Its names in the destination.
    pub names: Vec<String>,
    /// Its platform, from its index, otherwise from the config.
    pub platform: Platform,
    /// Its image ID, which does not change.
    pub image_id: crate::digest::ImageId,
    /// Its manifest in the destination.
    pub manifest: PlannedManifest,
    /// The number of layers that are kept, and of all layers.
    pub kept: (usize, usize),
    /// Stored bytes to read.
    pub size: u64,
}

impl Plan {
    /// Each image once, in order.
    #[must_use]
    pub fn images(&self) -> Vec<PlannedImage> {
        let platforms = self.source.platforms();
        let planned = |(node, names): (NodeId, Vec<Name>)| {
            let names = names.iter().map(Name::shown).collect();
            let platform = platforms.get(&node).cloned().unwrap_or_default();
            self.source.image(node).map(|image| self.planned((node, image), platform, names))
        };
        self.named_images().into_iter().filter_map(planned).collect()
    }

    /// The images whose compressed layers the destination does not keep.
    #[must_use]
    pub fn losing_layers(&self) -> BTreeSet<NodeId> {
        let loses = |node: &NodeId| {
            let Some(image) = self.source.image(*node) else { return false };
            let encodes = self.work.encodes(*node);
            let mut layers = image.layers.iter().zip(&encodes);
            image.manifest.is_some()
                && layers.any(|(layer, encode)| {
                    layer.codec != Compression::None && *encode != Encode::Keep
                })
        };
        self.named_images().into_iter().map(|(node, _)| node).filter(loses).collect()
    }

    /// What brings the compressed layers of these images back, for [`plan`]. Its temporary files are
    /// in the folder `spool`.
    ///
    /// # Errors
    /// A layer cannot be read or decompressed.
    pub fn recovery_file(&self, spool: PathBuf, progress: &dyn Progress) -> Result<Source> {
        let means = Means { spool, threads: self.target.threads };
        recover::recovery_file(&self.source, &self.losing_layers(), &means, progress)
    }

    /// The images of the destination, each once with all its names, in order.
    pub(super) fn named_images(&self) -> Vec<(NodeId, Vec<Name>)> {
        if self.target.format.is_plain() {
            return self.subjects.clone();
        }
        let mut images = Grouped::default();
        for entry in &self.entries {
            for node in self.source.images_below(entry.node) {
                images.add(node, entry.names.clone());
            }
        }
        images.images
    }

    /// The distinct blobs to read, each with all claims.
    pub(super) fn jobs(&self) -> Vec<Job<'_>> {
        let mut jobs = self.work.jobs(&self.source.blobs);
        // A run that adds to an archive may have to begin again.
        if self.target.existing == Existing::Refuse {
            let mut uses: BTreeMap<BlobKey, usize> = BTreeMap::new();
            for job in &jobs {
                let count = uses.entry(job.blob.from.key()).or_default();
                *count = count.saturating_add(1);
            }
            for job in &mut jobs {
                if uses.get(&job.blob.from.key()) == Some(&1) {
                    job.then = BlobUse::Once;
                }
            }
        }
        jobs
    }

    /// The dialect of a docker archive.
    pub(super) fn dialect(&self) -> Option<Dialect> {
        match self.target.format {
            Format::DockerArchive(dialect) => Some(dialect),
            Format::Layout | Format::OciArchive | Format::Directory | Format::Registry => None,
        }
    }

    /// Whether the destination holds manifests and indexes.
    pub(super) fn holds_documents(&self) -> bool {
        !self.target.format.is_plain()
    }

    /// The `index.json` of the source, if it can be kept.
    pub(super) fn verbatim_index(&self) -> Option<Arc<[u8]>> {
        self.source.index.as_ref().filter(|_| self.verbatim).map(Document::shared)
    }

    /// The same plan for an archive that has changed.
    pub(super) fn again(&self, progress: &dyn Progress) -> Result<Self> {
        let own: Vec<Node> = self.source.nodes.iter().take(self.own.nodes).cloned().collect();
        let source = Source {
            at: self.source.at.clone(),
            kind: self.source.kind,
            producer: None,
            blobs: Claims::of(&own),
            nodes: own,
            entries: self.source.entries.clone(),
            index: self.source.index.clone(),
            problems: Vec::new(),
            notes: self.own.notes.clone(),
            named: BTreeSet::new(),
            lost: Vec::new(),
            numbers: None,
        };
        let existing = existing::mode(&self.target, progress)?;
        decide(source, Arc::clone(&self.target), self.own.chosen.clone(), existing)
    }

    fn planned(
        &self,
        (node, image): (NodeId, &Image),
        platform: Platform,
        names: Vec<String>,
    ) -> PlannedImage {
        let encodes = self.work.encodes(node);
        let kept = encodes.iter().filter(|encode| **encode == Encode::Keep).count();
        let manifest = match (&image.manifest, self.target.format) {
            (_, Format::DockerArchive(dialect)) if dialect.is_plain() => match dialect {
                Dialect::Hybrid => PlannedManifest::New,
                _ => PlannedManifest::None,
            },
            (Some(manifest), _) if kept == encodes.len() => {
                PlannedManifest::Kept(manifest.measured().digest())
            }
            _ => PlannedManifest::New,
        };
        PlannedImage {
            names,
            platform,
            image_id: image.id(),
            manifest,
            kept: (kept, encodes.len()),
            size: image.layers.iter().filter_map(Layer::stored_size).sum(),
        }
    }
}

/// Plans a conversion. Reads no layers and writes nothing.
///
/// # Errors
/// The source has a problem, a selected image is missing, or there is a loss with `--strict`.
pub fn plan(mut source: Source, target: Target) -> Result<Plan> {
    target.check()?;
    // Two images with one name are not a problem if one of them is selected.
    let ambiguous = |it: &Error| matches!(it.kind, ErrorKind::AmbiguousName { .. });
    if let Some(problem) = source.problems.iter().position(|it| !ambiguous(it)) {
        return Err(source.problems.swap_remove(problem));
    }
    let mut chosen = select::choose(&mut source, &target)?;
    #[cfg(feature = "registry")]
    if let super::Destination::Registry { with, .. } = &target.destination {
        super::push::attach(&mut source, &mut chosen, *with);
    }
    if source.notes.iter().any(|note| note.code == RECORDED) {
        let what = "expected images with their layers (pass a recovery file to --recover)";
        let found = "a recovery file".to_owned();
        return Err(Error::new(&source.at, ErrorKind::Usage { what, found }));
    }
    chosen.losses.append(&mut source.lost);
    let existing = existing::mode(&target, &Quiet)?;
    decide(source, Arc::new(target), chosen, existing)
}

fn decide(
    mut source: Source,
    target: Arc<Target>,
    chosen: Chosen,
    (mode, there): (Mode, Option<Source>),
) -> Result<Plan> {
    let notes = std::mem::take(&mut source.notes);
    let own = Own { nodes: source.nodes.len(), chosen: chosen.clone(), notes: notes.clone() };
    let (mut losses, mut entries) = (chosen.losses, chosen.entries);
    present(&source, &entries, &target)?;
    let apart = match target.format {
        Format::DockerArchive(_) => Apart::ByFullName,
        Format::Layout | Format::OciArchive | Format::Directory | Format::Registry => {
            Apart::ByRefName
        }
    };
    unambiguous(&source, &entries, apart)?;
    let mut notes = notes;
    if let Some(there) = there {
        let (all, moved) = existing::add(&mut source, entries, there, &target.at());
        entries = all;
        notes.extend(moved);
    }
    let subjects = match target.format {
        Format::DockerArchive(dialect) => {
            subjects(&source, &entries, &target.platforms, dialect, &mut losses)?
        }
        Format::Layout | Format::OciArchive | Format::Directory | Format::Registry => Vec::new(),
    };
    let decided = work(&source, &entries, &subjects, &target, &mut losses)?;
    refuse_idle(&source, &target, &decided)?;
    let Decided { work, stale, changed } = decided;
    let index = source.index.as_ref().map(|index| &index.view().manifests);
    let apart = index.is_some_and(|entries| is_spelled_apart(entries));
    let verbatim = chosen.whole && !changed && mode == Mode::New && apart;
    let docker = match target.format {
        Format::Layout | Format::OciArchive => {
            docker_types(&source, &reachable(&source, &entries, &stale), &work, &target)
        }
        Format::DockerArchive(_) | Format::Directory | Format::Registry => None,
    };
    notes.extend(docker.clone());
    if target.losses == Losses::Refused {
        losses.extend(own.notes.iter().chain(&docker).map(|note| Loss::new(Reason::Oddity, note)));
    }
    losses.sort();
    losses.dedup();
    notes.extend(dialect_note(&subjects, &source, &target));
    notes.extend(several_note(&entries, &target));
    notes.extend(other_platforms(&source, &entries, &target));
    source.blobs.shrink();
    let plan =
        Plan { losses, notes, target, source, entries, subjects, work, stale, mode, verbatim, own };
    if plan.target.losses == Losses::Refused && !plan.losses.is_empty() {
        let losses: Vec<String> = plan.losses.iter().map(ToString::to_string).collect();
        let losses = losses.join("; ");
        return Err(Error::new(&plan.source.at, ErrorKind::Strict { losses }));
    }
    Ok(plan)
}

/// Refuses options without an effect, because everything is kept.
fn refuse_idle(source: &Source, target: &Target, decided: &Decided) -> Result<()> {
    let Decided { work, changed, .. } = decided;
    if target.family.is_some() && !changed {
        let what = "--manifest needs a new manifest (recompress with -c gzip -l 6)";
        let found = "only kept manifests".to_owned();
        return Err(Error::new(&source.at, ErrorKind::Usage { what, found }));
    }
    let gzips = |job: &Job<'_>| matches!(job.encode, Encode::Compress(_));
    let needs = match target.members {
        GzipMembers::Many => None,
        GzipMembers::One => {
            Some("--gzip-members needs new gzip layers (recompress with -c gzip -l 6)")
        }
        GzipMembers::Like(_) => Some("--gzip-like needs layers that are not compressed"),
    };
    if let Some(what) = needs
        && !work.jobs(&source.blobs).iter().any(gzips)
    {
        let found = "only kept layers".to_owned();
        return Err(Error::new(&source.at, ErrorKind::Usage { what, found }));
    }
    Ok(())
}

/// Docker's media types in a layout.
fn docker_types(
    source: &Source,
    documents: &[NodeId],
    work: &Work,
    target: &Target,
) -> Option<Note> {
    let is_docker = |media_type: &str| {
        MediaKind::of(media_type).is_some_and(|(_, family)| family == MediaFamily::Docker)
    };
    let kept = |node: NodeId| work.encodes(node).iter().all(|encode| *encode == Encode::Keep);
    let (mut manifests, mut parts) = (false, false);
    for node in documents {
        match source.nodes.get(*node) {
            Some(Node::Index { document, .. }) => {
                manifests |= document.view().family() == MediaFamily::Docker;
            }
            Some(Node::Other { document, .. }) => {
                manifests |= document.view().family() == MediaFamily::Docker;
            }
            Some(Node::Image(image)) => match &image.manifest {
                Some(manifest) if kept(*node) => {
                    let manifest = manifest.view();
                    manifests |= manifest.family() == MediaFamily::Docker;
                    let described = manifest.config.iter().chain(&manifest.layers);
                    parts |= described.into_iter().any(|it| is_docker(&it.media_type));
                }
                own => {
                    let own = own.as_ref().map(|it| it.view().family());
                    manifests |= target.family.or(own) == Some(MediaFamily::Docker);
                }
            },
            _ => (),
        }
    }
    let row = match (manifests, parts) {
        (true, _) => &readers::DOCKER_MANIFESTS,
        (false, true) => &readers::DOCKER_PARTS,
        (false, false) => return None,
    };
    Some(row.note(&target.at()))
}

/// Refuses a selected image that is missing; without a selection, it is part of a sparse source.
fn present(source: &Source, entries: &[Entry], target: &Target) -> Result<()> {
    let chosen = !target.images.is_empty();
    let absent = |it: &&Entry| matches!(source.nodes.get(it.node), Some(Node::Absent));
    match entries.iter().filter(|_| chosen).find(absent) {
        Some(entry) => {
            let expected = digest_of(source, entry);
            Err(Error::new(&source.at, ErrorKind::MissingBlob { expected }))
        }
        None => Ok(()),
    }
}

/// The data to read and the changes.
struct Decided {
    work: Work,
    stale: Stale,
    changed: bool,
}

fn work(
    source: &Source,
    entries: &[Entry],
    subjects: &[(NodeId, Vec<Name>)],
    target: &Target,
    losses: &mut Vec<Loss>,
) -> Result<Decided> {
    let holds_documents = !target.format.is_plain();
    let nodes = |stale: &Stale| match holds_documents {
        true => reachable(source, entries, stale),
        false => subjects.iter().map(|(node, _)| *node).collect::<Vec<NodeId>>(),
    };
    let mut layers: BTreeMap<NodeId, Vec<Encode>> = BTreeMap::new();
    let mut changed = BTreeSet::new();
    for node in nodes(&Stale::new()) {
        let Some(image) = source.image(node) else { continue };
        let encodes = encodes(image, target)?;
        let kept = encodes.iter().all(|encode| *encode == Encode::Keep);
        if !kept || image.manifest.is_none() {
            changed.insert(node);
        }
        if !(kept && holds_documents) {
            lose_manifest(image, target, losses);
        }
        lose_layers(image, &encodes, target, losses);
        layers.insert(node, encodes);
    }
    let stale = match holds_documents {
        true => stale(source, &mut changed, losses),
        false => Stale::new(),
    };
    let mut work = Work::default();
    for node in nodes(&stale) {
        match source.nodes.get(node) {
            Some(Node::Image(image)) => {
                let encodes = layers.remove(&node).unwrap_or_default();
                work.image(node, image, encodes, &source.blobs);
            }
            Some(Node::Other { blobs, .. }) => {
                blobs.iter().for_each(|(said, blob)| work.blob(said, blob, &source.blobs));
            }
            Some(Node::UnknownBlob(said, blob)) => work.blob(said, blob, &source.blobs),
            _ => (),
        }
    }
    work.shrink();
    if holds_documents {
        losses.extend(dangling(source, entries, &nodes(&stale), &changed));
    }
    Ok(Decided { work, stale, changed: !changed.is_empty() })
}

/// The children of indexes that describe an image with a new manifest; their indexes are added to
/// `changed`.
fn stale(source: &Source, changed: &mut BTreeSet<NodeId>, losses: &mut Vec<Loss>) -> Stale {
    let mut stale = Stale::new();
    if changed.is_empty() {
        return stale;
    }
    loop {
        let before = changed.len();
        for (node, children) in source.nodes.iter().enumerate().filter_map(index_of) {
            let other = |child: &&Child| changed.contains(&child.node);
            let digests: BTreeSet<String> =
                children.iter().filter(other).map(|it| it.descriptor.digest.to_string()).collect();
            if digests.is_empty() {
                continue;
            }
            changed.insert(node);
            for (at, child) in children.iter().enumerate() {
                let about = child.descriptor.annotations.get("vnd.docker.reference.digest");
                if about.is_some_and(|about| digests.contains(about)) && stale.insert((node, at)) {
                    losses.push(Loss::new(Reason::Attestation, child.descriptor.digest));
                }
            }
        }
        if changed.len() == before {
            return stale;
        }
    }
}

/// What stays and is about a manifest that has another digest now, or was left out: referrers by
/// their subject, signatures by their tag (`sha256-HEX.sig`).
fn dangling(
    source: &Source,
    entries: &[Entry],
    kept: &[NodeId],
    changed: &BTreeSet<NodeId>,
) -> Vec<Loss> {
    let kept: BTreeSet<NodeId> = kept.iter().copied().collect();
    let (mut gone, mut there) = (BTreeSet::new(), BTreeSet::new());
    for (at, node) in source.nodes.iter().enumerate() {
        let Some(digest) = own_digest(node) else { continue };
        let stays = kept.contains(&at) && !changed.contains(&at);
        if stays {
            there.insert(digest)
        } else {
            gone.insert(digest)
        };
    }
    gone.retain(|digest| !there.contains(digest));
    let mut losses = Vec::new();
    for node in kept.iter().filter_map(|at| source.nodes.get(*at)) {
        let subject = match node {
            Node::Image(image) => {
                image.manifest.as_ref().and_then(|it| it.view().subject.as_deref())
            }
            Node::Other { document, .. } => document.view().subject.as_deref(),
            _ => None,
        };
        if let (Some(subject), Some(own)) = (subject, own_digest(node))
            && gone.contains(&subject.digest)
        {
            losses.push(Loss::new(Reason::Referrer, format!("{own} (about {})", subject.digest)));
        }
    }
    for name in entries.iter().flat_map(|entry| &entry.names).map(Name::shown) {
        let tag = name.rsplit(':').next().unwrap_or_default();
        let about = tag.split('.').next().unwrap_or_default().replacen('-', ":", 1);
        if about.parse().is_ok_and(|about: Digest| gone.contains(&about)) {
            losses.push(Loss::new(Reason::Referrer, name));
        }
    }
    losses
}

/// The digest of a manifest or index, as the source has it.
pub(super) fn own_digest(node: &Node) -> Option<Digest> {
    Some(match node {
        Node::Image(image) => image.manifest.as_ref()?.measured().digest(),
        Node::Index { document, .. } => document.measured().digest(),
        Node::Other { document, .. } => document.measured().digest(),
        _ => return None,
    })
}

fn index_of((node, it): (NodeId, &Node)) -> Option<(NodeId, &Vec<Child>)> {
    match it {
        Node::Index { children, .. } => Some((node, children)),
        _ => None,
    }
}
