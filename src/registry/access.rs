//! What a program gives the client: the library reads no environment and runs no programs.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::credentials::{CredentialHelper, CredentialStore, Login};
use super::mirror::MirrorRule;
use super::proxy::Proxies;
use super::session::RegistryEvent;
use super::tls::certificates;
use crate::error::ErrorKind;
use crate::store;

/// How registries are reached.
#[non_exhaustive]
pub struct Access {
    /// The credential files, in order.
    pub credentials: CredentialStore,
    /// Credentials for one host, as in names, before those of files. No other host gets them.
    pub login: Option<(String, Login)>,
    /// Runs credential helpers.
    pub helper: Arc<dyn CredentialHelper + Send + Sync>,
    /// More root certificates, in PEM.
    pub roots: Vec<Vec<u8>>,
    /// Trees of certificates for single hosts (`certs.d`).
    pub certs: Vec<PathBuf>,
    /// The proxies.
    pub proxies: Proxies,
    /// Hosts without TLS, beside those of this machine.
    pub plain: Vec<String>,
    /// Registries or repositories, and places to ask before them.
    pub mirrors: Vec<(String, String)>,
    /// Rules for names, whose mirrors are asked after those.
    pub rules: Vec<MirrorRule>,
    /// Whether a registry is asked what a tag means after a mirror has said it.
    pub asks_origin: bool,
    /// How often a request is repeated.
    pub retries: u32,
    /// How long a server may be silent.
    pub timeout: Duration,
    /// The number of requests at once.
    pub connections: usize,
    /// Whether what was fetched is kept when a run fails.
    pub keep: bool,
    /// Told before each pause; a break ends the run.
    pub events: Events,
}

/// Watches what happens.
pub type Events = Arc<dyn Fn(&RegistryEvent) -> ControlFlow<()> + Send + Sync>;

impl Access {
    /// Trusts these authorities too, in PEM.
    ///
    /// # Errors
    /// The text holds no certificate.
    pub fn trust(&mut self, pem: Vec<u8>) -> Result<(), ErrorKind> {
        certificates(&pem)?;
        self.roots.push(pem);
        Ok(())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("certs", &self.certs)
            .field("plain", &self.plain)
            .field("retries", &self.retries)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Runs no helper.
#[derive(Debug, Clone, Copy)]
pub struct NoCredentialHelper;

impl CredentialHelper for NoCredentialHelper {
    fn get(&self, _: &str, _: &str) -> Result<Option<Vec<u8>>, ErrorKind> {
        Ok(None)
    }
}

impl Access {
    /// Sets the number of requests at once of a run with this many threads.
    pub fn connect(&mut self, threads: usize) {
        self.connections = store::connections(threads);
    }
}

impl Default for Access {
    /// No credentials, the certificates of the system, no proxy; 5 retries, 30 seconds.
    fn default() -> Self {
        Self {
            credentials: CredentialStore::default(),
            login: None,
            helper: Arc::new(NoCredentialHelper),
            roots: Vec::new(),
            certs: Vec::new(),
            proxies: Proxies::default(),
            plain: Vec::new(),
            mirrors: Vec::new(),
            rules: Vec::new(),
            asks_origin: false,
            retries: 5,
            timeout: Duration::from_secs(30),
            connections: 4,
            keep: true,
            events: Arc::new(|_| ControlFlow::Continue(())),
        }
    }
}
