//! View of an index: image-spec `image-index.md`, or Docker's manifest list.

use std::collections::BTreeMap;

use super::{Document, Keys, View, check_media_type, check_version, unambiguous};
use crate::document::descriptor::{Descriptor, map_json, optional, string_map};
use crate::document::media_type::{MediaFamily, MediaKind};
use crate::error::ErrorKind;
use crate::json::{Value, go};
use crate::limits;

/// The fields of an index.
#[derive(Debug, Clone)]
pub struct Index {
    /// The media type, as written; empty if there is none.
    pub media_type: String,
    /// Its entries, in order.
    pub manifests: Vec<Descriptor>,
    /// Annotations, sorted.
    pub annotations: BTreeMap<String, String>,
    /// Type of an artifact.
    pub artifact_type: String,
    /// The subject.
    pub subject: Option<Box<Descriptor>>,
    /// Unknown fields, as compact text; they are kept.
    pub(crate) others: Vec<(String, String)>,
}

const KNOWN: [&str; 6] =
    ["schemaVersion", "mediaType", "manifests", "annotations", "artifactType", "subject"];

impl View for Index {
    const LIMIT: u64 = limits::ARCHIVE_DOCUMENT;
    const WHAT: &'static str = "the size of the index, in bytes,";
    const KEYS: Keys = Keys::All;

    fn view(value: Value<'_>) -> Result<Self, ErrorKind> {
        let [version, media_type, manifests, annotations, artifact_type, subject] =
            value.fields("the index", KNOWN)?;
        let media_type = optional(media_type, "mediaType")?;
        check_media_type(&media_type, MediaKind::Index, "an index")?;
        unambiguous(value, "an index (manifests)", &["manifests"])?;
        check_version(version)?;
        let mut entries = Vec::new();
        if let Some(manifests) = manifests {
            for (at, entry) in manifests.list("manifests")?.enumerate() {
                if at >= limits::IMAGES {
                    let limit = limits::IMAGES as u64;
                    return Err(ErrorKind::limit(
                        "the number of entries of an index",
                        limit,
                        "more",
                    ));
                }
                entries.push(Descriptor::parse(entry, &format!("manifests[{at}]"))?);
            }
        }
        entries.shrink_to_fit();
        Ok(Self {
            media_type,
            manifests: entries,
            annotations: string_map(annotations, "annotations")?,
            artifact_type: optional(artifact_type, "artifactType")?,
            subject: subject
                .map(|it| Descriptor::parse(it, "subject").map(Box::new))
                .transpose()?,
            others: value.others(&KNOWN),
        })
    }
}

impl Document<Index> {
    /// Describes it. Without a media type of its own it is OCI's (image-spec `image-index.md`).
    pub(crate) fn descriptor(&self) -> Descriptor {
        let own = MediaKind::Index.or_own(&self.view().media_type);
        Descriptor::of(own, self.measured())
    }
}

impl Index {
    /// Whether it uses Docker or OCI media types.
    #[must_use]
    pub fn family(&self) -> MediaFamily {
        MediaKind::of(&self.media_type).map_or(MediaFamily::Oci, |(_, family)| family)
    }

    /// A new index of these entries.
    #[must_use]
    pub fn of(manifests: Vec<Descriptor>) -> Self {
        Self {
            media_type: MediaKind::Index.name(MediaFamily::Oci).unwrap_or_default().to_owned(),
            manifests,
            annotations: BTreeMap::new(),
            artifact_type: String::new(),
            subject: None,
            others: Vec::new(),
        }
    }

    /// Compact JSON in the field order of the family's types.
    #[must_use]
    pub fn to_json(&self) -> String {
        let family = self.family();
        let mut object = go::Object::new();
        object.number("schemaVersion", 2).nonempty("mediaType", &self.media_type);
        object.nonempty("artifactType", &self.artifact_type);
        object.json("manifests", &go::list(self.manifests.iter().map(|it| it.to_json(family))));
        if let Some(subject) = &self.subject {
            object.json("subject", &subject.to_json(family));
        }
        if !self.annotations.is_empty() {
            object.json("annotations", &map_json(&self.annotations));
        }
        object.all(&self.others).finish()
    }
}
