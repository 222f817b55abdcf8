//! Several writers at once.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

const ARCHIVE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/docker-20.10-one.tar");

fn begin(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_imgconv"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn twenty_writers_that_append_to_one_new_layout_are_all_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout").display().to_string();
    let tags: Vec<String> = (0..20).map(|at| format!("app{at}:1")).collect();
    let writers: Vec<Child> = tags
        .iter()
        .map(|tag| begin(&["save2oci", ARCHIVE, &layout, "--append", "-t", tag]))
        .collect();
    for writer in writers {
        let done = writer.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let index = std::fs::read(folder.path().join("layout/index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    let names: std::collections::BTreeSet<&str> = entries
        .iter()
        .map(|it| it["annotations"]["io.containerd.image.name"].as_str().unwrap())
        .collect();
    assert_eq!((entries.len(), names.len()), (20, 20));
    let blobs = std::fs::read_dir(folder.path().join("layout/blobs/sha256")).unwrap().count();
    assert_eq!(blobs, 4, "two layers, a config and a manifest, each once");
}

#[test]
fn of_two_writers_of_one_new_destination_one_wins_and_the_other_is_refused() {
    for at in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out.tar").display().to_string();
        let writers = ["a:1", "b:1"].map(|tag| begin(&["save2oci", ARCHIVE, &out, "-t", tag]));
        let done = writers.map(|writer| writer.wait_with_output().unwrap());
        let won = done.iter().filter(|it| it.status.success()).count();
        assert_eq!(won, 1, "round {at}");
        let lost = done.iter().find(|it| !it.status.success()).unwrap();
        assert_eq!(lost.status.code(), Some(2));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }
}
