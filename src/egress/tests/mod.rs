//! The way out, with a world in memory and with sockets, certificates and names of the test.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]
#![expect(clippy::disallowed_methods, reason = "tests run on tokio's own clock and start their own servers")]

mod decisions;
mod hostile;
mod messages;
mod secrets;
mod slow;
mod suite;
mod tunnels;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::types::{Class, Clock, Cx, Secret, Timestamp};

pub(super) const HOST: &str = "api.example.com";
pub(super) const KEY: &str = "sk-live-0123456789abcdef";

struct Real;

impl Clock for Real {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(1_000_000)
    }
}

pub(super) fn limits() -> Limits {
    Limits {
        connections_max: 8,
        requests_max: 50,
        head_bytes_max: 8 << 10,
        headers_max: 32,
        sent_bytes_max: 1 << 20,
        received_bytes_max: 4 << 20,
        records_max: 40,
        head_timeout_s: 5,
        connect_timeout_s: 5,
        idle_timeout_s: 20,
    }
}

/// A rule for loopback addresses, where the servers of tests are.
pub(super) fn rule(host: &str, port: u16, transport: Transport) -> Rule {
    let tunnel = transport == Transport::Tunnel;
    Rule {
        host: host.parse().unwrap(),
        port,
        transport,
        methods: if tunnel { BTreeSet::new() } else { [Method::Get, Method::Head, Method::Post].into() },
        paths: if tunnel { Vec::new() } else { vec!["/v1/*".parse().unwrap()] },
        request_bytes: 64 << 10,
        response_bytes: 256 << 10,
        networks: vec!["127.0.0.1/32".parse().unwrap()],
    }
}

pub(super) fn key(header: &str) -> Injection {
    Injection {
        name: "team/key".to_owned(),
        header: header.to_owned(),
        prefix: "Bearer ".to_owned(),
        secret: Secret::new(KEY),
        hosts: vec![HOST.parse().unwrap()],
    }
}

pub(super) fn policy(rules: Vec<Rule>, injections: Vec<Injection>) -> Policy {
    Policy::new(rules, injections, limits(), true).unwrap()
}

pub(super) fn cx() -> Cx {
    Cx::housekeeping(Instant::now(), Duration::from_secs(60))
}

/// A proxy over a network, and its folder.
pub(super) struct Bench {
    folder: tempfile::TempDir,
    proxy: Proxy,
}

impl Bench {
    pub(super) fn new(network: Arc<dyn Network>) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let proxy = Proxy::new(folder.path(), network, Arc::new(Real));
        Bench { folder, proxy }
    }

    pub(super) fn open(&self, policy: Policy) -> Passage {
        self.proxy.open(&cx(), policy).unwrap()
    }

    /// Whether nothing is left of any passage.
    pub(super) fn is_empty(&self) -> bool {
        std::fs::read_dir(self.folder.path()).unwrap().next().is_none()
    }
}

/// Sends bytes as a tool and reads until the end of the connection.
pub(super) async fn raw(socket: &Path, bytes: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

/// An answer as a tool reads it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    /// Whether it came whole.
    pub(super) whole: bool,
}

impl Answer {
    pub(super) fn of(bytes: &[u8]) -> Answer {
        let Some(end) = head::end(bytes) else {
            return Answer {
                status: 0,
                head: String::from_utf8_lossy(bytes).into_owned(),
                body: Vec::new(),
                whole: false,
            };
        };
        let read = head::answer(&bytes[..end], false, &limits()).unwrap();
        if read.status == 100 {
            return Answer::of(&bytes[end..]);
        }
        let (mut decoder, mut body, mut at) = (body::Body::new(read.length), Vec::new(), end);
        while at < bytes.len() && !decoder.is_done() {
            let step = decoder.take(&bytes[at..]).unwrap();
            body.extend_from_slice(&bytes[at..][step.data]);
            at += step.used;
        }
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        Answer { status: read.status, head, body, whole: decoder.is_done() }
    }

    /// Why it was refused.
    pub(super) fn refused(&self) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix("x-syzygy-refused: "));
        line.unwrap_or_default()
    }
}

pub(super) async fn ask(passage: &Passage, request: &str) -> Answer {
    Answer::of(&raw(passage.socket(), request.as_bytes()).await)
}

pub(super) async fn get(passage: &Passage, target: &str, host: &str) -> Answer {
    ask(passage, &format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n")).await
}

/// Names that change what they mean with each question: the last meaning stays.
pub(super) struct Names {
    meanings: Mutex<Vec<Vec<IpAddr>>>,
    pub(super) asked: AtomicUsize,
}

impl Names {
    pub(super) fn new(meanings: &[&[&str]]) -> Arc<Names> {
        let meanings =
            meanings.iter().rev().map(|all| all.iter().map(|text| text.parse().unwrap()).collect()).collect();
        Arc::new(Names { meanings: Mutex::new(meanings), asked: AtomicUsize::new(0) })
    }

    pub(super) fn here() -> Arc<Names> {
        Names::new(&[&["127.0.0.1"]])
    }
}

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut meanings = self.meanings.lock();
        if meanings.len() > 1 { meanings.pop() } else { meanings.last().cloned() }
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

/// A server on a real socket, which answers what it was sent so far with whatever a test says, and hangs up.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// Its authority, in PEM form.
    pub(super) authority: Vec<u8>,
    seen: Arc<Mutex<Vec<String>>>,
    _tasks: tokio::task::JoinSet<()>,
}

impl Server {
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().clone()
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// A network in which every name has these meanings, which believes this server's authority.
    pub(super) fn network(&self, names: Arc<Names>) -> Arc<Internet> {
        Arc::new(Internet::new(names, &Trust::Authorities(self.authority.clone())).unwrap())
    }
}

/// Answers when all of the request has come.
type Respond = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// A server with a certificate for these names, or without TLS if there are none.
pub(super) async fn serve(
    at: &str,
    names: &[&str],
    respond: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
) -> Server {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let own = KeyPair::generate().unwrap();
    let subjects: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(subjects).unwrap().signed_by(&own, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(own.serialize_der()).unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let acceptor = (!names.is_empty()).then(|| TlsAcceptor::from(Arc::new(config)));
    let listener = TcpListener::bind(at).await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let (mut tasks, kept, respond) = (tokio::task::JoinSet::new(), Arc::clone(&seen), Arc::new(respond) as Respond);
    tasks.spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, seen, respond) = (acceptor.clone(), Arc::clone(&kept), Arc::clone(&respond));
            connections.spawn(async move {
                match acceptor {
                    None => answer(stream, &seen, &respond).await,
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => answer(stream, &seen, &respond).await,
                        Err(error) => seen.lock().push(format!("no TLS: {error}")),
                    },
                }
            });
        }
    });
    Server { address, authority: authority.pem().into_bytes(), seen, _tasks: tasks }
}

async fn answer(mut stream: impl Stream, seen: &Mutex<Vec<String>>, respond: &Respond) {
    let mut bytes = Vec::new();
    while !is_whole(&bytes) && stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {}
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let answer = respond(&text);
    seen.lock().push(text);
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}

/// Whether the head is there, and with it as much of a body as it promises.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = head::end(bytes) else { return false };
    let read = head::request(&bytes[..end], &limits()).map_or(head::Length::None, |head| head.length);
    match read {
        head::Length::Bytes(length) => (bytes.len() - end) as u64 >= length,
        head::Length::Chunks => bytes.ends_with(b"0\r\n\r\n"),
        _ => true,
    }
}

pub(super) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nx-own: yes\r\n\r\n{body}", body.len()).into_bytes()
}

/// A world whose servers take everything and say nothing.
pub(super) struct Silent(pub(super) Imagined);

#[async_trait]
impl Network for Silent {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.0.resolve(name).await
    }

    async fn connect(&self, _: SocketAddr, _: Option<&Host>) -> Result<Box<dyn Stream>, Failure> {
        let (near, far) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move {
            let _far = far;
            std::future::pending::<()>().await;
        });
        Ok(Box::new(near))
    }
}
