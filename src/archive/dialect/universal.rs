//! One tar that is an OCI layout and a docker archive: `manifest.json` points at the same blobs.
//!
//! Order, modes and times are those of the exporter of containerd, without folders; names are
//! sorted by their bytes (`core/images/archive/exporter.go`).

use super::{DialectRow, blob, familiar, item};
use crate::archive::members::NewMember;
use crate::error::Result;
use crate::json::go;
use crate::store::SavedImage;

pub(super) static ROW: DialectRow = DialectRow { name: "universal", plain: false, members };

fn members(mut layout: Vec<NewMember>, subjects: &[SavedImage<'_>]) -> Result<Vec<NewMember>> {
    let items = subjects.iter().map(|subject| {
        let layers: Vec<String> =
            subject.layers.iter().map(|layer| blob(&layer.stored.digest)).collect();
        let config = blob(&subject.config_blob);
        item(&config, Some(&familiar(subject)), &layers)
    });
    layout.push(NewMember::bytes("manifest.json", go::list(items).into_bytes()));
    layout.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(layout)
}
