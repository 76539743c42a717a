//! What can go wrong with model files.

use std::path::PathBuf;

use crate::types::Class;

/// Why model files could not be listed, checked or fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue is not what it should be.
    #[error("could not read the model catalogue: {0}")]
    Catalog(String),
    /// No such model.
    #[error("could not find model {id} in the catalogue; there are {known}")]
    Unknown {
        /// What was asked for.
        id: String,
        /// What there is.
        known: String,
    },
    /// The model's files are not here.
    #[error("could not find the files of model {id}; run `syzygy models pull {id}`")]
    Missing {
        /// Which model.
        id: String,
    },
    /// A file is not the one the catalogue means.
    #[error("could not accept model {id}: {reason}; run `syzygy models pull {id}`")]
    Damaged {
        /// Which model.
        id: String,
        /// Which file, and what is wrong with it.
        reason: String,
    },
    /// Another process fetches the same model.
    #[error("could not fetch model {id}: another process is fetching it")]
    Busy {
        /// Which model.
        id: String,
    },
    /// The source did not give the files.
    #[error("could not fetch model {id}: {reason}")]
    Fetch {
        /// Which model.
        id: String,
        /// What the source said.
        reason: String,
    },
    /// The disk refused.
    #[error("could not use {path}: {cause}")]
    Disk {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The deadline passed.
    #[error("could not fetch model {id} before the deadline")]
    TimedOut {
        /// Which model.
        id: String,
    },
    /// The caller gave up.
    #[error("could not fetch model {id}: the caller cancelled")]
    Cancelled {
        /// Which model.
        id: String,
    },
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Catalog(_) => Class::Invalid,
            Error::Unknown { .. } => Class::NotFound,
            Error::Missing { .. } | Error::Fetch { .. } | Error::Disk { .. } => Class::Unavailable,
            Error::Damaged { .. } => Class::Corrupt,
            Error::Busy { .. } => Class::Conflict,
            Error::TimedOut { .. } => Class::Timeout,
            Error::Cancelled { .. } => Class::Cancelled,
        }
    }

    /// The same as a runtime or an embedder over this model tells it.
    pub fn for_model(self, model: &str) -> crate::inference::Error {
        match self {
            Error::Missing { id } => crate::inference::Error::NotInstalled { model: id },
            Error::Damaged { id, reason } => crate::inference::Error::Damaged { model: id, reason },
            other => crate::inference::Error::Load { model: model.to_owned(), reason: other.to_string() },
        }
    }
}

/// Says which file or folder an error of the disk is about.
pub(super) fn at(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |cause| Error::Disk { path, cause }
}
