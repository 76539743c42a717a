//! A rule: requests that a tool may send, and how large.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::address::Network;
use super::host::HostPattern;
use super::path::PathPattern;

/// How a request goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// In the clear, for whoever is on the way to read and change.
    Plain,
    /// Over TLS that the proxy makes. Method, path and headers are seen, and secrets are put in.
    Tls,
    /// Over TLS that the tool makes. Only the server's name is seen.
    Tunnel,
}

impl Transport {
    /// The stable word used in records and logs.
    pub fn word(self) -> &'static str {
        match self {
            Transport::Plain => "plain",
            Transport::Tls => "tls",
            Transport::Tunnel => "tunnel",
        }
    }
}

/// A method of HTTP. What is not listed is not sent: `TRACE` returns what it was sent, secrets included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Reads, without the body.
    Head,
    /// Asks what may be asked.
    Options,
    /// Does whatever the host says it does.
    Post,
    /// Replaces.
    Put,
    /// Changes a part.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// Every method, for tables and the tests that walk them.
    pub const ALL: [Method; 7] =
        [Method::Get, Method::Head, Method::Options, Method::Post, Method::Put, Method::Patch, Method::Delete];

    /// As it stands in a request line.
    pub fn word(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Options => "OPTIONS",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    /// The method a word names; they are told apart by large and small letters.
    pub fn from_word(word: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.word() == word)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Requests that may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// To these hosts.
    pub host: HostPattern,
    /// To this port.
    pub port: u16,
    /// In this way.
    pub transport: Transport,
    /// By these methods. None for a tunnel, where no method is seen.
    pub methods: BTreeSet<Method>,
    /// To these paths; to all, if there is none. None for a tunnel.
    #[serde(default)]
    pub paths: Vec<PathPattern>,
    /// Bytes of a request at the most, of a tunnel from the tool to the server.
    pub request_bytes: u64,
    /// Bytes of an answer at the most, of a tunnel from the server to the tool.
    pub response_bytes: u64,
    /// Addresses that are not public and may be connected to all the same.
    #[serde(default)]
    pub networks: Vec<Network>,
}
