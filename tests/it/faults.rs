//! A fault at every system call that writes: the destination is absent or whole, an appended
//! layout is as it was or has the new image, and nothing else is left.
//!
//! `strace` makes call number 1, 2, 3, … fail until a run gets through without meeting it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::build::image::Image;
use crate::build::others::ggcr;
use crate::build::run::{Place, Tree, tree};
use crate::build::tar::Tar;
use crate::judges::find;

const ONE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/docker-20.10-one.tar");
const OTHER: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/docker-20.10-untagged.tar");

/// Calls that make, fill, name and keep files, and what each may fail with.
const FAULTS: &[(&str, &[&str])] = &[
    ("write", &["ENOSPC", "EIO", "EINTR"]),
    ("pwrite64", &["ENOSPC", "EDQUOT", "EINTR"]),
    ("pread64", &["EIO", "EINTR"]),
    ("read", &["EIO"]),
    ("openat", &["EACCES", "EMFILE"]),
    ("mkdir,mkdirat", &["ENOSPC", "EDQUOT"]),
    ("fsync,syncfs", &["EIO", "EDQUOT"]),
    ("renameat,renameat2", &["EIO", "ENOSPC", "EACCES"]),
    ("unlink,unlinkat,rmdir", &["EIO"]),
    ("flock", &["EINTR", "ENOLCK"]),
    ("link,linkat", &["EPERM", "ENOSPC", "EIO"]),
    ("symlink,symlinkat,readlinkat", &["EPERM", "ENOSPC", "EIO"]),
];

/// What a run may leave where the fault is that nothing can be removed.
fn is_temporary(name: &Path) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(".imgconv-"))
}

fn imgconv(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_imgconv")).args(arguments).output().unwrap()
}

/// Runs imgconv with one call failing; whether the fault was met, and what became of the run.
fn faulty(strace: &Path, log: &Path, inject: &str, arguments: &[&str]) -> (bool, Output) {
    let done = Command::new(strace)
        .args(["-f", "-qq", "-o"])
        .arg(log)
        .args(["-e", "signal=none", "-e", inject])
        .arg(env!("CARGO_BIN_EXE_imgconv"))
        .args(arguments)
        .output()
        .unwrap();
    let met = std::fs::read_to_string(log).unwrap_or_default().contains("(INJECTED)");
    (met, done)
}

/// Every fault in turn, until a run gets through; `check` looks at what each left.
fn every_fault(
    name: &str,
    arguments: &dyn Fn(&Path) -> Vec<String>,
    before: &dyn Fn(&Path),
    check: &dyn Fn(&Path, &Output, &str),
) {
    let Some(strace) = find("strace") else { return };
    let mut runs = 0;
    for (calls, errors) in FAULTS {
        for error in *errors {
            for number in 1..400 {
                let folder = tempfile::tempdir().unwrap();
                before(folder.path());
                let log = tempfile::NamedTempFile::new().unwrap();
                let inject = format!("inject={calls}:error={error}:when={number}");
                let arguments = arguments(folder.path());
                let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let (met, done) = faulty(&strace, log.path(), &inject, &words);
                let said = String::from_utf8_lossy(&done.stderr);
                let at = format!("{name}: {calls} {number} fails with {error}: {said}");
                assert!(!said.contains("panicked"), "{at}");
                assert!(done.status.code().is_some(), "{at}: ended by a signal");
                runs += 1;
                check(folder.path(), &done, &at);
                if !met {
                    break;
                }
            }
        }
    }
    println!("{name}: {runs} runs");
    assert!(runs > 50, "{name}: {runs} runs");
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into()).collect();
    found.sort();
    found
}

/// After a failure the folder is as empty as it was; after a success the destination is whole.
fn whole_or_absent(folder: &Path, done: &Output, at: &str) {
    if done.status.success() {
        let mut left = names(folder);
        if at.contains("unlink") {
            left.retain(|name| !is_temporary(name));
        }
        assert_eq!(left, [PathBuf::from("out")], "{at}");
        let out = folder.join("out").display().to_string();
        let verified = imgconv(&["verify", &out]);
        assert!(verified.status.success(), "{at}: {}", String::from_utf8_lossy(&verified.stdout));
    } else {
        // An answer that could not be printed does not take the destination back.
        let mut left = names(folder);
        if at.contains("unlink") {
            left.retain(|name| !is_temporary(name));
        }
        let printed = left == [PathBuf::from("out")]
            && String::from_utf8_lossy(&done.stderr).contains("standard output");
        let renamed = left == [PathBuf::from("out")] && at.contains("fsync");
        assert!(left.is_empty() || printed || renamed, "{at}: left {left:?}");
        if !left.is_empty() {
            let out = folder.join("out").display().to_string();
            assert!(imgconv(&["verify", &out]).status.success(), "{at}: not whole");
        }
    }
}

#[test]
fn save2oci_leaves_a_whole_layout_or_nothing() {
    let arguments = |folder: &Path| {
        ["save2oci", ONE, &folder.join("out").display().to_string(), "-j", "1"]
            .map(str::to_owned)
            .to_vec()
    };
    every_fault("save2oci", &arguments, &|_| (), &whole_or_absent);
}

#[test]
fn oci2save_leaves_a_whole_archive_or_nothing() {
    let place = tempfile::tempdir().unwrap();
    let layout = place.path().join("layout").display().to_string();
    assert!(imgconv(&["save2oci", ONE, &layout]).status.success());
    for dialect in ["universal", "classic"] {
        let arguments = |folder: &Path| {
            let out = folder.join("out").display().to_string();
            ["oci2save", &layout, &out, "-j", "1", "-d", dialect].map(str::to_owned).to_vec()
        };
        every_fault(dialect, &arguments, &|_| (), &whole_or_absent);
    }
}

#[test]
fn an_appended_layout_is_as_it_was_or_has_the_new_image_and_takes_the_next() {
    let place = tempfile::tempdir().unwrap();
    let first = place.path().join("first");
    assert!(imgconv(&["save2oci", ONE, &first.display().to_string()]).status.success());
    let old: Tree = tree(&first);
    let before = |folder: &Path| {
        let copied = Command::new("cp").arg("-a").arg(&first).arg(folder.join("out")).status();
        assert!(copied.unwrap().success());
    };
    let arguments = |folder: &Path| {
        let out = folder.join("out").display().to_string();
        ["save2oci", OTHER, &out, "--append", "-t", "new:1", "-j", "1"].map(str::to_owned).to_vec()
    };
    let check = |folder: &Path, done: &Output, at: &str| {
        let out = folder.join("out");
        let mut now = tree(&out);
        if at.contains("unlink") {
            now.retain(|path, _| !path.iter().any(|name| is_temporary(Path::new(name))));
        }
        let index = PathBuf::from("index.json");
        if !done.status.success() && now.get(&index) == old.get(&index) {
            assert!(now == old, "{at}: {:?}", now.keys().collect::<Vec<_>>());
        }
        let out = out.display().to_string();
        let verified = imgconv(&["verify", &out]);
        assert!(verified.status.success(), "{at}: {}", String::from_utf8_lossy(&verified.stdout));
        let next = imgconv(&["save2oci", OTHER, &out, "--append", "-t", "next:1"]);
        assert!(next.status.success(), "{at}: {}", String::from_utf8_lossy(&next.stderr));
    };
    every_fault("append", &arguments, &before, &check);
}

/// What is left after SIGKILL: perhaps a temporary folder, and a destination that is whole.
#[test]
fn killed_at_any_moment_it_leaves_a_whole_destination_or_none() {
    let Some(strace) = find("strace") else { return };
    let place = tempfile::tempdir().unwrap();
    let first = place.path().join("first");
    assert!(imgconv(&["save2oci", ONE, &first.display().to_string()]).status.success());
    let mut killed = 0;
    for append in [false, true] {
        for calls in ["write", "openat", "fsync", "renameat,renameat2", "mkdir,mkdirat"] {
            for number in 1..400 {
                let folder = tempfile::tempdir().unwrap();
                let out = folder.path().join("out").display().to_string();
                if append {
                    let copied = Command::new("cp").arg("-a").arg(&first).arg(&out).status();
                    assert!(copied.unwrap().success());
                }
                let log = tempfile::NamedTempFile::new().unwrap();
                let inject = format!("inject={calls}:signal=SIGKILL:when={number}");
                let words = ["save2oci", OTHER, &out, "--append", "-t", "new:1", "-j", "1"];
                let (_, done) = faulty(&strace, log.path(), &inject, &words);
                let at = format!("append {append}: killed at {calls} {number}");
                for name in names(folder.path()) {
                    let name = name.display().to_string();
                    assert!(name == "out" || name.starts_with(".imgconv-"), "{at}: {name}");
                }
                if append || Path::new(&out).exists() {
                    let verified = imgconv(&["verify", &out]);
                    let said = String::from_utf8_lossy(&verified.stdout);
                    assert!(verified.status.success(), "{at}: {said}");
                }
                let next = imgconv(&["save2oci", OTHER, &out, "--append", "-t", "next:1"]);
                assert!(next.status.success(), "{at}: {}", String::from_utf8_lossy(&next.stderr));
                // Nothing is made beside a layout that is there, so nothing beside it is swept.
                let beside = folder.path().join("beside").display().to_string();
                assert!(imgconv(&["save2oci", ONE, &beside]).status.success());
                let left: Vec<PathBuf> = tree(folder.path()).into_keys().collect();
                let left = left.iter().filter(|it| it.display().to_string().contains(".imgconv-"));
                assert_eq!(left.count(), 0, "{at}: left after the next run");
                if done.status.success() {
                    break;
                }
                killed += 1;
            }
        }
    }
    println!("killed {killed} times");
    assert!(killed > 100, "{killed}");
}

/// Large files go to the disk while they are written: what it says then is not forgotten.
#[test]
fn an_error_of_the_disk_before_the_end_of_a_file_fails_the_run() {
    let Some(strace) = find("strace") else { return };
    let place = Place::new();
    let layer = Tar::new().file("large", &vec![7; 40 << 20]).end();
    let archive = place.put("archive.tar", &ggcr(&[Image::of(vec![layer])]));
    for (verb, options) in [
        ("save2oci", &["-c", "none"][..]),
        ("convert", &["--to", "docker-archive", "-d", "classic"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let log = tempfile::NamedTempFile::new().unwrap();
        let out = folder.path().join("out").display().to_string();
        let mut arguments = vec![verb, &archive, &out];
        arguments.extend(options);
        let (met, done) =
            faulty(&strace, log.path(), "inject=fdatasync:error=EIO:when=1", &arguments);
        assert!(met, "{verb}");
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{verb}: {said}");
        assert!(said.contains("Input/output error"), "{verb}: {said}");
        assert!(names(folder.path()).is_empty(), "{verb}");
    }
}
