//! Machines as they are: few processes, limits on files, signals that came ignored, standard input
//! and output that somebody made non-blocking.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

use crate::build::classic::{Repeat, archive};
use crate::build::image::Image;
use crate::build::layout::Layout;
use crate::build::run::{Place, default_signals, imgconv};
use crate::build::tar::Tar;
use crate::judges::{find, or_absent, root};

const IMGCONV: &str = env!("CARGO_BIN_EXE_imgconv");

/// An archive of some hundred kilobytes.
fn source(place: &Place) -> String {
    let layer = |seed: u8| {
        let byte = |at: u32| at.wrapping_mul(2_654_435_761).to_le_bytes()[3] ^ seed;
        Tar::new().file("noise", &(0..300_000).map(byte).collect::<Vec<_>>()).end()
    };
    let image = Image::of(vec![layer(1), layer(2)]).named(&["x.test/app:1"]);
    place.put("source.tar", &archive(&[image], Repeat::Symlink))
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[test]
fn where_no_thread_is_to_be_had_everything_is_done_by_one() {
    let (Some(_), Some(_), Some(_)) =
        (find("prlimit"), find("setpriv"), or_absent(root("another user")))
    else {
        return;
    };
    let place = Place::new();
    let from = source(&place);
    fs::set_permissions(place.path(""), Permissions::from_mode(0o777)).unwrap();
    fs::copy(IMGCONV, place.path("imgconv")).unwrap();
    let expected = place.path("expected");
    imgconv(&["save2oci", &from, &expected]).ok();
    imgconv(&["oci2save", "-d", "classic", &expected, &place.path("expected.tar")]).ok();
    let alone = |args: &[&str]| {
        let mut command = Command::new("prlimit");
        let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        command.arg("--nproc=1:1").args(user).arg(place.path("imgconv")).args(args);
        let done = command.output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{args:?}: {}", said(&done));
    };
    alone(&["verify", &from]);
    alone(&["inspect", &from]);
    alone(&["history", &from]);
    alone(&["explain", &from]);
    alone(&["save2oci", &from, &place.path("out")]);
    alone(&["oci2save", "-d", "classic", &place.path("out"), &place.path("out.tar")]);
    alone(&["convert", &from, &place.path("zstd"), "--to", "oci", "-c", "zstd"]);
    let read = |name: &str| fs::read(place.path(name)).unwrap();
    assert!(read("out/index.json") == read("expected/index.json"));
    assert!(read("out.tar") == read("expected.tar"));
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_like_a_full_disk() {
    let Some(_) = find("prlimit") else { return };
    let place = Place::new();
    let from = source(&place);
    let out = place.path("out");
    imgconv(&["save2oci", &from, &place.path("layout")]).ok();
    let before = place.tree();
    for args in [
        &["save2oci", &from, &out][..],
        &["oci2save", &place.path("layout"), &out],
        &["save2oci", "--append", &from, &place.path("layout"), "-c", "zstd"],
    ] {
        let mut command = Command::new("prlimit");
        let done = command.args(["--fsize=4096", IMGCONV]).args(args).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{args:?}: {}", said(&done));
        assert!(said(&done).contains("ulimit -f"), "{}", said(&done));
        assert!(place.tree() == before, "{args:?} left something");
    }
}

#[test]
fn with_few_open_files_nothing_is_left_behind() {
    let Some(_) = find("prlimit") else { return };
    let place = Place::new();
    let from = source(&place);
    imgconv(&["save2oci", &from, &place.path("layout")]).ok();
    let before = place.tree();
    for limit in 4..=16 {
        for (verb, from) in [("save2oci", &from), ("oci2save", &place.path("layout"))] {
            let out = place.path("out");
            let mut command = Command::new("prlimit");
            let args = [&format!("--nofile={limit}"), IMGCONV, verb, from, &out];
            let done = command.args(args).output().unwrap();
            if done.status.success() {
                let _ = fs::remove_dir_all(&out).or_else(|_| fs::remove_file(&out));
            }
            assert!(place.tree() == before, "{verb} with {limit}: {}", said(&done));
            let left: Vec<_> =
                fs::read_dir(place.path("")).unwrap().map(|it| it.unwrap().file_name()).collect();
            assert_eq!(left.len(), 2, "{verb} with {limit} left {left:?}: {}", said(&done));
        }
    }
}

#[test]
fn a_folder_of_a_layout_that_may_not_be_entered_is_named() {
    let (Some(_), Some(_)) = (find("setpriv"), or_absent(root("another user"))) else { return };
    let place = Place::new();
    imgconv(&["save2oci", &source(&place), &place.path("layout")]).ok();
    fs::set_permissions(place.path(""), Permissions::from_mode(0o777)).unwrap();
    fs::copy(IMGCONV, place.path("imgconv")).unwrap();
    for folder in ["blobs", "blobs/sha256"] {
        let closed = place.path(&format!("layout/{folder}"));
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.args([&place.path("imgconv"), "verify", &place.path("layout")]);
        let done = command.output().unwrap();
        let words = said(&done) + &String::from_utf8_lossy(&done.stdout);
        assert!(words.contains(folder) && words.contains("Permission denied"), "{words}");
        fs::set_permissions(&closed, Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_signal_that_came_ignored_stays_ignored() {
    let place = Place::new();
    let from = fs::read(source(&place)).unwrap();
    for (ignored, code) in [(true, 0), (false, 129)] {
        let trap = if ignored { "trap '' HUP; " } else { "" };
        let mut child = default_signals("sh")
            .args(["-c", &format!("{trap}exec \"$0\" verify -v -"), IMGCONV])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        // It is at work once it has read this.
        input.write_all(&from[..300_000]).unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
        let _ = input.write_all(&from[300_000..]);
        if ignored {
            drop(input);
        }
        assert_eq!(child.wait().unwrap().code(), Some(code), "ignored: {ignored}");
    }
}

fn non_blocking(fd: &impl AsFd) {
    rustix::io::ioctl_fionbio(fd, true).unwrap();
}

#[test]
fn standard_input_that_does_not_block_is_waited_for() {
    let place = Place::new();
    let from = fs::read(source(&place)).unwrap();
    let (theirs, mut ours) = std::io::pipe().unwrap();
    non_blocking(&theirs);
    let mut command = Command::new(IMGCONV);
    let child = command.args(["verify", "-"]).stdin(theirs).stderr(Stdio::piped()).spawn().unwrap();
    drop(command);
    for piece in from.chunks(3000) {
        ours.write_all(piece).unwrap();
        std::thread::yield_now();
    }
    drop(ours);
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
}

#[test]
fn standard_output_that_does_not_block_is_waited_for() {
    let place = Place::new();
    let from = source(&place);
    let big = ["explain", "--format", "html", &from];
    let expected = imgconv(&big).ok().out;
    for (args, expected) in [
        (&big[..], Some(expected)),
        (&["save2oci", "-c", "none", &from, "-"], None),
        (&["inspect", "--raw", "config", &from], None),
    ] {
        let (mut ours, theirs) = std::io::pipe().unwrap();
        non_blocking(&theirs);
        let mut command = Command::new(IMGCONV);
        let mut child = command.args(args).stdout(theirs).stderr(Stdio::piped()).spawn().unwrap();
        drop(command);
        // Nothing is taken before the pipe is full, or the command has ended.
        while rustix::io::ioctl_fionread(&ours).unwrap() < 60_000
            && child.try_wait().unwrap().is_none()
        {
            std::thread::yield_now();
        }
        let mut out = Vec::new();
        ours.read_to_end(&mut out).unwrap();
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{args:?}: {}", said(&done));
        assert!(!out.is_empty() && expected.is_none_or(|it| it == out), "{args:?}");
    }
}

#[test]
fn what_follows_the_end_of_an_archive_is_noted_and_refused_where_that_is_asked_for() {
    let place = Place::new();
    let one = fs::read(source(&place)).unwrap();
    let gzip = crate::build::codec::gzip;
    let layout = Layout::of(&[Image::new(&["base"]).named(&["x.test/app:1"])]).tar("");
    let zeros = vec![0; 20_000];
    let another = "another archive begins at byte";
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("two archives", [one.clone(), one.clone()].concat(), another),
        ("an OCI archive first", [layout, one.clone()].concat(), another),
        ("zeros between", [one.clone(), zeros.clone(), one.clone()].concat(), another),
        ("a compressed one behind", [one.clone(), gzip(&one)].concat(), another),
        ("two compressed ones", [gzip(&one), gzip(&one)].concat(), another),
        ("text", [&one[..], b"end"].concat(), "bytes follow the end of the archive at byte"),
        ("text behind zeros", [&one[..], &zeros, b"x"].concat(), "bytes follow the end"),
        ("text behind gzip", [&gzip(&one)[..], b"garbage"].concat(), "end of the compressed data"),
        ("zeros", [one.clone(), zeros].concat(), ""),
        ("as it is", one, ""),
    ];
    for (name, bytes, note) in rows {
        let path = place.put("odd.tar", &bytes);
        let piped = crate::build::run::imgconv_with(&bytes, &["verify", "--strict", "-"]);
        let filed = imgconv(&["verify", "--strict", &path]);
        let code = i32::from(!note.is_empty());
        for ran in [&piped, &filed] {
            let out = String::from_utf8_lossy(&ran.out);
            assert_eq!(ran.code, Some(code), "{name}: {out}");
            assert_eq!(out.contains("trailing-data"), code == 1, "{name}: {out}");
            assert!(out.contains(note), "{name}: {out}");
        }
        let out = place.path("out");
        let strict = imgconv(&["save2oci", "--strict", &path, &out]);
        assert_eq!(strict.code, Some(code), "{name}: {}", strict.err);
        let _ = fs::remove_dir_all(&out);
        let ran = imgconv(&["save2oci", &path, &out]).ok();
        assert_eq!(ran.err.contains("note: "), code == 1, "{name}: {}", ran.err);
        fs::remove_dir_all(&out).unwrap();
    }
}
