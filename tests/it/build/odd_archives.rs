//! Docker archives that are odd, or nearly right: each is where some program stumbles.

use serde_json::{Value, json};

use super::classic::{Repeat, archive};
use super::codec::{Codec, gzip};
use super::hybrid::{Defect, buildkit_empty, containerd, docker25, with_members};
use super::image::{Image, digest, hex, layer};
use super::layout::{Layout, MediaFamily, on_platform};
use super::others::{
    crane_legacy, ggcr, jib, nix_build, nix_image, nix_stream, podman, rules_docker,
};
use super::tar::Tar;
use super::v1::{self, docker19, id};

/// A name and the bytes of the tar.
pub(crate) type OddArchive = (&'static str, Vec<u8>);

pub(crate) fn all() -> Vec<OddArchive> {
    [names(), empty_lists(), shared_layers(), before_1_10(), hybrids(), writers(), layers()]
        .concat()
}

fn app() -> Image {
    Image::new(&["base", "top"]).named(&["demo/app:1"])
}

fn other() -> Image {
    Image::new(&["base", "other"]).named(&["demo/other:1"])
}

/// Config and layers of an image as members, and its item with these names.
fn item(tar: &mut Tar, image: &Image, names: &Value) -> Value {
    let config = format!("{}.json", hex(&image.config));
    tar.file(&config, &image.config);
    let layers: Vec<String> =
        image.stored.iter().map(|stored| format!("{}.tar", hex(stored))).collect();
    for (path, stored) in layers.iter().zip(&image.stored) {
        tar.file(path, stored);
    }
    json!({"Config": config, "RepoTags": names, "Layers": layers})
}

/// An archive of the images with these `RepoTags`.
fn tagged(images: &[(Image, Value)]) -> Vec<u8> {
    let mut tar = Tar::new();
    let items: Vec<Value> =
        images.iter().map(|(image, names)| item(&mut tar, image, names)).collect();
    tar.file("manifest.json", json!(items).to_string().as_bytes()).end()
}

/// One image under one name of `RepoTags`.
fn named(name: &str) -> Vec<u8> {
    tagged(&[(app(), json!([name]))])
}

fn names() -> Vec<OddArchive> {
    let one = json!(["demo/app:1"]);
    let lost = || {
        let mut tar = Tar::new();
        let item = item(&mut tar, &app(), &one);
        tar.file("manifest.json", json!([item]).to_string().as_bytes());
        let repositories = json!({"demo/app": {"1": "x", "gone": "x"}});
        tar.file("repositories", repositories.to_string().as_bytes()).end()
    };
    vec![
        ("name-twice", tagged(&[(app(), one.clone()), (other(), one.clone())])),
        (
            "name-twice-in-two-spellings",
            tagged(&[(app(), one.clone()), (other(), json!(["docker.io/demo/app:1"]))]),
        ),
        ("name-twice-in-one-item", tagged(&[(app(), json!(["demo/app:1", "demo/app:1"]))])),
        ("item-for-each-name", tagged(&[(app(), one.clone()), (app(), json!(["demo/app:2"]))])),
        ("item-twice", tagged(&[(app(), one.clone()), (app(), one.clone())])),
        ("name-by-digest", named(&format!("demo/app@{}", digest(b"x")))),
        ("name-with-digest", named(&format!("demo/app:1@{}", digest(b"x")))),
        ("name-with-capitals", named("Foo/Bar:V1")),
        ("name-with-spaces", named("a b:1")),
        ("name-without-tag", named("demo/app")),
        ("name-empty", named("")),
        ("name-that-is-a-digest", named(&digest(b"x"))),
        ("name-of-repositories-only", lost()),
        ("unnamed", tagged(&[(app(), Value::Null), (other(), json!([]))])),
    ]
}

fn empty_lists() -> Vec<OddArchive> {
    let none = Image::of(Vec::new());
    let manifest = |text: &[u8]| Tar::new().file("manifest.json", text).end();
    let without_layers = |layers: Value| {
        let mut tar = Tar::new();
        let mut item = item(&mut tar, &none, &json!(["demo/none:1"]));
        item["Layers"] = layers;
        tar.file("manifest.json", json!([item]).to_string().as_bytes()).end()
    };
    vec![
        ("no-items-null", manifest(b"null")),
        ("no-items", manifest(b"[]")),
        ("no-layers-null", without_layers(Value::Null)),
        ("no-layers", without_layers(json!([]))),
        ("no-layers-of-docker", archive(&[none.clone().named(&["demo/none:1"])], Repeat::Symlink)),
        ("no-layers-of-podman", podman(&[none.named(&["demo/none:1"])])),
        ("no-layers-of-buildkit", buildkit_empty("demo/none:1").1),
    ]
}

/// Images that share layers, one that has one twice, and one that is another's parent.
fn sharing() -> Vec<Image> {
    vec![
        Image::new(&["base"]).named(&["demo/base:1", "demo/base:latest"]),
        app(),
        other(),
        Image::new(&["base", "top", "base"]).named(&["demo/twice:1"]),
        Image::new(&["top"]),
    ]
}

fn shared_layers() -> Vec<OddArchive> {
    let packed: Vec<Image> = sharing().into_iter().map(|it| it.stored(&[Codec::Gzip])).collect();
    vec![
        ("shared-layers-symlinks", archive(&sharing(), Repeat::Symlink)),
        ("shared-layers-chains", archive(&sharing(), Repeat::Chain)),
        ("shared-layers-hard-links", archive(&sharing(), Repeat::Hardlink)),
        ("shared-layers-copies", archive(&sharing(), Repeat::Copy)),
        ("shared-layers-gzip", archive(&packed, Repeat::Symlink)),
        ("shared-layers-podman", podman(&sharing())),
        ("shared-layers-ggcr", ggcr(&packed)),
        ("shared-layers-docker-25", docker25(&sharing(), Defect::None)),
    ]
}

fn before_1_10() -> Vec<OddArchive> {
    let base = docker19("base", None, layer("base"), "#(nop) ADD file:1 in /");
    let top = docker19("top", Some("base"), layer("top"), "echo <top>");
    let empty = docker19("empty", Some("top"), Tar::new().end(), "#(nop) MAINTAINER a");
    let nothing = docker19("nothing", Some("top"), Vec::new(), "b");
    let chain = [base, top.clone(), empty];
    let tag = |seed: &str| json!({"demo/old": {"1": id(seed)}});
    let both =
        json!({"demo/old": {"1": id("empty"), "2": id("base")}, "demo/o": {"3": id("empty")}});
    vec![
        ("v1", v1::archive(&chain, Some(&tag("empty")))),
        ("v1-unnamed", v1::archive(&chain, None)),
        ("v1-two-images", v1::archive(&chain, Some(&both))),
        ("v1-empty-layer", v1::archive(&[&chain[..2], &[nothing]].concat(), Some(&tag("nothing")))),
        ("v1-without-parent", v1::archive(&[top], Some(&tag("top")))),
        ("v1-name-of-nothing", v1::archive(&chain, Some(&tag("gone")))),
    ]
}

/// What docker 28.5 saves where a name means an image and another an index over it.
fn named_and_child(family: MediaFamily) -> Vec<u8> {
    let image = app().stored(&[Codec::Gzip]);
    let mut layout = Layout::new();
    let first = layout.image(&image, MediaFamily::Oci);
    let second = layout.image(&image, family);
    layout.named(&first, "1", Some("docker.io/demo/app:1"));
    let index = layout.nest(MediaFamily::Oci, &[on_platform(second, "linux", "amd64")]);
    layout.named(&index, "multi", Some("docker.io/demo/app:multi"));
    containerd(layout, &[image.named(&["demo/app:1", "demo/app:multi"])])
}

fn hybrids() -> Vec<OddArchive> {
    let images = [app(), other(), Image::new(&["loose"])];
    let packed = app().stored(&[Codec::Gzip]);
    let latest = {
        let mut layout = Layout::new();
        for (image, name) in [(app(), "demo/app"), (other(), "demo/other")] {
            let manifest = layout.image(&image, MediaFamily::Oci);
            layout.named(&manifest, "1", Some(&format!("docker.io/{name}:1")));
        }
        containerd(layout, &[app(), other()])
    };
    let sparse = {
        let mut layout = Layout::new();
        let child = on_platform(layout.image(&packed, MediaFamily::Oci), "linux", "amd64");
        let absent =
            json!({"mediaType": MediaFamily::Oci.manifest(), "digest": digest(b"x"), "size": 9});
        let index = layout.nest(MediaFamily::Oci, &[child, on_platform(absent, "linux", "arm64")]);
        layout.named(&index, "1", Some("docker.io/demo/app:1"));
        containerd(layout, std::slice::from_ref(&packed))
    };
    let disagreeing = {
        let mut tar = Tar::new();
        let item = item(&mut tar, &other(), &json!(["demo/app:1"]));
        let files = vec![
            (format!("{}.json", hex(&other().config)), other().config),
            ("manifest.json".to_owned(), json!([item]).to_string().into_bytes()),
        ];
        let layers = other().layers.into_iter().map(|it| (format!("{}.tar", hex(&it)), it));
        let files: Vec<_> = layers.chain(files).collect();
        with_members(&Layout::of(&[app()]), &files)
    };
    vec![
        ("docker-25", docker25(&images, Defect::None)),
        ("docker-25-empty-layers", docker25(&images, Defect::EmptyLayers)),
        ("docker-25-random-order", docker25(&sharing(), Defect::RandomOrder)),
        ("docker-25-missing-entry", docker25(&images, Defect::MissingEntry)),
        ("docker-25-null-manifests", docker25(&[Image::new(&["loose"])], Defect::NullManifests)),
        ("docker-25-platform", docker25(&images, Defect::PlatformInConfig)),
        ("docker-25-tag-twice", latest),
        ("docker-28-child-named-too", named_and_child(MediaFamily::Oci)),
        ("docker-28-two-manifests", named_and_child(MediaFamily::Docker)),
        ("containerd-sparse", sparse),
        ("halves-that-disagree", disagreeing),
    ]
}

fn writers() -> Vec<OddArchive> {
    let images = [app(), other()];
    vec![
        ("docker", archive(&images, Repeat::Symlink)),
        ("docker-in-gzip", gzip(&archive(&images, Repeat::Symlink))),
        ("podman", podman(&images)),
        ("ggcr", ggcr(&images)),
        ("crane-legacy", crane_legacy(&images)),
        ("jib", jib(&app().stored(&[Codec::Gzip]))),
        ("nix-build", nix_build(&nix_image(&["a", "b"]).named(&["demo/nix:1"]))),
        ("nix-stream", nix_stream(&nix_image(&["a", "b"]).named(&["demo/nix:1"]))),
        ("rules-docker", rules_docker(&app())),
    ]
}

fn layers() -> Vec<OddArchive> {
    let of = |codec: Codec| ggcr(&[app().stored(&[codec])]);
    let late = json!({"created": "9999-12-31T23:59:59Z"});
    let steps = json!({"history": [{"created_by": "a"}, {"created_by": "b"}, {"created_by": "c"}]});
    vec![
        ("layers-bzip2", of(Codec::Bzip2)),
        ("layers-xz", of(Codec::Xz)),
        ("layers-zstd", of(Codec::Zstd)),
        ("layers-zstd-frames", of(Codec::ZstdFrames)),
        ("layers-gzip-members", of(Codec::GzipMembers)),
        ("created-late", archive(&[app().with(&late)], Repeat::Symlink)),
        ("history-too-long", archive(&[app().with(&steps)], Repeat::Symlink)),
    ]
}

/// More images than any program makes: one layer for all, so that it is names and configs alone.
pub(crate) fn many(count: usize) -> Vec<u8> {
    let shared = layer("base");
    let path = format!("{}.tar", hex(&shared));
    let mut tar = Tar::new();
    tar.file(&path, &shared);
    let rootfs = json!({"type": "layers", "diff_ids": [digest(&shared)]});
    let item = |number: usize| {
        let config = json!({"architecture": "amd64", "author": number.to_string(), "os": "linux", "rootfs": rootfs});
        let name = format!("{number}.json");
        tar.file(&name, config.to_string().as_bytes());
        json!({"Config": name, "RepoTags": [format!("demo/many:{number}")], "Layers": [path]})
    };
    let items: Vec<Value> = (0..count).map(item).collect();
    tar.file("manifest.json", json!(items).to_string().as_bytes()).end()
}
