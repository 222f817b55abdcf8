//! Which of an image's IDs a person sees where.

use serde::Serialize;

use super::digests::{Status, digests};
use super::image::ExplainedImage;
use super::versions::{DEFAULT, V1_LAYER_ID, VersionRow, WHICH_STORE, versions_of};

/// Places that show an ID.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExplainedIds {
    /// One per place.
    pub sights: Vec<Sight>,
    /// What changes an ID and what does not.
    pub changes: Vec<Changes>,
    /// How to see which store a docker uses.
    pub which_store: &'static str,
    /// What differs between versions.
    pub versions: Vec<VersionRow>,
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
    /// Where the value comes from.
    pub status: Status,
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
const INDEX: &str = "index digest";

/// Lists them.
pub(super) fn ids(subject: &ExplainedImage) -> ExplainedIds {
    let versions = versions_of(&[DEFAULT, V1_LAYER_ID]);
    let (sights, changes) = (sights(subject), changes());
    ExplainedIds { sights, changes, which_store: WHICH_STORE, versions }
}

fn sights(subject: &ExplainedImage) -> Vec<Sight> {
    let digests = digests(subject).digests;
    let top_layer = subject.layers.last().map(|layer| layer.layer);
    let sight = |place, shows: &'static str, why| {
        let named = digests.iter().filter(|fact| fact.name == shows);
        let mut named = named.filter(|fact| fact.layer.is_none() || fact.layer == top_layer);
        let found = named.next().map(|fact| (fact.value.clone(), fact.status));
        let (value, status) = found.unwrap_or((None, Status::Unknown));
        Sight { place, shows, value, status, why }
    };
    let target = if subject.index.is_some() { INDEX } else { MANIFEST };
    // What docker save made is in no registry, so a pull or a tool that asks one shows another.
    let in_registry = |place, why| {
        let known = sight(place, target, why);
        match known.status {
            Status::Saved => Sight { value: None, status: Status::Unknown, ..known },
            _ => known,
        }
    };
    vec![
        sight(
            "docker images: graph driver store",
            IMAGE_ID,
            "the store knows configs and uncompressed layers, and names an image by its config",
        ),
        sight(
            "docker images: containerd store",
            target,
            "the store keeps what was pulled or loaded, and names an image by what its tag points \
             at",
        ),
        in_registry(
            "docker images --digests: graph driver store, after docker pull",
            "the digest of what the tag points at in the registry; docker push puts the one that it \
             sent in its place, and an image that was only built or loaded has <none>",
        ),
        sight(
            "docker images --digests: containerd store",
            target,
            "the same as the ID that the store shows",
        ),
        in_registry(
            "docker pull, both stores",
            "a registry names what was pulled by the digest of the manifest or index",
        ),
        sight("podman images, crictl images", IMAGE_ID, "both name an image by its config"),
        in_registry(
            "skopeo inspect, crane digest",
            "they ask the registry, which knows manifests, not images",
        ),
        sight(
            "a folder name in a docker archive of docker 17.04 to 24",
            "V1 layer ID",
            "kept for docker before 1.10, which named images by random IDs",
        ),
        sight(
            "/var/lib/docker/image/overlay2/layerdb: graph driver store",
            "chain ID",
            "a layer on disk is only right on top of the ones below it",
        ),
    ]
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
        row("save, load: graph driver store", ["same", "gone", "same", "gone"]),
        row("save, load: containerd store", ["same", "same", "same", "same"]),
        row("save: graph driver, load: containerd", ["same", "new", "same", "new"]),
        row("save: containerd, load: graph driver", ["same", "gone", "same", "gone"]),
        row("docker push: graph driver store", ["same", "maybe", "same", "maybe"]),
        row("docker push: containerd store", ["same", "same", "same", "maybe"]),
        row("add an annotation", ["same", "same", "same", "new"]),
    ]
}
