//! Every option of every command: it works, or is refused with the reason; it is never ignored.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::build::check::{self, list, text};
use crate::build::classic::{Repeat, archive};
use crate::build::image::Image;
use crate::build::layout::{Layout, MediaFamily, on_platform};
use crate::build::run::{Place, Ran, imgconv, refused};
use crate::build::scripted::{Content, honest};

/// An index of two platforms under one name, and another image under another.
fn layout() -> Layout {
    let mut layout = Layout::new();
    let amd = layout.image(&Image::new(&["base", "amd"]), MediaFamily::Oci);
    let amd = on_platform(amd, "linux", "amd64");
    let arm = layout.image(&Image::new(&["base", "arm"]).arch("arm64"), MediaFamily::Oci);
    let arm = on_platform(arm, "linux", "arm64");
    let index = layout.nest(MediaFamily::Oci, &[amd, arm]);
    layout.named(&index, "x.test/multi:1", Some("x.test/multi:1"));
    let one = layout.image(&Image::new(&["base", "one"]).arch("s390x"), MediaFamily::Oci);
    layout.named(&one, "x.test/one:1", Some("x.test/one:1"));
    layout
}

/// The commands with what they need at least, and the options that they need with a value.
const COMMANDS: &[(&str, &[&str])] = &[
    ("save2oci", &["ARCHIVE", "OUT"]),
    ("oci2save", &["LAYOUT", "OUT"]),
    ("convert", &["LAYOUT", "OUT", "--to=oci"]),
    ("batch", &["LIST", "--receipts=RECEIPTS"]),
    ("inspect", &["LAYOUT"]),
    ("history", &["LAYOUT"]),
    ("verify", &["LAYOUT"]),
    ("compare", &["LAYOUT", "LAYOUT"]),
    ("roundtrip", &["ARCHIVE"]),
    ("explain", &["ARCHIVE"]),
    ("pull", &["REGISTRY/a/b:1", "OUT"]),
    ("push", &["ARCHIVE", "REGISTRY/x/y:1"]),
    ("tags", &["REGISTRY/a/b"]),
    ("manifest show", &["LAYOUT", "-i=x.test/one:1"]),
    ("manifest digest", &["LAYOUT", "-i=x.test/one:1"]),
    ("manifest convert", &["LAYOUT", "-i=x.test/one:1", "--to=schema2"]),
    ("manifest diff", &["LAYOUT", "LAYOUT", "-i=x.test/one:1"]),
];

/// A value of an option, by its name.
fn value(option: &str) -> Option<&'static str> {
    Some(match option {
        "--image" => "@0",
        "--platform" => "linux/amd64",
        "--tag" | "--name" => "REGISTRY/new:2",
        "--compression" => "zstd",
        "--level" => "3",
        "--gzip-members" => "one",
        "--gzip-like" => "docker",
        "--recover" => "LAYOUT",
        "--recovery-file" => "NEW",
        "--manifest" => "docker",
        "--threads" => "2",
        "--prefer" => "index.json",
        "--format" => "json",
        "--color" => "never",
        "--dialect" => "classic",
        "--raw" => "config",
        "--topic" => "digests",
        "--with" => "skopeo",
        "--config" | "--sign-key" => "FILE",
        "--config-out" | "--children-out" => "NEW",
        "--layers" | "--children" => "LAYOUT",
        "--config-like" => "skopeo",
        "--to" => "oci-archive",
        "--authfile" | "--src-authfile" | "--dest-authfile" | "--ca-file" => "FILE",
        "--certs-dir" => "LAYOUT",
        "--creds-stdin" => "me",
        "--plain-http" => "x.test",
        "--retries" | "--timeout" => "3",
        "--mirror" => "x.test=y.test",
        "--mirrors-from" => "MIRRORS",
        "--receipts" => "NEW",
        "--shard" => "0/2",
        "--into" => "OUT",
        _ => return None,
    })
}

/// The long options that the help of a command lists, and whether each takes a value.
fn options(command: &str) -> BTreeMap<String, bool> {
    let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
    let help = String::from_utf8(imgconv(&args).ok().out).unwrap();
    let mut found = BTreeMap::new();
    for line in help.lines() {
        let line = line.trim_start();
        let Some(at) = line.find("--").filter(|_| line.starts_with('-')) else { continue };
        let option: String =
            line[at..].chars().take_while(|it| it.is_ascii_lowercase() || *it == '-').collect();
        let takes = line[at + option.len()..].starts_with(" <");
        found.insert(option, takes);
    }
    found.remove("--help");
    found.remove("--version");
    found
}

/// The status of a run, and why where it was refused.
fn said(place: &Place, ran: &Ran) -> String {
    let error = ran.err.lines().find(|it| it.starts_with("error: ")).unwrap_or_default();
    let error = error.replace(&place.path(""), "").replace(['/', '\\'], "/");
    format!("{} {error}", ran.code.unwrap()).trim_end().to_owned()
}

/// One line for each option of each command, in a file that a reviewer reads.
#[test]
fn every_option_of_every_command_works_or_is_refused_with_the_reason() {
    let mut table = String::new();
    for (command, needs) in COMMANDS {
        for (option, takes) in options(command) {
            let place = Place::new();
            let (registry, _) = honest(Content::of_layout(&layout(), "a/b", "1"));
            let host = registry.host();
            let archived = Image::new(&["base", "top"]).named(&["x.test/app:1"]);
            place.put("archive.tar", &archive(&[archived], Repeat::Symlink));
            layout().write(Path::new(&place.path("layout")));
            place.put("file", b"{}");
            place.put("mirrors", b"[[registry]]\nlocation = 'x.test'\n");
            place.put("list", place.path("archive.tar").as_bytes());
            let filled = |text: &str| match text {
                "ARCHIVE" => place.path("archive.tar"),
                "LAYOUT" => place.path("layout"),
                "OUT" => place.path("out"),
                "NEW" => place.path("new"),
                "FILE" => place.path("file"),
                "MIRRORS" => place.path("mirrors"),
                "LIST" => place.path("list"),
                other => {
                    other.replace("REGISTRY", &host).replace("RECEIPTS", &place.path("receipts"))
                }
            };
            let mut args: Vec<String> = command.split(' ').map(str::to_owned).collect();
            // What is asked for takes the place of what is needed.
            let replaced = |need: &&&str| {
                need.split_once('=').is_none_or(|(it, _)| it != option && it != &option[1..3])
            };
            args.extend(needs.iter().filter(replaced).map(|it| filled(it)));
            args.push(option.clone());
            let registries = ["push", "pull", "convert", "save2oci", "oci2save"].contains(command);
            if option == "--with" && registries {
                args.push("all".to_owned());
            } else if takes && option != "--raw" || option == "--raw" && *command == "inspect" {
                let value = value(&option).unwrap_or_else(|| panic!("{option} has no value here"));
                args.push(filled(value));
            }
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let ran = imgconv(&args);
            let code = ran.code.unwrap();
            assert!(code <= 2 && !ran.err.contains("panicked"), "{args:?}: {}", ran.err);
            assert_eq!(code == 0, !ran.err.contains("error: "), "{args:?}: {}", ran.err);
            let said = said(&place, &ran).replace(&host, "REGISTRY");
            writeln!(table, "{command:16} {option:16} {said}").unwrap();
        }
    }
    crate::build::golden::is("tests/golden/options.txt", &table);
}

#[test]
fn what_only_reads_chooses_by_name_number_digest_and_platform() {
    let place = Place::new();
    let path = place.path("layout");
    layout().write(Path::new(&path));
    let json =
        |args: &[&str]| check::json(&imgconv(&[args, &["--format", "json"]].concat()).ok().out);
    let platforms = |answer: &Value| {
        let all = list(&answer["images"]).iter().map(|it| text(&it["platform"]).to_owned());
        all.collect::<Vec<_>>()
    };
    for verb in ["inspect", "history"] {
        let all = json(&[verb, &path]);
        assert_eq!(platforms(&all), ["linux/amd64", "linux/arm64", "linux/s390x"], "{verb}");
        let id = text(&all["images"][1]["imageId"]).to_owned();
        for (choice, expected) in [
            (vec!["-p", "linux/arm64"], vec!["linux/arm64"]),
            (vec!["-p", "linux/arm64,linux/s390x"], vec!["linux/arm64", "linux/s390x"]),
            (vec!["-p", "all"], vec!["linux/amd64", "linux/arm64", "linux/s390x"]),
            (vec!["-i", "@1"], vec!["linux/s390x"]),
            (vec!["-i", "x.test/multi:1", "-p", "linux/amd64"], vec!["linux/amd64"]),
            (vec!["-i", &id[..20]], vec!["linux/arm64"]),
        ] {
            let found = json(&[&[verb, &*path][..], &choice].concat());
            assert_eq!(platforms(&found), expected, "{verb} {choice:?}");
        }
        let wrong = ["-i", "@1", "-p", "linux/amd64"];
        let args = [&[verb, &*path][..], &wrong].concat();
        refused(&place, &args, 2, &["no image for linux/amd64, found linux/s390x"]);
    }
    // The number is that of the whole source.
    let one = json(&["inspect", &path, "-i", "@1"]);
    assert_eq!(one["entries"][0]["number"], 1);
    let digest = |more: &[&str]| imgconv(&[&["manifest", "digest", &path][..], more].concat());
    let index = imgconv(&["inspect", &path, "--format", "json"]).ok();
    let index = check::json(&index.out);
    let arm = &index["entries"][0]["children"][1]["digest"];
    let found = digest(&["-i", "@0", "-p", "linux/arm64"]).ok();
    assert_eq!(String::from_utf8(found.out).unwrap().trim_end(), text(arm));
}

#[test]
fn comparing_and_going_round_take_only_what_is_chosen() {
    let place = Place::new();
    let path = place.path("layout");
    layout().write(Path::new(&path));
    let out = place.path("arm");
    imgconv(&["convert", &path, &out, "--to", "oci", "-p", "linux/arm64"]).ok();
    assert_eq!(imgconv(&["compare", &path, &out]).code, Some(1));
    imgconv(&["compare", &path, &out, "-p", "linux/arm64"]).ok();
    // A dialect with one platform loses the other, where both are meant.
    for (more, loses) in [
        (&[][..], true),
        (&["-i", "x.test/one:1"], false),
        (&["-p", "linux/arm64"], false),
        (&["-i", "@0"], true),
    ] {
        let args = [&["roundtrip", &*path, "--format", "json"][..], more].concat();
        let steps = check::json(&imgconv(&args).out)["steps"].to_string();
        assert_eq!(steps.contains("\"platforms\""), loses, "{more:?}: {steps}");
    }
}

/// Blobs of what was not chosen are not read; those of what was are.
#[test]
fn verify_reads_the_blobs_of_what_is_chosen() {
    let place = Place::new();
    let path = place.path("layout");
    let mut layout = layout();
    let broken = Image::new(&["base", "arm"]).arch("arm64");
    let blob = format!("blobs/sha256/{}", crate::build::image::hex(&broken.stored[1]));
    let mut bytes = broken.stored[1].clone();
    bytes[3] ^= 1;
    layout.put(&blob, &bytes);
    layout.write(Path::new(&path));
    assert_eq!(imgconv(&["verify", &path]).code, Some(1));
    assert_eq!(imgconv(&["verify", &path, "-p", "linux/arm64"]).code, Some(1));
    imgconv(&["verify", &path, "-p", "linux/amd64"]).ok();
    imgconv(&["verify", &path, "-i", "@1"]).ok();
    refused(&place, &["verify", &path, "-i", "nobody"], 2, &["no image nobody"]);
}

#[test]
fn several_sources_are_shown_one_after_the_other_and_the_last_failure_counts() {
    let place = Place::new();
    let image = Image::new(&["base"]).named(&["x.test/app:1"]);
    let good = place.put("good.tar", &archive(&[image], Repeat::Symlink));
    let none = place.path("none.tar");
    let ran = imgconv(&["inspect", &good, &none, &good]).refused(2, &["none.tar: cannot open"]);
    let heads = ran.lines().into_iter().filter(|it| it.starts_with(&good)).count();
    assert_eq!(heads, 2, "{:?}", ran.lines());
    refused(
        &place,
        &["inspect", "--raw", "config", &good, &good],
        2,
        &["--raw: expected one source"],
    );
}

#[test]
fn a_failure_is_answered_in_json_where_that_was_asked_for() {
    let place = Place::new();
    let none = place.path("none.tar");
    let out = place.path("out");
    let commands: &[&[&str]] = &[
        &["save2oci", &none, &out],
        &["convert", &none, &out, "--to", "oci"],
        &["inspect", &none],
        &["history", &none],
        &["compare", &none, &none],
        &["explain", &none],
        &["roundtrip", &none],
        &["manifest", "show", &none],
        &["manifest", "convert", &none, "--to", "oci"],
        &["inspect", "--nonsense", &none],
        &["convert", &none, &out],
    ];
    for command in commands {
        for form in [&["--format", "json"][..], &["--format=json"]] {
            let ran = imgconv(&[command, form].concat());
            assert_eq!(ran.code, Some(2), "{command:?}: {}", ran.err);
            let answer = check::json(&ran.out);
            crate::schemas::follows(&answer, "error", &command.join(" "));
            assert!(ran.err.contains("error: "), "{command:?}: {}", ran.err);
        }
        let ran = imgconv(command);
        assert!(ran.out.is_empty(), "{command:?}: only where it was asked for");
    }
    // What could not be checked is not left out, and an archive on standard output stays one.
    let image = Image::new(&["base"]).named(&["x.test/app:1"]);
    let good = place.put("good.tar", &archive(&[image], Repeat::Symlink));
    let ran = imgconv(&["verify", "--format", "json", &none, &good]);
    assert_eq!(ran.code, Some(2));
    let answer = check::json(&ran.out);
    crate::schemas::follows(&answer, "verification", "verify");
    let codes: Vec<&Value> =
        list(&answer["sources"]).iter().map(|it| &it["error"]["code"]).collect();
    assert_eq!(codes, [&json!("open"), &json!(null)]);
    let sarif = check::json(&imgconv(&["verify", "--format", "sarif", &none, &good]).out);
    assert_eq!(sarif["runs"][0]["invocations"][0]["executionSuccessful"], false);
    let bad = place.put("bad.tar", &std::fs::read(&good).unwrap()[..3000]);
    let prints = |path: &str| {
        let sarif = check::json(&imgconv(&["verify", "--format", "sarif", path]).out);
        let all = list(&sarif["runs"][0]["results"]).iter();
        all.map(|it| text(&it["partialFingerprints"]["finding/v1"]).to_owned()).collect::<Vec<_>>()
    };
    let again = place.put("again.tar", &std::fs::read(&bad).unwrap());
    assert!(!prints(&bad).is_empty() && prints(&bad) == prints(&again), "the path is not in it");
    let piped = imgconv(&["save2oci", "--format", "json", &none, "-"]);
    assert_eq!((piped.code, piped.out.len()), (Some(2), 0));
}

#[test]
fn a_conversion_prints_the_digest_that_each_name_means() {
    let place = Place::new();
    let path = place.path("layout");
    layout().write(Path::new(&path));
    let out = place.path("out");
    let ran = imgconv(&["convert", &path, &out, "--to", "oci"]).ok();
    let index = check::json(&std::fs::read(Path::new(&out).join("index.json")).unwrap());
    let entries = list(&index["manifests"]);
    let lines: Vec<Vec<&str>> = ran.lines().iter().map(|it| it.split('\t').collect()).collect();
    assert_eq!(lines[0], ["x.test/multi:1", text(&entries[0]["digest"]), ""]);
    assert_eq!((lines[1][0], lines[1][3], lines[2][3]), ("", "linux/amd64", "linux/arm64"));
    assert_eq!(lines[3][..2], ["x.test/one:1", text(&entries[1]["digest"])]);
    assert!(lines[3][2].starts_with("sha256:") && lines.len() == 4, "{lines:?}");
    let again = imgconv(&["convert", &path, &place.path("b"), "--to", "oci", "--format", "json"]);
    let answer = check::json(&again.ok().out);
    for (said, entry) in list(&answer["entries"]).iter().zip(entries) {
        assert_eq!((&said["digest"], &said["mediaType"]), (&entry["digest"], &entry["mediaType"]));
    }
    assert_eq!(answer["entries"][0]["images"], json!([0, 1]));
    assert_eq!(answer["entries"][1]["images"], json!([2]));
}

#[test]
fn colors_are_for_a_terminal_unless_they_are_asked_for() {
    let run = |color: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_imgconv"));
        command.env_remove("NO_COLOR").args(["inspect", "none.tar", "--color", color]);
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    assert!(run("always").starts_with("\u{1b}["), "{:?}", run("always"));
    for color in ["auto", "never"] {
        assert!(run(color).starts_with("error: none.tar"), "{:?}", run(color));
    }
}

#[test]
fn the_command_alone_shows_what_people_want_first_and_its_help_shows_all() {
    let alone = imgconv(&[]);
    assert_eq!((alone.code, alone.out.len()), (Some(2), 0));
    for verb in ["save2oci", "oci2save", "verify", "inspect", "explain"] {
        assert!(alone.err.contains(&format!("  imgconv {verb} ")), "{}", alone.err);
    }
    let help = String::from_utf8(imgconv(&["--help"]).ok().out).unwrap();
    for (command, _) in COMMANDS {
        let verb = command.split(' ').next().unwrap();
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} is not in {help}");
    }
}

/// The exit status of each kind of end, as the manual has them.
#[test]
fn the_exit_status_says_how_it_ended() {
    let place = Place::new();
    let image = Image::new(&["base", "top"]).named(&["x.test/app:1"]);
    let good = place.put("good.tar", &archive(std::slice::from_ref(&image), Repeat::Symlink));
    let other = Image::new(&["other"]).named(&["x.test/app:1"]);
    let other = place.put("other.tar", &archive(&[other], Repeat::Symlink));
    let mut damaged = std::fs::read(&good).unwrap();
    damaged.truncate(damaged.len() / 2);
    let damaged = place.put("damaged.tar", &damaged);
    let empty = place.put("empty.tar", b"");
    let page = place.put("page.tar", b"<!doctype html><title>Sign in</title>");
    let tar = place.put("plain.tar", &crate::build::tar::Tar::new().file("a", b"a").end());
    let (none, out) = (place.path("none.tar"), place.path("out"));
    let (new, multi) = (place.path("new"), place.path("multi"));
    let whole = place.put("whole", good.as_bytes());
    let some = place.put("some", format!("{good}\n{damaged}").as_bytes());
    let every = place.put("every", format!("{good}\n{damaged}\n{none}").as_bytes());
    layout().write(Path::new(&multi));
    let rows: &[(i32, &[&str])] = &[
        (0, &["verify", &good]),
        (0, &["save2oci", &good, &out]),
        (0, &["compare", &good, &out]),
        (0, &["batch", &whole, "--receipts", &place.path("a")]),
        (1, &["save2oci", &damaged, &new]),
        (1, &["verify", &damaged]),
        (1, &["inspect", &damaged]),
        (1, &["batch", &some, "--receipts", &place.path("b")]),
        (0, &["batch", &some, "--receipts", &place.path("b"), "--judged-ok"]),
        (1, &["compare", &good, &other]),
        (1, &["oci2save", &multi, &new, "-d", "classic", "--strict"]),
        (2, &["save2oci", &none, &new]),
        (2, &["save2oci", &empty, &new]),
        (2, &["save2oci", &page, &new]),
        (2, &["save2oci", &tar, &new]),
        (2, &["save2oci", &good, &out]),
        (2, &["save2oci", &good, &place.path("no/such/folder")]),
        (2, &["save2oci", &good, &new, "-i", "nobody"]),
        (2, &["save2oci", &good, &new, "-p", "linux/s390x"]),
        (2, &["save2oci", &good, &new, "--no-such-option"]),
        (2, &["verify", &none]),
        (2, &["verify", &page]),
        (2, &["batch", &every, "--receipts", &place.path("c"), "--judged-ok"]),
        (2, &["batch", &none, "--receipts", &place.path("d")]),
        (2, &["verify", &tar]),
        (2, &["inspect", &good, "-i", "@7"]),
        (2, &["compare", &good, &none]),
        (2, &[]),
    ];
    for (status, args) in rows {
        let ran = imgconv(args);
        assert_eq!(ran.code, Some(*status), "{args:?}: {}", ran.err);
    }
}
