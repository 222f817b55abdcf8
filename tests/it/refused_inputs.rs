//! For each row of the catalogue of what programs cannot read: an input that has it, and the same
//! input without it.

use std::path::Path;

use imgconv::image::readers::ReaderRow;
use serde_json::{Value, json};

use crate::build::codec::{Codec, skippable};
use crate::build::image::{Image, digest, hex};
use crate::build::layout::{Layout, MediaFamily, on_platform};
use crate::build::others::ggcr;
use crate::build::run::Place;
use crate::build::tar::Tar;

/// A docker archive, or a layout.
#[derive(Clone)]
pub(crate) enum Form {
    Archive(Vec<u8>),
    Layout(Vec<(String, Vec<u8>)>),
}

/// An input that some programs refuse.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) odd: Form,
    /// The same without what they refuse.
    pub(crate) plain: Form,
    /// The options of the conversion that makes of it what they refuse.
    pub(crate) made_by: Option<&'static [&'static str]>,
}

impl Form {
    /// Writes it as a file, or as a folder.
    pub(crate) fn put(&self, place: &Place, name: &str) -> String {
        match self {
            Self::Archive(bytes) => place.put(&format!("{name}.tar"), bytes),
            Self::Layout(files) => {
                let folder = place.path(name);
                for (name, data) in files {
                    let path = Path::new(&folder).join(name);
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, data).unwrap();
                }
                folder
            }
        }
    }
}

impl Sample {
    /// Writes the odd one.
    pub(crate) fn put(&self, place: &Place, name: &str) -> String {
        self.odd.put(place, name)
    }
}

const NAME: &str = "x.test/app:1";

fn image() -> Image {
    Image::new(&["base", "top"]).named(&[NAME])
}

/// The same with other things in its config.
fn with(change: &dyn Fn(&mut Value)) -> Image {
    let image = image();
    let mut config: Value = serde_json::from_slice(&image.config).unwrap();
    // Only what all structures have.
    config["config"] = json!({"Cmd": ["/bin/true"]});
    change(&mut config);
    image.config(config.to_string())
}

fn files(layout: &Layout) -> Form {
    let files = layout.files().into_iter();
    Form::Layout(files.map(|(name, data)| (name.to_owned(), data)).collect())
}

fn layout_of(image: &Image) -> Layout {
    let mut layout = Layout::new();
    let manifest = layout.image(image, MediaFamily::Oci);
    layout.named(&manifest, "1", Some(NAME));
    layout
}

/// A layout of so many images, each with a name.
pub(crate) fn entries(count: usize) -> Layout {
    let mut layout = Layout::new();
    for number in 1..=count {
        let image = Image::new(&["base", &format!("top {number}")]);
        let manifest = layout.image(&image, MediaFamily::Oci);
        let full = format!("x.test/app:{number}");
        layout.named(&manifest, &number.to_string(), Some(&full));
    }
    layout
}

/// An image as a docker archive, and as a layout, beside a plain one.
fn both(name: &'static str, odd: &Image, plain: &Image) -> Vec<Sample> {
    let archive = |image: &Image| Form::Archive(ggcr(std::slice::from_ref(image)));
    vec![
        Sample { name, odd: archive(odd), plain: archive(plain), made_by: None },
        Sample {
            name,
            odd: files(&layout_of(odd)),
            plain: files(&layout_of(plain)),
            made_by: None,
        },
    ]
}

/// An image with another config.
pub(crate) fn configs(name: &'static str, change: &dyn Fn(&mut Value)) -> Vec<Sample> {
    let stored = |image: Image| image.stored(&[Codec::Gzip]);
    both(name, &stored(with(change)), &stored(with(&|_| ())))
}

/// The last layer with more bytes behind, or the first with more before.
fn layers(name: &'static str, codec: Codec, change: &dyn Fn(Vec<u8>) -> Vec<u8>) -> Vec<Sample> {
    let plain = with(&|_| ()).stored(&[codec]);
    let [first, last] = [plain.stored[0].clone(), plain.stored[1].clone()];
    let odd = plain.clone().stored_as(vec![first, change(last)]);
    both(name, &odd, &plain)
}

/// An archive with these paths in `manifest.json`, and with this behind it.
fn archive(path: &dyn Fn(&str) -> String, behind: &str) -> Form {
    let image = with(&|_| ());
    let mut tar = Tar::new();
    let config = format!("{}.json", hex(&image.config));
    tar.file(&config, &image.config);
    let mut paths = Vec::new();
    for layer in &image.layers {
        let name = format!("{}.tar", hex(layer));
        tar.file(&name, layer);
        paths.push(path(&name));
    }
    let item = json!({"Config": path(&config), "RepoTags": [NAME], "Layers": paths});
    let manifest = format!("{}{behind}", json!([item]));
    Form::Archive(tar.file("manifest.json", manifest.as_bytes()).end())
}

fn archives(name: &'static str, odd: Form) -> Vec<Sample> {
    vec![Sample { name, odd, plain: archive(&str::to_owned, ""), made_by: None }]
}

/// A layout over which a conversion writes what some refuse; the plain one is converted alike.
fn made(
    name: &'static str,
    odd: &Layout,
    plain: &Layout,
    by: &'static [&'static str],
) -> Vec<Sample> {
    vec![Sample { name, odd: files(odd), plain: files(plain), made_by: Some(by) }]
}

/// A manifest of an image with these media types.
fn typed(of: MediaFamily, parts: MediaFamily) -> Layout {
    let (image, mut layout) = (with(&|_| ()).stored(&[Codec::Gzip]), Layout::new());
    let config = layout.descriptor(parts.config(), &image.config);
    let stored = image.stored.iter();
    let layers: Vec<Value> = stored.map(|it| layout.descriptor(parts.layer(it), it)).collect();
    let manifest =
        json!({"schemaVersion": 2, "mediaType": of.manifest(), "config": config, "layers": layers});
    let entry = layout.document(of.manifest(), &manifest);
    layout.named(&entry, "1", Some(NAME));
    layout
}

/// An index of two platforms, the second one under this digest if it is absent.
fn sparse(absent: Option<String>) -> Layout {
    let mut layout = Layout::new();
    let mut children = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let image = Image::new(&["base", architecture]).arch(architecture).stored(&[Codec::Gzip]);
        let child = layout.image(&image, MediaFamily::Oci);
        children.push(on_platform(child, "linux", architecture));
    }
    if let Some(digest) = absent {
        children[1]["digest"] = json!(digest);
    }
    let index = layout.nest(MediaFamily::Oci, &children);
    layout.named(&index, "1", Some(NAME));
    layout
}

/// Two images; the ref name of the second one.
fn shared(ref_name: &str) -> Layout {
    let mut layout = Layout::new();
    for (name, text, ref_name) in [("x.test/app:1", "a", "1"), ("x.test/other:1", "b", ref_name)] {
        let manifest = layout.image(&Image::new(&[text]).stored(&[Codec::Gzip]), MediaFamily::Oci);
        layout.named(&manifest, ref_name, Some(name));
    }
    layout
}

/// An image, and one before it that may be its base.
fn over(base: &str) -> Layout {
    let mut layout = Layout::new();
    for (name, texts) in [("x.test/base:2", &[base][..]), (NAME, &["a", "b"])] {
        let manifest = layout.image(&Image::new(texts).stored(&[Codec::Gzip]), MediaFamily::Oci);
        layout.named(&manifest, &name[name.len() - 1..], Some(name));
    }
    layout
}

fn without_marker() -> Vec<Sample> {
    let plain = files(&layout_of(&with(&|_| ()).stored(&[Codec::Gzip])));
    let mut odd = plain.clone();
    if let Form::Layout(files) = &mut odd {
        files.retain(|it| it.0 != "oci-layout");
    }
    vec![Sample { name: "no oci-layout", odd, plain, made_by: None }]
}

fn historic(steps: usize) -> Vec<Sample> {
    let history = vec![json!({"created": "2020-01-02T03:04:05Z", "created_by": "x"}); steps];
    configs("history", &move |config| config["history"] = json!(history))
}

/// Inputs for a row; each is refused by some of its programs, and all of them refuse one of them.
pub(crate) fn samples(row: &ReaderRow) -> Vec<Sample> {
    let zeros = |mut stored: Vec<u8>| {
        stored.extend_from_slice(&[0; 512]);
        stored
    };
    let odd = row.sentence;
    match row.code {
        "config-undecodable" => {
            configs("StopTimeout", &|config| config["config"]["StopTimeout"] = json!("7"))
        }
        "config-string" if odd.contains("crane") => {
            configs("Shell", &|config| config["config"]["Shell"] = json!("/bin/sh"))
        }
        "config-string" => {
            configs("Entrypoint", &|config| config["config"]["Entrypoint"] = json!("/bin/sh"))
        }
        "rootfs-type" => configs("no type", &|config| {
            config["rootfs"].as_object_mut().unwrap().remove("type");
        }),
        "history-mismatch" => historic(3),
        "gzip-padding" => layers("padded gzip", Codec::Gzip, &zeros),
        "zstd-padding" => layers("padded zstd", Codec::Zstd, &zeros),
        "zstd-skippable-frame" => {
            layers("skippable", Codec::Zstd, &|stored| [skippable(0, b"toc"), stored].concat())
        }
        "trailing-bytes" => archives("bytes behind", archive(&str::to_owned, "\n{}")),
        "path-spelling" if odd.contains('/') => {
            archives("absolute", archive(&|name| format!("/{name}"), ""))
        }
        "path-spelling" => archives("a dot", archive(&|name| format!("./{name}"), "")),
        "layout-marker" => without_marker(),
        "child-absent" => {
            let (odd, plain) = (files(&sparse(Some(digest(b"absent")))), files(&sparse(None)));
            vec![Sample { name: "sparse", odd, plain, made_by: None }]
        }
        "ref-name-shared" => {
            let (odd, plain) = (files(&shared("1")), files(&shared("2")));
            vec![Sample { name: "one ref name", odd, plain, made_by: None }]
        }
        "docker-media-types" => {
            use MediaFamily::{Docker, Oci};
            let odd =
                if odd.contains("manifests") { typed(Docker, Docker) } else { typed(Oci, Docker) };
            made("Docker's types", &odd, &typed(Oci, Oci), &["--to", "oci"])
        }
        "layer-link" => {
            let (odd, plain) = (over("a"), over("c"));
            made("shared layer", &odd, &plain, &["--to", "docker-archive", "-d", "classic"])
        }
        "several-names" => made("two", &entries(2), &entries(1), &["--to", "oci-archive"]),
        "zstd" => {
            let of = |codec| layout_of(&with(&|_| ()).stored(&[codec]));
            made("zstd", &of(Codec::Zstd), &of(Codec::Gzip), &["--to", "docker-archive"])
        }
        code => panic!("{code} has no input"),
    }
}

type Change = Box<dyn Fn(&mut Value)>;

/// Each field of a config that some program cannot decode, and all of these, sorted.
pub(crate) fn config_fields() -> Vec<(&'static str, Change, Vec<&'static str>)> {
    const ALL: &[&str] = &["containerd", "crane", "docker", "podman", "skopeo", "umoci"];
    const STRICT: &[&str] = &["containerd", "crane", "podman", "skopeo", "umoci"];
    const DOCKERS: &[&str] = &["crane", "docker", "podman", "skopeo"];
    const NOT_CRANE: &[&str] = &["docker", "podman", "skopeo"];
    let mut rows: Vec<(&'static str, Change, Vec<&'static str>)> = Vec::new();
    for (path, value, who) in [
        ("config.Env", json!("A=1"), ALL),
        ("config.Env", json!({"A": "1"}), ALL),
        ("config.Env", json!([1]), ALL),
        ("config.Cmd", json!(7), ALL),
        ("config.Cmd", json!("/bin/sh"), STRICT),
        ("config.Entrypoint", json!("/bin/sh"), STRICT),
        ("config.ExposedPorts", json!(["80/tcp"]), ALL),
        ("config.Volumes", json!({"/v": true}), ALL),
        ("config.Labels", json!({"a": 1}), ALL),
        ("config.Labels", json!(["a=1"]), ALL),
        ("config.User", json!(1000), ALL),
        ("config.WorkingDir", json!(["/"]), ALL),
        ("config.StopSignal", json!(9), ALL),
        ("config.ArgsEscaped", json!("yes"), ALL),
        ("config.Healthcheck", json!("CMD x"), DOCKERS),
        ("config.Healthcheck.Interval", json!("30s"), DOCKERS),
        ("config.OnBuild", json!("RUN x"), DOCKERS),
        ("config.Hostname", json!(1), DOCKERS),
        ("config.Shell", json!("/bin/sh"), &["crane"]),
        ("config.StopTimeout", json!("7"), NOT_CRANE),
        ("config", json!("x"), ALL),
        ("container_config", json!([]), NOT_CRANE),
        ("comment", json!(1), NOT_CRANE),
        ("author", json!(1), ALL),
        ("created", json!("yesterday"), ALL),
        ("created", json!(""), ALL),
        ("docker_version", json!(20), DOCKERS),
        ("rootfs.type", json!(1), ALL),
        ("history[0].created", json!("yesterday"), ALL),
        ("history[0].author", json!(3), ALL),
    ] {
        rows.push((path, Box::new(move |config| set(config, path, value.clone())), who.to_vec()));
    }
    rows
}

fn set(config: &mut Value, path: &str, value: Value) {
    let mut at = config;
    let path = path.replace("[0]", ".0");
    for part in path.split('.') {
        at = match part.parse::<usize>() {
            Ok(number) => &mut at[number],
            Err(_) => &mut at[part],
        };
    }
    *at = value;
}
