//! The hostile and unusual input of a shared folder beside the repository, where there is one.
//!
//! Its own runner judges: exit status, wording, memory, time, what is left behind, and the images in
//! what was accepted.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::build::run::Place;
use crate::judges::{excused, find};

/// The folder with artefacts that are shared by several checkouts.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let root = std::env::var_os("IMGCONV_SHARED").map_or(beside, PathBuf::from);
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    // Not every checkout has it beside it.
    excused(&format!("{} is not there", folder.display()));
    None
}

/// Names of all cases.
fn cases(folder: &Path) -> Vec<String> {
    let list: Value =
        serde_json::from_slice(&std::fs::read(folder.join("cases.json")).unwrap()).unwrap();
    list.as_array().unwrap().iter().map(|case| case["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn hostile_input_is_refused_and_unusual_input_is_read() {
    let Some(attack) = shared("attack") else {
        return;
    };
    if find("python3").is_none() {
        return;
    }
    let place = Place::new();
    let folder = PathBuf::from(place.path("cases"));
    let python = |script: &str| {
        let mut command = Command::new("python3");
        command.arg("-B").arg(attack.join(script));
        command
    };
    let made = python("gen.py").arg(&folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let names = cases(&folder);
    assert!(names.len() > 100, "{} cases", names.len());
    let halves = names.chunks(names.len().div_ceil(2));
    // Two at a time: most of a case is waiting for a process to start.
    let running: Vec<_> = halves
        .map(|names| {
            let mut run = python("run.py");
            run.args(["--imgconv", env!("CARGO_BIN_EXE_imgconv"), "--cases"]).arg(&folder);
            run.args(names.iter().flat_map(|name| ["--only", name]));
            run.stdout(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut failures = String::new();
    for run in running {
        let output = run.wait_with_output().unwrap();
        if !output.status.success() {
            failures += &String::from_utf8_lossy(&output.stdout);
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}
