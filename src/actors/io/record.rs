//! What runs leave in the journal.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::handle::Error;
use super::projection::{RunRow, RunStatus, RunsProjection};
use super::{Answer, Task};
use crate::actors::agent::Outcome;
use crate::store::{self, Durability, Journal, NewEvent, RowQuery};
use crate::types::planted::{Bug, planted};
use crate::types::{Class, Cx, Hash, Money, RunId, Timestamp};
use crate::ziggy::Admission;
use crate::ziggy::budget::{Reservation, Settlement};
use crate::ziggy::review::Stage;
use crate::ziggy::route::Decision;

/// The kinds of events a run leaves, in the order in which they can come.
pub mod kind {
    /// A task was taken in: [`super::Accepted`].
    pub const ACCEPTED: &str = "run.accepted";
    /// It is known what it is: a classification.
    pub const CLASSIFIED: &str = "task.classified";
    /// It was cut: the chunks.
    pub const CHUNKED: &str = "task.chunked";
    /// A next hop was chosen for a chunk: [`super::Hop`].
    pub const DECIDED: &str = "hop.decided";
    /// A candidate on trial after quarantine goes first: [`super::super::Tried`].
    pub const TRIED: &str = "hop.trial";
    /// A candidate was or was not admitted: [`super::Admitted`].
    pub const ADMITTED: &str = "hop.admitted";
    /// A step down the ladder was taken: [`crate::actors::io::Taken`].
    pub const STEP: &str = "hop.step";
    /// A candidate answered: [`super::Served`].
    pub const SERVED: &str = "hop.served";
    /// A candidate failed: [`super::Failed`].
    pub const FAILED: &str = "hop.failed";
    /// What was reserved was charged in full, since nobody knows what it took: a settlement.
    pub const CHARGED: &str = "budget.charged";
    /// It waits for people: [`super::Parked`].
    pub const PARKED: &str = "run.parked";
    /// People let it go on: [`super::Resumed`].
    pub const RESUMED: &str = "run.resumed";
    /// The answers were put together: the whole answer.
    pub const COMPLETED: &str = "run.completed";
    /// There is no answer: [`super::Ended`].
    pub const RUN_FAILED: &str = "run.failed";
    /// Somebody stopped it, or nobody waited: [`super::Ended`].
    pub const CANCELLED: &str = "run.cancelled";
    /// The host died under it: [`super::Ended`].
    pub const INTERRUPTED: &str = "run.interrupted";
    /// Somebody judged the answer.
    pub const FEEDBACK: &str = "feedback.given";
}

/// Body of [`kind::ACCEPTED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Who asked.
    pub principal: String,
    /// Trace of the request.
    pub trace: String,
    /// The task, without its documents.
    pub task: Task,
    /// Its documents.
    pub documents: Vec<Filed>,
}

/// A document as the journal has it: a short one in the event, a long one as a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filed {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub bytes: usize,
    /// Its text, if it is short.
    pub text: Option<String>,
    /// Address of its text in the journal's payloads, if it is long.
    pub payload: Option<Hash>,
}

/// The longest document that stands in its event, in bytes: 16 KiB, so that an event with several stays far below
/// the journal's limit.
pub(super) const INLINE_MOST: usize = 16_384;

/// Body of [`kind::DECIDED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Which chunk, from 0.
    pub chunk: usize,
    /// What was decided, and from which table.
    pub decision: Decision,
}

/// Body of [`kind::ADMITTED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    /// Which chunk, from 0.
    pub chunk: usize,
    /// Who.
    pub candidate: String,
    /// Whether, and why not.
    pub admission: Admission,
    /// What was reserved for it, if a budget is for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Reservation>,
}

/// Body of [`kind::SERVED`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// Which chunk, from 0.
    pub chunk: usize,
    /// Who.
    pub candidate: String,
    /// What it cost.
    pub cost: Money,
    /// What came of it.
    pub outcome: Outcome,
    /// How its reservation ended, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Settlement>,
}

/// Body of [`kind::FAILED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Which chunk, from 0.
    pub chunk: usize,
    /// Who.
    pub candidate: String,
    /// What kind of failure.
    pub class: Class,
    /// In words.
    pub reason: String,
    /// How its reservation ended, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Settlement>,
}

/// Body of [`kind::PARKED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// The item people decide on.
    pub item: String,
    /// Whether it waits before the work or with its answer.
    pub stage: Stage,
    /// Until when they have time.
    pub until: Timestamp,
    /// In words.
    pub words: String,
}

/// Body of [`kind::RESUMED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// The item that was decided on.
    pub item: String,
    /// Why it goes on, in words.
    pub words: String,
}

/// Body of the events that end a run without an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// What kind of failure.
    pub class: Class,
    /// In words.
    pub reason: String,
}

/// Writes the events of one run.
#[derive(Clone)]
pub(super) struct Recorder {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) run: RunId,
    pub(super) source: String,
}

impl Recorder {
    pub(super) fn event(&self, kind: &str, body: &impl Serialize) -> NewEvent {
        NewEvent::new(kind, Some(self.run), &self.source, body)
    }

    /// The event of a task that was taken in. Its long documents are on disk when this returns.
    pub(super) async fn accepted(&self, cx: &Cx, task: &Task) -> Result<NewEvent, Error> {
        let documents = self.filed(&task.documents).await?;
        let principal = cx.principal().name.clone();
        let task = Task { documents: Vec::new(), ..task.clone() };
        Ok(self.event(kind::ACCEPTED, &Accepted { principal, trace: cx.trace().to_string(), task, documents }))
    }

    pub(super) async fn write(&self, events: Vec<NewEvent>) -> Result<(), Error> {
        self.journal.append(events, Durability::Behind).await?;
        Ok(())
    }

    /// IO1: the last event of a run.
    pub(super) fn ending(&self, result: &Result<Answer, Error>) -> NewEvent {
        match result {
            Ok(answer) => self.event(kind::COMPLETED, answer),
            Err(error) => {
                let class = error.class();
                let kind = if class == Class::Cancelled { kind::CANCELLED } else { kind::RUN_FAILED };
                self.event(kind, &Ended { class, reason: error.to_string() })
            }
        }
    }
}

/// The last event of a run whose host ended under it.
pub(super) fn interrupted(run: RunId, source: &str, reason: &str) -> NewEvent {
    let body = Ended { class: Class::Unavailable, reason: reason.to_owned() };
    NewEvent::new(kind::INTERRUPTED, Some(run), source, &body)
}

/// Writes down that these runs ended with the io actor they belonged to. Which of them had begun and not ended is read
/// from the record, since the dead actor's own work may have been broken off anywhere.
pub(super) async fn bury(journal: &Arc<dyn Journal>, runs: Vec<RunId>, source: &str) -> Result<(), store::Error> {
    journal.flush().await?;
    let mut events = Vec::new();
    for run in runs {
        let row = journal.row(RunsProjection::NAME, &run.to_string()).await?;
        let status = row.and_then(|row| serde_json::from_value::<RunRow>(row).ok()).map(|row| row.status);
        if status == Some(RunStatus::Running) {
            events.push(interrupted(run, source, "the io actor that worked on it failed"));
        }
    }
    if !events.is_empty() {
        journal.append(events, Durability::Durable).await?;
    }
    Ok(())
}

/// Runs marked at a time when a host starts.
const MARK_AT_ONCE: usize = 256;

/// Marks every run that the journal has as running: the host that ran it is gone. Returns how many there were. To be
/// called once, before anything new is accepted.
pub async fn interrupt_unfinished(journal: &Arc<dyn Journal>, source: &str) -> Result<usize, store::Error> {
    let mut marked = 0;
    if planted(Bug::UnfinishedUnmarked) {
        return Ok(marked);
    }
    let mut after: Option<String> = None;
    loop {
        let query = RowQuery {
            projection: RunsProjection::NAME,
            prefix: "",
            reverse: false,
            after: after.as_deref(),
            limit: MARK_AT_ONCE,
        };
        let rows = journal.rows(query).await?;
        let Some((last, _)) = rows.last() else { return Ok(marked) };
        after = Some(last.clone());
        let mut events = Vec::new();
        for (_, row) in rows {
            let Ok(row) = serde_json::from_value::<RunRow>(row) else { continue };
            if row.status == RunStatus::Running {
                events.push(interrupted(row.run_id, source, "the host stopped before the run had ended"));
            }
        }
        marked += events.len();
        if !events.is_empty() {
            journal.append(events, Durability::Durable).await?;
        }
    }
}
