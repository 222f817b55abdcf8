//! Selects entries of a source by name, digest or number.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::platforms::{Candidate, candidates};
use super::{Apart, Source, digest_of, unambiguous};
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Location, Result, Shown};
use crate::image::{Entry, Name, Node, NodeId};
use crate::platform::Platform;
use crate::reference::Reference;

/// An entry and its position in the source; `None` for a child of an index.
#[derive(Clone)]
struct Picked {
    at: Option<usize>,
    entry: Entry,
}

/// The entries for names, digests or `@N`; all if there are none. A digest may be that of a child
/// of an index, and may be shortened to [`SHORT`] hex digits. If several images have a name, those
/// for one of the platforms are meant.
///
/// # Errors
/// There is no such image, or the name or short digest is ambiguous.
pub fn entries(source: &Source, wanted: &[String], platforms: &[Platform]) -> Result<Vec<Entry>> {
    Ok(picked(source, wanted, platforms)?.into_iter().map(|it| it.entry).collect())
}

fn picked(source: &Source, wanted: &[String], platforms: &[Platform]) -> Result<Vec<Picked>> {
    if wanted.is_empty() {
        return Ok(all(source).collect());
    }
    let found = wanted.iter().map(|it| find(source, it, platforms));
    Ok(found.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

fn all(source: &Source) -> impl Iterator<Item = Picked> + '_ {
    let picked =
        |(at, entry): (usize, &Entry)| Picked { at: source.number(at), entry: entry.clone() };
    source.entries.iter().enumerate().map(picked)
}

/// The selected entry of a source without problems.
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

/// Refuses a source with a problem.
pub(crate) fn damaged(source: &Source, problem: &Error) -> Error {
    Error::new(&source.at, ErrorKind::Damaged { problem: problem.to_string() })
}

/// The selected entry.
pub(crate) fn only(source: &Source, wanted: &[String]) -> Result<Entry> {
    let mut found = picked(source, wanted, &[])?;
    let listed = list(source, &found);
    let mut seen = BTreeSet::new();
    found.retain(|it| seen.insert(it.entry.node));
    let one = found.len() == 1;
    let Some(picked) = found.pop().filter(|_| one) else {
        return Err(Error::new(&source.at, ErrorKind::Several { found: listed }));
    };
    Ok(picked.entry)
}

/// The minimum number of hex digits of a shortened digest.
pub const SHORT: usize = 6;

/// The entries for a name, a digest or `@N`.
fn find(source: &Source, wanted: &str, platforms: &[Platform]) -> Result<Vec<Picked>> {
    if wanted.is_empty() {
        let (what, found) = ("expected a name, a digest or @N", "an empty name".to_owned());
        return Err(Error::new(&source.at, ErrorKind::Usage { what, found }));
    }
    let missing = || missing(source, wanted);
    if let Some(number) = wanted.strip_prefix('@') {
        let at = number.parse::<usize>().ok();
        return all(source).find(|it| it.at == at).map(|it| vec![it]).ok_or_else(missing);
    }
    if let Ok(digest) = wanted.parse::<Digest>() {
        let found = by_digest(source, &|it| *it == digest);
        return (!found.is_empty()).then_some(found).ok_or_else(missing);
    }
    if let Some((name, digest)) = wanted.rsplit_once('@')
        && let Ok(digest) = digest.parse::<Digest>()
    {
        return by_both(source, name, digest).ok_or_else(missing);
    }
    let mut found = by_name(source, &|name| name.answers_to(wanted));
    if found.is_empty()
        && let Some(short) = short(wanted)
    {
        found = by_digest(source, &|it| it.hex().starts_with(short));
    }
    if found.is_empty() {
        return Err(missing());
    }
    one_image(source, wanted, found, platforms)
}

/// Refuses a name of several images, unless all but one are for other platforms.
fn one_image(
    source: &Source,
    wanted: &str,
    mut found: Vec<Picked>,
    platforms: &[Platform],
) -> Result<Vec<Picked>> {
    let images: BTreeSet<Digest> = found.iter().map(|it| digest_of(source, &it.entry)).collect();
    let has = |it: &Picked| {
        let mut candidates = candidates(source, &it.entry).into_iter();
        candidates.any(|it| platforms.iter().any(|wanted| it.platform.matches(wanted)))
    };
    if images.len() > 1 && found.iter().any(has) {
        found.retain(has);
    }
    let Some(first) = found.first() else { return Ok(found) };
    // Several repositories may have the same tag: the full name decides.
    let first_digest = digest_of(source, &first.entry);
    let others = found.iter().filter(|other| other.entry.node != first.entry.node);
    let mut others = others.map(|other| digest_of(source, &other.entry));
    if let Some(second) = others.find(|second| *second != first_digest) {
        let (name, first) = (wanted.to_owned(), first_digest);
        return Err(Error::new(&source.at, ErrorKind::AmbiguousName { name, first, second }));
    }
    Ok(found)
}

/// The hex digits of a shortened digest.
fn short(wanted: &str) -> Option<&str> {
    let hex = wanted.strip_prefix("sha256:").or(wanted.strip_prefix("sha512:")).unwrap_or(wanted);
    let digits = hex.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    (digits && hex.len() >= SHORT).then_some(hex)
}

fn by_name(source: &Source, answers: &dyn Fn(&Name) -> bool) -> Vec<Picked> {
    let named = all(source).filter_map(|mut it| {
        it.entry.names.retain(answers);
        (!it.entry.names.is_empty()).then_some(it)
    });
    named.collect()
}

/// The entry with this name and digest, or a node below it. A name without a tag matches any tag,
/// because the digest decides.
fn by_both(source: &Source, name: &str, digest: Digest) -> Option<Vec<Picked>> {
    let tagged = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
    let repository = name.parse::<Reference>().ok().map(|it| it.repository());
    let answers = |own: &Name| {
        let own_repository = own.reference.as_ref().map(Reference::repository);
        own.answers_to(name) || !tagged && repository.is_some() && own_repository == repository
    };
    let named = by_name(source, &answers);
    let own = |it: &Picked| is_of(source, &it.entry, &|of| *of == digest);
    let entries: Vec<Picked> = named.iter().filter(|it| own(it)).cloned().collect();
    if !entries.is_empty() {
        return Some(entries);
    }
    let below = named.iter().find_map(|it| {
        let found = children(source, it.entry.node, &|of| *of == digest);
        found.into_iter().next()
    });
    below.map(|child| vec![child])
}

/// Whether an entry has this digest: of its manifest or index, or as image ID.
fn is_of(source: &Source, entry: &Entry, wanted: &dyn Fn(&Digest) -> bool) -> bool {
    let id = source.image(entry.node).map(|image| image.id().digest());
    entry.descriptor.as_ref().is_some_and(|it| wanted(&it.digest))
        || id.is_some_and(|it| wanted(&it))
}

/// The entries with such a digest, otherwise the nodes below the indexes.
fn by_digest(source: &Source, wanted: &dyn Fn(&Digest) -> bool) -> Vec<Picked> {
    let own: Vec<Picked> = all(source).filter(|it| is_of(source, &it.entry, wanted)).collect();
    if !own.is_empty() {
        return own;
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for entry in &source.entries {
        let below = children(source, entry.node, wanted);
        found.extend(below.into_iter().filter(|it| seen.insert(it.entry.node)));
    }
    found
}

/// The node below an index with such a digest; it has no name.
fn children(source: &Source, index: NodeId, wanted: &dyn Fn(&Digest) -> bool) -> Vec<Picked> {
    let (mut found, mut seen, mut todo) = (Vec::new(), BTreeSet::new(), vec![index]);
    while let Some(node) = todo.pop() {
        let Some(Node::Index { children, .. }) = source.nodes.get(node) else { continue };
        if !seen.insert(node) {
            continue;
        }
        for child in children {
            let descriptor = Some(Arc::new(child.descriptor.clone()));
            let entry = Entry { names: Vec::new(), descriptor, node: child.node };
            if is_of(source, &entry, wanted) {
                found.push(Picked { at: None, entry });
            }
        }
        todo.extend(children.iter().rev().map(|child| child.node));
    }
    found
}

/// The maximum number of entries in a message.
const LISTED: usize = 10;

fn missing(source: &Source, wanted: &str) -> Error {
    let mut entries: Vec<Picked> = all(source).collect();
    // The most similar names come first.
    let words: Vec<&str> = wanted.split(['/', ':', '@']).filter(|it| !it.is_empty()).collect();
    let alike = |it: &Picked| {
        let alike = |name: &Name| words.iter().filter(|it| name.shown().contains(**it)).count();
        it.entry.names.iter().map(alike).max().unwrap_or_default()
    };
    entries.sort_by_key(|it| std::cmp::Reverse(alike(it)));
    // A name without a tag is shown as it was given.
    let parsed = wanted.parse::<Reference>().ok().map(|it| it.familiar());
    let latest = parsed.filter(|it| it.strip_suffix(":latest") == Some(wanted));
    let wanted = latest.unwrap_or_else(|| wanted.to_owned());
    let kind = ErrorKind::NoSuchImage { wanted, found: list(source, &entries) };
    Error::new(&source.at, kind)
}

/// All entries with their numbers, for messages.
pub(crate) fn listed(source: &Source) -> String {
    list(source, &all(source).collect::<Vec<_>>())
}

fn list(source: &Source, entries: &[Picked]) -> String {
    let listed = entries.iter().take(LISTED).map(|it| {
        let names = it.entry.names.iter().map(|name| Shown(&name.shown()).to_string());
        let names: Vec<String> = names.collect();
        let names = if names.is_empty() { "without a name".to_owned() } else { names.join(", ") };
        match it.at {
            Some(at) => format!("@{at} ({names})"),
            None => digest_of(source, &it.entry).to_string(),
        }
    });
    let mut listed = listed.collect::<Vec<_>>().join(", ");
    match entries.len().saturating_sub(LISTED) {
        0 => (),
        more => listed.push_str(&format!(" and {more} more")),
    }
    listed
}

/// Refuses a selection if there is nothing to select from.
pub(crate) fn only_all(at: &Location, selection: &Selection) -> Result<()> {
    if selection.is_all() {
        return Ok(());
    }
    let what = "--image and --platform need an archive or a layout";
    Err(Error::new(at, ErrorKind::Usage { what, found: "one document".to_owned() }))
}

/// A selection of images of a source; by default all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selection {
    /// Names, digests or `@N`; none means all.
    pub images: Vec<String>,
    /// Platforms of the images in an index; empty means all.
    pub platforms: Vec<Platform>,
}

impl Selection {
    /// Whether it selects everything.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.images.is_empty() && self.platforms.is_empty()
    }
}

impl Source {
    /// Keeps the selected entries, and from their indexes the images of the platforms.
    ///
    /// # Errors
    /// There is no such image or platform, or the name or short digest is ambiguous.
    pub fn narrow(&mut self, selection: &Selection) -> Result<()> {
        let Selection { images, platforms } = selection;
        if selection.is_all() {
            return Ok(());
        }
        let chosen = picked(self, images, platforms)?;
        let (mut kept, mut found) = (Vec::new(), BTreeSet::new());
        for picked in chosen {
            if platforms.is_empty() {
                kept.push(picked);
                continue;
            }
            let entry = &picked.entry;
            let candidates = candidates(self, entry);
            let has: Vec<String> = candidates.iter().map(|it| it.platform.to_string()).collect();
            let matching = matching(self, &candidates, platforms)?;
            if matching.is_empty() && !images.is_empty() {
                return Err(no_such(self, platforms, &has));
            }
            for candidate in matching {
                kept.push(match &candidate.child {
                    None => picked.clone(),
                    Some(child) => {
                        let descriptor = Some(Arc::new(child.descriptor.clone()));
                        let names = entry.names.clone();
                        let entry = Entry { names, descriptor, node: child.node };
                        Picked { at: picked.at, entry }
                    }
                });
            }
            found.extend(has);
        }
        if kept.is_empty() {
            return Err(no_such(self, platforms, &found.into_iter().collect::<Vec<_>>()));
        }
        self.numbers = Some(kept.iter().map(|it| it.at).collect());
        self.entries = kept.into_iter().map(|it| it.entry).collect();
        // Two images with one name are not a problem if one of them is selected.
        let ambiguous = |it: &Error| matches!(it.kind, ErrorKind::AmbiguousName { .. });
        if unambiguous(self, &self.entries, Apart::ByRefName).is_ok() {
            self.problems.retain(|it| !ambiguous(it));
        }
        Ok(())
    }
}

/// The images of the requested platforms, which must be complete.
pub(crate) fn matching<'a>(
    source: &Source,
    candidates: &'a [Candidate],
    wanted: &[Platform],
) -> Result<Vec<&'a Candidate>> {
    let is_wanted = |it: &&Candidate| wanted.iter().any(|wanted| it.platform.matches(wanted));
    let matching: Vec<&Candidate> = candidates.iter().filter(is_wanted).collect();
    match matching.iter().find(|it| !it.whole) {
        Some(absent) => Err(incomplete(source, &absent.platform, candidates)),
        None => Ok(matching),
    }
}

pub(crate) fn no_such(source: &Source, wanted: &[Platform], found: &[String]) -> Error {
    let wanted = wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let found = if found.is_empty() { "no image".to_owned() } else { found.join(", ") };
    Error::new(&source.at, ErrorKind::NoSuchPlatform { wanted, found })
}

fn incomplete(source: &Source, absent: &Platform, candidates: &[Candidate]) -> Error {
    let whole = candidates.iter().filter(|it| it.whole).map(|it| it.platform.to_string());
    let whole = whole.collect::<Vec<_>>().join(", ");
    let whole = if whole.is_empty() { "none" } else { &whole };
    let found = format!("for {absent}; complete platforms: {whole}");
    Error::new(&source.at, ErrorKind::Incomplete { found })
}
