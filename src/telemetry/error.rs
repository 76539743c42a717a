//! What can go wrong with logs, traces and metrics.

use crate::types::Class;

/// Why telemetry could not be set up or ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The directives of `telemetry.log` cannot be read.
    #[error("could not read the log filter {filter:?}: {reason}")]
    Filter {
        /// What was configured.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The exporter of spans cannot be built.
    #[error("could not prepare the export of spans to {endpoint}: {reason}")]
    Exporter {
        /// Where spans were to be sent.
        endpoint: String,
        /// What is wrong.
        reason: String,
    },
    /// The process has another subscriber already.
    #[error("could not install the log: this process has one already")]
    Taken,
    /// Spans were left over when the host stopped.
    #[error("could not send the last spans: {0}")]
    Flush(String),
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Filter { .. } | Error::Exporter { .. } => Class::Invalid,
            Error::Taken => Class::Conflict,
            Error::Flush(_) => Class::Unavailable,
        }
    }
}
