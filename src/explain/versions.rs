//! What differs between docker's two image stores and between versions: one row each, with the
//! source that says so. Every sentence about a version is taken from here.

use serde::Serialize;

/// What one store of docker does in some versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VersionRow {
    /// What is done: `docker save`, `docker pull` and so on.
    pub action: &'static str,
    /// By which program and store.
    pub by: &'static str,
    /// In which versions.
    pub versions: &'static str,
    /// How.
    pub does: &'static str,
    /// Where that is written, or which program was run.
    pub source: &'static str,
}

impl VersionRow {
    /// Program and versions together.
    #[must_use]
    pub fn who(&self) -> String {
        format!("{}, {}", self.by, self.versions)
    }
}

/// How many requests run at once in some versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AtOnce {
    /// In which versions of docker.
    pub versions: &'static str,
    /// How many; nothing where there is no limit.
    pub limit: Option<usize>,
}

const fn at_once(versions: &'static str, limit: Option<usize>) -> AtOnce {
    AtOnce { versions, limit }
}

/// Layers that a pull gets at once, unless `max-concurrent-downloads` sets another number.
pub(super) static GRAPH_DRIVER_PULLS: &[AtOnce] = &[at_once("all versions", Some(3))];
/// Likewise with the containerd store, which ignored that setting.
pub(super) static CONTAINERD_PULLS: &[AtOnce] =
    &[at_once("up to 29.6", None), at_once("29.7 and later", Some(3))];
/// Layers that a push sends at once, unless `max-concurrent-uploads` sets another number.
pub(super) static GRAPH_DRIVER_PUSHES: &[AtOnce] = &[at_once("all versions", Some(5))];
/// Likewise with the containerd store, which ignored that setting.
pub(super) static CONTAINERD_PUSHES: &[AtOnce] =
    &[at_once("up to 29.6", None), at_once("29.7 and later", Some(5))];

/// How to see which store a docker uses.
pub(super) const WHICH_STORE: &str = "Which store a docker uses: docker info prints \"driver-type: io.containerd.snapshotter.v1\" \
     with the containerd store, and no such line with the graph driver store.";

/// The title of the graph driver store.
pub(super) const GRAPH_DRIVER: &str = "docker with the graph driver store (the default before 29; \
                                       kept when an older install is upgraded)";
/// The title of the containerd store.
pub(super) const CONTAINERD: &str = "docker with the containerd store (the default of new installs \
                                     since 29; can be switched on before), nerdctl, ctr";

const BY_GRAPH_DRIVER: &str = "graph driver store";
const BY_CONTAINERD: &str = "containerd store";

const fn row(
    action: &'static str,
    by: &'static str,
    versions: &'static str,
    does: &'static str,
    source: &'static str,
) -> VersionRow {
    VersionRow { action, by, versions, does, source }
}

pub(super) const DEFAULT: &str = "default store";
pub(super) const SAVE: &str = "docker save";
pub(super) const LOAD: &str = "docker load";
pub(super) const PODMAN: &str = "podman load";
pub(super) const SKOPEO: &str = "skopeo copy";
pub(super) const PULL: &str = "docker pull";
pub(super) const PUSH: &str = "docker push";
pub(super) const SCHEMA1: &str = "schema 1";
pub(super) const V1_LAYER_ID: &str = "V1 layer ID";

/// The table.
#[rustfmt::skip]
pub static VERSIONS: &[VersionRow] = &[
    row(DEFAULT, BY_GRAPH_DRIVER, "docker up to 28",
        "an install that is upgraded to 29 keeps it",
        "docs.docker.com/engine/storage/containerd"),
    row(DEFAULT, BY_CONTAINERD, "docker 29 and later",
        "new installs have it, and those of Docker Desktop since 4.34; it can be switched on since docker 23",
        "docs.docker.com/engine/storage/containerd; docker/docs pull request 20802"),

    row(SAVE, BY_GRAPH_DRIVER, "docker 1.10 to 24",
        "manifest.json and repositories, beside a folder per layer with json, VERSION and layer.tar (not compressed)",
        "moby v24 image/tarexport/save.go; docker 20.10.24"),
    row(SAVE, BY_GRAPH_DRIVER, "docker 25 and later",
        "manifest.json and repositories, beside an OCI layout (blobs, index.json, oci-layout); its manifest is a new one, of uncompressed layers, which no registry has",
        "moby v28 image/tarexport/save.go; docker 28.5.2"),
    row(SAVE, BY_CONTAINERD, "all versions",
        "manifest.json, beside an OCI layout; its index and manifest are those that were pulled or built, and its layers are compressed as they were. It writes no repositories file",
        "moby v28 daemon/containerd/image_exporter.go; containerd v2.1 core/images/archive/exporter.go; docker 28.5.2"),

    row(LOAD, BY_GRAPH_DRIVER, "docker 1.10 and later",
        "reads manifest.json, not index.json; up to 28, it reads repositories if manifest.json is missing",
        "moby v28 image/tarexport/load.go; docker 20.10.24 and 28.5.2"),
    row(LOAD, BY_CONTAINERD, "all versions, also of ctr and nerdctl",
        "reads index.json where there is an oci-layout, else manifest.json; it reads no archive that has neither",
        "containerd v2.1 core/images/archive/importer.go; docker 28.5.2"),
    row(PODMAN, "containers/storage", "podman 5.8",
        "reads index.json where that lists one image, else manifest.json",
        "container-libs common/libimage/load.go"),
    row(SKOPEO, "docker-archive: and oci-archive:", "skopeo 1.22",
        "reads manifest.json as docker-archive:, and index.json as oci-archive:",
        "container-libs image/docker/archive and image/oci/archive"),

    row(PULL, BY_GRAPH_DRIVER, "all versions",
        "gets three layers at once, and the config beside them; checks the manifest only in a pull by digest or below an index",
        "moby v28 distribution/pull_v2.go; docker 20.10.24 and 28.5.2"),
    row(PULL, BY_CONTAINERD, "docker up to 29.6",
        "gets the config alone, then all layers at once; checks every document",
        "moby v28 and docker-v29.6.2 daemon/containerd/image_pull.go; containerd v2.1 core/unpack/unpacker.go; docker 28.5.2"),
    row(PULL, BY_CONTAINERD, "docker 29.7 and later",
        "gets the config alone, then three layers at once; checks every document",
        "moby commit 4994a3ba0b"),
    row(PULL, BY_CONTAINERD, "docker 29.1 and later",
        "gets the attestation too that an index has for the platform, and asks /v2/<name>/referrers/<digest> for its signatures",
        "moby docker-v29.1 daemon/containerd/image_pull.go, referrersForPull"),

    row(PUSH, BY_GRAPH_DRIVER, "all versions",
        "compresses anew what the registry does not have, and sends five layers at once",
        "moby v28 distribution/push_v2.go; docker 20.10.24 and 28.5.2"),
    row(PUSH, BY_CONTAINERD, "docker up to 29.6",
        "sends what is stored, all at once",
        "moby v28 and docker-v29.6.2 daemon/containerd/image_push.go; docker 28.5.2"),
    row(PUSH, BY_CONTAINERD, "docker 29.7 and later",
        "sends what is stored, five blobs at once",
        "moby commit 4994a3ba0b"),

    row(SCHEMA1, BY_GRAPH_DRIVER, "docker up to 28.1",
        "converts schema 1; docker 26 and later only where told to",
        "moby v26.0.0, v28.1.0 and v28.2.0 distribution/pull_v2.go"),
    row(SCHEMA1, BY_CONTAINERD, "containerd up to 2.0",
        "converts schema 1; 2.0 only where told to, 2.1 removed it",
        "containerd RELEASES.md"),

    row(V1_LAYER_ID, BY_GRAPH_DRIVER, "docker 17.04 to 24",
        "names the folders of docker save by the V1 layer IDs shown here; 1.10 to 17.03 put another time into those below the top",
        "moby v17.03.2 and v17.04 image/tarexport/save.go"),
];

/// The rows of some actions.
pub(super) fn versions_of(actions: &[&str]) -> Vec<VersionRow> {
    VERSIONS.iter().filter(|row| actions.contains(&row.action)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_says_what_and_where_that_is_written() {
        let mut seen = std::collections::BTreeSet::new();
        for row in VERSIONS {
            assert!(seen.insert((row.action, row.by, row.versions)), "{row:?} twice");
            assert!(row.does.len() > 10 && row.source.len() > 10, "{row:?}");
        }
    }

    #[test]
    fn each_action_is_told_of_both_stores() {
        for action in [DEFAULT, SAVE, LOAD, PULL, PUSH, SCHEMA1] {
            let by: Vec<&str> = versions_of(&[action]).iter().map(|row| row.by).collect();
            assert!(by.contains(&BY_GRAPH_DRIVER) && by.contains(&BY_CONTAINERD), "{action}");
        }
    }
}
