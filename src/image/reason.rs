//! The catalogue of reasons: why a conversion changes or loses something.
//!
//! Conversions, comparisons and explanations use it; one row per reason.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::error::Shown;

/// Why something changes or is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// A registry manifest gets a new digest or cannot be stored.
    Manifest,
    /// An index gets a new digest or cannot be stored.
    Index,
    /// More than one platform.
    Platforms,
    /// An image for a platform that was not selected.
    OtherPlatform,
    /// An attestation of an image whose digest changes.
    Attestation,
    /// A manifest that is not an image.
    Artifact,
    /// Annotations.
    Annotations,
    /// The subject of a manifest.
    Subject,
    /// A referrer or signature of a manifest that gets a new digest or is left out.
    Referrer,
    /// The type of an artifact.
    ArtifactType,
    /// Embedded bytes of a blob.
    Data,
    /// The urls of non-distributable layers.
    Urls,
    /// A missing non-distributable layer.
    NonDistributable,
    /// zstd layers, which docker before 23 cannot read.
    Zstd,
    /// zstd layers under Docker's media types.
    DockerZstd,
    /// An entry of an index that keeps the media types of the other family.
    OtherFamily,
    /// Two entries of an index that became one manifest.
    SameManifest,
    /// A tag without a repository.
    RefName,
    /// A name in a destination without names.
    Nameless,
    /// The digest in a name.
    NameDigest,
    /// Unknown fields.
    Unknown,
    /// A compressed layer that no known writer gives.
    NotRecovered,
    /// Something unusual about the source (with `--strict` only).
    Oddity,
    /// Names of the other family.
    MediaType,
    /// A layer that is stored with another codec.
    Recompressed,
    /// The same meaning in other bytes.
    Spelling,
    /// A platform from the config.
    PlatformFilled,
    /// An index inside an index.
    Flattened,
    /// IDs that schema 1 needs.
    LegacyIds,
    /// A config that is built from V1 JSON.
    ConfigMade,
    /// A config that another program rewrote.
    ConfigReencoded,
    /// The config is not a separate document.
    ConfigDissolved,
    /// Empty layers.
    EmptyLayers,
    /// Order of the layers.
    LayerOrder,
    /// A name inside the document.
    Name,
    /// A signature that is no longer valid, or a new one.
    Signature,
    /// Sizes that schema 1 does not contain.
    Sizes,
    /// Another version of the document.
    SchemaVersion,
    /// Different content.
    Content,
    /// Different names for the same image.
    Names,
    /// The same items in a different order.
    Order,
    /// The same image in a different format.
    Packaging,
}

/// Whether information is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lost {
    /// It cannot be recovered from the result.
    Yes,
    /// It is still present in another form, or was never present.
    No,
}

/// The row of one reason.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Row {
    /// A stable code for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub sentence: &'static str,
    /// The specification of the rule.
    pub section: &'static str,
    /// Whether information is lost.
    pub lost: Lost,
}

const fn row(code: &'static str, lost: Lost, sentence: &'static str, section: &'static str) -> Row {
    Row { code, sentence, section, lost }
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 42] = [
        Self::Manifest,
        Self::Index,
        Self::Platforms,
        Self::OtherPlatform,
        Self::Attestation,
        Self::Artifact,
        Self::Annotations,
        Self::Subject,
        Self::Referrer,
        Self::ArtifactType,
        Self::Data,
        Self::Urls,
        Self::NonDistributable,
        Self::Zstd,
        Self::DockerZstd,
        Self::OtherFamily,
        Self::SameManifest,
        Self::RefName,
        Self::Nameless,
        Self::NameDigest,
        Self::Unknown,
        Self::NotRecovered,
        Self::Oddity,
        Self::MediaType,
        Self::Recompressed,
        Self::Spelling,
        Self::PlatformFilled,
        Self::Flattened,
        Self::LegacyIds,
        Self::ConfigMade,
        Self::ConfigReencoded,
        Self::ConfigDissolved,
        Self::EmptyLayers,
        Self::LayerOrder,
        Self::Name,
        Self::Signature,
        Self::Sizes,
        Self::SchemaVersion,
        Self::Content,
        Self::Names,
        Self::Order,
        Self::Packaging,
    ];

    /// Its row in the catalogue.
    #[must_use]
    #[rustfmt::skip]
    pub fn row(self) -> Row {
        use Lost::{No, Yes};
        match self {
            Self::Manifest => row("manifest", Yes, "the manifest digest is not kept", "image-spec manifest.md"),
            Self::Index => row("index", Yes, "the index digest is not kept", "image-spec image-index.md"),
            Self::Platforms => row("platforms", Yes, "the destination holds only one platform", "docker-image-spec v1.2.md"),
            Self::OtherPlatform => row("other-platform", Yes, "an image for a platform that is not selected is left out", "image-spec image-index.md, platform"),
            Self::Attestation => row("attestation", Yes, "the attestation is left out", "BuildKit attestation-storage.md"),
            Self::Artifact => row("artifact", Yes, "an artifact that is not an image is left out", "image-spec manifest.md, artifact usage"),
            Self::Annotations => row("annotations", Yes, "annotations are left out", "image-spec annotations.md"),
            Self::Subject => row("subject", Yes, "the subject is left out", "image-spec manifest.md, subject"),
            Self::Referrer => row("referrer", Yes, "it stays, but the manifest that it is about has a new digest or is left out", "image-spec manifest.md, subject; cosign, tag-based discovery"),
            Self::ArtifactType => row("artifact-type", Yes, "the type of the artifact is left out", "image-spec manifest.md, artifactType"),
            Self::Data => row("data", No, "embedded data is left out; the blob contains it", "image-spec descriptor.md, data"),
            Self::Urls => row("urls", Yes, "the urls of a non-distributable layer are left out", "image-spec descriptor.md, urls"),
            Self::NonDistributable => row("foreign-layer", Yes, "a non-distributable layer is missing from the source and is not copied", "image-spec layer.md, non-distributable layers"),
            Self::Zstd => row("zstd", No, "docker before 23.0 and crane cannot read zstd layers in an archive", "image-spec media-types.md"),
            Self::DockerZstd => row("docker-zstd", No, "docker before 23.0 and crane cannot read zstd layers; containerd 1.6, podman 4.3 and skopeo 1.9 do not know Docker's media type for them", "containerd images/mediatypes.go"),
            Self::OtherFamily => row("other-family", No, "the entry keeps its media type, because the manifest was not converted (pass it with --children)", "image-spec media-types.md, compatibility matrix"),
            Self::SameManifest => row("same-manifest", No, "entries that differed are now the same manifest", "image-spec image-index.md, manifests"),
            Self::RefName => row("ref-name", Yes, "a docker archive needs a full image name, and this is not one", "image-spec annotations.md, ref.name"),
            Self::Nameless => row("nameless", Yes, "a dir: folder has no place for a name", "containers/image directory transport"),
            Self::NameDigest => row("name-digest", Yes, "the digest in the name is left out", "distribution reference, grammar"),
            Self::Unknown => row("unknown-members", Yes, "fields that the other format does not know are left out", "image-spec considerations.md, extensibility"),
            Self::NotRecovered => row("not-recovered", Yes, "the layer is compressed anew, so it and the manifest get new digests", "RFC 1951; image-spec manifest.md, layers"),
            Self::Oddity => row("oddity", No, "the source is unusual", "image-spec image-layout.md"),
            Self::MediaType => row("media-type", No, "Docker and OCI have different media types for the same thing", "image-spec media-types.md, compatibility matrix"),
            Self::Recompressed => row("recompressed", No, "the layer is stored with another codec or level; its uncompressed tar is the same", "image-spec config.md, Layer DiffID"),
            Self::Spelling => row("spelling", No, "the meaning is the same but the bytes differ, so the digest differs", "image-spec considerations.md, canonicalization"),
            Self::PlatformFilled => row("platform-filled", No, "the platform comes from the config", "image-spec image-index.md, platform"),
            Self::Flattened => row("flattened", Yes, "an index inside the index is replaced by its entries", "distribution 2.8 manifest-v2-2.md, manifest list"),
            Self::LegacyIds => row("legacy-ids", No, "IDs are computed, because schema 1 has one per layer", "distribution 2.8 manifest/schema1/config_builder.go"),
            Self::ConfigMade => row("config-made", No, "the config is built from the V1 JSON, so the image ID is new", "docker-image-spec v1.2.md; moby v28 image/v1 MakeConfigFromV1Config"),
            Self::ConfigReencoded => row("config-reencoded", Yes, "another program rewrote the config without the fields that it does not know, so the image ID differs", "image-spec config.md"),
            Self::ConfigDissolved => row("config-dissolved", Yes, "schema 1 has no separate config: its fields go into the newest V1 JSON, without rootfs", "distribution 2.8 manifest-v2-1.md"),
            Self::EmptyLayers => row("empty-layers", No, "schema 1 lists a layer for every history step, even for an empty one", "distribution 2.8 manifest-v2-1.md, fsLayers"),
            Self::LayerOrder => row("layer-order", No, "schema 1 lists the newest layer first", "distribution 2.8 manifest-v2-1.md, fsLayers"),
            Self::Name => row("name", No, "only schema 1 contains the name and the tag", "distribution 2.8 manifest-v2-1.md, name and tag"),
            Self::Signature => row("signature", Yes, "a signature is valid for the bytes of one document only", "distribution 2.8 manifest-v2-1.md, signed manifests"),
            Self::Sizes => row("sizes", No, "sizes come from the blobs, because schema 1 does not contain them", "distribution 2.8 manifest-v2-2.md, size"),
            Self::SchemaVersion => row("schema-version", No, "the schema version differs", "distribution 2.8 manifest-v2-2.md, schemaVersion"),
            Self::Content => row("content", Yes, "the content differs", "image-spec descriptor.md, digests"),
            Self::Names => row("names", No, "the same image has different names", "image-spec annotations.md, ref.name"),
            Self::Order => row("order", No, "the same items are in a different order", "image-spec image-layout.md, index.json"),
            Self::Packaging => row("packaging", No, "the same image is stored in a different format", "image-spec image-layout.md; docker-image-spec v1.2.md"),
        }
    }

    /// A stable code for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// A sentence for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        self.row().sentence
    }
}

/// One thing that is lost in the destination.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Loss {
    /// Why.
    pub reason: Reason,
    /// What: a name, a digest, a platform.
    pub what: String,
}

impl Loss {
    pub(crate) fn new(reason: Reason, what: impl ToString) -> Self {
        Self { reason, what: what.to_string() }
    }
}

impl Serialize for Loss {
    /// As in `docs/schema/conversion.json`.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_struct("Loss", 3)?;
        object.serialize_field("code", self.reason.code())?;
        object.serialize_field("what", &self.what)?;
        object.serialize_field("text", self.reason.sentence())?;
        object.end()
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", Shown(&self.what), self.reason.sentence())
    }
}

/// One change that a conversion made, or one difference between two documents.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Which field, as a path into the document: `layers[0].mediaType`.
    pub field: String,
    /// The value before; `None` if it is new.
    pub before: Option<String>,
    /// The value after; `None` if it was removed.
    pub after: Option<String>,
    /// Why.
    pub reason: Reason,
}

impl Serialize for Change {
    /// As in `docs/schema/comparison.json`.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let row = self.reason.row();
        let mut object = to.serialize_struct("Change", 7)?;
        object.serialize_field("code", row.code)?;
        object.serialize_field("field", &self.field)?;
        object.serialize_field("before", &self.before)?;
        object.serialize_field("after", &self.after)?;
        object.serialize_field("text", row.sentence)?;
        object.serialize_field("section", row.section)?;
        object.serialize_field("lost", &(row.lost == Lost::Yes))?;
        object.end()
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = |text: &Option<String>| match text {
            Some(text) => Shown(text).to_string(),
            None => "nothing".to_owned(),
        };
        let (before, after) = (side(&self.before), side(&self.after));
        write!(f, "{}: {before} -> {after} ({})", Shown(&self.field), self.reason.sentence())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_code_of_its_own_a_sentence_and_a_section() {
        let mut codes = std::collections::BTreeSet::new();
        for reason in Reason::ALL {
            let row = reason.row();
            assert!(codes.insert(row.code), "{} twice", row.code);
            assert!(row.sentence.len() > 10 && row.section.len() > 5, "{}", row.code);
        }
    }
}
