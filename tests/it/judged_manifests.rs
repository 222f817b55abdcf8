//! Manifests that are made here: skopeo makes the same of the same image, and a registry takes them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::judges::containers::Skopeo;
use crate::judges::registry::registry;
use crate::judges::{digest, imgconv, run};

const ARCHIVE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/docker-20.10-one.tar");

fn layout(folder: &Path) -> std::path::PathBuf {
    let layout = folder.join("layout");
    imgconv(&[&"save2oci", &ARCHIVE, &layout]);
    layout
}

fn v1_entries(raw: &[u8]) -> Vec<Value> {
    let document: Value = serde_json::from_slice(raw).unwrap();
    let history = document["history"].as_array().unwrap();
    let texts = history.iter().map(|it| it["v1Compatibility"].as_str().unwrap());
    texts.map(|text| serde_json::from_str(text).unwrap()).collect()
}

#[test]
fn schema_1_has_the_ids_that_skopeo_computes_for_the_same_image() {
    let Some(skopeo) = Skopeo::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(folder.path());
    let theirs = folder.path().join("theirs");
    let oci = format!("oci:{}:1.0", layout.display());
    skopeo.copy_as("v2s1", &oci, &format!("dir:{}", theirs.display()));
    let theirs = fs::read(theirs.join("manifest.json")).unwrap();
    let ours = imgconv(&[&"manifest", &"convert", &"-q", &layout, &"--to", &"schema1"]);
    assert_eq!(v1_entries(&ours), v1_entries(&theirs));
    let sums = |raw: &[u8]| serde_json::from_slice::<Value>(raw).unwrap()["fsLayers"].clone();
    assert_eq!(sums(&ours), sums(&theirs));
}

#[test]
fn schema_2_made_of_schema_1_has_the_config_and_layers_that_skopeo_makes_of_it() {
    let Some(skopeo) = Skopeo::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(folder.path());
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let oci = format!("oci:{}:1.0", layout.display());
    let place = |path: &Path| format!("dir:{}", path.display());
    skopeo.copy_as("v2s1", &oci, &place(&old));
    skopeo.copy_as("v2s2", &place(&old), &place(&new));
    let theirs: Value =
        serde_json::from_slice(&fs::read(new.join("manifest.json")).unwrap()).unwrap();
    let config = folder.path().join("config.json");
    let ours = imgconv(&[
        &"manifest",
        &"convert",
        &"-q",
        &old.join("manifest.json"),
        &"--to",
        &"schema2",
        &"--layers",
        &old,
        &"--config-out",
        &config,
    ]);
    let ours: Value = serde_json::from_slice(&ours).unwrap();
    assert_eq!(ours, theirs);
    assert_eq!(digest(&fs::read(config).unwrap()), ours["config"]["digest"].as_str().unwrap());
}

#[test]
fn a_registry_takes_every_kind_and_gives_it_the_digest_that_we_say() {
    let Some(registry) = registry() else { return };
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(folder.path());
    let name = "imgconv/app";
    for entry in fs::read_dir(layout.join("blobs/sha256")).unwrap() {
        registry.blob(name, &fs::read(entry.unwrap().path()).unwrap());
    }
    // Schema 1 lists the empty layer.
    registry.blob(name, &empty_layer());
    let key = folder.path().join("key.pem");
    run(std::process::Command::new("openssl")
        .args(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"])
        .arg(&key));
    let index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let place = |kind: &str| folder.path().join(format!("{kind}.json"));
    let schema1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    for (to, kind) in [
        ("oci", index["manifests"][0]["mediaType"].as_str().unwrap()),
        ("schema2", "application/vnd.docker.distribution.manifest.v2+json"),
        ("schema1", schema1),
    ] {
        let out = place(to);
        let mut args: Vec<&dyn AsRef<std::ffi::OsStr>> =
            vec![&"manifest", &"convert", &"-q", &layout, &out, &"--to", &to];
        if kind == schema1 {
            args.extend([&"--name" as &dyn AsRef<_>, &"imgconv/app:1", &"--sign-key", &key]);
        }
        imgconv(&args);
        let raw = fs::read(&out).unwrap();
        let ours = imgconv(&[&"manifest", &"digest", &out]);
        let tag = if kind == schema1 { "1" } else { to };
        let theirs = registry.manifest(name, tag, kind, &raw);
        assert_eq!(String::from_utf8(ours).unwrap().trim(), theirs, "{to}");
    }
    let schema2 = fs::read(place("schema2")).unwrap();
    let list = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","digest":"{}","size":{},"platform":{{"architecture":"amd64","os":"linux"}}}}]}}"#,
        digest(&schema2),
        schema2.len()
    );
    fs::write(place("index"), list).unwrap();
    imgconv(&[&"manifest", &"convert", &"-q", &place("index"), &place("list"), &"--to", &"list"]);
    let raw = fs::read(place("list")).unwrap();
    let kind = "application/vnd.docker.distribution.manifest.list.v2+json";
    assert_eq!(registry.manifest(name, "list", kind, &raw), digest(&raw));
}

/// 1024 zero bytes in gzip, as docker stores them (distribution `schema1/config_builder.go`).
fn empty_layer() -> Vec<u8> {
    let hex = "1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000";
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
