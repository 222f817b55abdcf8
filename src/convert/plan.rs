//! What a conversion will do: which images, how each layer is stored, what gets lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::existing;
use super::select::{self, Chosen};
use super::work::Work;
use super::{Format, GzipMembers, LayerCompression, Losses, Platforms, Target};
use crate::archive::Dialect;
use crate::bytes::staging::FileState;
use crate::codec::{Compression, GZIP_LEVEL, Pipeline, ZSTD_LEVEL};
use crate::document::Document;
use crate::error::{Error, ErrorKind, Location, Result};
use crate::image::claims::Claims;
use crate::image::layer::Encode;
use crate::image::names::is_spelled_apart;
use crate::image::reading::Note;
use crate::image::reason::{Loss, Reason};
use crate::image::{Child, Entry, Image, Layer, Name, Node, NodeId, NotImage};
use crate::platform::Platform;
use crate::progress::{Progress, Quiet};
use crate::source::{Source, digest_of, unambiguous};
use crate::store::Job;

/// Everything that was decided before a layer is read.
pub struct Plan {
    /// What the destination will not have.
    pub losses: Vec<Loss>,
    /// What is odd about the source.
    pub notes: Vec<Note>,
    pub(super) target: Arc<Target>,
    pub(super) source: Source,
    pub(super) entries: Vec<Entry>,
    /// For a docker archive: the images of `manifest.json`, in order, with their names.
    pub(super) subjects: Vec<(NodeId, Vec<Name>)>,
    pub(super) work: Work,
    /// Children of indexes that speak of an image that changes, and are left out.
    pub(super) stale: Stale,
    pub(super) mode: Mode,
    /// Whether the source's `index.json` can be written as it is.
    verbatim: bool,
    /// What was chosen of the source, for the case that the destination changes meanwhile.
    own: Own,
}

/// Whether the destination is made or added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    New,
    /// What was there when the plan was made.
    Append(FileState),
}

/// Indexes, and the places of children in them.
type Stale = BTreeSet<(NodeId, usize)>;

/// The source as it was before an archive was put before it.
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
    /// The source's own, byte for byte.
    Kept(crate::digest::Digest),
    /// A new one, whose digest is known once layers are stored.
    New,
    /// The destination has none.
    None,
}

/// One image, as it is planned.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PlannedImage {
    /// Its names in the destination.
    pub names: Vec<String>,
    /// Its platform.
    pub platform: Platform,
    /// Its ID, which stays.
    pub image_id: crate::digest::ImageId,
    /// Its manifest in the destination.
    pub manifest: PlannedManifest,
    /// Layers that are copied byte for byte, and layers in all.
    pub kept: (usize, usize),
    /// Stored bytes to read.
    pub size: u64,
}

impl Plan {
    /// Each image once, in order.
    #[must_use]
    pub fn images(&self) -> Vec<PlannedImage> {
        let planned = |(node, names): (NodeId, Vec<Name>)| {
            let names = names.iter().map(Name::shown).collect();
            self.source.image(node).map(|image| self.planned(node, image, names))
        };
        self.named_images().into_iter().filter_map(planned).collect()
    }

    /// The images of the destination, each once with all its names, in order.
    pub(super) fn named_images(&self) -> Vec<(NodeId, Vec<Name>)> {
        if is_plain(self.target.format) {
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

    /// The distinct blobs that will be read, each with all that is said of it.
    pub(super) fn jobs(&self) -> Vec<Job<'_>> {
        self.work.jobs(&self.source.blobs)
    }

    /// The dialect, of a docker archive.
    pub(super) fn dialect(&self) -> Option<Dialect> {
        match self.target.format {
            Format::DockerArchive(dialect) => Some(dialect),
            Format::Layout | Format::OciArchive => None,
        }
    }

    /// Whether manifests and indexes have a place at the destination.
    pub(super) fn holds_documents(&self) -> bool {
        !is_plain(self.target.format)
    }

    /// The source's `index.json`, where it can be written as it is.
    pub(super) fn verbatim_index(&self) -> Option<Arc<[u8]>> {
        self.source.index.as_ref().filter(|_| self.verbatim).map(Document::shared)
    }

    /// The same plan for an archive that is another one now.
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
        };
        let existing = existing::mode(&self.target, progress)?;
        decide(source, Arc::clone(&self.target), self.own.chosen.clone(), existing)
    }

    fn planned(&self, node: NodeId, image: &Image, names: Vec<String>) -> PlannedImage {
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
            platform: image.config.view().platform.clone(),
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
/// The source has a problem, what was asked for is not there, or `--strict` and a loss.
pub fn plan(mut source: Source, target: Target) -> Result<Plan> {
    target.check()?;
    // Two images of one name are in nobody's way where one of them is chosen.
    let ambiguous = |it: &Error| matches!(it.kind, ErrorKind::AmbiguousName { .. });
    if let Some(problem) = source.problems.iter().position(|it| !ambiguous(it)) {
        return Err(source.problems.swap_remove(problem));
    }
    let chosen = select::choose(&mut source, &target)?;
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
    unambiguous(&source, &entries)?;
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
        Format::Layout | Format::OciArchive => Vec::new(),
    };
    let Decided { work, stale, changed } =
        work(&source, &entries, &subjects, &target, &mut losses)?;
    let index = source.index.as_ref().map(|index| &index.view().manifests);
    let apart = index.is_some_and(|entries| is_spelled_apart(entries));
    let verbatim = chosen.whole && !changed && mode == Mode::New && apart;
    if target.losses == Losses::Refused {
        losses.extend(notes.iter().map(|note| Loss::new(Reason::Oddity, note)));
    }
    losses.sort();
    losses.dedup();
    let plan =
        Plan { losses, notes, target, source, entries, subjects, work, stale, mode, verbatim, own };
    if plan.target.losses == Losses::Refused && !plan.losses.is_empty() {
        let losses: Vec<String> = plan.losses.iter().map(ToString::to_string).collect();
        let losses = losses.join("; ");
        return Err(Error::new(&plan.source.at, ErrorKind::Strict { losses }));
    }
    Ok(plan)
}

/// Refuses an image that was chosen and is not here; where everything is converted it is a part of
/// a sparse source.
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

/// What is read, and what of it changes.
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
    let holds_documents = !is_plain(target.format);
    let none = Stale::new();
    let nodes: Vec<NodeId> = match holds_documents {
        true => reachable(source, entries, &none),
        false => subjects.iter().map(|(node, _)| *node).collect(),
    };
    let mut layers: BTreeMap<NodeId, Vec<Encode>> = BTreeMap::new();
    let mut changed = BTreeSet::new();
    for node in nodes {
        let Some(image) = source.image(node) else { continue };
        let encodes = encodes(image, target)?;
        let kept = encodes.iter().all(|encode| *encode == Encode::Keep);
        if !kept || image.manifest.is_none() {
            changed.insert(node);
        }
        if !(kept && holds_documents) {
            lose_manifest(image, target.format, losses);
        }
        lose_layers(image, target, losses);
        layers.insert(node, encodes);
    }
    let stale = if holds_documents { stale(source, &mut changed, losses) } else { none };
    let nodes: Vec<NodeId> = match holds_documents {
        true => reachable(source, entries, &stale),
        false => subjects.iter().map(|(node, _)| *node).collect(),
    };
    let mut work = Work::default();
    for node in nodes {
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
    Ok(Decided { work, stale, changed: !changed.is_empty() })
}

/// The children of indexes that speak of an image that gets another manifest; the indexes that
/// change with them join `changed`.
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

fn index_of((node, it): (NodeId, &Node)) -> Option<(NodeId, &Vec<Child>)> {
    match it {
        Node::Index { children, .. } => Some((node, children)),
        _ => None,
    }
}

/// Whether the destination holds images alone, with uncompressed layers.
pub(super) fn is_plain(form: Format) -> bool {
    matches!(form, Format::DockerArchive(dialect) if dialect.is_plain())
}

/// All nodes below the entries, each once, without what is left out.
fn reachable(source: &Source, entries: &[Entry], without: &Stale) -> Vec<NodeId> {
    let mut found = Vec::new();
    let mut seen = vec![false; source.nodes.len()];
    let mut todo: Vec<NodeId> = entries.iter().rev().map(|entry| entry.node).collect();
    while let Some(node) = todo.pop() {
        if std::mem::replace(seen.get_mut(node).unwrap_or(&mut true), true) {
            continue;
        }
        found.push(node);
        if let Some(Node::Index { children, .. }) = source.nodes.get(node) {
            let kept = children.iter().enumerate().rev();
            todo.extend(kept.filter(|it| !without.contains(&(node, it.0))).map(|it| it.1.node));
        }
    }
    found
}

/// How each layer of an image is stored.
fn encodes(image: &Image, target: &Target) -> Result<Vec<Encode>> {
    if let Format::DockerArchive(dialect) = target.format {
        if let Some(claim) =
            image.layers.iter().find(|it| !it.is_here()).and_then(|it| it.claim.as_ref())
        {
            let why = "a non-distributable layer is not here, and its urls are never fetched";
            let at = image.config_at.member(&claim.path());
            return Err(Error::new(&at, ErrorKind::CannotHold { why }));
        }
        if dialect.is_plain() {
            return Ok(image.layers.iter().map(|layer| plain(layer.codec)).collect());
        }
    }
    // What a registry's manifest lists stays as it is, so that the manifest's digest does.
    if target.compression == LayerCompression::Auto && image.manifest.is_some() {
        return Ok(vec![Encode::Keep; image.layers.len()]);
    }
    Ok(image.layers.iter().map(|layer| encode(layer, target)).collect())
}

fn encode(layer: &Layer, target: &Target) -> Encode {
    if !layer.is_here() {
        return Encode::Keep;
    }
    let gzip = match target.members {
        GzipMembers::Many => Pipeline::GzipMany(target.level.unwrap_or(GZIP_LEVEL)),
        GzipMembers::One => Pipeline::GzipOne(target.level.unwrap_or(6).clamp(0, 9).unsigned_abs()),
    };
    let zstd = Pipeline::Zstd(target.level.unwrap_or(ZSTD_LEVEL));
    // A level asks for compressing anew.
    let again = target.level.is_some();
    match (target.compression, layer.codec) {
        (LayerCompression::Auto, Compression::Gzip | Compression::Zstd) => Encode::Keep,
        (LayerCompression::Gzip, Compression::Gzip)
        | (LayerCompression::Zstd, Compression::Zstd)
            if !again =>
        {
            Encode::Keep
        }
        (LayerCompression::Auto | LayerCompression::Gzip, _) => Encode::Compress(gzip),
        (LayerCompression::Zstd, _) => Encode::Compress(zstd),
        (LayerCompression::None, codec) => plain(codec),
    }
}

fn plain(codec: Compression) -> Encode {
    if codec == Compression::None { Encode::Keep } else { Encode::Decompress }
}

/// What is lost with a manifest that is not kept.
fn lose_manifest(image: &Image, form: Format, losses: &mut Vec<Loss>) {
    let Some(manifest) = &image.manifest else { return };
    let digest = manifest.measured().digest();
    losses.push(Loss::new(Reason::Manifest, digest));
    let view = manifest.view();
    let said = view.subject.is_some() || !view.artifact_type.is_empty();
    if is_plain(form) && (said || !view.annotations.is_empty()) {
        losses.push(Loss::new(Reason::Annotations, digest));
    }
}

/// Layers that are elsewhere, or that some loaders cannot read.
fn lose_layers(image: &Image, target: &Target, losses: &mut Vec<Loss>) {
    for layer in image.layers.iter().filter(|layer| !layer.is_here()) {
        let digest = layer.claim.as_ref().map(|claim| claim.digest.to_string());
        losses.push(Loss::new(Reason::NonDistributable, digest.unwrap_or_default()));
    }
    let zstd = match target.compression {
        LayerCompression::Zstd => true,
        LayerCompression::Auto => image.layers.iter().any(|layer| layer.codec == Compression::Zstd),
        LayerCompression::Gzip | LayerCompression::None => false,
    };
    if zstd && matches!(target.format, Format::DockerArchive(_)) && !is_plain(target.format) {
        losses.push(Loss::new(Reason::Zstd, image.id()));
    }
}

/// The images that `manifest.json` will list, one per entry, equal ones with all their names.
fn subjects(
    source: &Source,
    entries: &[Entry],
    platforms: &Platforms,
    dialect: Dialect,
    losses: &mut Vec<Loss>,
) -> Result<Vec<(NodeId, Vec<Name>)>> {
    let mut subjects = Grouped::default();
    for entry in entries {
        let images = source.images_below(entry.node);
        if dialect.is_plain() {
            drop_others(source, entry, &images, losses);
        }
        let Some(node) = preferred(source, &images, platforms) else {
            if dialect.is_plain()
                || matches!(source.nodes.get(entry.node), Some(Node::UnknownBlob(..)))
            {
                losses.push(Loss::new(Reason::Artifact, digest_of(source, entry)));
            }
            continue;
        };
        let mut names = Vec::new();
        for name in &entry.names {
            match &name.reference {
                Some(_) => names.push(name.clone()),
                None => losses.push(Loss::new(Reason::RefName, &name.ref_name)),
            }
        }
        subjects.add(node, names);
    }
    if subjects.images.is_empty() {
        return Err(no_image(source));
    }
    Ok(subjects.images)
}

/// Images in the order of their first names, each with all its names, each name once.
#[derive(Default)]
struct Grouped {
    images: Vec<(NodeId, Vec<Name>)>,
    at: BTreeMap<NodeId, usize>,
    seen: BTreeSet<(NodeId, Name)>,
}

impl Grouped {
    fn add(&mut self, node: NodeId, names: Vec<Name>) {
        let at = *self.at.entry(node).or_insert_with(|| {
            self.images.push((node, Vec::new()));
            self.images.len().saturating_sub(1)
        });
        if let Some((_, known)) = self.images.get_mut(at) {
            let new = |name: &Name| self.seen.insert((node, name.clone()));
            known.extend(names.into_iter().filter(new));
        }
    }
}

fn no_image(source: &Source) -> Error {
    let at: &Location = &source.at;
    let found = "artifacts or other media types only: their config is no image config".to_owned();
    Error::new(at, ErrorKind::NoImage { found })
}

/// The image for a platform that was asked for, else for the host, else the first.
pub(crate) fn preferred(
    source: &Source,
    images: &[NodeId],
    platforms: &Platforms,
) -> Option<NodeId> {
    let host = [Platform::host()];
    let wanted = match platforms {
        Platforms::Only(wanted) => wanted.as_slice(),
        Platforms::Default | Platforms::All => &host,
    };
    let matches = |node: &&NodeId| {
        let platform = source.image(**node).map(|image| &image.config.view().platform);
        platform.is_some_and(|it| wanted.iter().any(|wanted| it.matches(wanted)))
    };
    images.iter().find(matches).or(images.first()).copied()
}

/// What a plain dialect leaves out of an entry.
fn drop_others(source: &Source, entry: &Entry, images: &[NodeId], losses: &mut Vec<Loss>) {
    let Some(Node::Index { .. }) = source.nodes.get(entry.node) else { return };
    losses.push(Loss::new(Reason::Index, digest_of(source, entry)));
    if images.len() > 1 {
        let platforms: Vec<String> = images
            .iter()
            .filter_map(|node| Some(source.image(*node)?.config.view().platform.to_string()))
            .collect();
        losses.push(Loss::new(Reason::Platforms, platforms.join(", ")));
    }
    for node in reachable(source, std::slice::from_ref(entry), &Stale::new()) {
        if let Some(Node::Other { document, why, .. }) = source.nodes.get(node) {
            let reason = match why {
                NotImage::Attestation => Reason::Attestation,
                NotImage::Artifact | NotImage::Encrypted => Reason::Artifact,
                NotImage::Incomplete => continue,
            };
            losses.push(Loss::new(reason, document.measured().digest()));
        }
    }
}
