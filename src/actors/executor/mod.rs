//! The actor that runs tools: native functions of the host for now, sandboxes when LAP comes.
//!
//! What it is for: performing one tool call under its caller's deadline, at most so many at a time.
//! What it owns: the table of native tools and the places calls take.
//! What it never does: decide whether a call is allowed, or wait in a handler: a call is a job.
//!
//! Invariants:
//! - EX1: every accepted call is answered exactly once, also when the tool panics.
//! - EX2: an unknown tool or arguments that do not fit are an answer, never a failure of the actor.
//! - EX3: no call runs longer than the executor's limit, whatever the caller's deadline says.

mod actor;
mod handle;
mod message;
mod state;
mod tools;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use handle::{Error, Handle};
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
}

/// What an executor shows of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Tools it has, by name.
    pub tools: Vec<String>,
    /// Calls running now.
    pub running: u32,
    /// Calls waiting for a place.
    pub waiting: u32,
    /// Calls answered with a result.
    pub succeeded: u64,
    /// Calls answered with an error.
    pub failed: u64,
}
