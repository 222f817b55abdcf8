//! Reads layouts and docker archives and checks every claim in them, by other means than imgconv.
//!
//! Anything wrong is a panic that says what. A child of an index may be absent (a sparse layout), a
//! config or layer may not, unless the layer has URLs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::codec::unpack;
use super::image::{digest, hex, sha512};

/// Files by path.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// One image: sha256 of its config, and of each uncompressed layer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Picture {
    pub(crate) id: String,
    pub(crate) diff_ids: Vec<String>,
}

/// An entry of `index.json` and the images below it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) full_name: Option<String>,
    pub(crate) ref_name: Option<String>,
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) pictures: Vec<Picture>,
}

/// An item of `manifest.json`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Item {
    pub(crate) names: Vec<String>,
    pub(crate) picture: Picture,
}

/// The regular files of a folder; links are followed, as a reader of a layout does.
pub(crate) fn folder(root: &Path) -> Files {
    let mut files = Files::new();
    let mut todo = vec![root.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// The members of a tar, compressed or not, names cleaned, links resolved.
pub(crate) fn archive(bytes: &[u8]) -> Files {
    let plain = unpack(bytes);
    let (mut files, mut links) = (Files::new(), BTreeMap::new());
    for member in tar::Archive::new(plain.as_slice()).entries().unwrap() {
        let mut member = member.unwrap();
        let name = clean(&member.path().unwrap().to_string_lossy(), "");
        let kind = member.header().entry_type();
        if kind.is_file() {
            let mut data = Vec::new();
            member.read_to_end(&mut data).unwrap();
            files.insert(name, data);
        } else if kind.is_symlink() || kind.is_hard_link() {
            let to = member.link_name().unwrap().unwrap().to_string_lossy().into_owned();
            let base =
                if kind.is_symlink() { name.rsplit_once('/').map_or("", |it| it.0) } else { "" };
            links.insert(name.clone(), clean(&to, base));
        }
    }
    for (name, to) in &links {
        let mut end = to;
        for _ in 0..links.len() {
            end = links.get(end).unwrap_or(end);
        }
        if let Some(data) = files.get(end).cloned() {
            files.insert(name.clone(), data);
        }
    }
    files
}

/// A path without `.`, `..` and a leading `/`, taken from `base` where it is relative.
fn clean(path: &str, base: &str) -> String {
    let mut parts = Vec::new();
    let base = if path.starts_with('/') { "" } else { base };
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => (),
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

pub(crate) fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// `null` and absent are an empty list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// Checks a whole layout that imgconv wrote: marker, names of all blobs, nothing beside them.
#[track_caller]
pub(crate) fn written_layout(files: &Files) -> Vec<Entry> {
    for (path, data) in files {
        match path.split('/').collect::<Vec<_>>()[..] {
            ["oci-layout" | "index.json"] => (),
            ["blobs", "sha256", name] => assert_eq!(name, hex(data), "{path} has other bytes"),
            ["blobs", "sha512", name] => {
                assert_eq!(format!("sha512:{name}"), sha512(data), "{path}")
            }
            _ => panic!("{path} has no place in a layout"),
        }
    }
    layout(files)
}

/// Walks any layout from its index down.
#[track_caller]
pub(crate) fn layout(files: &Files) -> Vec<Entry> {
    assert_eq!(json(&files["oci-layout"])["imageLayoutVersion"], "1.0.0");
    let index = json(&files["index.json"]);
    assert_eq!(index["schemaVersion"], 2);
    list(&index["manifests"]).iter().map(|descriptor| entry(files, descriptor)).collect()
}

fn entry(files: &Files, descriptor: &Value) -> Entry {
    let annotation = |key: &str| descriptor["annotations"][key].as_str().map(str::to_owned);
    let mut pictures = Vec::new();
    walk(files, descriptor, &mut pictures, &mut BTreeSet::new());
    Entry {
        full_name: annotation("io.containerd.image.name"),
        ref_name: annotation("org.opencontainers.image.ref.name"),
        media_type: text(&descriptor["mediaType"]).to_owned(),
        digest: text(&descriptor["digest"]).to_owned(),
        pictures,
    }
}

fn walk(files: &Files, descriptor: &Value, found: &mut Vec<Picture>, seen: &mut BTreeSet<String>) {
    let media_type = descriptor["mediaType"].as_str().unwrap_or_default();
    if !seen.insert(text(&descriptor["digest"]).to_owned()) {
        return;
    }
    let Some(data) = blob(files, descriptor) else {
        return;
    };
    if media_type.ends_with("index.v1+json") || media_type.ends_with("manifest.list.v2+json") {
        for child in list(&json(data)["manifests"]) {
            walk(files, child, found, seen);
        }
    } else if media_type.contains("manifest.v") {
        found.extend(manifest(files, &json(data)));
    }
}

/// The image of a manifest, or nothing for an artifact; all its blobs are checked either way.
fn manifest(files: &Files, manifest: &Value) -> Option<Picture> {
    let types = ["oci.image.config.v1+json", "docker.container.image.v1+json"];
    let config_type = manifest["config"]["mediaType"].as_str().unwrap_or_default();
    let layers = list(&manifest["layers"]);
    let is_image = types.iter().any(|it| config_type.ends_with(it)) && layers.iter().all(is_tar);
    let blobs: Vec<Option<&[u8]>> = layers.iter().map(|layer| blob(files, layer)).collect();
    for (layer, there) in layers.iter().zip(&blobs) {
        assert!(there.is_some() || layer["urls"].is_array(), "{layer} is not there");
    }
    if manifest["config"].is_null() {
        return None;
    }
    let config = blob(files, &manifest["config"])
        .unwrap_or_else(|| panic!("{} is not there", manifest["config"]));
    is_image.then(|| picture(config, &blobs.into_iter().flatten().collect::<Vec<_>>()))
}

fn is_tar(layer: &Value) -> bool {
    let media_type = layer["mediaType"].as_str().unwrap_or_default();
    media_type.contains("image.layer.") && media_type.contains(".tar")
        || media_type.contains("image.rootfs.")
}

/// The bytes a descriptor names, after its size and digest were checked.
fn blob<'a>(files: &'a Files, descriptor: &Value) -> Option<&'a [u8]> {
    let (algorithm, name) = text(&descriptor["digest"]).split_once(':').unwrap();
    let data = files.get(&format!("blobs/{algorithm}/{name}"))?;
    let there = if algorithm == "sha512" { sha512(data) } else { digest(data) };
    assert_eq!(text(&descriptor["digest"]), there);
    assert_eq!(descriptor["size"], data.len(), "size of {there}");
    Some(data)
}

/// The image of a config and its stored layers; each must unpack to its diff ID.
fn picture(config: &[u8], layers: &[&[u8]]) -> Picture {
    let diff_ids: Vec<String> = layers.iter().map(|stored| digest(&unpack(stored))).collect();
    let said: Vec<String> =
        list(&json(config)["rootfs"]["diff_ids"]).iter().map(|id| text(id).to_owned()).collect();
    let id = digest(config);
    assert_eq!(said, diff_ids, "diff IDs of {id}");
    Picture { id, diff_ids }
}

/// The images that `manifest.json` names, checked as docker does.
#[track_caller]
pub(crate) fn save(files: &Files) -> Vec<Item> {
    let member = |path: &str| {
        files.get(&clean(path, "")).unwrap_or_else(|| panic!("{path} is not in the archive"))
    };
    let items = first_value(&files["manifest.json"]);
    list(&items)
        .iter()
        .map(|item| {
            let layers: Vec<&[u8]> = list(key(item, "Layers"))
                .iter()
                .map(|path| member(text(path)).as_slice())
                .collect();
            let names = list(key(item, "RepoTags")).iter().map(|name| text(name).to_owned());
            let picture = picture(member(text(key(item, "Config"))), &layers);
            Item { names: names.collect(), picture }
        })
        .collect()
}

/// A key in any letter case, as Go's decoder finds it.
fn key<'a>(item: &'a Value, name: &str) -> &'a Value {
    let object = item.as_object().unwrap();
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or(&Value::Null, |it| it.1)
}

/// Docker reads one value and does not look further.
fn first_value(bytes: &[u8]) -> Value {
    serde_json::Deserializer::from_slice(bytes).into_iter().next().unwrap().unwrap()
}
