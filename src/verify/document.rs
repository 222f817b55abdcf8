//! Checks a single document: config, manifest, index, schema 1 manifest, descriptor.

use super::finding::Findings;
use crate::document::descriptor::Descriptor;
use crate::document::kind::{DocumentKind, kind_of};
use crate::document::signature::{self, Validity};
use crate::document::{Config, Document, Index, Manifest, Schema1};
use crate::error::{ErrorKind, Location};
use crate::image::reading::Note;
use crate::json::{self, Trailing, Value};
use crate::source::config_notes;

/// Checks one document, without its blobs.
pub(super) fn document(raw: &[u8], at: &Location, findings: &mut Findings) {
    let checked = match json::check(raw, Trailing::Refused) {
        Ok(checked) => checked,
        Err(fault) => return findings.kind(at, &fault.into()),
    };
    let value = checked.value;
    let found = match kind_of(value) {
        Ok(found) => found,
        Err(kind) => return findings.kind(at, &kind),
    };
    let list = |name: &str| value.fields("the document", [name]).map_or(None, |[list]| list);
    match found {
        DocumentKind::Schema1 => {
            schema1(raw, at, findings);
            lists(value, at, findings);
        }
        DocumentKind::List | DocumentKind::OciIndex => {
            report(Document::<Index>::parse(raw).err(), at, findings);
            descriptors(list("manifests"), "manifests", at, findings);
        }
        DocumentKind::Config => match Document::<Config>::parse(raw) {
            Ok(config) => config_notes(&config, at).iter().for_each(|it| findings.note(it)),
            Err(kind) => findings.kind(at, &kind),
        },
        DocumentKind::Schema2 | DocumentKind::OciManifest => {
            report(Document::<Manifest>::parse(raw).err(), at, findings);
            descriptors(list("layers"), "layers", at, findings);
        }
        DocumentKind::Artifact => descriptors(list("blobs"), "blobs", at, findings),
        DocumentKind::Descriptor => {
            report(Descriptor::parse(value, "the descriptor").err(), at, findings);
        }
        DocumentKind::SavedManifest => {
            let why = "it is the manifest.json of a docker archive, without the archive";
            findings.kind(at, &ErrorKind::Unrecognised { why });
        }
        DocumentKind::RegistryError => {
            let why = "it is an error message of a registry, not a document";
            findings.kind(at, &ErrorKind::Unrecognised { why });
        }
        DocumentKind::Unknown => {
            let why = "the JSON is not a config, manifest, index or descriptor";
            findings.kind(at, &ErrorKind::Unrecognised { why });
        }
    }
}

fn report(kind: Option<ErrorKind>, at: &Location, findings: &mut Findings) {
    kind.iter().for_each(|kind| findings.kind(at, kind));
}

/// Checks every descriptor of a list, not only the first wrong one.
fn descriptors(list: Option<Value<'_>>, name: &str, at: &Location, findings: &mut Findings) {
    let Some(Ok(list)) = list.map(|it| it.list(name)) else { return };
    for (number, entry) in list.enumerate() {
        report(Descriptor::parse(entry, &format!("{name}[{number}]")).err(), at, findings);
    }
}

/// Checks the lists of schema 1, even in a damaged document: the same number of steps and layers,
/// and each step is the child of the next.
fn lists(value: Value<'_>, at: &Location, findings: &mut Findings) {
    let Ok([layers, history]) = value.fields("the manifest", ["fsLayers", "history"]) else {
        return;
    };
    let count = |list: Option<Value<'_>>| list?.list("a list").ok().map(Iterator::count);
    let (Some(layers), Some(steps)) = (count(layers), count(history)) else { return };
    if layers != steps {
        let sides = (layers.to_string(), steps.to_string());
        let note = Note::differs(
            at,
            "history-count",
            "the number of history entries differs",
            (&sides.0, &sides.1),
        );
        findings.note(&note);
    }
    let steps: Vec<(String, String)> =
        history.and_then(|it| it.list("history").ok()).into_iter().flatten().map(step).collect();
    for (newer, older) in steps.iter().zip(steps.iter().skip(1)) {
        if newer.1 != older.0 && !older.0.is_empty() {
            let what = "expected the ID of the next entry as parent";
            let found = newer.1.clone();
            findings.kind(at, &ErrorKind::Parents { what, found });
        }
    }
}

/// The ID and the parent in the V1 JSON of a step; empty if they cannot be read.
fn step(value: Value<'_>) -> (String, String) {
    let read = || {
        let [text] = value.fields("history", ["v1Compatibility"]).ok()?;
        let text = text?.string("v1Compatibility").ok()?;
        let checked = json::check(text.as_bytes(), Trailing::Refused).ok()?;
        let [id, parent] = checked.value.fields("v1Compatibility", ["id", "parent"]).ok()?;
        let text = |it| crate::document::descriptor::optional(it, "id").ok();
        Some((text(id)?, text(parent)?))
    };
    read().unwrap_or_default()
}

fn schema1(raw: &[u8], at: &Location, findings: &mut Findings) {
    let document = match Schema1::parse(raw) {
        Ok(document) => document,
        Err(kind) => return findings.kind(at, &kind),
    };
    for jws in &document.signatures {
        match signature::verify(jws, document.payload()) {
            Validity::Holds => (),
            Validity::Broken => {
                let text = "the signature does not match these bytes";
                findings.say(at, "signature-broken", text);
            }
            Validity::Unchecked => {
                let text = "imgconv does not check this kind of signature";
                findings.say(at, "signature-unchecked", text);
            }
        }
    }
}
