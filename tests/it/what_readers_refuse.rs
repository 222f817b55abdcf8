//! What programs cannot read is noted, with all of them; the catalogue, `verify`, conversions and
//! `explain` say the same. `judged_readers.rs` gives the same inputs to the programs.

use imgconv::image::readers::READERS;
use serde_json::{Value, json};

use crate::build::check::{self, list, text};
use crate::build::image::Image;
use crate::build::layout::{Layout, MediaFamily};
use crate::build::others::ggcr;
use crate::build::run::{Place, imgconv};
use crate::refused_inputs::{config_fields, entries, samples};

/// The notes of `verify`: code and text.
fn notes(source: &str) -> Vec<(String, String)> {
    let answer = check::json(&imgconv(&["verify", "--format", "json", source]).ok().out);
    let findings = list(&answer["sources"][0]["findings"]).iter();
    findings.map(|it| (text(&it["code"]).to_owned(), text(&it["text"]).to_owned())).collect()
}

/// Which programs a note names, in the order of its text.
fn named(note: &str) -> Vec<&str> {
    let known = ["containerd", "crane", "docker", "podman", "skopeo", "umoci", "zstd"];
    let who = note.rsplit_once(", which ").map_or("", |it| it.1);
    let words = who.split([',', ' ']).filter(|word| known.contains(word));
    words.collect()
}

#[test]
fn each_field_of_a_config_is_noted_with_those_who_cannot_decode_it() {
    for (field, change, refusers) in config_fields() {
        let place = Place::new();
        let image = Image::new(&["base"]).named(&["demo/app:1"]);
        let mut config: Value = serde_json::from_slice(&image.config).unwrap();
        change(&mut config);
        let image = image.config(config.to_string());
        let source = place.put("source.tar", &ggcr(std::slice::from_ref(&image)));
        let found = notes(&source);
        assert_eq!(found.len(), 1, "{field}: {found:?}");
        let (code, note) = &found[0];
        assert!(note.contains(field), "{field} is not in {note:?}");
        let mut who = named(note);
        who.sort_unstable();
        assert_eq!(who, refusers, "{field}: {note}");
        let docker = refusers.contains(&"docker") && code != "config-string";
        let want = if docker { "config-undecodable" } else { "config-string" };
        assert_eq!(code, want, "{field}");
        // A conversion says it in the same words, and --strict refuses it.
        let ran = imgconv(&["save2oci", &source, &place.path("out")]).ok();
        assert!(ran.err.contains(note.as_str()), "{field}: {}", ran.err);
        let strict = imgconv(&["save2oci", "--strict", &source, &place.path("strict")]);
        strict.refused(1, &[field]);
    }
    // null, and what no structure has, is fine everywhere.
    let place = Place::new();
    let odd = json!({"config": {"Env": null, "Cmd": null, "Unknown": 1, "Volumes": {"/v": null}},
        "author": null, "history": null, "moby.buildkit.cache.v0": [1]});
    let source = place.put("source.tar", &ggcr(&[Image::new(&["base"]).with(&odd)]));
    assert_eq!(notes(&source), []);
}

/// Hundreds of steps by one program are one note.
#[test]
fn of_a_history_the_first_step_that_cannot_be_decoded_is_enough() {
    let place = Place::new();
    let good = json!({"created": "2020-01-02T03:04:05Z", "created_by": "x", "empty_layer": true});
    let bad = json!({"created": "yesterday", "author": 1, "created_by": "x", "empty_layer": true});
    let layer = json!({"created_by": "x"});
    let history = json!({"history": [good, bad, bad, layer]});
    let source = place.put("source.tar", &ggcr(&[Image::new(&["base"]).with(&history)]));
    let found = notes(&source);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|it| it.1.contains("history[1].")), "{found:?}");
}

#[test]
fn every_row_has_an_input_that_is_noted_with_all_its_programs() {
    for row in READERS {
        let refusers: Vec<&str> = row.refusers.iter().map(|it| it.program).collect();
        if row.code == "docker-zstd" {
            continue; // of documents alone, in `manifests_named.rs`
        }
        let samples = samples(row);
        assert!(!samples.is_empty(), "{}: {}", row.code, row.sentence);
        for sample in samples {
            let place = Place::new();
            let source = sample.put(&place, "odd");
            let said = match sample.made_by {
                // What a conversion makes is noted where it is made.
                Some(options) => {
                    let out = place.path("out.tar");
                    let words = [&["convert", &source, &out], options].concat();
                    imgconv(&words).ok().err
                }
                None => imgconv(&["verify", &source]).out_text(),
            };
            for who in &refusers {
                assert!(said.contains(who), "{} {}: {who} is not in {said}", row.code, sample.name);
            }
        }
        let explained = check::json(&imgconv(&["explain", row.code, "--format", "json"]).ok().out);
        let rows = list(&explained["codes"][0]["readers"]);
        let own = rows.iter().find(|it| it["what"] == row.sentence).unwrap();
        let programs: Vec<&str> =
            list(&own["refusers"]).iter().map(|it| text(&it["program"])).collect();
        assert_eq!(programs, row.refusers.iter().map(|it| it.program).collect::<Vec<_>>());
        let page = imgconv(&["explain", row.code]).ok();
        for version in row.refusers.iter().flat_map(|it| it.versions) {
            assert!(page.out_text().contains(version), "{}: {version}", row.code);
        }
    }
}

#[test]
fn an_oci_archive_of_several_entries_is_named_and_of_one_is_not() {
    let place = Place::new();
    for (count, noted) in [(1, false), (2, true), (3, true)] {
        let source = place.path(&format!("layout{count}"));
        entries(count).write(std::path::Path::new(&source));
        for (to, here) in [("oci-archive", noted), ("oci", false), ("docker-archive", false)] {
            let out = place.path(&format!("{count}{to}"));
            let ran = imgconv(&["convert", &source, &out, "--to", to]).ok();
            assert_eq!(ran.err.contains("which podman refuses"), here, "{to}: {}", ran.err);
            // It is what was asked for.
            let strict = place.path(&format!("{count}{to}strict"));
            imgconv(&["convert", "--strict", &source, &strict, "--to", to]).ok();
        }
    }
}

/// podman takes a short name of manifest.json for one of localhost.
#[test]
fn several_names_in_a_universal_archive_are_full_names() {
    let place = Place::new();
    let tags = |names: &[&str]| {
        let source = place.put("source.tar", &ggcr(&[Image::new(&["base"]).named(names)]));
        let out = place.path("out.tar");
        imgconv(&["convert", &source, &out, "--to", "docker-archive"]).ok();
        let files = check::archive(&std::fs::read(&out).unwrap());
        std::fs::remove_file(&out).unwrap();
        check::json(&files["manifest.json"])[0]["RepoTags"].clone()
    };
    assert_eq!(tags(&["app:1"]), json!(["app:1"]));
    assert_eq!(
        tags(&["app:1", "me/app:2"]),
        json!(["docker.io/library/app:1", "docker.io/me/app:2"])
    );
    assert_eq!(tags(&["x.test/app:1", "x.test/app:2"]), json!(["x.test/app:1", "x.test/app:2"]));
}

#[test]
fn a_layout_without_its_marker_is_read_with_a_note() {
    let place = Place::new();
    let layout = entries(1);
    let files = layout.files().into_iter().map(|(name, data)| (name.to_owned(), data));
    let files: Vec<(String, Vec<u8>)> = files.filter(|it| it.0 != "oci-layout").collect();
    let folder = place.path("folder");
    for (name, data) in &files {
        let path = std::path::Path::new(&folder).join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, data).unwrap();
    }
    let mut tar = crate::build::tar::Tar::new();
    let tar = place.put("layout.tar", &tar.files(&files).end());
    for source in [&folder, &tar] {
        let found = notes(source);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "layout-marker");
        let out = place.path("out");
        imgconv(&["convert", source, &out, "--to", "oci"]).ok();
        imgconv(&["verify", "--strict", &out]).ok();
        std::fs::remove_dir_all(out).unwrap();
        imgconv(&["convert", "--strict", source, &place.path("no"), "--to", "oci"])
            .refused(1, &["oci-layout"]);
    }
    // A file of another program that has the same name is not a layout.
    for (number, other) in ["{}", "[]", "{\"name\": \"a\"}"].iter().enumerate() {
        let folder = place.dir(&format!("other{number}"));
        std::fs::write(std::path::Path::new(&folder).join("index.json"), other).unwrap();
        imgconv(&["convert", &folder, &place.path("out"), "--to", "oci"])
            .refused(1, &["oci-layout"]);
    }
}

#[test]
fn a_name_of_several_images_means_the_one_of_the_platform() {
    let place = Place::new();
    let mut layout = Layout::new();
    let mut ids = Vec::new();
    for architecture in ["amd64", "arm64", "s390x"] {
        let image = Image::new(&["base", architecture]).arch(architecture);
        ids.push(image.id());
        let manifest = layout.image(&image, MediaFamily::Oci);
        layout.named(&manifest, "1", Some("docker.io/demo/app:1"));
    }
    let source = place.path("layout");
    layout.write(std::path::Path::new(&source));
    for (at, architecture) in ["amd64", "arm64", "s390x"].iter().enumerate() {
        let chosen =
            ["-i", "demo/app:1", "-p", &format!("linux/{architecture}")].map(str::to_owned);
        let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
        for words in [
            vec!["inspect", &source],
            vec!["history", &source],
            vec!["explain", &source],
            vec!["manifest", "show", &source],
        ] {
            let ran = imgconv(&[words.clone(), chosen.clone()].concat());
            assert_eq!(ran.code, Some(0), "{words:?} {}", ran.err);
        }
        for to in ["oci", "docker-archive"] {
            let out = place.path(&format!("{architecture}{to}"));
            let ran =
                imgconv(&[vec!["convert", &source, &out, "--to", to], chosen.clone()].concat())
                    .ok();
            assert!(ran.out_text().contains(&ids[at]), "{}", ran.out_text());
        }
    }
    let two = [
        "convert",
        &source,
        &place.path("x"),
        "--to",
        "oci",
        "-i",
        "demo/app:1",
        "-p",
        "linux/amd64",
        "-p",
        "linux/arm64",
    ];
    imgconv(&two).refused(1, &["demo/app:1"]);
    let none = [
        "convert",
        &source,
        &place.path("x"),
        "--to",
        "oci",
        "-i",
        "demo/app:1",
        "-p",
        "linux/riscv64",
    ];
    assert_ne!(imgconv(&none).code, Some(0));
}
