//! The programs in `examples/`, as a user would run them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;

use crate::build::tar::Tar;

/// Cargo builds them, beside the folder of the tests, before it runs all tests; where only some
/// are run it is asked to.
fn example(name: &str, args: &[&Path]) -> Output {
    static BUILD: Once = Once::new();
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    BUILD.call_once(|| {
        if !path.exists() {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--quiet", "--offline", "--examples"]);
            cargo.args(if cfg!(debug_assertions) { &[][..] } else { &["--release"] });
            assert!(cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
        }
    });
    Command::new(&path).args(args).output().unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/archives/docker-20.10-one.tar")
}

const IMAGE_ID: &str = "sha256:ee78";

#[test]
fn list_shows_names_platforms_ids_and_layers() {
    let ran = example("list", &[&source()]);
    let out = text(&ran.stdout);
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    for wanted in ["docker archive", "imgconv.test/app:1.0 (linux/amd64)", IMAGE_ID, "bytes"] {
        assert!(out.contains(wanted), "{wanted}: {out}");
    }
}

#[test]
fn convert_fills_its_bar_and_leaves_nothing_where_it_gives_up() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    let ran = example("convert", &[&source(), &layout, Path::new("1")]);
    assert!(!ran.status.success());
    assert!(text(&ran.stderr).contains("Interrupted"), "{}", text(&ran.stderr));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);

    let ran = example("convert", &[&source(), &layout]);
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    assert!(text(&ran.stderr).contains(&format!("\r[{}]\n", "#".repeat(30))));
    assert!(text(&ran.stdout).contains("imgconv.test/app:1.0 is sha256:"));
    assert!(layout.join("index.json").exists());
}

#[test]
fn verify_says_what_is_wrong_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.tar");
    std::fs::write(&bad, Tar::new().file("manifest.json", b"[]").end()).unwrap();
    let ran = example("verify", &[&source()]);
    assert!(ran.status.success() && text(&ran.stdout).contains(": 0 problems"));
    let ran = example("verify", &[&source(), &bad]);
    assert!(!ran.status.success(), "{}", text(&ran.stdout));
    assert!(text(&ran.stdout).contains("problem["), "{}", text(&ran.stdout));
}
