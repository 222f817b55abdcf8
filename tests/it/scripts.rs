//! What a script relies on: one document per stream, one shape of a finding, nothing that was asked for
//! is missing, and messages carry the codes of the JSON.

use serde_json::{Value, json};

use crate::build::check::{json as parsed, list, text};
use crate::build::classic::{Repeat, archive};
use crate::build::image::Image;
use crate::build::run::{Place, imgconv};

fn one() -> Image {
    Image::new(&["base", "top"]).named(&["demo/app:1"])
}

fn two() -> Vec<u8> {
    archive(&[one(), Image::new(&["base", "other"]).named(&["demo/other:1"])], Repeat::Symlink)
}

/// An archive with a note: bytes behind its end.
fn odd() -> Vec<u8> {
    [archive(&[one()], Repeat::Symlink), b"left over".repeat(100)].concat()
}

#[test]
fn beside_an_archive_on_standard_output_the_json_is_alone() {
    let place = Place::new();
    let layout = place.path("layout");
    let source = place.put("odd.tar", &odd());
    imgconv(&["save2oci", &source, &layout]).ok();
    for options in [&[][..], &["-v"], &["-q"]] {
        let classic = ["oci2save", &layout, "-", "-d", "classic", "--format", "json"];
        let ran = imgconv(&[&classic, options].concat()).ok();
        let answer = parsed(ran.err.as_bytes());
        assert_eq!(answer["losses"][0]["code"], "manifest", "{options:?}");
        let ran =
            imgconv(&[&["convert", &source, "-", "--to", "oci"], &classic[5..], options].concat());
        assert!(ran.out.starts_with(b"blobs"), "{options:?}");
        let answer = parsed(ran.ok().err.as_bytes());
        assert_eq!(answer["findings"][0]["code"], "trailing-data", "{options:?}");
        // A failure is the document; no text is beside it, and the archive has no JSON in it.
        let ran = imgconv(&[&classic[..], &["--strict"], options].concat());
        assert_eq!((ran.code, ran.out.as_slice()), (Some(1), &b""[..]), "{options:?}");
        assert_eq!(parsed(ran.err.as_bytes())["error"]["code"], "strict", "{options:?}");
    }
}

#[test]
fn a_finding_is_the_same_object_in_every_command() {
    let place = Place::new();
    let source = place.put("odd.tar", &odd());
    let answer = |args: &[&str]| parsed(&imgconv(&[args, &["--format", "json"]].concat()).out);
    let verified = answer(&["verify", &source]);
    let finding = &verified["sources"][0]["findings"][0];
    let keys: Vec<&String> = finding.as_object().unwrap().keys().collect();
    let mut expected = ["code", "severity", "kind", "at", "text", "expected", "found", "hint"];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!((&finding["code"], &finding["kind"]), (&json!("trailing-data"), &Value::Null));
    for args in [
        vec!["inspect", &source],
        vec!["explain", &source],
        vec!["save2oci", "-n", &source, "unwritten"],
        vec!["save2oci", &source, &place.path("layout")],
    ] {
        assert_eq!(answer(&args)["findings"], json!([finding]), "{args:?}");
    }
    // A problem is the same for `verify`, `inspect` and as the error of a conversion.
    let mut bytes = archive(&[one()], Repeat::Symlink);
    bytes.truncate(9000);
    let source = place.put("part.tar", &bytes);
    let error = answer(&["save2oci", &source, &place.path("out")])["error"].clone();
    assert_eq!(error["kind"], "damaged");
    assert_eq!(answer(&["verify", &source])["sources"][0]["findings"], json!([error]));
}

#[test]
fn messages_carry_the_codes_of_the_json() {
    let place = Place::new();
    let (source, layout) = (place.put("odd.tar", &odd()), place.path("layout"));
    let told = imgconv(&["save2oci", &source, &layout]).ok().err;
    assert!(told.lines().any(|it| it.starts_with("note: ") && it.ends_with(" [trailing-data]")));
    let told = imgconv(&["oci2save", &layout, &place.path("old.tar"), "-d", "classic"]).ok().err;
    assert!(told.lines().any(|it| it.starts_with("warning: ") && it.ends_with(" [manifest]")));
    for (args, code) in [
        (vec!["inspect", "nowhere.tar"], "open"),
        (vec!["inspect", "-i", "demo/none", &source], "no-such-image"),
        (vec!["inspect", "-p", "linux/s390x", &source], "no-such-platform"),
        (vec!["save2oci", &source, &layout], "exists"),
    ] {
        let told = imgconv(&args).refused(2, &[]).err;
        let line = told.lines().find(|it| it.starts_with("error: ")).unwrap();
        assert!(line.ends_with(&format!(" [{code}]")), "{line}");
        let error = parsed(&imgconv(&[&args[..], &["--format", "json"]].concat()).out);
        assert_eq!(error["error"]["code"], code);
        assert!(line.contains(text(&error["error"]["text"])), "{line}");
        imgconv(&["explain", code]).ok();
    }
}

#[test]
fn manifest_show_and_diff_leave_nothing_out_of_a_source_of_several_images() {
    let place = Place::new();
    let source = place.put("two.tar", &two());
    let layout = place.path("layout");
    imgconv(&["save2oci", &source, &layout]).ok();
    imgconv(&[
        "convert",
        &layout,
        &layout,
        "--to",
        "oci",
        "--append",
        "-i",
        "@0",
        "-t",
        "demo/too:1",
    ])
    .ok();
    for place in [&source, &layout] {
        let shown = parsed(&imgconv(&["manifest", "show", "--format", "json", place]).ok().out);
        let inspected = parsed(&imgconv(&["inspect", "--format", "json", place]).ok().out);
        let names = |all: &Value| {
            let mut names: Vec<Value> =
                list(all).iter().flat_map(|it| list(&it["names"]).to_vec()).collect();
            names.sort_by_key(ToString::to_string);
            names
        };
        assert_eq!(list(&shown["documents"]).len(), 2);
        assert_eq!(names(&shown["documents"]), names(&inspected["images"]));
        let told = String::from_utf8(imgconv(&["manifest", "show", place]).ok().out).unwrap();
        for name in names(&shown["documents"]) {
            assert!(told.contains(text(&name)), "{name} is not in {told}");
        }
    }
    let less = place.path("less");
    imgconv(&["convert", &layout, &less, "--to", "oci", "-i", "demo/other:1"]).ok();
    let args = ["manifest", "diff", &layout, &less];
    let told = imgconv(&args).refused(1, &["differ"]);
    let told = String::from_utf8(told.out).unwrap();
    assert_eq!(told, "demo/other:1:\nthe same bytes\nonly in the first: demo/app:1, demo/too:1\n");
    let answer = parsed(&imgconv(&[&args[..], &["--format", "json"]].concat()).out);
    assert_eq!(answer["documents"][0]["sameBytes"], true);
    assert_eq!(answer["onlyA"][0]["names"], json!(["demo/app:1", "demo/too:1"]));
    assert_eq!(answer["onlyB"], json!([]));
    imgconv(&["manifest", "diff", &layout, &layout]).ok();
    // Where one document is needed, the message lists what can be chosen, and how.
    for args in [&["explain"][..], &["manifest", "digest"], &["manifest", "show", "--raw"]] {
        imgconv(&[args, &[&source]].concat()).refused(
            2,
            &[
                "expected one image",
                "@0 (demo/app:1)",
                "@1 (demo/other:1)",
                "hint: choose one with --image",
            ],
        );
    }
}

#[test]
fn every_schema_describes_an_answer_of_the_version_that_it_names() {
    let place = Place::new();
    let source = place.put("odd.tar", &odd());
    for args in [
        vec!["inspect", &source],
        vec!["verify", &source],
        vec!["verify", "--list-checks"],
        vec!["explain", "--list"],
        vec!["explain", "zstd"],
        vec!["history", &source],
        vec!["manifest", "show", &source],
        vec!["compare", &source, &source],
        vec!["inspect", "nowhere.tar"],
        vec!["inspect", "--wrong"],
    ] {
        let answer = parsed(&imgconv(&[&args[..], &["--format", "json"]].concat()).out);
        assert_eq!(answer["version"], 1, "{args:?}");
    }
}
