//! Admission: whether a chosen candidate may be given work now, by CROWN's published snapshot and nothing else.
//!
//! Invariants:
//! - A1: a cap is never exceeded: with `in_flight` at or above it, nothing is admitted.
//! - A2: an override counts only before its expiry.
//! - A3: shedding is by value, lowest first: whatever is shed at a level, everything of lower value is shed too.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::types::{RunId, Timestamp};

use super::fixed::Millionths;
use super::govern::Trial;
use super::govern::probation::takes_part;
use super::limit;
use super::route::Capability;

/// How much it matters that a request is served now. Ordered: shedding begins at the least.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Nobody waits: probes, warm-ups, batch work.
    Background,
    /// Ordinary work.
    #[default]
    Normal,
    /// A person waits for the answer.
    Interactive,
}

impl Value {
    /// The word used in config, JSON and explanations.
    pub fn word(self) -> &'static str {
        match self {
            Value::Background => "background",
            Value::Normal => "normal",
            Value::Interactive => "interactive",
        }
    }
}

/// What CROWN refuses under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shed {
    /// Nothing.
    #[default]
    Nothing,
    /// Everything of less value than this.
    Below(Value),
    /// Everything: the host is draining.
    Everything,
}

/// What an operator's override does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Prefers a candidate over every score, for one capability or for all. Hard constraints still hold.
    Pin {
        /// The candidate.
        candidate: String,
        /// For which capability; all if none is named.
        capability: Option<Capability>,
    },
    /// Takes a candidate out of every route.
    Disable {
        /// The candidate.
        candidate: String,
    },
    /// Lets a quarantined candidate serve again, on trial.
    Release {
        /// The candidate.
        candidate: String,
    },
}

/// A decision of a person over the rules, which ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Override {
    /// Who decided.
    pub author: String,
    /// Why.
    pub reason: String,
    /// From when on it no longer counts.
    pub expires: Timestamp,
    /// What it does.
    #[serde(flatten)]
    pub action: Action,
}

/// What a person says of a candidate that the config does not have: an agent on a runtime that is not its own. It ends by
/// itself, in the two steps in which everything does that is known for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Announced {
    /// Who announced it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// From when on.
    pub since: Timestamp,
    /// When it is stale: it ranks behind the rest from then on.
    pub expires: Timestamp,
    /// When it leaves the table.
    pub gone: Timestamp,
    /// Percent by which its score is multiplied; the agent's own if none is named.
    pub weight: Option<u32>,
    /// How truthful its answers are before anybody judged; the agent's own if none is named.
    pub quality: Option<Millionths>,
    /// The same for single capabilities.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub qualities: BTreeMap<Capability, Millionths>,
}

/// CROWN's levers, as one immutable snapshot. Readers load it; only CROWN publishes another.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Governance {
    /// Grows by one with each publication.
    pub version: u64,
    /// Percent by which a candidate's score is multiplied, in place of its own weight. Zero withdraws it.
    pub weights: BTreeMap<String, u32>,
    /// The most requests a candidate may have in flight, in place of its own cap.
    pub caps: BTreeMap<String, u32>,
    /// Candidates that get no work, and why.
    pub quarantined: BTreeMap<String, String>,
    /// What people decided.
    pub overrides: Vec<Override>,
    /// What is refused under load.
    pub shed: Shed,
    /// Quarantined candidates that get a share of the work to prove themselves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub trials: BTreeMap<String, Trial>,
    /// Candidates that people announced, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub announced: BTreeMap<String, Announced>,
}

impl Governance {
    /// The overrides that count at this time.
    pub fn active(&self, now: Timestamp) -> impl Iterator<Item = &Override> {
        self.overrides.iter().filter(move |one| now < one.expires)
    }

    /// The trial that keeps this run from a candidate: it has a share of the runs, and this one is not of it.
    pub fn kept_from(&self, candidate: &str, run: RunId, now: Timestamp) -> Option<&Trial> {
        let trial = self.trials.get(candidate)?;
        (!self.released(candidate, now) && !takes_part(trial, run, candidate)).then_some(trial)
    }

    /// The trial that a candidate is on now.
    pub fn trial(&self, candidate: &str, now: Timestamp) -> Option<&Trial> {
        self.trials.get(candidate).filter(|_| !self.released(candidate, now))
    }

    /// The trial of a candidate that this run takes part in.
    pub fn trial_of(&self, candidate: &str, run: RunId, now: Timestamp) -> Option<&Trial> {
        let trial = self.trials.get(candidate)?;
        (!self.released(candidate, now) && takes_part(trial, run, candidate)).then_some(trial)
    }

    fn released(&self, candidate: &str, now: Timestamp) -> bool {
        self.active(now)
            .any(|one| matches!(&one.action, Action::Release { candidate: released } if released == candidate))
    }

    /// Why a candidate is quarantined now, unless a person released it or it is on trial.
    pub fn quarantine<'a>(&'a self, candidate: &str, own: Option<&'a str>, now: Timestamp) -> Option<&'a str> {
        let reason = self.quarantined.get(candidate).map(String::as_str).or(own);
        reason.filter(|_| !self.released(candidate, now) && !self.trials.contains_key(candidate))
    }

    /// The override that takes a candidate out now, if there is one.
    pub fn disabled(&self, candidate: &str, now: Timestamp) -> Option<&Override> {
        self.active(now)
            .find(|one| matches!(&one.action, Action::Disable { candidate: disabled } if disabled == candidate))
    }
}

/// One request for admission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The candidate the router chose.
    pub candidate: String,
    /// The candidate's own cap, used when governance names none.
    pub cap: Option<u32>,
    /// Requests it has in flight, without this one.
    pub in_flight: u32,
    /// How much this request matters.
    pub value: Value,
}

/// Why something was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "refusal", rename_all = "snake_case")]
pub enum Refusal {
    /// As many requests as allowed are in flight.
    Full {
        /// How many are.
        in_flight: u32,
        /// How many may be.
        cap: u32,
    },
    /// The load is too high for a request of this value.
    Shed {
        /// The request's value.
        value: Value,
        /// What is being shed.
        shed: Shed,
    },
    /// The candidate is quarantined.
    Quarantined {
        /// Why.
        reason: String,
    },
    /// The candidate is on trial, and this run does not take part.
    Trial {
        /// Percent of the runs that do.
        share: u32,
    },
    /// A person took the candidate out.
    Disabled {
        /// Who.
        author: String,
        /// Why.
        reason: String,
    },
    /// A budget has too little left for it.
    Budget {
        /// Which, and how much.
        shortage: super::budget::Refusal,
    },
    /// What was learned of the candidate or its provider speaks against it.
    Limited(limit::Refused),
}

impl Refusal {
    /// Whether waiting may change it. If so: microseconds until asking again is worth it, where that does not depend on
    /// another request's end.
    pub fn passes(&self) -> Option<Option<u64>> {
        match self {
            Refusal::Full { cap, .. } => (*cap > 0).then_some(None),
            // Who failed in a row is no busier than before.
            Refusal::Limited(limit::Refused::Circuit { .. }) => None,
            Refusal::Limited(refused) => Some(refused.again_us()),
            // A budget's window ends in minutes or months, and a trial is for other runs.
            Refusal::Budget { .. } | Refusal::Trial { .. } => None,
            Refusal::Shed { .. } | Refusal::Quarantined { .. } | Refusal::Disabled { .. } => None,
        }
    }
}

/// Whether work may start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "admission", rename_all = "snake_case")]
pub enum Admission {
    /// It may, under this version of the governance.
    Admitted {
        /// Version of the snapshot that said so.
        governance: u64,
        /// Places left after this one; none if there is no cap.
        left: Option<u32>,
    },
    /// It may not.
    Refused {
        /// Version of the snapshot that said so.
        governance: u64,
        /// Why.
        reason: Refusal,
    },
}

impl Admission {
    /// Whether work may start.
    pub fn admitted(&self) -> bool {
        matches!(self, Admission::Admitted { .. })
    }
}

/// What somebody finds at the door of a legal candidate who only looks: nothing was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Which candidate.
    pub candidate: String,
    /// Why it would not be admitted; none if it would.
    pub refusal: Option<Refusal>,
    /// Until when that holds, where it is known.
    pub until: Option<Timestamp>,
    /// Percent of the runs that it is on trial for, if it is.
    pub trial: Option<u32>,
}

/// Whether this candidate may be given this request now.
pub fn admit(governance: &Governance, ask: &Ask, now: Timestamp) -> Admission {
    let refuse = |reason| Admission::Refused { governance: governance.version, reason };
    let shed = match governance.shed {
        Shed::Nothing => false,
        Shed::Below(value) => ask.value < value,
        Shed::Everything => true,
    };
    if shed {
        return refuse(Refusal::Shed { value: ask.value, shed: governance.shed });
    }
    if let Some(one) = governance.disabled(&ask.candidate, now) {
        return refuse(Refusal::Disabled { author: one.author.clone(), reason: one.reason.clone() });
    }
    if let Some(reason) = governance.quarantine(&ask.candidate, None, now) {
        return refuse(Refusal::Quarantined { reason: reason.to_owned() });
    }
    match governance.caps.get(&ask.candidate).copied().or(ask.cap) {
        Some(cap) if ask.in_flight >= cap => refuse(Refusal::Full { in_flight: ask.in_flight, cap }),
        cap => Admission::Admitted {
            governance: governance.version,
            left: cap.map(|cap| cap.saturating_sub(ask.in_flight).saturating_sub(1)),
        },
    }
}
