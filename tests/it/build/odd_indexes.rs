//! Layouts with indexes in indexes, indexes with gaps, and images that several manifests describe.

use serde_json::{Value, json};

use super::codec::Codec;
use super::image::{Image, digest};
use super::layout::{Layout, MediaFamily, on_platform};
use super::odd_layouts::{OddLayout, app, beside_app, made, name, other, plain};

pub(super) fn all() -> Vec<OddLayout> {
    [indexes(), sparse(), shared_configs()].concat()
}

/// amd64 and arm64, described as children.
fn two_platforms(layout: &mut Layout) -> [Value; 2] {
    let amd = layout.image(&app(), MediaFamily::Oci);
    let arm = layout.image(&other().arch("arm64").stored(&[Codec::Gzip]), MediaFamily::Oci);
    [on_platform(amd, "linux", "amd64"), on_platform(arm, "linux", "arm64")]
}

fn indexes() -> Vec<OddLayout> {
    vec![
        (
            "index",
            made(|layout| {
                let children = two_platforms(layout);
                let index = layout.nest(MediaFamily::Oci, &children);
                name(layout, &index, "demo/app:1");
            }),
        ),
        (
            "index-of-uncompressed",
            made(|layout| {
                let amd = layout.image(&plain(), MediaFamily::Oci);
                let arm = layout.image(&plain().arch("arm64"), MediaFamily::Oci);
                let children =
                    [on_platform(amd, "linux", "amd64"), on_platform(arm, "linux", "arm64")];
                let index = layout.nest(MediaFamily::Oci, &children);
                name(layout, &index, "demo/app:1");
            }),
        ),
        (
            "index-nested",
            made(|layout| {
                let [amd, arm] = two_platforms(layout);
                let inner = layout.nest(MediaFamily::Oci, &[arm]);
                let outer = layout.nest(MediaFamily::Oci, &[amd, inner]);
                name(layout, &outer, "demo/app:1");
            }),
        ),
        (
            "index-nested-twice",
            made(|layout| {
                let children = two_platforms(layout);
                let inner = layout.nest(MediaFamily::Oci, &children);
                let middle = layout.nest(MediaFamily::Docker, std::slice::from_ref(&inner));
                let outer = layout.nest(MediaFamily::Oci, &[middle, inner, children[0].clone()]);
                name(layout, &outer, "demo/app:1");
            }),
        ),
        (
            "index-with-child-twice",
            made(|layout| {
                let [amd, arm] = two_platforms(layout);
                let index = layout.nest(MediaFamily::Oci, &[amd.clone(), arm, amd]);
                name(layout, &index, "demo/app:1");
            }),
        ),
        (
            "index-with-other-platform",
            made(|layout| {
                let amd = layout.image(&app(), MediaFamily::Oci);
                let index = layout.nest(MediaFamily::Oci, &[on_platform(amd, "linux", "s390x")]);
                name(layout, &index, "demo/app:1");
            }),
        ),
    ]
}

/// A manifest that is described and not there.
fn absent(architecture: &str) -> Value {
    let text = format!("absent {architecture}");
    let descriptor = json!({"mediaType": MediaFamily::Oci.manifest(), "digest": digest(text.as_bytes()), "size": text.len()});
    on_platform(descriptor, "linux", architecture)
}

fn sparse() -> Vec<OddLayout> {
    let index_of = |build: fn(&mut Layout) -> Vec<Value>| {
        made(move |layout| {
            let children = build(layout);
            let index = layout.nest(MediaFamily::Oci, &children);
            name(layout, &index, "demo/app:1");
        })
    };
    vec![
        (
            "sparse",
            index_of(|layout| {
                let [amd, _] = two_platforms(layout);
                layout.remove_blob(&other().arch("arm64").config);
                vec![amd, absent("arm64")]
            }),
        ),
        ("sparse-whole-index", index_of(|_| vec![absent("amd64"), absent("arm64")])),
        (
            "sparse-nested",
            index_of(|layout| {
                let [amd, arm] = two_platforms(layout);
                let inner = layout.nest(MediaFamily::Oci, &[arm, absent("s390x")]);
                vec![amd, inner]
            }),
        ),
        (
            "sparse-of-uncompressed",
            index_of(|layout| {
                let amd = layout.image(&plain(), MediaFamily::Oci);
                vec![on_platform(amd, "linux", "amd64"), absent("arm64")]
            }),
        ),
        ("sparse-top", beside_app(|layout, _| layout.entry(absent("arm64")))),
        ("sparse-top-named", beside_app(|layout, _| name(layout, &absent("arm64"), "demo/app:2"))),
        (
            "sparse-top-index",
            beside_app(|layout, _| {
                let mut index = absent("arm64");
                index["mediaType"] = json!(MediaFamily::Oci.index());
                name(layout, &index, "demo/app:2");
            }),
        ),
    ]
}

fn shared_configs() -> Vec<OddLayout> {
    let of_families = |first: Image, second: Image, family: MediaFamily| {
        made(move |layout| {
            for (image, family, to) in
                [(first, MediaFamily::Oci, "demo/app:1"), (second, family, "demo/app:2")]
            {
                let manifest = layout.image(&image, family);
                name(layout, &manifest, to);
            }
        })
    };
    vec![
        ("config-in-both-families", of_families(app(), app(), MediaFamily::Docker)),
        (
            "config-in-two-codecs",
            of_families(app(), app().stored(&[Codec::Plain]), MediaFamily::Oci),
        ),
        ("config-in-zstd-too", of_families(app().stored(&[Codec::Zstd]), app(), MediaFamily::Oci)),
        (
            "child-of-two-indexes",
            made(|layout| {
                let [amd, arm] = two_platforms(layout);
                let one = layout.nest(MediaFamily::Oci, &[amd.clone(), arm]);
                let two = layout.nest(MediaFamily::Oci, &[amd]);
                name(layout, &one, "demo/app:1");
                name(layout, &two, "demo/app:2");
            }),
        ),
        (
            "child-named-too",
            beside_app(|layout, manifest| {
                let child = on_platform(manifest.clone(), "linux", "amd64");
                let index = layout.nest(MediaFamily::Oci, &[child]);
                name(layout, &index, "demo/app:multi");
            }),
        ),
        (
            "uncompressed-child-named-too",
            made(|layout| {
                let manifest = layout.image(&plain(), MediaFamily::Oci);
                name(layout, &manifest, "demo/app:1");
                let child = on_platform(manifest, "linux", "amd64");
                let index = layout.nest(MediaFamily::Oci, &[child]);
                name(layout, &index, "demo/app:multi");
            }),
        ),
    ]
}
