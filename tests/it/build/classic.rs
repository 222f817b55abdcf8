//! Docker archives of docker 1.10 to 24 (moby `image/tarexport/save.go`).
//!
//! One directory per layer position, its name taken from nothing that a reader may rely on; a layer
//! that was written before is a symlink to where it is (1.12 and later).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::image::{Image, digest, hex};
use super::tar::{Header, Tar};

/// How a layer that is there already gets its second name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// 1.12 to 24: a relative symlink to the file.
    Symlink,
    /// A symlink to the name before it, so that links form a chain.
    Chain,
    /// What re-packed archives have.
    Hardlink,
    /// 1.10 and 1.11.
    Copy,
}

enum Member {
    Directory,
    File(Vec<u8>),
    Symlink(String),
    Hardlink(String),
}

/// The archive as dockerd writes it: members in lexical order, so that links may come first.
pub(crate) fn archive(images: &[Image], repeat: Repeat) -> Vec<u8> {
    let mut members = BTreeMap::new();
    let mut written = BTreeMap::new();
    let mut items = Vec::new();
    let mut repositories = Map::new();
    for image in images {
        let ids = v1_layer_ids(image);
        for (id, stored) in ids.iter().zip(&image.stored) {
            let path = format!("{id}/layer.tar");
            let member = again(&mut written, stored, &path, repeat);
            members.entry(format!("{id}/")).or_insert(Member::Directory);
            members.entry(format!("{id}/VERSION")).or_insert(Member::File(b"1.0".to_vec()));
            members.entry(format!("{id}/json")).or_insert(Member::File(legacy_json(id)));
            members.entry(path).or_insert(member);
        }
        let config = format!("{}.json", hex(&image.config));
        let paths: Vec<String> = ids.iter().map(|id| format!("{id}/layer.tar")).collect();
        items.push(json!({"Config": config, "RepoTags": image.tags(), "Layers": paths}));
        members.insert(config, Member::File(image.config.clone()));
        if let Some(top) = ids.last() {
            tag(&mut repositories, &image.names, top);
        }
    }
    parents(images, &mut items);
    let line = |value: &Value| format!("{value}\n").into_bytes();
    members.insert("manifest.json".into(), Member::File(line(&json!(items))));
    if !repositories.is_empty() {
        members.insert("repositories".into(), Member::File(line(&json!(repositories))));
    }
    pack(&members)
}

/// Any name will do that differs by position, by image and by what is stored; docker hashes the
/// chain and the config.
fn v1_layer_ids(image: &Image) -> Vec<String> {
    let mut below = String::new();
    let last = image.stored.len().saturating_sub(1);
    let next = |(at, stored): (usize, &Vec<u8>)| {
        let config = if at == last { image.id() } else { String::new() };
        below = hex(format!("{below} {} {config}", digest(stored)).as_bytes());
        below.clone()
    };
    image.stored.iter().enumerate().map(next).collect()
}

fn legacy_json(id: &str) -> Vec<u8> {
    json!({"id": id, "created": "1970-01-01T00:00:00Z"}).to_string().into_bytes()
}

/// The member for a layer: its bytes, or a link where they are there under another name.
fn again(
    written: &mut BTreeMap<String, String>,
    stored: &[u8],
    path: &str,
    repeat: Repeat,
) -> Member {
    let key = digest(stored);
    let Some(first) = written.get(&key).cloned() else {
        written.insert(key, path.to_owned());
        return Member::File(stored.to_vec());
    };
    if first == path {
        return Member::File(stored.to_vec());
    }
    match repeat {
        Repeat::Symlink => Member::Symlink(format!("../{first}")),
        Repeat::Chain => {
            written.insert(key, path.to_owned());
            Member::Symlink(format!("../{first}"))
        }
        Repeat::Hardlink => Member::Hardlink(first),
        Repeat::Copy => Member::File(stored.to_vec()),
    }
}

/// `repositories`: repository, tag, and a layer's directory.
fn tag(repositories: &mut Map<String, Value>, names: &[String], top: &str) {
    for name in names {
        let (repository, tag) = name.rsplit_once(':').unwrap();
        let tags = repositories.entry(repository).or_insert_with(|| json!({}));
        tags[tag] = json!(top);
    }
}

/// `Parent` where the next image has just one layer more, as local builds have it; docker refuses
/// to set it otherwise.
fn parents(images: &[Image], items: &mut [Value]) {
    for at in 1..images.len() {
        let (parent, child) = (&images[at - 1].layers, &images[at].layers);
        if child.starts_with(parent) && child.len() == parent.len() + 1 {
            items[at]["Parent"] = json!(images[at - 1].id());
        }
    }
}

/// Type bits in the mode, `root` as owner, the image's time: as docker 20.10 has them.
fn pack(members: &BTreeMap<String, Member>) -> Vec<u8> {
    let mut tar = Tar::new();
    // A hard link stands behind its file, or no tar can unpack it.
    let (links, others): (Vec<_>, Vec<_>) =
        members.iter().partition(|it| matches!(it.1, Member::Hardlink(_)));
    for (name, member) in others.into_iter().chain(links) {
        let header = Header {
            name: name.as_bytes(),
            mode: 0o100_644,
            mtime: 1_577_934_245,
            owner: b"root",
            ..Header::default()
        };
        match member {
            Member::Directory => {
                tar.member(&Header { kind: b'5', mode: 0o40_755, ..header }, b"");
            }
            Member::File(data) => {
                tar.member(&header, data);
            }
            // The target is more than 64 hex digits, yet fits the 100 bytes of the field.
            Member::Symlink(to) => {
                let link = to.as_bytes();
                tar.member(&Header { kind: b'2', mode: 0o120_777, link, ..header }, b"");
            }
            Member::Hardlink(to) => {
                tar.member(&Header { kind: b'1', link: to.as_bytes(), ..header }, b"");
            }
        }
    }
    tar.end()
}
