//! The interface's part of the config.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The address and the limits. The defaults and their reasons stand in `config/default.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port to bind to; port 0 lets the operating system choose.
    pub listen: SocketAddr,
    /// Whether the address may be one that other machines reach.
    pub allow_remote: bool,
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// Most headers of a request.
    pub headers_max: usize,
    /// Seconds the headers of a request may take, and its body again.
    pub read_timeout_s: u64,
    /// Seconds until the deadline of a request that names none, and the most one may name.
    pub request_timeout_s: u64,
    /// Requests served at the same time, streams included.
    pub requests_max: usize,
    /// Connections open at the same time.
    pub connections_max: usize,
    /// Seconds of silence after which a stream says that it is still there.
    pub keep_alive_s: u64,
    /// Seconds requests in flight may take to finish when the host stops.
    pub drain_s: u64,
    /// The most one request may cost, in micro-dollars.
    pub request_cost_max: i64,
    /// The most tokens one request may take, prompt and answer together.
    pub request_tokens_max: u64,
}

impl Config {
    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(&'static str, String)> {
        let zero = [
            ("body_bytes_max", self.body_bytes_max == 0),
            ("headers_max", self.headers_max == 0),
            ("read_timeout_s", self.read_timeout_s == 0),
            ("request_timeout_s", self.request_timeout_s == 0),
            ("requests_max", self.requests_max == 0),
            ("connections_max", self.connections_max == 0),
            ("keep_alive_s", self.keep_alive_s == 0),
            ("request_tokens_max", self.request_tokens_max == 0),
        ];
        let mut wrong: Vec<_> =
            zero.iter().filter(|(_, zero)| *zero).map(|(key, _)| (*key, "at least 1".to_owned())).collect();
        if self.request_cost_max < 0 {
            wrong.push(("request_cost_max", "at least 0".to_owned()));
        }
        if !self.allow_remote && !self.listen.ip().is_loopback() {
            let expected = "a loopback address such as 127.0.0.1:7171, or api.allow_remote = true".to_owned();
            wrong.push(("listen", expected));
        }
        wrong
    }

    pub(super) fn read_timeout(&self) -> Duration {
        Duration::from_secs(self.read_timeout_s)
    }

    pub(super) fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_s)
    }
}
