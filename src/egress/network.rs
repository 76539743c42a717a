//! The world outside: names, connections, TLS. The proxy has no other way to it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Error;
use super::host::Host;

/// A connection, in the clear or not.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nobody answered.
    Connect(String),
    /// No TLS was agreed on, or the certificate is not the host's.
    Tls(String),
}

/// The world, as a proxy needs it.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// The addresses of a name, in the order in which they should be tried.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;

    /// Connects to this address and no other. With a host, over TLS with a server that proves to be it.
    async fn connect(&self, address: SocketAddr, secure: Option<&Host>) -> Result<Box<dyn Stream>, Failure>;
}

/// Who knows the addresses of names.
#[async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of a name.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of this machine.
pub struct System;

#[async_trait]
impl Resolver for System {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        // With a dot at its end a name is whole: no domain of this machine is tried behind it.
        let whole = if name.contains('.') { format!("{name}.") } else { name.to_owned() };
        let found = tokio::net::lookup_host((whole, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Whose certificates are believed.
pub enum Trust {
    /// Those this machine believes.
    System,
    /// Those of these authorities and no others, in PEM form.
    Authorities(Vec<u8>),
}

/// The network of this machine.
pub struct Internet {
    resolver: Arc<dyn Resolver>,
    /// Why there is no TLS, if this machine has no authorities.
    tls: Result<TlsConnector, String>,
}

impl Internet {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// The authorities are no certificates. A machine that has none of its own is told so when TLS is asked for: plain
    /// requests need none.
    pub fn new(resolver: Arc<dyn Resolver>, trust: &Trust) -> Result<Internet, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder =
            builder.with_safe_default_protocol_versions().map_err(|error| Error::Policy(error.to_string()))?;
        let config = match trust {
            Trust::Authorities(pem) => {
                let wrong = || Error::Policy("the authorities are no certificates in PEM form".to_owned());
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    roots.add(certificate.map_err(|_| wrong())?).map_err(|_| wrong())?;
                }
                if roots.is_empty() {
                    return Err(wrong());
                }
                Ok(builder.with_root_certificates(roots).with_no_client_auth())
            }
            Trust::System => Verifier::new(provider).map_err(|error| error.to_string()).map(|verifier| {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
            }),
        };
        let tls = config.map(|mut config| {
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            TlsConnector::from(Arc::new(config))
        });
        Ok(Internet { resolver, tls })
    }
}

#[async_trait]
impl Network for Internet {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.resolver.resolve(name).await
    }

    async fn connect(&self, address: SocketAddr, secure: Option<&Host>) -> Result<Box<dyn Stream>, Failure> {
        let failed = |error: io::Error| Failure::Connect(error.to_string());
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        // Nagle's algorithm would hold small requests back for the peer's delayed acknowledgement, 40 ms.
        stream.set_nodelay(true).map_err(failed)?;
        let name = match secure {
            None => return Ok(Box::new(stream)),
            Some(Host::Name(name)) => {
                ServerName::try_from(name.clone()).map_err(|error| Failure::Tls(error.to_string()))?
            }
            Some(Host::Address(address)) => ServerName::from(*address),
        };
        let tls = self.tls.as_ref().map_err(|reason| Failure::Tls(reason.clone()))?;
        let secured = tls.connect(name, stream).await.map_err(|error| Failure::Tls(error.to_string()))?;
        Ok(Box::new(secured))
    }
}
