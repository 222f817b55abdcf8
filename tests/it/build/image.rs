//! Small images: layers of one file each, and a config as docker writes it.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

use super::codec::Codec;
use super::tar::Tar;

/// `sha256` of bytes, in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `sha256:` and the hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}

/// `sha512:` and the hex.
pub(crate) fn sha512(bytes: &[u8]) -> String {
    let hex: String = Sha512::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha512:{hex}")
}

/// A uncompressed layer with one file, different for each text.
pub(crate) fn layer(text: &str) -> Vec<u8> {
    let content = format!("{text}\n").repeat(40);
    Tar::new().dir("etc/").file(&format!("etc/{}", hex(text.as_bytes())), content.as_bytes()).end()
}

/// An image: names, uncompressed layers, what they are stored as, and the bytes of its config.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// As a docker archive has them, `name:tag`.
    pub(crate) names: Vec<String>,
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) stored: Vec<Vec<u8>>,
    pub(crate) config: Vec<u8>,
}

impl Image {
    /// Named layers with a config that has every field only docker knows; linux/amd64.
    pub(crate) fn new(texts: &[&str]) -> Self {
        Self::of(texts.iter().map(|text| layer(text)).collect())
    }

    pub(crate) fn of(layers: Vec<Vec<u8>>) -> Self {
        let config = config(&layers, "amd64", &json!({}));
        Self { names: Vec::new(), stored: layers.clone(), layers, config }
    }

    pub(crate) fn named(mut self, names: &[&str]) -> Self {
        self.names = names.iter().map(ToString::to_string).collect();
        self
    }

    /// Stores layer by layer with these codecs, the last one for all that follow.
    pub(crate) fn stored(mut self, codecs: &[Codec]) -> Self {
        let codec = |at: usize| codecs[at.min(codecs.len() - 1)];
        self.stored =
            self.layers.iter().enumerate().map(|(at, plain)| codec(at).pack(plain)).collect();
        self
    }

    /// With layers that are stored as these bytes.
    pub(crate) fn stored_as(mut self, stored: Vec<Vec<u8>>) -> Self {
        self.stored = stored;
        self
    }

    pub(crate) fn config(mut self, config: impl Into<Vec<u8>>) -> Self {
        self.config = config.into();
        self
    }

    /// The same with another architecture.
    pub(crate) fn arch(mut self, architecture: &str) -> Self {
        self.config = config(&self.layers, architecture, &json!({}));
        self
    }

    /// The same with more keys in its config, or other values.
    pub(crate) fn with(mut self, more: &Value) -> Self {
        self.config = config(&self.layers, "amd64", more);
        self
    }

    /// Sha256 of the config, wherever the image is.
    pub(crate) fn id(&self) -> String {
        digest(&self.config)
    }

    pub(crate) fn diff_ids(&self) -> Vec<String> {
        self.layers.iter().map(|layer| digest(layer)).collect()
    }

    /// `RepoTags`: `null` where there is no name.
    pub(crate) fn tags(&self) -> Value {
        if self.names.is_empty() { Value::Null } else { json!(self.names) }
    }
}

/// Compact JSON, keys sorted as docker does; fields that converters like to drop are all there.
fn config(layers: &[Vec<u8>], architecture: &str, more: &Value) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    let history: Vec<Value> = (0..ids.len())
        .map(|at| json!({"created": "2020-01-02T03:04:05.678Z", "created_by": format!("/bin/sh -c step {at}")}))
        .collect();
    let mut all = json!({
        "architecture": architecture,
        "config": {
            "Cmd": ["/bin/true"], "Entrypoint": null, "Env": ["A=1", "B=<&>"],
            "Healthcheck": {"Test": ["CMD", "x"], "Interval": 1_000_000_000},
            "Hostname": "", "Image": "sha256:0", "Labels": {"b": "2", "a": "\u{e9}"},
            "OnBuild": ["RUN x"], "Shell": ["/bin/bash"], "StopTimeout": 7
        },
        "container": "c0ffee", "container_config": {"Cmd": ["x"]},
        "created": "2020-01-02T03:04:05.678Z", "docker_version": "20.10.24",
        "history": history, "os": "linux",
        "rootfs": {"diff_ids": ids, "type": "layers"}
    });
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    all.to_string().into_bytes()
}

/// The full name that containerd and docker's registries know (formats: reference names).
pub(crate) fn canonical(name: &str) -> String {
    let (name, tag) = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (name, "latest"),
    };
    match name.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => {
            format!("{name}:{tag}")
        }
        Some(_) => format!("docker.io/{name}:{tag}"),
        None => format!("docker.io/library/{name}:{tag}"),
    }
}
