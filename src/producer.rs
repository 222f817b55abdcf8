//! Guesses which program wrote a source, from evidence; each row describes one program.
//!
//! Evidence: the order and names of members, modes and times in tar headers, and the spelling of
//! `oci-layout` and `index.json`, as each program writes them.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use serde::Serialize;

use crate::archive::{MANIFEST, REPOSITORIES, manifest_json};
use crate::bytes::files::{Files, Stamp};
use crate::document::descriptor::CONTAINERD_NAME;
use crate::json::{self, Trailing};
use crate::layout::{INDEX_NAME, MARKER_NAME};
use crate::limits;

/// The probable writer of a source, and the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Producer {
    /// The program and its versions.
    pub name: &'static str,
    /// The evidence.
    pub evidence: Vec<&'static str>,
}

/// The examined properties.
#[derive(Debug, Default)]
struct Traits {
    directory: bool,
    /// The bytes of the marker; `None` if there is none.
    marker: Option<Vec<u8>>,
    index: Option<Vec<u8>>,
    repositories: bool,
    /// The first config and layer that `manifest.json` names.
    saved: Option<(String, String)>,
    layer_sources: bool,
    /// Whether a layer folder has a `VERSION`.
    version: bool,
    /// Headers of `manifest.json`, `index.json` and of the first layer.
    manifest_stamp: Option<Stamp>,
    index_stamp: Option<Stamp>,
    layer_stamp: Option<Stamp>,
}

/// One piece of evidence.
#[derive(Debug)]
struct Sign {
    text: &'static str,
    holds: fn(&Traits) -> bool,
}

const fn sign(text: &'static str, holds: fn(&Traits) -> bool) -> Sign {
    Sign { text, holds }
}

/// A program, and the required evidence.
struct ProducerRow {
    name: &'static str,
    signs: &'static [&'static Sign],
}

static V1_ONLY: Sign = sign("layer folders, but no manifest.json or oci-layout", |it| {
    it.saved.is_none() && it.marker.is_none() && it.index.is_none() && it.version
});
static LEGACY: Sign = sign("configs named HEX.json and layers named HEX/layer.tar", |it| {
    it.saved
        .as_ref()
        .is_some_and(|(config, layer)| hex_name(config, ".json") && hex_name(layer, "/layer.tar"))
});
static VERSIONS: Sign = sign("a VERSION in each layer folder", |it| it.version);
static NO_VERSIONS: Sign = sign("no VERSION in the layer folders", |it| !it.version);
static TYPE_BITS: Sign =
    sign("modes with type bits (0100644), as Go wrote them before 1.9", |it| {
        it.layer_stamp.as_ref().is_some_and(|it| it.mode & 0o170_000 != 0)
    });
static NO_TYPE_BITS: Sign = sign("modes without type bits (0000644)", |it| {
    it.layer_stamp.as_ref().is_some_and(|it| it.mode & 0o170_000 == 0)
});
static GNU: Sign = sign("a GNU magic in the tar headers", |it| {
    it.manifest_stamp.as_ref().is_some_and(|it| it.gnu)
});
static HYBRID: Sign = sign("manifest.json beside oci-layout and index.json", |it| {
    it.saved.is_some() && it.marker.is_some() && it.index.is_some()
});
static LAYER_SOURCES: Sign = sign("LayerSources in manifest.json", |it| it.layer_sources);
static NO_LAYER_SOURCES: Sign = sign("no LayerSources in manifest.json", |it| !it.layer_sources);
static INDEX_CLOCK: Sign = sign("index.json has a real date, not 1970", |it| {
    it.index_stamp.as_ref().is_some_and(|it| it.mtime > 0)
});
static INDEX_ZERO: Sign = sign("index.json has the date 1970", |it| {
    it.index_stamp.as_ref().is_some_and(|it| it.mtime == 0)
});
static BLOBS_0444: Sign = sign("blobs with mode 0444", |it| {
    it.layer_stamp.as_ref().is_some_and(|it| it.mode & 0o777 == 0o444)
});
static BLOBS_0644: Sign =
    sign("blobs with mode 0644 and the date 1970, no folders or repositories", |it| {
        let stamp = it.layer_stamp.as_ref();
        stamp.is_some_and(|it| it.mode & 0o777 == 0o644 && it.mtime == 0) && !it.repositories
    });
static FLAT: Sign = sign("layers named HEX.tar beside configs named HEX.json", |it| {
    it.saved
        .as_ref()
        .is_some_and(|(config, layer)| hex_name(config, ".json") && hex_name(layer, ".tar"))
});
static PREFIXED: Sign = sign("configs named sha256:HEX", |it| {
    it.saved.as_ref().is_some_and(|(config, _)| {
        config.strip_prefix("sha256:").is_some_and(|it| hex_name(it, ""))
    })
});
static PLAIN_CONFIG: Sign = sign("a config named config.json", |it| {
    it.saved.as_ref().is_some_and(|(config, _)| config == "config.json")
});
static GZ_LAYERS: Sign = sign("layers named HEX.tar.gz", |it| {
    it.saved.as_ref().is_some_and(|(_, layer)| {
        hex_name(layer.strip_prefix("blobs/sha256/").unwrap_or(layer), ".tar.gz")
    })
});
static BLOB_CONFIG: Sign = sign("configs in blobs/sha256, but no oci-layout", |it| {
    let inside = |path: &str| path.starts_with("blobs/sha256/");
    it.marker.is_none() && it.saved.as_ref().is_some_and(|(config, _)| inside(config))
});
static LAYOUT: Sign =
    sign("oci-layout, but no manifest.json", |it| it.marker.is_some() && it.saved.is_none());
static MARKER_SPACE: Sign = sign("a space after the colon in oci-layout", |it| {
    it.marker.as_deref() == Some(b"{\"imageLayoutVersion\": \"1.0.0\"}")
});
static MARKER_TIGHT: Sign = sign("no space in oci-layout", |it| {
    it.marker.as_deref() == Some(b"{\"imageLayoutVersion\":\"1.0.0\"}")
});
static MARKER_LINE: Sign = sign("oci-layout ends with a newline", |it| {
    it.marker.as_deref() == Some(b"{\"imageLayoutVersion\":\"1.0.0\"}\n")
});
static MARKER_PRETTY: Sign = sign("oci-layout is indented by four spaces", |it| {
    it.marker.as_ref().is_some_and(|it| it.starts_with(b"{\n    \"imageLayoutVersion\""))
});
static CONTAINERD: Sign = sign("names in the annotation io.containerd.image.name", |it| {
    let name = CONTAINERD_NAME.as_bytes();
    it.index.as_ref().is_some_and(|it| it.windows(name.len()).any(|part| part == name))
});
static NO_CONTAINERD: Sign =
    sign("no annotation io.containerd.image.name", |it| !(CONTAINERD.holds)(it));
static COMPACT: Sign = sign("index.json without whitespace", |it| {
    it.index.as_ref().is_some_and(|it| !it.contains(&b'\n') && !it.ends_with(b"\n"))
});

/// Rows with more evidence first; the first row that matches completely is used.
static ROWS: &[ProducerRow] = &[
    ProducerRow { name: "docker 0.9 to 1.9", signs: &[&V1_ONLY] },
    ProducerRow {
        name: "GNU tar: nix dockerTools, Bazel rules_docker, or packed by hand",
        signs: &[&LEGACY, &GNU],
    },
    ProducerRow {
        name: "docker 1.10 to 23, graph driver",
        signs: &[&LEGACY, &VERSIONS, &TYPE_BITS],
    },
    ProducerRow {
        name: "docker 24, or a program that writes like it",
        signs: &[&LEGACY, &VERSIONS, &NO_TYPE_BITS],
    },
    ProducerRow {
        name: "nix dockerTools.streamLayeredImage or crane",
        signs: &[&LEGACY, &NO_VERSIONS],
    },
    ProducerRow {
        name: "docker 25 to 27, graph driver",
        signs: &[&HYBRID, &LAYER_SOURCES, &INDEX_CLOCK],
    },
    ProducerRow {
        name: "docker 28 or later, graph driver",
        signs: &[&HYBRID, &LAYER_SOURCES, &INDEX_ZERO],
    },
    ProducerRow {
        name: "containerd, nerdctl, BuildKit, or docker with the containerd store",
        signs: &[&HYBRID, &NO_LAYER_SOURCES, &BLOBS_0444],
    },
    ProducerRow {
        name: "imgconv, dialect universal",
        signs: &[&HYBRID, &NO_LAYER_SOURCES, &BLOBS_0644],
    },
    ProducerRow { name: "skopeo, podman or buildah", signs: &[&FLAT] },
    ProducerRow {
        name: "go-containerregistry (crane, ko, kaniko)",
        signs: &[&PREFIXED, &GZ_LAYERS],
    },
    ProducerRow { name: "go-containerregistry (crane, ko, kaniko)", signs: &[&PREFIXED] },
    ProducerRow { name: "jib", signs: &[&PLAIN_CONFIG, &GZ_LAYERS] },
    ProducerRow { name: "rules_oci", signs: &[&BLOB_CONFIG, &GZ_LAYERS] },
    ProducerRow { name: "umoci", signs: &[&LAYOUT, &MARKER_LINE] },
    ProducerRow {
        name: "go-containerregistry (crane, ko, apko, pack)",
        signs: &[&LAYOUT, &MARKER_PRETTY],
    },
    ProducerRow {
        name: "docker 25 or later, graph driver",
        signs: &[&LAYOUT, &MARKER_SPACE, &CONTAINERD],
    },
    ProducerRow {
        name: "skopeo, podman or buildah",
        signs: &[&LAYOUT, &MARKER_SPACE, &NO_CONTAINERD],
    },
    ProducerRow {
        name: "imgconv, containerd, BuildKit, or docker with the containerd store",
        signs: &[&LAYOUT, &MARKER_TIGHT, &CONTAINERD],
    },
    ProducerRow {
        name: "skopeo, podman, buildah, oras or regctl",
        signs: &[&LAYOUT, &MARKER_TIGHT, &NO_CONTAINERD, &COMPACT],
    },
];

/// The probable writer of a source; `None` if no row matches.
pub(crate) fn producer(files: &Files) -> Option<Producer> {
    let traits = Traits::of(files);
    let row = ROWS.iter().find(|row| row.signs.iter().all(|sign| (sign.holds)(&traits)))?;
    Some(Producer { name: row.name, evidence: row.signs.iter().map(|sign| sign.text).collect() })
}

impl Traits {
    fn of(files: &Files) -> Self {
        let bytes = |name: &str| {
            let extent = files.find(name).ok()??;
            extent.read(limits::ARCHIVE_DOCUMENT, "the size of a document, in bytes,").ok()
        };
        let mut traits = Self {
            directory: files.is_directory(),
            marker: bytes(MARKER_NAME),
            index: bytes(INDEX_NAME),
            repositories: matches!(files.find(REPOSITORIES), Ok(Some(_))),
            manifest_stamp: files.stamp(MANIFEST),
            index_stamp: files.stamp(INDEX_NAME),
            ..Self::default()
        };
        if !traits.directory {
            traits.saved(files);
            let folders = files.top_level();
            let mut folders = folders.iter().filter(|it| hex_name(it, ""));
            traits.version =
                folders.any(|it| matches!(files.find(&format!("{it}/VERSION")), Ok(Some(_))));
            traits.layer_stamp = traits.saved.as_ref().and_then(|(_, layer)| files.stamp(layer));
        }
        traits
    }

    /// The first item of `manifest.json`.
    fn saved(&mut self, files: &Files) -> Option<()> {
        let document = manifest_json::read(files).ok()??;
        let item = document.items.into_iter().next()?;
        let checked = json::check(item.raw.as_bytes(), Trailing::Refused).ok()?;
        let [sources] = checked.value.fields("an item", ["LayerSources"]).ok()?;
        self.layer_sources = sources.is_some();
        self.saved = Some((item.config, item.layers.into_iter().next().unwrap_or_default()));
        Some(())
    }
}

/// Whether a name is 64 hex digits with this ending.
fn hex_name(name: &str, ending: &str) -> bool {
    let digits = |it: &str| it.len() == 64 && it.bytes().all(|it| it.is_ascii_hexdigit());
    name.strip_suffix(ending).is_some_and(digits)
}
