//! Compares whole sources: the same bytes, or differences outside the images.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::ImagePair;
use crate::error::{At as _, ErrorKind, Location, Result};
use crate::image::reason::{Change, Reason};
use crate::image::{Name, Node};
use crate::limits;
use crate::source::Source;

/// Whether two paths have the same bytes; folders are compared file by file, pipes never match.
pub(super) fn same(paths: &(Option<PathBuf>, Option<PathBuf>)) -> Result<bool> {
    let (Some(a), Some(b)) = paths else { return Ok(false) };
    if a.is_dir() && b.is_dir() {
        let (one, other) = (files(a)?, files(b)?);
        if one != other {
            return Ok(false);
        }
        for name in one {
            if !equal(&a.join(&name), &b.join(&name))? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    if a.is_file() && b.is_file() { equal(a, b) } else { Ok(false) }
}

fn files(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let at = Location::of(root);
    let mut found = BTreeSet::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(root.join(&folder)).map_err(ErrorKind::Read).at(&at)? {
            let entry = entry.map_err(ErrorKind::Read).at(&at)?;
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().map_err(ErrorKind::Read).at(&at)?;
            if kind.is_dir() {
                todo.push(path);
            } else if found.len() < limits::MEMBERS {
                found.insert(path);
            }
        }
    }
    Ok(found)
}

fn equal(a: &Path, b: &Path) -> Result<bool> {
    let open = |path: &Path| File::open(path).map_err(ErrorKind::Open).at(&Location::of(path));
    let (mut one, mut other) = (open(a)?, open(b)?);
    let size = |file: &File| file.metadata().map(|it| it.len()).unwrap_or_default();
    if size(&one) != size(&other) {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 128 << 10], vec![0; 128 << 10]);
    loop {
        let count = one.read(&mut left).map_err(ErrorKind::Read).at(&Location::of(a))?;
        if count == 0 {
            return Ok(true);
        }
        let free = right.get_mut(..count).unwrap_or_default();
        if other.read_exact(free).is_err() || left.get(..count) != Some(&*free) {
            return Ok(false);
        }
    }
}

/// The differences if every image is the same: format, names, order, indexes and artifacts.
pub(super) fn differences(a: &Source, b: &Source, pairs: &[ImagePair]) -> Vec<Change> {
    let mut found = Vec::new();
    let mut add = |field: &str, before: String, after: String, reason| {
        if before != after {
            let side = |text: String| Some(text).filter(|it| !it.is_empty());
            let field = field.to_owned();
            found.push(Change { field, before: side(before), after: side(after), reason });
        }
    };
    let kind = |it: &Source| it.kind.name().to_owned();
    add("kind", kind(a), kind(b), Reason::Packaging);
    for (at, pair) in pairs.iter().enumerate() {
        let (one, other) = (pair.a.names.join(", "), pair.b.names.join(", "));
        add(&format!("images[{at}].names"), one, other, Reason::Names);
    }
    let order = |it: &Source| {
        let names = it.entries.iter().flat_map(|entry| &entry.names).map(Name::shown);
        names.collect::<Vec<_>>()
    };
    let (one, other) = (order(a), order(b));
    let sorted = |list: &[String]| list.iter().cloned().collect::<BTreeSet<_>>();
    if sorted(&one) == sorted(&other) {
        add("order", one.join(", "), other.join(", "), Reason::Order);
    }
    let (one, other) = (beside(a), beside(b));
    for what in one.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
        let text = |all: &BTreeMap<String, Reason>| match all.contains_key(what) {
            true => what.clone(),
            false => String::new(),
        };
        let reason = one.get(what).or(other.get(what)).copied().unwrap_or(Reason::Content);
        add("beside the images", text(&one), text(&other), reason);
    }
    found
}

/// All content is the same, but the bytes differ: times, order, padding.
pub(super) fn other(a: &Location, b: &Location) -> Change {
    let (before, after) = (Some(a.to_string()), Some(b.to_string()));
    Change { field: "bytes".to_owned(), before, after, reason: Reason::Packaging }
}

/// Indexes, attestations and artifacts, by their digests.
fn beside(source: &Source) -> BTreeMap<String, Reason> {
    let mut found = BTreeMap::new();
    for node in &source.nodes {
        let (digest, reason) = match node {
            Node::Index { document, .. } => (document.measured().digest(), Reason::Index),
            Node::Other { document, why, .. } => {
                let attests = *why == crate::image::NotImage::Attestation;
                let reason = if attests { Reason::Attestation } else { Reason::Artifact };
                (document.measured().digest(), reason)
            }
            Node::UnknownBlob(descriptor, _) => (descriptor.digest, Reason::Artifact),
            Node::Image(_) | Node::Absent | Node::Broken => continue,
        };
        found.insert(digest.to_string(), reason);
    }
    found
}
