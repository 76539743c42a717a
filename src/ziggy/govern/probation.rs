//! The way back from quarantine: a wait, then a little work on trial, then release or a longer wait.
//!
//! Invariants:
//! - P1: no trial begins before the wait is over; a clock that goes back makes the wait longer and never shorter.
//! - P2: a candidate is released only after so many successes in a row as the policy says, all of them on trial.
//! - P3: one failure on trial ends it and doubles the wait, up to the ceiling.
//! - P4: whether a run takes part in a trial depends on the run and the candidate alone, and the share is kept.

use serde::{Deserialize, Serialize};

use crate::types::{RunId, Timestamp};

/// How a candidate comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Seconds in quarantine before the first trial.
    pub after_s: u64,
    /// Percent of runs that take part in a trial.
    pub share: u32,
    /// Successes in a row that release it.
    pub trials: u32,
    /// Seconds that a wait may grow to.
    pub ceiling_s: u64,
}

/// A candidate on trial, as everybody who routes sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Trial {
    /// Percent of runs that take part.
    pub share: u32,
    /// Successes in a row so far.
    pub successes: u32,
    /// Successes in a row that release it.
    pub needed: u32,
}

/// Where a candidate is on its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// It gets nothing.
    Waiting {
        /// Until then.
        until: Timestamp,
    },
    /// It gets a share.
    OnTrial {
        /// Successes in a row so far.
        successes: u32,
    },
}

/// One candidate's way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Probation {
    /// Where it is.
    pub phase: Phase,
    /// Seconds of the present or last wait.
    pub wait_s: u64,
    /// Trials that failed.
    pub failed: u32,
}

/// What comes of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It stays where it is.
    Stay,
    /// One success more.
    Counted,
    /// A trial begins.
    Begin,
    /// It has proved itself.
    Release,
    /// It failed and waits again.
    Back,
}

impl Probation {
    /// A candidate that goes into quarantine now.
    pub fn begin(policy: &Policy, now: Timestamp) -> Probation {
        let wait_s = policy.after_s.min(policy.ceiling_s.max(1));
        Probation { phase: Phase::Waiting { until: later(now, wait_s) }, wait_s, failed: 0 }
    }

    /// Time passes.
    pub fn tick(&mut self, now: Timestamp) -> Step {
        match self.phase {
            Phase::Waiting { until } if now >= until => {
                self.phase = Phase::OnTrial { successes: 0 };
                Step::Begin
            }
            _ => Step::Stay,
        }
    }

    /// An answer came, or did not. Only answers on trial count.
    pub fn outcome(&mut self, ok: bool, policy: &Policy, now: Timestamp) -> Step {
        let Phase::OnTrial { successes } = self.phase else { return Step::Stay };
        if !ok {
            self.failed = self.failed.saturating_add(1);
            self.wait_s = self.wait_s.max(1).saturating_mul(2).min(policy.ceiling_s.max(1));
            self.phase = Phase::Waiting { until: later(now, self.wait_s) };
            return Step::Back;
        }
        let successes = successes.saturating_add(1);
        self.phase = Phase::OnTrial { successes };
        if successes >= policy.trials.max(1) { Step::Release } else { Step::Counted }
    }

    /// The trial it is on, if it is on one.
    pub fn trial(&self, policy: &Policy) -> Option<Trial> {
        match self.phase {
            Phase::OnTrial { successes } => {
                Some(Trial { share: policy.share.clamp(1, 100), successes, needed: policy.trials.max(1) })
            }
            Phase::Waiting { .. } => None,
        }
    }
}

fn later(now: Timestamp, seconds: u64) -> Timestamp {
    let micros = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    Timestamp(now.0.saturating_add(micros))
}

/// Whether a run takes part in the trial of a candidate.
pub fn takes_part(trial: &Trial, run: RunId, candidate: &str) -> bool {
    let (high, low) = run.pair();
    // FNV-1a over the name, then the finaliser of SplitMix64: the ids of runs differ little in their upper bits.
    let name = candidate
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut mixed = high.rotate_left(32) ^ low ^ name;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % 100 < u64::from(trial.share)
}
