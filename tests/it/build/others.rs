//! Docker archives of programs other than docker, member by member as their writers make them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::codec::{Codec, gzip};
use super::image::{Image, digest, hex};
use super::tar::{GNU, Header, Tar};

/// skopeo, podman, buildah (containers/image `docker/internal/tarfile/writer.go`): flat uncompressed layers,
/// legacy directories of symlinks, `[]` where nothing is tagged, `repositories` always.
pub(crate) fn podman(images: &[Image]) -> Vec<u8> {
    let mut tar = Tar::new();
    let (mut items, mut repositories, mut seen) = (Vec::new(), Map::new(), BTreeSet::new());
    for image in images {
        let paths: Vec<String> =
            image.layers.iter().map(|plain| format!("{}.tar", hex(plain))).collect();
        for (path, plain) in paths.iter().zip(&image.layers) {
            if seen.insert(path.clone()) {
                tar.file(path, plain);
            }
        }
        let config = format!("{}.json", hex(&image.config));
        tar.file(&config, &image.config);
        let mut below = String::new();
        for path in &paths {
            below = hex(format!("{below} {path} {config}").as_bytes());
            tar.symlink(&format!("{below}/layer.tar"), &format!("../{path}"));
            tar.file(&format!("{below}/VERSION"), b"1.0");
            tar.file(&format!("{below}/json"), json!({"id": below}).to_string().as_bytes());
        }
        for name in &image.names {
            let (repository, tag) = name.rsplit_once(':').unwrap();
            repositories.entry(repository).or_insert_with(|| json!({}))[tag] = json!(below);
        }
        items.push(json!({"Config": config, "RepoTags": image.names, "Layers": paths}));
    }
    tar.file("manifest.json", json!(items).to_string().as_bytes());
    tar.file("repositories", json!(repositories).to_string().as_bytes()).end()
}

/// go-containerregistry's tarball package, so crane, ko, kaniko and apko: `sha256:…` as the name of
/// the config, `.tar.gz` as that of any layer, compressed or not.
pub(crate) fn ggcr(images: &[Image]) -> Vec<u8> {
    let mut tar = Tar::new();
    let (mut items, mut seen) = (Vec::new(), BTreeSet::new());
    for image in images {
        let config = digest(&image.config);
        tar.file(&config, &image.config);
        let paths: Vec<String> =
            image.stored.iter().map(|stored| format!("{}.tar.gz", hex(stored))).collect();
        for (path, stored) in paths.iter().zip(&image.stored) {
            if seen.insert(path.clone()) {
                tar.file(path, stored);
            }
        }
        items.push(json!({"Config": config, "RepoTags": image.tags(), "Layers": paths}));
    }
    tar.file("manifest.json", json!(items).to_string().as_bytes()).end()
}

/// crane `--format legacy` (ggcr `pkg/legacy/tarball/write.go`): uncompressed layers in directories that
/// are named by another rule than docker's.
pub(crate) fn crane_legacy(images: &[Image]) -> Vec<u8> {
    let mut tar = Tar::new();
    let (mut items, mut repositories) = (Vec::new(), Map::new());
    for image in images {
        let config = format!("{}.json", hex(&image.config));
        tar.file(&config, &image.config);
        let mut below = String::new();
        let mut paths = Vec::new();
        for plain in &image.layers {
            below = hex(format!("{} {below}", hex(plain)).as_bytes());
            let path = format!("{below}/layer.tar");
            tar.file(&path, plain);
            tar.file(&format!("{below}/json"), json!({"id": below}).to_string().as_bytes());
            tar.file(&format!("{below}/VERSION"), b"1.0");
            paths.push(path);
        }
        for name in &image.names {
            let (repository, tag) = name.rsplit_once(':').unwrap();
            repositories.entry(repository).or_insert_with(|| json!({}))[tag] = json!(below);
        }
        items.push(json!({"Config": config, "RepoTags": image.tags(), "Layers": paths}));
    }
    tar.file("manifest.json", json!(items).to_string().as_bytes());
    tar.file("repositories", json!(repositories).to_string().as_bytes()).end()
}

/// rules_docker's `join_layers` before ggcr: like docker 1.10, members by GNU tar with `./`, a name
/// without a tag, an ID that hashes to nothing.
pub(crate) fn rules_docker(image: &Image) -> Vec<u8> {
    let mut tar = Tar::new();
    let member = |tar: &mut Tar, name: &str, data: &[u8]| {
        let header =
            Header { name: name.as_bytes(), magic: GNU, mode: 0o100_555, ..Header::default() };
        tar.member(&header, data);
    };
    let mut paths = Vec::new();
    for plain in &image.layers {
        let id = hex(&[plain.as_slice(), b"x"].concat());
        tar.dir(&format!("./{id}/"));
        member(&mut tar, &format!("./{id}/layer.tar"), plain);
        member(&mut tar, &format!("./{id}/VERSION"), b"1.0");
        paths.push(format!("{id}/layer.tar"));
    }
    let config = format!("{}.json", hex(&image.config));
    member(&mut tar, &format!("./{config}"), &image.config);
    let items = json!([{"Layers": paths, "Config": config, "RepoTags": image.tags()}]);
    member(&mut tar, "./manifest.json", items.to_string().as_bytes());
    member(&mut tar, "./repositories", b"{}");
    tar.end_padded()
}

/// rules_oci `oci_load`: blob paths with `.tar.gz` whatever the layer is, pretty JSON by jq.
pub(crate) fn rules_oci(image: &Image) -> Vec<u8> {
    let mut tar = Tar::new();
    let config = format!("blobs/sha256/{}", hex(&image.config));
    let member = |tar: &mut Tar, name: &str, data: &[u8]| {
        let header = Header {
            name: name.as_bytes(),
            mode: 0o755,
            mtime: 1_672_560_000,
            ..Header::default()
        };
        tar.member(&header, data);
    };
    member(&mut tar, &config, &image.config);
    let paths: Vec<String> =
        image.stored.iter().map(|stored| format!("blobs/sha256/{}.tar.gz", hex(stored))).collect();
    for (path, stored) in paths.iter().zip(&image.stored) {
        member(&mut tar, path, stored);
    }
    let items = json!([{"Config": config, "RepoTags": image.tags(), "Layers": paths}]);
    member(&mut tar, "manifest.json", format!("{items:#}\n").as_bytes());
    tar.end()
}

/// jib `ImageTarball`: camelCase keys, `config.json`, gzip layers.
pub(crate) fn jib(image: &Image) -> Vec<u8> {
    let mut tar = Tar::new();
    let paths: Vec<String> =
        image.stored.iter().map(|stored| format!("{}.tar.gz", hex(stored))).collect();
    for (path, stored) in paths.iter().zip(&image.stored) {
        tar.file(path, stored);
    }
    tar.file("config.json", &image.config);
    let items = json!([{"config": "config.json", "repoTags": image.names, "layers": paths}]);
    tar.file("manifest.json", items.to_string().as_bytes()).end()
}

/// nix `buildImage`: GNU tar of a directory in pigz, first member `./`, JSON by jq.
pub(crate) fn nix_build(image: &Image) -> Vec<u8> {
    let mut tar = Tar::new();
    tar.dir("./");
    let mut paths = Vec::new();
    let mut member = |name: &str, data: &[u8]| {
        let header = Header {
            name: name.as_bytes(),
            magic: GNU,
            mode: 0o444,
            mtime: 1,
            owner: b"root",
            ..Header::default()
        };
        tar.member(&header, data);
    };
    for plain in &image.layers {
        let id = hex(&[plain.as_slice(), b"nix"].concat());
        let json =
            json!({"id": id, "checksum": "tarsum.v1+sha256:0", "created": "1970-01-01T00:00:01Z"});
        member(&format!("./{id}/VERSION"), b"1.0");
        member(&format!("./{id}/json"), format!("{json:#}\n").as_bytes());
        member(&format!("./{id}/layer.tar"), plain);
        paths.push(format!("{id}/layer.tar"));
    }
    let config = format!("{}.json", hex(&image.config));
    member(&format!("./{config}"), &image.config);
    let items = json!([{"RepoTags": image.tags(), "Layers": paths, "Config": config}]);
    member("./manifest.json", format!("{items:#}\n").as_bytes());
    let repositories: Value = json!({"nix": {"1": "x"}});
    member("./repositories", format!("{repositories}\n").as_bytes());
    gzip(&tar.end_padded())
}

/// nix `streamLayeredImage`: Python's tarfile with PAX records, JSON with indents and no newline.
pub(crate) fn nix_stream(image: &Image) -> Vec<u8> {
    let mut tar = Tar::new();
    let paths: Vec<String> =
        image.layers.iter().map(|plain| format!("{}/layer.tar", hex(plain))).collect();
    for (path, plain) in paths.iter().zip(&image.layers) {
        tar.pax(b'x', &[("mtime", "1.5")]).file(path, plain);
    }
    let config = format!("{}.json", hex(&image.config));
    tar.file(&config, &image.config);
    let items = json!([{"Config": config, "RepoTags": image.tags(), "Layers": paths}]);
    tar.file("manifest.json", format!("{items:#}").as_bytes()).end_padded()
}

/// The image as nix configures it: indents, an offset in place of `Z`, a newline at the end.
pub(crate) fn nix_image(texts: &[&str]) -> Image {
    let image = Image::new(texts);
    let ids = json!(image.diff_ids());
    let config = json!({
        "created": "1970-01-01T00:00:01+00:00", "architecture": "amd64", "os": "linux",
        "config": {"Cmd": ["/bin/h\u{e9}llo"]},
        "rootfs": {"diff_ids": ids, "type": "layers"}
    });
    image.config(format!("{config:#}\n"))
}

/// As apko stores it: gzip layers, an image per architecture, tags that say which.
pub(crate) fn apko(images: &[Image]) -> Vec<u8> {
    let packed: Vec<Image> =
        images.iter().map(|image| image.clone().stored(&[Codec::Gzip])).collect();
    ggcr(&packed)
}

/// By nobody: an archive of two layers and a config, whatever they hold.
pub(crate) fn odd(config: &[u8], layers: [&[u8]; 2]) -> Vec<u8> {
    let items =
        json!([{"Config": "config.json", "RepoTags": null, "Layers": ["base.tar", "top.tar"]}]);
    let mut tar = Tar::new();
    tar.file("base.tar", layers[0]).file("top.tar", layers[1]).file("config.json", config);
    tar.file("manifest.json", items.to_string().as_bytes()).end()
}
