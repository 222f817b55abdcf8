//! Layouts that are legal and odd, or nearly legal: each is where some program stumbles.

use serde_json::{Value, json};

use super::codec::Codec;
use super::image::{Image, digest, layer};
use super::layout::{Layout, MediaFamily, on_platform};

/// A name and the layout.
pub(crate) type OddLayout = (&'static str, Layout);

const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

pub(crate) fn all() -> Vec<OddLayout> {
    [
        algorithms(),
        names(),
        super::odd_artifacts::all(),
        empty_lists(),
        super::odd_indexes::all(),
        disagreeing(),
        layers(),
        configs(),
        beside(),
    ]
    .concat()
}

/// What a builder of this file does to a new layout.
pub(super) fn made(build: impl FnOnce(&mut Layout)) -> Layout {
    let mut layout = Layout::new();
    build(&mut layout);
    layout
}

pub(super) fn app() -> Image {
    Image::new(&["base", "top"]).stored(&[Codec::Gzip])
}

pub(super) fn other() -> Image {
    Image::new(&["base", "other"]).stored(&[Codec::Gzip])
}

/// Two layers that a conversion to a layout compresses, so that the manifest is a new one.
pub(super) fn plain() -> Image {
    Image::new(&["base", "plain"])
}

/// An entry that every reader finds under this name.
pub(super) fn name(layout: &mut Layout, manifest: &Value, name: &str) {
    let tag = name.rsplit_once(':').unwrap().1;
    layout.named(manifest, tag, Some(&format!("docker.io/{name}")));
}

pub(super) fn manifest_of(config: &Value, layers: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(), "config": config, "layers": layers})
}

pub(super) fn manifest(layout: &mut Layout, config: &Value, layers: &[Value]) -> Value {
    layout.document(MediaFamily::Oci.manifest(), &manifest_of(config, layers))
}

/// Descriptors of config and layers of an image.
fn parts(layout: &mut Layout, image: &Image) -> (Value, Vec<Value>) {
    let config = layout.descriptor(MediaFamily::Oci.config(), &image.config);
    let stored = image.stored.iter();
    let layers = stored.map(|it| layout.descriptor(MediaFamily::Oci.layer(it), it)).collect();
    (config, layers)
}

/// Which blobs of an image are named by their sha512.
#[derive(Clone, Copy)]
struct Long {
    config: bool,
    layers: bool,
    manifest: bool,
}

fn with_sha512(long: Long) -> Layout {
    let image = app();
    let describe = |layout: &mut Layout, is_long: bool, media_type: &str, data: &[u8]| {
        if is_long {
            layout.descriptor_sha512(media_type, data)
        } else {
            layout.descriptor(media_type, data)
        }
    };
    made(|layout| {
        let config = describe(layout, long.config, MediaFamily::Oci.config(), &image.config);
        let stored = image.stored.iter();
        let layers: Vec<Value> = stored
            .map(|it| describe(layout, long.layers, MediaFamily::Oci.layer(it), it))
            .collect();
        let document = manifest_of(&config, &layers).to_string();
        let entry =
            describe(layout, long.manifest, MediaFamily::Oci.manifest(), document.as_bytes());
        name(layout, &entry, "demo/app:1");
    })
}

fn algorithms() -> Vec<OddLayout> {
    let short = Long { config: false, layers: false, manifest: false };
    vec![
        ("sha512", with_sha512(Long { config: true, layers: true, manifest: true })),
        ("sha512-config", with_sha512(Long { config: true, ..short })),
        ("sha512-layers", with_sha512(Long { layers: true, ..short })),
        ("sha512-manifest", with_sha512(Long { manifest: true, ..short })),
    ]
}

/// Two images under these two pairs of `ref.name` and containerd's name.
fn two_names(first: (&str, Option<&str>), second: (&str, Option<&str>)) -> Layout {
    made(|layout| {
        for (image, (tag, full)) in [(app(), first), (other(), second)] {
            let manifest = layout.image(&image, MediaFamily::Oci);
            layout.named(&manifest, tag, full);
        }
    })
}

fn one_name(tag: &str, full: Option<&str>) -> Layout {
    made(|layout| {
        let manifest = layout.image(&app(), MediaFamily::Oci);
        layout.named(&manifest, tag, full);
    })
}

fn names() -> Vec<OddLayout> {
    let full = Some("docker.io/demo/app:1");
    let by_digest = format!("docker.io/demo/app@{}", digest(b"x"));
    let tag_and_digest = format!("docker.io/demo/app:1@{}", digest(b"x"));
    vec![
        ("name-twice", two_names(("1", full), ("1", full))),
        ("ref-name-twice", two_names(("1", None), ("1", None))),
        ("tag-twice", two_names(("1", full), ("1", Some("docker.io/demo/other:1")))),
        (
            "name-twice-of-one-image",
            made(|layout| {
                let manifest = layout.image(&app(), MediaFamily::Oci);
                layout.named(&manifest, "1", full);
                layout.named(&manifest, "1", full);
            }),
        ),
        ("names-differ", one_name("demo/one:1", Some("docker.io/demo/two:2"))),
        ("bare-tag", one_name("2.0", None)),
        ("bare-tag-of-before", one_name("1.0", None)),
        ("name-by-digest", one_name(&by_digest, Some(&by_digest))),
        ("name-with-digest", one_name("1", Some(&tag_and_digest))),
        ("name-with-capitals", one_name("Foo/Bar:V1", None)),
        ("name-with-spaces", one_name("a b", Some("a b:1"))),
    ]
}

/// An image and beside it what `build` adds.
pub(super) fn beside_app(build: impl FnOnce(&mut Layout, &Value)) -> Layout {
    made(|layout| {
        let manifest = layout.image(&app(), MediaFamily::Oci);
        name(layout, &manifest, "demo/app:1");
        build(layout, &manifest);
    })
}

fn empty_lists() -> Vec<OddLayout> {
    let index_json = |manifests: Value| {
        made(move |layout| {
            layout.index_json(&json!({"schemaVersion": 2, "manifests": manifests}));
        })
    };
    let nested = |manifests: Value| {
        beside_app(move |layout, _| {
            let document = json!({"schemaVersion": 2, "mediaType": MediaFamily::Oci.index(), "manifests": manifests});
            let index = layout.document(MediaFamily::Oci.index(), &document);
            name(layout, &index, "demo/none:1");
        })
    };
    let without_layers = |layers: Value, diff_ids: Value| {
        made(move |layout| {
            let config = json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}});
            let config = layout.document(MediaFamily::Oci.config(), &config);
            let mut document = manifest_of(&config, &[]);
            document["layers"] = layers;
            let manifest = layout.document(MediaFamily::Oci.manifest(), &document);
            name(layout, &manifest, "demo/none:1");
        })
    };
    vec![
        ("no-manifests-null", index_json(Value::Null)),
        ("no-manifests", index_json(json!([]))),
        ("index-null", nested(Value::Null)),
        ("index-empty", nested(json!([]))),
        ("no-layers-null", without_layers(Value::Null, Value::Null)),
        ("no-layers", without_layers(json!([]), json!([]))),
        ("no-layers-null-of-empty", without_layers(Value::Null, json!([]))),
    ]
}

fn larger(descriptor: &Value) -> Value {
    let mut larger = descriptor.clone();
    larger["size"] = json!(descriptor["size"].as_u64().unwrap() + 7);
    larger
}

fn typed(descriptor: &Value, media_type: &str) -> Value {
    let mut typed = descriptor.clone();
    typed["mediaType"] = json!(media_type);
    typed
}

/// Two images, the second of which describes config or layers otherwise than the first.
fn second_image(change: fn(&mut Value, &mut Vec<Value>)) -> Layout {
    made(|layout| {
        let (mut config, mut layers) = parts(layout, &app());
        let first = manifest(layout, &config, &layers);
        name(layout, &first, "demo/app:1");
        change(&mut config, &mut layers);
        let second = manifest(layout, &config, &layers);
        name(layout, &second, "demo/app:2");
    })
}

/// An image and the same manifest described in another way, before or behind it.
fn described_twice(change: fn(&Value) -> Value) -> [Layout; 2] {
    [false, true].map(|changed_first| {
        made(|layout| {
            let manifest = layout.image(&app(), MediaFamily::Oci);
            let mut both = [manifest.clone(), change(&manifest)];
            if changed_first {
                both.reverse();
            }
            name(layout, &both[0], "demo/app:1");
            name(layout, &both[1], "demo/app:2");
        })
    })
}

fn disagreeing() -> Vec<OddLayout> {
    let [size, size_first] = described_twice(larger);
    let [other_type, other_type_first] =
        described_twice(|it| typed(it, MediaFamily::Docker.manifest()));
    let [unknown, unknown_first] = described_twice(|it| typed(it, "application/vnd.example"));
    let [index, index_first] = described_twice(|it| typed(it, MediaFamily::Oci.index()));
    vec![
        ("entry-of-other-size", size),
        ("entry-of-other-size-first", size_first),
        ("entry-of-other-type", other_type),
        ("entry-of-other-type-first", other_type_first),
        ("entry-of-unknown-type", unknown),
        ("entry-of-unknown-type-first", unknown_first),
        ("entry-called-index", index),
        ("entry-called-index-first", index_first),
        (
            "child-of-other-size",
            beside_app(|layout, manifest| {
                let child = on_platform(larger(manifest), "linux", "amd64");
                let index = layout.nest(MediaFamily::Oci, &[child]);
                name(layout, &index, "demo/app:2");
            }),
        ),
        ("layer-of-other-size", second_image(|_, layers| layers[1] = larger(&layers[1]))),
        ("config-of-other-size", second_image(|config, _| *config = larger(config))),
        (
            "layer-of-other-type",
            second_image(|_, layers| {
                layers[1] = typed(&layers[1], "application/vnd.oci.image.layer.v1.tar");
            }),
        ),
        (
            "config-of-other-type",
            second_image(|config, _| *config = typed(config, MediaFamily::Docker.config())),
        ),
        (
            "layer-twice-of-other-size",
            made(|layout| {
                let image = Image::new(&["base", "base"]).stored(&[Codec::Gzip]);
                let (config, mut layers) = parts(layout, &image);
                layers[1] = larger(&layers[1]);
                let manifest = manifest(layout, &config, &layers);
                name(layout, &manifest, "demo/app:1");
            }),
        ),
    ]
}

/// One image whose layers are described as `build` says.
fn with_layers(image: &Image, build: impl FnOnce(&mut Layout, &mut Vec<Value>)) -> Layout {
    made(|layout| {
        let (config, mut layers) = parts(layout, image);
        build(layout, &mut layers);
        let manifest = manifest(layout, &config, &layers);
        name(layout, &manifest, "demo/app:1");
    })
}

/// The top layer as these bytes of this type.
fn with_top(media_type: &'static str, stored: &[u8]) -> Layout {
    with_layers(&app(), |layout, layers| {
        layout.remove_blob(&app().stored[1]);
        layers[1] = layout.descriptor(media_type, stored);
    })
}

fn layers() -> Vec<OddLayout> {
    let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    let urls = |layer: &Value| {
        let mut layer = typed(layer, foreign);
        layer["urls"] = json!(["https://layers.test/1"]);
        layer
    };
    let padded = [app().stored[1].as_slice(), &[0; 512]].concat();
    let top = layer("top");
    vec![
        (
            "encrypted",
            with_layers(&app(), |layout, layers| {
                layout.remove_blob(&app().stored[1]);
                layers[1] = layout.descriptor(&format!("{GZIP}+encrypted"), b"no one reads this");
                layers[1]["annotations"] = json!({"org.opencontainers.image.enc.keys.jwe": "e30=", "org.opencontainers.image.enc.pubopts": "e30="});
            }),
        ),
        (
            "encrypted-tar",
            with_top("application/vnd.oci.image.layer.v1.tar+encrypted", b"no one reads this"),
        ),
        (
            "unknown-layer-type",
            with_top("application/vnd.example.layer.v1.squashfs", b"hsqs and more"),
        ),
        ("non-distributable", with_layers(&app(), |_, layers| layers[1] = urls(&layers[1]))),
        (
            "non-distributable-absent",
            with_layers(&app(), |layout, layers| {
                layout.remove_blob(&app().stored[1]);
                layers[1] = urls(&layers[1]);
            }),
        ),
        ("gzip-padded", with_top(GZIP, &padded)),
        ("gzip-members", with_top(GZIP, &Codec::GzipMembers.pack(&top))),
        (
            "zstd-frames",
            with_top("application/vnd.oci.image.layer.v1.tar+zstd", &Codec::ZstdFrames.pack(&top)),
        ),
        ("codec-of-other-name", with_top(GZIP, &top)),
        (
            "bzip2-called-tar",
            with_top("application/vnd.oci.image.layer.v1.tar", &Codec::Bzip2.pack(&top)),
        ),
        (
            "layer-in-two-codecs",
            with_layers(
                &Image::new(&["base", "base"]).stored(&[Codec::Gzip, Codec::Plain]),
                |_, _| (),
            ),
        ),
        (
            "inline-data",
            with_layers(&app(), |_, layers| {
                layers[0]["annotations"] = json!({"a": "b"});
                layers[0]["x-unknown"] = json!(1);
            }),
        ),
    ]
}

/// One image with this in its config.
fn with_config(more: &Value) -> Layout {
    made(|layout| {
        let image = Image::new(&["base", "top"]).with(more).stored(&[Codec::Gzip]);
        let manifest = layout.image(&image, MediaFamily::Oci);
        name(layout, &manifest, "demo/app:1");
    })
}

fn configs() -> Vec<OddLayout> {
    let step = json!({"created_by": "x"});
    vec![
        ("history-too-long", with_config(&json!({"history": [step, step, step, step]}))),
        ("history-too-short", with_config(&json!({"history": [step]}))),
        ("history-absent", with_config(&json!({"history": null}))),
        ("created-late", with_config(&json!({"created": "9999-12-31T23:59:59Z"}))),
        ("created-odd", with_config(&json!({"created": "yesterday"}))),
        ("entrypoint-text", with_config(&json!({"config": {"Entrypoint": "/bin/sh"}}))),
        ("variant", with_config(&json!({"architecture": "arm", "variant": "v7"}))),
    ]
}

fn beside() -> Vec<OddLayout> {
    vec![
        (
            "docker-types",
            made(|layout| {
                let manifest = layout.image(&app(), MediaFamily::Docker);
                name(layout, &manifest, "demo/app:1");
            }),
        ),
        (
            "unnamed",
            made(|layout| {
                let manifest = layout.image(&app(), MediaFamily::Oci);
                layout.entry(manifest);
            }),
        ),
        ("unreferenced-blob", beside_app(|layout, _| layout.blob(b"nothing refers to it"))),
        (
            "unreferenced-broken-blob",
            beside_app(|layout, _| {
                layout.put(&format!("blobs/sha256/{}", "0".repeat(64)), b"another name");
            }),
        ),
        ("stray-file", beside_app(|layout, _| layout.put("notes.txt", b"a stray file"))),
        (
            "subject-of-image",
            beside_app(|layout, subject| {
                let (config, layers) = parts(layout, &other());
                let mut document = manifest_of(&config, &layers);
                document["subject"] = subject.clone();
                document["annotations"] = json!({"a": "b"});
                let it = layout.document(MediaFamily::Oci.manifest(), &document);
                name(layout, &it, "demo/other:1");
            }),
        ),
    ]
}
