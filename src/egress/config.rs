//! What an operator decides about the way out.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Cidr, Limits};

/// The way out of all sandboxes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether anything may go out at all.
    pub enabled: bool,
    /// Addresses that are not public and may be reached all the same, where a tool's own rules name the host.
    pub networks: Vec<Cidr>,
    /// Whether records have paths without what stands behind `?`.
    pub hide_queries: bool,
    /// A file with certificates in PEM form that are believed instead of those this machine believes; empty for those.
    pub authorities: PathBuf,
    /// What bounds one call.
    pub limits: Limits,
}

impl Config {
    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(&'static str, String)> {
        let limits = &self.limits;
        // A head shorter than a request line with a host, or no header at all, is no request of HTTP/1.1.
        let rows = [
            ("limits.connections_max", limits.connections_max == 0, "at least 1"),
            ("limits.requests_max", limits.requests_max == 0, "at least 1"),
            ("limits.head_bytes_max", limits.head_bytes_max < 256, "at least 256"),
            ("limits.headers_max", limits.headers_max == 0, "at least 1"),
            ("limits.sent_bytes_max", limits.sent_bytes_max == 0, "at least 1"),
            ("limits.received_bytes_max", limits.received_bytes_max == 0, "at least 1"),
            ("limits.records_max", limits.records_max == 0, "at least 1"),
            ("limits.head_timeout_s", limits.head_timeout_s == 0, "at least 1"),
            ("limits.connect_timeout_s", limits.connect_timeout_s == 0, "at least 1"),
            ("limits.idle_timeout_s", limits.idle_timeout_s == 0, "at least 1"),
        ];
        rows.into_iter().filter(|(_, wrong, _)| *wrong).map(|(key, _, expected)| (key, expected.to_owned())).collect()
    }
}
