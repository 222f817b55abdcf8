//! Real programs as judges of what imgconv reads and writes: they accept it, or the test fails.
//!
//! They are of two ages: those of the machine, and today's, out of a root that `.ci/judges` makes.
//! Where something that a test needs is missing, `absent` says so on standard error, past the capture
//! of the test harness, and the test ends there; with `IMGCONV_JUDGES=required`, as the gate sets it,
//! it fails instead. `excused` never fails: it is for the two things that nobody can install, a
//! shared folder that not every checkout has and a program that the root's release lacks.
//! What a program is known to get wrong stands beside the call that would meet it.

pub(crate) mod certs;
pub(crate) mod containerd;
pub(crate) mod containers;
mod daemon;
pub(crate) mod docker;
pub(crate) mod layout;
pub(crate) mod members;
pub(crate) mod registry;
pub(crate) mod scenario;
pub(crate) mod wire;

// Today's programs, what they write, and what such files hold.
pub(crate) mod held;
pub(crate) mod readers;
pub(crate) mod today;
pub(crate) mod verdicts;
pub(crate) mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use sha2::{Digest, Sha256};

/// Arguments of a program: words and paths together.
pub(crate) type Args<'a> = &'a [&'a dyn AsRef<OsStr>];

/// What a store holds: names by image ID (`sha256:…`), none for an untagged image.
pub(crate) type Images = BTreeMap<String, BTreeSet<String>>;

/// Runs imgconv and hands out its standard output.
pub(crate) fn imgconv(args: Args<'_>) -> Vec<u8> {
    run(Command::new(env!("CARGO_BIN_EXE_imgconv")).args(args))
}

/// Runs imgconv between two pipes: the file on its standard input, its standard output to a file.
pub(crate) fn imgconv_piped(args: Args<'_>, from: &Path, to: &Path) {
    let mut imgconv = Command::new(env!("CARGO_BIN_EXE_imgconv"));
    imgconv.args(args).stdin(Stdio::piped()).stdout(File::create(to).unwrap());
    let mut child = imgconv.stderr(Stdio::piped()).spawn().unwrap();
    // A real pipe, not the file itself: nothing to seek in.
    let fed = io::copy(&mut File::open(from).unwrap(), &mut child.stdin.take().unwrap());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(fed.is_ok() && output.status.success(), "{imgconv:?}\n{said}");
}

/// Runs a command that has to succeed and hands out its standard output.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    attempt(command).unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// Runs a command; an error is what it said.
pub(crate) fn attempt(command: &mut Command) -> Result<Vec<u8>, String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}\n{}\n{said}", output.status))
}

/// Where a program is that a test may do without.
pub(crate) fn locate(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // dockerd lives where only root's path leads.
    let places = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places.map(|place| place.join(program)).find(|file| file.is_file())
}

/// Where a judge is; if nowhere, says so.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    or_absent(installed(program))
}

/// A file that a judge needs; if it is missing, says so and how to have it.
pub(crate) fn find_path(path: &Path, how: &str) -> Option<PathBuf> {
    let missing = || format!("{} is missing, run {how}", path.display());
    or_absent(path.exists().then(|| path.to_owned()).ok_or_else(missing))
}

/// Where a program is, or why it cannot be a judge.
fn installed(program: &str) -> Result<PathBuf, String> {
    locate(program).ok_or_else(|| format!("{program} is not installed"))
}

/// Whether this test binary may start a daemon, or why not.
pub(crate) fn root(program: &str) -> Result<(), String> {
    let root = fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0);
    root.then_some(()).ok_or_else(|| format!("{program} needs root"))
}

/// A judge, or nothing after its absence was said: once for each test that asks.
pub(crate) fn or_absent<T, E: AsRef<str>>(judge: Result<T, E>) -> Option<T> {
    judge.map_err(|reason| absent(reason.as_ref())).ok()
}

/// Says that something a test needs is missing, so that it is skipped; panics where all is required.
pub(crate) fn absent(reason: &str) {
    let required = env::var_os("IMGCONV_JUDGES").is_some_and(|value| value == "required");
    assert!(!required, "{reason}, and IMGCONV_JUDGES=required");
    excused(reason);
}

/// Says that a test is skipped for a reason that holds also where all is required.
pub(crate) fn excused(reason: &str) {
    let thread = thread::current();
    let line = format!("skipped: {reason} ({})\n", thread.name().unwrap_or_default());
    // Not eprintln: its lines are captured and thrown away when the test passes.
    io::stderr().write_all(line.as_bytes()).unwrap();
}

/// The digest of bytes, as `sha256:…`.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Every file below a directory with its content, by relative path.
pub(crate) fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_path_buf();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Fails with the names that differ rather than with the bytes of both trees.
pub(crate) fn assert_same_tree(left: &Path, right: &Path) {
    let (one, other) = (tree(left), tree(right));
    let names: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let differing: Vec<_> = names.into_iter().filter(|it| one.get(*it) != other.get(*it)).collect();
    assert!(differing.is_empty(), "{left:?} and {right:?} differ in {differing:?}");
}
