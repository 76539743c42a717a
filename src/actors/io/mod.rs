//! IO, the edge of the work: takes a task in, has it classified, cut, routed and worked on, and puts the answer together.
//!
//! What it is for: one run from request to answer, with every decision on the record.
//! What it owns: the runs that are under way, and who waits for them.
//! What it never does: decide by itself (Ziggy does), work (agents do), or wait in a handler: a run is a job.
//!
//! Invariants:
//! - IO1: every accepted run ends in exactly one of `run.completed`, `run.failed`, `run.cancelled`, or, if the host
//!   or the io actor died under it, `run.interrupted`. While it waits for people it is parked and ends by none of that.
//! - IO2: a run whose id was handed out before its answer is in the journal, durably, before that.
//! - IO3: nothing of a task reaches a candidate whose trust tier its privacy class forbids.
//! - IO5: a run is parked by one append with its item, and goes on by one append with the word that the item is settled:
//!   both happened or neither, and a settled item is acted on no more.
//! - IO6: what may be withheld is neither shown nor in an event of its run before people have approved it.
//! - IO4: when the caller of an attached run leaves, its work stops; who only waits for a run stops nothing.
//! - IO7: where a budget is for a hop, its worst case is reserved and stands in `hop.admitted` before anybody is asked,
//!   and what it took stands in the event that ends it.
//! - IO8: all pieces of a run and all attempts at them together take no more than its caller allowed, and no more than
//!   the limits of one request allow.

mod actor;
mod admission;
mod asking;
pub mod budget;
mod door;
mod fault;
mod handle;
mod hedge;
mod ladder;
mod message;
mod outfit;
mod parking;
mod pipeline;
mod projection;
mod prompt;
mod purse;
pub mod record;
mod refusal;
mod resumer;
mod reviewing;
mod state;
mod trial;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::inference::Usage;
use crate::types::{Money, PrivacyClass, RunId, Timestamp};
use crate::ziggy::{Citation, Intent};

pub use budget::BudgetsProjection;
pub use handle::{Error, Handle, Parts};
pub use ladder::Taken;
pub use projection::{RunRow, RunStatus, RunsProjection};
pub use trial::Tried;

/// Limits of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Io actors; runs are spread over them.
    pub pool: usize,
    /// Runs one of them has under way at a time; one more is refused.
    pub runs_most: usize,
    /// Chunks of one run that are worked on at a time.
    pub chunks_at_once: usize,
    /// Bytes of a task at the most, documents included.
    pub task_bytes_max: usize,
    /// Bytes of all tasks under way together, documents included; a task that would bring more is refused.
    pub tasks_bytes_max: usize,
    /// Bytes of a prompt at the most; what is longer belongs into a document.
    pub prompt_bytes_max: usize,
    /// Chunks of a task at the most; a larger task is refused before anything is spent.
    pub chunks_most: usize,
    /// Seconds a run may take, whatever its caller allows.
    pub run_within_s: u64,
    /// Tokens of an answer (of each chunk) if the caller names no number.
    pub answer_tokens: u32,
    /// Bytes of an answer at the most, of each agent's and of the whole. It must fit an event of the journal, in which
    /// a byte may take six.
    pub answer_bytes_max: usize,
    /// Whether an answer is on disk before its caller has it.
    pub durable_answers: bool,
}

/// A text that goes with a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What to call it: a file name.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// The same as [`crate::ziggy::Value`]. The contract takes a type of that name for any JSON.
pub type Worth = crate::ziggy::Value;

/// Declares a struct with the fields of a task, and maybe more. What crosses an edge is a task and how it is to be done,
/// in one JSON object whose unknown fields are refused by name and place; serde's `flatten` can do neither.
macro_rules! with_task_fields {
    ($(#[$about:meta])* pub struct $name:ident { $($more:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The request itself.
            #[schema(min_length = 1, pattern = r"\S")]
            pub prompt: String,
            /// Texts it is about.
            #[serde(default)]
            pub documents: Vec<$crate::actors::io::Document>,
            /// How private the caller says it is; it only rises from there.
            #[serde(default)]
            pub privacy: $crate::types::PrivacyClass,
            /// Regions the task may be in, of those the configuration allows; all of these if none is named.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub residency: Vec<String>,
            /// The agent or candidate the caller wants, if its constraints allow it.
            #[serde(default)]
            pub agent: Option<String>,
            /// Keeps the requests of one conversation on one candidate where several are equal.
            #[serde(default)]
            pub session: Option<String>,
            /// Tokens of the answer (of each chunk) at the most.
            #[serde(default)]
            #[schema(minimum = 1, maximum = 4_294_967_295usize)]
            pub max_tokens: Option<u32>,
            /// How much it matters that it is served now.
            #[serde(default)]
            pub value: $crate::actors::io::Worth,
            $($more)*
        }
    };
}
pub(crate) use with_task_fields;

with_task_fields! {
    /// What somebody wants done.
    pub struct Task {}
}

impl Task {
    /// Its prompt and everything that goes with it, in bytes.
    pub fn bytes(&self) -> usize {
        let documents = self.documents.iter().map(|document| document.text.len() + document.name.len());
        self.prompt.len() + documents.sum::<usize>()
    }
}

/// What a run brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Answer {
    /// The run.
    pub run_id: RunId,
    /// The answer.
    pub answer: String,
    /// The candidates that worked on it, each once, in the order of their chunks.
    pub served_by: Vec<String>,
    /// How private the task turned out to be.
    pub privacy: PrivacyClass,
    /// What the caller wanted.
    pub intent: Intent,
    /// What it cost.
    pub cost: Money,
    /// Tokens it took.
    pub usage: Usage,
    /// What the agents recalled from their memory for it.
    pub recalled: Vec<String>,
    /// What the agents learned from it.
    pub learned: Vec<String>,
    /// Which part of the answer came from which chunk; empty if there was only one.
    pub citations: Vec<Citation>,
    /// Chunks it was worked on in.
    pub chunks: usize,
    /// The steps that were taken because a first choice did not serve, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Taken>,
    /// Time from acceptance to answer, in microseconds.
    pub took_us: u64,
}

/// A run that waits for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The run.
    pub run_id: RunId,
    /// The item they decide on.
    pub item: String,
    /// For whom it waits, in words.
    pub reason: String,
    /// Until when they have time.
    pub until: Timestamp,
}

/// News of a run under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Progress {
    /// The run has an id.
    Accepted {
        /// The id.
        run_id: RunId,
    },
    /// It is known what the task is.
    Classified {
        /// What the caller wants.
        intent: Intent,
        /// How private it is.
        privacy: PrivacyClass,
        /// Chunks it is worked on in.
        chunks: usize,
    },
    /// A chunk goes to a candidate.
    Hop {
        /// Which chunk, from 0.
        chunk: usize,
        /// Where to.
        candidate: String,
    },
    /// A candidate failed.
    Fallback {
        /// Which chunk, from 0.
        chunk: usize,
        /// Who failed.
        candidate: String,
        /// Why.
        reason: String,
        /// Who is tried next; none if nobody is left.
        next: Option<String>,
    },
    /// A step was taken because the one before it did not serve.
    Step(Taken),
    /// A long prompt is being read.
    Reading {
        /// Which chunk, from 0.
        chunk: usize,
        /// Prompt tokens read so far.
        tokens: u64,
        /// Prompt tokens in all.
        total: u64,
    },
    /// It waits for people.
    Parked {
        /// The item they decide on.
        item: String,
        /// For whom it waits, in words.
        reason: String,
        /// Until when they have time.
        until: Timestamp,
    },
    /// People let it go on.
    Resumed {
        /// The item that was decided on.
        item: String,
        /// Why it goes on, in words.
        reason: String,
    },
    /// More of the answer to a chunk.
    Text {
        /// Which chunk, from 0.
        chunk: usize,
        /// What to append.
        text: String,
    },
}

/// What an io actor shows of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Runs under way.
    pub running: usize,
    /// Runs that ended with an answer.
    pub completed: u64,
    /// Runs that ended without one.
    pub failed: u64,
    /// Tasks refused because too many runs were under way.
    pub refused: u64,
}
