//! Which repositories need which blobs, and what goes along with an image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::plan::{Plan, own_digest};
use super::platforms::Chosen;
use super::{Destination, Losses};
use crate::bytes::files::BlobKey;
use crate::digest::Digest;
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::layer::Encode;
use crate::image::reading::Note;
use crate::image::{Entry, Name, Node, NodeId};
use crate::reference::Reference;
use crate::registry::attached::{LEVELS, signed};
use crate::registry::write::{MovedTags, RegistryStore};
use crate::registry::{Registries, RegistryName, RepositoryScope, Which, With};
use crate::source::{Source, Stale, digest_of, reachable};

/// Adds what is about the chosen images: their referrers, which go to the same repositories without
/// a tag, and their signatures, under the same tags there. Referrers that are not wanted are left
/// out with a note, since they have no name.
pub(super) fn attach(source: &mut Source, chosen: &mut Chosen, with: With) {
    let is_referrer = |entry: &Entry| {
        let named = entry.names.iter().any(|it| it.reference.is_some());
        !named && subject(source, entry.node).is_some()
    };
    let (mut left, entries): (Vec<Entry>, Vec<Entry>) =
        std::mem::take(&mut chosen.entries).into_iter().partition(is_referrer);
    let mut about: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
    for entry in &entries {
        let repositories: BTreeSet<String> = repositories(entry);
        for digest in digests(source, entry) {
            about.entry(digest).or_default().extend(repositories.iter().cloned());
        }
    }
    let taken = |entry: &Entry| entries.iter().chain(&left).any(|it| it.node == entry.node);
    let others: Vec<Entry> = source.entries.iter().filter(|it| !taken(it)).cloned().collect();
    left.extend(others);
    let mut added: Vec<Entry> = Vec::new();
    let mut unwanted = 0_usize;
    for _ in 0..LEVELS {
        let before = added.len();
        for entry in &left {
            if added.iter().any(|it| it.node == entry.node) {
                continue;
            }
            let Some((names, repositories)) = attached(source, entry, &about, with) else {
                let refers = subject(source, entry.node).is_some_and(|it| about.contains_key(&it));
                unwanted = unwanted.saturating_add(usize::from(refers && entry.names.is_empty()));
                continue;
            };
            for digest in digests(source, entry) {
                about.entry(digest).or_default().extend(repositories.iter().cloned());
            }
            added.push(Entry { names, ..entry.clone() });
        }
        if added.len() == before {
            break;
        }
        unwanted = 0;
    }
    if unwanted > 0 {
        let one = if unwanted == 1 { "referrer is" } else { "referrers are" };
        let text = format!("{unwanted} {one} not sent; use --with referrers");
        source.notes.push(Note::new(&source.at, "referrers-left", text));
    }
    chosen.whole &= added.is_empty();
    chosen.entries = entries.into_iter().chain(added).collect();
}

/// Leaves out what is about another entry, so that the image that it is about can be named.
pub(super) fn set_apart(source: &Source, chosen: &mut Chosen) {
    let own: BTreeSet<Digest> =
        source.entries.iter().flat_map(|entry| digests(source, entry)).collect();
    let about = |entry: &Entry| {
        let signs = |it: &Name| {
            let tag = it.reference.as_ref().map_or(it.ref_name.as_str(), Reference::tag);
            signed(tag).is_some_and(|it| own.contains(&it))
        };
        let refers = subject(source, entry.node).is_some_and(|it| own.contains(&it));
        refers && entry.names.is_empty() || entry.names.iter().any(signs)
    };
    chosen.entries.retain(|entry| !about(entry));
}

/// The names of an entry that is about a manifest, and its repositories.
fn attached(
    source: &Source,
    entry: &Entry,
    about: &BTreeMap<Digest, BTreeSet<String>>,
    with: With,
) -> Option<(Vec<Name>, BTreeSet<String>)> {
    let subject = subject(source, entry.node).and_then(|it| about.get(&it));
    if let Some(repositories) = subject.filter(|_| with.has_referrers()) {
        return Some((Vec::new(), repositories.clone()));
    }
    let tags = entry.names.iter().map(|name| match &name.reference {
        Some(reference) => reference.tag(),
        None => name.ref_name.as_str(),
    });
    let mut signatures = tags.filter_map(|tag| Some((tag, about.get(&signed(tag)?)?)));
    let (tag, repositories) = signatures.next().filter(|_| with.has_signatures())?;
    let names = repositories.iter().filter_map(|it| Reference::new(it, tag).ok());
    Some((names.map(Name::of).collect(), repositories.clone()))
}

fn repositories(entry: &Entry) -> BTreeSet<String> {
    entry.names.iter().filter_map(|it| Some(it.reference.as_ref()?.repository())).collect()
}

/// The digests of the manifests and indexes of an entry.
fn digests(source: &Source, entry: &Entry) -> Vec<Digest> {
    let nodes = reachable(source, std::slice::from_ref(entry), &Stale::new());
    nodes.iter().filter_map(|it| own_digest(source.nodes.get(*it)?)).collect()
}

fn subject(source: &Source, node: NodeId) -> Option<Digest> {
    let subject = match source.nodes.get(node)? {
        Node::Image(image) => &image.manifest.as_ref()?.view().subject,
        Node::Other { document, .. } => &document.view().subject,
        Node::Index { document, .. } => &document.view().subject,
        _ => return None,
    };
    subject.as_ref().map(|it| it.digest)
}

/// The repositories that need each blob, and those of each manifest.
type Homes = (BTreeMap<(BlobKey, Encode), Vec<RegistryName>>, BTreeMap<Digest, Vec<RegistryName>>);

/// The store of a plan.
///
/// # Errors
/// An image has no name, is not one that a registry can hold, or lacks something that the registry
/// does not have either.
pub(super) fn store(plan: &Plan, session: &Arc<Registries>, spool: &Path) -> Result<RegistryStore> {
    let (homes, places) = homes(plan, session)?;
    let at = plan.target.at();
    let moved = match plan.target.losses {
        Losses::Named => MovedTags::Noted,
        Losses::Refused => MovedTags::Refused,
    };
    Ok(RegistryStore::new(Arc::clone(session), homes, (spool.to_owned(), at), (places, moved)))
}

/// What a push would send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PushForecast {
    /// Layers and configs that the registry has, counted once for each repository.
    pub present: usize,
    /// Those that it does not have.
    pub missing: usize,
    /// The bytes of those.
    pub size: u64,
    /// Layers that are compressed first, so that their digests are not known.
    pub unknown: usize,
}

impl Plan {
    /// Asks the registry what a push would send; `None` if the destination is not a registry.
    ///
    /// # Errors
    /// The push would be refused, or the registry cannot be asked.
    pub fn push_forecast(&self) -> Result<Option<PushForecast>> {
        let Destination::Registry { session, .. } = &self.target.destination else {
            return Ok(None);
        };
        let (homes, places) = homes(self, session)?;
        let mut forecast = PushForecast::default();
        let mut ask = |home: &RegistryName, digest: Digest, size: u64| {
            let at = Location::named(&home.to_string());
            match session.has_blob(RepositoryScope::push(home), digest).at(&at)? {
                true => forecast.present = forecast.present.saturating_add(1),
                false => {
                    forecast.missing = forecast.missing.saturating_add(1);
                    forecast.size = forecast.size.saturating_add(size);
                }
            }
            Ok::<(), Error>(())
        };
        let mut unknown = 0_usize;
        for job in self.jobs() {
            let claim = job.blob.stored.first().filter(|_| job.encode == Encode::Keep);
            let Some(claim) = claim else {
                unknown = unknown.saturating_add(1);
                continue;
            };
            let key = (job.blob.from.key(), job.encode);
            for home in homes.get(&key).into_iter().flatten() {
                ask(home, claim.digest, claim.size)?;
            }
        }
        for (node, _) in self.named_images() {
            let Some(image) = self.source.image(node) else { continue };
            let config = image.config.measured();
            let own = image.manifest.as_ref().map(|it| it.measured().digest());
            for home in own.and_then(|it| places.get(&it)).into_iter().flatten() {
                ask(home, config.digest(), config.size())?;
            }
        }
        Ok(Some(PushForecast { unknown, ..forecast }))
    }
}

fn homes(plan: &Plan, session: &Arc<Registries>) -> Result<Homes> {
    let mut homes: BTreeMap<(BlobKey, Encode), Vec<RegistryName>> = BTreeMap::new();
    let mut places: BTreeMap<Digest, Vec<RegistryName>> = BTreeMap::new();
    for entry in &plan.entries {
        let names = names(plan, entry, &places)?;
        for digest in digests(&plan.source, entry) {
            places.entry(digest).or_default().extend(names.iter().cloned());
        }
        for node in reachable(&plan.source, std::slice::from_ref(entry), &plan.stale) {
            let jobs = match plan.source.nodes.get(node) {
                Some(Node::Image(_)) => plan.work.of(node).flatten().collect(),
                Some(Node::Other { blobs, .. }) => {
                    blobs.iter().filter_map(|(said, _)| plan.work.of_blob(said)).collect()
                }
                Some(Node::UnknownBlob(said, _)) => {
                    let (to, why) = ("a registry", "it is not a manifest or index");
                    let at = plan.source.at.member(&said.path());
                    return Err(Error::new(&at, ErrorKind::CannotConvert { to, why }));
                }
                _ => Vec::new(),
            };
            for job in jobs.into_iter().filter_map(|it| plan.work.job(it, &plan.source.blobs)) {
                let known = homes.entry((job.blob.from.key(), job.encode)).or_default();
                for name in &names {
                    if !known.iter().any(|it| it.is_beside(name)) {
                        known.push(name.clone());
                    }
                }
            }
        }
        absent(plan, entry, &names, session)?;
    }
    Ok((homes, places))
}

/// The names of an entry: each is a repository and a tag. One without a name goes, without a tag,
/// where its subject is.
fn names(
    plan: &Plan,
    entry: &Entry,
    places: &BTreeMap<Digest, Vec<RegistryName>>,
) -> Result<Vec<RegistryName>> {
    let names = entry.names.iter().filter_map(|it| it.reference.clone());
    let names: Vec<RegistryName> = names.map(RegistryName::of).collect();
    if !names.is_empty() {
        return Ok(names);
    }
    let digest = digest_of(&plan.source, entry);
    if let Some(places) = subject(&plan.source, entry.node).and_then(|it| places.get(&it)) {
        return Ok(places.iter().map(|it| it.by_digest(digest)).collect());
    }
    let (what, found) = ("a registry needs a full name; pass one", format!("none for {digest}"));
    Err(Error::new(&plan.source.at, ErrorKind::Usage { what, found }))
}

/// Refuses an index whose absent children the registry does not have: it would refuse the index
/// after everything else was sent.
fn absent(plan: &Plan, entry: &Entry, names: &[RegistryName], session: &Registries) -> Result<()> {
    for node in reachable(&plan.source, std::slice::from_ref(entry), &plan.stale) {
        let Some(Node::Index { children, .. }) = plan.source.nodes.get(node) else { continue };
        for (at, child) in children.iter().enumerate() {
            let is_absent = matches!(plan.source.nodes.get(child.node), Some(Node::Absent));
            if !is_absent || plan.stale.contains(&(node, at)) {
                continue;
            }
            let digest: Digest = child.descriptor.digest;
            for name in names {
                let at = Location::named(&name.to_string());
                let there = session.has_manifest(name, Which::Digest(digest)).at(&at)?;
                if there.is_none() {
                    let at = plan.source.at.member(&child.descriptor.path());
                    return Err(Error::new(&at, ErrorKind::MissingBlob { expected: digest }));
                }
            }
        }
    }
    Ok(())
}
