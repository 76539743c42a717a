//! CROWN, the governor: weights, caps, overrides, quarantine and shedding, published as one immutable snapshot; rules that
//! act by themselves; alerts.
//!
//! What it is for: letting policy and people steer who gets how much work, and saying when something is wrong.
//! What it owns: the governance and its history in the journal, the places candidates have taken, the alerts.
//! What it never does: stand in the hot path. Admission is an atomic permit against the snapshot readers already hold.
//!
//! Invariants:
//! - CR1: a change is in the journal, durably, before it is published; changes are published in the order they came.
//! - CR2: with a cap, never more permits are out than the cap allows (A1 of `ziggy::admit`), however many ask at once.
//! - CR3: a permit gives its place back exactly once, when it is dropped.
//! - CR4: the governance in force before a restart is in force after it, and so is what rules have put in force, with its
//!   end, who is on the way back from quarantine, every alert and every silence.
//! - CR5: what a rule does is in the journal with its evidence before it is done, and is an alert.
//! - CR6: an alert is in the journal before anybody is told of it.
//! - CR7: what a provider said of itself counts before whoever caused it to say so hears the answer.

mod actor;
mod book;
mod config;
mod ear;
mod handle;
mod message;
mod permit;
mod projection;
mod standing;
mod state;
mod telling;
mod treasury;
mod watching;
mod webhook;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::ziggy::govern::Trial;
use crate::ziggy::{Announced, Override, Shed};

pub use crate::ziggy::govern::{Known, Severity};
pub use book::{Alert, AlertState, Silence};
pub use config::{AlertsConfig, Config, Observe, Webhook};
pub use handle::{Error, Handle, OnTrial, Parts};
pub use permit::{Asked, Permit};
pub use projection::GovernanceProjection;
pub use standing::{InForce, OnTheWay};
pub use treasury::{Hold, Opening, Provider, Treasury};

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
    /// Have a candidate that the config does not have, until it expires.
    Announce {
        /// The candidate.
        candidate: String,
        /// What is said of it.
        announced: Announced,
    },
    /// Have a candidate no more that was announced.
    Withdraw {
        /// The candidate.
        candidate: String,
    },
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
    /// Let a quarantined candidate have a share of the work on trial, or none again.
    Trial {
        /// The candidate.
        candidate: String,
        /// Which share, and how far it has come.
        trial: Option<Trial>,
    },
    /// Refuse work under load.
    Shed {
        /// What is refused from now on.
        shed: Shed,
    },
}

/// What rules have put in force, and who is on the way back from quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Standings {
    /// In force until a time.
    pub in_force: Vec<InForce>,
    /// By candidate.
    pub on_the_way: std::collections::BTreeMap<String, OnTheWay>,
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
    /// Alerts that fire.
    pub alerts_firing: usize,
    /// Candidates on trial.
    pub on_trial: usize,
    /// Things rules have put in force for a while.
    pub in_force: usize,
    /// Webhooks that have still to be told something.
    pub webhooks_waiting: usize,
}
