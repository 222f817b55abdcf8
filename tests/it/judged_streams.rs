//! A pipe gives the same bytes as a path, on either end.

use std::fs;
use std::path::Path;

use crate::judges::layout::layout_of;
use crate::judges::scenario::scenario;
use crate::judges::{assert_same_tree, imgconv, imgconv_piped};

fn assert_same_file(one: &Path, other: &Path, what: &str) {
    assert!(fs::read(one).unwrap() == fs::read(other).unwrap(), "{what}: the bytes differ");
}

#[test]
fn save2oci_from_a_pipe_to_a_pipe_gives_the_bytes_it_gives_between_files() {
    let Some(scenario) = scenario() else { return };
    for name in ["all", "web", "untagged"] {
        let saved = scenario.saved(name);
        let temp = tempfile::tempdir().unwrap();
        let (file, pipe) = (temp.path().join("file.tar"), temp.path().join("pipe"));
        imgconv(&[&"save2oci", &saved.path, &file]);
        imgconv_piped(&[&"save2oci", &"-", &"-"], &saved.path, &pipe);
        assert_same_file(&file, &pipe, name);
        let said = imgconv(&[&"save2oci", &saved.path, &"-"]);
        assert!(said == fs::read(&file).unwrap(), "{name}: a file to a pipe");
        let dir = temp.path().join("layout");
        imgconv_piped(&[&"save2oci", &"-", &dir], &saved.path, &temp.path().join("answer"));
        assert_same_tree(&dir, &layout_of(&saved.path, &[]).dir);
    }
}

#[test]
fn oci2save_from_a_pipe_to_a_pipe_gives_the_bytes_it_gives_between_files() {
    let Some(scenario) = scenario() else { return };
    let saved = scenario.saved("all");
    let temp = tempfile::tempdir().unwrap();
    let layout = temp.path().join("layout.tar");
    imgconv(&[&"save2oci", &saved.path, &layout]);
    for dialect in ["universal", "classic", "hybrid", "podman"] {
        let (file, pipe) = (temp.path().join(format!("{dialect}.tar")), temp.path().join(dialect));
        imgconv(&[&"oci2save", &"--dialect", &dialect, &layout, &file]);
        imgconv_piped(&[&"oci2save", &"--dialect", &dialect, &"-", &"-"], &layout, &pipe);
        assert_same_file(&file, &pipe, dialect);
        let said = imgconv(&[&"oci2save", &"--dialect", &dialect, &layout, &"-"]);
        assert!(said == fs::read(&file).unwrap(), "{dialect}: a file to a pipe");
    }
}

#[test]
fn a_layout_directory_and_its_tar_give_the_same_archive() {
    let Some(scenario) = scenario() else { return };
    let saved = scenario.saved("all");
    let dir = layout_of(&saved.path, &[]);
    let temp = tempfile::tempdir().unwrap();
    let tar = temp.path().join("layout.tar");
    imgconv(&[&"save2oci", &saved.path, &tar]);
    for dialect in ["universal", "classic", "hybrid", "podman"] {
        let (one, other) = (temp.path().join("one.tar"), temp.path().join("other.tar"));
        for (layout, archive) in [(&dir.dir, &one), (&tar, &other)] {
            imgconv(&[&"oci2save", &"--dialect", &dialect, layout, archive]);
        }
        assert_same_file(&one, &other, dialect);
        fs::remove_file(one).unwrap();
        fs::remove_file(other).unwrap();
    }
}

#[test]
fn two_runs_with_one_and_with_eight_threads_give_the_same_bytes() {
    let Some(scenario) = scenario() else { return };
    let saved = scenario.saved("all");
    let temp = tempfile::tempdir().unwrap();
    let first = temp.path().join("first.tar");
    imgconv(&[&"save2oci", &"--threads", &"1", &saved.path, &first]);
    for threads in ["1", "8"] {
        let next = temp.path().join(format!("{threads}.tar"));
        imgconv(&[&"save2oci", &"--threads", &threads, &saved.path, &next]);
        assert_same_file(&first, &next, threads);
    }
}
