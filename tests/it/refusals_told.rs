//! Refusals as a new user meets them: the message alone says what it is and what to do next, and the
//! JSON whether the bytes are damaged, unsupported or over a limit.

use std::path::Path;

use serde_json::{Value, json};

use crate::build::check::json as parsed;
use crate::build::classic::{Repeat, archive};
use crate::build::image::Image;
use crate::build::layout::{Layout, MediaFamily, on_platform};
use crate::build::run::{Place, imgconv};

const OCI: MediaFamily = MediaFamily::Oci;

/// The kind in JSON, and the words that the message and its hint must have.
#[track_caller]
fn told(args: &[&str], kind: &str, words: &[&str]) {
    let ran = imgconv(args);
    let message = ran.err.lines().find(|line| line.starts_with("error: "));
    let Some(message) = message else { panic!("{args:?}: {}", ran.err) };
    let hint = ran.err.lines().find(|line| line.starts_with("hint: ")).unwrap_or_default();
    for word in words {
        assert!(
            message.contains(word) || hint.contains(word),
            "{args:?}: no {word:?} in {}",
            ran.err
        );
    }
    let error = parsed(&imgconv(&[args, &["--format", "json"]].concat()).out)["error"].clone();
    assert_eq!(error["kind"], kind, "{args:?}: {error}");
}

fn image() -> Image {
    Image::new(&["base", "top"]).named(&["demo/app:1"])
}

fn written(place: &Place, name: &str, layout: &Layout) -> String {
    let path = place.path(name);
    layout.write(Path::new(&path));
    path
}

/// A layout whose `index.json` is this.
fn indexed(place: &Place, name: &str, index: &Value) -> String {
    let mut layout = Layout::of(&[image()]);
    layout.index_json(index);
    written(place, name, &layout)
}

#[test]
fn a_file_that_is_not_an_image_is_named_with_the_way_to_one() {
    let place = Place::new();
    let out = place.path("out");
    told(&["save2oci", "nginx", &out], "environment", &["cannot open", "docker save -o FILE"]);
    let page = place.put("page.tar", b"<!DOCTYPE html>\n<title>Sign in</title>");
    told(&["save2oci", &page, &out], "unsupported", &["web page", "log in"]);
    told(&["manifest", "show", &page], "unsupported", &["web page", "log in"]);
    let refusal = place.put("refusal.json", br#"{"errors":[{"code":"UNAUTHORIZED"}]}"#);
    told(&["inspect", &refusal], "unsupported", &["message of a registry", "log in"]);
    told(&["manifest", "show", &refusal], "unsupported", &["message of a registry", "log in"]);
    let zip = place.put("layout.zip", b"PK\x03\x04 and more of a zip");
    told(&["inspect", &zip], "unsupported", &["zip file", "unpack it"]);
    let whole = archive(&[image()], Repeat::Symlink);
    let second = place.put("second.part", &whole[700..]);
    told(&["inspect", &second], "unsupported", &["not the beginning", "join them"]);
    let empty = place.put("empty.tar", b"");
    told(&["inspect", &empty], "unsupported", &["the file is empty", "docker save"]);
    let other = place.put("other.json", b"{\"a\": 1}");
    told(&["manifest", "show", &other], "unsupported", &["expected a manifest, index or config"]);
}

#[test]
fn damaged_bytes_are_to_be_fetched_again_and_others_are_not() {
    let place = Place::new();
    let out = place.path("out");
    let whole = archive(&[image()], Repeat::Symlink);
    let cut = place.put("cut.tar", &whole[..3000]);
    told(&["save2oci", &cut, &out], "damaged", &["truncated", "download or save it again"]);
    let descriptor =
        |digest: &str| json!({"mediaType": OCI.manifest(), "digest": digest, "size": 7});
    let index = |version: u32, digest: &str| json!({"schemaVersion": version, "manifests": [descriptor(digest)]});
    let bad = indexed(&place, "bad", &index(2, "sha256:XYZ"));
    let words = ["manifests[0].digest", "expected a digest", "found sha256:XYZ", "again"];
    told(&["oci2save", &bad, &out], "damaged", &words);
    let other = indexed(&place, "other", &index(2, &format!("blake3:{}", "a".repeat(64))));
    told(&["oci2save", &other, &out], "unsupported", &["found blake3:", "newer imgconv"]);
    let third = indexed(&place, "third", &index(3, &image().id()));
    told(&["oci2save", &third, &out], "unsupported", &["expected 2, found 3", "newer imgconv"]);
    let mut large = index(2, &image().id());
    large["annotations"] = json!({"a": "x".repeat(9 << 20)});
    let large = indexed(&place, "large", &large);
    let words = ["over the limit, expected at most 8388608, found", "SECURITY.md"];
    told(&["oci2save", &large, &out], "limit", &words);
}

#[test]
fn an_encrypted_image_is_not_called_no_image() {
    let place = Place::new();
    let mut layout = Layout::new();
    let image = image();
    let config = layout.descriptor(OCI.config(), &image.config);
    let layers: Vec<Value> = (0..image.layers.len())
        .map(|at| {
            let media_type = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
            layout.descriptor(media_type, format!("no one reads {at}").as_bytes())
        })
        .collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI.manifest(), "config": config, "layers": layers});
    let entry = layout.document(OCI.manifest(), &manifest);
    layout.named(&entry, "1", Some("docker.io/demo/app:1"));
    let source = written(&place, "encrypted", &layout);
    for dialect in ["classic", "universal"] {
        let out = place.path("out.tar");
        let words = ["its layers are encrypted", "skopeo copy --decryption-key", "OCI layout"];
        told(&["oci2save", &source, &out, "-d", dialect], "unsupported", &words);
    }
    imgconv(&["convert", &source, &place.path("copy"), "--to", "oci"]).ok();
}

#[test]
fn a_choice_that_is_not_there_lists_what_is() {
    let place = Place::new();
    let mut layout = Layout::new();
    let here = layout.image(&image(), OCI);
    let mut absent = here.clone();
    absent["digest"] = json!(format!("sha256:{}", "b".repeat(64)));
    let children = [on_platform(here, "linux", "amd64"), on_platform(absent, "linux", "arm64")];
    let index = layout.nest(OCI, &children);
    layout.named(&index, "1", Some("docker.io/demo/app:1"));
    let sparse = written(&place, "sparse", &layout);
    let out = place.path("out.tar");
    let words = ["for linux/arm64", "complete platforms: linux/amd64", "--platform"];
    told(&["oci2save", &sparse, &out, "-p", "linux/arm64"], "usage", &words);
    let words = ["no image for linux/s390x, found linux/a", "choose one of these with --platform"];
    told(&["oci2save", &sparse, &out, "-p", "linux/s390x"], "usage", &words);
    let words =
        ["no image demo/b:latest, found @0 (demo/app:1)", "choose one of these with --image"];
    told(&["oci2save", &sparse, &out, "-i", "demo/b"], "usage", &words);
    let two = [image(), Image::new(&["other"]).named(&["demo/b:1"])];
    let two = place.put("two.tar", &archive(&two, Repeat::Symlink));
    let words = ["@0 (demo/app:1), @1 (demo/b:1)", "choose one with --image"];
    told(&["explain", &two], "usage", &words);
}

#[test]
fn a_temporary_folder_that_cannot_be_is_named() {
    let place = Place::new();
    let whole = archive(&[image()], Repeat::Symlink);
    let source = place.put("a.tgz", &crate::build::codec::gzip(&whole));
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_imgconv"))
        // Which reads its sources twice.
        .args(["compare", &source, &source])
        .env("TMPDIR", place.path("nowhere"))
        .output()
        .unwrap();
    let told = String::from_utf8(ran.stderr).unwrap();
    let words = [&place.path("nowhere"), "hint: set TMPDIR to a folder that can be written to"];
    assert!(words.iter().all(|word| told.contains(word)), "{told}");
}
