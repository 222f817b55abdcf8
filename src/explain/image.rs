//! The one image that a page is about, and everything that is known of it.

use super::asked::AskedRegistry;
use super::measured::{ExplainedLayer, of_claims, of_config, of_image, of_schema1};
use super::shared::{SharedLayers, shared};
use super::{Question, Topic};
use crate::archive::{manifest_json, v1_layer_ids};
use crate::bytes::files::{Files, Input, Opened};
use crate::convert::{Destination, Forecast, Format, Plan, Target, forecast, losses_of, plan};
use crate::digest::{Digest, V1LayerId};
use crate::dir;
use crate::document::descriptor::Descriptor;
use crate::document::kind::DocumentKind;
use crate::document::{Config, Document, Manifest};
use crate::error::{At as _, Error, ErrorKind, Finding, Location, Result};
use crate::image::reason::Loss;
use crate::image::{Entry, Image, Name, Node, NodeId, NotImage};
use crate::limits;
use crate::manifest::{Parsed, ParsedBody, parse};
use crate::platform::Platform;
use crate::producer::Producer;
use crate::progress::Progress;
use crate::reference::Reference;
use crate::source::{self, Kind, Options, Source, damaged, entries, only};

/// The image, or what a lone document tells of one.
pub(super) struct ExplainedImage {
    pub(super) at: Location,
    /// What the source is.
    pub(super) kind: &'static str,
    pub(super) formats: Kind,
    pub(super) producer: Option<Producer>,
    pub(super) names: Vec<String>,
    /// The name that requests and schema 1 carry.
    pub(super) reference: Option<Reference>,
    pub(super) config: Option<Document<Config>>,
    /// The config as the manifest names it.
    config_claim: Option<Descriptor>,
    /// The manifest of the source, where it has one.
    pub(super) own: Option<Parsed>,
    /// Whether docker save made that manifest, of uncompressed layers.
    pub(super) saved: bool,
    /// The manifest that `save2oci` makes, where the source has none.
    pub(super) made: Option<Document<Manifest>>,
    /// The index above the manifest, where there is one.
    pub(super) index: Option<Descriptor>,
    pub(super) layers: Vec<ExplainedLayer>,
    pub(super) legacy: Vec<V1LayerId>,
    /// The text of the item of `manifest.json`.
    pub(super) item: Option<String>,
    pub(super) other_platforms: Vec<String>,
    pub(super) remarks: Vec<String>,
    pub(super) findings: Vec<Finding>,
    /// The source's files; nothing for a document alone.
    pub(super) files: Option<Files>,
    /// What a conversion with `--platform` leaves out of the index.
    pub(super) left: Vec<Loss>,
    /// What this image shares with others of the source.
    pub(super) shared: Option<SharedLayers>,
    /// What its registry was asked for.
    pub(super) asked: Option<AskedRegistry>,
    /// The image and what names it; nothing where its layers are not here.
    whole: Option<(Image, Vec<Entry>)>,
}

/// Of an archive of docker 25 and later, graph driver store.
pub(super) const SAVED: &str = "The manifest in this source was made by docker save, of uncompressed layers. A registry has \
     another one, of compressed layers; its digest cannot be known from here. The digests shown \
     are those that docker with the containerd store has after it loads this archive.";

/// Of an archive that docker may have written with either store.
const EITHER: &str = "Who wrote this archive cannot be told. If it was docker save with the graph driver store, its \
     manifest was made then and no registry has it; if it was another program, its manifest may be \
     that of a registry.";

impl ExplainedImage {
    fn new(at: &Location, kind: &'static str, formats: Kind) -> Self {
        Self {
            at: at.clone(),
            kind,
            formats,
            producer: None,
            names: Vec::new(),
            reference: None,
            config: None,
            config_claim: None,
            own: None,
            saved: false,
            made: None,
            index: None,
            layers: Vec::new(),
            legacy: Vec::new(),
            item: None,
            other_platforms: Vec::new(),
            remarks: Vec::new(),
            findings: Vec::new(),
            files: None,
            left: Vec::new(),
            shared: None,
            asked: None,
            whole: None,
        }
    }

    pub(super) fn platform(&self) -> Option<String> {
        self.config.as_ref().map(|config| config.view().platform.to_string())
    }

    /// Digest of the config, here or as the manifest says.
    pub(super) fn image_id(&self) -> Option<Digest> {
        let here = self.config.as_ref().map(|config| config.measured().digest());
        here.or(self.config_claim.as_ref().map(|claim| claim.digest))
    }

    /// Bytes of the config, here or as the manifest says.
    pub(super) fn config_size(&self) -> Option<u64> {
        let here = self.config.as_ref().map(|config| config.measured().size());
        here.or(self.config_claim.as_ref().map(|claim| claim.size))
    }

    /// Whether layers were read, so that conversions can be foreseen.
    pub(super) fn is_whole(&self) -> bool {
        self.whole.is_some()
    }

    /// The image, where its layers were read.
    pub(super) fn image(&self) -> Option<&Image> {
        self.whole.as_ref().map(|(image, _)| image)
    }

    /// The manifest that a registry would hold: the source's own, or the one that would be made.
    pub(super) fn manifest(&self) -> Option<(Digest, u64)> {
        let own = self.own.as_ref().map(|own| (own.measured().digest(), own.measured().size()));
        own.or(self.made.as_ref().map(|it| (it.measured().digest(), it.measured().size())))
    }

    /// Whether docker's graph driver store wrote the manifest: its digests of layers are diff IDs,
    /// and docker wrote the source.
    fn is_saved(&self) -> bool {
        let by_docker = self.producer.as_ref().is_some_and(|it| it.name.ends_with("graph driver"));
        self.own.is_some() && by_docker && self.lists_diff_ids()
    }

    /// Whether the manifest lists no layer by another digest than its diff ID.
    fn lists_diff_ids(&self) -> bool {
        self.layers.iter().all(|layer| layer.digest.is_none() || layer.digest == layer.diff_id)
    }

    /// Where the manifest comes from, where that is not what a reader may think.
    fn origin_note(&self) -> Option<&'static str> {
        match (&self.own, &self.producer) {
            (Some(_), _) if self.saved => Some(SAVED),
            (Some(_), None) if self.item.is_some() && self.lists_diff_ids() => Some(EITHER),
            _ => None,
        }
    }

    /// A plan for this image as if its source had no other; nothing where its layers are not here.
    pub(super) fn plan(&self, target: Target) -> Result<Option<Plan>> {
        let Some((image, entries)) = &self.whole else { return Ok(None) };
        let source = Source::of_image(&self.at, image.clone(), entries.clone());
        plan(source, target).map(Some)
    }
}

/// A target that is planned for, never written.
pub(super) fn target(form: Format, threads: usize) -> Target {
    Target { threads, ..Target::new(Destination::Path("explained".into()), form) }
}

/// Opens a source, chooses the image, and reads its layers.
pub(super) fn open(
    input: Input,
    options: &Options,
    wanted: &Question,
    progress: &dyn Progress,
) -> Result<ExplainedImage> {
    let mut subject = match dir::open(input, options.reception(), progress)? {
        Opened::Document(at, raw) => alone(&at, &raw)?,
        Opened::Schema1 { at, raw, log, .. } => {
            let asked = Some(AskedRegistry::reads(&log));
            ExplainedImage { asked, ..alone(&at, &raw)? }
        }
        Opened::Files(files) => of_source(files, options, wanted, progress)?,
    };
    if let Some(name) = &wanted.name {
        subject.names = vec![name.familiar()];
        subject.remarks.push(format!("the name {} was given with --tag", name.familiar()));
        subject.reference = Some(name.clone());
    }
    Ok(subject)
}

/// A document that stands alone.
fn alone(at: &Location, raw: &[u8]) -> Result<ExplainedImage> {
    let parsed = parse(raw).at(at)?;
    let kind = match &parsed.body {
        ParsedBody::Config(_) => Kind::Config,
        ParsedBody::Index(_) => Kind::Index,
        _ => Kind::Manifest,
    };
    let mut subject = ExplainedImage::new(at, parsed.kind.name(), kind);
    match &parsed.body {
        ParsedBody::Config(config) => {
            let config: Document<Config> = (**config).clone();
            subject.legacy = v1_layer_ids(&config).at(at)?;
            subject.layers = of_config(&config, &subject.legacy);
            subject.config = Some(config);
        }
        ParsedBody::Manifest(manifest) => {
            only_images(manifest, at)?;
            subject.config_claim = manifest.view().config.clone();
            subject.layers = of_claims(&manifest.view().layers, None, &[]);
        }
        ParsedBody::Schema1(schema1) => {
            subject.layers = of_schema1(schema1);
            let name = Reference::new(&schema1.name, &schema1.tag).ok();
            subject.names = name.iter().map(Reference::familiar).collect();
            subject.reference = name;
        }
        ParsedBody::Index(_) => {
            let what = "explains one image, give one of the manifests that the index names";
            return Err(Error::new(at, ErrorKind::Usage { what, found: "an index alone".into() }));
        }
        ParsedBody::Save(_) => {
            let what = "explains an image, give the whole archive";
            let found = "the manifest.json of a docker archive alone".into();
            return Err(Error::new(at, ErrorKind::Usage { what, found }));
        }
    }
    if parsed.kind != DocumentKind::Config {
        subject.own = Some(parsed);
    }
    Ok(subject)
}

fn only_images(manifest: &Document<Manifest>, at: &Location) -> Result<()> {
    if manifest.view().is_image() {
        return Ok(());
    }
    let found = "an artifact, which has no image config".to_owned();
    Err(Error::new(at, ErrorKind::NoImage { found }))
}

fn of_source(
    files: Files,
    options: &Options,
    wanted: &Question,
    progress: &dyn Progress,
) -> Result<ExplainedImage> {
    let mut source = source::read(&files, options.prefer, progress)?;
    let entry = the_image(&source, wanted)?;
    let mut subject = ExplainedImage::new(&source.at, source.kind.name(), source.kind);
    subject.producer.clone_from(&source.producer);
    subject.names = entry.names.iter().map(Name::shown).collect();
    subject.reference = entry.names.iter().find_map(|name| name.reference.clone());
    let images = source.images_below(entry.node);
    subject.index = above(&source, &entry);
    let chosen = choose(&source, &images, wanted)?;
    subject.shared = shared(&source, chosen.map(|(_, image)| image));
    let Some((chosen, image)) = chosen else {
        return incomplete(subject, &source, &entry);
    };
    let platforms = source.platforms();
    let others = images.iter().filter(|node| **node != chosen);
    subject.other_platforms =
        others.filter_map(|node| platforms.get(node).map(ToString::to_string)).collect();
    subject.own = own(image).at(&source.at)?;
    subject.legacy = v1_layer_ids(&image.config).at(&image.config_at)?;
    subject.config = Some(image.config.clone());
    subject.item = item(&files, image)?;
    let digest =
        subject.own.as_ref().map_or_else(|| image.id().digest(), |own| own.measured().digest());
    let named = entries(&source, &[digest.to_string()], &[])?;
    let named = named.into_iter().map(|entry| Entry { node: 0, ..entry });
    if let Some(log) = files.log() {
        let mut asked = AskedRegistry::reads(log);
        if wanted.has(Topic::Push) {
            asked.look((image, wanted.threads), log, progress)?;
        }
        subject.asked = Some(asked);
    }
    subject.whole = Some((image.clone(), named.collect()));
    // The layers of a registry stay there: what is said of them is said, not checked.
    let is_remote = files.is_remote();
    subject.files = Some(files);
    if is_remote {
        let unread = Forecast { manifest: None, layers: Vec::new() };
        subject.layers = of_image(image, &subject.legacy, &unread);
    } else if let Some(plan) = subject.plan(target(Format::Layout, wanted.threads))? {
        let there = forecast(&plan, progress)?;
        subject.layers = of_image(image, &subject.legacy, &there);
        subject.made = there.manifest.filter(|_| subject.own.is_none());
    }
    subject.saved = subject.is_saved();
    subject.findings = source.notes.iter().map(Finding::from).collect();
    subject.remarks.extend(subject.origin_note().map(str::to_owned));
    if let Some(platform) = &wanted.platform {
        subject.left = losses_of(&mut source, entry, std::slice::from_ref(platform))?;
    }
    Ok(subject)
}

/// The one entry that is meant; signatures and the like beside one image are not in its way.
fn the_image(source: &Source, wanted: &Question) -> Result<Entry> {
    let platform = wanted.platform.as_slice();
    let wanted = wanted.images.as_slice();
    let mut images = entries(source, wanted, platform)?;
    images.retain(|entry| !source.images_below(entry.node).is_empty());
    images.dedup_by_key(|entry| entry.node);
    let entry = match (images.pop(), images.is_empty()) {
        (Some(one), true) => one,
        _ => only(source, wanted)?,
    };
    // What is not here is told of, and no more.
    let incomplete = is_incomplete(source, &entry);
    let told = |problem: &&Error| {
        incomplete && is_absence(problem)
            || !wanted.is_empty() && matches!(problem.kind, ErrorKind::AmbiguousName { .. })
    };
    match source.problems.iter().find(|problem| !told(problem)) {
        Some(problem) => Err(damaged(source, problem)),
        None => Ok(entry),
    }
}

/// Whether an entry is a manifest whose blobs are not all here.
fn is_incomplete(source: &Source, entry: &Entry) -> bool {
    matches!(source.nodes.get(entry.node), Some(Node::Other { why: NotImage::Incomplete, .. }))
}

fn is_absence(problem: &Error) -> bool {
    matches!(problem.kind, ErrorKind::MissingBlob { .. })
}

/// The descriptor of the index that an entry names.
fn above(source: &Source, entry: &Entry) -> Option<Descriptor> {
    match source.nodes.get(entry.node) {
        Some(Node::Index { document, .. }) => {
            let own = Descriptor::of(&document.view().media_type, document.measured());
            Some(entry.descriptor.as_deref().cloned().unwrap_or(own))
        }
        _ => None,
    }
}

/// The image of the platform that was asked for; else of the host's, else the first.
fn choose<'a>(
    source: &'a Source,
    images: &[NodeId],
    wanted: &Question,
) -> Result<Option<(NodeId, &'a Image)>> {
    let platforms = source.platforms();
    let host = Platform::host();
    let asked = wanted.platform.as_ref().unwrap_or(&host);
    let of = |node: &NodeId| platforms.get(node).is_some_and(|it| it.matches(asked));
    let found = images.iter().find(|node| of(node));
    if let (Some(asked), None, false) = (&wanted.platform, found, images.is_empty()) {
        let found: Vec<String> =
            images.iter().filter_map(|node| platforms.get(node).map(ToString::to_string)).collect();
        let (wanted, found) = (asked.to_string(), found.join(", "));
        return Err(Error::new(&source.at, ErrorKind::NoSuchPlatform { wanted, found }));
    }
    let node = found.or(images.first());
    Ok(node.and_then(|node| Some((*node, source.image(*node)?))))
}

/// The registry's manifest of an image.
fn own(image: &Image) -> Result<Option<Parsed>, ErrorKind> {
    image.manifest.as_ref().map(|manifest| parse(manifest.raw())).transpose()
}

/// A manifest whose config or layers are not all here.
fn incomplete(
    mut subject: ExplainedImage,
    source: &Source,
    entry: &Entry,
) -> Result<ExplainedImage> {
    match source.nodes.get(entry.node) {
        Some(Node::Other { document, why: NotImage::Incomplete, blobs }) => {
            let claim = document.view().config.clone();
            let config = blobs.iter().find(|(found, _)| {
                claim.as_ref().is_some_and(|claim| claim.digest == found.digest)
            });
            if let Some((claim, blob)) = config {
                let what = "the size of the config, in bytes,";
                let raw = blob.0.read(limits::CONFIG, what)?;
                claim.check_bytes(&raw).at(&blob.0.at)?;
                let config = Document::<Config>::parse(raw).at(&blob.0.at)?;
                subject.legacy = v1_layer_ids(&config).at(&blob.0.at)?;
                subject.config = Some(config);
            }
            let config = subject.config.as_ref();
            subject.layers = of_claims(&document.view().layers, config, &subject.legacy);
            subject.config_claim = claim;
            subject.own = Some(parse(document.raw()).at(&source.at)?);
            subject.remarks.push("not all of this image is here: its layers were not read".into());
            Ok(subject)
        }
        _ => {
            let found = "no image whose config is here".to_owned();
            Err(Error::new(&source.at, ErrorKind::NoImage { found }))
        }
    }
}

/// The text of an image's item in `manifest.json`, where the source has one.
fn item(files: &Files, image: &Image) -> Result<Option<String>> {
    let Some(document) = manifest_json::read(files)? else { return Ok(None) };
    for item in document.items {
        let Some(found) = files.find(&item.config)? else { continue };
        let config = found.read(limits::CONFIG, "the size of the config, in bytes,")?;
        if config == image.config.raw() {
            return Ok(Some(item.raw));
        }
    }
    Ok(None)
}
