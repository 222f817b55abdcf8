//! What is said of a layer besides its digest: that it is stored elsewhere, and annotations. It is
//! kept where the destination has a place for it, and named where it is lost.

use serde_json::{Value, json};

use crate::build::check::{self, list, text};
use crate::build::codec::{Codec, gzip};
use crate::build::hybrid::containerd;
use crate::build::image::{Image, digest, hex};
use crate::build::layout::{Layout, MediaFamily};
use crate::build::run::{Place, imgconv};
use crate::build::tar::Tar;

const DIALECTS: [&str; 4] = ["universal", "classic", "hybrid", "podman"];
const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
const URL: &str = "https://example.test/windows/layer";

fn image() -> Image {
    Image::new(&["base", "top"]).named(&["demo/win:1"])
}

/// What a registry says of the first layer of the image.
fn foreign(image: &Image) -> Value {
    let stored = gzip(&image.layers[0]);
    json!({"mediaType": FOREIGN, "size": stored.len(), "digest": digest(&stored), "urls": [URL]})
}

/// A docker archive whose first layer is stored as these bytes, or absent, with `LayerSources`.
fn archive(image: &Image, first: Option<&[u8]>, source: &Value) -> Vec<u8> {
    let mut tar = Tar::new();
    let config = format!("{}.json", hex(&image.config));
    tar.file(&config, &image.config);
    if let Some(first) = first {
        tar.file("first.tar", first);
    }
    tar.file("second.tar", &image.layers[1]);
    let sources = json!({digest(&image.layers[0]): source});
    let item = json!({
        "Config": config, "RepoTags": image.names, "Layers": ["first.tar", "second.tar"],
        "LayerSources": sources,
    });
    tar.file("manifest.json", json!([item]).to_string().as_bytes()).end()
}

/// Losses of a conversion that ends well: reason and what.
#[track_caller]
fn converted(source: &str, out: &str, options: &[&str]) -> Vec<(String, String)> {
    let words = [&["convert", source, out, "--format", "json"], options].concat();
    let answer = check::json(&imgconv(&words).ok().out);
    imgconv(&["verify", "--strict", out]).ok();
    let pair = |it: &Value| (text(&it["code"]).to_owned(), text(&it["what"]).to_owned());
    list(&answer["losses"]).iter().map(pair).collect()
}

/// The first layer in the manifest of the first entry of a layout.
fn first_layer(layout: &str) -> Value {
    let files = check::folder(std::path::Path::new(layout));
    let blob =
        |digest: &Value| check::json(&files[&format!("blobs/{}", text(digest).replace(':', "/"))]);
    let manifest = blob(&check::json(&files["index.json"])["manifests"][0]["digest"]);
    manifest["layers"][0].clone()
}

fn sources(archive: &str) -> Value {
    let files = check::archive(&std::fs::read(archive).unwrap());
    check::json(&files["manifest.json"])[0]["LayerSources"].clone()
}

/// crane and what is built on it store such a layer as its registry has it.
#[test]
fn a_non_distributable_layer_that_is_stored_as_in_its_registry_keeps_all_that_is_said_of_it() {
    let (place, image) = (Place::new(), image());
    let said = foreign(&image);
    let source = place.put("source.tar", &archive(&image, Some(&gzip(&image.layers[0])), &said));
    let layout = place.path("layout");
    assert_eq!(converted(&source, &layout, &["--to", "oci", "--strict"]), []);
    let layer = first_layer(&layout);
    assert_eq!((&layer["digest"], &layer["urls"]), (&said["digest"], &json!([URL])));
    assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
    for dialect in DIALECTS {
        // From the archive, and from the layout that it became.
        for from in [&source, &layout] {
            let out = place.path(&format!("{dialect}.tar"));
            converted(from, &out, &["--to", "docker-archive", "-d", dialect]);
            let found = sources(&out)[&digest(&image.layers[0])].clone();
            assert_eq!(
                (&found["digest"], &found["urls"]),
                (&said["digest"], &json!([URL])),
                "{dialect}"
            );
            let back = place.path("back");
            let lost = converted(&out, &back, &["--to", "oci"]);
            // What is stored uncompressed is another blob than the one at the urls.
            let want = if dialect == "universal" { 0 } else { 1 };
            assert_eq!(lost.iter().filter(|it| it.0 == "urls").count(), want, "{dialect} {lost:?}");
            std::fs::remove_dir_all(back).unwrap();
            std::fs::remove_file(out).unwrap();
        }
    }
}

/// docker stores it without compression.
#[test]
fn the_urls_of_a_layer_with_other_bytes_are_kept_in_archives_and_named_in_layouts() {
    let (place, image) = (Place::new(), image());
    let source =
        place.put("source.tar", &archive(&image, Some(&image.layers[0]), &foreign(&image)));
    for to in ["oci", "oci-archive"] {
        let out = place.path(to);
        let lost = converted(&source, &out, &["--to", to]);
        let want = ("urls".to_owned(), text(&foreign(&image)["digest"]).to_owned());
        assert_eq!(lost, [want]);
        let strict = imgconv(&["convert", &source, &place.path("strict"), "--to", to, "--strict"]);
        strict.refused(1, &["urls"]);
    }
    let layer = first_layer(&place.path("oci"));
    assert_eq!(layer.get("urls"), None);
    assert_eq!(layer["mediaType"], MediaFamily::Oci.layer(&gzip(b"")));
    for dialect in DIALECTS {
        let out = place.path(&format!("{dialect}.tar"));
        let lost = converted(&source, &out, &["--to", "docker-archive", "-d", dialect, "--strict"]);
        assert_eq!(lost, [], "{dialect}");
        assert_eq!(sources(&out)[&digest(&image.layers[0])]["urls"], json!([URL]), "{dialect}");
    }
}

/// Also of an archive that is a layout too, whose index.json says nothing of it.
#[test]
fn what_only_manifest_json_says_of_a_layer_is_read_beside_a_layout() {
    let (place, image) = (Place::new(), image());
    let bytes = containerd(Layout::of(std::slice::from_ref(&image)), std::slice::from_ref(&image));
    let mut tar = Tar::new();
    for (name, data) in check::archive(&bytes) {
        if name == "manifest.json" {
            let mut items = check::json(&data);
            items[0]["LayerSources"] = json!({digest(&image.layers[0]): foreign(&image)});
            tar.file(&name, items.to_string().as_bytes());
        } else {
            tar.file(&name, &data);
        }
    }
    let source = place.put("source.tar", &tar.end());
    let lost = converted(&source, &place.path("out"), &["--to", "oci"]);
    assert_eq!(lost.iter().filter(|it| it.0 == "urls").count(), 1, "{lost:?}");
}

#[test]
fn an_absent_or_stub_file_of_a_non_distributable_layer_is_refused_as_what_it_is() {
    let image = image();
    let damaged = {
        let mut bytes = gzip(&image.layers[0]);
        let end = bytes.len() - 20;
        bytes.truncate(end);
        bytes
    };
    let other = gzip(&Image::new(&["another"]).layers[0]);
    for (name, first) in [
        ("absent", None),
        ("empty", Some(&b""[..])),
        ("a text", Some(&b"see the url\n"[..])),
        ("cut", Some(&damaged)),
        ("another", Some(&other)),
    ] {
        let place = Place::new();
        let source = place.put("source.tar", &archive(&image, first, &foreign(&image)));
        let ran = imgconv(&["save2oci", &source, &place.path("out")]);
        let ran = ran.refused(1, &["non-distributable layer", URL, "hint: "]);
        assert!(!ran.err.contains("damaged"), "{name}: {}", ran.err);
        let verified = imgconv(&["verify", "--format", "json", &source]);
        let answer = check::json(&verified.out);
        let found: Vec<&str> = list(&answer["sources"][0]["findings"])
            .iter()
            .filter(|it| it["severity"] == "problem")
            .map(|it| text(&it["code"]))
            .collect();
        assert_eq!(found, ["layer-elsewhere"], "{name}");
    }
    // A layer that is not said to be elsewhere is only missing, or wrong.
    let mut said = foreign(&image);
    said["urls"] = json!([]);
    said["mediaType"] = json!("application/vnd.docker.image.rootfs.diff.tar.gzip");
    let place = Place::new();
    let source = place.put("source.tar", &archive(&image, None, &said));
    imgconv(&["save2oci", &source, &place.path("out")]).refused(1, &["first.tar", "manifest.json"]);
}

#[test]
fn layer_sources_that_cannot_be_read_are_noted() {
    for odd in [json!("x"), json!({"mediaType": FOREIGN, "digest": "x", "size": 1}), json!([])] {
        let (place, image) = (Place::new(), image());
        let source = place.put("source.tar", &archive(&image, Some(&image.layers[0]), &odd));
        let ran = imgconv(&["save2oci", &source, &place.path("out")]).ok();
        assert!(
            ran.err.contains("note: ") && ran.err.contains("LayerSources"),
            "{odd}: {}",
            ran.err
        );
        imgconv(&["save2oci", "--strict", &source, &place.path("strict")])
            .refused(1, &["LayerSources"]);
    }
}

/// The annotations of one layer: of zstd:chunked and eStargz, and two that stay true.
fn annotations() -> Value {
    json!({
        "containerd.io/snapshot/stargz/toc.digest": digest(b"toc"),
        "containerd.io/uncompressed": digest(b"layer"),
        "io.containers.estargz.uncompressed-size": "4096",
        "io.github.containers.zstd-chunked.manifest-checksum": digest(b"x"),
        "io.github.containers.zstd-chunked.manifest-position": "1:2:3:1",
        "org.example.title": "base",
    })
}

fn annotated(image: &Image) -> Layout {
    let mut layout = Layout::new();
    let config = layout.descriptor(MediaFamily::Oci.config(), &image.config);
    let layers: Vec<Value> =
        image.stored.iter().map(|it| layout.descriptor(MediaFamily::Oci.layer(it), it)).collect();
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(), "config": config, "layers": layers,
    });
    manifest["layers"][0]["annotations"] = annotations();
    let entry = layout.document(MediaFamily::Oci.manifest(), &manifest);
    layout.named(&entry, "1", Some("docker.io/demo/app:1"));
    layout
}

#[test]
fn annotations_that_point_into_old_bytes_are_named_and_the_others_stay() {
    let (place, image) = (Place::new(), image().stored(&[Codec::Gzip]));
    let source = place.path("source");
    annotated(&image).write(std::path::Path::new(&source));
    let named = |lost: &[(String, String)]| -> String {
        let found: Vec<&str> =
            lost.iter().filter(|it| it.0 == "annotations").map(|it| it.1.as_str()).collect();
        assert_eq!(found.len(), 1, "{lost:?}");
        found[0].to_owned()
    };
    // What is kept keeps all.
    let kept = place.path("kept");
    assert_eq!(converted(&source, &kept, &["--to", "oci", "--strict"]), []);
    assert_eq!(first_layer(&kept)["annotations"], annotations());
    for options in [["-c", "zstd", "-l", "3"], ["-c", "gzip", "-l", "6"]] {
        let out = place.path("out");
        let what = named(&converted(&source, &out, &[&["--to", "oci"], &options[..]].concat()));
        for key in ["stargz/toc.digest", "manifest-checksum", "manifest-position"] {
            assert!(what.contains(key), "{key} is not in {what}");
        }
        assert!(!what.contains("uncompressed") && !what.contains("title"), "{what}");
        let left = first_layer(&out)["annotations"].clone();
        let keys: Vec<&String> = left.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "containerd.io/uncompressed",
                "io.containers.estargz.uncompressed-size",
                "org.example.title"
            ]
        );
        std::fs::remove_dir_all(out).unwrap();
        let no = place.path("no");
        let strict = [&["convert", &source, &no, "--to", "oci", "--strict"], &options[..]].concat();
        imgconv(&strict).refused(1, &["annotations"]);
    }
    for dialect in DIALECTS {
        let out = place.path(&format!("{dialect}.tar"));
        let lost = converted(&source, &out, &["--to", "docker-archive", "-d", dialect]);
        match dialect {
            "universal" => assert_eq!(lost, []),
            _ => {
                let what = named(&lost);
                assert!(what.contains("manifest-position") && what.contains("title"), "{what}");
            }
        }
    }
}
