//! Names of images: `host/repository:tag`, familiar and canonical.
//!
//! Rules: distribution `reference` (grammar, `splitDockerDomain`, `FamiliarString`). A digest after
//! a tag is dropped, because the written image has its own digest.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::digest::Digest;

/// Text that is not an image name for docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected [HOST/]REPOSITORY[:TAG] in lower case")]
pub struct InvalidReference;

/// A full image name with a tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    host: String,
    path: String,
    tag: String,
}

const HUB: &str = "docker.io";
const OFFICIAL: &str = "library/";

impl Reference {
    /// A reference from a repository and a tag.
    ///
    /// # Errors
    /// One of them is not valid.
    pub fn new(repository: &str, tag: &str) -> Result<Self, InvalidReference> {
        let mut reference: Self = repository.parse()?;
        if !is_tag(tag) {
            return Err(InvalidReference);
        }
        tag.clone_into(&mut reference.tag);
        Ok(reference)
    }

    /// As docker shows it: `nginx:1`, `ghcr.io/a/b:c`.
    #[must_use]
    pub fn familiar(&self) -> String {
        format!("{}:{}", self.familiar_repository(), self.tag)
    }

    /// As docker shows the repository: `nginx`, `ghcr.io/a/b`. In full if the short form would mean
    /// another repository: `docker.io/ghcr.io/a/b`.
    #[must_use]
    pub fn familiar_repository(&self) -> String {
        let taken_for_a_host = self.path.split_once('/').is_some_and(|it| is_host_like(it.0));
        match (self.host.as_str(), self.path.strip_prefix(OFFICIAL)) {
            (HUB, _) if taken_for_a_host => self.repository(),
            (HUB, Some(official)) if !official.contains('/') => official.to_owned(),
            (HUB, _) => self.path.clone(),
            _ => self.repository(),
        }
    }

    /// With the full host and path.
    #[must_use]
    pub fn repository(&self) -> String {
        format!("{}/{}", self.host, self.path)
    }

    /// The host: `docker.io`, `localhost:5000`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository without its host, as in registry URLs.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether this is `REPOSITORY@DIGEST`, as containerd names images that were pulled by digest:
    /// a valid name without a tag.
    #[must_use]
    pub fn is_digested(name: &str) -> bool {
        name.split_once('@').is_some_and(|(repository, digest)| {
            digest.parse::<Digest>().is_ok() && repository.parse::<Self>().is_ok()
        })
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }
}

impl fmt::Display for Reference {
    /// Canonical: `docker.io/library/nginx:1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.host, self.path, self.tag)
    }
}

impl Serialize for Reference {
    /// As text, canonical.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) if digest.parse::<Digest>().is_ok() => (name, true),
            Some(_) => return Err(InvalidReference),
            None => (text, false),
        };
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            // A digest has no tag, and imgconv does not invent one.
            _ if digest => return Err(InvalidReference),
            _ => (name, "latest"),
        };
        let (host, path) = match name.split_once('/') {
            Some((host, path)) if is_host_like(host) => (host, path),
            _ => (HUB, name),
        };
        let host = if host == "index.docker.io" { HUB } else { host };
        let path = if host == HUB && !path.contains('/') {
            format!("{OFFICIAL}{path}")
        } else {
            path.to_owned()
        };
        let valid = is_host(host) && path.split('/').all(is_component) && is_tag(tag);
        if !valid || host.len().saturating_add(path.len()) >= 255 {
            return Err(InvalidReference);
        }
        Ok(Self { host: host.to_owned(), path, tag: tag.to_owned() })
    }
}

fn is_host_like(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let named = match bracketed {
        Some(address) => address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':'),
        None => name.split('.').all(label),
    };
    named && port.is_none_or(digits)
}

/// Lower-case letters and digits, with `.`, `_`, `__` or dashes between.
fn is_component(part: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut run = String::new();
    for byte in part.bytes() {
        match byte {
            byte if word(byte) => {
                let separates = matches!(run.as_str(), "" | "." | "_" | "__")
                    || run.bytes().all(|byte| byte == b'-');
                if !separates {
                    return false;
                }
                run.clear();
            }
            b'.' | b'_' | b'-' => run.push(char::from(byte)),
            _ => return false,
        }
    }
    part.bytes().next().is_some_and(word) && run.is_empty()
}

/// Whether this is a tag: word characters, then dots and dashes too, at most 128.
#[must_use]
pub(crate) fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_familiar_and_a_canonical_form() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, familiar, canonical) in [
            ("nginx", "nginx:latest", "docker.io/library/nginx:latest"),
            ("docker.io/library/nginx:1", "nginx:1", "docker.io/library/nginx:1"),
            ("index.docker.io/a/b:c", "a/b:c", "docker.io/a/b:c"),
            ("localhost/x:y", "localhost/x:y", "localhost/x:y"),
            ("host:5000/x:y", "host:5000/x:y", "host:5000/x:y"),
            ("host:5000/x", "host:5000/x:latest", "host:5000/x:latest"),
            ("127.0.0.1:5055/a:b", "127.0.0.1:5055/a:b", "127.0.0.1:5055/a:b"),
            ("[::1]:5000/a:b", "[::1]:5000/a:b", "[::1]:5000/a:b"),
            (&format!("mx:t@{digest}"), "mx:t", "docker.io/library/mx:t"),
            ("a__b/c--d.e_f", "a__b/c--d.e_f:latest", "docker.io/a__b/c--d.e_f:latest"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.familiar(), familiar, "{text}");
            assert_eq!(reference.to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn a_short_form_is_never_that_of_another_name() {
        for text in
            ["docker.io/docker.io/a/b:1", "docker.io/ghcr.io/a:1", "docker.io/localhost/a:1"]
        {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.familiar(), text);
            assert_eq!(reference.familiar().parse(), Ok(reference));
        }
    }

    #[test]
    fn what_docker_refuses_is_no_name() {
        let digest_only = format!("mx@sha256:{}", "a".repeat(64));
        for text in [
            &digest_only,
            "",
            "UPPER",
            "a/B:c",
            "<none>:<none>",
            "a:",
            "a:-b",
            "a//b",
            "-a",
            "a_",
            "a___b",
            "a..b",
            "/a",
            "a/",
            "a:b:c",
            "mx@sha256:short",
            "ho st/a",
        ] {
            assert_eq!(text.parse::<Reference>(), Err(InvalidReference), "{text}");
        }
    }
}
