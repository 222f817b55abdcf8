//! Archives as docker 25 and later write them with the graph driver store: a layout of uncompressed
//! layers, plus `manifest.json` and `repositories`.
//!
//! Rules: moby `daemon/internal/image/tarexport/save.go` of v29, without its version bugs. The V1
//! `json` blobs that docker adds, and that no document names, are left out.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{DialectRow, Repositories, blob, content, created, familiar, item_with};
use crate::archive::members::{Body, NewMember};
use crate::codec::Compression;
use crate::digest::Digest;
use crate::document::descriptor::Descriptor;
use crate::document::media_type::{MediaFamily, MediaKind};
use crate::document::{Document, Index, Manifest};
use crate::error::Result;
use crate::image::names::spelled;
use crate::image::{Entry, Name};
use crate::json::go;
use crate::store::{SavedImage, StoredLayer};

pub(super) static ROW: DialectRow = DialectRow { name: "hybrid", plain: true, members };

/// The marker as docker writes it, with a space.
const MARKER: &[u8] = b"{\"imageLayoutVersion\": \"1.0.0\"}";

fn members(_: Vec<NewMember>, subjects: &[SavedImage<'_>]) -> Result<Vec<NewMember>> {
    let folder = |path: &str, mtime| NewMember {
        path: path.to_owned(),
        body: Body::Directory,
        mode: 0o755,
        mtime,
    };
    let newest = subjects.iter().map(|subject| created(subject.config.view())).max();
    let mut members = vec![folder("blobs/", newest.unwrap_or(0)), folder("blobs/sha256/", 0)];
    let mut written: BTreeSet<Digest> = BTreeSet::new();
    let mut repositories = Repositories::default();
    let mut items = Vec::new();
    let mut entries = Vec::new();
    for subject in subjects {
        let mtime = created(subject.config.view());
        for layer in &subject.layers {
            let digest = layer.diff_id.digest();
            if written.insert(digest) {
                members.push(NewMember { mtime, ..NewMember::file(blob(&digest), content(layer)) });
            }
        }
        let config = subject.config.measured().digest();
        if written.insert(config) {
            let raw = subject.config.shared();
            members.push(NewMember { mtime, ..NewMember::bytes(blob(&config), raw) });
        }
        let Some(manifest) = manifest(subject) else { continue };
        let digest = manifest.measured().digest();
        if written.insert(digest) {
            members.push(NewMember::bytes(blob(&digest), manifest.shared()));
        }
        entries.push(entry(subject, &manifest));
        items.push(item(subject, &config));
        if let Some(top) = subject.layers.last() {
            for name in &subject.names {
                repositories.add(name.familiar_repository(), name.tag(), &top.diff_id.hex());
            }
        }
    }
    members
        .push(NewMember::bytes("index.json", Index::of(spelled(&entries)).to_json().into_bytes()));
    members.push(NewMember::bytes("manifest.json", format!("{}\n", go::list(items)).into_bytes()));
    members.push(NewMember::bytes("oci-layout", MARKER.to_vec()));
    if !repositories.is_empty() {
        let line = format!("{}\n", repositories.to_json());
        members.push(NewMember::bytes("repositories", line.into_bytes()));
    }
    members.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(members)
}

/// The OCI manifest of an image with uncompressed layers.
pub(super) fn manifest(subject: &SavedImage<'_>) -> Option<Document<Manifest>> {
    let layers = subject.layers.iter();
    let layers = layers.map(|it| (it.diff_id.digest(), it.stored.size, Compression::None));
    let manifest = Manifest::of_image(MediaFamily::Oci, subject.config.measured(), layers);
    Document::parse(manifest.to_json().into_bytes()).ok()
}

fn layer(layer: &StoredLayer) -> Option<Descriptor> {
    let media_type = MediaKind::Layer(Compression::None).name(MediaFamily::Oci)?;
    Some(Descriptor::new(media_type, layer.diff_id.digest(), layer.stored.size))
}

/// The entry of an image in `index.json`.
fn entry(subject: &SavedImage<'_>, manifest: &Document<Manifest>) -> Entry {
    let media_type = MediaKind::Manifest.name(MediaFamily::Oci).unwrap_or_default();
    let descriptor = Some(Arc::new(Descriptor::of(media_type, manifest.measured())));
    let names = subject.names.iter().cloned().map(Name::of).collect();
    Entry { names, descriptor, node: 0 }
}

/// An item of `manifest.json` with the `LayerSources` that docker adds since 25.
fn item(subject: &SavedImage<'_>, config: &Digest) -> String {
    let names = familiar(subject);
    let names = Some(names.as_slice()).filter(|names| !names.is_empty());
    let layers: Vec<String> =
        subject.layers.iter().map(|layer| blob(&layer.diff_id.digest())).collect();
    let own = subject.layers.iter().filter_map(|it| Some((it.diff_id, layer(it)?)));
    // A non-distributable layer is described as its registry does.
    let elsewhere = subject.sources.iter().map(|(diff_id, said)| (*diff_id, (*said).clone()));
    item_with(&blob(config), names, &layers, own.chain(elsewhere).collect())
}
