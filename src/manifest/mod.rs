//! Registry manifests as documents: what one is, its digest, one kind turned into another, what
//! differs. Works on the JSON alone where the answer follows from it.

mod blobs;
mod convert;
mod diff;
mod index;
mod read;
mod schema1;
mod show;
mod swap;

use crate::digest::{Digest, Measured};
use crate::document::media_type::MediaFamily;
use crate::document::{
    Config, Document, Index, Manifest, Schema1, digest_payload, is_schema1, schema1_signatures,
};
use crate::error::ErrorKind;
use crate::json::{self, JsonKind, Trailing, Value};

use crate::archive::manifest_json::{Item, ManifestJson};
pub use crate::archive::v1::config::ConfigRules;
pub use blobs::Blobs;
pub use convert::{Converted, Request, convert};
pub use diff::{Difference, diff};
pub use index::PlatformFill;
pub use read::{Found, read, read_digest};
pub use show::{Facts, LayerFacts, PartFacts, SignatureFacts, show};

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Docker's first manifest, with the V1 JSON of each layer in it.
    Schema1,
    /// Docker's manifest of one image.
    Schema2,
    /// OCI's manifest of one image or artifact.
    OciManifest,
    /// Docker's manifest list.
    List,
    /// OCI's index.
    OciIndex,
    /// The config of an image.
    Config,
    /// The `manifest.json` of a docker archive.
    SaveManifest,
}

impl Kind {
    /// The words for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Schema1 => "schema 1 manifest",
            Self::Schema2 => "schema 2 manifest",
            Self::OciManifest => "OCI manifest",
            Self::List => "manifest list",
            Self::OciIndex => "OCI index",
            Self::Config => "image config",
            Self::SaveManifest => "manifest.json of a docker archive",
        }
    }
}

/// A document that was read whole.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What it is.
    pub kind: Kind,
    pub(crate) raw: Vec<u8>,
    pub(crate) body: Body,
}

/// What it says.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Schema1(Box<Schema1>),
    Manifest(Box<Document<Manifest>>),
    Index(Box<Document<Index>>),
    Config(Box<Document<Config>>),
    /// Items, each with its config, names and layers.
    Save(Vec<Item>),
}

impl Parsed {
    /// The bytes, as they were read.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Digest and size as registries compute them: of a signed schema 1 manifest, of its payload.
    #[must_use]
    pub fn measured(&self) -> Measured {
        match &self.body {
            Body::Schema1(schema1) => schema1.measured(),
            _ => Measured::of(&self.raw),
        }
    }
}

/// Reads a document of any kind, found from what is in it.
///
/// # Errors
/// No JSON, a kind that nobody knows, two kinds at once, or a document that is damaged.
pub fn parse(raw: &[u8]) -> Result<Parsed, ErrorKind> {
    let kind = {
        if raw.iter().all(u8::is_ascii_whitespace) {
            return Err(ErrorKind::Json { what: "the document is empty", at: 0 });
        }
        let checked = json::check(raw, Trailing::Refused)?;
        kind_of(checked.value)?
    };
    let body = match kind {
        Kind::Schema1 => Body::Schema1(Box::new(Schema1::parse(raw)?)),
        Kind::Schema2 | Kind::OciManifest => Body::Manifest(Box::new(Document::parse(raw)?)),
        Kind::List | Kind::OciIndex => Body::Index(Box::new(Document::parse(raw)?)),
        Kind::Config => Body::Config(Box::new(Document::parse(raw)?)),
        Kind::SaveManifest => Body::Save(save_items(raw)?),
    };
    Ok(Parsed { kind, raw: raw.to_vec(), body })
}

/// The digest as registries compute it, of any bytes; a damaged document has one too.
///
/// # Errors
/// A signed schema 1 manifest whose payload cannot be told.
pub fn digest(raw: &[u8]) -> Result<Digest, ErrorKind> {
    let Ok(checked) = json::check(raw, Trailing::Refused) else { return Ok(Digest::of(raw)) };
    let other = kind_of(checked.value).is_ok_and(|kind| kind != Kind::Schema1);
    match schema1_signatures(checked.value) {
        Some(signatures) if !other => Ok(Digest::of(&digest_payload(raw, signatures)?)),
        _ => Ok(Digest::of(raw)),
    }
}

/// What a checked document is: by its media type and by its members, which must agree.
fn kind_of(value: Value<'_>) -> Result<Kind, ErrorKind> {
    use crate::document::media_type::MediaKind;
    match value.kind() {
        JsonKind::Array => return Ok(Kind::SaveManifest),
        JsonKind::Object => (),
        _ => return Err(value.unexpected("the document", "a manifest, index or config")),
    }
    let [media_type, layers, manifests, rootfs] =
        value.fields("the document", ["mediaType", "layers", "manifests", "rootfs"])?;
    let [artifact, config] = value.fields("the document", ["artifactType", "config"])?;
    let said = crate::document::descriptor::optional(media_type, "mediaType")?;
    if let Some((thing, family)) = MediaKind::of(&said) {
        return match (thing, family) {
            (MediaKind::Index, MediaFamily::Docker) => Ok(Kind::List),
            (MediaKind::Index, MediaFamily::Oci) => Ok(Kind::OciIndex),
            (MediaKind::Manifest, MediaFamily::Docker) => Ok(Kind::Schema2),
            (MediaKind::Manifest, MediaFamily::Oci) => Ok(Kind::OciManifest),
            (MediaKind::Schema1, _) => Ok(Kind::Schema1),
            (MediaKind::Config, _) => Ok(Kind::Config),
            (MediaKind::Layer(_) | MediaKind::NonDistributable(_), _) => {
                Err(ErrorKind::field("mediaType", "that of a manifest, index or config", &said))
            }
        };
    }
    // An object `rootfs` is in configs alone; their `config` and `history` are other things.
    if rootfs.is_some() && layers.is_none() && manifests.is_none() {
        return Ok(Kind::Config);
    }
    if is_schema1(value) {
        return Ok(Kind::Schema1);
    }
    match (manifests, layers.or(config).or(artifact)) {
        (Some(_), _) => Ok(Kind::OciIndex),
        (None, Some(_)) => Ok(Kind::OciManifest),
        (None, None) => {
            let found = "an object with none of manifests, layers, config, fsLayers and rootfs";
            Err(ErrorKind::field("the document", "a manifest, index or config", found))
        }
    }
}

fn save_items(raw: &[u8]) -> Result<Vec<Item>, ErrorKind> {
    let ManifestJson { items, problems, .. } = ManifestJson::parse(raw);
    problems.into_iter().next().map_or(Ok(items), Err)
}
