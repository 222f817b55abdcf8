//! The documents of the destination, bottom up: kept byte for byte, or made new.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Plan;
use crate::archive::members::{Content, Member, StoredBlob};
use crate::digest::Digest;
use crate::document::descriptor::{CONTAINERD_NAME, Descriptor, REF_NAME, blob_path};
use crate::document::media_type::{MediaFamily, MediaKind};
use crate::document::{Document, Index, Manifest};
use crate::error::{At as _, Result};
use crate::image::layer::Encode;
use crate::image::reason::{Loss, Reason};
use crate::image::{Child, Entry, Image, Name, Node, NodeId};

/// Blobs and indexes of the destination.
pub(super) struct Tree<'a> {
    plan: &'a Plan,
    stored: &'a [StoredBlob],
    /// All blobs, each once.
    pub(super) members: Vec<Member>,
    seen: BTreeSet<Digest>,
    built: BTreeMap<NodeId, Built>,
    /// How many names have each tag.
    tags: BTreeMap<&'a str, usize>,
    /// What turned out to be lost.
    pub(super) losses: Vec<Loss>,
}

/// A node as it is in the destination.
#[derive(Clone)]
struct Built {
    /// Its own descriptor where it was made new.
    new: Option<Descriptor>,
    /// The digest of an image's manifest.
    manifest: Option<Digest>,
}

impl<'a> Tree<'a> {
    /// Builds everything below the planned entries.
    pub(super) fn build(
        plan: &'a Plan,
        stored: &'a [StoredBlob],
    ) -> Result<(Self, Vec<Descriptor>)> {
        let mut tree = Self {
            plan,
            stored,
            members: Vec::new(),
            seen: BTreeSet::new(),
            built: BTreeMap::new(),
            tags: BTreeMap::new(),
            losses: Vec::new(),
        };
        let names = plan.entries.iter().flat_map(|entry| &entry.names);
        for reference in names.filter_map(|it| it.reference.as_ref()).collect::<BTreeSet<_>>() {
            *tree.tags.entry(reference.tag()).or_default() += 1;
        }
        // An image that is there twice under one name is there once.
        let (mut entries, mut seen) = (Vec::new(), BTreeSet::new());
        for entry in &plan.entries {
            let built = tree.node(entry.node, entry.descriptor.as_deref())?;
            let new = tree.entry(entry, &built);
            entries.extend(new.into_iter().filter(|it| seen.insert(it.to_json(MediaFamily::Oci))));
        }
        Ok((tree, entries))
    }

    /// The digest of an image's manifest in the destination.
    pub(super) fn manifest(&self, image: NodeId) -> Option<Digest> {
        self.built.get(&image).and_then(|built| built.manifest)
    }

    fn push(&mut self, digest: Digest, content: Option<Content>) {
        if let Some(content) = content
            && self.seen.insert(digest)
        {
            self.members.push(Member::file(blob_path(&digest), content));
        }
    }

    fn job(&mut self, job: Option<usize>) -> Option<&'a StoredBlob> {
        let stored = self.stored.get(job?)?;
        self.push(stored.digest, stored.content.clone());
        Some(stored)
    }

    /// Builds one node; `found` is the descriptor that names it in the source.
    fn node(&mut self, node: NodeId, found: Option<&Descriptor>) -> Result<Built> {
        if let Some(built) = self.built.get(&node) {
            return Ok(built.clone());
        }
        let unchanged = Built { new: None, manifest: None };
        let plan = self.plan;
        let built = match plan.source.nodes.get(node) {
            Some(Node::Image(image)) => self.image(node, image, found)?,
            Some(Node::Index { document, children }) => self.index(document, children, found)?,
            Some(Node::Other { document, blobs, .. }) => {
                for (descriptor, _) in blobs {
                    self.job(plan.jobs.of_blob(descriptor));
                }
                self.keep(document.shared(), found);
                unchanged
            }
            Some(Node::UnknownBlob(descriptor, _)) => {
                self.job(plan.jobs.of_blob(descriptor));
                unchanged
            }
            Some(Node::Absent | Node::Broken) | None => unchanged,
        };
        self.built.insert(node, built.clone());
        Ok(built)
    }

    fn keep(&mut self, raw: std::sync::Arc<[u8]>, found: Option<&Descriptor>) {
        let digest = found.map_or_else(|| Digest::of(&raw), |found| found.digest);
        self.push(digest, Some(Content::Bytes(raw)));
    }

    fn image(&mut self, node: NodeId, image: &Image, found: Option<&Descriptor>) -> Result<Built> {
        let jobs: Vec<Option<usize>> = self.plan.jobs.of(node).collect();
        let stored: Vec<Option<&StoredBlob>> = jobs.iter().map(|job| self.job(*job)).collect();
        let encodes = self.plan.jobs.encodes(node);
        let kept = encodes.iter().all(|encode| *encode == Encode::Keep);
        if let (Some(manifest), Some(found), true) = (&image.manifest, found, kept) {
            if let Some(config) = &manifest.view().config {
                self.push(config.digest, Some(Content::Bytes(image.config.shared())));
            }
            self.keep(manifest.shared(), Some(found));
            return Ok(Built { new: None, manifest: Some(found.digest) });
        }
        let config = image.config.measured().digest();
        self.push(config, Some(Content::Bytes(image.config.shared())));
        let manifest = self.new_manifest(image, &stored, &encodes, &jobs);
        let family = manifest.family();
        let document =
            Document::<Manifest>::parse(manifest.to_json().into_bytes()).at(&image.config_at)?;
        let measured = *document.measured();
        self.push(measured.digest(), Some(Content::Bytes(document.shared())));
        let media_type = MediaKind::Manifest.name(family).unwrap_or_default();
        let mut new = Descriptor::of(media_type, &measured);
        new.platform = Some(Box::new(image.config.view().platform.clone()));
        Ok(Built { new: Some(new), manifest: Some(measured.digest()) })
    }

    /// A manifest made new, with what the source's said beside the layers.
    fn new_manifest(
        &mut self,
        image: &Image,
        stored: &[Option<&StoredBlob>],
        encodes: &[Encode],
        jobs: &[Option<usize>],
    ) -> Manifest {
        let old = image.manifest.as_ref().map(Document::view);
        let family =
            self.plan.target.family.or(old.map(Manifest::family)).unwrap_or(MediaFamily::Oci);
        let mut layers = Vec::with_capacity(stored.len());
        for (((layer, stored), encode), job) in
            image.layers.iter().zip(stored).zip(encodes).zip(jobs)
        {
            let mut descriptor = match (&layer.claim, stored) {
                (Some(claim), _) => claim.clone(),
                (None, Some(stored)) => Descriptor::new("", stored.digest, stored.size),
                (None, None) => continue,
            };
            if let (Some(stored), Some(job)) = (stored, job.and_then(|it| self.plan.work().get(it)))
            {
                descriptor.digest = stored.digest;
                descriptor.size = stored.size;
                let thing = match MediaKind::of(&descriptor.media_type) {
                    Some((MediaKind::NonDistributable(_), _)) => {
                        MediaKind::NonDistributable(job.stored_codec())
                    }
                    _ => MediaKind::Layer(job.stored_codec()),
                };
                thing.name(family).unwrap_or_default().clone_into(&mut descriptor.media_type);
            }
            if *encode != Encode::Keep && !descriptor.annotations.is_empty() {
                // What they say of the stored bytes, such as a table of contents, is no longer so.
                self.losses.push(Loss::new(Reason::Annotations, layer.diff_id));
                descriptor.annotations.clear();
            }
            layers.push(descriptor);
        }
        let config = MediaKind::Config.name(family).unwrap_or_default();
        let config = Descriptor::of(config, image.config.measured());
        let new = Manifest::of(family, config, layers);
        match old {
            None => new,
            Some(old) if family == MediaFamily::Oci => Manifest {
                media_type: new.media_type,
                config: new.config,
                layers: new.layers,
                ..old.clone()
            },
            Some(old) => {
                if !old.annotations.is_empty() || old.subject.is_some() {
                    self.losses.push(Loss::new(Reason::Annotations, image.id()));
                }
                new
            }
        }
    }

    fn index(
        &mut self,
        index: &Document<Index>,
        children: &[Child],
        found: Option<&Descriptor>,
    ) -> Result<Built> {
        let mut manifests = Vec::new();
        let mut changed: Vec<String> = Vec::new();
        for child in children {
            let built = self.node(child.node, Some(&child.descriptor))?;
            if let Some(new) = &built.new {
                changed.push(child.descriptor.digest.to_string());
                manifests.push(renewed(&child.descriptor, new));
            } else {
                manifests.push(child.descriptor.clone());
            }
        }
        if changed.is_empty() {
            self.keep(index.shared(), found);
            return Ok(Built { new: None, manifest: None });
        }
        // What is said about an image that changed is said about another digest.
        manifests.retain(|entry| {
            let subject = entry.annotations.get("vnd.docker.reference.digest");
            let stale = subject.is_some_and(|subject| changed.contains(subject));
            if stale {
                self.losses.push(Loss::new(Reason::Attestation, entry.digest));
                if self.seen.remove(&entry.digest) {
                    let path = blob_path(&entry.digest);
                    self.members.retain(|member| member.path != path);
                }
            }
            !stale
        });
        let index = Index { manifests, ..index.view().clone() };
        let media_type = MediaKind::Index.name(index.family()).unwrap_or_default();
        let raw = index.to_json().into_bytes();
        let new = Descriptor::of(media_type, &crate::digest::Measured::of(&raw));
        self.push(new.digest, Some(Content::Bytes(raw.into())));
        Ok(Built { new: Some(new), manifest: None })
    }

    /// The entries of `index.json` for one planned entry: one per name.
    fn entry(&self, entry: &Entry, built: &Built) -> Vec<Descriptor> {
        let descriptor = match (entry.descriptor.as_deref(), &built.new) {
            (Some(found), Some(new)) => renewed(found, new),
            (Some(found), None) => found.clone(),
            (None, Some(new)) => new.clone(),
            (None, None) => return Vec::new(),
        };
        if entry.names.is_empty() {
            return vec![descriptor];
        }
        entry.names.iter().map(|name| self.named(&descriptor, name)).collect()
    }

    fn named(&self, descriptor: &Descriptor, name: &Name) -> Descriptor {
        let mut descriptor = descriptor.clone();
        let annotations = &mut descriptor.annotations;
        let Some(reference) = &name.reference else {
            annotations.remove(CONTAINERD_NAME);
            annotations.insert(REF_NAME.to_owned(), name.ref_name.clone());
            return descriptor;
        };
        annotations.insert(CONTAINERD_NAME.to_owned(), reference.to_string());
        if name.ref_name.is_empty() {
            let tag = reference.tag();
            let unique = self.tags.get(tag).is_none_or(|count| *count < 2);
            let ref_name = if unique { tag.to_owned() } else { reference.to_string() };
            annotations.insert(REF_NAME.to_owned(), ref_name);
        } else {
            annotations.insert(REF_NAME.to_owned(), name.ref_name.clone());
        }
        descriptor
    }
}

/// An entry for what was made new in the place of another.
fn renewed(found: &Descriptor, new: &Descriptor) -> Descriptor {
    Descriptor {
        media_type: new.media_type.clone(),
        digest: new.digest,
        size: new.size,
        data: None,
        platform: found.platform.clone().or_else(|| new.platform.clone()),
        ..found.clone()
    }
}

/// The `index.json`: the source's own where it says the same, else new.
pub(super) fn index(plan: &Plan, entries: Vec<Descriptor>) -> Vec<u8> {
    match &plan.source.index {
        Some(index) if plan.verbatim => index.raw().to_vec(),
        _ => Index::of(entries).to_json().into_bytes(),
    }
}
