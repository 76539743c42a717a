//! The interface's part of the config.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The address and the limits. The defaults and their reasons stand in `config/default.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port to bind to; port 0 lets the operating system choose.
    pub listen: SocketAddr,
    /// Whether an address that other machines reach may be served without TLS.
    pub allow_plain: bool,
    /// Names, besides the address and `localhost`, that requests may be sent to.
    pub allowed_hosts: Vec<String>,
    /// Places, besides the interface itself, whose pages may send requests.
    pub allowed_origins: Vec<String>,
    /// TLS, if a certificate is named.
    pub tls: Tls,
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// Levels of JSON within JSON that a body may have.
    pub json_depth_max: usize,
    /// Bytes of a request's line and headers together.
    pub head_bytes_max: usize,
    /// Most headers of a request.
    pub headers_max: usize,
    /// Seconds the head of a request may take from its first byte, and a TLS handshake.
    pub head_timeout_s: u64,
    /// Seconds the body of a request may take.
    pub read_timeout_s: u64,
    /// Seconds a client may take nothing of an answer that is there for it.
    pub write_timeout_s: u64,
    /// Seconds a connection may be open without a request on it.
    pub idle_timeout_s: u64,
    /// Seconds until the deadline of a request that names none, and the most one may name.
    pub request_timeout_s: u64,
    /// Requests served at the same time, streams included.
    pub requests_max: usize,
    /// Bytes of all bodies that are being read together.
    pub bodies_bytes_max: usize,
    /// Connections open at the same time.
    pub connections_max: usize,
    /// Connections open at the same time from one address.
    pub connections_per_peer_max: usize,
    /// Wrong tokens from one address after which further wrong ones are told to wait for a while.
    pub token_failures_max: u32,
    /// Seconds that while lasts, and after which wrong tokens are forgotten.
    pub token_failures_window_s: u64,
    /// Seconds of silence after which a stream says that it is still there.
    pub keep_alive_s: u64,
    /// Seconds requests in flight may take to finish when the host stops.
    pub drain_s: u64,
    /// The most one request may cost, in micro-dollars.
    pub request_cost_max: i64,
    /// The most tokens one request may take, prompt and answer together.
    pub request_tokens_max: u64,
}

/// Files in PEM form. Empty paths name none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The host's certificate, and those between it and the authority that clients know.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// Authorities of which a client must show a certificate.
    pub client_ca: PathBuf,
}

impl Tls {
    /// Whether the interface speaks TLS.
    pub fn is_on(&self) -> bool {
        !self.certificate.as_os_str().is_empty()
    }
}

/// The least head that holds a request of a browser, in bytes.
const HEAD_BYTES_LEAST: usize = 1_024;

/// The most a head may have, in bytes: the longest path that the HTTP library takes.
const HEAD_BYTES_MOST: usize = 65_534;

/// The deepest JSON that the parser reads without its own refusal.
const JSON_DEPTH_MOST: usize = 127;

impl Config {
    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(&'static str, String)> {
        let zero = [
            ("body_bytes_max", self.body_bytes_max == 0),
            ("json_depth_max", self.json_depth_max == 0),
            ("headers_max", self.headers_max == 0),
            ("head_timeout_s", self.head_timeout_s == 0),
            ("read_timeout_s", self.read_timeout_s == 0),
            ("write_timeout_s", self.write_timeout_s == 0),
            ("idle_timeout_s", self.idle_timeout_s == 0),
            ("request_timeout_s", self.request_timeout_s == 0),
            ("requests_max", self.requests_max == 0),
            ("bodies_bytes_max", self.bodies_bytes_max == 0),
            ("connections_max", self.connections_max == 0),
            ("connections_per_peer_max", self.connections_per_peer_max == 0),
            ("token_failures_max", self.token_failures_max == 0),
            ("token_failures_window_s", self.token_failures_window_s == 0),
            ("keep_alive_s", self.keep_alive_s == 0),
            ("request_tokens_max", self.request_tokens_max == 0),
        ];
        let mut wrong: Vec<_> =
            zero.iter().filter(|(_, zero)| *zero).map(|(key, _)| (*key, "at least 1".to_owned())).collect();
        if self.bodies_bytes_max < self.body_bytes_max {
            wrong.push(("bodies_bytes_max", "at least api.body_bytes_max".to_owned()));
        }
        if self.request_cost_max < 0 {
            wrong.push(("request_cost_max", "at least 0".to_owned()));
        }
        if self.json_depth_max > JSON_DEPTH_MOST {
            wrong.push(("json_depth_max", format!("at most {JSON_DEPTH_MOST}")));
        }
        if !(HEAD_BYTES_LEAST..=HEAD_BYTES_MOST).contains(&self.head_bytes_max) {
            wrong.push(("head_bytes_max", format!("from {HEAD_BYTES_LEAST} to {HEAD_BYTES_MOST}")));
        }
        if self.is_exposed() {
            let expected =
                "a loopback address such as 127.0.0.1:7171, or a certificate in api.tls, or api.allow_plain = true";
            wrong.push(("listen", expected.to_owned()));
        }
        wrong.extend(self.impossible_names());
        wrong
    }

    /// Names that no request could have, and files without the ones they need.
    fn impossible_names(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let host = |name: &String| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:_[]".contains(&byte))
        };
        if !self.allowed_hosts.iter().all(host) {
            wrong.push(("allowed_hosts", "names as they stand in a URL, such as `syzygy.example`".to_owned()));
        }
        let origin = |place: &String| {
            let name = place.strip_prefix("https://").or_else(|| place.strip_prefix("http://"));
            name.is_some_and(|name| host(&name.to_owned()))
        };
        if !self.allowed_origins.iter().all(origin) {
            let expected = "scheme and name without a path, such as `https://syzygy.example`".to_owned();
            wrong.push(("allowed_origins", expected));
        }
        let named = |path: &PathBuf| !path.as_os_str().is_empty();
        if named(&self.tls.certificate) != named(&self.tls.key) {
            let key = if named(&self.tls.key) { "tls.certificate" } else { "tls.key" };
            wrong.push((key, "a file in PEM form, since the other half is named".to_owned()));
        }
        if named(&self.tls.client_ca) && !self.tls.is_on() {
            wrong.push(("tls.client_ca", "nothing, as long as tls.certificate is empty".to_owned()));
        }
        wrong
    }

    /// Whether other machines could reach the address and read what is said.
    pub(super) fn is_exposed(&self) -> bool {
        !self.allow_plain && !self.tls.is_on() && !self.listen.ip().is_loopback()
    }

    pub(super) fn head_timeout(&self) -> Duration {
        Duration::from_secs(self.head_timeout_s)
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_s)
    }

    pub(super) fn read_timeout(&self) -> Duration {
        Duration::from_secs(self.read_timeout_s)
    }

    pub(super) fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_s)
    }
}
