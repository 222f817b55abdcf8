//! Compares two manifests of one image, or an image with a manifest on one side only.

use crate::codec::Compression;
use crate::digest::{Algorithm, Digest, Measured};
use crate::document::descriptor::Descriptor;
use crate::document::{Document, Manifest};
use crate::image::Layer;
use crate::image::reason::{Change, Reason};

/// All differences.
pub(super) fn differences(
    a: Option<&Document<Manifest>>,
    b: Option<&Document<Manifest>>,
    (one, other): (&[Layer], &[Layer]),
) -> Vec<Change> {
    let mut found = Vec::new();
    let digest = |it: Option<&Document<Manifest>>| it.map(|it| it.measured().digest().to_string());
    let (before, after) = (digest(a), digest(b));
    if before != after && (a.is_none() || b.is_none()) {
        change(&mut found, "manifest", before, after, Reason::Manifest);
    } else if let (Some(a), Some(b)) = (a, b) {
        documents(a.view(), b.view(), &mut found);
        if found.is_empty() && one.len() == other.len() && !stored(one, other) {
            change(&mut found, "manifest", before, after, Reason::Spelling);
        }
    }
    for (at, (one, other)) in one.iter().zip(other).enumerate() {
        let (before, after) = (layer(one, other), layer(other, one));
        if before != after && one.is_here() && other.is_here() {
            change(
                &mut found,
                &format!("layers[{at}]"),
                Some(before),
                Some(after),
                Reason::Recompressed,
            );
        } else if one.is_here() != other.is_here() {
            let here = |it: &Layer| it.is_here().then(|| layer(it, it));
            let field = format!("layers[{at}]");
            change(&mut found, &field, here(one), here(other), Reason::NonDistributable);
        }
    }
    found
}

fn change(
    found: &mut Vec<Change>,
    field: &str,
    before: Option<String>,
    after: Option<String>,
    reason: Reason,
) {
    found.push(Change { field: field.to_owned(), before, after, reason });
}

/// Whether a layer is stored differently.
fn stored(a: &[Layer], b: &[Layer]) -> bool {
    a.iter().zip(b).any(|(a, b)| layer(a, b) != layer(b, a))
}

/// How a layer is stored. If only the other side has a digest that could be the same, the bytes of
/// this side are hashed, so that a kept layer is not reported as changed.
fn layer(layer: &Layer, other: &Layer) -> String {
    let digest = said(layer).or_else(|| {
        let blob = layer.blob.as_ref()?;
        let alike = layer.codec == other.codec && layer.stored_size() == other.stored_size();
        said(other).filter(|_| alike)?;
        Measured::read(Algorithm::Sha256, &mut blob.reader().ok()?).ok().map(|it| it.digest())
    });
    let digest = digest.map(|digest| digest.to_string());
    let size = layer.stored_size().map_or_else(String::new, |size| format!(", {size} bytes"));
    format!("{}{size}, {}", layer.codec.name(), digest.as_deref().unwrap_or("no digest"))
}

/// The digest of its stored bytes, from a manifest; for an uncompressed layer, from the config.
fn said(layer: &Layer) -> Option<Digest> {
    let claimed = layer.claim.as_ref().map(|it| it.digest);
    claimed.or_else(|| (layer.codec == Compression::None).then(|| layer.diff_id.digest()))
}

fn documents(a: &Manifest, b: &Manifest, found: &mut Vec<Change>) {
    let mut text = |field: &str, a: &str, b: &str, reason| {
        if a != b {
            let side = |text: &str| Some(text.to_owned()).filter(|it| !it.is_empty());
            change(found, field, side(a), side(b), reason);
        }
    };
    text("mediaType", &a.media_type, &b.media_type, Reason::MediaType);
    text("artifactType", &a.artifact_type, &b.artifact_type, Reason::ArtifactType);
    let kind =
        |it: &Option<Descriptor>| it.as_ref().map(|it| it.media_type.clone()).unwrap_or_default();
    text("config.mediaType", &kind(&a.config), &kind(&b.config), Reason::MediaType);
    let subject = |it: &Option<Box<Descriptor>>| {
        it.as_ref().map(|it| it.digest.to_string()).unwrap_or_default()
    };
    text("subject", &subject(&a.subject), &subject(&b.subject), Reason::Subject);
    for (at, (one, other)) in a.layers.iter().zip(&b.layers).enumerate() {
        let field = format!("layers[{at}].mediaType");
        text(&field, &one.media_type, &other.media_type, Reason::MediaType);
        let urls = |it: &Descriptor| it.urls.join(" ");
        text(&format!("layers[{at}].urls"), &urls(one), &urls(other), Reason::Urls);
        let annotations = |it: &Descriptor| shown(&it.annotations);
        let (one, other) = (annotations(one), annotations(other));
        text(&format!("layers[{at}].annotations"), &one, &other, Reason::Annotations);
    }
    text("annotations", &shown(&a.annotations), &shown(&b.annotations), Reason::Annotations);
    let others = |it: &Manifest| {
        let all: Vec<String> =
            it.others.iter().map(|(key, text)| format!("{key}={text}")).collect();
        all.join(" ")
    };
    text("unknown members", &others(a), &others(b), Reason::Unknown);
}

fn shown(annotations: &std::collections::BTreeMap<String, String>) -> String {
    let all: Vec<String> = annotations.iter().map(|(key, text)| format!("{key}={text}")).collect();
    all.join(" ")
}
