//! Several writers at once, and some of them are killed: nobody fails but the killed, no name of
//! one that has finished is lost, and after one more run nothing is left over.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::build::image::Image;
use crate::build::others::ggcr;
use crate::build::run::{Place, imgconv};
use crate::judges::find;

/// What a destination can be that is added to.
pub(crate) const FORMATS: [&str; 3] = ["oci", "docker-archive", "oci-archive"];

/// A source for each writer: one layer that all have, one that no other has.
pub(crate) fn source(place: &Place, at: usize) -> String {
    let image = Image::new(&["base", &format!("top {at}")]);
    place.put(&format!("source{at}.tar"), &ggcr(&[image.named(&[&name(at)])]))
}

/// The name that it brings.
pub(crate) fn name(at: usize) -> String {
    format!("demo/app{at}:1")
}

/// Begins to add a source, perhaps under strace with these options.
pub(crate) fn append(strace: &[&str], from: &str, to: &str, format: &str) -> Child {
    let program = env!("CARGO_BIN_EXE_imgconv");
    let mut command = match strace {
        [] => Command::new(program),
        options => {
            let mut command = Command::new("strace");
            command.args(["-f", "-qq", "-o", "/dev/null", "-e", "signal=none"]).args(options);
            command.arg(program);
            command
        }
    };
    command
        .args(["convert", from, to, "--to", format, "--append", "-j", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The destination has these names and is whole in every respect; beside it and inside it is
/// nothing that a writer makes for itself.
#[track_caller]
pub(crate) fn is_clean(place: &Place, out: &str, names: &[String], at: &str) {
    let inspected = imgconv(&["inspect", "--format", "json", out]).ok();
    let inspected = String::from_utf8(inspected.out).unwrap();
    for name in names {
        // A name may be spelled with or without its registry.
        assert!(inspected.contains(&format!("{name}\"")), "{at}: {name} is lost: {inspected}");
    }
    let verified = imgconv(&["verify", "--strict", out]);
    assert_eq!(verified.code, Some(0), "{at}: {}", String::from_utf8_lossy(&verified.out));
    let left: Vec<_> = place.tree().into_keys().collect();
    let left = left.iter().find(|it| it.display().to_string().contains(".imgconv"));
    assert!(left.is_none(), "{at}: {left:?} is left");
}

/// Begins one writer for each item, under strace where the item has options, and waits for all;
/// how many were killed.
fn together(place: &Place, out: &str, format: &str, writers: &[Vec<String>]) -> usize {
    let sources: Vec<String> = (0..writers.len()).map(|at| source(place, at)).collect();
    let begun: Vec<Child> = writers
        .iter()
        .zip(&sources)
        .map(|(strace, from)| {
            let strace: Vec<&str> = strace.iter().map(String::as_str).collect();
            append(&strace, from, out, format)
        })
        .collect();
    let mut names = Vec::new();
    let mut killed = 0;
    for (at, (writer, strace)) in begun.into_iter().zip(writers).enumerate() {
        let done = writer.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        if !strace.is_empty() && done.status.signal() == Some(9) {
            killed += 1;
            continue;
        }
        assert!(done.status.success(), "{format}: writer {at} of {writers:?}: {said}");
        names.push(name(at));
    }
    if killed > 0 {
        let last = writers.len();
        names.push(name(last));
        let done = append(&[], &source(place, last), out, format).wait_with_output().unwrap();
        assert!(done.status.success(), "{format}: {}", String::from_utf8_lossy(&done.stderr));
    }
    is_clean(place, out, &names, &format!("{format}, {writers:?}"));
    killed
}

#[test]
fn any_number_of_writers_append_to_one_new_destination_and_all_are_in_it() {
    for (format, count) in FORMATS.iter().zip([24, 8, 8]) {
        let place = Place::new();
        let out = place.path("out");
        assert_eq!(together(&place, &out, format, &vec![Vec::new(); count]), 0);
    }
}

/// Every third writer is killed at some call; which one it is then, the scheduler chooses.
#[test]
fn writers_that_are_killed_take_nothing_from_the_others() {
    let Some(_) = find("strace") else { return };
    let calls = ["linkat", "symlink,symlinkat", "renameat,renameat2", "unlink,unlinkat", "fsync"];
    let mut killed = 0;
    for (format, count) in FORMATS.iter().zip([24, 8, 8]) {
        for round in 0..4 {
            let place = Place::new();
            let out = place.path("out");
            let writers: Vec<Vec<String>> = (0..count)
                .map(|at| {
                    let calls = calls[(at / 3 + round) % calls.len()];
                    let kill =
                        format!("inject={calls}:signal=SIGKILL:when={}", 1 + (at + round) % 5);
                    let options =
                        ["-e".to_owned(), format!("trace={calls}"), "-e".to_owned(), kill];
                    if at % 3 == 0 { options.to_vec() } else { Vec::new() }
                })
                .collect();
            killed += together(&place, &out, format, &writers);
        }
    }
    println!("{killed} killed");
    assert!(killed > 20, "{killed}");
}

/// One writer, killed at every call that changes a file system, and at some of the others.
#[test]
fn killed_at_any_call_of_an_append_nothing_is_left_after_the_next() {
    let Some(_) = find("strace") else { return };
    let mut killed = 0;
    for format in FORMATS {
        let first = Place::new();
        let there = first.path("out");
        let done = append(&[], &source(&first, 100), &there, format).wait().unwrap();
        assert!(done.success());
        // In an empty folder the first two files of a layout come one after the other.
        let empty = first.dir("empty");
        for start in [&there, &empty] {
            if *start == empty && format != "oci" {
                continue;
            }
            for calls in [
                "write,pwrite64",
                "fsync,syncfs",
                "mkdir,mkdirat",
                "linkat,symlink,symlinkat,readlinkat",
                "renameat,renameat2,chmod,fchmodat,fchmod",
                "unlink,unlinkat,rmdir",
                "flock,fcntl",
            ] {
                for number in 1..400 {
                    let place = Place::new();
                    let out = place.path("out");
                    let copied = Command::new("cp").args(["-a", start, &out]).status();
                    assert!(copied.unwrap().success());
                    let kill = format!("inject={calls}:signal=SIGKILL:when={number}");
                    let strace = ["-e", &format!("trace={calls}"), "-e", &kill];
                    let done = append(&strace, &source(&place, 0), &out, format);
                    let done = done.wait_with_output().unwrap();
                    let at = format!("{format}: killed at {calls} {number}");
                    let next = append(&[], &source(&place, 1), &out, format);
                    let next = next.wait_with_output().unwrap();
                    let said = String::from_utf8_lossy(&next.stderr);
                    assert!(next.status.success(), "{at}: {said}");
                    let mut names = vec![name(1)];
                    names.extend((*start == there).then(|| name(100)));
                    is_clean(&place, &out, &names, &at);
                    assert!(Path::new(&out).exists(), "{at}");
                    if done.status.success() {
                        break;
                    }
                    assert_eq!(done.status.signal(), Some(9), "{at}");
                    killed += 1;
                }
            }
        }
    }
    println!("killed {killed} times");
    assert!(killed > 100, "{killed}");
}
