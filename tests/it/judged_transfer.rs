//! What `explain` says of pull and push is what dockerd and containerd do: requests in the order
//! said, and refusals at the step and with the words said.
//!
//! Between them and a real registry stands a proxy that writes down what is asked. Tampered with is
//! either what the registry keeps, in its folder, or what it answers, on the way.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::build::check::{self, list, text};
use crate::build::classic::{Repeat, archive};
use crate::build::codec::Codec;
use crate::build::image::{Image, digest, layer};
use crate::build::layout::{Layout, MediaFamily, on_platform};
use crate::build::run::{Place, imgconv};
use crate::explain::explained;
use crate::explain_asked::KEY;
use crate::judges::containerd::containerd;
use crate::judges::docker::docker;
use crate::judges::registry::{Registry, registry};
use crate::judges::wire::{Exchange, Wire, at_once};

/// Seven layers that no other test has.
fn image(seed: &str) -> Image {
    let layers = (0..7).map(|at| layer(&format!("{seed} {at}"))).collect();
    Image::of(layers).stored(&[Codec::Gzip])
}

/// An image in a registry behind a proxy, and as a layout for `explain`.
pub(crate) struct Served {
    pub(crate) registry: &'static Registry,
    pub(crate) wire: Wire,
    pub(crate) name: String,
    layout: Layout,
    pub(crate) image: Image,
    /// Of the manifest.
    pub(crate) manifest: String,
    /// Of the index above it, or else of the manifest.
    pub(crate) top: String,
}

/// Whether an index stands above the manifest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Above {
    Nothing,
    Index,
}

impl Served {
    pub(crate) fn new(seed: &str, family: MediaFamily, above: Above) -> Option<Self> {
        Self::of(seed, image(seed), family, above, None)
    }

    /// With something else in the answers.
    pub(crate) fn of(
        seed: &str,
        image: Image,
        family: MediaFamily,
        above: Above,
        swap: Option<(&[u8], &[u8])>,
    ) -> Option<Self> {
        let registry = registry()?;
        let wire = Wire::before(registry.port, swap);
        let path = format!("demo/{}", seed.replace(' ', "-"));
        let mut layout = Layout::new();
        let own = layout.image(&image, family);
        let (mut top, mut kind) = (own.clone(), family.manifest());
        if above == Above::Index {
            let other = Image::new(&["other"]).stored(&[Codec::Gzip]).arch("arm64");
            let other = on_platform(layout.image(&other, family), "linux", "arm64");
            let own = on_platform(own.clone(), "linux", "amd64");
            (top, kind) = (layout.nest(family, &[other, own]), family.index());
        }
        let name = format!("127.0.0.1:{}/{path}:1", wire.port);
        layout.named(&top, "1", Some(&name));
        let [manifest, top] = [own, top].map(|it| text(&it["digest"]).to_owned());
        let files = layout.files();
        let blobs = files.iter().filter(|(path, _)| path.starts_with("blobs/"));
        blobs.clone().for_each(|(_, bytes)| registry.blob(&path, bytes));
        for (_, bytes) in blobs.filter(|(_, it)| it.starts_with(b"{\"") && is_manifest(it)) {
            registry.manifest(&path, &digest(bytes), family.manifest(), bytes);
        }
        let raw = &files[format!("blobs/{}", top.replace(':', "/")).as_str()];
        assert_eq!(registry.manifest(&path, "1", kind, raw), top);
        drop(files);
        Some(Self { registry, wire, name, layout, image, manifest, top })
    }

    /// What is said of a pull by one store.
    pub(crate) fn told(&self, store: &str) -> Vec<Value> {
        let place = Place::new();
        let source = place.put("layout.tar", &self.layout.tar(""));
        side(&explained(&["--topic", "pull", "-p", "linux/amd64", &source])["pull"], store)
    }

    /// Flips a bit of what the registry keeps under a digest, where that breaks no syntax.
    pub(crate) fn tamper(&self, digest: &str) {
        let path = self.registry.kept(digest);
        let mut bytes = std::fs::read(&path).unwrap();
        // The case of a letter; in a compressed layer, a byte of its check sum.
        let at = match bytes.first() {
            Some(b'{') => {
                let word = |it: &[u8]| it.starts_with(b"layers") || it == b"manifests";
                bytes.windows(9).position(word).unwrap()
            }
            _ => bytes.len() - 6,
        };
        bytes[at] ^= 0x20;
        std::fs::write(path, bytes).unwrap();
    }
}

fn is_manifest(bytes: &[u8]) -> bool {
    check::json(bytes)["config"]["digest"].is_string()
}

/// The steps of one store.
pub(crate) fn side(transfer: &Value, store: &str) -> Vec<Value> {
    let side = list(&transfer["sides"]).iter().find(|it| it["store"] == store).unwrap();
    list(&side["steps"]).to_vec()
}

/// `METHOD path` of each request of a step.
pub(crate) fn asked(step: &Value) -> Vec<String> {
    let line = |it: &Value| format!("{} {}", text(&it["method"]), text(&it["path"]));
    list(&step["requests"]).iter().map(line).collect()
}

/// The same of what was asked; names and states of uploads are the registry's own.
pub(crate) fn line(exchange: &Exchange) -> String {
    let (path, query) = exchange.path.split_once('?').unwrap_or((&exchange.path, ""));
    let digest = query.split('&').find_map(|it| it.strip_prefix("digest="));
    let digest = digest.map(|it| format!("?digest={}", it.replace("%3A", ":")));
    let path = match path.split_once("/uploads/") {
        Some((before, id)) if !id.is_empty() => format!("{before}/uploads/<id>"),
        _ => path.to_owned(),
    };
    format!("{} {path}{}", exchange.method, digest.unwrap_or_default())
}

pub(crate) fn sorted(lines: &[String]) -> Vec<String> {
    let mut lines = lines.to_vec();
    lines.sort();
    lines
}

/// The step that an error belongs to, by its request or its words.
#[track_caller]
pub(crate) fn error_of<'a>(steps: &'a [Value], at: &str) -> &'a str {
    let here = |step: &&Value| {
        let asked = asked(step).iter().any(|it| it.ends_with(at));
        asked || step["checked"].as_str().is_some_and(|it| it.contains(at))
    };
    let step = steps.iter().rfind(here).unwrap_or_else(|| panic!("no step has {at}: {steps:#?}"));
    text(&step["errors"][0])
}

/// The step of the layers.
#[track_caller]
pub(crate) fn of_layers(steps: &[Value]) -> &Value {
    let layer = |step: &&Value| list(&step["requests"]).iter().any(|it| it["of"] == "layer 1");
    steps.iter().find(layer).unwrap()
}

pub(crate) const FORMS: [(MediaFamily, Above); 4] = [
    (MediaFamily::Oci, Above::Nothing),
    (MediaFamily::Docker, Above::Nothing),
    (MediaFamily::Oci, Above::Index),
    (MediaFamily::Docker, Above::Index),
];

#[test]
fn dockerd_pulls_in_the_order_that_is_said() {
    for (at, (family, above)) in FORMS.into_iter().enumerate() {
        let Some(docker) = docker() else { return };
        let Some(served) = Served::new(&format!("pull {at}"), family, above) else { return };
        docker.empty();
        let told = served.told("graph-driver");
        docker.run(&[&"pull", &"--quiet", &served.name]);
        pulled(&served.wire.taken(), &told);
        let limits = json!([{"versions": "all versions", "limit": 3}]);
        assert_eq!(of_layers(&told)["atOnce"], limits);
        let id = served.image.id();
        assert!(docker.images().contains_key(&id), "{id} is the image ID");
        assert_eq!(docker.config(&id), served.image.config, "the config is kept as it is");
        // Once the image ID is here, it ends at the config.
        let again = Served::of(&format!("again {at}"), served.image, family, above, None).unwrap();
        docker.run(&[&"pull", &"--quiet", &again.name]);
        let log = again.wire.taken();
        assert!(!log.is_empty() && log.iter().all(|it| !it.path.contains("/blobs/")), "{log:?}");
    }
}

/// Holds requests against steps: those before the blobs one by one, blobs as many at once as said.
#[track_caller]
fn pulled(log: &[Exchange], told: &[Value]) {
    let requests: Vec<String> = told.iter().flat_map(asked).collect();
    let log: Vec<&Exchange> = log.iter().collect();
    let lines: Vec<String> = log.iter().map(|it| line(it)).collect();
    let first = requests.iter().position(|it| it.contains("/blobs/")).unwrap();
    assert_eq!(lines[..first], requests[..first]);
    assert_eq!(sorted(&lines[first..]), sorted(&requests[first..]));
    assert_eq!(requests.len(), first + 8, "config and seven layers");
    let counted = asked(of_layers(told));
    let counted: Vec<&Exchange> =
        log.into_iter().filter(|it| counted.contains(&line(it))).collect();
    assert_eq!(at_once(&counted), 3, "at once");
}

#[test]
fn dockerd_gets_the_layers_from_the_base_up() {
    let Some(docker) = docker() else { return };
    let Some(served) = Served::new("order", MediaFamily::Oci, Above::Nothing) else { return };
    docker.empty();
    docker.run(&[&"pull", &"--quiet", &served.name]);
    let log = served.wire.taken();
    let layers: Vec<String> = served.image.stored.iter().map(|it| digest(it)).collect();
    let place = |it: &Exchange| layers.iter().position(|layer| it.path.ends_with(layer.as_str()));
    let order: Vec<usize> = log.iter().filter_map(place).collect();
    // Three start together, in any order; each that follows takes the place of one that ended.
    assert_eq!(order[..3].iter().collect::<BTreeSet<_>>(), [0, 1, 2].iter().collect());
}

#[test]
fn dockerd_refuses_what_was_tampered_with_at_the_step_that_is_said() {
    for (at, above) in [Above::Nothing, Above::Index].into_iter().enumerate() {
        for what in ["config", "layer", "manifest"] {
            let Some(docker) = docker() else { return };
            let seed = format!("tampered {what} {at}");
            let Some(served) = Served::new(&seed, MediaFamily::Oci, above) else { return };
            docker.empty();
            let told = served.told("graph-driver");
            let digest = match what {
                "config" => served.image.id(),
                "layer" => digest(&served.image.stored[4]),
                _ => served.manifest.clone(),
            };
            served.tamper(&digest);
            if what == "manifest" && above == Above::Nothing {
                // By tag, it is taken as it is.
                docker.run(&[&"pull", &"--quiet", &served.name]);
                continue;
            }
            let said = docker.refuses(&[&"pull", &"--quiet", &served.name]);
            let error = error_of(&told, &digest);
            assert!(said.contains(error), "{what}: {error} is not in {said}");
            let log = served.wire.taken();
            let blobs = log.iter().filter(|it| it.path.contains("/blobs/")).count();
            assert_eq!(blobs == 0, what == "manifest", "{what}: {log:?}");
            assert!(docker.images().is_empty(), "{what} left an image");
        }
    }
}

#[test]
fn dockerd_compares_diff_ids_when_every_layer_is_unpacked() {
    let Some(docker) = docker() else { return };
    let image = wrong_diff_id("docker diff id");
    let Some(served) = Served::of("docker-diff-id", image, MediaFamily::Oci, Above::Nothing, None)
    else {
        return;
    };
    docker.empty();
    let said = docker.refuses(&[&"pull", &"--quiet", &served.name]);
    let error = error_of(&served.told_of_documents("graph-driver"), "diff IDs").to_owned();
    assert!(said.contains(&error), "{error} is not in {said}");
    let layers = served.wire.taken();
    let layers = layers.iter().filter(|it| it.path.contains("/blobs/")).count();
    assert_eq!(layers, 8, "all was there before it failed");
    assert!(docker.images().is_empty());
}

/// An image whose config has another diff ID for layer 3.
pub(crate) fn wrong_diff_id(seed: &str) -> Image {
    let image = image(seed);
    let config = String::from_utf8(image.config.clone()).unwrap();
    let config = config.replace(&image.diff_ids()[2], &digest(b"something else"));
    image.config(config)
}

impl Served {
    /// The same where layers are not what the config says: of the manifest alone.
    pub(crate) fn told_of_documents(&self, store: &str) -> Vec<Value> {
        let place = Place::new();
        let path = format!("blobs/{}", self.manifest.replace(':', "/"));
        let source = place.put("manifest.json", &self.layout.files()[path.as_str()]);
        let told = explained(&["--topic", "pull", "-t", &self.name, &source]);
        side(&told["pull"], store)
    }
}

#[test]
fn dockerd_makes_the_config_of_schema_1_and_checks_its_layers() {
    for seed in ["schema 1", "schema 1 tampered"] {
        let Some(docker) = docker() else { return };
        let Some(served) = Served::new(seed, MediaFamily::Docker, Above::Nothing) else { return };
        docker.empty();
        let place = Place::new();
        let source = place.put("layout.tar", &served.layout.tar(""));
        let key = place.put("key.json", KEY.as_bytes());
        let old = place.path("schema1.json");
        let arguments = ["manifest", "convert", "-q", &source, &old, "--to", "schema1"];
        imgconv(&[&arguments[..], &["--name", &served.name, "--sign-key", &key]].concat()).ok();
        let kind = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        let path = served.name.split_once('/').unwrap().1.strip_suffix(":1").unwrap();
        served.registry.manifest(path, "1", kind, &std::fs::read(&old).unwrap());
        let told = explained(&["--topic", "pull", "-t", &served.name, &old]);
        let told = side(&told["pull"], "graph-driver");
        let layer = digest(&served.image.stored[3]);
        if seed.ends_with("tampered") {
            served.tamper(&layer);
            let said = docker.refuses(&[&"pull", &"--quiet", &served.name]);
            assert!(said.contains(error_of(&told, &layer)), "{said}");
            continue;
        }
        docker.run(&[&"pull", &"--quiet", &served.name]);
        let lines: Vec<String> = served.wire.taken().iter().map(line).collect();
        let requests: Vec<String> = told.iter().flat_map(asked).collect();
        assert_eq!(lines[..3], requests[..3]);
        assert_eq!(sorted(&lines), sorted(&requests));
        assert_eq!(docker.images().len(), 1);
    }
}

/// A body on the way that differs from what its header promises: same meaning, other bytes.
pub(crate) const OTHER: Option<(&[u8], &[u8])> = Some((b"\"layers\":[", b"\"layerS\":["));

#[test]
fn dockerd_believes_the_header_of_a_tag_and_no_body_of_a_digest() {
    let Some(docker) = docker() else { return };
    let family = MediaFamily::Oci;
    let Some(served) = Served::of("body", image("body"), family, Above::Nothing, OTHER) else {
        return;
    };
    docker.empty();
    let said = docker.run(&[&"pull", &served.name]);
    let path = format!("blobs/{}", served.manifest.replace(':', "/"));
    let raw = String::from_utf8(served.layout.files()[path.as_str()].clone()).unwrap();
    let body = digest(raw.replace("\"layers\":[", "\"layerS\":[").as_bytes());
    assert!(said.contains(&format!("Digest: {body}")), "{said}");
    assert_ne!(body, served.manifest);

    docker.empty();
    let told = served.told("graph-driver");
    let step = told.iter().find(|it| asked(it).iter().any(|it| it.ends_with(&served.manifest)));
    let step = step.unwrap();
    assert!(text(&step["unchecked"]).contains("a pull by tag"));
    let name = format!("{}@{}", served.name.strip_suffix(":1").unwrap(), served.manifest);
    let said = docker.refuses(&[&"pull", &"--quiet", &name]);
    assert!(said.contains(text(&step["errors"][0])), "{said}");
}

#[test]
fn dockerd_pushes_in_the_order_that_is_said() {
    let (Some(docker), Some(registry)) = (docker(), registry()) else { return };
    docker.empty();
    let place = Place::new();
    let wire = Wire::before(registry.port, None);
    let name = format!("127.0.0.1:{}/demo/push:1", wire.port);
    // The second layer is there again as the eighth.
    let mut layers: Vec<Vec<u8>> = (0..7).map(|at| layer(&format!("push {at}"))).collect();
    layers.push(layers[1].clone());
    let image = Image::of(layers).named(&[&name]);
    let source = place.put("push.tar", &archive(std::slice::from_ref(&image), Repeat::Symlink));
    let told = side(&explained(&["--topic", "push", &source])["push"], "graph-driver");
    docker.run(&[&"load", &"--quiet", &"--input", &source]);
    docker.run(&[&"push", &"--quiet", &name]);
    let log = wire.taken();
    let kind = MediaFamily::Docker.manifest();
    let manifest = registry.ask("GET", "/v2/demo/push/manifests/1", kind, b"").body;
    let manifest = check::json(&manifest);
    assert_eq!(manifest["mediaType"], kind);
    assert_eq!(manifest["config"]["digest"], image.id(), "the config's digest is the image ID");
    let stored: Vec<&str> =
        list(&manifest["layers"]).iter().map(|it| text(&it["digest"])).collect();

    let lines: Vec<String> = log.iter().map(line).collect();
    let [greeting, sending, config, last] = [0, 1, 2, 3].map(|at| asked(&told[at]));
    let sending: Vec<String> = sending
        .iter()
        .map(|it| {
            let known = |it: String, (at, digest): (usize, &&str)| {
                it.replace(&format!("<digest of layer {}>", at + 1), digest)
            };
            stored.iter().enumerate().fold(it.clone(), known)
        })
        .collect();
    let end = lines.len() - config.len() - 1;
    assert_eq!(lines[..1], greeting);
    assert_eq!(sorted(&lines[1..end]), sorted(&sending));
    assert_eq!(lines[end..lines.len() - 1], config);
    assert_eq!(lines[lines.len() - 1..], last);
    // From the top down, five at once: the last two to be sent are the lowest.
    let patches: Vec<&Exchange> = log.iter().filter(|it| it.method == "PATCH").collect();
    let limits = json!([{"versions": "all versions", "limit": 5}]);
    assert_eq!((&told[1]["atOnce"], at_once(&patches)), (&limits, 5));
    let puts = lines[..end].iter().filter(|it| it.starts_with("PUT "));
    let puts: Vec<&str> = puts.map(|it| it.split_once("?digest=").unwrap().1).collect();
    assert_eq!(puts.len(), 7, "the repeated layer goes once");
    let lowest: BTreeSet<&str> = puts[5..].iter().copied().collect();
    assert_eq!(lowest, [stored[0], stored[2]].into(), "{puts:?} of {stored:?}");
}

/// What is known to be in the registry is mounted from where it is, and so keeps its digest.
#[test]
fn what_another_repository_has_is_mounted_and_not_sent() {
    let Some(docker) = docker() else { return };
    let Some(served) = Served::new("mounted", MediaFamily::Docker, Above::Nothing) else { return };
    let other = served.name.replace("demo/mounted", "demo/target");
    docker.empty();
    docker.run(&[&"pull", &"--quiet", &served.name]);
    docker.run(&[&"tag", &served.name, &other]);
    served.wire.taken();
    docker.run(&[&"push", &"--quiet", &other]);
    mounted(&served.wire.taken());
    let kind = MediaFamily::Docker.manifest();
    let manifest = served.registry.ask("GET", "/v2/demo/target/manifests/1", kind, b"").body;
    let manifest = check::json(&manifest);
    let found: Vec<&str> = list(&manifest["layers"]).iter().map(|it| text(&it["digest"])).collect();
    let stored: Vec<String> = served.image.stored.iter().map(|it| digest(it)).collect();
    assert_eq!(found, stored);

    let Some(containerd) = containerd() else { return };
    let other = served.name.replace("demo/mounted", "demo/another");
    containerd.pull(&served.name).unwrap();
    containerd.tag(&served.name, &other);
    served.wire.taken();
    containerd.push(&other).unwrap();
    mounted(&served.wire.taken());
}

#[track_caller]
fn mounted(log: &[Exchange]) {
    let mounts = log.iter().filter(|it| it.method == "POST" && it.path.contains("mount=sha256"));
    assert!(mounts.count() >= 7, "{log:#?}");
    // The config has no second home in docker, so it alone may be sent.
    let sent = log.iter().filter(|it| line(it).contains("?digest="));
    assert!(sent.count() <= 1, "{log:#?}");
}

#[test]
fn containerd_pulls_in_the_order_that_is_said() {
    for (at, (family, above)) in FORMS.into_iter().enumerate() {
        let Some(containerd) = containerd() else { return };
        let Some(served) = Served::new(&format!("ctr {at}"), family, above) else { return };
        containerd.pull(&served.name).unwrap();
        // This ctr is told to get three at once, and one of 1.6 gets the config beside the layers.
        pulled(&served.wire.taken(), &served.told("containerd"));
        assert_eq!(digest(&containerd.content(&served.top)), served.top);
    }
}

#[test]
fn containerd_pushes_in_the_order_that_is_said() {
    for (at, (family, above)) in FORMS.into_iter().enumerate() {
        let Some(containerd) = containerd() else { return };
        let Some(served) = Served::new(&format!("ctr push {at}"), family, above) else { return };
        let place = Place::new();
        let source = place.put("layout.tar", &served.layout.tar(""));
        containerd.import(source.as_ref());
        let target = Wire::before(served.registry.port, None);
        let name = format!("127.0.0.1:{}/demo/sent/{at}:1", target.port);
        let arguments = ["--topic", "push", "-t", &name, "-p", "linux/amd64", &source];
        let told = side(&explained(&arguments)["push"], "containerd");
        containerd.tag(&served.name, &name);
        containerd.push(&name).unwrap();
        let log = target.taken();
        let lines: Vec<String> = log.iter().map(line).collect();
        let steps: Vec<Vec<String>> = told.iter().map(asked).collect();
        let (sending, manifests) = steps.split_first().unwrap();
        let counted = |all: &[String], line: &String| all.iter().filter(|it| *it == line).count();
        for line in sending {
            let more = if above == Above::Index { 2 } else { 0 }; // config and layer of the other
            let uploads = if line.starts_with("POST") { more } else { 0 };
            assert_eq!(
                counted(&lines, line),
                counted(sending, line) + uploads,
                "{line}: {lines:#?}"
            );
        }
        // The manifests follow, each behind all that it names, the top one last.
        let manifests: Vec<&String> = manifests.iter().flatten().collect();
        let places: Vec<usize> = manifests
            .iter()
            .map(|line| {
                lines
                    .iter()
                    .position(|it| it == *line)
                    .unwrap_or_else(|| panic!("{line}: {lines:#?}"))
            })
            .collect();
        assert!(places.is_sorted(), "{manifests:?}: {lines:#?}");
        assert_eq!(places.last(), Some(&(lines.len() - 1)));
        let blobs = lines.iter().rposition(|it| sending.contains(it) && it.starts_with("PUT"));
        assert!(blobs.unwrap() < places[0], "{lines:#?}");
        let puts: Vec<&Exchange> = log.iter().filter(|it| line(it).contains("?digest=")).collect();
        let most = at_once(&puts);
        // This ctr is told to send five at once.
        assert!((2..=5).contains(&most), "{most} at once");
    }
}

#[test]
fn containerd_refuses_what_was_tampered_with_at_the_step_that_is_said() {
    for what in ["config", "layer", "manifest", "child", "index"] {
        let Some(containerd) = containerd() else { return };
        let above = match what {
            "child" | "index" => Above::Index,
            _ => Above::Nothing,
        };
        let Some(served) = Served::new(&format!("ctr tampered {what}"), MediaFamily::Oci, above)
        else {
            return;
        };
        let told = served.told("containerd");
        let digest = match what {
            "config" => served.image.id(),
            "layer" => digest(&served.image.stored[4]),
            "manifest" | "child" => served.manifest.clone(),
            _ => served.top.clone(),
        };
        served.tamper(&digest);
        let said = containerd.pull(&served.name).unwrap_err();
        let error = error_of(&told, &digest);
        assert!(said.contains(error) && said.contains(&digest), "{what}: {error} is not in {said}");
        let log = served.wire.taken();
        let next = match what {
            "index" => log.iter().any(|it| it.path.ends_with(&served.manifest)),
            "manifest" | "child" => log.iter().any(|it| it.path.contains("/blobs/")),
            _ => false,
        };
        assert!(!next, "{what}: the next step happened: {log:?}");
    }
}

#[test]
fn containerd_compares_diff_ids_as_it_unpacks() {
    let Some(containerd) = containerd() else { return };
    let image = wrong_diff_id("ctr diff id");
    let Some(served) = Served::of("ctr-diff-id", image, MediaFamily::Oci, Above::Nothing, None)
    else {
        return;
    };
    let said = containerd.pull(&served.name).unwrap_err();
    let told = served.told_of_documents("containerd");
    let error = error_of(&told, "of the diff IDs");
    assert!(said.contains(error), "{error} is not in {said}");
}
