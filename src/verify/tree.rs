//! The layout side: `index.json` and all below it, going on after what is wrong.
//!
//! Unlike the reader, which stops at the first thing wrong with a document, this goes on with
//! whatever can still be read, so that one run names all problems.

use std::collections::BTreeMap;

use super::config::{config, platform};
use super::jobs::Claim;
use super::walk::{Walk, layer_codec};
use crate::bytes::files::ByteSource;
use crate::digest::{DiffId, Digest, ImageId, Measured};
use crate::document::descriptor::{CONTAINERD_NAME, Descriptor, REF_NAME};
use crate::document::media_type::{MediaKind, is_image_config};
use crate::document::{Document, Index, Manifest};
use crate::error::{ErrorKind, Location, Shown};
use crate::json::{self, Trailing, Value};
use crate::layout::{EMPTY, INDEX_NAME, MARKER_NAME, check_marker};
use crate::limits;
use crate::reference::Reference;

/// What is below a node.
#[derive(Debug, Clone, Default)]
pub(super) struct Below {
    /// Whether there is a whole image.
    whole: bool,
    /// What is not here, and whether that is a problem is for the index above to say.
    missing: Vec<(Location, Digest)>,
}

/// The layout.
pub(super) fn layout(walk: &mut Walk<'_>) {
    let at = walk.files.at().member(MARKER_NAME);
    walk.used(MARKER_NAME);
    if let Some(extent) = walk.member(MARKER_NAME, "every OCI layout") {
        let raw = extent.read(limits::LAYOUT_MARKER, "the size of oci-layout, in bytes,");
        match raw.map_err(|error| error.kind).and_then(|raw| check_marker(&raw)) {
            Ok(()) => (),
            Err(kind) => walk.findings.kind(&at, &kind),
        }
    }
    walk.used(INDEX_NAME);
    let at = walk.files.at().member(INDEX_NAME);
    let Some(extent) = walk.member(INDEX_NAME, MARKER_NAME) else { return };
    match extent.read(limits::ARCHIVE_DOCUMENT, "the size of index.json, in bytes,") {
        Ok(raw) => {
            let below = Tree { walk, known: BTreeMap::new(), names: BTreeMap::new() }
                .document(&raw, &at, None, 0);
            walk.missing(below.missing);
        }
        Err(error) => walk.findings.error(&error),
    }
}

struct Tree<'a, 'b> {
    walk: &'a mut Walk<'b>,
    known: BTreeMap<Digest, Below>,
    /// Full names of `index.json` and what they mean.
    names: BTreeMap<String, Digest>,
}

impl Tree<'_, '_> {
    /// An index or a manifest, or what looks like one; `said` is its descriptor, if it has one.
    fn document(
        &mut self,
        raw: &[u8],
        at: &Location,
        said: Option<&Descriptor>,
        depth: usize,
    ) -> Below {
        let checked = match json::check(raw, Trailing::Refused) {
            Ok(checked) => checked,
            Err(fault) => {
                self.walk.findings.kind(at, &fault.into());
                return Below::default();
            }
        };
        let keys = ["manifests", "config", "layers", "mediaType"];
        let [manifests, config, layers, media_type] =
            match checked.value.fields("the document", keys) {
                Ok(found) => found,
                Err(kind) => {
                    self.walk.findings.kind(at, &kind);
                    return Below::default();
                }
            };
        let own = media_type.and_then(|it| it.string("mediaType").ok()).unwrap_or_default();
        if let Some(said) = said.filter(|it| !it.media_type.is_empty() && !own.is_empty())
            && said.media_type != own
        {
            let (expected, found) = (said.media_type.clone(), own.into_owned());
            self.walk.findings.kind(at, &ErrorKind::MediaType { expected, found });
        }
        if said.is_none() && manifests.is_none() && (config.is_some() || layers.is_some()) {
            let kind = ErrorKind::field("manifests", "a list", "a manifest, not an index");
            self.walk.findings.kind(at, &kind);
        }
        let mut below = Below::default();
        let index = manifests.is_some() || said.is_none() && config.is_none() && layers.is_none();
        if index {
            if let Err(kind) = Document::<Index>::parse(raw) {
                self.walk.findings.kind(at, &kind);
            }
            below = self.index(manifests, at, depth);
        }
        if !index || config.is_some() || layers.is_some() {
            let view = Document::<Manifest>::parse(raw).map_err(|kind| {
                self.walk.findings.kind(at, &kind);
            });
            let what = what(said, view.as_ref().ok().map(Document::view));
            let found = self.manifest((config, layers), at, said, what);
            below.whole |= found.whole;
            below.missing.extend(found.missing);
        }
        below
    }

    fn index(&mut self, manifests: Option<Value<'_>>, at: &Location, depth: usize) -> Below {
        let Some(Ok(entries)) = manifests.map(|it| it.list("manifests")) else {
            return Below::default();
        };
        let mut whole = false;
        let mut missing = Vec::new();
        for (number, entry) in entries.enumerate().take(limits::IMAGES) {
            let field = format!("manifests[{number}]");
            let Some(entry) = self.descriptor(entry, &field, at) else { continue };
            if depth == 0 {
                self.name(&entry, at);
            }
            let below = self.node(&entry, depth);
            whole |= below.whole;
            missing.extend(below.missing);
        }
        // What index.json itself names has to be here; an index below it may be sparse.
        if depth == 0 || !whole {
            self.walk.missing(missing);
            missing = Vec::new();
        }
        for (_, digest) in missing {
            let text = format!("a platform is not here: {digest}");
            self.walk.findings.say(at, "child-absent", text);
        }
        Below { whole, missing: Vec::new() }
    }

    /// What one entry of an index names.
    fn node(&mut self, said: &Descriptor, depth: usize) -> Below {
        let at = self.walk.files.at().member(&said.path());
        let Some(extent) = self.extent(said) else {
            return Below { whole: false, missing: vec![(at, said.digest)] };
        };
        self.size(said, &extent);
        if let Some(known) = self.known.get(&said.digest) {
            return known.clone();
        }
        if self.known.len() >= limits::MANIFESTS || depth > limits::INDEX_DEPTH {
            // The reader says so, with the limit.
            return Below::default();
        }
        self.known.insert(said.digest, Below::default());
        let thing = MediaKind::of(&said.media_type).map(|(thing, _)| thing);
        let document = matches!(thing, Some(MediaKind::Index | MediaKind::Manifest));
        let maybe = said.media_type.is_empty() || said.media_type.contains("json");
        if !document && (!maybe || extent.size > limits::MANIFEST) {
            self.walk.blob(&extent, said, None);
            return Below { whole: true, missing: Vec::new() };
        }
        let Some(raw) = self.read(said, &extent, limits::MANIFEST) else {
            return Below::default();
        };
        if !document && !looks_like_one(&raw) {
            return Below { whole: true, missing: Vec::new() };
        }
        let below = self.document(&raw, &extent.at, Some(said), depth.saturating_add(1));
        self.known.insert(said.digest, below.clone());
        below
    }

    fn manifest(
        &mut self,
        (config, layers): (Option<Value<'_>>, Option<Value<'_>>),
        at: &Location,
        said: Option<&Descriptor>,
        what: What,
    ) -> Below {
        let config = config.and_then(|it| self.descriptor(it, "config", at));
        let layers = layers.and_then(|it| it.list("layers").ok()).into_iter().flatten();
        let layers: Vec<Option<Descriptor>> = layers
            .take(limits::LAYERS)
            .enumerate()
            .map(|(number, it)| self.descriptor(it, &format!("layers[{number}]"), at))
            .collect();
        if what == What::Artifact {
            config.iter().chain(layers.iter().flatten()).for_each(|it| self.artifact_blob(it));
            return Below { whole: true, missing: Vec::new() };
        }
        let mut below = Below { whole: true, missing: Vec::new() };
        let mut ids = None;
        if let Some(claim) = &config {
            match self.extent(claim) {
                None => below.missing.push((self.place(claim), claim.digest)),
                Some(extent) => {
                    self.size(claim, &extent);
                    ids = self.config(claim, &extent, said);
                }
            }
        }
        let ids = match ids {
            // An artifact with an empty config.
            Some(Ids::Empty) => {
                layers.iter().flatten().for_each(|it| self.artifact_blob(it));
                return Below { whole: true, missing: Vec::new() };
            }
            Some(Ids::Of(ids)) => Some(ids),
            // manifest.json has the same image, counts its layers and checks them.
            Some(Ids::Saved) | None => None,
        };
        if let Some(ids) = ids.as_ref().filter(|ids| ids.len() != layers.len()) {
            let kind = ErrorKind::LayerCount { diff_ids: ids.len(), layers: layers.len() };
            self.walk.findings.kind(at, &kind);
        }
        for (number, claim) in layers.iter().enumerate() {
            let Some(claim) = claim else { continue };
            let same = ids.as_ref().filter(|ids| ids.len() == layers.len());
            let id = same.and_then(|ids| ids.get(number)).copied();
            below.missing.extend(self.layer(claim, number.saturating_add(1), id));
        }
        below.whole = below.missing.is_empty();
        below
    }

    fn config(
        &mut self,
        claim: &Descriptor,
        extent: &ByteSource,
        said: Option<&Descriptor>,
    ) -> Option<Ids> {
        let raw = self.read(claim, extent, limits::CONFIG)?;
        if raw == EMPTY {
            return Some(Ids::Empty);
        }
        let id = ImageId::of(&raw);
        let (ids, found) = config(raw, &extent.at, &mut self.walk.findings);
        if let Some(found) = &found {
            let said = said.and_then(|it| it.platform.as_deref());
            platform(said, found, &extent.at, &mut self.walk.findings);
        }
        Some(if self.walk.saved.contains(&id) { Ids::Saved } else { Ids::Of(ids) })
    }

    /// A layer; what is missing of it.
    fn layer(
        &mut self,
        claim: &Descriptor,
        number: usize,
        id: Option<DiffId>,
    ) -> Option<(Location, Digest)> {
        let (said, foreign) = match MediaKind::of(&claim.media_type) {
            Some((MediaKind::Layer(said), _)) => (Some(said), false),
            Some((MediaKind::NonDistributable(said), _)) => (Some(said), true),
            _ => (None, false),
        };
        let place = self.place(claim);
        let Some(extent) = self.extent(claim) else {
            if foreign || !claim.urls.is_empty() {
                let text = "a non-distributable layer is not here; its urls are never fetched";
                self.walk.findings.say(&place, "foreign-layer-absent", text);
                return None;
            }
            return Some((place, claim.digest));
        };
        let codec = match layer_codec(&extent) {
            Ok(codec) => codec,
            Err(error) => {
                self.walk.findings.error(&error);
                return None;
            }
        };
        if said.is_some_and(|said| said != codec) {
            let kind = Shown(&claim.media_type);
            let text = format!("the media type {kind} does not fit, the layer is {}", codec.name());
            self.walk.findings.say(&extent.at, "codec-mismatch", text);
        }
        self.walk.blob(&extent, claim, Some(codec));
        let ids = id.map(|id| Claim::DiffId(number, id));
        self.walk.jobs.add(&extent, claim.digest.algorithm(), Some(codec), ids);
        None
    }

    /// A blob of what is no image: any content, and it may be elsewhere.
    fn artifact_blob(&mut self, claim: &Descriptor) {
        match self.extent(claim) {
            Some(extent) => self.walk.blob(&extent, claim, None),
            None => {
                let text = format!("a blob of an artifact is not here: {}", claim.digest);
                self.walk.findings.say(&self.place(claim), "blob-absent", text);
            }
        }
    }

    fn place(&self, claim: &Descriptor) -> Location {
        self.walk.files.at().member(&claim.path())
    }

    fn descriptor(&mut self, value: Value<'_>, field: &str, at: &Location) -> Option<Descriptor> {
        let read = Descriptor::parse(value, field);
        read.map_err(|kind| self.walk.findings.kind(at, &kind)).ok()
    }

    /// The bytes that a descriptor names, where they are there.
    fn extent(&mut self, said: &Descriptor) -> Option<ByteSource> {
        if let Some(data) = &said.data {
            return Some(ByteSource::bytes(self.place(said), data.clone()));
        }
        self.walk.used(&said.path());
        match self.walk.files.find(&said.path()) {
            Ok(found) => found,
            Err(error) => {
                self.walk.findings.error(&error);
                None
            }
        }
    }

    fn size(&mut self, said: &Descriptor, extent: &ByteSource) {
        if said.size != extent.size {
            let kind = ErrorKind::Size { expected: said.size, found: extent.size };
            self.walk.findings.kind(&extent.at, &kind);
        }
    }

    /// A document, whatever its digest is.
    fn read(&mut self, said: &Descriptor, extent: &ByteSource, limit: u64) -> Option<Vec<u8>> {
        let raw = match extent.read(limit, "the size of a document, in bytes,") {
            Ok(raw) => raw,
            Err(error) => {
                self.walk.findings.error(&error);
                return None;
            }
        };
        let found = Measured::with(said.digest.algorithm(), &raw).digest();
        if found != said.digest {
            let kind = ErrorKind::Digest { expected: said.digest, found };
            self.walk.findings.kind(&extent.at, &kind);
        }
        self.walk.measured(&said.path());
        Some(raw)
    }

    /// Whether one full name means two things.
    fn name(&mut self, entry: &Descriptor, at: &Location) {
        let get = |key| entry.annotations.get(key).map(String::as_str).unwrap_or_default();
        let full = get(CONTAINERD_NAME);
        if !full.is_empty() && full.parse::<Reference>().is_err() {
            let text = format!("{CONTAINERD_NAME} is {}, which is no image name", Shown(full));
            self.walk.findings.say(at, "name-invalid", text);
        }
        let name = if full.is_empty() { get(REF_NAME) } else { full };
        if name.is_empty() {
            return;
        }
        let first = *self.names.entry(name.to_owned()).or_insert(entry.digest);
        if first != entry.digest {
            let (name, second) = (name.to_owned(), entry.digest);
            self.walk.findings.kind(at, &ErrorKind::AmbiguousName { name, first, second });
        }
    }
}

/// What the config of a manifest gave.
enum Ids {
    /// Nothing: it is that of an artifact.
    Empty,
    /// The docker archive has it too.
    Saved,
    Of(Vec<DiffId>),
}

/// What a manifest is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Image,
    Artifact,
}

/// What a manifest is of, as the reader sees it.
fn what(said: Option<&Descriptor>, view: Option<&Manifest>) -> What {
    let typed = said.is_some_and(|said| {
        let kind = &said.artifact_type;
        said.is_attestation() || !kind.is_empty() && !is_image_config(kind)
    });
    match typed || view.is_some_and(|view| !view.is_image()) {
        true => What::Artifact,
        false => What::Image,
    }
}

/// Whether a document of no known type is an index or a manifest.
fn looks_like_one(raw: &[u8]) -> bool {
    let Ok(checked) = json::check(raw, Trailing::Refused) else { return false };
    let found = checked.value.fields("the document", ["manifests", "config"]);
    found.is_ok_and(|found| found.iter().any(Option::is_some))
}
