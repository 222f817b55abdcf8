//! What hashes what: every digest that an image has anywhere, with its value or why there is none.

use serde::Serialize;

use super::image::ExplainedImage;
use super::measured::ExplainedLayer;
use crate::document::kind::DocumentKind;

/// Every digest of an image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Digests {
    /// From the layers up to the index.
    pub digests: Vec<DigestFacts>,
}

/// One digest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DigestFacts {
    /// What people call it.
    pub name: &'static str,
    /// The layer that it belongs to, from one.
    pub layer: Option<usize>,
    /// The bytes that are hashed.
    pub of: &'static str,
    /// `sha256:` and so on; a V1 layer ID has no algorithm in front.
    pub value: Option<String>,
    /// Where the value comes from.
    pub status: Status,
    /// How it is had, or why it is not.
    pub why: String,
    /// Where the rule is written.
    pub section: &'static str,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// A document of the source has it, and the bytes that it is of were hashed.
    Checked,
    /// A document of the source has it; the bytes that it is of are not here.
    Said,
    /// It follows from bytes that are here.
    Computed,
    /// docker save made it of uncompressed layers; no registry has it.
    Saved,
    /// It depends on how layers are compressed; this is the one that `save2oci` makes.
    Made,
    /// It cannot be known from this source.
    Unknown,
    /// There is none.
    None,
}

impl Status {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Checked => "checked",
            Self::Said => "said",
            Self::Computed => "computed",
            Self::Saved => "saved",
            Self::Made => "made",
            Self::Unknown => "unknown",
            Self::None => "none",
        }
    }

    /// What the word means.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Checked => "found in this source and checked: its bytes were hashed just now",
            Self::Said => "listed in this source, not checked: the bytes are missing",
            Self::Computed => "computed from bytes that are here",
            Self::Saved => {
                "made by docker save, of uncompressed layers: a registry has another one"
            }
            Self::Made => "as save2oci would make it: it depends on the compressor",
            Self::Unknown => "cannot be known from this source",
            Self::None => "not in this source",
        }
    }

    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Checked,
        Self::Said,
        Self::Computed,
        Self::Saved,
        Self::Made,
        Self::Unknown,
        Self::None,
    ];
}

const CONFIG: &str = "image-spec config.md, ImageID";
const DIFF_ID: &str = "image-spec config.md, Layer DiffID";
const CHAIN_ID: &str = "image-spec config.md, Layer ChainID";
const DESCRIPTOR: &str = "image-spec descriptor.md, Digests";
const LEGACY: &str = "moby v28 image/v1/imagev1.go, CreateID";
const NO_COMPRESSED: &str =
    "a docker archive holds uncompressed layers; no compressed bytes, no digest";

/// Collects them.
pub(super) fn digests(subject: &ExplainedImage) -> Digests {
    let mut digests = Vec::new();
    for layer in &subject.layers {
        digests.extend(of_layer(subject, layer));
    }
    digests.push(image_id(subject));
    digests.push(manifest(subject));
    digests.push(index(subject));
    digests.push(top(subject));
    Digests { digests }
}

fn of_layer(subject: &ExplainedImage, layer: &ExplainedLayer) -> [DigestFacts; 4] {
    let number = Some(layer.layer);
    let no_config = "only the config has it, and the config is missing";
    let known =
        |value: &Option<String>, status| if value.is_some() { status } else { Status::Unknown };
    let diff_id = DigestFacts {
        name: "diff ID",
        layer: number,
        of: "the uncompressed tar of the layer",
        value: layer.diff_id.clone(),
        status: known(&layer.diff_id, if layer.checked { Status::Checked } else { Status::Said }),
        why: either(&layer.diff_id, "rootfs.diff_ids of the config says it", no_config),
        section: DIFF_ID,
    };
    let chain_id = DigestFacts {
        name: "chain ID",
        layer: number,
        of: "the chain ID below, a space, and the diff ID; the first layer's is its diff ID itself",
        value: layer.chain_id.clone(),
        status: known(&layer.chain_id, Status::Computed),
        why: either(&layer.chain_id, "follows from the diff IDs of the config", no_config),
        section: CHAIN_ID,
    };
    let v1_layer_id = DigestFacts {
        name: "V1 layer ID",
        layer: number,
        of: "the V1 JSON of the layer, with the chain ID as layer_id, the V1 layer ID below as parent, and in the top \
             layer what the config says",
        value: layer.v1_layer_id.clone(),
        status: known(&layer.v1_layer_id, Status::Computed),
        why: either(
            &layer.v1_layer_id,
            "follows from the config, as docker 17.04 to 24 do it",
            no_config,
        ),
        section: LEGACY,
    };
    [diff_id, chain_id, stored(subject, layer), v1_layer_id]
}

fn stored(subject: &ExplainedImage, layer: &ExplainedLayer) -> DigestFacts {
    let said = if layer.checked { Status::Checked } else { Status::Said };
    let (value, status, why) = match (&layer.digest, &layer.made_digest) {
        (Some(digest), _) if subject.saved => {
            let why = "docker save put the uncompressed layer into the manifest that it made";
            (Some(digest), Status::Saved, why.to_owned())
        }
        (Some(digest), _) => (Some(digest), said, "the manifest says it".to_owned()),
        (None, Some(kept)) if layer.kept => {
            (Some(kept), Status::Computed, "hash the compressed layer".to_owned())
        }
        (None, Some(made)) => (Some(made), Status::Made, NO_COMPRESSED.to_owned()),
        (None, None) if subject.kind == DocumentKind::Config.name() => (
            None,
            Status::Unknown,
            "a config names layers by their uncompressed tars only".to_owned(),
        ),
        (None, None) => (None, Status::Unknown, NO_COMPRESSED.to_owned()),
    };
    DigestFacts {
        name: "layer digest",
        layer: Some(layer.layer),
        of: "the layer as it is stored, most often compressed",
        value: value.cloned(),
        status,
        why,
        section: DESCRIPTOR,
    }
}

fn either(value: &Option<String>, yes: &str, no: &str) -> String {
    if value.is_some() { yes.to_owned() } else { no.to_owned() }
}

fn image_id(subject: &ExplainedImage) -> DigestFacts {
    let value = subject.image_id().map(|id| id.to_string());
    let (status, why) = match (&subject.config, &value, &subject.own) {
        (Some(_), _, Some(_)) => (Status::Checked, "config.digest of the manifest, and its bytes"),
        (Some(_), _, None) => (Status::Computed, "hash the config and there it is"),
        (None, Some(_), _) => (Status::Said, "config.digest of the manifest"),
        (None, None, _) => {
            (Status::Unknown, "schema 1 has no separate config; build one from it first")
        }
    };
    let of = "the config, byte for byte";
    let (name, layer, why) = ("image ID", None, why.to_owned());
    DigestFacts { name, layer, of, value, status, why, section: CONFIG }
}

fn manifest(subject: &ExplainedImage) -> DigestFacts {
    let (status, why) = match (&subject.own, &subject.made) {
        (Some(_), _) if subject.saved => {
            (Status::Saved, "docker save made this manifest; hash it and there it is")
        }
        (Some(own), _) if own.kind == DocumentKind::Schema1 => {
            (Status::Computed, "hash its payload, without the signatures")
        }
        (Some(_), _) => (Status::Computed, "hash the manifest"),
        (None, Some(_)) => (Status::Made, "no manifest is here, and it lists compressed layers"),
        (None, None) => (
            Status::Unknown,
            "no manifest is here, and it cannot be made without the compressed layers",
        ),
    };
    DigestFacts {
        name: "manifest digest",
        layer: None,
        of: "the manifest, byte for byte; of signed schema 1, its payload",
        value: subject.manifest().map(|(digest, _)| digest.to_string()),
        status,
        why: why.to_owned(),
        section: "image-spec manifest.md; distribution 2.8 manifest-v2-1.md",
    }
}

fn index(subject: &ExplainedImage) -> DigestFacts {
    let value = subject.index.as_ref().map(|index| index.digest.to_string());
    let why = either(
        &value,
        "hash the index",
        "not in this source; the tag in the registry may point at an index all the same",
    );
    DigestFacts {
        name: "index digest",
        layer: None,
        of: "the index, or Docker's manifest list, byte for byte",
        status: if value.is_some() { Status::Computed } else { Status::None },
        value,
        why,
        section: "image-spec image-index.md",
    }
}

fn top(subject: &ExplainedImage) -> DigestFacts {
    let value = subject.legacy.last().map(ToString::to_string);
    DigestFacts {
        name: "top ID in repositories",
        layer: None,
        of: "the V1 JSON of the top layer: its V1 layer ID stands for the image in the file repositories",
        status: if value.is_some() { Status::Computed } else { Status::Unknown },
        why: either(&value, "the V1 layer ID of the top layer", "it needs the config"),
        value,
        section: "docker-image-spec v1.md, repositories",
    }
}
