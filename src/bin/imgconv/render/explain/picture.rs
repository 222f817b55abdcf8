//! What hashes what, as boxes: bytes, the digests that they list, and the digests of them.

use imgconv::explain::{DigestFacts, ExplainedLayer, Explanation, Status};

use super::page::{Hashed, Picture};
use crate::render::human;

/// So many layers are drawn; of more, the first ones and the last.
const LAYERS: usize = 4;

/// Draws one image.
pub(super) fn picture(facts: &Explanation, digests: &[DigestFacts]) -> Picture {
    let mut boxes = Vec::new();
    let count = facts.layers.len();
    for layer in &facts.layers {
        if count <= LAYERS || layer.layer < LAYERS || layer.layer == count {
            boxes.extend(of_layer(layer));
        }
    }
    let value = |name: &str| {
        digests.iter().find(|fact| fact.name == name).and_then(|fact| fact.value.clone())
    };
    let listed = |of: &dyn Fn(&ExplainedLayer) -> Option<String>, name: &'static str| {
        let layers = facts
            .layers
            .iter()
            .filter(|layer| count <= LAYERS || layer.layer < LAYERS || layer.layer == count);
        layers.filter_map(of).map(|value| (name, value)).collect::<Vec<_>>()
    };
    boxes.push(Hashed {
        title: "config".to_owned(),
        detail: facts.config_size.map_or_else(|| "not here".to_owned(), |it| format!("{it} bytes")),
        lists: listed(&|layer| layer.diff_id.clone(), "diff ID"),
        digests: vec![("image ID", value("image ID"))],
    });
    let stored =
        |layer: &ExplainedLayer| layer.digest.clone().or_else(|| layer.made_digest.clone());
    let mut lists: Vec<(&'static str, String)> =
        value("image ID").into_iter().map(|id| ("config", id)).collect();
    lists.extend(listed(&stored, "layer"));
    let manifest = value("manifest digest");
    let status = digests.iter().find(|fact| fact.name == "manifest digest").map(|it| it.status);
    let title = match status {
        Some(Status::Saved) => "manifest, made by docker save",
        Some(Status::Made) => "manifest, made by save2oci",
        Some(Status::Unknown) => "registry manifest, not here",
        _ => "manifest",
    };
    boxes.push(Hashed {
        title: title.to_owned(),
        detail: "config and layers by digest".to_owned(),
        lists,
        digests: vec![("manifest digest", manifest.clone())],
    });
    if let Some(index) = value("index digest") {
        boxes.push(Hashed {
            title: "index".to_owned(),
            detail: "one manifest per platform".to_owned(),
            lists: manifest.into_iter().map(|digest| ("manifest", digest)).collect(),
            digests: vec![("index digest", Some(index))],
        });
    }
    Picture { boxes }
}

fn of_layer(layer: &ExplainedLayer) -> [Hashed; 2] {
    let size = |size: Option<u64>| size.map_or_else(|| "not here".to_owned(), human);
    let plain = Hashed {
        title: format!("layer {}, uncompressed tar", layer.layer),
        detail: size(layer.uncompressed_size),
        lists: Vec::new(),
        digests: vec![
            ("diff ID", layer.diff_id.clone()),
            ("chain ID", layer.chain_id.clone()),
            ("V1 layer ID", layer.v1_layer_id.clone()),
        ],
    };
    let (what, bytes) = match (&layer.digest, &layer.made_digest) {
        (None, Some(_)) => ("gzip by save2oci".to_owned(), layer.made_size),
        (Some(_), _) if layer.compression == Some("plain") => {
            ("not compressed".to_owned(), layer.size)
        }
        (Some(_), _) => (layer.compression.unwrap_or("stored").to_owned(), layer.size),
        (None, None) => ("compressed".to_owned(), None),
    };
    let stored = Hashed {
        title: format!("layer {}, {what}", layer.layer),
        detail: size(bytes),
        lists: Vec::new(),
        digests: vec![("layer digest", layer.digest.clone().or_else(|| layer.made_digest.clone()))],
    };
    [plain, stored]
}
