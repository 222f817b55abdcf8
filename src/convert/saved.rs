//! Decides the images and names in the `manifest.json` of a docker archive, and reports losses.

use std::collections::{BTreeMap, BTreeSet};

use super::{Existing, Format, Platforms, Target};
use crate::archive::{Dialect, v1_layer_ids};
use crate::document::descriptor::{CONTAINERD_NAME, REF_NAME};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::image::names::annotation;
use crate::image::readers;
use crate::image::reading::Note;
use crate::image::reason::{Loss, Reason};
use crate::image::{Entry, Name, Node, NodeId, NotImage};
use crate::platform::Platform;
use crate::source::{Source, Stale, digest_of, own_ref_name, reachable};

/// The images that `manifest.json` will list, one per entry, equal ones are merged, with all their
/// names.
pub(super) fn subjects(
    source: &Source,
    entries: &[Entry],
    platforms: &Platforms,
    dialect: Dialect,
    losses: &mut Vec<Loss>,
) -> Result<Vec<(NodeId, Vec<Name>)>> {
    let mut subjects = Grouped::default();
    let said = source.platforms();
    for entry in entries {
        let images = source.images_below(entry.node);
        if dialect.is_plain() {
            drop_others(source, entry, (&images, &said), losses);
        }
        let Some(node) = preferred(&images, &said, platforms) else {
            if dialect.is_plain()
                || matches!(source.nodes.get(entry.node), Some(Node::UnknownBlob(..)))
            {
                losses.push(Loss::new(Reason::Artifact, digest_of(source, entry)));
            }
            continue;
        };
        let mut names = Vec::new();
        losses.extend(digested_names(entry));
        for name in &entry.names {
            match &name.reference {
                Some(_) => {
                    // If it is a full name, it is also a name of the entry.
                    if !own_ref_name(name).is_empty() && !name.ref_name.contains([':', '/', '@']) {
                        losses.push(Loss::new(Reason::RefName, &name.ref_name));
                    }
                    names.push(name.clone());
                }
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

/// The names of an entry with a digest, which `RepoTags` cannot hold.
fn digested_names(entry: &Entry) -> Vec<Loss> {
    let annotations = entry
        .descriptor
        .iter()
        .flat_map(|it| [CONTAINERD_NAME, REF_NAME].map(|key| annotation(it, key).to_owned()));
    let mut names: Vec<String> = annotations.filter(|name| name.contains('@')).collect();
    names.dedup();
    names.iter().map(|name| Loss::new(Reason::NameDigest, name)).collect()
}

/// Notes about programs that cannot read an archive of this dialect.
pub(super) fn dialect_note(
    subjects: &[(NodeId, Vec<Name>)],
    source: &Source,
    target: &Target,
) -> Option<Note> {
    // In one image only its first place counts, which is a file.
    let (mut earlier, mut written, mut shares) = (BTreeSet::new(), BTreeSet::new(), false);
    for image in subjects.iter().filter_map(|(node, _)| source.image(*node)) {
        let ids = v1_layer_ids(&image.config).unwrap_or_default();
        for (layer, id) in image.layers.iter().zip(ids) {
            shares |= written.insert(id) && earlier.contains(&layer.diff_id);
        }
        earlier.extend(image.layers.iter().map(|layer| layer.diff_id));
    }
    let classic = target.format == Format::DockerArchive(Dialect::Classic);
    (classic && shares).then(|| readers::LAYER_LINK.note(&target.at()))
}

/// The note about a new OCI archive that podman cannot load; one that is added to is meant so.
pub(super) fn several_note(entries: &[Entry], target: &Target) -> Option<Note> {
    let all = entries.iter().map(|entry| entry.names.len().max(1)).sum::<usize>();
    let new = target.format == Format::OciArchive && target.existing == Existing::Refuse;
    (new && all > 1).then(|| readers::SEVERAL_NAMES.note(&target.at()))
}

/// Images in the order of their first names, each with all its names, each name once.
#[derive(Default)]
pub(super) struct Grouped {
    pub(super) images: Vec<(NodeId, Vec<Name>)>,
    at: BTreeMap<NodeId, usize>,
    seen: BTreeSet<(NodeId, Name)>,
}

impl Grouped {
    pub(super) fn add(&mut self, node: NodeId, names: Vec<Name>) {
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

/// Why an encrypted image has no item in `manifest.json`, which needs the diff IDs of its layers.
const ENCRYPTED: &str = "its layers are encrypted";

fn no_image(source: &Source) -> Error {
    let at: &Location = &source.at;
    let encrypted = |node: &Node| matches!(node, Node::Other { why: NotImage::Encrypted, .. });
    if source.nodes.iter().any(encrypted) {
        return Error::new(at, ErrorKind::CannotHold { why: ENCRYPTED });
    }
    let found =
        "artifacts or other media types only: their config is not an image config".to_owned();
    Error::new(at, ErrorKind::NoImage { found })
}

/// The image for a selected platform, otherwise for the host, otherwise the first.
fn preferred(
    images: &[NodeId],
    said: &BTreeMap<NodeId, Platform>,
    platforms: &Platforms,
) -> Option<NodeId> {
    let host = [Platform::host()];
    let wanted = match platforms {
        Platforms::Only(wanted) => wanted.as_slice(),
        Platforms::Default | Platforms::All => &host,
    };
    let matches = |node: &&NodeId| {
        said.get(node).is_some_and(|it| wanted.iter().any(|wanted| it.matches(wanted)))
    };
    images.iter().find(matches).or(images.first()).copied()
}

/// Reports what a plain dialect leaves out of an entry.
fn drop_others(
    source: &Source,
    entry: &Entry,
    (images, said): (&[NodeId], &BTreeMap<NodeId, Platform>),
    losses: &mut Vec<Loss>,
) {
    let Some(Node::Index { .. }) = source.nodes.get(entry.node) else { return };
    losses.push(Loss::new(Reason::Index, digest_of(source, entry)));
    if images.len() > 1 {
        let platforms: Vec<String> =
            images.iter().filter_map(|node| said.get(node).map(ToString::to_string)).collect();
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
