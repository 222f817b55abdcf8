//! The requests of the distribution API that read: manifests, blobs, tags.

use std::collections::BTreeSet;

use super::http::HttpAnswer;
use super::link::next_page;
use super::mirror::AnsweredBy;
use super::name::{RegistryName, Which};
use super::session::{Call, Registries, RegistryEvent, RepositoryScope};
use crate::bytes::files::RemotePresence;
use crate::digest::{Digest, Measured};
use crate::document::Schema1;
use crate::document::kind::{DocumentKind, kind_of};
use crate::document::media_type::MANIFESTS;
use crate::error::{At as _, ErrorKind, Location, Result};
use crate::json::{self, Trailing};
use crate::limits;
use crate::reference::is_tag;

/// A manifest or index, as the registry has it.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    pub(crate) raw: Vec<u8>,
    /// The digest that it has there.
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    /// Whether it is a manifest of schema 1, which has no config.
    pub(crate) is_schema1: bool,
}

impl Registries {
    /// A manifest or index; `None` if there is none.
    pub(crate) fn manifest(
        &self,
        name: &RegistryName,
        which: Which<'_>,
    ) -> Result<Option<Fetched>, ErrorKind> {
        let ask = |it: &RegistryName| self.manifest_at(it, which);
        let (found, by) = self.at_mirrors((name, which), &ask, Option::is_some)?;
        if let (Some(found), Which::Tag(tag), AnsweredBy::Mirror(mirror)) = (&found, which, by) {
            self.tag_of_mirror((name, &mirror), (tag, found.digest))?;
        }
        Ok(found)
    }

    fn manifest_at(
        &self,
        name: &RegistryName,
        which: Which<'_>,
    ) -> Result<Option<Fetched>, ErrorKind> {
        let scope = RepositoryScope::pull(name);
        let url = self.url(name, &format!("{}/manifests/{which}", name.path()))?;
        let call = Call::new("GET", url, scope).with("accept", accepted());
        let (answer, raw) = self.fetch(&call, limits::MANIFEST)?;
        match answer.status {
            200 => fetched(which, &answer, raw).map(Some),
            404 => Ok(None),
            _ => Err(self.refusal(&scope, "manifest", 200, answer)),
        }
    }

    /// The same; it must be there.
    pub(crate) fn existing_manifest(&self, name: &RegistryName) -> Result<Fetched, ErrorKind> {
        existing(name.which(), self.manifest(name, name.which())?)
    }

    /// The digest that the registry gives for a name, without its manifest if it can.
    ///
    /// # Errors
    /// There is no such manifest, or it cannot be asked for.
    pub fn digest(&self, name: &RegistryName) -> Result<Digest> {
        self.digest_at(&self.place_of(name)).at(&Location::named(&name.to_string()))
    }

    /// The digest that the registry itself gives.
    pub(super) fn digest_at(&self, name: &RegistryName) -> Result<Digest, ErrorKind> {
        let (scope, which) = (RepositoryScope::pull(name), name.which());
        let url = self.url(name, &format!("{}/manifests/{which}", name.path()))?;
        let answer = self.call(&Call::new("HEAD", url, scope).with("accept", accepted()))?;
        let stated = answer.header("docker-content-digest").and_then(|it| it.parse().ok());
        let schema1 =
            answer.header("content-type").is_some_and(|it| it.contains("distribution.manifest.v1"));
        match (answer.status, stated, which) {
            (200, Some(digest), Which::Tag(_)) if !schema1 => Ok(digest),
            _ => Ok(existing(which, self.manifest_at(name, which)?)?.digest),
        }
    }

    /// Notes a name with a tag and a digest whose tag means something else. Nothing depends on it, so
    /// that a failure is not one of the run.
    pub(super) fn judge_tag(&self, name: &RegistryName) -> Result<(), ErrorKind> {
        let (Which::Digest(digest), Some(reference)) = (name.which(), name.reference()) else {
            return Ok(());
        };
        let tagged = RegistryName::of(reference.clone());
        let ask = |it: &RegistryName| match self.digest_at(it) {
            Ok(found) => Ok(Some(found)),
            Err(ErrorKind::NotInRegistry { .. }) => Ok(None),
            Err(kind) => Err(kind),
        };
        match self.at_mirrors((&tagged, tagged.which()), &ask, Option::is_some) {
            Ok((found, _)) if found != Some(digest) => {
                self.tell(&RegistryEvent::OtherTag { name: name.to_string(), found })
            }
            Err(kind @ ErrorKind::Interrupted) => Err(kind),
            _ => Ok(()),
        }
    }

    /// The digest of a manifest; `None` if the registry does not have it.
    pub(crate) fn has_manifest(
        &self,
        name: &RegistryName,
        which: Which<'_>,
    ) -> Result<Option<Digest>, ErrorKind> {
        let scope = RepositoryScope::push(name);
        let url = self.url(name, &format!("{}/manifests/{which}", name.path()))?;
        let answer = self.call(&Call::new("HEAD", url, scope).with("accept", accepted()))?;
        match (answer.status, which) {
            (200, Which::Digest(digest)) => Ok(Some(digest)),
            (200, Which::Tag(_)) => {
                match answer.header("docker-content-digest").and_then(|it| it.parse().ok()) {
                    Some(digest) => Ok(Some(digest)),
                    // Some registries state it only with the manifest, or not at all.
                    None => Ok(self.manifest_at(name, which)?.map(|it| it.digest)),
                }
            }
            (404, _) => Ok(None),
            _ => Err(self.refusal(&scope, "manifest", 200, answer)),
        }
    }

    /// Whether a repository has a blob.
    pub(crate) fn has_blob(
        &self,
        scope: RepositoryScope<'_>,
        digest: Digest,
    ) -> Result<bool, ErrorKind> {
        let url = self.url(scope.name, &format!("{}/blobs/{digest}", scope.name.path()))?;
        let answer = self.call(&Call::new("HEAD", url, scope))?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(self.refusal(&scope, "blob", 200, answer)),
        }
    }

    /// What the registry or a mirror states of a blob, the bytes of which are not fetched.
    pub(super) fn presence(
        &self,
        name: &RegistryName,
        digest: Digest,
    ) -> Result<RemotePresence, ErrorKind> {
        let ask = |name: &RegistryName| {
            let scope = RepositoryScope::pull(name);
            let url = self.url(name, &format!("{}/blobs/{digest}", name.path()))?;
            let answer = self.call(&Call::new("HEAD", url, scope))?;
            match answer.status {
                200 => Ok(RemotePresence::There { size: answer.size() }),
                404 => Ok(RemotePresence::Missing),
                _ => Err(self.refusal(&scope, "blob", 200, answer)),
            }
        };
        let has = |it: &RemotePresence| *it != RemotePresence::Missing;
        Ok(self.at_mirrors((name, Which::Digest(digest)), &ask, has)?.0)
    }

    /// The bytes of a blob from an offset on.
    pub(crate) fn blob(
        &self,
        name: &RegistryName,
        digest: Digest,
        (offset, etag): (u64, Option<&str>),
    ) -> Result<HttpAnswer, ErrorKind> {
        let ask = |it: &RegistryName| self.blob_at(it, digest, (offset, etag));
        Ok(self.at_mirrors((name, Which::Digest(digest)), &ask, |_| true)?.0)
    }

    fn blob_at(
        &self,
        name: &RegistryName,
        digest: Digest,
        (offset, etag): (u64, Option<&str>),
    ) -> Result<HttpAnswer, ErrorKind> {
        let scope = RepositoryScope::pull(name);
        let url = self.url(name, &format!("{}/blobs/{digest}", name.path()))?;
        let mut call = Call::new("GET", url, scope);
        if offset > 0 {
            call = call.with("range", format!("bytes={offset}-"));
            if let Some(etag) = etag {
                call = call.with("if-range", etag);
            }
        }
        let answer = self.call(&call)?;
        match answer.status {
            200 | 206 => (),
            _ => return Err(self.refusal(&scope, "blob", 200, answer)),
        }
        match answer.header("content-encoding").filter(|it| *it != "identity") {
            Some(encoding) => Err(ErrorKind::field(
                "Content-Encoding",
                "none, as a digest is of the bytes",
                encoding,
            )),
            None => Ok(answer),
        }
    }

    /// All tags of a repository, in its order, each once.
    ///
    /// # Errors
    /// They cannot be fetched, or the registry does not follow its specification.
    pub fn tags(&self, name: &RegistryName) -> Result<Vec<String>> {
        self.tags_of(&self.place_of(name)).at(&Location::named(&name.repository()))
    }

    fn tags_of(&self, name: &RegistryName) -> Result<Vec<String>, ErrorKind> {
        let scope = RepositoryScope::pull(name);
        let mut url = self.url(name, &format!("{}/tags/list?n=1000", name.path()))?;
        let home = url.origin().clone();
        let (mut tags, mut seen, mut asked) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        let mut left = limits::TAGS;
        loop {
            if !asked.insert(url.full()) {
                let what = "expected the next page of tags";
                let found = "a page that was there before".to_owned();
                return Err(ErrorKind::RegistryAnswer { what, found });
            }
            let (answer, raw) = self.fetch(&Call::new("GET", url.clone(), scope), left)?;
            if answer.status != 200 {
                return Err(self.refusal(&scope, "repository", 200, answer));
            }
            let link = next_page(answer.headers("link"));
            left = left.checked_sub(raw.len() as u64).ok_or_else(|| {
                ErrorKind::limit("the size of all tags, in bytes,", limits::TAGS, "more")
            })?;
            for tag in tags_in(&raw)? {
                if seen.insert(tag.clone()) {
                    tags.push(tag);
                }
            }
            let Some(link) = link else { return Ok(tags) };
            url = url.join(&link)?;
            if *url.origin() != home {
                let (what, url) = ("the next page of tags is on another host", url.to_string());
                return Err(ErrorKind::UnsafeUrl { what, url });
            }
        }
    }
}

/// What was found, which must be there.
fn existing(which: Which<'_>, found: Option<Fetched>) -> Result<Fetched, ErrorKind> {
    let what = match which {
        Which::Tag(_) => "tag",
        Which::Digest(_) => "manifest",
    };
    found.ok_or_else(|| ErrorKind::NotInRegistry { what, said: String::new() })
}

fn tags_in(raw: &[u8]) -> Result<Vec<String>, ErrorKind> {
    let checked = json::check(raw, Trailing::Refused)?;
    let [tags] = checked.value.fields("the list of tags", ["tags"])?;
    let mut found = Vec::new();
    for tag in tags.map(|it| it.list("tags")).transpose()?.into_iter().flatten() {
        let tag = tag.string("tags")?;
        if !is_tag(&tag) {
            return Err(ErrorKind::field("tags", "tags", &tag));
        }
        found.push(tag.into());
    }
    Ok(found)
}

/// Every kind of manifest. Without the list, old registries answer with schema 1, under another
/// digest.
fn accepted() -> String {
    MANIFESTS.join(", ")
}

fn fetched(which: Which<'_>, answer: &HttpAnswer, raw: Vec<u8>) -> Result<Fetched, ErrorKind> {
    let said = answer.header("content-type").unwrap_or_default();
    let said = said.split(';').next().unwrap_or_default().trim().to_owned();
    let stated = answer.header("docker-content-digest").map(str::to_owned);
    if raw.len() as u64 > limits::MANIFEST {
        let what = "the size of a manifest, in bytes,";
        return Err(ErrorKind::limit(what, limits::MANIFEST, "more"));
    }
    let checked = json::check(&raw, Trailing::Refused)?;
    let kind = kind_of(checked.value)?;
    let is_schema1 = kind == DocumentKind::Schema1;
    let measure = |digest: &Digest| match is_schema1 {
        // Signatures are not part of its digest.
        true => Schema1::parse(&raw).map(|it| it.measured().digest()),
        false => Ok(Measured::with(digest.algorithm(), &raw).digest()),
    };
    let stated = match (which, stated) {
        (Which::Digest(digest), _) => Some(digest),
        (Which::Tag(_), stated) => stated.map(|it| it.parse()).transpose()?,
    };
    let expected = stated.unwrap_or_else(|| Digest::of(&raw));
    let found = measure(&expected)?;
    if stated.is_some() && found != expected {
        return Err(ErrorKind::Digest { expected, found });
    }
    let known = MANIFESTS.contains(&said.as_str());
    let media_type = if known { said } else { String::new() };
    Ok(Fetched { digest: found, raw, media_type, is_schema1 })
}
