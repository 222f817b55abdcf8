//! `oci2save` in every dialect: the original dockerd loads the same images under the same names, and
//! so do the others; what came from a layout goes back to the same layout.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::judges::containerd::containerd;
use crate::judges::containers::{Podman, Skopeo};
use crate::judges::docker::docker;
use crate::judges::layout::{entries, layout_of};
use crate::judges::scenario::{Saved, Scenario, scenario};
use crate::judges::{assert_same_tree, digest, imgconv};

const DIALECTS: &[&str] = &["universal", "classic", "hybrid", "podman"];

/// The archive of a docker archive's layout.
fn there_and_back(saved: &Saved, dialect: &str) -> (TempDir, PathBuf) {
    let layout = layout_of(&saved.path, &[]);
    archive_of(&layout.dir, dialect)
}

fn archive_of(layout: &Path, dialect: &str) -> (TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let archive = temp.path().join("archive.tar");
    imgconv(&[&"oci2save", &"--quiet", &"--dialect", &dialect, &layout, &archive]);
    (temp, archive)
}

/// Archives that containers/image can read in a dialect: it takes no layer that is a symlink, which
/// is how docker, and so `classic`, writes a layer that is there already.
fn readable<'a>(scenario: &'a Scenario, dialect: &str) -> Vec<(&'static str, &'a Saved)> {
    if dialect == "classic" {
        scenario.single().filter(|(name, _)| *name != "twice").collect()
    } else {
        scenario.single().chain([("all", scenario.saved("all"))]).collect()
    }
}

#[test]
fn docker_loads_every_dialect_under_the_same_image_ids_and_names() {
    let (Some(scenario), Some(docker)) = (scenario(), docker()) else {
        return;
    };
    for name in ["all", "three", "twice", "untagged"] {
        let saved = scenario.saved(name);
        for dialect in DIALECTS {
            let (_temp, archive) = there_and_back(saved, dialect);
            docker.empty();
            docker.run(&[&"load", &"--quiet", &"--input", &archive]);
            assert_eq!(docker.images(), saved.images, "{name} {dialect}");
            for (id, config) in &saved.configs {
                assert_eq!(&docker.config(id), config, "{name} {dialect} {id}");
            }
        }
    }
    docker.empty();
}

#[test]
fn docker_loads_a_dialect_out_of_plain_and_zstd_layers() {
    let (Some(scenario), Some(docker)) = (scenario(), docker()) else {
        return;
    };
    let saved = scenario.saved("three");
    // docker 20.10 knows no zstd, so there only the dialects that write uncompressed layers.
    for (compression, dialects) in [("none", DIALECTS), ("zstd", &DIALECTS[1..])] {
        let layout = layout_of(&saved.path, &[&"--compression", &compression]);
        for dialect in dialects {
            let (_temp, archive) = archive_of(&layout.dir, dialect);
            docker.empty();
            docker.run(&[&"load", &"--quiet", &"--input", &archive]);
            assert_eq!(docker.images(), saved.images, "{compression} {dialect}");
        }
    }
    docker.empty();
}

#[test]
fn skopeo_reads_every_name_of_every_dialect() {
    let (Some(scenario), Some(skopeo)) = (scenario(), Skopeo::find()) else {
        return;
    };
    for dialect in DIALECTS {
        for (archive_name, saved) in readable(scenario, dialect) {
            let (temp, archive) = there_and_back(saved, dialect);
            for (id, names) in &saved.images {
                for name in names {
                    let what = format!("{archive_name} {dialect} {name}");
                    let source = format!("docker-archive:{}:{name}", archive.display());
                    assert_eq!(skopeo.config(&source), saved.configs[id], "{what}");
                    let copy = temp.path().join(digest(what.as_bytes()).replace(':', "-"));
                    skopeo.copy(&source, &format!("dir:{}", copy.display()));
                }
            }
        }
    }
}

#[test]
fn podman_loads_every_dialect_under_the_same_image_ids() {
    let Some(scenario) = scenario() else { return };
    for dialect in DIALECTS {
        for (name, saved) in readable(scenario, dialect) {
            let Some(podman) = Podman::find() else { return };
            let (_temp, archive) = there_and_back(saved, dialect);
            podman.load(&archive);
            let (loaded, shown): (BTreeSet<_>, BTreeSet<_>) =
                (podman.images().into_keys().collect(), saved.images.keys().cloned().collect());
            assert_eq!(loaded, shown, "{name} {dialect}");
        }
    }
}

#[test]
fn podman_keeps_docker_fields_that_came_through_a_layout() {
    let (Some(scenario), Some(podman)) = (scenario(), Podman::find()) else {
        return;
    };
    let (_temp, archive) = there_and_back(scenario.saved("web"), "podman");
    podman.load(&archive);
    let found = podman.inspect("imgconv.test/web:1.0", "{{.HealthCheck.Test}}");
    assert_eq!(found, "[CMD /bin/true]");
}

#[test]
fn containerd_imports_a_universal_archive_as_it_does_the_layout() {
    let (Some(scenario), Some(containerd)) = (scenario(), containerd()) else {
        return;
    };
    let layout = layout_of(&scenario.saved("all").path, &[]);
    let (_temp, archive) = archive_of(&layout.dir, "universal");
    let listed = entries(&layout.dir).into_iter();
    let listed = listed.filter_map(|it| Some((it.image_name?, it.manifest)));
    assert_eq!(containerd.import(&archive), listed.collect());
}

#[test]
fn containerd_imports_the_other_dialects_under_the_same_names() {
    let Some(scenario) = scenario() else { return };
    let saved = scenario.saved("three");
    let layout = layout_of(&saved.path, &[]);
    let names: BTreeSet<_> =
        entries(&layout.dir).into_iter().filter_map(|it| it.image_name).collect();
    for dialect in &DIALECTS[1..] {
        let Some(containerd) = containerd() else {
            return;
        };
        let (_temp, archive) = archive_of(&layout.dir, dialect);
        let imported: BTreeSet<_> = containerd.import(&archive).into_keys().collect();
        assert_eq!(imported, names, "{dialect}");
    }
}

#[test]
fn layout_to_universal_to_layout_is_the_same_file_for_file() {
    let Some(scenario) = scenario() else { return };
    for compression in ["auto", "gzip", "none", "zstd"] {
        for name in ["all", "base", "untagged"] {
            let options: [&str; 2] = ["--compression", compression];
            let layout = layout_of(&scenario.saved(name).path, &[&options[0], &options[1]]);
            let (temp, archive) = archive_of(&layout.dir, "universal");
            let again = temp.path().join("layout");
            imgconv(&[&"save2oci", &"--quiet", &archive, &again]);
            assert_same_tree(&layout.dir, &again);
        }
    }
}

#[test]
fn skopeos_own_layout_survives_a_universal_archive() {
    let (Some(scenario), Some(skopeo)) = (scenario(), Skopeo::find()) else {
        return;
    };
    let temp = tempfile::tempdir().unwrap();
    let layout = temp.path().join("theirs");
    for (name, saved) in scenario.single().filter(|(name, _)| *name != "twice") {
        let from = format!("docker-archive:{}", saved.path.display());
        skopeo.copy(&from, &format!("oci:{}:{name}", layout.display()));
    }
    let (_temp, archive) = archive_of(&layout, "universal");
    let again = temp.path().join("ours");
    imgconv(&[&"save2oci", &"--quiet", &archive, &again]);
    assert_same_tree(&layout.join("blobs"), &again.join("blobs"));
    let listed = |layout: &Path| -> Vec<_> {
        entries(layout).into_iter().map(|it| (it.ref_name, it.manifest)).collect()
    };
    assert_eq!(listed(&layout), listed(&again));
}
