//! Policies: who weighs what how much, and whom they prefer, by tenant and destination.

use serde::{Deserialize, Serialize};

use super::destination::Destination;
use super::fib::Facts;
use super::live::LiveConfig;
use super::score::{ScoreConfig, ScoreWeights};

/// What holds for a tenant, for a destination, or for both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Whose requests; everybody's if nobody is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Which destination: `code/public`, `code/*` or `*/public`; all if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// How much each part of a score counts; as for everybody if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<ScoreWeights>,
    /// Who goes before everybody else, in this order, whatever they score: the id of a candidate, the name of an agent,
    /// `runtime:NAME`, `tier:NAME` or `region:NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefer: Vec<String>,
}

impl Policy {
    /// A right one with every key: what somebody writes is compared to it, key by key.
    pub fn examples() -> [Policy; 1] {
        let weights = ScoreWeights { latency: 1, cost: 1, truthfulness: 1, reliability: 1, load: 1, freshness: 1 };
        let (tenant, destination) = (Some("nightly".to_owned()), Some("code/*".to_owned()));
        [Policy { tenant, destination, weights: Some(weights), prefer: vec!["tier:local".to_owned()] }]
    }

    /// How closely it fits; none if it does not. A tenant counts more than a destination, and the capability of one more
    /// than its class.
    fn fit(&self, tenant: Option<&str>, destination: &Destination) -> Option<u8> {
        let whose = match &self.tenant {
            Some(own) if tenant == Some(own) => 4,
            Some(_) => return None,
            None => 0,
        };
        let where_to = match self.destination.as_deref().map(|text| text.rsplit_once('/').unwrap_or((text, "*"))) {
            None => 0,
            Some((capability, class)) => {
                let named = |pattern: &str, word: &str, worth| match pattern {
                    "*" => Some(0),
                    pattern if pattern == word => Some(worth),
                    _ => None,
                };
                named(capability, &destination.capability.0, 2)? + named(class, destination.privacy.word(), 1)?
            }
        };
        Some(whose + where_to)
    }

    /// Which of these fits best, by its place.
    pub(super) fn best(all: &[Policy], tenant: Option<&str>, destination: &Destination) -> Option<usize> {
        let fitting = all.iter().enumerate();
        let fitting = fitting.filter_map(|(place, one)| one.fit(tenant, destination).map(|fit| (fit, place)));
        // Two that fit as well are refused by the config; of a list that was made by code the first counts.
        fitting.max_by_key(|(fit, place)| (*fit, std::cmp::Reverse(*place))).map(|(_, place)| place)
    }

    /// The place of a candidate among those that are preferred; behind them if it is not.
    pub(super) fn place(&self, facts: &Facts) -> u32 {
        let meant = |word: &String| match word.split_once(':') {
            Some(("runtime", name)) => facts.runtime == name,
            Some(("tier", name)) => facts.tier.word() == name,
            Some(("region", name)) => facts.region.as_deref() == Some(name),
            _ => facts.candidate == *word || facts.agent == *word,
        };
        let place = self.prefer.iter().position(meant).unwrap_or(self.prefer.len());
        u32::try_from(place).unwrap_or(u32::MAX)
    }
}

/// Everything of the config that a table is made by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// How candidates are scored.
    pub score: ScoreConfig,
    /// How what was observed is averaged and forgotten.
    pub live: LiveConfig,
    /// Who weighs what how much.
    pub policies: Vec<Policy>,
}

impl Rules {
    /// The policy that fits best, by its place in the list.
    pub(super) fn policy(&self, tenant: Option<&str>, destination: &Destination) -> Option<usize> {
        Policy::best(&self.policies, tenant, destination)
    }

    /// The weights of a policy, or those of everybody.
    pub(super) fn weights(&self, policy: Option<usize>) -> &ScoreWeights {
        policy.and_then(|place| self.policies[place].weights.as_ref()).unwrap_or(&self.score.weights)
    }

    /// Tenants that have a policy of their own.
    pub(super) fn tenants(&self) -> std::collections::BTreeSet<&str> {
        self.policies.iter().filter_map(|one| one.tenant.as_deref()).collect()
    }

    /// What cannot work in the policies: key within the list, and what would.
    pub fn impossible(policies: &[Policy]) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        for (place, one) in policies.iter().enumerate() {
            if one.weights.is_some_and(|weights| weights.sum() == 0) {
                wrong.push((format!("{place}.weights"), "at least one that is not 0".to_owned()));
            }
            if one.weights.is_none() && one.prefer.is_empty() {
                wrong.push((format!("{place}"), "weights, or somebody to prefer".to_owned()));
            }
            if let Some(text) = &one.destination
                && !is_pattern(text)
            {
                let expected = "capability/class, where either may be `*`".to_owned();
                wrong.push((format!("{place}.destination"), expected));
            }
            let twice = one.prefer.iter().enumerate().find(|(at, word)| one.prefer[..*at].contains(word));
            if let Some((_, word)) = twice {
                wrong.push((format!("{place}.prefer"), format!("{word:?} once")));
            }
            if let Some(word) = one.prefer.iter().find(|word| !is_preference(word)) {
                let expected = format!("an id, an agent, runtime:NAME, tier:NAME or region:NAME instead of {word:?}");
                wrong.push((format!("{place}.prefer"), expected));
            }
            let same = |other: &&Policy| other.tenant == one.tenant && other.destination == one.destination;
            if policies[..place].iter().any(|other| same(&other)) {
                let expected = "one policy for this tenant and destination; another one contradicts it".to_owned();
                wrong.push((format!("{place}"), expected));
            }
        }
        wrong
    }
}

fn is_pattern(text: &str) -> bool {
    let Some((capability, class)) = text.rsplit_once('/') else { return false };
    let known = super::destination::CLASSES.iter().any(|known| known.word() == class);
    !capability.is_empty() && (class == "*" || known)
}

fn is_preference(word: &str) -> bool {
    match word.split_once(':') {
        Some(("tier", name)) => ["local", "private", "partner", "external"].contains(&name),
        Some(("runtime" | "region", name)) => !name.is_empty(),
        _ => !word.is_empty(),
    }
}
