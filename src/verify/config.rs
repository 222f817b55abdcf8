//! What a config says of itself: history against layers, repeated keys, what docker can decode.

use super::finding::Findings;
use crate::archive::v1_layer_ids;
use crate::digest::DiffId;
use crate::document::{Config, Document};
use crate::error::Location;
use crate::json::{self, Trailing};
use crate::platform::Platform;

/// Checks a config and hands out its diff IDs and platform, as far as they can be read.
pub(super) fn config(
    raw: Vec<u8>,
    at: &Location,
    findings: &mut Findings,
) -> (Vec<DiffId>, Option<Platform>) {
    let document = match Document::<Config>::parse(raw.clone()) {
        Ok(document) => document,
        Err(kind) => {
            findings.kind(at, &kind);
            return (lenient(&raw), None);
        }
    };
    let view = document.view();
    if let Ok(checked) = json::check(document.raw(), Trailing::Refused) {
        for repeated in &checked.duplicates {
            let text = format!("the key \"{}\" is there twice", crate::error::Shown(&repeated.key));
            findings.say(at, "config-key-repeated", text);
        }
    }
    let made = view.history.iter().filter(|step| !step.empty_layer).count();
    if !view.history.is_empty() && made != view.diff_ids.len() {
        let what = "the history makes another number of layers";
        let sides = (view.diff_ids.len().to_string(), made.to_string());
        findings.differs(at, "history-mismatch", what, (&sides.0, &sides.1));
    }
    if let Err(kind) = v1_layer_ids(&document) {
        findings.say(at, "config-undecodable", kind.to_string());
    }
    (view.diff_ids.clone(), Some(view.platform.clone()))
}

/// The diff IDs of a config that is not as it should be.
fn lenient(raw: &[u8]) -> Vec<DiffId> {
    let Ok(checked) = json::check(raw, Trailing::Refused) else { return Vec::new() };
    let Ok([Some(rootfs)]) = checked.value.fields("config", ["rootfs"]) else { return Vec::new() };
    let Ok([Some(ids)]) = rootfs.fields("rootfs", ["diff_ids"]) else { return Vec::new() };
    let Ok(ids) = ids.list("rootfs.diff_ids") else { return Vec::new() };
    ids.filter_map(|id| id.string("rootfs.diff_ids").ok()?.parse().ok()).collect()
}

/// Compares what an index says of an image with its config.
pub(super) fn platform(
    said: Option<&Platform>,
    found: &Platform,
    at: &Location,
    findings: &mut Findings,
) {
    let Some(said) = said else { return };
    let differ = |a: &str, b: &str| !a.is_empty() && !b.is_empty() && a != b;
    if differ(&said.os, &found.os)
        || differ(&said.architecture, &found.architecture)
        || differ(&said.variant, &found.variant)
    {
        let sides = (said.to_string(), found.to_string());
        let what = "the platform in the index is another one";
        findings.differs(at, "platform-mismatch", what, (&sides.0, &sides.1));
    }
}
