//! Files are short, open with their purpose, and none is forgotten; texts agree with the code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::layers::rust_files;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn files_are_short_and_open_with_their_purpose() {
    for folder in ["src", "tests"] {
        for file in rust_files(&Path::new(ROOT).join(folder)) {
            let text = std::fs::read_to_string(&file).unwrap();
            let lines = text.lines().count();
            assert!(lines <= 600, "{} has {lines} lines, 600 at most", file.display());
            assert!(text.starts_with("//! "), "{} does not say what it is for", file.display());
            for word in ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "XX".to_owned() + "X"] {
                assert!(!text.contains(&word), "{}: {word}", file.display());
            }
        }
    }
}

/// Nothing is skipped past IMGCONV_JUDGES=required but by the one function that looks at it.
#[test]
fn only_the_judges_say_that_something_is_skipped() {
    let judges = Path::new(ROOT).join("tests/it/judges/mod.rs");
    let word = "skipped".to_owned() + ": ";
    for file in rust_files(&Path::new(ROOT).join("tests")) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(file == judges || !text.contains(&word), "{} says it itself", file.display());
    }
}

#[test]
fn no_test_file_is_forgotten() {
    let folder = Path::new(ROOT).join("tests/it");
    let main = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.strip_suffix(".rs").unwrap_or(&name);
        let listed = main.lines().any(|line| line == format!("mod {module};"));
        assert!(module == "main" || listed, "tests/it/main.rs does not list {module}");
    }
}

#[test]
fn the_limits_in_security_md_are_those_of_the_code() {
    use imgconv::limits;
    let text = std::fs::read_to_string(Path::new(ROOT).join("SECURITY.md")).unwrap();
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    for (row, value) in [
        ("`manifest.json`, `repositories`, `index.json`", mib(limits::ARCHIVE_DOCUMENT)),
        ("registry manifest or index", mib(limits::MANIFEST)),
        ("image config, V1 `json`", mib(limits::CONFIG)),
        ("`oci-layout`", format!("{} KiB", limits::LAYOUT_MARKER >> 10)),
        ("nesting of JSON", limits::JSON_DEPTH.to_string()),
        (
            "one extended header; before one member",
            format!("{}; {}", mib(limits::EXTENDED_HEADER), limits::EXTENDED_HEADERS),
        ),
        ("a path or link target", format!("{} bytes", limits::PATH)),
        ("members of an archive", thousands(limits::MEMBERS)),
        ("links followed for one path", limits::LINK_HOPS.to_string()),
        ("layers of an image", limits::LAYERS.to_string()),
        ("parents of a V1 image", limits::V1_PARENTS.to_string()),
        (
            "images in a source; manifests below its index",
            format!("{}; {}", thousands(limits::IMAGES), thousands(limits::MANIFESTS)),
        ),
        ("nesting of indexes", limits::INDEX_DEPTH.to_string()),
        ("what a decoder may allocate", mib(limits::DECODER_MEMORY)),
        (
            "credentials file; answer of a credential helper; file of certificates",
            format!("{} each", mib(limits::CREDENTIALS)),
        ),
        ("file of mirrors", mib(limits::MIRRORS)),
    ] {
        let line = format!("| {row} | {value} |");
        assert!(text.contains(&line), "SECURITY.md lacks: {line}");
    }
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Names of types that still stand for two things; nothing is to be added here.
const TWICE: &[&str] = &[];

#[test]
fn a_type_name_stands_for_one_thing() {
    let mut known: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for file in rust_files(&Path::new(ROOT).join("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        // Unit tests at the end of a file name what they like.
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for name in text.lines().filter_map(type_name) {
            // The arguments of a verb; the types of traits of others.
            if ["Args", "Error", "Err", "Item", "Out", "Target"].contains(&name) {
                continue;
            }
            // One file may have two forms of a type, for two features.
            let first = known.insert(name.to_owned(), file.clone());
            if let Some(first) = first.filter(|first| *first != file) {
                println!("{name}: {} and {}", first.display(), file.display());
                twice.insert(name.to_owned());
            }
        }
    }
    let allowed: BTreeSet<String> = TWICE.iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(twice, allowed, "names that stand twice, and the list of them");
}

/// The name that a line gives to a new type.
fn type_name(line: &str) -> Option<&str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let words = match words.as_slice() {
        [visible, rest @ ..] if visible.starts_with("pub") => rest,
        words => words,
    };
    let [kind, name, ..] = words else { return None };
    let new = ["struct", "enum", "trait", "type", "union"].contains(kind);
    new.then(|| name.split(|it: char| !it.is_alphanumeric() && it != '_').next().unwrap())
}
