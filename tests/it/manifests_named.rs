//! What `manifest convert` names: what Docker's readers refuse, and what an index no longer tells
//! apart.

use serde_json::Value;

use crate::build::check::{self, list, text};
use crate::build::codec::Codec;
use crate::build::image::Image;
use crate::build::layout::{Layout, MediaFamily, on_platform};
use crate::build::run::{Place, imgconv};

/// The changes of a conversion: field and reason.
#[track_caller]
fn changes(arguments: &[&str]) -> (Value, Vec<(String, String)>) {
    let ran = imgconv(&[&["manifest", "convert"], arguments, &["--format", "json"]].concat()).ok();
    let answer = check::json(&ran.out);
    let pair = |it: &Value| (text(&it["field"]).to_owned(), text(&it["reason"]).to_owned());
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
