//! The sections that belong to the host as a whole. Every other part brings its own `Config`.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The host itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Where everything is kept that outlives the process. Never empty once the configuration is loaded.
    pub data_dir: PathBuf,
    /// Seconds a stop may take.
    pub stop_timeout_s: u64,
}

/// The HTTP interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Address and port to bind to.
    pub listen: SocketAddr,
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// Seconds until the deadline of a request that names none.
    pub request_timeout_s: u64,
    /// Requests served at the same time.
    pub requests_max: usize,
}

impl Host {
    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(&'static str, String)> {
        at_least_one(&[("stop_timeout_s", self.stop_timeout_s == 0)])
    }
}

impl Api {
    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(&'static str, String)> {
        at_least_one(&[
            ("body_bytes_max", self.body_bytes_max == 0),
            ("request_timeout_s", self.request_timeout_s == 0),
            ("requests_max", self.requests_max == 0),
        ])
    }
}

fn at_least_one(zero: &[(&'static str, bool)]) -> Vec<(&'static str, String)> {
    zero.iter().filter(|(_, zero)| *zero).map(|(key, _)| (*key, "at least 1".to_owned())).collect()
}
