//! What can go wrong with a runtime.

use std::time::Duration;

use super::{Pacing, Usage};
use crate::types::{Class, Withheld};

/// Why a runtime could not do as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The model's files are not here.
    #[error("could not load model {model}: it is not installed; run `syzygy models pull {model}`")]
    NotInstalled {
        /// Which model.
        model: String,
    },
    /// A file of the model is not the one the catalogue means. It is never loaded.
    #[error("could not load model {model}: {reason}; `syzygy models pull {model}` fetches it again")]
    Damaged {
        /// Which model.
        model: String,
        /// Which file, and what is wrong with it.
        reason: String,
    },
    /// The model's files are the right ones, and yet of no use to this program.
    #[error("could not load model {model}: {reason}")]
    Load {
        /// Which model.
        model: String,
        /// What is wrong.
        reason: String,
    },
    /// Prompt and answer do not fit the model.
    #[error("could not fit the request into {limit} tokens: the prompt has {prompt}")]
    TooLong {
        /// Tokens of the prompt.
        prompt: u64,
        /// What the model can hold.
        limit: u64,
    },
    /// The model's own template cannot write this conversation.
    #[error("could not write the prompt for {model}: {reason}")]
    Prompt {
        /// Which model.
        model: String,
        /// What the template said.
        reason: String,
    },
    /// As many calls wait for the runtime as may wait.
    #[error("could not use {runtime}: {waiting} calls are waiting for it already")]
    Busy {
        /// Which runtime.
        runtime: String,
        /// How many wait.
        waiting: usize,
    },
    /// The endpoint refused the request itself.
    #[error("could not use {runtime}: the endpoint refused the request with status {status}: {message}")]
    Refused {
        /// Which runtime.
        runtime: String,
        /// HTTP status.
        status: u16,
        /// What the endpoint said, shortened.
        message: String,
    },
    /// The endpoint asked to wait.
    #[error("could not use {runtime}: the endpoint is rate limiting")]
    RateLimited {
        /// Which runtime.
        runtime: String,
        /// How long the endpoint asked to wait.
        retry_after: Option<Duration>,
        /// What it said is left.
        pacing: Pacing,
    },
    /// The endpoint cannot be reached, or failed.
    #[error("could not use {runtime}: {reason}")]
    Unavailable {
        /// Which runtime.
        runtime: String,
        /// What happened.
        reason: String,
    },
    /// The endpoint broke off in the middle of an answer.
    #[error("could not finish generating: {runtime} broke off: {reason}")]
    Cut {
        /// Which runtime.
        runtime: String,
        /// What happened.
        reason: String,
        /// What was processed until then.
        usage: Usage,
    },
    /// What the endpoint sent is not what its protocol says.
    #[error("could not understand {runtime}: {reason}")]
    Protocol {
        /// Which runtime.
        runtime: String,
        /// What was wrong.
        reason: String,
    },
    /// The place it runs in may not see the request. Nothing was sent.
    #[error(transparent)]
    Withheld(#[from] Withheld),
    /// The deadline passed.
    #[error("could not finish generating before the deadline")]
    TimedOut {
        /// What was processed until then.
        usage: Usage,
    },
    /// The caller gave up.
    #[error("could not finish generating: the caller cancelled")]
    Cancelled {
        /// What was processed until then.
        usage: Usage,
    },
    /// The runtime's own work failed.
    #[error("could not generate: {0}")]
    Internal(String),
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::NotInstalled { .. } | Error::Unavailable { .. } | Error::Cut { .. } | Error::Protocol { .. } => {
                Class::Unavailable
            }
            // What is lost is a copy: another runtime may serve, and the file can be had again.
            Error::Damaged { .. } | Error::Load { .. } => Class::Unavailable,
            // No key, no credit, no right, no such model: wrong on our side of the contract, so another runtime may serve it.
            Error::Refused { status: 401..=404, .. } => Class::Unavailable,
            Error::TooLong { .. } | Error::Refused { .. } | Error::Prompt { .. } => Class::Invalid,
            Error::RateLimited { .. } | Error::Busy { .. } => Class::Exhausted,
            Error::Withheld(_) => Class::Denied,
            Error::TimedOut { .. } => Class::Timeout,
            Error::Cancelled { .. } => Class::Cancelled,
            Error::Internal(_) => Class::Internal,
        }
    }

    /// What was processed before the call failed; it is owed all the same.
    pub fn usage(&self) -> Usage {
        match self {
            Error::Cut { usage, .. } | Error::TimedOut { usage } | Error::Cancelled { usage } => *usage,
            _ => Usage::default(),
        }
    }
}
