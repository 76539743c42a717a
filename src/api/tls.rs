//! TLS from the files of the config: the host's own certificate, and whose certificates its clients must show.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, RootCertStore};
use tokio_rustls::TlsAcceptor;

use super::Error;
use super::config::Tls;

/// The only protocol that is offered inside TLS. HTTP/2 would bring streams within streams, and its own ways to make a
/// server work for nothing; clients of this interface gain little by it.
const PROTOCOL: &[u8] = b"http/1.1";

/// What the files hold.
struct Papers {
    own: CertifiedKey,
    clients: Arc<dyn ClientCertVerifier>,
}

/// What turns connections into TLS, if a certificate is named.
pub(super) fn acceptor(tls: &Tls) -> Result<Option<TlsAcceptor>, Error> {
    if !tls.is_on() {
        return Ok(None);
    }
    let Papers { own, clients } = papers(tls).map_err(|faults| faults.0)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| certificate(tls)(error.to_string()))?.with_client_cert_verifier(clients);
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

impl Tls {
    /// Everything that is wrong with the files, by the key that names each. Nothing if none is named.
    pub fn faults(&self) -> Vec<Error> {
        let faults = if self.is_on() { papers(self).err() } else { None };
        faults.into_iter().flat_map(|(first, more)| std::iter::once(first).chain(more)).collect()
    }
}

/// Reads the files, all of them: the first fault, and the others.
fn papers(tls: &Tls) -> Result<Papers, (Error, Vec<Error>)> {
    let chain = certificates(&tls.certificate).map_err(certificate(tls));
    let key = private_key(&tls.key).map_err(private(tls));
    let clients = clients(&tls.client_ca).map_err(fault(&tls.client_ca, "api.tls.client_ca"));
    let own = match (chain, key) {
        (Ok(chain), Ok(key)) => together(tls, CertifiedKey::new(chain, key)).map_err(|error| vec![error]),
        (chain, key) => Err(chain.err().into_iter().chain(key.err()).collect()),
    };
    match (own, clients) {
        (Ok(own), Ok(clients)) => Ok(Papers { own, clients }),
        (own, clients) => {
            let mut faults = own.err().unwrap_or_default().into_iter().chain(clients.err());
            // One of the two is an error, so there is a first.
            let first = faults.next().unwrap_or_else(|| certificate(tls)(NO_CERTIFICATE.to_owned()));
            Err((first, faults.collect()))
        }
    }
}

/// A fault of the file that this key names.
fn fault(path: &Path, key: &'static str) -> impl FnOnce(String) -> Error {
    let path = path.to_owned();
    move |reason| Error::Tls { path, key, reason }
}

fn certificate(tls: &Tls) -> impl FnOnce(String) -> Error {
    fault(&tls.certificate, "api.tls.certificate")
}

fn private(tls: &Tls) -> impl FnOnce(String) -> Error {
    fault(&tls.key, "api.tls.key")
}

/// A certificate and its key, if they are those of each other.
fn together(tls: &Tls, own: CertifiedKey) -> Result<CertifiedKey, Error> {
    match own.keys_match() {
        // A key that does not tell its other half is tried by the first client.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(own),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let of = tls.certificate.display();
            Err(private(tls)(format!("it is not the key of the first certificate in {of}")))
        }
        Err(error) => Err(certificate(tls)(format!("its first certificate is none: {error}"))),
    }
}

const NO_CERTIFICATE: &str = "there is no certificate in PEM form in it";

/// The bytes of a file, or what is wrong in words.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => format!("{error}; let the user read it as whom the host runs"),
        _ => error.to_string(),
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = read(path)?;
    let chain = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| format!("it is no PEM: {error}"))?;
    if chain.is_empty() { Err(NO_CERTIFICATE.to_owned()) } else { Ok(chain) }
}

fn private_key(path: &Path) -> Result<Arc<dyn rustls::sign::SigningKey>, String> {
    let bytes = read(path)?;
    let sealed = bytes.windows(SEALED.len()).any(|window| window == SEALED);
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound if sealed => "its key is encrypted; write it without a passphrase".to_owned(),
        pem::Error::NoItemsFound => "there is no private key in PEM form in it".to_owned(),
        other => format!("it is no PEM: {other}"),
    })?;
    let loaded = rustls::crypto::ring::default_provider().key_provider.load_private_key(key);
    loaded.map_err(|error| format!("its key cannot be used: {error}"))
}

/// What stands in a file with a key that only a passphrase opens.
const SEALED: &[u8] = b"ENCRYPTED";

/// Who looks at the certificates of clients: nobody, if no authority is named.
fn clients(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, String> {
    if path.as_os_str().is_empty() {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| format!("a certificate in it is none: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    verifier.map_err(|error| error.to_string())
}
