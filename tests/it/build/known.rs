//! One image as its plain files tell of it, to hold what `explain` says against.

use serde_json::Value;

use super::check::{Files, json, list, text};
use super::codec::unpack;
use super::image::digest;

/// Bytes of one image, and the documents above it that the source has.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) config: Vec<u8>,
    /// Base first, as they are in the source.
    pub(crate) stored: Vec<Vec<u8>>,
    /// The registry's manifest.
    pub(crate) manifest: Option<Vec<u8>>,
    /// The index that an entry of `index.json` names.
    pub(crate) index: Option<Vec<u8>>,
    /// Options that choose it.
    pub(crate) options: Vec<String>,
}

impl Known {
    pub(crate) fn id(&self) -> String {
        digest(&self.config)
    }

    pub(crate) fn plain(&self) -> Vec<Vec<u8>> {
        self.stored.iter().map(|stored| unpack(stored)).collect()
    }

    pub(crate) fn diff_ids(&self) -> Vec<String> {
        self.plain().iter().map(|plain| digest(plain)).collect()
    }

    pub(crate) fn chain_ids(&self) -> Vec<String> {
        chain_ids(&self.diff_ids())
    }
}

/// image-spec config.md, Layer ChainID.
pub(crate) fn chain_ids(diff_ids: &[String]) -> Vec<String> {
    let mut chain: Vec<String> = Vec::new();
    for id in diff_ids {
        let next = match chain.last() {
            None => id.clone(),
            Some(below) => digest(format!("{below} {id}").as_bytes()),
        };
        chain.push(next);
    }
    chain
}

/// The images that `manifest.json` names, as docker reads them.
pub(crate) fn saved(files: &Files) -> Vec<Known> {
    let items = json(&files["manifest.json"]);
    let member = |path: &Value| files[text(path)].clone();
    let known = |(at, item): (usize, &Value)| Known {
        config: member(&item["Config"]),
        stored: list(&item["Layers"]).iter().map(member).collect(),
        manifest: None,
        index: None,
        options: vec!["-i".into(), format!("@{at}")],
    };
    list(&items).iter().enumerate().map(known).collect()
}

/// The images below the entries of `index.json`, children of one index in their order.
pub(crate) fn laid_out(files: &Files) -> Vec<Known> {
    let mut found = Vec::new();
    for (at, entry) in list(&json(&files["index.json"])["manifests"]).iter().enumerate() {
        let raw = blob(files, entry);
        let children = json(&raw);
        let options = vec!["-i".into(), format!("@{at}")];
        if children["manifests"].is_null() {
            found.push(Known { options, ..image(files, raw) });
            continue;
        }
        for child in list(&children["manifests"]).iter().filter(|it| files.contains_key(&path(it)))
        {
            let platform = &child["platform"];
            let platform = format!("{}/{}", text(&platform["os"]), text(&platform["architecture"]));
            if platform != "unknown/unknown" {
                let options = [options.clone(), vec!["-p".into(), platform]].concat();
                let index = Some(raw.clone());
                found.push(Known { options, index, ..image(files, blob(files, child)) });
            }
        }
    }
    found
}

fn image(files: &Files, raw: Vec<u8>) -> Known {
    let manifest = json(&raw);
    let stored = list(&manifest["layers"]).iter().map(|layer| blob(files, layer)).collect();
    let config = blob(files, &manifest["config"]);
    Known { config, stored, manifest: Some(raw), index: None, options: Vec::new() }
}

/// What a file or folder holds: by `index.json` where it has one.
pub(crate) fn known(files: &Files) -> Vec<Known> {
    if files.contains_key("index.json") { laid_out(files) } else { saved(files) }
}

fn path(descriptor: &Value) -> String {
    format!("blobs/{}", text(&descriptor["digest"]).replace(':', "/"))
}

fn blob(files: &Files, descriptor: &Value) -> Vec<u8> {
    files[&path(descriptor)].clone()
}
