//! Imports point down: a module uses modules of lower rows only, the binary uses the library from
//! outside, and only some modules touch what others must not.

use std::path::{Path, PathBuf};

/// From the bottom up; a module may use those of lower rows.
const ROWS: &[&[&str]] = &[
    &["digest", "limits", "platform"], // values, no I/O, no place
    &["reference"],
    &["error"],
    &["progress"],
    &["codec", "json", "tar"], // byte formats, no image knowledge
    &["bytes"],                // names to bytes, from anywhere; whole or not at all
    &["document"],             // what documents say
    &["image"],                // the model, and the one pass over a layer
    &["store"],                // a place that images are written to
    &["layout"],               // places where images live
    &["archive", "dir"],
    &["registry"], // a place too, reached by requests
    &["producer"],
    &["source"],
    &["recover"], // the registry's bytes out of uncompressed ones
    &["convert", "inspect", "verify"],
    &["manifest"],
    &["compare", "history"],
    &["explain"],
    &["fuzzing"], // doors for fuzz/, not in the package
];

/// A module, and what it may not name.
const ABSENT: &[(&str, &[&str], &str)] = &[
    ("staging", &["renameat"], "only staging renames"),
    ("go", &["serde_json::to_"], "exact JSON leaves through json::go"),
    ("registry", &["TcpStream", "TcpListener", "ureq", "rustls"], "only registries are reached"),
];

#[test]
fn imports_point_down() {
    for file in rust_files(&root().join("src")) {
        let Some(module) = module_of(&file) else { continue };
        let Some(own) = row(&module) else { panic!("{module} is in no row") };
        let text = std::fs::read_to_string(&file).unwrap();
        for used in text.split("crate::").skip(1) {
            let used: String =
                used.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
            let Some(below) = row(&used) else { continue };
            let fine = used == module || below < own;
            assert!(fine, "{}: {module} uses {used}, which is not below it", file.display());
        }
    }
}

#[test]
fn the_binary_uses_the_library_from_outside() {
    for file in rust_files(&root().join("src/bin")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for module in ROWS.iter().flat_map(|row| *row) {
            let inside = format!("crate::{module}::");
            // The verbs have names of their own.
            let verb = root().join(format!("src/bin/imgconv/{module}.rs")).exists();
            assert!(verb || !text.contains(&inside), "{}: {inside}", file.display());
        }
    }
}

#[test]
fn what_one_module_alone_may_do_no_other_does() {
    for file in rust_files(&root().join("src")) {
        let module = module_of(&file);
        let text = std::fs::read_to_string(&file).unwrap();
        for (owner, words, why) in ABSENT {
            let owns =
                file.components().any(|it| it.as_os_str().to_string_lossy().starts_with(owner));
            for word in words.iter().filter(|_| !owns && module.is_some()) {
                assert!(!text.contains(word), "{}: {word}: {why}", file.display());
            }
        }
        if module.is_some() {
            for word in ["println!", "std::env::var", "std::process::exit", "SystemTime"] {
                assert!(!text.contains(word), "{}: the library is silent: {word}", file.display());
            }
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn row(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

/// The module of the library that a file belongs to; nothing for the binary and `lib.rs`.
fn module_of(file: &Path) -> Option<String> {
    let inside = file.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    let module = first.strip_suffix(".rs").unwrap_or(&first).to_owned();
    (module != "bin" && module != "lib").then_some(module)
}

pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
