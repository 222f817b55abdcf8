//! `testdata/` is what its README lists, and each archive in it converts with its image IDs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::judges::containers::Umoci;
use crate::judges::layout::{blob, entries, json, layout_of};
use crate::judges::members::{assert_same, file, members, tar};
use crate::judges::{attempt, digest, imgconv, tree};

const ARTICLE: &str = "f68d6e55e06520f152403e6d96d0de5c9790a89b4cfc99f4626f68146fa1dbdc";
const TOP_LAYER: &str = "9de6aebfff35261996e4315105c546a002a8e42be30bc9189851384adc3abf6b";

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn archives() -> Vec<PathBuf> {
    let listed = fs::read_dir(testdata().join("archives")).unwrap();
    listed.map(|it| it.unwrap().path()).collect()
}

/// The config digests of an archive, by the shortest way through its own index.
fn image_ids(archive: &Path) -> BTreeSet<String> {
    let members = members(archive);
    let find = |name: &str| members.iter().find(|it| it.name.trim_start_matches("./") == name);
    let json = |name: &str| -> Option<serde_json::Value> {
        find(name).map(|it| serde_json::from_slice(&it.data).unwrap())
    };
    if let Some(items) = json("manifest.json") {
        let configs = items.as_array().unwrap().iter().map(|it| it["Config"].as_str().unwrap());
        return configs.map(|name| digest(&find(name).unwrap().data)).collect();
    }
    let index = json("index.json").unwrap();
    let manifests = index["manifests"].as_array().unwrap().iter();
    let manifests = manifests.map(|it| it["digest"].as_str().unwrap().replace(':', "/"));
    manifests
        .map(|it| {
            json(&format!("blobs/{it}")).unwrap()["config"]["digest"].as_str().unwrap().into()
        })
        .collect()
}

#[test]
fn testdata_files_are_the_ones_listed() {
    let readme = fs::read_to_string(testdata().join("README.md")).unwrap();
    let mut listed = BTreeMap::new();
    for row in readme.lines().filter(|it| it.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(|it| it.trim()).collect();
        let [file, _tool, _command, sum] = cells[..] else { panic!("{row}") };
        let plain = |it: &str| it.trim_matches('`').to_owned();
        listed.insert(PathBuf::from(plain(file)), format!("sha256:{}", plain(sum)));
    }
    let mut found = BTreeMap::new();
    for dir in ["archives", "article"] {
        for (file, bytes) in tree(&testdata().join(dir)) {
            found.insert(Path::new(dir).join(file), digest(&bytes));
        }
    }
    assert_eq!(found, listed);
}

#[test]
fn every_stored_archive_converts_under_its_image_ids() {
    for archive in archives() {
        let layout = layout_of(&archive, &[]);
        let found: BTreeSet<_> = entries(&layout.dir).into_iter().map(|it| it.config).collect();
        assert_eq!(found, image_ids(&archive), "{archive:?}");
    }
}

#[test]
fn every_stored_archive_keeps_names_and_image_ids_in_each_dialect() {
    for archive in archives() {
        let layout = layout_of(&archive, &[]);
        for dialect in ["universal", "classic", "hybrid", "podman"] {
            let temp = tempfile::tempdir().unwrap();
            let save = temp.path().join("save.tar");
            imgconv(&[&"oci2save", &"--quiet", &"--dialect", &dialect, &layout.dir, &save]);
            let again = layout_of(&save, &[]);
            let images = |dir: &Path| -> Vec<_> {
                let named = entries(dir).into_iter();
                named.map(|it| (it.image_name.or(it.ref_name), it.config)).collect()
            };
            assert_eq!(images(&again.dir), images(&layout.dir), "{archive:?} {dialect}");
        }
    }
}

#[test]
fn umoci_unpacks_every_stored_archive() {
    let Some(umoci) = Umoci::find() else { return };
    for archive in archives() {
        let layout = layout_of(&archive, &[]);
        for name in umoci.list(&layout.dir) {
            umoci.unpack(&layout.dir, &name);
        }
    }
}

#[test]
fn the_articles_config_and_top_layer_are_the_real_ones() {
    let article = testdata().join("article");
    let config = fs::read(article.join(format!("{ARTICLE}.json"))).unwrap();
    assert_eq!(digest(&config), format!("sha256:{ARTICLE}"));
    let config = json(&article.join(format!("{ARTICLE}.json")));
    let layer = fs::read(article.join(format!("{TOP_LAYER}-layer.tar"))).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"][2], digest(&layer));
}

#[test]
fn the_articles_image_with_stand_ins_is_refused_for_the_first_of_them() {
    let article = testdata().join("article");
    let config = fs::read(article.join(format!("{ARTICLE}.json"))).unwrap();
    let top = fs::read(article.join(format!("{TOP_LAYER}-layer.tar"))).unwrap();
    let stand_in = tar(&[]);
    let manifest = format!(
        r#"[{{"Config":"{ARTICLE}.json","RepoTags":["nginx:latest"],"Layers":["1","2","3"]}}]"#
    );
    let temp = tempfile::tempdir().unwrap();
    let (archive, out) = (temp.path().join("nginx.tar"), temp.path().join("layout"));
    let members = [
        file(&format!("{ARTICLE}.json"), &config),
        file("1", &stand_in),
        file("2", &stand_in),
        file("3", &top),
        file("manifest.json", manifest.as_bytes()),
    ];
    fs::write(&archive, tar(&members)).unwrap();
    let mut imgconv = Command::new(env!("CARGO_BIN_EXE_imgconv"));
    let refusal = attempt(imgconv.arg("save2oci").arg(&archive).arg(&out)).unwrap_err();
    let expected = serde_json::from_slice::<serde_json::Value>(&config).unwrap();
    let expected = expected["rootfs"]["diff_ids"][0].as_str().unwrap().to_owned();
    for fact in ["exit status: 1", "nginx.tar!1: ", &expected, &digest(&stand_in)] {
        assert!(refusal.contains(fact), "{fact} is not in {refusal}");
    }
    assert!(!out.exists());
}

#[test]
fn blobs_of_a_containerd_export_are_kept_byte_for_byte() {
    let archive = testdata().join("archives/ctr-export.tar");
    let layout = layout_of(&archive, &[]);
    for member in members(&archive).iter().filter(|it| it.name.starts_with("blobs/sha256/")) {
        let Some(hex) = member.name.strip_prefix("blobs/sha256/").filter(|it| !it.is_empty())
        else {
            continue;
        };
        let kept = fs::read(blob(&layout.dir, &format!("sha256:{hex}"))).unwrap();
        assert!(kept == member.data, "{hex}");
    }
}

#[test]
fn classic_and_podman_of_a_docker_archive_are_what_docker_and_podman_saved() {
    let archives = testdata().join("archives");
    let one = archives.join("docker-20.10-one.tar");
    let layout = layout_of(&one, &[]);
    for (dialect, theirs) in
        [("classic", one), ("podman", archives.join("podman-docker-archive.tar"))]
    {
        let temp = tempfile::tempdir().unwrap();
        let save = temp.path().join("save.tar");
        imgconv(&[&"oci2save", &"--quiet", &"--dialect", &dialect, &layout.dir, &save]);
        assert_same(&members(&save), &members(&theirs), dialect);
    }
}
