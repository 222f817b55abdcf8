//! `save2oci` of what a real dockerd saved: other programs find, copy, load and unpack every image.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::judges::containerd::containerd;
use crate::judges::containers::{Podman, Skopeo, Umoci};
use crate::judges::layout::{Entry, blob, entries, json, layout_of};
use crate::judges::scenario::{Saved, scenario};
use crate::judges::{digest, imgconv, tree};

const ARCHIVES: &[&str] = &["base", "web", "stop", "twice", "untagged", "three", "all"];

/// `docker.io/library/familiar:short` for `familiar:short`.
fn canonical(name: &str) -> String {
    let (host, rest) = name.split_once('/').unwrap_or(("", name));
    match (host, rest) {
        ("", name) => format!("docker.io/library/{name}"),
        (host, _) if host.contains(['.', ':']) || host == "localhost" => name.to_owned(),
        _ => format!("docker.io/{name}"),
    }
}

/// Every name of every image of an archive.
fn names(saved: &Saved) -> BTreeSet<String> {
    saved.images.values().flatten().map(|it| canonical(it)).collect()
}

/// What `oci:` and umoci call the image of an entry.
fn referred(layout: &Path) -> Vec<(String, Entry)> {
    let named = entries(layout).into_iter();
    named.filter_map(|entry| Some((entry.ref_name.clone()?, entry))).collect()
}

#[test]
fn image_ids_in_a_layout_are_those_docker_shows() {
    let Some(scenario) = scenario() else { return };
    for name in ARCHIVES {
        let saved = scenario.saved(name);
        let layout = layout_of(&saved.path, &[]);
        let found: BTreeSet<_> = entries(&layout.dir).into_iter().map(|it| it.config).collect();
        let shown: BTreeSet<_> = saved.images.keys().cloned().collect();
        assert_eq!(found, shown, "{name}");
    }
}

#[test]
fn config_bytes_in_a_layout_are_those_docker_keeps() {
    let Some(scenario) = scenario() else { return };
    let saved = scenario.saved("all");
    let layout = layout_of(&saved.path, &[]);
    for (id, config) in &saved.configs {
        assert_eq!(&fs::read(blob(&layout.dir, id)).unwrap(), config, "{id}");
    }
}

#[test]
fn every_blob_of_a_layout_is_named_by_its_hash_and_none_is_unused() {
    let Some(scenario) = scenario() else { return };
    for name in ARCHIVES {
        let layout = layout_of(&scenario.saved(name).path, &[]);
        let mut used = BTreeSet::new();
        for entry in entries(&layout.dir) {
            used.extend(entry.layers.into_iter().map(|it| it.digest));
            used.extend([entry.manifest, entry.config]);
        }
        let blobs = tree(&layout.dir.join("blobs/sha256"));
        let named = blobs.iter().map(|(file, bytes)| {
            let name = format!("sha256:{}", file.display());
            assert_eq!(digest(bytes), name);
            name
        });
        assert_eq!(named.collect::<BTreeSet<_>>(), used, "{name}");
    }
}

#[test]
fn index_json_gives_every_name_docker_gives() {
    let Some(scenario) = scenario() else { return };
    let saved = scenario.saved("all");
    let layout = layout_of(&saved.path, &[]);
    for (id, names) in &saved.images {
        let of = entries(&layout.dir).into_iter().filter(|it| &it.config == id);
        let found: BTreeSet<_> = of.filter_map(|it| it.image_name).collect();
        assert_eq!(found, names.iter().map(|it| canonical(it)).collect(), "{id}");
    }
}

#[test]
fn a_ref_name_is_the_tag_where_that_is_unique_and_else_the_full_name() {
    let Some(scenario) = scenario() else { return };
    let layout = layout_of(&scenario.saved("all").path, &[]);
    let names: Vec<_> = entries(&layout.dir).into_iter().filter_map(|it| it.image_name).collect();
    let tag = |name: &str| name.rsplit_once(':').unwrap().1.to_owned();
    for (ref_name, entry) in referred(&layout.dir) {
        let name = entry.image_name.unwrap();
        let namesakes = names.iter().filter(|it| tag(it) == tag(&name)).count();
        assert_eq!(ref_name, if namesakes == 1 { tag(&name) } else { name });
    }
}

#[test]
fn standard_output_is_name_manifest_digest_and_image_id() {
    let Some(scenario) = scenario() else { return };
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("layout");
    let said = imgconv(&[&"save2oci", &scenario.saved("web").path, &out]);
    let [entry] = &entries(&out)[..] else { panic!("one image") };
    let line = format!("imgconv.test/web:1.0\t{}\t{}\n", entry.manifest, entry.config);
    assert_eq!(String::from_utf8(said).unwrap(), line);
}

#[test]
fn skopeo_finds_every_tag_of_a_layout_and_copies_it() {
    let (Some(scenario), Some(skopeo)) = (scenario(), Skopeo::find()) else {
        return;
    };
    let saved = scenario.saved("all");
    let layout = layout_of(&saved.path, &[]);
    let found = referred(&layout.dir);
    assert_eq!(found.len(), names(saved).len());
    for (ref_name, entry) in found {
        let source = format!("oci:{}:{ref_name}", layout.dir.display());
        assert_eq!(digest(&skopeo.manifest(&source)), entry.manifest, "{ref_name}");
        assert_eq!(digest(&skopeo.config(&source)), entry.config, "{ref_name}");
        let copy = tempfile::tempdir().unwrap();
        skopeo.copy(&source, &format!("dir:{}", copy.path().display()));
        let manifest = fs::read(copy.path().join("manifest.json")).unwrap();
        assert_eq!(digest(&manifest), entry.manifest, "{ref_name}");
    }
}

#[test]
fn umoci_lists_and_unpacks_every_tag_of_a_layout() {
    let (Some(scenario), Some(umoci)) = (scenario(), Umoci::find()) else {
        return;
    };
    let saved = scenario.saved("all");
    let layout = layout_of(&saved.path, &[]);
    let found: BTreeSet<_> = referred(&layout.dir).into_iter().map(|it| it.0).collect();
    assert_eq!(umoci.list(&layout.dir), found.iter().cloned().collect::<Vec<_>>());
    assert_eq!(found.len(), names(saved).len());
    for ref_name in &found {
        umoci.unpack(&layout.dir, ref_name);
    }
}

#[test]
fn containerd_imports_and_unpacks_every_named_image_of_a_layout_tar() {
    let (Some(scenario), Some(containerd)) = (scenario(), containerd()) else {
        return;
    };
    let saved = scenario.saved("all");
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("layout.tar");
    imgconv(&[&"save2oci", &"--quiet", &saved.path, &out]);
    let imported = containerd.import(&out);
    assert_eq!(imported.keys().cloned().collect::<BTreeSet<_>>(), names(saved));
    for entry in entries(&layout_of(&saved.path, &[]).dir) {
        let Some(name) = entry.image_name else {
            continue;
        };
        assert_eq!(imported[&name], entry.manifest, "{name}");
        assert_eq!(digest(&containerd.content(&entry.manifest)), entry.manifest, "{name}");
        assert_eq!(digest(&containerd.content(&entry.config)), entry.config, "{name}");
    }
}

#[test]
fn podman_loads_one_image_of_a_layout_tar_under_dockers_id() {
    let Some(scenario) = scenario() else { return };
    let saved = scenario.saved("all");
    // podman takes no layout with more than one entry, so only images with one name.
    for (id, names) in saved.images.iter().filter(|(_, names)| names.len() == 1) {
        let Some(podman) = Podman::find() else { return };
        let name = names.first().unwrap();
        let temp = tempfile::tempdir().unwrap();
        let out = temp.path().join("layout.tar");
        imgconv(&[&"save2oci", &"--quiet", &"--image", name, &saved.path, &out]);
        podman.load(&out);
        assert_eq!(podman.images(), [(id.clone(), names.clone())].into(), "{name}");
    }
}

#[test]
fn skopeo_loses_the_docker_fields_that_imgconv_keeps() {
    let (Some(scenario), Some(skopeo)) = (scenario(), Skopeo::find()) else {
        return;
    };
    let saved = scenario.saved("web");
    let temp = tempfile::tempdir().unwrap();
    let theirs = temp.path().join("layout");
    let from = format!("docker-archive:{}", saved.path.display());
    skopeo.copy(&from, &format!("oci:{}:1.0", theirs.display()));
    let ours = layout_of(&saved.path, &[]);
    let config = |layout: &Path| {
        let [entry] = &entries(layout)[..] else { panic!("one image") };
        (entry.config.clone(), json(&blob(layout, &entry.config))["config"].clone())
    };
    let ((their_id, their_config), (id, our_config)) = (config(&theirs), config(&ours.dir));
    assert_eq!(Some(&id), saved.images.keys().next());
    assert_ne!(their_id, id);
    for field in ["Healthcheck", "OnBuild", "Shell"] {
        assert!(their_config.get(field).is_none_or(|it| it.is_null()), "skopeo keeps {field} now");
        assert!(!our_config[field].is_null(), "{field}");
    }
}
