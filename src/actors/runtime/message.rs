//! What a runtime actor can be told.

use tokio::sync::mpsc;

use super::handle::Error;
use crate::inference::{self, Completion, Delta, Health, Request};
use crate::supervision::{JobError, Reply};
use crate::types::{Classified, Cx};

/// One generation, with where its news and its answer go.
pub(super) struct Work {
    pub(super) cx: Cx,
    pub(super) request: Classified<Request>,
    pub(super) news: mpsc::Sender<Delta>,
    pub(super) reply: Reply<Result<Completion, Error>>,
}

/// What a job brings back: the reply port travels with the work so that no path can lose it.
pub(super) struct Done {
    pub(super) reply: Reply<Result<Completion, Error>>,
    pub(super) result: Result<Completion, Error>,
}

pub(super) enum Message {
    /// Generate. Answered when the completion is there.
    Generate(Box<Work>),
    /// A generation ended, well or badly.
    Generated(Box<Done>),
    /// Look at the runtime's health.
    Probe,
    /// What the look found, and whether it was the one that comes round by itself.
    Probed { outcome: Result<Health, JobError>, regular: bool },
    /// The pause after a look that was asked for is over.
    LookAgain,
    /// What came of a repair: whether there was anything to repair.
    Repaired(Result<Result<bool, inference::Error>, JobError>),
    /// A repair that failed may be tried again.
    RepairAgain,
    /// The child process ended, with the last it said.
    ChildEnded(String),
}
