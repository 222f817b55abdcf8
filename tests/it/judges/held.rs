//! Which images a layout or an archive holds, read as plain JSON and files without a line of imgconv.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::members::members;
use super::{digest, tree};

/// Bytes by path inside.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Names, the empty one for what has none, each with the image IDs of its platforms.
pub(crate) type Held = BTreeSet<(String, BTreeMap<String, String>)>;

/// All files of a layout or of a tar.
pub(crate) fn files(path: &Path) -> Files {
    if path.is_dir() {
        let files = tree(path).into_iter();
        return files.map(|(name, data)| (name.to_str().unwrap().to_owned(), data)).collect();
    }
    members(path).into_iter().map(|it| (it.name, it.data)).collect()
}

/// What index.json lists with all that is below it; without it, what manifest.json lists.
pub(crate) fn held(files: &Files) -> Held {
    let indexed = by_index(files);
    if indexed.is_empty() { by_manifest(files) } else { indexed }
}

/// What index.json lists, with all images below it that are there.
pub(crate) fn by_index(files: &Files) -> Held {
    let mut held = Held::new();
    for entry in entries(files) {
        let name = ["io.containerd.image.name", REF_NAME]
            .iter()
            .find_map(|key| entry["annotations"][key].as_str())
            .unwrap_or_default();
        let images: BTreeMap<_, _> = images(files, &entry).into_iter().collect();
        if !images.is_empty() {
            held.insert((name.to_owned(), images));
        }
    }
    held
}

const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The descriptors in index.json.
fn entries(files: &Files) -> Vec<Value> {
    let index = files.get("index.json").map(|bytes| json(bytes));
    index.map_or_else(Vec::new, |it| it["manifests"].as_array().unwrap().clone())
}

/// What index.json lists by a ref name: the digest, and image IDs by platform.
pub(crate) fn refs(files: &Files) -> Vec<(String, String, BTreeMap<String, String>)> {
    let named = |entry: Value| {
        let name = entry["annotations"][REF_NAME].as_str()?.to_owned();
        let digest = entry["digest"].as_str()?.to_owned();
        Some((name, digest, images(files, &entry).into_iter().collect()))
    };
    entries(files).into_iter().filter_map(named).collect()
}

/// Tags in index.json that stand for two digests: whoever asks for one finds the first or nothing.
pub(crate) fn ambiguous(files: &Files) -> Vec<String> {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for entry in entries(files) {
        if let Some(name) = entry["annotations"][REF_NAME].as_str() {
            let digests = found.entry(name.to_owned()).or_default();
            if !digests.contains(&entry["digest"]) {
                digests.push(entry["digest"].clone());
            }
        }
    }
    found.into_iter().filter(|(_, digests)| digests.len() > 1).map(|(name, _)| name).collect()
}

const CONFIGS: &[&str] =
    &["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// Platform and image ID of a manifest, or of those below an index.
fn images(files: &Files, descriptor: &Value) -> Vec<(String, String)> {
    let blob = |digest: &str| files.get(&format!("blobs/{}", digest.replace(':', "/")));
    let Some(document) = blob(descriptor["digest"].as_str().unwrap()) else { return Vec::new() };
    let document = json(document);
    if let Some(children) = document["manifests"].as_array() {
        return children.iter().flat_map(|it| images(files, it)).collect();
    }
    let kind = document["config"]["mediaType"].as_str().unwrap_or_default();
    let attests = descriptor["annotations"]["vnd.docker.reference.type"].is_string();
    // An artifact has another config; an attestation can have one that looks like an image's.
    let image = CONFIGS.contains(&kind) && !attests;
    let id = document["config"]["digest"].as_str().filter(|_| image);
    id.and_then(|id| Some((platform(blob(id)?), id.to_owned()))).into_iter().collect()
}

/// What manifest.json lists.
pub(crate) fn by_manifest(files: &Files) -> Held {
    let mut held = Held::new();
    let items = files.get("manifest.json").map(|bytes| json(bytes));
    for item in items.iter().flat_map(|it| it.as_array().unwrap()) {
        let config = &files[item["Config"].as_str().unwrap()];
        let names = item["RepoTags"].as_array().cloned().unwrap_or_default();
        let names: Vec<&str> = names.iter().map(|it| it.as_str().unwrap()).collect();
        for name in if names.is_empty() { vec![""] } else { names } {
            held.insert((name.to_owned(), [(platform(config), digest(config))].into()));
        }
    }
    held
}

fn platform(config: &[u8]) -> String {
    let config = json(config);
    let text = |key: &str| config[key].as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text("os"), text("architecture"))
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The platform of the machine, as images name it.
pub(crate) fn host() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{architecture}")
}

/// What is left of it where a name can mean one platform only: this machine's, else the first.
pub(crate) fn narrowed(held: &Held) -> Held {
    let one = |platforms: &BTreeMap<String, String>| {
        let host = platforms.get_key_value(&host());
        let (platform, id) = host.or_else(|| platforms.first_key_value()).unwrap();
        BTreeMap::from([(platform.clone(), id.clone())])
    };
    held.iter().map(|(name, platforms)| (name.clone(), one(platforms))).collect()
}
