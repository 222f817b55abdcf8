//! The docker archive side: every item of `manifest.json` and the V1 files beside it, going on after
//! what is wrong.

use std::collections::BTreeSet;

use super::config::config;
use super::jobs::Claim;
use super::walk::{Walk, layer_codec};
use crate::archive::{Item, MANIFEST, REPOSITORIES, hash_of};
use crate::digest::{Algorithm, Digest, ImageId, V1LayerId};
use crate::document::descriptor::optional;
use crate::error::{ErrorKind, Location, Shown};
use crate::json::{self, Trailing, Value};
use crate::limits;
use crate::reference::Reference;

/// All items of `manifest.json`.
pub(super) fn items(walk: &mut Walk<'_>) {
    let at = walk.files.at().member(MANIFEST);
    let Some(extent) = walk.member(MANIFEST, "its reader") else { return };
    let raw = match extent.read(limits::ARCHIVE_DOCUMENT, "the size of manifest.json, in bytes,") {
        Ok(raw) => raw,
        Err(error) => return walk.findings.error(&error),
    };
    let checked = match json::check(&raw, Trailing::Allowed) {
        Ok(checked) => checked,
        Err(fault) => return walk.findings.kind(&at, &fault.into()),
    };
    for repeated in &checked.duplicates {
        walk.findings.kind(&at, &ErrorKind::DuplicateKey { key: repeated.key.clone() });
    }
    let items = match checked.value.list("manifest.json") {
        Ok(items) => items,
        Err(kind) => return walk.findings.kind(&at, &kind),
    };
    let mut names = BTreeSet::new();
    for found in items.take(limits::IMAGES) {
        if let Err(kind) = item(walk, found, &at, &mut names) {
            walk.findings.kind(&at, &kind);
        }
    }
    repositories(walk, &names);
    v1(walk);
}

fn item(
    walk: &mut Walk<'_>,
    value: Value<'_>,
    at: &Location,
    names: &mut BTreeSet<Reference>,
) -> Result<(), ErrorKind> {
    let item = Item::read(value)?;
    let ids = image(walk, item.config()?);
    let layers = item.layers;
    if let Some(ids) = ids.as_ref().filter(|ids| ids.len() != layers.len()) {
        let kind = ErrorKind::LayerCount { diff_ids: ids.len(), layers: layers.len() };
        walk.findings.kind(at, &kind);
    }
    for (number, path) in layers.iter().enumerate().take(limits::LAYERS) {
        let same = ids.as_ref().filter(|ids| ids.len() == layers.len());
        let id = same.and_then(|ids| ids.get(number)).copied();
        let claims = id.map(|id| Claim::DiffId(number.saturating_add(1), id));
        let Some(extent) = walk.member(path, MANIFEST) else { continue };
        match layer_codec(&extent) {
            Ok(codec) => {
                let named = hash_of(path).map(Claim::Name);
                let claims = claims.into_iter().chain(named);
                walk.jobs.add(&extent, Algorithm::Sha256, Some(codec), claims);
            }
            Err(error) => walk.findings.error(&error),
        }
    }
    for tag in item.names {
        match tag.parse::<Reference>() {
            Ok(name) => drop(names.insert(name)),
            Err(_) => {
                let text = format!("RepoTags has \"{}\", which is no image name", Shown(&tag));
                walk.findings.say(at, "name-invalid", text);
            }
        }
    }
    Ok(())
}

/// The config of an item; its diff IDs.
fn image(walk: &mut Walk<'_>, path: &str) -> Option<Vec<crate::digest::DiffId>> {
    let extent = walk.member(path, MANIFEST)?;
    let raw = match extent.read(limits::CONFIG, "the size of the config, in bytes,") {
        Ok(raw) => raw,
        Err(error) => {
            walk.findings.error(&error);
            return None;
        }
    };
    let digest = Digest::of(&raw);
    let blob = path.starts_with("blobs/");
    if let Some(hex) = hash_of(path).filter(|hex| *hex != digest.hex() && !blob) {
        let what = "named by a hash";
        walk.findings.differs(&extent.at, "config-name", what, (&hex, &digest.hex()));
    }
    walk.saved.insert(ImageId::of(&raw));
    let (ids, _) = config(raw, &extent.at, &mut walk.findings);
    Some(ids)
}

/// `repositories`, which loaders since docker 1.10 do not read.
fn repositories(walk: &mut Walk<'_>, names: &BTreeSet<Reference>) {
    let at = walk.files.at().member(REPOSITORIES);
    let extent = match walk.files.find(REPOSITORIES) {
        Ok(Some(extent)) => extent,
        Ok(None) => return,
        Err(error) => return walk.findings.error(&error),
    };
    walk.used(REPOSITORIES);
    let raw = extent.read(limits::ARCHIVE_DOCUMENT, "the size of repositories, in bytes,");
    let Ok(raw) = raw else { return };
    let checked = match json::check(&raw, Trailing::Allowed) {
        Ok(checked) => checked,
        Err(fault) => {
            let text = format!("it is not read, as there is a manifest.json: {}", {
                ErrorKind::from(fault)
            });
            return walk.findings.say(&at, "name-lost", text);
        }
    };
    for (repository, tags) in checked.value.members(REPOSITORIES).into_iter().flatten() {
        for (tag, _) in tags.members("a repository").into_iter().flatten() {
            let known = Reference::new(&repository, &tag).is_ok_and(|it| names.contains(&it));
            if !known {
                let name = format!("{repository}:{tag}");
                let text = format!("manifest.json does not have the name {}", Shown(&name));
                walk.findings.say(&at, "name-lost", text);
            }
        }
    }
}

/// The V1 `json` of each layer folder, which loaders read only where there is no `manifest.json`.
pub(super) fn v1(walk: &mut Walk<'_>) {
    let alone = matches!(walk.files.find(MANIFEST), Ok(None));
    let top: Vec<V1LayerId> =
        walk.files.top_level().into_iter().filter_map(|name| name.parse().ok()).collect();
    let all: BTreeSet<V1LayerId> = top.iter().copied().collect();
    for id in top {
        let path = format!("{id}/json");
        let Ok(Some(extent)) = walk.files.find(&path) else { continue };
        walk.used(&path);
        let Ok(raw) = extent.read(limits::CONFIG, "the size of a V1 json, in bytes,") else {
            continue;
        };
        let Ok(checked) = json::check(&raw, Trailing::Refused) else {
            if !alone {
                walk.findings.say(&extent.at, "v1-id", "it is not valid JSON");
            }
            continue;
        };
        let exact = checked.value.members("json").is_ok_and(|mut all| all.any(|it| it.0 == "id"));
        let Ok([own, parent]) = checked.value.fields("json", ["id", "parent"]) else { continue };
        let own = optional(own, "id").unwrap_or_default();
        if !exact || own != id.to_string() {
            let sides = (id.to_string(), if exact { own } else { "another spelling".to_owned() });
            walk.findings.differs(&extent.at, "v1-id", "its id", (&sides.0, &sides.1));
        }
        let parent = optional(parent, "parent").unwrap_or_default();
        let there = parent.parse().is_ok_and(|parent| all.contains(&parent));
        if !parent.is_empty() && !there && !alone {
            let text = format!("its parent {} is not in the archive", Shown(&parent));
            walk.findings.say(&extent.at, "v1-parent", text);
        }
    }
}
