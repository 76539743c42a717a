//! How fetching a model is followed, so that a command line can draw a bar and a log can stay short.

/// What is being done to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// A program fetches its package and tells nothing until it is done, so that only time can be shown.
    Asking {
        /// The program.
        program: &'static str,
        /// Bytes the files have once they are here; the package has fewer, since it is packed.
        size: u64,
    },
    /// Its source is asked for it.
    Downloading {
        /// Bytes so far.
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
