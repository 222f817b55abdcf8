//! The HTTP client: one request, one answer, nothing followed. The only module that opens sockets.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Request};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, TcpConnector};
use ureq::{Agent, Proxy, SendBody};

use super::access::Access;
use super::certs::{Certs, HostCerts};
use super::origin::{Scheme, WebOrigin};
use super::resolver::{GuardedResolver, HomeClasses};
use super::session::locked;
use super::tls::{TlsConnector, client_config};
use super::url::Url;
use crate::error::{ErrorKind, kind_of};
use crate::limits;

/// Connections that are kept open to one host; as many as are used at once.
const CONNECTIONS: usize = 8;
/// Bytes that are read or written at once.
const BUFFER: usize = 128 << 10;
/// How long a registry may take to store an upload after its last byte.
const COMMIT: Duration = Duration::from_secs(300);

/// A request. The body, if there is one, has this size.
pub(crate) struct Sent<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: &'a Url,
    /// The registry that the user named, which may have led to this URL.
    pub(crate) home: &'a WebOrigin,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<(&'a mut (dyn Read + 'a), u64)>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    pub(crate) kind: ErrorKind,
    /// Whether the same request may succeed a moment later.
    pub(crate) passing: bool,
    /// How long the server wants to be left alone.
    pub(crate) asked: Option<Duration>,
}

impl NoAnswer {
    /// The same request fails again.
    pub(crate) fn lasting(kind: ErrorKind) -> Self {
        Self { kind, passing: false, asked: None }
    }
}

/// An answer, with a body that was not read.
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: ureq::Body,
    timeout: Duration,
}

impl HttpAnswer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().filter_map(|it| it.to_str().ok()).collect()
    }

    /// The size of the body, if the answer states it.
    pub(crate) fn size(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// The body as it comes; an end before its stated size is an error, and so are bytes that come
    /// too slowly.
    pub(crate) fn into_reader(self) -> Box<dyn Read + Send> {
        let body = self.body.into_with_config().limit(u64::MAX).reader();
        Box::new(PacedReader::new(body, self.timeout))
    }

    /// Up to `limit` bytes and one more of the body.
    pub(crate) fn read(&mut self, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let body = self.body.with_config().limit(u64::MAX).reader();
        let body = PacedReader::new(body, self.timeout);
        body.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether a refusal may come from a server that speaks HTTPS: it is not in the words of a
    /// registry, which are JSON.
    pub(crate) fn is_of_https(&self) -> bool {
        !self.header("content-type").is_some_and(|it| it.starts_with("application/json"))
    }

    /// What the registry says about an error (distribution-spec "Error Codes"): its first code and
    /// message, or a text.
    pub(crate) fn said(mut self) -> String {
        let raw = self.read(limits::ERROR_BODY).unwrap_or_default();
        let Ok(said) = serde_json::from_slice::<serde_json::Value>(&raw) else {
            // Go's server says so, without a type, to a client that speaks another protocol.
            let kind = self.header("content-type").unwrap_or("text/plain");
            let text = String::from_utf8_lossy(&raw).trim().to_owned();
            return if kind.starts_with("text/plain") { text } else { String::new() };
        };
        let error = said.pointer("/errors/0");
        let text = |key: &str| error.and_then(|it| it.get(key)).and_then(|it| it.as_str());
        let both = [text("code"), text("message")];
        both.into_iter().flatten().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(": ")
    }
}

/// Less than this in each second is as good as nothing.
const SLOWEST: u64 = 1 << 10;

/// A body whose bytes must come with some speed.
struct PacedReader<R> {
    inner: R,
    period: Duration,
    /// How long it was waited for bytes in this period; what is done with them takes its own time.
    waited: Duration,
    bytes: u64,
}

impl<R> PacedReader<R> {
    fn new(inner: R, period: Duration) -> Self {
        Self { inner, period, waited: Duration::ZERO, bytes: 0 }
    }
}

impl<R: Read> Read for PacedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let begun = Instant::now();
        let count = self.inner.read(buffer)?;
        self.waited = self.waited.saturating_add(begun.elapsed());
        self.bytes = self.bytes.saturating_add(count as u64);
        if self.waited >= self.period {
            let slow = self.bytes < SLOWEST.saturating_mul(self.period.as_secs());
            if slow && count > 0 {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the connection is too slow"));
            }
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        }
        Ok(count)
    }
}

/// A body whose bytes must be taken with some speed: between two reads, the last ones are sent.
struct PacedUpload<'a> {
    inner: &'a mut (dyn Read + 'a),
    period: Duration,
    /// When the last bytes were handed out, and how many.
    last: Option<(Instant, usize)>,
    waited: Duration,
    bytes: u64,
    /// How many are handed out at once; few while it is slow, so that it is seen soon.
    most: usize,
}

impl<'a> PacedUpload<'a> {
    fn new(inner: &'a mut (dyn Read + 'a), period: Duration) -> Self {
        Self { inner, period, last: None, waited: Duration::ZERO, bytes: 0, most: BUFFER }
    }

    /// Counts what was sent since the last read.
    fn count(&mut self) -> io::Result<()> {
        let Some((since, count)) = self.last.take() else { return Ok(()) };
        let took = since.elapsed();
        self.most = if took > SLOW { FEW } else { self.most.saturating_mul(2).min(BUFFER) };
        self.waited = self.waited.saturating_add(took);
        self.bytes = self.bytes.saturating_add(count as u64);
        if self.waited >= self.period {
            if self.bytes < SLOWEST.saturating_mul(self.waited.as_secs()) {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the connection is too slow"));
            }
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        }
        Ok(())
    }
}

/// Bytes that are handed out at once while a connection is slow.
const FEW: usize = 4 << 10;
/// What sending a buffer takes on a connection that is slow.
const SLOW: Duration = Duration::from_secs(1);

impl Read for PacedUpload<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.count()?;
        let most = buffer.len().min(self.most);
        let count = self.inner.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.last = Some((Instant::now(), count));
        Ok(count)
    }
}

/// Clients, one for each server, with its certificates and its proxy.
#[derive(Debug)]
pub(crate) struct Http {
    access: Arc<Access>,
    /// By the server and the registry that leads to it.
    agents: Mutex<BTreeMap<(WebOrigin, WebOrigin), Agent>>,
    homes: Mutex<BTreeMap<WebOrigin, HomeClasses>>,
}

impl Http {
    pub(crate) fn new(access: Arc<Access>) -> Self {
        Self { access, agents: Mutex::default(), homes: Mutex::default() }
    }

    /// Sends a request. Redirects and refusals are answers.
    pub(crate) fn send(&self, sent: Sent<'_>) -> Result<HttpAnswer, NoAnswer> {
        let origin = sent.url.origin();
        let agent = self.agent(sent.url, sent.home).map_err(NoAnswer::lasting)?;
        let mut request = Request::builder().method(sent.method).uri(sent.url.full());
        for (name, value) in sent.headers {
            request = request.header(name, value);
        }
        let done = match sent.body {
            None => {
                // Else it would be chunked, with an end that some servers take for a request.
                let request = match sent.method {
                    "POST" => request.header("content-length", 0),
                    _ => request,
                };
                request.body(()).map_err(ureq::Error::from).and_then(|it| agent.run(it))
            }
            Some((body, size)) => {
                let mut body = PacedUpload::new(body, self.access.timeout);
                let body = SendBody::from_reader(&mut body);
                let request = request.header("content-length", size).body(body);
                request.map_err(ureq::Error::from).and_then(|it| {
                    let slow = agent.configure_request(it).timeout_per_read(Some(COMMIT));
                    agent.run(slow.timeout_recv_response(Some(COMMIT)).build())
                })
            }
        };
        match done {
            Ok(answer) => {
                let (parts, body) = answer.into_parts();
                let (status, timeout) = (parts.status.as_u16(), self.access.timeout);
                Ok(HttpAnswer { status, headers: parts.headers, body, timeout })
            }
            Err(error) => Err(no_answer(origin, error)),
        }
    }

    fn agent(&self, url: &Url, home: &WebOrigin) -> Result<Agent, ErrorKind> {
        let origin = url.origin();
        let key = (origin.clone(), home.clone());
        if let Some(agent) = locked(&self.agents).get(&key) {
            return Ok(agent.clone());
        }
        let host = origin.authority();
        let proxy = self.access.proxies.for_url(url);
        let proxy = proxy.map(Proxy::new).transpose().map_err(|_| {
            let found = "an address that cannot be parsed".to_owned();
            ErrorKind::Usage { what: "the proxy of the environment", found }
        })?;
        // Certificates of the system are not read where nothing needs them.
        let secure = origin.scheme == Scheme::Https || proxy.is_some();
        let certs = certs_of(&self.access, &host)?;
        let tls = secure.then(|| client_config(&self.access, &certs)).transpose()?;
        let timeout = Some(self.access.timeout);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // Never the one of the environment, which the library does not read.
            .proxy(proxy)
            .user_agent(concat!("imgconv/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("")
            .timeout_resolve(timeout)
            .timeout_connect(timeout)
            .timeout_per_read(timeout)
            .timeout_per_write(timeout)
            .timeout_recv_response(timeout)
            .max_response_header_size(limits::ANSWER_HEAD)
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .max_idle_connections(CONNECTIONS * 4)
            .max_idle_connections_per_host(CONNECTIONS)
            .build();
        let classes = Arc::clone(locked(&self.homes).entry(home.clone()).or_default());
        let resolver = GuardedResolver::new(origin, home, classes);
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(TlsConnector(tls));
        let agent = Agent::with_parts(config, connector, resolver);
        locked(&self.agents).insert(key, agent.clone());
        Ok(agent)
    }
}

fn certs_of(access: &Access, host: &str) -> Result<HostCerts, ErrorKind> {
    Certs::for_host(&access.certs, host).map_err(|error| {
        let (what, found) = ("expected the certificates of a host", error.to_string());
        ErrorKind::Usage { what, found }
    })
}

fn no_answer(origin: &WebOrigin, error: ureq::Error) -> NoAnswer {
    let host = origin.authority();
    let network = |what: String| ErrorKind::Network { host: host.clone(), what };
    let (kind, passing) = match error {
        // A certificate that is refused, by us or by the server.
        ureq::Error::Io(error) if error.get_ref().is_some_and(|it| it.is::<rustls::Error>()) => {
            (ErrorKind::Tls { host: host.clone(), what: error.to_string() }, false)
        }
        ureq::Error::Io(error) => match kind_of(error, ErrorKind::Read) {
            ErrorKind::Read(error) => {
                let refused = error.kind() == io::ErrorKind::ConnectionRefused;
                (network(error.to_string()), !refused)
            }
            kind => (kind, false),
        },
        ureq::Error::Timeout(_) => (network("no answer in time".to_owned()), true),
        ureq::Error::HostNotFound => (network("no such host".to_owned()), false),
        error @ ureq::Error::ConnectProxyFailed(_) => (network(error.to_string()), false),
        error => {
            let (what, found) = ("expected HTTP/1.1", error.to_string());
            (ErrorKind::RegistryAnswer { what, found }, false)
        }
    };
    NoAnswer { kind, passing, asked: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a body with a pause for each read, as a slow connection does.
    fn sent(size: usize, pause: Duration) -> io::Result<usize> {
        let bytes = vec![7; size];
        let mut from = bytes.as_slice();
        let mut body = PacedUpload::new(&mut from, Duration::from_secs(1));
        let (mut all, mut buffer) = (0_usize, [0; 64]);
        loop {
            match body.read(&mut buffer)? {
                0 => return Ok(all),
                count => all = all.saturating_add(count),
            }
            std::thread::sleep(pause);
        }
    }

    #[test]
    fn an_upload_that_is_taken_too_slowly_ends() {
        let error = sent(10_000, Duration::from_millis(300)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        assert_eq!(sent(64 << 10, Duration::from_micros(1)).unwrap(), 64 << 10);
    }
}
