//! What `manifest convert` names: what Docker's readers refuse, and what an index no longer tells
//! apart.

use serde_json::{Value, json};

use crate::build::check::{self, list, text};
use crate::build::codec::Codec;
use crate::build::image::{Image, digest};
use crate::build::layout::{Layout, MediaFamily, on_platform};
use crate::build::run::{Place, imgconv};

/// The changes of a conversion: field and reason.
#[track_caller]
fn changes(arguments: &[&str]) -> (Value, Vec<(String, String)>) {
    let ran = imgconv(&[&["manifest", "convert"], arguments, &["--format", "json"]].concat()).ok();
    let answer = check::json(&ran.out);
    let pair = |it: &Value| (text(&it["field"]).to_owned(), text(&it["code"]).to_owned());
    let changes = list(&answer["changes"]).iter().map(pair).collect();
    (check::json(text(&answer["document"]).as_bytes()), changes)
}

fn of(changes: &[(String, String)], reason: &str) -> Vec<String> {
    changes.iter().filter(|it| it.1 == reason).map(|it| it.0.clone()).collect()
}

/// The bytes of a document that a layout holds.
fn document(layout: &Layout, descriptor: &Value) -> Vec<u8> {
    let path = format!("blobs/{}", text(&descriptor["digest"]).replace(':', "/"));
    layout.files()[path.as_str()].clone()
}

#[test]
fn zstd_layers_of_a_schema_2_manifest_are_named_with_who_cannot_read_them() {
    let place = Place::new();
    let mut layout = Layout::new();
    let image = Image::new(&["base", "top"]).stored(&[Codec::Gzip, Codec::Zstd]);
    let manifest = layout.image(&image, MediaFamily::Oci);
    let oci = place.put("oci.json", &document(&layout, &manifest));
    let (docker, found) = changes(&[&oci, "--to", "schema2"]);
    assert_eq!(of(&found, "docker-zstd"), ["layers[1].mediaType"]);
    let said = imgconv(&["manifest", "convert", &oci, "--to", "schema2"]).ok().err;
    for row in imgconv::image::readers::READERS.iter().filter(|it| it.code == "docker-zstd") {
        for refuser in row.refusers {
            assert!(said.contains(refuser.program), "{} is not in {said}", refuser.program);
        }
    }
    // Back it is only another name.
    let docker = place.put("docker.json", docker.to_string().as_bytes());
    assert_eq!(of(&changes(&[&docker, "--to", "oci"]).1, "docker-zstd"), [""; 0]);
    let gzip = Image::new(&["base"]).stored(&[Codec::Gzip]);
    let manifest = layout.image(&gzip, MediaFamily::Oci);
    let oci = place.put("gzip.json", &document(&layout, &manifest));
    assert_eq!(of(&changes(&[&oci, "--to", "schema2"]).1, "docker-zstd"), [""; 0]);
}

#[test]
fn entries_that_keep_the_types_of_the_other_family_are_named() {
    for (from, of_index, to) in [
        (MediaFamily::Oci, MediaFamily::Oci, "list"),
        (MediaFamily::Docker, MediaFamily::Docker, "index"),
        (MediaFamily::Oci, MediaFamily::Docker, "list"),
    ] {
        let place = Place::new();
        let mut layout = Layout::new();
        let mut children = Vec::new();
        for architecture in ["amd64", "arm64"] {
            let image = Image::new(&[architecture]).arch(architecture).stored(&[Codec::Gzip]);
            children.push(on_platform(layout.image(&image, from), "linux", architecture));
        }
        let index = layout.nest(of_index, &children);
        let index = place.put("index.json", &document(&layout, &index));
        let folder = place.path("layout");
        layout.write(std::path::Path::new(&folder));
        let (_, found) = changes(&[&index, "--to", to]);
        let want = ["manifests[0].mediaType", "manifests[1].mediaType"];
        assert_eq!(of(&found, "other-family"), want, "{to}");
        let out = place.path("children");
        let options = ["--children", &folder, "--children-out", &out];
        let (_, found) = changes(&[&[index.as_str(), "--to", to], &options[..]].concat());
        assert_eq!(of(&found, "other-family"), [""; 0], "{to}");
    }
}

#[test]
fn entries_that_become_one_manifest_are_named() {
    let image = || Image::new(&["base"]).stored(&[Codec::Gzip]);
    let other = || Image::new(&["other"]).arch("arm64").stored(&[Codec::Gzip]);
    let amd = |child: Value| on_platform(child, "linux", "amd64");
    let arm = |child: Value| on_platform(child, "linux", "arm64");
    let run = |build: &dyn Fn(&mut Layout) -> Vec<Value>, to: &str| {
        let place = Place::new();
        let mut layout = Layout::new();
        let children = build(&mut layout);
        let index = layout.nest(MediaFamily::Oci, &children);
        let index = place.put("index.json", &document(&layout, &index));
        let folder = place.path("layout");
        layout.write(std::path::Path::new(&folder));
        let out = place.path("children");
        let options = ["--children", &folder, "--children-out", &out];
        let (document, found) = changes(&[&[index.as_str(), "--to", to], &options[..]].concat());
        (list(&document["manifests"]).len(), of(&found, "same-manifest").len())
    };
    // One image in both families.
    let families = |layout: &mut Layout| {
        vec![
            amd(layout.image(&image(), MediaFamily::Oci)),
            amd(layout.image(&image(), MediaFamily::Docker)),
            arm(layout.image(&other(), MediaFamily::Oci)),
        ]
    };
    assert_eq!(run(&families, "list"), (3, 1));
    assert_eq!(run(&families, "index"), (3, 1));
    // One manifest in the index and in an index inside it.
    let nested = |layout: &mut Layout| {
        let child = amd(layout.image(&image(), MediaFamily::Oci));
        let second = arm(layout.image(&other(), MediaFamily::Oci));
        let inside = layout.nest(MediaFamily::Oci, &[child.clone(), second]);
        vec![child, inside]
    };
    assert_eq!(run(&nested, "list"), (3, 1));
    // What was listed twice before, and what differs.
    let twice = |layout: &mut Layout| {
        let child = amd(layout.image(&image(), MediaFamily::Oci));
        vec![child.clone(), child]
    };
    assert_eq!(run(&twice, "list"), (2, 0));
    let apart = |layout: &mut Layout| {
        vec![
            amd(layout.image(&image(), MediaFamily::Oci)),
            arm(layout.image(&other(), MediaFamily::Oci)),
        ]
    };
    assert_eq!(run(&apart, "list"), (2, 0));
}

#[test]
fn a_plugin_stays_a_schema_2_manifest_and_becomes_nothing_else() {
    let place = Place::new();
    let plugin = json!({
        "schemaVersion": 2,
        "mediaType": MediaFamily::Docker.manifest(),
        "config": {
            "mediaType": "application/vnd.docker.plugin.v1+json", "size": 2, "digest": digest(b"{}"),
        },
        "layers": [],
    });
    let source = place.put("plugin.json", plugin.to_string().as_bytes());
    let (document, found) = changes(&[&source, "--to", "schema2"]);
    assert_eq!((document, found), (plugin, Vec::new()));
    imgconv(&["manifest", "convert", &source, "--to", "oci"]).refused(1, &["plugin"]);
}

#[test]
fn a_difference_has_a_reason_that_holds() {
    let place = Place::new();
    let put = |name: &str, document: &Value| place.put(name, document.to_string().as_bytes());
    let index = |list: Value| json!({"schemaVersion": 2, "mediaType": MediaFamily::Oci.index(), "manifests": list});
    let differences = |a: &str, b: &str| -> Vec<(String, String)> {
        let ran = imgconv(&["manifest", "diff", a, b, "--format", "json"]);
        let pair = |it: &Value| (text(&it["field"]).to_owned(), text(&it["code"]).to_owned());
        list(&check::json(&ran.out)["documents"][0]["changes"]).iter().map(pair).collect()
    };
    // To readers, null is an empty list.
    let (null, empty) = (put("null", &index(Value::Null)), put("empty", &index(json!([]))));
    assert_eq!(differences(&null, &empty), [("the bytes".to_owned(), "spelling".to_owned())]);
    let entry = |arch: &str, note: &str| {
        let platform = json!({"os": "linux", "architecture": arch});
        let descriptor =
            json!({"mediaType": MediaFamily::Oci.manifest(), "digest": digest(b"x"), "size": 1});
        let mut entry = descriptor;
        entry["platform"] = platform;
        if !note.is_empty() {
            entry["annotations"] = json!({"a": note});
        }
        index(json!([entry]))
    };
    let (one, other) = (put("one", &entry("amd64", "1")), put("other", &entry("arm64", "2")));
    let found = differences(&one, &other);
    assert!(found.len() == 2 && found.iter().all(|it| it.1 == "content"), "{found:?}");
    let without = put("without", &entry("amd64", ""));
    let reasons = |a, b| differences(a, b).into_iter().map(|it| it.1).collect::<Vec<_>>();
    assert_eq!(reasons(&one, &without), ["annotations"]);
    assert_eq!(reasons(&without, &one), ["content"]);
}
