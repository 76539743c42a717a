//! How fetching a model is followed, so that a command line can draw a bar and a log can stay short.

/// What is being done to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Its source is asked for it.
    Downloading {
        /// Bytes so far; zero from a source that does not tell.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// Its files are taken out of a package.
    Unpacking {
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// Its files are hashed.
    Verifying {
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// It is in place.
    Ready,
}

/// Follows one fetch. Called from several threads, a few times a megabyte.
pub trait Progress: Send + Sync {
    /// This is where it stands.
    fn report(&self, model: &str, stage: Stage);
}

/// Nobody looks.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Progress for Quiet {
    fn report(&self, _model: &str, _stage: Stage) {}
}
