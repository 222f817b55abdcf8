//! Pushes to a registry of our own: what is sent, in which order, and what is not sent.

use std::sync::Mutex;

use crate::build::classic::{Repeat, archive};
use crate::build::codec::Codec;
use crate::build::image::Image;
use crate::build::layout::{Layout, MediaFamily, on_platform};
use crate::build::run::{Place, imgconv};
use crate::build::scripted::{Content, Reply, Scripted, honest};

fn archive_of(images: &[Image]) -> Vec<u8> {
    archive(images, Repeat::Symlink)
}

fn digest_in(lines: &[&str]) -> String {
    lines[0].split('\t').nth(1).unwrap().to_owned()
}

/// The methods and kinds of requests: `HEAD blobs`, `PUT manifests`.
fn kinds(registry: &Scripted) -> Vec<String> {
    let kind = |line: &String| {
        let (method, path) = line.split_once(' ').unwrap();
        let kind = ["blobs/uploads", "manifests", "blobs"].iter().find(|it| path.contains(**it));
        format!("{method} {}", kind.unwrap_or(&"other"))
    };
    registry.lines().iter().map(kind).collect()
}

#[test]
fn an_archive_gets_one_digest_for_any_number_of_threads_and_that_of_save2oci() {
    let place = Place::new();
    let image = Image::new(&["one", "two", "three"]).named(&["app:1"]);
    let archive = place.put("app.tar", &archive_of(&[image]));
    let layout = imgconv(&["save2oci", &archive, &place.path("layout")]).ok();
    let expected = digest_in(&layout.lines());
    for threads in ["1", "4"] {
        let (registry, content) = honest(Content::default());
        let name = format!("{}/x/app:1", registry.host());
        let ran = imgconv(&["push", "-j", threads, &archive, &name]).ok();
        assert_eq!(digest_in(&ran.lines()), expected);
        let kept = content.lock().unwrap();
        let key = ("x/app".to_owned(), expected.clone());
        assert!(kept.manifests.contains_key(&key), "{:?}", kept.manifests.keys());
    }
}

#[test]
fn blobs_come_before_manifests_children_before_parents_and_tags_last() {
    let mut layout = Layout::new();
    let child = |layout: &mut Layout, arch: &str| {
        let image = Image::new(&["shared", arch]).stored(&[Codec::Gzip, Codec::Gzip]).arch(arch);
        let descriptor = layout.image(&image, MediaFamily::Oci);
        on_platform(descriptor, "linux", arch)
    };
    let children = [child(&mut layout, "amd64"), child(&mut layout, "arm64")];
    let index = layout.nest(MediaFamily::Oci, &children);
    layout.entry(index);
    let place = Place::new();
    layout.write(place.path("layout").as_ref());
    let (registry, content) = honest(Content::default());
    let name = format!("{}/a/b:1", registry.host());
    imgconv(&["push", &place.path("layout"), &name]).ok();
    // The start of an upload has no body (distribution-spec "Pushing blobs").
    for asked in registry.asked().iter().filter(|it| it.method == "POST") {
        assert_eq!(asked.headers.get("content-length").map(String::as_str), Some("0"));
        assert!(!asked.headers.contains_key("transfer-encoding"), "{asked:?}");
    }
    let puts: Vec<String> =
        registry.lines().into_iter().filter(|line| line.starts_with("PUT")).collect();
    let manifests = puts.iter().position(|line| line.contains("/manifests/")).unwrap();
    assert!(puts[..manifests].len() >= 5, "{puts:#?}");
    assert!(puts.last().unwrap().ends_with("/v2/a/b/manifests/1"), "{puts:#?}");
    // What was pushed is what is pulled.
    let back = place.path("back");
    imgconv(&["pull", &name, &back]).ok();
    imgconv(&["compare", "--level", "manifest", &place.path("layout"), &back]).ok();
    // Again: one question for each blob and manifest, and one for the tag.
    registry.forget();
    imgconv(&["push", &place.path("layout"), &name]).ok();
    let blobs = content.lock().unwrap().blobs.len();
    let asked = kinds(&registry);
    assert!(asked.iter().all(|kind| kind.starts_with("HEAD")), "{asked:#?}");
    assert!(asked.len() <= blobs + 3 + 1, "{} for {blobs} blobs", asked.len());
}

#[test]
fn a_tag_that_moves_is_noted() {
    let place = Place::new();
    let (registry, _) = honest(Content::default());
    let name = format!("{}/a/b:1", registry.host());
    for (file, text) in [("one.tar", "one"), ("two.tar", "two")] {
        let archive = place.put(file, &archive_of(&[Image::new(&[text]).named(&["a:1"])]));
        let ran = imgconv(&["push", &archive, &name]).ok();
        assert_eq!(ran.err.contains("this tag was sha256:"), text == "two", "{}", ran.err);
    }
}

#[test]
fn a_tag_that_moves_is_refused_by_strict_before_any_manifest_is_put() {
    for states_digest in [true, false] {
        let content = Mutex::new(Content::default());
        let registry = Scripted::new(move |asked| {
            let mut reply = content.lock().unwrap().answer(asked);
            if !states_digest && asked.method == "HEAD" {
                reply.headers.retain(|it| it.0 != "Docker-Content-Digest");
            }
            reply
        });
        let place = Place::new();
        let name = format!("{}/a/b:1", registry.host());
        let [one, two] = ["one", "two"].map(|text| {
            let bytes = archive_of(&[Image::new(&[text]).named(&["a:1"])]);
            place.put(&format!("{text}.tar"), &bytes)
        });
        imgconv(&["push", "--strict", &one, &name]).ok();
        imgconv(&["push", "--strict", &one, &name]).ok();
        registry.forget();
        let other = format!("{}/a/b:2", registry.host());
        let words = [&*name, "refused by --strict", "this tag is sha256:", "it would be sha256:"];
        imgconv(&["push", "--strict", &two, &other, &name]).refused(1, &words);
        let put = |line: &String| line.starts_with("PUT") && line.contains("/manifests/");
        assert!(!registry.lines().iter().any(put), "{:?}", registry.lines());
        imgconv(&["push", &two, &name]).ok();
    }
}

#[test]
fn every_image_goes_to_its_own_name() {
    let place = Place::new();
    let (registry, content) = honest(Content::default());
    let names: Vec<String> =
        ["x/one:1", "y/two:2"].iter().map(|name| format!("{}/{name}", registry.host())).collect();
    let images = [
        Image::new(&["shared", "one"]).named(&[&names[0]]),
        Image::new(&["shared", "two"]).named(&[&names[1]]),
    ];
    let archive = place.put("all.tar", &archive_of(&images));
    imgconv(&["push", &archive]).ok();
    let kept = content.lock().unwrap();
    for (repository, tag) in [("x/one", "1"), ("y/two", "2")] {
        assert!(kept.manifests.contains_key(&(repository.to_owned(), tag.to_owned())));
    }
    drop(kept);
    imgconv(&["push", &archive, &names[0]]).refused(2, &["needs one image", "--image"]);
}

#[test]
fn what_a_registry_refuses_is_named() {
    let place = Place::new();
    let archive = place.put("one.tar", &archive_of(&[Image::new(&["one"]).named(&["a:1"])]));
    let content = Mutex::new(Content::default());
    let registry = Scripted::new(move |asked| {
        if asked.method == "PUT" && asked.path.contains("/manifests/") {
            return Reply::error(415, "MANIFEST_INVALID", "no OCI here");
        }
        content.lock().unwrap().answer(asked)
    });
    let name = format!("{}/a/b:1", registry.host());
    let words = ["415", "no OCI here", "--manifest docker"];
    imgconv(&["push", &archive, &name]).refused(1, &words);
    let closed = Scripted::new(|_| Reply::error(403, "DENIED", "not yours"));
    let name = format!("{}/a/b:1", closed.host());
    imgconv(&["push", &archive, &name]).refused(2, &["not allowed to push", "docker login"]);
}

#[test]
fn a_dry_run_says_what_would_be_sent_and_sends_nothing() {
    let place = Place::new();
    let archive = place.put("one.tar", &archive_of(&[Image::new(&["one", "two"]).named(&["a:1"])]));
    let layout = place.path("layout");
    imgconv(&["save2oci", &archive, &layout]).ok();
    let (registry, _) = honest(Content::default());
    let name = format!("{}/a/b:1", registry.host());
    let said = |source: &str| {
        let ran = imgconv(&["push", "-n", source, &name]).ok();
        ran.lines().last().map(|it| (*it).to_owned()).unwrap()
    };
    assert!(
        said(&layout).starts_with("registry: has 0 of 3 blobs; 3 to send"),
        "{}",
        said(&layout)
    );
    assert!(said(&archive).ends_with("2 layers to compress first"), "{}", said(&archive));
    assert!(kinds(&registry).iter().all(|kind| kind.starts_with("HEAD")));
    imgconv(&["push", &layout, &name]).ok();
    assert_eq!(said(&layout), "registry: has 3 of 3 blobs; 0 to send, 0 B");
    let json = imgconv(&["push", "-n", "--format", "json", &layout, &name]).ok();
    let json: serde_json::Value = serde_json::from_slice(&json.out).unwrap();
    assert_eq!(json["push"]["present"], 3);
}

#[test]
fn a_copy_in_one_registry_links_and_sends_no_layer() {
    let mut layout = Layout::new();
    let image = Image::new(&["one", "two"]).stored(&[Codec::Gzip]);
    let manifest = layout.image(&image, MediaFamily::Oci);
    layout.entry(manifest);
    let content = Mutex::new(Content::of_layout(&layout, "a/b", "1"));
    let registry = Scripted::new(move |asked| match asked.path.starts_with("/v2/c/d/blobs/sha") {
        // It has the blobs of another repository, and not in this one.
        true => Reply::error(404, "BLOB_UNKNOWN", "not here"),
        false => content.lock().unwrap().answer(asked),
    });
    let [from, to] = ["a/b:1", "c/d:2"].map(|it| format!("docker://{}/{it}", registry.host()));
    imgconv(&["convert", &from, &to]).ok();
    let lines = registry.lines();
    let mounts = lines.iter().filter(|line| line.contains("&from=a%2Fb")).count();
    assert_eq!(mounts, 2, "{lines:#?}");
    for stored in &image.stored {
        let path = format!("GET /v2/a/b/blobs/{}", crate::build::image::digest(stored));
        assert!(!lines.contains(&path), "{lines:#?}");
    }
}

#[test]
fn an_error_of_a_registry_names_what_it_was_asked_for() {
    let place = Place::new();
    let archive = place.put("one.tar", &archive_of(&[Image::new(&["one"]).named(&["a:1"])]));
    let registry = Scripted::new(|asked| match asked.method.as_str() {
        "HEAD" => Reply::new(404, ""),
        _ => Reply::error(400, "DIGEST_INVALID", "not this one"),
    });
    let name = format!("{}/a/b:1", registry.host());
    let words = [&format!("error: {name}!blobs/sha256/") as &str, "400", "not this one"];
    imgconv(&["push", &archive, &name]).refused(1, &words);
}
