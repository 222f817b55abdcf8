//! Compares two documents: field by field within a kind, by meaning across kinds.

use std::collections::BTreeMap;

use super::{Parsed, ParsedBody};
use crate::document::media_type::MediaKind;
use crate::error::ErrorKind;
use crate::image::reason::{Change, Reason};
use crate::json::{self, JsonKind, Trailing, Value};

/// The differences.
#[derive(Debug)]
#[non_exhaustive]
pub struct ManifestDifference {
    /// Whether both have the same kind and were compared field by field.
    pub same_kind: bool,
    /// Each difference with its reason; empty for different kinds with the same meaning.
    pub changes: Vec<Change>,
    /// Whether the bytes are the same.
    pub same_bytes: bool,
}

/// Compares two documents.
///
/// # Errors
/// One of them cannot be read, which [`super::parse`] has ruled out.
pub fn diff(a: &Parsed, b: &Parsed) -> Result<ManifestDifference, ErrorKind> {
    let same_kind = a.kind == b.kind;
    let (before, after) =
        if same_kind { (fields(&a.raw)?, fields(&b.raw)?) } else { (meaning(a), meaning(b)) };
    let mut changes = Vec::new();
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (old, new) = (before.get(name), after.get(name));
        if old != new {
            let (before, after) = (old.cloned(), new.cloned());
            let reason = reason(name, before.as_deref(), after.as_deref());
            changes.push(Change { field: name.clone(), before, after, reason });
        }
    }
    let same_bytes = a.raw == b.raw;
    if same_kind && changes.is_empty() && !same_bytes {
        let digest = |parsed: &Parsed| Some(parsed.measured().digest().to_string());
        changes.push(Change {
            field: "the bytes".to_owned(),
            before: digest(a),
            after: digest(b),
            reason: Reason::Spelling,
        });
    }
    Ok(ManifestDifference { same_kind, changes, same_bytes })
}

/// Why two documents differ in a field. Only what the second one does not have is left out.
fn reason(field: &str, before: Option<&str>, after: Option<&str>) -> Reason {
    let name = field.rsplit(['.', ']']).next().unwrap_or_default();
    let thing = |media_type: Option<&str>| MediaKind::of(media_type?).map(|it| it.0);
    match name {
        "mediaType" if thing(before).is_some() && thing(before) == thing(after) => {
            return Reason::MediaType;
        }
        "schemaVersion" => return Reason::SchemaVersion,
        "name" | "tag" => return Reason::Name,
        _ if after.is_some() => return Reason::Content,
        _ => (),
    }
    if field.contains("annotations") {
        return Reason::Annotations;
    }
    match name {
        "artifactType" => Reason::ArtifactType,
        "data" => Reason::Data,
        _ if field.contains("urls") => Reason::Urls,
        _ if field.starts_with("signatures") => Reason::Signature,
        _ if field.starts_with("subject") => Reason::Subject,
        _ => Reason::Content,
    }
}

/// Every scalar of a document by its path.
fn fields(raw: &[u8]) -> Result<BTreeMap<String, String>, ErrorKind> {
    let mut found = BTreeMap::new();
    collect(json::check(raw, Trailing::Refused)?.value, "", &mut found);
    Ok(found)
}

fn collect(value: Value<'_>, path: &str, found: &mut BTreeMap<String, String>) {
    match value.kind() {
        JsonKind::Object => {
            for (key, value) in value.members(path).into_iter().flatten() {
                let path = if path.is_empty() { key.into_owned() } else { format!("{path}.{key}") };
                collect(value, &path, found);
            }
        }
        JsonKind::Array => {
            for (at, value) in value.list(path).into_iter().flatten().enumerate() {
                collect(value, &format!("{path}[{at}]"), found);
            }
        }
        // To readers, null is an empty list or a missing field.
        JsonKind::Null => (),
        _ => drop(found.insert(path.to_owned(), super::swap::plain(value))),
    }
}

/// The meaning of a document of any kind: config, layers, platforms, names.
fn meaning(parsed: &Parsed) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut say = |field: String, text: String| drop(found.insert(field, text));
    match &parsed.body {
        ParsedBody::Manifest(document) => {
            let view = document.view();
            if let Some(config) = &view.config {
                say("config.digest".to_owned(), config.digest.to_string());
            }
            for (at, layer) in view.layers.iter().enumerate() {
                say(format!("layers[{at}].digest"), layer.digest.to_string());
            }
        }
        ParsedBody::Schema1(schema1) => {
            let real = schema1.oldest_first().into_iter().filter(|layer| !layer.throwaway);
            for (at, layer) in real.enumerate() {
                say(format!("layers[{at}].digest"), layer.blob_sum.to_string());
            }
            if !schema1.name.is_empty() {
                say("name".to_owned(), format!("{}:{}", schema1.name, schema1.tag));
            }
        }
        ParsedBody::Index(document) => {
            for (at, entry) in document.view().manifests.iter().enumerate() {
                say(format!("manifests[{at}].digest"), entry.digest.to_string());
                if let Some(platform) = &entry.platform {
                    say(format!("manifests[{at}].platform"), platform.to_string());
                }
            }
        }
        ParsedBody::Config(document) => {
            let view = document.view();
            say("config.digest".to_owned(), document.measured().digest().to_string());
            for (at, diff_id) in view.diff_ids.iter().enumerate() {
                say(format!("diffIds[{at}]"), diff_id.to_string());
            }
        }
        ParsedBody::Save(items) => {
            for (at, item) in items.iter().enumerate() {
                say(format!("items[{at}].config"), item.config.clone());
                say(format!("items[{at}].names"), item.names.join(", "));
                say(format!("items[{at}].layers"), item.layers.len().to_string());
            }
        }
    }
    found
}
