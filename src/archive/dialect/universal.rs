//! One tar that is an OCI layout and a docker archive: `manifest.json` points at the same blobs.
//!
//! podman reads `index.json` if that has one entry, and otherwise `manifest.json`, where it takes a
//! short name for one of `localhost`. So several names are full names, which docker, skopeo and
//! crane shorten again; a single one is as docker writes it.
//!
//! Order, modes and times are those of the exporter of containerd, without folders; names are
//! sorted by their bytes (`core/images/archive/exporter.go`).

use super::{DialectRow, blob, familiar, item_of};
use crate::archive::members::NewMember;
use crate::error::Result;
use crate::json::go;
use crate::store::SavedImage;

pub(super) static ROW: DialectRow = DialectRow { name: "universal", plain: false, members };

fn members(mut layout: Vec<NewMember>, subjects: &[SavedImage<'_>]) -> Result<Vec<NewMember>> {
    let names = subjects.iter().map(|subject| subject.names.len().max(1)).sum::<usize>();
    let items = subjects.iter().map(|subject| {
        let layers: Vec<String> =
            subject.layers.iter().map(|layer| blob(&layer.stored.digest)).collect();
        let config = blob(&subject.config_blob);
        let names = match names {
            1 => familiar(subject),
            _ => subject.names.iter().map(ToString::to_string).collect(),
        };
        item_of(subject, &config, Some(&names), &layers)
    });
    layout.push(NewMember::bytes("manifest.json", go::list(items).into_bytes()));
    layout.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(layout)
}
