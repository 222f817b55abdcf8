//! Why a docker archive's `manifest.json` is neither schema 1 nor schema 2.
//!
//! Rules: moby v28 `image/tarexport/{save,load,tarexport}.go`; docker-image-spec `v1.2.md`;
//! distribution 2.8 `manifest-v2-1.md` and `manifest-v2-2.md`.

use serde::Serialize;

use super::history::has_legacy_folders;
use super::image::ExplainedImage;
use super::outline::{Outline, outline};
use super::versions::{LOAD, PODMAN, SAVE, SKOPEO, VersionRow, WHICH_STORE, versions_of};
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
    /// The same, indented.
    pub text: String,
    /// Whether that leaves something out, as the item is large.
    pub shortened: bool,
    /// Whether the source has it; else it is the one that `oci2save --dialect classic` writes.
    pub here: bool,
    /// In a few sentences.
    pub answer: &'static str,
    /// Why, point by point.
    pub points: Vec<Point>,
    /// How to see which store a docker uses.
    pub which_store: &'static str,
    /// What docker save writes, and which program reads which file.
    pub versions: Vec<VersionRow>,
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

const ANSWER: &str = "It is a third format: the table of contents of one tar, made for docker save and docker load. No \
     registry ever sees it. A registry manifest (schema 2 or OCI) can be in the same tar: docker with \
     the containerd store (the default of new installs since docker 29) puts the one that it pulled \
     beside manifest.json. Docker with the graph driver store (docker 18, and the default before 29) \
     cannot: it does not keep the compressed layers that a registry manifest lists.";

/// Answers for this image.
pub(super) fn manifest_json(subject: &ExplainedImage) -> ExplainedManifestJson {
    let here = subject.item.is_some();
    let item = subject.item.clone().unwrap_or_else(|| classic(subject));
    let (said, keys) = read(&item);
    let points = vec![
        origin(subject),
        list(&said),
        paths(subject, &said, &keys),
        uncompressed(subject),
        types(&keys),
        beside(subject),
    ];
    let Outline { text, shortened } = outline(item.as_bytes());
    ExplainedManifestJson {
        text,
        shortened,
        item,
        here,
        answer: ANSWER,
        points,
        which_store: WHICH_STORE,
        versions: versions_of(&[SAVE, LOAD, PODMAN, SKOPEO]),
    }
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
            format!("this one is from an archive that {} seems to have written", producer.name)
        }
        (Some(_), None) => "this one is from the archive; who wrote that cannot be told".to_owned(),
        (None, _) => {
            format!("this source ({}) has none; docker up to 24 would write this one", subject.kind)
        }
    };
    Point {
        title: "It has another purpose",
        rule: "docker 1.10 made it for docker load. Its specification says that it should not be \
               confused with the distribution manifest, which is for push and pull.",
        here,
        section: "docker-image-spec v1.2.md, Combined Image JSON + Filesystem Changeset Format",
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
        section: "moby v28 image/tarexport/tarexport.go, manifestItem",
    }
}

fn paths(subject: &ExplainedImage, said: &SavedItem, keys: &[String]) -> Point {
    let has_sources = has_layer_sources(keys);
    let size = subject.config_size().map_or_else(String::new, |size| format!(", {size} bytes"));
    let id = subject.image_id().map_or_else(|| "a digest".to_owned(), |id| id.to_string());
    Point {
        title: "It says where, not what",
        rule: "Its own fields are paths in the tar. A registry manifest has descriptors: media \
               type, digest and size. So the config vouches for the content: its digest is the \
               image ID, and its diff IDs are of the layers. (Docker 25 and later add descriptors in \
               LayerSources, where they use the graph driver store, and name the files by digest; \
               loaders need neither.)",
        here: format!(
            "Config is the path {}; a descriptor would say {id}{size}{}",
            said.config,
            if has_sources { "; LayerSources has a descriptor for each layer" } else { "" }
        ),
        section: "image-spec descriptor.md",
    }
}

/// Whether an item has a descriptor for each layer, as docker 25 and later write with the graph
/// driver store.
pub(super) fn has_layer_sources(keys: &[String]) -> bool {
    keys.iter().any(|key| key == "LayerSources")
}

fn uncompressed(subject: &ExplainedImage) -> Point {
    let here = match subject.layers.first() {
        None => "this image has no layers".to_owned(),
        Some(layer) => {
            let mut codecs = subject.layers.iter().filter_map(|it| it.compression);
            let packed = codecs.find(|codec| *codec != Compression::None.name());
            let plain = layer.diff_id.as_deref().unwrap_or("not known here");
            let stored = match (&layer.digest, &layer.made_digest) {
                (Some(digest), _) if subject.saved => {
                    format!("the manifest that docker save made lists the same, {digest}")
                }
                (Some(digest), _) => format!("the manifest in this source lists {digest}"),
                (None, Some(made)) => format!("gzip by save2oci would make it {made}"),
                (None, None) => "what gzip makes of it is not known here".to_owned(),
            };
            let aside = match (packed, subject.item.is_some()) {
                (Some(codec), true) => {
                    format!("; the layers of this archive are compressed with {codec}")
                }
                _ => String::new(),
            };
            format!("layer 1 has the diff ID {plain}; {stored}{aside}")
        }
    };
    Point {
        title: "It says nothing of how its layers are compressed",
        rule: "Schema 1 and 2 list digests of compressed layers. Docker's graph driver store does \
               not keep these after a pull, and compresses anew on a push, which gives other \
               bytes. So its docker save writes uncompressed layers and cannot write the \
               registry's manifest. The containerd store keeps the compressed layers: there docker \
               save puts them and the pulled manifest into the archive, beside manifest.json.",
        here,
        section: "distribution 2.8 manifest-v2-2.md, layers; moby v28 distribution/pull_v2.go and \
                  daemon/containerd/image_exporter.go",
    }
}

fn types(keys: &[String]) -> Point {
    Point {
        title: "It has no version and no type",
        rule: "Registry manifests say schemaVersion (1 or 2), schema 2 also mediaType. \
               The capitals of these keys are names of Go fields without JSON tags.",
        here: format!("its keys are {}", keys.join(", ")),
        section: "distribution 2.8 manifest-v2-2.md, schemaVersion and mediaType",
    }
}

fn beside(subject: &ExplainedImage) -> Point {
    let top = subject.legacy.last().map(ToString::to_string);
    let repositories =
        subject.files.as_ref().is_some_and(|files| matches!(files.find(REPOSITORIES), Ok(Some(_))));
    let layout = match (&subject.own, subject.item.is_some()) {
        (Some(_), true) if subject.saved => "; the OCI layout has a manifest that docker save made",
        (Some(_), true) => "; an OCI layout with a manifest is here",
        _ => "",
    };
    let here = match (top, has_legacy_folders(subject), repositories) {
        (Some(top), true, true) => {
            format!(
                "they are here, and repositories points at {top}, the V1 layer ID of the top layer"
            )
        }
        (Some(top), true, false) => format!("the folders are here, the top one {top}"),
        (Some(top), false, _) => {
            format!("no folders; the top one would be {top} (docker 17.04 to 24){layout}")
        }
        (None, _, _) => "their names follow from the config, which is missing".to_owned(),
    };
    Point {
        title: "What looks like schema 1 is older still",
        rule: "Up to docker 24 an archive had a folder per layer with json, VERSION and layer.tar, \
               and a file repositories: the V1 image format, kept for docker before 1.10. Docker 25 \
               dropped the folders and writes an OCI layout in their place. From the graph driver \
               store its manifest is a new one, of uncompressed layers; from the containerd store \
               it is the one that was pulled.",
        here,
        section: "docker-image-spec v1.md; moby v28 image/tarexport/save.go",
    }
}
