//! Which images are meant: names, digests, numbers and platforms, on every verb that takes them,
//! and what is named when something is left out.

use serde_json::{Value, json};

use crate::build::check::{self, list, text};
use crate::build::classic::{Repeat, archive};
use crate::build::image::Image;
use crate::build::layout::{Layout, MediaFamily, attestation, on_platform};
use crate::build::run::{Place, imgconv, refused};

/// An index of two platforms, one with its attestation, under the name `x.test/multi:1`; and the
/// descriptors of the index, the children and the attestation.
fn multi(layout: &mut Layout) -> [Value; 4] {
    let amd = layout.image(&Image::new(&["base", "amd"]), MediaFamily::Oci);
    let amd = on_platform(amd, "linux", "amd64");
    let arm = layout.image(&Image::new(&["base", "arm"]).arch("arm64"), MediaFamily::Oci);
    let arm = on_platform(arm, "linux", "arm64");
    let about = attestation(layout, &amd);
    let index = layout.nest(MediaFamily::Oci, &[amd.clone(), arm.clone(), about.clone()]);
    layout.named(&index, "x.test/multi:1", Some("x.test/multi:1"));
    [index, amd, arm, about]
}

/// The reasons of what a conversion loses, with what.
fn losses(arguments: &[&str]) -> Vec<(String, String)> {
    let ran = imgconv(&[arguments, &["--format", "json"]].concat()).ok();
    let answer = check::json(&ran.out);
    let pair = |it: &Value| (text(&it["code"]).to_owned(), text(&it["what"]).to_owned());
    list(&answer["losses"]).iter().map(pair).collect()
}

#[test]
fn an_image_that_was_named_and_has_no_such_platform_is_refused() {
    let place = Place::new();
    let images = [
        Image::new(&["one"]).arch("arm64").named(&["x.test/arm:1"]),
        Image::new(&["two"]).named(&["x.test/amd:1"]),
    ];
    let source = place.put("two.tar", &archive(&images, Repeat::Symlink));
    let out = place.path("out");
    let named = ["-i", "x.test/arm:1", "-i", "x.test/amd:1", "-p", "linux/arm64"];
    for more in [&[][..], &["--strict"]] {
        let args = [&["save2oci", &source, &out], &named[..], more].concat();
        refused(&place, &args, 2, &["no image for linux/arm64", "found linux/amd64"]);
    }
    // What was not named is left out, and that is a loss.
    let lost = losses(&["save2oci", &source, &out, "-p", "linux/arm64", "-n"]);
    let (reason, what) = &lost[0];
    assert_eq!((lost.len(), reason.as_str()), (1, "other-platform"));
    assert!(what.contains("x.test/amd:1") && what.contains("linux/amd64"), "{what}");
    let strict = ["save2oci", &source, &out, "-p", "linux/arm64", "--strict"];
    refused(&place, &strict, 1, &["x.test/amd:1"]);
}

#[test]
fn an_artifact_that_a_platform_leaves_out_is_named() {
    let place = Place::new();
    let mut layout = Layout::new();
    multi(&mut layout);
    let empty = layout.descriptor("application/vnd.oci.empty.v1+json", b"{}");
    let artifact = json!({"schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(), "artifactType": "a/b", "config": empty, "layers": [empty]});
    let artifact = layout.document(MediaFamily::Oci.manifest(), &artifact);
    layout.named(&artifact, "sha256-0000.sig", None);
    let source = place.put("l.tar", &layout.tar(""));
    let lost = losses(&["convert", &source, &place.path("o"), "--to", "oci", "-p", "linux/amd64"]);
    let named = |it: &(String, String)| it == &("artifact".into(), "sha256-0000.sig".into());
    assert!(lost.iter().any(named), "{lost:?}");
}

#[test]
fn what_goes_with_an_index_is_named_and_an_index_that_fits_stays() {
    let place = Place::new();
    let mut layout = Layout::new();
    let [index, amd, _, about] = multi(&mut layout);
    let source = place.put("l.tar", &layout.tar(""));
    let digest = |it: &Value| text(&it["digest"]).to_owned();
    let (there, out) = (place.path("there"), place.path("out"));
    let lost = losses(&["convert", &source, &out, "--to", "oci", "-p", "linux/amd64"]);
    let index = ("index".to_owned(), digest(&index));
    let expected = vec![index.clone(), ("attestation".to_owned(), digest(&about))];
    assert_eq!(lost, expected);
    // The other platform has no attestation.
    let arm = place.path("arm");
    assert_eq!(losses(&["convert", &source, &arm, "--to", "oci", "-p", "linux/arm64"]), [index]);

    // Both are asked for, so nothing is left out.
    imgconv(&["convert", &source, &there, "--to", "oci"]).ok();
    let whole = place.path("whole");
    let both = ["-p", "linux/amd64", "-p", "linux/arm64", "--strict"];
    imgconv(&[&["convert", &source, &whole, "--to", "oci"], &both[..]].concat()).ok();
    assert_eq!(crate::build::run::tree(there.as_ref()), crate::build::run::tree(whole.as_ref()));

    // An index of one platform, as buildx makes it, is all of it.
    let mut layout = Layout::new();
    let amd_again = layout.image(&Image::new(&["base", "amd"]), MediaFamily::Oci);
    assert_eq!(amd_again["digest"], amd["digest"]);
    let about = attestation(&mut layout, &amd_again);
    let amd_again = on_platform(amd_again, "linux", "amd64");
    let single = layout.nest(MediaFamily::Oci, &[amd_again, about]);
    layout.named(&single, "1", None);
    let source = place.put("single.tar", &layout.tar(""));
    let out = place.path("single");
    imgconv(&["convert", &source, &out, "--to", "oci", "-p", "linux/amd64", "--strict"]).ok();
    let files = check::folder(out.as_ref());
    assert_eq!(check::json(&files["index.json"])["manifests"][0]["digest"], single["digest"]);
}

#[test]
fn the_platform_of_a_child_is_what_its_index_says() {
    let place = Place::new();
    let mut layout = Layout::new();
    // Many configs of old builders say amd64 for whatever they were made on.
    let arm = layout.image(&Image::new(&["arm"]), MediaFamily::Oci);
    let index = layout.nest(MediaFamily::Oci, &[on_platform(arm, "linux", "arm64")]);
    layout.named(&index, "x.test/arm:1", None);
    let source = place.put("l.tar", &layout.tar(""));
    for verb in ["inspect", "history"] {
        let ran = imgconv(&[verb, "--format", "json", &source]).ok();
        assert_eq!(check::json(&ran.out)["images"][0]["platform"], "linux/arm64", "{verb}");
    }
    imgconv(&["explain", "-p", "linux/arm64", &source]).ok();
    let args = ["explain", "-p", "linux/amd64", &source];
    refused(&place, &args, 2, &["no image for linux/amd64", "found linux/arm64"]);
    let args = ["convert", &source, &place.path("o"), "--to", "oci", "-p", "linux/amd64"];
    refused(&place, &args, 2, &["no image for linux/amd64", "found linux/arm64"]);
}

#[test]
fn all_platforms_into_a_dialect_of_one_are_refused_with_the_way_out() {
    let place = Place::new();
    let mut layout = Layout::new();
    multi(&mut layout);
    let source = place.put("l.tar", &layout.tar(""));
    for dialect in ["classic", "podman", "hybrid"] {
        let args = ["oci2save", &source, &place.path("o.tar"), "-p", "all", "-d", dialect];
        refused(&place, &args, 2, &["one platform", dialect, "universal"]);
    }
    imgconv(&["oci2save", &source, &place.path("o.tar"), "-p", "all"]).ok();
}

#[test]
fn digests_are_shortened_and_name_children_of_an_index() {
    let place = Place::new();
    let mut layout = Layout::new();
    let [index, _, arm, _] = multi(&mut layout);
    let source = place.put("l.tar", &layout.tar(""));
    let id = Image::new(&["base", "arm"]).arch("arm64").id();
    let hex = |it: &Value| text(&it["digest"])["sha256:".len()..].to_owned();
    for wanted in [&hex(&arm)[..12], &hex(&arm)[..6], &id["sha256:".len()..][..12], &id[..15]] {
        let ran = imgconv(&["inspect", "--format", "json", &source, "-i", wanted]).ok();
        let answer = check::json(&ran.out);
        let images = list(&answer["images"]);
        assert_eq!(images.len(), 1, "{wanted}");
        assert_eq!(images[0]["imageId"], id.as_str(), "{wanted}");
    }
    let ran = imgconv(&["manifest", "digest", &source, "-i", &hex(&index)[..8]]).ok();
    assert_eq!(ran.lines(), [text(&index["digest"])]);
    for none in ["00000", "abcdefabcdef", "sha256:"] {
        refused(&place, &["inspect", &source, "-i", none], 2, &["x.test/multi:1"]);
    }
}

#[test]
fn a_digest_in_a_name_counts() {
    let place = Place::new();
    let images =
        [Image::new(&["one"]).named(&["x.test/a:1"]), Image::new(&["two"]).named(&["x.test/b:1"])];
    let layout = Layout::of(&images);
    let source = place.put("l.tar", &layout.tar(""));
    let (one, two) = (images[0].id(), images[1].id());
    let show = |wanted: &str| imgconv(&["inspect", "--format", "json", &source, "-i", wanted]);
    for wanted in [format!("x.test/a:1@{one}"), format!("x.test/a@{one}")] {
        let answer = check::json(&show(&wanted).ok().out);
        assert_eq!(answer["images"][0]["imageId"], one.as_str());
        assert_eq!(answer["entries"][0]["names"], json!(["x.test/a:1"]));
    }
    for wanted in [format!("x.test/a:1@{two}"), format!("x.test/c:9@{one}")] {
        show(&wanted).refused(2, &["no image", "@0 (x.test/a:1)"]);
    }
    // What is written has the digest that it has.
    let tag = format!("x.test/c:1@{two}");
    let args = ["convert", &source, &place.path("o"), "--to", "oci", "-i", "@0", "-t", &tag];
    refused(&place, &args, 2, &["--tag", "a tag cannot have a digest"]);
    let to = format!("oci:{}:x.test/c:1@{two}", place.path("o"));
    refused(&place, &["convert", &source, &to, "-i", "@0"], 2, &["a tag cannot have a digest"]);
}

#[test]
fn numbers_in_messages_are_those_of_the_source() {
    let place = Place::new();
    let images: Vec<Image> = (0..4)
        .map(|at| Image::new(&[&format!("layer {at}")]).named(&[&format!("app/i{at}:1")]))
        .collect();
    let source = place.put("four.tar", &archive(&images, Repeat::Symlink));
    let args = ["manifest", "digest", &source, "-i", "@2", "-i", "app/i3:1"];
    let ran = refused(&place, &args, 2, &["@2 (app/i2:1)", "@3 (app/i3:1)"]);
    assert!(!ran.err.contains("@0") && !ran.err.contains("@1"), "{}", ran.err);
}

#[test]
fn empty_names_are_named_and_long_lists_begin_with_the_nearest() {
    let place = Place::new();
    let images: Vec<Image> = (0..20)
        .map(|at| Image::new(&[&format!("{at}")]).named(&[&format!("reg.test/app{at}:v{at}")]))
        .collect();
    let source = place.put("many.tar", &archive(&images, Repeat::Symlink));
    let out = place.path("out");
    refused(&place, &["save2oci", &source, &out, "-i", ""], 2, &["an empty name"]);
    refused(&place, &["inspect", &source, "-i", ""], 2, &["an empty name"]);
    refused(&place, &["save2oci", &source, ""], 2, &["an empty name"]);
    let ran = refused(&place, &["inspect", &source, "-i", "app17:v17"], 2, &["and 10 more"]);
    assert!(ran.err.contains("found @17 (reg.test/app17:v17), "), "{}", ran.err);
    refused(&place, &["inspect", &source, "-i", "nginx"], 2, &["no image nginx:latest"]);
}
