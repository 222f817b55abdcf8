//! Why a docker archive's `manifest.json` is neither schema 1 nor schema 2.
//!
//! Rules: moby `image/tarexport/{save,load,tarexport}.go`; docker image spec v1.2; distribution
//! `manifest-v2-1.md` and `manifest-v2-2.md`.

use serde::Serialize;

use super::history::has_legacy_folders;
use super::image::ExplainedImage;
use super::outline::outline;
use crate::archive::REPOSITORIES;
use crate::archive::dialect::item;
use crate::archive::manifest_json::SavedItem;
use crate::codec::Compression;
use crate::json::{self, Trailing};

/// The answer, point by point.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExplainedManifestJson {
    /// The item of this image, as it stands.
    pub item: String,
    /// The same, indented and cut for reading.
    pub text: String,
    /// Whether the source has it; else it is the one that `oci2save --dialect classic` writes.
    pub here: bool,
    /// In one sentence.
    pub answer: &'static str,
    /// NotImage.
    pub points: Vec<Point>,
}

/// One point, and how it shows on this image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Point {
    /// In a few words.
    pub title: &'static str,
    /// True of every image.
    pub rule: &'static str,
    /// On this one.
    pub here: String,
    /// Where the rule is written.
    pub section: &'static str,
}

const ANSWER: &str = "It is a third format: the table of contents of one tar, made for docker save \
                      and docker load. No registry ever sees it.";

/// Answers for this image.
pub(super) fn manifest_json(subject: &ExplainedImage) -> ExplainedManifestJson {
    let here = subject.item.is_some();
    let item = subject.item.clone().unwrap_or_else(|| classic(subject));
    let (said, keys) = read(&item);
    let points = vec![
        origin(subject),
        list(&said),
        paths(subject, &said),
        plain(subject),
        types(&keys),
        beside(subject),
    ];
    ExplainedManifestJson { text: outline(item.as_bytes()), item, here, answer: ANSWER, points }
}

/// An item that was read before, or was made here, and its keys.
pub(super) fn read(text: &str) -> (SavedItem, Vec<String>) {
    let read = || {
        let checked = json::check(text.as_bytes(), Trailing::Refused)?;
        let keys = checked.value.members("the item")?.map(|(key, _)| key.into_owned());
        Ok::<_, crate::error::ErrorKind>((SavedItem::read(checked.value)?, keys.collect()))
    };
    read().unwrap_or_default()
}

/// The item as docker 1.10 to 24 write it.
pub(super) fn classic(subject: &ExplainedImage) -> String {
    let config = subject.image_id().map_or_else(|| "config".to_owned(), |id| id.hex());
    let layer = |at: usize| match subject.legacy.get(at) {
        Some(legacy) => format!("{legacy}/layer.tar"),
        None => format!("layer{}/layer.tar", at.saturating_add(1)),
    };
    let layers: Vec<String> = (0..subject.layers.len()).map(layer).collect();
    let names = Some(subject.names.as_slice()).filter(|names| !names.is_empty());
    item(&format!("{config}.json"), names, &layers)
}

fn origin(subject: &ExplainedImage) -> Point {
    let here = match (&subject.item, &subject.producer) {
        (Some(_), Some(producer)) => {
            format!("this one is out of an archive that {producer} seems to have written")
        }
        (Some(_), None) => "this one is out of the archive".to_owned(),
        (None, _) => {
            format!("this source ({}) has none; docker save would write this one", subject.kind)
        }
    };
    Point {
        title: "It has another purpose",
        rule: "docker 1.10 made it for docker load. Its specification says that it should not be \
               confused with the distribution manifest, which is for push and pull.",
        here,
        section: "docker image spec v1.2, combined image JSON and filesystem changeset format",
    }
}

fn list(said: &SavedItem) -> Point {
    let names = match said.names.as_slice() {
        [] => "no name".to_owned(),
        [name] => format!("the name {name}"),
        many => format!("{} names, the first {}", many.len(), many.first().map_or("", |it| it)),
    };
    Point {
        title: "It is a list, with names inside",
        rule: "One archive holds many images. A registry manifest is one object about one image; \
               its name is in the URL (schema 1 repeats it inside).",
        here: format!("the item of this image has {names}"),
        section: "moby image/tarexport/tarexport.go, manifestItem",
    }
}

fn paths(subject: &ExplainedImage, said: &SavedItem) -> Point {
    let size = subject.config_size().map_or_else(String::new, |size| format!(", {size} bytes"));
    let id = subject.image_id().map_or_else(|| "a digest".to_owned(), |id| id.to_string());
    Point {
        title: "It says where, not what",
        rule: "It has paths in the tar. Schema 2 and OCI have descriptors: media type, digest and \
               size. So nothing in it can be checked by itself; the config is what vouches, by \
               its digest for the image, by its diff IDs for the layers.",
        here: format!("Config is the path {}; a descriptor would say {id}{size}", said.config),
        section: "image-spec descriptor.md",
    }
}

fn plain(subject: &ExplainedImage) -> Point {
    let here = match subject.layers.first() {
        None => "this image has no layers".to_owned(),
        Some(layer) => {
            let mut codecs = subject.layers.iter().filter_map(|it| it.compression);
            let packed = codecs.find(|codec| *codec != Compression::None.name());
            let plain = layer.diff_id.as_deref().unwrap_or("not known here");
            let stored = match (&layer.digest, &layer.made_digest) {
                (Some(digest), _) => format!("its registry manifest lists {digest}"),
                (None, Some(made)) => format!("gzip by save2oci would make it {made}"),
                (None, None) => "what gzip makes of it is not known here".to_owned(),
            };
            let aside = match (packed, subject.item.is_some()) {
                (Some(codec), true) => {
                    format!(
                        "; here layers are in {codec}, which others than docker's graph driver store do"
                    )
                }
                _ => String::new(),
            };
            format!("layer 1 has the diff ID {plain}; {stored}{aside}")
        }
    };
    Point {
        title: "Its layers are plain, as docker writes it",
        rule: "Schema 1 and 2 list digests of compressed layers. docker (graph driver store) \
               throws these away after a pull, and compressing again gives other bytes. So docker \
               save could not write a registry manifest with the digests of the registry.",
        here,
        section: "distribution manifest-v2-2.md, layers; moby distribution/pull_v2.go",
    }
}

fn types(keys: &[String]) -> Point {
    Point {
        title: "It has no version and no type",
        rule: "Registry manifests say schemaVersion (1 or 2), schema 2 also mediaType. \
               The capitals of these keys are names of Go fields without JSON tags.",
        here: format!("its keys are {}", keys.join(", ")),
        section: "distribution manifest-v2-2.md, schemaVersion and mediaType",
    }
}

fn beside(subject: &ExplainedImage) -> Point {
    let top = subject.legacy.last().map(ToString::to_string);
    let repositories =
        subject.files.as_ref().is_some_and(|files| matches!(files.find(REPOSITORIES), Ok(Some(_))));
    let here = match (top, has_legacy_folders(subject), repositories) {
        (Some(top), true, true) => {
            format!(
                "they are here, and repositories points at {top}, the V1 layer ID of the top layer"
            )
        }
        (Some(top), true, false) => format!("the folders are here, the top one {top}"),
        (Some(top), false, _) => format!("not here; the top folder would be {top}"),
        (None, _, _) => "their names follow from the config, which is not here".to_owned(),
    };
    Point {
        title: "What looks like schema 1 is older still",
        rule: "The folders with json, VERSION and layer.tar, and the file repositories, are the V1 \
               image format, kept for docker before 1.10. Since docker 25 an OCI index and \
               manifest are beside them, yet not those that were pulled.",
        here,
        section: "docker image spec v1.0; moby image/tarexport/save.go",
    }
}
