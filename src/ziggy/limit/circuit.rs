//! The circuit breaker: after failures in a row nobody is sent there, until one trial shows that it works again.
//!
//! Closed, open and half-open as in Nygard's "Release It!". The time it stays open doubles with each opening, as Envoy's
//! outlier ejection grows with the number of ejections, and starts anew once it has been closed for long enough.

use serde::{Deserialize, Serialize};

use super::since;
use crate::types::Timestamp;

/// When it opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitConfig {
    /// Failures in a row that open it; 0 never does.
    pub failures: u32,
    /// Milliseconds it stays open the first time.
    pub open_ms: u64,
    /// Milliseconds it stays open at the most, however often it opened.
    pub open_most_ms: u64,
    /// Milliseconds of being closed after which earlier openings no longer count.
    pub forget_ms: u64,
}

/// A circuit as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circuit {
    phase: Phase,
    /// Openings that still count.
    openings: u32,
    /// When it last closed.
    closed: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Closed {
        failures: u32,
    },
    Open {
        until: Timestamp,
    },
    /// One is on trial.
    HalfOpen,
}

impl Default for Circuit {
    fn default() -> Circuit {
        Circuit { phase: Phase::Closed { failures: 0 }, openings: 0, closed: Timestamp::default() }
    }
}

impl Circuit {
    /// What stands against a request: microseconds until it is worth asking again, where that is known.
    pub fn against(&self, now: Timestamp) -> Option<Option<u64>> {
        match self.phase {
            Phase::Closed { .. } => None,
            Phase::Open { until } if now >= until => None,
            Phase::Open { until } => Some(Some(since(now, until))),
            Phase::HalfOpen => Some(None),
        }
    }

    /// A request is sent. The first after the time open is the trial. Says whether this is it.
    pub fn sent(&mut self, now: Timestamp) -> bool {
        let trial = matches!(self.phase, Phase::Open { until } if now >= until);
        if trial {
            self.phase = Phase::HalfOpen;
        }
        trial
    }

    /// A request was answered.
    pub fn answered(&mut self, trial: bool, now: Timestamp) {
        match self.phase {
            Phase::Closed { .. } => self.phase = Phase::Closed { failures: 0 },
            // An answer from before it opened says nothing about now; the trial's does, and that of a last resort.
            Phase::HalfOpen | Phase::Open { .. } if trial => {
                (self.phase, self.closed) = (Phase::Closed { failures: 0 }, now);
            }
            Phase::HalfOpen | Phase::Open { .. } => {}
        }
    }

    /// A request failed.
    pub fn failed(&mut self, config: &CircuitConfig, trial: bool, now: Timestamp) {
        match self.phase {
            Phase::Closed { failures } => {
                let failures = failures.saturating_add(1);
                self.phase = Phase::Closed { failures };
                if config.failures > 0 && failures >= config.failures {
                    if since(self.closed, now) >= config.forget_ms.saturating_mul(1_000) {
                        self.openings = 0;
                    }
                    self.open(config, now);
                }
            }
            Phase::HalfOpen if trial => self.open(config, now),
            Phase::HalfOpen | Phase::Open { .. } => {}
        }
    }

    /// Nobody waited for what came of the trial: the next one is.
    pub fn undecided(&mut self, trial: bool, now: Timestamp) {
        if trial && self.phase == Phase::HalfOpen {
            self.phase = Phase::Open { until: now };
        }
    }

    fn open(&mut self, config: &CircuitConfig, now: Timestamp) {
        let doubled = config.open_ms.saturating_mul(1_u64.checked_shl(self.openings.min(40)).unwrap_or(u64::MAX));
        let open_us = doubled.min(config.open_most_ms.max(config.open_ms)).saturating_mul(1_000);
        let until = now.0.saturating_add(i64::try_from(open_us).unwrap_or(i64::MAX));
        self.phase = Phase::Open { until: Timestamp(until) };
        self.openings = self.openings.saturating_add(1);
    }
}
