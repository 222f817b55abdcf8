//! Converts to and from the types of the `oci-spec` crate.
//!
//! For callers that already use this crate. The conversion keeps the meaning of a document, not its
//! bytes: use a [`Document`](crate::document::Document) to keep the digest. Fields that the crate's
//! types cannot hold are an error that names them. To ignore them, parse
//! [`Document::raw`](crate::document::Document::raw) with the crate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci_spec::OciSpecError;
use oci_spec::image as oci;

use crate::digest::Digest;
use crate::document::descriptor::Descriptor;
use crate::document::media_type::MediaFamily;
use crate::document::{Index, Manifest};
use crate::error::ErrorKind;
use crate::platform::Platform;

impl TryFrom<&Digest> for oci::Digest {
    type Error = OciSpecError;

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

/// Refuses fields that the crate's types cannot hold.
fn all_known(what: &str, others: &[(String, String)]) -> Result<(), OciSpecError> {
    if others.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = others.iter().map(|(name, _)| name.as_str()).collect();
    let text = format!("oci-spec cannot hold these fields of {what}: {}", names.join(", "));
    Err(OciSpecError::Other(text))
}

/// Parses our JSON with the crate, which checks it independently.
fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, OciSpecError> {
    Ok(serde_json::from_str(text)?)
}

fn all<'a, A: 'a, B: TryFrom<&'a A>>(list: &'a [A]) -> Result<Vec<B>, B::Error> {
    list.iter().map(TryFrom::try_from).collect()
}

fn one<'a, A, B: TryFrom<&'a A>>(it: Option<&'a A>) -> Result<Option<B>, B::Error> {
    it.map(TryFrom::try_from).transpose()
}

impl TryFrom<&Platform> for oci::Platform {
    type Error = OciSpecError;

    fn try_from(platform: &Platform) -> Result<Self, OciSpecError> {
        // Uses setters, because the crate's JSON has other names for `os.version` and
        // `os.features`.
        let mut theirs = Self::default();
        theirs.set_os(platform.os.as_str().into());
        theirs.set_architecture(platform.architecture.as_str().into());
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        theirs.set_variant(text(&platform.variant));
        theirs.set_os_version(text(&platform.os_version));
        let features = Some(platform.os_features.clone());
        theirs.set_os_features(features.filter(|features| !features.is_empty()));
        Ok(theirs)
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

impl TryFrom<&Descriptor> for oci::Descriptor {
    type Error = OciSpecError;

    fn try_from(descriptor: &Descriptor) -> Result<Self, OciSpecError> {
        all_known("a descriptor", &descriptor.others)?;
        let platform = one(descriptor.platform.as_deref())?;
        let plain = Descriptor { platform: None, ..descriptor.clone() };
        let mut theirs: Self = parsed(&plain.to_json(MediaFamily::Oci))?;
        theirs.set_platform(platform);
        Ok(theirs)
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
        let features = descriptor.platform().as_ref().and_then(|it| it.features().as_ref());
        if let Some(features) = features.filter(|features| !features.is_empty()) {
            let expected = "nothing, because the field is reserved";
            return Err(ErrorKind::field("platform.features", expected, &features.join(", ")));
        }
        ours.artifact_type =
            descriptor.artifact_type().as_ref().map(ToString::to_string).unwrap_or_default();
        ours.data = descriptor.data().as_ref().map(|text| decoded(text)).transpose()?;
        ours.check_data()?;
        Ok(ours)
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, ErrorKind> {
    STANDARD.decode(text).map_err(|_| ErrorKind::Data {
        expected: "base64".to_owned(),
        found: crate::error::Shown(text).to_string(),
    })
}

impl TryFrom<&Manifest> for oci::ImageManifest {
    type Error = OciSpecError;

    fn try_from(manifest: &Manifest) -> Result<Self, OciSpecError> {
        all_known("a manifest", &manifest.others)?;
        let mut theirs: Self = parsed(&manifest.to_json())?;
        if let Some(config) = one(manifest.config.as_ref())? {
            theirs.set_config(config);
        }
        theirs.set_layers(all(&manifest.layers)?);
        theirs.set_subject(one(manifest.subject.as_deref())?);
        Ok(theirs)
    }
}

impl TryFrom<&oci::ImageManifest> for Manifest {
    type Error = ErrorKind;

    fn try_from(manifest: &oci::ImageManifest) -> Result<Self, ErrorKind> {
        let config = Descriptor::try_from(manifest.config())?;
        let mut ours = Self::of(MediaFamily::Oci, config, all(manifest.layers())?);
        ours.media_type =
            manifest.media_type().as_ref().map(ToString::to_string).unwrap_or_default();
        ours.annotations = manifest.annotations().clone().unwrap_or_default().into_iter().collect();
        ours.artifact_type =
            manifest.artifact_type().as_ref().map(ToString::to_string).unwrap_or_default();
        ours.subject = one(manifest.subject().as_ref())?.map(Box::new);
        Ok(ours)
    }
}

impl TryFrom<&Index> for oci::ImageIndex {
    type Error = OciSpecError;

    fn try_from(index: &Index) -> Result<Self, OciSpecError> {
        all_known("an index", &index.others)?;
        let mut theirs: Self = parsed(&index.to_json())?;
        theirs.set_manifests(all(&index.manifests)?);
        theirs.set_subject(one(index.subject.as_deref())?);
        Ok(theirs)
    }
}

impl TryFrom<&oci::ImageIndex> for Index {
    type Error = ErrorKind;

    fn try_from(index: &oci::ImageIndex) -> Result<Self, ErrorKind> {
        let mut ours = Self::of(all(index.manifests())?);
        ours.media_type = index.media_type().as_ref().map(ToString::to_string).unwrap_or_default();
        ours.annotations = index.annotations().clone().unwrap_or_default().into_iter().collect();
        ours.artifact_type =
            index.artifact_type().as_ref().map(ToString::to_string).unwrap_or_default();
        ours.subject = one(index.subject().as_ref())?.map(Box::new);
        Ok(ours)
    }
}

/// The same by value.
macro_rules! by_value {
    ($($from:ty => $to:ty: $error:ty),* $(,)?) => {$(
        impl TryFrom<$from> for $to {
            type Error = $error;

            fn try_from(it: $from) -> Result<Self, $error> {
                Self::try_from(&it)
            }
        }
    )*};
}
by_value! {
    Digest => oci::Digest: OciSpecError,
    oci::Digest => Digest: crate::digest::InvalidDigest,
    Platform => oci::Platform: OciSpecError,
    Descriptor => oci::Descriptor: OciSpecError,
    oci::Descriptor => Descriptor: ErrorKind,
    Manifest => oci::ImageManifest: OciSpecError,
    oci::ImageManifest => Manifest: ErrorKind,
    Index => oci::ImageIndex: OciSpecError,
    oci::ImageIndex => Index: ErrorKind,
}

impl From<oci::Platform> for Platform {
    fn from(platform: oci::Platform) -> Self {
        Self::from(&platform)
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;
    use crate::digest::Measured;
    use crate::document::Document;
    use crate::document::media_type::MediaKind;

    fn descriptor(thing: MediaKind) -> Descriptor {
        let mut descriptor =
            Descriptor::of(thing.name(MediaFamily::Oci).unwrap(), &Measured::of(b"{}"));
        descriptor.annotations.insert("a".into(), "b".into());
        descriptor.urls = vec!["https://example.com/blob".into()];
        descriptor.platform = Some(Box::new(Platform {
            os_version: "10.0.1".into(),
            os_features: vec!["win32k".into()],
            ..Platform::from_str("windows/arm64/v8").unwrap()
        }));
        descriptor.artifact_type = "application/vnd.example".into();
        descriptor.data = Some(b"{}".to_vec());
        descriptor
    }

    /// The crate's strict parse is an independent judge of what we write.
    #[test]
    fn documents_made_here_are_read_by_oci_spec_and_come_back() {
        let layer = descriptor(MediaKind::Layer(crate::codec::Compression::Gzip));
        let mut manifest =
            Manifest::of(MediaFamily::Oci, descriptor(MediaKind::Config), vec![layer]);
        manifest.subject = Some(Box::new(descriptor(MediaKind::Manifest)));
        let theirs = oci::ImageManifest::try_from(manifest.clone()).unwrap();
        assert_eq!(Manifest::try_from(theirs).unwrap().to_json(), manifest.to_json());

        let mut index = Index::of(vec![descriptor(MediaKind::Manifest)]);
        index.artifact_type = "application/vnd.example".into();
        index.subject = Some(Box::new(descriptor(MediaKind::Manifest)));
        let theirs = oci::ImageIndex::try_from(index.clone()).unwrap();
        assert_eq!(Index::try_from(theirs).unwrap().to_json(), index.to_json());
    }

    #[test]
    fn what_the_other_side_has_no_place_for_is_named() {
        let inner = descriptor(MediaKind::Manifest).to_json(MediaFamily::Oci);
        let unknown = inner.replacen('{', r#"{"org.example":1,"#, 1);
        for (text, member) in [
            (format!(r#"{{"schemaVersion":2,"manifests":[{unknown}]}}"#), "org.example"),
            (format!(r#"{{"schemaVersion":2,"manifests":[{inner}],"extra":[]}}"#), "extra"),
        ] {
            let index = Document::<Index>::parse(text.into_bytes()).unwrap();
            let error = oci::ImageIndex::try_from(index.view()).unwrap_err().to_string();
            assert!(error.contains(member), "{error}");
        }
        let mut theirs = oci::Descriptor::try_from(&descriptor(MediaKind::Manifest)).unwrap();
        theirs.set_data(Some("e30".to_owned()));
        assert!(Descriptor::try_from(&theirs).is_err(), "data that is not base64");
        theirs.set_data(Some("e30K".to_owned()));
        assert!(Descriptor::try_from(&theirs).is_err(), "data that its digest does not name");
        let mut platform = oci::Platform::default();
        platform.set_features(Some(vec!["sse4".to_owned()]));
        theirs.set_data(None).set_platform(Some(platform));
        let error = Descriptor::try_from(&theirs).unwrap_err().to_string();
        assert!(error.contains("sse4"), "{error}");
    }
}
