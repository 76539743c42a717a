//! What can go wrong with a secret. Paths are named, and nothing that stands there.

use super::{BYTES_MAX, LEASES_MAX, Path};
use crate::types::Class;

/// Why a secret could not be had, or not be given back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no path.
    #[error(
        "could not read the path of a secret: it is words of letters, digits, `_`, `.` and `-`, joined by `/`, with at most 128 characters"
    )]
    Path,
    /// Nothing stands there.
    #[error("could not lease the secret {path}: {reason}")]
    NotFound {
        /// Where.
        path: Path,
        /// What is missing.
        reason: String,
    },
    /// The path names no field, or one that is not there.
    #[error("could not read the secret {path}: name one of its fields: {}", known.join(", "))]
    NoField {
        /// Where.
        path: Path,
        /// Which there are.
        known: Vec<String>,
    },
    /// The place may not be read: by this host, or because others may read it too.
    #[error("could not lease the secret {path}: {reason}")]
    Denied {
        /// Where.
        path: Path,
        /// Who says so, and why.
        reason: String,
    },
    /// What stands there cannot be used as a secret.
    #[error("could not lease the secret {path}: {reason}")]
    Unusable {
        /// Where.
        path: Path,
        /// What is wrong with it.
        reason: String,
    },
    /// What stands there is too large.
    #[error("could not lease the secret {path}: it has more than {BYTES_MAX} bytes")]
    TooLarge {
        /// Where.
        path: Path,
    },
    /// Too many are out.
    #[error("could not lease the secret {path}: {LEASES_MAX} are out already")]
    TooMany {
        /// Where.
        path: Path,
    },
    /// The place asked to come back later.
    #[error("could not {what}: the place of secrets asks to come back later")]
    Busy {
        /// What was tried.
        what: String,
    },
    /// The place cannot be reached, is sealed, or failed.
    #[error("could not {what}: {reason}")]
    Unavailable {
        /// What was tried.
        what: String,
        /// What happened.
        reason: String,
    },
    /// The deadline passed.
    #[error("could not {what} before the deadline")]
    TimedOut {
        /// What was tried.
        what: String,
    },
    /// The caller gave up.
    #[error("could not {what}: the caller cancelled")]
    Cancelled {
        /// What was tried.
        what: String,
    },
    /// The backend cannot be set up so.
    #[error("could not set up secrets: {0}")]
    Setup(String),
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Path | Error::NoField { .. } | Error::Setup(_) => Class::Invalid,
            Error::NotFound { .. } => Class::NotFound,
            Error::Denied { .. } => Class::Denied,
            Error::Unusable { .. } => Class::Corrupt,
            Error::TooLarge { .. } | Error::TooMany { .. } | Error::Busy { .. } => Class::Exhausted,
            Error::Unavailable { .. } => Class::Unavailable,
            Error::TimedOut { .. } => Class::Timeout,
            Error::Cancelled { .. } => Class::Cancelled,
        }
    }
}
