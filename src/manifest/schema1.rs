//! Converts to schema 1 and from it.
//!
//! Rules: distribution `manifest/schema1/config_builder.go` `Build` for the IDs, with the same
//! result as containers/image; moby `pullSchema1` and containers/image `ToSchema2Config` for the
//! way back, which needs the layers for diff IDs and sizes.

use super::blobs::BlobLookup;
use crate::archive::v1::config::ConfigRules;
use crate::archive::v1::image::{V1Image, ZERO_TIME, time};
use crate::archive::v1::schema1::{EMPTY, KnownLayer, image_of, real_layers};
use crate::digest::{Digest, V1LayerId};
use crate::document::descriptor::optional;
use crate::document::media_type::{MediaFamily, MediaKind};
use crate::document::{Config, Document, Manifest, Schema1};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::image::layer::Transcoded;
use crate::image::reason::{Change, Reason};
use crate::json::{self, Trailing, Value, go};
use crate::reference::Reference;

/// One step of the history of a config.
struct Past {
    created: String,
    author: String,
    created_by: String,
    comment: String,
    empty: bool,
}

/// Builds an unsigned schema 1 manifest, with the indentation of docker.
pub(super) fn to_schema1(
    manifest: &Manifest,
    config: &Document<Config>,
    name: Option<&Reference>,
    changes: &mut Vec<Change>,
) -> Result<String, ErrorKind> {
    let value = json::check(config.raw(), Trailing::Refused)?.value;
    let past = history(value)?;
    let (sums, ids) = layers(manifest, config, &past)?;
    let mut entries = Vec::with_capacity(past.len());
    for (at, (step, id)) in past.iter().zip(&ids).enumerate() {
        let parent = at.checked_sub(1).and_then(|below| ids.get(below));
        let v1 = if at.saturating_add(1) == past.len() {
            top(value, step, *id, parent)?
        } else {
            below(step, *id, parent)
        };
        entries.push(v1);
    }
    let [architecture] = value.fields("config", ["architecture"])?;
    let mut object = go::Object::new();
    object.number("schemaVersion", 1);
    object.string("name", name.map_or("", Reference::path));
    object.string("tag", name.map_or("", Reference::tag));
    object.string("architecture", &optional(architecture, "architecture")?);
    let sums =
        sums.iter().rev().map(|sum| go::Object::new().string("blobSum", &sum.to_string()).finish());
    object.json("fsLayers", &go::list(sums));
    let history =
        entries.iter().rev().map(|v1| go::Object::new().string("v1Compatibility", v1).finish());
    object.json("history", &go::list(history));
    say_to(manifest, &past, name, changes);
    Ok(go::indent(&object.finish(), "   ", 0))
}

fn history(config: Value<'_>) -> Result<Vec<Past>, ErrorKind> {
    let [history] = config.fields("config", ["history"])?;
    let Some(history) = history else { return Ok(Vec::new()) };
    let steps = history.list("history")?.map(|step| {
        let [created, author, created_by, comment, empty] =
            step.fields("history", ["created", "author", "created_by", "comment", "empty_layer"])?;
        Ok(Past {
            created: created
                .map_or_else(|| Ok(ZERO_TIME.to_owned()), |it| time(it, "history.created"))?,
            author: optional(author, "history.author")?,
            created_by: optional(created_by, "history.created_by")?,
            comment: optional(comment, "history.comment")?,
            empty: empty.map(|it| it.bool("history.empty_layer")).transpose()?.unwrap_or_default(),
        })
    });
    steps.collect()
}

/// The blob and the ID of each step, oldest first.
fn layers(
    manifest: &Manifest,
    config: &Document<Config>,
    past: &[Past],
) -> Result<(Vec<Digest>, Vec<V1LayerId>), ErrorKind> {
    let expected = "as many non-empty steps as layers";
    let wanted = past.iter().filter(|step| !step.empty).count();
    if past.is_empty() || wanted != manifest.layers.len() {
        let found = format!("{wanted} non-empty steps and {} layers", manifest.layers.len());
        return Err(ErrorKind::field("history", expected, &found));
    }
    let empty = Digest::of(&EMPTY);
    let (mut sums, mut ids): (Vec<Digest>, Vec<V1LayerId>) = (Vec::new(), Vec::new());
    let mut layers = manifest.layers.iter();
    for (at, step) in past.iter().enumerate() {
        let layer = if step.empty { None } else { layers.next() };
        let sum = layer.map_or(empty, |layer| layer.digest);
        let parent = ids.last().map_or_else(String::new, ToString::to_string);
        let mut text = format!("{} {parent}", sum.hex()).into_bytes();
        if at.saturating_add(1) == past.len() {
            text.push(b' ');
            text.extend(config.raw());
        }
        sums.push(sum);
        ids.push(V1LayerId::of(&text));
    }
    Ok((sums, ids))
}

/// The V1 JSON of a layer that is not on top.
fn below(step: &Past, id: V1LayerId, parent: Option<&V1LayerId>) -> String {
    let mut object = go::Object::new();
    object.string("id", &id.to_string());
    object.nonempty("parent", &parent.map_or_else(String::new, ToString::to_string));
    object.nonempty("comment", &step.comment).string("created", &step.created);
    let command = go::Object::new().json("Cmd", &go::strings([&step.created_by])).finish();
    object.json("container_config", &command).nonempty("author", &step.author);
    if step.empty {
        object.json("throwaway", "true");
    }
    object.finish()
}

/// The V1 JSON of the top layer: the config without rootfs and history, members sorted.
fn top(
    config: Value<'_>,
    step: &Past,
    id: V1LayerId,
    parent: Option<&V1LayerId>,
) -> Result<String, ErrorKind> {
    let mut members: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for (key, value) in config.members("config")? {
        let mut text = String::new();
        go::compact(&mut text, value.raw());
        members.insert(key.into_owned(), text);
    }
    members.retain(|name, _| !matches!(name.as_str(), "rootfs" | "history"));
    members.insert("id".to_owned(), go::quoted(&id.to_string()));
    if let Some(parent) = parent {
        members.insert("parent".to_owned(), go::quoted(&parent.to_string()));
    }
    if step.empty {
        members.insert("throwaway".to_owned(), "true".to_owned());
    }
    let mut object = go::Object::new();
    for (name, text) in &members {
        object.json(name, text);
    }
    Ok(object.finish())
}

fn say_to(manifest: &Manifest, past: &[Past], name: Option<&Reference>, changes: &mut Vec<Change>) {
    let mut say = |field: &str, before: Option<String>, after: Option<String>, reason| {
        changes.push(Change { field: field.to_owned(), before, after, reason });
    };
    let count = |count: usize| Some(count.to_string());
    let config = manifest.config.as_ref().map(|config| config.digest.to_string());
    say("config", config, Some("history[0].v1Compatibility".to_owned()), Reason::ConfigDissolved);
    say("fsLayers", count(manifest.layers.len()), count(past.len()), Reason::EmptyLayers);
    say(
        "fsLayers",
        Some("oldest first".to_owned()),
        Some("newest first".to_owned()),
        Reason::LayerOrder,
    );
    say("history", None, count(past.len()), Reason::LegacyIds);
    say("name", None, name.map(Reference::familiar), Reason::Name);
    say("layers", Some("media types and sizes".to_owned()), None, Reason::Sizes);
    for (field, there, reason) in [
        ("annotations", !manifest.annotations.is_empty(), Reason::Annotations),
        ("subject", manifest.subject.is_some(), Reason::Subject),
        ("artifactType", !manifest.artifact_type.is_empty(), Reason::ArtifactType),
    ] {
        if there {
            say(field, Some("present".to_owned()), None, reason);
        }
    }
    if manifest.layers.iter().any(|layer| !layer.urls.is_empty()) {
        say("layers.urls", Some("present".to_owned()), None, Reason::Urls);
    }
}

/// Builds a manifest and its config from a schema 1 manifest and its layers.
pub(super) fn from_schema1(
    schema1: &Schema1,
    family: MediaFamily,
    blobs: Option<&BlobLookup>,
    like: ConfigRules,
    changes: &mut Vec<Change>,
) -> Result<(Manifest, Vec<u8>)> {
    let at = Location::named("the schema 1 manifest");
    let bad = |kind: ErrorKind| Error::new(&at, kind);
    let real = real_layers(schema1);
    let mut measured = Vec::with_capacity(real.len());
    let mut missing: Vec<String> = Vec::new();
    for layer in &real {
        match find(&layer.blob_sum, blobs)? {
            Some(found) => measured.push(found),
            None => missing.push(layer.blob_sum.to_string()),
        }
    }
    missing.dedup();
    if !missing.is_empty() {
        let to = MediaKind::Manifest.name(family).map_or("manifest", |_| match family {
            MediaFamily::Docker => "schema 2 manifest",
            MediaFamily::Oci => "OCI manifest",
        });
        let missing = format!(
            "diff IDs and sizes come from the layers; pass them with --layers: {}",
            missing.join(", ")
        );
        return Err(bad(ErrorKind::Missing { to, missing }));
    }
    let (manifest, config) = image_of(schema1, &measured, family, like).map_err(bad)?;
    say_from(schema1, &manifest, like, changes);
    Ok((manifest, config))
}

fn find(digest: &Digest, blobs: Option<&BlobLookup>) -> Result<Option<KnownLayer>> {
    if let Some((there, codec)) = blobs.map(|blobs| blobs.layer(digest)).transpose()?.flatten() {
        let Transcoded { source, uncompressed: plain, .. } = there;
        let diff_id = plain.digest().to_string();
        return Ok(Some(KnownLayer { digest: *digest, size: source.size(), diff_id, codec }));
    }
    Ok(KnownLayer::empty(digest))
}

fn say_from(schema1: &Schema1, manifest: &Manifest, like: ConfigRules, changes: &mut Vec<Change>) {
    let mut say = |field: &str, before: Option<String>, after: Option<String>, reason| {
        changes.push(Change { field: field.to_owned(), before, after, reason });
    };
    let count = |count: usize| Some(count.to_string());
    let config = manifest.config.as_ref().map(|config| config.digest.to_string());
    say("config", Some("history[].v1Compatibility".to_owned()), config, Reason::ConfigMade);
    say("layers", count(schema1.layers.len()), count(manifest.layers.len()), Reason::EmptyLayers);
    say(
        "layers",
        Some("newest first".to_owned()),
        Some("oldest first".to_owned()),
        Reason::LayerOrder,
    );
    say("layers.size", None, Some("from the blobs".to_owned()), Reason::Sizes);
    if !schema1.name.is_empty() {
        say("name", Some(format!("{}:{}", schema1.name, schema1.tag)), None, Reason::Name);
    }
    if !schema1.signatures.is_empty() {
        say("signatures", count(schema1.signatures.len()), None, Reason::Signature);
    }
    if like == ConfigRules::Containers {
        say("config", None, Some("as skopeo builds it".to_owned()), Reason::ConfigReencoded);
    }
}

/// Whether docker and skopeo build different configs for this image without a `docker_version`.
pub(super) fn has_two_configs(schema1: &Schema1) -> bool {
    let newest = schema1.layers.first().map(|layer| layer.v1.as_bytes()).unwrap_or_default();
    let Ok(checked) = json::check(newest, Trailing::Refused) else { return false };
    V1Image::decode(checked.value).is_ok_and(|image| image.text("docker_version").is_empty())
}
