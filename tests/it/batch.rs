//! `imgconv batch`: every item of a list ends once, whatever happens to the process.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::attack::shared;
use crate::build::check::{list, text};
use crate::build::classic::{Repeat, archive};
use crate::build::image::Image;
use crate::build::run::{Place, Ran, default_signals, imgconv, imgconv_with, refused};
use crate::build::tar::Tar;
use crate::judges::find;

const IMGCONV: &str = env!("CARGO_BIN_EXE_imgconv");

/// Bytes that no codec makes smaller.
fn noise(seed: u32, length: u32) -> Vec<u8> {
    (0..length).map(|at| (at ^ seed).wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

/// An archive of two layers: one that all have, and one of its own.
fn of(number: usize) -> Vec<u8> {
    let layer = |name: &str, seed: u32| Tar::new().file(name, &noise(seed, 60_000)).end();
    let own = layer(&format!("own{number}"), u32::try_from(number).unwrap() + 2);
    let image = Image::of(vec![layer("base", 1), own]);
    archive(&[image.named(&[&format!("x.test/app{number}:1")])], Repeat::Symlink)
}

/// Good and damaged archives in a folder, with their paths.
fn archives(place: &Place, count: usize) -> Vec<String> {
    place.dir("archives");
    let mut paths = Vec::new();
    for number in 0..count {
        let mut bytes = of(number);
        match number % 6 {
            1 => bytes.truncate(bytes.len() / 2),
            3 => {
                let at = bytes.windows(4).position(|it| it == b"own1" || it == b"own3");
                let at = at.unwrap_or(bytes.len() / 3) + 600;
                bytes[at] ^= 1;
            }
            _ => (),
        }
        paths.push(place.put(&format!("archives/{number}.tar"), &bytes));
    }
    paths
}

/// All receipts of a folder, by source.
fn receipts(folder: &str) -> BTreeMap<String, Vec<Value>> {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.extension().is_some_and(|it| it == "jsonl"), "{}", path.display());
        for line in fs::read_to_string(&path).unwrap().lines() {
            let receipt: Value = serde_json::from_str(line).unwrap();
            crate::schemas::follows(&receipt, "receipt", &path.display().to_string());
            found.entry(text(&receipt["source"]).to_owned()).or_default().push(receipt);
        }
    }
    found
}

/// The last outcome of each source.
fn outcomes(folder: &str) -> BTreeMap<String, String> {
    let last = |(source, all): (String, Vec<Value>)| {
        (source, text(&all.last().unwrap()["outcome"]).to_owned())
    };
    receipts(folder).into_iter().map(last).collect()
}

fn batch(args: &[&str]) -> Ran {
    imgconv(&[&["batch"], args].concat())
}

/// Ends processes that are still at work, and says how many; in half of the rounds they may clean up.
fn end(shards: &mut [Child], round: u64) -> usize {
    let (signal, code) =
        if round.is_multiple_of(2) { (Signal::KILL, None) } else { (Signal::TERM, Some(143)) };
    let mut killed = 0;
    for shard in shards {
        let pid = Pid::from_child(shard);
        let is_at_work = shard.try_wait().unwrap().is_none();
        if is_at_work && kill_process(pid, signal).is_ok() {
            let status = shard.wait().unwrap();
            let ended = status.code().is_some_and(|it| it <= 2);
            assert!(ended || status.code() == code, "{status:?}");
            killed += usize::from(!ended);
        }
    }
    killed
}

#[test]
fn killed_at_random_and_resumed_every_item_ends_once_as_verify_says() {
    let place = Place::new();
    let mut sources = archives(&place, 150);
    if let Some(corpus) = shared("corpus") {
        let mut found = Command::new("find");
        found.arg(&corpus).args(["-name", "*.tar", "-size", "-2000k"]);
        let found = found.output().unwrap().stdout;
        sources.extend(String::from_utf8(found).unwrap().lines().map(str::to_owned));
    }
    let (out, kept) = (place.dir("out"), place.path("receipts"));
    let lines: Vec<String> =
        sources.iter().enumerate().map(|(at, it)| format!("{it}\t{out}/{at}\n")).collect();
    let listed = place.put("list", lines.concat().as_bytes());
    let start = |shard: usize| {
        let mut command = default_signals(IMGCONV);
        command.args(["batch", &listed, "--receipts", &kept, "--to", "oci", "-j", "2"]);
        command.args(["--shard", &format!("{shard}/3")]).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut killed = 0;
    for round in 0..6_u64 {
        let mut shards: Vec<_> = (0..3).map(start).collect();
        std::thread::sleep(Duration::from_millis(70 + 130 * round + round * round * 17 % 90));
        killed += end(&mut shards, round);
    }
    for shard in 0..3 {
        let done = start(shard).wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code().is_some_and(|it| it <= 2), "{said}");
    }
    println!("{killed} killed");
    assert!(killed > 0);
    let found = receipts(&kept);
    assert_eq!(found.len(), sources.len());
    let mut done = 0;
    for (at, source) in sources.iter().enumerate() {
        let all = &found[source];
        let last = text(&all.last().unwrap()["outcome"]);
        assert!(all.len() == 1 || all.iter().all(|it| it["outcome"] == "failed"), "{all:?}");
        let status = imgconv(&["verify", "--quiet", source]).code.unwrap();
        // An image that verifies may have no place in a layout; then both say why.
        let expected = ["done", "no", "failed"][usize::try_from(status).unwrap()];
        assert_eq!(last, expected, "{source}: {all:?}");
        let destination = format!("{out}/{at}");
        assert_eq!(Path::new(&destination).exists(), last == "done", "{source}");
        if last == "done" {
            imgconv(&["verify", "--quiet", &destination]).ok();
            imgconv(&["compare", "--quiet", source, &destination]).ok();
            done += 1;
        }
    }
    assert!(done > 90, "{done}");
    let left = place.tree().into_keys().find(|it| it.to_string_lossy().contains(".imgconv"));
    assert!(left.is_none(), "{left:?} is left");
}

#[test]
fn a_second_run_opens_no_source_and_writes_nothing() {
    let Some(strace) = find("strace") else { return };
    let place = Place::new();
    let sources = archives(&place, 12);
    let listed = place.put("list", (sources.join("\n") + "\n").as_bytes());
    let kept = place.path("receipts");
    let layout = place.path("layout");
    for more in [&[][..], &["--into", &layout]] {
        let args = [&["batch", &listed, "--receipts", &kept][..], more].concat();
        assert_eq!(imgconv(&args).code, Some(1));
        let before = place.tree();
        let log = place.path("log");
        let mut again = Command::new(&strace);
        again.args(["-f", "-o", &log, "-e", "trace=%file,fsync,fdatasync", IMGCONV]);
        assert_eq!(again.args(&args).status().unwrap().code(), Some(1));
        let said = fs::read_to_string(&log).unwrap();
        fs::remove_file(&log).unwrap();
        for source in &sources {
            let opened = |line: &&str| line.contains(source.as_str()) && line.contains("open");
            assert_eq!(said.lines().find(opened), None);
        }
        assert!(said.contains("index.json") != more.is_empty(), "the destination is looked at");
        for call in ["rename", "mkdir", "unlink", "fsync", "fdatasync", "linkat", "O_TRUNC"] {
            let made = said.lines().find(|it| it.contains(call) && !it.contains("EEXIST"));
            assert_eq!(made, None);
        }
        assert!(place.tree() == before);
    }
}

#[test]
fn destinations_are_what_a_conversion_alone_writes() {
    let place = Place::new();
    let sources: Vec<String> = (0..4).map(|it| place.put(&format!("{it}.tar"), &of(it))).collect();
    for (to, more) in [("oci", &[][..]), ("oci-archive", &["-c", "zstd"]), ("docker-archive", &[])]
    {
        let lines: Vec<String> = sources.iter().map(|it| format!("{it}\t{it}.{to}\n")).collect();
        let listed = place.put("list", lines.concat().as_bytes());
        let kept = place.path(&format!("receipts-{to}"));
        let args = ["batch", &listed, "--receipts", &kept, "--to", to, "-v"];
        let ran = imgconv(&[&args[..], more].concat()).ok();
        if to == "oci" {
            // The layer that all have is compressed once, and checked in each.
            let count = |word: &str| ran.err.lines().filter(|it| it.starts_with(word)).count();
            assert_eq!(count("check and compress"), 5, "{}", ran.err);
            assert_eq!(count("check and copy"), 3, "{}", ran.err);
        }
        for source in &sources {
            let (ours, alone) = (format!("{source}.{to}"), place.path("alone"));
            let said = imgconv(&[&["convert", source, &alone, "--to", to][..], more].concat()).ok();
            if Path::new(&alone).is_dir() {
                let read = |it: &str| crate::build::run::tree(Path::new(it));
                assert!(read(&ours) == read(&alone), "{ours}");
                fs::remove_dir_all(&alone).unwrap();
            } else {
                assert!(fs::read(&ours).unwrap() == fs::read(&alone).unwrap(), "{ours}");
                fs::remove_file(&alone).unwrap();
            }
            let line = format!("{source}\t{}", said.lines()[0]);
            assert!(ran.lines().contains(&&*line), "{line}: {:?}", ran.lines());
        }
    }
}

/// A layer that is damaged in one archive is not taken from another.
#[test]
fn a_damaged_layer_is_found_though_another_archive_has_it_whole() {
    let place = Place::new();
    let whole = place.put("whole.tar", &of(0));
    let mut bytes = of(5);
    let at = bytes.windows(4).position(|it| it == b"base").unwrap() + 600;
    bytes[at] ^= 1;
    let damaged = place.put("damaged.tar", &bytes);
    for order in [[&whole, &damaged], [&damaged, &whole]] {
        let folder = Place::new();
        let listed = folder.put("list", format!("{}\n{}\n", order[0], order[1]).as_bytes());
        let (kept, layout) = (folder.path("receipts"), folder.path("layout"));
        batch(&[&listed, "--receipts", &kept, "--into", &layout, "-j", "1"])
            .refused(1, &["damaged.tar", "diff-id-mismatch", "1 done, 1 refused, 0 failed"]);
        let found = outcomes(&kept);
        assert_eq!((&*found[&whole], &*found[&damaged]), ("done", "no"));
        imgconv(&["verify", "--strict", &layout]).ok();
    }
}

#[test]
fn one_layout_takes_all_and_has_each_layer_once() {
    let place = Place::new();
    let sources: Vec<String> = (0..20).map(|it| place.put(&format!("{it}.tar"), &of(it))).collect();
    let listed = place.put("list", sources.join("\n").as_bytes());
    let (kept, layout) = (place.path("receipts"), place.path("layout"));
    let ran = batch(&[&listed, "--receipts", &kept, "--into", &layout, "-j", "4"]).ok();
    assert_eq!(ran.lines().len(), 20);
    imgconv(&["verify", "--strict", &layout]).ok();
    let blobs = fs::read_dir(format!("{layout}/blobs/sha256")).unwrap().count();
    assert_eq!(blobs, 1 + 20 * 3, "a shared layer; a layer, a config and a manifest of each");
    let answer = imgconv(&["inspect", "--format", "json", &layout]).ok();
    let answer: Value = serde_json::from_slice(&answer.out).unwrap();
    let names: BTreeSet<&str> =
        list(&answer["entries"]).iter().flat_map(|it| list(&it["names"])).map(text).collect();
    assert_eq!(names.len(), 20);
    // One name is gone, and only its item is done again.
    let index = format!("{layout}/index.json");
    let mut raw: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    raw["manifests"].as_array_mut().unwrap().remove(7);
    fs::write(&index, raw.to_string()).unwrap();
    let ran = batch(&[&listed, "--receipts", &kept, "--into", &layout]).ok();
    assert_eq!(ran.lines().len(), 1, "{:?}", ran.lines());
    assert_eq!(receipts(&kept).values().map(Vec::len).sum::<usize>(), 21);
}

#[test]
fn what_changed_is_done_again_and_nothing_else() {
    let place = Place::new();
    let (a, b) = (place.put("a.tar", &of(0)), place.put("b.tar", &of(2)));
    let damaged = place.put("c.tar", &of(4)[..50_000]);
    let listed = format!("{a}\t{a}.oci\n{b}\t{b}.oci\n{damaged}\t{damaged}.oci\n");
    let listed = place.put("list", listed.as_bytes());
    let kept = place.path("receipts");
    let run = |more: &[&str]| {
        batch(&[&[&*listed, "--receipts", &kept, "--to", "oci"][..], more].concat())
    };
    let lines = |ran: &Ran| ran.lines().len();
    assert_eq!(lines(&run(&[]).refused(1, &["c.tar", "2 done, 1 refused"])), 2);
    let ran = run(&[]).refused(1, &["2 done, 1 refused"]);
    assert!(lines(&ran) == 0 && !ran.err.contains("truncated"), "{}", ran.err);
    assert_eq!(lines(&run(&["--judged-ok"]).ok()), 0);
    run(&["--retry-no"]).refused(1, &["truncated"]);
    // The destination went.
    fs::remove_dir_all(format!("{a}.oci")).unwrap();
    assert_eq!(lines(&run(&[])), 1);
    // The source changed: its destination is there, and holds something else.
    fs::write(&b, of(3)).unwrap();
    run(&[]).refused(2, &["b.tar.oci: already exists", "1 done, 1 refused, 1 failed"]);
    fs::remove_dir_all(format!("{b}.oci")).unwrap();
    assert_eq!(lines(&run(&["--hash-source"])), 1);
    let hash = crate::build::image::digest(&of(3));
    assert_eq!(receipts(&kept)[&b].last().unwrap()["sha256"], hash);
    // Other options are another task.
    fs::remove_dir_all(format!("{a}.oci")).unwrap();
    fs::remove_dir_all(format!("{b}.oci")).unwrap();
    assert_eq!(lines(&run(&["-c", "zstd"])), 2);
    // A source that was converted may go.
    fs::remove_file(&a).unwrap();
    let ran = run(&["-c", "zstd"]).refused(1, &["2 done, 1 refused"]);
    assert_eq!(lines(&ran), 0);
    // A damaged destination is found where it is asked for.
    assert_eq!(lines(&run(&["-c", "zstd", "--recheck"])), 0);
    let blobs = format!("{b}.oci/blobs/sha256");
    let blob = fs::read_dir(blobs).unwrap().map(|it| it.unwrap().path());
    let blob = blob.max_by_key(|it| it.metadata().unwrap().len()).unwrap();
    let mut bytes = fs::read(&blob).unwrap();
    bytes[100] ^= 1;
    fs::write(&blob, bytes).unwrap();
    assert_eq!(run(&["-c", "zstd"]).code, Some(1));
    run(&["-c", "zstd", "--recheck"]).refused(2, &["b.tar.oci!blobs", "zstd data is damaged"]);
    assert_eq!(outcomes(&kept)[&b], "failed");
}

/// A destination without a receipt is this item's own only if it has the same bytes.
#[test]
fn a_destination_without_a_receipt_is_compared() {
    let place = Place::new();
    let (a, b) = (place.put("a.tar", &of(0)), place.put("b.tar", &of(2)));
    let listed = place.put("list", format!("{a}\t{a}.x\n{b}\t{b}.x\n").as_bytes());
    let kept = place.path("receipts");
    for to in ["oci", "oci-archive", "docker-archive", "dir"] {
        for it in [&a, &b] {
            let _ = fs::remove_dir_all(format!("{it}.x"));
            let _ = fs::remove_file(format!("{it}.x"));
            let _ = fs::remove_dir_all(&kept);
        }
        imgconv(&["convert", &a, &format!("{a}.x"), "--to", to]).ok();
        imgconv(&["convert", &a, &format!("{b}.x"), "--to", to]).ok();
        let before = place.tree();
        batch(&[&listed, "--receipts", &kept, "--to", to])
            .refused(2, &["b.tar.x: already exists", "1 done, 0 refused, 1 failed"]);
        fs::remove_dir_all(&kept).unwrap();
        assert!(place.tree() == before, "{to}");
    }
}

#[test]
fn a_list_that_is_wrong_is_refused_before_anything_runs() {
    let place = Place::new();
    let good = place.put("good.tar", &of(0));
    let kept = place.path("receipts");
    let out = place.path("out");
    for (lines, more, words) in [
        (String::new(), &[][..], "the list is empty"),
        ("# nothing\n\n".to_owned(), &[], "the list is empty"),
        (format!("{good}\r\n"), &[], "line 1: ends with CR LF"),
        (format!("{good}\t{out}\n./x\t{out}/../out\n"), &["--to", "oci"], "that of line 1 too"),
        (format!("{good}\t{out}\n"), &[], "pass --to FORMAT"),
        (format!("{good}\t{out}\n"), &["--into", &out], "and --into"),
        (format!("{good}\toci:{out}\n"), &["--to", "dir"], "differ"),
        (format!("{good}\n"), &["-c", "zstd"], "--compression: expected a destination"),
        (format!("{good}\n"), &["--format", "json"], "--format: expected --status"),
        ("-\n".to_owned(), &[], "a list cannot have a pipe"),
        ("docker://x/y\n".to_owned(), &[], "files, not registries"),
        (format!("{good}\n"), &["--into", &good], "good.tar"),
        (format!("{good}\n"), &["--shard", "3/3"], "--shard"),
        (format!("{good}\n"), &["--shard", "auto"], "no variable of a job array"),
        (format!("{good}\n"), &["--status", "--strict"], "--strict: expected items"),
        (format!("{good}\n"), &["--status"], "--receipts"),
    ] {
        let listed = place.put("list", lines.as_bytes());
        let args = [&["batch", &listed, "--receipts", &kept][..], more].concat();
        if words == "--shard" {
            assert_eq!(imgconv(&args).code, Some(2));
            continue;
        }
        refused(&place, &args, 2, &[words]);
    }
    refused(
        &place,
        &["batch", &place.path("no"), "--receipts", &kept],
        2,
        &["cannot read the list"],
    );
    refused(&place, &["batch", &good, "--receipts", &kept], 2, &["line 1: a NUL in a line"]);
}

#[test]
fn a_source_that_is_wrong_stops_nobody() {
    let place = Place::new();
    let good = place.put("good.tar", &of(0));
    let (none, folder) = (place.path("none.tar"), place.dir("folder"));
    let page = place.put("page.tar", b"<html>");
    let part = place.put("part.tar", &good.as_bytes().repeat(30));
    let listed = [&none, &folder, &page, &part, &good].map(|it| format!("{it}\0")).concat();
    let kept = place.path("receipts");
    let args = ["batch", "-0", "-", "--receipts", &kept];
    let ran = imgconv_with(listed.as_bytes(), &args).refused(
        2,
        &["none.tar: cannot open", "folder", "page.tar", "1 done, 0 refused, 4 failed"],
    );
    assert_eq!(ran.lines(), [format!("{good}\tok")]);
    let kinds = receipts(&kept);
    assert_eq!(kinds[&none][0]["error"]["code"], "open");
    assert_eq!(kinds[&page][0]["error"]["code"], "unrecognised");
    assert_eq!(kinds[&none][0]["stamp"], Value::Null);
}

#[test]
fn a_long_list_is_read_whole_and_a_shard_has_its_part() {
    let place = Place::new();
    let good = place.put("good.tar", &of(0));
    let mut lines = String::new();
    for number in 0..100_000 {
        lines += &format!("{}/{number}.tar\n", place.path("nowhere"));
    }
    lines += &good;
    let listed = place.put("list", lines.as_bytes());
    let kept = place.path("receipts");
    batch(&[&listed, "--receipts", &kept, "--shard", "0/50000"])
        .refused(2, &["1 done, 0 refused, 2 failed"]);
    let status = batch(&[&listed, "--receipts", &kept, "--status"]);
    assert_eq!(status.lines()[0], "100001 items: 1 done, 0 refused, 2 failed, 99998 open");
}
