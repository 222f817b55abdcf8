//! What a conversion says of a source that other programs stumble over, or of a name that it leaves
//! out: once, in whatever it becomes, and `--strict` refuses it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::build::check;
use crate::build::codec::{Codec, gzip, zstd};
use crate::build::image::{Image, canonical, digest};
use crate::build::layout::{Layout, MediaFamily, on_platform};
use crate::build::others::ggcr;
use crate::build::run::{Place, imgconv};

const NAME: &str = "docker.io/demo/app:1";
const LAYOUTS: [&str; 2] = ["oci", "oci-archive"];
const ALL: [&str; 3] = ["oci", "oci-archive", "docker-archive"];
/// A digest that some name says.
const DIGEST: &str = "sha256:abababababababababababababababababababababababababababababababab";

fn image() -> Image {
    Image::new(&["base", "top"]).stored(&[Codec::Gzip])
}

/// A layout with this image under a name.
fn of(image: &Image) -> Layout {
    let mut layout = Layout::new();
    let manifest = layout.image(image, MediaFamily::Oci);
    layout.named(&manifest, "1", Some(NAME));
    layout
}

/// Lines of standard error about the source or what is left out, and whether `--strict` takes it.
/// Without `--strict` it is always converted, with it nothing is written.
#[track_caller]
fn said(place: &Place, source: &str, to: &str) -> (Vec<String>, bool) {
    let (out, strict) = (place.path("out"), place.path("strict"));
    let ran = imgconv(&["convert", source, &out, "--to", to]).ok();
    let lines =
        ran.err.lines().filter(|it| it.starts_with("note: ") || it.starts_with("warning: "));
    let lines = lines.map(str::to_owned).collect();
    let taken = match imgconv(&["convert", source, &strict, "--to", to, "--strict"]) {
        ran if ran.code == Some(0) => true,
        ran => {
            ran.refused(1, &["--strict"]);
            assert!(!Path::new(&strict).exists());
            false
        }
    };
    for path in [out, strict] {
        let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
    }
    (lines, taken)
}

/// The conversion says one thing, with these words, and `--strict` refuses.
#[track_caller]
fn says(place: &Place, source: &str, to: &str, words: &[&str]) {
    let (lines, taken) = said(place, source, to);
    assert_eq!(lines.len(), 1, "{to}: {lines:?}");
    for word in words {
        assert!(lines[0].contains(word), "{to}: {word:?} is not in {:?}", lines[0]);
    }
    assert!(!taken, "{to}: --strict takes it: {lines:?}");
}

/// It says nothing, and `--strict` takes it.
#[track_caller]
fn is_silent(place: &Place, source: &str, to: &str) {
    assert_eq!(said(place, source, to), (Vec::new(), true), "{to}");
}

fn written(place: &Place, name: &str, layout: &Layout) -> String {
    let path = place.path(name);
    layout.write(Path::new(&path));
    path
}

/// What `verify` notes, with the place of each.
fn verified(source: &str) -> Vec<(String, String)> {
    let ran = imgconv(&["verify", "--format", "json", source]).ok();
    let answer: Value = serde_json::from_slice(&ran.out).unwrap();
    let findings = check::list(&answer["sources"][0]["findings"]).iter();
    findings.map(|it| (check::text(&it["code"]).to_owned(), it.to_string())).collect()
}

/// A manifest of an image, each of its descriptors in a family of its own.
fn mixed(layout: &mut Layout, of: MediaFamily, config: MediaFamily, layers: MediaFamily) -> Value {
    let image = image();
    let config = layout.descriptor(config.config(), &image.config);
    let stored = image.stored.iter();
    let layers: Vec<Value> = stored.map(|it| layout.descriptor(layers.layer(it), it)).collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": of.manifest(), "config": config, "layers": layers,
    });
    layout.document(of.manifest(), &manifest)
}

/// umoci 0.4.7 refuses each of these; skopeo 1.9.3 those of manifests and lists at the top.
#[test]
fn docker_media_types_that_stay_in_a_layout_are_named() {
    use MediaFamily::{Docker, Oci};
    let (manifest, part) = ("manifests with Docker's", "configs or layers with Docker's");
    for (of, config, layers, word) in
        [(Docker, Docker, Docker, manifest), (Oci, Docker, Oci, part), (Oci, Oci, Docker, part)]
    {
        for list in [None, Some(Oci), Some(Docker)] {
            let place = Place::new();
            let mut layout = Layout::new();
            let mut entry = mixed(&mut layout, of, config, layers);
            if let Some(family) = list {
                entry = layout.nest(family, &[on_platform(entry, "linux", "amd64")]);
            }
            layout.named(&entry, "1", Some(NAME));
            let source = written(&place, "source", &layout);
            let word = if list == Some(Docker) { manifest } else { word };
            for to in LAYOUTS {
                says(&place, &source, to, &["note: ", "out: ", word, "umoci"]);
            }
            // A docker archive has OCI's documents beside its own, or none.
            imgconv(&["oci2save", "-d", "classic", &source, &place.path("saved")]).ok();
        }
    }
}

#[test]
fn a_manifest_list_over_oci_manifests_is_named_and_what_is_all_oci_is_not() {
    let place = Place::new();
    for (name, family) in [("list", MediaFamily::Docker), ("index", MediaFamily::Oci)] {
        let mut layout = Layout::new();
        let child = layout.image(&image(), MediaFamily::Oci);
        let list = layout.nest(family, &[on_platform(child, "linux", "amd64")]);
        layout.named(&list, "1", Some(NAME));
        let source = written(&place, name, &layout);
        for to in LAYOUTS {
            match family {
                MediaFamily::Docker => says(&place, &source, to, &["Docker's media types"]),
                MediaFamily::Oci => is_silent(&place, &source, to),
            }
        }
    }
}

#[test]
fn a_manifest_that_is_made_new_is_named_by_the_types_that_it_gets() {
    let place = Place::new();
    // Layers without compression are compressed on the way into a layout.
    let source = place.put("plain.tar", &ggcr(&[Image::new(&["base"]).named(&["demo/app:1"])]));
    let noted = |family: &[&str]| {
        let out = place.path("out");
        let ran = [&["convert", &source, &out, "--to", "oci"], family].concat();
        let ran = imgconv(&ran).ok();
        std::fs::remove_dir_all(&out).unwrap();
        ran.err.contains("Docker's media types")
    };
    assert!(!noted(&[]));
    assert!(!noted(&["--manifest", "oci"]));
    assert!(noted(&["--manifest", "docker"]));
}

/// A gzip member of no bytes with an extra field, as at the end of an eStargz or BGZF layer (stargz
/// `estargz.md`, footer; SAM specification, 4.1.2), around an empty deflate block.
fn empty_member(extra: &[u8], block: &[u8]) -> Vec<u8> {
    let size = u16::try_from(extra.len()).unwrap().to_le_bytes();
    [b"\x1f\x8b\x08\x04\0\0\0\0\0\xff".as_slice(), &size, extra, block, &[0; 8]].concat()
}

fn stargz() -> Vec<u8> {
    let footer = empty_member(b"SG\x16\x000000000000000000STARGZ", b"\x01\0\0\xff\xff");
    assert_eq!(footer.len(), 51);
    footer
}

/// The image with something behind the data of its last layer.
fn behind(bytes: &[u8]) -> Image {
    let image = image();
    let mut stored = image.stored.clone();
    stored[1].extend_from_slice(bytes);
    image.stored_as(stored)
}

/// skopeo 1.9.3 and podman end with "gzip: invalid header" or "unexpected EOF" there.
#[test]
fn zeros_behind_the_gzip_data_of_a_layer_are_noted_with_the_layer() {
    let footer = stargz();
    let padded = |size: usize| vec![0; size];
    for bytes in [
        padded(4),
        padded(7),
        padded(8),
        padded(9),
        padded(512),
        padded(10_240),
        [gzip(b""), padded(16)].concat(),
        [footer, padded(461)].concat(),
    ] {
        let (place, image) = (Place::new(), behind(&bytes));
        let source = written(&place, "source", &of(&image));
        let layer = digest(&image.stored[1]).replace(':', "/");
        for to in ALL {
            says(&place, &source, to, &["zero bytes follow the gzip data", &layer]);
        }
        let found = verified(&source);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0 == "gzip-padding" && found[0].1.contains(&layer), "{found:?}");
        let saved = place.put("saved.tar", &ggcr(&[image.named(&["demo/app:1"])]));
        for to in ALL {
            says(&place, &saved, to, &["saved.tar!", "zero bytes follow the gzip data"]);
        }
    }
}

/// The check sum and the size of nothing are zeros, so that such a member ends in them.
#[test]
fn a_gzip_member_of_nothing_at_the_end_is_no_padding() {
    let bgzf = empty_member(b"BC\x02\0\x1b\0", b"\x03\0");
    assert_eq!(bgzf.len(), 28);
    for bytes in [gzip(b""), stargz(), bgzf, Vec::new()] {
        let place = Place::new();
        let source = written(&place, "source", &of(&behind(&bytes)));
        for to in ALL {
            is_silent(&place, &source, to);
        }
        assert_eq!(verified(&source), []);
    }
    // Also where it is all there is.
    let place = Place::new();
    let source =
        written(&place, "source", &of(&Image::of(vec![Vec::new()]).stored(&[Codec::Gzip])));
    is_silent(&place, &source, "oci");
}

/// skopeo 1.9.3 takes such a layer for a tar without compression.
#[test]
fn a_skippable_frame_at_the_beginning_of_zstd_data_is_noted_with_the_layer() {
    for number in 0..16 {
        let image = Image::new(&["base", "top"]);
        let frame = [&[0x50 + number, 0x2a, 0x4d, 0x18, 3, 0, 0, 0], b"toc".as_slice()].concat();
        let first = [frame, zstd(&image.layers[0])].concat();
        let second = zstd(&image.layers[1]);
        let image = image.stored_as(vec![first, second]);
        let place = Place::new();
        let source = written(&place, "source", &of(&image));
        let layer = digest(&image.stored[0]).replace(':', "/");
        for to in LAYOUTS {
            says(&place, &source, to, &["begins with a skippable frame", "skopeo", &layer]);
        }
        let found = verified(&source);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0 == "zstd-skippable-frame" && found[0].1.contains(&layer), "{found:?}");
    }
    let place = Place::new();
    let plain = Image::new(&["base", "top"]).stored(&[Codec::Zstd]);
    is_silent(&place, &written(&place, "source", &of(&plain)), "oci");
}

/// `RepoTags` has no place for a digest; a layout keeps the name as it stands.
#[test]
fn the_digest_behind_a_name_that_a_docker_archive_leaves_out_is_named() {
    for (tag, full) in [
        ("1".to_owned(), Some(format!("{NAME}@{DIGEST}"))),
        (format!("{NAME}@{DIGEST}"), None),
        (format!("demo/app:1@{DIGEST}"), Some(NAME.to_owned())),
    ] {
        let place = Place::new();
        let mut layout = Layout::new();
        let manifest = layout.image(&image(), MediaFamily::Oci);
        layout.named(&manifest, &tag, full.as_deref());
        let source = written(&place, "source", &layout);
        says(&place, &source, "docker-archive", &["warning: ", "demo/app:1@", DIGEST, "digest"]);
        assert_eq!(tags(&place, &source), ["demo/app:1"]);
        is_silent(&place, &source, "oci");
    }
}

#[test]
fn the_digest_behind_a_name_in_repo_tags_is_named_when_it_is_left_out() {
    for (name, words) in [
        (format!("demo/app:1@{DIGEST}"), "digest is left out"),
        (format!("demo/app@{DIGEST}"), "without a tag"),
    ] {
        let place = Place::new();
        let source = place.put("source.tar", &ggcr(&[image().named(&[&name])]));
        for to in ALL {
            says(&place, &source, to, &["note: ", "manifest.json", &name, words]);
        }
    }
}

/// The names of the one image of the docker archive that a source becomes.
fn tags(place: &Place, source: &str) -> Vec<String> {
    let saved = place.path("saved.tar");
    imgconv(&["oci2save", source, &saved]).ok();
    let items = check::save(&check::archive(&std::fs::read(&saved).unwrap()));
    std::fs::remove_file(&saved).unwrap();
    assert_eq!(items.len(), 1);
    items.into_iter().flat_map(|item| item.names).collect()
}

#[test]
fn of_a_ref_name_and_a_containerd_name_that_differ_neither_is_lost_in_silence() {
    // The ref name, and the full name that it is besides; nothing where it is a bare word.
    for (ref_name, other) in [
        ("docker.io/demo/other:2", Some("demo/other:2")),
        ("demo/other:2", Some("demo/other:2")),
        ("localhost:5000/other:2", Some("localhost:5000/other:2")),
        ("2", None),
        ("stable", None),
    ] {
        let place = Place::new();
        let mut layout = Layout::new();
        let manifest = layout.image(&image(), MediaFamily::Oci);
        layout.named(&manifest, ref_name, Some(NAME));
        let source = written(&place, "source", &layout);
        let want = ["demo/app:1"].into_iter().chain(other).map(|name| match other {
            // Several names are full names, as podman reads manifest.json then.
            Some(_) => canonical(name),
            None => name.to_owned(),
        });
        let found: BTreeSet<String> = tags(&place, &source).into_iter().collect();
        assert_eq!(found, want.collect());
        match other {
            Some(_) => is_silent(&place, &source, "docker-archive"),
            None => {
                let words = ["warning: ", ref_name, "needs a full image name, and this is not one"];
                says(&place, &source, "docker-archive", &words);
            }
        }
        is_silent(&place, &source, "oci");
    }
}

/// docker load: "too many non-empty layers in History section".
#[test]
fn a_history_of_more_layers_than_there_are_is_noted_in_whatever_it_becomes() {
    let step = json!({"created_by": "x"});
    let empty = json!({"created_by": "x", "empty_layer": true});
    for (history, words) in [
        (json!([step, step, step]), "more layers than the image has, which docker refuses"),
        (
            json!([step, empty, step, step, empty]),
            "more layers than the image has, which docker refuses",
        ),
        (json!([step]), "a different number of layers"),
        (json!([step, step]), ""),
        (json!([step, empty, empty, empty, step]), ""),
        (json!([]), ""),
        (Value::Null, ""),
    ] {
        let place = Place::new();
        let image = image().with(&json!({"history": history})).named(&["demo/app:1"]);
        let layout = written(&place, "layout", &of(&image));
        let archive = place.put("saved.tar", &ggcr(std::slice::from_ref(&image)));
        for source in [layout, archive] {
            for to in ALL {
                match words {
                    "" => is_silent(&place, &source, to),
                    words => says(&place, &source, to, &["note: ", words, "expected 2"]),
                }
            }
            let codes: Vec<String> = verified(&source).into_iter().map(|it| it.0).collect();
            let want = if words.is_empty() { [].as_slice() } else { &["history-mismatch"] };
            assert_eq!(codes, want, "{history}");
        }
    }
}

/// A docker archive with an image that no other author has, and the ID of that.
fn build(place: &Place, author: &str, names: &[&str]) -> (String, String) {
    let image = image().with(&json!({"author": author})).named(names);
    let id = image.id();
    (place.put(&format!("{author}.tar"), &ggcr(&[image])), id)
}

/// Appends it; what is said, and the digest of the image's manifest in the destination.
#[track_caller]
fn add((source, id): &(String, String), out: &str, to: &str) -> (Vec<String>, String) {
    let ran = imgconv(&["convert", source, out, "--to", to, "--append"]).ok();
    let line = ran.lines().into_iter().find(|line| line.ends_with(id)).unwrap();
    let digest = line.split('\t').nth(1).unwrap().to_owned();
    assert!(digest.starts_with("sha256:"), "{line}");
    (ran.err.lines().map(str::to_owned).collect(), digest)
}

/// Digests and full names of the entries of a layout.
fn entries(layout: &str) -> Vec<(String, Option<String>)> {
    let files = check::folder(Path::new(layout));
    let entries = check::layout(&files).into_iter();
    entries.map(|entry| (entry.digest, entry.full_name)).collect()
}

#[test]
fn a_name_that_moves_with_append_is_said_with_the_image_that_had_it() {
    for to in ALL {
        let place = Place::new();
        let out = place.path("out");
        let first = build(&place, "first", &["ci/app:latest"]);
        let second = build(&place, "second", &["ci/app:latest", "ci/app:2"]);
        let third = build(&place, "third", &["ci/app:latest"]);
        let (notes, one) = add(&first, &out, to);
        assert_eq!(notes, [""; 0]);
        assert_eq!(add(&first, &out, to).0, [""; 0], "{to}: the same once more moves nothing");
        let says = |notes: &[String], words: &[&str]| {
            assert_eq!(notes.len(), 1, "{to}: {notes:?}");
            for word in words {
                assert!(notes[0].contains(word), "{to}: {word:?} is not in {notes:?}");
            }
        };
        let (notes, two) = add(&second, &out, to);
        let text = "ci/app:latest now names another image";
        says(&notes, &["note: ", text, &one, "is kept without a name"]);
        let (notes, three) = add(&third, &out, to);
        says(&notes, &["note: ", text, &two, "is kept under its other names"]);
        // The entry that lost its only name is there yet, and only once.
        if to == "oci" {
            let want = [(one, None), (two, Some("ci/app:2")), (three, Some("ci/app:latest"))];
            let want =
                want.map(|(digest, name)| (digest, name.map(|it| format!("docker.io/{it}"))));
            assert_eq!(entries(&out), want);
        }
        // What has a name yet can be taken along alone.
        let (kept, names) = (place.path("kept"), ["-i", "ci/app:latest", "-i", "ci/app:2"]);
        imgconv(&[["convert", &out, &kept, "--to", "oci"].as_slice(), &names].concat()).ok();
        assert_eq!(entries(&kept).len(), 2, "{to}");
    }
}
