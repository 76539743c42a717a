//! Trying again: how often a provider may be bothered, and how long to wait before.

use serde::{Deserialize, Serialize};

/// When something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryConfig {
    /// Times one candidate is asked for one piece of work at the most, the first time included.
    pub attempts: u32,
    /// Tokens a provider's budget holds at the most, and at the start. Nothing is tried again at half of it or less.
    pub tokens: u32,
    /// Thousandths of a token that an answer brings back; a failure costs a whole one.
    pub token_per_answer: u32,
    /// Milliseconds to wait before the second attempt, at the most; doubled for each further one.
    pub first_ms: u64,
    /// Milliseconds to wait at the most.
    pub most_ms: u64,
}

/// What is left of a provider's budget for trying again and for hedging, in thousandths of a token.
///
/// From gRFC A6 of gRPC: a failure takes one token, an answer brings a tenth, and at half or less nothing is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryBudget {
    left: u64,
}

impl RetryBudget {
    /// A full one.
    pub fn full(config: &RetryConfig) -> RetryBudget {
        RetryBudget { left: u64::from(config.tokens) * 1_000 }
    }

    /// Whether anything may be sent beyond the first attempt.
    pub fn allows(&self, config: &RetryConfig) -> bool {
        self.left * 2 > u64::from(config.tokens) * 1_000
    }

    /// Thousandths left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// A request failed.
    pub fn failed(&mut self) {
        self.left = self.left.saturating_sub(1_000);
    }

    /// A request was sent beside another, before anybody knew whether that would fail.
    pub fn hedged(&mut self) {
        self.failed();
    }

    /// A request was answered.
    pub fn answered(&mut self, config: &RetryConfig) {
        let most = u64::from(config.tokens) * 1_000;
        self.left = (self.left + u64::from(config.token_per_answer)).min(most);
    }
}

/// How long to wait before an attempt, in microseconds: anything from nothing to a bound that doubles, by chance.
///
/// "Full jitter" of Brooker's "Exponential Backoff and Jitter": of all ways it makes a crowd that failed together come
/// back the least together. `attempt` counts from 1, the attempt that failed last.
pub fn full_jitter(config: &RetryConfig, attempt: u32, chance: u64) -> u64 {
    let doubled = config.first_ms.saturating_mul(1_u64 << attempt.saturating_sub(1).min(40));
    let bound = doubled.min(config.most_ms).saturating_mul(1_000);
    u64::try_from((u128::from(chance) * (u128::from(bound) + 1)) >> 64).unwrap_or(bound)
}
