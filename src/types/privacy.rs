//! How private data is, and how far a place is trusted: the two sides of the hardest routing constraint.

use serde::{Deserialize, Serialize};

/// How private a piece of data is. Ordered: a class only ever rises.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PrivacyClass {
    /// May be shown to anybody.
    #[default]
    Public,
    /// Stays among the operator's own people and machines.
    Internal,
    /// Stays on machines the operator controls.
    Confidential,
    /// Never leaves this machine.
    Restricted,
}

impl PrivacyClass {
    /// The least trusted tier this class may still be sent to.
    pub fn least_tier(self) -> TrustTier {
        match self {
            PrivacyClass::Public => TrustTier::External,
            PrivacyClass::Internal => TrustTier::Partner,
            PrivacyClass::Confidential => TrustTier::Private,
            PrivacyClass::Restricted => TrustTier::Local,
        }
    }

    /// Whether data of this class may be sent to a place of that tier.
    pub fn may_go_to(self, tier: TrustTier) -> bool {
        tier >= self.least_tier()
    }

    /// The word used in config, JSON and explanations.
    pub fn word(self) -> &'static str {
        match self {
            PrivacyClass::Public => "public",
            PrivacyClass::Internal => "internal",
            PrivacyClass::Confidential => "confidential",
            PrivacyClass::Restricted => "restricted",
        }
    }
}

/// How far a place is trusted. Ordered: a greater tier may see more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrustTier {
    /// Somebody's public endpoint.
    External,
    /// A partner under contract.
    Partner,
    /// Another machine of the operator.
    Private,
    /// This machine.
    Local,
}

impl TrustTier {
    /// The word used in config, JSON and explanations.
    pub fn word(self) -> &'static str {
        match self {
            TrustTier::External => "external",
            TrustTier::Partner => "partner",
            TrustTier::Private => "private",
            TrustTier::Local => "local",
        }
    }
}
