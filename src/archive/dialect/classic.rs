//! Archives as docker 1.10 to 24 wrote them, member for member.
//!
//! Rules: moby `image/tarexport/save.go` up to v24; the walk is `filepath.Walk`, so members are
//! sorted. A repeated layer is a link to its first place, as since 1.12. The time of such a link is
//! the time of the image, where docker uses the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{DialectRow, Repositories, content, created, familiar, item_of};
use crate::archive::members::{Body, NewMember};
use crate::archive::v1::id as v1id;
use crate::digest::DiffId;
use crate::error::{At as _, Result};
use crate::json::go;
use crate::store::SavedImage;

pub(super) static ROW: DialectRow = DialectRow { name: "classic", plain: true, members };

/// Docker's tar writer includes the type bits in the mode.
const FILE: u32 = 0o100_644;
const FOLDER: u32 = 0o040_755;
const LINK: u32 = 0o120_777;

fn members(_: Vec<NewMember>, subjects: &[SavedImage<'_>]) -> Result<Vec<NewMember>> {
    let most = subjects.iter().map(|it| it.layers.len().saturating_mul(4).saturating_add(1)).sum();
    let mut members = Vec::with_capacity(most);
    let version: Arc<[u8]> = Arc::from(*b"1.0");
    let mut written = BTreeSet::new();
    let mut configs = BTreeSet::new();
    let mut first: BTreeMap<DiffId, String> = BTreeMap::new();
    let mut repositories = Repositories::default();
    let mut items = Vec::new();
    for subject in subjects {
        let mtime = created(subject.config.view());
        let layers = v1id::layers(subject.config).at(&subject.at)?;
        let mut paths = Vec::new();
        for (layer, v1) in subject.layers.iter().zip(&layers) {
            let folder = v1.id.to_string();
            let path = [&folder, "/layer.tar"].concat();
            paths.push(path.clone());
            if !written.insert(v1.id) {
                continue;
            }
            let body = match first.get(&layer.diff_id) {
                Some(first) => Body::Symlink(format!("../{first}")),
                None => Body::File(content(layer)),
            };
            first.entry(layer.diff_id).or_insert_with(|| path.clone());
            members.extend(layer_members(&folder, &v1.json, (path, body), mtime, &version));
        }
        if let Some(top) = layers.last() {
            for name in &subject.names {
                repositories.add(name.familiar_repository(), name.tag(), &top.id.to_string());
            }
        }
        let config = format!("{}.json", subject.config.measured().digest().hex());
        let names = familiar(subject);
        let names = Some(names.as_slice()).filter(|it| !it.is_empty());
        items.push(item_of(subject, &config, names, &paths));
        if configs.insert(config.clone()) {
            let raw = subject.config.shared();
            members.push(NewMember { mode: FILE, mtime, ..NewMember::bytes(config, raw) });
        }
    }
    let line = |name: &str, text: String| {
        let bytes = format!("{text}\n").into_bytes();
        NewMember { mode: FILE, ..NewMember::bytes(name, bytes) }
    };
    members.push(line("manifest.json", go::list(items)));
    if !repositories.is_empty() {
        members.push(line("repositories", repositories.to_json()));
    }
    members.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(members)
}

/// The members of a layer: its folder, and the files in it.
fn layer_members(
    folder: &str,
    json: &str,
    (layer, body): (String, Body),
    mtime: u64,
    version: &Arc<[u8]>,
) -> [NewMember; 4] {
    let path = |name: &str| [folder, name].concat();
    let file = |name: &str, bytes: Arc<[u8]>| NewMember {
        mode: FILE,
        mtime,
        ..NewMember::bytes(path(name), bytes)
    };
    let mode = if matches!(body, Body::File(_)) { FILE } else { LINK };
    [
        NewMember { path: path("/"), body: Body::Directory, mode: FOLDER, mtime },
        file("/VERSION", Arc::clone(version)),
        file("/json", json.as_bytes().into()),
        NewMember { path: layer, body, mode, mtime },
    ]
}
