//! `explain` foresees: digests and losses of each conversion are those of the conversion when it is
//! run, and each document is the one that `manifest convert` makes.

use std::path::Path;

use serde_json::{Value, json};

use crate::build::check::{self, Files, list, text};
use crate::build::image::digest;
use crate::build::known::{Known, known};
use crate::build::run::{Place, Ran, imgconv};
use crate::explain::{explained, sources};

/// How each row is asked for, and whether an archive comes out.
const ROWS: [(&str, &[&str]); 7] = [
    ("save2oci, convert --to oci", &["--to", "oci"]),
    ("save2oci -c zstd", &["--to", "oci", "-c", "zstd"]),
    ("save2oci -c none", &["--to", "oci", "-c", "none"]),
    ("oci2save", &["--to", "docker-archive"]),
    ("oci2save -d classic", &["--to", "docker-archive", "-d", "classic"]),
    ("oci2save -d hybrid", &["--to", "docker-archive", "-d", "hybrid"]),
    ("oci2save -d podman", &["--to", "docker-archive", "-d", "podman"]),
];

#[test]
fn every_conversion_gives_what_was_foreseen() {
    let all = Place::new();
    let mut count = 0;
    for (name, source, files) in sources(&all) {
        for image in known(&files) {
            let options: Vec<&str> = image.options.iter().map(String::as_str).collect();
            let told = explained(&[&["--topic", "conversions"], &options[..], &[&source]].concat());
            for (command, arguments) in ROWS {
                println!("{name} {options:?} {command}");
                let arguments = [arguments, &options[..]].concat();
                let row = list(&told["conversions"]["conversions"]);
                let row = row.iter().find(|it| it["command"] == command).unwrap();
                convert(&source, &arguments, row, &image);
                count += 1;
            }
        }
    }
    assert!(count > 150, "{count}");
}

fn convert(source: &str, arguments: &[&str], row: &Value, before: &Known) {
    let place = Place::new();
    let target = place.path("target");
    let arguments = [&["convert", "--format", "json", source, &target], arguments].concat();
    let ran = imgconv(&arguments);
    if let Some(why) = row["refused"].as_str() {
        ran.refused(1, &[why]);
        return;
    }
    let answer = check::json(&ran.ok().out);
    assert_eq!(answer["losses"], row["losses"], "losses");
    let files = match Path::new(&target).is_dir() {
        true => check::folder(Path::new(&target)),
        false => check::archive(&std::fs::read(&target).unwrap()),
    };
    let found = known(&files);
    let after = found.iter().find(|it| it.config == before.config).unwrap();
    for change in list(&row["changes"]) {
        let at = change["layer"].as_u64().map(|it| usize::try_from(it).unwrap() - 1);
        let (was, is) = match text(&change["name"]) {
            "image ID" => (Some(before.id()), Some(after.id())),
            "diff ID" => (
                Some(before.diff_ids()[at.unwrap()].clone()),
                Some(after.diff_ids()[at.unwrap()].clone()),
            ),
            "layer digest" => (stored(before, at.unwrap()), stored(after, at.unwrap())),
            "manifest digest" => (own(before), own(after)),
            "V1 layer ID" => (None, Some(folder(&files, at.unwrap()))),
            other => panic!("{other}"),
        };
        if change["name"] != "V1 layer ID" {
            assert_eq!(change["before"], json!(was), "{change}");
        }
        let fate = match (&was, &is) {
            (Some(was), Some(is)) if was == is => "same",
            (Some(_), Some(_)) => "new",
            (None, Some(_)) => "made",
            (Some(_), None) => "gone",
            (None, None) => "none",
        };
        match text(&change["name"]) {
            "V1 layer ID" if change["before"].is_string() => assert_eq!(change["fate"], "same"),
            _ => assert_eq!(change["fate"], fate, "{change}, {was:?} becomes {is:?}"),
        }
        if let Some(foreseen) = change["after"].as_str() {
            assert_eq!(Some(foreseen), is.as_deref(), "{change}");
        }
    }
}

/// The digest of a stored layer, where a manifest says it.
fn stored(image: &Known, layer: usize) -> Option<String> {
    image.manifest.as_ref().map(|_| digest(&image.stored[layer]))
}

fn own(image: &Known) -> Option<String> {
    image.manifest.as_ref().map(|raw| digest(raw))
}

/// The folder of a layer in an archive of one image.
fn folder(files: &Files, layer: usize) -> String {
    let items = check::json(&files["manifest.json"]);
    let path = text(&items[0]["Layers"][layer]);
    path.split('/').next().unwrap().to_owned()
}

#[test]
fn every_document_is_the_one_that_manifest_convert_makes() {
    let place = Place::new();
    let mut count = 0;
    for (name, source, files) in sources(&place) {
        for image in known(&files) {
            let options: Vec<&str> = image.options.iter().map(String::as_str).collect();
            let told = explained(&[&options[..], &[&source]].concat());
            // A manifest is chosen by its digest, as an index has several; what has none gets one.
            let here = Place::new();
            let (source, options) = match own(&image) {
                Some(digest) => (source.clone(), vec!["-i".to_owned(), digest]),
                None => {
                    let layout = here.path("layout");
                    imgconv(&[&["save2oci", &source, &layout], &options[..]].concat()).ok();
                    (layout, Vec::new())
                }
            };
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            for (at, to) in ["schema1", "schema2", "oci"].into_iter().enumerate() {
                println!("{name} {options:?} {to}");
                let document = &told["documents"]["documents"][at + 1];
                let arguments = ["manifest", "convert", "--to", to, &source];
                let mut arguments = [&arguments[..], &options[..]].concat();
                if let (Some(reference), "schema1") = (reference(&told), to) {
                    arguments.extend(["--name", reference]);
                }
                let row = list(&told["conversions"]["conversions"]);
                let command = format!("manifest convert --to {to}");
                let row = row.iter().find(|it| text(&it["command"]).ends_with(&command)).unwrap();
                same(imgconv(&arguments), document, row);
                count += 1;
            }
        }
    }
    assert!(count > 75, "{count}");
}

fn reference(told: &Value) -> Option<&str> {
    list(&told["names"]).first().map(text)
}

#[track_caller]
fn same(ran: Ran, document: &Value, row: &Value) {
    if document["origin"] == "missing" {
        assert_ne!(ran.code, Some(0), "{document}");
        assert!(row["refused"].is_string(), "{row}");
        return;
    }
    let made = ran.ok().out;
    if document["origin"] == "made" {
        assert_eq!(document["digest"], digest(&made), "{}", String::from_utf8_lossy(&made));
        assert_eq!(document["size"], made.len());
    }
    assert_eq!(row["refused"], Value::Null);
    let change = list(&row["changes"]).iter().find(|it| it["name"] == "manifest digest").unwrap();
    assert_eq!(change["after"], digest(&made));
}
