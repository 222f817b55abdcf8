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

/// Each looks for what killed writers left, while others make their folders there.
#[test]
fn writers_that_sweep_beside_each_other_leave_each_other_alone() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..6 {
        let writers: Vec<Child> = (0..20)
            .map(|at| {
                let out = folder.path().join(format!("out-{round}-{at}")).display().to_string();
                begin(&["save2oci", ARCHIVE, &out])
            })
            .collect();
        for writer in writers {
            let done = writer.wait_with_output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 120, "nothing else is left");
}

#[test]
fn of_two_writers_of_one_new_destination_one_wins_and_the_other_is_refused() {
    for at in 0..50 {
        let folder = tempfile::tempdir().unwrap();
        // A layout and an archive in turn.
        let name = if at % 2 == 0 { "out.tar" } else { "out" };
        let out = folder.path().join(name).display().to_string();
        let writers = ["a:1", "b:1"].map(|tag| begin(&["save2oci", ARCHIVE, &out, "-t", tag]));
        let done = writers.map(|writer| writer.wait_with_output().unwrap());
        let won = done.iter().filter(|it| it.status.success()).count();
        assert_eq!(won, 1, "round {at}");
        let lost = done.iter().find(|it| !it.status.success()).unwrap();
        assert_eq!(lost.status.code(), Some(2));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        let verified = begin(&["verify", &out]).wait_with_output().unwrap();
        assert!(verified.status.success(), "round {at}");
    }
}

#[test]
fn a_reader_beside_writers_sees_a_whole_layout_every_time() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout").display().to_string();
    assert!(begin(&["save2oci", ARCHIVE, &layout]).wait().unwrap().success());
    // The writer goes on for as long as somebody reads, however slow either is.
    let reads = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut at = 0;
            while reads.load(std::sync::atomic::Ordering::Relaxed) || at == 0 {
                at += 1;
                let tag = format!("app{at}:1");
                let done = begin(&["save2oci", ARCHIVE, &layout, "--append", "-t", &tag]);
                let done = done.wait_with_output().unwrap();
                assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            }
        });
        let wrong = (0..20).find_map(|_| {
            let done = begin(&["verify", &layout]).wait_with_output().unwrap();
            (!done.status.success()).then(|| String::from_utf8_lossy(&done.stderr).into_owned())
        });
        // Before anything can panic, or the writer would never end.
        reads.store(false, std::sync::atomic::Ordering::Relaxed);
        writer.join().unwrap();
        assert_eq!(wrong, None);
    });
}

/// A layer that is found in the layout is not read from the source, yet all that the source says
/// of it is checked.
#[test]
fn a_layer_with_two_diff_ids_is_refused_also_where_the_layout_has_it_already() {
    let folder = tempfile::tempdir().unwrap();
    let layer = vec![0; 1024];
    let right = crate::judges::digest(&layer);
    let wrong = crate::judges::digest(b"another layer");
    let archive = |name: &str, diff_ids: &[&String]| {
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |path: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, bytes).unwrap();
        };
        add("layer.tar", &layer);
        let mut items = Vec::new();
        for (at, diff_id) in diff_ids.iter().enumerate() {
            let config = serde_json::json!({
                "architecture": "amd64", "os": "linux", "author": at.to_string(),
                "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            });
            let path = format!("{at}.json");
            add(&path, config.to_string().as_bytes());
            items.push(serde_json::json!({
                "Config": path, "RepoTags": [format!("{name}{at}:1")], "Layers": ["layer.tar"],
            }));
        }
        add("manifest.json", Value::from(items).to_string().as_bytes());
        let place = folder.path().join(format!("{name}.tar"));
        std::fs::write(&place, tar.into_inner().unwrap()).unwrap();
        place.display().to_string()
    };
    let layout = folder.path().join("layout").display().to_string();
    let (good, bad) = (archive("good", &[&right]), archive("bad", &[&right, &wrong]));
    let run = |archive: &str| {
        begin(&["save2oci", archive, &layout, "--append"]).wait_with_output().unwrap()
    };
    assert!(run(&good).status.success());
    let refused = run(&bad);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains(&wrong) && said.contains(&right), "{said}");
}
