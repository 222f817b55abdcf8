//! Prints facts and changes of manifests as text and as JSON.

use std::fmt::Write as _;

use imgconv::error::Shown;
use imgconv::image::reason::Change;
use imgconv::manifest::{
    ConvertedManifest, FoundDocument, ManifestDifference, ManifestFacts, show,
};
use indicatif::HumanBytes;
use serde::Serialize;

use super::Compared;
use crate::render::json;

/// `docs/schema/manifest.json` describes it.
#[derive(Serialize)]
struct ManifestsJson {
    documents: Vec<ManifestFacts>,
}

/// The facts about a document, with the names that its source gives it.
fn facts_of(found: &FoundDocument) -> ManifestFacts {
    let mut facts = show(&found.parsed);
    if facts.names.is_empty() {
        facts.names.clone_from(&found.names);
    }
    facts
}

/// The facts about all documents as data.
pub(super) fn facts_json(all: &[FoundDocument]) -> String {
    json(&ManifestsJson { documents: all.iter().map(facts_of).collect() })
}

/// Prints the facts about all documents.
pub(super) fn facts(all: &[FoundDocument]) -> String {
    all.iter().map(of_one).collect::<Vec<_>>().join("\n")
}

fn of_one(found: &FoundDocument) -> String {
    let facts = facts_of(found);
    let mut text = format!("{}\n", found.parsed.kind.name());
    let mut line = |label: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {label:13} {}", Shown(value));
        }
    };
    line("digest", &facts.digest);
    line("size", &format!("{} bytes", facts.size));
    line("media type", &facts.media_type);
    line("artifact type", &facts.artifact_type);
    line("name", &facts.names.join(", "));
    line("platform", &facts.platform);
    for (key, value) in &facts.annotations {
        line("annotation", &format!("{key}={value}"));
    }
    for part in &facts.parts {
        let _ = writeln!(text, "  {:13} {}", part.role, Shown(&part.digest));
        let size = part.size.map(|size| HumanBytes(size).to_string());
        let data = part.data.then_some("embedded, checked");
        let mut said: Vec<&str> = Vec::new();
        said.extend(part.platform.as_deref());
        said.extend(size.as_deref());
        said.extend(Some(part.media_type.as_str()).filter(|it| !it.is_empty()));
        said.extend(Some(part.artifact_type.as_str()).filter(|it| !it.is_empty()));
        said.extend(data);
        if !said.is_empty() {
            let _ = writeln!(text, "                {}", Shown(&said.join(", ")));
        }
        for url in &part.urls {
            let _ = writeln!(text, "                from {}", Shown(url));
        }
        for (key, value) in &part.annotations {
            let _ = writeln!(text, "                {}={}", Shown(key), Shown(value));
        }
    }
    for layer in &facts.layers {
        let empty = if layer.empty_layer { ", empty" } else { "" };
        let _ = writeln!(text, "  layer         {}{empty}", layer.digest);
        let _ = writeln!(text, "                ID {}", layer.v1_layer_id);
        if !layer.created_by.is_empty() {
            let _ = writeln!(text, "                {}", Shown(&layer.created_by));
        }
    }
    for signature in &facts.signatures {
        let key = match signature.certificates {
            0 => signature.kid.clone(),
            count => format!("{count} certificates"),
        };
        let said = format!("{} {key}: {}", signature.algorithm, signature.validity);
        let _ = writeln!(text, "  signature     {}", Shown(&said));
    }
    text
}

/// Each difference on a line; of several documents below their names.
pub(super) fn difference(found: &Compared<'_>) -> String {
    let several = found.pairs.len() + found.only_a.len() + found.only_b.len() > 1;
    let mut text = String::new();
    for (a, b, difference) in &found.pairs {
        if several {
            let _ = writeln!(text, "{}:", title(a));
        }
        of_pair(&mut text, a, b, difference);
    }
    for (all, side) in [(&found.only_a, "first"), (&found.only_b, "second")] {
        for it in all {
            let _ = writeln!(text, "only in the {side}: {}", title(it));
        }
    }
    text
}

/// The names of a document, or its digest.
fn title(found: &FoundDocument) -> String {
    match found.names.as_slice() {
        [] => found.parsed.measured().digest().to_string(),
        names => Shown(&names.join(", ")).to_string(),
    }
}

fn of_pair(
    text: &mut String,
    a: &FoundDocument,
    b: &FoundDocument,
    difference: &ManifestDifference,
) {
    if difference.same_bytes {
        text.push_str("the same bytes\n");
        return;
    }
    if !difference.same_kind {
        let [a, b] = [a, b].map(|it| it.parsed.kind.name());
        let _ = writeln!(text, "{a} and {b}, compared by meaning");
        if difference.changes.is_empty() {
            text.push_str("the same image\n");
        }
    }
    for change in &difference.changes {
        let _ = writeln!(text, "{change}");
    }
}

/// `docs/schema/manifest-difference.json` describes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ManifestDifferencesJson<'a> {
    documents: Vec<DocumentPair<'a>>,
    only_a: Vec<DocumentSide<'a>>,
    only_b: Vec<DocumentSide<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DocumentPair<'a> {
    a: DocumentSide<'a>,
    b: DocumentSide<'a>,
    same_bytes: bool,
    changes: &'a [Change],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DocumentSide<'a> {
    names: &'a [String],
    document_kind: &'static str,
    digest: String,
}

impl<'a> From<&'a FoundDocument> for DocumentSide<'a> {
    fn from(found: &'a FoundDocument) -> Self {
        let digest = found.parsed.measured().digest().to_string();
        Self { names: &found.names, document_kind: found.parsed.kind.code(), digest }
    }
}

pub(super) fn difference_json(found: &Compared<'_>) -> String {
    json(&ManifestDifferencesJson {
        documents: found
            .pairs
            .iter()
            .map(|(a, b, difference)| DocumentPair {
                a: (*a).into(),
                b: (*b).into(),
                same_bytes: difference.same_bytes,
                changes: &difference.changes,
            })
            .collect(),
        only_a: found.only_a.iter().map(|it| (*it).into()).collect(),
        only_b: found.only_b.iter().map(|it| (*it).into()).collect(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConvertedJson<'a> {
    digest: String,
    size: usize,
    document: String,
    config_digest: Option<String>,
    child_digests: Vec<String>,
    changes: &'a [Change],
}

/// A converted document as data, its bytes as a string.
pub(super) fn converted_json(converted: &ConvertedManifest) -> String {
    let digest = imgconv::manifest::digest(&converted.raw).map(|digest| digest.to_string());
    let config = converted.config.as_ref();
    json(&ConvertedJson {
        digest: digest.unwrap_or_default(),
        size: converted.raw.len(),
        document: String::from_utf8_lossy(&converted.raw).into_owned(),
        config_digest: config.map(|raw| imgconv::digest::Digest::of(raw).to_string()),
        child_digests: converted.children.iter().map(|(digest, _)| digest.to_string()).collect(),
        changes: &converted.changes,
    })
}
