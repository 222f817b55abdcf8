//! Finds a manifest of which only the digest is known: as the programs build it that use one
//! writer for all layers.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use super::layers::{LIKELY, guesses, uncompressed};
use super::rebuild::measure_all;
use crate::codec::Compression;
use crate::digest::{Digest, Measured};
use crate::document::media_type::MediaFamily;
use crate::document::{Document, Manifest};
use crate::error::{At as _, Result};
use crate::image::Image;
use crate::json::go;
use crate::progress::Progress;

/// The manifest with one of these digests, if one of the likely writers gives it.
pub(super) fn manifest(
    image: &Image,
    digests: &BTreeSet<Digest>,
    progress: &dyn Progress,
) -> Result<Option<Document<Manifest>>> {
    let mut guesses = guesses(image);
    guesses.truncate(LIKELY);
    // For each guess the layers that it gives, as long as it gives all of them.
    let mut made: Vec<Option<Vec<Measured>>> = vec![Some(Vec::new()); guesses.len()];
    for layer in &image.layers {
        let Some(blob) = &layer.blob else { return Ok(None) };
        let from = uncompressed(layer.codec, blob, progress)?;
        let found = measure_all(from, &guesses).at(&blob.at)?;
        for (layers, measured) in made.iter_mut().zip(found) {
            match (layers.as_mut(), measured) {
                (Some(layers), Some(measured)) => layers.push(measured),
                _ => *layers = None,
            }
        }
    }
    let built = made.iter().flatten().flat_map(|layers| spelled(image, layers));
    let mut parsed = built.filter_map(|json| Document::parse(json.into_bytes()).ok());
    Ok(parsed.find(|it: &Document<Manifest>| digests.contains(&it.measured().digest())))
}

/// The manifest of these layers, as docker, `BuildKit`, skopeo and crane write it.
fn spelled(image: &Image, layers: &[Measured]) -> Vec<String> {
    let mut all = Vec::new();
    for family in [MediaFamily::Docker, MediaFamily::Oci] {
        let layers = layers.iter().map(|it| (it.digest(), it.size(), Compression::Gzip));
        let mut manifest = Manifest::of_image(family, image.config.measured(), layers);
        let mut json = vec![manifest.to_json()];
        if family == MediaFamily::Oci {
            // It may be left out (image-spec manifest.md, mediaType).
            manifest.media_type.clear();
            json.push(manifest.to_json());
        }
        for compact in json {
            all.extend(["  ", "   "].map(|step| go::indent(&compact, step, 0)));
            all.push(compact);
        }
    }
    all
}
