//! What a conversion will do: which images, how each layer is stored, what gets lost.

use std::collections::{BTreeMap, BTreeSet};

use super::existing;
use super::jobs::{Job, Jobs};
use super::select::{self, digest_of};
use super::{Format, GzipMembers, LayerCompression, Losses, Platforms, Target};
use crate::archive::Dialect;
use crate::codec::{Compression, GZIP_LEVEL, Pipeline, ZSTD_LEVEL};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::image::layer::Encode;
use crate::image::reading::Note;
use crate::image::reason::{Loss, Reason};
use crate::image::{Entry, Image, Layer, Name, Node, NodeId, NotImage};
use crate::platform::Platform;
use crate::reference::Reference;
use crate::source::Source;

/// Everything that was decided before a layer is read.
pub struct Plan {
    /// What the destination will not have.
    pub losses: Vec<Loss>,
    /// What is odd about the source.
    pub notes: Vec<Note>,
    pub(super) target: Target,
    pub(super) source: Source,
    pub(super) entries: Vec<Entry>,
    /// For a docker archive: the images of `manifest.json`, in order, with their names.
    pub(super) subjects: Vec<(NodeId, Vec<Name>)>,
    pub(super) jobs: Jobs,
    /// Whether the source's `index.json` can be written as it is.
    pub(super) verbatim: bool,
    /// Holds other writers off an archive that is added to.
    _lock: Option<std::fs::File>,
}

/// The manifest of an image in the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        if is_plain(self.target.form) {
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

    /// Distinct layers that will be read.
    pub(super) fn work(&self) -> &[Job] {
        self.jobs.all()
    }

    fn planned(&self, node: NodeId, image: &Image, names: Vec<String>) -> PlannedImage {
        let encodes = self.jobs.encodes(node);
        let kept = encodes.iter().filter(|encode| **encode == Encode::Keep).count();
        let manifest = match (&image.manifest, self.target.form) {
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
    if !source.problems.is_empty() {
        return Err(source.problems.swap_remove(0));
    }
    let chosen = select::choose(&mut source, &target)?;
    let mut losses = chosen.losses;
    let mut entries = chosen.entries;
    let lock = existing::existing_archive(&mut source, &mut entries, &target)?;
    let subjects = match target.form {
        Format::DockerArchive(dialect) => {
            subjects(&source, &entries, &target.platforms, dialect, &mut losses)?
        }
        Format::Layout | Format::OciArchive => Vec::new(),
    };
    let holds_tree = !is_plain(target.form);
    let mut jobs = Jobs::default();
    let nodes: Vec<NodeId> = if holds_tree {
        reachable(&source, &entries)
    } else {
        subjects.iter().map(|(node, _)| *node).collect()
    };
    let mut changed = false;
    for node in nodes {
        match source.nodes.get(node) {
            Some(Node::Image(image)) => {
                let encodes = encodes(image, &target)?;
                let kept = encodes.iter().all(|encode| *encode == Encode::Keep);
                changed |= !kept || image.manifest.is_none();
                if !(kept && holds_tree) {
                    lose_manifest(image, target.form, &mut losses);
                }
                lose_layers(image, &target, &mut losses);
                jobs.image(node, image, encodes);
            }
            Some(Node::Other { blobs, .. }) => {
                blobs.iter().for_each(|(descriptor, blob)| jobs.blob(descriptor, blob));
            }
            Some(Node::UnknownBlob(descriptor, blob)) => jobs.blob(descriptor, blob),
            _ => (),
        }
    }
    let verbatim = chosen.whole && !changed && lock.is_none() && source.index.is_some();
    if !verbatim {
        unambiguous(&source, &entries)?;
    }
    jobs.shrink();
    let notes = std::mem::take(&mut source.notes);
    if target.losses == Losses::Refused {
        losses.extend(notes.iter().map(|note| Loss::new(Reason::Oddity, note)));
    }
    losses.sort();
    losses.dedup();
    let plan =
        Plan { losses, notes, target, source, entries, subjects, jobs, verbatim, _lock: lock };
    if plan.target.losses == Losses::Refused && !plan.losses.is_empty() {
        let losses: Vec<String> = plan.losses.iter().map(ToString::to_string).collect();
        let losses = losses.join("; ");
        return Err(Error::new(&plan.source.at, ErrorKind::Strict { losses }));
    }
    Ok(plan)
}

/// Whether the destination holds images alone, with uncompressed layers.
pub(super) fn is_plain(form: Format) -> bool {
    matches!(form, Format::DockerArchive(dialect) if dialect.is_plain())
}

/// All nodes below the entries, each once.
fn reachable(source: &Source, entries: &[Entry]) -> Vec<NodeId> {
    let mut found = Vec::new();
    let mut seen = vec![false; source.nodes.len()];
    let mut todo: Vec<NodeId> = entries.iter().rev().map(|entry| entry.node).collect();
    while let Some(node) = todo.pop() {
        if std::mem::replace(seen.get_mut(node).unwrap_or(&mut true), true) {
            continue;
        }
        found.push(node);
        if let Some(Node::Index { children, .. }) = source.nodes.get(node) {
            todo.extend(children.iter().rev().map(|child| child.node));
        }
    }
    found
}

/// How each layer of an image is stored.
fn encodes(image: &Image, target: &Target) -> Result<Vec<Encode>> {
    if let Format::DockerArchive(dialect) = target.form {
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
    if codec == Compression::None { Encode::Keep } else { Encode::Plain }
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
    if zstd && matches!(target.form, Format::DockerArchive(_)) && !is_plain(target.form) {
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
    unambiguous(source, entries)?;
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
            if name.reference.is_none() {
                losses.push(Loss::new(Reason::RefName, &name.ref_name));
                continue;
            }
            names.push(name.clone());
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

/// Refuses entries that give two images one name: docker would let the last one win.
fn unambiguous(source: &Source, entries: &[Entry]) -> Result<()> {
    let mut owners: BTreeMap<&Reference, &Entry> = BTreeMap::new();
    for entry in entries {
        for name in &entry.names {
            let Some(reference) = &name.reference else { continue };
            let known = owners.insert(reference, entry);
            if let Some(first) = known.filter(|first| first.node != entry.node) {
                let (first, second) = (digest_of(source, first), digest_of(source, entry));
                let same = source.image(entry.node).map(Image::id);
                if first == second && same.is_some() {
                    continue;
                }
                let kind = ErrorKind::AmbiguousName { name: name.shown(), first, second };
                return Err(Error::new(&source.at, kind));
            }
        }
    }
    Ok(())
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
    for node in reachable(source, std::slice::from_ref(entry)) {
        if let Some(Node::Other { document, why, .. }) = source.nodes.get(node) {
            let reason = match why {
                NotImage::Attestation => Reason::Attestation,
                NotImage::Artifact => Reason::Artifact,
                NotImage::Incomplete => continue,
            };
            losses.push(Loss::new(reason, document.measured().digest()));
        }
    }
}
