//! CROWN, the governor: weights, caps, overrides, quarantine and shedding, published as one immutable snapshot.
//!
//! What it is for: letting policy and people steer who gets how much work, and saying when something is wrong.
//! What it owns: the governance and its history in the journal, the places candidates have taken, the alerts.
//! What it never does: stand in the hot path. Admission is an atomic permit against the snapshot readers already hold.
//!
//! Invariants:
//! - C1: a change is in the journal, durably, before it is published; changes are published in the order they came.
//! - C2: with a cap, never more permits are out than the cap allows (A1 of `ziggy::admit`), however many ask at once.
//! - C3: a permit gives its place back exactly once, when it is dropped.
//! - C4: the governance in force before a restart is in force after it.
//! - C5: what a provider said of itself counts before whoever caused it to say so hears the answer.

mod actor;
mod handle;
mod message;
mod permit;
mod projection;
mod state;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::types::Timestamp;
use crate::ziggy::{Override, Shed};

pub use handle::{Error, Handle};
pub use permit::{Asked, Permit};
pub use projection::GovernanceProjection;

/// How CROWN watches the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Seconds between two looks at the tree.
    pub watch_every_s: u64,
    /// Alerts kept for operators; older ones are in the journal only.
    pub alerts_kept: usize,
    /// Overrides in force at a time.
    pub overrides_most: usize,
}

/// One thing an operator, or CROWN itself, wants changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Multiply a candidate's score by this percentage; none goes back to its own weight.
    Weight {
        /// The candidate.
        candidate: String,
        /// Percent; 0 withdraws it.
        percent: Option<u32>,
    },
    /// Allow a candidate so many requests at a time; none goes back to its own cap.
    Cap {
        /// The candidate.
        candidate: String,
        /// Requests at a time.
        cap: Option<u32>,
    },
    /// Put a person's decision over the rules until it expires.
    Override(Override),
    /// Take a candidate out until somebody lets it back.
    Quarantine {
        /// The candidate.
        candidate: String,
        /// Why.
        reason: String,
    },
    /// Let a quarantined candidate back.
    Unquarantine {
        /// The candidate.
        candidate: String,
    },
    /// Refuse work under load.
    Shed {
        /// What is refused from now on.
        shed: Shed,
    },
}

/// How bad an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Notice,
    /// Something recovered by itself, but somebody should look.
    Warning,
    /// Something is down.
    Critical,
}

/// Something an operator should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Alert {
    /// Number, from 1, in the order raised since the host started.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// How bad.
    pub severity: Severity,
    /// What kind: `actor_stuck`, `actor_restarted`, `actor_ended`, `actor_left_behind`, `journal_failed`.
    pub kind: String,
    /// Whom it is about: a path in the tree.
    pub subject: String,
    /// What happened, in words.
    pub message: String,
    /// Who has seen it.
    pub acknowledged_by: Option<String>,
}

/// What CROWN shows of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Version of the governance in force.
    pub governance: u64,
    /// Overrides in force or expired but kept.
    pub overrides: usize,
    /// Candidates in quarantine.
    pub quarantined: usize,
    /// What is shed.
    pub shed: Shed,
    /// Alerts nobody has seen.
    pub alerts_open: usize,
}
