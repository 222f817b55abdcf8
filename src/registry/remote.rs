//! A blob of a registry, which is fetched when it is read.
//!
//! A connection that ends early is opened again where it ended (RFC 9110, 14.2), as often as a
//! request is repeated. Whoever reads it checks the digest of the whole.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::name::RegistryName;
use super::partial::{Partial, PartialBlob};
use super::session::{Registries, locked};
use crate::bytes::files::{RemoteBytes, RemoteOutcome, RemotePresence};
use crate::bytes::staging::Folder;
use crate::digest::Digest;
use crate::error::{ErrorKind, Result, kind_of};

/// A blob, by its descriptor.
#[derive(Debug)]
pub(crate) struct RemoteBlob {
    session: Arc<Registries>,
    name: RegistryName,
    digest: Digest,
    size: u64,
    /// Whether its bytes are of more than one answer, of this run or an earlier one.
    continued: Arc<AtomicBool>,
}

impl RemoteBlob {
    pub(crate) fn new(
        session: &Arc<Registries>,
        name: &RegistryName,
        (digest, size): (Digest, u64),
    ) -> Self {
        let (session, name, continued) = (Arc::clone(session), name.clone(), Arc::default());
        Self { session, name, digest, size, continued }
    }
}

impl RemoteBytes for RemoteBlob {
    fn open(&self, offset: u64) -> Result<Box<dyn Read + Send>, ErrorKind> {
        let partial = locked(&self.session.partial).clone();
        let part = partial.map(|it| it.part(&self.digest, self.size)).transpose()?;
        if part.as_ref().is_some_and(|it| it.kept > 0) {
            self.continued.store(true, Ordering::Relaxed);
        }
        Ok(Box::new(BlobReader {
            part,
            continued: Arc::clone(&self.continued),
            session: Arc::clone(&self.session),
            name: self.name.clone(),
            digest: self.digest,
            size: self.size,
            at: offset,
            body: None,
            etag: None,
            failures: 0,
            good: 0,
        }))
    }

    fn presence(&self) -> Result<RemotePresence, ErrorKind> {
        self.session.presence(&self.name, self.digest)
    }

    fn digest(&self) -> Digest {
        self.digest
    }

    fn repository(&self) -> String {
        self.name.repository()
    }

    fn keep_beside(&self, destination: &Path) -> Result<()> {
        let mut partial = locked(&self.session.partial);
        if partial.is_none() && self.session.access.keep {
            *partial = Partial::open(destination)?.map(Arc::new);
        }
        Ok(())
    }

    fn kept(&self) -> Option<(Folder, String)> {
        locked(&self.session.partial).as_ref().map(|it| it.place(&self.digest))
    }

    fn discard(&self) -> bool {
        if let Some(partial) = &*locked(&self.session.partial) {
            partial.discard(&self.digest);
        }
        self.continued.swap(false, Ordering::Relaxed)
    }

    fn settle(&self, done: RemoteOutcome) {
        self.session.settle(done);
    }
}

struct BlobReader {
    session: Arc<Registries>,
    name: RegistryName,
    digest: Digest,
    size: u64,
    at: u64,
    /// What an earlier run fetched, and where the rest is kept.
    part: Option<PartialBlob>,
    continued: Arc<AtomicBool>,
    body: Option<Box<dyn Read + Send>>,
    etag: Option<String>,
    /// Failures since the last good stretch.
    failures: u32,
    /// Bytes since the last failure.
    good: u64,
}

/// A stretch of bytes after which earlier failures are forgotten.
const STRETCH: u64 = 1 << 20;

impl BlobReader {
    fn connect(&mut self) -> Result<Box<dyn Read + Send>, ErrorKind> {
        let part = (self.at, self.etag.as_deref());
        let answer = self.session.blob(&self.name, self.digest, part)?;
        let left = self.size.saturating_sub(self.at);
        let whole = answer.status == 200;
        let expected = if whole { self.size } else { left };
        if !whole {
            let range = answer.header("content-range").unwrap_or_default();
            let asked = format!("bytes {}-{}/{}", self.at, self.size.saturating_sub(1), self.size);
            if self.at == 0 || range != asked {
                return Err(ErrorKind::field(
                    "Content-Range",
                    "the rest that was asked for",
                    range,
                ));
            }
        }
        if let Some(found) = answer.size().filter(|found| *found != expected) {
            return Err(ErrorKind::Size { expected, found });
        }
        self.etag = answer.header("etag").map(str::to_owned);
        if !whole {
            self.continued.store(true, Ordering::Relaxed);
        }
        let mut body = answer.into_reader();
        if whole && self.at > 0 {
            // It starts over. What was read is hashed already, and the digest of the whole decides.
            let skipped = io::copy(&mut body.by_ref().take(self.at), &mut io::sink());
            skipped.map_err(|error| kind_of(error, ErrorKind::Read))?;
        }
        Ok(body)
    }

    /// Waits before the rest is asked for again.
    fn failed(&mut self, why: String) -> io::Result<()> {
        self.body = None;
        if self.good >= STRETCH {
            self.failures = 0;
        }
        self.good = 0;
        self.failures = self.failures.saturating_add(1);
        let url = self.session.url(&self.name, "")?;
        if self.failures > self.session.access.retries {
            let host = url.origin().authority();
            return Err(ErrorKind::Network { host, what: why }.into());
        }
        Ok(self.session.pause(url.origin(), self.failures, why, None)?)
    }

    /// Refuses bytes behind the end.
    fn end(&mut self) -> io::Result<usize> {
        let Some(mut body) = self.body.take() else { return Ok(0) };
        match body.read(&mut [0]) {
            Ok(0) | Err(_) => Ok(0),
            Ok(_) => {
                let found = self.size.saturating_add(1);
                Err(ErrorKind::Size { expected: self.size, found }.into())
            }
        }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.size.saturating_sub(self.at);
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let buffer = buffer.get_mut(..most).unwrap_or_default();
            if left == 0 {
                return self.end();
            }
            if buffer.is_empty() {
                return Ok(0);
            }
            if let Some(part) = self.part.as_ref().filter(|it| self.at < it.kept) {
                let count = part.read(buffer, self.at)?;
                self.at = self.at.saturating_add(count as u64);
                return Ok(count);
            }
            let mut body = match self.body.take() {
                Some(body) => body,
                None => self.connect()?,
            };
            match body.read(buffer) {
                Ok(0) => self.failed("the connection ended early".to_owned())?,
                Ok(count) => {
                    self.body = Some(body);
                    if let Some(part) = &self.part {
                        part.write(buffer.get(..count).unwrap_or_default(), self.at)?;
                    }
                    self.at = self.at.saturating_add(count as u64);
                    self.good = self.good.saturating_add(count as u64);
                    return Ok(count);
                }
                Err(error) => self.failed(error.to_string())?,
            }
        }
    }
}
