//! Reads OCI layouts: `index.json`, the manifests and indexes below it, each digest once.
//!
//! Missing children of an index are normal (docker's containerd store exports only the platforms
//! it has) and are noted; a missing entry of `index.json` itself, or an index of which nothing is
//! there, is a problem. `urls` are never fetched.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{INDEX_NAME, MARKER_NAME};
use crate::bytes::files::{ByteSource, Files};
use crate::codec::Compression;
use crate::digest::Digest;
use crate::document::descriptor::{CONTAINERD_NAME, Descriptor, REF_NAME};
use crate::document::media_type::{MediaKind, is_image_config};
use crate::document::{Config, Document, Index, Manifest, View};
use crate::error::{At as _, Error, ErrorKind, Location, Result, Shown};
use crate::image::reading::{Note, Reading};
use crate::image::{Blob, Child, Entry, Image, Layer, Name, Node, NodeId, NotImage};
use crate::json::{self, Trailing};
use crate::limits;
use crate::reference::Reference;

/// Whether this looks like a layout.
pub(crate) fn is_layout(files: &Files) -> bool {
    [MARKER_NAME, INDEX_NAME].iter().any(|name| !matches!(files.find(name), Ok(None)))
}

/// Reads everything that `index.json` names.
pub(crate) fn read(files: &Files) -> Result<Reading> {
    marker(files)?;
    let at = files.at().member(INDEX_NAME);
    let Some(extent) = files.find(INDEX_NAME)? else {
        return Err(Error::new(&at, ErrorKind::MissingMember { by: MARKER_NAME.to_owned() }));
    };
    let raw = extent.read(limits::ARCHIVE_DOCUMENT, "the size of index.json, in bytes,")?;
    let index = Document::<Index>::parse(raw).at(&at)?;
    let mut reader = Reader { files, reading: Reading::default(), known: BTreeMap::new() };
    for descriptor in &index.view().manifests {
        let node = reader.node(descriptor, 0)?;
        if let Some(absent) = reader.absent_of(node, descriptor) {
            reader.absent(&absent);
        }
        let names = reader.name(descriptor).into_iter().collect();
        let descriptor = Some(Arc::new(descriptor.clone()));
        reader.reading.entries.push(Entry { names, descriptor, node });
    }
    reader.reading.index = Some(index);
    Ok(reader.reading)
}

fn marker(files: &Files) -> Result<()> {
    let at = files.at().member(MARKER_NAME);
    let Some(marker) = files.find(MARKER_NAME)? else {
        return Err(Error::new(
            &at,
            ErrorKind::MissingMember { by: "every OCI layout".to_owned() },
        ));
    };
    let raw = marker.read(limits::LAYOUT_MARKER, "the size of oci-layout, in bytes,")?;
    check_marker(&raw).at(&at)
}

/// Checks the bytes of an `oci-layout`.
pub(crate) fn check_marker(raw: &[u8]) -> Result<(), ErrorKind> {
    let checked = json::check(raw, Trailing::Refused)?;
    if let Some(repeated) = checked.duplicates.first() {
        return Err(ErrorKind::DuplicateKey { key: repeated.key.clone() });
    }
    let [version] = checked.value.fields("oci-layout", ["imageLayoutVersion"])?;
    let version = crate::document::descriptor::optional(version, "imageLayoutVersion")?;
    if version == "1.0.0" {
        return Ok(());
    }
    let found = if version.is_empty() { "nothing".to_owned() } else { version };
    Err(ErrorKind::LayoutVersion { found })
}

struct Reader<'a> {
    files: &'a Files,
    reading: Reading,
    known: BTreeMap<Digest, NodeId>,
}

impl Reader<'_> {
    fn at(&self, descriptor: &Descriptor) -> Location {
        self.files.at().member(&descriptor.path())
    }

    fn note(&mut self, at: &Location, code: &'static str, text: impl Into<String>) {
        self.reading.notes.push(Note::new(at, code, text));
    }

    /// What is missing of a node that is not whole: itself, or the first of its blobs.
    fn absent_of(&self, node: NodeId, descriptor: &Descriptor) -> Option<Descriptor> {
        match self.reading.nodes.get(node)? {
            Node::Absent => Some(descriptor.clone()),
            Node::Other { document, why: NotImage::Incomplete, blobs } => {
                let view = document.view();
                let here = |it: &Descriptor| blobs.iter().any(|(blob, _)| blob.digest == it.digest);
                let mut all = view.config.iter().chain(&view.layers);
                all.find(|it| !here(it) && it.urls.is_empty()).cloned()
            }
            _ => None,
        }
    }

    fn absent(&mut self, descriptor: &Descriptor) {
        let known = self.reading.problems.iter().any(|problem| problem.at == self.at(descriptor));
        if !known {
            let kind = ErrorKind::MissingBlob { expected: descriptor.digest };
            self.reading.problems.push(Error::new(&self.at(descriptor), kind));
        }
    }

    /// The bytes that a descriptor names, where they are there.
    fn extent(&self, descriptor: &Descriptor) -> Result<Option<ByteSource>> {
        match &descriptor.data {
            Some(data) => Ok(Some(ByteSource::bytes(self.at(descriptor), data.clone()))),
            None => self.files.find(&descriptor.path()),
        }
    }

    /// What a descriptor names. Problems end up beside an absent node; an error means that
    /// nothing more can be read.
    fn node(&mut self, descriptor: &Descriptor, depth: usize) -> Result<NodeId> {
        if let Some(known) = self.known.get(&descriptor.digest) {
            return Ok(*known);
        }
        if depth > limits::INDEX_DEPTH {
            let limit = limits::INDEX_DEPTH as u64;
            let kind = ErrorKind::limit("the depth of nested indexes", limit, "more levels");
            return Err(Error::new(&self.at(descriptor), kind));
        }
        if self.known.len() >= limits::MANIFESTS {
            let limit = limits::MANIFESTS as u64;
            let kind = ErrorKind::limit("the number of manifests", limit, "more");
            return Err(Error::new(self.files.at(), kind));
        }
        let node = match self.read_node(descriptor, depth) {
            Ok(node) => node,
            Err(error) if matches!(error.kind, ErrorKind::Limit { .. }) => return Err(error),
            Err(error) => {
                self.reading.problems.push(error);
                Node::Broken
            }
        };
        self.reading.nodes.push(node);
        let id = self.reading.nodes.len().saturating_sub(1);
        self.known.insert(descriptor.digest, id);
        Ok(id)
    }

    fn read_node(&mut self, descriptor: &Descriptor, depth: usize) -> Result<Node> {
        let Some(extent) = self.extent(descriptor)? else { return Ok(Node::Absent) };
        if extent.size != descriptor.size {
            let kind = ErrorKind::Size { expected: descriptor.size, found: extent.size };
            return Err(Error::new(&extent.at, kind));
        }
        match kind_of(descriptor, &extent)? {
            Some(MediaKind::Index) => {
                let document = Box::new(self.document::<Index>(descriptor, &extent)?);
                same_type(descriptor, &document.view().media_type).at(&extent.at)?;
                let children = self.children(&document, descriptor, depth)?;
                Ok(Node::Index { document, children })
            }
            Some(MediaKind::Manifest) => {
                let document = self.document::<Manifest>(descriptor, &extent)?;
                same_type(descriptor, &document.view().media_type).at(&extent.at)?;
                self.manifest(document, descriptor)
            }
            _ => Ok(Node::UnknownBlob(Box::new(descriptor.clone()), Blob(extent))),
        }
    }

    /// A document, checked against its descriptor.
    fn document<T: View>(
        &self,
        descriptor: &Descriptor,
        extent: &ByteSource,
    ) -> Result<Document<T>> {
        let raw =
            checked(descriptor, extent, limits::MANIFEST, "the size of a manifest, in bytes,")?;
        Document::parse(raw).at(&extent.at)
    }

    fn children(
        &mut self,
        index: &Document<Index>,
        descriptor: &Descriptor,
        depth: usize,
    ) -> Result<Vec<Child>> {
        let mut children = Vec::new();
        let mut absent = Vec::new();
        for entry in &index.view().manifests {
            let node = self.node(entry, depth.saturating_add(1))?;
            if let Some(missing) = self.absent_of(node, entry) {
                absent.push((entry, missing));
            }
            children.push(Child { descriptor: entry.clone(), node });
        }
        let whole =
            |child: &Child| !Reading::images_below(&self.reading.nodes, child.node).is_empty();
        if let Some((_, first)) = absent.first() {
            if children.iter().any(whole) {
                let platforms: Vec<String> = absent.iter().map(|(it, _)| label(it)).collect();
                let text = format!("not all here; absent: {}", platforms.join(", "));
                self.note(&self.at(descriptor), "child-absent", text);
            } else {
                self.absent(first);
            }
        }
        Ok(children)
    }

    fn manifest(&mut self, document: Document<Manifest>, descriptor: &Descriptor) -> Result<Node> {
        let attestation = descriptor.is_attestation();
        // An entry may repeat the type of an image config as its artifact type (image-spec 1.1).
        let said = &descriptor.artifact_type;
        let artifact = !said.is_empty() && !is_image_config(said);
        if attestation || artifact || !document.view().is_image() {
            let why = if attestation { NotImage::Attestation } else { NotImage::Artifact };
            let blobs = self.blobs(document.view())?;
            return Ok(Node::Other { document: Box::new(document), why, blobs });
        }
        let view = document.view();
        let Some((claim, config)) = self.config(view)? else {
            let blobs = self.blobs(view)?;
            return Ok(incomplete(document, blobs));
        };
        let config_at = config.at.clone();
        let what = "the size of the config, in bytes,";
        let raw = checked(claim, &config, limits::CONFIG, what)?;
        if raw == EMPTY {
            let blobs = self.blobs(view)?;
            return Ok(Node::Other {
                document: Box::new(document),
                why: NotImage::Artifact,
                blobs,
            });
        }
        let config = Document::parse(raw).at(&config_at)?;
        let config: Document<Config> = config;
        let diff_ids = &config.view().diff_ids;
        if diff_ids.len() != view.layers.len() {
            let kind =
                ErrorKind::LayerCount { diff_ids: diff_ids.len(), layers: view.layers.len() };
            return Err(Error::new(&self.at(descriptor), kind));
        }
        let mut layers = Vec::with_capacity(diff_ids.len());
        let mut whole = true;
        for (claim, diff_id) in view.layers.iter().zip(diff_ids) {
            let blob = self.extent(claim)?;
            let codec = self.codec(claim, blob.as_ref())?;
            let foreign = !claim.urls.is_empty()
                || matches!(
                    MediaKind::of(&claim.media_type),
                    Some((MediaKind::NonDistributable(_), _))
                );
            whole &= blob.is_some() || foreign;
            layers.push(Layer { diff_id: *diff_id, claim: Some(claim.clone()), codec, blob });
        }
        if !whole {
            let blobs = self.blobs(view)?;
            return Ok(incomplete(document, blobs));
        }
        let image = Image { config, config_at, layers, manifest: Some(document) };
        Ok(Node::Image(Box::new(image)))
    }

    /// The config of an image, where it is here.
    fn config<'m>(&self, manifest: &'m Manifest) -> Result<Option<(&'m Descriptor, ByteSource)>> {
        let Some(claim) = &manifest.config else { return Ok(None) };
        Ok(self.extent(claim)?.map(|extent| (claim, extent)))
    }

    /// The codec of a layer by its bytes; a media type that says otherwise is noted.
    fn codec(&mut self, claim: &Descriptor, blob: Option<&ByteSource>) -> Result<Compression> {
        let said = match MediaKind::of(&claim.media_type) {
            Some((MediaKind::Layer(said) | MediaKind::NonDistributable(said), _)) => Some(said),
            _ => None,
        };
        let Some(blob) = blob else { return Ok(said.unwrap_or(Compression::None)) };
        if blob.size != claim.size {
            let kind = ErrorKind::Size { expected: claim.size, found: blob.size };
            return Err(Error::new(&blob.at, kind));
        }
        let found = Compression::sniff(&blob.head()?);
        if said.is_some_and(|said| said != found) {
            let text = format!(
                "the media type {} does not fit, the layer is {}",
                Shown(&claim.media_type),
                found.name()
            );
            self.note(&blob.at, "codec-mismatch", text);
        }
        Ok(found)
    }

    /// Those blobs of an artifact or of an incomplete image that are here.
    fn blobs(&self, manifest: &Manifest) -> Result<Vec<(Descriptor, Blob)>> {
        let mut found = Vec::new();
        for descriptor in manifest.config.iter().chain(&manifest.layers) {
            if let Some(extent) = self.extent(descriptor)? {
                found.push((descriptor.clone(), Blob(extent)));
            }
        }
        Ok(found)
    }

    /// The name of an entry of `index.json`, in one of the three dialects of layouts.
    fn name(&mut self, descriptor: &Descriptor) -> Option<Name> {
        let get = |key| descriptor.annotations.get(key).map(String::as_str).unwrap_or_default();
        let (full, ref_name) = (get(CONTAINERD_NAME), get(REF_NAME));
        let mut reference = full.parse::<Reference>().ok();
        if reference.is_none() && !full.is_empty() {
            let text = format!("{CONTAINERD_NAME} is {}, which is no image name", Shown(full));
            self.note(&self.files.at().member(INDEX_NAME), "name-invalid", text);
        }
        // A ref name without host, path or tag is a tag only, as containerd takes it.
        if reference.is_none() && ref_name.contains([':', '/']) {
            reference = ref_name.parse().ok();
        }
        if reference.is_none() && ref_name.is_empty() {
            return None;
        }
        Some(Name { reference, ref_name: ref_name.to_owned() })
    }
}

/// What a descriptor's media type says, or for none what the document looks like.
fn kind_of(descriptor: &Descriptor, extent: &ByteSource) -> Result<Option<MediaKind>> {
    if !descriptor.media_type.is_empty() || extent.size > limits::MANIFEST {
        return Ok(MediaKind::of(&descriptor.media_type).map(|(thing, _)| thing));
    }
    let raw = extent.read(limits::MANIFEST, "the size of a manifest, in bytes,")?;
    let Ok(checked) = json::check(&raw, Trailing::Refused) else { return Ok(None) };
    let Ok([manifests, config]) = checked.value.fields("the document", ["manifests", "config"])
    else {
        return Ok(None);
    };
    Ok(match (manifests, config) {
        (Some(_), _) => Some(MediaKind::Index),
        (None, Some(_)) => Some(MediaKind::Manifest),
        (None, None) => None,
    })
}

/// The content of an empty descriptor, which some artifacts have in the place of a config
/// (image-spec `manifest.md`, "Guidance for an Empty Descriptor").
pub(crate) const EMPTY: &[u8] = b"{}";

/// Refuses a document that calls itself something else than its descriptor does.
fn same_type(descriptor: &Descriptor, found: &str) -> Result<(), ErrorKind> {
    let expected = &descriptor.media_type;
    if found.is_empty() || expected.is_empty() || found == expected {
        return Ok(());
    }
    Err(ErrorKind::MediaType { expected: expected.clone(), found: found.to_owned() })
}

/// Reads bytes and checks them against their descriptor.
fn checked(
    descriptor: &Descriptor,
    extent: &ByteSource,
    limit: u64,
    what: &'static str,
) -> Result<Vec<u8>> {
    if extent.size != descriptor.size {
        let kind = ErrorKind::Size { expected: descriptor.size, found: extent.size };
        return Err(Error::new(&extent.at, kind));
    }
    let raw = extent.read(limit, what)?;
    descriptor.check_bytes(&raw).at(&extent.at)?;
    Ok(raw)
}

/// A child as people know it: its platform, or its digest.
fn label(descriptor: &Descriptor) -> String {
    match &descriptor.platform {
        Some(platform) if !descriptor.is_attestation() => platform.to_string(),
        _ => descriptor.digest.to_string(),
    }
}

fn incomplete(document: Document<Manifest>, blobs: Vec<(Descriptor, Blob)>) -> Node {
    Node::Other { document: Box::new(document), why: NotImage::Incomplete, blobs }
}
