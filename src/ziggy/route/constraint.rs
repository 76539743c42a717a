//! The hard rules: what no score, pin or shortage relaxes.

use serde::{Deserialize, Serialize};

use super::destination::Capability;
use crate::types::{Modality, Money, PrivacyClass, TrustTier};

/// A rule a candidate breaks. In the order in which they are checked, hardest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "constraint", rename_all = "snake_case")]
pub enum Constraint {
    /// It does not offer what is needed.
    Capability {
        /// What is needed.
        needed: Capability,
    },
    /// It cannot read what the task brings.
    Modality {
        /// What it would have to read.
        needed: Modality,
    },
    /// The data may not go where it runs.
    Privacy {
        /// How private the data is.
        class: PrivacyClass,
        /// Where the candidate runs.
        tier: TrustTier,
    },
    /// The data has to stay in other regions than its own.
    Residency {
        /// Regions it may be in.
        allowed: Vec<String>,
        /// Where it is, if that is known.
        region: Option<String>,
    },
    /// It is switched off: by the config, or by a person.
    Disabled {
        /// Who switched it off; nobody if the config did.
        author: Option<String>,
        /// Why.
        reason: String,
    },
    /// CROWN or the config set its weight to zero.
    WeightZero,
    /// It is quarantined.
    Quarantined {
        /// Why.
        reason: String,
    },
    /// It cannot work now.
    Unhealthy {
        /// Why.
        reason: String,
    },
    /// Prompt and answer do not fit its context.
    Context {
        /// Tokens needed.
        needed: u64,
        /// Tokens it can hold.
        has: u64,
    },
    /// It may cost more than the request may spend.
    Budget {
        /// What it may cost.
        cost: Money,
        /// What may be spent.
        budget: Money,
    },
    /// The request needs more tokens than its budget has.
    Tokens {
        /// Tokens needed.
        needed: u64,
        /// Tokens that may be used.
        budget: u64,
    },
}

/// The kind of a constraint, for counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// [`Constraint::Capability`].
    Capability,
    /// [`Constraint::Modality`].
    Modality,
    /// [`Constraint::Privacy`].
    Privacy,
    /// [`Constraint::Residency`].
    Residency,
    /// [`Constraint::Disabled`].
    Disabled,
    /// [`Constraint::WeightZero`].
    WeightZero,
    /// [`Constraint::Quarantined`].
    Quarantined,
    /// [`Constraint::Unhealthy`].
    Unhealthy,
    /// [`Constraint::Context`].
    Context,
    /// [`Constraint::Budget`].
    Budget,
    /// [`Constraint::Tokens`].
    Tokens,
}

impl Rule {
    /// The word used in JSON and explanations.
    pub fn word(self) -> &'static str {
        match self {
            Rule::Capability => "capability",
            Rule::Modality => "modality",
            Rule::Privacy => "privacy",
            Rule::Residency => "residency",
            Rule::Disabled => "disabled",
            Rule::WeightZero => "weight_zero",
            Rule::Quarantined => "quarantined",
            Rule::Unhealthy => "unhealthy",
            Rule::Context => "context",
            Rule::Budget => "budget",
            Rule::Tokens => "tokens",
        }
    }
}

impl Constraint {
    /// Which rule it is.
    pub fn rule(&self) -> Rule {
        match self {
            Constraint::Capability { .. } => Rule::Capability,
            Constraint::Modality { .. } => Rule::Modality,
            Constraint::Privacy { .. } => Rule::Privacy,
            Constraint::Residency { .. } => Rule::Residency,
            Constraint::Disabled { .. } => Rule::Disabled,
            Constraint::WeightZero => Rule::WeightZero,
            Constraint::Quarantined { .. } => Rule::Quarantined,
            Constraint::Unhealthy { .. } => Rule::Unhealthy,
            Constraint::Context { .. } => Rule::Context,
            Constraint::Budget { .. } => Rule::Budget,
            Constraint::Tokens { .. } => Rule::Tokens,
        }
    }
}
