//! The FIB: for every destination who may serve it, in order, as one immutable table with a hash for its name.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::constraint::{Constraint, Rule};
use super::damp::Dampened;
use super::destination::{Capability, Destination};
use super::score::{ScoreConfig, ScoreParts};
use super::shared;
use super::weights::Weights;
use crate::types::planted::{Bug, planted};
use crate::types::{Hash, Modality, Price, Timestamp, TrustTier};
use crate::ziggy::Appetite;
use crate::ziggy::fixed::Millionths;

/// What a table knows of a candidate that does not change while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Facts {
    /// Which candidate.
    pub candidate: String,
    /// Its agent.
    pub agent: String,
    /// Its runtime.
    pub runtime: String,
    /// What it offers.
    pub capabilities: Vec<Capability>,
    /// What it can read.
    pub modalities: Vec<Modality>,
    /// How far its place is trusted.
    pub tier: TrustTier,
    /// Where its place is, if that is known.
    pub region: Option<String>,
    /// What its tokens cost.
    pub price: Price,
    /// Tokens it can hold.
    pub context_tokens: u32,
    /// What bounds the tokens it takes for one request.
    #[serde(default, skip_serializing_if = "crate::types::is_default")]
    pub appetite: Appetite,
}

/// A candidate in a table, with what does not depend on the destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Row {
    /// Who it is.
    #[serde(with = "shared::one")]
    #[schema(value_type = Facts)]
    pub facts: Arc<Facts>,
    /// The most requests it may have in flight, by its own word.
    pub cap: Option<u32>,
    /// The rules that take it out of every route, hardest first.
    pub barred: Vec<Constraint>,
    /// What its scores are made of.
    pub parts: ScoreParts,
    /// How true it is where that is known for a single capability.
    pub qualities: BTreeMap<Capability, Millionths>,
    /// The weight that is applied to its scores, in percent.
    pub weight: u32,
    /// Why it ranks behind everybody else, if it does.
    pub dampened: Option<Dampened>,
    /// Whether what is known of it has expired, so that it ranks behind what is known for sure.
    pub stale: bool,
    /// Hash of the row, so that a table in which few rows changed is hashed by theirs.
    #[serde(skip)]
    pub(super) hash: Hash,
}

impl Row {
    /// The hash of what it says.
    pub(super) fn computed_hash(&self) -> Hash {
        let mut bytes = Canonical::with_room(ROW_BYTES);
        bytes.row(self);
        Hash::of(&bytes.0)
    }

    /// The parts of its score for a capability.
    pub fn parts_for(&self, capability: &Capability) -> ScoreParts {
        let own = self.qualities.get(capability).copied();
        ScoreParts { truthfulness: own.unwrap_or(self.parts.truthfulness), ..self.parts }
    }

    /// What keeps it from a destination, whatever the request; nothing if it is ranked there.
    pub fn barred_from(&self, destination: &Destination) -> Vec<Constraint> {
        let mut constraints = Vec::new();
        if !self.facts.capabilities.contains(&destination.capability) {
            constraints.push(Constraint::Capability { needed: destination.capability.clone() });
        }
        if self.is_too_far(destination) {
            constraints.push(Constraint::Privacy { class: destination.privacy, tier: self.facts.tier });
        }
        constraints.extend_from_slice(&self.barred);
        constraints
    }

    pub(super) fn is_too_far(&self, destination: &Destination) -> bool {
        let lets_all = planted(Bug::TierIgnored) || planted(Bug::AnywhereCleared);
        !(lets_all || destination.privacy.may_go_to(self.facts.tier))
    }

    /// How far behind it ranks: what is known for sure, what is stale, what fails.
    pub(super) fn standing(&self) -> Standing {
        match (self.dampened, self.stale) {
            (Some(_), _) => Standing::Dampened,
            (None, true) => Standing::Stale,
            (None, false) => Standing::Good,
        }
    }
}

/// Classes of candidates that no score carries from one to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Good,
    Stale,
    Dampened,
}

/// A candidate in the order of one destination, with what each request checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its place among the rows.
    pub row: u32,
    /// The weighted parts times the weight, in millionths; above one only with a weight above 100.
    pub score: Millionths,
    /// Its place among those that a policy prefers.
    pub preference: u32,
    pub(super) standing: Standing,
    pub(super) context_tokens: u32,
    pub(super) price: Price,
    pub(super) appetite: Appetite,
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Route {
    /// Who may, best first.
    pub ranked: Vec<Entry>,
    /// Whom a person prefers, the latest decision first.
    pub pins: Vec<Pin>,
    /// Whether the first is there because it was there before, although another scores a little better.
    pub kept: bool,
    /// How many may not, by the hardest rule they break.
    pub(super) excluded: BTreeMap<Rule, u32>,
    /// What everybody who may can hold, and what the dearest and greediest of them could take: a request within these
    /// fits all of them.
    pub(super) least_context: u32,
    pub(super) most_context: u32,
    pub(super) dearest: Price,
    pub(super) greediest: Appetite,
    /// Hash of the order, so that a table in which one route changed is hashed by that route.
    pub(super) hash: Hash,
}

/// Routes by destination.
pub type Routes = BTreeMap<Destination, Arc<Route>>;

/// What a table says about choosing among those it ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Choice {
    /// Candidates this close to the best count as equal.
    pub equal_within: Millionths,
    /// Candidates that requests of one destination are spread over at the most.
    pub equal_most: u32,
    /// How far the candidate of a session may exceed the least loaded of its equals.
    pub load_margin: u32,
    /// Candidates on a ladder at the most.
    pub ladder_most: u32,
}

impl Choice {
    pub(super) fn of(score: &ScoreConfig) -> Choice {
        Choice {
            equal_within: score.equal_within,
            equal_most: score.equal_most,
            load_margin: score.load_margin,
            ladder_most: score.ladder_most,
        }
    }
}

/// The winners for every destination, as one immutable snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "super::snapshot::Snapshot")]
pub struct Fib {
    /// Hash of rows, routes, choice and weights: two FIBs that decide the same have the same version.
    pub version: Hash,
    /// Version of the RIB it was built from.
    pub rib: u64,
    /// Version of the governance it was built under.
    pub governance: u64,
    /// When it was built.
    pub at: Timestamp,
    /// How one of several equals is chosen.
    pub choice: Choice,
    /// How much each part of a score counted.
    pub weights: Weights,
    /// What tells the policies it was built by from others, in the life in which it was built.
    pub(super) policies: Aside<Hash>,
    /// Every candidate, by id.
    pub rows: Vec<Row>,
    /// By destination: every capability that anybody offers, for every privacy class.
    pub routes: Routes,
    /// The same for tenants that have a policy of their own.
    pub tenants: BTreeMap<String, Routes>,
}

/// What a table knows beside its content: it makes no two of them differ.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Aside<T>(pub(super) T);

impl<T> PartialEq for Aside<T> {
    fn eq(&self, _other: &Aside<T>) -> bool {
        true
    }
}

impl<T> Eq for Aside<T> {}

impl Serialize for Fib {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.snapshot().serialize(serializer)
    }
}

impl Fib {
    /// The row of a candidate.
    pub fn row(&self, candidate: &str) -> Option<&Row> {
        self.place(candidate).map(|place| &self.rows[place])
    }

    pub(super) fn place(&self, candidate: &str) -> Option<usize> {
        self.rows.binary_search_by(|row| row.facts.candidate.as_str().cmp(candidate)).ok()
    }

    /// The places of the rows that a name means: their own id or that of their agent. An id begins with its agent's name,
    /// so nearly nobody has to be looked at.
    pub(super) fn named(&self, name: &str) -> Vec<u32> {
        let place = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let mut places: Vec<u32> = self.place(name).map(place).into_iter().collect();
        let prefix = format!("{name}@");
        let first = self.rows.partition_point(|row| row.facts.candidate.as_str() < prefix.as_str());
        let near = self.rows[first..].iter().take_while(|row| row.facts.candidate.starts_with(&prefix));
        places.extend(near.enumerate().filter(|(_, row)| row.facts.agent == name).map(|(more, _)| place(first + more)));
        if places.is_empty() {
            let others = self.rows.iter().enumerate().filter(|(_, row)| row.facts.agent == name);
            places.extend(others.map(|(at, _)| place(at)));
        }
        places
    }

    pub(super) fn row_of(&self, entry: &Entry) -> &Row {
        &self.rows[entry.row as usize]
    }

    /// The routes that count for a tenant.
    pub fn routes_of(&self, tenant: Option<&str>) -> &Routes {
        tenant.and_then(|tenant| self.tenants.get(tenant)).unwrap_or(&self.routes)
    }

    /// Who may serve a destination, best first.
    pub fn ranked(&self, destination: &Destination) -> Vec<&str> {
        let route = self.routes.get(destination);
        let ranked = route.map(|route| route.ranked.as_slice()).unwrap_or_default();
        ranked.iter().map(|entry| self.row_of(entry).facts.candidate.as_str()).collect()
    }

    /// The hash its content has, which is its version unless somebody changed it.
    pub fn computed_version(&self) -> Hash {
        let mut bytes = Canonical::with_room(self.rows.len() * 32 + 1_024);
        bytes.numbers(&[
            u64::from(self.choice.equal_within.0),
            u64::from(self.choice.equal_most),
            u64::from(self.choice.load_margin),
            u64::from(self.choice.ladder_most),
            self.rows.len() as u64,
        ]);
        self.rows.iter().for_each(|row| bytes.0.extend_from_slice(&row.hash.0));
        bytes.routes(&self.routes);
        for (tenant, routes) in &self.tenants {
            bytes.text(tenant);
            bytes.routes(routes);
        }
        self.weights.write(&mut bytes);
        Hash::of(&bytes.0)
    }
}

/// Bytes that are hashed: every text behind its length, every number in eight bytes, every list behind its length, so
/// that no two tables have the same.
#[derive(Default)]
pub(super) struct Canonical(pub(super) Vec<u8>);

/// Bytes of a row that is like most.
const ROW_BYTES: usize = 320;

impl Canonical {
    /// One that grows to so many bytes without being moved.
    pub(super) fn with_room(bytes: usize) -> Canonical {
        Canonical(Vec::with_capacity(bytes))
    }

    pub(super) fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn numbers(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|number| self.number(*number));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn row(&mut self, row: &Row) {
        let Row { facts, cap, barred, parts, qualities, weight, dampened, stale, hash: _ } = row;
        self.facts(facts);
        let cap = cap.map_or(u64::MAX, u64::from);
        let (penalty, until) = dampened.map_or((0, 0), |one| (one.penalty, one.until.0.cast_unsigned()));
        // Six parts below 2^20 and a weight, three to a number.
        let three = |one: Millionths, two: Millionths, three: Millionths| {
            u64::from(one.0) | u64::from(two.0) << 21 | u64::from(three.0) << 42
        };
        self.numbers(&[
            cap,
            three(parts.latency, parts.cost, parts.truthfulness),
            three(parts.reliability, parts.load, parts.freshness),
            u64::from(*weight),
            u64::from(dampened.is_some()) | u64::from(*stale) << 1,
            penalty,
            until,
            qualities.len() as u64,
        ]);
        for (capability, quality) in qualities {
            self.text(&capability.0);
            self.number(u64::from(quality.0));
        }
        self.number(barred.len() as u64);
        if !barred.is_empty() {
            // Constraints hold words and whole numbers, so they have one JSON form.
            self.text(&serde_json::to_string(barred).unwrap_or_default());
        }
        // Rows that were written before it was kept have none, and keep their hashes.
        if facts.appetite != Appetite::default() {
            self.appetite(&facts.appetite);
        }
    }

    fn facts(&mut self, facts: &Facts) {
        let Facts {
            candidate,
            agent,
            runtime,
            capabilities,
            modalities,
            tier,
            region,
            price,
            context_tokens,
            appetite: _,
        } = facts;
        [candidate, agent, runtime].into_iter().for_each(|text| self.text(text));
        self.number(capabilities.len() as u64);
        capabilities.iter().for_each(|one| self.text(&one.0));
        self.number(modalities.len() as u64);
        modalities.iter().for_each(|one| self.number(*one as u64));
        self.text(region.as_deref().unwrap_or(""));
        self.numbers(&[
            *tier as u64 | u64::from(region.is_some()) << 8,
            price.input.cast_unsigned(),
            price.output.cast_unsigned(),
            price.cached().cast_unsigned(),
            u64::from(*context_tokens),
        ]);
    }

    fn appetite(&mut self, appetite: &Appetite) {
        let Appetite {
            system_tokens,
            system_bytes,
            facts,
            answer_most,
            own_tokenizer,
            tools,
            again,
            turns,
            tokens_most,
        } = *appetite;
        let flags = u64::from(own_tokenizer) | u64::from(tools) << 1 | u64::from(again) << 2 | u64::from(turns) << 32;
        self.numbers(&[system_tokens, system_bytes, facts, u64::from(answer_most), flags, tokens_most]);
    }

    fn routes(&mut self, routes: &Routes) {
        self.number(routes.len() as u64);
        for (destination, route) in routes {
            self.text(&destination.capability.0);
            self.number(destination.privacy as u64);
            self.0.extend_from_slice(&route.hash.0);
        }
    }
}
