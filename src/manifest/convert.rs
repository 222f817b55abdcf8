//! Converts one kind of manifest to another, and returns every change.

use super::blobs::BlobLookup;
use super::index::{self, PlatformFill};
use super::schema1::{from_schema1, has_two_configs, to_schema1};
use super::swap::swap;
use super::{Parsed, ParsedBody};
use crate::archive::v1::config::ConfigRules;
use crate::digest::{Digest, Measured};
use crate::document::descriptor::Descriptor;
use crate::document::kind::DocumentKind;
use crate::document::media_type::{MediaFamily, MediaKind};
use crate::document::signature::{Key, sign};
use crate::document::{Config, Document, Manifest};
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::reason::{Change, Reason};
use crate::reference::Reference;

/// The target of a conversion and its inputs.
#[derive(Debug)]
#[non_exhaustive]
pub struct ManifestRequest<'a> {
    /// The target kind.
    pub to: DocumentKind,
    /// The config, for schema 1.
    pub config: Option<Vec<u8>>,
    /// The place of layers, or of the children of an index.
    pub blobs: Option<&'a BlobLookup>,
    /// The name to write into schema 1.
    pub name: Option<Reference>,
    /// The key that signs schema 1.
    pub key: Option<Key>,
    /// Whose rules to use for the config of schema 1.
    pub like: ConfigRules,
    /// Whether to add a platform to entries without one.
    pub fill: PlatformFill,
}

impl ManifestRequest<'_> {
    /// Only the target kind: the config follows docker, and only entries that need a platform get
    /// one.
    #[must_use]
    pub fn new(to: DocumentKind) -> Self {
        let (config, blobs, name, key) = (None, None, None, None);
        let (like, fill) = (ConfigRules::Moby, PlatformFill::Needed);
        Self { to, config, blobs, name, key, like, fill }
    }
}

/// A converted document.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConvertedManifest {
    /// The document.
    pub raw: Vec<u8>,
    /// The config that was built from schema 1.
    pub config: Option<Vec<u8>>,
    /// Converted children of an index, by their new digests.
    pub children: Vec<(Digest, Vec<u8>)>,
    /// What changed, and why.
    pub changes: Vec<Change>,
}

/// Converts a document.
///
/// # Errors
/// The target kind cannot hold it, or a needed input is missing.
pub fn convert(
    parsed: &Parsed,
    request: &ManifestRequest<'_>,
    at: &Location,
) -> Result<ConvertedManifest> {
    let mut changes = Vec::new();
    let cannot = |why| Error::new(at, ErrorKind::CannotConvert { to: request.to.name(), why });
    let plain =
        |raw, changes| ConvertedManifest { raw, config: None, children: Vec::new(), changes };
    let family = match request.to {
        DocumentKind::Schema2 | DocumentKind::List => MediaFamily::Docker,
        DocumentKind::OciManifest | DocumentKind::OciIndex => MediaFamily::Oci,
        DocumentKind::Schema1 => {
            let raw = schema1(parsed, request, at, &mut changes)?;
            return Ok(plain(raw, changes));
        }
        _ => return Err(cannot("it is not a registry manifest")),
    };
    if !is_known(parsed) {
        return Err(cannot("its media type is not a known type of a manifest or index"));
    }
    match (&parsed.body, request.to) {
        (ParsedBody::Manifest(_), DocumentKind::Schema2 | DocumentKind::OciManifest) => {
            let raw = swap(parsed, family, &mut changes).at(at)?;
            Ok(plain(raw, changes))
        }
        (ParsedBody::Index(_), DocumentKind::List | DocumentKind::OciIndex) => {
            let help = (request.blobs, request.fill);
            let index = index::convert(parsed, family, help, &mut changes)?;
            let children = index.children.into_iter().collect();
            Ok(ConvertedManifest { raw: index.raw, config: None, children, changes })
        }
        (ParsedBody::Schema1(schema1), DocumentKind::Schema2 | DocumentKind::OciManifest) => {
            let (manifest, config) =
                from_schema1(schema1, family, request.blobs, request.like, &mut changes)?;
            if has_two_configs(schema1) {
                let field = "config".to_owned();
                let (before, after) =
                    (None, Some("no docker_version: skopeo builds a different config".to_owned()));
                changes.push(Change { field, before, after, reason: Reason::ConfigMade });
            }
            let raw = manifest.spelled();
            Ok(ConvertedManifest { raw, config: Some(config), children: Vec::new(), changes })
        }
        (ParsedBody::Manifest(_) | ParsedBody::Schema1(_), _) => {
            Err(cannot("it describes one image, not several"))
        }
        (ParsedBody::Index(_), _) => Err(cannot("it is an index; choose one of its manifests")),
        (ParsedBody::Config(_) | ParsedBody::Save(_), _) => {
            Err(cannot("it is not a registry manifest; pass the archive or layout instead"))
        }
    }
}

/// Whether the media type of a document is known or absent: only then it can be changed.
fn is_known(parsed: &Parsed) -> bool {
    let media_type = match &parsed.body {
        ParsedBody::Manifest(document) => &document.view().media_type,
        ParsedBody::Index(document) => &document.view().media_type,
        ParsedBody::Schema1(_) | ParsedBody::Config(_) | ParsedBody::Save(_) => return true,
    };
    parsed.kind != DocumentKind::Artifact
        && (media_type.is_empty() || MediaKind::of(media_type).is_some())
}

fn schema1(
    parsed: &Parsed,
    request: &ManifestRequest<'_>,
    at: &Location,
    changes: &mut Vec<Change>,
) -> Result<Vec<u8>> {
    let to = DocumentKind::Schema1.name();
    let raw = match &parsed.body {
        // Signs an existing one.
        ParsedBody::Schema1(schema1) => String::from_utf8_lossy(schema1.payload()).into_owned(),
        ParsedBody::Manifest(manifest) => {
            let manifest = manifest.view();
            let config = config(manifest, request, at)?;
            to_schema1(manifest, &config, request.name.as_ref(), changes).at(at)?
        }
        ParsedBody::Index(_) | ParsedBody::Config(_) | ParsedBody::Save(_) => {
            let why = "it is not a manifest of one image";
            return Err(Error::new(at, ErrorKind::CannotConvert { to, why }));
        }
    };
    let Some(key) = &request.key else { return Ok(raw.into_bytes()) };
    changes.push(Change {
        field: "signatures".to_owned(),
        before: None,
        after: Some("ES256".to_owned()),
        reason: Reason::Signature,
    });
    // The header has a time; a fixed one keeps the output reproducible.
    Ok(sign(&raw, key, "1970-01-01T00:00:00Z").into_bytes())
}

/// The config of a manifest: given, embedded, or among the blobs.
fn config(
    manifest: &Manifest,
    request: &ManifestRequest<'_>,
    at: &Location,
) -> Result<Document<Config>> {
    let to = DocumentKind::Schema1.name();
    if !manifest.is_image() {
        let why = "it is an artifact, and schema 1 holds only images";
        return Err(Error::new(at, ErrorKind::CannotConvert { to, why }));
    }
    let claim: &Descriptor = match &manifest.config {
        Some(claim) => claim,
        None => return Err(Error::new(at, ErrorKind::field("config", "a descriptor", "nothing"))),
    };
    let found = match (&request.config, &claim.data, request.blobs) {
        (Some(raw), _, _) => Some(raw.clone()),
        (None, Some(data), _) => Some(data.clone()),
        (None, None, Some(blobs)) => blobs.document(claim)?,
        (None, None, None) => None,
    };
    let Some(raw) = found else {
        let missing =
            format!("its history is in the config {}; pass it with --config", claim.digest);
        return Err(Error::new(at, ErrorKind::Missing { to, missing }));
    };
    let place = Location::named(&claim.digest.to_string());
    claim.check(&Measured::of(&raw)).at(&place)?;
    Document::parse(raw).at(&place)
}
