//! What common programs cannot read: one row each, with the programs and the versions that refused
//! it when they were given it (`tests/it/judged_readers.rs` gives it to them again).
//!
//! Readers of sources and writers of destinations make their notes from these rows, and so `verify`,
//! conversions and `explain` name the same programs.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::reading::Note;
use crate::error::Location;

/// A program that refuses something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refuser {
    /// The program; `containerd` is also docker with the containerd store, nerdctl and ctr.
    pub program: &'static str,
    /// The versions that were given it.
    pub versions: &'static [&'static str],
    /// Whether the newest version that was given it accepts it.
    pub newest: Newest,
}

/// What the newest version of a program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newest {
    /// It refuses it too.
    Refuses,
    /// It accepts it.
    Accepts,
}

/// Something that a source or a destination may contain, and who cannot read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReaderRow {
    /// The code of its note, or of its reason for a loss.
    pub code: &'static str,
    /// What it is.
    pub sentence: &'static str,
    /// Who refuses it.
    pub refusers: &'static [Refuser],
    /// What to do about it.
    pub advice: &'static str,
}

const fn refuses(program: &'static str, versions: &'static [&'static str]) -> Refuser {
    Refuser { program, versions, newest: Newest::Refuses }
}

/// Only versions before the newest refuse it.
const fn refused(program: &'static str, versions: &'static [&'static str]) -> Refuser {
    Refuser { program, versions, newest: Newest::Accepts }
}

// The versions of Debian 12 and of Debian testing in 2026.
const CONTAINERD: &[&str] = &["1.6.20", "2.1.9"];
const CRANE: &[&str] = &["0.20.7"];
const DOCKER: &[&str] = &["20.10.24", "28.5.2"];
const PODMAN: &[&str] = &["4.3.1", "5.8.6"];
const SKOPEO: &[&str] = &["1.9.3", "1.22.0"];
const UMOCI: &[&str] = &["0.4.7", "0.6.0"];
/// Not given to it; its source says so.
const SOURCE: &[&str] = &[];

// Configs: each program decodes them into the structure of a library.
/// The structure of docker; podman and skopeo have it for docker archives.
pub(crate) static CONFIG_DOCKER: ReaderRow = row(
    "config-undecodable",
    "a field of a config has a type that docker cannot decode",
    &[refuses("docker", DOCKER), refuses("podman", PODMAN), refuses("skopeo", SKOPEO)],
    "docker load refuses it, and the image has no V1 layer IDs; registries accept it. Build the image again without that field.",
);
/// The structure of the OCI image specification.
pub(crate) static CONFIG_OCI: ReaderRow = row(
    "config-string",
    "a config has a string where the specification has a list",
    &[
        refuses("containerd", CONTAINERD),
        refuses("crane", CRANE),
        refuses("podman", PODMAN),
        refuses("skopeo", SKOPEO),
        refuses("umoci", UMOCI),
    ],
    "docker accepts it. Build the image again with a list.",
);
/// The structure of go-containerregistry.
pub(crate) static CONFIG_CRANE: ReaderRow = row(
    "config-string",
    "a config has a string where crane expects a list",
    &[refuses("crane", CRANE)],
    "Other programs accept it. Build the image again with a list.",
);
pub(crate) static ROOTFS_TYPE: ReaderRow = row(
    "rootfs-type",
    "rootfs has no type",
    &[refuses("crane", CRANE), refuses("umoci", UMOCI)],
    "crane refuses it when it validates, umoci when it unpacks; docker, podman and skopeo accept it.",
);
pub(crate) static HISTORY: ReaderRow = row(
    "history-mismatch",
    "the history describes more layers than the image has",
    &[refuses("docker", DOCKER)],
    "Build the image again: the program that wrote its history left out an empty_layer.",
);

// Layers.
pub(crate) static GZIP_PADDING: ReaderRow = row(
    "gzip-padding",
    "zero bytes follow the gzip data of a layer",
    &[
        refuses("containerd", CONTAINERD),
        refuses("crane", CRANE),
        refused("docker", &["20.10.24"]),
        refuses("podman", PODMAN),
        refuses("skopeo", SKOPEO),
        refuses("umoci", UMOCI),
    ],
    "docker 28 accepts it. Recompress the layer with -c gzip -l 6.",
);
pub(crate) static ZSTD_PADDING: ReaderRow = row(
    "zstd-padding",
    "zero bytes follow the zstd data of a layer",
    &[
        refuses("containerd", CONTAINERD),
        refuses("podman", PODMAN),
        refuses("zstd", &["1.5.4"]),
        refuses("skopeo", SKOPEO),
        refuses("umoci", &["0.6.0"]),
    ],
    "docker 28 accepts it. Recompress the layer with -c zstd -l 3.",
);
pub(crate) static ZSTD_SKIPPABLE: ReaderRow = row(
    "zstd-skippable-frame",
    "the zstd data of a layer begins with a skippable frame",
    &[refuses("podman", PODMAN), refuses("skopeo", SKOPEO)],
    "skopeo copies it out of a layout as it is, but not out of a docker archive. Recompress the layer with -c zstd -l 3.",
);

// Archives and layouts.
pub(crate) static TRAILING_BYTES: ReaderRow = row(
    "trailing-bytes",
    "bytes follow the JSON value of manifest.json",
    &[refuses("podman", PODMAN), refuses("skopeo", SKOPEO)],
    "docker and containerd read only the first value. Any conversion writes it without them.",
);
pub(crate) static PATH_ABSOLUTE: ReaderRow = row(
    "path-spelling",
    "manifest.json has a path that begins with /",
    &[
        refuses("containerd", CONTAINERD),
        refuses("crane", CRANE),
        refuses("podman", PODMAN),
        refuses("skopeo", SKOPEO),
    ],
    "docker takes it as a path in the archive. Any conversion writes the usual paths.",
);
pub(crate) static PATH_UNCLEAN: ReaderRow = row(
    "path-spelling",
    "manifest.json has a path with a part that is empty or a dot",
    &[refuses("containerd", CONTAINERD), refuses("crane", CRANE)],
    "docker, podman and skopeo find the member. Any conversion writes the usual paths.",
);
pub(crate) static MARKER_MISSING: ReaderRow = row(
    "layout-marker",
    "the layout has no oci-layout",
    &[refuses("containerd", CONTAINERD), refuses("umoci", UMOCI)],
    "image-layout.md requires it; any conversion to a layout writes it.",
);
pub(crate) static CHILD_ABSENT: ReaderRow = row(
    "child-absent",
    "an index lists platforms that are missing",
    &[
        refuses("crane", CRANE),
        refuses("ctr --all-platforms", CONTAINERD),
        refuses("k3s", SOURCE),
        refuses("kind", SOURCE),
    ],
    "docker with the containerd store exports only the platforms that it has. The index keeps its digest; --platform selects a complete one.",
);
pub(crate) static REF_NAME_SHARED: ReaderRow = row(
    "ref-name-shared",
    "several images have the same ref name",
    &[refuses("umoci", UMOCI)],
    "skopeo and podman use the first, oras uses the last. A conversion writes the full names.",
);

// Destinations.
pub(crate) static DOCKER_MANIFESTS: ReaderRow = row(
    "docker-media-types",
    "the layout has manifests with Docker's media types",
    &[refuses("umoci", UMOCI), refused("skopeo", &["1.9.3"])],
    "Recompress its layers with -c gzip -l 6 --manifest oci.",
);
pub(crate) static DOCKER_PARTS: ReaderRow = row(
    "docker-media-types",
    "the layout has configs or layers with Docker's media types",
    &[refuses("podman", PODMAN), refuses("umoci", UMOCI)],
    "Recompress its layers with -c gzip -l 6 --manifest oci.",
);
pub(crate) static LAYER_LINK: ReaderRow = row(
    "layer-link",
    "a layer of several images is stored as a link, as docker does",
    &[refuses("skopeo", SKOPEO)],
    "skopeo 1.22 copies such an archive to oci:, but not to dir: or docker-archive:. The dialect universal has no links.",
);
pub(crate) static SEVERAL_NAMES: ReaderRow = row(
    "several-names",
    "the OCI archive has several entries",
    &[refuses("podman", PODMAN)],
    "podman load takes one entry: write one image with --image, or a docker archive of the dialect universal. skopeo needs a name behind the path.",
);
pub(crate) static ZSTD_ARCHIVE: ReaderRow = row(
    "zstd",
    "a docker archive has zstd layers",
    &[refused("docker", &["20.10.24"]), refuses("crane", CRANE)],
    "docker 23.0 and later reads them. Recompress the layers with -c gzip -l 6.",
);

pub(crate) static DOCKER_ZSTD: ReaderRow = row(
    "docker-zstd",
    "a schema 2 manifest has zstd layers",
    &[
        refused("containerd", &["1.6.20"]),
        refuses("crane", CRANE),
        refused("docker", &["20.10.24"]),
        refused("podman", &["4.3.1"]),
        refused("skopeo", &["1.9.3"]),
    ],
    "Keep the OCI manifest, or recompress the layers with -c gzip -l 6.",
);

/// Every row.
pub static READERS: &[&ReaderRow] = &[
    &CONFIG_DOCKER,
    &CONFIG_OCI,
    &CONFIG_CRANE,
    &ROOTFS_TYPE,
    &HISTORY,
    &GZIP_PADDING,
    &ZSTD_PADDING,
    &ZSTD_SKIPPABLE,
    &TRAILING_BYTES,
    &PATH_ABSOLUTE,
    &PATH_UNCLEAN,
    &MARKER_MISSING,
    &CHILD_ABSENT,
    &REF_NAME_SHARED,
    &DOCKER_MANIFESTS,
    &DOCKER_PARTS,
    &LAYER_LINK,
    &SEVERAL_NAMES,
    &ZSTD_ARCHIVE,
    &DOCKER_ZSTD,
];

const fn row(
    code: &'static str,
    sentence: &'static str,
    refusers: &'static [Refuser],
    advice: &'static str,
) -> ReaderRow {
    ReaderRow { code, sentence, refusers, advice }
}

impl ReaderRow {
    /// Its note.
    pub(crate) fn note(&self, at: &Location) -> Note {
        self.note_of(at, self.sentence)
    }

    /// Its note, with what was found in place of the sentence.
    pub(crate) fn note_of(&self, at: &Location, found: &str) -> Note {
        note_by(at, found, &[self])
    }
}

/// A note about what several rows are about, with the code of the first one and all who refuse it:
/// `…, which podman and skopeo refuse`.
pub(crate) fn note_by(at: &Location, found: &str, rows: &[&ReaderRow]) -> Note {
    let mut names: Vec<String> = Vec::new();
    for refuser in rows.iter().flat_map(|row| row.refusers) {
        let name = refuser.to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let who = match names.as_slice() {
        [] => String::new(),
        [one] => format!(", which {one} refuses"),
        [one, other] => format!(", which {one} refuses, and so does {other}"),
        [others @ .., last] => format!(", which {} and {last} refuse", others.join(", ")),
    };
    let code = rows.first().map_or("", |row| row.code);
    Note::new(at, code, format!("{found}{who}"))
}

impl std::fmt::Display for Refuser {
    /// With its version if the newest one accepts it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.newest, self.versions.last()) {
            (Newest::Accepts, Some(version)) => write!(f, "{} {version}", self.program),
            _ => f.write_str(self.program),
        }
    }
}

impl Serialize for ReaderRow {
    /// As in `docs/schema/code.json`.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_struct("ReaderRow", 2)?;
        object.serialize_field("what", self.sentence)?;
        object.serialize_field("refusers", self.refusers)?;
        object.end()
    }
}

impl Serialize for Refuser {
    /// As in `docs/schema/code.json`.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_struct("Refuser", 3)?;
        object.serialize_field("program", self.program)?;
        object.serialize_field("versions", self.versions)?;
        object.serialize_field("newestAccepts", &(self.newest == Newest::Accepts))?;
        object.end()
    }
}
