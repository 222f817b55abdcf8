//! OCI image layouts held in memory, written as a directory or a tar.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::codec::Codec;
use super::image::{Image, digest, hex, sha512};
use super::tar::Tar;

/// Which family of media types a document uses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaFamily {
    Oci,
    Docker,
}

impl MediaFamily {
    pub(crate) fn index(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.index.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    pub(crate) fn manifest(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    pub(crate) fn config(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    /// The type of a layer, from its first bytes.
    pub(crate) fn layer(self, stored: &[u8]) -> &'static str {
        let gzip = stored.starts_with(b"\x1f\x8b");
        let zstd =
            stored.starts_with(b"\x28\xb5\x2f\xfd") || stored.get(1..4) == Some(b"\x2a\x4d\x18");
        match (self, gzip, zstd) {
            (Self::Oci, true, _) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (Self::Oci, _, true) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Self::Oci, ..) => "application/vnd.oci.image.layer.v1.tar",
            (Self::Docker, true, _) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            (Self::Docker, _, true) => "application/vnd.docker.image.rootfs.diff.tar.zstd",
            (Self::Docker, ..) => "application/vnd.docker.image.rootfs.diff.tar",
        }
    }
}

/// Files by path, and the entries that `index.json` will have.
#[derive(Clone)]
pub(crate) struct Layout {
    files: BTreeMap<String, Vec<u8>>,
    entries: Vec<Value>,
    index: Option<Value>,
}

impl Layout {
    pub(crate) fn new() -> Self {
        let mut layout = Self { files: BTreeMap::new(), entries: Vec::new(), index: None };
        layout.marker(br#"{"imageLayoutVersion":"1.0.0"}"#);
        layout
    }

    /// A layout of these images, each entry with its names as `ref.name`.
    pub(crate) fn of(images: &[Image]) -> Self {
        let mut layout = Self::new();
        for image in images {
            let manifest = layout.image(image, MediaFamily::Oci);
            if image.names.is_empty() {
                layout.entry(manifest.clone());
            }
            for name in &image.names {
                layout.named(&manifest, name, None);
            }
        }
        layout
    }

    /// One image with gzip layers of these texts, as the only entry and without a name.
    pub(crate) fn nameless(texts: &[&str], family: MediaFamily) -> Self {
        let mut layout = Self::new();
        let image = Image::new(texts).stored(&vec![Codec::Gzip; texts.len()]);
        let descriptor = layout.image(&image, family);
        layout.entry(descriptor);
        layout
    }

    pub(crate) fn put(&mut self, path: &str, data: &[u8]) {
        self.files.insert(path.to_owned(), data.to_vec());
    }

    pub(crate) fn marker(&mut self, data: &[u8]) {
        self.put("oci-layout", data);
    }

    pub(crate) fn index_json(&mut self, index: &Value) {
        self.index = Some(index.clone());
    }

    pub(crate) fn blob(&mut self, data: &[u8]) {
        self.put(&format!("blobs/sha256/{}", hex(data)), data);
    }

    pub(crate) fn remove_blob(&mut self, data: &[u8]) {
        self.files.remove(&format!("blobs/sha256/{}", hex(data))).unwrap();
    }

    /// Adds a blob and describes it.
    pub(crate) fn descriptor(&mut self, media_type: &str, data: &[u8]) -> Value {
        self.blob(data);
        json!({"mediaType": media_type, "digest": digest(data), "size": data.len()})
    }

    /// The same under its sha512.
    pub(crate) fn descriptor_sha512(&mut self, media_type: &str, data: &[u8]) -> Value {
        let digest = sha512(data);
        self.put(&format!("blobs/{}", digest.replace(':', "/")), data);
        json!({"mediaType": media_type, "digest": digest, "size": data.len()})
    }

    /// Adds config, layers and manifest of an image and describes the manifest.
    pub(crate) fn image(&mut self, image: &Image, family: MediaFamily) -> Value {
        let config = self.descriptor(family.config(), &image.config);
        let layers: Vec<Value> = image
            .stored
            .iter()
            .map(|stored| self.descriptor(family.layer(stored), stored))
            .collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": family.manifest(), "config": config, "layers": layers});
        self.document(family.manifest(), &manifest)
    }

    /// Adds a document and describes it.
    pub(crate) fn document(&mut self, media_type: &str, document: &Value) -> Value {
        self.descriptor(media_type, document.to_string().as_bytes())
    }

    /// Adds an index over these descriptors and describes it.
    pub(crate) fn nest(&mut self, family: MediaFamily, children: &[Value]) -> Value {
        let index = json!({"schemaVersion": 2, "mediaType": family.index(), "manifests": children});
        self.document(family.index(), &index)
    }

    pub(crate) fn entry(&mut self, descriptor: Value) {
        self.entries.push(descriptor);
    }

    /// An entry with `ref.name`, and with containerd's full name where there is one.
    pub(crate) fn named(&mut self, descriptor: &Value, tag: &str, full: Option<&str>) {
        let mut entry = descriptor.clone();
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        if let Some(full) = full {
            entry["annotations"]["io.containerd.image.name"] = json!(full);
        }
        self.entry(entry);
    }

    /// Every file, `index.json` among them.
    pub(crate) fn files(&self) -> BTreeMap<&str, Vec<u8>> {
        let standard = json!({"schemaVersion": 2, "mediaType": MediaFamily::Oci.index(), "manifests": self.entries});
        let index = self.index.as_ref().unwrap_or(&standard).to_string().into_bytes();
        let mut files: BTreeMap<&str, Vec<u8>> =
            self.files.iter().map(|(path, data)| (path.as_str(), data.clone())).collect();
        files.entry("index.json").or_insert(index);
        files
    }

    pub(crate) fn write(&self, directory: &Path) {
        fs::create_dir_all(directory.join("blobs/sha256")).unwrap();
        for (path, data) in self.files() {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, data).unwrap();
        }
    }

    /// A tar as containerd writes it, sorted by name; `prefix` before each name.
    pub(crate) fn tar(&self, prefix: &str) -> Vec<u8> {
        let mut tar = Tar::new();
        tar.dir(&format!("{prefix}blobs/")).dir(&format!("{prefix}blobs/sha256/"));
        for (path, data) in self.files() {
            tar.file(&format!("{prefix}{path}"), &data);
        }
        tar.end()
    }
}

/// A descriptor that says which platform its child is for.
pub(crate) fn on_platform(mut descriptor: Value, os: &str, architecture: &str) -> Value {
    descriptor["platform"] = json!({"os": os, "architecture": architecture});
    descriptor
}

/// Adds an attestation of BuildKit for `subject` and describes it as its index does.
pub(crate) fn attestation(layout: &mut Layout, subject: &Value) -> Value {
    let statement = br#"{"_type":"https://in-toto.io/Statement/v0.1"}"#;
    let config = json!({"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest(statement)]}});
    let config = layout.document(MediaFamily::Oci.config(), &config);
    let layer = layout.descriptor("application/vnd.in-toto+json", statement);
    let manifest = json!({"schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(), "config": config, "layers": [layer]});
    let mut entry = layout.document(MediaFamily::Oci.manifest(), &manifest);
    entry["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": subject["digest"]
    });
    on_platform(entry, "unknown", "unknown")
}
