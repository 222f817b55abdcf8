//! `compare`: at which level two sources are the same, and what differs at the next.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::build::check::{list, text};
use crate::build::codec::Codec;
use crate::build::image::Image;
use crate::build::others::ggcr;
use crate::build::run::{Place, imgconv};
use crate::judges::containers::Skopeo;

const ARCHIVES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives");

fn archive(name: &str) -> String {
    format!("{ARCHIVES}/{name}.tar")
}

fn compared(a: &str, b: &str, code: i32) -> Value {
    let ran = imgconv(&["compare", a, b, "--format", "json"]);
    assert_eq!(ran.code, Some(code), "{a} {b}: {}", ran.err);
    serde_json::from_slice(&ran.out).unwrap()
}

/// The fields that differ of the first image, for a reason.
fn fields(answer: &Value, reason: &str) -> BTreeSet<String> {
    let all = list(&answer["images"][0]["differences"]).iter();
    all.filter(|it| it["code"] == reason).map(|it| text(&it["field"]).to_owned()).collect()
}

#[test]
fn what_imgconv_makes_of_an_image_is_the_same_image() {
    let place = Place::new();
    let several = archive("docker-20.10-several");
    let (layout, zstd) = (place.path("layout"), place.path("zstd"));
    imgconv(&["save2oci", &several, &layout]).ok();
    imgconv(&["save2oci", &several, &zstd, "-c", "zstd"]).ok();
    let answer = compared(&several, &layout, 0);
    assert_eq!(answer["level"], "image");
    assert_eq!(list(&answer["images"]).len(), 3);
    assert!(fields(&answer, "manifest").contains("manifest"));
    let answer = compared(&layout, &zstd, 0);
    assert_eq!(answer["level"], "image");
    assert_eq!(fields(&answer, "recompressed"), BTreeSet::from(["layers[0]".to_owned()]));
    assert_eq!(fields(&answer, "media-type"), BTreeSet::from(["layers[0].mediaType".to_owned()]));
    for dialect in ["universal", "classic", "hybrid", "podman"] {
        let back = place.path(dialect);
        imgconv(&["oci2save", &layout, &back, "-d", dialect]).ok();
        let level = compared(&several, &back, 0)["level"].clone();
        assert!(level == "image" || level == "bytes", "{dialect}: {level}");
    }
    let answer = compared(&layout, &place.path("universal"), 0);
    assert_eq!(answer["level"], "manifest");
    assert_eq!(answer["differences"][0]["code"], "packaging");
    assert_eq!(compared(&layout, &layout, 0)["level"], "bytes");
}

#[test]
fn the_level_that_is_asked_for_decides_the_exit_status() {
    let place = Place::new();
    let layout = place.path("layout");
    let one = archive("docker-20.10-one");
    imgconv(&["save2oci", &one, &layout]).ok();
    imgconv(&["compare", &one, &layout, "--level", "content"]).ok();
    imgconv(&["compare", &one, &layout, "--level", "image"]).ok();
    imgconv(&["compare", &one, &layout, "--level", "manifest"]).refused(1, &["same manifest"]);
    imgconv(&["compare", &one, &one, "--level", "bytes"]).ok();
    imgconv(&["compare", &one, "not-there.tar"]).refused(2, &["not-there.tar"]);
}

#[test]
fn images_of_one_side_alone_are_named() {
    let answer = compared(&archive("docker-20.10-several"), &archive("docker-20.10-one"), 1);
    assert_eq!(answer["level"], "nothing");
    assert_eq!(list(&answer["onlyA"]).len(), 2);
    let names = text(&answer["images"][0]["a"]["names"][0]).to_owned();
    assert_eq!(
        (names.as_str(), &answer["images"][0]["level"]),
        ("imgconv.test/app:1.0", &"image".into())
    );
}

/// What the types of the OCI specification do not have, as containers/image writes them.
const LOST: &[&str] = &[
    "config.Healthcheck",
    "config.Image",
    "config.OnBuild",
    "config.Shell",
    "container",
    "container_config",
    "docker_version",
];

#[test]
fn the_fields_that_skopeo_loses_are_named_exactly() {
    let Some(skopeo) = Skopeo::find() else {
        return;
    };
    let place = Place::new();
    let (one, layout) = (archive("docker-20.10-one"), place.path("layout"));
    skopeo.copy(&format!("docker-archive:{one}"), &format!("oci:{layout}:app"));
    let answer = compared(&one, &layout, 1);
    assert_eq!(answer["level"], "content");
    let lost = fields(&answer, "config-reencoded");
    assert_eq!(lost.iter().map(String::as_str).collect::<Vec<_>>(), LOST);
    // Everything else that differs says nothing: null, empty or false.
    assert!(fields(&answer, "content").is_empty());
    for it in list(&answer["images"][0]["differences"]) {
        let said = it["before"].as_str().unwrap_or_default();
        let nothing = ["null", "{}", "[]", "\"\"", "false"].contains(&said);
        assert!(nothing || LOST.contains(&text(&it["field"])), "{it}");
    }
}

/// `crane pull a:1 a:2 x.tar` writes an item for each name.
#[test]
fn an_image_counts_once_with_all_its_names() {
    let place = Place::new();
    let image = Image::new(&["base", "top"]).stored(&[Codec::Gzip]);
    let twice = [image.clone().named(&["x.test/a:1"]), image.named(&["x.test/a:2"])];
    let source = place.put("two.tar", &ggcr(&twice));
    let layout = place.path("layout");
    imgconv(&["save2oci", &source, &layout]).ok();
    let answer = compared(&source, &layout, 0);
    assert_eq!(answer["level"], "image");
    assert_eq!(answer["images"][0]["a"]["names"], serde_json::json!(["x.test/a:1", "x.test/a:2"]));
    // The gzip layers were kept byte for byte.
    assert!(fields(&answer, "recompressed").is_empty(), "{answer}");
    imgconv(&["roundtrip", &source]).ok();
    let zstd = place.path("zstd");
    imgconv(&["save2oci", &source, &zstd, "-c", "zstd"]).ok();
    assert_eq!(fields(&compared(&source, &zstd, 0), "recompressed").len(), 2);
}
