//! What is known of each layer of the image on a page.

use serde::Serialize;

use crate::convert::Forecast;
use crate::digest::{ChainId, DiffId, V1LayerId};
use crate::document::descriptor::Descriptor;
use crate::document::media_type::MediaKind;
use crate::document::{Config, Document, Schema1};
use crate::image::Image;
use crate::image::layer::Transcoded;

/// One layer. Digests are whole, with their algorithm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedLayer {
    /// Its place, from one, base first.
    pub layer: usize,
    /// Digest of the uncompressed tar, as the config says.
    pub diff_id: Option<String>,
    /// Digest of this layer with all below it.
    pub chain_id: Option<String>,
    /// Directory name in archives of docker 17.04 to 24.
    pub v1_layer_id: Option<String>,
    /// Bytes of the uncompressed tar.
    pub uncompressed_size: Option<u64>,
    /// Digest of the stored bytes, as a manifest of the source says.
    pub digest: Option<String>,
    /// Media type, as that manifest says.
    pub media_type: Option<String>,
    /// Stored bytes in the source.
    pub size: Option<u64>,
    /// What the stored bytes are compressed with.
    pub compression: Option<&'static str>,
    /// Digest of the stored bytes that `save2oci` makes of a layer that no manifest lists.
    pub made_digest: Option<String>,
    /// How many these are.
    pub made_size: Option<u64>,
    /// The instruction that made it; empty where the history does not say.
    pub created_by: String,
    /// Whether its bytes were read and have the digests that were said of them.
    pub checked: bool,
    /// Whether what would be made is what is stored here.
    #[serde(skip)]
    pub(super) kept: bool,
}

impl ExplainedLayer {
    /// Digest of the stored bytes in a registry: said by a manifest here, or made.
    pub(super) fn stored_digest(&self) -> Option<&str> {
        self.digest.as_deref().or(self.made_digest.as_deref())
    }

    /// Bytes in a registry.
    pub(super) fn stored_size(&self) -> Option<u64> {
        if self.digest.is_some() { self.size } else { self.made_size }
    }
}

/// The layers of a whole image, with what was measured of them.
pub(super) fn of_image(
    image: &Image,
    legacy: &[V1LayerId],
    forecast: &Forecast,
) -> Vec<ExplainedLayer> {
    let mut layers = of_config(&image.config, legacy);
    for (at, facts) in layers.iter_mut().enumerate() {
        let Some(layer) = image.layers.get(at) else { continue };
        if let Some(claim) = &layer.claim {
            claimed(facts, claim);
        }
        facts.size = layer.stored_size().or(facts.size);
        let known = layer.is_here() || layer.claim.is_some();
        facts.compression = known.then(|| layer.codec.name());
        if let Some(there) = forecast.layers.get(at).copied().flatten() {
            measured(facts, &there);
        }
    }
    layers
}

fn measured(facts: &mut ExplainedLayer, there: &Transcoded) {
    facts.checked = true;
    facts.uncompressed_size = Some(there.uncompressed.size());
    if facts.digest.is_none() {
        facts.made_digest = Some(there.stored.digest().to_string());
        facts.made_size = Some(there.stored.size());
        facts.kept = there.stored == there.source;
    }
}

fn claimed(facts: &mut ExplainedLayer, claim: &Descriptor) {
    facts.digest = Some(claim.digest.to_string());
    facts.size = Some(claim.size);
    facts.media_type = Some(claim.media_type.clone());
    if let Some((MediaKind::Layer(codec) | MediaKind::NonDistributable(codec), _)) =
        MediaKind::of(&claim.media_type)
    {
        facts.compression = Some(codec.name());
    }
}

/// The layers that a config tells of.
pub(super) fn of_config(config: &Document<Config>, legacy: &[V1LayerId]) -> Vec<ExplainedLayer> {
    let view = config.view();
    let mut made = view.history.iter().filter(|step| !step.empty_layer);
    let layer = |(at, (diff_id, chain_id)): (usize, (&DiffId, &ChainId))| ExplainedLayer {
        layer: at.saturating_add(1),
        diff_id: Some(diff_id.to_string()),
        chain_id: Some(chain_id.to_string()),
        v1_layer_id: legacy.get(at).map(ToString::to_string),
        created_by: made.next().map(|step| step.created_by.clone()).unwrap_or_default(),
        ..ExplainedLayer::default()
    };
    view.diff_ids.iter().zip(&view.chain_ids()).enumerate().map(layer).collect()
}

/// The layers that a manifest tells of, whose config may be elsewhere.
pub(super) fn of_claims(
    claims: &[Descriptor],
    config: Option<&Document<Config>>,
    legacy: &[V1LayerId],
) -> Vec<ExplainedLayer> {
    let known = config.map(|config| of_config(config, legacy)).unwrap_or_default();
    let layer = |(at, claim): (usize, &Descriptor)| {
        let mut facts = known.get(at).cloned().unwrap_or_default();
        facts.layer = at.saturating_add(1);
        claimed(&mut facts, claim);
        facts
    };
    claims.iter().enumerate().map(layer).collect()
}

/// The layers that a schema 1 manifest tells of, without those that hold nothing.
pub(super) fn of_schema1(schema1: &Schema1) -> Vec<ExplainedLayer> {
    let real = schema1.layers.iter().rev().filter(|layer| !layer.throwaway);
    let layer = |(at, layer): (usize, &crate::document::Layer1)| ExplainedLayer {
        layer: at.saturating_add(1),
        digest: Some(layer.blob_sum.to_string()),
        created_by: layer.created_by.clone(),
        ..ExplainedLayer::default()
    };
    real.enumerate().map(layer).collect()
}
