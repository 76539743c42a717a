//! What an io actor can be told.

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::handle::Error;
use super::parking::Passed;
use super::{Answer, Progress, Task};
use crate::supervision::{JobError, Reply};
use crate::types::{Cx, RunId};
use crate::ziggy::review::Item;

/// Where the answer of a run goes.
pub(super) type Waiter = Reply<Result<Answer, Error>>;

/// A task with everything that is known of it at the start.
pub(super) struct Arrival {
    pub(super) run: RunId,
    pub(super) cx: Cx,
    pub(super) task: Task,
    pub(super) news: mpsc::Sender<Progress>,
    /// What people have decided about it already.
    pub(super) passed: Passed,
    /// Its share of the bytes that tasks under way may have together, given back with it. A run that comes back from
    /// people has none: it was let in once, and only so many are parked.
    pub(super) _room: Option<OwnedSemaphorePermit>,
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
    /// Act on a closed item of a parked run. Answered when it is settled.
    Settle { item: Box<Item>, reply: Reply<Result<(), Error>> },
    /// An item is settled, with its run if that is to be worked on, or not.
    Settled { run: RunId, outcome: Result<Option<Box<Arrival>>, Error>, reply: Reply<Result<(), Error>> },
    /// Stop a run.
    Cancel { run: RunId, reply: Reply<bool> },
    /// A run has ended, or its job broke.
    Ended { run: RunId, outcome: Result<Box<Result<Answer, Error>>, JobError> },
}
