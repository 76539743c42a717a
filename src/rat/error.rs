//! What can go wrong with the record.

use crate::store;
use crate::types::Class;

/// Why the record could not be exported or checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The journal could not be read.
    #[error("could not export the journal: {0}")]
    Journal(#[source] store::Error),
    /// The archive could not be written, or not be read back.
    #[error("could not archive old events, so they stay in the journal: {0}")]
    Archive(#[source] std::io::Error),
    /// The file could not be read.
    #[error("could not read the exported journal: {0}")]
    Read(#[source] std::io::Error),
    /// The file does not begin like an export that this program knows.
    #[error("could not check the file: it is no exported journal ({0})")]
    NoExport(String),
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Journal(error) => error.class(),
            Error::Read(_) | Error::Archive(_) => Class::Unavailable,
            Error::NoExport(_) => Class::Invalid,
        }
    }
}
