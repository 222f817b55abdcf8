//! One conversation with registries: credentials, redirects, and repeated requests.
//!
//! Credentials go to the registry that a name says and to the token server that it names, never to
//! the target of a redirect (CVE-2020-15157).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::access::Access;
use super::http::{Http, HttpAnswer, NoAnswer, Sent};
use super::name::RegistryName;
use super::origin::{Scheme, WebOrigin};
use super::partial::Partial;
use super::token::{Authority, Token};
use super::upload::UploadBody;
use super::url::Url;
use crate::bytes::files::{RemoteOutcome, RequestLog};
use crate::digest::Digest;
use crate::error::ErrorKind;

/// Registries, as one program reaches them.
#[derive(Debug)]
pub struct Registries {
    pub(super) http: Http,
    pub(super) access: Arc<Access>,
    /// How each registry lets in.
    authorities: Mutex<BTreeMap<WebOrigin, Authority>>,
    tokens: Mutex<BTreeMap<(WebOrigin, String), Token>>,
    /// Until when a server wants no requests.
    quiet: Mutex<BTreeMap<WebOrigin, Instant>>,
    /// Notes and servers that the user was told about.
    told: Mutex<BTreeSet<String>>,
    pub(super) log: RequestLog,
    /// Where this run keeps what it fetches.
    pub(super) partial: Mutex<Option<Arc<Partial>>>,
}

/// What is done in a repository; the scope of a token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RepositoryScope<'a> {
    pub(crate) name: &'a RegistryName,
    pub(crate) action: Permission,
    /// Another repository of the same registry whose blobs are mounted.
    pub(crate) mounts: Option<&'a RegistryName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    Pull,
    Push,
}

impl Permission {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
        }
    }
}

impl<'a> RepositoryScope<'a> {
    pub(crate) fn pull(name: &'a RegistryName) -> Self {
        Self { name, action: Permission::Pull, mounts: None }
    }

    pub(crate) fn push(name: &'a RegistryName) -> Self {
        Self { name, action: Permission::Push, mounts: None }
    }

    /// The scopes of a token (distribution `docs/spec/auth/scope.md`): our own, whatever the
    /// registry asks for.
    pub(super) fn words(&self) -> Vec<String> {
        let actions = match self.action {
            Permission::Pull => "pull",
            Permission::Push => "pull,push",
        };
        let own = format!("repository:{}:{actions}", self.name.path());
        let mounts = self.mounts.map(|it| format!("repository:{}:pull", it.path()));
        std::iter::once(own).chain(mounts).collect()
    }
}

/// A request that can be repeated.
pub(crate) struct Call<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) scope: RepositoryScope<'a>,
    pub(crate) body: Option<&'a dyn UploadBody>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: &'static str, url: Url, scope: RepositoryScope<'a>) -> Self {
        Self { method, url, headers: Vec::new(), scope, body: None }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A pause before a request is repeated.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RetryWait {
    /// The server.
    pub host: String,
    /// Why.
    pub why: String,
    /// How long.
    pub pause: Duration,
    /// The number of this repetition, and of all.
    pub attempt: (u32, u32),
}

/// Something that a user should know while a run goes on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RegistryEvent {
    /// A request is repeated after a pause.
    Retry(RetryWait),
    /// Credentials go to a server of another name, which the registry asks them for.
    LoginElsewhere {
        /// The registry.
        registry: String,
        /// The token server.
        server: String,
    },
    /// Something about a file with credentials.
    CredentialsNote(String),
    /// A run that failed keeps what it fetched.
    Kept {
        /// The folder.
        path: PathBuf,
        /// The number of blobs, whole or not.
        blobs: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// A manifest that a registry lists as a referrer has another subject, and is not taken.
    NotAReferrer {
        /// The image.
        name: String,
        /// The manifest.
        digest: Digest,
    },
    /// The tag of a name does not mean the digest of that name.
    OtherTag {
        /// The name, with both.
        name: String,
        /// What the tag means; `None` if there is no such tag.
        found: Option<Digest>,
    },
    /// A registry has only a schema 1 manifest of an image, which is converted with its layers.
    Schema1 {
        /// The image.
        name: String,
        /// The digest of the schema 1 manifest.
        digest: Digest,
    },
    /// A mirror, and not its registry, said what a tag means.
    MirrorTag {
        /// The mirror.
        host: String,
        /// The name with the tag.
        tag: String,
        /// The manifest or index.
        digest: Digest,
    },
    /// A mirror did not answer, or did not have something; the next place is asked.
    MirrorFailed {
        /// The mirror.
        host: String,
        /// Why.
        why: String,
    },
}

/// Redirects that are followed for one request.
const REDIRECTS: usize = 5;
/// The longest pause that a server is granted.
const LONGEST: Duration = Duration::from_secs(300);
/// The first own pause; it doubles.
const FIRST: Duration = Duration::from_millis(500);

impl Registries {
    /// A new session.
    #[must_use]
    pub fn new(access: Access) -> Arc<Self> {
        let access = Arc::new(access);
        Arc::new(Self {
            http: Http::new(Arc::clone(&access)),
            access,
            authorities: Mutex::default(),
            tokens: Mutex::default(),
            quiet: Mutex::default(),
            told: Mutex::default(),
            log: RequestLog::default(),
            partial: Mutex::default(),
        })
    }

    /// Ends a run that failed, or that a signal is about to end: what it fetched is kept if it is
    /// much, and [`RegistryEvent::Kept`] tells where.
    pub fn keep(&self) {
        self.settle(RemoteOutcome::Failed);
    }

    pub(super) fn settle(&self, done: RemoteOutcome) {
        let partial = locked(&self.partial).take();
        if let Some((path, blobs, bytes)) = partial.and_then(|it| it.settle(done)) {
            let _ = (self.access.events)(&RegistryEvent::Kept { path, blobs, bytes });
        }
    }

    /// Tells of something once.
    pub(super) fn tell_once(&self, key: &str, event: &RegistryEvent) -> Result<(), ErrorKind> {
        if !locked(&self.told).insert(key.to_owned()) {
            return Ok(());
        }
        self.tell(event)
    }

    pub(super) fn tell(&self, event: &RegistryEvent) -> Result<(), ErrorKind> {
        match (self.access.events)(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ErrorKind::Interrupted),
        }
    }

    /// The URL of the API of a name's registry; HTTP only on this machine and for hosts that the
    /// user named.
    pub(crate) fn url(&self, name: &RegistryName, path: &str) -> Result<Url, ErrorKind> {
        self.allowed(name)?;
        let host = match name.host() {
            "docker.io" => "registry-1.docker.io",
            host => host,
        };
        let plain = format!("http://{host}/v2/{path}");
        let plain = Url::parse(&plain)?;
        let named = self.access.plain.iter().any(|it| it == host);
        let own = self.access.certs.iter().any(|it| it.join(host).is_dir());
        if named || plain.origin().is_loopback() && !own {
            return Ok(plain);
        }
        Url::parse(&format!("https://{host}/v2/{path}"))
    }

    /// The answer to a request, which is repeated where that may help.
    pub(crate) fn call(&self, call: &Call<'_>) -> Result<HttpAnswer, ErrorKind> {
        let mut attempt = 0;
        loop {
            let origin = call.url.origin();
            let (why, asked) = match self.once(call) {
                Ok(answer) if is_passing(answer.status) && attempt < self.access.retries => {
                    let asked = retry_after(&answer);
                    let many = answer.status == 429;
                    let why = match many {
                        true => "too many requests (429)".to_owned(),
                        false => format!("the server answers {}", answer.status),
                    };
                    if many {
                        self.hush(origin, asked.unwrap_or(FIRST));
                    }
                    (why, asked)
                }
                Ok(answer) => return Ok(answer),
                Err(NoAnswer { kind, passing: true, asked }) if attempt < self.access.retries => {
                    (kind.to_string(), asked)
                }
                Err(NoAnswer { kind, .. }) => return Err(kind),
            };
            attempt = attempt.saturating_add(1);
            self.pause(origin, attempt, why, asked)?;
        }
    }

    /// The answer to a request, and up to `limit` bytes and one more of the body of a good one, which
    /// is asked for again if it ends early.
    pub(crate) fn fetch(
        &self,
        call: &Call<'_>,
        limit: u64,
    ) -> Result<(HttpAnswer, Vec<u8>), ErrorKind> {
        let mut attempt = 0;
        loop {
            let mut answer = self.call(call)?;
            if answer.status != 200 {
                return Ok((answer, Vec::new()));
            }
            let why = match answer.read(limit) {
                Ok(body) => return Ok((answer, body)),
                Err(error) => error.to_string(),
            };
            let origin = call.url.origin();
            if attempt >= self.access.retries {
                return Err(ErrorKind::Network { host: origin.authority(), what: why });
            }
            attempt = attempt.saturating_add(1);
            self.pause(origin, attempt, why, None)?;
        }
    }

    /// Waits before a request is repeated.
    pub(crate) fn pause(
        &self,
        origin: &WebOrigin,
        attempt: u32,
        why: String,
        asked: Option<Duration>,
    ) -> Result<(), ErrorKind> {
        let own = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        let pause = jittered(own).max(asked.unwrap_or_default()).min(LONGEST);
        let attempt = (attempt, self.access.retries);
        let wait =
            RegistryEvent::Retry(RetryWait { host: origin.authority(), why, pause, attempt });
        self.tell(&wait)?;
        std::thread::sleep(pause);
        Ok(())
    }

    fn hush(&self, origin: &WebOrigin, pause: Duration) {
        let until = Instant::now().checked_add(pause.min(LONGEST));
        if let Some(until) = until {
            locked(&self.quiet).insert(origin.clone(), until);
        }
    }

    fn wait_for(&self, origin: &WebOrigin) {
        let until = locked(&self.quiet).get(origin).copied();
        if let Some(left) = until.and_then(|it| it.checked_duration_since(Instant::now())) {
            std::thread::sleep(left);
        }
    }

    /// One attempt at a request.
    pub(super) fn once(&self, call: &Call<'_>) -> Result<HttpAnswer, NoAnswer> {
        let lasting = NoAnswer::lasting;
        let home = self.url(call.scope.name, "").map_err(lasting)?;
        let home = home.origin();
        let mut url = call.url.clone();
        let (mut hops, mut renewed) = (0, false);
        loop {
            self.wait_for(url.origin());
            let mut headers = call.headers.clone();
            let at_home = url.origin() == home;
            let own = if at_home { self.authorization(home, &call.scope)? } else { None };
            headers.extend(own.iter().map(|it| ("authorization", it.clone())));
            let mut body = call.body.map(|body| body.open(0)).transpose().map_err(lasting)?;
            let size = call.body.map_or(0, |body| body.size());
            let body = body.as_mut().map(|it| (&mut **it as _, size));
            let sent = Sent { method: call.method, url: &url, home, headers, body };
            let answer = self.http.send(sent)?;
            self.log.add(call.method, &url, answer.status);
            match answer.status {
                401 if at_home && !renewed => {
                    renewed = true;
                    let sent = own.as_deref();
                    if !self.challenged(home, &call.scope, (sent, &answer)).map_err(lasting)? {
                        return Ok(answer);
                    }
                    let _ = answer.said();
                }
                301 | 302 | 303 | 307 | 308 if call.body.is_none() => {
                    url = redirected(home, &url, &answer).map_err(lasting)?;
                    hops = usize::saturating_add(hops, 1);
                    if hops > REDIRECTS {
                        let (what, found) = ("expected at most 5 redirects", "more".to_owned());
                        return Err(lasting(ErrorKind::RegistryAnswer { what, found }));
                    }
                }
                _ => return Ok(answer),
            }
        }
    }

    /// The header for a registry that lets in with one, for this scope.
    fn authorization(
        &self,
        home: &WebOrigin,
        scope: &RepositoryScope<'_>,
    ) -> Result<Option<String>, NoAnswer> {
        let authority = locked(&self.authorities).get(home).cloned();
        match authority {
            None => Ok(None),
            Some(Authority::Basic(header)) => Ok(Some(header.expose().to_owned())),
            Some(Authority::Bearer(server)) => {
                let key = (home.clone(), scope.words().join(" "));
                // Held while a token is fetched, so that it is fetched once.
                let mut tokens = locked(&self.tokens);
                if let Some(token) = tokens.get(&key).filter(|it| it.is_fresh()) {
                    return Ok(Some(token.header()));
                }
                let token = self.token(&server, scope)?;
                let header = token.header();
                tokens.insert(key, token);
                Ok(Some(header))
            }
        }
    }

    /// Prepares for a challenge, the answer to a request with this header; returns whether the
    /// request can be tried again.
    fn challenged(
        &self,
        home: &WebOrigin,
        scope: &RepositoryScope<'_>,
        (sent, answer): (Option<&str>, &HttpAnswer),
    ) -> Result<bool, ErrorKind> {
        let key = (home.clone(), scope.words().join(" "));
        let mut tokens = locked(&self.tokens);
        // Another request may have fetched a token since.
        if tokens.get(&key).is_some_and(|it| sent == Some(&it.header())) {
            tokens.remove(&key);
        }
        drop(tokens);
        let Some(authority) = self.authority(home, scope, answer)? else { return Ok(false) };
        locked(&self.authorities).insert(home.clone(), authority);
        Ok(true)
    }

    /// Whether requests to a registry have no TLS.
    fn is_plain(&self, name: &RegistryName) -> bool {
        self.url(name, "").is_ok_and(|it| it.origin().scheme == Scheme::Http)
    }

    /// Whether the registry was given credentials, for messages.
    fn login_words(&self, name: &RegistryName) -> &'static str {
        if matches!(self.login(name), Ok(Some(_))) {
            "with your credentials"
        } else {
            "without credentials"
        }
    }

    /// The error of an answer that is not the expected one.
    pub(crate) fn refusal(
        &self,
        scope: &RepositoryScope<'_>,
        what: &'static str,
        expected: u16,
        answer: HttpAnswer,
    ) -> ErrorKind {
        let status = answer.status;
        match status {
            401 | 403 => ErrorKind::Denied {
                action: scope.action.word(),
                status,
                login: self.login_words(scope.name),
            },
            404 => ErrorKind::NotInRegistry { what, said: answer.said() },
            400 if expected == 200 && self.is_plain(scope.name) && answer.is_of_https() => {
                let found = format!("400 {}", answer.said()).trim().to_owned();
                ErrorKind::RegistryAnswer { what: ErrorKind::PLAIN, found }
            }
            // Of what is sent; a question that is refused says nothing about an image.
            400 | 402 | 405..=499 if expected != 200 && status != 429 && status != 408 => {
                ErrorKind::RegistryRefuses { what, expected, status, said: answer.said() }
            }
            _ => {
                let said = answer.said();
                let found =
                    if said.is_empty() { status.to_string() } else { format!("{status} {said}") };
                let what = match status {
                    429 => "expected an answer, after all retries",
                    _ => "expected success",
                };
                ErrorKind::RegistryAnswer { what, found }
            }
        }
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a request may succeed a moment later.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// The pause that a server asks for (RFC 9110, 10.2.3): seconds, or a date, which is compared with
/// the server's own.
pub(super) fn retry_after(answer: &HttpAnswer) -> Option<Duration> {
    let asked = answer.header("retry-after")?.trim();
    if let Ok(seconds) = asked.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    let date =
        |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|it| it.timestamp().as_second());
    let seconds = date(asked)?.checked_sub(date(answer.header("date")?)?)?;
    Some(Duration::from_secs(u64::try_from(seconds).ok()?).min(LONGEST))
}

/// A quarter more or less, so that many clients do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0; 1];
    let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
    let [random] = random;
    let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    // From 192 to 319 of 256.
    let parts = u64::from(random / 2).saturating_add(192);
    Duration::from_millis(millis.saturating_mul(parts).wrapping_shr(8))
}

/// The target of a redirect, if it may be followed.
fn redirected(home: &WebOrigin, from: &Url, answer: &HttpAnswer) -> Result<Url, ErrorKind> {
    let Some(location) = answer.header("location") else {
        let (what, found) = ("expected a redirect with a Location", "none".to_owned());
        return Err(ErrorKind::RegistryAnswer { what, found });
    };
    let to = from.join(location)?;
    may_follow(home, &to, "the registry redirects")?;
    Ok(to)
}

/// Refuses an address that a registry on another network must not make us ask.
pub(super) fn may_follow(home: &WebOrigin, to: &Url, what: &'static str) -> Result<(), ErrorKind> {
    let origin = to.origin();
    let class = origin.address_class();
    let downgrade = home.scheme == Scheme::Https && origin.scheme == Scheme::Http;
    let what = match what {
        "the registry redirects" if downgrade => "the registry redirects from HTTPS to HTTP",
        "the registry redirects" => "the registry redirects to an address of this network",
        _ if downgrade => "the token server has no TLS",
        _ => "the token server has an address of this network",
    };
    if downgrade || class.is_inside() && class != home.address_class() {
        return Err(ErrorKind::UnsafeUrl { what, url: origin.to_string() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_leads_to_no_other_network_and_not_out_of_tls() {
        for (home, to, fine) in [
            ("https://r.test", "https://cdn.test/x", true),
            ("https://r.test", "http://cdn.test/x", false),
            ("https://r.test", "http://r.test/x", false),
            ("http://r.test", "https://r.test/x", true),
            ("http://r.test", "http://cdn.test/x", true),
            ("https://r.test", "https://203.0.113.7/x", true),
            ("https://r.test", "https://10.0.0.1/x", false),
            ("https://r.test", "https://[::1]:22/", false),
            ("https://r.test", "https://localhost/x", false),
            ("https://r.test", "https://0.0.0.0/x", false),
            ("https://10.9.9.9", "https://10.0.0.1/x", true),
            ("https://10.9.9.9", "https://169.254.169.254/x", false),
            ("http://localhost:5000", "http://127.0.0.1:5001/x", true),
            ("http://localhost:5000", "http://10.0.0.1/x", false),
        ] {
            let (home, to) = (Url::parse(home).unwrap(), Url::parse(to).unwrap());
            let may = may_follow(home.origin(), &to, "the registry redirects");
            assert_eq!(may.is_ok(), fine, "{home} {to}");
        }
    }
}
