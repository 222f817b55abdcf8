//! Which instruction made which layer, and what archives of docker 1.10 to 24 keep beside it.

use serde::Serialize;

use super::image::ExplainedImage;
use crate::document::History as Entry;
use crate::manifest::ParsedBody;

/// The history of an image, oldest first, as the config has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExplainedHistory {
    /// One per instruction.
    pub steps: Vec<ExplainedStep>,
    /// How many of them made a layer.
    pub with_layer: usize,
    /// How many made none.
    pub empty: usize,
    /// Whether this source has the folders of V1 layer IDs, with `json` and `VERSION`.
    pub legacy_folders: bool,
}

/// One instruction.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExplainedStep {
    /// Its place, from one, oldest first.
    pub number: usize,
    /// When, as it stands.
    pub created: String,
    /// The instruction, as it stands; empty where a layer has none.
    pub created_by: String,
    /// The layer that it made, from one; nothing for an empty one.
    pub layer: Option<usize>,
    /// Diff ID of that layer.
    pub diff_id: Option<String>,
    /// Folder of that layer in archives of docker 17.04 to 24.
    pub v1_layer_id: Option<String>,
    /// Bytes of its uncompressed tar.
    pub uncompressed_size: Option<u64>,
}

/// Lines up history and layers.
pub(super) fn history(subject: &ExplainedImage) -> ExplainedHistory {
    let entries = entries(subject);
    let mut layers = subject.layers.iter();
    let mut steps: Vec<ExplainedStep> = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        let layer = if entry.empty_layer { None } else { layers.next() };
        steps.push(ExplainedStep {
            number: at.saturating_add(1),
            created: entry.created.clone(),
            created_by: entry.created_by.clone(),
            layer: layer.map(|layer| layer.layer),
            diff_id: layer.and_then(|layer| layer.diff_id.clone()),
            v1_layer_id: layer.and_then(|layer| layer.v1_layer_id.clone()),
            uncompressed_size: layer.and_then(|layer| layer.uncompressed_size),
        });
    }
    // Layers that the history does not tell of, as those of tools that write none.
    for layer in layers {
        steps.push(ExplainedStep {
            number: steps.len().saturating_add(1),
            created: String::new(),
            created_by: String::new(),
            layer: Some(layer.layer),
            diff_id: layer.diff_id.clone(),
            v1_layer_id: layer.v1_layer_id.clone(),
            uncompressed_size: layer.uncompressed_size,
        });
    }
    let with_layer = steps.iter().filter(|step| step.layer.is_some()).count();
    let empty = steps.len().saturating_sub(with_layer);
    ExplainedHistory { steps, with_layer, empty, legacy_folders: has_legacy_folders(subject) }
}

fn entries(subject: &ExplainedImage) -> Vec<Entry> {
    if let Some(config) = &subject.config {
        return config.view().history.clone();
    }
    let Some(ParsedBody::Schema1(schema1)) = subject.own.as_ref().map(|own| &own.body) else {
        return Vec::new();
    };
    let entry = |layer: &crate::document::Layer1| Entry {
        created: layer.created.clone(),
        created_by: layer.created_by.clone(),
        comment: String::new(),
        empty_layer: layer.throwaway,
    };
    schema1.layers.iter().rev().map(entry).collect()
}

/// Whether the layers' folders of docker 1.10 to 24 are here.
pub(super) fn has_legacy_folders(subject: &ExplainedImage) -> bool {
    let (Some(files), Some(top)) = (&subject.files, subject.legacy.last()) else { return false };
    matches!(files.find(&format!("{top}/json")), Ok(Some(_)))
}
