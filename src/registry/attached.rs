//! What a registry holds about an image beside it: signatures, attestations and other referrers
//! (distribution-spec "Listing Referrers"; cosign's tags).

use std::collections::BTreeSet;

use super::name::{RegistryName, Which};
use super::requests::Fetched;
use super::session::{Call, Registries, RegistryEvent, RepositoryScope};
use crate::digest::{Digest, Measured};
use crate::document::descriptor::Descriptor;
use crate::document::media_type::{MediaFamily, MediaKind};
use crate::document::{Document, Index, Manifest};
use crate::error::{ErrorKind, UnknownWord, by_name};
use crate::limits;

/// What is copied along with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum With {
    /// Only the image.
    #[default]
    None,
    /// Signatures, attestations and SBOMs under the tags of cosign.
    Signatures,
    /// Manifests whose subject is the image.
    Referrers,
    /// Both.
    All,
}

impl With {
    /// Every value.
    pub const ALL: [Self; 4] = [Self::None, Self::Signatures, Self::Referrers, Self::All];

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Signatures => "signatures",
            Self::Referrers => "referrers",
            Self::All => "all",
        }
    }

    pub(crate) fn has_signatures(self) -> bool {
        matches!(self, Self::Signatures | Self::All)
    }

    pub(crate) fn has_referrers(self) -> bool {
        matches!(self, Self::Referrers | Self::All)
    }
}

impl std::str::FromStr for With {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        by_name(text, &Self::ALL, Self::name)
    }
}

/// The endings of cosign's tags.
const ENDINGS: [&str; 3] = ["sig", "att", "sbom"];

/// How deep referrers of referrers are followed.
pub(crate) const LEVELS: usize = 3;

/// The tag under which registries without the API keep the referrers of a digest; cosign's tags
/// begin with it.
pub(crate) fn fallback_tag(subject: &Digest) -> String {
    format!("{}-{}", subject.algorithm().name(), subject.hex())
}

/// What a tag of cosign is about; `None` for other tags.
pub(crate) fn signed(tag: &str) -> Option<Digest> {
    let (about, ending) = tag.split_once('.')?;
    ENDINGS.contains(&ending).then_some(())?;
    about.replacen('-', ":", 1).parse().ok()
}

/// The subject of a manifest or index.
pub(crate) fn subject_of(raw: &[u8]) -> Option<Digest> {
    if let Ok(manifest) = Document::<Manifest>::parse(raw) {
        return manifest.view().subject.as_ref().map(|it| it.digest);
    }
    Document::<Index>::parse(raw).ok()?.view().subject.as_ref().map(|it| it.digest)
}

impl Registries {
    /// What is about a manifest, each with the tag that it has.
    pub(super) fn attached(
        &self,
        name: &RegistryName,
        subject: Digest,
        with: With,
    ) -> Result<Vec<(Option<String>, Fetched)>, ErrorKind> {
        let mut found = Vec::new();
        for ending in ENDINGS.iter().filter(|_| with.has_signatures()) {
            let tag = format!("{}.{ending}", fallback_tag(&subject));
            if let Some(manifest) = self.manifest(name, Which::Tag(&tag))? {
                found.push((Some(tag), manifest));
            }
        }
        if with.has_referrers() {
            let mut seen = BTreeSet::new();
            for said in self.referrers(name, subject)? {
                if !seen.insert(said.digest) {
                    continue;
                }
                if seen.len() > limits::REFERRERS {
                    let limit = limits::REFERRERS as u64;
                    return Err(ErrorKind::limit("the number of referrers", limit, "more"));
                }
                let Some(manifest) = self.manifest(name, Which::Digest(said.digest))? else {
                    continue;
                };
                if subject_of(&manifest.raw) == Some(subject) {
                    found.push((None, manifest));
                } else {
                    let (name, digest) = (name.to_string(), said.digest);
                    let _ = (self.access.events)(&RegistryEvent::NotAReferrer { name, digest });
                }
            }
        }
        Ok(found)
    }

    /// The descriptors of the referrers of a manifest.
    fn referrers(
        &self,
        name: &RegistryName,
        subject: Digest,
    ) -> Result<Vec<Descriptor>, ErrorKind> {
        let scope = RepositoryScope::pull(name);
        let url = self.url(name, &format!("{}/referrers/{subject}", name.path()))?;
        let accept = MediaKind::Index.name(MediaFamily::Oci).unwrap_or_default();
        let call = Call::new("GET", url, scope).with("accept", accept);
        let (answer, raw) = self.fetch(&call, limits::MANIFEST)?;
        let raw = match answer.status {
            200 => raw,
            // Registries before version 1.1 of the specification.
            400 | 404 | 405 => match self.manifest(name, Which::Tag(&fallback_tag(&subject)))? {
                Some(index) => index.raw,
                None => return Ok(Vec::new()),
            },
            _ => return Err(self.refusal(&scope, "list of referrers", 200, answer)),
        };
        Ok(Document::<Index>::parse(raw)?.view().manifests.clone())
    }

    /// Adds a referrer to the tag that stands for the API in a registry without it.
    pub(super) fn add_referrer(
        &self,
        home: &RegistryName,
        subject: Digest,
        raw: &[u8],
    ) -> Result<(), ErrorKind> {
        let tag = fallback_tag(&subject);
        let known = self.manifest(home, Which::Tag(&tag))?;
        let known = known.map(|it| Document::<Index>::parse(it.raw)).transpose()?;
        let mut index = known.map_or_else(|| Index::of(Vec::new()), |it| it.view().clone());
        let measured = Measured::of(raw);
        if index.manifests.iter().any(|it| it.digest == measured.digest()) {
            return Ok(());
        }
        let manifest = Document::<Manifest>::parse(raw)?;
        let view = manifest.view();
        let mut entry = manifest.descriptor();
        entry.artifact_type = match (view.artifact_type.as_str(), &view.config) {
            ("", Some(config)) => config.media_type.clone(),
            (own, _) => own.to_owned(),
        };
        entry.annotations.clone_from(&view.annotations);
        index.manifests.push(entry);
        let media_type = MediaKind::Index.name(MediaFamily::Oci).unwrap_or_default();
        let raw = index.to_json().into_bytes();
        self.put_manifest(home, Which::Tag(&tag), (&raw, media_type)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_cosign_name_what_they_are_about() {
        let hex = "a".repeat(64);
        for (tag, expected) in [
            (format!("sha256-{hex}.sig"), true),
            (format!("sha256-{hex}.sbom"), true),
            (format!("sha256-{hex}"), false),
            (format!("sha256-{hex}.txt"), false),
            (format!("sha256-{hex}.sig.sig"), false),
            ("1.27".to_owned(), false),
        ] {
            assert_eq!(signed(&tag).is_some(), expected, "{tag}");
        }
        let digest: Digest = format!("sha256:{hex}").parse().unwrap();
        assert_eq!(signed(&format!("{}.att", fallback_tag(&digest))), Some(digest));
    }
}
