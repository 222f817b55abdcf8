//! An OCI layout directory as plain JSON and files, read without a line of imgconv.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::{Args, imgconv};

/// A layout directory that `save2oci` has just written.
pub(crate) struct Layout {
    pub(crate) dir: PathBuf,
    _temp: TempDir,
}

/// Converts an archive, with options such as `--compression`.
pub(crate) fn layout_of(archive: &Path, options: Args<'_>) -> Layout {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("layout");
    let paths: Args<'_> = &[&"save2oci", &"--quiet", &archive, &dir];
    imgconv(&[paths, options].concat());
    Layout { dir, _temp: temp }
}

/// One entry of `index.json`, which has to be a manifest.
pub(crate) struct Entry {
    /// `org.opencontainers.image.ref.name`, what skopeo and umoci ask for.
    pub(crate) ref_name: Option<String>,
    /// `io.containerd.image.name`, what containerd and docker call it.
    pub(crate) image_name: Option<String>,
    pub(crate) manifest: String,
    pub(crate) config: String,
    pub(crate) layers: Vec<Layer>,
}

/// A layer descriptor with the diff ID that the config gives it.
pub(crate) struct Layer {
    pub(crate) digest: String,
    pub(crate) media_type: String,
    pub(crate) diff_id: String,
}

/// The file of a blob.
pub(crate) fn blob(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs").join(digest.replace(':', "/"))
}

/// What `index.json` lists, in its order.
pub(crate) fn entries(layout: &Path) -> Vec<Entry> {
    let index = json(&layout.join("index.json"));
    index["manifests"].as_array().unwrap().iter().map(|it| entry(layout, it)).collect()
}

fn entry(layout: &Path, descriptor: &Value) -> Entry {
    let annotation = |key| descriptor["annotations"][key].as_str().map(str::to_owned);
    let digest = text(&descriptor["digest"]);
    let manifest = json(&blob(layout, &digest));
    let config = text(&manifest["config"]["digest"]);
    let diff_ids = json(&blob(layout, &config))["rootfs"]["diff_ids"].clone();
    let (diff_ids, layers) = (diff_ids.as_array().unwrap(), manifest["layers"].as_array().unwrap());
    assert_eq!(diff_ids.len(), layers.len(), "layers of {digest}");
    let layer = |(layer, diff_id): (&Value, &Value)| Layer {
        digest: text(&layer["digest"]),
        media_type: text(&layer["mediaType"]),
        diff_id: text(diff_id),
    };
    Entry {
        ref_name: annotation("org.opencontainers.image.ref.name"),
        image_name: annotation("io.containerd.image.name"),
        layers: layers.iter().zip(diff_ids).map(layer).collect(),
        manifest: digest,
        config,
    }
}

pub(crate) fn json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
