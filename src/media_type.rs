//! Media types: one table of what a thing is called by Docker and by OCI.
//!
//! Rules: image-spec `media-types.md`; distribution `manifest/schema2`, `manifest/manifestlist`;
//! containers/image and containerd for the zstd and encrypted ones.

use crate::compression::Compression;

/// What a media type names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// An index; Docker's manifest list.
    Index,
    /// A manifest of one image or artifact.
    Manifest,
    /// An image config.
    Config,
    /// A layer; the codec is what the type says, which may not be true.
    Layer(Compression),
    /// A layer that registries do not store.
    Foreign(Compression),
    /// A schema 1 manifest.
    Schema1,
}

/// Whose names a document uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Docker: schema 2 and manifest lists.
    Docker,
    /// OCI: image manifests and indexes.
    Oci,
}

/// A thing and its name in either family; empty where the family has none.
struct Row {
    thing: Thing,
    docker: &'static str,
    oci: &'static str,
}

const fn row(thing: Thing, docker: &'static str, oci: &'static str) -> Row {
    Row { thing, docker, oci }
}

#[rustfmt::skip]
static TABLE: &[Row] = &[
    row(Thing::Index, "application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json"),
    row(Thing::Manifest, "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.manifest.v1+json"),
    row(Thing::Config, "application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"),
    row(Thing::Layer(Compression::None), "application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar"),
    row(Thing::Layer(Compression::Gzip), "application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
    row(Thing::Layer(Compression::Zstd), "application/vnd.docker.image.rootfs.diff.tar.zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
    row(Thing::Foreign(Compression::None), "application/vnd.docker.image.rootfs.foreign.diff.tar", "application/vnd.oci.image.layer.nondistributable.v1.tar"),
    row(Thing::Foreign(Compression::Gzip), "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
    row(Thing::Foreign(Compression::Zstd), "", "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"),
    row(Thing::Schema1, "application/vnd.docker.distribution.manifest.v1+prettyjws", ""),
    row(Thing::Schema1, "application/vnd.docker.distribution.manifest.v1+json", ""),
];

/// Docker's early configs were sent without a type of their own.
pub(crate) const OCTETS: &str = "application/octet-stream";

impl Thing {
    /// What a media type names, and in whose words; nothing for types of others.
    #[must_use]
    pub fn of(media_type: &str) -> Option<(Self, Family)> {
        TABLE.iter().find_map(|row| match media_type {
            "" => None,
            _ if media_type == row.docker => Some((row.thing, Family::Docker)),
            _ if media_type == row.oci => Some((row.thing, Family::Oci)),
            _ => None,
        })
    }

    /// The name in a family; nothing where it has none.
    #[must_use]
    pub fn name(self, family: Family) -> Option<&'static str> {
        let row = TABLE.iter().find(|row| row.thing == self)?;
        let name = match family {
            Family::Docker => row.docker,
            Family::Oci => row.oci,
        };
        Some(name).filter(|name| !name.is_empty())
    }
}

/// Whether a manifest with a config of this type is an image, not an artifact.
#[must_use]
pub fn is_image_config(media_type: &str) -> bool {
    matches!(Thing::of(media_type), Some((Thing::Config, _))) || media_type == OCTETS
}

/// Whether a type is that of a layer; unknown ones are, when they speak of a tar or of nothing.
#[must_use]
pub fn is_layer(media_type: &str) -> bool {
    matches!(Thing::of(media_type), Some((Thing::Layer(_) | Thing::Foreign(_), _)))
        || media_type.is_empty()
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
            for (name, family) in [(row.docker, Family::Docker), (row.oci, Family::Oci)] {
                if !name.is_empty() {
                    assert!(seen.insert(name), "{name} twice");
                    assert_eq!(Thing::of(name), Some((row.thing, family)));
                }
            }
        }
        assert_eq!(Thing::of(""), None);
    }

    #[test]
    fn the_names_are_those_of_oci_spec() {
        use oci_spec::image::MediaType;
        for (thing, theirs) in [
            (Thing::Index, MediaType::ImageIndex),
            (Thing::Manifest, MediaType::ImageManifest),
            (Thing::Config, MediaType::ImageConfig),
            (Thing::Layer(Compression::None), MediaType::ImageLayer),
            (Thing::Layer(Compression::Gzip), MediaType::ImageLayerGzip),
            (Thing::Layer(Compression::Zstd), MediaType::ImageLayerZstd),
        ] {
            assert_eq!(thing.name(Family::Oci), Some(theirs.as_ref()));
        }
    }
}
