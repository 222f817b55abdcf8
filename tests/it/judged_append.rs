//! `--append`: a second archive in a layout, as other programs see the sum.

use std::collections::BTreeSet;
use std::path::Path;

use crate::judges::assert_same_tree;
use crate::judges::containers::{Skopeo, Umoci};
use crate::judges::layout::{Layout, entries, layout_of};
use crate::judges::scenario::{Scenario, scenario};
use crate::judges::{digest, imgconv};

/// Archives with shared layers, and with tags that other images have too.
const PARTS: &[&str] = &["base", "web", "twice", "stop"];

fn append(archive: &Path, layout: &Path) {
    imgconv(&[&"save2oci", &"--quiet", &"--append", &archive, &layout]);
}

fn summed(scenario: &Scenario) -> Layout {
    let layout = layout_of(&scenario.saved(PARTS[0]).path, &[]);
    for part in &PARTS[1..] {
        append(&scenario.saved(part).path, &layout.dir);
    }
    layout
}

#[test]
fn after_append_every_image_is_there_and_no_two_have_one_ref_name() {
    let Some(scenario) = scenario() else { return };
    let layout = summed(scenario);
    let found = entries(&layout.dir);
    let ids: BTreeSet<_> = found.iter().map(|it| it.config.clone()).collect();
    let saved = PARTS.iter().flat_map(|part| scenario.saved(part).images.clone());
    assert_eq!(ids, saved.map(|(id, _)| id).collect());
    let names: BTreeSet<_> = found.iter().map(|it| it.ref_name.clone().unwrap()).collect();
    assert_eq!(names.len(), found.len(), "{names:?}");
}

#[test]
fn skopeo_finds_every_tag_after_append() {
    let (Some(scenario), Some(skopeo)) = (scenario(), Skopeo::find()) else {
        return;
    };
    let layout = summed(scenario);
    for entry in entries(&layout.dir) {
        let source = format!("oci:{}:{}", layout.dir.display(), entry.ref_name.unwrap());
        assert_eq!(digest(&skopeo.manifest(&source)), entry.manifest, "{source}");
        let copy = tempfile::tempdir().unwrap();
        skopeo.copy(&source, &format!("dir:{}", copy.path().display()));
    }
}

#[test]
fn umoci_unpacks_every_tag_after_append() {
    let (Some(scenario), Some(umoci)) = (scenario(), Umoci::find()) else {
        return;
    };
    let layout = summed(scenario);
    let names = umoci.list(&layout.dir);
    assert_eq!(names.len(), entries(&layout.dir).len());
    for name in names {
        umoci.unpack(&layout.dir, &name);
    }
}

#[test]
fn appending_the_same_again_changes_nothing() {
    let Some(scenario) = scenario() else { return };
    let (before, after) = (summed(scenario), summed(scenario));
    for part in PARTS {
        append(&scenario.saved(part).path, &after.dir);
        assert_same_tree(&before.dir, &after.dir);
    }
}

#[test]
fn an_image_appended_by_id_alone_keeps_the_others() {
    let Some(scenario) = scenario() else { return };
    let layout = layout_of(&scenario.saved("web").path, &[]);
    append(&scenario.saved("untagged").path, &layout.dir);
    let found = entries(&layout.dir);
    let ids: Vec<_> = found.iter().map(|it| &it.config).collect();
    let saved = ["web", "untagged"].map(|part| scenario.saved(part).images.keys().next().unwrap());
    assert_eq!(ids, saved);
    assert_eq!(found[1].image_name, None);
}
