//! Images through a real registry: what imgconv pushes and others pull, and the other way round.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::build::classic::{Repeat, archive};
use crate::build::codec::Codec;
use crate::build::image::Image;
use crate::build::layout::{Layout, MediaFamily, on_platform};
use crate::build::run::{Place, imgconv};
use crate::judges::containerd::containerd;
use crate::judges::containers::{Podman, Skopeo};
use crate::judges::registry::{another, registry};
use crate::judges::today;

const SEVERAL: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/docker-20.10-several.tar");

/// Pulls, checks what came, and hands out the digest that imgconv printed.
fn pulled(name: &str, layout: &str) -> String {
    let ran = imgconv(&["pull", name, layout]).ok();
    imgconv(&["verify", "--strict", layout]).ok();
    ran.lines()[0].split('\t').nth(1).unwrap().to_owned()
}

/// An index of images for this many platforms.
fn index(layout: &mut Layout, platforms: usize, codec: Codec) -> Value {
    let children: Vec<_> = (0..platforms)
        .map(|number| {
            let architecture = if number == 0 { "amd64".into() } else { format!("arch{number}") };
            let image = Image::new(&["shared", &architecture]).stored(&[codec, codec]);
            let child = layout.image(&image.arch(&architecture), MediaFamily::Oci);
            on_platform(child, "linux", &architecture)
        })
        .collect();
    layout.nest(MediaFamily::Oci, &children)
}

#[test]
fn images_of_an_archive_have_their_ids_in_what_others_pull() {
    let Some(registry) = registry() else { return };
    let (Some(skopeo), Some(podman), Some(containerd)) =
        (Skopeo::find(), Podman::find(), containerd())
    else {
        return;
    };
    let place = Place::new();
    let host = registry.host();
    let named = |name: &str, texts: &[&str]| {
        Image::new(texts).named(&[&format!("{host}/judged-push/{name}")])
    };
    let images = [named("one:1", &["shared", "one"]), named("two:2", &["shared", "two"])];
    let all = place.put("all.tar", &archive(&images, Repeat::Symlink));
    imgconv(&["push", &all]).ok();
    for (at, image) in images.iter().enumerate() {
        let name = &image.names[0];
        let folder = place.path(&format!("skopeo-{at}"));
        skopeo.transfer(&[], &format!("docker://{name}"), &format!("dir:{folder}"));
        let manifest = fs::read(Path::new(&folder).join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest["config"]["digest"], json!(image.id()));
        podman.pull(name);
        assert!(podman.images()[&image.id()].contains(name));
        containerd.pull(name).unwrap();
        assert_eq!(containerd.content(&image.id()), image.config);
    }
}

#[test]
fn images_of_a_real_archive_have_their_ids_in_what_podman_pulls() {
    let Some(registry) = registry() else { return };
    let Some(podman) = Podman::find() else { return };
    for name in ["base:1", "app:1.0", "other:1"] {
        let to = format!("{}/judged-real/{name}", registry.host());
        let own = format!("imgconv.test/{name}");
        let ran = imgconv(&["push", SEVERAL, "-i", &own, &to]).ok();
        let id = ran.lines()[0].split('\t').nth(2).unwrap().to_owned();
        podman.pull(&to);
        let ids = podman.images();
        assert!(ids.contains_key(&id), "{id} is not in {ids:?}");
    }
}

#[test]
fn what_skopeo_pushed_is_pulled_with_the_digest_of_the_registry() {
    let Some(registry) = registry() else { return };
    let Some(skopeo) = Skopeo::find() else { return };
    let place = Place::new();
    let mut platforms = Layout::new();
    let top = index(&mut platforms, 3, Codec::Gzip);
    platforms.named(&top, "1", None);
    platforms.write(place.path("platforms").as_ref());
    let mut zstd = Layout::new();
    let image = zstd.image(&Image::new(&["one", "two"]).stored(&[Codec::Zstd]), MediaFamily::Oci);
    zstd.named(&image, "1", None);
    zstd.write(place.path("zstd").as_ref());
    let docker = format!("docker-archive:{SEVERAL}:imgconv.test/app:1.0");
    let oci = |name: &str| format!("oci:{}:1", place.path(name));
    for (name, from, options, family) in [
        ("archive", docker.clone(), vec![], MediaFamily::Docker),
        ("archive-oci", docker, vec!["--format", "oci"], MediaFamily::Oci),
        ("platforms", oci("platforms"), vec!["--all"], MediaFamily::Oci),
        ("zstd", oci("zstd"), vec![], MediaFamily::Oci),
    ] {
        let to = format!("{}/judged-pull/{name}:1", registry.host());
        let options: Vec<&dyn AsRef<std::ffi::OsStr>> =
            options.iter().map(|it| it as &dyn AsRef<std::ffi::OsStr>).collect();
        skopeo.transfer(&options, &from, &format!("docker://{to}"));
        let layout = place.path(&format!("pulled-{name}"));
        let digest = pulled(&to, &layout);
        let repository = format!("judged-pull/{name}");
        assert_eq!(digest, registry.digest_of(&repository, "1", family), "{name}");
        // By digest, and through a universal archive, it is the same.
        let by_digest = format!("{}/{repository}@{digest}", registry.host());
        assert_eq!(pulled(&by_digest, &place.path(&format!("digest-{name}"))), digest);
        let tar = place.path(&format!("{name}.tar"));
        imgconv(&["pull", &to, &tar]).ok();
        imgconv(&["compare", "--level", "manifest", &tar, &layout]).ok();
    }
}

#[test]
fn todays_programs_push_and_pull_the_same() {
    let (Some(today), Some(registry)) = (today::today(), today::registry()) else { return };
    let place = Place::new();
    let host = registry.host();
    let (app, twice) = (format!("{host}/today/app:1"), format!("{host}/today/again:1"));
    imgconv(&["push", SEVERAL, "-i", "imgconv.test/app:1.0", &app]).ok();
    let mut skopeo = today.command("skopeo");
    skopeo.args(["--insecure-policy", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"]);
    skopeo.args([format!("docker://{app}"), format!("docker://{twice}")]);
    crate::judges::run(&mut skopeo);
    let ours = pulled(&app, &place.path("ours"));
    assert_eq!(pulled(&twice, &place.path("theirs")), ours);
    let mut oras = today.command("oras");
    oras.args(["resolve", "--plain-http", &app]);
    let said = String::from_utf8(crate::judges::run(&mut oras)).unwrap();
    assert_eq!(said.trim(), ours);
    if today.has("crane") {
        let mut crane = today.command("crane");
        let said = crate::judges::run(crane.args(["digest", "--insecure", &app]));
        assert_eq!(String::from_utf8(said).unwrap().trim(), ours);
    }
}

#[test]
fn an_index_of_twelve_platforms_comes_back_as_it_went() {
    let Some(registry) = registry() else { return };
    let place = Place::new();
    let mut layout = Layout::new();
    let top = index(&mut layout, 12, Codec::Gzip);
    layout.entry(top.clone());
    layout.write(place.path("layout").as_ref());
    let name = format!("{}/judged-index/twelve:1", registry.host());
    imgconv(&["push", &place.path("layout"), &name]).ok();
    let digest = registry.digest_of("judged-index/twelve", "1", MediaFamily::Oci);
    assert_eq!(json!(digest), top["digest"]);
    assert_eq!(pulled(&name, &place.path("back")), digest);
    let args = ["compare", "--level", "manifest", &place.path("layout"), &place.path("back")];
    imgconv(&args).ok();
    let shown = imgconv(&["inspect", &format!("docker://{name}")]).ok();
    assert!(shown.lines().iter().any(|line| line.contains("linux/arch11")));
}

#[test]
fn a_sparse_index_is_pushed_only_where_its_other_images_are() {
    let Some(registry) = registry() else { return };
    let place = Place::new();
    let mut layout = Layout::new();
    let top = index(&mut layout, 3, Codec::Gzip);
    layout.entry(top.clone());
    layout.write(place.path("whole").as_ref());
    let manifest = |at: usize| -> String {
        let index = place.path("whole/blobs/") + &top["digest"].as_str().unwrap().replace(':', "/");
        let index: Value = serde_json::from_slice(&fs::read(index).unwrap()).unwrap();
        index["manifests"][at]["digest"].as_str().unwrap().to_owned()
    };
    layout.write(place.path("sparse").as_ref());
    fs::remove_file(place.path("sparse/blobs/") + &manifest(1).replace(':', "/")).unwrap();
    let name = |repository: &str| format!("{}/judged-sparse/{repository}:1", registry.host());
    // Nothing of it is sent.
    let ran = imgconv(&["push", &place.path("sparse"), &name("none")]);
    ran.refused(1, &[&manifest(1), "-p"]);
    let tags = registry.ask("GET", "/v2/judged-sparse/none/tags/list", "", b"");
    assert_eq!(tags.status, 404);
    // One platform of it, or a registry that has the rest.
    imgconv(&["push", "-p", "linux/amd64", &place.path("sparse"), &name("part")]).ok();
    imgconv(&["push", &place.path("whole"), &name("there")]).ok();
    let again = format!("{}/judged-sparse/there:again", registry.host());
    imgconv(&["push", &place.path("sparse"), &again]).ok();
}

#[test]
fn schema_1_is_shown_as_it_is() {
    let Some(registry) = registry() else { return };
    let Some(skopeo) = Skopeo::find() else { return };
    let name = format!("{}/judged-schema1/app:1", registry.host());
    let from = format!("docker-archive:{SEVERAL}:imgconv.test/app:1.0");
    skopeo.transfer(&[&"--format", &"v2s1"], &from, &format!("docker://{name}"));
    let shown = imgconv(&["manifest", "show", "--raw", &format!("docker://{name}")]).ok();
    let kind = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let theirs = registry.ask("GET", "/v2/judged-schema1/app/manifests/1", kind, b"");
    // The registry signs it for each answer anew.
    let unsigned = |raw: &[u8]| {
        let mut document: Value = serde_json::from_slice(raw).unwrap();
        assert_eq!(document["schemaVersion"], json!(1));
        assert!(document.as_object_mut().unwrap().remove("signatures").is_some());
        document
    };
    assert_eq!(unsigned(&shown.out), unsigned(&theirs.body));
    let digest = imgconv(&["manifest", "digest", &format!("docker://{name}")]).ok();
    assert_eq!(digest.lines(), [theirs.header("Docker-Content-Digest").unwrap()]);
    // What it is pulled as has the image ID that skopeo gives it.
    let place = Place::new();
    let (ours, judged) = (place.path("ours"), place.path("theirs.tar"));
    let ran = imgconv(&["pull", &name, &ours]).ok();
    assert!(ran.err.contains("has only a schema 1 manifest"), "{}", ran.err);
    imgconv(&["verify", "--strict", &ours]).ok();
    skopeo.transfer(&[], &format!("docker://{name}"), &format!("docker-archive:{judged}"));
    imgconv(&["compare", "--level", "image", &ours, &judged]).ok();
}

#[test]
fn registries_copy_to_themselves_and_to_others() {
    let Some(one) = registry() else { return };
    let Some(two) = another(&|_| String::new(), &|_| String::new()) else { return };
    let place = Place::new();
    let mut layout = Layout::new();
    let top = index(&mut layout, 2, Codec::Gzip);
    layout.entry(top.clone());
    layout.write(place.path("layout").as_ref());
    let from = format!("{}/judged-copy/from:1", one.host());
    imgconv(&["push", &place.path("layout"), &from]).ok();
    for to in [
        format!("{}/judged-copy/mounted:2", one.host()),
        format!("{}/judged-copy/streamed:2", two.host()),
    ] {
        let places = [format!("docker://{from}"), format!("docker://{to}")];
        let ran = imgconv(&["convert", &places[0], &places[1]]).ok();
        assert!(ran.lines()[0].starts_with(&to), "{:?}", ran.lines());
        let digest = pulled(&to, &place.path(&to.replace(['/', ':'], "-")));
        assert_eq!(json!(digest), top["digest"]);
    }
}

#[test]
fn an_artifact_with_a_subject_keeps_its_bytes() {
    let Some(registry) = registry() else { return };
    let place = Place::new();
    let mut layout = Layout::new();
    let image = layout.image(&Image::new(&["one"]).stored(&[Codec::Gzip]), MediaFamily::Oci);
    let empty = layout.descriptor("application/vnd.oci.empty.v1+json", b"{}");
    let text = layout.descriptor("text/plain", b"a bill of materials");
    let artifact = json!({
        "schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(),
        "artifactType": "application/vnd.example.sbom", "config": empty, "layers": [text],
        "subject": image, "annotations": {"z": "last", "a": "first"}
    });
    let artifact = layout.document(MediaFamily::Oci.manifest(), &artifact);
    let name = |tag: &str| format!("{}/judged-artifact/app:{tag}", registry.host());
    layout.named(&image, "1", Some(&name("1")));
    layout.named(&artifact, "sbom", Some(&name("sbom")));
    layout.write(place.path("layout").as_ref());
    imgconv(&["push", &place.path("layout")]).ok();
    assert_eq!(json!(pulled(&name("sbom"), &place.path("back"))), artifact["digest"]);
    for it in [&artifact, &text, &empty] {
        let path = format!("blobs/{}", it["digest"].as_str().unwrap().replace(':', "/"));
        let read = |folder: &str| fs::read(Path::new(&place.path(folder)).join(&path)).unwrap();
        assert_eq!(read("back"), read("layout"));
    }
}
