//! `explain` of both stores of docker: what each does, in which versions, and where each digest of a
//! page comes from. Expected is what docker 20.10.24 and 28.5.2, with each of its stores, were seen to
//! do, and what their sources say of the versions that do not run here.

use serde_json::{Value, json};

use crate::build::check::{self, list, text};
use crate::build::codec::Codec;
use crate::build::hybrid::{Defect, containerd, docker25, with_members};
use crate::build::image::{Image, digest, hex};
use crate::build::layout::Layout;
use crate::build::run::{Place, imgconv};
use crate::explain::{ARTICLE, ROOT, explained};

const STORES: [&str; 2] = ["graph-driver", "containerd"];

fn article() -> String {
    format!("{ROOT}/testdata/article/{ARTICLE}.json")
}

fn nginx() -> Value {
    explained(&["-t", "nginx:1.17.1", &article()])
}

/// The steps of a store.
fn steps<'a>(transfer: &'a Value, store: &str) -> &'a [Value] {
    let side = list(&transfer["sides"]).iter().find(|it| it["store"] == store).unwrap();
    list(&side["steps"])
}

/// Where the step is that asks for something.
fn asks(steps: &[Value], of: &str) -> usize {
    let asks = |step: &Value| list(&step["requests"]).iter().any(|it| it["of"] == of);
    steps.iter().position(asks).unwrap_or_else(|| panic!("nothing asks for {of}"))
}

fn page(arguments: &[&str]) -> String {
    let ran = imgconv(&[&["explain"], arguments].concat()).ok();
    let page = String::from_utf8(ran.out).unwrap();
    page.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// containerd `core/unpack/unpacker.go`, `Unpack`: "layers will be handled after the config".
#[test]
fn the_containerd_store_gets_the_config_alone_before_the_layers() {
    let told = nginx();
    let steps = steps(&told["pull"], "containerd");
    let (config, layers) = (asks(steps, "the config"), asks(steps, "layer 1"));
    assert!(config < layers);
    assert_eq!(list(&steps[config]["requests"]).len(), 1);
    assert!(list(&steps[layers]["requests"]).iter().all(|it| it["of"] != "the config"));
    assert!(asks(steps, "the manifest") < config);
}

/// moby commit 4994a3ba0b, in docker-v29.7.0: "Before this commit containerd-backed pulls and pushes
/// ignored the daemon's max concurrent transfer settings".
#[test]
fn no_limit_is_said_of_the_containerd_store_before_docker_29_7() {
    let told = nginx();
    for (topic, limit) in [("pull", 3), ("push", 5)] {
        let own = steps(&told[topic], "containerd");
        let own = &own[asks(own, "layer 1")];
        let limits = json!([
            {"versions": "up to 29.6", "limit": null}, {"versions": "29.7 and later", "limit": limit}
        ]);
        assert_eq!(own["atOnce"], limits, "{topic}");
        assert!(text(&own["title"]).contains("since docker 29.7, all at once before"), "{topic}");
        let graph = steps(&told[topic], "graph-driver");
        let graph = &graph[asks(graph, "layer 1")];
        assert_eq!(graph["atOnce"], json!([{"versions": "all versions", "limit": limit}]));
    }
}

#[test]
fn the_manifest_is_always_checked_by_the_containerd_store_and_by_digest_by_the_other() {
    let told = nginx();
    let answer = text(&told["pull"]["answer"]);
    for words in ["containerd store", "always checks the manifest", "when you pull by digest"] {
        assert!(answer.contains(words), "{words} is not in {answer}");
    }
    let own = steps(&told["pull"], "containerd");
    let own = &own[asks(own, "the manifest")];
    assert_eq!(own["unchecked"], Value::Null);
    // A wrong hash of the right length, another length, and a body that ends early.
    let errors = json!(["unexpected commit digest", "failed size validation", "short read"]);
    assert_eq!(own["errors"], errors);
    let graph = steps(&told["pull"], "graph-driver");
    let graph = &graph[asks(graph, "the manifest")];
    assert!(text(&graph["unchecked"]).contains("HTTPS alone"));
    assert_eq!(graph["errors"], json!(["manifest verification failed for digest"]));
}

/// Steps of real pulls that no archive and no config shows: token, index, platform.
#[test]
fn a_pull_has_the_steps_of_a_pull_from_docker_hub() {
    let told = nginx();
    for store in STORES {
        let steps = steps(&told["pull"], store);
        let has = |words: &str| {
            let all = |step: &Value| format!("{} {}", step["title"], step["note"]);
            steps.iter().position(|step| all(step).contains(words))
        };
        let token = has("WWW-Authenticate").unwrap();
        let url = "https://auth.docker.io/token?service=registry.docker.io&scope=repository:library/nginx:pull";
        assert_eq!(has(url), Some(token), "{store}");
        assert_eq!(has("registry-1.docker.io"), Some(token), "{store}");
        let index = has("If the tag points at an index").unwrap();
        assert!(token < index && index < asks(steps, "the manifest"), "{store}");
        assert!(has("Accept").is_some() && has("A pull by digest").is_some(), "{store}");
        assert!(has("Docker-Content-Digest").is_some(), "{store}");
    }
    // Another registry has other tokens.
    let other = explained(&["-t", "example.com/a/b:1", "--topic", "pull", &article()]);
    assert!(!other.to_string().contains("auth.docker.io"));
    // Only one of the stores asks whether there is a registry.
    let greets = |store| {
        steps(&told["pull"], store).iter().any(|step| step["requests"][0]["path"] == "/v2/")
    };
    assert_eq!(STORES.map(greets), [true, false]);
}

/// The check comes before the config is asked for (moby v28 `pullSchema2Layers`), and unpacking goes
/// on while layers arrive (`distribution/xfer/download.go`).
#[test]
fn the_graph_driver_store_stops_before_the_config_and_unpacks_while_layers_arrive() {
    let told = nginx();
    let steps = steps(&told["pull"], "graph-driver");
    let config = asks(steps, "the config");
    assert!(text(&steps[config]["title"]).starts_with("Stops if this image ID is here already."));
    let unpacks = &steps[asks(steps, "layer 1") + 1];
    assert!(text(&unpacks["title"]).contains("while others still arrive"));
}

#[test]
fn a_push_says_which_digests_stay_and_what_the_errors_are() {
    let told = nginx();
    let own = steps(&told["push"], "containerd");
    let blobs = &own[asks(own, "layer 1")];
    assert_eq!(blobs["errors"], json!(["provided digest did not match uploaded content"]));
    let last = own.last().unwrap();
    assert!(text(&last["note"]).contains("another digest"));
    assert!(!told.to_string().contains("No digest has changed"));
    // distribution-spec: "A registry MAY reject".
    assert!(text(&told["push"]["answer"]).contains("most registries refuse"));
}

#[test]
fn both_stores_are_told_of_with_versions_sources_and_how_to_see_which_one() {
    let told = nginx();
    for topic in ["manifestJson", "pull", "push", "ids"] {
        let told = &told[topic];
        let which = text(&told["whichStore"]);
        assert!(which.contains("docker info"), "{topic}");
        assert!(which.contains("driver-type: io.containerd.snapshotter.v1"), "{topic}");
        let rows = list(&told["versions"]);
        for store in ["graph driver store", "containerd store"] {
            assert!(rows.iter().any(|row| row["by"] == store), "{topic}: {store}");
        }
        assert!(rows.iter().all(|row| text(&row["source"]).len() > 5), "{topic}");
    }
    // Docker Desktop has the containerd store since 4.34, and it can be switched on since docker 23.
    let all = told.to_string();
    assert!(!all.contains("all before 29") && !all.contains("new installs of 29)"));
    assert!(all.contains("the default before 29") && all.contains("since 4.34"));
}

#[test]
fn three_docker_saves_are_told_of_and_who_reads_which_file() {
    let told = nginx();
    let rows = list(&told["manifestJson"]["versions"]);
    let row = |action: &str, by: &str, versions: &str| {
        let is = |row: &&Value| {
            row["action"] == action
                && row["by"] == by
                && text(&row["versions"]).starts_with(versions)
        };
        text(&rows.iter().find(is).unwrap()["does"])
    };
    let folders = row("docker save", "graph driver store", "docker 1.10 to 24");
    assert!(folders.contains("a folder per layer") && folders.contains("repositories"));
    let made = row("docker save", "graph driver store", "docker 25");
    assert!(made.contains("OCI layout") && made.contains("which no registry has"));
    let pulled = row("docker save", "containerd store", "all");
    assert!(pulled.contains("those that were pulled") && pulled.contains("no repositories"));
    assert!(
        row("docker load", "graph driver store", "docker 1.10").starts_with("reads manifest.json")
    );
    assert!(row("docker load", "containerd store", "all").starts_with("reads index.json"));
    let answer = text(&told["manifestJson"]["answer"]);
    assert!(answer.contains("puts the one that it pulled beside manifest.json"), "{answer}");
    assert_eq!(
        told["manifestJson"]["points"][3]["title"],
        "It says nothing of how its layers are compressed"
    );
}

/// As docker 28.5 does: a manifest of its own, whose layers are diff IDs.
#[test]
fn what_docker_save_made_is_never_called_the_registrys() {
    let place = Place::new();
    let image = Image::new(&["one", "two"]).named(&["demo/app:1"]);
    let source = place.put("saved.tar", &docker25(std::slice::from_ref(&image), Defect::None));
    let told = explained(&[&source]);
    let rows = list(&told["digests"]["digests"]);
    for row in
        rows.iter().filter(|it| ["layer digest", "manifest digest"].contains(&text(&it["name"])))
    {
        assert_eq!(row["status"], "saved", "{row}");
    }
    let note = "was made by docker save, of uncompressed layers. A registry has another one";
    let has_note = |it: &Value| it.as_str().is_some_and(|it| it.contains(note));
    assert!(list(&told["remarks"]).iter().any(has_note), "{}", told["remarks"]);
    assert!(has_note(&told["pull"]["note"]) && has_note(&told["push"]["note"]));
    let manifest = rows.iter().find(|it| it["name"] == "manifest digest").unwrap();
    for sight in list(&told["ids"]["sights"]) {
        let place = text(&sight["place"]);
        if sight["value"] == manifest["value"] {
            assert!(place.contains("containerd store"), "{place}");
            assert_eq!(sight["status"], "saved");
        }
    }
    for format in ["text", "markdown", "html"] {
        let page = page(&["--format", format, &source]);
        assert!(page.contains("manifest, made by docker save"), "{format}");
        for wrong in ["its registry manifest", "registry manifest,", "No registry manifest is in"] {
            assert!(!page.contains(wrong), "{format}: {wrong}");
        }
    }
    // Each layer has a descriptor in manifest.json.
    let cells = |label: &str| {
        let rows = list(&told["documents"]["rows"]);
        text(&rows.iter().find(|it| it["label"] == label).unwrap()["cells"][0]).to_owned()
    };
    assert!(cells("a layer's digest is of").contains("LayerSources"));
    assert!(cells("size").contains("LayerSources"));
}

#[test]
fn what_the_containerd_store_saved_is_found_and_checked() {
    let place = Place::new();
    let image = Image::new(&["one", "two"]).named(&["demo/app:1"]).stored(&[Codec::Gzip]);
    let images = std::slice::from_ref(&image);
    let source = place.put("saved.tar", &containerd(Layout::of(images), images));
    let told = explained(&[&source]);
    assert!(!told.to_string().contains("made by docker save"), "{}", told["remarks"]);
    let point = &told["manifestJson"]["points"][3];
    let lists = format!("the manifest in this source lists {}", digest(&image.stored[0]));
    assert!(text(&point["here"]).contains(&lists), "{point}");
    for row in list(&told["digests"]["digests"]).iter().filter(|it| it["name"] == "layer digest") {
        assert_eq!(row["status"], "checked");
    }
}

/// Uncompressed layers in both halves and no sign of a writer.
#[test]
fn an_archive_of_nobody_known_is_told_in_both_readings() {
    let place = Place::new();
    let image = Image::new(&["one"]).named(&["demo/app:1"]);
    let path = |bytes: &[u8]| format!("blobs/sha256/{}", hex(bytes));
    let item = json!([{
        "Config": path(&image.config), "RepoTags": ["demo/app:1"], "Layers": [path(&image.layers[0])]
    }]);
    let more = [
        ("manifest.json".to_owned(), item.to_string().into_bytes()),
        ("repositories".to_owned(), json!({"demo/app": {"1": "x"}}).to_string().into_bytes()),
    ];
    let layout = Layout::of(std::slice::from_ref(&image));
    let told = explained(&[&place.put("both.tar", &with_members(&layout, &more))]);
    assert_eq!(told["producer"], Value::Null);
    let notes = told["remarks"].to_string();
    for words in ["cannot be told", "no registry has it", "may be that of a registry"] {
        assert!(notes.contains(words), "{words} is not in {notes}");
    }
    let here = text(&told["manifestJson"]["points"][0]["here"]);
    assert!(here.contains("who wrote that cannot be told"), "{here}");
}

/// Question 1 and 2 of the article, before anything else.
#[test]
fn a_page_begins_with_both_answers_in_every_format() {
    let told = nginx();
    let answers = [text(&told["manifestJson"]["answer"]), text(&told["pull"]["answer"])];
    for (format, next) in
        [("text", "1. What hashes what?"), ("markdown", "1. [What"), ("html", "<nav")]
    {
        let page = page(&["-t", "nginx:1.17.1", "--format", format, &article()]);
        let head = page.split(next).next().unwrap();
        for answer in answers {
            assert!(head.contains(answer), "{format}: {answer} is not in {head}");
        }
        // The name is not in the config.
        assert!(head.contains("nginx:1.17.1 was given with --tag"), "{format}");
    }
}

#[test]
fn the_index_the_schema_1_types_and_the_legacy_ids_are_told_as_they_are() {
    let told = nginx();
    let rows = list(&told["digests"]["digests"]);
    let index = rows.iter().find(|it| it["name"] == "index digest").unwrap();
    assert!(text(&index["why"]).contains("may point at an index all the same"));
    let documents = list(&told["documents"]["rows"]);
    let cell = |label: &str, at: usize| {
        text(&documents.iter().find(|it| it["label"] == label).unwrap()["cells"][at])
    };
    // distribution 2.8 manifest/schema1/manifest.go.
    for kind in ["manifest.v1+prettyjws (signed)", "manifest.v1+json (not signed)"] {
        assert!(cell("media type", 1).contains(kind), "{kind}");
    }
    assert!(cell("kept in", 2).contains("sometimes a layout"));
    assert!(cell("kept in", 4).contains("but with schema 1"));
    // docker 1.10 to 17.03 gave the layers below the top another time.
    let places = list(&told["ids"]["sights"]).iter().map(|it| text(&it["place"]));
    assert!(places.into_iter().any(|it| it.contains("docker archive of docker 17.04 to 24")));
    let page = page(&["--topic", "conversions", &article()]);
    assert!(page.contains("but to schema 1, which has none"), "{page}");
}

/// Programs were run on what each code names.
#[test]
fn codes_say_which_docker_does_what() {
    for (code, words) in [
        (
            "readings-disagree",
            "docker with the graph driver store reads manifest.json; docker with the containerd store, containerd and nerdctl read index.json",
        ),
        (
            "diff-id-mismatch",
            "docker load fails at this layer; with the containerd store it keeps the image anyway and exits with 0. A pull into the graph driver store fails only after all layers are unpacked",
        ),
        (
            "media-type-mismatch",
            "containerd refuses a manifest in place of an index or the reverse",
        ),
        ("name-lost", "docker does not read repositories if manifest.json exists"),
        ("v1-archive", "docker with the containerd store never did"),
        ("index-empty", "docker 25.0.0 to 25.0.2"),
        ("spelling", "image-spec considerations.md, canonicalization"),
        ("layer-order", "distribution 2.8 manifest-v2-1.md"),
        ("config-made", "docker-image-spec v1.2.md; moby v28 image/v1 MakeConfigFromV1Config"),
    ] {
        let said = page(&[code]);
        assert!(said.contains(words), "{code}: {words} is not in {said}");
    }
}

#[test]
fn json_and_pages_say_the_same_of_versions() {
    let told = check::json(
        &imgconv(&["explain", "--format", "json", "--topic", "pull", &article()]).ok().out,
    );
    for format in ["text", "markdown", "html"] {
        let page = page(&["--format", format, "--topic", "pull", &article()]);
        for row in list(&told["pull"]["versions"]) {
            let versions = text(&row["versions"]);
            assert!(page.contains(versions), "{format}: {versions}");
        }
    }
}
