//! `history` shows what `docker history --no-trunc` and `podman history` show, column for column.

use serde_json::Value;

use crate::build::check::{list, text};
use crate::judges::containers::Podman;
use crate::judges::docker::docker;
use crate::judges::imgconv;
use crate::judges::scenario::scenario;

/// The steps of an image of an archive.
fn steps(archive: &std::path::Path, id: &str) -> Vec<Value> {
    let said = imgconv(&[&"history", &"--format", &"json", &archive, &"--image", &id]);
    let answer: Value = serde_json::from_slice(&said).unwrap();
    list(&answer["images"][0]["steps"]).to_vec()
}

/// Up to whole seconds, which is what docker prints.
fn second(time: &str) -> String {
    time.get(..19).unwrap_or("0001-01-01T00:00:00").to_owned()
}

fn column(line: &str, at: usize) -> &str {
    line.split("|~|").nth(at).unwrap()
}

#[test]
fn every_column_is_that_of_docker_history() {
    let (Some(scenario), Some(docker)) = (scenario(), docker()) else {
        return;
    };
    let columns = ["ID", "CreatedAt", "CreatedBy", "Size", "Comment"];
    let format = columns.map(|it| format!("{{{{.{it}}}}}")).join("|~|");
    for name in ["all", "three", "twice", "untagged"] {
        let saved = scenario.saved(name);
        docker.empty();
        docker.run(&[&"load", &"--quiet", &"--input", &saved.path]);
        for id in saved.images.keys() {
            let args =
                [&"history", &"--no-trunc", &"--human=false", &"--format", &&*format, &&**id];
            let said = docker.run(&args.map(|it| it as &dyn AsRef<std::ffi::OsStr>));
            let mut steps = steps(&saved.path, id);
            if said.is_empty() {
                // A config without history: docker shows nothing, we show its layers.
                steps.retain(|it| !text(&it["created"]).is_empty());
            }
            assert_eq!(said.lines().count(), steps.len(), "{name} {id}");
            for (at, (line, step)) in said.lines().zip(&steps).enumerate() {
                // docker keeps which image was built on which; an archive says so for some.
                let below = at > 0 && saved.images.contains_key(column(line, 0));
                let shown = if at == 0 { id } else { "<missing>" };
                assert!(below || column(line, 0) == shown, "{name} {id}: {line}");
                assert_eq!(second(column(line, 1)), second(text(&step["created"])), "{name} {id}");
                assert_eq!(column(line, 2), text(&step["createdBy"]), "{name} {id}");
                assert_eq!(column(line, 3), step["filesSize"].to_string(), "{name} {id} {at}");
                assert_eq!(column(line, 4), text(&step["comment"]), "{name} {id}");
            }
        }
    }
    docker.empty();
}

#[test]
fn sizes_are_printed_as_docker_prints_them() {
    let (Some(scenario), Some(docker)) = (scenario(), docker()) else {
        return;
    };
    let saved = scenario.saved("all");
    docker.empty();
    docker.run(&[&"load", &"--quiet", &"--input", &saved.path]);
    for id in saved.images.keys() {
        let said = docker.run(&[&"history", &"--format", &"{{.Size}}", id]);
        let ours = imgconv(&[&"history", &saved.path, &"--image", id]);
        let ours = String::from_utf8(ours).unwrap();
        let at = ours.find("SIZE").unwrap();
        for (size, line) in said.lines().zip(ours.lines().skip(1)) {
            let column: String = line.chars().skip(at).take_while(|it| *it != ' ').collect();
            assert_eq!(column, size, "{line}");
        }
    }
    docker.empty();
}

#[test]
fn every_column_is_that_of_podman_history() {
    let Some(scenario) = scenario() else {
        return;
    };
    for name in ["three", "untagged"] {
        let Some(podman) = Podman::find() else {
            return;
        };
        let saved = scenario.saved(name);
        podman.load(&saved.path);
        for id in saved.images.keys() {
            let steps = steps(&saved.path, id);
            let said = podman.history(id);
            let said = list(&said);
            assert_eq!(said.len(), steps.len(), "{name} {id}");
            for (theirs, step) in said.iter().zip(&steps) {
                let created = second(text(&theirs["created"]));
                assert_eq!(created, second(text(&step["created"])), "{name}");
                let theirs = |key: &str| theirs.get(key).cloned().unwrap_or_else(|| "".into());
                let said = [theirs("CreatedBy"), theirs("comment"), theirs("size")];
                let ours =
                    ["createdBy", "comment", "uncompressedSize"].map(|key| step[key].clone());
                assert_eq!(said, ours, "{name}");
            }
        }
    }
}
