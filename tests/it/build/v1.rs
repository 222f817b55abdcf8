//! Docker archives from before docker 1.10: a directory per layer, chained by `parent`.
//!
//! Docker 0.9 to 1.9 (`graph/export.go`). What docker 1.10 to 28 makes of them is worked out here
//! by hand where the JSON is simple, and pinned from a real daemon where it is not.

use serde_json::{Value, json};

use super::image::{digest, hex};
use super::tar::Tar;

/// One directory of such an archive.
#[derive(Clone)]
pub(crate) struct Directory {
    pub(crate) id: String,
    pub(crate) json: String,
    pub(crate) layer: Vec<u8>,
}

/// A random-looking ID, as docker up to 1.8 made them.
pub(crate) fn id(seed: &str) -> String {
    hex(seed.as_bytes())
}

/// The JSON of docker 1.9.1, which later versions take over as it is but for IDs and size.
pub(crate) fn docker19(
    seed: &str,
    parent: Option<&str>,
    layer: Vec<u8>,
    command: &str,
) -> Directory {
    let mut json = json!({
        "id": id(seed), "created": "2015-11-03T21:46:10.5Z", "author": "a <a@b>", "comment": seed,
        "container": id("container"), "container_config": {"Cmd": ["/bin/sh", "-c", command]},
        "docker_version": "1.9.1", "config": {"Cmd": ["/bin/true"], "Env": ["A=<&>"]},
        "architecture": "amd64", "os": "linux", "Size": layer.len()
    });
    if let Some(parent) = parent {
        json["parent"] = json!(id(parent));
    }
    // Go's encoder escapes these three; docker 1.9 wrote the JSON with it.
    let json =
        json.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    Directory { id: id(seed), json, layer }
}

/// `VERSION`, `json` and `layer.tar` of each directory, then `repositories` where there is one.
pub(crate) fn archive(directories: &[Directory], repositories: Option<&Value>) -> Vec<u8> {
    let mut tar = Tar::new();
    for Directory { id, json, layer } in directories {
        tar.dir(&format!("{id}/"));
        tar.file(&format!("{id}/VERSION"), b"1.0");
        tar.file(&format!("{id}/json"), json.as_bytes());
        tar.file(&format!("{id}/layer.tar"), layer);
    }
    if let Some(repositories) = repositories {
        tar.file("repositories", repositories.to_string().as_bytes());
    }
    tar.end()
}

/// The config that docker makes of a chain (base first) whose JSON is of docker 1.8.3 or later:
/// moby `image/v1/imagev1.go` `MakeConfigFromV1Config` without its fallback.
pub(crate) fn config(chain: &[Directory]) -> String {
    let parsed: Vec<Value> =
        chain.iter().map(|it| serde_json::from_str(&it.json).unwrap()).collect();
    let history: Vec<String> = parsed.iter().map(history).collect();
    let ids: Vec<String> = chain.iter().map(|it| digest(&it.layer)).collect();
    let mut parts: Vec<(String, String)> = parsed[parsed.len() - 1]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(key, _)| !["id", "parent", "Size"].contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), escaped(value)))
        .collect();
    parts.push(("rootfs".into(), format!(r#"{{"type":"layers","diff_ids":{}}}"#, json!(ids))));
    parts.push(("history".into(), format!("[{}]", history.join(","))));
    parts.sort();
    let parts: Vec<String> =
        parts.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", parts.join(","))
}

/// In the order of docker's struct up to 24; every directory is a real layer.
fn history(json: &Value) -> String {
    let command: Vec<&str> = json["container_config"]["Cmd"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let mut parts = vec![format!("\"created\":{}", json["created"])];
    for (key, value) in [
        ("author", json["author"].clone()),
        ("created_by", json!(command.join(" "))),
        ("comment", json["comment"].clone()),
    ] {
        if value.as_str().is_some_and(|text| !text.is_empty()) {
            parts.push(format!("\"{key}\":{}", escaped(&value)));
        }
    }
    format!("{{{}}}", parts.join(","))
}

fn escaped(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
