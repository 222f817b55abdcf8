//! Images that a registry has only as schema 1: they are converted with their layers, and what is
//! lost is named.

use serde_json::{Value, json};

use crate::build::check::{self, folder};
use crate::build::codec::{Codec, gzip};
use crate::build::image::{Image, digest, hex, layer};
use crate::build::layout::{Layout, MediaFamily};
use crate::build::run::{Place, imgconv};
use crate::build::scripted::{Content, Reply, Scripted, honest};
use crate::explain_asked::KEY;

/// The layer that registries of that time store for a step without one (distribution
/// `digestSHA256GzippedEmptyTar`).
const EMPTY: &str = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4";

fn layers() -> [Vec<u8>; 2] {
    ["base", "top"].map(|text| gzip(&layer(text)))
}

/// Newest first, with a step without a layer in the middle (distribution manifest-v2-1.md).
fn document() -> String {
    let [base, top] = layers();
    let id = |text: &str| hex(text.as_bytes());
    let v1 = |value: Value| json!({"v1Compatibility": value.to_string()});
    let created = "2020-01-02T03:04:05Z";
    let document = json!({
        "schemaVersion": 1, "name": "a/b", "tag": "1", "architecture": "amd64",
        "fsLayers": [{"blobSum": digest(&top)}, {"blobSum": EMPTY}, {"blobSum": digest(&base)}],
        "history": [
            v1(json!({"id": id("c"), "parent": id("b"), "created": created, "os": "linux",
                "architecture": "amd64", "docker_version": "1.12.6",
                "config": {"Cmd": ["top"]}, "container_config": {"Cmd": ["top"]}})),
            v1(json!({"id": id("b"), "parent": id("a"), "created": created, "throwaway": true,
                "container_config": {"Cmd": ["env"]}})),
            v1(json!({"id": id("a"), "created": created, "container_config": {"Cmd": ["base"]}}))
        ]
    });
    serde_json::to_string_pretty(&document).unwrap()
}

/// A registry that has nothing but this document and the layers.
fn content(raw: &[u8]) -> Content {
    let mut content = Content::default();
    for layer in layers() {
        content.blobs.insert(digest(&layer), layer);
    }
    let kind = match raw.ends_with(b"]\n}") {
        true => "application/vnd.docker.distribution.manifest.v1+prettyjws",
        false => "application/vnd.docker.distribution.manifest.v1+json",
    };
    content.manifest("a/b", "1", kind, raw);
    content
}

/// Registries name it by its payload, without signatures.
fn served(raw: &[u8], payload: &str) -> Scripted {
    let (content, named) = (std::sync::Mutex::new(content(raw)), digest(payload.as_bytes()));
    Scripted::new(move |asked| {
        let mut reply = content.lock().unwrap().answer(asked);
        if asked.path.contains("/manifests/") {
            reply.headers.retain(|it| it.0 != "Docker-Content-Digest");
            reply = reply.with("Docker-Content-Digest", named.clone());
        }
        reply
    })
}

fn signed(place: &Place) -> Vec<u8> {
    let plain = place.put("unsigned.json", document().as_bytes());
    let (key, out) = (place.put("key.json", KEY.as_bytes()), place.path("signed.json"));
    imgconv(&["manifest", "convert", "--to", "schema1", "--sign-key", &key, &plain, &out]).ok();
    std::fs::read(out).unwrap()
}

#[test]
fn schema_1_is_pulled_as_schema_2_and_what_is_lost_is_named() {
    let place = Place::new();
    let layers_folder = place.dir("layers");
    for layer in layers() {
        std::fs::write(format!("{layers_folder}/{}", hex(&layer)), &layer).unwrap();
    }
    let signed = signed(&place);
    assert!(signed.ends_with(b"]\n}"), "{}", String::from_utf8_lossy(&signed));
    for (name, raw) in [("plain", document().into_bytes()), ("signed", signed)] {
        let registry = served(&raw, &document());
        let image = format!("{}/a/b:1", registry.host());
        let out = place.path(name);
        let ran = imgconv(&["pull", &image, &out]).ok();
        // One answer for each layer; the empty one is not asked for.
        let lines = registry.lines();
        let expected = 1 + 2 * layers().len();
        assert_eq!(lines.len(), expected, "{lines:#?}");
        assert!(!lines.iter().any(|it| it.contains(EMPTY)));
        let old = digest(document().as_bytes());
        assert!(ran.err.contains(&format!("has only a schema 1 manifest, {old}")), "{}", ran.err);
        assert!(ran.err.contains("the manifest digest is not kept [manifest]"), "{}", ran.err);
        assert_eq!(ran.err.contains("[signature]"), name == "signed", "{}", ran.err);
        imgconv(&["verify", "--strict", &out]).ok();
        // The same as from the documents alone.
        let (source, made) =
            (place.put("old.json", &raw), place.path(&format!("{name}-made.json")));
        let args = ["manifest", "convert", "--to", "schema2", "--layers", &layers_folder];
        imgconv(&[&args[..], &[&source, &made]].concat()).ok();
        let expected = digest(&std::fs::read(made).unwrap());
        let ran_lines = ran.lines();
        assert!(ran_lines[0].starts_with(&format!("{image}\t{expected}\t")), "{ran_lines:?}");
        let files = folder(out.as_ref());
        let blob =
            |digest: &str| check::json(&files[&*format!("blobs/{}", digest.replace(':', "/"))]);
        let manifest = blob(&expected);
        assert_eq!(manifest["layers"].as_array().unwrap().len(), 2);
        let config = blob(manifest["config"]["digest"].as_str().unwrap());
        let diff_ids = ["base", "top"].map(|text| digest(&layer(text)));
        assert_eq!(config["rootfs"]["diff_ids"], json!(diff_ids));
        assert_eq!(config["history"][1]["empty_layer"], json!(true));
        imgconv(&["pull", "--strict", &image, &place.path("strict")])
            .refused(1, &["refused by --strict", "the manifest digest is not kept"]);
    }
}

#[test]
fn every_verb_reads_schema_1_of_a_registry() {
    let place = Place::new();
    let registry = served(&signed(&place), &document());
    let name = format!("docker://{}/a/b:1", registry.host());
    let shown = imgconv(&["inspect", &name]).ok().out_text();
    assert!(shown.contains("linux/amd64"), "{shown}");
    let history = imgconv(&["history", &name]).ok().out_text();
    assert_eq!(history.lines().count(), 4, "{history}");
    imgconv(&["pull", &name[9..], &place.path("app.tar")]).ok();
    imgconv(&["compare", "--level", "manifest", &name, &place.path("app.tar")]).ok();
    imgconv(&["verify", &name]).ok();
    // Documents stay what they are.
    let own = digest(document().as_bytes());
    assert_eq!(imgconv(&["manifest", "digest", &name]).ok().lines(), [own]);
    assert!(imgconv(&["manifest", "show", &name]).ok().out_text().contains("schema 1"));
    imgconv(&["explain", "--topic", "pull", &name]).ok();
    let to = format!("docker://{}/x/y:2", honest(Content::default()).0.host());
    imgconv(&["convert", &name, &to]).ok();
    // Beside another image.
    let mut layout = Layout::new();
    let other = layout.image(&Image::new(&["one"]).stored(&[Codec::Gzip]), MediaFamily::Oci);
    layout.entry(other);
    let (second, _) = honest(Content::of_layout(&layout, "c/d", "1"));
    let both = place.path("both");
    imgconv(&["pull", &name[9..], &format!("{}/c/d:1", second.host()), &both]).ok();
    imgconv(&["verify", "--strict", &both]).ok();
}

#[test]
fn layers_of_schema_1_that_are_wrong_or_missing_are_refused() {
    type Change = fn(Reply) -> Reply;
    let changes: [(Change, i32, &str); 3] = [
        (|_| Reply::error(404, "BLOB_UNKNOWN", "gone"), 2, "no such blob"),
        (
            |mut reply| {
                reply.body[20] ^= 1;
                reply
            },
            1,
            "sha256:",
        ),
        (
            |mut reply| {
                reply.body.push(0);
                reply
            },
            1,
            "digest differs",
        ),
    ];
    for (change, status, words) in changes {
        let content = std::sync::Mutex::new(content(document().as_bytes()));
        let registry = Scripted::new(move |asked| {
            let reply = content.lock().unwrap().answer(asked);
            if asked.path.contains("/blobs/") { change(reply) } else { reply }
        });
        let (name, place) = (format!("{}/a/b:1", registry.host()), Place::new());
        imgconv(&["pull", &name, &place.path("layout")]).refused(status, &[words]);
        assert!(place.tree().is_empty());
    }
    // A signature that does not hold is a finding.
    let place = Place::new();
    let signed = String::from_utf8(signed(&place)).unwrap();
    let at = signed.find("\"signature\": \"").unwrap() + 16;
    let mut broken = signed.clone().into_bytes();
    broken[at] = if broken[at] == b'A' { b'B' } else { b'A' };
    let registry = served(&broken, &document());
    let name = format!("docker://{}/a/b:1", registry.host());
    let ran = imgconv(&["verify", &name]);
    assert!(ran.out_text().contains("signature-broken"), "{}{}", ran.out_text(), ran.err);
}
