//! Ziggy, the decision core: snapshots, an input and a time go in; a decision with its reasons comes out.
//!
//! What it is for: classify a task, chunk it, rank who may serve it, decide the next hop, admit it, assemble the answer,
//! govern by rules, plan what to add, and say all of that in plain words.
//! What it owns: nothing. Every function is pure; actors keep the state and carry decisions out.
//! What it never does: wait, read a clock or chance, do I/O or log. That is what makes a decision explainable, testable
//! and replayable bit for bit.
//!
//! Invariants that hold across the modules (each module adds its own):
//! - Z1: the same inputs give the same output, byte for byte when serialised.
//! - Z2: the privacy class only rises on the way from the caller to the route.
//! - Z3: nothing that Ziggy returns holds a sensitive value of the text; kinds, counts and places at most.

mod admit;
mod assemble;
pub mod budget;
pub mod chunk;
pub mod classify;
pub mod explain;
mod fixed;
pub mod govern;
pub mod ladder;
pub mod limit;
pub mod plan;
pub mod privacy;
pub mod review;
pub mod route;
mod worst;

use serde::{Deserialize, Serialize};

pub use admit::{Action, Admission, Announced, Ask, Door, Governance, Override, Refusal, Shed, Value, admit};
pub use assemble::{Assembled, Citation, Part, assemble};
pub use chunk::{Chunk, chunk, estimate_tokens, most_tokens, reassemble};
pub use classify::{Classification, Input, Intent, IntentModel, classify};
pub use fixed::Millionths;
pub use route::{Candidate, Capability, Decision, Destination, Fib, Rib, WEIGHT_MOST, build, decide};
pub use worst::{Appetite, Tokens, Wanted};

/// Everything of Ziggy that is set in the config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How texts are cut.
    pub chunk: chunk::Policy,
    /// How candidates are scored.
    pub score: route::ScoreConfig,
    /// How what was observed of a candidate is averaged and forgotten.
    pub live: route::LiveConfig,
    /// Who weighs what how much, by tenant and destination.
    pub policies: Vec<route::Policy>,
}

impl Config {
    /// What tables are made by.
    pub fn rules(&self) -> route::Rules {
        route::Rules { score: self.score, live: self.live, policies: self.policies.clone() }
    }
}
