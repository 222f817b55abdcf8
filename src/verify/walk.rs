//! What all walks over a source share: findings, blobs to read, and which files somebody named.

use std::collections::BTreeSet;

use super::finding::Findings;
use super::jobs::{Claim, Jobs};
use crate::bytes::files::{ByteSource, Files, What};
use crate::codec::Compression;
use crate::digest::{Algorithm, Digest, ImageId};
use crate::document::descriptor::Descriptor;
use crate::error::{Error, ErrorKind, Location, Result};

/// One walk over a source.
pub(super) struct Walk<'a> {
    pub(super) files: &'a Files,
    pub(super) findings: Findings,
    pub(super) jobs: Jobs,
    /// Images of `manifest.json`.
    pub(super) saved: BTreeSet<ImageId>,
    /// Members that a document names.
    used: BTreeSet<String>,
    /// Blobs that were hashed on the way.
    measured: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(files: &'a Files) -> Self {
        Self {
            files,
            findings: Findings::default(),
            jobs: Jobs::default(),
            saved: BTreeSet::new(),
            used: BTreeSet::new(),
            measured: BTreeSet::new(),
        }
    }

    /// Says that a document names a member.
    pub(super) fn used(&mut self, path: &str) {
        self.used.insert(path.trim_start_matches("./").to_owned());
    }

    /// Says that a blob was hashed.
    pub(super) fn measured(&mut self, path: &str) {
        self.measured.insert(path.to_owned());
    }

    /// A member that has to be there.
    pub(super) fn member(&mut self, path: &str, by: &str) -> Option<ByteSource> {
        self.used(path);
        match self.files.find(path) {
            Ok(Some(extent)) => Some(extent),
            Ok(None) => {
                let kind = ErrorKind::MissingMember { by: by.to_owned() };
                self.findings.kind(&self.files.at().member(path), &kind);
                None
            }
            Err(error) => {
                self.findings.error(&error);
                None
            }
        }
    }

    /// Blobs that are needed and not here.
    pub(super) fn missing(&mut self, missing: Vec<(Location, Digest)>) {
        for (at, expected) in missing {
            self.findings.kind(&at, &ErrorKind::MissingBlob { expected });
        }
    }

    /// A blob to be read, with what its descriptor says.
    pub(super) fn blob(
        &mut self,
        from: &ByteSource,
        said: &Descriptor,
        codec: Option<Compression>,
    ) {
        let claims = [Claim::Size(said.size), Claim::Digest(said.digest)];
        self.jobs.add(from, said.digest.algorithm(), codec, claims);
    }

    /// Everything that no document names.
    pub(super) fn leftovers(&mut self) -> Result<()> {
        for listed in self.files.list()? {
            let Some(path) = listed.path else {
                let text = "the name of a member climbs out of the archive or is no UTF-8";
                self.findings.say(self.files.at(), "member-outside", text);
                continue;
            };
            let at = self.files.at().member(&path);
            if listed.again && !self.findings.has(&at, "duplicate-member") {
                let twice =
                    matches!(self.files.find(&path), Err(Error { kind: ErrorKind::Twice, .. }));
                let code = if twice { "member-differs" } else { "member-repeated" };
                self.findings.say(&at, code, "a member of this name is there twice");
            }
            match blob_name(&path) {
                Some(digest) if listed.what != What::Other => self.blob_file(&path, digest),
                _ if self.used.contains(&path) || is_known(&path) => (),
                _ if listed.what == What::Link => (),
                _ => self.findings.say(&at, "file-stray", "nothing gives this file a meaning"),
            }
        }
        Ok(())
    }

    /// A file below `blobs` has to be what its name says.
    fn blob_file(&mut self, path: &str, digest: Digest) {
        let unused = !self.used.contains(path);
        if !unused && self.measured.contains(path) {
            return;
        }
        let Ok(Some(extent)) = self.files.find(path) else { return };
        if unused && !self.jobs.has(&extent) && !is_v1(&extent) {
            self.findings.say(&extent.at, "blob-unreferenced", "nothing refers to this blob");
        }
        self.jobs.add(&extent, digest.algorithm(), None, [Claim::Digest(digest)]);
    }
}

/// The codec of a layer, by its first bytes.
pub(super) fn layer_codec(extent: &ByteSource) -> Result<Compression> {
    Ok(Compression::sniff(&extent.head()?))
}

/// The digest that the name of a file below `blobs` says.
fn blob_name(path: &str) -> Option<Digest> {
    let (algorithm, hex) = path.strip_prefix("blobs/")?.split_once('/')?;
    [Algorithm::Sha256, Algorithm::Sha512]
        .iter()
        .any(|it| it.name() == algorithm)
        .then(|| format!("{algorithm}:{hex}").parse().ok())
        .flatten()
}

/// Names that mean something in archives of docker, whether or not a document says so.
fn is_known(path: &str) -> bool {
    let v1 = path.split_once('/').is_some_and(|(folder, file)| {
        let hex = folder.len() == 64 && folder.bytes().all(|it| it.is_ascii_hexdigit());
        hex && matches!(file, "json" | "VERSION" | "layer.tar")
    });
    v1 || matches!(path, "manifest.json" | "repositories" | "oci-layout" | "index.json")
}

/// The legacy JSON of a layer, which docker 25 and later put among the blobs and nothing names.
fn is_v1(extent: &ByteSource) -> bool {
    extent.size < (64 << 10) && extent.head().is_ok_and(|head| head.starts_with(b"{\"id\":\""))
}
