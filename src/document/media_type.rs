//! Media types: one table with the names of Docker and OCI.
//!
//! Rules: image-spec `media-types.md`; distribution `manifest/schema2`, `manifest/manifestlist`;
//! containers/image and containerd for the zstd and encrypted ones.

use crate::codec::Compression;

/// The kind of thing that a media type names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MediaKind {
    /// An index; Docker's manifest list.
    Index,
    /// A manifest of one image or artifact.
    Manifest,
    /// An image config.
    Config,
    /// A layer; the codec comes from the type and may be wrong.
    Layer(Compression),
    /// A layer that registries do not store.
    NonDistributable(Compression),
    /// A schema 1 manifest.
    Schema1,
}

/// The family of media types of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MediaFamily {
    /// Docker: schema 2 and manifest lists.
    Docker,
    /// OCI: image manifests and indexes.
    Oci,
}

/// A kind and its name in each family; empty if the family has none.
struct MediaRow {
    thing: MediaKind,
    docker: &'static str,
    oci: &'static str,
}

const fn row(thing: MediaKind, docker: &'static str, oci: &'static str) -> MediaRow {
    MediaRow { thing, docker, oci }
}

#[rustfmt::skip]
static TABLE: &[MediaRow] = &[
    row(MediaKind::Index, "application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json"),
    row(MediaKind::Manifest, "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.manifest.v1+json"),
    row(MediaKind::Config, "application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"),
    row(MediaKind::Layer(Compression::None), "application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar"),
    row(MediaKind::Layer(Compression::Gzip), "application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
    row(MediaKind::Layer(Compression::Zstd), "application/vnd.docker.image.rootfs.diff.tar.zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
    row(MediaKind::NonDistributable(Compression::None), "application/vnd.docker.image.rootfs.foreign.diff.tar", "application/vnd.oci.image.layer.nondistributable.v1.tar"),
    row(MediaKind::NonDistributable(Compression::Gzip), "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
    row(MediaKind::NonDistributable(Compression::Zstd), "", "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"),
    row(MediaKind::Schema1, "application/vnd.docker.distribution.manifest.v1+prettyjws", ""),
    row(MediaKind::Schema1, "application/vnd.docker.distribution.manifest.v1+json", ""),
];

/// Every type of manifest and index that a registry may answer with.
pub(crate) const MANIFESTS: [&str; 6] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
];

/// Early Docker configs had no specific media type.
pub(crate) const OCTETS: &str = "application/octet-stream";

/// The type of the artifact that makes an archive a recovery file.
pub(crate) const RECOVERY: &str = "application/vnd.imgconv.recovery.v1";

impl MediaKind {
    /// The kind and family of a media type; `None` for unknown types.
    #[must_use]
    pub fn of(media_type: &str) -> Option<(Self, MediaFamily)> {
        TABLE.iter().find_map(|row| match media_type {
            "" => None,
            _ if media_type == row.docker => Some((row.thing, MediaFamily::Docker)),
            _ if media_type == row.oci => Some((row.thing, MediaFamily::Oci)),
            _ => None,
        })
    }

    /// The name in a family; `None` if it has none.
    #[must_use]
    pub fn name(self, family: MediaFamily) -> Option<&'static str> {
        let row = TABLE.iter().find(|row| row.thing == self)?;
        let name = match family {
            MediaFamily::Docker => row.docker,
            MediaFamily::Oci => row.oci,
        };
        Some(name).filter(|name| !name.is_empty())
    }

    /// The media type that a document has of itself; OCI's if it has none.
    pub(crate) fn or_own(self, own: &str) -> &str {
        if own.is_empty() { self.name(MediaFamily::Oci).unwrap_or_default() } else { own }
    }
}

/// Whether a manifest with a config of this type is an image, not an artifact.
#[must_use]
pub fn is_image_config(media_type: &str) -> bool {
    matches!(MediaKind::of(media_type), Some((MediaKind::Config, _))) || media_type == OCTETS
}

/// Whether a type is a layer; an unknown type is one if it is empty or mentions a tar.
#[must_use]
pub fn is_layer(media_type: &str) -> bool {
    matches!(
        MediaKind::of(media_type),
        Some((MediaKind::Layer(_) | MediaKind::NonDistributable(_), _))
    ) || media_type.is_empty()
        || media_type == OCTETS
        || media_type.contains("tar")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once_and_leads_back_to_its_thing() {
        let mut seen = std::collections::BTreeSet::new();
        for row in TABLE {
            for (name, family) in [(row.docker, MediaFamily::Docker), (row.oci, MediaFamily::Oci)] {
                if !name.is_empty() {
                    assert!(seen.insert(name), "{name} twice");
                    assert_eq!(MediaKind::of(name), Some((row.thing, family)));
                }
            }
        }
        assert_eq!(MediaKind::of(""), None);
    }

    #[test]
    fn the_names_are_those_of_oci_spec() {
        use oci_spec::image::MediaType;
        for (thing, theirs) in [
            (MediaKind::Index, MediaType::ImageIndex),
            (MediaKind::Manifest, MediaType::ImageManifest),
            (MediaKind::Config, MediaType::ImageConfig),
            (MediaKind::Layer(Compression::None), MediaType::ImageLayer),
            (MediaKind::Layer(Compression::Gzip), MediaType::ImageLayerGzip),
            (MediaKind::Layer(Compression::Zstd), MediaType::ImageLayerZstd),
        ] {
            assert_eq!(thing.name(MediaFamily::Oci), Some(theirs.as_ref()));
        }
    }
}
