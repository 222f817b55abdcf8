//! The JSON answers are what `docs/schema` says: every member is described, none is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::build::codec::Codec;
use crate::build::image::Image;
use crate::build::layout::Layout;
use crate::build::scripted::{Reply, Scripted};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn json_answers_follow_their_schemas() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    let layout = layout.to_str().unwrap();
    let several = format!("{ROOT}/testdata/archives/docker-20.10-several.tar");
    let export = format!("{ROOT}/testdata/archives/ctr-export.tar");
    let article = "f68d6e55e06520f152403e6d96d0de5c9790a89b4cfc99f4626f68146fa1dbdc";
    let config = format!("{ROOT}/testdata/article/{article}.json");
    let schema1 = folder.path().join("schema1.json");
    let schema1 = schema1.to_str().unwrap();
    let made = ["manifest", "convert", "--to", "schema1", "--name", "a/b:1", &export, schema1];
    let made = Command::new(env!("CARGO_BIN_EXE_imgconv")).args(made).output().unwrap();
    assert!(made.status.success());
    let stray = format!("{ROOT}/testdata/archives");
    let registry =
        Scripted::new(|_| Reply::new(200, r#"{"name": "a/b", "tags": ["1", "latest"]}"#));
    let repository = format!("{}/a/b", registry.host());
    for (arguments, schema) in [
        (vec!["save2oci", "-n", &several, layout], "conversion"),
        (vec!["save2oci", &several, layout], "conversion"),
        (vec!["oci2save", layout, "-n", "-d", "classic", "unwritten.tar"], "conversion"),
        (vec!["inspect", &several], "inspection"),
        (vec!["inspect", layout], "inspection"),
        (vec!["explain", "--topic", "recovery", "-i", "@0", &several], "explanation"),
        (vec!["explain", "--topic", "recovery", "-i", "@0", layout], "explanation"),
        (vec!["inspect", &export], "inspection"),
        (vec!["manifest", "show", layout, "-i", "imgconv.test/app:1.0"], "manifest"),
        (vec!["manifest", "show", layout], "manifest"),
        (vec!["manifest", "show", &several], "manifest"),
        (vec!["manifest", "show", schema1], "manifest"),
        (vec!["manifest", "diff", layout, &several], "manifest-difference"),
        (vec!["inspect", "nowhere"], "error"),
        (vec!["convert", layout, "out"], "error"),
        (vec!["manifest", "convert", "--to", "schema1", &export], "manifest-conversion"),
        (vec!["manifest", "diff", &export, &export], "manifest-difference"),
        (vec!["inspect", &config], "inspection"),
        (vec!["history", &several], "history"),
        (vec!["history", &config], "history"),
        (vec!["verify", &several, layout], "verification"),
        (vec!["verify", &stray], "verification"),
        (vec!["roundtrip", &several], "roundtrip"),
        (vec!["compare", &several, layout], "comparison"),
        (vec!["compare", &several, &export], "comparison"),
        (vec!["explain", "-i", "@2", &several], "explanation"),
        (vec!["explain", "-i", "@0", layout], "explanation"),
        (vec!["explain", &export], "explanation"),
        (vec!["explain", &config], "explanation"),
        (vec!["explain", "--topic", "pull", &config], "explanation"),
        (vec!["tags", &repository], "tags"),
        (vec!["explain", "--list"], "catalogue"),
        (vec!["explain", "zstd"], "catalogue"),
        (vec!["explain", "digest-mismatch"], "catalogue"),
        (vec!["verify", "--list-checks"], "catalogue"),
    ] {
        answers(&arguments, schema);
    }
}

#[test]
fn writers_of_layers_follow_their_schemas() {
    let folder = tempfile::tempdir().unwrap();
    let unknown = folder.path().join("unknown");
    // The gzip of the builder is that of no known writer.
    let image = Image::new(&["one"]).stored(&[Codec::Gzip]);
    Layout::of(&[image.named(&["a.test/b:1"])]).write(&unknown);
    let export = format!("{ROOT}/testdata/archives/ctr-export.tar");
    for source in [unknown.to_str().unwrap(), &export] {
        answers(&["inspect", "--writers", source], "inspection");
        answers(&["verify", "--rebuild", source], "verification");
    }
}

/// Runs a command, whose answer follows a schema.
fn answers(arguments: &[&str], schema: &str) {
    let done = Command::new(env!("CARGO_BIN_EXE_imgconv"))
        .args(arguments)
        .args(["--format", "json"])
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    follows(&answer, schema, &arguments.join(" "));
}

/// A key has one meaning, so one type, in all answers.
#[test]
fn a_key_has_one_type_in_all_schemas() {
    // Positions of images next to the images, codes without their rows, and the sections of `explain`,
    // which have the names of their topics.
    const OTHERS: [&str; 2] = ["images", "codes"];
    let mut types: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(Path::new(ROOT).join("docs/schema")).unwrap() {
        let path = entry.unwrap().path();
        let schema: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(schema["$id"], format!("urn:imgconv:schema:1:{name}"));
        assert_eq!(schema["required"][0], "version", "{name}");
        if name != "explanation" {
            keys(&schema, &schema, &mut types);
        }
    }
    types.retain(|key, types| types.len() > 1 && !OTHERS.contains(&key.as_str()));
    assert!(types.is_empty(), "{types:?}");
}

/// Each described key with its types; a value that may be null has that of the value.
fn keys(part: &Value, root: &Value, types: &mut BTreeMap<String, BTreeSet<String>>) {
    let described = part.get("required").and(part["properties"].as_object());
    for (key, schema) in described.into_iter().flatten() {
        types.entry(key.clone()).or_default().insert(type_of(schema, root));
    }
    match part {
        Value::Object(members) => members.values().for_each(|it| keys(it, root, types)),
        Value::Array(items) => items.iter().for_each(|it| keys(it, root, types)),
        _ => (),
    }
}

fn type_of(schema: &Value, root: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return type_of(root.pointer(&reference[1..]).unwrap(), root);
    }
    let kind = match &schema["type"] {
        Value::Array(all) => all.iter().find(|it| **it != "null").unwrap().as_str(),
        kind => kind.as_str(),
    };
    match (kind, &schema["items"]) {
        (Some("array"), items) if items.is_object() => format!("list of {}", type_of(items, root)),
        (Some(kind), _) => kind.to_owned(),
        (None, _) if schema["const"].is_u64() => "integer".to_owned(),
        (None, _) => "string".to_owned(),
    }
}

/// Checks an answer against a schema of that name.
pub(crate) fn follows(answer: &Value, schema: &str, at: &str) {
    let path = Path::new(ROOT).join(format!("docs/schema/{schema}.json"));
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    check(answer, &schema, &schema, at);
}

/// The part of JSON Schema that our schemas use.
fn check(value: &Value, schema: &Value, root: &Value, at: &str) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let found = root.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        return check(value, found, root, at);
    }
    if let Some(types) = schema.get("type") {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let fits =
            types == kind || types.as_array().is_some_and(|all| all.iter().any(|it| it == kind));
        assert!(fits, "{at}: {kind}, expected {types}");
    }
    if let Some(only) = schema.get("const") {
        assert_eq!(value, only, "{at}");
    }
    if let Some(all) = schema.get("enum").and_then(Value::as_array) {
        assert!(all.contains(value), "{at}: {value}, expected one of {all:?}");
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        values.iter().for_each(|it| check(it, items, root, &format!("{at}[]")));
    }
    if let (Some(known), Some(members)) =
        (schema.get("properties").and_then(Value::as_object), value.as_object())
    {
        for name in schema["required"].as_array().unwrap() {
            assert!(members.contains_key(name.as_str().unwrap()), "{at}: {name} is missing");
        }
        for (name, value) in members {
            let schema = known.get(name).unwrap_or_else(|| panic!("{at}: {name} is not described"));
            check(value, schema, root, &format!("{at}.{name}"));
        }
    }
}
