//! Archives as podman, buildah and skopeo write them: flat `<diff ID>.tar` with legacy links to
//! them.
//!
//! Rules: containers/image `docker/internal/tarfile/writer.go`. Its V1 layer IDs differ from
//! docker's: they hash the chain ID, the parent and seven raw fields of the config.

use std::collections::BTreeSet;

use super::{DialectRow, Repositories, content, item_of};
use crate::archive::members::{Body, NewMember};
use crate::digest::V1LayerId;
use crate::error::{At as _, ErrorKind, Result};
use crate::json::{self, Trailing, go};
use crate::store::SavedImage;

pub(super) static ROW: DialectRow = DialectRow { name: "podman", plain: true, members };

/// The fields that the `json` of the top layer copies from the config.
const COPIED: [&str; 7] =
    ["architecture", "config", "container", "container_config", "created", "docker_version", "os"];

fn members(_: Vec<NewMember>, subjects: &[SavedImage<'_>]) -> Result<Vec<NewMember>> {
    let mut members = Vec::new();
    let mut written: BTreeSet<String> = BTreeSet::new();
    let mut repositories = Repositories::default();
    let mut items = Vec::new();
    let file = |path: String, bytes: std::sync::Arc<[u8]>| NewMember {
        mode: 0o444,
        ..NewMember::bytes(path, bytes)
    };
    for subject in subjects {
        let mut paths = Vec::new();
        for layer in &subject.layers {
            let path = format!("{}.tar", layer.diff_id.hex());
            paths.push(path.clone());
            if written.insert(path.clone()) {
                members.push(NewMember { mode: 0o444, ..NewMember::file(path, content(layer)) });
            }
        }
        let config = format!("{}.json", subject.config.measured().digest().hex());
        if written.insert(config.clone()) {
            members.push(file(config.clone(), subject.config.shared()));
        }
        let legacy = legacy(subject).at(&subject.at)?;
        for ((id, json), path) in legacy.iter().zip(&paths) {
            if written.insert(id.to_string()) {
                let link = Body::Symlink(format!("../{path}"));
                let path = format!("{id}/layer.tar");
                members.push(NewMember { path, body: link, mode: 0, mtime: 0 });
                members.push(file(format!("{id}/VERSION"), b"1.0".to_vec().into()));
                members.push(file(format!("{id}/json"), json.clone().into_bytes().into()));
            }
        }
        let names: Vec<String> = subject.names.iter().map(ToString::to_string).collect();
        if let Some((top, _)) = legacy.last() {
            for name in &subject.names {
                repositories.add(name.repository(), name.tag(), &top.to_string());
            }
        }
        items.push(item_of(subject, &config, Some(&names), &paths));
    }
    members.push(file("manifest.json".to_owned(), go::list(items).into_bytes().into()));
    members.push(file("repositories".to_owned(), repositories.to_json().into_bytes().into()));
    Ok(members)
}

/// The V1 layer ID and `json` of each layer, base first.
fn legacy(subject: &SavedImage<'_>) -> Result<Vec<(V1LayerId, String)>, ErrorKind> {
    let value = json::check(subject.config.raw(), Trailing::Refused)?.value;
    let chain = subject.config.view().chain_ids();
    let mut layers: Vec<(V1LayerId, String)> = Vec::with_capacity(chain.len());
    for (at, chain_id) in chain.iter().enumerate() {
        let mut all = Vec::new();
        if let Some((parent, _)) = layers.last() {
            all.push(("parent", go::quoted(&parent.to_string())));
        }
        if at.saturating_add(1) == chain.len() {
            for name in COPIED {
                let raw = value.members("config")?.filter(|(key, _)| key == name).last();
                let mut text = String::new();
                go::compact(&mut text, raw.map_or("null", |(_, value)| value.raw()));
                all.push((name, text));
            }
        }
        let print = |extra: (&'static str, String)| {
            let mut members = all.clone();
            members.push(extra);
            members.sort_by_key(|(name, _)| *name);
            let mut object = go::Object::new();
            for (name, text) in &members {
                object.json(name, text);
            }
            object.finish()
        };
        let id = V1LayerId::of(print(("layer_id", go::quoted(&chain_id.to_string()))).as_bytes());
        layers.push((id, print(("id", go::quoted(&id.to_string())))));
    }
    Ok(layers)
}
