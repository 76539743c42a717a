//! A world in memory: names that mean what a test says, and servers that answer with what it wrote.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::body::Body;
use super::head::{self, Length};
use super::host::Host;
use super::network::{Failure, Network, Stream};
use super::policy::Limits;

/// Bytes that wait between the proxy and an imagined server at the most.
const PIPE: usize = 64 << 10;

/// Bytes of a request that an imagined server reads at the most.
const REQUEST_MAX: usize = 16 << 20;

/// A request as it arrived at an imagined server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Where.
    pub address: SocketAddr,
    /// The host that its TLS was made for, if there was any.
    pub secured: Option<String>,
    /// Its head, as it came.
    pub head: String,
    /// Its body, without what stands around chunks.
    pub body: Vec<u8>,
}

/// Limits under which an imagined server reads: it is nobody's guard.
const ANY: Limits = Limits {
    connections_max: 1,
    requests_max: 1,
    head_bytes_max: REQUEST_MAX,
    headers_max: 256,
    sent_bytes_max: u64::MAX,
    received_bytes_max: u64::MAX,
    records_max: 1,
    head_timeout_s: 1,
    connect_timeout_s: 1,
    idle_timeout_s: 1,
};

type Respond = dyn Fn(&Seen) -> Vec<u8> + Send + Sync;

#[derive(Default)]
struct World {
    names: BTreeMap<String, Vec<IpAddr>>,
    servers: BTreeMap<SocketAddr, Arc<Respond>>,
    seen: Vec<Seen>,
}

/// A world of names and servers, which is nowhere.
#[derive(Clone, Default)]
pub struct Imagined {
    world: Arc<Mutex<World>>,
}

impl Imagined {
    /// With nothing in it.
    pub fn new() -> Imagined {
        Imagined::default()
    }

    /// From now on a name has these addresses.
    pub fn name(&self, name: &str, addresses: &[IpAddr]) {
        self.world.lock().names.insert(name.to_owned(), addresses.to_vec());
    }

    /// From now on a server at this address answers each request with bytes, as they would come over a connection.
    pub fn serve(&self, address: SocketAddr, respond: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) {
        self.world.lock().servers.insert(address, Arc::new(respond));
    }

    /// What arrived, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.world.lock().seen.clone()
    }
}

/// What an imagined server knows of a connection.
struct Pending {
    world: Arc<Mutex<World>>,
    address: SocketAddr,
    respond: Arc<Respond>,
    far: DuplexStream,
    secured: Option<String>,
}

impl Pending {
    /// Reads one request, answers it, and hangs up.
    async fn serve(mut self) {
        let Some((head, body)) = self.request().await else { return };
        let seen = Seen { address: self.address, secured: self.secured.take(), head, body };
        let answer = (self.respond)(&seen);
        self.world.lock().seen.push(seen);
        let _ = self.far.write_all(&answer).await;
        let _ = self.far.shutdown().await;
    }

    async fn request(&mut self) -> Option<(String, Vec<u8>)> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = head::end(&bytes) {
                break end;
            }
            self.more(&mut bytes).await?;
        };
        let length = head::request(&bytes[..end], &ANY).map_or(Length::None, |head| head.length);
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let (mut decoder, mut body, mut at) = (Body::new(length), Vec::new(), end);
        while !decoder.is_done() {
            if at == bytes.len() {
                self.more(&mut bytes).await?;
            }
            let step = decoder.take(&bytes[at..]).ok()?;
            body.extend_from_slice(&bytes[at..][step.data]);
            at += step.used;
        }
        Some((head, body))
    }

    async fn more(&mut self, bytes: &mut Vec<u8>) -> Option<()> {
        let read = self.far.read_buf(bytes).await.ok()?;
        (read > 0 && bytes.len() <= REQUEST_MAX).then_some(())
    }
}

#[async_trait]
impl Network for Imagined {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = self.world.lock().names.get(name).cloned();
        found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    async fn connect(&self, address: SocketAddr, secure: Option<&Host>) -> Result<Box<dyn Stream>, Failure> {
        let respond = self.world.lock().servers.get(&address).cloned();
        let respond = respond.ok_or_else(|| Failure::Connect("nobody is there".to_owned()))?;
        let (near, far) = tokio::io::duplex(PIPE);
        let secured = secure.map(ToString::to_string);
        let pending = Pending { world: Arc::clone(&self.world), address, respond, far, secured };
        #[expect(clippy::disallowed_methods, reason = "an imagined server ends when its one connection does")]
        tokio::spawn(pending.serve());
        Ok(Box::new(near))
    }
}
