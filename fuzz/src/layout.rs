//! Layouts in a tar, whole, damaged, and changed with all digests above the change put right.

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use serde_json::Value;

use crate::archive::{Member, cut, join};
use crate::build::image::digest;
use crate::build::layout::{MediaFamily, Layout, attestation, on_platform};
use crate::damage::{Damage, Other, changed, damage};
use crate::holds::holds;
use crate::images::{self, images};

/// What is written, and what becomes of it.
#[derive(Arbitrary, Debug, Clone)]
pub struct Model {
    images: Vec<images::Model>,
    form: u8,
    changes: Vec<Change>,
    damage: Vec<Damage>,
}

/// A value in a document, the digests of all that names it put right.
#[derive(Arbitrary, Debug, Clone)]
struct Change {
    document: u8,
    place: u8,
    value: Other,
}

/// Whole layouts give their images; others whatever holds for any source.
pub fn run(model: &Model) {
    let images = images(&model.images);
    if images.is_empty() {
        return;
    }
    let layout = write(&images, model.form);
    let mut files: BTreeMap<String, Vec<u8>> =
        layout.files().into_iter().map(|(path, data)| (path.to_owned(), data)).collect();
    model.changes.iter().take(4).for_each(|change| apply(&mut files, change));
    let members = files.into_iter().map(|(path, data)| Member::new(b'0', &path, data));
    let mut members = cut(&join(&members.collect::<Vec<_>>()));
    model.damage.iter().take(4).for_each(|it| damage(&mut members, it));
    let out = holds(&join(&members));
    if model.damage.is_empty() && model.changes.is_empty() {
        let mut expected: Vec<_> = images.iter().map(|it| (it.id(), it.diff_ids())).collect();
        expected.sort();
        assert_eq!(out, Some(expected), "form {}", model.form);
    }
}

fn write(images: &[crate::build::image::Image], form: u8) -> Layout {
    if form.is_multiple_of(4) {
        return Layout::of(images);
    }
    let family = if form.is_multiple_of(2) { MediaFamily::Oci } else { MediaFamily::Docker };
    let mut layout = Layout::new();
    let mut children = Vec::new();
    for (at, image) in images.iter().enumerate() {
        let manifest = layout.image(image, family);
        if form & 8 != 0 && family == MediaFamily::Oci {
            children.push(attestation(&mut layout, &manifest));
        }
        children.push(on_platform(manifest, "linux", ["amd64", "arm64", "s390x"][at % 3]));
    }
    let index = layout.nest(family, &children);
    layout.named(&index, "many", Some("docker.io/demo/many:1"));
    layout
}

/// Changes one document and then, level by level, what names it.
fn apply(files: &mut BTreeMap<String, Vec<u8>>, change: &Change) {
    let documents: Vec<String> =
        files.iter().filter(|it| it.1.first() == Some(&b'{')).map(|it| it.0.clone()).collect();
    let Some(path) = documents.get(usize::from(change.document) % documents.len().max(1)) else {
        return;
    };
    let Ok(document) = serde_json::from_slice::<Value>(&files[path]) else { return };
    let new = changed(&document, usize::from(change.place), &change.value);
    replace(files, path, new.to_string().into_bytes(), 0);
}

fn replace(files: &mut BTreeMap<String, Vec<u8>>, path: &str, new: Vec<u8>, depth: usize) {
    let Some(old) = files.remove(path) else { return };
    if !path.starts_with("blobs/sha256/") {
        files.insert(path.to_owned(), new);
        return;
    }
    let (before, after) = (digest(&old), digest(&new));
    let size = new.len();
    files.insert(format!("blobs/{}", after.replace(':', "/")), new);
    if depth > 8 {
        return;
    }
    let naming: Vec<String> = files
        .iter()
        .filter(|(_, data)| String::from_utf8_lossy(data).contains(&before))
        .map(|(path, _)| path.clone())
        .collect();
    for path in naming {
        let Some(Ok(mut document)) = files.get(&path).map(|it| serde_json::from_slice(it)) else {
            continue;
        };
        rename(&mut document, &before, &after, size);
        replace(files, &path, document.to_string().into_bytes(), depth + 1);
    }
}

fn rename(value: &mut Value, before: &str, after: &str, size: usize) {
    match value {
        Value::Object(members) => {
            if members.get("digest").and_then(Value::as_str) == Some(before) {
                members.insert("digest".to_owned(), after.into());
                members.insert("size".to_owned(), size.into());
            }
            members.values_mut().for_each(|it| rename(it, before, after, size));
        }
        Value::Array(list) => list.iter_mut().for_each(|it| rename(it, before, after, size)),
        _ => (),
    }
}
