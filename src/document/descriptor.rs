//! What a document claims about a blob (image-spec `descriptor.md`).

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use serde::ser::{Error as _, Serialize, Serializer};

use crate::digest::{Digest, Measured};
use crate::document::media_type::{MediaFamily, MediaKind};
use crate::error::ErrorKind;
use crate::json::{Value, go};
use crate::platform::Platform;

/// A claim: media type, digest and size of a blob, and optional fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The media type of the blob; may be empty.
    pub media_type: String,
    /// Digest of the stored bytes.
    pub digest: Digest,
    /// Number of stored bytes.
    pub size: u64,
    /// Addresses of a non-distributable layer; never fetched.
    pub urls: Vec<String>,
    /// Annotations, sorted.
    pub annotations: BTreeMap<String, String>,
    /// The embedded blob, if there is one; checked.
    pub data: Option<Vec<u8>>,
    /// Only in entries of an index.
    pub platform: Option<Box<Platform>>,
    /// Type of an artifact.
    pub artifact_type: String,
    /// Unknown fields, as compact text; they are kept.
    pub(crate) others: Vec<(String, String)>,
}

/// A claimed digest and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

impl Claim {
    /// Compares the claim with measured bytes.
    pub(crate) fn check(&self, there: &Measured) -> Result<(), ErrorKind> {
        self.problems(there).next().map_or(Ok(()), Err)
    }

    /// All differences from measured bytes.
    pub(crate) fn problems(&self, there: &Measured) -> impl Iterator<Item = ErrorKind> {
        let (size, digest) = (self.size, self.digest);
        let size =
            (size != there.size()).then(|| ErrorKind::Size { expected: size, found: there.size() });
        let digest = (digest != there.digest())
            .then(|| ErrorKind::Digest { expected: digest, found: there.digest() });
        size.into_iter().chain(digest)
    }
}

const KNOWN: [&str; 8] =
    ["mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"];

/// The annotation that holds an image's full name (containerd, BuildKit, Docker).
pub(crate) const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The annotation of the image-spec that holds a tag or name (`annotations.md`).
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

impl Serialize for Descriptor {
    /// Parses it as in an index of the image-spec, with unknown fields.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let text = self.to_json(MediaFamily::Oci);
        let value: serde_json::Value = serde_json::from_str(&text).map_err(S::Error::custom)?;
        value.serialize(to)
    }
}

impl Descriptor {
    /// Describes bytes that were measured.
    #[must_use]
    pub fn of(media_type: &str, measured: &Measured) -> Self {
        Self::new(media_type, measured.digest(), measured.size())
    }

    /// Describes claimed bytes.
    #[must_use]
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            data: None,
            platform: None,
            artifact_type: String::new(),
            others: Vec::new(),
        }
    }

    /// The same entry of an index for a new document that replaces another: its annotations and
    /// platform stay.
    pub(crate) fn renewed(&self, new: &Self) -> Self {
        Self {
            media_type: new.media_type.clone(),
            digest: new.digest,
            size: new.size,
            data: None,
            platform: self.platform.clone().or_else(|| new.platform.clone()),
            ..self.clone()
        }
    }

    /// Parses a descriptor; `field` is its place in the document.
    pub(crate) fn parse(value: Value<'_>, field: &str) -> Result<Self, ErrorKind> {
        let [media_type, digest, size, urls, annotations, data, platform, artifact_type] =
            value.fields(field, KNOWN)?;
        let inside = |name: &str| format!("{field}.{name}");
        let missing = |name: &str, expected| ErrorKind::field(&inside(name), expected, "nothing");
        let digest_field = inside("digest");
        let digest = digest.ok_or_else(|| missing("digest", "a digest"))?.string(&digest_field)?;
        let size_field = inside("size");
        let size = size
            .ok_or_else(|| missing("size", "an integer from 0 to 2^63-1"))?
            .size(&size_field)?;
        let digest = digest.parse().map_err(|_| {
            let expected = "a digest: sha256: or sha512: and lower-case hex";
            ErrorKind::field(&digest_field, expected, &digest)
        })?;
        let descriptor = Self {
            media_type: optional(media_type, &inside("mediaType"))?,
            digest,
            size,
            urls: strings(urls, &inside("urls"))?,
            annotations: string_map(annotations, &inside("annotations"))?,
            data: data.map(|data| base64(data, &inside("data"))).transpose()?,
            platform: platform
                .map(|it| parse_platform(it, &inside("platform")).map(Box::new))
                .transpose()?,
            artifact_type: optional(artifact_type, &inside("artifactType"))?,
            others: value.others(&KNOWN),
        };
        descriptor.check_data()?;
        Ok(descriptor)
    }

    /// Compares the claim with measured bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Size`] or [`ErrorKind::Digest`].
    pub fn check(&self, there: &Measured) -> Result<(), ErrorKind> {
        self.claim().check(there)
    }

    /// The claim about the bytes.
    pub(crate) fn claim(&self) -> Claim {
        Claim { digest: self.digest, size: self.size }
    }

    /// Checks embedded data against its claim.
    pub(crate) fn check_bytes(&self, bytes: &[u8]) -> Result<(), ErrorKind> {
        self.check(&Measured::with(self.digest.algorithm(), bytes))
    }

    pub(crate) fn check_data(&self) -> Result<(), ErrorKind> {
        let Some(data) = &self.data else { return Ok(()) };
        let there = Measured::with(self.digest.algorithm(), data);
        self.check(&there).map_err(|_| ErrorKind::Data {
            expected: format!("{} with {} bytes", self.digest, self.size),
            found: format!("{} with {} bytes", there.digest(), there.size()),
        })
    }

    /// Whether it describes a non-distributable layer, which is stored elsewhere and may be missing.
    pub(crate) fn is_elsewhere(&self) -> bool {
        let kind = MediaKind::of(&self.media_type);
        !self.urls.is_empty() || matches!(kind, Some((MediaKind::NonDistributable(_), _)))
    }

    /// Whether this names an attestation beside an image (`BuildKit` `attestation-storage.md`).
    #[must_use]
    pub fn is_attestation(&self) -> bool {
        self.annotations
            .get("vnd.docker.reference.type")
            .is_some_and(|kind| kind == "attestation-manifest")
    }

    /// The file of the blob in a layout.
    #[must_use]
    pub fn path(&self) -> String {
        blob_path(&self.digest)
    }

    /// Compact JSON in the field order of a family's types.
    pub(crate) fn to_json(&self, family: MediaFamily) -> String {
        let mut object = go::Object::new();
        object.nonempty("mediaType", &self.media_type);
        match family {
            MediaFamily::Oci => {
                object.string("digest", &self.digest.to_string()).number("size", self.size);
            }
            MediaFamily::Docker => {
                object.number("size", self.size).string("digest", &self.digest.to_string());
            }
        }
        if !self.urls.is_empty() {
            object.json("urls", &go::strings(&self.urls));
        }
        if !self.annotations.is_empty() {
            object.json("annotations", &map_json(&self.annotations));
        }
        if let Some(data) = &self.data {
            object.string("data", &STANDARD.encode(data));
        }
        if let Some(platform) = &self.platform {
            object.json("platform", &platform_json(platform));
        }
        object.nonempty("artifactType", &self.artifact_type);
        object.all(&self.others).finish()
    }
}

/// The file of a blob in a layout (image-spec `image-layout.md`).
pub(crate) fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// Compact JSON of annotations, sorted.
pub(crate) fn map_json(map: &BTreeMap<String, String>) -> String {
    let mut object = go::Object::new();
    for (key, value) in map {
        object.string(key, value);
    }
    object.finish()
}

/// Compact JSON of a platform, in the field order of OCI's types.
pub(crate) fn platform_json(platform: &Platform) -> String {
    let mut object = go::Object::new();
    object.string("architecture", &platform.architecture).string("os", &platform.os);
    object.nonempty("os.version", &platform.os_version);
    if !platform.os_features.is_empty() {
        object.json("os.features", &go::strings(&platform.os_features));
    }
    object.nonempty("variant", &platform.variant).finish()
}

pub(crate) fn parse_platform(value: Value<'_>, field: &str) -> Result<Platform, ErrorKind> {
    let [os, architecture, variant, version, features] =
        value.fields(field, ["os", "architecture", "variant", "os.version", "os.features"])?;
    let inside = |name: &str| format!("{field}.{name}");
    Ok(Platform {
        os: optional(os, &inside("os"))?,
        architecture: optional(architecture, &inside("architecture"))?,
        variant: optional(variant, &inside("variant"))?,
        os_version: optional(version, &inside("os.version"))?,
        os_features: strings(features, &inside("os.features"))?,
    })
}

/// A string that may be absent.
pub(crate) fn optional(value: Option<Value<'_>>, field: &str) -> Result<String, ErrorKind> {
    value.map_or_else(|| Ok(String::new()), |value| value.string(field).map(Into::into))
}

pub(crate) fn strings(value: Option<Value<'_>>, field: &str) -> Result<Vec<String>, ErrorKind> {
    let Some(value) = value else { return Ok(Vec::new()) };
    value.list(field)?.map(|it| it.string(field).map(Into::into)).collect()
}

pub(crate) fn string_map(
    value: Option<Value<'_>>,
    field: &str,
) -> Result<BTreeMap<String, String>, ErrorKind> {
    let Some(value) = value else { return Ok(BTreeMap::new()) };
    value
        .members(field)?
        .map(|(key, value)| {
            // Go reads null into a map of strings as an empty string.
            let text = if value.is_null() { "".into() } else { value.string(field)? };
            Ok((key.into_owned(), text.into_owned()))
        })
        .collect()
}

fn base64(value: Value<'_>, field: &str) -> Result<Vec<u8>, ErrorKind> {
    let text = value.string(field)?;
    STANDARD.decode(text.as_bytes()).map_err(|_| ErrorKind::Data {
        expected: "base64".to_owned(),
        found: crate::error::Shown(&text).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Algorithm;
    use crate::tar::TarHeader;

    #[test]
    fn blobs_of_every_algorithm_keep_their_names_in_a_tar() {
        for algorithm in Algorithm::ALL {
            let path = blob_path(&Measured::with(algorithm, b"a blob").digest());
            let kind = ::tar::EntryType::Regular;
            let header =
                TarHeader { path: &path, kind, target: "", size: 0, mode: 0o644, mtime: 0 };
            let header = header.header();
            let mut archive = ::tar::Archive::new(&header[..]);
            let names: Vec<_> = archive
                .entries()
                .unwrap()
                .map(|it| it.unwrap().path_bytes().into_owned())
                .collect();
            assert_eq!(names, [path.into_bytes()]);
        }
    }
}
