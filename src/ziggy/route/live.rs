//! What is observed of a candidate: latencies, successes, and what its faults weigh.

use serde::{Deserialize, Serialize};

use super::damp::{Damper, micros_between};
use super::destination::Capability;
use crate::types::{Timestamp, is_default};
use crate::ziggy::fixed::{Millionths, halved};

/// What was observed of a candidate. Times are in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Live {
    /// Time to the first token: jumps up with a peak, comes down with the half-life.
    pub first_token_us: u64,
    /// Time for each token after the first, averaged the same way.
    pub per_token_us: u64,
    /// About the 95th percentile of the time to the first token.
    pub tail_first_token_us: u64,
    /// About the 95th percentile of the time for each token after the first.
    pub tail_per_token_us: u64,
    /// About the 5th percentile of the time to the first token: what slowness fades to while nothing new is seen.
    #[serde(default)]
    pub best_first_token_us: u64,
    /// The same of the time for each token after the first.
    #[serde(default)]
    pub best_per_token_us: u64,
    /// How reliably it answers: the recent share of successes.
    pub reliability: Millionths,
    /// The penalty for its own faults.
    pub dampening: Damper,
    /// Requests it had in flight when the table was last built.
    pub in_flight: u32,
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
        Live {
            first_token_us,
            per_token_us,
            tail_first_token_us: first_token_us,
            tail_per_token_us: per_token_us,
            best_first_token_us: first_token_us,
            best_per_token_us: per_token_us,
            reliability: Millionths::ONE,
            updated: at,
            ..Live::default()
        }
    }

    /// What its times count as: what they have above its best halves with each half-life in which nothing was seen, since
    /// one who gets no work for its slowness could otherwise never show that it is quick again; in steps, as below.
    pub(super) fn faded(&self, times: (u64, u64), now: Timestamp, config: &LiveConfig) -> (u64, u64) {
        let half_life = (u64::from(config.latency_half_life_s) * 1_000_000).max(1);
        let halvings = u32::try_from(micros_between(self.updated, now) / half_life).unwrap_or(u32::MAX);
        let fade = |time: u64, best: u64| {
            let above = time.saturating_sub(best);
            time - above + above.checked_shr(halvings).unwrap_or(0)
        };
        (fade(times.0, self.best_first_token_us), fade(times.1, self.best_per_token_us))
    }

    /// The recent share of successes. What it lacks halves with each half-life of the penalty, since one who gets no work
    /// for its failures could otherwise never show that it works again; in steps, so that time alone makes few tables.
    pub(super) fn reliability_at(&self, now: Timestamp, config: &LiveConfig) -> Millionths {
        let lacks = Millionths::ONE.0.saturating_sub(self.reliability.0);
        let half_life = (u64::from(config.penalty_half_life_s) * 1_000_000).max(1);
        let halvings = u32::try_from(micros_between(self.updated, now) / half_life).unwrap_or(u32::MAX);
        Millionths(Millionths::ONE.0 - lacks.checked_shr(halvings).unwrap_or(0))
    }

    /// Learns from one answer. True if it was so slow that it is another regime.
    pub(super) fn learn(&mut self, feedback: &Feedback, config: &LiveConfig, now: Timestamp) -> bool {
        let elapsed = micros_between(self.updated, now);
        let half_life = u64::from(config.latency_half_life_s) * 1_000_000;
        let (tried, regime) = (self.samples > 0, self.is_another_regime(feedback, config));
        if let Some(seen) = feedback.first_token_us {
            self.first_token_us = if tried { peak(self.first_token_us, seen, elapsed, half_life) } else { seen };
            // One change of regime is one: what was unheard of is the measure from then on.
            let known = tried && !regime;
            self.tail_first_token_us = if known { tail(self.tail_first_token_us, seen) } else { seen };
            self.best_first_token_us = if tried { best(self.best_first_token_us, seen) } else { seen };
        }
        if let Some(seen) = feedback.per_token_us {
            self.per_token_us = if tried { peak(self.per_token_us, seen, elapsed, half_life) } else { seen };
            self.tail_per_token_us = if tried { tail(self.tail_per_token_us, seen) } else { seen };
            self.best_per_token_us = if tried { best(self.best_per_token_us, seen) } else { seen };
        }
        let outcome = if feedback.ok { Millionths::ONE } else { Millionths::ZERO };
        self.reliability = moved(self.reliability_at(now, config), outcome, config.memory);
        self.failures_in_a_row = if feedback.ok { 0 } else { self.failures_in_a_row.saturating_add(1) };
        self.samples = self.samples.saturating_add(1);
        self.tokens = self.tokens.saturating_add(feedback.tokens);
        self.updated = self.updated.max(now);
        regime
    }

    /// Whether a first token came so much later than nearly all before it that something has changed: a prompt that was
    /// longer than others is inside the tail, once enough were seen.
    fn is_another_regime(&self, feedback: &Feedback, config: &LiveConfig) -> bool {
        let Some(seen) = feedback.first_token_us.filter(|_| self.samples >= u64::from(config.memory)) else {
            return false;
        };
        let limit = u128::from(self.tail_first_token_us) * u128::from(config.regime_percent) / 100;
        u128::from(seen) >= limit && seen >= u64::from(config.regime_least_ms) * 1_000
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
    /// Penalty added when a provider says that it was asked too often.
    pub limited_penalty: u32,
    /// Penalty added when a candidate is suddenly slow.
    pub regime_penalty: u32,
    /// Percent of the tail of its latency from which on a first token counts as sudden slowness.
    pub regime_percent: u32,
    /// A first token within so many milliseconds is never too slow, whatever came before.
    pub regime_least_ms: u32,
    /// Half-life of the penalty, in seconds.
    pub penalty_half_life_s: u32,
    /// Penalty from which on a candidate gets no work.
    pub suppress: u32,
    /// Penalty below which it gets work again.
    pub reuse: u32,
    /// The most a penalty can grow to, which bounds how long a candidate stays out.
    pub ceiling: u32,
    /// Seconds that a row stays in the table, stale, after it has expired.
    pub stale_s: u32,
}

/// What failed, if something did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The candidate itself.
    #[default]
    Own,
    /// The runtime under it, so everybody on that runtime.
    Runtime,
    /// Nothing: the provider says that it was asked too often. It counts for everybody on the runtime.
    Limited,
}

/// What one answer taught about its candidate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Feedback {
    /// Who served.
    pub candidate: String,
    /// Whether it served.
    pub ok: bool,
    /// What failed, if it did not.
    #[serde(default)]
    pub fault: Fault,
    /// Time to the first token, if one came.
    pub first_token_us: Option<u64>,
    /// Time for each token after the first, if there were any.
    pub per_token_us: Option<u64>,
    /// Tokens served.
    pub tokens: u64,
    /// How good the answer was, if anybody judged.
    pub quality: Option<Millionths>,
    /// What the judged answer was an answer to, if that is known.
    #[serde(default)]
    pub capability: Option<Capability>,
    /// Whether it is somebody's word about an answer that was counted when it was given, so that only its quality counts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub afterwards: bool,
}

impl Feedback {
    /// What somebody says of an answer after it was given.
    pub fn judged(candidate: &str, quality: Millionths, capability: Option<Capability>) -> Feedback {
        Feedback {
            candidate: candidate.to_owned(),
            ok: true,
            quality: Some(quality),
            capability,
            afterwards: true,
            ..Feedback::default()
        }
    }
}

/// Peak-EWMA (Finagle; `tower::load::PeakEwma`): a slower answer counts at once, a faster one only as fast as the old
/// value fades.
fn peak(average: u64, seen: u64, elapsed: u64, half_life: u64) -> u64 {
    if seen >= average { seen } else { seen + halved(average - seen, elapsed, half_life) }
}

/// A quantile that follows what it sees: nineteen steps up for one above it, one step down for one below, so that it
/// rests where one in twenty is above. A step is a 160th, about half a percent.
fn tail(estimate: u64, seen: u64) -> u64 {
    let step = (estimate / 160).max(1);
    if seen > estimate { estimate.saturating_add(19 * step) } else { seen.max(estimate.saturating_sub(step)) }
}

/// The same at the other end: one in twenty is below.
fn best(estimate: u64, seen: u64) -> u64 {
    let step = (estimate / 160).max(1);
    if seen < estimate { estimate.saturating_sub(19 * step).max(seen) } else { seen.min(estimate.saturating_add(step)) }
}

/// An average that moves one `memory`-th of the way to what was seen, rounded towards it so that it can arrive.
pub(super) fn moved(average: Millionths, seen: Millionths, memory: u32) -> Millionths {
    let step = average.0.abs_diff(seen.0).div_ceil(memory.max(1));
    if seen.0 >= average.0 { Millionths(average.0 + step) } else { Millionths(average.0 - step) }
}
