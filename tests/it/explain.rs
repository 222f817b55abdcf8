//! `explain`: each fact of its JSON, worked out again from the files by other means.

use serde_json::{Value, json};

use crate::build::check::{self, list, text};
use crate::build::classic::{Repeat, archive};
use crate::build::codec::Codec;
use crate::build::hybrid::{Defect, buildkit_empty, containerd, docker25};
use crate::build::image::{Image, digest, hex, layer};
use crate::build::known::{Known, chain_ids, known};
use crate::build::layout::{Layout, MediaFamily, attestation, on_platform};
use crate::build::others::{crane_legacy, ggcr, podman};
use crate::build::run::{Place, imgconv, imgconv_with};

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");
pub(crate) const ARTICLE: &str = "f68d6e55e06520f152403e6d96d0de5c9790a89b4cfc99f4626f68146fa1dbdc";

/// The page as JSON.
#[track_caller]
pub(crate) fn explained(arguments: &[&str]) -> Value {
    let ran = imgconv(&[&["explain", "--format", "json"], arguments].concat()).ok();
    check::json(&ran.out)
}

/// Files that hold whole images: what they are, their path, and what `check` reads in them.
pub(crate) fn sources(place: &Place) -> Vec<(String, String, check::Files)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(format!("{ROOT}/testdata/archives")).unwrap() {
        let path = entry.unwrap().path().to_str().unwrap().to_owned();
        let files = check::archive(&std::fs::read(&path).unwrap());
        found.push((path.rsplit('/').next().unwrap().to_owned(), path.clone(), files));
    }
    for (name, bytes) in made() {
        let files = check::archive(&bytes);
        found.push((name.to_owned(), place.put(&format!("{name}.tar"), &bytes), files));
    }
    let layout = platforms();
    let path = place.path("layout");
    layout.write(std::path::Path::new(&path));
    let files = check::folder(std::path::Path::new(&path));
    found.push(("layout".to_owned(), path, files));
    found
}

/// Archives by those who write them, with images as they may be.
fn made() -> Vec<(&'static str, Vec<u8>)> {
    let gzip = Image::new(&["one", "two"]).named(&["demo/gz:1"]).stored(&[Codec::Gzip]);
    let plain = Image::new(&["one", "two", "three"]).named(&["demo/plain:1"]);
    let (a, b) = (layer("a"), layer("b"));
    let twice = Image::of(vec![a.clone(), b, a]).named(&["demo/twice:1"]);
    let silent = Image::new(&["one", "two"]).named(&["demo/silent:1"]);
    let silent = silent.with(&json!({"history": []}));
    let texts: Vec<String> = (0..127).map(|at| format!("layer {at}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let many = Image::new(&texts).named(&["demo/many:1"]).stored(&[Codec::Gzip, Codec::Zstd]);
    let empty = json!({"history": [{"created": "2020-01-02T03:04:05Z", "created_by": "CMD x", "empty_layer": true}]});
    let zero = Image::of(Vec::new()).named(&["demo/zero:1"]).with(&empty);
    let stored = twice.clone().stored(&[Codec::Plain, Codec::Zstd, Codec::Plain]);
    vec![
        ("classic", archive(std::slice::from_ref(&plain), Repeat::Symlink)),
        ("classic-twice", archive(&[twice.clone(), plain.clone()], Repeat::Symlink)),
        ("classic-no-history", archive(&[silent], Repeat::Copy)),
        ("docker25", docker25(std::slice::from_ref(&twice), Defect::None)),
        (
            "containerd",
            containerd(Layout::of(std::slice::from_ref(&gzip)), std::slice::from_ref(&gzip)),
        ),
        ("podman", podman(&[plain, twice])),
        ("ggcr", ggcr(&[gzip])),
        ("crane-legacy", crane_legacy(std::slice::from_ref(&stored))),
        ("many", Layout::of(&[many]).tar("")),
        ("zero", Layout::of(&[zero]).tar("")),
        ("buildkit-empty", buildkit_empty("empty:1").1),
        ("stored", Layout::of(&[stored]).tar("")),
    ]
}

/// A layout with an index of two platforms and an attestation, beside a manifest of Docker's family.
fn platforms() -> Layout {
    let mut layout = Layout::new();
    let amd = Image::new(&["amd", "both"]).stored(&[Codec::Gzip]);
    let arm = Image::new(&["arm", "both"]).stored(&[Codec::Zstd]).arch("arm64");
    let amd = on_platform(layout.image(&amd, MediaFamily::Oci), "linux", "amd64");
    let arm = on_platform(layout.image(&arm, MediaFamily::Oci), "linux", "arm64");
    let statement = attestation(&mut layout, &amd);
    let index = layout.nest(MediaFamily::Oci, &[amd, arm, statement]);
    layout.named(&index, "1", Some("docker.io/demo/both:1"));
    let docker = Image::new(&["x", "y", "z"]).stored(&[Codec::Gzip]);
    let docker = layout.image(&docker, MediaFamily::Docker);
    layout.named(&docker, "2", Some("docker.io/demo/docker:2"));
    layout
}

#[test]
fn every_fact_of_every_image_is_that_of_its_files() {
    let place = Place::new();
    let mut count = 0;
    for (name, path, files) in sources(&place) {
        for image in known(&files) {
            let mut arguments: Vec<&str> = image.options.iter().map(String::as_str).collect();
            arguments.push(&path);
            println!("{name} {arguments:?}");
            facts(&explained(&arguments), &image, manifests(&files));
            count += 1;
        }
    }
    assert!(count > 25, "{count}");
}

/// Where the manifests of a source come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manifests {
    /// docker save with the graph driver store made them.
    Saved,
    Found,
}

/// Of what the tests have, docker save alone has a descriptor of each layer in `manifest.json`.
fn manifests(files: &check::Files) -> Manifests {
    let items = files.get("manifest.json").map(|it| check::json(it));
    let saved = |it: &Value| list(it).iter().any(|it| it["LayerSources"].is_object());
    if items.as_ref().is_some_and(saved) { Manifests::Saved } else { Manifests::Found }
}

/// Holds a page against bytes.
#[track_caller]
fn facts(told: &Value, known: &Known, from: Manifests) {
    let config = check::json(&known.config);
    assert_eq!(told["imageId"], known.id());
    assert_eq!(told["configSize"], known.config.len());
    let platform = format!("{}/{}", text(&config["os"]), text(&config["architecture"]));
    assert_eq!(told["platform"], platform);
    layers(told, known, &config);
    digests(told, known, from);
    history(told, &config);
    ids(told, known, from);
    documents(told, known, from);
    requests(told, known);
}

fn layers(told: &Value, known: &Known, config: &Value) {
    let told = list(&told["layers"]);
    let (plain, diff_ids, chain_ids) = (known.plain(), known.diff_ids(), known.chain_ids());
    assert_eq!(told.len(), plain.len());
    let makers = list(&config["history"]).iter().filter(|it| it["empty_layer"] != true);
    let mut makers = makers.map(|it| it["created_by"].as_str().unwrap_or_default());
    let manifest = known.manifest.as_ref().map(|raw| check::json(raw));
    for (at, layer) in told.iter().enumerate() {
        let stored = &known.stored[at];
        assert_eq!(layer["layer"], at + 1);
        assert_eq!(layer["diffId"], diff_ids[at]);
        assert_eq!(layer["chainId"], chain_ids[at]);
        assert_eq!(layer["uncompressedSize"], plain[at].len());
        assert_eq!(layer["size"], stored.len());
        assert_eq!(layer["compression"], codec(stored));
        assert_eq!(layer["checked"], true);
        assert_eq!(layer["createdBy"], makers.next().unwrap_or_default());
        if let Some(manifest) = &manifest {
            assert_eq!(layer["digest"], digest(stored));
            assert_eq!(layer["mediaType"], manifest["layers"][at]["mediaType"]);
            assert_eq!((&layer["madeDigest"], &layer["madeSize"]), (&Value::Null, &Value::Null));
        } else {
            assert_eq!((&layer["digest"], &layer["mediaType"]), (&Value::Null, &Value::Null));
            // What it is made of layers is held against a conversion (`explain_foreseen`).
            assert!(layer["madeDigest"].is_string() && layer["madeSize"].is_u64());
        }
    }
}

fn codec(stored: &[u8]) -> &'static str {
    match stored {
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        _ => "uncompressed",
    }
}

/// The row of a digest.
fn row<'a>(told: &'a Value, name: &str, layer: Option<usize>) -> &'a Value {
    let rows = list(&told["digests"]["digests"]).iter();
    let mut rows = rows.filter(|it| it["name"] == name && it["layer"] == json!(layer));
    let row = rows.next().unwrap_or_else(|| panic!("no {name} of {layer:?}"));
    assert!(rows.next().is_none(), "two {name} of {layer:?}");
    row
}

fn digests(told: &Value, known: &Known, from: Manifests) {
    let layers = list(&told["layers"]);
    let chain_ids = known.chain_ids();
    let own = known.manifest.is_some();
    for (at, diff_id) in known.diff_ids().into_iter().enumerate() {
        let row = |name| row(told, name, Some(at + 1));
        assert_eq!(
            (&row("diff ID")["value"], &row("diff ID")["status"]),
            (&json!(diff_id), &json!("checked"))
        );
        assert_eq!(row("chain ID")["value"], chain_ids[at]);
        assert_eq!(row("V1 layer ID")["value"], layers[at]["v1LayerId"]);
        let stored = row("layer digest");
        let compressed = codec(&known.stored[at]) != "uncompressed";
        match (own, compressed) {
            (true, _) => assert_eq!(
                (&stored["value"], &stored["status"]),
                (
                    &json!(digest(&known.stored[at])),
                    &json!(if from == Manifests::Saved { "saved" } else { "checked" })
                )
            ),
            (false, true) => assert_eq!(
                (&stored["value"], &stored["status"]),
                (&json!(digest(&known.stored[at])), &json!("computed"))
            ),
            (false, false) => assert_eq!(
                (&stored["value"], &stored["status"]),
                (&layers[at]["madeDigest"], &json!("made"))
            ),
        }
    }
    let image_id = row(told, "image ID", None);
    assert_eq!(image_id["value"], known.id());
    assert_eq!(image_id["status"], if own { "checked" } else { "computed" });
    let manifest = row(told, "manifest digest", None);
    match &known.manifest {
        Some(raw) => assert_eq!(
            (&manifest["value"], &manifest["status"]),
            (
                &json!(digest(raw)),
                &json!(if from == Manifests::Saved { "saved" } else { "computed" })
            )
        ),
        None => assert_eq!(manifest["status"], "made"),
    }
    let index = row(told, "index digest", None);
    match &known.index {
        Some(raw) => assert_eq!(
            (&index["value"], &index["status"]),
            (&json!(digest(raw)), &json!("computed"))
        ),
        None => assert_eq!((&index["value"], &index["status"]), (&Value::Null, &json!("none"))),
    }
    let top = layers.last().map_or(Value::Null, |layer| layer["v1LayerId"].clone());
    assert_eq!(row(told, "top ID in repositories", None)["value"], top);
}

fn history(told: &Value, config: &Value) {
    let steps = list(&told["history"]["steps"]);
    let (entries, layers) = (list(&config["history"]), list(&told["layers"]));
    let mut made = 0;
    for (at, step) in steps.iter().enumerate() {
        assert_eq!(step["number"], at + 1);
        let entry = entries.get(at);
        for (key, own) in [("createdBy", "created_by"), ("created", "created")] {
            let own = entry.and_then(|it| it[own].as_str()).unwrap_or_default();
            assert_eq!(step[key], own);
        }
        let empty = entry.is_some_and(|it| it["empty_layer"] == true);
        assert_eq!(step["layer"].is_null(), empty);
        if !empty {
            for key in ["diffId", "v1LayerId", "uncompressedSize"] {
                assert_eq!(step[key], layers[made][key]);
            }
            made += 1;
            assert_eq!(step["layer"], made);
        }
    }
    assert_eq!(told["history"]["withLayer"], layers.len());
    assert_eq!(told["history"]["empty"], steps.len() - layers.len());
    assert_eq!(made, layers.len());
}

fn ids(told: &Value, known: &Known, from: Manifests) {
    let last = |key: &str| list(&told["layers"]).last().map_or(Value::Null, |it| it[key].clone());
    for sight in list(&told["ids"]["sights"]) {
        let expected = match text(&sight["shows"]) {
            "image ID" => json!(known.id()),
            // No registry has what docker save made.
            "manifest digest" if from == Manifests::Saved && in_registry(text(&sight["place"])) => {
                Value::Null
            }
            "manifest digest" => row(told, "manifest digest", None)["value"].clone(),
            "index digest" => json!(digest(known.index.as_ref().unwrap())),
            "V1 layer ID" => last("v1LayerId"),
            "chain ID" => last("chainId"),
            other => panic!("{other}"),
        };
        assert_eq!(sight["value"], expected, "{}", sight["place"]);
    }
}

/// Whether a place shows what a registry has.
fn in_registry(place: &str) -> bool {
    ["docker pull", "skopeo inspect", "--digests: graph driver"].iter().any(|it| place.contains(it))
}

fn documents(told: &Value, known: &Known, from: Manifests) {
    let documents = list(&told["documents"]["documents"]);
    let config = &documents[4];
    assert_eq!(
        (&config["digest"], &config["size"]),
        (&json!(known.id()), &json!(known.config.len()))
    );
    assert_eq!(check::json(text(&config["text"]).as_bytes()), check::json(&known.config));
    let Some(raw) = &known.manifest else { return };
    let docker = check::json(raw)["mediaType"] == MediaFamily::Docker.manifest();
    let own = &documents[if docker { 2 } else { 3 }];
    assert_eq!((&own["digest"], &own["size"]), (&json!(digest(raw)), &json!(raw.len())));
    assert_eq!(own["origin"], if from == Manifests::Saved { "saved" } else { "source" });
    assert_eq!(check::json(text(&own["text"]).as_bytes()), check::json(raw));
}

/// The paths of a pull: each blob once, base first, with digest and size.
fn requests(told: &Value, known: &Known) {
    for side in list(&told["pull"]["sides"]) {
        let all = list(&side["steps"]).iter().flat_map(|step| list(&step["requests"]));
        let blobs = all.filter(|it| text(&it["path"]).contains("/blobs/"));
        let mut expected = vec![(json!(known.id()), json!(known.config.len()))];
        for layer in list(&told["layers"]) {
            let (digest, size) = match layer["digest"].is_null() {
                true => ("madeDigest", "madeSize"),
                false => ("digest", "size"),
            };
            let pair = (layer[digest].clone(), layer[size].clone());
            if !expected.contains(&pair) {
                expected.push(pair);
            }
        }
        let found: Vec<(Value, Value)> = blobs
            .map(|it| {
                assert!(text(&it["path"]).ends_with(text(&it["digest"])), "{it}");
                (it["digest"].clone(), it["size"].clone())
            })
            .collect();
        assert_eq!(found, expected, "{}", side["store"]);
    }
}

#[test]
fn legacy_ids_are_the_folders_that_docker_made_of_the_same_images() {
    for archive in ["docker-20.10-one", "docker-20.10-several", "docker-20.10-untagged"] {
        let path = format!("{ROOT}/testdata/archives/{archive}.tar");
        let files = check::archive(&std::fs::read(&path).unwrap());
        for (at, item) in list(&check::json(&files["manifest.json"])).iter().enumerate() {
            let told = explained(&["-i", &format!("@{at}"), &path]);
            let folders =
                list(&item["Layers"]).iter().map(|it| text(it).split('/').next().unwrap());
            let legacy = list(&told["layers"]).iter().map(|it| text(&it["v1LayerId"]));
            assert!(folders.eq(legacy), "{archive} {at}");
            assert_eq!(told["manifestJson"]["here"], true);
            assert_eq!(told["history"]["legacyFolders"], true);
            assert_eq!(check::json(text(&told["manifestJson"]["item"]).as_bytes()), *item);
        }
    }
}

/// Every number that the article prints of its image.
#[test]
fn the_articles_config_alone_tells_what_the_article_prints() {
    let path = format!("{ROOT}/testdata/article/{ARTICLE}.json");
    let told = explained(&["-t", "nginx:latest", &path]);
    let diff_ids = [
        "sha256:cf5b3c6798f77b1f78bf4e297b27cfa5b6caa982f04caeb5de7d13c255fd7a1e",
        "sha256:197c666de9dd65f1c350e2c44628c5d530f366c9edf0197373f8603cf9af9e50",
        "sha256:d2f0b6dea592c39bfc4f06a1f6502d58a2fa6d9e6b6cf1aaf0d458d5d61d4515",
    ]
    .map(str::to_owned);
    let folders = [
        "a4e2f1136e50ce782b4712f7f31628a9d8d973035072f6d7a2c5728c87270dc0",
        "d5990701c3a040b2eb442c195e9d62a3936bb91d7ee918c66751b6f164ec490a",
        "9de6aebfff35261996e4315105c546a002a8e42be30bc9189851384adc3abf6b",
    ];
    assert_eq!(told["formats"], serde_json::json!(["config"]));
    assert_eq!(told["names"], json!(["nginx:latest"]));
    assert_eq!(told["imageId"], format!("sha256:{ARTICLE}"));
    assert_eq!(told["configSize"], 6714);
    let chain_ids = chain_ids(&diff_ids);
    for (at, layer) in list(&told["layers"]).iter().enumerate() {
        assert_eq!(layer["diffId"], diff_ids[at]);
        assert_eq!(layer["chainId"], chain_ids[at]);
        assert_eq!(layer["v1LayerId"], folders[at]);
        for (name, value, status) in [
            ("diff ID", json!(diff_ids[at]), "said"),
            ("chain ID", json!(chain_ids[at]), "computed"),
            ("V1 layer ID", json!(folders[at]), "computed"),
            ("layer digest", Value::Null, "unknown"),
        ] {
            let row = row(&told, name, Some(at + 1));
            assert_eq!((&row["value"], &row["status"]), (&value, &json!(status)), "{name}");
        }
    }
    assert_eq!(row(&told, "top ID in repositories", None)["value"], folders[2]);
    assert_eq!(row(&told, "manifest digest", None)["status"], "unknown");
    // The archive that the article opens.
    let item = json!({
        "Config": format!("{ARTICLE}.json"), "RepoTags": ["nginx:latest"],
        "Layers": folders.map(|folder| format!("{folder}/layer.tar"))
    });
    assert_eq!(told["manifestJson"]["here"], false);
    assert_eq!(check::json(text(&told["manifestJson"]["item"]).as_bytes()), item);
}

#[test]
fn the_articles_history_and_requests_follow_from_its_config_alone() {
    let path = format!("{ROOT}/testdata/article/{ARTICLE}.json");
    let told = explained(&["-t", "nginx:latest", &path]);
    let steps = list(&told["history"]["steps"]);
    assert_eq!((steps.len(), &told["history"]["withLayer"]), (11, &json!(3)));
    assert_eq!(told["history"]["empty"], 8);
    let made: Vec<&Value> = steps.iter().filter(|step| !step["layer"].is_null()).collect();
    let begins = ["ADD file:5ffb798d", "set -x     && addgroup", "ln -sf /dev/stdout"];
    for ((step, begin), layer) in made.into_iter().zip(begins).zip(list(&told["layers"])) {
        assert!(text(&step["createdBy"]).contains(begin), "{step}");
        assert_eq!(step["diffId"], layer["diffId"]);
    }
    // No layer is here, so no registry document can be made, and no conversion planned.
    for at in [1, 2, 3] {
        assert_eq!(told["documents"]["documents"][at]["origin"], "missing");
    }
    assert!(told["conversions"]["note"].is_string());
    let conversions = list(&told["conversions"]["conversions"]);
    assert!(conversions.iter().all(|it| it["refused"].is_string()), "{conversions:#?}");
    let get = format!("/v2/library/nginx/blobs/sha256:{ARTICLE}");
    let paths =
        list(&told["pull"]["sides"][0]["steps"]).iter().flat_map(|it| list(&it["requests"]));
    assert!(paths.into_iter().any(|it| it["path"] == get && it["size"] == 6714));
    // A config alone, as a pipe.
    let piped = imgconv_with(
        &std::fs::read(&path).unwrap(),
        &["explain", "--format", "json", "-t", "nginx:latest", "-"],
    )
    .ok();
    let mut piped = check::json(&piped.out);
    piped["source"] = told["source"].clone();
    assert_eq!(piped, told);
}

#[test]
fn the_config_with_its_stored_top_layer_has_the_articles_sha256sum() {
    let layer = std::fs::read_dir(format!("{ROOT}/testdata/article")).unwrap();
    let layer = layer.map(|it| it.unwrap().path()).find(|it| it.extension().unwrap() == "tar");
    let plain = std::fs::read(layer.unwrap()).unwrap();
    let told =
        explained(&["--topic", "history", &format!("{ROOT}/testdata/article/{ARTICLE}.json")]);
    assert_eq!(told["layers"][2]["diffId"], format!("sha256:{}", hex(&plain)));
}

#[test]
fn topics_are_told_one_by_one_and_platforms_one_at_a_time() {
    let place = Place::new();
    let source = place.put("both.tar", &platforms().tar(""));
    let amd = explained(&["-i", "@0", "-p", "linux/amd64", &source]);
    assert_eq!(amd["platform"], "linux/amd64");
    assert_eq!(amd["otherPlatforms"], json!(["linux/arm64"]));
    let keys =
        ["digests", "documents", "manifestJson", "pull", "push", "conversions", "ids", "history"];
    let topics =
        ["digests", "documents", "manifest-json", "pull", "push", "conversions", "ids", "history"];
    for (key, topic) in keys.into_iter().zip(topics) {
        let one = explained(&["--topic", topic, "-i", "@0", "-p", "linux/amd64", &source]);
        let there: Vec<&str> = keys.into_iter().filter(|it| !one[*it].is_null()).collect();
        assert_eq!(there, [key]);
        assert_eq!(one[key], amd[key]);
    }
}

#[test]
fn threads_and_pipes_change_nothing() {
    let place = Place::new();
    for (name, path, files) in sources(&place) {
        let options = &known(&files)[0].options;
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        for format in ["json", "html"] {
            let run = |threads| {
                let arguments =
                    [&["explain", "--format", format, "-j", threads], options.as_slice(), &[&path]];
                imgconv(&arguments.concat()).ok().out
            };
            assert!(run("1") == run("8"), "{name} {format}");
        }
        if !std::path::Path::new(&path).is_file() {
            continue;
        }
        let mut told = explained(&[options.as_slice(), &[&path]].concat());
        let bytes = std::fs::read(&path).unwrap();
        let piped = [&["explain", "--format", "json"], options.as_slice(), &["-"]].concat();
        let mut piped = check::json(&imgconv_with(&bytes, &piped).ok().out);
        told["source"] = Value::Null;
        piped["source"] = Value::Null;
        assert!(told == piped, "{name}");
    }
}
