//! What an io actor can be told.

use tokio::sync::mpsc;

use super::handle::Error;
use super::{Answer, Progress, Task};
use crate::supervision::{JobError, Reply};
use crate::types::{Cx, RunId};

/// Where the answer of a run goes.
pub(super) type Waiter = Reply<Result<Answer, Error>>;

/// A task with everything that is known of it at the start.
pub(super) struct Arrival {
    pub(super) run: RunId,
    pub(super) cx: Cx,
    pub(super) task: Task,
    pub(super) news: mpsc::Sender<Progress>,
}

pub(super) enum Message {
    /// Do this and answer.
    Route { arrival: Box<Arrival>, reply: Waiter },
    /// Take this in and answer as soon as it is in the journal; the work goes on by itself.
    Accept { arrival: Box<Arrival>, reply: Reply<Result<RunId, Error>> },
    /// The journal has an accepted task.
    Accepted { arrival: Box<Arrival>, reply: Reply<Result<RunId, Error>> },
    /// The journal does not have it.
    Refused { run: RunId, reply: Reply<Result<RunId, Error>>, error: Error },
    /// Wait for a run that is under way. Answered at once with `NotRunning` if it is not.
    Wait { run: RunId, reply: Waiter },
    /// Stop a run.
    Cancel { run: RunId, reply: Reply<bool> },
    /// A run has ended, or its job broke.
    Ended { run: RunId, outcome: Result<Box<Result<Answer, Error>>, JobError> },
}
