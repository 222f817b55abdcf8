//! Archives that are a layout and a docker archive at once: docker 25 and later, and what containerd,
//! docker's containerd store and BuildKit export.

use serde_json::{Map, Value, json};

use super::image::{Image, canonical, digest, hex};
use super::layout::{Layout, MediaFamily};
use super::tar::Tar;

/// What a version of docker 25 and later got wrong in the layout half (formats: docker 25+).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Defect {
    None,
    /// Pre-releases: the manifest lists no layers.
    EmptyLayers,
    /// 25.0.0: layers in any order, repeated ones dropped.
    RandomOrder,
    /// 25.0.0 to 25.0.2: untagged images are not in the index.
    MissingEntry,
    /// The same with nothing tagged: `"manifests": null` (moby issue 47210).
    NullManifests,
    /// 25.0.0 to 25.0.5 and 26.0.0: `platform` in the descriptor of the config.
    PlatformInConfig,
}

/// As docker 25 and later writes it with the graph-driver store: uncompressed layers, legacy JSON blobs.
pub(crate) fn docker25(images: &[Image], defect: Defect) -> Vec<u8> {
    let mut layout = Layout::new();
    layout.marker(br#"{"imageLayoutVersion": "1.0.0"}"#);
    let mut items = Vec::new();
    let mut repositories = Map::new();
    for image in images {
        let manifest = manifest(&mut layout, image, defect);
        layout.blob(format!(r#"{{"id":"{}","os":"linux"}}"#, hex(&image.config)).as_bytes());
        for name in &image.names {
            let (repository, tag) = name.rsplit_once(':').unwrap();
            let top = image.layers.last().map_or_else(String::new, |layer| hex(layer));
            repositories.entry(repository).or_insert_with(|| json!({}))[tag] = json!(top);
            layout.named(&manifest, tag, Some(&canonical(name)));
        }
        if image.names.is_empty() && !matches!(defect, Defect::MissingEntry | Defect::NullManifests)
        {
            layout.entry(manifest);
        }
        items.push(item(image, Sources::Listed));
    }
    if defect == Defect::NullManifests {
        layout.index_json(
            &json!({"schemaVersion": 2, "mediaType": MediaFamily::Oci.index(), "manifests": null}),
        );
    }
    layout.put("manifest.json", format!("{}\n", json!(items)).as_bytes());
    if !repositories.is_empty() {
        layout.put("repositories", format!("{}\n", json!(repositories)).as_bytes());
    }
    layout.tar("")
}

fn manifest(layout: &mut Layout, image: &Image, defect: Defect) -> Value {
    let mut layers: Vec<Value> = image
        .layers
        .iter()
        .map(|plain| layout.descriptor(MediaFamily::Oci.layer(plain), plain))
        .collect();
    match defect {
        Defect::EmptyLayers => layers.clear(),
        Defect::RandomOrder => {
            layers.sort_by_key(|layer| layer["digest"].to_string());
            layers.dedup();
            layers.reverse();
        }
        Defect::None | Defect::MissingEntry | Defect::NullManifests | Defect::PlatformInConfig => {}
    }
    let mut config = layout.descriptor(MediaFamily::Oci.config(), &image.config);
    if defect == Defect::PlatformInConfig {
        config["platform"] = json!({"architecture": "amd64", "os": "linux"});
    }
    let manifest = json!({"schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(), "config": config, "layers": layers});
    layout.descriptor(MediaFamily::Oci.manifest(), manifest.to_string().as_bytes())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sources {
    Listed,
    Absent,
}

/// An item of manifest.json that points at blobs; docker 25 has `LayerSources` for every layer.
fn item(image: &Image, sources: Sources) -> Value {
    let path = |bytes: &Vec<u8>| format!("blobs/sha256/{}", hex(bytes));
    let layers: Vec<String> = image.stored.iter().map(path).collect();
    let mut item =
        json!({"Config": path(&image.config), "RepoTags": image.tags(), "Layers": layers});
    if sources == Sources::Listed {
        let source = |layer: &Vec<u8>| {
            let descriptor = json!({"mediaType": MediaFamily::Oci.layer(layer), "size": layer.len(), "digest": digest(layer)});
            (digest(layer), descriptor)
        };
        item["LayerSources"] = Value::Object(image.layers.iter().map(source).collect());
    }
    item
}

/// What containerd writes from its store: the layout as it is, and an item for each chosen image.
pub(crate) fn containerd(mut layout: Layout, images: &[Image]) -> Vec<u8> {
    let items: Vec<Value> = images.iter().map(|image| item(image, Sources::Absent)).collect();
    layout.put("manifest.json", json!(items).to_string().as_bytes());
    layout.tar("")
}

/// `type=docker` of BuildKit for an image without layers: `null` for each empty list, no history.
pub(crate) fn buildkit_empty(name: &str) -> (Image, Vec<u8>) {
    let config = r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":null},"config":{}}"#;
    let image = Image::of(Vec::new()).config(config).named(&[name]);
    let mut layout = Layout::new();
    let config = layout.descriptor(MediaFamily::Docker.config(), &image.config);
    let manifest = json!({"schemaVersion": 2, "mediaType": MediaFamily::Docker.manifest(), "config": config, "layers": null});
    let entry = layout.descriptor(MediaFamily::Docker.manifest(), manifest.to_string().as_bytes());
    layout.named(&entry, "1", Some(&format!("docker.io/library/{name}")));
    let path = format!("blobs/sha256/{}", hex(&image.config));
    let items = json!([{"Config": path, "RepoTags": [name], "Layers": null}]);
    layout.put("manifest.json", items.to_string().as_bytes());
    (image, layout.tar(""))
}

/// Members of a layout and further ones, in the order they are given, for archives with both halves.
pub(crate) fn with_members(layout: &Layout, more: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Tar::new();
    for (name, data) in layout.files() {
        tar.file(name, &data);
    }
    tar.files(more).end()
}
