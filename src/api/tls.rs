//! TLS from the files of the config: the host's own certificate, and whose certificates its clients must show.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use tokio_rustls::TlsAcceptor;

use super::Error;
use super::config::Tls;

/// The only protocol that is offered inside TLS. HTTP/2 would bring streams within streams, and its own ways to make a
/// server work for nothing; clients of this interface gain little by it.
const PROTOCOL: &[u8] = b"http/1.1";

/// What turns connections into TLS, if a certificate is named.
pub(super) fn acceptor(tls: &Tls) -> Result<Option<TlsAcceptor>, Error> {
    if !tls.is_on() {
        return Ok(None);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let refused = |path: &Path, key: &'static str| {
        let path = path.to_owned();
        move |reason: String| Error::Tls { path, key, reason }
    };
    let chain = certificates(&tls.certificate).map_err(refused(&tls.certificate, "api.tls.certificate"))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| error.to_string());
    let key = key.map_err(refused(&tls.key, "api.tls.key"))?;
    let versions = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| refused(&tls.certificate, "api.tls.certificate")(error.to_string()))?;
    let builder = if tls.client_ca.as_os_str().is_empty() {
        builder.with_no_client_auth()
    } else {
        let roots = authorities(&tls.client_ca).map_err(refused(&tls.client_ca, "api.tls.client_ca"))?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let verifier = verifier.map_err(|error| refused(&tls.client_ca, "api.tls.client_ca")(error.to_string()))?;
        builder.with_client_cert_verifier(verifier)
    };
    let made = builder.with_single_cert(chain, key);
    let mut config = made.map_err(|error| refused(&tls.key, "api.tls.key")(error.to_string()))?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    let chain = read.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    if chain.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(chain) }
}

fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}
