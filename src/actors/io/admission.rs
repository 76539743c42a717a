//! What became of a hop, as limits and the ladder need to know it.

use std::time::Duration;

use super::handle::Error;
use crate::actors::agent::{self, Outcome};
use crate::actors::runtime;
use crate::inference;
use crate::types::Class;
use crate::ziggy::explain::Explain;
use crate::ziggy::limit::{Refused, Verdict};
use crate::ziggy::{Admission, Refusal};

/// Why a candidate gave no answer.
pub(super) enum Missed {
    /// It was not admitted, or has no room for one more.
    Refused {
        /// For the caller.
        error: Error,
        /// Whether waiting may change it; if so, microseconds until asking again is worth it, if that is known.
        passes: Option<Option<u64>>,
        /// Whether it is left alone for failing in a row.
        out: bool,
    },
    /// It tried.
    Failed {
        /// For the caller.
        error: Error,
        /// The runtime under it.
        runtime: String,
        /// Whether another try may go better.
        in_passing: bool,
    },
    /// Nothing can be done for the piece of work any more.
    Broken(Error),
}

impl From<Error> for Missed {
    fn from(error: Error) -> Missed {
        Missed::Broken(error)
    }
}

impl Missed {
    /// For a candidate that was not admitted.
    pub(super) fn refused(admission: &Admission) -> Missed {
        let passes = match admission {
            Admission::Refused { reason, .. } => Refusal::passes(reason),
            Admission::Admitted { .. } => None,
        };
        let circuit = |reason: &Refusal| matches!(reason, Refusal::Limited(Refused::Circuit { .. }));
        let out = matches!(admission, Admission::Refused { reason, .. } if circuit(reason));
        // Who failed cannot work now; who is full can work later.
        let class = if out { Class::Unavailable } else { Class::Exhausted };
        Missed::Refused { error: Error::Refused { class, reason: admission.words().join(" ") }, passes, out }
    }

    /// For a candidate that is not there any more.
    pub(super) fn left(id: &str) -> Missed {
        let error = Error::Refused { class: Class::NotFound, reason: format!("{id} has left the table") };
        Missed::Refused { error, passes: None, out: false }
    }

    /// For a candidate that said so itself.
    pub(super) fn failed(candidate: &str, runtime: &str, error: agent::Error) -> Missed {
        let (full, in_passing) = (no_room(&error), in_passing(&error));
        let error = Error::Agent { candidate: candidate.to_owned(), error: Box::new(error) };
        match full {
            Some(again_us) => Missed::Refused { error, passes: Some(again_us), out: false },
            None => Missed::Failed { error, runtime: runtime.to_owned(), in_passing },
        }
    }

    pub(super) fn error(&self) -> &Error {
        match self {
            Missed::Refused { error, .. } | Missed::Failed { error, .. } | Missed::Broken(error) => error,
        }
    }

    pub(super) fn into_error(self) -> Error {
        match self {
            Missed::Refused { error, .. } | Missed::Failed { error, .. } | Missed::Broken(error) => error,
        }
    }
}

/// Whether an error says that there is no room now; if so, microseconds until asking again is worth it, if that is known.
fn no_room(error: &agent::Error) -> Option<Option<u64>> {
    match error.cause() {
        agent::Error::Full { .. } => Some(None),
        agent::Error::Runtime(runtime::Error::Full { .. }) => Some(None),
        agent::Error::Runtime(runtime::Error::Runtime(error)) => match error {
            inference::Error::Busy { .. } => Some(None),
            // Without a time the gate keeps one of its own.
            inference::Error::RateLimited { retry_after, .. } => Some(retry_after.map(micros)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a failure may be over at the next try.
fn in_passing(error: &agent::Error) -> bool {
    match error.cause() {
        agent::Error::Runtime(runtime::Error::Runtime(error)) => matches!(
            error,
            inference::Error::Unavailable { .. } | inference::Error::Cut { .. } | inference::Error::Protocol { .. }
        ),
        // What a life that crashed had taken may have been handled, and is not sent again.
        _ => false,
    }
}

/// What a result says of load and health. `late` says that the caller's own time is over.
pub(super) fn verdict(result: &Result<Outcome, agent::Error>, late: bool) -> Verdict {
    match result {
        Ok(outcome) => Verdict::Answered {
            latency_us: outcome.first_token_us.unwrap_or(outcome.took_us),
            tokens: outcome.usage.tokens(),
        },
        Err(error) if no_room(error).is_some() => Verdict::Overloaded,
        Err(error) => match error.class() {
            Class::Cancelled | Class::Invalid => Verdict::Unknown,
            // Going round in circles is no sign of load.
            Class::Exhausted => Verdict::Unknown,
            Class::Timeout if late => Verdict::Late,
            _ => Verdict::Failed,
        },
    }
}

/// A time in whole microseconds.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
