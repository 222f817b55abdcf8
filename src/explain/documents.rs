//! The same image in five documents, lined up: the item of `manifest.json`, schema 1, schema 2,
//! the OCI manifest and the config. What the source does not have, the converters make.

use serde::Serialize;

use super::image::ExplainedImage;
use super::manifest_json::{classic, has_layer_sources, read};
use super::manifests::{Made, MadeManifest, Origin, manifest};
use super::outline::{Outline, outline};
use crate::archive::manifest_json::SavedItem;
use crate::document::Schema1;
use crate::document::kind::DocumentKind;
use crate::document::media_type::{MediaFamily, MediaKind};
use crate::manifest::ParsedBody;

/// Five documents about one image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExplainedDocuments {
    /// Save item, schema 1, schema 2, OCI manifest, config.
    pub documents: Vec<DocumentFacts>,
    /// What each of them says, one row per question.
    pub rows: Vec<DocumentRow>,
}

/// One document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DocumentFacts {
    /// What it is, in words.
    #[serde(skip)]
    pub kind: &'static str,
    /// What it is, as `manifest convert --to` names it.
    pub document_kind: &'static str,
    /// Whether the source has it.
    pub origin: Origin,
    /// Its digest, as registries compute it; nothing for the save item, which has none.
    pub digest: Option<String>,
    /// Bytes that the digest is of.
    pub size: Option<u64>,
    /// Its text, indented, as JSON; nothing where it cannot be made.
    pub text: Option<String>,
    /// Whether that text leaves something out, as the document is large.
    pub shortened: bool,
    /// Why it cannot be made.
    pub missing: Option<String>,
}

/// What the documents say to one question, in their order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DocumentRow {
    /// The question.
    pub label: &'static str,
    /// One answer per document.
    pub cells: [String; 5],
}

impl DocumentFacts {
    fn with(self, outline: Outline) -> Self {
        Self { text: Some(outline.text), shortened: outline.shortened, ..self }
    }
}

/// Makes them.
pub(super) fn documents(subject: &ExplainedImage) -> ExplainedDocuments {
    let made = Five::of(subject);
    let documents = vec![
        DocumentFacts {
            kind: "item of manifest.json",
            document_kind: DocumentKind::SavedManifest.code(),
            origin: if subject.item.is_some() { Origin::Source } else { Origin::Made },
            ..missing(DocumentKind::Config, None)
        }
        .with(outline(made.item.as_bytes())),
        facts(DocumentKind::Schema1, &made.schema1),
        facts(DocumentKind::Schema2, &made.schema2),
        facts(DocumentKind::OciManifest, &made.oci),
        config(subject),
    ];
    ExplainedDocuments { documents, rows: made.rows(subject) }
}

struct Five {
    item: String,
    said: SavedItem,
    /// Whether the item has a descriptor for each layer.
    sources: bool,
    schema1: MadeManifest,
    schema2: MadeManifest,
    oci: MadeManifest,
}

impl Five {
    fn of(subject: &ExplainedImage) -> Self {
        let item = subject.item.clone().unwrap_or_else(|| classic(subject));
        let (said, keys) = read(&item);
        Self {
            said,
            sources: has_layer_sources(&keys),
            item,
            schema1: manifest(subject, DocumentKind::Schema1),
            schema2: manifest(subject, DocumentKind::Schema2),
            oci: manifest(subject, DocumentKind::OciManifest),
        }
    }
}

fn facts(kind: DocumentKind, found: &MadeManifest) -> DocumentFacts {
    match found {
        Ok(Made { parsed, origin, .. }) => DocumentFacts {
            origin: *origin,
            digest: Some(parsed.measured().digest().to_string()),
            size: Some(parsed.measured().size()),
            ..missing(kind, None)
        }
        .with(outline(parsed.raw())),
        Err(why) => missing(kind, Some(why.clone())),
    }
}

fn config(subject: &ExplainedImage) -> DocumentFacts {
    let not_here = "it is missing".to_owned();
    let facts = match &subject.config {
        Some(config) => {
            DocumentFacts { origin: Origin::Source, ..missing(DocumentKind::Config, None) }
                .with(outline(config.raw()))
        }
        None => missing(DocumentKind::Config, Some(not_here)),
    };
    let digest = subject.image_id().map(|id| id.to_string());
    DocumentFacts { digest, size: subject.config_size(), ..facts }
}

fn missing(kind: DocumentKind, why: Option<String>) -> DocumentFacts {
    DocumentFacts {
        kind: kind.name(),
        document_kind: kind.code(),
        origin: Origin::Missing,
        digest: None,
        size: None,
        text: None,
        shortened: false,
        missing: why,
    }
}

/// Both forms of schema 1 (distribution 2.8, `manifest/schema1/manifest.go`).
const SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws (signed) or \
                       application/vnd.docker.distribution.manifest.v1+json (not signed)";

/// What is said where a document has no word on it.
const NOTHING: &str = "nothing";

impl Five {
    fn rows(&self, subject: &ExplainedImage) -> Vec<DocumentRow> {
        vec![
            row(
                "kept in",
                [
                    "a docker archive",
                    "a registry, up to distribution 2.8",
                    "a registry; sometimes a layout",
                    "a registry, a layout",
                    "wherever the image is, but with schema 1",
                ],
            ),
            self.own_digest(subject),
            Self::media_type(),
            self.name(subject),
            self.config(subject),
            self.layers(subject),
            self.base(subject),
            row(
                "a layer's digest is of",
                [
                    if self.sources {
                        "the uncompressed tar, in LayerSources"
                    } else {
                        "nothing: a path"
                    },
                    "stored bytes",
                    "stored bytes",
                    "stored bytes",
                    "the uncompressed tar",
                ],
            ),
            self.sizes(subject),
            row(
                "compression",
                ["by the first bytes", "gzip, unsaid", "in mediaType", "in mediaType", NOTHING],
            ),
            self.platform(subject),
            self.signature(),
        ]
    }

    fn own_digest(&self, subject: &ExplainedImage) -> DocumentRow {
        let digest = |found: &MadeManifest| match found {
            Ok(made) => made.parsed.measured().digest().to_string(),
            Err(_) => "not known here".to_owned(),
        };
        let config = subject.image_id().map_or_else(unknown, |id| id.to_string());
        let cells = [
            "has none".to_owned(),
            digest(&self.schema1),
            digest(&self.schema2),
            digest(&self.oci),
            config,
        ];
        DocumentRow { label: "its own digest", cells }
    }

    fn media_type() -> DocumentRow {
        let name = |thing: MediaKind, family| thing.name(family).unwrap_or(NOTHING);
        let config = format!(
            "{} or {}",
            name(MediaKind::Config, MediaFamily::Docker),
            name(MediaKind::Config, MediaFamily::Oci)
        );
        let cells = [
            "has none".to_owned(),
            SCHEMA1.to_owned(),
            name(MediaKind::Manifest, MediaFamily::Docker).to_owned(),
            name(MediaKind::Manifest, MediaFamily::Oci).to_owned(),
            config,
        ];
        DocumentRow { label: "media type", cells }
    }

    fn name(&self, subject: &ExplainedImage) -> DocumentRow {
        let names = match subject.names.as_slice() {
            [] => "RepoTags: null".to_owned(),
            names => format!("RepoTags: {}", names.join(", ")),
        };
        let inside = match self.schema1() {
            Some(schema1) if !schema1.name.is_empty() => {
                format!("name: {}, tag: {}", schema1.name, schema1.tag)
            }
            _ => "name and tag".to_owned(),
        };
        let url = "nothing, it is in the URL".to_owned();
        DocumentRow { label: "name", cells: [names, inside, url.clone(), url, NOTHING.to_owned()] }
    }

    fn schema1(&self) -> Option<&Schema1> {
        match self.schema1.as_ref().map(|made| &made.parsed.body) {
            Ok(ParsedBody::Schema1(schema1)) => Some(schema1),
            _ => None,
        }
    }

    fn config(&self, subject: &ExplainedImage) -> DocumentRow {
        let id = subject.image_id().map_or_else(unknown, |id| id.to_string());
        let path = format!("a path: {}", self.said.config);
        let dissolved = "inside the newest v1Compatibility".to_owned();
        DocumentRow {
            label: "config",
            cells: [path, dissolved, id.clone(), id, "itself".to_owned()],
        }
    }

    fn layers(&self, subject: &ExplainedImage) -> DocumentRow {
        let count = subject.layers.len();
        let all = match (&subject.config, self.schema1()) {
            (_, Some(schema1)) => schema1.layers.len(),
            (Some(config), None) => config.view().history.len(),
            (None, None) => count,
        };
        let empty = all.saturating_sub(count);
        let base_first = |what: &str| format!("{what}: {count}, base first");
        let cells = [
            base_first("paths"),
            format!("blobSums: {all}, newest first, {empty} of them empty layers"),
            base_first("descriptors"),
            base_first("descriptors"),
            format!("diff IDs: {count}, base first; history: {all}"),
        ];
        DocumentRow { label: "layers", cells }
    }

    fn base(&self, subject: &ExplainedImage) -> DocumentRow {
        let first = subject.layers.first();
        let stored = first.and_then(|it| it.stored_digest()).map_or_else(unknown, str::to_owned);
        let plain = first.and_then(|it| it.diff_id.clone()).unwrap_or_else(unknown);
        let path = self.said.layers.first().cloned().unwrap_or_else(|| NOTHING.to_owned());
        DocumentRow {
            label: "layer 1",
            cells: [path, stored.clone(), stored.clone(), stored, plain],
        }
    }

    fn sizes(&self, subject: &ExplainedImage) -> DocumentRow {
        // Claims may be larger than what is there, and than any sum.
        let add = |sum: u64, layer: &super::ExplainedLayer| sum.checked_add(layer.stored_size()?);
        let stored = match subject.layers.iter().try_fold(0, add) {
            Some(sum) => format!("{sum} bytes in all layers"),
            None => "of each stored layer".to_owned(),
        };
        let cells = [
            if self.sources {
                "of each uncompressed layer, in LayerSources".to_owned()
            } else {
                "nothing: it is in the tar header".to_owned()
            },
            NOTHING.to_owned(),
            stored.clone(),
            stored,
            NOTHING.to_owned(),
        ];
        DocumentRow { label: "size", cells }
    }

    fn platform(&self, subject: &ExplainedImage) -> DocumentRow {
        let known = subject.platform().unwrap_or_else(unknown);
        let inside = match self.schema1() {
            Some(schema1) => {
                format!("architecture: {}, os in v1Compatibility", schema1.architecture)
            }
            None => "architecture, os in v1Compatibility".to_owned(),
        };
        let config = "in the config".to_owned();
        let index = "in the config; an index repeats it".to_owned();
        DocumentRow { label: "platform", cells: [config, inside, index.clone(), index, known] }
    }

    fn signature(&self) -> DocumentRow {
        let inside = match self.schema1() {
            Some(schema1) if !schema1.signatures.is_empty() => {
                format!("inside: {}", schema1.signatures.len())
            }
            _ => "inside, by whoever pushes".to_owned(),
        };
        let beside = "none inside".to_owned();
        let cells = [beside.clone(), inside, beside.clone(), beside.clone(), beside];
        DocumentRow { label: "signature", cells }
    }
}

fn unknown() -> String {
    "not known here".to_owned()
}

fn row(label: &'static str, cells: [&str; 5]) -> DocumentRow {
    DocumentRow { label, cells: cells.map(str::to_owned) }
}
