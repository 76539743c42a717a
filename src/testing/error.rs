//! What can go wrong with a simulation itself.

use std::time::Duration;

use crate::actors::io;
use crate::types::Class;
use crate::{host, store, supervision};

/// Why a simulation, or something in it, did not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was started from async code, where a second runtime cannot run.
    #[error("could not start a simulation inside a running tokio runtime: call it from a plain #[test]")]
    InsideRuntime,
    /// The runtime of the simulation could not be made.
    #[error("could not make the runtime of the simulation: {0}")]
    Runtime(std::io::Error),
    /// The defaults could not be read.
    #[error("could not read the default configuration: {0}")]
    Defaults(String),
    /// The host did not start, however often it was tried.
    #[error("could not start the simulated host: {0}")]
    Host(#[from] host::Error),
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] store::Error),
    /// The journal could not be exported.
    #[error("could not export the simulated journal: {0}")]
    Export(String),
    /// The host crashed before it answered.
    #[error("could not hear the answer: the simulated host crashed")]
    Crashed,
    /// The task has no answer.
    #[error(transparent)]
    Task(#[from] io::Error),
    /// The host did not stop in time.
    #[error("could not stop the simulated host in order: {0}")]
    Stop(#[from] supervision::Failure),
    /// The scenario did not end in all the time it could sensibly need.
    #[error("could not finish the scenario in {} s of simulated time; {state}", within.as_secs())]
    Endless {
        /// The time it had.
        within: Duration,
        /// What the host is doing, and who in it is not at rest.
        state: String,
    },
    /// A cassette cannot be used.
    #[error("could not use the cassette {path}: {reason}")]
    Cassette {
        /// Which file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::InsideRuntime | Error::Cassette { .. } => Class::Invalid,
            Error::Runtime(_) | Error::Export(_) | Error::Crashed => Class::Unavailable,
            Error::Defaults(_) => Class::Internal,
            Error::Host(error) => error.class(),
            Error::Journal(error) => error.class(),
            Error::Task(error) => error.class(),
            Error::Stop(failure) => failure.class(),
            Error::Endless { .. } => Class::Timeout,
        }
    }
}
