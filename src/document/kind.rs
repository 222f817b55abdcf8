//! Detects the kind of a JSON document, for every reader.
//!
//! The media type and the fields that only one kind has decide, and must agree (CVE-2021-41190;
//! image-spec `manifest.md`, `image-index.md`; containers/image
//! `ValidateUnambiguousManifestFormat`). An unknown media type is ignored. The content is parsed by
//! the type of the kind, which refuses fields of another kind.

use super::descriptor::optional;
use super::media_type::{MediaFamily, MediaKind};
use crate::error::ErrorKind;
use crate::json::{JsonKind, Value};

/// The kind of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DocumentKind {
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
    SavedManifest,
    /// The artifact manifest that image-spec 1.1 dropped before its release.
    Artifact,
    /// A single descriptor.
    Descriptor,
    /// An error message of a registry (distribution-spec, "Error Codes").
    RegistryError,
    /// An object of an unknown kind.
    Unknown,
}

impl DocumentKind {
    /// The name for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Schema1 => "schema 1 manifest",
            Self::Schema2 => "schema 2 manifest",
            Self::OciManifest => "OCI manifest",
            Self::List => "manifest list",
            Self::OciIndex => "OCI index",
            Self::Config => "image config",
            Self::SavedManifest => "manifest.json of a docker archive",
            Self::Artifact => "artifact manifest",
            Self::Descriptor => "descriptor",
            Self::RegistryError => "error message of a registry",
            Self::Unknown => "document of an unknown kind",
        }
    }

    /// The name for programs, as `manifest convert --to` has it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Schema1 => "schema1",
            Self::Schema2 => "schema2",
            Self::OciManifest => "oci",
            Self::List => "list",
            Self::OciIndex => "index",
            Self::Config => "config",
            Self::SavedManifest => "manifest.json",
            Self::Artifact => "artifact",
            Self::Descriptor => "descriptor",
            Self::RegistryError => "registry-error",
            Self::Unknown => "unknown",
        }
    }

    fn of_media_type(media_type: &str) -> Option<Self> {
        Some(match MediaKind::of(media_type)? {
            (MediaKind::Index, MediaFamily::Docker) => Self::List,
            (MediaKind::Index, MediaFamily::Oci) => Self::OciIndex,
            (MediaKind::Manifest, MediaFamily::Docker) => Self::Schema2,
            (MediaKind::Manifest, MediaFamily::Oci) => Self::OciManifest,
            (MediaKind::Schema1, _) => Self::Schema1,
            (MediaKind::Config, _) => Self::Config,
            (MediaKind::Layer(_) | MediaKind::NonDistributable(_), _) => return None,
        })
    }

    /// Whether two kinds are equal except for the family.
    fn is_like(self, other: Self) -> bool {
        let plain = |kind| match kind {
            Self::Schema2 => Self::OciManifest,
            Self::List => Self::OciIndex,
            kind => kind,
        };
        plain(self) == plain(other)
    }
}

/// The kind of a checked document.
///
/// # Errors
/// It is not an object or list; its media type contradicts its fields; it is both an image config
/// and a manifest.
pub(crate) fn kind_of(value: Value<'_>) -> Result<DocumentKind, ErrorKind> {
    match value.kind() {
        JsonKind::Array => return Ok(DocumentKind::SavedManifest),
        JsonKind::Object => (),
        _ => return Err(value.unexpected("the document", "a manifest, index or config")),
    }
    let [media_type] = value.fields("the document", ["mediaType"])?;
    let media_type = optional(media_type, "mediaType")?;
    let shapes = shapes(value)?;
    let shape = shapes.first().copied().unwrap_or(DocumentKind::Unknown);
    // The media type of a descriptor is that of its blob.
    if shape == DocumentKind::Descriptor {
        return Ok(shape);
    }
    let Some(said) = DocumentKind::of_media_type(&media_type) else {
        if MediaKind::of(&media_type).is_some() {
            let expected = "the media type of a manifest, index or config";
            return Err(ErrorKind::field("mediaType", expected, &media_type));
        }
        return match shapes.as_slice() {
            [DocumentKind::Config, second, ..] => {
                let (first, second) = (DocumentKind::Config.name(), second.name());
                Err(ErrorKind::AmbiguousDocument { first, second })
            }
            _ => Ok(shape),
        };
    };
    if shapes.is_empty() || shapes.iter().any(|shape| shape.is_like(said)) {
        return Ok(said);
    }
    let expected = format!("a media type for {}", shape.name());
    Err(ErrorKind::MediaType { expected, found: media_type })
}

/// The kinds that its fields match, the deciding one first; empty if no field matches.
fn shapes(value: Value<'_>) -> Result<Vec<DocumentKind>, ErrorKind> {
    let keys = ["rootfs", "fsLayers", "manifests", "layers", "config", "blobs"];
    let [rootfs, old, manifests, layers, config, blobs] = value.fields("the document", keys)?;
    let [digest, errors, artifact] =
        value.fields("the document", ["digest", "errors", "artifactType"])?;
    // In an image config, `config` is the configuration of the container.
    let manifest = layers.or(config.filter(|_| rootfs.is_none()));
    let mut found = Vec::new();
    for (member, kind) in [
        (rootfs, DocumentKind::Config),
        (old, DocumentKind::Schema1),
        (manifests, DocumentKind::OciIndex),
        (manifest, DocumentKind::OciManifest),
    ] {
        found.extend(member.map(|_| kind));
    }
    if found.is_empty() {
        // Other kinds also have these fields, so they decide only without the fields above.
        let alone = [
            (blobs, DocumentKind::Artifact),
            (digest, DocumentKind::Descriptor),
            (artifact, DocumentKind::OciManifest),
            (errors, DocumentKind::RegistryError),
        ];
        found.extend(alone.iter().find_map(|(member, kind)| member.map(|_| *kind)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Trailing, check};

    fn kind(text: &str) -> Result<DocumentKind, ErrorKind> {
        kind_of(check(text.as_bytes(), Trailing::Refused).unwrap().value)
    }

    #[test]
    fn a_document_is_told_by_its_media_type_and_by_its_members() {
        use DocumentKind as D;
        let index = r#""mediaType":"application/vnd.oci.image.index.v1+json""#;
        let list = r#""mediaType":"application/vnd.docker.distribution.manifest.list.v2+json""#;
        let schema2 = r#""mediaType":"application/vnd.docker.distribution.manifest.v2+json""#;
        for (text, expected) in [
            (format!("{{\"schemaVersion\":2,{index}}}"), D::OciIndex),
            (format!("{{{index},\"manifests\":[]}}"), D::OciIndex),
            (format!("{{{list},\"MANIFESTS\":[]}}"), D::List),
            (format!("{{{schema2},\"config\":{{}},\"layers\":[]}}"), D::Schema2),
            (r#"{"manifests":null,"layers":[]}"#.into(), D::OciManifest),
            (r#"{"mediaType":"a/b","layers":[]}"#.into(), D::OciManifest),
            (r#"{"artifactType":"a/b"}"#.into(), D::OciManifest),
            (r#"{"rootfs":{},"config":{},"history":[]}"#.into(), D::Config),
            (r#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#.into(), D::Schema1),
            (r#"[{"Config":"a.json"}]"#.into(), D::SavedManifest),
            (r#"{"artifactType":"a/b","blobs":[]}"#.into(), D::Artifact),
            (format!("{{{index},\"digest\":\"sha256:0\",\"size\":1}}"), D::Descriptor),
            (r#"{"errors":[{"code":"DENIED"}]}"#.into(), D::RegistryError),
            (r#"{"name":"x"}"#.into(), D::Unknown),
        ] {
            assert_eq!(kind(&text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn media_type_and_members_must_agree() {
        for (media_type, members, code) in [
            ("application/vnd.oci.image.index.v1+json", "\"layers\":[]", "media-type-mismatch"),
            (
                "application/vnd.oci.image.manifest.v1+json",
                "\"manifests\":[]",
                "media-type-mismatch",
            ),
            ("application/vnd.oci.image.config.v1+json", "\"fsLayers\":[]", "media-type-mismatch"),
            ("application/vnd.oci.image.layer.v1.tar", "\"layers\":[]", "field"),
            ("", "\"rootfs\":{},\"layers\":[]", "ambiguous-document"),
        ] {
            let text = format!("{{\"mediaType\":\"{media_type}\",{members}}}");
            assert_eq!(kind(&text).unwrap_err().code(), code, "{text}");
        }
    }
}
