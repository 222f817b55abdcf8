//! Broken machines beside what strace can make: files that may not grow, full file systems, pipes
//! that close or trickle, signals at every call, and the order in which things reach the disk.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::build::codec::Codec;
use crate::build::image::Image;
use crate::build::others::ggcr;
use crate::build::run::{Place, imgconv, refused, tree};
use crate::judges::{absent, find};
use crate::owner;

fn archive() -> Vec<u8> {
    let noise: Vec<u8> = (0..300_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0])
        .collect();
    let image = Image::of(vec![noise, crate::build::image::layer("top")]).named(&["demo/app:1"]);
    ggcr(&[image.stored(&[Codec::Plain, Codec::Gzip])])
}

fn shell(script: &str) -> Output {
    Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_imgconv")]).output().unwrap()
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// `ulimit -f` counts blocks of 512 bytes in some shells and of 1024 in others; whichever it is,
/// each size ends inside another file. The kernel writes what fits first: a short write.
#[test]
fn a_file_that_may_not_grow_is_a_refusal_and_nothing_is_left() {
    let place = Place::new();
    let source = place.put("source.tar", &archive());
    let mut failed = 0;
    for blocks in [0, 1, 2, 3, 5, 100, 200, 300, 10_000] {
        for verb in ["save2oci", "oci2save"] {
            let out = place.path("out");
            let from = if verb == "save2oci" { source.clone() } else { place.path("layout") };
            if verb == "oci2save" && !Path::new(&from).exists() {
                imgconv(&["save2oci", &source, &from]).ok();
            }
            let script =
                format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" {verb} {from} {out}");
            let done = shell(&script);
            if done.status.success() {
                imgconv(&["verify", &out]).ok();
                if Path::new(&out).is_dir() {
                    fs::remove_dir_all(&out).unwrap();
                } else {
                    fs::remove_file(&out).unwrap();
                }
            } else {
                failed += 1;
                assert_eq!(done.status.code(), Some(2), "{blocks}: {}", said(&done));
                assert!(said(&done).contains("too large"), "{blocks}: {}", said(&done));
                let left: Vec<_> = place.tree().into_keys().collect();
                let fine = |it: &std::path::PathBuf| {
                    ["source.tar", "layout"].iter().any(|name| it.starts_with(name))
                };
                assert!(left.iter().all(fine), "{blocks}: {left:?}");
            }
        }
    }
    assert!(failed > 6, "{failed}");
}

#[test]
fn a_full_file_system_is_named_and_nothing_is_left() {
    let place = Place::new();
    let source = place.put("source.tar", &archive());
    let small = place.dir("small");
    let run = |of: &str, command: &str| {
        let mount = format!("mount -t tmpfs -o size={of} none {small}");
        let script = format!("{mount} && cd {small} && {{ {command}; echo \"exit $?\"; ls -A; }}");
        Command::new("unshare")
            .args(["-m", "sh", "-c", &script, env!("CARGO_BIN_EXE_imgconv")])
            .output()
    };
    let Some(_) = find("unshare") else { return };
    let done = run("1m", "true").unwrap();
    if !done.status.success() {
        return absent(&format!("no mounts here: {}", said(&done)));
    }
    for of in ["16k", "64k", "128k", "256k"] {
        for options in ["", "--append"] {
            let done = run(of, &format!("\"$0\" save2oci -c none {options} {source} out")).unwrap();
            assert_eq!(String::from_utf8_lossy(&done.stdout), "exit 2\n", "{of}: {}", said(&done));
            assert!(said(&done).to_lowercase().contains("no space"), "{of}: {}", said(&done));
        }
        // There is no room for the layers of a pipe.
        let piped = place.path("piped");
        let command =
            format!("cat {source} | TMPDIR={small} \"$0\" save2oci -c none - - > {piped}");
        let done = run(of, &command).unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stdout), "exit 2\n", "{of}: {}", said(&done));
        assert!(said(&done).contains("TMPDIR"), "{of}: {}", said(&done));
    }
}

#[test]
fn a_destination_that_cannot_be_written_is_said_before_the_source_is_read() {
    let place = Place::new();
    let gone = place.path("gone.tar");
    let small = place.dir("small");
    let script = format!("mount -t tmpfs -o ro none {small} && \"$0\" save2oci {gone} {small}/out");
    let done = Command::new("unshare")
        .args(["-m", "sh", "-c", &script, env!("CARGO_BIN_EXE_imgconv")])
        .output();
    match done {
        Ok(done) if said(&done).contains("/out") => {
            assert_eq!(done.status.code(), Some(2), "{}", said(&done));
            assert!(said(&done).contains("Read-only file system"), "{}", said(&done));
            assert!(!said(&done).contains("gone.tar"), "the source was opened: {}", said(&done));
        }
        other => absent(&format!("no mounts here: {other:?}")),
    }
}

#[test]
fn a_pipe_that_gives_a_byte_at_a_time_is_read_whole() {
    let place = Place::new();
    let bytes = ggcr(&[Image::new(&["base", "top"]).named(&["demo/app:1"])]);
    let source = place.put("source.tar", &bytes);
    let mut child = Command::new(env!("CARGO_BIN_EXE_imgconv"))
        .args(["save2oci", "-", &place.path("piped")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    for chunk in bytes.chunks(7) {
        pipe.write_all(chunk).unwrap();
    }
    drop(pipe);
    assert!(child.wait().unwrap().success());
    imgconv(&["save2oci", &source, &place.path("whole")]).ok();
    let (piped, whole) = (place.path("piped"), place.path("whole"));
    assert!(tree(Path::new(&piped)) == tree(Path::new(&whole)));
}

#[test]
fn a_pipe_that_closes_at_any_write_ends_the_run_as_it_ends_cat() {
    let Some(strace) = find("strace") else { return };
    let place = Place::new();
    let source = place.put("source.tar", &ggcr(&[Image::new(&["base", "top"])]));
    let mut met = 0;
    for number in 1..200 {
        let log = place.path("log");
        let inject = format!("inject=write:error=EPIPE:when={number}");
        let done = Command::new(&strace)
            .args(["-f", "-qq", "-o", &log, "-e", "signal=none", "-e", &inject])
            .args([env!("CARGO_BIN_EXE_imgconv"), "save2oci", "-j", "1", &source, "-"])
            .output()
            .unwrap();
        if !fs::read_to_string(&log).unwrap().contains("(INJECTED)") {
            assert!(done.status.success(), "{}", said(&done));
            break;
        }
        // A write that fails may be the one that says what was lost, to standard error.
        let piped = !done.stdout.ends_with(&[0; 1024]);
        let code = done.status.code();
        let ended = code == Some(141) && done.stderr.is_empty();
        assert!(ended || !piped && code == Some(0), "{number}: {code:?} {}", said(&done));
        met += 1;
    }
    assert!(met >= 2, "{met}");
}

/// SIGINT and SIGTERM at every call that reads or writes.
#[test]
fn a_signal_at_any_call_leaves_a_whole_destination_or_none() {
    let Some(strace) = find("strace") else { return };
    let place = Place::new();
    let source = place.put("source.tar", &ggcr(&[Image::new(&["base", "top"])]));
    let mut met = 0;
    for (signal, status) in [("SIGINT", 130), ("SIGTERM", 143)] {
        for calls in ["pread64", "write,pwrite64", "fsync", "renameat2", "openat", "mkdir,mkdirat"]
        {
            let mut through = 0;
            for number in 1..300 {
                let folder = Place::new();
                let out = folder.path("out");
                let inject = format!("inject={calls}:signal={signal}:when={number}");
                let log = place.path("log");
                let done = Command::new(&strace)
                    .args(["-f", "-qq", "-o", &log, "-e", "signal=none", "-e", &inject])
                    .args([env!("CARGO_BIN_EXE_imgconv"), "save2oci", "-j", "1", &source, &out])
                    .output()
                    .unwrap();
                let at = format!("{signal} at {calls} {number}: {}", said(&done));
                let left: Vec<_> = folder.tree().into_keys().collect();
                assert!(left.iter().all(|it| it.starts_with("out")), "{at}: {left:?}");
                if !left.is_empty() {
                    imgconv(&["verify", &out]).ok();
                }
                match done.status.code() {
                    Some(0) => assert!(!left.is_empty(), "{at}"),
                    // Before the handler is there, the signal itself ends the run.
                    None => assert!(left.is_empty(), "{at}"),
                    code => assert_eq!(code, Some(status), "{at}"),
                }
                // Nobody says whether the signal was sent; a run may also end before it counts.
                through = if done.status.success() { through + 1 } else { 0 };
                if through == 3 {
                    break;
                }
                met += usize::from(through == 0);
            }
        }
    }
    println!("{met} signals");
    assert!(met > 40, "{met}");
}

/// What reaches the disk first, seen once: files before their names, blobs before the index that
/// names them, and the name of the destination last.
#[test]
fn files_are_on_disk_before_anything_names_them() {
    let Some(strace) = find("strace") else { return };
    let place = Place::new();
    let source = place.put("source.tar", &ggcr(&[Image::new(&["base", "top"])]));
    let other = place.put("other.tar", &ggcr(&[Image::new(&["other"])]));
    let out = place.path("out");
    for (source, append) in [(&source, false), (&other, true)] {
        let log = place.path("log");
        let mut command = Command::new(&strace);
        command.args(["-f", "-qq", "-o", &log, "-y", "-e", "signal=none"]);
        command.args(["-e", "trace=write,pwrite64,fsync,syncfs,renameat,renameat2"]);
        command.args([env!("CARGO_BIN_EXE_imgconv"), "save2oci", "-j", "1", source, &out]);
        let done = command.args(if append { &["--append"][..] } else { &[] }).output().unwrap();
        assert!(done.status.success(), "{}", said(&done));
        let log = fs::read_to_string(&log).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        let mut unsynced = std::collections::BTreeSet::new();
        let mut renames = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let file = line.split('<').nth(1).and_then(|it| it.split('>').next()).unwrap_or("");
            let ours = file.contains("/.imgconv-");
            if line.contains("write(") || line.contains("pwrite64(") {
                unsynced.extend(ours.then(|| file.to_owned()));
            } else if line.contains("fsync(") {
                unsynced.remove(file);
            } else if line.contains("syncfs(") {
                unsynced.clear();
            } else if line.contains("renameat") {
                let from = line.split('"').nth(1).unwrap();
                let whole = unsynced.iter().find(|it| it.ends_with(from));
                assert!(whole.is_none(), "{whole:?} gets a name before it is on disk");
                renames.push((at, line.split('"').nth(3).unwrap().to_owned()));
            }
        }
        assert!(unsynced.is_empty(), "{unsynced:?}");
        let index = renames.iter().position(|it| it.1 == "index.json").unwrap();
        let blobs = renames.iter().rposition(|it| it.1.len() == 64).unwrap();
        assert!(blobs < index, "{renames:?}");
        let last = renames.last().unwrap();
        assert_eq!(last.1, if append { "index.json" } else { "out" });
        let synced = |range: &[&str], folder: &str| {
            range.iter().any(|line| line.contains("fsync(") && line.contains(folder))
        };
        let between = &lines[renames[blobs].0..renames[index].0];
        assert!(synced(between, "/blobs/sha256>"), "the folder of the blobs");
        let folder =
            if append { "/out>" } else { &format!("{}>", place.path("").trim_end_matches('/')) };
        assert!(synced(&lines[last.0..], folder), "the folder that has the new name: {log}");
    }
}

/// What looks like the private folder of a writer: all of `gone` is what a dead one left, and
/// nothing of `kept` is that for certain.
struct LookAlikes {
    gone: Vec<String>,
    kept: Vec<String>,
    _lock: fs::File,
}

impl LookAlikes {
    fn make(place: &Place, folder: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let at = |name: &str| format!("{folder}{name}");
        let private = |name: &str, inside: &[&str]| {
            let path = place.dir(&at(name));
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
            for inside in inside {
                fs::create_dir_all(place.path(&at(&format!("{name}/{inside}")))).unwrap();
            }
        };
        let name = |word: String, end: &str| format!(".imgconv-{word}-{end}");
        let dead = owner::dead();
        // Of the second the ID is another process's now, which started at another moment.
        let again = owner::word(std::process::id(), "1");
        let gone = vec![name(dead.clone(), "Abc123"), name(again, "Abc123")];
        for name in &gone {
            private(name, &["layout/blobs", "blobs/sha256", "archive", ".tmpAbc123"]);
        }
        let (locked, open) = (name(dead.clone(), "locked"), name(dead.clone(), "open"));
        let (foreign, file) = (name(dead.clone(), "foreign"), name(dead.clone(), "file"));
        let other_boot = format!("0123456789abcdef{}", &dead[16..]);
        let others = [
            name(owner::this(), "living"),
            name(other_boot, "Abc123"),
            ".imgconv-".to_owned(),
            ".imgconv-Abc123".to_owned(),
            ".imgconv-a b c d".to_owned(),
            ".imgconv-1-2-3".to_owned(),
            format!(".other-{dead}-Abc123"),
        ];
        others.iter().chain([&locked, &open]).for_each(|name| private(name, &["layout"]));
        private(&foreign, &["layout", "thesis.txt"]);
        place.put(&at(&file), b"a file");
        fs::set_permissions(place.path(&at(&open)), fs::Permissions::from_mode(0o755)).unwrap();
        let lock = fs::File::open(place.path(&at(&locked))).unwrap();
        lock.lock().unwrap();
        let kept = others.into_iter().chain([locked, open, foreign, file]);
        Self { gone, kept: kept.map(|it| at(&it)).collect(), _lock: lock }.below(folder)
    }

    fn below(mut self, folder: &str) -> Self {
        self.gone.iter_mut().for_each(|it| *it = format!("{folder}{it}"));
        self
    }

    #[track_caller]
    fn check(&self, place: &Place) {
        let there = |name: &String| fs::symlink_metadata(place.path(name)).is_ok();
        for name in &self.kept {
            assert!(there(name), "{name} is gone");
        }
        for name in &self.gone {
            assert!(!there(name), "{name} is left");
        }
    }
}

#[test]
fn what_a_killed_writer_left_is_swept_up_and_nothing_else_is() {
    let place = Place::new();
    let source = place.put("source.tar", &ggcr(&[Image::new(&["base"])]));
    let beside = LookAlikes::make(&place, "");
    imgconv(&["save2oci", &source, &place.path("out")]).ok();
    beside.check(&place);
    let inside = LookAlikes::make(&place, "out/");
    let stray = place.put(&format!("out/blobs/sha256/.imgconv-{}", "0a".repeat(12)), b"x");
    let notes = place.put("out/notes.txt", b"x");
    imgconv(&["save2oci", "--append", "-t", "next:1", &source, &place.path("out")]).ok();
    inside.check(&place);
    assert!(Path::new(&stray).exists() && Path::new(&notes).exists());
}

/// A source that another program writes to while it is read.
#[test]
fn a_source_that_changes_is_named_as_that() {
    use std::os::unix::fs::FileExt as _;
    let place = Place::new();
    let big = Image::of(vec![vec![7; 2 << 20], vec![9; 30 << 20]]).named(&["demo/app:1"]);
    let bytes = ggcr(&[big]);
    for change in ["overwrite", "truncate", "append"] {
        let source = place.put("source.tar", &bytes);
        let out = place.path(&format!("out-{change}"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_imgconv"))
            .args(["save2oci", "-j", "1", "-c", "zstd", "-l", "19", &source, &out])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The temporary folder is there when the layers are read.
        while !fs::read_dir(place.path(""))
            .unwrap()
            .flatten()
            .any(|it| it.file_name().to_str().is_some_and(|name| name.starts_with(".imgconv-")))
        {
            std::thread::yield_now();
        }
        let file = fs::File::options().write(true).open(&source).unwrap();
        match change {
            "overwrite" => file.write_all_at(b"other", (28 << 20) as u64).unwrap(),
            "truncate" => file.set_len(20 << 20).unwrap(),
            _ => file.write_all_at(b"more", bytes.len() as u64).unwrap(),
        }
        let status = child.wait().unwrap();
        let mut err = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut err).unwrap();
        if change == "append" {
            // What is behind the end was never part of it.
            assert!(status.success(), "{err}");
            continue;
        }
        assert_eq!(status.code(), Some(1), "{change}: {err}");
        assert!(
            err.contains("changed while imgconv read it") && err.contains("source.tar"),
            "{err}"
        );
        assert!(!Path::new(&out).exists());
    }
    refused(&place, &["verify", &place.path("none")], 2, &["none"]);
}
