//! Names of images in registries: `HOST/NAME[:TAG][@DIGEST]`.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;
use crate::reference::{InvalidReference, Reference};

/// The name of an image in a registry. A digest identifies it; the tag beside a digest only names
/// it elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryName {
    reference: Reference,
    digest: Option<Digest>,
    /// Whether the tag was written, or is `latest` because there was none.
    tagged: bool,
}

/// What identifies a manifest in a repository (distribution-spec "Pulling manifests").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which<'a> {
    Tag(&'a str),
    Digest(Digest),
}

impl fmt::Display for Which<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl RegistryName {
    /// The name of this tag.
    #[must_use]
    pub fn of(reference: Reference) -> Self {
        Self { reference, digest: None, tagged: true }
    }

    /// The host, as in the name: `docker.io`.
    #[must_use]
    pub fn host(&self) -> &str {
        self.reference.host()
    }

    /// The repository without its host, as in URLs.
    #[must_use]
    pub fn path(&self) -> &str {
        self.reference.path()
    }

    /// The full name, if it has a tag; a digest alone is not a name of an image.
    #[must_use]
    pub fn reference(&self) -> Option<&Reference> {
        Some(&self.reference).filter(|_| self.tagged || self.digest.is_none())
    }

    /// Whether a tag or a digest was written.
    #[must_use]
    pub fn is_repository(&self) -> bool {
        !self.tagged && self.digest.is_none()
    }

    /// The repository, as docker shows it.
    #[must_use]
    pub fn repository(&self) -> String {
        self.reference.familiar_repository()
    }

    /// The full name of another tag of the repository.
    pub(crate) fn tagged(&self, tag: &str) -> Option<Reference> {
        Reference::new(&self.reference.repository(), tag).ok()
    }

    /// The repository with its full host.
    pub(crate) fn full_repository(&self) -> String {
        self.reference.repository()
    }

    /// The same image in another place: `rest` is what follows there.
    pub(crate) fn placed(&self, to: &str, rest: &str) -> Option<Self> {
        let there = format!("{}{rest}", to.trim_end_matches('/'));
        let reference = Reference::new(&there, self.reference.tag()).ok()?;
        Some(Self { reference, ..self.clone() })
    }

    /// A manifest of the repository.
    pub(crate) fn by_digest(&self, digest: Digest) -> Self {
        Self { reference: self.reference.clone(), digest: Some(digest), tagged: false }
    }

    pub(crate) fn which(&self) -> Which<'_> {
        match self.digest {
            Some(digest) => Which::Digest(digest),
            None => Which::Tag(self.reference.tag()),
        }
    }

    /// The same repository on another host.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.host() == other.host() && self.path() == other.path()
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.reference(), self.digest) {
            (Some(reference), Some(digest)) => write!(f, "{}@{digest}", reference.familiar()),
            (Some(reference), None) => f.write_str(&reference.familiar()),
            (None, Some(digest)) => write!(f, "{}@{digest}", self.repository()),
            (None, None) => f.write_str(&self.repository()),
        }
    }
}

impl FromStr for RegistryName {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse().map_err(|_| InvalidReference)?)),
            None => (text, None),
        };
        let tagged = name.rsplit_once(':').is_some_and(|(_, tag)| !tag.contains('/'));
        Ok(Self { reference: name.parse()?, digest, tagged })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_identifies_and_a_tag_names() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, shown, which, named) in [
            ("nginx".to_owned(), "nginx:latest", "latest", true),
            ("localhost:5000/a/b:1".to_owned(), "localhost:5000/a/b:1", "1", true),
            (format!("a/b@{digest}"), &format!("a/b@{digest}") as &str, &digest as &str, false),
            (format!("a/b:1@{digest}"), &format!("a/b:1@{digest}"), &digest, true),
        ] {
            let name: RegistryName = text.parse().unwrap();
            assert_eq!(name.to_string(), shown);
            assert_eq!(name.which().to_string(), which);
            assert_eq!(name.reference().is_some(), named, "{text}");
        }
    }

    #[test]
    fn what_could_lead_out_of_a_url_is_not_a_name() {
        for text in ["a/../b", "a/b:../x", "a/b@sha256:../x", "a/b@md5:00", "h/a?x=1", "h/a#b", ""]
        {
            assert_eq!(text.parse::<RegistryName>(), Err(InvalidReference), "{text}");
        }
    }
}
