//! What crosses the edge besides the words of the layers below: requests and answers, each its own type.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tokens::Scope;
use crate::actors::crown::Alert;
use crate::actors::io::{RunRow, Task, with_task_fields};
use crate::store::Event;
use crate::supervision::Node;
use crate::types::{Budget, Hash, RunId, Timestamp};
use crate::ziggy::explain::Explain;
use crate::ziggy::route::{Considered, Decision, Destination};
use crate::ziggy::{Announced, Capability, Chunk, Classification, Door, Override, Part};

with_task_fields! {
    /// A task, and how it is to be done.
    pub struct RouteRequest {
        /// The most it may cost; the host's own limit holds if it is lower.
        #[serde(default)]
        pub budget: Option<Budget>,
        /// Seconds it may take; the host's own limit holds if it is lower.
        #[serde(default)]
        #[schema(minimum = 1, maximum = 18_446_744_073_709_551_615usize)]
        pub timeout_s: Option<u64>,
        /// Answer with a run id at once; the work goes on without the caller.
        #[serde(default)]
        pub detach: bool,
    }
}

impl RouteRequest {
    /// The task alone.
    pub(super) fn task(self) -> Task {
        let RouteRequest { prompt, documents, privacy, residency, agent, session, max_tokens, value, .. } = self;
        Task { prompt, documents, privacy, residency, agent, session, max_tokens, value }
    }
}

/// A run that was taken in and goes on by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AcceptedRun {
    /// The run; `/runs/{run_id}` tells how it stands.
    pub run_id: RunId,
    /// The item that people decide on, if the run waits for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
}

/// A text to be cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChunkRequest {
    /// The text.
    pub text: String,
    /// Tokens of a chunk at the most; the host's own number if none is named.
    #[serde(default)]
    #[schema(minimum = 16, maximum = 4_294_967_295usize)]
    pub max_tokens: Option<u32>,
    /// Tokens that a chunk repeats of the text before it; the host's own number if none is named.
    #[serde(default)]
    #[schema(maximum = 4_294_967_295usize)]
    pub overlap_tokens: Option<u32>,
}

/// A text, cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChunkAnswer {
    /// Estimated tokens of the whole text.
    pub tokens: u64,
    /// Where it was cut; `start..end` of all, in order, is the text.
    pub chunks: Vec<Chunk>,
}

/// Answers to chunks, to be made one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Assemble {
    /// The answers, in any order.
    pub parts: Vec<Part>,
}

/// A judgement on the answer of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedbackRequest {
    /// The run.
    pub run_id: RunId,
    /// How good its answer was, from 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub quality: f64,
    /// In words, for whoever reads the record.
    #[serde(default)]
    #[schema(max_length = 4096)]
    pub comment: Option<String>,
}

/// A judgement as it stands in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FeedbackGiven {
    /// Who judged.
    pub principal: String,
    /// How good the answer was, from 0 to 1.
    pub quality: f64,
    /// In words.
    pub comment: Option<String>,
    /// The candidates that learn from it.
    pub candidates: Vec<String>,
    /// What the answer was an answer to, where that is known: whose quality is known for it learns for that alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<Capability>,
}

/// A table that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rebuilt {
    /// Version of the FIB now in force.
    pub fib: Hash,
}

/// Whether a candidate that may serve would be admitted now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AtDoor {
    /// Which candidate.
    pub candidate: String,
    /// Whether it would.
    pub admitted: bool,
    /// Until when it would not, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why not, and what would help.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
}

impl AtDoor {
    pub(super) fn of(door: &Door) -> AtDoor {
        let (candidate, words) = (door.candidate.clone(), door.words());
        AtDoor { candidate, admitted: door.refusal.is_none(), until: door.until, words }
    }
}

/// What would happen to a task, without doing it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NextHop {
    /// What the task is; none if a destination was asked about.
    pub classification: Option<Classification>,
    /// Who would serve it, and why.
    pub decision: Decision,
    /// Everybody, with what was found about them: who may serve, best first, then who may not.
    pub considered: Vec<Considered>,
    /// Whether those of the decision's ladder would be admitted now, in its order. Nothing was counted.
    #[serde(default)]
    pub doors: Vec<AtDoor>,
    /// The same in sentences.
    pub words: Vec<String>,
}

/// Why a candidate would or would not serve a destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WhyNot {
    /// Version of the table it was looked up in.
    pub fib: Hash,
    /// The destination.
    pub destination: Destination,
    /// What was found about the candidate.
    pub considered: Considered,
    /// Whether it would be admitted now, if it may serve. Nothing was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<AtDoor>,
    /// The same in sentences, with what would change it.
    pub words: Vec<String>,
}

/// The weights in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Weights {
    /// Version of the governance.
    pub governance: u64,
    /// Percent by candidate. Who is not named has its own.
    pub weights: BTreeMap<String, u32>,
}

/// A weight to set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetWeight {
    /// The candidate.
    pub candidate: String,
    /// Percent; 0 withdraws it, none goes back to its own.
    #[schema(maximum = 1000)]
    pub percent: Option<u32>,
}

/// The caps in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Caps {
    /// Version of the governance.
    pub governance: u64,
    /// Requests at a time by candidate. Who is not named has its own.
    pub caps: BTreeMap<String, u32>,
    /// Requests each candidate has in flight now.
    pub in_flight: BTreeMap<String, u32>,
}

/// A cap to set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetCap {
    /// The candidate.
    pub candidate: String,
    /// Requests at a time; none goes back to its own.
    #[schema(maximum = 4_294_967_295usize)]
    pub cap: Option<u32>,
}

/// The governance after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// Version now in force.
    pub governance: u64,
}

/// The overrides that count now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Overrides {
    /// Version of the governance.
    pub governance: u64,
    /// The overrides.
    pub overrides: Vec<Override>,
    /// The candidates that people announced and that are not gone, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub announced: BTreeMap<String, Announced>,
}

/// What a person says of a candidate that the configuration does not have. Its author is the name of the token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCandidate {
    /// Percent by which its score is multiplied; the agent's own if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1000)]
    pub weight: Option<u32>,
    /// How truthful its answers are before anybody judged, from 0 to 1; the agent's own if it is not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub quality: Option<f64>,
    /// The same for single capabilities of the agent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub qualities: BTreeMap<String, f64>,
    /// Why.
    #[schema(min_length = 1, max_length = 1024, pattern = r"\S")]
    pub reason: String,
    /// Seconds after which it is stale, and ranks behind the rest until it goes; thirty days at the most.
    #[schema(minimum = 1, maximum = 2592000)]
    pub expires_in_s: u64,
}

/// What an override does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverrideKind {
    /// Prefers a candidate over every score. Hard constraints still hold.
    Pin,
    /// Takes a candidate out of every route.
    Disable,
    /// Lets a quarantined candidate serve again, on trial.
    Release,
}

/// A decision of a person over the rules. Its author is the name of the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOverride {
    /// What it does.
    pub action: OverrideKind,
    /// The candidate.
    pub candidate: String,
    /// For which capability; only for a pin, and all if none is named.
    #[serde(default)]
    pub capability: Option<String>,
    /// Why; shown wherever the override decides something.
    #[schema(min_length = 1, pattern = r"\S")]
    pub reason: String,
    /// Seconds after which it no longer counts; thirty days at the most.
    #[schema(minimum = 1, maximum = 2592000)]
    pub expires_in_s: u64,
}

/// What an operator should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alerts {
    /// The alerts, newest first.
    pub alerts: Vec<Alert>,
}

/// Runs, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Runs {
    /// The runs, without their answers.
    pub runs: Vec<RunRow>,
    /// What to send as `after` to see the next ones; none if there are no more.
    pub next: Option<RunId>,
}

/// What a run left in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunEvents {
    /// The events, in order.
    pub events: Vec<Event>,
    /// Whether there are more than were asked for.
    pub more: bool,
}

/// The actors of the host, as they show themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TreeAnswer {
    /// Version of the program.
    pub version: String,
    /// When it was looked at.
    pub at: Timestamp,
    /// The forest; in a running host it is one tree.
    pub actors: Vec<Node>,
}

/// How it stands with the host, in one word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Liveness {
    /// `ok`, `ready`, `starting`, `draining`, or `journal_failed`.
    pub status: String,
}

/// A token to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Who it is for; the principal in records. What stands before a slash is the tenant, whose budgets, policies and
    /// regions count; without one it is the whole name.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_.@-]+(/[A-Za-z0-9_.@-]+)?$")]
    pub name: String,
    /// What it may be used for.
    #[schema(min_items = 1)]
    pub scopes: Vec<Scope>,
    /// Seconds after which it is no longer good; never if none is named.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 18_446_744_073_709_551_615usize)]
    pub expires_in_s: Option<u64>,
}

/// A token, the only time it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenMade {
    /// Who it is for.
    pub name: String,
    /// The token.
    pub token: String,
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenInfo {
    /// Who it was given to.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// From when on it is no longer good.
    pub expires: Option<Timestamp>,
}

/// The tokens that were given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenNames {
    /// Each without the token itself.
    pub tokens: Vec<TokenInfo>,
}
