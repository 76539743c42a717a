//! The actor that performs calls of tools: functions of the host, and programs in sandboxes.
//!
//! What it is for: performing one call under its caller's deadline, at most so many at a time, and writing down what it did.
//! What it owns: the places calls take, answers that may be used again, and the keys under which calls happen once.
//! What it never does: run a tool in less than its description asks for, do twice what was to happen once, or wait in a
//! handler: a call is a job.
//!
//! Invariants:
//! - EX1: every accepted call is answered exactly once, also when the tool panics.
//! - EX2: an unknown tool or arguments that do not fit are an answer, never a failure of the actor.
//! - EX3: no call runs longer than the executor's limit, whatever the caller's deadline says.
//! - EX4: a call that changes something stands in the journal before it is begun, and how it ended after it.
//! - EX5: a key that was begun and of which nobody knows the end is not begun again.
//! - EX6: a tool that says what it does not promise has no answer.
//! - EX7: a call that is denied stands in the journal with what denied it, and what could not be called is in no list, no
//!   description and no error.

mod actor;
mod agreed;
mod attempt;
mod cache;
mod call;
mod cost;
mod counting;
mod doubts;
mod fronted;
mod fuzzing;
mod handle;
mod health;
mod ledger;
mod library;
mod likeness;
mod message;
mod people;
mod ports;
mod publishing;
mod request;
mod shelf;
mod stage;
mod staging;
mod state;
mod tools;
mod writing;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use fronted::lacking;
pub use handle::{Error, Handle, Like};
pub use health::Pulse;
pub use ledger::{Begun, Doubted, EffectsProjection, EndedCall, Refused, Row, Settled, Standing};
pub use library::{Entry, Library};
pub use likeness::LIKE_MOST;
pub use people::{People, Question, Unheard};
pub use ports::{Alarm, Ports, WayOut};
pub use publishing::Publication;
pub use request::{Answer, How, Request};
pub use shelf::{Kept, Published, ToolsProjection, Volume, shelve};
pub use stage::{Asker, Canary, Stage};
pub use tools::{Tool, core_tools};

/// Limits of an executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Calls that run at a time.
    pub concurrency: u32,
    /// Calls that may wait for a place.
    pub waiting: usize,
    /// Seconds one call may take.
    pub call_within_s: u64,
    /// Bytes of a result at the most; a longer one is refused, since a model could not read it anyway.
    pub result_bytes_max: usize,
    /// Bytes of answers that are kept to be used again; 0 keeps none.
    pub cache_bytes_max: usize,
    /// Seconds people have to agree to a call, and for which their word holds.
    pub approval_s: u64,
    /// Seconds a caller waits for that before it is told to come again; 0 tells it at once.
    pub approval_wait_s: u64,
}

/// What an executor shows of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// How many tools it has.
    pub tools: usize,
    /// Calls running now.
    pub running: u32,
    /// Calls waiting for a place.
    pub waiting: u32,
    /// Calls answered with a result.
    pub succeeded: u64,
    /// Calls answered with an error.
    pub failed: u64,
    /// Answers that are kept to be used again.
    pub cached: usize,
}
