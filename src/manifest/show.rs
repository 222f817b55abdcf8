//! Facts about one document.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Parsed, ParsedBody};
use crate::document::descriptor::Descriptor;
use crate::document::signature::verify;
use crate::document::{Config, Index, Manifest, Schema1};

/// The facts about a document.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ManifestFacts {
    /// The kind, as `manifest convert --to` names it.
    pub document_kind: &'static str,
    /// The media type in the document; empty if there is none.
    pub media_type: String,
    /// The digest as registries compute it.
    pub digest: String,
    /// Number of bytes that the digest covers.
    pub size: u64,
    /// Names inside it: of schema 1, or of the items of a docker archive.
    pub names: Vec<String>,
    /// The platform of schema 1 and configs.
    pub platform: String,
    /// Type of an artifact.
    pub artifact_type: String,
    /// Config, layers, manifests, subject, in the order of the document.
    pub parts: Vec<PartFacts>,
    /// Layers of schema 1, oldest first.
    pub layers: Vec<Schema1Layer>,
    /// Signatures of schema 1.
    pub signatures: Vec<SignatureFacts>,
    /// Annotations of the document.
    pub annotations: BTreeMap<String, String>,
}

/// A reference in a document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PartFacts {
    /// `config`, `layer`, `manifest`, `subject`, or in a docker archive a path.
    pub role: String,
    /// The media type, as written; empty if there is none.
    pub media_type: String,
    /// Digest, or a path in a docker archive.
    pub digest: String,
    /// Stored bytes, if the document contains them.
    pub size: Option<u64>,
    /// The platform of an index entry.
    pub platform: Option<String>,
    /// Type of an artifact.
    pub artifact_type: String,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// The urls of a non-distributable layer.
    pub urls: Vec<String>,
    /// Whether the bytes are embedded; they were then checked.
    pub data: bool,
}

/// A layer of schema 1.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Schema1Layer {
    /// Its ID.
    pub v1_layer_id: String,
    /// Digest of the stored layer.
    pub digest: String,
    /// Whether it is empty.
    pub empty_layer: bool,
    /// The creation time.
    pub created: String,
    /// The instruction in its history.
    pub created_by: String,
}

/// A signature of schema 1.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SignatureFacts {
    /// `ES256`, `ES384`, `RS256`.
    pub algorithm: String,
    /// The key's fingerprint.
    pub kid: String,
    /// Number of certificates of a chain.
    pub certificates: usize,
    /// `holds`, `broken` or `unchecked`.
    pub validity: &'static str,
}

/// Collects the facts.
#[must_use]
pub fn show(parsed: &Parsed) -> ManifestFacts {
    let measured = parsed.measured();
    let facts = ManifestFacts {
        document_kind: parsed.kind.code(),
        digest: measured.digest().to_string(),
        size: measured.size(),
        ..ManifestFacts::default()
    };
    match &parsed.body {
        ParsedBody::Schema1(schema1) => of_schema1(schema1, facts),
        ParsedBody::Manifest(document) => of_manifest(document.view(), facts),
        ParsedBody::Index(document) => of_index(document.view(), facts),
        ParsedBody::Config(document) => of_config(document.view(), facts),
        ParsedBody::Save(items) => {
            let path = |role: &str, path: &str| PartFacts {
                size: None,
                ..part(role, &Descriptor::new("", crate::digest::Digest::of(&[]), 0), path)
            };
            let parts = items.iter().flat_map(|item| {
                let config = std::iter::once(path("config", &item.config));
                config
                    .chain(item.layers.iter().map(|layer| path("layer", layer)))
                    .collect::<Vec<_>>()
            });
            let names = items.iter().flat_map(|item| item.names.clone());
            ManifestFacts { parts: parts.collect(), names: names.collect(), ..facts }
        }
    }
}

fn part(role: &str, descriptor: &Descriptor, digest: &str) -> PartFacts {
    PartFacts {
        role: role.to_owned(),
        media_type: descriptor.media_type.clone(),
        digest: digest.to_owned(),
        size: Some(descriptor.size),
        platform: descriptor.platform.as_ref().map(ToString::to_string),
        artifact_type: descriptor.artifact_type.clone(),
        annotations: descriptor.annotations.clone(),
        urls: descriptor.urls.clone(),
        data: descriptor.data.is_some(),
    }
}

fn described(role: &str, descriptor: &Descriptor) -> PartFacts {
    part(role, descriptor, &descriptor.digest.to_string())
}

fn of_manifest(manifest: &Manifest, facts: ManifestFacts) -> ManifestFacts {
    let config = manifest.config.iter().map(|it| described("config", it));
    let layers = manifest.layers.iter().map(|it| described("layer", it));
    let subject = manifest.subject.iter().map(|it| described("subject", it));
    ManifestFacts {
        media_type: manifest.media_type.clone(),
        artifact_type: manifest.artifact_type.clone(),
        parts: config.chain(layers).chain(subject).collect(),
        annotations: manifest.annotations.clone(),
        ..facts
    }
}

fn of_index(index: &Index, facts: ManifestFacts) -> ManifestFacts {
    let manifests = index.manifests.iter().map(|it| described("manifest", it));
    let subject = index.subject.iter().map(|it| described("subject", it));
    ManifestFacts {
        media_type: index.media_type.clone(),
        artifact_type: index.artifact_type.clone(),
        parts: manifests.chain(subject).collect(),
        annotations: index.annotations.clone(),
        ..facts
    }
}

fn of_config(config: &Config, facts: ManifestFacts) -> ManifestFacts {
    let layers = config.diff_ids.iter().map(|id| PartFacts {
        size: None,
        ..part("diff ID", &Descriptor::new("", id.digest(), 0), &id.to_string())
    });
    ManifestFacts { platform: config.platform.to_string(), parts: layers.collect(), ..facts }
}

fn of_schema1(schema1: &Schema1, facts: ManifestFacts) -> ManifestFacts {
    let layers = schema1.layers.iter().rev().map(|layer| Schema1Layer {
        v1_layer_id: layer.id.to_string(),
        digest: layer.blob_sum.to_string(),
        empty_layer: layer.throwaway,
        created: layer.created.clone(),
        created_by: layer.created_by.clone(),
    });
    let signatures = schema1.signatures.iter().map(|jws| SignatureFacts {
        algorithm: jws.algorithm.clone(),
        kid: jws.key.id.clone(),
        certificates: jws.certificates,
        validity: verify(jws, schema1.payload()).name(),
    });
    let name = match (schema1.name.as_str(), schema1.tag.as_str()) {
        ("", _) => Vec::new(),
        (name, "") => vec![name.to_owned()],
        (name, tag) => vec![format!("{name}:{tag}")],
    };
    ManifestFacts {
        names: name,
        platform: schema1.architecture.clone(),
        layers: layers.collect(),
        signatures: signatures.collect(),
        ..facts
    }
}
