//! The archive that `docs/explained.*` tells of: three images with one base, each below an index
//! with its attestation, as docker with the containerd store saves what buildx built.

use serde_json::{Value, json};

use super::codec::Codec;
use super::image::{Image, canonical, hex};
use super::layout::{Layout, MediaFamily, attestation, on_platform};
use super::tar::{Header, Tar};

/// The image that is told of.
pub(crate) const NAME: &str = "registry.example.com/shop/api:1.4";

/// A step of a Dockerfile: how it stands in the history, and the files of its layer; no layer
/// without files.
type Step = (&'static str, &'static [(&'static str, usize)]);

const BASE: &[Step] = &[
    (
        "ADD rootfs.tar.gz / # buildkit",
        &[("etc/os-release", 180), ("bin/busybox", 310_000), ("lib/libc.so", 240_000)],
    ),
    (r#"CMD ["/bin/sh"]"#, &[]),
];
const RUNTIME: &[Step] = &[
    (
        "RUN /bin/sh -c install-runtime 3.12 # buildkit",
        &[("usr/bin/runtime", 150_000), ("usr/lib/runtime/std.zip", 90_000)],
    ),
    ("ENV PATH=/srv/bin:/usr/bin:/bin", &[]),
];
const API: &[Step] = &[
    ("WORKDIR /srv", &[("srv/.keep", 0)]),
    ("COPY api /srv # buildkit", &[("srv/bin/api", 42_000), ("srv/conf/api.toml", 900)]),
    ("EXPOSE map[8080/tcp:{}]", &[]),
    ("USER 1000", &[]),
    (r#"ENTRYPOINT ["/srv/bin/api"]"#, &[]),
];
const JOBS: &[Step] = &[
    ("COPY jobs /srv # buildkit", &[("srv/bin/jobs", 61_000)]),
    (r#"ENTRYPOINT ["/srv/bin/jobs"]"#, &[]),
];
const WEB: &[Step] = &[
    ("COPY site /www # buildkit", &[("www/index.html", 4_000), ("www/app.js", 130_000)]),
    (r#"CMD ["httpd","-f","-h","/www"]"#, &[]),
];

/// The archive; the same bytes each time.
pub(crate) fn archive() -> Vec<u8> {
    let images = [
        image(NAME, &[BASE, RUNTIME, API]),
        image("registry.example.com/shop/jobs:0.9", &[BASE, RUNTIME, &API[..1], JOBS]),
        image("registry.example.com/shop/web:2.1", &[BASE, WEB]),
    ];
    let mut layout = Layout::new();
    for image in &images {
        let manifest = layout.image(image, MediaFamily::Oci);
        let manifest = on_platform(manifest, "linux", "amd64");
        let statement = attestation(&mut layout, &manifest);
        let index = layout.nest(MediaFamily::Oci, &[manifest, statement]);
        let name = &image.names[0];
        layout.named(&index, name.rsplit_once(':').unwrap().1, Some(&canonical(name)));
    }
    let items: Vec<Value> = images.iter().map(item).collect();
    layout.put("manifest.json", json!(items).to_string().as_bytes());
    let mut tar = Tar::new();
    tar.dir("blobs/").dir("blobs/sha256/");
    for (path, data) in layout.files() {
        // containerd's modes.
        let mode = if path.starts_with("blobs/") { 0o444 } else { 0o644 };
        tar.member(&Header { name: path.as_bytes(), mode, ..Header::default() }, &data);
    }
    tar.end()
}

fn item(image: &Image) -> Value {
    let path = |bytes: &Vec<u8>| format!("blobs/sha256/{}", hex(bytes));
    let layers: Vec<String> = image.stored.iter().map(path).collect();
    json!({"Config": path(&image.config), "RepoTags": image.tags(), "Layers": layers})
}

fn image(name: &str, parts: &[&[Step]]) -> Image {
    let steps: Vec<&Step> = parts.iter().copied().flatten().collect();
    let layers = steps.iter().filter(|(_, files)| !files.is_empty()).map(|(_, files)| layer(files));
    let history = steps.iter().enumerate().map(|(at, (instruction, files))| {
        let mut entry = json!({
            "created": format!("2024-05-06T07:08:{:02}Z", at + 9),
            "created_by": instruction, "comment": "buildkit.dockerfile.v0"
        });
        if files.is_empty() {
            entry["empty_layer"] = json!(true);
        }
        entry
    });
    let layers: Vec<Vec<u8>> = layers.collect();
    let ids = Image::of(layers.clone()).diff_ids();
    let config = json!({
        "architecture": "amd64",
        "config": {
            "Env": ["PATH=/srv/bin:/usr/bin:/bin"],
            "Healthcheck": {"Test": ["CMD", "/srv/bin/health"], "Interval": 30_000_000_000_u64},
            "Labels": {"org.opencontainers.image.title": name},
            "User": "1000", "WorkingDir": "/srv"
        },
        "created": format!("2024-05-06T07:08:{:02}Z", steps.len() + 8),
        "history": history.collect::<Vec<_>>(),
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": ids}
    });
    Image::of(layers).config(config.to_string()).named(&[name]).stored(&[Codec::Gzip])
}

fn layer(files: &[(&str, usize)]) -> Vec<u8> {
    let mut tar = Tar::new();
    for (path, size) in files {
        tar.file(path, &content(path, *size));
    }
    tar.end()
}

/// Words of a small vocabulary, by a generator that the path seeds: as compressible as programs are.
fn content(path: &str, size: usize) -> Vec<u8> {
    let mut state =
        path.bytes().fold(0x9e37_79b9_u32, |state, byte| state.rotate_left(5) ^ u32::from(byte));
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let word = (state >> 16) % 4096;
        bytes.extend(hex(&word.to_le_bytes()).bytes().take(6));
    }
    bytes.truncate(size);
    bytes
}
