//! `roundtrip`: the image is the same through every form, and what others change is named.

use std::process::Command;

use serde_json::Value;

use crate::build::check::{list, text};
use crate::build::run::{Place, imgconv, imgconv_with};
use crate::judges::{absent, find};

const ARCHIVES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives");

fn steps(arguments: &[&str]) -> Vec<Value> {
    let ran = imgconv(&[&["roundtrip", "--format", "json"], arguments].concat()).ok();
    let answer: Value = serde_json::from_slice(&ran.out).unwrap();
    list(&answer["steps"]).to_vec()
}

#[test]
fn every_stored_archive_is_the_same_image_through_every_form() {
    for entry in std::fs::read_dir(ARCHIVES).unwrap() {
        let path = entry.unwrap().path();
        let steps = steps(&[path.to_str().unwrap()]);
        // A layout, four dialects, and back from each.
        assert_eq!(steps.len(), 9, "{}", path.display());
        for step in steps {
            let level = text(&step["level"]);
            assert!(["image", "manifest", "bytes"].contains(&level), "{}: {step}", path.display());
        }
    }
}

#[test]
fn a_layout_comes_back_byte_for_byte_through_the_universal_dialect() {
    let place = Place::new();
    let layout = place.path("layout");
    imgconv(&["save2oci", &format!("{ARCHIVES}/docker-20.10-several.tar"), &layout]).ok();
    let steps = steps(&[&layout]);
    let of = |name: &str| steps.iter().find(|it| it["through"] == name).unwrap().clone();
    assert_eq!(of("layout")["level"], "bytes");
    assert_eq!(of("universal")["level"], "manifest");
    assert_eq!(of("universal, and back")["level"], "bytes");
    assert_eq!(of("classic")["codes"], serde_json::json!(["manifest", "recompressed"]));
}

#[test]
fn a_pipe_goes_round_too_and_a_damaged_source_does_not() {
    let bytes = std::fs::read(format!("{ARCHIVES}/docker-20.10-one.tar")).unwrap();
    let ran = imgconv_with(&bytes, &["roundtrip", "-"]).ok();
    assert!(ran.lines()[0].starts_with("THROUGH "));
    imgconv_with(&bytes[..9000], &["roundtrip", "-"]).refused(1, &["truncated"]);
}

#[test]
fn what_skopeo_and_umoci_change_is_shown_and_does_not_count() {
    if find("skopeo").is_none() || find("umoci").is_none() {
        return;
    }
    let source = format!("{ARCHIVES}/docker-20.10-one.tar");
    let steps = steps(&["--with", "skopeo,umoci", &source]);
    let of = |name: &str| steps.iter().find(|it| it["through"] == name).unwrap().clone();
    let copied = of("skopeo copy docker-archive: oci:");
    assert_eq!((&copied["level"], &copied["counts"]), (&"content".into(), &false.into()));
    assert!(list(&copied["lostFields"]).contains(&"config.Healthcheck".into()), "{copied}");
    assert_eq!(of("skopeo copy oci: docker-archive:")["level"], "image");
    assert_eq!(of("umoci config")["level"], "content");
}

/// The table in docs/comparison.md, for those programs whose versions it names.
#[test]
fn what_other_programs_change_is_as_comparison_md_has_it() {
    let page = include_str!("../../docs/comparison.md");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = page.lines().map(words).collect();
    let source = format!("{ARCHIVES}/docker-20.10-one.tar");
    for program in ["podman", "skopeo", "umoci"] {
        let Some(path) = find(program) else { continue };
        let version = Command::new(path).arg("--version").output().unwrap().stdout;
        let version = String::from_utf8(version).unwrap();
        let version = version.split([' ', '+', '\n']).nth(2).unwrap_or_default();
        if !page.contains(&format!("{program} {version}")) {
            absent(&format!("{program} {version} is not of docs/comparison.md"));
            continue;
        }
        let ran = imgconv(&["roundtrip", "--with", program, &source]).ok();
        // A line of headings, and the nine ways through imgconv itself.
        let theirs: Vec<String> = ran.lines().into_iter().skip(10).map(words).collect();
        assert!(theirs.len() >= 2, "{program}: {theirs:?}");
        for line in theirs {
            assert!(lines.contains(&line), "docs/comparison.md lacks: {line}");
        }
    }
}
