//! How many a minute: the operator's own rates, and what the provider says is left.
//!
//! The rates are GCRA (ITU-T I.371, as a virtual scheduling algorithm): one time, that of the next conforming arrival,
//! stands for a leaky bucket. What the provider says replaces nothing of that; a request has to pass both.

use serde::{Deserialize, Serialize};

use super::{Unit, since};
use crate::types::Timestamp;

/// A rate the operator sets for a runtime or a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Requests a minute; 0 is no limit.
    pub requests_per_minute: u32,
    /// Tokens a minute, prompt and answer together; 0 is no limit.
    pub tokens_per_minute: u32,
    /// Seconds of the rate that may be used at once.
    pub burst_s: u32,
}

/// One rate: when the next arrival conforms, in nanoseconds, since a fast rate has less than a microsecond a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Gcra {
    next: u64,
}

/// A minute in nanoseconds.
const MINUTE: u64 = 60_000_000_000;

impl Gcra {
    /// How long, in microseconds, until this much conforms; 0 if it does now. More than a burst counts as a burst, since
    /// it would never conform.
    pub fn wait(&self, per_minute: u32, burst_s: u32, cost: u64, now: Timestamp) -> u64 {
        if per_minute == 0 {
            return 0;
        }
        let (interval, burst) = shape(per_minute, burst_s);
        let now = nanos(now);
        let end = self.next.max(now).saturating_add(interval.saturating_mul(cost.min(burst)));
        end.saturating_sub(now.saturating_add(interval.saturating_mul(burst))).div_ceil(1_000)
    }

    /// Counts an arrival.
    pub fn take(&mut self, per_minute: u32, cost: u64, now: Timestamp) {
        if per_minute > 0 {
            let interval = MINUTE / u64::from(per_minute);
            self.next = self.next.max(nanos(now)).saturating_add(interval.saturating_mul(cost));
        }
    }

    /// Takes back what was counted and not used.
    pub fn give_back(&mut self, per_minute: u32, cost: u64) {
        if per_minute > 0 {
            self.next = self.next.saturating_sub((MINUTE / u64::from(per_minute)).saturating_mul(cost));
        }
    }
}

fn shape(per_minute: u32, burst_s: u32) -> (u64, u64) {
    let burst = u64::from(per_minute) * u64::from(burst_s) / 60;
    (MINUTE / u64::from(per_minute), burst.max(1))
}

fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.0).unwrap_or(0).saturating_mul(1_000)
}

/// What a provider said about its own limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// How many are left.
    pub remaining: u64,
    /// Microseconds until it counts anew.
    pub resets_us: u64,
}

/// What is left of a provider's allowance until it counts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Window {
    left: u64,
    until: Timestamp,
}

impl Window {
    /// Believes the provider. What is on its way may not have been counted by it yet, so it is taken off.
    pub fn heard(&mut self, said: Allowance, on_the_way: u64, now: Timestamp) {
        let until = now.0.saturating_add(i64::try_from(said.resets_us).unwrap_or(i64::MAX));
        *self = Window { left: said.remaining.saturating_sub(on_the_way), until: Timestamp(until) };
    }

    /// What stands against this much now: how many are left, and for how many microseconds.
    pub fn against(&self, cost: u64, now: Timestamp) -> Option<(u64, u64)> {
        (now < self.until && self.left < cost).then(|| (self.left, since(now, self.until)))
    }

    /// Counts what is sent.
    pub fn take(&mut self, cost: u64) {
        self.left = self.left.saturating_sub(cost);
    }

    /// Takes back what was counted and not sent.
    pub fn give_back(&mut self, cost: u64) {
        self.left = self.left.saturating_add(cost);
    }
}

/// Rates of requests and of tokens together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Metered {
    requests: Gcra,
    tokens: Gcra,
}

impl Metered {
    /// The rate that stands against a request of so many tokens, and for how long.
    pub(super) fn against(&self, rates: &Rates, tokens: u64, now: Timestamp) -> Option<(Unit, u32, u64)> {
        let wait = self.requests.wait(rates.requests_per_minute, rates.burst_s, 1, now);
        if wait > 0 {
            return Some((Unit::Requests, rates.requests_per_minute, wait));
        }
        let wait = self.tokens.wait(rates.tokens_per_minute, rates.burst_s, tokens, now);
        (wait > 0).then_some((Unit::Tokens, rates.tokens_per_minute, wait))
    }

    pub(super) fn take(&mut self, rates: &Rates, tokens: u64, now: Timestamp) {
        self.requests.take(rates.requests_per_minute, 1, now);
        self.tokens.take(rates.tokens_per_minute, tokens, now);
    }

    /// Takes back a whole request that was not sent.
    pub(super) fn undo(&mut self, rates: &Rates, tokens: u64) {
        self.requests.give_back(rates.requests_per_minute, 1);
        self.give_back(rates, tokens);
    }

    pub(super) fn give_back(&mut self, rates: &Rates, tokens: u64) {
        self.tokens.give_back(rates.tokens_per_minute, tokens);
    }
}
