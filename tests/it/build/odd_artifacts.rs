//! Layouts with manifests that are no images: artifacts and attestations, with and without an image.

use serde_json::{Value, json};

use super::codec::Codec;
use super::image::Image;
use super::layout::{Layout, MediaFamily, attestation, on_platform};
use super::odd_layouts::{
    OddLayout, app, beside_app, made, manifest, manifest_of, name, other, plain,
};

/// The type of a config that is none (image-spec manifest.md, guidance for an empty descriptor).
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

pub(super) fn all() -> Vec<OddLayout> {
    [artifacts(), odder_artifacts(), attestations()].concat()
}

/// A manifest of one text with a config of this type.
fn artifact(layout: &mut Layout, config_type: &str, more: &Value) -> Value {
    let config = layout.descriptor(config_type, b"{}");
    // Nothing is there that the manifest does not name.
    let text = more["layers"].is_null().then(|| layout.descriptor("text/plain", b"any text"));
    let mut document = manifest_of(&config, text.as_slice());
    document["artifactType"] = json!("application/vnd.example");
    for (key, value) in more.as_object().unwrap() {
        document[key] = value.clone();
    }
    layout.document(MediaFamily::Oci.manifest(), &document)
}

fn artifacts() -> Vec<OddLayout> {
    let none = json!({});
    let helm = "application/vnd.cncf.helm.config.v1+json";
    let entry = |config_type: &'static str| {
        let none = none.clone();
        beside_app(move |layout, _| {
            let it = artifact(layout, config_type, &none);
            layout.entry(it);
        })
    };
    vec![
        (
            "artifact",
            made(|layout| {
                let it = artifact(layout, EMPTY, &none);
                layout.named(&it, "v1", None);
            }),
        ),
        ("artifact-beside", entry(EMPTY)),
        ("artifact-with-config", entry(helm)),
        (
            "artifact-of-subject",
            beside_app(|layout, manifest| {
                let it = artifact(layout, EMPTY, &json!({"subject": manifest}));
                layout.entry(it);
            }),
        ),
    ]
}

fn odder_artifacts() -> Vec<OddLayout> {
    let none = json!({});
    vec![
        (
            "artifact-in-index",
            made(|layout| {
                let image = layout.image(&app(), MediaFamily::Oci);
                let it = artifact(layout, EMPTY, &none);
                let index =
                    layout.nest(MediaFamily::Oci, &[on_platform(image, "linux", "amd64"), it]);
                name(layout, &index, "demo/app:1");
            }),
        ),
        (
            "artifact-inline",
            beside_app(|layout, _| {
                let config = inline(layout);
                let text = layout.descriptor("text/plain", b"any text");
                let it = manifest(layout, &config, &[text]);
                layout.entry(it);
            }),
        ),
        (
            "artifact-without-layers",
            beside_app(|layout, manifest| {
                let more =
                    json!({"layers": [layout.descriptor(EMPTY, b"{}")], "subject": manifest});
                let it = artifact(layout, EMPTY, &more);
                layout.entry(it);
            }),
        ),
        (
            "artifact-manifest",
            beside_app(|layout, manifest| {
                let media_type = "application/vnd.oci.artifact.manifest.v1+json";
                let blob = layout.descriptor("text/plain", b"any text");
                let document = json!({"mediaType": media_type, "artifactType": "a/b", "blobs": [blob], "subject": manifest});
                let it = layout.document(media_type, &document);
                layout.entry(it);
            }),
        ),
        (
            "unknown-type",
            beside_app(|layout, _| {
                let it = layout.descriptor("application/vnd.example", b"any bytes");
                layout.entry(it);
            }),
        ),
    ]
}

/// The empty config with its bytes in the descriptor too, as buildx and oras write it.
fn inline(layout: &mut Layout) -> Value {
    let mut config = layout.descriptor(EMPTY, b"{}");
    config["data"] = json!("e30=");
    config
}

/// As buildx writes it since artifacts have the empty config.
fn artifact_attestation(layout: &mut Layout, subject: &Value) -> Value {
    let statement = format!(r#"{{"_type":"x","of":{}}}"#, subject["digest"]);
    let config = inline(layout);
    let layer = layout.descriptor("application/vnd.in-toto+json", statement.as_bytes());
    let mut document = manifest_of(&config, &[layer]);
    document["artifactType"] = json!("application/vnd.docker.attestation.manifest.v1+json");
    document["subject"] = subject.clone();
    let mut entry = layout.document(MediaFamily::Oci.manifest(), &document);
    entry["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": subject["digest"]
    });
    on_platform(entry, "unknown", "unknown")
}

/// An index of these children for amd64, one attestation last.
fn attested(layout: &mut Layout, image: &Value, statement: &Value) -> Value {
    let child = on_platform(image.clone(), "linux", "amd64");
    layout.nest(MediaFamily::Oci, &[child, statement.clone()])
}

/// Two indexes, each with its own image and both with the attestation of the first image.
fn shared_attestation(first: &Image, second: &Image) -> Layout {
    made(|layout| {
        let first = layout.image(first, MediaFamily::Oci);
        let second = layout.image(second, MediaFamily::Oci);
        let statement = attestation(layout, &first);
        let one = attested(layout, &first, &statement);
        let two = attested(layout, &second, &statement);
        name(layout, &one, "demo/one:1");
        name(layout, &two, "demo/two:1");
    })
}

fn attestations() -> Vec<OddLayout> {
    let alone = |image: Image| {
        made(move |layout| {
            let image = layout.image(&image, MediaFamily::Oci);
            let statement = attestation(layout, &image);
            let index = attested(layout, &image, &statement);
            name(layout, &index, "demo/app:1");
        })
    };
    vec![
        ("attestation", alone(app())),
        ("attestation-of-uncompressed", alone(plain())),
        ("attestation-shared", shared_attestation(&plain(), &app())),
        ("attestation-shared-by-unchanged", shared_attestation(&app(), &plain())),
        (
            "attestation-artifact",
            made(|layout| {
                let amd = layout.image(&app(), MediaFamily::Oci);
                let arm =
                    layout.image(&other().arch("arm64").stored(&[Codec::Gzip]), MediaFamily::Oci);
                let both = [artifact_attestation(layout, &amd), artifact_attestation(layout, &arm)];
                let images =
                    [on_platform(amd, "linux", "amd64"), on_platform(arm, "linux", "arm64")];
                let index = layout.nest(MediaFamily::Oci, &[images, both].concat());
                name(layout, &index, "demo/app:1");
            }),
        ),
    ]
}
