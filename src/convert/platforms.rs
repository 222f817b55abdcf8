//! Selects platforms of an index, and reports what is lost with the others.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::digest::Measured;
use crate::document::descriptor::Descriptor;
use crate::document::media_type::MediaKind;
use crate::document::{Document, Index};
use crate::error::Result;
use crate::image::reason::{Loss, Reason};
use crate::image::{Child, Entry, Name, Node, NodeId, NotImage};
use crate::platform::Platform;
use crate::source::{Source, below, candidates, digest_of, matching, no_such};

/// The selected entries.
#[derive(Clone)]
pub(super) struct Chosen {
    pub(super) entries: Vec<Entry>,
    pub(super) losses: Vec<Loss>,
    /// Whether everything is selected, under its own names.
    pub(super) whole: bool,
}

/// Keeps the images of these platforms; an index with several of them becomes a smaller index. What
/// is left out is a loss, where it was not chosen by name.
pub(super) fn platforms(
    source: &mut Source,
    chosen: &mut Chosen,
    wanted: &[Platform],
) -> Result<()> {
    // Entries that were chosen one by one are meant each.
    let by_name = !chosen.whole;
    let mut kept = Vec::new();
    let mut found = BTreeSet::new();
    let mut left_out = Vec::new();
    for entry in std::mem::take(&mut chosen.entries) {
        let candidates = candidates(source, &entry);
        let has: Vec<String> = candidates.iter().map(|it| it.platform.to_string()).collect();
        let matching = matching(source, &candidates, wanted)?;
        if matching.is_empty() {
            if by_name {
                return Err(no_such(source, wanted, &has));
            }
            left_out.push(left(source, &entry, &has));
        } else if matching.len() == candidates.len() {
            kept.push(entry);
        } else {
            chosen.whole = false;
            let children: Vec<Child> = matching.iter().filter_map(|it| it.child.clone()).collect();
            kept.push(narrowed(source, entry, children, &mut chosen.losses));
        }
        found.extend(has);
    }
    if kept.is_empty() {
        return Err(no_such(source, wanted, &found.into_iter().collect::<Vec<_>>()));
    }
    chosen.whole &= left_out.is_empty();
    chosen.losses.extend(left_out);
    chosen.entries = kept;
    Ok(())
}

/// Reports what is lost with the other platforms of an entry, and with its index.
pub(crate) fn losses_of(
    source: &mut Source,
    entry: Entry,
    wanted: &[Platform],
) -> Result<Vec<Loss>> {
    let mut chosen = Chosen { entries: vec![entry], losses: Vec::new(), whole: false };
    platforms(source, &mut chosen, wanted)?;
    Ok(chosen.losses)
}

/// An entry without any of the platforms.
fn left(source: &Source, entry: &Entry, has: &[String]) -> Loss {
    let names: Vec<String> = entry.names.iter().map(Name::shown).collect();
    let name =
        if names.is_empty() { digest_of(source, entry).to_string() } else { names.join(", ") };
    if has.is_empty() {
        return Loss::new(Reason::Artifact, name);
    }
    let has = has.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    Loss::new(Reason::OtherPlatform, format!("{name} ({})", has.join(", ")))
}

/// An entry with only some children of its index: one image, or a smaller index. The losses are
/// reported.
fn narrowed(
    source: &mut Source,
    entry: Entry,
    children: Vec<Child>,
    losses: &mut Vec<Loss>,
) -> Entry {
    losses.push(Loss::new(Reason::Index, digest_of(source, &entry)));
    let kept: BTreeSet<String> =
        children.iter().map(|child| child.descriptor.digest.to_string()).collect();
    let mut about = Vec::new();
    for child in below(source, entry.node) {
        let subject = child.descriptor.annotations.get("vnd.docker.reference.digest");
        if subject.is_some_and(|subject| kept.contains(subject)) {
            about.push(child.clone());
        } else if is_artifact(source, child) {
            losses.push(Loss::new(Reason::Artifact, child.descriptor.digest));
        }
    }
    let [one] = children.as_slice() else {
        let children = children.into_iter().chain(about).collect();
        return smaller(source, entry, children);
    };
    let digests = about.iter().map(|child| child.descriptor.digest);
    losses.extend(digests.map(|digest| Loss::new(Reason::Attestation, digest)));
    let annotations = entry.descriptor.as_ref().map(|it| it.annotations.clone());
    let annotations = annotations.unwrap_or_default();
    let descriptor = Descriptor { annotations, ..one.descriptor.clone() };
    Entry { names: entry.names, descriptor: Some(Arc::new(descriptor)), node: one.node }
}

/// Whether a child is neither an image nor an attestation of one.
fn is_artifact(source: &Source, child: &Child) -> bool {
    let node = source.nodes.get(child.node);
    let other =
        matches!(node, Some(Node::Other { why: NotImage::Artifact, .. } | Node::UnknownBlob(..)));
    other && !child.descriptor.is_attestation()
}

/// An index with some children of another.
fn smaller(source: &mut Source, entry: Entry, children: Vec<Child>) -> Entry {
    let Some(Node::Index { document, .. }) = source.nodes.get(entry.node) else { return entry };
    let view = Index {
        manifests: children.iter().map(|child| child.descriptor.clone()).collect(),
        ..document.view().clone()
    };
    let raw = view.to_json().into_bytes();
    let media_type = MediaKind::Index.name(view.family()).unwrap_or_default();
    let measured = Measured::of(&raw);
    let annotations =
        entry.descriptor.as_ref().map(|it| it.annotations.clone()).unwrap_or_default();
    let descriptor = Descriptor { annotations, ..Descriptor::of(media_type, &measured) };
    if let Ok(document) = Document::parse(raw) {
        source.nodes.push(Node::Index { document: Box::new(document), children });
    }
    let node: NodeId = source.nodes.len().saturating_sub(1);
    Entry { names: entry.names, descriptor: Some(Arc::new(descriptor)), node }
}
