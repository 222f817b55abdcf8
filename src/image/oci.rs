//! The vocabulary of the `oci-spec` crate, both ways.
//!
//! For callers who have it already. Documents are converted through their meaning, not their
//! bytes: what must keep its digest stays a [`Document`](crate::document::Document).

use oci_spec::image as oci;

use crate::digest::Digest;
use crate::document::descriptor::Descriptor;
use crate::document::{Index, Manifest};
use crate::error::ErrorKind;
use crate::platform::Platform;

impl TryFrom<&Digest> for oci::Digest {
    type Error = oci_spec::OciSpecError;

    fn try_from(digest: &Digest) -> Result<Self, Self::Error> {
        digest.to_string().parse()
    }
}

impl TryFrom<&oci::Digest> for Digest {
    type Error = crate::digest::InvalidDigest;

    fn try_from(digest: &oci::Digest) -> Result<Self, Self::Error> {
        digest.to_string().parse()
    }
}

impl TryFrom<&Descriptor> for oci::Descriptor {
    type Error = oci_spec::OciSpecError;

    fn try_from(descriptor: &Descriptor) -> Result<Self, Self::Error> {
        let text = descriptor.to_json(crate::document::media_type::MediaFamily::Oci);
        Ok(serde_json::from_str(&text)?)
    }
}

impl TryFrom<&oci::Descriptor> for Descriptor {
    type Error = ErrorKind;

    fn try_from(descriptor: &oci::Descriptor) -> Result<Self, ErrorKind> {
        let digest = Digest::try_from(descriptor.digest())?;
        let media_type = descriptor.media_type().to_string();
        let mut ours = Self::new(&media_type, digest, descriptor.size());
        ours.urls = descriptor.urls().clone().unwrap_or_default();
        ours.annotations =
            descriptor.annotations().clone().unwrap_or_default().into_iter().collect();
        ours.platform = descriptor.platform().as_ref().map(|it| Box::new(it.into()));
        ours.artifact_type =
            descriptor.artifact_type().as_ref().map(ToString::to_string).unwrap_or_default();
        Ok(ours)
    }
}

impl From<&oci::Platform> for Platform {
    fn from(platform: &oci::Platform) -> Self {
        Self {
            os: platform.os().to_string(),
            architecture: platform.architecture().to_string(),
            variant: platform.variant().clone().unwrap_or_default(),
            os_version: platform.os_version().clone().unwrap_or_default(),
            os_features: platform.os_features().clone().unwrap_or_default(),
        }
    }
}

impl TryFrom<&Manifest> for oci::ImageManifest {
    type Error = oci_spec::OciSpecError;

    fn try_from(manifest: &Manifest) -> Result<Self, Self::Error> {
        Ok(serde_json::from_str(&manifest.to_json())?)
    }
}

impl TryFrom<&oci::ImageManifest> for Manifest {
    type Error = ErrorKind;

    fn try_from(manifest: &oci::ImageManifest) -> Result<Self, ErrorKind> {
        let config = Descriptor::try_from(manifest.config())?;
        let layers: Result<Vec<_>, _> = manifest.layers().iter().map(TryFrom::try_from).collect();
        let mut ours = Self::of(crate::document::media_type::MediaFamily::Oci, config, layers?);
        ours.media_type =
            manifest.media_type().as_ref().map(ToString::to_string).unwrap_or_default();
        ours.annotations = manifest.annotations().clone().unwrap_or_default().into_iter().collect();
        ours.artifact_type =
            manifest.artifact_type().as_ref().map(ToString::to_string).unwrap_or_default();
        let subject = manifest.subject().as_ref().map(Descriptor::try_from).transpose()?;
        ours.subject = subject.map(Box::new);
        Ok(ours)
    }
}

impl TryFrom<&Index> for oci::ImageIndex {
    type Error = oci_spec::OciSpecError;

    fn try_from(index: &Index) -> Result<Self, Self::Error> {
        Ok(serde_json::from_str(&index.to_json())?)
    }
}

impl TryFrom<&oci::ImageIndex> for Index {
    type Error = ErrorKind;

    fn try_from(index: &oci::ImageIndex) -> Result<Self, ErrorKind> {
        let entries: Result<Vec<_>, _> = index.manifests().iter().map(TryFrom::try_from).collect();
        let mut ours = Self::of(entries?);
        ours.media_type = index.media_type().as_ref().map(ToString::to_string).unwrap_or_default();
        ours.annotations = index.annotations().clone().unwrap_or_default().into_iter().collect();
        Ok(ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Measured;
    use crate::document::media_type::{MediaFamily, MediaKind};

    fn descriptor(thing: MediaKind) -> Descriptor {
        let mut descriptor =
            Descriptor::of(thing.name(MediaFamily::Oci).unwrap(), &Measured::of(b"{}"));
        descriptor.annotations.insert("a".into(), "b".into());
        descriptor.urls = vec!["https://example.com/blob".into()];
        descriptor.platform = Some(Box::new("linux/arm64/v8".parse().unwrap()));
        descriptor
    }

    /// The crate's strict parse is an independent judge of what we write.
    #[test]
    fn documents_made_here_are_read_by_oci_spec_and_come_back() {
        let layer = descriptor(MediaKind::Layer(crate::codec::Compression::Gzip));
        let manifest = Manifest::of(MediaFamily::Oci, descriptor(MediaKind::Config), vec![layer]);
        let theirs = oci::ImageManifest::try_from(&manifest).unwrap();
        assert_eq!(Manifest::try_from(&theirs).unwrap().to_json(), manifest.to_json());

        let index = Index::of(vec![descriptor(MediaKind::Manifest)]);
        let theirs = oci::ImageIndex::try_from(&index).unwrap();
        assert_eq!(Index::try_from(&theirs).unwrap().to_json(), index.to_json());
    }
}
