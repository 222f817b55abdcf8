//! `verify`: all problems with their codes, in real artefacts and in damaged files.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::attack::shared;
use crate::build::check;
use crate::build::run::{Place, Ran, imgconv};
use crate::corpus::{Artefact, Fate, KINDS, artefacts, there};

/// What the list of artefacts says, and the codes of which `verify` has to give one.
const CODES: &[(&str, &[&str])] = &[
    ("missing", &["blob-missing", "member-missing", "child-absent", "not-a-file", "field"]),
    ("digest mismatch", &["digest-mismatch"]),
    ("blob content != name: .", &["file-stray"]),
    ("blob content != name", &["digest-mismatch"]),
    ("!= name", &["config-name"]),
    ("!= blob mediaType", &["media-type-mismatch"]),
    ("mediaType says", &["codec-mismatch"]),
    ("!= diff_id", &["diff-id-mismatch", "layer-count-mismatch"]),
    ("layers ", &["layer-count-mismatch"]),
    ("size not an integer", &["field"]),
    ("size", &["size-mismatch"]),
    ("blob is not JSON", &["json"]),
    ("v1Compatibility does not parse", &["json", "field"]),
    ("not parse", &["json"]),
    ("OCI side: index.json manifests not an array", &["index-empty"]),
    ("manifests not an array", &["no-image"]),
    ("signatures is not an array", &["field"]),
    ("not an index", &["no-image", "field"]),
    ("not 64 hex", &["field"]),
    ("malformed", &["field"]),
    // A document that cannot be read as schema 1 at all is refused before its signature counts.
    ("JWS signature", &["signature-broken", "field", "json"]),
    ("fsLayers", &["history-count"]),
    ("parent chain", &["parent-chain"]),
    ("not readable as tar", &["truncated", "tar-header", "unrecognised", "limit", "compression"]),
    ("v1 json id", &["v1-id"]),
];

/// Documents that the list calls whole and we do not: end of the path, code.
const JUDGED: &[(&str, &str)] = &[
    ("validate_manifest/extra_data_manifest", "duplicate-key"),
    ("schema1-to-oci1.json", "field"),
    ("schema1-to-schema2.json", "field"),
    ("oci1.index.everything.json", "data-mismatch"),
    ("naughtiest-artifact.json", "unrecognised"),
    ("oci-index-v3-verification.json", "ambiguous-document"),
    ("oci-index-v3.json", "ambiguous-document"),
    ("schema-version-too-high.json", "field"),
];

/// Kinds of bare documents.
const DOCUMENTS: &[&str] = &[
    "config",
    "oci-manifest",
    "oci-index",
    "manifest-list",
    "manifest-schema1",
    "manifest-schema2",
    "other",
];

/// The findings of the one source of a run.
fn findings(ran: &Ran) -> Vec<Value> {
    let answer: Value = serde_json::from_slice(&ran.out).unwrap();
    answer["sources"][0]["findings"].as_array().unwrap().clone()
}

fn codes(findings: &[Value], severity: Option<&str>) -> BTreeSet<String> {
    let fits = |it: &&Value| severity.is_none_or(|severity| it["severity"] == severity);
    findings.iter().filter(fits).map(|it| check::text(&it["code"]).to_owned()).collect()
}

fn verified(source: &str) -> (Ran, Vec<Value>) {
    let ran = imgconv(&["verify", "--format", "json", source]);
    let found = findings(&ran);
    (ran, found)
}

/// What is not as it should be with one artefact.
fn failures(artefact: &Artefact) -> Vec<String> {
    let (ran, found) = verified(artefact.source());
    let (all, problems) = (codes(&found, None), codes(&found, Some("problem")));
    let mut failures = Vec::new();
    // What is in none of the formats could not be checked.
    let status = match problems.contains("unrecognised") {
        true => 2,
        false => i32::from(!problems.is_empty()),
    };
    assert_eq!(ran.code, Some(status), "{}", artefact.path);
    for said in &artefact.mismatches {
        let row = CODES.iter().find(|row| said.contains(row.0));
        let (_, codes) = row.unwrap_or_else(|| panic!("no codes for {said:?}"));
        if !codes.iter().any(|code| all.contains(*code)) {
            failures.push(format!("{}: {said}: found {all:?}", artefact.path));
        }
    }
    let judged = JUDGED.iter().find(|it| artefact.path.ends_with(it.0));
    match judged {
        Some((_, code)) if !problems.contains(*code) => {
            failures.push(format!("{}: found {problems:?}, not {code}", artefact.path));
        }
        None if artefact.fate() == Fate::Read && !problems.is_empty() => {
            failures.push(format!("{}: is whole, found {problems:?}", artefact.path));
        }
        _ => (),
    }
    failures
}

#[test]
fn every_mismatch_of_the_list_is_found_and_nothing_wrong_with_whole_artefacts() {
    let Some(corpus) = shared("corpus") else {
        return;
    };
    let mut images = artefacts(&corpus, KINDS);
    let mut documents = artefacts(&corpus, DOCUMENTS);
    // What is no document and no image, such as a layer alone, is no image for verify either.
    documents.retain(|it| !it.mismatches.is_empty() || !it.is_other());
    images.append(&mut documents);
    images.retain(there);
    let failures: Vec<String> = images.iter().flat_map(failures).collect();
    let mismatches: usize = images.iter().map(|it| it.mismatches.len()).sum();
    println!("{} artefacts, {mismatches} mismatches", images.len());
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
    assert!(images.len() > 300 && mismatches > 180);
}

const ONE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/docker-20.10-one.tar");

/// A layout with two damaged layers and more.
fn damaged(place: &Place) -> String {
    let layout = place.path("layout");
    imgconv(&["save2oci", ONE, &layout]).ok();
    let folder = Path::new(&layout).join("blobs/sha256");
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(path, bytes).unwrap();
        }
    }
    std::fs::write(folder.join("0".repeat(64)), "another blob").unwrap();
    std::fs::write(Path::new(&layout).join("notes.txt"), "stray").unwrap();
    layout
}

#[test]
fn all_problems_of_all_sources_are_listed_and_decide_the_exit_status() {
    let place = Place::new();
    let layout = damaged(&place);
    let ran = imgconv(&["verify", ONE, &layout, "--format", "json", "-j", "8"]).refused(1, &[]);
    let answer: Value = serde_json::from_slice(&ran.out).unwrap();
    let counts: Vec<_> = check::list(&answer["sources"]).iter().map(|it| &it["problems"]).collect();
    // Each damaged layer has a wrong digest and a damaged end; the added blob has a wrong name.
    assert_eq!(counts, [0, 5]);
    let found = check::list(&answer["sources"][1]["findings"]);
    let found: Vec<_> = found.iter().map(|it| check::text(&it["code"])).collect();
    assert_eq!(found.iter().filter(|it| **it == "digest-mismatch").count(), 3);
    assert_eq!(found.iter().filter(|it| **it == "compression").count(), 2);
    assert!(found.contains(&"blob-unreferenced") && found.contains(&"file-stray"));
    let one = imgconv(&["verify", ONE, &layout, "--format", "json", "-j", "1"]);
    assert!(one.out == ran.out, "the number of threads shows");
    imgconv(&["verify", ONE]).ok();
}

#[test]
fn notes_count_only_when_strict() {
    let place = Place::new();
    let layout = place.path("layout");
    imgconv(&["save2oci", ONE, &layout]).ok();
    imgconv(&["verify", "--strict", &layout]).ok();
    std::fs::write(Path::new(&layout).join("notes.txt"), "stray").unwrap();
    imgconv(&["verify", &layout]).ok();
    imgconv(&["verify", "--strict", &layout]).refused(1, &["notes.txt"]);
}

#[test]
fn a_missing_source_does_not_keep_the_others_from_being_checked() {
    let ran = imgconv(&["verify", "is-not-there.tar", ONE]).refused(2, &["is-not-there.tar"]);
    assert!(ran.lines()[0].ends_with("docker-20.10-one.tar: no problems, no notes"));
}

#[test]
fn every_finding_is_a_rule_of_the_catalogue_in_sarif_too() {
    let listed = imgconv(&["verify", "--list-checks"]).ok();
    let listed: BTreeSet<&str> =
        listed.lines().into_iter().map(|line| line.split_once(' ').unwrap().0).collect();
    let place = Place::new();
    let ran = imgconv(&["verify", &damaged(&place), "--format", "sarif"]).refused(1, &[]);
    let answer: Value = serde_json::from_slice(&ran.out).unwrap();
    assert_eq!(answer["version"], "2.1.0");
    let run = &answer["runs"][0];
    assert_eq!(check::list(&run["tool"]["driver"]["rules"]).len(), listed.len());
    let results = check::list(&run["results"]);
    assert_eq!(results.iter().filter(|it| it["level"] == "error").count(), 5);
    for result in results {
        assert!(listed.contains(check::text(&result["ruleId"])), "{result}");
        assert!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].is_string());
    }
}
/// Cases that a conversion refuses and that are whole nonetheless: name, why.
const WHOLE: &[(&str, &str)] = &[
    ("oci-artifact", "an artifact is whole, it only has no place in a docker archive"),
    (
        "oci-foreign-layer",
        "a non-distributable layer may be elsewhere, it only has no place in a docker archive",
    ),
];

#[test]
fn what_a_conversion_would_refuse_is_a_problem_and_what_it_reads_is_none() {
    let Some(attack) = shared("attack") else {
        return;
    };
    let place = Place::new();
    let folder = place.path("cases");
    let Some(python) = crate::judges::find("python3") else { return };
    let made = std::process::Command::new(python).arg(attack.join("gen.py")).arg(&folder).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let list = std::fs::read(Path::new(&folder).join("cases.json")).unwrap();
    let list: Value = serde_json::from_slice(&list).unwrap();
    let mut count = 0;
    for case in list.as_array().unwrap() {
        let (name, verb) = (text_of(case, "name"), text_of(case, "verb"));
        // Cases about destinations have nothing wrong with their source.
        let source = !name.starts_with("dest-") && !name.starts_with("append-");
        if !source || !matches!(verb, "save2oci" | "oci2save" | "verify") {
            continue;
        }
        let path = Path::new(&folder).join(text_of(case, "path"));
        let ran = imgconv(&["verify", "--quiet", path.to_str().unwrap()]);
        let whole = WHOLE.iter().any(|it| it.0 == name);
        let expected: &[i32] = match text_of(case, "expect") {
            "accept" => &[0],
            "refuse" if whole => &[0],
            "refuse" => &[1, 2],
            _ => &[0, 1],
        };
        let code = ran.code.unwrap_or(-1);
        assert!(expected.contains(&code), "{name}: {code}, not {expected:?}: {}", ran.err);
        count += 1;
    }
    println!("{count} cases");
    assert!(count > 200);
}

fn text_of<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap()
}
