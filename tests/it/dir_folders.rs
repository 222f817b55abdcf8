//! Folders of skopeo's `dir:`, as a source and as a destination.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::build::codec::Codec;
use crate::build::image::{Image, digest};
use crate::build::layout::{Layout, MediaFamily, on_platform};
use crate::build::run::{Place, imgconv, refused};
use crate::judges::today::today;
use crate::judges::{digest as digest_of, find, run};

const VERSION: &[u8] = b"Directory Transport Version: 1.1\n";

/// An image of two layers.
fn one(family: MediaFamily) -> Layout {
    Layout::nameless(&["one", "two"], family)
}

/// An index of two platforms.
fn two(family: MediaFamily) -> Layout {
    let mut layout = Layout::new();
    let children: Vec<Value> = ["amd64", "arm64"]
        .iter()
        .map(|arch| {
            let image = Image::new(&["shared", arch]).stored(&[Codec::Gzip, Codec::Gzip]);
            let descriptor = layout.image(&image.arch(arch), family);
            on_platform(descriptor, "linux", arch)
        })
        .collect();
    let index = layout.nest(family, &children);
    layout.entry(index);
    layout
}

/// The digest of the only entry.
fn entry(layout: &Layout) -> String {
    let index: Value = serde_json::from_slice(&layout.files()["index.json"]).unwrap();
    index["manifests"][0]["digest"].as_str().unwrap().to_owned()
}

/// The files of a folder.
fn files(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let name = |it: &Path| it.file_name().unwrap().to_str().unwrap().to_owned();
    files.map(|it| (name(&it), fs::read(&it).unwrap())).collect()
}

/// What skopeo would write of this layout.
fn expected(layout: &Layout) -> BTreeMap<String, Vec<u8>> {
    let top = entry(layout);
    let blobs = layout.files().into_iter().filter_map(|(path, raw)| {
        let hex = path.strip_prefix("blobs/")?.split_once('/')?.1.to_owned();
        let is_manifest =
            serde_json::from_slice::<Value>(&raw).is_ok_and(|it| it.get("schemaVersion").is_some());
        let name = match (digest(&raw) == top, is_manifest) {
            (true, _) => "manifest.json".to_owned(),
            (_, true) => format!("{hex}.manifest.json"),
            _ => hex,
        };
        Some((name, raw))
    });
    blobs.chain([("version".to_owned(), VERSION.to_vec())]).collect()
}

fn all() -> [Layout; 4] {
    [
        one(MediaFamily::Oci),
        one(MediaFamily::Docker),
        two(MediaFamily::Oci),
        two(MediaFamily::Docker),
    ]
}

#[test]
fn a_layout_and_a_folder_become_each_other_byte_for_byte() {
    for layout in all() {
        let place = Place::new();
        layout.write(place.dir("layout").as_ref());
        let (source, folder) = (place.path("layout"), place.path("folder"));
        let ran = imgconv(&["convert", &source, &format!("dir:{folder}")]).ok();
        assert!(ran.out_text().contains(&entry(&layout)), "{}", ran.out_text());
        assert_eq!(files(&folder), expected(&layout));
        imgconv(&["verify", "--strict", &folder]).ok();
        imgconv(&["compare", "--level", "manifest", &folder, &source]).ok();
        // Back, from a path without a prefix: the content says what it is.
        imgconv(&["convert", &folder, &format!("oci:{}", place.path("back"))]).ok();
        let blobs = |layout: &Path| {
            let files = crate::build::check::folder(layout).into_iter();
            files.filter(|it| it.0.starts_with("blobs/")).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(blobs(place.path("back").as_ref()), blobs(source.as_ref()));
        let again = place.path("again");
        imgconv(&["convert", "--strict", &folder, &again, "--to", "dir"]).ok();
        assert_eq!(files(&again), expected(&layout));
    }
}

#[test]
fn every_verb_reads_a_folder() {
    let place = Place::new();
    let layout = two(MediaFamily::Oci);
    layout.write(place.dir("layout").as_ref());
    let folder = place.path("folder");
    imgconv(&["convert", &place.path("layout"), &format!("dir:{folder}")]).ok();
    let folder = format!("dir:{folder}");
    let shown = imgconv(&["inspect", "--format", "json", &folder]).ok();
    let shown: Value = serde_json::from_str(&shown.out_text()).unwrap();
    assert_eq!(shown["formats"].to_string(), "[\"dir\"]", "{shown}");
    let shown = imgconv(&["manifest", "digest", &folder]).ok();
    assert_eq!(shown.lines(), [entry(&layout).as_str()]);
    for arguments in [
        &["history", "-p", "linux/arm64"][..],
        &["verify", "--strict"],
        &["explain", "-p", "linux/arm64"],
        &["manifest", "show"],
        &["roundtrip"],
    ] {
        imgconv(&[arguments, &[&folder]].concat()).ok();
    }
    let archive = place.path("named.tar");
    imgconv(&["convert", &folder, &archive, "--to", "docker-archive", "-t", "a/b:1"]).ok();
    assert!(imgconv(&["inspect", &archive]).ok().out_text().contains("a/b:1"));
    refused(&place, &["inspect", &format!("oci:{}", place.path("folder"))], 2, &["try dir:"]);
}

#[test]
fn a_damaged_folder_is_refused() {
    let good = expected(&one(MediaFamily::Oci));
    for (name, raw) in &good {
        let write = |changed: Option<&[u8]>| {
            let place = Place::new();
            let folder = place.dir("folder");
            for (other, raw) in good.iter().filter(|it| it.0 != name) {
                fs::write(Path::new(&folder).join(other), raw).unwrap();
            }
            if let Some(changed) = changed {
                fs::write(Path::new(&folder).join(name), changed).unwrap();
            }
            (place, format!("dir:{folder}"))
        };
        let (place, folder) = write(None);
        let missing = imgconv(&["verify", &folder]);
        match name.as_str() {
            // skopeo does not need it either.
            "version" => drop(missing.ok()),
            "manifest.json" => {
                let said = format!("{}{}", missing.out_text(), missing.err);
                assert_ne!(missing.code, Some(0));
                assert!(said.contains("no manifest of skopeo's dir:"), "{said}");
            }
            _ => {
                // The place of a missing file is its name in the folder.
                let hex = name.strip_suffix(".manifest.json").unwrap_or(name);
                assert!(missing.out_text().contains(hex), "{}", missing.out_text());
                assert!(!missing.out_text().contains("blobs/"), "{}", missing.out_text());
            }
        }
        drop(place);
        // Nothing in a folder says what the digest of its manifest is.
        if name == "version" || name == "manifest.json" {
            continue;
        }
        let mut wrong = raw.clone();
        let middle = wrong.len() / 2;
        wrong[middle] ^= 1;
        let (place, folder) = write(Some(&wrong));
        let found = imgconv(&["verify", &folder]);
        assert_eq!(found.code, Some(1), "{name}: {}", found.out_text());
        let to = format!("oci:{}", place.path("out"));
        refused(&place, &["convert", &folder, &to], 1, &[]);
    }
}

#[test]
fn a_stray_file_is_noted_and_a_signature_too() {
    let place = Place::new();
    let folder = place.dir("folder");
    for (name, raw) in expected(&one(MediaFamily::Oci)) {
        place.put(&format!("folder/{name}"), &raw);
    }
    place.put("folder/signature-1", b"\0sigstore-json\n{}");
    place.put("folder/notes.txt", b"mine");
    place.put(&format!("folder/{}", &digest(b"other")[7..]), b"other");
    let found = imgconv(&["verify", &folder]).ok().out_text();
    for code in ["signature-apart", "file-stray", "blob-unreferenced"] {
        assert_eq!(found.matches(code).count(), 1, "{code}: {found}");
    }
    refused(
        &place,
        &["convert", "--strict", &folder, &place.path("out"), "--to", "oci"],
        1,
        &["signature"],
    );
}

/// The manifest says all that is needed of the blobs, whatever the version.
#[test]
fn every_version_of_a_folder_is_read() {
    for version in ["1.1", "1.2", "2.0"] {
        let place = Place::new();
        let folder = place.dir("folder");
        for (name, raw) in expected(&one(MediaFamily::Oci)) {
            place.put(&format!("folder/{name}"), &raw);
        }
        place.put("folder/version", format!("Directory Transport Version: {version}\n").as_bytes());
        imgconv(&["verify", "--strict", &folder]).ok();
        imgconv(&["convert", &folder, &place.path("out"), "--to", "oci"]).ok();
    }
}

#[test]
fn a_folder_holds_one_image_without_a_name() {
    let place = Place::new();
    let several =
        concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/docker-20.10-several.tar");
    let one = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/docker-20.10-one.tar");
    let out = format!("dir:{}", place.path("out"));
    refused(&place, &["convert", several, &out], 2, &["holds one image or index", "--image", "@1"]);
    refused(&place, &["convert", one, &out, "--append"], 2, &["an image to add"]);
    refused(&place, &["convert", one, &out, "-t", "a:1"], 2, &["a new name"]);
    refused(&place, &["convert", one, "-", "--to", "dir"], 2, &["a pipe"]);
    refused(&place, &["convert", one, &out, "-d", "classic"], 2, &["--dialect"]);
    refused(&place, &["convert", one, &out, "--strict"], 1, &["no place for a name"]);
    let said = imgconv(&["convert", several, &out, "-i", "@1"]).ok();
    assert!(said.err.contains("[nameless]"), "{}", said.err);
    imgconv(&["verify", "--strict", &out]).ok();
    refused(&place, &["convert", one, &out], 2, &["exists"]);
    // As in skopeo, a colon is part of the path.
    imgconv(&["convert", one, &format!("dir:{}", place.path("a:b"))]).ok();
    assert!(files(&place.path("a:b")).contains_key("version"));
}

#[test]
fn a_schema_1_manifest_is_a_document() {
    let place = Place::new();
    let one = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/docker-20.10-one.tar");
    let (folder, _) = (place.dir("folder"), place.dir("empty"));
    let to = place.path("folder/manifest.json");
    imgconv(&["manifest", "convert", "--to", "schema1", "--name", "a/b:1", one, &to]).ok();
    place.put("folder/version", VERSION);
    place.put("empty/manifest.json", b"{}");
    place.put("empty/version", VERSION);
    for verb in ["inspect", "verify"] {
        assert_eq!(imgconv(&[verb, &place.path("empty")]).code, Some(1), "{verb}");
    }
    assert!(imgconv(&["manifest", "show", &folder]).ok().out_text().contains("schema 1"));
    let out = format!("oci:{}", place.path("out"));
    refused(&place, &["convert", &folder, &out], 1, &["schema 1 manifest"]);
}

/// The skopeo of this machine, and that of today's distributions.
fn skopeos() -> Vec<Box<dyn Fn() -> Command>> {
    let mut found: Vec<Box<dyn Fn() -> Command>> = Vec::new();
    if let Some(path) = find("skopeo") {
        found.push(Box::new(move || Command::new(&path)));
    }
    if let Some(today) = today().filter(|it| it.has("skopeo")) {
        found.push(Box::new(|| today.command("skopeo")));
    }
    found
}

#[test]
fn skopeo_writes_what_imgconv_reads() {
    for skopeo in skopeos() {
        for layout in all() {
            let place = Place::new();
            layout.write(place.dir("layout").as_ref());
            let folder = place.path("folder");
            let from = format!("oci:{}", place.path("layout"));
            run(skopeo().args(["copy", "--quiet", "--all", &from, &format!("dir:{folder}")]));
            assert_eq!(files(&folder), expected(&layout));
            imgconv(&["verify", "--strict", &folder]).ok();
            let shown = imgconv(&["manifest", "digest", &folder]).ok();
            assert_eq!(shown.lines(), [entry(&layout).as_str()]);
        }
    }
}

#[test]
fn skopeo_reads_what_imgconv_writes() {
    for skopeo in skopeos() {
        for layout in all() {
            let place = Place::new();
            layout.write(place.dir("layout").as_ref());
            let folder = format!("dir:{}", place.path("folder"));
            imgconv(&["convert", &place.path("layout"), &folder]).ok();
            let raw = run(skopeo().args(["inspect", "--raw", &folder]));
            assert_eq!(digest_of(&raw), entry(&layout));
            let amd64 = ["--override-os", "linux", "--override-arch", "amd64"];
            let config = run(skopeo().args(amd64).args(["inspect", "--config", "--raw", &folder]));
            let id = digest_of(&config);
            assert!(
                layout.files().contains_key(format!("blobs/{}", id.replace(':', "/")).as_str())
            );
            let copied = place.path("copied");
            let to = format!("dir:{copied}");
            run(skopeo().args(["copy", "--quiet", "--all", &folder, &to]));
            assert_eq!(files(&copied), expected(&layout));
        }
    }
}
