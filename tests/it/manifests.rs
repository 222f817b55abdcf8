//! Registry manifests as documents: the shared corpus, golden pairs made by others, and there and
//! back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use proptest::prelude::*;
use serde_json::Value;

use crate::attack::shared;
use crate::build::codec::Codec;
use crate::build::image::Image;
use crate::build::layout::{Layout, MediaFamily};
use crate::build::run::{Place, imgconv, imgconv_with};
use crate::judges::containers::Skopeo;

fn manifest(arguments: &[&str]) -> Output {
    let mut imgconv = Command::new(env!("CARGO_BIN_EXE_imgconv"));
    imgconv.arg("manifest").args(arguments).output().unwrap()
}

/// Manifests and configs of the corpus: kind, path, what is broken in it.
fn corpus() -> Option<Vec<(String, PathBuf, Vec<String>)>> {
    let root = shared("corpus")?;
    let raw = String::from_utf8_lossy(&fs::read(root.join("INDEX.json")).unwrap()).into_owned();
    // The list has lone surrogates, which are no characters.
    let index: Value = serde_json::from_str(&raw.replace("\\ud", "\\u00")).unwrap();
    let kinds = ["manifest-", "oci-manifest", "oci-index", "config"];
    let rows = index["artefacts"].as_array().unwrap().iter().filter_map(|row| {
        let kind = row["kind"].as_str().unwrap();
        kinds.iter().any(|it| kind.starts_with(it)).then(|| {
            let broken = row["mismatches"].as_array().unwrap();
            let broken = broken.iter().map(|it| it.as_str().unwrap().to_owned()).collect();
            (kind.to_owned(), root.join(row["path"].as_str().unwrap()), broken)
        })
    });
    Some(rows.collect())
}

/// Whole by the list, and refused here: path ends with, a word of the reason, why.
const REFUSED: &[(&str, &str, &str)] = &[
    ("extra_data_manifest", "duplicate key", "a second fsLayers behind the signed payload"),
    ("schema1-to-oci1.json", "size", "a config of -1 bytes"),
    ("schema1-to-schema2.json", "size", "a config of -1 bytes"),
    ("oci1.index.everything.json", "data", "embedded data that its digest is not of"),
    ("naughtiest-artifact.json", "expected", "no member that tells what it is"),
    ("oci-index-v3-verification.json", "ambiguous", "an index and a manifest at once"),
    ("oci-index-v3.json", "ambiguous", "an index and a manifest at once"),
    ("schema-version-too-high.json", "schemaVersion", "a version that does not exist"),
];

#[test]
fn every_manifest_and_config_of_the_corpus_is_shown_or_called_broken() {
    let Some(corpus) = corpus() else { return };
    let mut shown = 0;
    for (kind, path, broken) in &corpus {
        let done = manifest(&["show", path.to_str().unwrap()]);
        let said = String::from_utf8(done.stderr).unwrap();
        let refused = REFUSED.iter().find(|row| path.to_str().unwrap().ends_with(row.0));
        match done.status.code() {
            Some(0) => {
                shown += 1;
                assert!(refused.is_none(), "{} is shown", path.display());
                // What a signature is worth is said, not judged.
                let fine = broken.is_empty() || broken.iter().all(|it| it.contains("signature"));
                assert!(fine, "{} is shown, {broken:?}", path.display());
                assert!(done.stdout.windows(7).any(|it| it == b"sha256:"), "{}", path.display());
            }
            Some(1) => {
                let reason = refused.is_some_and(|row| said.contains(row.1));
                assert!(said.starts_with("error: "), "{said}");
                assert!(reason || !broken.is_empty(), "{kind} {}: {said}", path.display());
            }
            other => panic!("{}: {other:?} {said}", path.display()),
        }
    }
    println!("shown {shown} of {} manifests and configs", corpus.len());
    assert!(shown >= 200, "{shown}");
}

#[test]
fn digests_are_those_of_skopeo_wherever_it_has_one() {
    let (Some(corpus), Some(skopeo)) = (corpus(), Skopeo::find()) else { return };
    let mut same = 0;
    for (_, path, _) in corpus.iter().filter(|(kind, ..)| kind != "config") {
        let Some(theirs) = skopeo.manifest_digest(path) else { continue };
        let ours = manifest(&["digest", path.to_str().unwrap()]);
        assert_eq!(String::from_utf8(ours.stdout).unwrap().trim(), theirs, "{}", path.display());
        same += 1;
    }
    println!("{same} digests are as skopeo's");
    assert!(same >= 195, "{same}");
}

fn convert(from: &Path, to: &str) -> Vec<u8> {
    let done = manifest(&["convert", "-q", from.to_str().unwrap(), "--to", to]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// Pairs that containers/image made, from a document to one of another kind. It prints configs
/// anew on the way to OCI; here their bytes stay, so the config's digest and size differ.
#[test]
fn golden_pairs_of_containers_image_agree_in_all_but_the_config_that_is_kept() {
    let Some(root) = shared("corpus") else { return };
    let root = root.join("containers+image/internal/image/fixtures");
    for (from, to, golden) in [
        ("schema2.json", "oci", "schema2-to-oci1.json"),
        ("oci1.json", "schema2", "oci1-to-schema2.json"),
        ("schema2-all-media-types.json", "oci", "schema2-all-media-types-to-oci1.json"),
    ] {
        let ours: Value = serde_json::from_slice(&convert(&root.join(from), to)).unwrap();
        let theirs: Value = serde_json::from_slice(&fs::read(root.join(golden)).unwrap()).unwrap();
        assert_eq!(ours["layers"], theirs["layers"], "{from}");
        assert_eq!(ours["mediaType"], theirs["mediaType"], "{from}");
        assert_eq!(ours["config"]["mediaType"], theirs["config"]["mediaType"], "{from}");
        let source: Value = serde_json::from_slice(&fs::read(root.join(from)).unwrap()).unwrap();
        assert_eq!(ours["config"]["digest"], source["config"]["digest"], "{from}");
    }
}

/// containers/image calls it gzip, which it is not.
#[test]
fn foreign_zstd_layers_have_no_docker_name_and_are_refused() {
    let Some(root) = shared("corpus") else { return };
    let from = root.join("containers+image/internal/image/fixtures/oci1-all-media-types.json");
    let done = manifest(&["convert", from.to_str().unwrap(), "--to", "schema2"]);
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("layers[4].mediaType"), "{said}");
}

#[test]
fn schema_2_manifests_of_the_corpus_come_back_from_oci_with_their_digest() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut back = 0;
    for (_, path, broken) in corpus.iter().filter(|(kind, ..)| kind == "manifest-schema2") {
        let raw = fs::read(path).unwrap();
        let text = String::from_utf8_lossy(&raw);
        // An octet-stream becomes a config by its name, and stays one.
        let plain = text.contains("vnd.docker.distribution.manifest.v2+json")
            && text.contains("vnd.docker.container.image.v1+json")
            && !text.contains("vnd.oci")
            // BuildKit writes them, and Docker's own types have no place for them.
            && !text.contains("annotations");
        let there = manifest(&["convert", "-q", path.to_str().unwrap(), "--to", "oci"]);
        if !plain || !broken.is_empty() || !there.status.success() {
            continue;
        }
        let oci = folder.path().join("oci.json");
        fs::write(&oci, there.stdout).unwrap();
        assert!(convert(&oci, "schema2") == raw, "{}", path.display());
        back += 1;
    }
    println!("{back} manifests came back byte for byte");
    assert!(back >= 20, "{back}");
}

#[test]
fn schema_1_without_its_layers_is_refused_with_a_list_of_them() {
    let Some(root) = shared("corpus") else { return };
    let from = root.join("containers+image/internal/image/fixtures/schema1.json");
    let done = manifest(&["convert", from.to_str().unwrap(), "--to", "schema2"]);
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(2), "{said}");
    let document: Value = serde_json::from_slice(&fs::read(from).unwrap()).unwrap();
    let sum = document["fsLayers"].as_array().unwrap().last().unwrap()["blobSum"].as_str().unwrap();
    assert!(said.contains("--layers") && said.contains(sum), "{said}");
}

#[test]
fn an_index_becomes_a_list_with_its_children_and_their_platforms() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/docker-20.10-one.tar");
    let imgconv = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_imgconv")).args(arguments).output().unwrap()
    };
    assert!(imgconv(&["save2oci", archive, &at("layout")]).status.success());
    let index: Value = serde_json::from_slice(&fs::read(at("layout/index.json")).unwrap()).unwrap();
    let mut entry = index["manifests"][0].clone();
    entry.as_object_mut().unwrap().remove("platform");
    let bare = serde_json::json!({"schemaVersion": 2, "manifests": [entry]});
    fs::write(at("bare.json"), bare.to_string()).unwrap();

    let refused = manifest(&["convert", &at("bare.json"), "--to", "list"]);
    assert_eq!(refused.status.code(), Some(2), "an entry without platform and no config");

    let done = manifest(&[
        "convert",
        "-q",
        &at("bare.json"),
        &at("list.json"),
        "--to",
        "list",
        "--children",
        &at("layout"),
        "--children-out",
        &at("children"),
    ]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let list: Value = serde_json::from_slice(&fs::read(at("list.json")).unwrap()).unwrap();
    let entry = &list["manifests"][0];
    assert_eq!(entry["platform"]["architecture"], "amd64");
    assert_eq!(entry.get("annotations"), None);
    let digest = entry["digest"].as_str().unwrap();
    let child = fs::read(at(&format!("children/{}", &digest[7..]))).unwrap();
    assert_eq!(crate::judges::digest(&child), digest);
    assert_eq!(entry["size"], child.len());
    let child: Value = serde_json::from_slice(&child).unwrap();
    assert_eq!(child["mediaType"], entry["mediaType"]);
    assert!(child["config"]["mediaType"].as_str().unwrap().contains("vnd.docker"));
}

fn digest_strategy() -> impl Strategy<Value = String> {
    "[0-9a-f]{64}".prop_map(|hex| format!("sha256:{hex}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_schema_2_manifest_comes_back_from_oci_byte_for_byte(
        digests in prop::collection::vec((digest_strategy(), 0_u64..1 << 40, 0..5_usize), 1..6),
        pretty: bool,
        unknown in "[ -~]{0,12}",
    ) {
        let kinds = ["tar", "tar.gzip", "tar.zstd", "foreign.diff.tar", "foreign.diff.tar.gzip"];
        let kind = |at: usize| match kinds[at] {
            foreign if foreign.starts_with("foreign") => format!("application/vnd.docker.image.rootfs.{foreign}"),
            plain => format!("application/vnd.docker.image.rootfs.diff.{plain}"),
        };
        let layers: Vec<Value> = digests
            .iter()
            .map(|(digest, size, at)| serde_json::json!({"mediaType": kind(*at), "size": size, "digest": digest}))
            .collect();
        let document = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2, "digest": digests[0].0},
            "layers": layers,
            "x": unknown,
        });
        let raw = if pretty { serde_json::to_string_pretty(&document).unwrap() } else { document.to_string() };
        let folder = tempfile::tempdir().unwrap();
        let (there, oci) = (folder.path().join("there.json"), folder.path().join("oci.json"));
        fs::write(&there, &raw).unwrap();
        fs::write(&oci, convert(&there, "oci")).unwrap();
        prop_assert_eq!(String::from_utf8(convert(&oci, "schema2")).unwrap(), raw);
    }

    #[test]
    fn arbitrary_bytes_are_answered_and_never_crash(bytes in prop::collection::vec(any::<u8>(), 0..200), json in "[\\[\\]{}:,\"a-z0-9 ]{0,80}") {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("document");
        for content in [bytes.as_slice(), json.as_bytes()] {
            fs::write(&file, content).unwrap();
            let done = manifest(&["show", file.to_str().unwrap()]);
            prop_assert!(matches!(done.status.code(), Some(0..=2)));
            prop_assert!(!String::from_utf8_lossy(&done.stderr).contains("panicked"));
        }
    }
}

/// Writes a document and says what a verb answers: exit status, both outputs.
fn answer(place: &Place, verb: &[&str], text: &str) -> (i32, String) {
    let path = place.put("document.json", text.as_bytes());
    let ran = imgconv(&[verb, &[&path]].concat());
    (ran.code.unwrap(), format!("{}{}", String::from_utf8_lossy(&ran.out), ran.err))
}

#[test]
fn a_document_is_the_same_thing_for_every_verb() {
    let place = Place::new();
    let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"}"#;
    let (code, said) = answer(&place, &["manifest", "show"], index);
    assert!(code == 0 && said.starts_with("OCI index\n"), "{said}");
    let (code, said) = answer(&place, &["inspect"], index);
    assert!(code == 0 && said.contains("index"), "{said}");
    assert_eq!(answer(&place, &["verify"], index).0, 0);
    let (code, said) = answer(&place, &["explain"], index);
    assert!(code == 2 && said.contains("an index alone"), "{said}");

    let types = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","config":{},"layers":[]}"#;
    for verb in [&["manifest", "show"][..], &["inspect"], &["verify"], &["explain"]] {
        let (code, said) = answer(&place, verb, types);
        assert!(code == 1 && said.contains("media type differs"), "{verb:?}: {said}");
    }
}

#[test]
fn what_a_failed_download_leaves_has_no_digest_and_is_named() {
    let place = Place::new();
    let denied = r#"{"errors":[{"code":"DENIED","message":"denied"}]}"#;
    for verb in [&["manifest", "digest"][..], &["manifest", "show"], &["inspect"], &["verify"]] {
        let (code, said) = answer(&place, verb, denied);
        assert!(code != 0 && said.contains("error message of a registry"), "{verb:?}: {said}");
    }
    for empty in ["", " \n"] {
        let (code, said) = answer(&place, &["manifest", "digest"], empty);
        assert!(code != 0 && said.contains("empty"), "{said}");
    }
}

#[test]
fn a_document_of_an_unknown_type_is_not_converted() {
    let place = Place::new();
    for text in [
        r#"{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","artifactType":"a/b","blobs":[]}"#,
        r#"{"mediaType":"application/vnd.cncf.oras.artifact.manifest.v1+json","artifactType":"a/b","blobs":[]}"#,
        r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json; charset=utf-8","artifactType":"a/b","layers":[]}"#,
    ] {
        assert_eq!(answer(&place, &["manifest", "show"], text).0, 0, "{text}");
        let (code, said) = answer(&place, &["manifest", "convert", "--to", "oci"], text);
        assert!(code == 1 && said.contains("media type"), "{said}");
    }
}

#[test]
fn a_file_that_is_there_is_not_taken_for_a_converted_child() {
    let place = Place::new();
    let mut layout = Layout::new();
    let child = layout.image(&Image::new(&["base"]), MediaFamily::Docker);
    let index = layout.nest(MediaFamily::Docker, &[child]);
    layout.entry(index.clone());
    let folder = place.path("layout");
    layout.write(folder.as_ref());
    let children = place.path("children");
    let convert = |out: &str| {
        let options = ["--to", "index", "--children", &folder, "--children-out", &children];
        imgconv(&[&["manifest", "convert", &folder, out], &options[..]].concat())
    };
    convert(&place.path("one.json")).ok();
    let good = place.tree();
    // What is right stays, and a second run is content with it.
    convert(&place.path("two.json")).ok();
    let in_children = |path: &Path| path.parent() == Some(Path::new("children"));
    let (path, _) = good.iter().find(|(path, _)| in_children(path)).unwrap();
    let path = place.path(path.to_str().unwrap());
    fs::write(&path, b"garbage").unwrap();
    convert(&place.path("three.json")).refused(1, &["content does not match its name", "sha256:"]);
    assert_eq!(fs::read(&path).unwrap(), b"garbage");
    assert!(!Path::new(&place.path("three.json")).exists());
}

#[test]
fn layers_come_through_a_pipe_and_outputs_appear_whole() {
    let place = Place::new();
    let image = Image::new(&["base", "top"]).named(&["demo/app:1"]).stored(&[Codec::Gzip]);
    let plain = Layout::of(&[image]).tar("");
    let source = place.put("l.tar", &plain);
    let old = place.path("schema1.json");
    imgconv(&["manifest", "convert", &source, &old, "--to", "schema1", "--name", "demo/app:1"])
        .ok();
    let convert = |stdin: &[u8], out: &str| {
        let config = format!("{out}.config");
        let options = ["--to", "oci", "--layers", "-", "--config-out", &config];
        imgconv_with(stdin, &[&["manifest", "convert", &old, out], &options[..]].concat())
    };
    let (one, two) = (place.path("one.json"), place.path("two.json"));
    convert(&plain, &one).ok();
    convert(&Codec::Gzip.pack(&plain), &two).ok();
    assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
    let left = place.tree();
    assert_eq!(left.len(), 6, "{:?}", left.keys());
}
