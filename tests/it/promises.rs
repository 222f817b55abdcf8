//! Nothing is lost in silence and nothing unverified gets through, for odd inputs and every
//! destination: what was written is clean for `verify --strict`, what was there before an append is
//! there after it, and `convert` and `verify` agree about every source.
//!
//! What is not so yet stands in `KNOWN` (known.rs), with the number of its finding; the list only ever shrinks.

mod known;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::attack::shared;
use crate::build::check::{self, Files};
use crate::build::image::Image;
use crate::build::layout::Layout;
use crate::build::odd_archives;
use crate::build::odd_layouts;
use crate::build::promise::{Failure, checked, disagreement, judge, misjudged, unclean, with_each};
use crate::build::run::{Place, Ran, imgconv};
use crate::corpus::{KINDS, artefacts, there};
use crate::judges::absent;
use known::KNOWN;

/// What is wrong with built inputs: a code that `verify` has to give, and the inputs.
const ODD: &[(&str, &[&str])] = &[
    (
        "ambiguous-name",
        &[
            "layout name-twice",
            "layout ref-name-twice",
            "archive name-twice",
            "archive name-twice-in-two-spellings",
        ],
    ),
    (
        "no-image",
        &[
            "layout no-manifests-null",
            "layout no-manifests",
            "archive no-items-null",
            "archive no-items",
        ],
    ),
    (
        "size-mismatch",
        &[
            "layout entry-of-other-size",
            "layout entry-of-other-size-first",
            "layout child-of-other-size",
            "layout layer-of-other-size",
            "layout config-of-other-size",
            "layout layer-twice-of-other-size",
        ],
    ),
    (
        "media-type-mismatch",
        &[
            "layout entry-of-other-type",
            "layout entry-of-other-type-first",
            "layout entry-of-unknown-type",
            "layout entry-of-unknown-type-first",
            "layout entry-called-index",
            "layout entry-called-index-first",
        ],
    ),
    ("blob-missing", &["layout sparse-whole-index"]),
    ("digest-mismatch", &["layout unreferenced-broken-blob"]),
    ("parent-chain", &["archive v1-without-parent"]),
    ("field", &["archive v1-name-of-nothing"]),
    ("readings-disagree", &["archive halves-that-disagree"]),
    (
        "blob-unreferenced",
        &[
            "layout sparse",
            "layout unreferenced-blob",
            "layout unreferenced-broken-blob",
            "archive docker-25-missing-entry",
            "archive docker-25-null-manifests",
        ],
    ),
    ("file-stray", &["layout stray-file"]),
    ("index-name", &["archive no-layers-of-buildkit"]),
];

/// Where to, and the options that say so.
const DESTINATIONS: &[(&str, &[&str])] = &[
    ("oci", &["--to", "oci"]),
    ("oci zstd", &["--to", "oci", "-c", "zstd"]),
    ("oci-archive", &["--to", "oci-archive"]),
    ("oci-archive none", &["--to", "oci-archive", "-c", "none", "--manifest", "docker"]),
    ("universal", &["--to", "docker-archive"]),
    ("universal zstd", &["--to", "docker-archive", "-c", "zstd"]),
    ("classic", &["--to", "docker-archive", "-d", "classic"]),
    ("hybrid", &["--to", "docker-archive", "-d", "hybrid"]),
    ("podman", &["--to", "docker-archive", "-d", "podman"]),
];

/// What is appended to, and the options of both conversions.
const APPENDED: &[(&str, &[&str])] = &[
    ("append oci", &["--to", "oci"]),
    ("append oci-archive", &["--to", "oci-archive"]),
    ("append universal", &["--to", "docker-archive"]),
];

/// Destinations that can hold anything that a source has, as far as the format goes.
const AGREED: &[&str] = &["oci", "universal"];

fn convert(source: &str, target: &str, options: &[&str]) -> Ran {
    let ran = imgconv(&[&["convert", "--format", "json"], options, &[source, target]].concat());
    assert!(!ran.err.contains("panicked"), "convert {source}: {}", ran.err);
    ran
}

/// Converts to each of these destinations, and judges outputs and refusals.
fn everywhere(input: &str, source: &str, to: &[(&str, &[&str])]) -> Vec<Failure> {
    let before = checked(source);
    let mut failures = Vec::new();
    for (destination, options) in to {
        let place = Place::new();
        let target = place.path("target");
        let ran = convert(source, &target, options);
        let failure = |it| Failure::new(input, destination, it);
        if AGREED.contains(destination) {
            failures.extend(disagreement(&before, destination, &ran).map(failure));
        }
        if ran.code == Some(0) {
            failures.extend(unclean(&before, &ran, &target).into_iter().map(failure));
        }
    }
    failures
}

/// A layout with a name of each kind: a bare tag, a full name, and none.
fn base() -> Layout {
    let mut layout =
        Layout::of(&[Image::new(&["before"]).named(&["1.0"]), Image::new(&["before", "unnamed"])]);
    let named =
        layout.image(&Image::new(&["before", "named"]), crate::build::layout::MediaFamily::Oci);
    layout.named(&named, "1", Some("docker.io/demo/before:1"));
    layout
}

fn files(path: &str) -> Files {
    let path = Path::new(path);
    if path.is_dir() { check::folder(path) } else { check::archive(&std::fs::read(path).unwrap()) }
}

/// Entries of `index.json` (what they are called, what they name) and names of `manifest.json`.
fn named(path: &str) -> BTreeSet<(String, String)> {
    let files = files(path);
    let mut found = BTreeSet::new();
    for entry in check::list(&check::json(&files["index.json"])["manifests"]) {
        let annotation = |key: &str| entry["annotations"][key].as_str().map(str::to_owned);
        let full = annotation("io.containerd.image.name");
        let name = full.or_else(|| annotation("org.opencontainers.image.ref.name"));
        found.insert((name.unwrap_or_default(), check::text(&entry["digest"]).to_owned()));
    }
    let items = files.get("manifest.json").map_or(Value::Null, |it| check::json(it));
    for item in check::list(&items) {
        for name in check::list(&item["RepoTags"]) {
            found.insert((check::text(name).to_owned(), item["Config"].to_string()));
        }
    }
    found
}

/// Adds it to what is there: nothing that was named may go missing, and what comes out is clean.
fn appended(input: &str, source: &str) -> Vec<Failure> {
    let before = checked(source);
    let mut failures = Vec::new();
    for (destination, options) in APPENDED {
        let place = Place::new();
        let first = place.path("base");
        base().write(Path::new(&first));
        let target = place.path("target");
        convert(&first, &target, options).ok();
        let names = named(&target);
        let ran = convert(source, &target, &[options, &["--append"][..]].concat());
        let mut failed = |it| failures.push(Failure::new(input, destination, it));
        if ran.code == Some(0) {
            unclean(&before, &ran, &target).into_iter().for_each(&mut failed);
        }
        let after = named(&target);
        let has = |at: fn(&(String, String)) -> &String, it| {
            after.iter().any(|after| at(after) == at(it))
        };
        // A name may move to what was appended, whose name it is as well; neither may be gone.
        let gone: Vec<_> =
            names.iter().filter(|it| !has(|it| &it.0, it) || !has(|it| &it.1, it)).collect();
        if !gone.is_empty() {
            failed(("gone".to_owned(), format!("exit {:?}, no longer there: {gone:?}", ran.code)));
        }
    }
    failures
}

/// The odd inputs, written into a folder: name and path.
fn built(place: &Place) -> Vec<(String, String)> {
    let mut inputs = Vec::new();
    for (name, layout) in odd_layouts::all() {
        let folder = place.path(name);
        layout.write(Path::new(&folder));
        inputs.push((format!("layout {name}"), folder));
        let path = place.put(&format!("{name}.oci.tar"), &layout.tar(""));
        inputs.push((format!("layout {name}"), path));
    }
    for (name, bytes) in odd_archives::all() {
        let path = place.put(&format!("{name}.tar"), &bytes);
        inputs.push((format!("archive {name}"), path));
    }
    inputs
}

fn is_tar_of_layout(path: &str) -> bool {
    path.ends_with(".oci.tar")
}

fn of_tar(destination: &str) -> String {
    format!("{destination} of its tar")
}

/// What is said of a built input without any conversion.
fn itself(name: &str, path: &str) -> Vec<Failure> {
    let right = ODD.iter().filter(|row| row.1.contains(&name)).map(|row| row.0);
    let failures = misjudged(&checked(path), &right.collect::<Vec<_>>());
    failures.into_iter().map(|it| Failure::new(name, "itself", it)).collect()
}

/// The destinations about which `convert` and `verify` have to agree.
fn agreed() -> Vec<(&'static str, &'static [&'static str])> {
    DESTINATIONS.iter().filter(|it| AGREED.contains(&it.0)).copied().collect()
}

fn names_of<T>(inputs: &[(String, T)]) -> BTreeSet<String> {
    inputs.iter().map(|it| it.0.clone()).collect()
}

#[test]
fn odd_inputs_become_clean_outputs_everywhere_and_convert_and_verify_agree_about_them() {
    let place = Place::new();
    let inputs = built(&place);
    let failures = with_each(&inputs, |(name, path)| {
        if !is_tar_of_layout(path) {
            return [itself(name, path), everywhere(name, path, DESTINATIONS)].concat();
        }
        // The same layout: once more to the destinations that say whether it is whole.
        let failures = [itself(name, path), everywhere(name, path, &agreed())].concat();
        let of_tar = |it: Failure| Failure { destination: of_tar(&it.destination), ..it };
        failures.into_iter().map(of_tar).collect()
    });
    judge(KNOWN, &names_of(&inputs), &failures);
}

#[test]
fn what_is_there_stays_there_whatever_is_appended() {
    let place = Place::new();
    let mut inputs = built(&place);
    inputs.retain(|it| !is_tar_of_layout(&it.1));
    let appended_to = |(name, path)| (format!("{name} +"), path);
    let inputs: Vec<(String, String)> = inputs.into_iter().map(appended_to).collect();
    let failures = with_each(&inputs, |(name, path)| appended(name, path));
    judge(KNOWN, &names_of(&inputs), &failures);
}

#[test]
fn an_archive_of_10_050_images_becomes_what_can_be_read() {
    let place = Place::new();
    let source = place.put("many.tar", &odd_archives::many(10_050));
    let target = place.path("target");
    imgconv(&["convert", "--to", "docker-archive", &source, &target]).ok();
    let read = imgconv(&["history", "--quiet", "--image", "@7", &target]);
    let name = "archive many";
    let failure = || ("unreadable".to_owned(), read.err.clone());
    let failures = (read.code != Some(0)).then(|| Failure::new(name, "universal", failure()));
    judge(KNOWN, &[name.to_owned()].into(), failures.as_slice());
}

/// Destinations that show all that a reader may stumble over, one for each format and dialect.
fn one_of_each() -> Vec<(&'static str, &'static [&'static str])> {
    DESTINATIONS.iter().filter(|it| !it.0.contains(' ')).copied().collect()
}

#[test]
fn real_artefacts_become_clean_outputs_everywhere_and_convert_and_verify_agree_about_them() {
    let Some(corpus) = shared("corpus") else {
        return;
    };
    let mut all = artefacts(&corpus, KINDS);
    all.retain(there);
    let inputs: Vec<(String, String)> =
        all.iter().map(|it| (format!("corpus {}", it.path), it.source().to_owned())).collect();
    let failures = with_each(&inputs, |(name, path)| everywhere(name, path, &one_of_each()));
    judge(KNOWN, &names_of(&inputs), &failures);
}

/// One case of `attack/` as its own line has it, where it writes something: what is wrong with that.
fn as_listed(case: &Value, source: &str, folder: &Path) -> Vec<Failure> {
    let text = |key: &str| case[key].as_str().unwrap_or_default();
    let (name, verb, dest) = (format!("attack {}", text("name")), text("verb"), text("dest"));
    let writes = matches!(verb, "save2oci" | "oci2save") && !dest.is_empty() && dest != "-";
    let is_plain = case["pre"].is_null() && check::list(&case["args"]).is_empty();
    // The plain ones were converted already; what is hidden behind a hard link or comes through a
    // pipe is its own runner's to judge.
    if !writes || is_plain || case["hardlinks"].is_object() || case["stdin"] == true {
        return Vec::new();
    }
    let place = Place::new();
    let target = place.path(Path::new(dest).file_name().unwrap().to_str().unwrap());
    let mut before = checked(source);
    if let Some(there) = case["pre"].as_str() {
        let status = Command::new("cp").arg("-a").arg(folder.join(there)).arg(&target).status();
        assert!(status.unwrap().success(), "{name}");
        before.findings.extend(checked(&target).findings);
    }
    let reference = format!("{}{source}{}", text("prefix"), text("suffix"));
    let args: Vec<&str> = check::list(&case["args"]).iter().map(check::text).collect();
    let ran = imgconv(&[&[verb], &args[..], &["--format", "json", &reference, &target]].concat());
    if ran.code != Some(0) {
        return Vec::new();
    }
    let failures = unclean(&before, &ran, &target);
    failures.into_iter().map(|it| Failure::new(&name, "as listed", it)).collect()
}

#[test]
fn hostile_input_becomes_clean_outputs_or_none_and_convert_and_verify_agree_about_it() {
    let Some(attack) = shared("attack") else {
        return;
    };
    let place = Place::new();
    let folder = place.path("cases");
    let made = Command::new("python3").arg("-B").arg(attack.join("gen.py")).arg(&folder).output();
    if !made.is_ok_and(|it| it.status.success()) {
        absent("python3 cannot make the cases");
        return;
    }
    let folder = Path::new(&folder);
    let cases: Value =
        serde_json::from_slice(&std::fs::read(folder.join("cases.json")).unwrap()).unwrap();
    let of_image = |case: &&Value| !matches!(case["verb"].as_str(), Some("manifest" | "verify"));
    let cases: Vec<(String, &Value)> = check::list(&cases)
        .iter()
        .filter(of_image)
        .map(|case| (format!("attack {}", check::text(&case["name"])), case))
        .collect();
    let failures = with_each(&cases, |(name, case)| {
        let source = folder.join(check::text(&case["path"]));
        let source = source.to_str().unwrap();
        let mut failures = everywhere(name, source, &agreed());
        failures.extend(as_listed(case, source, folder));
        failures
    });
    judge(KNOWN, &names_of(&cases), &failures);
}
