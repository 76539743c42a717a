//! TLS with certificates that the test makes: the host's own, and those of its clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::support::{TestHost, Wanted};
use crate::api::{HOST_FILE, Running, Tls};

/// An authority, and a certificate of it for each name, as files.
struct Papers {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Papers {
    fn new() -> Papers {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let papers = Papers { folder: tempfile::tempdir().unwrap(), authority };
        std::fs::write(papers.ca(), papers.authority.pem()).unwrap();
        papers
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let at = |end: &str| self.folder.path().join(format!("{name}.{end}.pem"));
        std::fs::write(at("cert"), certificate.pem()).unwrap();
        std::fs::write(at("key"), key.serialize_pem()).unwrap();
        (at("cert"), at("key"))
    }
}

fn client(ca: &Path, own: Option<(PathBuf, PathBuf)>, protocols: &[&[u8]]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match own {
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

/// What the host answers to a look at its tree, or why there was no answer.
async fn ask(host: &TestHost, connector: &TlsConnector) -> Result<String, std::io::Error> {
    let stream = TcpStream::connect(host.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(name, stream).await?;
    let token = host.operator();
    let head =
        format!("GET /tree HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

fn wanted(papers: &Papers, client_ca: PathBuf) -> Wanted {
    let (certificate, key) = papers.issue("localhost");
    let mut wanted = Wanted::default();
    wanted.config.tls = Tls { certificate, key, client_ca };
    wanted.config.head_timeout_s = 1;
    wanted
}

#[tokio::test]
async fn with_a_certificate_the_interface_speaks_tls_and_nothing_else() {
    let papers = Papers::new();
    let host = TestHost::start(wanted(&papers, PathBuf::new())).await;
    let text = ask(&host, &client(&papers.ca(), None, &[])).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    let file = std::fs::read_to_string(host.data.path().join(HOST_FILE)).unwrap();
    let running: Running = serde_json::from_str(&file).unwrap();
    assert!(running.url.starts_with("https://") && running.ca.unwrap().ends_with("localhost.cert.pem"));

    let strangers = Papers::new();
    let refused = ask(&host, &client(&strangers.ca(), None, &[])).await.unwrap_err();
    assert!(refused.to_string().contains("invalid peer certificate"), "{refused}");
    let newer = ask(&host, &client(&papers.ca(), None, &[b"h2"])).await.unwrap_err();
    assert!(newer.to_string().contains("NoApplicationProtocol"), "{newer}");
    // Plain HTTP, garbage and silence are closed without an answer.
    for bytes in [&b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"[..], b"\x16\x03\x01\xff\xff", b""] {
        let mut stream = TcpStream::connect(host.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut got = Vec::new();
        let _ = stream.read_to_end(&mut got).await;
        assert!(!String::from_utf8_lossy(&got).contains("HTTP/"), "{got:?}");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_client_without_a_certificate_of_the_right_authority_gets_no_answer() {
    let papers = Papers::new();
    let host = TestHost::start(wanted(&papers, papers.ca())).await;
    let own = papers.issue("somebody");
    let text = ask(&host, &client(&papers.ca(), Some(own), &[b"http/1.1"])).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    let without = ask(&host, &client(&papers.ca(), None, &[])).await.unwrap_err();
    assert!(without.to_string().contains("CertificateRequired"), "{without}");
    let strangers = Papers::new();
    let other = strangers.issue("somebody");
    let refused = ask(&host, &client(&papers.ca(), Some(other), &[])).await.unwrap_err();
    assert!(refused.to_string().contains("alert"), "{refused}");
    host.stop().await;
}

#[tokio::test]
async fn an_address_that_others_reach_takes_tls_or_permission() {
    let papers = Papers::new();
    let mut open = wanted(&papers, PathBuf::new());
    open.config.listen = "0.0.0.0:0".parse().unwrap();
    assert!(open.config.impossible().is_empty());
    TestHost::start(open).await.stop().await;
}

#[tokio::test]
async fn files_that_are_no_certificates_are_named_with_their_key() {
    let papers = Papers::new();
    let good = wanted(&papers, papers.ca()).config.tls;
    let nonsense = papers.folder.path().join("nonsense.pem");
    std::fs::write(&nonsense, "nothing of the kind").unwrap();
    let other = papers.issue("other").1;
    for (tls, key) in [
        (Tls { certificate: nonsense.clone(), ..good.clone() }, "api.tls.certificate"),
        (Tls { certificate: "missing.pem".into(), ..good.clone() }, "api.tls.certificate"),
        (Tls { key: nonsense.clone(), ..good.clone() }, "api.tls.key"),
        (Tls { key: other, ..good.clone() }, "api.tls.key"),
        (Tls { client_ca: nonsense, ..good.clone() }, "api.tls.client_ca"),
    ] {
        let mut wanted = Wanted::default();
        wanted.config.tls = tls;
        let refused = TestHost::start_in(tempfile::tempdir().unwrap(), wanted).await;
        let error = refused.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(key) && error.contains(".pem"), "{error}");
    }
}

#[test]
fn everything_that_is_wrong_with_the_files_is_told_at_once_and_in_words() {
    let papers = Papers::new();
    let good = wanted(&papers, papers.ca()).config.tls;
    assert!(good.faults().is_empty() && Tls::default().faults().is_empty());
    let file = |name: &str, text: &str| {
        let path = papers.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let empty = file("empty.pem", "");
    let sealed = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let sealed = file("sealed.pem", sealed);
    let no_certificate = file("bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let no_key = file("key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let torn = file("torn.pem", "-----BEGIN CERTIFICATE-----\nAA");
    let folder = papers.folder.path().to_owned();
    let (certificate, key, client_ca) = (good.certificate.clone(), good.key.clone(), good.client_ca.clone());
    let on = |certificate: &PathBuf, key: &PathBuf, client_ca: &PathBuf| Tls {
        certificate: certificate.clone(),
        key: key.clone(),
        client_ca: client_ca.clone(),
    };
    let missing = papers.folder.path().join("missing.pem");
    for (tls, expected) in [
        (
            on(&missing, &missing, &missing),
            vec![
                ("api.tls.certificate", "there is no such file"),
                ("api.tls.key", "there is no such file"),
                ("api.tls.client_ca", "there is no such file"),
            ],
        ),
        (
            on(&key, &certificate, &empty),
            vec![
                ("api.tls.certificate", "there is no certificate in PEM form in it"),
                ("api.tls.key", "there is no private key in PEM form in it"),
                ("api.tls.client_ca", "there is no certificate in PEM form in it"),
            ],
        ),
        (
            on(&folder, &sealed, &torn),
            vec![
                ("api.tls.certificate", "Is a directory"),
                ("api.tls.key", "its key is encrypted; write it without a passphrase"),
                ("api.tls.client_ca", "it is no PEM"),
            ],
        ),
        (on(&no_certificate, &no_key, &client_ca), vec![("api.tls.key", "its key cannot be used")]),
        (
            on(&no_certificate, &key, &no_certificate),
            vec![("api.tls.certificate", "is none"), ("api.tls.client_ca", "a certificate in it is none")],
        ),
        (on(&certificate, &papers.issue("other").1, &client_ca), vec![("api.tls.key", "it is not the key of")]),
    ] {
        let told: Vec<String> = tls.faults().iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (said, (key, word)) in told.iter().zip(expected) {
            assert!(said.contains(key) && said.contains(word), "{said}: {key} {word}");
        }
    }
}
