//! Which entries of a source are meant, and which platforms of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Platforms, Target};
use crate::digest::{Digest, Measured};
use crate::document::descriptor::Descriptor;
use crate::document::media_type::MediaKind;
use crate::document::{Document, Index};
use crate::error::{Error, ErrorKind, Result, Shown};
use crate::image::reason::{Loss, Reason};
use crate::image::{Child, Entry, Name, Node, NodeId, NotImage};
use crate::platform::Platform;
use crate::source::Source;

/// The entries that were chosen.
#[derive(Clone)]
pub(super) struct Chosen {
    pub(super) entries: Vec<Entry>,
    pub(super) losses: Vec<Loss>,
    /// Whether this is everything, under its own names.
    pub(super) whole: bool,
}

/// Chooses by `--image`, `--platform` and `--tag`; platforms may add nodes to the source.
pub(super) fn choose(source: &mut Source, target: &Target) -> Result<Chosen> {
    let mut chosen = Chosen { entries: Vec::new(), losses: Vec::new(), whole: true };
    if target.images.is_empty() {
        chosen.entries.clone_from(&source.entries);
    } else {
        for wanted in &target.images {
            let found = find(source, wanted)?;
            chosen.entries.extend(found);
        }
        chosen.whole = false;
    }
    if let Platforms::Only(wanted) = &target.platforms {
        platforms(source, &mut chosen, wanted)?;
    }
    if !target.tags.is_empty() {
        rename(source, &mut chosen, target)?;
    }
    Ok(chosen)
}

/// The entries that names, digests or `@N` mean; all where nothing is asked for.
///
/// # Errors
/// There is no such image, or the name means two.
pub fn entries(source: &Source, wanted: &[String]) -> Result<Vec<Entry>> {
    if wanted.is_empty() {
        return Ok(source.entries.clone());
    }
    let found: Result<Vec<Vec<Entry>>> = wanted.iter().map(|it| find(source, it)).collect();
    Ok(found?.into_iter().flatten().collect())
}

/// The one entry that is meant, of a source without problems.
///
/// # Errors
/// There is no such image, there are several, or the source has a problem.
pub fn entry(source: &Source, wanted: &[String]) -> Result<Entry> {
    let entry = only(source, wanted)?;
    match source.problems.first() {
        Some(problem) => Err(damaged(source, problem)),
        None => Ok(entry),
    }
}

/// A source with a problem, which is not worked with.
pub(crate) fn damaged(source: &Source, problem: &Error) -> Error {
    Error::new(&source.at, ErrorKind::Damaged { problem: problem.to_string() })
}

/// The one entry that is meant.
pub(crate) fn only(source: &Source, wanted: &[String]) -> Result<Entry> {
    let mut found = entries(source, wanted)?;
    let listed = list(found.iter().enumerate());
    found.dedup_by_key(|entry| entry.node);
    let one = found.len() == 1;
    let Some(entry) = found.pop().filter(|_| one) else {
        return Err(Error::new(&source.at, ErrorKind::Several { found: listed }));
    };
    Ok(entry)
}

/// The entries that a name, a digest or `@N` means.
fn find(source: &Source, wanted: &str) -> Result<Vec<Entry>> {
    if let Some(number) = wanted.strip_prefix('@') {
        let entry = number.parse::<usize>().ok().and_then(|at| source.entries.get(at));
        return entry.map(|entry| vec![entry.clone()]).ok_or_else(|| missing(source, wanted));
    }
    let digest = wanted.rsplit_once('@').map_or(wanted, |(_, digest)| digest);
    if let Ok(digest) = digest.parse::<Digest>() {
        return by_digest(source, digest).ok_or_else(|| missing(source, wanted));
    }
    let mut found: Vec<Entry> = Vec::new();
    for entry in &source.entries {
        let names: Vec<Name> =
            entry.names.iter().filter(|name| name.answers_to(wanted)).cloned().collect();
        if !names.is_empty() {
            found.push(Entry { names, ..entry.clone() });
        }
    }
    let Some(first) = found.first() else { return Err(missing(source, wanted)) };
    // A bare tag may be that of several repositories: the full name decides.
    if let Some(other) = found.iter().find(|other| other.node != first.node) {
        let digest = |entry: &Entry| digest_of(source, entry);
        let (first, second) = (digest(first), digest(other));
        let kind = ErrorKind::AmbiguousName { name: wanted.to_owned(), first, second };
        return Err(Error::new(&source.at, kind));
    }
    Ok(found)
}

/// A digest that tells an entry from others: of its manifest or index, else of its config.
pub(super) fn digest_of(source: &Source, entry: &Entry) -> Digest {
    match (&entry.descriptor, source.image(entry.node)) {
        (Some(descriptor), _) => descriptor.digest,
        (None, Some(image)) => image.id().digest(),
        (None, None) => Digest::of(&[]),
    }
}

/// What has this digest: an entry, something below an index, or an image by its ID.
fn by_digest(source: &Source, digest: Digest) -> Option<Vec<Entry>> {
    let own: Vec<Entry> = source
        .entries
        .iter()
        .filter(|entry| {
            let id = source.image(entry.node).map(|image| image.id().digest());
            entry.descriptor.as_ref().is_some_and(|it| it.digest == digest) || id == Some(digest)
        })
        .cloned()
        .collect();
    if !own.is_empty() {
        return Some(own);
    }
    source.nodes.iter().find_map(|node| {
        let Node::Index { children, .. } = node else { return None };
        let child = children.iter().find(|child| {
            let id = source.image(child.node).map(|image| image.id().digest());
            child.descriptor.digest == digest || id == Some(digest)
        })?;
        let descriptor = Some(Arc::new(child.descriptor.clone()));
        Some(vec![Entry { names: Vec::new(), descriptor, node: child.node }])
    })
}

fn missing(source: &Source, wanted: &str) -> Error {
    let kind = ErrorKind::NoSuchImage { wanted: wanted.to_owned(), found: listed(source) };
    Error::new(&source.at, kind)
}

/// All entries with their numbers, for messages.
pub(super) fn listed(source: &Source) -> String {
    list(source.entries.iter().enumerate())
}

fn list<'a>(entries: impl Iterator<Item = (usize, &'a Entry)>) -> String {
    let listed = entries.take(50).map(|(at, entry)| {
        let names = entry.names.iter().map(|name| Shown(&name.shown()).to_string());
        let names: Vec<String> = names.collect();
        let names = if names.is_empty() { "without a name".to_owned() } else { names.join(", ") };
        format!("@{at} ({names})")
    });
    listed.collect::<Vec<_>>().join(", ")
}

/// Keeps the images of these platforms; of an index with several of them a smaller index.
fn platforms(source: &mut Source, chosen: &mut Chosen, wanted: &[Platform]) -> Result<()> {
    let mut kept = Vec::new();
    let mut found = Vec::new();
    for entry in std::mem::take(&mut chosen.entries) {
        let candidates = candidates(source, &entry);
        found.extend(candidates.iter().map(|it| it.platform.to_string()));
        let matching: Vec<&Candidate> = candidates
            .iter()
            .filter(|it| wanted.iter().any(|wanted| it.platform.matches(wanted)))
            .collect();
        if let Some(absent) = matching.iter().find(|it| !it.whole) {
            let whole: Vec<String> =
                candidates.iter().filter(|it| it.whole).map(|it| it.platform.to_string()).collect();
            let found =
                format!("{} is not all here; whole are: {}", absent.platform, whole.join(", "));
            return Err(Error::new(&source.at, ErrorKind::Incomplete { found }));
        }
        let everything = matching.len() == candidates.len();
        match matching.as_slice() {
            [] => (),
            _ if everything && candidates.iter().all(|it| it.child.is_none()) => kept.push(entry),
            [one] => {
                let child = one.child.clone();
                let descriptor = child.as_ref().map(|child| child.descriptor.clone());
                let annotated = entry.descriptor.as_ref().map(|it| it.annotations.clone());
                let descriptor = descriptor.map(|descriptor| {
                    let annotations = annotated.unwrap_or_default();
                    Arc::new(Descriptor { annotations, ..descriptor })
                });
                let node = child.map_or(entry.node, |child| child.node);
                kept.push(Entry { names: entry.names, descriptor, node });
            }
            _ if everything => kept.push(entry),
            several => {
                chosen.losses.push(Loss::new(Reason::Index, digest_of(source, &entry)));
                let several: Vec<Child> =
                    several.iter().filter_map(|it| it.child.clone()).collect();
                kept.push(smaller(source, entry, several));
            }
        }
    }
    if kept.is_empty() {
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        found.sort();
        found.dedup();
        let kind = ErrorKind::NoSuchPlatform { wanted: wanted.join(", "), found: found.join(", ") };
        return Err(Error::new(&source.at, kind));
    }
    chosen.whole = false;
    chosen.entries = kept;
    Ok(())
}

/// An image that a platform may mean.
struct Candidate {
    platform: Platform,
    whole: bool,
    /// The entry of an index, where it is in one.
    child: Option<Child>,
}

fn candidates(source: &Source, entry: &Entry) -> Vec<Candidate> {
    if let Some(image) = source.image(entry.node) {
        let platform = image.config.view().platform.clone();
        return vec![Candidate { platform, whole: true, child: None }];
    }
    let mut found = Vec::new();
    let mut todo = vec![entry.node];
    let mut seen = BTreeMap::new();
    while let Some(node) = todo.pop() {
        if seen.insert(node, ()).is_some() {
            continue;
        }
        let Some(Node::Index { children, .. }) = source.nodes.get(node) else { continue };
        for child in children {
            let said = child.descriptor.platform.as_deref().cloned();
            match source.nodes.get(child.node) {
                Some(Node::Image(image)) => {
                    let platform = said.unwrap_or_else(|| image.config.view().platform.clone());
                    found.push(Candidate { platform, whole: true, child: Some(child.clone()) });
                }
                Some(Node::Index { .. }) => todo.push(child.node),
                Some(Node::Absent | Node::Other { why: NotImage::Incomplete, .. }) => {
                    let platform = said.filter(|it| it.os != "unknown");
                    found.extend(platform.map(|platform| Candidate {
                        platform,
                        whole: false,
                        child: Some(child.clone()),
                    }));
                }
                _ => (),
            }
        }
    }
    found
}

/// An index of some children of another, with what is said about them.
fn smaller(source: &mut Source, entry: Entry, mut children: Vec<Child>) -> Entry {
    let Some(Node::Index { document, children: all }) = source.nodes.get(entry.node) else {
        return entry;
    };
    let about = |child: &&Child| {
        let subject = child.descriptor.annotations.get("vnd.docker.reference.digest");
        subject.is_some_and(|it| children.iter().any(|of| of.descriptor.digest.to_string() == *it))
    };
    let attestations: Vec<Child> = all.iter().filter(about).cloned().collect();
    children.extend(attestations);
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

/// Gives the one image that was chosen other names.
fn rename(source: &Source, chosen: &mut Chosen, target: &Target) -> Result<()> {
    let mut nodes: Vec<NodeId> = chosen.entries.iter().map(|entry| entry.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let ([_], Some(first)) = (nodes.as_slice(), chosen.entries.first()) else {
        let what = "--tag names one image, choose it with --image";
        let found = listed(source);
        return Err(Error::new(&source.at, ErrorKind::Usage { what, found }));
    };
    let mut entry = first.clone();
    entry.names = target.tags.clone();
    chosen.entries = vec![entry];
    chosen.whole = false;
    Ok(())
}
