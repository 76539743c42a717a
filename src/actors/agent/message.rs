//! What an agent's actor can be told.

use serde_json::Value;

use super::handle::Error;
use super::recollection::Learned;
use super::{Assignment, Outcome};
use crate::inference::Completion;
use crate::supervision::Reply;
use crate::types::Cx;

/// One assignment, with where its outcome goes.
pub(super) struct Work {
    pub(super) cx: Cx,
    pub(super) assignment: Assignment,
    pub(super) reply: Reply<Result<Outcome, Error>>,
}

/// A number for an assignment that is being worked on.
pub(super) type Ticket = u64;

/// What tools answered, each by the id of its call. An error of a tool is an answer the model can read.
pub(super) type Results = Vec<(String, Result<Value, String>)>;

pub(super) enum Message {
    /// Do this. Answered when it is done.
    Work(Box<Work>),
    /// What the person said was made into vectors; now it can be recalled and learned from.
    Embedded { ticket: Ticket, vectors: Result<Vec<Vec<f32>>, String> },
    /// What was learned is in the journal.
    Stored { ticket: Ticket, learned: Result<Learned, String> },
    /// The model answered, the first token after so many microseconds.
    Answered { ticket: Ticket, result: Result<Completion, Error>, first_token_us: Option<u64> },
    /// The tools answered, each by the id of its call.
    Called { ticket: Ticket, results: Result<Results, Error> },
    /// The agent's own code is done.
    Worked { ticket: Ticket, result: Result<Outcome, Error> },
}
