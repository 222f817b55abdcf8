//! The requests of the distribution API that write: blobs and manifests.

use std::io::Read;

use super::http::{HttpAnswer, NoAnswer};
use super::name::{RegistryName, Which};
use super::session::{Call, Registries, RepositoryScope, may_follow, retry_after};
use super::url::Url;
use crate::bytes::files::ByteSource;
use crate::digest::Digest;
use crate::error::ErrorKind;

/// A body that can be sent again.
pub(crate) trait UploadBody: Sync {
    fn size(&self) -> u64;

    /// The bytes from an offset on.
    fn open(&self, from: u64) -> Result<Box<dyn Read + Send + '_>, ErrorKind>;
}

impl UploadBody for ByteSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn open(&self, from: u64) -> Result<Box<dyn Read + Send + '_>, ErrorKind> {
        self.reader_from(from).map_err(|error| error.kind)
    }
}

impl UploadBody for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn open(&self, from: u64) -> Result<Box<dyn Read + Send + '_>, ErrorKind> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(Box::new(self.get(from..).unwrap_or_default()))
    }
}

/// A part of a body, for registries that limit requests.
struct Chunk<'a> {
    whole: &'a dyn UploadBody,
    at: u64,
    size: u64,
}

impl UploadBody for Chunk<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn open(&self, from: u64) -> Result<Box<dyn Read + Send + '_>, ErrorKind> {
        let left = self.size.saturating_sub(from);
        Ok(Box::new(self.whole.open(self.at.saturating_add(from))?.take(left)))
    }
}

/// Whether a registry processed the subject of a manifest (distribution-spec "Pushing Manifests with
/// Subject").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Listed,
    Unlisted,
}

/// The size of a part for a registry that refuses the whole.
const CHUNK: u64 = 16 << 20;

impl Registries {
    /// Puts a blob that the registry does not have; `beside` is a repository that may have it.
    pub(crate) fn upload(
        &self,
        to: &RegistryName,
        (digest, body): (Digest, &dyn UploadBody),
        beside: Option<&RegistryName>,
    ) -> Result<(), ErrorKind> {
        let beside = beside.filter(|it| it.host() == to.host() && it.path() != to.path());
        let scope = RepositoryScope { mounts: beside, ..RepositoryScope::push(to) };
        let mut attempt = 0;
        loop {
            let (why, asked) = match self.upload_once(&scope, (digest, body)) {
                Ok(()) => return Ok(()),
                Err(NoAnswer { kind, passing: true, asked }) if attempt < self.access.retries => {
                    (kind, asked)
                }
                Err(NoAnswer { kind, .. }) => return Err(kind),
            };
            attempt = attempt.saturating_add(1);
            let url = self.url(to, "")?;
            self.pause(url.origin(), attempt, why.to_string(), asked)?;
        }
    }

    /// Links a blob from another repository of the same registry; returns whether the registry did.
    pub(crate) fn mount(
        &self,
        to: &RegistryName,
        digest: Digest,
        from: &RegistryName,
    ) -> Result<bool, ErrorKind> {
        let scope = RepositoryScope { mounts: Some(from), ..RepositoryScope::push(to) };
        let url = self.upload_url(&scope, digest)?;
        Ok(self.call(&Call::new("POST", url, scope))?.status == 201)
    }

    /// Where an upload begins, or a blob is linked from the repository that the scope mounts.
    fn upload_url(&self, scope: &RepositoryScope<'_>, digest: Digest) -> Result<Url, ErrorKind> {
        let url = self.url(scope.name, &format!("{}/blobs/uploads/", scope.name.path()))?;
        Ok(match scope.mounts {
            Some(from) => url.with_query(&[("mount", &digest.to_string()), ("from", from.path())]),
            None => url,
        })
    }

    fn upload_once(
        &self,
        scope: &RepositoryScope<'_>,
        (digest, body): (Digest, &dyn UploadBody),
    ) -> Result<(), NoAnswer> {
        let lasting = NoAnswer::lasting;
        let url = self.upload_url(scope, digest).map_err(lasting)?;
        let begun = self.call(&Call::new("POST", url.clone(), *scope)).map_err(lasting)?;
        match begun.status {
            201 if scope.mounts.is_some() => return Ok(()),
            202 => (),
            _ => return Err(lasting(self.refusal(scope, "upload", 202, begun))),
        }
        let limit = begun.header("oci-chunk-max-length").and_then(|it| it.parse().ok());
        let place = self.place(scope, (&url, &begun)).map_err(lasting)?;
        let _ = begun.said();
        let small = limit.is_none_or(|limit| body.size() <= limit);
        if small {
            let whole = self.finish_upload(scope, &place, digest, Some(body))?;
            match whole.status {
                201 => return Ok(()),
                413 => (),
                _ => return Err(self.sent_wrongly(scope, whole)),
            }
            let anew = RepositoryScope { mounts: None, ..*scope };
            let again = self.upload_url(&anew, digest).map_err(lasting)?;
            let begun = self.call(&Call::new("POST", again.clone(), *scope)).map_err(lasting)?;
            let place = self.place(scope, (&again, &begun)).map_err(lasting)?;
            return self.in_parts(scope, place, (digest, body), CHUNK);
        }
        self.in_parts(scope, place, (digest, body), limit.unwrap_or(CHUNK).clamp(1 << 16, CHUNK))
    }

    /// Sends a blob in parts (distribution-spec "Pushing a blob in chunks").
    fn in_parts(
        &self,
        scope: &RepositoryScope<'_>,
        mut place: Url,
        (digest, body): (Digest, &dyn UploadBody),
        most: u64,
    ) -> Result<(), NoAnswer> {
        let lasting = NoAnswer::lasting;
        let mut at = 0;
        while at < body.size() {
            let size = body.size().saturating_sub(at).min(most);
            let chunk = Chunk { whole: body, at, size };
            let end = at.saturating_add(size);
            let mut call = Call::new("PATCH", place.clone(), *scope)
                .with("content-type", "application/octet-stream")
                .with("content-range", format!("{at}-{}", end.saturating_sub(1)));
            call.body = Some(&chunk);
            let answer = self.once(&call)?;
            if answer.status != 202 {
                return Err(self.sent_wrongly(scope, answer));
            }
            place = self.place(scope, (&place, &answer)).map_err(lasting)?;
            at = end;
        }
        let done = self.finish_upload(scope, &place, digest, None)?;
        if done.status == 201 { Ok(()) } else { Err(self.sent_wrongly(scope, done)) }
    }

    fn finish_upload(
        &self,
        scope: &RepositoryScope<'_>,
        place: &Url,
        digest: Digest,
        body: Option<&dyn UploadBody>,
    ) -> Result<HttpAnswer, NoAnswer> {
        let empty: &[u8] = &[];
        let url = place.with_query(&[("digest", &digest.to_string())]);
        let mut call =
            Call::new("PUT", url, *scope).with("content-type", "application/octet-stream");
        // The registry may refuse before the first byte.
        if body.is_some_and(|it| it.size() > EXPECTS) {
            call = call.with("expect", "100-continue");
        }
        call.body = Some(body.unwrap_or(&empty));
        self.once(&call)
    }

    /// Where an upload goes on, as the answer to a request to this URL says.
    fn place(
        &self,
        scope: &RepositoryScope<'_>,
        (from, answer): (&Url, &HttpAnswer),
    ) -> Result<Url, ErrorKind> {
        let home = self.url(scope.name, "")?;
        let Some(location) = answer.header("location") else {
            let (what, found) = ("expected a Location for the upload", "none".to_owned());
            return Err(ErrorKind::RegistryAnswer { what, found });
        };
        let to = from.join(location)?;
        may_follow(home.origin(), &to, "the registry redirects")?;
        Ok(to)
    }

    fn sent_wrongly(&self, scope: &RepositoryScope<'_>, answer: HttpAnswer) -> NoAnswer {
        // An upload that is gone can be begun again.
        let passing = matches!(answer.status, 404 | 408 | 416 | 429 | 500..=599);
        let asked = retry_after(&answer).filter(|_| passing);
        NoAnswer { kind: self.refusal(scope, "blob", 201, answer), passing, asked }
    }

    /// Puts a manifest or index under a tag or its digest; returns whether the registry lists it
    /// under its subject.
    pub(crate) fn put_manifest(
        &self,
        to: &RegistryName,
        which: Which<'_>,
        (raw, media_type): (&[u8], &str),
    ) -> Result<Subject, ErrorKind> {
        let scope = RepositoryScope::push(to);
        let url = self.url(to, &format!("{}/manifests/{which}", to.path()))?;
        let mut call = Call::new("PUT", url, scope).with("content-type", media_type);
        call.body = Some(&raw);
        let answer = self.call(&call)?;
        match answer.status {
            200..=202 if answer.header("oci-subject").is_some() => Ok(Subject::Listed),
            200..=202 => Ok(Subject::Unlisted),
            _ => Err(self.refusal(&scope, "manifest", 201, answer)),
        }
    }
}

/// Bodies of more bytes are sent only after the registry agrees.
const EXPECTS: u64 = 1 << 20;
