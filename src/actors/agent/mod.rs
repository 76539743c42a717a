//! The actor of one agent: takes assignments, runs the turn loop (model, tools, model again), and remembers.
//!
//! What it is for: turning one chunk of a task into an answer, within limits on turns, tokens, time and repetition.
//! What it owns: the assignments it works on and, if it remembers, its memory.
//! What it never does: choose who works, admit, or wait in a handler: asking a model or a tool is a job.
//!
//! Invariants:
//! - AG1: every accepted assignment is answered exactly once.
//! - AG2: no assignment takes more turns or tokens than its limits; a cycle of one to eight turns, each with the same calls
//!   and arguments, that comes round a third time ends it, and an event says so.
//! - AG3: a memory is in the journal, durably, before the agent uses it or answers.
//! - AG4: an agent is not asked again by work it waits for itself; whoever routed the question asks somebody else.
//! - AG5: an answer that grows longer than anybody is given is stopped where it is made, whoever reads it how slowly, and
//!   nothing beyond the limit is held or shown.

mod actor;
mod definition;
mod handle;
mod message;
mod notebook;
mod recollection;
mod state;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::inference::{Delta, Usage};
use crate::types::{Label, Timestamp};

pub use definition::{Brain, Definition, Kit, Profile, Work};
pub use handle::{Error, Handle, Parts};
pub use notebook::Notebooks;
pub use recollection::MemoryProjection;

/// One piece of work for an agent.
#[derive(Clone)]
pub struct Assignment {
    /// The runtime it is done with, by name: the agent's own, or one that a person announced it on.
    pub runtime: String,
    /// What is to be done, with the document or the part of it that it is to be done with.
    pub prompt: String,
    /// What the person wrote, without documents: what a remembering agent learns and recalls from.
    pub said: String,
    /// Tokens of the answer at the most; the agent's own limit holds if it is lower.
    pub max_tokens: Option<u32>,
    /// Where the answer is shown while it grows.
    pub news: mpsc::Sender<Delta>,
}

/// What an assignment brought.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The answer.
    pub text: String,
    /// Tokens it took, over all turns.
    pub usage: Usage,
    /// Times a model was asked.
    pub turns: u32,
    /// Tools called, in order.
    pub tools: Vec<String>,
    /// Time to the first token of the first turn, in microseconds.
    pub first_token_us: Option<u64>,
    /// Time from the assignment to the answer, in microseconds.
    pub took_us: u64,
    /// What it recalled, as texts.
    pub recalled: Vec<String>,
    /// What a place has to be to see what was recalled, and so an answer made from it: facts may have been told in more
    /// private than they are asked for.
    #[serde(default, skip_serializing_if = "crate::types::is_default")]
    pub recalled_under: Label,
    /// What it learned, as texts.
    pub learned: Vec<String>,
}

/// What an agent shows of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// What it is for.
    pub description: String,
    /// Assignments it works on.
    pub working: u32,
    /// Assignments that wait.
    pub waiting: u32,
    /// Assignments answered.
    pub answered: u64,
    /// Assignments that failed.
    pub failed: u64,
    /// Facts in its memory; none if it does not remember.
    pub facts: Option<u64>,
    /// When it last answered, in microseconds since 1970.
    pub last_answer_at_micros: Option<Timestamp>,
}
