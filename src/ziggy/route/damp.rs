//! Dampening of what flaps, after RFC 2439: a figure of merit that grows with each fault and halves with time.
//!
//! The names are the RFC's: a route is suppressed from the cutoff on (`suppress`, section 4.2), used again below `reuse`,
//! and never held longer than the ceiling takes to decay. It differs in two things. What is suppressed ranks behind
//! everybody else instead of leaving the table, so the last legal route stays (R7). And no history is dropped at half of
//! `reuse`: being asked too often weighs less than that, and has to add up.

use serde::{Deserialize, Serialize};

use super::live::LiveConfig;
use crate::types::Timestamp;
use crate::ziggy::fixed::halved;

/// The penalty of one candidate, or of one runtime that several candidates share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Damper {
    /// The penalty at `updated`, halving with time.
    pub penalty: u64,
    /// Whether the penalty reached the suppress limit and had not come down to the reuse limit at `updated`.
    pub suppressed: bool,
    /// When the penalty was last changed.
    pub updated: Timestamp,
}

/// A candidate that ranks behind everybody else for what it, or its runtime, did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Dampened {
    /// The penalty at its last fault.
    pub penalty: u64,
    /// When it is ranked by its score again, if nothing happens until then.
    pub until: Timestamp,
}

impl Damper {
    /// The penalty that is left at this time. A clock that was set back takes nothing off and adds nothing.
    pub fn penalty_at(&self, now: Timestamp, config: &LiveConfig) -> u64 {
        halved(self.penalty, micros_between(self.updated, now), half_life(config))
    }

    /// Whether it is suppressed at this time: reached the limit once, and not yet forgiven.
    pub fn suppressed_at(&self, now: Timestamp, config: &LiveConfig) -> bool {
        self.suppressed && self.penalty_at(now, config) >= u64::from(config.reuse)
    }

    /// Adds what a fault weighs; nothing brings the record up to this time.
    pub fn strike(&mut self, added: u32, now: Timestamp, config: &LiveConfig) {
        let was = self.suppressed_at(now, config);
        let before = self.penalty_at(now, config);
        self.penalty = before.saturating_add(u64::from(added)).min(u64::from(config.ceiling));
        self.suppressed = self.penalty >= u64::from(config.suppress) || was;
        self.updated = self.updated.max(now);
    }

    /// Takes over a clock that was set back: what was left stays, and fades from now on. Says whether it was.
    pub(super) fn set_back(&mut self, now: Timestamp) -> bool {
        let ahead = self.updated > now;
        self.updated = self.updated.min(now);
        ahead
    }

    /// What it means at this time, if it is suppressed.
    pub fn dampened_at(&self, now: Timestamp, config: &LiveConfig) -> Option<Dampened> {
        self.suppressed_at(now, config).then(|| Dampened { penalty: self.penalty, until: self.reuse_at(config) })
    }

    /// The first moment at which the penalty is below the reuse limit. By bisection, since the penalty only falls.
    fn reuse_at(&self, config: &LiveConfig) -> Timestamp {
        let life = half_life(config);
        let above = |elapsed: u64| halved(self.penalty, elapsed, life) >= u64::from(config.reuse);
        // After 64 half-lives nothing is left of any number.
        let (mut low, mut high) = (0, life.saturating_mul(64));
        while low < high {
            let middle = low + (high - low) / 2;
            if above(middle) { low = middle + 1 } else { high = middle }
        }
        Timestamp(self.updated.0.saturating_add(i64::try_from(low).unwrap_or(i64::MAX)))
    }
}

fn half_life(config: &LiveConfig) -> u64 {
    u64::from(config.penalty_half_life_s) * 1_000_000
}

/// Microseconds from one time to a later one; none if the clock was set back.
pub(super) fn micros_between(earlier: Timestamp, later: Timestamp) -> u64 {
    u64::try_from(later.0.saturating_sub(earlier.0)).unwrap_or(0)
}
