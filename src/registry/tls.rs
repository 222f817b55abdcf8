//! TLS to registries: who is trusted, and the connection itself.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore,
    SignatureScheme, StreamOwned,
};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
    TransportAdapter,
};

use super::access::Access;
use super::certs::{ClientPair, HostCerts};
use crate::error::ErrorKind;

/// What a connection to a host uses: the certificates of the system, of the user and of the host.
pub(super) fn client_config(
    access: &Access,
    host: &HostCerts,
) -> Result<Arc<ClientConfig>, ErrorKind> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut own = Vec::new();
    for pem in access.roots.iter().chain(&host.roots) {
        own.extend(certificates(pem)?);
    }
    let trusted = Arc::new(Trusted { chains: chains(&own, &provider)?, own });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad_tls(&error))?
        .dangerous()
        .with_custom_certificate_verifier(trusted);
    let config = match &host.client {
        None => config.with_no_client_auth(),
        Some(ClientPair { certificate, key }) => {
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|_| bad_pem("expected a private key in PEM"))?;
            let chain = certificates(certificate)?;
            config.with_client_auth_cert(chain, key).map_err(|error| bad_tls(&error))?
        }
    };
    Ok(Arc::new(config))
}

/// The verifier of chains: the system's own, or one that trusts these certificates too.
fn chains(
    own: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, ErrorKind> {
    if own.is_empty() {
        let system = rustls_platform_verifier::Verifier::new(Arc::clone(provider));
        return Ok(Arc::new(system.map_err(|error| bad_tls(&error))?));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(own.iter().cloned().chain(system()));
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(verifier.map_err(|error| bad_tls(&error))?)
}

fn system() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

/// The certificates of a text in PEM.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ErrorKind> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.ok().filter(|it| !it.is_empty());
    found.ok_or_else(|| bad_pem("expected certificates in PEM"))
}

fn bad_pem(what: &'static str) -> ErrorKind {
    ErrorKind::Usage { what, found: "something else".to_owned() }
}

fn bad_tls(error: &dyn std::fmt::Display) -> ErrorKind {
    ErrorKind::Usage { what: "the certificates for a registry", found: error.to_string() }
}

/// Who is trusted: chains that end at an authority, and servers with the very certificate that is
/// trusted.
///
/// A registry often has one certificate, signed with its own key, that says it is an authority:
/// that is what `openssl req -x509` makes. Whoever trusts that certificate trusts its registry, as
/// in docker, podman and curl; the verifier of chains refuses an authority as a server.
#[derive(Debug)]
struct Trusted {
    chains: Arc<dyn ServerCertVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl Trusted {
    /// Whether nothing else is wrong but that the server's certificate is that of an authority.
    /// Validity is checked before that.
    fn is_authority(error: &rustls::Error) -> bool {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
                other.to_string() == "CaUsedAsEndEntity"
            }
            _ => false,
        }
    }
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = self.chains.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        if !chain.as_ref().is_err_and(Self::is_authority) {
            return chain;
        }
        let trusted = |all: &[CertificateDer<'_>]| all.iter().any(|it| it == end_entity);
        if !trusted(&self.own) && !trusted(&system()) {
            return Err(CertificateError::UnknownIssuer.into());
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Puts TLS on connections of URLs that ask for it; `None` where no URL does.
#[derive(Debug)]
pub(super) struct TlsConnector(pub(super) Option<Arc<ClientConfig>>);

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Ok(None) };
        // Also on top of the TLS of a proxy.
        let Some(config) = self.0.as_ref().filter(|_| details.needs_tls()) else {
            return Ok(Some(Either::A(transport)));
        };
        let host = details.uri.host().unwrap_or_default();
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare).map_err(|_| rustls::Error::UnsupportedNameType);
        let conn = name.and_then(|it| ClientConnection::new(Arc::clone(config), it.to_owned()));
        let mut conn = conn.map_err(std::io::Error::other)?;
        let clock = Arc::clone(&details.current_time);
        let mut sock = TransportAdapter::new(Box::new(transport) as Box<dyn Transport>, clock);
        sock.set_timeout(details.timeout);
        conn.complete_io(&mut sock)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(TlsTransport { buffers, stream: StreamOwned { conn, sock } })))
    }
}

/// A connection with TLS.
pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl std::fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsTransport").finish_non_exhaustive()
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        Ok(self.stream.write_all(output)?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let count = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
