//! What `explain` says of docker's two stores is what today's dockerd does with each of them: order of
//! requests, how many run at once, what is refused, and what docker save writes and docker load reads.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::MutexGuard;

use serde_json::Value;

use crate::build::check::{self, list, text};
use crate::build::classic::{Repeat, archive};
use crate::build::image::{Image, digest, layer};
use crate::build::layout::{Layout, MediaFamily};
use crate::build::run::Place;
use crate::explain::explained;
use crate::judged_transfer::{
    Above, FORMS, Served, asked, error_of, line, of_layers, sorted, wrong_diff_id,
};
use crate::judges::attempt;
use crate::judges::registry::registry;
use crate::judges::today::{Docker, Store, docker};
use crate::judges::wire::{Exchange, Wire, at_once};

const STORES: [Store; 2] = [Store::Graph, Store::Containerd];

fn name(store: Store) -> &'static str {
    match store {
        Store::Graph => "graph-driver",
        Store::Containerd => "containerd",
    }
}

/// Runs a docker command, or says why it failed.
fn docker_run(docker: &Docker, words: &[&str]) -> Result<String, String> {
    let mut client: Command = docker.client();
    attempt(client.args(words)).map(|said| String::from_utf8_lossy(&said).into_owned())
}

/// A dockerd without images.
fn emptied(store: Store) -> Option<MutexGuard<'static, Docker>> {
    let docker = docker(store)?;
    docker_run(&docker, &["system", "prune", "--all", "--force"]).unwrap();
    Some(docker)
}

#[test]
fn docker_info_tells_the_store() {
    let place = Place::new();
    let image = Image::new(&["one"]).named(&["demo/info:1"]);
    let source = place.put("one.tar", &archive(&[image], Repeat::Copy));
    let told = explained(&["--topic", "ids", &source]);
    let which = text(&told["ids"]["whichStore"]).to_owned();
    let sign = which.split('"').nth(1).unwrap();
    let (key, value) = sign.split_once(": ").unwrap();
    for store in STORES {
        let Some(docker) = docker(store) else { return };
        let said = docker_run(&docker, &["info"]).unwrap();
        let found = said.contains(&format!("{key}: {value}"));
        assert_eq!(found, store == Store::Containerd, "{said}");
    }
}

#[test]
fn todays_docker_pulls_in_the_order_that_is_said() {
    for store in STORES {
        for (at, (family, above)) in FORMS.into_iter().enumerate() {
            let Some(docker) = emptied(store) else { return };
            let seed = format!("today {} {at}", name(store));
            let Some(served) = Served::new(&seed, family, above) else { return };
            let told = served.told(name(store));
            docker_run(&docker, &["pull", "--quiet", &served.name]).unwrap();
            pulled(&served.wire.taken(), &told, store);
        }
    }
}

/// Documents one by one; then the config, with the containerd store alone; then layers, of which all
/// run at once with that store, as docker before 29.7 knows no limit there.
#[track_caller]
fn pulled(log: &[Exchange], told: &[Value], store: Store) {
    let requests: Vec<String> = told.iter().flat_map(asked).collect();
    let lines: Vec<String> = log.iter().map(line).collect();
    let first = requests.iter().position(|it| it.contains("/blobs/")).unwrap();
    assert_eq!(lines[..first], requests[..first]);
    assert_eq!(sorted(&lines), sorted(&requests));
    let layers = asked(of_layers(told));
    let layers: Vec<&Exchange> = log.iter().filter(|it| layers.contains(&line(it))).collect();
    let blobs: Vec<&Exchange> = log.iter().skip(first).collect();
    match store {
        Store::Graph => assert_eq!((at_once(&layers), at_once(&blobs)), (3, 4)),
        Store::Containerd => {
            assert_eq!(lines[first], requests[first], "the config comes first");
            assert_eq!((layers.len(), at_once(&layers)), (7, 7));
            // No layer is asked for before the config is here.
            assert_eq!(at_once(&blobs), 7);
        }
    }
}

#[test]
fn todays_docker_refuses_what_was_tampered_with_as_it_is_said() {
    for store in STORES {
        for what in ["config", "layer", "manifest", "child"] {
            let Some(docker) = emptied(store) else { return };
            let above = if what == "child" { Above::Index } else { Above::Nothing };
            let seed = format!("today tampered {} {what}", name(store));
            let Some(served) = Served::new(&seed, MediaFamily::Oci, above) else { return };
            let told = served.told(name(store));
            let digest = match what {
                "config" => served.image.id(),
                "layer" => digest(&served.image.stored[4]),
                _ => served.manifest.clone(),
            };
            served.tamper(&digest);
            let pulled = docker_run(&docker, &["pull", "--quiet", &served.name]);
            if (store, what) == (Store::Graph, "manifest") {
                // By tag, it is taken as it is.
                pulled.unwrap();
                continue;
            }
            let (said, error) = (pulled.unwrap_err(), error_of(&told, &digest));
            assert!(said.contains(error), "{store:?}, {what}: {error} is not in {said}");
        }
    }
}

#[test]
fn todays_docker_compares_diff_ids_as_it_is_said() {
    for store in STORES {
        let Some(docker) = emptied(store) else { return };
        let seed = format!("today diff id {}", name(store));
        let image = wrong_diff_id(&seed);
        let name_ = seed.replace(' ', "-");
        let Some(served) = Served::of(&name_, image, MediaFamily::Oci, Above::Nothing, None) else {
            return;
        };
        let said = docker_run(&docker, &["pull", "--quiet", &served.name]).unwrap_err();
        let told = served.told_of_documents(name(store));
        let error = error_of(&told, "of the diff IDs");
        assert!(said.contains(error), "{store:?}: {error} is not in {said}");
    }
}

#[test]
fn todays_docker_pushes_all_blobs_at_once_with_the_containerd_store() {
    for (store, most) in [(Store::Graph, 5), (Store::Containerd, 8)] {
        let Some(docker) = emptied(store) else { return };
        let seed = format!("today push {}", name(store));
        let Some(registry) = registry() else { return };
        let place = Place::new();
        let layers = (0..7).map(|at| layer(&format!("{seed} {at}"))).collect();
        let target = Wire::before(registry.port, None);
        let to = format!("127.0.0.1:{}/demo/sent-{}:1", target.port, name(store));
        let image = Image::of(layers).named(&[&to]);
        let source = place.put("push.tar", &archive(&[image], Repeat::Copy));
        docker_run(&docker, &["load", "--quiet", "--input", &source]).unwrap();
        docker_run(&docker, &["push", "--quiet", &to]).unwrap();
        let log = target.taken();
        let method = if store == Store::Graph { "PATCH" } else { "PUT" };
        let sent = |it: &&Exchange| it.method == method && it.path.contains("/blobs/");
        let sent: Vec<&Exchange> = log.iter().filter(sent).collect();
        let layers = at_once(&sent);
        assert_eq!(layers, most, "{store:?}: {:#?}", log.iter().map(line).collect::<Vec<_>>());
    }
}

/// The graph driver store leaves out the question for the tag; the other asks for the digest.
#[test]
fn todays_docker_pulls_by_digest_as_it_is_said() {
    for store in STORES {
        let Some(docker) = emptied(store) else { return };
        let seed = format!("today digest {}", name(store));
        let Some(served) = Served::new(&seed, MediaFamily::Oci, Above::Nothing) else { return };
        let by_digest = served.name.strip_suffix(":1").unwrap();
        let by_digest = format!("{by_digest}@{}", served.manifest);
        docker_run(&docker, &["pull", "--quiet", &by_digest]).unwrap();
        let log = served.wire.taken();
        let lines: Vec<String> = log.iter().map(line).collect();
        let documents: Vec<&str> =
            lines.iter().filter(|it| it.contains("/manifests/")).map(String::as_str).collect();
        let path = format!("/v2/demo/{}/manifests/{}", seed.replace(' ', "-"), served.manifest);
        let (head, get) = (format!("HEAD {path}"), format!("GET {path}"));
        match store {
            Store::Graph => assert_eq!(documents, [get]),
            Store::Containerd => assert_eq!(documents, [head, get]),
        }
        // The containerd store does not ask whether this is a registry.
        assert_eq!(lines.contains(&"GET /v2/".to_owned()), store == Store::Graph);
    }
}

/// Of an index, a pull gets one platform; a push then sends that manifest alone.
#[test]
fn todays_docker_pushes_another_digest_where_platforms_of_an_index_are_not_here() {
    let Some(docker) = emptied(Store::Containerd) else { return };
    let Some(served) = Served::new("today partial", MediaFamily::Oci, Above::Index) else { return };
    docker_run(&docker, &["pull", "--quiet", &served.name]).unwrap();
    let ids = docker_run(&docker, &["images", "--quiet", "--no-trunc"]).unwrap();
    assert_eq!(ids.trim(), served.top, "the store names the image by what the tag points at");
    let other = served.name.replace("demo/today-partial", "demo/today-sent");
    docker_run(&docker, &["tag", &served.name, &other]).unwrap();
    docker_run(&docker, &["push", "--quiet", &other]).unwrap();
    let kind = MediaFamily::Oci.manifest();
    let sent = served.registry.ask("GET", "/v2/demo/today-sent/manifests/1", kind, b"").body;
    assert_eq!(digest(&sent), served.manifest);
}

/// The manifest of the archive is the registry's with one store, and docker save's with the other.
#[test]
fn todays_docker_save_has_the_pulled_manifest_with_the_containerd_store_alone() {
    for store in STORES {
        let Some(docker) = emptied(store) else { return };
        let seed = format!("today save {}", name(store));
        let Some(served) = Served::new(&seed, MediaFamily::Docker, Above::Nothing) else { return };
        docker_run(&docker, &["pull", "--quiet", &served.name]).unwrap();
        let place = Place::new();
        let source = place.path("saved.tar");
        docker_run(&docker, &["save", "--output", &source, &served.name]).unwrap();
        drop(docker);
        let files = check::archive(&fs::read(&source).unwrap());
        let item = &check::json(&files["manifest.json"])[0];
        let manifest = check::json(&files["index.json"])["manifests"][0]["digest"].clone();
        let told = explained(&[&source]);
        let rows = list(&told["digests"]["digests"]);
        let row = rows.iter().find(|it| it["name"] == "manifest digest").unwrap();
        assert_eq!(row["value"], manifest);
        let listed = list(&item["Layers"]).iter().map(text);
        let stored = served.image.stored.iter().map(|it| digest(it));
        let registrys = stored.map(|it| format!("blobs/{}", it.replace(':', "/")));
        assert!(!files.keys().any(|it| it.ends_with("layer.tar") || it.ends_with("VERSION")));
        match store {
            Store::Containerd => {
                assert_eq!(manifest, *served.manifest);
                assert!(listed.eq(registrys));
                assert!(!files.contains_key("repositories"));
                assert_eq!(item["LayerSources"], Value::Null);
                assert_eq!(row["status"], "computed");
            }
            Store::Graph => {
                assert_ne!(manifest, *served.manifest);
                let diff_ids = served.image.diff_ids().into_iter();
                assert!(listed.eq(diff_ids.map(|it| format!("blobs/{}", it.replace(':', "/")))));
                assert!(files.contains_key("repositories"));
                assert_eq!(item["LayerSources"].as_object().unwrap().len(), 7);
                assert_eq!(row["status"], "saved");
                // As the note says: it is the digest that the other store has after docker load.
                let Some(other) = emptied(Store::Containerd) else { return };
                docker_run(&other, &["load", "--quiet", "--input", &source]).unwrap();
                let ids = docker_run(&other, &["images", "--quiet", "--no-trunc"]).unwrap();
                assert_eq!(ids.trim(), text(&manifest));
            }
        }
    }
}

/// Two images, one in each half of the archive.
#[test]
fn todays_docker_load_reads_the_file_that_is_said() {
    let place = Place::new();
    let one = Image::new(&["today manifest.json"]).named(&["demo/half:manifest"]);
    let other = Image::new(&["today index.json"]).named(&["demo/half:index"]);
    let mut layout = Layout::of(std::slice::from_ref(&other));
    for blob in [&one.config, &one.layers[0]] {
        layout.blob(blob);
    }
    let path = |bytes: &[u8]| format!("blobs/{}", digest(bytes).replace(':', "/"));
    let item = serde_json::json!([{
        "Config": path(&one.config), "RepoTags": ["demo/half:manifest"], "Layers": [path(&one.layers[0])]
    }]);
    layout.put("manifest.json", item.to_string().as_bytes());
    let source = place.put("halves.tar", &layout.tar(""));
    for (store, loaded) in
        [(Store::Graph, "demo/half:manifest"), (Store::Containerd, "demo/half:index")]
    {
        let Some(docker) = emptied(store) else { return };
        docker_run(&docker, &["load", "--quiet", "--input", &source]).unwrap();
        let format = "{{.Repository}}:{{.Tag}}";
        let names = docker_run(&docker, &["images", "--format", format]).unwrap();
        let names: BTreeSet<&str> = names.lines().collect();
        assert_eq!(names, [loaded].into(), "{store:?}");
    }
}

/// An archive with a wrong diff ID: docker load ends at that layer, in words of its own. With the
/// containerd store it has said by then that the image is loaded, and does not fail.
#[test]
fn todays_docker_load_reports_a_wrong_diff_id() {
    for (store, error) in [
        (Store::Graph, "invalid diffID for layer"),
        (Store::Containerd, "wrong diff id calculated on extraction"),
    ] {
        let Some(docker) = emptied(store) else { return };
        let place = Place::new();
        let image = wrong_diff_id(&format!("today load {}", name(store))).named(&["demo/wrong:1"]);
        let source = place.put("wrong.tar", &archive(&[image], Repeat::Copy));
        let loaded = docker_run(&docker, &["load", "--quiet", "--input", &source]);
        assert_eq!(loaded.is_ok(), store == Store::Containerd, "{loaded:?}");
        let said = loaded.unwrap_or_else(|said| said);
        assert!(said.contains(error), "{store:?}: {error} is not in {said}");
        let kept = docker_run(&docker, &["images", "--quiet"]).unwrap();
        assert_eq!(kept.is_empty(), store == Store::Graph, "{kept}");
    }
}
