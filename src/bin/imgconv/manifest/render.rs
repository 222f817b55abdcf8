//! Prints facts and changes of manifests as text and as JSON.

use std::fmt::Write as _;

use imgconv::error::Shown;
use imgconv::image::reason::{Change, Lost};
use imgconv::manifest::{ConvertedManifest, ManifestDifference, ManifestFacts, Parsed};
use indicatif::HumanBytes;
use serde::Serialize;

use crate::render::json;

/// Prints the facts about a document.
pub(super) fn facts(facts: &ManifestFacts) -> String {
    let mut text = format!("{}\n", facts.kind);
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
        let empty = if layer.empty { ", empty" } else { "" };
        let _ = writeln!(text, "  layer         {}{empty}", layer.blob_sum);
        let _ = writeln!(text, "                ID {}", layer.id);
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

/// Each difference on a line.
pub(super) fn difference(a: &Parsed, b: &Parsed, difference: &ManifestDifference) -> String {
    if difference.same_bytes {
        return "the same bytes\n".to_owned();
    }
    let mut text = String::new();
    if !difference.same_kind {
        let _ = writeln!(text, "{} and {}, compared by meaning", a.kind.name(), b.kind.name());
        if difference.changes.is_empty() {
            text.push_str("the same image\n");
        }
    }
    for change in &difference.changes {
        let _ = writeln!(text, "{change}");
    }
    text
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangeJson<'a> {
    field: &'a str,
    before: Option<&'a str>,
    after: Option<&'a str>,
    reason: &'static str,
    text: &'static str,
    section: &'static str,
    lost: bool,
}

fn changes(changes: &[Change]) -> Vec<ChangeJson<'_>> {
    changes
        .iter()
        .map(|change| {
            let row = change.reason.row();
            ChangeJson {
                field: &change.field,
                before: change.before.as_deref(),
                after: change.after.as_deref(),
                reason: row.code,
                text: row.sentence,
                section: row.section,
                lost: row.lost == Lost::Yes,
            }
        })
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ManifestDifferenceJson<'a> {
    same_bytes: bool,
    kinds: [&'static str; 2],
    changes: Vec<ChangeJson<'a>>,
}

pub(super) fn difference_json(a: &Parsed, b: &Parsed, difference: &ManifestDifference) -> String {
    json(&ManifestDifferenceJson {
        same_bytes: difference.same_bytes,
        kinds: [a.kind.name(), b.kind.name()],
        changes: changes(&difference.changes),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConvertedJson<'a> {
    digest: String,
    size: usize,
    document: String,
    config_digest: Option<String>,
    children: Vec<String>,
    changes: Vec<ChangeJson<'a>>,
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
        children: converted.children.iter().map(|(digest, _)| digest.to_string()).collect(),
        changes: changes(&converted.changes),
    })
}
