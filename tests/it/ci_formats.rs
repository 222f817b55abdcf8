//! What CI servers read: JUnit of `verify`, `roundtrip` and `compare`, and workflow commands of GitHub.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use imgconv::bytes::files::Input;
use imgconv::progress::Quiet;
use imgconv::source::Options;
use imgconv::verify::{CHECKS, Extent, verify};
use serde_json::Value;

use crate::attack::shared;
use crate::build::check::{list, text};
use crate::build::classic::{Repeat, archive};
use crate::build::image::Image;
use crate::build::run::{Place, Ran, imgconv};
use crate::build::tar::Tar;
use crate::judges::find;

/// Reads JUnit with Python's parser, which is strict, and sums the cases itself.
const PARSE: &str = r#"
import json, sys, xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.buffer.read())
assert root.tag == 'testsuites', root.tag
suites = []
for suite in root:
    assert suite.tag == 'testsuite' and 'time' not in suite.attrib and 'timestamp' not in suite.attrib
    cases = []
    for case in suite:
        assert case.tag == 'testcase' and case.get('classname') == suite.get('name')
        kinds = [it.tag for it in case]
        assert len(kinds) <= 1, kinds
        said = case[0] if kinds else case
        cases.append({'name': case.get('name'), 'kind': kinds[0] if kinds else 'passed',
            'type': said.get('type') or '', 'message': said.get('message') or '', 'text': said.text or ''})
    for kind, key in ('failure', 'failures'), ('error', 'errors'), ('skipped', 'skipped'):
        assert int(suite.get(key)) == sum(it['kind'] == kind for it in cases), key
    assert int(suite.get('tests')) == len(cases)
    suites.append({'name': suite.get('name'), 'cases': cases})
for key in 'tests', 'failures', 'errors':
    assert int(root.get(key)) == sum(int(it.get(key)) for it in root), key
print(json.dumps({'suites': suites}))
"#;

/// The suites of a document that Python reads, and xmllint if it is there.
pub(crate) fn parsed(document: &[u8]) -> Option<Value> {
    if let Some(xmllint) = find("xmllint") {
        fed(Command::new(xmllint).args(["--noout", "-"]), document);
    }
    let mut python = Command::new(find("python3")?);
    let found: Value = serde_json::from_slice(&fed(python.args(["-c", PARSE]), document)).unwrap();
    Some(found["suites"].clone())
}

/// Feeds a program and returns what it says.
fn fed(command: &mut Command, input: &[u8]) -> Vec<u8> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(input));
    done.stdout
}

/// The cases that are failures or errors, as `suite/case`.
fn bad(suites: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for suite in list(suites) {
        for case in list(&suite["cases"]) {
            if matches!(text(&case["kind"]), "failure" | "error") {
                found.push(format!("{}/{}", text(&suite["name"]), text(&case["name"])));
            }
        }
    }
    found
}

fn good() -> Vec<u8> {
    archive(&[Image::new(&["base", "top"]).named(&["x.test/app:1"])], Repeat::Symlink)
}

/// An archive with a member of this name behind the good ones.
fn with_stray(name: &str) -> Vec<u8> {
    let mut bytes = good();
    bytes.truncate(bytes.len() - 1024);
    bytes.extend(Tar::new().file(name, b"stray").end());
    bytes
}

/// Names of members that break careless writers of XML and of workflow commands.
const HOSTILE: &[&str] = &[
    "a<b>&amp;\"'",
    "]]></failure><failure>",
    "<![CDATA[",
    "line\nbreak\rand\ttab",
    "\u{1}\u{8}\u{b}\u{1f}\u{7f}\u{9b}",
    "\u{fffe}\u{ffff}\u{202e}",
    "50% off%0A",
    "\n::error title=forged::forged",
    "::stop-commands::x",
];

#[test]
fn a_case_fails_exactly_where_the_exit_status_says_so() {
    let place = Place::new();
    let whole = place.put("good.tar", &good());
    let mut bytes = good();
    let at = bytes.windows(4).position(|it| it == b"base").unwrap();
    bytes[at] ^= 1;
    let damaged = place.put("damaged.tar", &bytes);
    let stray = place.put("stray.tar", &with_stray("stray"));
    let page = place.put("page.tar", b"<html>");
    let none = place.path("none.tar");
    let run = |args: &[&str]| imgconv(&[&["verify", "--format", "junit"], args].concat());
    for (args, status, expected) in [
        (&[&*whole][..], 0, vec![]),
        (&[&whole, &stray], 0, vec![]),
        (&["--strict", &stray], 1, vec![format!("{stray}/file-stray")]),
        (&[&damaged, &whole], 1, vec![format!("{damaged}/diff-id-mismatch")]),
        (&[&page], 2, vec![format!("{page}/unrecognised")]),
        (&[&none, &whole], 2, vec![format!("{none}/open")]),
    ] {
        let ran = run(args);
        assert_eq!(ran.code, Some(status), "{args:?}: {}", ran.err);
        let Some(suites) = parsed(&ran.out) else { return };
        assert_eq!(bad(&suites), expected, "{args:?}");
        assert_eq!(ran.out, run(args).out, "the same input gives the same bytes");
    }
    // What was not looked at does not pass.
    let Some(suites) = parsed(&run(&[&whole, &page]).out) else { return };
    let names = |at: usize| -> Vec<&str> {
        list(&suites[at]["cases"]).iter().map(|it| text(&it["name"])).collect()
    };
    assert!(names(0).contains(&"digest-mismatch") && names(0).contains(&"truncated"));
    assert!(!names(0).contains(&"layout-version") && !names(0).contains(&"readings-disagree"));
    assert_eq!(names(1), ["unrecognised"]);
}

#[test]
fn hostile_names_cannot_break_out_of_a_report() {
    let place = Place::new();
    for (at, name) in HOSTILE.iter().enumerate() {
        let path = place.put(&format!("{at}.tar"), &with_stray(name));
        let ran = imgconv(&["verify", "--strict", "--format", "junit", &path]);
        assert_eq!(ran.code, Some(1), "{name:?}: {}", ran.err);
        if let Some(suites) = parsed(&ran.out) {
            assert_eq!(bad(&suites), [format!("{path}/file-stray")], "{name:?}");
        }
        let ran = imgconv(&["verify", "--format", "github", &path]);
        is_one_command(&ran, "::warning title=file-stray::", name);
        let ran = imgconv(&["verify", "--strict", "--format", "github", &path]);
        is_one_command(&ran, "::error title=file-stray::", name);
        // The name of the source itself.
        let odd = place.path(&format!("{at}{}", name.replace('/', "_")));
        std::fs::write(&odd, good()).unwrap();
        let ran = imgconv(&["verify", "--format", "junit", &odd]).ok();
        let Some(suites) = parsed(&ran.out) else { continue };
        assert_eq!((list(&suites).len(), bad(&suites).len()), (1, 0), "{name:?}");
    }
}

/// One line, which is this command, and no other that a runner could take.
#[track_caller]
fn is_one_command(ran: &Ran, start: &str, name: &str) {
    let lines = ran.lines();
    assert_eq!(lines.len(), 1, "{name:?}: {lines:?}");
    assert!(lines[0].starts_with(start), "{name:?}: {lines:?}");
    let text = &lines[0][start.len()..];
    let percent = |it: &str| it.starts_with("25") || it.starts_with("0A") || it.starts_with("0D");
    assert!(text.split('%').skip(1).all(percent), "{name:?}: {text}");
    assert!(!ran.out.contains(&b'\r'), "{name:?}");
}

#[test]
fn github_gets_a_command_for_each_finding_and_nothing_else() {
    let place = Place::new();
    let whole = place.put("good.tar", &good());
    let none = place.path("none.tar");
    let part = place.put("part.tar", &good()[..3000]);
    let ran = imgconv(&["verify", "--format", "github", &whole]).ok();
    assert!(ran.out.is_empty());
    let ran = imgconv(&["verify", "--format", "github", &whole, &none, &part]);
    assert_eq!(ran.code, Some(2));
    let json = imgconv(&["verify", "--format", "json", &whole, &none, &part]);
    let answer: Value = serde_json::from_slice(&json.out).unwrap();
    let mut expected: Vec<String> = Vec::new();
    for source in list(&answer["sources"]) {
        let error = source.get("error").filter(|it| !it.is_null()).into_iter();
        for it in list(&source["findings"]).iter().chain(error) {
            let (code, at, words) = (text(&it["code"]), text(&it["at"]), text(&it["text"]));
            expected.push(format!("::error title={code}::{at}: {words}"));
        }
    }
    assert_eq!(ran.lines(), expected);
    assert!(expected.len() >= 2, "{expected:?}");
}

/// A check that is said to apply nowhere near a source could not have found anything there.
#[test]
fn whatever_is_found_is_a_check_that_applies() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/archives")];
    folders.extend(shared("corpus"));
    let mut sources: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        if folder.join("oci-layout").exists() {
            sources.push(folder);
            continue;
        }
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let size = path.metadata().map_or(u64::MAX, |it| it.len());
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "tar") && size < 8 << 20 {
                sources.push(path);
            }
        }
    }
    let mut count = 0;
    for path in sources {
        let Ok(found) = verify(Input::from(path.clone()), &Options::default(), 1, &Quiet) else {
            continue;
        };
        for finding in &found.findings {
            let check = CHECKS.iter().find(|it| it.code == finding.code).unwrap();
            let applies = found.extent == Extent::Nothing || check.applies_to(found.extent);
            assert!(applies, "{}: {finding} [{}]: {:?}", path.display(), check.code, found.extent);
            count += 1;
        }
    }
    println!("{count} findings");
    assert!(count > 0);
}

#[test]
fn comparing_and_going_round_are_cases_too() {
    let place = Place::new();
    let whole = place.put("good.tar", &good());
    let other = archive(&[Image::new(&["other"]).named(&["x.test/app:1"])], Repeat::Symlink);
    let other = place.put("other.tar", &other);
    let layout = place.path("layout");
    imgconv(&["save2oci", &whole, &layout]).ok();
    let none = place.path("none.tar");
    for (args, status) in [
        (&["compare", &*whole, &layout][..], 0),
        (&["compare", "--level", "manifest", &whole, &layout], 1),
        (&["compare", "--level", "bytes", &whole, &whole], 0),
        (&["compare", "--level", "bytes", &layout, &whole], 1),
        (&["compare", &whole, &other], 1),
        (&["compare", &whole, &none], 2),
        (&["roundtrip", &whole], 0),
        (&["roundtrip", &none], 2),
    ] {
        let ran = imgconv(&[args, &["--format", "junit"]].concat());
        assert_eq!(ran.code, Some(status), "{args:?}: {}", ran.err);
        let Some(suites) = parsed(&ran.out) else { return };
        assert_eq!(bad(&suites).is_empty(), status == 0, "{args:?}: {suites}");
        assert!(!list(&suites[0]["cases"]).is_empty(), "{args:?}");
    }
    let ran = imgconv(&["roundtrip", "--format", "junit", &whole]).ok();
    let json = imgconv(&["roundtrip", "--format", "json", &whole]).ok();
    let answer: Value = serde_json::from_slice(&json.out).unwrap();
    let Some(suites) = parsed(&ran.out) else { return };
    let steps: Vec<&Value> = list(&answer["steps"]).iter().map(|it| &it["through"]).collect();
    let cases: Vec<&Value> = list(&suites[0]["cases"]).iter().map(|it| &it["name"]).collect();
    assert_eq!(steps, cases);
}
