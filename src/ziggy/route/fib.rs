//! The FIB: for every destination the candidates that may serve it, best first, and why the others may not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::candidate::{Candidate, Capability, Health, LiveConfig, Rib};
use crate::types::planted::{Bug, planted};
use crate::types::{Hash, Money, Price, PrivacyClass, Timestamp, TrustTier};
use crate::ziggy::admit::{Action, Governance};
use crate::ziggy::fixed::{Millionths, between};

/// What a task needs: a capability, and a place that may see data of this class. Written `capability/class`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Destination {
    /// What has to be done.
    pub capability: Capability,
    /// How private the data is.
    pub privacy: PrivacyClass,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.capability, self.privacy.word())
    }
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Destination, String> {
        let (capability, class) = text.rsplit_once('/').unwrap_or((text, ""));
        let privacy = CLASSES.into_iter().find(|known| known.word() == class);
        let privacy = privacy.ok_or_else(|| format!("not a destination: {text:?} (expected capability/class)"))?;
        Ok(Destination { capability: Capability::new(capability), privacy })
    }
}

impl TryFrom<String> for Destination {
    type Error = String;

    fn try_from(text: String) -> Result<Destination, String> {
        text.parse()
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> String {
        destination.to_string()
    }
}

impl utoipa::PartialSchema for Destination {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}

impl utoipa::ToSchema for Destination {}

const CLASSES: [PrivacyClass; 4] =
    [PrivacyClass::Public, PrivacyClass::Internal, PrivacyClass::Confidential, PrivacyClass::Restricted];

/// A rule a candidate breaks. In the order in which they are checked, hardest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "constraint", rename_all = "snake_case")]
pub enum Constraint {
    /// It does not offer what is needed.
    Capability {
        /// What is needed.
        needed: Capability,
    },
    /// The data may not go where it runs.
    Privacy {
        /// How private the data is.
        class: PrivacyClass,
        /// Where the candidate runs.
        tier: TrustTier,
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

/// How much each part counts. Only the ratios matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreWeights {
    /// A fast answer.
    pub latency: u32,
    /// A cheap answer.
    pub cost: u32,
    /// A true answer.
    pub truthfulness: u32,
    /// An answer at all.
    pub reliability: u32,
}

/// What counts as good and as bad, whoever else is there: the operator's service levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchors {
    /// Prompt tokens of a typical request.
    pub typical_input_tokens: u32,
    /// Answer tokens of a typical request.
    pub typical_output_tokens: u32,
    /// A typical request answered within this many milliseconds has full marks.
    pub latency_good_ms: u32,
    /// One that takes this long has none.
    pub latency_bad_ms: u32,
    /// A typical request for this many micro-dollars has full marks.
    pub cost_good: u32,
    /// One for this many has none.
    pub cost_bad: u32,
}

/// How candidates are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreConfig {
    /// How much each part counts.
    pub weights: ScoreWeights,
    /// What counts as good and as bad.
    pub anchors: Anchors,
    /// Candidates this close to the best, in millionths, count as equal: sessions are spread over them.
    pub equal_within: Millionths,
}

/// The parts of a score, each 0 to 1 in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ScoreParts {
    /// How fast.
    pub latency: Millionths,
    /// How cheap.
    pub cost: Millionths,
    /// How true.
    pub truthfulness: Millionths,
    /// How reliable.
    pub reliability: Millionths,
}

/// A candidate that may serve a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Ranked {
    /// Which candidate.
    pub candidate: String,
    /// Its agent.
    pub agent: String,
    /// Its runtime.
    pub runtime: String,
    /// How far its place is trusted.
    pub tier: TrustTier,
    /// What its tokens cost.
    pub price: Price,
    /// Tokens it can hold.
    pub context_tokens: u32,
    /// The most requests it may have in flight, by its own word.
    pub cap: Option<u32>,
    /// The weighted parts times the weight, in millionths; above one only with a weight above 100.
    pub score: Millionths,
    /// What the score is made of.
    pub parts: ScoreParts,
    /// The weight that was applied, in percent.
    pub weight: u32,
    /// The penalty for which it ranks behind everybody else, if it does.
    pub dampened: Option<u64>,
}

/// A candidate that may not serve, and every rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Excluded {
    /// Which candidate.
    pub candidate: String,
    /// Its agent.
    pub agent: String,
    /// What its tokens cost.
    pub price: Price,
    /// Tokens it can hold.
    pub context_tokens: u32,
    /// The rules, hardest first; at least one.
    pub constraints: Vec<Constraint>,
}

/// A person's preference for a candidate, until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Pin {
    /// Which candidate.
    pub candidate: String,
    /// Who prefers it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// From when on the pin no longer counts.
    pub expires: Timestamp,
}

/// Who serves one destination.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Route {
    /// Who may, best first.
    pub ranked: Vec<Ranked>,
    /// Who may not, by id.
    pub excluded: Vec<Excluded>,
    /// Whom a person prefers, the latest decision first.
    pub pins: Vec<Pin>,
}

/// The winners for every destination, as one immutable snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Fib {
    /// Hash of the routes and the margin: two FIBs that decide the same have the same version.
    pub version: Hash,
    /// Version of the RIB it was built from.
    pub rib: u64,
    /// Version of the governance it was built under.
    pub governance: u64,
    /// When it was built.
    pub at: Timestamp,
    /// Candidates this close to the best count as equal.
    pub equal_within: Millionths,
    /// By destination: every capability that anybody offers, for every privacy class.
    pub routes: BTreeMap<Destination, Route>,
}

impl Fib {
    /// The hash its content has, which is its version unless somebody changed it.
    pub fn computed_version(&self) -> Hash {
        // Routes have string keys and no floats, so they always have one JSON form.
        Hash::of(&serde_json::to_vec(&(self.equal_within, &self.routes)).unwrap_or_default())
    }
}

/// A candidate with what does not depend on the destination.
struct Assessed<'a> {
    candidate: &'a Candidate,
    barred: Vec<Constraint>,
    score: Millionths,
    parts: ScoreParts,
    weight: u32,
    dampened: Option<u64>,
}

/// Builds the FIB: assesses every candidate once, then sorts them into every destination.
pub fn build(rib: &Rib, governance: &Governance, score: &ScoreConfig, live: &LiveConfig, now: Timestamp) -> Fib {
    let mut assessed: Vec<Assessed<'_>> =
        rib.candidates.values().map(|candidate| assess(candidate, governance, score, live, now)).collect();
    assessed.sort_by(|one, other| rank(one).cmp(&rank(other)));
    let capabilities: BTreeSet<&Capability> =
        rib.candidates.values().flat_map(|candidate| &candidate.capabilities).collect();
    let mut routes = BTreeMap::new();
    for capability in capabilities {
        for privacy in CLASSES {
            let destination = Destination { capability: capability.clone(), privacy };
            let route = route(&assessed, &destination, governance, now);
            routes.insert(destination, route);
        }
    }
    let mut fib = Fib {
        version: Hash::ZERO,
        rib: rib.version,
        governance: governance.version,
        at: now,
        equal_within: score.equal_within,
        routes,
    };
    fib.version = fib.computed_version();
    fib
}

fn rank<'a>(one: &Assessed<'a>) -> (bool, Reverse<Millionths>, &'a str) {
    (one.dampened.is_some(), Reverse(one.score), &one.candidate.id)
}

fn route(assessed: &[Assessed<'_>], destination: &Destination, governance: &Governance, now: Timestamp) -> Route {
    let mut route = Route::default();
    for one in assessed {
        let candidate = one.candidate;
        let mut constraints = Vec::new();
        if !candidate.capabilities.contains(&destination.capability) {
            constraints.push(Constraint::Capability { needed: destination.capability.clone() });
        }
        if !destination.privacy.may_go_to(candidate.tier) && !planted(Bug::TierIgnored) {
            constraints.push(Constraint::Privacy { class: destination.privacy, tier: candidate.tier });
        }
        constraints.extend_from_slice(&one.barred);
        if constraints.is_empty() {
            route.ranked.push(ranked(one));
        } else {
            route.excluded.push(Excluded {
                candidate: candidate.id.clone(),
                agent: candidate.agent.clone(),
                price: candidate.price,
                context_tokens: candidate.context_tokens,
                constraints,
            });
        }
    }
    route.excluded.sort_by(|one, other| one.candidate.cmp(&other.candidate));
    for one in governance.active(now) {
        if let Action::Pin { candidate, capability } = &one.action
            && capability.as_ref().is_none_or(|capability| *capability == destination.capability)
        {
            let (author, reason) = (one.author.clone(), one.reason.clone());
            route.pins.insert(0, Pin { candidate: candidate.clone(), author, reason, expires: one.expires });
        }
    }
    route
}

fn ranked(one: &Assessed<'_>) -> Ranked {
    let candidate = one.candidate;
    Ranked {
        candidate: candidate.id.clone(),
        agent: candidate.agent.clone(),
        runtime: candidate.runtime.clone(),
        tier: candidate.tier,
        price: candidate.price,
        context_tokens: candidate.context_tokens,
        cap: candidate.cap,
        score: one.score,
        parts: one.parts,
        weight: one.weight,
        dampened: one.dampened,
    }
}

fn assess<'a>(
    candidate: &'a Candidate,
    governance: &Governance,
    score: &ScoreConfig,
    live: &LiveConfig,
    now: Timestamp,
) -> Assessed<'a> {
    let weight = governance.weights.get(&candidate.id).copied().unwrap_or(candidate.weight);
    let mut barred = Vec::new();
    if let Some(one) = governance.disabled(&candidate.id, now) {
        barred.push(Constraint::Disabled { author: Some(one.author.clone()), reason: one.reason.clone() });
    } else if !candidate.enabled {
        barred.push(Constraint::Disabled { author: None, reason: "the config switches it off".to_owned() });
    }
    if weight == 0 {
        barred.push(Constraint::WeightZero);
    }
    if let Some(reason) = governance.quarantine(&candidate.id, candidate.quarantined.as_deref(), now) {
        barred.push(Constraint::Quarantined { reason: reason.to_owned() });
    }
    if let Health::Unhealthy { reason } = &candidate.health {
        barred.push(Constraint::Unhealthy { reason: reason.clone() });
    }
    let parts = parts(candidate, &score.anchors);
    let dampened = candidate.live.dampened_at(now, live).then(|| candidate.live.penalty_at(now, live));
    Assessed { candidate, barred, score: weigh(parts, score.weights, weight), parts, weight, dampened }
}

fn parts(candidate: &Candidate, anchors: &Anchors) -> ScoreParts {
    let (input, output) = (u64::from(anchors.typical_input_tokens), u64::from(anchors.typical_output_tokens));
    let live = &candidate.live;
    let latency = live.first_token_us.saturating_add(live.per_token_us.saturating_mul(output.saturating_sub(1)));
    let cost = u64::try_from(candidate.price.cost(input, output).0).unwrap_or(0);
    ScoreParts {
        latency: between(
            latency,
            u64::from(anchors.latency_good_ms) * 1_000,
            u64::from(anchors.latency_bad_ms) * 1_000,
        ),
        cost: between(cost, u64::from(anchors.cost_good), u64::from(anchors.cost_bad)),
        truthfulness: candidate.quality.min(Millionths::ONE),
        reliability: live.reliability.min(Millionths::ONE),
    }
}

/// The weighted mean of the parts, times the percentage.
fn weigh(parts: ScoreParts, weights: ScoreWeights, percent: u32) -> Millionths {
    // Ten times is as far as a lever reaches; the product stays far inside 32 bits.
    const MOST_PERCENT: u32 = 1_000;
    let pairs = [
        (parts.latency, weights.latency),
        (parts.cost, weights.cost),
        (parts.truthfulness, weights.truthfulness),
        (parts.reliability, weights.reliability),
    ];
    let total: u64 = pairs.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let sum: u128 = pairs.iter().map(|(part, weight)| u128::from(part.0) * u128::from(*weight)).sum();
    let scaled = sum * u128::from(percent.min(MOST_PERCENT)) / (u128::from(total.max(1)) * 100);
    Millionths(u32::try_from(scaled).unwrap_or(u32::MAX))
}
