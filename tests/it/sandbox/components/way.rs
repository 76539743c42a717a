//! The way out that components of these tests are given: a proxy with a world of the test behind it, or a socket behind which
//! nobody keeps any rule, where what counts is what the tier itself does.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use syzygy::egress::{Imagined, Injection, Limits, Method, Network, Passage, Policy, Proxy, Rule, Transport};
use syzygy::sandbox::{Call, Egress, Outcome, Sandbox};
use syzygy::types::Secret;
use tempfile::TempDir;
use tokio::net::UnixListener;

use super::super::cx;
use super::{Source, Tier, clock, command, limits, spec};
use crate::support::MINUTE;

/// The host that rules of these tests name.
pub(super) const HOST: &str = "api.example.com";

/// What the proxy puts into requests to it.
pub(super) const KEY: &str = "sk-live-0123456789abcdef";

/// A public address, which is nobody's here.
pub(super) const PUBLIC: [u8; 4] = [93, 184, 216, 34];

fn bounds() -> Limits {
    Limits {
        connections_max: 12,
        requests_max: 2_000,
        head_bytes_max: 32 << 10,
        headers_max: 100,
        sent_bytes_max: 16 << 20,
        received_bytes_max: 256 << 20,
        records_max: 40,
        head_timeout_s: 20,
        connect_timeout_s: 20,
        idle_timeout_s: 20,
    }
}

/// A rule for everything below `/v1` of a host.
pub(super) fn rule(host: &str, port: u16, transport: Transport) -> Rule {
    Rule {
        host: host.parse().unwrap(),
        port,
        transport,
        methods: [Method::Get, Method::Post].into(),
        paths: vec!["/v1/*".parse().unwrap()],
        request_bytes: 256 << 10,
        response_bytes: 64 << 20,
        networks: Vec::new(),
    }
}

/// A proxy for one call.
pub(super) struct Way {
    pub(super) passage: Passage,
    _folder: TempDir,
}

impl Way {
    pub(super) fn new(network: Arc<dyn Network>, rules: Vec<Rule>, secrets: bool) -> Way {
        let folder = tempfile::tempdir().unwrap();
        let key = Injection {
            name: "team/key".to_owned(),
            header: "authorization".to_owned(),
            prefix: "Bearer ".to_owned(),
            secret: Secret::new(KEY),
            hosts: vec![HOST.parse().unwrap()],
        };
        let policy = Policy::new(rules, if secrets { vec![key] } else { Vec::new() }, bounds(), true).unwrap();
        let proxy = Proxy::new(folder.path(), network, clock());
        Way { passage: proxy.open(&cx(MINUTE), policy).unwrap(), _folder: folder }
    }

    pub(super) fn egress(&self) -> Egress {
        Egress::Socket(self.passage.socket().to_owned())
    }
}

/// A world in which [`HOST`] answers over TLS with what the test says, and another host is there too.
pub(super) fn world(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Imagined {
    let net = Imagined::new();
    for name in [HOST, "elsewhere.example.org"] {
        net.name(name, &[IpAddr::from(PUBLIC)]);
    }
    let answer = Arc::new(answer);
    for port in [443, 80] {
        let answer = Arc::clone(&answer);
        net.serve(SocketAddr::from((PUBLIC, port)), move |seen| answer(&seen.head));
    }
    net
}

pub(super) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The component that does this.
pub(super) fn component(body: &str) -> Vec<u8> {
    command(Source { body, web: true, ..Source::default() })
}

/// Runs what does this, with this way out.
pub(super) async fn run(body: &str, egress: Egress) -> Outcome {
    let component = component(body);
    let tier = Tier::new([component.clone()]).await;
    let mut spec = spec("web", &component, limits());
    spec.egress = egress;
    let cx = cx(MINUTE);
    let prepared = tier.wasm.prepare(&cx, spec).await.unwrap();
    tier.wasm.invoke(&cx, &prepared, Call::new("web", json!(null))).await
}

/// What a component says that asks [`HOST`] for a path, with a method and scheme by their numbers.
pub(super) fn fetch(method: u8, scheme: u8, host: &str, path: &str) -> String {
    format!("(call $tell (call $fetch {}))", request(method, scheme, host, path))
}

pub(super) fn request(method: u8, scheme: u8, host: &str, path: &str) -> String {
    format!("(call $request (i32.const {method}) (i32.const {scheme}) @\"{host}\" @\"{path}\")")
}

/// A socket where a proxy would be.
pub(super) struct Bare {
    pub(super) listener: UnixListener,
    path: PathBuf,
    _folder: TempDir,
}

impl Bare {
    pub(super) fn new() -> Bare {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy.sock");
        Bare { listener: UnixListener::bind(&path).unwrap(), path, _folder: folder }
    }

    pub(super) fn egress(&self) -> Egress {
        Egress::Socket(self.path.clone())
    }
}
