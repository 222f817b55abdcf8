//! `inspect`: producers, trees of indexes, shared layers, documents alone, 80 columns.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::attack::shared;
use crate::build::check::{list, text};
use crate::build::image::Image;
use crate::build::layout::{Layout, MediaFamily};
use crate::build::run::{Place, imgconv};
use crate::build::tar::Tar;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const ARTICLE: &str = "f68d6e55e06520f152403e6d96d0de5c9790a89b4cfc99f4626f68146fa1dbdc";

fn inspected(source: &str) -> Value {
    let ran = imgconv(&["inspect", "--format", "json", source]).ok();
    serde_json::from_slice(&ran.out).unwrap()
}

fn stored(name: &str) -> String {
    format!("{ROOT}/testdata/archives/{name}.tar")
}

#[test]
fn a_config_alone_has_its_image_id_layers_chain_ids_and_legacy_ids() {
    let answer = inspected(&format!("{ROOT}/testdata/article/{ARTICLE}.json"));
    assert_eq!(answer["formats"], serde_json::json!(["config"]));
    let image = &answer["images"][0];
    assert_eq!(image["imageId"], format!("sha256:{ARTICLE}"));
    let layers = list(&image["layers"]);
    assert_eq!(layers.len(), 3);
    let mut chain = String::new();
    // image-spec config.md, "Layer ChainID"; the V1 layer IDs are the folders that docker 18.06 made.
    let folders = ["a4e2f1136e50", "d5990701c3a0", "9de6aebfff35"];
    for (layer, folder) in layers.iter().zip(folders) {
        let id = text(&layer["diffId"]);
        chain = match chain.as_str() {
            "" => id.to_owned(),
            below => {
                let hash = Sha256::digest(format!("{below} {id}"));
                let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("sha256:{hex}")
            }
        };
        assert_eq!(text(&layer["chainId"]), chain);
        assert!(text(&layer["v1LayerId"]).starts_with(folder), "{layer}");
        assert_eq!(layer["size"], Value::Null);
    }
}

#[test]
fn the_producer_is_told_with_the_signs_that_told_it() {
    for (archive, producer) in [
        ("docker-20.10-one", "docker 1.10 to 23, graph driver"),
        ("podman-docker-archive", "skopeo, podman or buildah"),
        ("podman-oci-archive", "skopeo, podman or buildah"),
        ("skopeo-oci-layout", "skopeo, podman or buildah"),
        ("ctr-export", "containerd, nerdctl, BuildKit, or docker with the containerd store"),
    ] {
        let answer = inspected(&stored(archive));
        assert_eq!(answer["producer"]["name"], producer, "{archive}");
        assert!(!list(&answer["producer"]["evidence"]).is_empty());
    }
}

/// Versions of docker that stored artefacts are known to come from.
#[test]
fn hybrids_of_docker_are_told_apart_by_the_time_of_their_index() {
    let Some(corpus) = shared("corpus") else {
        return;
    };
    let path = "google+go-containerregistry/pkg/v1/tarball/testdata/hello-world-v25.tar";
    let answer = inspected(corpus.join(path).to_str().unwrap());
    assert_eq!(answer["producer"]["name"], "docker 25 to 27, graph driver");
    assert_eq!(list(&answer["producer"]["evidence"]).len(), 3);
    let path = "oras-project+oras-go/content/oci/testdata/hello-world.tar";
    let answer = inspected(corpus.join(path).to_str().unwrap());
    let children = list(&answer["entries"][0]["children"]);
    let whats: Vec<&str> = children.iter().map(|it| text(&it["type"])).collect();
    assert_eq!((whats[0], whats[1], children.len()), ("image", "absent", 11));
    assert_eq!(children[1]["platform"], "linux/arm/v5");
}

#[test]
fn tables_fit_eighty_columns_and_say_which_layers_are_shared() {
    for archive in ["docker-20.10-several", "ctr-export", "podman-oci-archive"] {
        let ran = imgconv(&["inspect", &stored(archive)]).ok();
        // The first line has the path.
        for line in ran.lines().into_iter().skip(1) {
            assert!(line.chars().count() <= 80, "{archive}: {line}");
        }
    }
    let answer = inspected(&stored("docker-20.10-several"));
    assert_eq!(answer["images"][0]["layers"][0]["sharedWith"], serde_json::json!([1]));
    assert_eq!(answer["images"][2]["layers"][0]["sharedWith"], serde_json::json!([]));
}

#[test]
fn raw_documents_are_their_bytes() {
    let place = Place::new();
    let layout = place.path("layout");
    imgconv(&["save2oci", &stored("docker-20.10-several"), &layout]).ok();
    let answer = inspected(&layout);
    for (what, key) in [("config", "imageId"), ("manifest", "manifestDigest")] {
        let ran = imgconv(&["inspect", "--raw", what, &layout, "-i", "@2"]).ok();
        let hex: String = Sha256::digest(&ran.out).iter().map(|it| format!("{it:02x}")).collect();
        let third = &answer["images"][1][key];
        assert_eq!(*third, format!("sha256:{hex}"), "{what}");
        // Which of several is meant has to be said.
        imgconv(&["inspect", "--raw", what, &layout]).refused(2, &["--image"]);
    }
    let index = imgconv(&["inspect", "--raw", "index", &layout]).ok().out;
    assert_eq!(index, std::fs::read(place.path("layout/index.json")).unwrap());
}

#[test]
fn an_inconsistent_source_is_shown_with_its_problems() {
    let place = Place::new();
    let image = Image::new(&["base", "top"]).named(&["demo/app:1"]);
    let other = Image::new(&["other"]).named(&["demo/other:2"]);
    let mut layout = Layout::of(&[image.clone(), other]);
    layout.remove_blob(&image.layers[1]);
    let source = place.put("bad.tar", &layout.tar(""));
    let ran = imgconv(&["inspect", "--format", "json", &source]).refused(1, &["missing"]);
    let answer: Value = serde_json::from_slice(&ran.out).unwrap();
    assert_eq!(answer["findings"][0]["code"], "blob-missing");
    assert_eq!(list(&answer["entries"]).len(), 2);
    let ran = imgconv(&["inspect", &source]).refused(1, &["missing"]);
    let shown = String::from_utf8(ran.out).unwrap();
    assert!(shown.contains("problem blob-missing: ") && shown.contains("demo/other:2"), "{shown}");
    // A good one has none.
    let answer = inspected(&stored("docker-20.10-several"));
    assert_eq!(answer["findings"], serde_json::json!([]));
}

#[test]
fn an_index_alone_is_called_that() {
    let place = Place::new();
    let mut layout = Layout::new();
    let image = Image::new(&["base"]);
    let child = layout.image(&image, MediaFamily::Oci);
    let index = layout.nest(MediaFamily::Oci, std::slice::from_ref(&child));
    layout.named(&index, "1", None);
    let kept = format!("blobs/{}", text(&index["digest"]).replace(':', "/"));
    let mut alone = Tar::new();
    for (path, data) in layout.files() {
        if !path.starts_with("blobs/") || path == kept {
            alone.file(path, &data);
        }
    }
    let alone = place.put("alone.tar", &alone.end());
    let shown = String::from_utf8(imgconv(&["inspect", &alone]).out).unwrap();
    assert!(shown.contains("  index (none of its children are in this source)\n"), "{shown}");
}
