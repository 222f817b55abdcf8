//! The image that a schema 1 manifest and its layers make.
//!
//! Rules: moby `pullSchema1` and containers/image `ToSchema2Config`. Diff IDs and sizes come from the
//! layers, which are read completely.

use super::config::{self, ConfigRules, Step};
use crate::codec::Compression;
use crate::digest::{Digest, Measured};
use crate::document::media_type::MediaFamily;
use crate::document::{Layer1, Manifest, Schema1};
use crate::error::ErrorKind;

/// The empty layer that schema 1 lists for steps without one: 1024 zero bytes in gzip, as docker
/// has always stored them (distribution `digestSHA256GzippedEmptyTar`).
pub(crate) const EMPTY: [u8; 32] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x09, 0x6e, 0x88, 0x00, 0xff, 0x62, 0x18, 0x05, 0xa3, 0x60, 0x14,
    0x8c, 0x58, 0x00, 0x08, 0x00, 0x00, 0xff, 0xff, 0x2e, 0xaf, 0xb5, 0xef, 0x00, 0x04, 0x00, 0x00,
];
/// The diff ID of that layer.
const EMPTY_DIFF_ID: &str =
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// The values of a layer that was read.
#[derive(Debug, Clone)]
pub(crate) struct KnownLayer {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) diff_id: String,
    pub(crate) codec: Compression,
}

impl KnownLayer {
    /// The empty layer, which is well known, if this is its digest.
    pub(crate) fn empty(digest: &Digest) -> Option<Self> {
        let known = Measured::of(&EMPTY);
        let (diff_id, codec) = (EMPTY_DIFF_ID.to_owned(), Compression::Gzip);
        let empty = Self { digest: known.digest(), size: known.size(), diff_id, codec };
        (*digest == empty.digest).then_some(empty)
    }
}

/// The layers that make up the image, oldest first.
pub(crate) fn real_layers(schema1: &Schema1) -> Vec<&Layer1> {
    schema1.oldest_first().into_iter().filter(|layer| !layer.throwaway).collect()
}

/// The manifest and the config; `known` are the real layers, oldest first.
pub(crate) fn image_of(
    schema1: &Schema1,
    known: &[KnownLayer],
    family: MediaFamily,
    like: ConfigRules,
) -> Result<(Manifest, Vec<u8>), ErrorKind> {
    let layers = schema1.oldest_first();
    let history = layers.iter().map(|layer| {
        let kind = if layer.throwaway { Step::Empty } else { Step::Layer };
        config::step(layer.v1.as_bytes(), kind)
    });
    let history: Vec<String> = history.collect::<Result<_, _>>()?;
    let diff_ids: Vec<String> = known.iter().map(|it| it.diff_id.clone()).collect();
    let newest = layers.last().ok_or(ErrorKind::Changed)?;
    let config = config::config(newest.v1.as_bytes(), &diff_ids, &history, like)?;
    let layers = known.iter().map(|layer| (layer.digest, layer.size, layer.codec));
    let manifest = Manifest::of_image(family, &Measured::of(config.as_bytes()), layers);
    Ok((manifest, config.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// distribution `manifest/schema1/config_builder.go`, `digestSHA256GzippedEmptyTar`.
    #[test]
    fn the_empty_layer_is_the_one_that_everybody_knows() {
        let digest = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4";
        assert_eq!(Digest::of(&EMPTY).to_string(), digest);
        assert_eq!(Digest::of(&[0; 1024]).to_string(), EMPTY_DIFF_ID);
    }
}
