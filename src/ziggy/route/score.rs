//! Scores: how good a candidate is for a typical request, on anchors that nobody's coming or going moves.

use serde::{Deserialize, Serialize};

use super::candidate::{Candidate, Origin, removal};
use super::damp::micros_between;
use super::live::LiveConfig;
use crate::types::Timestamp;
use crate::ziggy::fixed::{Millionths, between};

/// How much each part counts. Only the ratios matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreWeights {
    /// A fast answer.
    pub latency: u32,
    /// A cheap answer.
    pub cost: u32,
    /// A true answer.
    pub truthfulness: u32,
    /// An answer at all.
    pub reliability: u32,
    /// A candidate that has little to do.
    pub load: u32,
    /// A candidate of which it is known lately that it is there.
    pub freshness: u32,
}

impl ScoreWeights {
    /// All of them together.
    pub fn sum(&self) -> u64 {
        let all = [self.latency, self.cost, self.truthfulness, self.reliability, self.load, self.freshness];
        all.into_iter().map(u64::from).sum()
    }
}

/// What counts as good and as bad, whoever else is there: the operator's service levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchors {
    /// Prompt tokens of a typical request.
    pub typical_input_tokens: u32,
    /// Answer tokens of a typical request.
    pub typical_output_tokens: u32,
    /// Percent of the prompt tokens of a typical request that a provider has cached.
    pub typical_cached_percent: u32,
    /// A typical request answered within this many milliseconds has full marks.
    pub latency_good_ms: u32,
    /// One that takes this long has none.
    pub latency_bad_ms: u32,
    /// A typical request for this many micro-dollars has full marks.
    pub cost_good: u32,
    /// One for this many has none.
    pub cost_bad: u32,
    /// A candidate with this many requests in flight has full marks.
    pub load_good: u32,
    /// One with this many has none.
    pub load_bad: u32,
    /// What was found this many seconds ago has full marks.
    pub fresh_good_s: u32,
    /// What was found this many seconds ago has none.
    pub fresh_bad_s: u32,
}

/// Which latency counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latency {
    /// The recent average, in which a peak counts at once.
    Mean,
    /// About the 95th percentile.
    Tail,
}

/// How candidates are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreConfig {
    /// How much each part counts.
    pub weights: ScoreWeights,
    /// What counts as good and as bad.
    pub anchors: Anchors,
    /// Which latency counts.
    pub latency: Latency,
    /// Scores are rounded down to a multiple of this, in millionths, so that noise makes no new table.
    pub step: Millionths,
    /// Candidates this close to the best, in millionths, count as equal: requests are spread over them.
    pub equal_within: Millionths,
    /// How much better than the one in place a candidate must be to take its place, in millionths.
    pub keep_within: Millionths,
    /// Candidates that requests of one destination are spread over at the most.
    pub equal_most: u32,
    /// Requests in flight by which the candidate of a session may exceed the least loaded of its equals.
    pub load_margin: u32,
    /// Candidates on a ladder at the most: the winner and who stands in for it.
    pub ladder_most: u32,
}

/// The parts of a score, each 0 to 1 in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ScoreParts {
    /// How fast.
    pub latency: Millionths,
    /// How cheap.
    pub cost: Millionths,
    /// How true.
    pub truthfulness: Millionths,
    /// How reliable.
    pub reliability: Millionths,
    /// How little it has to do.
    pub load: Millionths,
    /// How lately it is known to be there.
    pub freshness: Millionths,
}

impl ScoreParts {
    /// The parts of a candidate, whatever it is asked for.
    pub(super) fn of(candidate: &Candidate, score: &ScoreConfig, live: &LiveConfig, now: Timestamp) -> ScoreParts {
        let anchors = &score.anchors;
        let output = u64::from(anchors.typical_output_tokens);
        let seen = &candidate.live;
        let times = match score.latency {
            Latency::Mean => (seen.first_token_us, seen.per_token_us),
            Latency::Tail => (seen.tail_first_token_us, seen.tail_per_token_us),
        };
        let (first, each) = seen.faded(times, now, live);
        // The time of a typical answer: its first token, and each that follows.
        let latency = first.saturating_add(each.saturating_mul(output.saturating_sub(1)));
        let milli = |count: u32| u64::from(count) * 1_000;
        let step = |part: Millionths| Millionths(part.0 - part.0 % score.step.0.max(1));
        ScoreParts {
            latency: step(between(latency, milli(anchors.latency_good_ms), milli(anchors.latency_bad_ms))),
            cost: between(typical_cost(candidate, anchors), u64::from(anchors.cost_good), u64::from(anchors.cost_bad)),
            truthfulness: step(candidate.quality.min(Millionths::ONE)),
            reliability: step(seen.reliability_at(now, live).min(Millionths::ONE)),
            load: step(between(u64::from(seen.in_flight), u64::from(anchors.load_good), u64::from(anchors.load_bad))),
            freshness: step(freshness(candidate, anchors, live, now)),
        }
    }

    /// The weighted mean of the parts, times the percentage.
    pub(super) fn weigh(&self, weights: &ScoreWeights, percent: u32) -> Millionths {
        // Ten times is as far as a lever reaches; the product stays far inside 32 bits.
        const MOST_PERCENT: u32 = 1_000;
        let pairs = [
            (self.latency, weights.latency),
            (self.cost, weights.cost),
            (self.truthfulness, weights.truthfulness),
            (self.reliability, weights.reliability),
            (self.load, weights.load),
            (self.freshness, weights.freshness),
        ];
        // Six products of 20 and 32 bits: below 2^55. Times a thousand still fits.
        let sum: u64 = pairs.iter().map(|(part, weight)| u64::from(part.0) * u64::from(*weight)).sum();
        let scaled = u128::from(sum) * u128::from(percent.min(MOST_PERCENT));
        let total = u128::from(weights.sum().max(1)) * 100;
        Millionths(u32::try_from(scaled / total).unwrap_or(u32::MAX))
    }
}

/// What a typical request costs, in micro-dollars: what the provider has cached at its own price.
fn typical_cost(candidate: &Candidate, anchors: &Anchors) -> u64 {
    let input = u64::from(anchors.typical_input_tokens);
    let cached = input * u64::from(anchors.typical_cached_percent.min(100)) / 100;
    let price = candidate.price;
    u64::try_from(price.charge(input, cached, u64::from(anchors.typical_output_tokens)).0).unwrap_or(0)
}

/// What stands in the config is there for sure; what was found is the surer the later.
fn freshness(candidate: &Candidate, anchors: &Anchors, live: &LiveConfig, now: Timestamp) -> Millionths {
    if candidate.origin != Origin::Discovered || removal(candidate, live).is_none() {
        return Millionths::ONE;
    }
    let last = candidate.since.max(candidate.live.updated);
    let seconds = micros_between(last, now) / 1_000_000;
    between(seconds, u64::from(anchors.fresh_good_s), u64::from(anchors.fresh_bad_s))
}
