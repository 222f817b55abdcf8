//! What a conversion answers.

use serde::Serialize;

use super::plan::Plan;
use crate::digest::{Digest, ImageId};
use crate::image::reading::Note;
use crate::image::reason::Loss;
use crate::image::{Name, NodeId};
use crate::platform::Platform;

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Outcome {
    /// The images that were written.
    pub written: Vec<Written>,
    /// What the destination does not have: what the plan named, and what showed on the way.
    pub losses: Vec<Loss>,
    /// What is odd about the source, and what happened at the destination.
    pub notes: Vec<Note>,
}

/// One image that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Written {
    /// Its names, as people know them.
    pub names: Vec<String>,
    /// Its platform.
    pub platform: Platform,
    /// The digest of its manifest, where the destination has one.
    #[serde(rename = "manifestDigest")]
    pub manifest: Option<Digest>,
    /// Its ID.
    pub image_id: ImageId,
}

/// What was written, image by image.
pub(super) fn written(plan: &Plan, manifest: &dyn Fn(NodeId) -> Option<Digest>) -> Vec<Written> {
    let written = |(node, names): (NodeId, Vec<Name>)| {
        let image = plan.source.image(node)?;
        Some(Written {
            names: names.iter().map(Name::shown).collect(),
            platform: image.config.view().platform.clone(),
            manifest: manifest(node),
            image_id: image.id(),
        })
    };
    plan.named_images().into_iter().filter_map(written).collect()
}
