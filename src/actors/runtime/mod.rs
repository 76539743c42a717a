//! The actor around one inference runtime.
//!
//! What it is for: bounding how much work one runtime holds, watching its health, and owning its child process.
//! What it owns: the runtime, the process that serves it if there is one, and the counters in its view.
//! What it never does: choose, retry, or wait in a handler: generation is a job.
//!
//! Invariants:
//! - RT1: every accepted request is answered exactly once, also when its job panics or is cancelled.
//! - RT2: no more than `concurrency` requests generate at a time; the rest wait in order, at most `waiting`.
//! - RT3: when the child process ends, the actor fails, so that its supervisor starts both again.
//! - RT4: what the runtime found damaged is repaired by a job, one at a time; a repair that failed is tried again later.
//! - RT5: what a provider says about how much more it takes is passed on before the answer it came with.
//! - RT6: nothing is handed to the runtime that was not cleared for the place it runs in; what is withheld was not sent.
//! - RT7: where personal data is replaced, nobody in the host sees a stand-in: text, news and tool calls have the data.
//! - RT8: when a request finds the runtime unavailable, its health is looked at without waiting for the next time; when
//!   nobody answers there, again and again until somebody does.

mod actor;
mod exit;
mod handle;
mod message;
mod state;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::inference::{Capabilities, Health};

pub use handle::{Error, Handle, Hears, Launch};

/// How a runtime is driven. One for all runtimes; what differs stands with each runtime.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Requests that may wait for a place.
    pub waiting: usize,
    /// Requests it works on at a time.
    pub concurrency: u32,
    /// Seconds between two looks at its health.
    pub health_every_s: u64,
    /// Seconds one look may take.
    pub health_within_s: u64,
    /// Seconds between two looks at a place where nobody answers, and between two that failed requests ask for.
    pub unreachable_every_s: u64,
    /// Seconds after which a repair that failed is tried again, such as fetching a model's damaged file; 0 leaves
    /// repairs to the operator.
    pub repair_again_s: u64,
}

/// What a runtime shows of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// What it can do.
    pub capabilities: Capabilities,
    /// Whether it can be given work.
    pub health: Health,
    /// Requests generating now.
    pub running: u32,
    /// Requests waiting for a place.
    pub waiting: u32,
    /// Requests answered.
    pub served: u64,
    /// Requests that failed, cancelled ones not counted.
    pub failed: u64,
    /// Prompt tokens read.
    pub input_tokens: u64,
    /// Tokens generated.
    pub output_tokens: u64,
}

impl View {
    fn of(capabilities: Capabilities) -> View {
        View {
            capabilities,
            health: Health::Cold,
            running: 0,
            waiting: 0,
            served: 0,
            failed: 0,
            input_tokens: 0,
            output_tokens: 0,
        }
    }
}
