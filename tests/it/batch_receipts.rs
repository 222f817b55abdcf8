//! The receipts of `imgconv batch`: folders that cannot keep them, and files that were torn.

use std::fs::{self, OpenOptions};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Output};

use serde_json::Value;

use crate::build::check::{list, text};
use crate::build::classic::{Repeat, archive};
use crate::build::image::Image;
use crate::build::run::{Place, imgconv};
use crate::ci_formats::parsed;
use crate::judges::{absent, find};

const IMGCONV: &str = env!("CARGO_BIN_EXE_imgconv");

fn good(name: &str) -> Vec<u8> {
    archive(&[Image::new(&["base", name]).named(&[&format!("x.test/{name}:1")])], Repeat::Symlink)
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// A list of three good sources and a damaged one.
fn listed(place: &Place) -> String {
    let mut lines = String::new();
    for name in ["a", "b", "c"] {
        lines += &place.put(&format!("{name}.tar"), &good(name));
        lines += "\n";
    }
    lines += &place.put("d.tar", &good("d")[..3000]);
    place.put("list", lines.as_bytes())
}

#[test]
fn a_torn_last_line_counts_as_absent_and_a_broken_one_is_named() {
    let place = Place::new();
    let (list, kept) = (listed(&place), place.path("receipts"));
    let run = || imgconv(&["batch", &list, "--receipts", &kept, "-j", "1"]);
    assert_eq!(run().code, Some(1));
    let file = place.path("receipts/0-of-1.jsonl");
    let whole = fs::read_to_string(&file).unwrap();
    assert_eq!(whole.lines().count(), 4);
    // At each length of the last line.
    let last = whole.trim_end().rfind('\n').unwrap() + 1;
    for cut in [last + 1, last + 40, whole.len() - 2, whole.len() - 1] {
        fs::write(&file, &whole[..cut]).unwrap();
        let ran = run();
        assert_eq!(
            (ran.code, ran.lines().len()),
            (Some(1), usize::from(!ran.err.contains("d.tar")))
        );
        let now = fs::read_to_string(&file).unwrap();
        assert!(now.starts_with(&whole[..last]) && now.lines().count() == 4, "{cut}: {now}");
    }
    // In the middle, and of another version.
    let broken = whole.replacen("{\"version\":1,", "{\"version\":9,", 1).replacen('}', "", 3);
    fs::write(&file, broken).unwrap();
    let ran = run();
    assert!(ran.err.contains("line 1: not a receipt"), "{}", ran.err);
    assert!(ran.code == Some(1) && !ran.lines().is_empty());
    assert_eq!(run().lines().len(), 0, "what was done again has a receipt now");
}

#[test]
fn two_processes_do_not_do_one_shard_at_once() {
    let place = Place::new();
    let (list, kept) = (listed(&place), place.dir("receipts"));
    let mut held = OpenOptions::new();
    let held = held.create(true).append(true).open(place.path("receipts/1-of-2.jsonl")).unwrap();
    held.lock().unwrap();
    let run = |shard| imgconv(&["batch", &list, "--receipts", &kept, "--shard", shard]);
    run("1/2").refused(2, &["1-of-2.jsonl: another process does this shard"]);
    assert_eq!(run("0/2").code, Some(0));
    drop(held);
    assert_eq!(run("1/2").code, Some(1));
    // Receipts count for any number of shards.
    let ran = run("0/1").refused(1, &["3 done, 1 refused"]);
    assert!(ran.lines().is_empty());
}

#[test]
fn receipts_that_cannot_be_locked_are_refused() {
    let Some(strace) = find("strace") else { return };
    for error in ["ENOSYS", "EOPNOTSUPP", "ENOLCK"] {
        let place = Place::new();
        let (list, kept) = (listed(&place), place.path("receipts"));
        let inject = format!("inject=flock:error={error}");
        let mut command = Command::new(&strace);
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=flock", "-e", &inject, IMGCONV]);
        let done = command.args(["batch", &list, "--receipts", &kept]).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{}", said(&done));
        assert!(said(&done).contains("cannot lock"), "{}", said(&done));
        assert!(said(&done).contains("file system with locks"), "{}", said(&done));
    }
}

#[test]
fn a_full_or_read_only_folder_stops_the_run_and_nothing_is_lost() {
    let place = Place::new();
    let list = listed(&place);
    let small = place.dir("small");
    let run = |options: &str, before: &str| {
        let mount = format!("mount -t tmpfs -o {options} none {small}");
        let script = format!(
            "{mount} && {before} \"$0\" batch {list} --receipts {small}/r --into {small}x; echo $?; \
             cat {small}/r/*; umount {small}"
        );
        Command::new("unshare").args(["-m", "sh", "-c", &script, IMGCONV]).output()
    };
    let Some(_) = find("unshare") else { return };
    let done = run("ro", "").unwrap();
    if !said(&done).contains("receipts") {
        return absent(&format!("no mounts here: {}", said(&done)));
    }
    assert!(
        said(&done).contains("cannot write receipts: Read-only file system"),
        "{}",
        said(&done)
    );
    assert!(String::from_utf8_lossy(&done.stdout).starts_with("2\n"));
    // A page for the file, and no more than a receipt.
    let fill = format!(
        "mkdir {small}/r; head -c 3700 /dev/zero | tr '\\0' '\\n' > {small}/r/0-of-1.jsonl; head -c 9999999 /dev/zero > {small}/fill 2>/dev/null;"
    );
    let done = run("size=16k", &fill).unwrap();
    assert!(
        said(&done).contains("0-of-1.jsonl: cannot write receipts: No space"),
        "{}",
        said(&done)
    );
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(out.contains("2\n"), "{out}");
    for line in out.lines().filter(|it| it.starts_with('{')) {
        serde_json::from_str::<Value>(line).unwrap();
    }
    // What was written is whole, and is taken as done in the next run.
    let layout = format!("{small}x");
    let kept = place.path("receipts");
    imgconv(&["batch", &list, "--receipts", &kept, "--into", &layout])
        .refused(1, &["3 done, 1 refused"]);
    imgconv(&["verify", "--strict", &layout]).ok();
}

/// The others would fail too, and stay open.
#[test]
fn a_full_destination_ends_the_run() {
    let place = Place::new();
    let (list_path, kept) = (listed(&place), place.path("receipts"));
    let small = place.dir("small");
    let args = format!("{list_path} --receipts {kept} --into {small}/out -j 1");
    let mount = format!("mount -t tmpfs -o size=8k none {small}");
    let script = format!("{mount} && echo mounted && \"$0\" batch {args}");
    let Some(_) = find("unshare") else { return };
    let done = Command::new("unshare").args(["-m", "sh", "-c", &script, IMGCONV]).output().unwrap();
    if !done.stdout.starts_with(b"mounted") {
        return absent(&format!("no mounts here: {}", said(&done)));
    }
    assert_eq!(done.status.code(), Some(2), "{}", said(&done));
    assert!(said(&done).to_lowercase().contains("no space"), "{}", said(&done));
    let file = fs::read_to_string(place.path("receipts/0-of-1.jsonl")).unwrap();
    assert_eq!(file.lines().count(), 1, "{file}");
    let layout = place.path("layout");
    imgconv(&["batch", &list_path, "--receipts", &kept, "--into", &layout])
        .refused(1, &["3 done, 1 refused"]);
}

#[test]
fn an_array_of_jobs_tells_each_its_shard() {
    let place = Place::new();
    let list = listed(&place);
    let slurm: [(&str, &str); 3] = [
        ("SLURM_ARRAY_TASK_MIN", "1"),
        ("SLURM_ARRAY_TASK_COUNT", "3"),
        ("SLURM_ARRAY_TASK_STEP", "1"),
    ];
    for (index, first, others, shard) in [
        ("SLURM_ARRAY_TASK_ID", 1, &slurm[..], "auto"),
        ("JOB_COMPLETION_INDEX", 0, &[], "auto/3"),
        ("AWS_BATCH_JOB_ARRAY_INDEX", 0, &[("AWS_BATCH_JOB_ARRAY_SIZE", "3")], "auto"),
        ("CI_NODE_INDEX", 1, &[("CI_NODE_TOTAL", "3")], "auto"),
        ("NOMAD_ALLOC_INDEX", 0, &[], "auto/3"),
    ] {
        let folder = Place::new();
        let kept = folder.path("receipts");
        let run = |index_value: usize, shard: &str| {
            let mut command = Command::new(IMGCONV);
            command.args(["batch", &list, "--receipts", &kept, "--shard", shard]);
            command.env(index, index_value.to_string()).envs(others.iter().copied());
            command.output().unwrap()
        };
        let mut lines = 0;
        for at in 0..3 {
            let done = run(first + at, shard);
            assert!(done.status.code() <= Some(1), "{index}: {}", said(&done));
            let taken = format!("shard {at} of 3, from {index}={}", first + at);
            assert!(said(&done).contains(&taken), "{taken}: {}", said(&done));
            let own =
                fs::read_to_string(folder.path(&format!("receipts/{at}-of-3.jsonl"))).unwrap();
            lines += own.lines().count();
        }
        assert_eq!(lines, 4, "{index}");
        let done = run(first + 3, shard);
        assert_eq!(done.status.code(), Some(2));
        assert!(said(&done).contains("outside of 3 shards"), "{index}: {}", said(&done));
        if others.is_empty() {
            let done = run(0, "auto");
            assert!(said(&done).contains("pass --shard auto/N"), "{index}: {}", said(&done));
        }
    }
}

#[test]
fn the_status_says_what_became_of_each_item() {
    let place = Place::new();
    let (list_path, kept) = (listed(&place), place.path("receipts"));
    let status = |format: &str| {
        imgconv(&["batch", &list_path, "--receipts", &kept, "--status", "--format", format])
    };
    imgconv(&["batch", &list_path, "--receipts", &kept, "--shard", "1/2"]).refused(1, &[]);
    let ran = status("text").refused(2, &["1 done, 1 refused, 0 failed, 2 open"]);
    assert_eq!(ran.lines()[0], "4 items: 1 done, 1 refused, 0 failed, 2 open");
    assert!(ran.out_text().contains("d.tar: the archive is truncated"), "{}", ran.out_text());
    imgconv(&["batch", &list_path, "--receipts", &kept, "--shard", "0/2"]).ok();
    assert_eq!(status("text").code, Some(1));
    let answer: Value = serde_json::from_slice(&status("json").out).unwrap();
    crate::schemas::follows(&answer, "batch", "status");
    let words: Vec<&str> = list(&answer["items"]).iter().map(|it| text(&it["outcome"])).collect();
    assert_eq!(words, ["done", "done", "done", "no"]);
    assert_eq!(answer["items"][3]["error"]["code"], "truncated");
    if let Some(suites) = parsed(&status("junit").out) {
        let kinds: Vec<&str> =
            list(&suites[0]["cases"]).iter().map(|it| text(&it["kind"])).collect();
        assert_eq!(kinds, ["passed", "passed", "passed", "failure"]);
    }
    // A source that changed is open again.
    place.put("a.tar", &good("other"));
    let ran = status("text").refused(2, &["2 done, 1 refused, 0 failed, 1 open"]);
    assert!(ran.out_text().contains("open    "), "{}", ran.out_text());
}

#[test]
fn paths_that_are_not_text_are_told_apart() {
    let place = Place::new();
    let folder = place.dir("odd");
    for byte in [0xf0_u8, 0xf1] {
        let name = std::ffi::OsStr::from_bytes(&[b'x', byte, b'.', b't']).to_owned();
        fs::write(std::path::Path::new(&folder).join(name), good("a")).unwrap();
    }
    let kept = place.path("receipts");
    let script = format!("find {folder} -type f -print0 | \"$0\" batch -0 - --receipts {kept}");
    let run = || Command::new("sh").args(["-c", &script, IMGCONV]).output().unwrap();
    let done = run();
    assert!(done.status.success() && said(&done).contains("2 done"), "{}", said(&done));
    let again = run();
    assert!(again.stdout.is_empty() && said(&again).contains("2 done"), "{}", said(&again));
    let file = fs::read_to_string(place.path("receipts/0-of-1.jsonl")).unwrap();
    assert_eq!(file.lines().filter(|it| it.contains("sourceBytes")).count(), 2);
}
