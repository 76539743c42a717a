//! Limits: whether a candidate may be sent one more request now, learned from what became of the others.
//!
//! What it is for: five limiters that are asked as one: a circuit, what the provider itself said, rates, a throttle and a
//! limit on concurrency; beside them the budget for trying again.
//! What it owns: the shapes and the arithmetic. CROWN keeps one [`Candidate`], one [`Provider`] and one [`RetryBudget`] under a lock
//!   each.
//! What it never does: read a clock or chance. Time is microseconds since whatever the caller counts from, as long as it
//! never goes back; chance comes with the question.
//!
//! Invariants:
//! - LI1: a refusal changes nothing: what was not sent is counted nowhere.
//! - LI2: whatever was sent and then settled has left no place, no token and no trial behind.
//! - LI3: a rate admits at most its burst and what the time brings, in every stretch of time.
//! - LI4: an open circuit lets nothing through before its time, and then one at a time; but for what has nowhere else
//!   to go.
//! - LI5: the limit on concurrency stays between its least and its most, and never more are in flight than it said when
//!   the last one was sent.
//! - LI6: within a provider's pause or spent allowance nothing is sent to it, by no candidate.
//! - LI7: what is tried again stops while half of what was sent lately failed, and not before some of it did.

mod circuit;
mod concurrency;
mod rate;
mod recent;
mod retry;
mod throttle;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::types::Timestamp;

pub use circuit::{Circuit, CircuitConfig};
pub use concurrency::{Algorithm, Concurrency, ConcurrencyConfig};
pub use rate::{Allowance, Gcra, Rates, Window};
pub use recent::Recent;
pub use retry::{RetryBudget, RetryConfig, full_jitter};
pub use throttle::{Throttle, ThrottleConfig};

/// How candidates are limited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Requests at a time.
    pub concurrency: ConcurrencyConfig,
    /// When a failing candidate is left alone.
    pub circuit: CircuitConfig,
    /// When a refusing one is asked less.
    pub throttle: ThrottleConfig,
    /// When something is tried again.
    pub retry: RetryConfig,
    /// Milliseconds nothing is sent to a provider that refuses for overload and does not say how long.
    pub pause_ms: u64,
    /// Rates by runtime or candidate; a request has to pass both.
    pub rates: BTreeMap<String, Rates>,
}

impl Config {
    /// No limit at all, and nothing is tried again: what holds until a host says otherwise.
    pub fn unlimited() -> Config {
        Config {
            concurrency: ConcurrencyConfig { algorithm: Algorithm::Fixed, initial: u32::MAX, least: 1, most: u32::MAX },
            circuit: CircuitConfig { failures: 0, open_ms: 0, open_most_ms: 0, forget_ms: 0 },
            throttle: ThrottleConfig { requests_per_accept: 0, window_s: 120, least: u32::MAX },
            retry: RetryConfig { attempts: 1, tokens: 0, token_per_answer: 0, first_ms: 0, most_ms: 0 },
            pause_ms: 0,
            rates: BTreeMap::new(),
        }
    }

    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(String, String)> {
        let (concurrency, retry) = (&self.concurrency, &self.retry);
        let checks = [
            (concurrency.least == 0, "concurrency.least", "at least 1".to_owned()),
            (
                concurrency.most < concurrency.least,
                "concurrency.most",
                format!("at least concurrency.least, which is {}", concurrency.least),
            ),
            (
                !(concurrency.least..=concurrency.most).contains(&concurrency.initial),
                "concurrency.initial",
                format!("from {} to {}", concurrency.least, concurrency.most),
            ),
            (retry.attempts == 0, "retry.attempts", "at least 1".to_owned()),
            (self.throttle.window_s == 0, "throttle.window_s", "at least 1".to_owned()),
        ];
        let wrong = checks.into_iter().filter(|(wrong, ..)| *wrong);
        wrong.map(|(_, key, expected)| (key.to_owned(), expected)).collect()
    }

    /// The rates under this name; none if nothing is said of it.
    pub fn rates_of(&self, name: &str) -> Rates {
        self.rates.get(name).copied().unwrap_or_default()
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Requests.
    Requests,
    /// Tokens, prompt and answer together.
    Tokens,
}

impl Unit {
    /// The word used in explanations.
    pub fn word(self) -> &'static str {
        match self {
            Unit::Requests => "requests",
            Unit::Tokens => "tokens",
        }
    }
}

/// Which limiter refused, by which numbers, and when it is worth asking again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "limiter", rename_all = "snake_case")]
pub enum Refused {
    /// It failed several times in a row.
    Circuit {
        /// Microseconds until a trial; none while one is under way.
        again_us: Option<u64>,
    },
    /// The provider asked to wait.
    Paused {
        /// For so many microseconds more.
        again_us: u64,
    },
    /// The provider said that no more are left.
    Allowance {
        /// Of what.
        unit: Unit,
        /// How many are.
        left: u64,
        /// How many it takes.
        needed: u64,
        /// Microseconds until it counts anew.
        again_us: u64,
    },
    /// The operator's rate is used up.
    Rate {
        /// Of what.
        unit: Unit,
        /// The rate.
        per_minute: u32,
        /// Microseconds until there is enough of it.
        again_us: u64,
    },
    /// It refused too many lately, and chance said no.
    Throttle {
        /// Requests sent to it lately.
        sent: u64,
        /// Of which it accepted so many.
        accepted: u64,
        /// Microseconds after which to draw again.
        again_us: u64,
    },
    /// As many as it can answer in time are in flight.
    Concurrency {
        /// How many are.
        in_flight: u32,
        /// How many may be, for now.
        limit: u32,
    },
}

impl Refused {
    /// Microseconds until asking again is worth it; none if that depends on another request's end.
    pub fn again_us(&self) -> Option<u64> {
        match self {
            Refused::Circuit { again_us } => *again_us,
            Refused::Paused { again_us }
            | Refused::Allowance { again_us, .. }
            | Refused::Rate { again_us, .. }
            | Refused::Throttle { again_us, .. } => Some(*again_us),
            Refused::Concurrency { .. } => None,
        }
    }

    /// What stood in the way and what would help, as the end of a sentence.
    pub fn words(&self) -> String {
        let after = |micros: u64| format!("{}.{:03} s", micros / 1_000_000, micros / 1_000 % 1_000);
        match self {
            Refused::Circuit { again_us: Some(again) } => {
                format!("it failed several times in a row; a trial is due in {}.", after(*again))
            }
            Refused::Circuit { again_us: None } => {
                "it failed several times in a row, and the one that tries whether it is back is under way.".to_owned()
            }
            Refused::Paused { again_us } => format!("its provider asked to wait {} more.", after(*again_us)),
            Refused::Allowance { unit, left, needed, again_us } => format!(
                "its provider has {left} {} left and this takes {needed}; it counts anew in {}.",
                unit.word(),
                after(*again_us)
            ),
            Refused::Rate { unit, per_minute, again_us } => format!(
                "its rate of {per_minute} {} a minute is used up; there is room in {}, or with a higher rate in \
                 limit.rates.",
                unit.word(),
                after(*again_us)
            ),
            Refused::Throttle { sent, accepted, .. } => {
                format!("it accepted only {accepted} of the last {sent} requests, so it is asked less.")
            }
            Refused::Concurrency { in_flight, limit } => format!(
                "{in_flight} requests are in flight, and it answers {limit} at a time before they slow each other \
                 down; wait for one to end."
            ),
        }
    }
}

/// One question: may this be sent now?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Tokens it may take, prompt and answer together.
    pub tokens: u64,
    /// Chance, for the throttle: 64 random bits.
    pub chance: u64,
    /// Whether nobody else can serve it. An open circuit protects the rest from waiting, and then there is no rest.
    pub last_resort: bool,
}

/// What was sent, to be settled once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Requests in flight to the candidate, this one included.
    pub in_flight: u32,
    /// Tokens counted for it.
    pub tokens: u64,
    /// Whether it is the trial of an open circuit.
    pub trial: bool,
    /// Whether it went through an open circuit as a last resort.
    pub last_resort: bool,
}

/// What became of a request, as far as limits care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It was answered.
    Answered {
        /// Microseconds to the first token, or to the answer if there was none. An answer's length says nothing of load.
        latency_us: u64,
        /// Tokens it took.
        tokens: u64,
    },
    /// It failed in a way that speaks against the candidate.
    Failed,
    /// It was refused because there is too much of them.
    Overloaded,
    /// It was not answered before its caller's own deadline, which may have been too short.
    Late,
    /// Nobody knows, since nobody waited or the request itself was wrong.
    Unknown,
    /// It was not sent after all, so it counts for nothing.
    NotSent,
}

impl Verdict {
    /// What it means for the budget of whoever was asked.
    pub fn spend(self, budget: &mut RetryBudget, config: &RetryConfig) {
        match self {
            Verdict::Answered { .. } => budget.answered(config),
            Verdict::Failed | Verdict::Overloaded => budget.failed(),
            Verdict::Late | Verdict::Unknown | Verdict::NotSent => {}
        }
    }
}

/// What a provider said about itself in an answer or a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Heard {
    /// Microseconds it asked to wait.
    pub wait_us: Option<u64>,
    /// Requests it still takes.
    pub requests: Option<Allowance>,
    /// Tokens it still takes.
    pub tokens: Option<Allowance>,
}

/// What is known of a model at a provider, whichever candidate asked it: its key is the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    paused_until: Timestamp,
    requests: Window,
    tokens: Window,
    metered: rate::Metered,
    requests_on_the_way: u64,
    tokens_on_the_way: u64,
}

impl Provider {
    /// Believes what it said. The request it said so to was counted by it; the others on their way may not have been.
    pub fn heard(&mut self, said: &Heard, now: Timestamp) {
        let others = self.requests_on_the_way.saturating_sub(1);
        let their_tokens = self.tokens_on_the_way / self.requests_on_the_way.max(1) * others;
        if let Some(wait) = said.wait_us {
            let until = Timestamp(now.0.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX)));
            self.paused_until = self.paused_until.max(until);
        }
        if let Some(requests) = said.requests {
            self.requests.heard(requests, others, now);
        }
        if let Some(tokens) = said.tokens {
            self.tokens.heard(tokens, their_tokens, now);
        }
    }

    fn against(&self, rates: &Rates, tokens: u64, now: Timestamp) -> Option<Refused> {
        if now < self.paused_until {
            return Some(Refused::Paused { again_us: since(now, self.paused_until) });
        }
        if let Some((left, again_us)) = self.requests.against(1, now) {
            return Some(Refused::Allowance { unit: Unit::Requests, left, needed: 1, again_us });
        }
        if let Some((left, again_us)) = self.tokens.against(tokens, now) {
            return Some(Refused::Allowance { unit: Unit::Tokens, left, needed: tokens, again_us });
        }
        let (unit, per_minute, again_us) = self.metered.against(rates, tokens, now)?;
        Some(Refused::Rate { unit, per_minute, again_us })
    }

    fn sent(&mut self, rates: &Rates, tokens: u64, now: Timestamp) {
        self.requests.take(1);
        self.tokens.take(tokens);
        self.metered.take(rates, tokens, now);
        self.requests_on_the_way += 1;
        self.tokens_on_the_way = self.tokens_on_the_way.saturating_add(tokens);
    }
}

/// What is known of a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    in_flight: u32,
    circuit: Circuit,
    throttle: Throttle,
    concurrency: Concurrency,
    metered: rate::Metered,
    recent: Recent,
}

/// How long until chance is asked again: long enough that a queue does not draw until it wins.
const DRAW_AGAIN_US: u64 = 1_000_000;

impl Candidate {
    /// One nobody has asked yet.
    pub fn new(config: &Config) -> Candidate {
        Candidate {
            in_flight: 0,
            circuit: Circuit::default(),
            throttle: Throttle::default(),
            concurrency: Concurrency::new(&config.concurrency),
            metered: rate::Metered::default(),
            recent: Recent::default(),
        }
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Requests at a time, for now.
    pub fn limit(&self) -> u32 {
        self.concurrency.limit()
    }

    /// The latency that 95 of 100 answers stay under, in microseconds, once there were enough of them.
    pub fn p95_us(&self) -> Option<u64> {
        self.recent.p95_us()
    }

    /// What stands against a request: every limiter is asked, and nothing counted. The candidate's rates, then its
    /// provider's.
    pub fn against(
        &self,
        provider: &Provider,
        config: &Config,
        rates: (&Rates, &Rates),
        ask: Ask,
        now: Timestamp,
    ) -> Option<Refused> {
        let open = self.circuit.against(now);
        if let Some(again_us) = open.filter(|_| !ask.last_resort) {
            return Some(Refused::Circuit { again_us });
        }
        if let Some(refused) = provider.against(rates.1, ask.tokens, now) {
            return Some(refused);
        }
        if let Some((unit, per_minute, again_us)) = self.metered.against(rates.0, ask.tokens, now) {
            return Some(Refused::Rate { unit, per_minute, again_us });
        }
        let limit = self.concurrency.limit();
        if self.in_flight >= limit {
            return Some(Refused::Concurrency { in_flight: self.in_flight, limit });
        }
        // The share of all 64-bit numbers that lies below, in millionths.
        let drawn = u32::try_from((u128::from(ask.chance) * 1_000_000) >> 64).unwrap_or(u32::MAX);
        if drawn < self.throttle.probability(&config.throttle, self.in_flight, now).0 {
            let (sent, accepted) = self.throttle.counts(&config.throttle, now);
            let sent = sent.saturating_sub(u64::from(self.in_flight));
            return Some(Refused::Throttle { sent, accepted, again_us: DRAW_AGAIN_US });
        }
        None
    }

    /// LI1: asks every limiter, and counts only if none refuses.
    pub fn send(
        &mut self,
        provider: &mut Provider,
        config: &Config,
        rates: (&Rates, &Rates),
        ask: Ask,
        now: Timestamp,
    ) -> Result<Sent, Refused> {
        if let Some(refused) = self.against(provider, config, rates, ask, now) {
            return Err(refused);
        }
        let open = self.circuit.against(now);
        let trial = self.circuit.sent(now);
        provider.sent(rates.1, ask.tokens, now);
        self.metered.take(rates.0, ask.tokens, now);
        self.throttle.sent(&config.throttle, now);
        self.in_flight += 1;
        Ok(Sent { in_flight: self.in_flight, tokens: ask.tokens, trial, last_resort: open.is_some() })
    }

    /// LI2: gives back what a request held, and learns from what became of it.
    pub fn settle(
        &mut self,
        provider: &mut Provider,
        config: &Config,
        rates: (&Rates, &Rates),
        settled: (Sent, Verdict),
        now: Timestamp,
    ) {
        let (sent, verdict) = settled;
        self.in_flight = self.in_flight.saturating_sub(1);
        provider.requests_on_the_way = provider.requests_on_the_way.saturating_sub(1);
        provider.tokens_on_the_way = provider.tokens_on_the_way.saturating_sub(sent.tokens);
        match verdict {
            Verdict::Answered { latency_us, tokens } => {
                let unused = sent.tokens.saturating_sub(tokens);
                provider.metered.give_back(rates.1, unused);
                self.metered.give_back(rates.0, unused);
                self.throttle.accepted(&config.throttle, now);
                self.circuit.answered(sent.trial || sent.last_resort, now);
                self.concurrency.answered(&config.concurrency, latency_us, sent.in_flight);
                self.recent.saw(latency_us);
            }
            Verdict::Failed => {
                self.circuit.failed(&config.circuit, sent.trial, now);
                self.concurrency.lost(&config.concurrency);
            }
            // It is there, and it says how it wants to be treated: no reason to open a circuit.
            Verdict::Overloaded => {
                self.circuit.answered(sent.trial || sent.last_resort, now);
                self.concurrency.lost(&config.concurrency);
            }
            Verdict::Late => {
                self.concurrency.lost(&config.concurrency);
                self.circuit.undecided(sent.trial, now);
            }
            Verdict::Unknown => {
                self.throttle.accepted(&config.throttle, now);
                self.circuit.undecided(sent.trial, now);
            }
            Verdict::NotSent => {
                provider.requests.give_back(1);
                provider.tokens.give_back(sent.tokens);
                provider.metered.undo(rates.1, sent.tokens);
                self.metered.undo(rates.0, sent.tokens);
                self.throttle.accepted(&config.throttle, now);
                self.circuit.undecided(sent.trial, now);
            }
        }
    }
}

/// Microseconds from one time to a later one; 0 if it is not later.
fn since(earlier: Timestamp, later: Timestamp) -> u64 {
    u64::try_from(later.0.saturating_sub(earlier.0)).unwrap_or(0)
}
