//! The history of an image, as in `docker history`.
//!
//! Column for column as moby `cli/command/image/formatter_history.go`, newest first; the size of a
//! step is the size of the files in its layer. Each layer is read once for this.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bytes::files::BlobKey;
use crate::bytes::files::ByteSource;
use crate::codec::{Compressed, Compression, decoder};
use crate::document::History;
use crate::error::{Error, ErrorKind, Result};
use crate::image::{Image, Layer, Name};
use crate::progress::{Activity, Progress, Watched, told};
use crate::source::Source;
use crate::tar::content;

/// The histories of all selected images.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Histories {
    /// The path of the source.
    pub source: String,
    /// One per image, in order.
    pub images: Vec<ImageHistory>,
}

/// The history of one image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ImageHistory {
    /// Its names, as docker shows them.
    pub names: Vec<String>,
    /// `os/arch[/variant]`, from an index, otherwise from the config.
    pub platform: String,
    /// Digest of the config.
    pub image_id: String,
    /// Newest first.
    pub steps: Vec<HistoryStep>,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HistoryStep {
    /// The time in the config; empty if it has none.
    pub created: String,
    /// The instruction.
    pub created_by: String,
    /// A comment.
    pub comment: String,
    /// Whether the step has no layer.
    pub empty_layer: bool,
    /// Size of the files in its layer, as in docker; `None` for a missing layer, or one that is not
    /// a tar.
    pub files_size: Option<u64>,
    /// Size of its uncompressed tar, as in podman.
    pub uncompressed_size: Option<u64>,
    /// Digest of its uncompressed tar.
    pub diff_id: Option<String>,
}

/// Collects the histories of all images.
///
/// # Errors
/// There is not an image, a layer cannot be read, or the run was interrupted.
pub fn history(source: &Source, progress: &dyn Progress) -> Result<Histories> {
    let mut sizes = LayerSizes { known: BTreeMap::new(), progress };
    let mut images = Vec::new();
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    let platforms = source.platforms();
    for entry in &source.entries {
        for node in source.images_below(entry.node) {
            let names = entry.names.iter().map(Name::shown);
            let known = seen.get(&node).and_then(|at| images.get_mut(*at));
            if let Some(ImageHistory { names: all, .. }) = known {
                all.extend(names);
            } else if let Some(image) = source.image(node) {
                seen.insert(node, images.len());
                let platform = platforms.get(&node).map(ToString::to_string).unwrap_or_default();
                images.push(one(image, platform, names.collect(), &mut sizes)?);
            }
        }
    }
    if images.is_empty() {
        let found = "no image config".to_owned();
        return Err(Error::new(&source.at, ErrorKind::NoImage { found }));
    }
    Ok(Histories { source: source.at.to_string(), images })
}

fn one(
    image: &Image,
    platform: String,
    names: Vec<String>,
    sizes: &mut LayerSizes<'_>,
) -> Result<ImageHistory> {
    let config = image.config.view();
    let mut layers = image.layers.iter();
    let mut steps = Vec::with_capacity(config.history.len());
    for step in &config.history {
        let layer = if step.empty_layer { None } else { layers.next() };
        steps.push(made(step, layer, sizes)?);
    }
    // Layers without a history step, as some tools write them.
    for layer in layers {
        steps.push(made(&History::default(), Some(layer), sizes)?);
    }
    steps.reverse();
    Ok(ImageHistory { names, platform, image_id: image.id().to_string(), steps })
}

fn made(step: &History, layer: Option<&Layer>, sizes: &mut LayerSizes<'_>) -> Result<HistoryStep> {
    let empty = (step.empty_layer && layer.is_none()).then_some(0);
    let size = match layer {
        Some(layer) => sizes.of(layer)?,
        None => None,
    };
    Ok(HistoryStep {
        created: step.created.clone(),
        created_by: step.created_by.clone(),
        comment: step.comment.clone(),
        empty_layer: step.empty_layer,
        files_size: size.map(|size| size.0).or(empty),
        uncompressed_size: size.map(|size| size.1).or(empty),
        diff_id: layer.map(|layer| layer.diff_id.to_string()),
    })
}

/// Sizes of layers, each read once.
struct LayerSizes<'a> {
    known: BTreeMap<BlobKey, Option<(u64, u64)>>,
    progress: &'a dyn Progress,
}

impl LayerSizes<'_> {
    fn of(&mut self, layer: &Layer) -> Result<Option<(u64, u64)>> {
        let Some(blob) = &layer.blob else { return Ok(None) };
        if let Some(known) = self.known.get(&blob.key()) {
            return Ok(*known);
        }
        let what = (Activity::Read, &blob.at, Some(blob.size));
        let size = told(self.progress, what, || read(blob, layer.codec, self.progress))?;
        self.known.insert(blob.key(), size);
        Ok(size)
    }
}

/// The size of a layer; `None` if it is damaged or not a tar, which `verify` reports.
fn read(
    blob: &ByteSource,
    codec: Compression,
    progress: &dyn Progress,
) -> Result<Option<(u64, u64)>> {
    if let Some(known) = blob.contents() {
        return counted(known, blob);
    }
    let watched = Watched { from: blob.reader()?, progress };
    let from = Compressed { from: Box::new(watched), size: Some(blob.size) };
    let Ok(mut plain) = decoder(codec, from) else { return Ok(None) };
    counted(content(&mut plain), blob)
}

fn counted(
    found: Result<Option<(u64, u64)>, ErrorKind>,
    blob: &ByteSource,
) -> Result<Option<(u64, u64)>> {
    match found {
        Err(kind @ (ErrorKind::Limit { .. } | ErrorKind::Interrupted)) => {
            Err(Error::new(&blob.at, kind))
        }
        found => Ok(found.unwrap_or_default()),
    }
}
