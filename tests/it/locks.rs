//! Locks of several writers: who is waited for and who is not, and file systems that lack them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use imgconv::bytes::files::Input;
use imgconv::convert::{self, Destination, Dialect, Existing, Format, Target};
use imgconv::progress::Quiet;

use crate::build::inside::options;
use crate::build::run::{Place, default_signals, imgconv};
use crate::judges::{absent, find};
use crate::killed::{FORMATS, append, is_clean, name, source};
use crate::owner;

/// Waits for all, which have to be done well.
#[track_caller]
fn all_done(writers: Vec<Child>, at: &str) {
    for writer in writers {
        let done = writer.wait_with_output().unwrap();
        assert!(done.status.success(), "{at}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

/// Six at once, each under strace with these options.
fn six(strace: &[&str], at: &str) {
    for format in FORMATS {
        for there in [false, true] {
            let place = Place::new();
            let out = place.path("out");
            if there {
                all_done(vec![append(&[], &source(&place, 6), &out, format)], at);
            }
            let sources: Vec<String> = (0..6).map(|at| source(&place, at)).collect();
            let writers = sources.iter().map(|from| append(strace, from, &out, format)).collect();
            all_done(writers, &format!("{at}, {format}"));
            let names: Vec<String> = (0..if there { 7 } else { 6 }).map(name).collect();
            is_clean(&place, &out, &names, &format!("{at}, {format}"));
        }
    }
}

#[test]
fn where_the_kernel_has_no_locks_nothing_is_lost() {
    let Some(_) = find("strace") else { return };
    for error in ["ENOSYS", "EOPNOTSUPP", "ENOLCK"] {
        let inject = format!("inject=flock:error={error}");
        six(&["-e", "trace=flock", "-e", &inject], error);
    }
    // An interrupted call is made again.
    six(&["-e", "trace=flock", "-e", "inject=flock:error=EINTR:when=1..3"], "EINTR");
}

#[test]
fn where_there_are_no_links_nothing_is_lost() {
    let Some(_) = find("strace") else { return };
    for (calls, error) in [
        ("symlink,symlinkat", "EPERM"),
        ("symlink,symlinkat", "EOPNOTSUPP"),
        ("link,linkat", "EPERM"),
        ("link,linkat", "EMLINK"),
        ("symlink,symlinkat,link,linkat", "EPERM"),
        // No way to rename without replacing.
        ("renameat2", "EINVAL"),
        ("renameat2", "ENOSYS"),
        ("renameat2", "EOPNOTSUPP"),
        ("renameat2", "EPERM"),
    ] {
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:error={error}"));
        six(&["-e", &trace, "-e", &inject], &format!("{calls} {error}"));
    }
}

/// A layer that the layout has is held under a second name while it is used, or not at all: it
/// never leaves the layout, also where the writer is killed then.
#[test]
fn a_layer_that_is_used_again_stays_where_it_is_without_hard_links() {
    let Some(_) = find("strace") else { return };
    let place = Place::new();
    let (out, from) = (place.path("out"), source(&place, 0));
    all_done(vec![append(&[], &from, &out, "oci")], "first");
    let other = source(&place, 1);
    let strace = [
        "-e",
        "trace=linkat,symlinkat",
        "-e",
        "inject=linkat:error=EPERM",
        "-e",
        "inject=symlinkat:signal=SIGKILL",
    ];
    let mut killed = Command::new("strace");
    killed.args(["-f", "-qq", "-o", "/dev/null", "-e", "signal=none"]).args(strace);
    killed.args([env!("CARGO_BIN_EXE_imgconv"), "save2oci", &other, &out, "--append"]);
    let killed = killed.stdout(Stdio::null()).status().unwrap();
    assert_eq!(killed.signal(), Some(9), "{killed}");
    imgconv(&["verify", &out]).ok();
}

/// Two mounts of one folder do not see each other's locks.
#[test]
fn two_mounts_of_one_folder_lose_nothing_and_leave_each_other_alone() {
    if find("bindfs").is_none() {
        return;
    }
    if !Path::new("/dev/fuse").exists() {
        return absent("there is no /dev/fuse");
    }
    let place = Place::new();
    let (folder, mounted) = (place.dir("folder"), place.dir("mounted"));
    let done = Command::new("bindfs").args([&folder, &mounted]).output().unwrap();
    if !done.status.success() {
        return absent(&format!("no mounts here: {}", String::from_utf8_lossy(&done.stderr)));
    }
    let unmount = Unmount(mounted.clone());
    for format in FORMATS {
        for round in 0..3 {
            let out = format!("out-{format}-{round}");
            let sources: Vec<String> = (0..6).map(|at| source(&place, at)).collect();
            let to = [format!("{folder}/{out}"), format!("{mounted}/{out}")];
            let writers = (0..6).map(|at| append(&[], &sources[at], &to[at % 2], format)).collect();
            all_done(writers, format);
            let names: Vec<String> = (0..6).map(name).collect();
            is_clean(&place, &to[0], &names, &format!("{format}, round {round}"));
        }
    }
    drop(unmount);
}

struct Unmount(String);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", &self.0]).status();
    }
}

/// Begins to append to a layout, does something while the writer stands still between its two looks
/// at the index, and returns how it ended.
fn meanwhile(place: &Place, from: &str, out: &str, does: &dyn Fn()) -> (Option<i32>, String) {
    // It stops when it has given its first blob a name.
    let log = place.path("log");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", &log, "-e", "trace=linkat"]);
    command.args(["-e", "inject=linkat:signal=SIGSTOP:when=3"]);
    command.args([env!("CARGO_BIN_EXE_imgconv"), "convert", from, out, "--to", "oci"]);
    let writer = command.args(["--append", "-j", "1"]).stderr(Stdio::piped()).spawn().unwrap();
    let pid = loop {
        let log = fs::read_to_string(&log).unwrap_or_default();
        if let Some(line) = log.lines().find(|line| line.contains("stopped by SIGSTOP")) {
            break line.split_whitespace().next().unwrap().to_owned();
        }
        assert!(!log.contains("exited with"), "it did not stop: {log}");
        std::thread::yield_now();
    };
    assert!(fs::symlink_metadata(format!("{out}/.imgconv-lock")).is_ok(), "it is at its last step");
    does();
    assert!(Command::new("kill").args(["-CONT", &pid]).status().unwrap().success());
    let done = writer.wait_with_output().unwrap();
    fs::remove_file(&log).unwrap();
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
}

/// Somebody who holds no lock replaces the index.
#[test]
fn an_index_that_somebody_without_a_lock_changed_is_not_overwritten() {
    let Some(_) = find("strace") else { return };
    let place = Place::new();
    let (out, other) = (place.path("out"), source(&place, 1));
    all_done(vec![append(&[], &source(&place, 0), &out, "oci")], "first");
    let index = Path::new(&out).join("index.json");
    let old = fs::read_to_string(&index).unwrap();
    let theirs = old.replace("demo/app0:1", "demo/theirs:1");
    assert_ne!(theirs, old);
    let (code, said) = meanwhile(&place, &other, &out, &|| fs::write(&index, &theirs).unwrap());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("index.json") && said.contains("try again"), "{said}");
    assert_eq!(fs::read_to_string(&index).unwrap(), theirs);
    is_clean(&place, &out, &["demo/theirs:1".to_owned()], "changed");
    all_done(vec![append(&[], &other, &out, "oci")], "again");
    is_clean(&place, &out, &["demo/theirs:1".to_owned(), name(1)], "again");
}

/// Where the kernel has no locks, a writer whose link another one took for a dead writer's does
/// not write at the same time as that.
#[test]
fn a_writer_whose_lock_was_taken_writes_nothing_and_leaves_the_lock_of_the_other() {
    let Some(_) = find("strace") else { return };
    let place = Place::new();
    let (out, other) = (place.path("out"), source(&place, 1));
    all_done(vec![append(&[], &source(&place, 0), &out, "oci")], "first");
    let before = place.tree();
    let link = lock(&out, "oci");
    let (code, said) = meanwhile(&place, &other, &out, &|| {
        fs::remove_file(&link).unwrap();
        symlink(owner::this(), &link).unwrap();
    });
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(fs::read_link(&link).unwrap().to_str(), Some(owner::this().as_str()));
    fs::remove_file(&link).unwrap();
    assert!(before == place.tree());
    is_clean(&place, &out, &[name(0)], "taken");
}

#[test]
fn what_is_added_to_keeps_its_permissions() {
    for format in FORMATS {
        let place = Place::new();
        let out = place.path("out");
        all_done(vec![append(&[], &source(&place, 0), &out, format)], format);
        let file = if format == "oci" { format!("{out}/index.json") } else { out.clone() };
        for mode in [0o600, 0o640, 0o444] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            all_done(vec![append(&[], &source(&place, mode as usize), &out, format)], format);
            let now = fs::metadata(&file).unwrap().permissions().mode() & 0o7777;
            assert_eq!(now, mode, "{format}");
        }
    }
}

/// A plan that was made when nothing was there does not replace what it never read.
#[test]
fn a_plan_for_a_new_destination_replaces_nothing_that_comes_later() {
    for (format, existing) in
        FORMATS.iter().flat_map(|it| [(it, Existing::Refuse), (it, Existing::Append)])
    {
        let place = Place::new();
        let (out, from) = (place.path("out"), source(&place, 0));
        let kind = match *format {
            "oci" => Format::Layout,
            "oci-archive" => Format::OciArchive,
            _ => Format::DockerArchive(Dialect::Universal),
        };
        let destination = Destination::Path(out.clone().into());
        let mut target = Target::new(destination, kind);
        (target.existing, target.threads) = (existing, 1);
        let opened =
            imgconv::source::open(Input::Path(from.into()), &options(), &imgconv::progress::Quiet)
                .unwrap();
        let plan = convert::plan(opened, target).unwrap();
        all_done(vec![append(&[], &source(&place, 1), &out, format)], format);
        let before = place.tree();
        match (existing, convert::run(&plan, &Quiet)) {
            (Existing::Refuse, Err(error)) => {
                assert_eq!(error.kind.code(), "exists", "{format}");
                assert!(before == place.tree(), "{format}: something changed");
            }
            (Existing::Append, Ok(_)) => is_clean(&place, &out, &[name(0), name(1)], format),
            (_, other) => panic!("{format}: {other:?}"),
        }
    }
}

/// The lock of an existing destination, as another writer would hold it.
fn lock(out: &str, format: &str) -> String {
    match format {
        "oci" => format!("{out}/.imgconv-lock"),
        _ => format!("{}/.imgconv-lock.out", Path::new(out).parent().unwrap().display()),
    }
}

#[test]
fn the_lock_of_a_dead_writer_is_taken_over() {
    for format in FORMATS {
        let place = Place::new();
        let out = place.path("out");
        all_done(vec![append(&[], &source(&place, 0), &out, format)], format);
        let dead = owner::dead();
        symlink(&dead, lock(&out, format)).unwrap();
        // One that was killed while it took another's away.
        symlink(&dead, lock(&out, format).replace("lock.out", "lock") + "-" + &dead).unwrap();
        let writers = (1..4).map(|at| append(&[], &source(&place, at), &out, format)).collect();
        all_done(writers, format);
        let names: Vec<String> = (0..4).map(name).collect();
        is_clean(&place, &out, &names, format);
    }
}

/// Begins to append with -v and reads what it says until it waits.
fn waiting(from: &str, out: &str, format: &str) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut writer = default_signals(env!("CARGO_BIN_EXE_imgconv"))
        .args(["convert", from, out, "--to", format, "--append", "-v"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("wait for another process") {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "{format}: it ended without waiting");
    }
    (writer, lines)
}

/// Where users do not see each other's processes (proc(5), `hidepid`), not to see one is no proof.
#[test]
fn the_lock_of_a_process_that_is_hidden_is_not_taken_over() {
    let place = Place::new();
    let out = place.path("out");
    all_done(vec![append(&[], &source(&place, 0), &out, "oci")], "first");
    let other = source(&place, 1);
    symlink(owner::this(), lock(&out, "oci")).unwrap();
    for path in place.tree().keys().map(|it| it.to_str().unwrap()).chain([""]) {
        if lchown(place.path(path), Some(65_534), Some(65_534)).is_err() {
            return absent("not root");
        }
    }
    let script = "mount -t proc -o hidepid=2 proc /proc && test -e /proc/1 \
        && setpriv --reuid=65534 --regid=65534 --clear-groups test -x \"$0\" -a ! -e /proc/1 \
        && exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$0\" \"$@\" \
        || echo cannot";
    let mut command = default_signals("unshare");
    command.args(["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_imgconv")]);
    command.args(["convert", &other, &out, "--to", "oci", "--append", "-v"]);
    let mut writer = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(writer.stderr.take().unwrap());
    while !said.contains("wait for another process") {
        if lines.read_line(&mut said).unwrap() == 0 {
            let done = writer.wait_with_output().unwrap();
            assert!(done.stdout.starts_with(b"cannot"), "it did not wait: {said}");
            return absent(&format!("no mounts here: {said}"));
        }
    }
    let pid = writer.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(writer.wait().unwrap().code(), Some(130));
}

#[test]
fn the_lock_of_a_living_writer_is_waited_for_and_the_waiting_can_be_ended() {
    for format in FORMATS {
        for kernel in [false, true] {
            let place = Place::new();
            let out = place.path("out");
            all_done(vec![append(&[], &source(&place, 0), &out, format)], format);
            let before = place.tree();
            let from = source(&place, 1);
            let link = lock(&out, format);
            let file = fs::File::open(&out).unwrap();
            if kernel {
                file.lock().unwrap();
            } else {
                symlink(owner::this(), &link).unwrap();
            }
            let (mut ended, _lines) = waiting(&from, &out, format);
            let pid = ended.id().to_string();
            assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
            assert_eq!(ended.wait().unwrap().code(), Some(130), "{format}");
            let (mut waits, _lines) = waiting(&from, &out, format);
            if kernel {
                file.unlock().unwrap();
            } else {
                assert_eq!(fs::read_link(&link).unwrap().to_str(), Some(owner::this().as_str()));
                fs::remove_file(&link).unwrap();
            }
            assert!(waits.wait().unwrap().success(), "{format}");
            is_clean(&place, &out, &[name(0), name(1)], format);
            assert!(before != place.tree());
        }
    }
}
