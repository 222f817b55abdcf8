//! Which of an image's IDs a person sees where.

use serde::Serialize;

use super::image::ExplainedImage;

/// Places that show an ID.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExplainedIds {
    /// One per place.
    pub sights: Vec<Sight>,
    /// What changes an ID and what does not.
    pub changes: Vec<Changes>,
}

/// A place that shows an ID.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Sight {
    /// Where a person looks.
    pub place: &'static str,
    /// Which of the digests is shown there.
    pub shows: &'static str,
    /// Its value, where it is known.
    pub value: Option<String>,
    /// Why it is this one.
    pub why: &'static str,
}

/// What an action does to each digest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Changes {
    /// The action.
    pub action: &'static str,
    /// `same`, `new`, `maybe` new, or `gone`.
    pub diff_id: &'static str,
    /// Likewise.
    pub layer_digest: &'static str,
    /// Likewise.
    pub image_id: &'static str,
    /// Likewise.
    pub manifest_digest: &'static str,
}

const IMAGE_ID: &str = "image ID";
const MANIFEST: &str = "manifest digest";

/// Lists them.
pub(super) fn ids(subject: &ExplainedImage) -> ExplainedIds {
    let image_id = subject.image_id().map(|id| id.to_string());
    let own = subject.manifest().map(|(digest, _)| digest.to_string());
    let (target, shows) = match &subject.index {
        Some(index) => (Some(index.digest.to_string()), "index digest"),
        None => (own.clone(), MANIFEST),
    };
    let chain = subject.layers.last().and_then(|layer| layer.chain_id.clone());
    let top = subject.legacy.last().map(ToString::to_string);
    let sight = |place, shows, value: &Option<String>, why| Sight {
        place,
        shows,
        value: value.clone(),
        why,
    };
    let sights = vec![
        sight(
            "docker images, graph driver store (all before 29, and 29 where it was kept)",
            IMAGE_ID,
            &image_id,
            "the store knows configs and uncompressed layers, and names an image by its config",
        ),
        sight(
            "docker images, containerd store (new installs of 29)",
            shows,
            &target,
            "the store keeps what was pulled, and names an image by what its tag points at",
        ),
        sight(
            "podman images, crictl images",
            IMAGE_ID,
            &image_id,
            "both name an image by its config",
        ),
        sight(
            "docker images --digests, docker pull",
            shows,
            &target,
            "a registry names what was pulled by the digest of the manifest or index",
        ),
        sight(
            "skopeo inspect, crane digest",
            shows,
            &target,
            "they ask the registry, which knows manifests, not images",
        ),
        sight(
            "a folder name in a docker archive of docker 1.10 to 24",
            "V1 layer ID",
            &top,
            "kept for docker before 1.10, which named images by random IDs",
        ),
        sight(
            "/var/lib/docker/image/overlay2/layerdb",
            "chain ID",
            &chain,
            "a layer on disk is only right on top of the ones below it",
        ),
    ];
    ExplainedIds { sights, changes: changes() }
}

fn changes() -> Vec<Changes> {
    let row = |action, [diff_id, layer_digest, image_id, manifest_digest]: [&'static str; 4]| {
        Changes { action, diff_id, layer_digest, image_id, manifest_digest }
    };
    vec![
        row("compress a layer anew", ["same", "new", "same", "new"]),
        row("schema 2 to OCI, or back", ["same", "same", "same", "new"]),
        row("schema 2 to OCI by skopeo, podman", ["same", "same", "new", "new"]),
        row("another tag", ["same", "same", "same", "same"]),
        row("docker save, load: graph driver", ["same", "gone", "same", "gone"]),
        row("docker save, load: containerd", ["same", "same", "same", "same"]),
        row("docker push: graph driver", ["same", "maybe", "same", "maybe"]),
        row("add an annotation", ["same", "same", "same", "new"]),
    ]
}
