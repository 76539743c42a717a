//! What can go wrong with the journal.

use crate::types::Class;

/// Why the journal could not do as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The file is held by another process.
    #[error(
        "could not open the journal at {path}: another host is using this data directory; stop it first, or name \
         another directory"
    )]
    InUse {
        /// Where it lies.
        path: String,
    },
    /// The file cannot be opened, or is no journal.
    #[error("could not open the journal at {path}: {reason}")]
    Open {
        /// Where it lies.
        path: String,
        /// What the backend said.
        reason: String,
    },
    /// There was a journal, and there is none any more.
    #[error(
        "could not open the journal at {path}: {what}, and what lies beside it ({left}) says that there was one. Put the \
         file back, or make a data directory of a backup with `syzygy restore FILE --data-dir DIR`{saves}. To begin anew, \
         name another data directory, or move what is left away"
    )]
    Gone {
        /// Where it lay.
        path: String,
        /// What lies there now.
        what: String,
        /// Names of what tells that it was there.
        left: String,
        /// How something of it can still be read, if it can.
        saves: String,
    },
    /// The file was written by a newer version of the program.
    #[error(
        "could not open the journal at {path}: it has schema version {found}, this program knows {known}; use a newer syzygy, or restore a backup of this version into another directory"
    )]
    Newer {
        /// Where it lies.
        path: String,
        /// Version in the file.
        found: i64,
        /// Newest version this program reads.
        known: i64,
    },
    /// There is a file where one is to be made.
    #[error("could not write {path}: it exists, and nothing is overwritten; name another place, or move it away")]
    Exists {
        /// Where.
        path: String,
    },
    /// What is on disk is not what was written.
    #[error("could not trust the journal: {0}")]
    Corrupt(String),
    /// The disk refused a write; the writer has stopped and accepts nothing more.
    #[error("could not write to the journal: {0}")]
    Write(String),
    /// A read failed.
    #[error("could not read from the journal: {0}")]
    Read(String),
    /// The journal was closed.
    #[error("could not use the journal: it is closed")]
    Closed,
    /// Nothing projects under this name.
    #[error("could not find a projection named {0:?}")]
    NoProjection(String),
    /// The event or payload is larger than the journal takes.
    #[error(
        "could not store {bytes} bytes as one piece: at most {limit} are taken; what is too large for an event may be a payload"
    )]
    TooLarge {
        /// Size of what was offered.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::InUse { .. } | Error::Exists { .. } => Class::Conflict,
            Error::Open { .. } | Error::Write(_) | Error::Read(_) | Error::Closed => Class::Unavailable,
            Error::Newer { .. } | Error::TooLarge { .. } => Class::Invalid,
            Error::Corrupt(_) | Error::Gone { .. } => Class::Corrupt,
            Error::NoProjection(_) => Class::NotFound,
        }
    }
}
