//! Finds files that no document names, and blobs that are named by their digest.

use std::collections::BTreeSet;

use super::finding::Findings;
use crate::archive::hash_of;
use crate::bytes::files::{ByteSource, Files, What};
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::image::reading::Reading;
use crate::source::Source;

/// Reports everything that no document names; blob files are added to the claims by their names.
pub(super) fn find(files: &Files, source: &mut Source, findings: &mut Findings) -> Result<()> {
    let named = named(source);
    for listed in files.list()? {
        let Some(path) = listed.path else {
            let text = "the name of a member escapes the archive or is not UTF-8";
            findings.say(files.at(), "member-outside", text);
            continue;
        };
        let at = files.at().member(&path);
        if listed.again && !findings.has(&at, "duplicate-member") {
            let twice = matches!(files.find(&path), Err(Error { kind: ErrorKind::Twice, .. }));
            let code = if twice { "member-differs" } else { "member-repeated" };
            findings.say(&at, code, "duplicate member name");
        }
        let used = named.contains(&path);
        match blob_name(&path) {
            Some(digest) if listed.what != What::Other => {
                let Ok(Some(from)) = files.find(&path) else { continue };
                if !used && !is_claimed(source, &from) && !is_v1_json(&from) {
                    findings.say(&from.at, "blob-unreferenced", "no document refers to this blob");
                }
                source.blobs.named(from, digest);
            }
            _ if used || is_known(&path) || listed.what == What::Link => (),
            _ => findings.say(&at, "file-stray", "this file is not part of the format"),
        }
    }
    Ok(())
}

/// The hash in the name of a layer: of the stored bytes or of the uncompressed tar.
pub(super) fn layer_hash(from: &ByteSource) -> Option<String> {
    let path = from.at.member_name()?;
    hash_of(path).filter(|_| !path.starts_with("blobs/"))
}

/// Every path that a document names or a finding mentions.
fn named(source: &Source) -> BTreeSet<String> {
    let mut named = Reading::paths(&source.nodes, &source.entries);
    named.extend(source.named.iter().cloned());
    let mut at = |at: &Location| {
        let path = at.member_name().map(|path| path.trim_start_matches("./").to_owned());
        named.extend(path);
    };
    source.blobs.all().iter().for_each(|blob| at(&blob.from.at));
    source.problems.iter().for_each(|problem| at(&problem.at));
    source.notes.iter().for_each(|note| at(&note.at));
    named
}

fn is_claimed(source: &Source, from: &ByteSource) -> bool {
    [Algorithm::Sha256, Algorithm::Sha512]
        .iter()
        .any(|algorithm| source.blobs.find(from, *algorithm).is_some())
}

/// The digest in the name of a file below `blobs`.
fn blob_name(path: &str) -> Option<Digest> {
    let (algorithm, hex) = path.strip_prefix("blobs/")?.split_once('/')?;
    [Algorithm::Sha256, Algorithm::Sha512]
        .iter()
        .any(|it| it.name() == algorithm)
        .then(|| format!("{algorithm}:{hex}").parse().ok())
        .flatten()
}

/// Names with a meaning in docker archives, even if no document names them.
fn is_known(path: &str) -> bool {
    let v1 = path.split_once('/').is_some_and(|(folder, file)| {
        let hex = folder.len() == 64 && folder.bytes().all(|it| it.is_ascii_hexdigit());
        hex && matches!(file, "json" | "VERSION" | "layer.tar")
    });
    v1 || matches!(path, "manifest.json" | "repositories" | "oci-layout" | "index.json")
}

/// The V1 JSON of a layer, which docker 25 and later store as a blob that no document names.
fn is_v1_json(from: &ByteSource) -> bool {
    from.size < (64 << 10) && from.head().is_ok_and(|head| head.starts_with(b"{\"id\":\""))
}
