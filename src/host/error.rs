//! Why a host could not be put together.

use crate::actors::executor;
use crate::types::Class;
use crate::{config, inference, store, supervision};

/// Why a host does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The data directory cannot be used.
    #[error("could not use the data directory {path}: {source}")]
    DataDir {
        /// Where.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// HTTP is to be served without a place for its tokens.
    #[error("could not serve HTTP without a data directory: call Builder::data_dir, tokens are kept there")]
    NoDataDir,
    /// A file that describes agents, models or intents is wrong.
    #[error("could not read {file}: {reason}")]
    File {
        /// Which file.
        file: String,
        /// What is wrong with it, with its place.
        reason: String,
    },
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] store::Error),
    /// A runtime cannot be made.
    #[error(transparent)]
    Runtime(#[from] inference::Error),
    /// The tools do not fit together.
    #[error(transparent)]
    Tools(#[from] executor::Error),
    /// The operating system gives no random bytes.
    #[error("could not get random bytes of the operating system")]
    NoChance,
    /// The candidates do not fit together.
    #[error("could not route: {}", .0.join("; "))]
    Candidates(Vec<String>),
    /// The tree could not start.
    #[error(transparent)]
    Tree(#[from] supervision::Error),
    /// The tree has ended by itself.
    #[error("could not go on: {0}")]
    Ended(String),
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Config(error) => error.class(),
            Error::DataDir { .. } | Error::NoChance => Class::Unavailable,
            Error::NoDataDir | Error::File { .. } | Error::Candidates(_) => Class::Invalid,
            Error::Journal(error) => error.class(),
            Error::Runtime(error) => error.class(),
            Error::Tools(error) => error.class(),
            Error::Tree(error) => error.class(),
            Error::Ended(_) => Class::Unavailable,
        }
    }
}
