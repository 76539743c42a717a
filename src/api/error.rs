//! Why the HTTP interface could not start.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::types::Class;

/// Why the HTTP interface could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can be reached from other machines, and nobody allowed that.
    #[error(
        "could not listen on {0}: other machines could reach it and read what is said; listen on 127.0.0.1, name a \
         certificate in api.tls, or set api.allow_plain = true if something in front of it encrypts"
    )]
    Exposed(SocketAddr),
    /// A certificate or key cannot be used.
    #[error("could not use {path} ({key}): {reason}")]
    Tls {
        /// Which file.
        path: PathBuf,
        /// The key that names it.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The address cannot be bound.
    #[error("could not listen on {address}: {cause}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A file of the data directory could not be read or written.
    #[error("could not use {path}: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A file that others must not be able to write or read is open to them.
    #[error("could not trust {path}: others may read or write it; `chmod 600` it after checking who wrote it")]
    Open {
        /// Which file.
        path: PathBuf,
    },
    /// A file is not what this program writes.
    #[error("could not read {path}: {reason}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system has no random numbers to make a token of.
    #[error("could not make a token: {0}")]
    Random(String),
    /// There is a token of this name already.
    #[error("could not make a token named {0:?}: there is one already")]
    Exists(String),
    /// The list of tokens is full.
    #[error("could not make another token: at most {0} are kept; revoke one first")]
    Full(usize),
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Exposed(_) | Error::Tls { .. } => Class::Invalid,
            Error::Bind { .. } | Error::File { .. } | Error::Random(_) => Class::Unavailable,
            Error::Open { .. } => Class::Denied,
            Error::Malformed { .. } => Class::Corrupt,
            Error::Exists(_) => Class::Conflict,
            Error::Full(_) => Class::Exhausted,
        }
    }

    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |cause| Error::File { path, cause }
    }
}
