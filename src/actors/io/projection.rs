//! Runs as a projection of the journal: one row each, for lists and lookups.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Answer;
use super::record::{Accepted, Ended, Parked, kind};
use crate::store::{Event, Projection};
use crate::types::{Class, Money, PrivacyClass, RunId, Timestamp};

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Under way.
    Running,
    /// It waits for people.
    Parked,
    /// It has an answer.
    Completed,
    /// It has none, for a reason.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// The host died under it.
    Interrupted,
}

impl RunStatus {
    /// Whether nothing more comes of it.
    pub fn is_over(self) -> bool {
        !matches!(self, RunStatus::Running | RunStatus::Parked)
    }
}

/// One run, as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunRow {
    /// The run.
    pub run_id: RunId,
    /// Where it is.
    pub status: RunStatus,
    /// Who asked.
    pub principal: String,
    /// The beginning of the request.
    pub prompt: String,
    /// How private the task is; what the caller said until it is classified.
    pub privacy: PrivacyClass,
    /// When it was taken in.
    pub accepted_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who worked on it.
    pub served_by: Vec<String>,
    /// What it cost.
    pub cost: Money,
    /// The answer, if there is one.
    pub answer: Option<Answer>,
    /// What kind of failure, if it failed.
    pub class: Option<Class>,
    /// Why there is no answer, if there is none.
    pub reason: Option<String>,
    /// The item that people decide on, while it waits for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
}

/// Characters of a request that a list shows.
const PROMPT_SHOWN: usize = 120;

/// Keeps one row for each run.
pub struct RunsProjection;

impl RunsProjection {
    /// Name of the projection.
    pub const NAME: &'static str = "runs";
}

impl Projection for RunsProjection {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn keys(&self, event: &Event) -> Vec<String> {
        let concerns = matches!(
            event.kind.as_str(),
            kind::ACCEPTED
                | kind::PARKED
                | kind::RESUMED
                | kind::COMPLETED
                | kind::RUN_FAILED
                | kind::CANCELLED
                | kind::INTERRUPTED
        );
        event.run.filter(|_| concerns).map(|run| run.to_string()).into_iter().collect()
    }

    fn begins(&self, event: &Event) -> bool {
        event.kind == kind::ACCEPTED
    }

    fn fold(&self, _key: &str, row: Option<Value>, event: &Event) -> Option<Value> {
        let before = row.and_then(|row| serde_json::from_value::<RunRow>(row).ok());
        serde_json::to_value(folded(before, event)?).ok()
    }
}

fn folded(row: Option<RunRow>, event: &Event) -> Option<RunRow> {
    let run_id = event.run?;
    if event.kind == kind::ACCEPTED {
        let Accepted { principal, task, .. } = event.body.parse()?;
        return Some(RunRow {
            run_id,
            status: RunStatus::Running,
            principal,
            prompt: task.prompt.chars().take(PROMPT_SHOWN).collect(),
            privacy: task.privacy,
            accepted_at: event.at,
            ended_at: None,
            served_by: Vec::new(),
            cost: Money::ZERO,
            answer: None,
            class: None,
            reason: None,
            item: None,
        });
    }
    let mut row = row?;
    // What comes late changes nothing: a run that has ended is not parked any more.
    if event.kind == kind::PARKED && row.status == RunStatus::Running {
        let Parked { item, words, .. } = event.body.parse()?;
        (row.status, row.item, row.reason) = (RunStatus::Parked, Some(item), Some(words));
    } else if event.kind == kind::RESUMED && row.status == RunStatus::Parked {
        (row.status, row.item, row.reason) = (RunStatus::Running, None, None);
    }
    if [kind::PARKED, kind::RESUMED].contains(&event.kind.as_str()) {
        return Some(row);
    }
    row.item = None;
    row.ended_at = Some(event.at);
    if event.kind == kind::COMPLETED {
        let answer: Answer = event.body.parse()?;
        row.status = RunStatus::Completed;
        row.privacy = answer.privacy;
        row.served_by.clone_from(&answer.served_by);
        row.cost = answer.cost;
        row.answer = Some(answer);
        return Some(row);
    }
    let Ended { class, reason } = event.body.parse()?;
    row.status = match event.kind.as_str() {
        kind::CANCELLED => RunStatus::Cancelled,
        kind::INTERRUPTED => RunStatus::Interrupted,
        _ => RunStatus::Failed,
    };
    (row.class, row.reason) = (Some(class), Some(reason));
    Some(row)
}
