//! What can go wrong: with a proxy as a whole, and with one request of a tool.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::Class;

/// Why there is no way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The rules contradict themselves or cannot be kept.
    #[error("could not read the rules of the way out: {0}")]
    Policy(String),
    /// The socket could not be made.
    #[error("could not open the way out: {0}")]
    Socket(String),
    /// The invocation is over already.
    #[error("could not open the way out: the invocation is over")]
    Over,
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Policy(_) => Class::Invalid,
            Error::Socket(_) => Class::Unavailable,
            Error::Over => Class::Timeout,
        }
    }
}

/// Why a request was not made, or not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No rule names the host.
    HostNotAllowed,
    /// Rules name the host, and not this port.
    PortNotAllowed,
    /// Rules name host and port, and not this way: plain, over TLS, or a tunnel.
    TransportNotAllowed,
    /// Rules name the place, and not this method.
    MethodNotAllowed,
    /// Rules name the place, and not this path, as it is or in another reading.
    PathNotAllowed,
    /// The path has no reading that can be relied on.
    PathUnreadable,
    /// A header makes servers see another method, host or path than the one that was judged.
    HeaderNotAllowed,
    /// The request line names one host and the header another.
    HostMismatch,
    /// What came is no request, or one that two readers read differently.
    Malformed,
    /// The head is too long or has too many headers.
    HeadTooLarge,
    /// The head did not come in time.
    HeadTimeout,
    /// The invocation has made its requests.
    TooManyRequests,
    /// The invocation has its connections open.
    TooManyConnections,
    /// The request has more bytes than its rule allows.
    RequestTooLarge,
    /// The answer has more bytes than its rule allows.
    ResponseTooLarge,
    /// The invocation has moved its bytes.
    TotalTooLarge,
    /// The name has no address.
    NameUnknown,
    /// The name leads to an address that is not public, and no rule names it.
    AddressNotAllowed,
    /// Nobody answered at the address.
    Unreachable,
    /// No TLS was agreed on, or the certificate is not the host's.
    TlsFailed,
    /// A tunnel did not begin with TLS.
    NotTls,
    /// The TLS of a tunnel names no server.
    NoServerName,
    /// The TLS of a tunnel names another server.
    ServerNameMismatch,
    /// The TLS of a tunnel hides the server's name.
    ServerNameHidden,
    /// The server's answer is none, or one that two readers read differently.
    AnswerMalformed,
    /// The answer is packed, so that nobody can look into it for secrets.
    AnswerPacked,
    /// The server sent a secret back.
    SecretReturned,
    /// Nothing moved for too long.
    Idle,
    /// One side went away in the middle.
    Cut,
    /// The invocation ended first.
    Ended,
}

impl Reason {
    /// The stable word used in records, answers and logs.
    pub fn word(self) -> &'static str {
        match self {
            Reason::HostNotAllowed => "host_not_allowed",
            Reason::PortNotAllowed => "port_not_allowed",
            Reason::TransportNotAllowed => "transport_not_allowed",
            Reason::MethodNotAllowed => "method_not_allowed",
            Reason::PathNotAllowed => "path_not_allowed",
            Reason::PathUnreadable => "path_unreadable",
            Reason::HeaderNotAllowed => "header_not_allowed",
            Reason::HostMismatch => "host_mismatch",
            Reason::Malformed => "malformed",
            Reason::HeadTooLarge => "head_too_large",
            Reason::HeadTimeout => "head_timeout",
            Reason::TooManyRequests => "too_many_requests",
            Reason::TooManyConnections => "too_many_connections",
            Reason::RequestTooLarge => "request_too_large",
            Reason::ResponseTooLarge => "response_too_large",
            Reason::TotalTooLarge => "total_too_large",
            Reason::NameUnknown => "name_unknown",
            Reason::AddressNotAllowed => "address_not_allowed",
            Reason::Unreachable => "unreachable",
            Reason::TlsFailed => "tls_failed",
            Reason::NotTls => "not_tls",
            Reason::NoServerName => "no_server_name",
            Reason::ServerNameMismatch => "server_name_mismatch",
            Reason::ServerNameHidden => "server_name_hidden",
            Reason::AnswerMalformed => "answer_malformed",
            Reason::AnswerPacked => "answer_packed",
            Reason::SecretReturned => "secret_returned",
            Reason::Idle => "idle",
            Reason::Cut => "cut",
            Reason::Ended => "ended",
        }
    }

    /// The status the tool is answered with, if it was not answered yet.
    pub fn status(self) -> u16 {
        match self {
            Reason::PathUnreadable | Reason::HostMismatch | Reason::Malformed => 400,
            Reason::HostNotAllowed
            | Reason::PortNotAllowed
            | Reason::TransportNotAllowed
            | Reason::MethodNotAllowed
            | Reason::PathNotAllowed
            | Reason::HeaderNotAllowed
            | Reason::AddressNotAllowed
            | Reason::NotTls
            | Reason::NoServerName
            | Reason::ServerNameMismatch
            | Reason::ServerNameHidden => 403,
            Reason::HeadTimeout => 408,
            Reason::RequestTooLarge => 413,
            Reason::TooManyRequests | Reason::TooManyConnections | Reason::TotalTooLarge => 429,
            Reason::HeadTooLarge => 431,
            Reason::ResponseTooLarge
            | Reason::NameUnknown
            | Reason::Unreachable
            | Reason::TlsFailed
            | Reason::AnswerMalformed
            | Reason::AnswerPacked
            | Reason::SecretReturned
            | Reason::Cut => 502,
            Reason::Idle | Reason::Ended => 504,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A refusal of one request: why, and in words what the rules or the world said. Never what a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// In words, for whoever writes the tool or its rules.
    pub detail: String,
}

impl Refusal {
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Refusal {
        Refusal { reason, detail: detail.into() }
    }
}
