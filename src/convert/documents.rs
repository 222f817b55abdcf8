//! Builds the documents of the destination, bottom up: kept byte for byte, or new. It uses
//! descriptors, not paths.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::encoding::is_about_bytes;
use super::plan::Plan;
use super::work::WorkId;
use super::{GzipMembers, GzipProgram};
use crate::digest::{Digest, Measured};
use crate::document::descriptor::Descriptor;
use crate::document::media_type::{MediaFamily, MediaKind};
use crate::document::{Document, Index, Manifest};
use crate::error::{At as _, Result};
use crate::image::layer::Encode;
use crate::image::{Child, Entry, Image, Name, Node, NodeId};
use crate::store::{DocumentRole, NewDocument, SavedImage, StoredBlob, StoredLayer, Top};

/// Everything above the blobs of the destination.
pub(super) struct DocumentTree<'a, 's> {
    plan: &'a Plan,
    stored: &'s [StoredBlob],
    top: Top<'a>,
    seen: BTreeSet<Digest>,
    built: BTreeMap<NodeId, Built>,
}

/// A node in the destination.
#[derive(Clone, Default)]
struct Built {
    /// Its descriptor, if it is new.
    new: Option<Descriptor>,
    /// The digest of an image's manifest.
    manifest: Option<Digest>,
}

impl<'a, 's> DocumentTree<'a, 's> {
    /// Builds everything below the planned entries.
    pub(super) fn build(plan: &'a Plan, stored: &'s [StoredBlob]) -> Result<Self> {
        let mut documents = Self {
            plan,
            stored,
            top: Top::default(),
            seen: BTreeSet::new(),
            built: BTreeMap::new(),
        };
        if plan.holds_documents() {
            for entry in &plan.entries {
                let built = documents.node(entry.node, entry.descriptor.as_deref())?;
                documents.top.entries.extend(finished(entry, built));
            }
            documents.top.verbatim = plan.verbatim_index();
        }
        documents.images();
        Ok(documents)
    }

    /// The content of the store.
    pub(super) fn finish(self) -> Top<'a> {
        self.top
    }

    /// The digest of an image's manifest in the destination.
    pub(super) fn manifest(&self, image: NodeId) -> Option<Digest> {
        match self.plan.dialect() {
            Some(dialect) if dialect.is_plain() => {
                let place = self.plan.subjects.iter().position(|(node, _)| *node == image)?;
                Some(dialect.manifest(self.top.images.get(place)?)?.measured().digest())
            }
            _ => self.built.get(&image).and_then(|built| built.manifest),
        }
    }

    /// The entries of the destination's index, each with its descriptor there.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.top.entries
    }

    /// The bytes of a document of the destination.
    pub(super) fn document(&self, digest: &Digest) -> Option<&[u8]> {
        self.top.documents.iter().find(|it| it.digest == *digest).map(|it| &*it.raw)
    }

    fn push(&mut self, digest: Digest, raw: Arc<[u8]>, role: DocumentRole) {
        if self.seen.insert(digest) {
            self.top.documents.push(NewDocument { digest, raw, role });
        }
    }

    fn blob(&mut self, work: Option<WorkId>) -> Option<StoredBlob> {
        let stored = *self.stored.get(work?)?;
        if self.seen.insert(stored.digest) {
            self.top.blobs.push(stored);
        }
        Some(stored)
    }

    /// Builds one node; `found` is its descriptor in the source.
    fn node(&mut self, node: NodeId, found: Option<&Descriptor>) -> Result<Built> {
        if let Some(built) = self.built.get(&node) {
            return Ok(built.clone());
        }
        let plan = self.plan;
        let built = match plan.source.nodes.get(node) {
            Some(Node::Image(image)) => self.image(node, image, found)?,
            Some(Node::Index { document, children }) => {
                self.index(node, document, children, found)?
            }
            Some(Node::Other { document, blobs, .. }) => {
                for (descriptor, _) in blobs {
                    self.blob(plan.work.of_blob(descriptor));
                }
                self.keep(document.shared(), found);
                Built::default()
            }
            Some(Node::UnknownBlob(descriptor, _)) => {
                self.blob(plan.work.of_blob(descriptor));
                Built::default()
            }
            Some(Node::Absent | Node::Broken) | None => Built::default(),
        };
        self.built.insert(node, built.clone());
        Ok(built)
    }

    fn keep(&mut self, raw: Arc<[u8]>, found: Option<&Descriptor>) {
        let digest = found.map_or_else(|| Digest::of(&raw), |found| found.digest);
        self.push(digest, raw, DocumentRole::Manifest);
    }

    fn image(&mut self, node: NodeId, image: &Image, found: Option<&Descriptor>) -> Result<Built> {
        let work: Vec<Option<WorkId>> = self.plan.work.of(node).collect();
        let stored: Vec<Option<StoredBlob>> = work.iter().map(|it| self.blob(*it)).collect();
        let encodes = self.plan.work.encodes(node);
        let kept = encodes.iter().all(|encode| *encode == Encode::Keep);
        if let (Some(manifest), Some(found), true) = (&image.manifest, found, kept) {
            if let Some(config) = &manifest.view().config {
                self.push(config.digest, image.config.shared(), DocumentRole::Config);
            }
            self.keep(manifest.shared(), Some(found));
            return Ok(Built { new: None, manifest: Some(found.digest) });
        }
        let config = image.config.measured().digest();
        self.push(config, image.config.shared(), DocumentRole::Config);
        let manifest = self.new_manifest(image, &stored, &work);
        let family = manifest.family();
        // As docker push sends it, or compact.
        let bytes = match self.plan.target.members {
            GzipMembers::Like(GzipProgram::Docker) => manifest.spelled(),
            _ => manifest.to_json().into_bytes(),
        };
        let document = Document::<Manifest>::parse(bytes).at(&image.config_at)?;
        let measured = *document.measured();
        self.push(measured.digest(), document.shared(), DocumentRole::Manifest);
        let media_type = MediaKind::Manifest.name(family).unwrap_or_default();
        let mut new = Descriptor::of(media_type, &measured);
        new.platform = Some(Box::new(image.config.view().platform.clone()));
        Ok(Built { new: Some(new), manifest: Some(measured.digest()) })
    }

    /// A new manifest, with the fields of the old one except the layers.
    fn new_manifest(
        &self,
        image: &Image,
        stored: &[Option<StoredBlob>],
        work: &[Option<WorkId>],
    ) -> Manifest {
        let old = image.manifest.as_ref().map(Document::view);
        let family = self.plan.target.family.or(old.map(Manifest::family));
        let family = family.unwrap_or(MediaFamily::Oci);
        let mut layers = Vec::with_capacity(stored.len());
        for ((layer, stored), work) in image.layers.iter().zip(stored).zip(work) {
            let mut descriptor = match (layer.claim.as_deref(), stored) {
                (Some(claim), _) => claim.clone(),
                (None, Some(stored)) => Descriptor::new("", stored.digest, stored.size),
                (None, None) => continue,
            };
            let job = work.and_then(|it| self.plan.work.job(it, &self.plan.source.blobs));
            if let (Some(stored), Some(job)) = (stored, &job) {
                let changed = job.encode != Encode::Keep;
                let codec = job.stored_codec();
                let kind = match MediaKind::of(&descriptor.media_type) {
                    // Without its urls nobody finds it, unless registries store it.
                    Some((MediaKind::NonDistributable(_), _))
                        if !changed || descriptor.urls.is_empty() =>
                    {
                        MediaKind::NonDistributable(codec)
                    }
                    _ => MediaKind::Layer(codec),
                };
                let name = kind.name(family).or_else(|| MediaKind::Layer(codec).name(family));
                name.unwrap_or_default().clone_into(&mut descriptor.media_type);
                descriptor.digest = stored.digest;
                descriptor.size = stored.size;
                if changed {
                    // What is about the stored bytes is no longer true.
                    descriptor.annotations.retain(|key, _| !is_about_bytes(key));
                    descriptor.urls.clear();
                    descriptor.data = None;
                }
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
            // Docker's has no other fields.
            Some(_) => new,
        }
    }

    fn index(
        &mut self,
        node: NodeId,
        index: &Document<Index>,
        children: &[Child],
        found: Option<&Descriptor>,
    ) -> Result<Built> {
        let mut manifests = Vec::new();
        let mut changed = false;
        for (at, child) in children.iter().enumerate() {
            // An attestation of a changed image describes the old digest.
            if self.plan.stale.contains(&(node, at)) {
                changed = true;
                continue;
            }
            let built = self.node(child.node, Some(&child.descriptor))?;
            changed |= built.new.is_some();
            manifests.push(match &built.new {
                Some(new) => child.descriptor.renewed(new),
                None => child.descriptor.clone(),
            });
        }
        if !changed {
            self.keep(index.shared(), found);
            return Ok(Built::default());
        }
        let index = Index { manifests, ..index.view().clone() };
        let media_type = MediaKind::Index.name(index.family()).unwrap_or_default();
        let raw = index.to_json().into_bytes();
        let new = Descriptor::of(media_type, &Measured::of(&raw));
        self.push(new.digest, raw.into(), DocumentRole::Manifest);
        Ok(Built { new: Some(new), manifest: None })
    }

    /// The images of `manifest.json`, with their stored parts.
    fn images(&mut self) {
        let plan = self.plan;
        for (node, names) in &plan.subjects {
            let Some(image) = plan.source.image(*node) else { continue };
            let mut layers = Vec::with_capacity(image.layers.len());
            let sources = image.layers.iter().filter_map(|it| Some((it.diff_id, it.elsewhere()?)));
            let sources = sources.collect();
            for (layer, work) in image.layers.iter().zip(plan.work.of(*node)) {
                let stored = work.and_then(|work| self.stored.get(work)).copied();
                // A missing non-distributable layer keeps its place in the list.
                let claimed = layer.claim.as_ref();
                let stored = stored
                    .or_else(|| claimed.map(|it| StoredBlob { digest: it.digest, size: it.size }));
                let diff_id = layer.diff_id;
                layers.extend(stored.map(|stored| StoredLayer { diff_id, stored }));
            }
            let names = names.iter().filter_map(|name: &Name| name.reference.clone()).collect();
            let at = image.config_at.clone();
            let config = &image.config;
            let kept = self.built.get(node).is_some_and(|built| built.new.is_none());
            let claimed = image.manifest.as_ref().and_then(|it| it.view().config.as_ref());
            let config_blob = match claimed.filter(|_| kept) {
                Some(claim) => claim.digest,
                None => config.measured().digest(),
            };
            self.top.images.push(SavedImage { names, config, config_blob, layers, sources, at });
        }
    }
}

/// A planned entry with its descriptor in the destination.
fn finished(entry: &Entry, built: Built) -> Option<Entry> {
    let descriptor = match (entry.descriptor.as_deref(), built.new) {
        (Some(found), Some(new)) => found.renewed(&new),
        (Some(found), None) => found.clone(),
        (None, Some(new)) => new,
        (None, None) => return None,
    };
    Some(Entry { descriptor: Some(Arc::new(descriptor)), ..entry.clone() })
}
