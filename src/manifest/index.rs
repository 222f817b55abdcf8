//! Converts a manifest list to an OCI index and back, children first.
//!
//! The digests and sizes of converted children are updated. An attestation of a changed child
//! describes the old digest and is left out. A list cannot hold an index: it is flattened if its
//! document is available, otherwise refused.

use std::collections::{BTreeMap, BTreeSet};

use super::blobs::BlobLookup;
use super::swap::{drop_member, lost, swap, typed, with_media_type};
use super::{Parsed, ParsedBody, parse};
use crate::digest::{Digest, Measured};
use crate::document::descriptor::Descriptor;
use crate::document::kind::DocumentKind;
use crate::document::media_type::{MediaFamily, MediaKind};
use crate::document::{Config, Document, Index};
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::reason::{Change, Reason};
use crate::json::edit::{Action, rewrite};
use crate::json::{self, Trailing, Value, go};
use crate::limits;

/// Which entries without a platform get the one of their config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlatformFill {
    /// Those for which the target needs one.
    Needed,
    /// All.
    All,
}

/// An index of the other family, and its children that changed.
pub(super) struct ConvertedIndex {
    pub(super) raw: Vec<u8>,
    pub(super) children: BTreeMap<Digest, Vec<u8>>,
}

/// Converts an index to a family.
pub(super) fn convert(
    parsed: &Parsed,
    to: MediaFamily,
    (blobs, fill): (Option<&BlobLookup>, PlatformFill),
    changes: &mut Vec<Change>,
) -> Result<ConvertedIndex> {
    let mut job = IndexJob { to, blobs, fill, children: BTreeMap::new(), changes };
    let raw = job.index(parsed, 0)?;
    let children = job.children;
    if let (ParsedBody::Index(old), ParsedBody::Index(new)) =
        (&parsed.body, &parse(&raw).at(&Location::named("the index"))?.body)
    {
        changes.extend(same_manifests(old.view(), new.view()));
        changes.extend(new.view().manifests.iter().enumerate().filter_map(|it| other(it, to)));
    }
    Ok(ConvertedIndex { raw, children })
}

/// Manifests that the new index lists more often than the old one.
fn same_manifests(old: &Index, new: &Index) -> Vec<Change> {
    let digests = |index: &Index| index.manifests.iter().map(|it| it.digest).collect::<Vec<_>>();
    let repeated = |digests: Vec<Digest>| {
        let mut seen = BTreeSet::new();
        digests.into_iter().filter(|digest| !seen.insert(*digest)).collect::<Vec<_>>()
    };
    let (before, found) = (repeated(digests(old)), repeated(digests(new)));
    if found.len() <= before.len() {
        return Vec::new();
    }
    let of = |digest: Digest| {
        let listed = new.manifests.iter().filter(|it| it.digest == digest).count();
        let (field, after) = ("manifests".to_owned(), Some(digest.to_string()));
        let before = Some(format!("{listed} entries"));
        Change { field, before, after, reason: Reason::SameManifest }
    };
    found.into_iter().collect::<BTreeSet<_>>().into_iter().map(of).collect()
}

/// An entry that keeps a media type of the other family.
fn other((at, entry): (usize, &Descriptor), to: MediaFamily) -> Option<Change> {
    let (_, family) = MediaKind::of(&entry.media_type)?;
    let said = Some(entry.media_type.clone());
    let field = format!("manifests[{at}].mediaType");
    let (before, after) = (said.clone(), said);
    (family != to).then_some(Change { field, before, after, reason: Reason::OtherFamily })
}

struct IndexJob<'a> {
    to: MediaFamily,
    blobs: Option<&'a BlobLookup>,
    fill: PlatformFill,
    children: BTreeMap<Digest, Vec<u8>>,
    changes: &'a mut Vec<Change>,
}

/// The result for an entry.
enum IndexEntry {
    /// It is kept, with these fields replaced.
    Stays { media_type: Option<String>, measured: Option<Measured>, platform: Option<String> },
    /// It is removed.
    Goes,
    /// It is replaced by these entries.
    Several(Vec<String>),
}

impl IndexJob<'_> {
    fn index(&mut self, parsed: &Parsed, depth: usize) -> Result<Vec<u8>> {
        let at = Location::named("the index");
        let ParsedBody::Index(document) = &parsed.body else {
            let why = "it is not an index";
            return Err(Error::new(&at, ErrorKind::CannotConvert { to: self.name(), why }));
        };
        if depth > limits::INDEX_DEPTH {
            let limit = limits::INDEX_DEPTH as u64;
            let kind = ErrorKind::limit("the depth of nested indexes", limit, "more levels");
            return Err(Error::new(&at, kind));
        }
        let entries = self.entries(document.view(), depth)?;
        let mut failed = None;
        let (to, changes) = (self.to, &mut *self.changes);
        let text = rewrite(&parsed.raw, &mut |path, value| {
            member(path, value, (to, &entries), changes).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                Action::Keep
            })
        })
        .at(&at)?;
        if let Some(kind) = failed {
            return Err(Error::new(&at, kind));
        }
        let own = MediaKind::Index.name(to).unwrap_or_default();
        Ok(with_media_type(text, own, self.changes).at(&at)?.into_bytes())
    }

    fn name(&self) -> &'static str {
        match self.to {
            MediaFamily::Docker => DocumentKind::List.name(),
            MediaFamily::Oci => DocumentKind::OciIndex.name(),
        }
    }

    /// Converts each entry, children first.
    fn entries(&mut self, index: &Index, depth: usize) -> Result<Vec<IndexEntry>> {
        let mut renamed: BTreeMap<String, Measured> = BTreeMap::new();
        let mut entries = Vec::with_capacity(index.manifests.len());
        for descriptor in &index.manifests {
            let entry = self.entry(descriptor, depth)?;
            if let IndexEntry::Stays { measured: Some(measured), .. } = &entry {
                renamed.insert(descriptor.digest.to_string(), *measured);
            }
            entries.push(entry);
        }
        for (entry, descriptor) in entries.iter_mut().zip(&index.manifests) {
            let subject = descriptor.annotations.get("vnd.docker.reference.digest");
            let stale = subject.is_some_and(|subject| renamed.contains_key(subject));
            if descriptor.is_attestation() && (stale || self.to == MediaFamily::Docker) {
                let before = Some(descriptor.digest.to_string());
                let field = "manifests".to_owned();
                let reason = Reason::Attestation;
                self.changes.push(Change { field, before, after: None, reason });
                *entry = IndexEntry::Goes;
            }
        }
        Ok(entries)
    }

    fn entry(&mut self, descriptor: &Descriptor, depth: usize) -> Result<IndexEntry> {
        let at = Location::named(&descriptor.digest.to_string());
        let stays = |platform| IndexEntry::Stays { media_type: None, measured: None, platform };
        if descriptor.is_attestation() {
            return Ok(stays(None));
        }
        let raw = match self.blobs {
            Some(blobs) => blobs.document(descriptor)?,
            None => None,
        };
        let thing = MediaKind::of(&descriptor.media_type).map(|(thing, _)| thing);
        let Some(raw) = raw else {
            let list = self.to == MediaFamily::Docker;
            if list && thing == Some(MediaKind::Index) {
                let why = "a manifest list cannot hold an index; pass its children with --children to flatten it";
                return Err(Error::new(&at, ErrorKind::CannotConvert { to: self.name(), why }));
            }
            if descriptor.platform.is_none() && (list || self.fill == PlatformFill::All) {
                let missing =
                    "an entry has no platform; pass its config with --children".to_owned();
                return Err(Error::new(&at, ErrorKind::Missing { to: self.name(), missing }));
            }
            // Both families may list the other's children.
            return Ok(stays(None));
        };
        let parsed = parse(&raw).at(&at)?;
        match &parsed.body {
            ParsedBody::Index(_) if self.to == MediaFamily::Docker => {
                self.flattened(&parsed, descriptor, depth)
            }
            ParsedBody::Index(_) => {
                let raw = self.index(&parsed, depth.saturating_add(1))?;
                Ok(self.child(raw, MediaKind::Index, None))
            }
            ParsedBody::Manifest(_) => {
                let platform = self.platform(&parsed, descriptor)?;
                let raw = swap(&parsed, self.to, self.changes).at(&at)?;
                Ok(self.child(raw, MediaKind::Manifest, platform))
            }
            // A schema 1 child is kept: lists may contain them.
            _ => Ok(stays(None)),
        }
    }

    fn child(&mut self, raw: Vec<u8>, thing: MediaKind, platform: Option<String>) -> IndexEntry {
        let measured = Measured::of(&raw);
        let media_type = thing.name(self.to).map(str::to_owned);
        self.children.insert(measured.digest(), raw);
        IndexEntry::Stays { media_type, measured: Some(measured), platform }
    }

    /// Replaces an index by its entries.
    fn flattened(
        &mut self,
        parsed: &Parsed,
        descriptor: &Descriptor,
        depth: usize,
    ) -> Result<IndexEntry> {
        let raw = self.index(parsed, depth.saturating_add(1))?;
        let at = Location::named(&descriptor.digest.to_string());
        let checked = json::check(&raw, Trailing::Refused).at(&at)?;
        let [manifests] = checked.value.fields("the index", ["manifests"]).at(&at)?;
        let mut texts = Vec::new();
        if let Some(manifests) = manifests {
            texts.extend(manifests.list("manifests").at(&at)?.map(|it| it.raw().to_owned()));
        }
        self.changes.push(Change {
            field: "manifests".to_owned(),
            before: Some(descriptor.digest.to_string()),
            after: Some(format!("{} entries", texts.len())),
            reason: Reason::Flattened,
        });
        Ok(IndexEntry::Several(texts))
    }

    /// The platform from the config of a child, if the entry needs one and has none.
    fn platform(&mut self, child: &Parsed, descriptor: &Descriptor) -> Result<Option<String>> {
        let wanted = self.to == MediaFamily::Docker || self.fill == PlatformFill::All;
        let (true, None, ParsedBody::Manifest(manifest), Some(blobs)) =
            (wanted, &descriptor.platform, &child.body, self.blobs)
        else {
            return Ok(None);
        };
        let Some(config) = &manifest.view().config else { return Ok(None) };
        let at = Location::named(&config.digest.to_string());
        let Some(raw) = blobs.document(config)? else {
            let missing =
                format!("the platform is in the config {}, which is missing", config.digest);
            return Err(Error::new(&at, ErrorKind::Missing { to: self.name(), missing }));
        };
        let config: Document<Config> = Document::parse(raw).at(&at)?;
        let platform = &config.view().platform;
        self.changes.push(Change {
            field: "manifests.platform".to_owned(),
            before: None,
            after: Some(platform.to_string()),
            reason: Reason::PlatformFilled,
        });
        Ok(Some(crate::document::descriptor::platform_json(platform)))
    }
}

fn member(
    path: &str,
    value: Value<'_>,
    (to, entries): (MediaFamily, &[IndexEntry]),
    changes: &mut Vec<Change>,
) -> Result<Action, ErrorKind> {
    if path == "mediaType" {
        return typed(path, value, MediaKind::Index.name(to), changes);
    }
    if path == "manifests" {
        return Ok(Action::Into(Vec::new()));
    }
    let Some(rest) = path.strip_prefix("manifests[") else {
        return Ok(match lost(path) {
            Some(reason) if to == MediaFamily::Docker => drop_member(path, value, reason, changes),
            _ => Action::Keep,
        });
    };
    let (at, name) = rest.split_once(']').unwrap_or_default();
    let entry = at.parse::<usize>().ok().and_then(|at| entries.get(at));
    let Some(entry) = entry else { return Ok(Action::Keep) };
    let (media_type, measured, platform) = match entry {
        IndexEntry::Goes => return Ok(Action::Drop),
        IndexEntry::Several(texts) => return Ok(Action::Replace(texts.join(","))),
        IndexEntry::Stays { media_type, measured, platform } => (media_type, measured, platform),
    };
    let name = name.strip_prefix('.').unwrap_or_default();
    let replaced = |after: String, text: String, changes: &mut Vec<Change>| {
        let before = Some(super::swap::plain(value));
        if before.as_deref() != Some(&after) {
            let reason = Reason::MediaType;
            changes.push(Change { field: path.to_owned(), before, after: Some(after), reason });
        }
        Action::Replace(text)
    };
    Ok(match (name, measured) {
        ("", _) => Action::Into(platform.iter().map(|text| ("platform", text.clone())).collect()),
        ("mediaType", _) => typed(path, value, media_type.as_deref(), changes)?,
        ("digest", Some(measured)) => {
            let digest = measured.digest().to_string();
            let text = go::quoted(&digest);
            replaced(digest, text, changes)
        }
        ("size", Some(measured)) => {
            let size = measured.size().to_string();
            replaced(size.clone(), size, changes)
        }
        (name, _) => match lost(name) {
            Some(reason) if to == MediaFamily::Docker => drop_member(path, value, reason, changes),
            Some(Reason::Data) if measured.is_some() => {
                drop_member(path, value, Reason::Data, changes)
            }
            _ if name == "urls" && to == MediaFamily::Docker => {
                drop_member(path, value, Reason::Urls, changes)
            }
            _ => Action::Keep,
        },
    })
}
