//! Candidates and the RIB: everything that could serve, with what is known and observed of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::{Price, Timestamp, TrustTier};
use crate::ziggy::fixed::{Millionths, halved};

/// What a task needs and an agent offers; the word that routes are keyed by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Capability(pub String);

impl Capability {
    /// The capability that stands in for every other one that nobody offers.
    pub const GENERAL: &'static str = "general";

    /// The capability of this name.
    pub fn new(name: &str) -> Capability {
        Capability(name.to_owned())
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a candidate came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It stands in the config.
    Config,
    /// A program that embeds the host added it.
    Code,
    /// Research found it.
    Discovered,
}

/// Whether a candidate can work, as its runtime and agent report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "health", rename_all = "snake_case")]
#[schema(as = CandidateHealth)]
pub enum Health {
    /// It can.
    Healthy,
    /// It cannot.
    Unhealthy {
        /// Why, for the operator.
        reason: String,
    },
}

/// What was observed of a candidate. Times are in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Live {
    /// Time to the first token: jumps up with a peak, comes down with the half-life.
    pub first_token_us: u64,
    /// Time for each token after the first, averaged the same way.
    pub per_token_us: u64,
    /// How reliably it answers: the recent share of successes.
    pub reliability: Millionths,
    /// Penalty for failures at `updated`, halving with time.
    pub penalty: u64,
    /// Whether the penalty reached the suppress limit and has not yet come down to the reuse limit.
    pub suppressed: bool,
    /// Answers observed.
    pub samples: u64,
    /// Failures since the last success.
    pub failures_in_a_row: u32,
    /// Tokens served.
    pub tokens: u64,
    /// When it was last observed.
    pub updated: Timestamp,
}

impl Live {
    /// What is assumed of a candidate nobody has tried: the operator's guess of its speed, and no failures.
    pub fn assumed(first_token_us: u64, per_token_us: u64, at: Timestamp) -> Live {
        Live { first_token_us, per_token_us, reliability: Millionths::ONE, updated: at, ..Live::default() }
    }

    /// The penalty that is left at this time.
    pub fn penalty_at(&self, now: Timestamp, config: &LiveConfig) -> u64 {
        halved(self.penalty, micros_between(self.updated, now), seconds(config.penalty_half_life_s))
    }

    /// Whether the candidate is dampened at this time: suppressed once, and not yet forgiven.
    pub fn dampened_at(&self, now: Timestamp, config: &LiveConfig) -> bool {
        self.suppressed && self.penalty_at(now, config) >= u64::from(config.reuse)
    }
}

/// How observations are averaged and failures forgiven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveConfig {
    /// Half-life of latencies, in seconds: how long a peak is held against a candidate.
    pub latency_half_life_s: u32,
    /// How many answers the recent share of successes and the quality look back.
    pub memory: u32,
    /// Penalty added by a failure.
    pub failure_penalty: u32,
    /// Half-life of the penalty, in seconds.
    pub penalty_half_life_s: u32,
    /// Penalty from which on a candidate gets no work.
    pub suppress: u32,
    /// Penalty below which it gets work again.
    pub reuse: u32,
    /// The most a penalty can grow to, which bounds how long a candidate stays out.
    pub ceiling: u32,
}

/// A way to serve tasks: an agent on a runtime.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Candidate {
    /// Unique and stable, such as `marvin@smollm2`.
    pub id: String,
    /// The agent that does the work.
    pub agent: String,
    /// The inference runtime under it.
    pub runtime: String,
    /// What it offers.
    pub capabilities: Vec<Capability>,
    /// How far the place it runs in is trusted.
    pub tier: TrustTier,
    /// What its tokens cost.
    pub price: Price,
    /// Tokens it can hold, prompt and answer together.
    pub context_tokens: u32,
    /// How truthful its answers are: a prior, moved by feedback.
    pub quality: Millionths,
    /// What was observed of it.
    pub live: Live,
    /// How it came to be known.
    pub origin: Origin,
    /// Percent by which its score is multiplied; 100 changes nothing, zero withdraws it.
    pub weight: u32,
    /// The most requests it may have in flight.
    pub cap: Option<u32>,
    /// Whether the config lets it serve.
    pub enabled: bool,
    /// Whether it can work.
    pub health: Health,
    /// Why it is quarantined, if it is.
    pub quarantined: Option<String>,
}

/// What one answer taught about its candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// Who served.
    pub candidate: String,
    /// Whether it served.
    pub ok: bool,
    /// Time to the first token, if one came.
    pub first_token_us: Option<u64>,
    /// Time for each token after the first, if there were any.
    pub per_token_us: Option<u64>,
    /// Tokens served.
    pub tokens: u64,
    /// How good the answer was, if anybody judged.
    pub quality: Option<Millionths>,
}

/// All candidates with all that is known of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Rib {
    /// By id.
    pub candidates: BTreeMap<String, Candidate>,
    /// Grows by one with each change.
    pub version: u64,
}

impl Rib {
    /// Adds a candidate or replaces the one of the same id. What was observed of that one stays.
    pub fn put(&mut self, mut candidate: Candidate) {
        if let Some(known) = self.candidates.get(&candidate.id).filter(|known| known.live.samples > 0) {
            candidate.live = known.live;
            candidate.quality = known.quality;
        }
        self.candidates.insert(candidate.id.clone(), candidate);
        self.version += 1;
    }

    /// Forgets a candidate.
    pub fn remove(&mut self, id: &str) -> Option<Candidate> {
        let removed = self.candidates.remove(id);
        self.version += u64::from(removed.is_some());
        removed
    }

    /// Records the health of every candidate on a runtime. Says whether anything changed.
    pub fn runtime_health(&mut self, runtime: &str, health: &Health) -> bool {
        let mut changed = false;
        for candidate in self.candidates.values_mut().filter(|candidate| candidate.runtime == runtime) {
            changed |= candidate.health != *health;
            candidate.health = health.clone();
        }
        self.version += u64::from(changed);
        changed
    }

    /// Learns from one answer. Says whether the candidate is known.
    pub fn observe(&mut self, feedback: &Feedback, config: &LiveConfig, now: Timestamp) -> bool {
        let Some(candidate) = self.candidates.get_mut(&feedback.candidate) else { return false };
        let penalty = candidate.live.penalty_at(now, config);
        let live = &mut candidate.live;
        let elapsed = micros_between(live.updated, now);
        let half_life = seconds(config.latency_half_life_s);
        let tried = live.samples > 0;
        if let Some(seen) = feedback.first_token_us {
            live.first_token_us = if tried { peak(live.first_token_us, seen, elapsed, half_life) } else { seen };
        }
        if let Some(seen) = feedback.per_token_us {
            live.per_token_us = if tried { peak(live.per_token_us, seen, elapsed, half_life) } else { seen };
        }
        let outcome = if feedback.ok { Millionths::ONE } else { Millionths::ZERO };
        live.reliability = moved(live.reliability, outcome, config.memory);
        live.failures_in_a_row = if feedback.ok { 0 } else { live.failures_in_a_row.saturating_add(1) };
        let added = if feedback.ok { 0 } else { u64::from(config.failure_penalty) };
        live.penalty = (penalty + added).min(u64::from(config.ceiling));
        live.suppressed =
            live.penalty >= u64::from(config.suppress) || live.suppressed && live.penalty >= u64::from(config.reuse);
        live.samples = live.samples.saturating_add(1);
        live.tokens = live.tokens.saturating_add(feedback.tokens);
        live.updated = live.updated.max(now);
        if let Some(seen) = feedback.quality {
            candidate.quality = moved(candidate.quality, seen, config.memory);
        }
        self.version += 1;
        true
    }
}

/// Peak-EWMA: a slower answer counts at once, a faster one only as fast as the old value fades.
fn peak(average: u64, seen: u64, elapsed: u64, half_life: u64) -> u64 {
    if seen >= average { seen } else { seen + halved(average - seen, elapsed, half_life) }
}

/// An average that moves one `memory`-th of the way to what was seen, rounded towards it so that it can arrive.
fn moved(average: Millionths, seen: Millionths, memory: u32) -> Millionths {
    let step = average.0.abs_diff(seen.0).div_ceil(memory.max(1));
    if seen.0 >= average.0 { Millionths(average.0 + step) } else { Millionths(average.0 - step) }
}

fn micros_between(earlier: Timestamp, later: Timestamp) -> u64 {
    u64::try_from(later.0.saturating_sub(earlier.0)).unwrap_or(0)
}

fn seconds(count: u32) -> u64 {
    u64::from(count) * 1_000_000
}
