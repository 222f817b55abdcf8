//! View of a manifest: image-spec `manifest.md`, or Docker's schema 2.

use std::collections::BTreeMap;

use super::{Document, Keys, View, check_layers, check_media_type, check_version, unambiguous};
use crate::codec::Compression;
use crate::digest::{Digest, Measured};
use crate::document::descriptor::{Descriptor, map_json, optional, string_map};
use crate::document::media_type::{MediaFamily, MediaKind, is_image_config, is_layer};
use crate::error::ErrorKind;
use crate::json::{Value, go};
use crate::limits;

/// The fields of a manifest.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The media type, as written; empty if there is none.
    pub media_type: String,
    /// The config; `None` in some artifacts.
    pub config: Option<Descriptor>,
    /// The layers, base first; for an artifact, its blobs.
    pub layers: Vec<Descriptor>,
    /// Annotations, sorted.
    pub annotations: BTreeMap<String, String>,
    /// Type of an artifact.
    pub artifact_type: String,
    /// The subject.
    pub subject: Option<Box<Descriptor>>,
    /// Unknown fields, as compact text; they are kept.
    pub(crate) others: Vec<(String, String)>,
}

const KNOWN: [&str; 7] =
    ["schemaVersion", "mediaType", "config", "layers", "annotations", "artifactType", "subject"];

impl View for Manifest {
    const LIMIT: u64 = limits::MANIFEST;
    const WHAT: &'static str = "the size of the manifest, in bytes,";
    const KEYS: Keys = Keys::All;

    fn view(value: Value<'_>) -> Result<Self, ErrorKind> {
        let [version, media_type, config, layers, annotations, artifact_type, subject] =
            value.fields("the manifest", KNOWN)?;
        let media_type = optional(media_type, "mediaType")?;
        check_media_type(&media_type, MediaKind::Manifest, "a manifest")?;
        unambiguous(value, "a manifest (config, layers)", &["config", "layers"])?;
        check_version(version)?;
        let artifact_type = optional(artifact_type, "artifactType")?;
        if config.is_none() && artifact_type.is_empty() {
            return Err(ErrorKind::field("config", "a descriptor", "nothing"));
        }
        let mut list = Vec::new();
        if let Some(layers) = layers {
            for (at, layer) in layers.list("layers")?.enumerate() {
                list.push(Descriptor::parse(layer, &format!("layers[{at}]"))?);
                check_layers(list.len())?;
            }
        }
        list.shrink_to_fit(); // Most have a few layers, and there may be thousands of manifests.
        Ok(Self {
            media_type,
            config: config.map(|it| Descriptor::parse(it, "config")).transpose()?,
            layers: list,
            annotations: string_map(annotations, "annotations")?,
            artifact_type,
            subject: subject
                .map(|it| Descriptor::parse(it, "subject").map(Box::new))
                .transpose()?,
            others: value.others(&KNOWN),
        })
    }
}

impl Document<Manifest> {
    /// Describes it. Without a media type of its own it is OCI's (image-spec `manifest.md`).
    pub(crate) fn descriptor(&self) -> Descriptor {
        let own = MediaKind::Manifest.or_own(&self.view().media_type);
        Descriptor::of(own, self.measured())
    }
}

impl Manifest {
    /// Whether it uses Docker or OCI media types.
    #[must_use]
    pub fn family(&self) -> MediaFamily {
        MediaKind::of(&self.media_type).map_or(MediaFamily::Oci, |(_, family)| family)
    }

    /// Whether it is an image and not an artifact: some artifacts, such as cosign signatures, have
    /// an image config but no tar layers.
    #[must_use]
    pub fn is_image(&self) -> bool {
        let config = self.config.as_ref().is_some_and(|it| is_image_config(&it.media_type));
        let layers = &self.layers;
        let layered = layers.is_empty() || layers.iter().any(|it| is_layer(&it.media_type));
        config && layered && self.artifact_type.is_empty()
    }

    /// A new manifest of an image.
    #[must_use]
    pub fn of(family: MediaFamily, config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            media_type: MediaKind::Manifest.name(family).unwrap_or_default().to_owned(),
            config: Some(config),
            layers,
            annotations: BTreeMap::new(),
            artifact_type: String::new(),
            subject: None,
            others: Vec::new(),
        }
    }

    /// A new manifest from a measured config and measured layers, each with its codec.
    pub(crate) fn of_image(
        family: MediaFamily,
        config: &Measured,
        layers: impl IntoIterator<Item = (Digest, u64, Compression)>,
    ) -> Self {
        let config = Descriptor::of(MediaKind::Config.name(family).unwrap_or_default(), config);
        let layers = layers.into_iter().map(|(digest, size, codec)| {
            Descriptor::new(MediaKind::Layer(codec).name(family).unwrap_or_default(), digest, size)
        });
        Self::of(family, config, layers.collect())
    }

    /// The bytes of a new manifest in the format of its family: docker indents with three spaces
    /// (distribution `schema2.FromStruct`), OCI's are compact.
    pub(crate) fn spelled(&self) -> Vec<u8> {
        let compact = self.to_json();
        match self.family() {
            MediaFamily::Docker => go::indent(&compact, "   ", 0).into_bytes(),
            MediaFamily::Oci => compact.into_bytes(),
        }
    }

    /// Compact JSON in the field order of the family's types.
    #[must_use]
    pub fn to_json(&self) -> String {
        let family = self.family();
        let mut object = go::Object::new();
        object.number("schemaVersion", 2).nonempty("mediaType", &self.media_type);
        object.nonempty("artifactType", &self.artifact_type);
        if let Some(config) = &self.config {
            object.json("config", &config.to_json(family));
        }
        object.json("layers", &go::list(self.layers.iter().map(|it| it.to_json(family))));
        if let Some(subject) = &self.subject {
            object.json("subject", &subject.to_json(family));
        }
        if !self.annotations.is_empty() {
            object.json("annotations", &map_json(&self.annotations));
        }
        object.all(&self.others).finish()
    }
}
