//! How much each part of a score counted where a table was made: what a decision's record says of itself.

use serde::{Deserialize, Serialize};

use super::destination::Destination;
use super::fib::Canonical;
use super::policy::{Policy, Rules};
use super::score::ScoreWeights;

/// The weights of a table. A table of a release that did not write them down knows none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = FibWeights)]
pub struct Weights {
    /// Those that hold where no policy has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual: Option<ScoreWeights>,
    /// Those of policies: the policies without whom they prefer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub own: Vec<Policy>,
}

impl Weights {
    pub(super) fn of(rules: &Rules) -> Weights {
        let bare = |policy: &Policy| Policy { prefer: Vec::new(), ..policy.clone() };
        Weights { usual: Some(rules.score.weights), own: rules.policies.iter().map(bare).collect() }
    }

    pub(super) fn are_unknown(&self) -> bool {
        self.usual.is_none() && self.own.is_empty()
    }

    /// Those by which candidates of a destination were ranked for a tenant.
    pub(super) fn at(&self, tenant: Option<&str>, destination: &Destination) -> Option<ScoreWeights> {
        let own = Policy::best(&self.own, tenant, destination).and_then(|place| self.own[place].weights);
        own.or(self.usual)
    }

    /// As a part of what a table's version is made of; nothing if none are known.
    pub(super) fn write(&self, bytes: &mut Canonical) {
        if self.are_unknown() {
            return;
        }
        bytes.text(&serde_json::to_string(self).unwrap_or_default());
    }
}
