//! Tunnels: who the tool's TLS names is whom the tunnel is for.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::*;
use crate::egress::hello::server_name;

fn connector(authority: &[u8], named: bool) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.enable_sni = named;
    TlsConnector::from(Arc::new(config))
}

/// Opens a tunnel as a tool does, up to the proxy's first answer.
async fn tunnel(passage: &Passage, place: &str) -> UnixStream {
    let mut stream = UnixStream::connect(passage.socket()).await.unwrap();
    let request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 17];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 \r\n\r\n");
    stream
}

/// The first message of a client that means this server.
fn hello(name: &str, named: bool) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    config.enable_sni = named;
    let server = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), server).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// The same message with one more extension.
fn extended(mut hello: Vec<u8>, number: u16, data: &[u8]) -> Vec<u8> {
    // Record (5), message (4), version and chance (34), session, suites, compression.
    let mut at = 5 + 4 + 34;
    at += 1 + usize::from(hello[at]);
    at += 2 + (usize::from(hello[at]) << 8 | usize::from(hello[at + 1]));
    at += 1 + usize::from(hello[at]);
    let mut extension = number.to_be_bytes().to_vec();
    extension.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    extension.extend_from_slice(data);
    let grown = extension.len();
    // Behind the key share the order is free, and in front of it too.
    hello.splice(at + 2..at + 2, extension);
    for place in [at, 3, 7] {
        let length = (usize::from(hello[place]) << 8 | usize::from(hello[place + 1])) + grown;
        hello[place..place + 2].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
    }
    hello
}

#[tokio::test]
async fn a_tunnel_carries_the_tls_of_a_tool_to_the_server_it_names() {
    let server = serve("127.0.0.1:0", &[HOST], |_| ok("through the tunnel")).await;
    let bench = Bench::new(server.network(Names::here()));
    let passage = bench.open(policy(vec![rule(HOST, server.port(), Transport::Tunnel)], Vec::new()));
    let stream = tunnel(&passage, &format!("{HOST}:{}", server.port())).await;
    let name = ServerName::try_from(HOST).unwrap();
    let mut tls = connector(&server.authority, true).connect(name, stream).await.unwrap();
    tls.write_all(b"GET /any HTTP/1.1\r\nhost: whatever\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tls.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("through the tunnel"), "{answer}");
    drop(tls);
    let report = passage.close().await;
    let line = &report.exchanges[0];
    assert_eq!((line.transport, line.host.as_deref(), line.status), (Some(Transport::Tunnel), Some(HOST), None));
    assert!(line.sent > 200 && line.received > 500, "{line:?}");
    assert_eq!(line.path, None);
}

#[tokio::test]
async fn a_tunnel_whose_tls_names_another_or_none_or_hides_it_reaches_nobody() {
    let server = serve("127.0.0.1:0", &[HOST], |_| ok("no")).await;
    let names = Names::here();
    let bench = Bench::new(server.network(Arc::clone(&names)));
    let passage = bench.open(policy(vec![rule(HOST, server.port(), Transport::Tunnel)], Vec::new()));
    let place = format!("{HOST}:{}", server.port());
    let rows = [
        (hello("evil.example.com", true), Reason::ServerNameMismatch),
        (hello(HOST, false), Reason::NoServerName),
        (extended(hello(HOST, true), 0xfe0d, &[0, 0, 1, 0, 1, 0, 0, 0, 0, 0]), Reason::ServerNameHidden),
        (extended(hello(HOST, true), 0xffce, &[0]), Reason::ServerNameHidden),
        (extended(hello(HOST, true), 0, &[0, 9, 0, 0, 6, b'e', b'v', b'i', b'l', b'.', b'x']), Reason::NotTls),
        (b"GET / HTTP/1.1\r\nhost: api.example.com\r\n\r\n".to_vec(), Reason::NotTls),
        (b"SSH-2.0-tool\r\n".to_vec(), Reason::NotTls),
    ];
    for (bytes, reason) in &rows {
        let mut stream = tunnel(&passage, &place).await;
        stream.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert_eq!(rest, [21, 3, 3, 0, 2, 2, 112], "{reason}: a TLS client reads why");
    }
    // Half a message, and then nothing.
    let mut stream = tunnel(&passage, &place).await;
    stream.write_all(&hello(HOST, true)[..40]).await.unwrap();
    stream.shutdown().await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    let mismatch = format!("CONNECT {place} HTTP/1.1\r\nhost: evil.example\r\n\r\n");
    assert_eq!(ask(&passage, &mismatch).await.refused(), "host_mismatch");
    let report = passage.close().await;
    let reasons: Vec<Reason> = report.refusals().map(|(_, refusal)| refusal.reason).collect();
    let wanted = rows.iter().map(|(_, reason)| *reason).chain([Reason::NotTls, Reason::HostMismatch]);
    assert_eq!(reasons, wanted.collect::<Vec<_>>());
    assert_eq!(names.asked.load(Ordering::SeqCst), 0, "EG1: no name was resolved");
    assert!(server.seen().is_empty() && report.hosts().is_empty(), "EG1: nobody was connected to");
}

#[tokio::test]
async fn a_tunnel_has_its_limits() {
    let server = serve("127.0.0.1:0", &[HOST], |_| ok(&"x".repeat(100_000))).await;
    let bench = Bench::new(server.network(Names::here()));
    let small = Rule { response_bytes: 20_000, ..rule(HOST, server.port(), Transport::Tunnel) };
    let passage = bench.open(policy(vec![small], Vec::new()));
    let stream = tunnel(&passage, &format!("{HOST}:{}", server.port())).await;
    let name = ServerName::try_from(HOST).unwrap();
    let mut tls = connector(&server.authority, true).connect(name, stream).await.unwrap();
    tls.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    assert!(tls.read_to_end(&mut answer).await.is_err(), "it was cut off");
    assert!(answer.len() < 20_000);
    let report = passage.close().await;
    assert_eq!(report.exchanges[0].refusal.as_ref().unwrap().reason, Reason::ResponseTooLarge);
}

#[test]
fn the_first_message_is_read_in_whatever_pieces_it_comes() {
    let whole = hello(HOST, true);
    for end in 0..whole.len() {
        assert_eq!(server_name(&whole[..end]), Ok(None), "{end} of {}", whole.len());
    }
    assert_eq!(server_name(&whole), Ok(Some(HOST.to_owned())));
    // The same message in records of ten bytes.
    let mut records = Vec::new();
    for piece in whole[5..].chunks(10) {
        records.extend_from_slice(&[22, 3, 1, 0, u8::try_from(piece.len()).unwrap()]);
        records.extend_from_slice(piece);
    }
    assert_eq!(server_name(&records), Ok(Some(HOST.to_owned())));
    // A byte that is another makes it another message or none, and never one with two names.
    for place in 0..whole.len() {
        let mut bent = whole.clone();
        bent[place] ^= 0x20;
        let _ = server_name(&bent);
    }
    assert_eq!(server_name(&hello("API.Example.COM", true)), Ok(Some(HOST.to_owned())));
}
