//! Candidates and the RIB: everything that could serve, with what is known and observed of it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::damp::Damper;
use super::destination::Capability;
use super::live::{Fault, Feedback, Live, LiveConfig, moved};
use super::shared;
use crate::types::{Modality, Price, Timestamp, TrustTier};
use crate::ziggy::Appetite;
use crate::ziggy::fixed::Millionths;

/// The greatest weight in percent: ten times the candidate's own score. More would make every other term meaningless.
pub const WEIGHT_MOST: u32 = 1_000;

/// How a candidate came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It stands in the config.
    Config,
    /// A program that embeds the host added it.
    Code,
    /// An operator added it while the host was running.
    Operator,
    /// Research found it.
    Discovered,
}

impl Origin {
    /// The word used in JSON and explanations.
    pub fn word(self) -> &'static str {
        match self {
            Origin::Config => "config",
            Origin::Code => "code",
            Origin::Operator => "operator",
            Origin::Discovered => "discovered",
        }
    }
}

/// Whether a candidate can work, as its runtime and agent report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "health", rename_all = "snake_case")]
#[schema(as = CandidateHealth)]
pub enum Health {
    /// It can.
    Healthy,
    /// It cannot.
    Unhealthy {
        /// Why, for the operator.
        reason: String,
    },
}

/// A way to serve tasks: an agent on a runtime.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Candidate {
    /// Unique and stable, such as `marvin@smollm2`.
    pub id: String,
    /// The agent that does the work.
    pub agent: String,
    /// The inference runtime under it: a provider, a model and a key together.
    pub runtime: String,
    /// Whose endpoint that asks and with which key; empty if it runs in this process.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provider: String,
    /// The model it asks for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// The runtime that this one is the same as, under another name; empty if it is the first of that name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub same_as: String,
    /// What it offers.
    pub capabilities: Vec<Capability>,
    /// What it can read.
    pub modalities: Vec<Modality>,
    /// How far the place it runs in is trusted.
    pub tier: TrustTier,
    /// Where that place is, such as `eu`; a task that must stay somewhere goes nowhere that is not known.
    pub region: Option<String>,
    /// What its tokens cost.
    pub price: Price,
    /// Tokens it can hold, prompt and answer together.
    pub context_tokens: u32,
    /// What bounds the tokens it takes for one request.
    #[serde(default, skip_serializing_if = "crate::types::is_default")]
    pub appetite: Appetite,
    /// How truthful its answers are: a prior, moved by feedback.
    pub quality: Millionths,
    /// The same for single capabilities, where it is known better; feedback on those moves these and not the other.
    pub qualities: BTreeMap<Capability, Millionths>,
    /// What was observed of it.
    pub live: Live,
    /// How it came to be known.
    pub origin: Origin,
    /// When it came to be known.
    pub since: Timestamp,
    /// When what is known of it expires, if it does: then it is stale for a while before it goes.
    pub expires: Option<Timestamp>,
    /// Percent by which its score is multiplied; 100 changes nothing, zero withdraws it.
    pub weight: u32,
    /// The most requests it may have in flight.
    pub cap: Option<u32>,
    /// Whether the config lets it serve.
    pub enabled: bool,
    /// Whether it can work.
    pub health: Health,
    /// Why it is quarantined, if it is.
    pub quarantined: Option<String>,
}

impl Candidate {
    /// The runtime under whose name its provider, model and key are counted.
    pub fn counted_as(&self) -> &str {
        if self.same_as.is_empty() { &self.runtime } else { &self.same_as }
    }

    /// What makes it impossible, in words; nothing if it can be.
    fn wrong(&self) -> Option<String> {
        let Candidate { id, price, .. } = self;
        let negative = price.input < 0 || price.output < 0 || price.cached_input.is_some_and(|price| price < 0);
        if id.is_empty() {
            return Some("it has no id".to_owned());
        }
        if negative {
            return Some(format!("{id} has a negative price; nobody pays for being asked"));
        }
        let share = |share: &Millionths| *share > Millionths::ONE;
        if share(&self.quality) || self.qualities.values().any(share) {
            return Some(format!("{id} has a quality above 1"));
        }
        None
    }
}

/// All candidates with all that is known of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Rib {
    /// By id. Shared, so that a copy costs no more than what is changed in it.
    #[serde(with = "shared::map")]
    #[schema(value_type = BTreeMap<String, Candidate>)]
    pub candidates: BTreeMap<String, Arc<Candidate>>,
    /// The penalties of runtimes: a provider, a model and a key fail for everybody who uses them.
    #[serde(default)]
    pub runtimes: BTreeMap<String, Damper>,
    /// Grows by one with each change.
    pub version: u64,
}

impl Rib {
    /// A RIB of these candidates.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, in words; two of one id among it.
    pub fn of(candidates: impl IntoIterator<Item = Candidate>) -> Result<Rib, Vec<String>> {
        let (mut rib, mut wrong) = (Rib::default(), Vec::new());
        for candidate in candidates {
            match rib.candidates.get(&candidate.id) {
                Some(known) => wrong.push(taken(known, &candidate)),
                None => wrong.extend(rib.put(candidate).err()),
            }
        }
        if wrong.is_empty() { Ok(rib) } else { Err(wrong) }
    }

    /// Adds a candidate or replaces what is known of it. What was observed of it stays.
    ///
    /// # Errors
    /// What is wrong with it, in words: a negative price, or an id that belongs to another agent, runtime or origin.
    pub fn put(&mut self, mut candidate: Candidate) -> Result<(), String> {
        if let Some(wrong) = candidate.wrong() {
            return Err(wrong);
        }
        if let Some(known) = self.candidates.get(&candidate.id) {
            let same = known.agent == candidate.agent && known.runtime == candidate.runtime;
            if !same || known.origin != candidate.origin {
                return Err(taken(known, &candidate));
            }
            candidate.since = known.since;
            if known.live.samples > 0 {
                candidate.live = known.live;
                candidate.quality = known.quality;
                for (capability, quality) in &mut candidate.qualities {
                    *quality = known.qualities.get(capability).copied().unwrap_or(*quality);
                }
            }
        }
        self.candidates.insert(candidate.id.clone(), Arc::new(candidate));
        self.version += 1;
        Ok(())
    }

    /// Forgets a candidate.
    pub fn remove(&mut self, id: &str) -> Option<Arc<Candidate>> {
        let removed = self.candidates.remove(id);
        self.version += u64::from(removed.is_some());
        removed
    }

    /// Lets go of what expired and was stale for long enough. Says who went.
    pub fn expire(&mut self, now: Timestamp, config: &LiveConfig) -> Vec<String> {
        let over = |one: &Candidate| removal(one, config).is_some_and(|end| end <= now);
        let gone: Vec<String> = self.candidates.values().filter(|one| over(one)).map(|one| one.id.clone()).collect();
        for id in &gone {
            self.remove(id);
        }
        gone
    }

    /// The first candidate that a name means: its own id or that of its agent. Its id begins with its agent's name, so
    /// nearly nobody has to be looked at.
    pub fn named(&self, name: &str) -> Option<&Arc<Candidate>> {
        let own = || self.candidates.get(name);
        let near = || {
            let prefix = format!("{name}@");
            let begins = (Bound::Included(prefix.as_str()), Bound::Unbounded);
            let near = self.candidates.range::<str, _>(begins).take_while(|(id, _)| id.starts_with(&prefix));
            near.map(|(_, one)| one).find(|one| one.agent == name)
        };
        own().or_else(near).or_else(|| self.candidates.values().find(|one| one.agent == name))
    }

    /// Takes over what the tokens of runtimes cost. Says whether anything changed.
    pub fn prices(&mut self, now: &BTreeMap<String, Price>) -> bool {
        let mut changed = false;
        for candidate in self.candidates.values_mut() {
            if let Some(price) = now.get(&candidate.runtime).filter(|price| candidate.price != **price) {
                Arc::make_mut(candidate).price = *price;
                changed = true;
            }
        }
        self.version += u64::from(changed);
        changed
    }

    /// Records the health of every candidate on these runtimes: one dead endpoint takes all its routes with it. Says
    /// whether anything changed.
    pub fn runtimes_health(&mut self, shown: &BTreeMap<String, Health>) -> bool {
        let mut changed = false;
        for candidate in self.candidates.values_mut() {
            if let Some(health) = shown.get(&candidate.runtime).filter(|health| candidate.health != **health) {
                Arc::make_mut(candidate).health = health.clone();
                changed = true;
            }
        }
        self.version += u64::from(changed);
        changed
    }

    /// Records how many requests each candidate has in flight.
    pub fn in_flight(&mut self, count: impl Fn(&str) -> u32) {
        for candidate in self.candidates.values_mut() {
            let seen = count(&candidate.id);
            if candidate.live.in_flight != seen {
                Arc::make_mut(candidate).live.in_flight = seen;
            }
        }
    }

    /// Takes over a clock that was set back: what was observed later than now was observed now, so that it fades from here on
    /// and not only from where the clock had been.
    pub fn set_back(&mut self, now: Timestamp) {
        let mut any = false;
        for candidate in self.candidates.values_mut() {
            if candidate.live.updated > now || candidate.live.dampening.updated > now {
                let live = &mut Arc::make_mut(candidate).live;
                live.updated = live.updated.min(now);
                live.dampening.set_back(now);
                any = true;
            }
        }
        for damper in self.runtimes.values_mut() {
            any |= damper.set_back(now);
        }
        self.version += u64::from(any);
    }

    /// Learns from one answer. Says whether the candidate is known.
    pub fn observe(&mut self, feedback: &Feedback, config: &LiveConfig, now: Timestamp) -> bool {
        let Some(candidate) = self.candidates.get_mut(&feedback.candidate).map(Arc::make_mut) else { return false };
        if let Some(seen) = feedback.quality {
            let single = feedback.capability.as_ref().and_then(|one| candidate.qualities.get_mut(one));
            let quality = single.unwrap_or(&mut candidate.quality);
            *quality = moved(*quality, seen, config.memory);
        }
        if feedback.afterwards {
            self.version += 1;
            return true;
        }
        let regime = candidate.live.learn(feedback, config, now);
        let own = match (feedback.ok, feedback.fault) {
            (true, _) => 0,
            (false, Fault::Limited) => config.limited_penalty,
            (false, Fault::Own | Fault::Runtime) => config.failure_penalty,
        };
        let sudden = if regime { config.regime_penalty } else { 0 };
        candidate.live.dampening.strike(own.saturating_add(sudden), now, config);
        let shared = if feedback.ok || feedback.fault == Fault::Own { 0 } else { own };
        let added = shared.saturating_add(sudden);
        let shared_by = candidate.counted_as();
        if added > 0 || self.runtimes.contains_key(shared_by) {
            self.runtimes.entry(shared_by.to_owned()).or_default().strike(added, now, config);
        }
        self.version += 1;
        true
    }
}

/// When a candidate leaves the table for having expired, if it ever does.
pub(super) fn removal(candidate: &Candidate, config: &LiveConfig) -> Option<Timestamp> {
    let stale = i64::from(config.stale_s) * 1_000_000;
    candidate.expires.map(|expires| Timestamp(expires.0.saturating_add(stale)))
}

fn taken(known: &Candidate, other: &Candidate) -> String {
    format!(
        "{} is the id of {} on {} (from {}) and cannot be that of {} on {} (from {}) too",
        known.id,
        known.agent,
        known.runtime,
        known.origin.word(),
        other.agent,
        other.runtime,
        other.origin.word()
    )
}
