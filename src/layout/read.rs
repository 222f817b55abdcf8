//! Reads OCI layouts: `index.json`, the manifests and indexes below it, each digest once.
//!
//! It continues after a problem and returns images and problems. Missing children of an index or of
//! `index.json` are normal (docker with the containerd store exports only the platforms that it
//! has) and are noted. If no image is complete, they are problems. `urls` are never fetched.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::kinds::{kind_by_look, kind_by_type, kind_of_bytes, not_image, same_type};
use super::{INDEX_NAME, MARKER_NAME, marker};
use crate::bytes::files::{ByteSource, Files};
use crate::codec::Compression;
use crate::digest::{DiffId, Digest, Measured};
use crate::document::descriptor::{CONTAINERD_NAME, Descriptor};
use crate::document::media_type::{MediaKind, RECOVERY};
use crate::document::{Config, Document, Index, Manifest};
use crate::error::{Error, ErrorKind, Location, Result, Shown};
use crate::image::names::annotation;
use crate::image::readers;
use crate::image::reading::{Reading, diff_ids_of, paths_in};
use crate::image::{Blob, Child, Entry, Image, Layer, Name, Node, NodeId, NotImage};
use crate::json::{self, Trailing};
use crate::limits;
use crate::reference::Reference;

/// Reads everything that `index.json` names.
pub(crate) fn read(files: &Files) -> Reading {
    let mut reader = LayoutReader { files, reading: Reading::default(), known: BTreeMap::new() };
    let marker = marker(files);
    let at = files.at().member(INDEX_NAME);
    let raw = reader.index_json(&at);
    reader.marker(marker, raw.as_deref());
    let Some(raw) = raw else { return reader.reading };
    let (index, entries) = match Document::<Index>::parse(raw.as_slice()) {
        Ok(index) => {
            let entries = index.view().manifests.clone();
            (Some(index), entries)
        }
        Err(kind) => {
            reader.reading.problem(&at, kind);
            (None, reader.entries(&raw, &at))
        }
    };
    for descriptor in &entries {
        let node = reader.node(descriptor, 0);
        let names = reader.names(descriptor);
        let descriptor = Some(Arc::new(descriptor.clone()));
        reader.reading.entries.push(Entry { names, descriptor, node });
    }
    reader.absent_entries(&at);
    reader.recorded(&at);
    reader.reading.index = index;
    reader.reading
}

struct LayoutReader<'a> {
    files: &'a Files,
    reading: Reading,
    known: BTreeMap<Digest, KnownDigest>,
}

/// The node of a digest.
#[derive(Clone)]
struct KnownDigest {
    node: NodeId,
    /// The media type in the first descriptor.
    media_type: String,
    /// The media type in the document.
    own_type: String,
    /// Its bytes, if the source has them.
    size: Option<u64>,
}

/// Whether a missing blob of an artifact is noted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IfAbsent {
    Note,
    Silent,
}

impl LayoutReader<'_> {
    fn at(&self, descriptor: &Descriptor) -> Location {
        self.files.place(&descriptor.path())
    }

    /// Without a marker, the index must be one: other programs have files of that name too.
    fn marker(&mut self, marker: Result<()>, index: Option<&[u8]>) {
        let Err(error) = marker else { return };
        let is_index = || index.and_then(kind_of_bytes) == Some(MediaKind::Index);
        if matches!(error.kind, ErrorKind::MissingMember { .. }) && is_index() {
            self.reading.notes.push(readers::MARKER_MISSING.note(&error.at));
        } else {
            self.reading.problems.insert(0, error);
        }
    }

    fn index_json(&mut self, at: &Location) -> Option<Vec<u8>> {
        let found = self.files.find(INDEX_NAME);
        let Some(found) = self.reading.kept(found)? else {
            let by = MARKER_NAME.to_owned();
            self.reading.problem(at, ErrorKind::MissingMember { by });
            return None;
        };
        let raw = found.read(limits::ARCHIVE_DOCUMENT, "the size of index.json, in bytes,");
        self.reading.kept(raw)
    }

    /// The entries of a damaged `index.json`.
    fn entries(&mut self, raw: &[u8], at: &Location) -> Vec<Descriptor> {
        if kind_of_bytes(raw) == Some(MediaKind::Manifest) {
            let kind = ErrorKind::field("manifests", "a list", "a manifest, not an index");
            self.reading.problem(at, kind);
        }
        self.descriptors(raw, "manifests", at)
    }

    /// The valid descriptors in a list of a damaged document; each other one is a problem.
    fn descriptors(&mut self, raw: &[u8], list: &str, at: &Location) -> Vec<Descriptor> {
        let Ok(checked) = json::check(raw, Trailing::Refused) else { return Vec::new() };
        let Ok([Some(found)]) = checked.value.fields("the document", [list]) else {
            return Vec::new();
        };
        let mut read = Vec::new();
        for (number, entry) in
            found.list(list).into_iter().flatten().enumerate().take(limits::MANIFESTS)
        {
            match Descriptor::parse(entry, &format!("{list}[{number}]")) {
                Ok(descriptor) => read.push(descriptor),
                Err(kind) => self.reading.problem(at, kind),
            }
        }
        read
    }

    /// The bytes of a descriptor, if the source has them.
    fn bytes(&self, descriptor: &Descriptor) -> Result<Option<ByteSource>> {
        match &descriptor.data {
            Some(data) => Ok(Some(ByteSource::bytes(self.at(descriptor), data.clone()))),
            None => self.files.find(&descriptor.path()),
        }
    }

    /// The node of a descriptor.
    fn node(&mut self, said: &Descriptor, depth: usize) -> NodeId {
        if let Some(known) = self.known.get(&said.digest).cloned() {
            self.check_again(said, &known);
            return known.node;
        }
        if depth > limits::INDEX_DEPTH {
            let limit = limits::INDEX_DEPTH as u64;
            let kind = ErrorKind::limit("the depth of nested indexes", limit, "more levels");
            self.reading.problem(&self.at(said), kind);
            return self.reading.push(Node::Broken);
        }
        if self.known.len() >= limits::MANIFESTS {
            let limit = limits::MANIFESTS as u64;
            let kind = ErrorKind::limit("the number of manifests", limit, "more");
            if !self.reading.problems.iter().any(|it| matches!(&it.kind, ErrorKind::Limit { .. })) {
                // First, because nothing below it was read.
                self.reading.problems.insert(0, Error::new(self.files.at(), kind));
            }
            return self.reading.push(Node::Broken);
        }
        // KnownDigest before it is read, so that a document that names itself ends.
        let node = self.reading.push(Node::Broken);
        let media_type = said.media_type.clone();
        let known = KnownDigest { node, media_type, own_type: String::new(), size: None };
        self.known.insert(said.digest, known);
        let read = self.read_node(said, depth);
        if let Some(place) = self.reading.nodes.get_mut(node) {
            *place = read;
        }
        node
    }

    /// Checks another descriptor of a known digest.
    fn check_again(&mut self, said: &Descriptor, known: &KnownDigest) {
        let at = self.at(said);
        if let Some(found) = known.size.filter(|found| *found != said.size) {
            self.reading.problem(&at, ErrorKind::Size { expected: said.size, found });
        }
        let other = if known.own_type.is_empty() { &known.media_type } else { &known.own_type };
        if let Err(kind) = same_type(said, other) {
            self.reading.problem(&at, kind);
        }
    }

    fn read_node(&mut self, said: &Descriptor, depth: usize) -> Node {
        let found = self.bytes(said);
        let Some(found) = self.reading.kept(found) else { return Node::Broken };
        let Some(from) = found else { return Node::Absent };
        if let Some(known) = self.known.get_mut(&said.digest) {
            known.size = Some(from.size);
        }
        match kind_by_type(&said.media_type).or_else(|| kind_by_look(said, &from)) {
            Some(MediaKind::Index) => self.index(said, &from, depth),
            Some(MediaKind::Manifest) => self.manifest(said, &from),
            _ => {
                self.size(said, &from);
                Node::UnknownBlob(Box::new(said.clone()), Blob(from))
            }
        }
    }

    fn size(&mut self, said: &Descriptor, there: &ByteSource) {
        if there.size != said.size {
            let kind = ErrorKind::Size { expected: said.size, found: there.size };
            self.reading.problem(&there.at, kind);
        }
    }

    /// The bytes of a document, checked against its descriptor.
    fn document(
        &mut self,
        said: &Descriptor,
        from: &ByteSource,
        (limit, what): (u64, &'static str),
    ) -> Option<Vec<u8>> {
        self.size(said, from);
        let raw = self.reading.kept(from.read(limit, what))?;
        let found = Measured::with(said.digest.algorithm(), &raw).digest();
        if found != said.digest {
            let kind = ErrorKind::Digest { expected: said.digest, found };
            self.reading.problem(&from.at, kind);
        }
        Some(raw)
    }

    fn own_type(&mut self, said: &Descriptor, found: &str, at: &Location) {
        if let Some(known) = self.known.get_mut(&said.digest) {
            found.clone_into(&mut known.own_type);
        }
        if let Err(kind) = same_type(said, found) {
            self.reading.problem(at, kind);
        }
    }

    fn index(&mut self, said: &Descriptor, from: &ByteSource, depth: usize) -> Node {
        let Some(raw) = self.document(said, from, MANIFEST) else { return Node::Broken };
        match Document::<Index>::parse(raw.as_slice()) {
            Ok(document) => {
                self.own_type(said, &document.view().media_type, &from.at);
                let document = Box::new(document);
                let children = self.children(&document.view().manifests, said, depth);
                Node::Index { document, children }
            }
            Err(kind) => {
                self.reading.problem(&from.at, kind);
                self.reading.named.extend(paths_in(&raw));
                for child in self.descriptors(&raw, "manifests", &from.at) {
                    self.node(&child, depth.saturating_add(1));
                }
                let layers = self.descriptors(&raw, "layers", &from.at);
                self.broken_layers(&layers, &[]);
                Node::Broken
            }
        }
    }

    fn children(&mut self, entries: &[Descriptor], said: &Descriptor, depth: usize) -> Vec<Child> {
        let mut children = Vec::new();
        let mut absent = Vec::new();
        for entry in entries {
            let node = self.node(entry, depth.saturating_add(1));
            if let Some(missing) = self.absent_of(node, entry) {
                absent.push((entry, missing));
            }
            children.push(Child { descriptor: entry.clone(), node });
        }
        let Some((_, first)) = absent.first() else { return children };
        let at = self.at(said);
        let whole =
            |child: &Child| !Reading::images_below(&self.reading.nodes, child.node).is_empty();
        if children.iter().any(whole) {
            let platforms: Vec<String> = absent.iter().map(|(it, _)| label(it)).collect();
            let found = format!("incomplete; missing: {}", platforms.join(", "));
            let mut note = readers::CHILD_ABSENT.note_of(&at, &found);
            note.text.push_str("; select a complete platform with --platform");
            self.reading.notes.push(note);
        } else if absent.len() == children.len()
            && children.iter().all(|it| self.is_absent(it.node))
        {
            let children = children.len();
            self.reading.problem(&at, ErrorKind::IndexAlone { children });
        } else {
            self.absent(&first.clone());
        }
        children
    }

    fn is_absent(&self, node: NodeId) -> bool {
        matches!(self.reading.nodes.get(node), Some(Node::Absent))
    }

    /// The missing part of an incomplete node: itself, or the first missing blob.
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
        let at = self.at(descriptor);
        if !self.reading.problems.iter().any(|problem| problem.at == at) {
            let kind = ErrorKind::MissingBlob { expected: descriptor.digest };
            self.reading.problem(&at, kind);
        }
    }

    /// In a recovery file, layers are recorded and not missing.
    fn recorded(&mut self, at: &Location) {
        let is_record = |node: &Node| match node {
            Node::Other { document, .. } => document.view().artifact_type == RECOVERY,
            _ => false,
        };
        if self.reading.nodes.iter().any(is_record) {
            let missing = |it: &Error| {
                matches!(it.kind, ErrorKind::MissingBlob { .. } | ErrorKind::IndexAlone { .. })
            };
            self.reading.problems.retain(|it| !missing(it));
            let text = "it is a recovery file: pass it to --recover to get the layers back";
            self.reading.note(at, RECORDED, text);
        }
    }

    /// Missing entries of `index.json`: the layout is sparse if others are complete.
    fn absent_entries(&mut self, at: &Location) {
        let entries = std::mem::take(&mut self.reading.entries);
        let whole =
            |entry: &Entry| !Reading::images_below(&self.reading.nodes, entry.node).is_empty();
        let sparse = entries.iter().any(whole);
        for entry in &entries {
            let Some(said) = entry.descriptor.as_deref() else { continue };
            let Some(missing) = self.absent_of(entry.node, said) else { continue };
            if sparse && self.is_absent(entry.node) {
                let text = format!("incomplete; missing: {}", label(said));
                self.reading.note(at, "child-absent", text);
            } else {
                self.absent(&missing);
            }
        }
        self.reading.entries = entries;
    }

    fn manifest(&mut self, said: &Descriptor, from: &ByteSource) -> Node {
        let Some(raw) = self.document(said, from, MANIFEST) else { return Node::Broken };
        match Document::<Manifest>::parse(raw.as_slice()) {
            Ok(document) => {
                self.own_type(said, &document.view().media_type, &from.at);
                let node = self.image(document, said, &from.at);
                if matches!(node, Node::Broken) {
                    self.reading.named.extend(paths_in(&raw));
                }
                node
            }
            Err(kind) => {
                self.reading.problem(&from.at, kind);
                self.reading.named.extend(paths_in(&raw));
                let layers = self.descriptors(&raw, "layers", &from.at);
                self.broken_layers(&layers, &[]);
                Node::Broken
            }
        }
    }

    fn image(&mut self, document: Document<Manifest>, said: &Descriptor, at: &Location) -> Node {
        let view = document.view();
        if let Some(why) = not_image(view, said) {
            if why == NotImage::Encrypted {
                let text = "its layers are encrypted, so their diff IDs cannot be checked";
                self.reading.note(at, "layer-encrypted", text);
            }
            return self.other(document, why);
        }
        let Some(claim) = view.config.clone() else {
            return self.other(document, NotImage::Incomplete);
        };
        let found = self.bytes(&claim);
        let from = match self.reading.kept(found) {
            Some(Some(from)) => from,
            Some(None) => return self.other(document, NotImage::Incomplete),
            None => {
                self.broken_layers(&view.layers, &[]);
                return Node::Broken;
            }
        };
        let limit = (limits::CONFIG, "the size of the config, in bytes,");
        let Some(raw) = self.document(&claim, &from, limit) else {
            self.broken_layers(&view.layers, &[]);
            return Node::Broken;
        };
        if raw == EMPTY {
            return self.other(document, NotImage::Artifact);
        }
        let config = match Document::<Config>::parse(raw.as_slice()) {
            Ok(config) => config,
            Err(kind) => {
                self.reading.problem(&from.at, kind);
                let ids = diff_ids_of(&raw);
                self.counted(ids.len(), view.layers.len(), at);
                self.broken_layers(&view.layers, &ids);
                return Node::Broken;
            }
        };
        let (diff_ids, layers) = (config.view().diff_ids.len(), view.layers.len());
        if !self.counted(diff_ids, layers, at) {
            self.broken_layers(&view.layers, &[]);
            return Node::Broken;
        }
        match self.layers(&view.layers, &config.view().diff_ids) {
            Layers::Whole(layers) => {
                let config_at = from.at.clone();
                let image = Image { config, config_at, layers, manifest: Some(document) };
                Node::Image(Box::new(image))
            }
            Layers::Absent => self.other(document, NotImage::Incomplete),
            Layers::Broken => {
                self.broken_layers(&view.layers, &config.view().diff_ids);
                Node::Broken
            }
        }
    }

    /// Whether there are as many layers as diff IDs.
    fn counted(&mut self, diff_ids: usize, layers: usize, at: &Location) -> bool {
        if diff_ids != layers {
            self.reading.problem(at, ErrorKind::LayerCount { diff_ids, layers });
        }
        diff_ids == layers
    }

    fn layers(&mut self, claims: &[Descriptor], diff_ids: &[DiffId]) -> Layers {
        let mut layers = Vec::with_capacity(diff_ids.len());
        let (mut whole, mut broken) = (true, false);
        for (claim, diff_id) in claims.iter().zip(diff_ids) {
            let found = self.bytes(claim);
            let Some(blob) = self.reading.kept(found) else {
                broken = true;
                continue;
            };
            let Some(codec) = self.codec(claim, blob.as_ref()) else {
                broken = true;
                continue;
            };
            let elsewhere = claim.is_elsewhere();
            if blob.is_none() && elsewhere {
                let text = "a non-distributable layer is missing; imgconv never fetches its urls";
                self.reading.note(&self.at(claim), "foreign-layer-absent", text);
            }
            whole &= blob.is_some() || elsewhere;
            let claim = Some(Box::new(claim.clone()));
            layers.push(Layer { diff_id: *diff_id, claim, codec, source: None, blob });
        }
        match (broken, whole) {
            (true, _) => Layers::Broken,
            (false, false) => Layers::Absent,
            (false, true) => Layers::Whole(layers),
        }
    }

    /// Collects the layers of a damaged image, so that they are also checked.
    fn broken_layers(&mut self, claims: &[Descriptor], diff_ids: &[DiffId]) {
        let counted = claims.len() == diff_ids.len();
        for (at, claim) in claims.iter().enumerate() {
            let Ok(found) = self.bytes(claim) else { continue };
            let Some(from) = found else { continue };
            let Ok(head) = from.head() else { continue };
            let diff_id = diff_ids.get(at).filter(|_| counted);
            let diff_id = diff_id.map(|id| (at.saturating_add(1), *id));
            let codec = Compression::sniff(&head);
            self.reading.broken.layer(&from, codec, Some(claim), diff_id);
        }
    }

    /// The codec of a layer, from its bytes; a media type with another codec is noted.
    fn codec(&mut self, claim: &Descriptor, blob: Option<&ByteSource>) -> Option<Compression> {
        let said = match MediaKind::of(&claim.media_type) {
            Some((MediaKind::Layer(said) | MediaKind::NonDistributable(said), _)) => Some(said),
            _ => None,
        };
        let here = blob.filter(|it| it.as_remote().is_none());
        let Some(blob) = here else { return Some(said.unwrap_or(Compression::None)) };
        self.size(claim, blob);
        let found = Compression::sniff(&self.reading.kept(blob.head())?);
        if said.is_some_and(|said| said != found) {
            let (media_type, found) = (Shown(&claim.media_type), found.name());
            let text =
                format!("the media type {media_type} does not match the compression ({found})");
            self.reading.note(&blob.at, "codec-mismatch", text);
        }
        Some(found)
    }

    /// A manifest that is not a complete image, with the blobs that the source has.
    fn other(&mut self, document: Document<Manifest>, why: NotImage) -> Node {
        let absent = match why {
            NotImage::Incomplete => IfAbsent::Silent,
            NotImage::Artifact | NotImage::Attestation | NotImage::Encrypted => IfAbsent::Note,
        };
        let mut blobs = Vec::new();
        for said in document.view().config.iter().chain(&document.view().layers) {
            let found = self.bytes(said);
            match self.reading.kept(found) {
                Some(Some(from)) => {
                    self.size(said, &from);
                    blobs.push((said.clone(), Blob(from)));
                }
                Some(None) if absent == IfAbsent::Note => {
                    let text = format!("a blob of an artifact is missing: {}", said.digest);
                    self.reading.note(&self.at(said), "blob-absent", text);
                }
                _ => (),
            }
        }
        Node::Other { document: Box::new(document), why, blobs }
    }

    /// The names of an entry of `index.json`.
    fn names(&mut self, descriptor: &Descriptor) -> Vec<Name> {
        let full = annotation(descriptor, CONTAINERD_NAME);
        let valid = full.is_empty() || full.parse::<Reference>().is_ok();
        if !valid && !Reference::is_digested(full) {
            let text = format!("{CONTAINERD_NAME} is {}, which is not an image name", Shown(full));
            self.reading.note(&self.files.at().member(INDEX_NAME), "name-invalid", text);
        }
        Name::all_of_entry(descriptor)
    }
}

/// The note about a recovery file.
pub(crate) const RECORDED: &str = "layers-recorded";

/// The layers of an image.
enum Layers {
    Whole(Vec<Layer>),
    /// Some are missing.
    Absent,
    /// Some cannot be read.
    Broken,
}

pub(super) const MANIFEST: (u64, &str) = (limits::MANIFEST, "the size of a manifest, in bytes,");

/// The content of an empty descriptor, which some artifacts have instead of a config (image-spec
/// `manifest.md`, "Guidance for an Empty Descriptor").
const EMPTY: &[u8] = b"{}";

/// A short name of a child: its platform, or its digest.
fn label(descriptor: &Descriptor) -> String {
    match &descriptor.platform {
        Some(platform) if !descriptor.is_attestation() => platform.to_string(),
        _ => descriptor.digest.to_string(),
    }
}
