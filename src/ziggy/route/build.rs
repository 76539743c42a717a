//! From the RIB to the FIB: every candidate is assessed once, then ranked for every destination it may serve.
//!
//! A table is built from the one before it where there is one: rows whose candidate did not change share its facts,
//! routes that no changed row belongs to are taken over if pins and policies are the same, and the first of a route stays unless another is better by the
//! margin of the config.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::candidate::{Candidate, Health, Rib};
use super::constraint::{Constraint, Rule};
use super::damp::Dampened;
use super::destination::{CLASSES, Capability, Destination};
use super::fib::{Aside, Canonical, Choice, Entry, Facts, Fib, Pin, Route, Routes, Row};
use super::policy::Rules;
use super::score::ScoreParts;
use super::weights::Weights;
use crate::types::{Hash, Price, Timestamp};
use crate::ziggy::Appetite;
use crate::ziggy::admit::{Action, Governance, Override};
use crate::ziggy::fixed::Millionths;

/// Builds the FIB. The one before it says who is in place (R10) and saves work; it changes nothing else.
pub fn build(rib: &Rib, governance: &Governance, rules: &Rules, before: Option<&Fib>, now: Timestamp) -> Fib {
    let (rows, touched) = rows(rib, governance, rules, before, now);
    let making = Making { rows: &rows, governance, rules, now };
    let (choice, weights, policies) = (Choice::of(&rules.score), Weights::of(rules), Aside(policies_hash(rules)));
    let reusable = before.filter(|before| before.choice == choice && touched.is_some());
    let touched = touched.unwrap_or_default();
    let make = |tenant: Option<&str>| {
        let old = before.map(|before| match tenant {
            None => Some(&before.routes),
            Some(tenant) => before.tenants.get(tenant),
        });
        making.routes(tenant, old.flatten().zip(before), reusable.is_some().then_some(&touched))
    };
    let routes = make(None);
    let tenants = rules.tenants().into_iter().map(|tenant| (tenant.to_owned(), make(Some(tenant)))).collect();
    let (at, rib, governance) = (now, rib.version, governance.version);
    let mut fib = Fib { version: Hash::ZERO, rib, governance, at, choice, weights, policies, rows, routes, tenants };
    fib.version = fib.computed_version();
    fib
}

/// Who is in place, by tenant (none: everybody else's) and destination.
pub(super) type Incumbents = BTreeMap<(Option<String>, Destination), String>;

/// Builds the FIB where these are in place, from nothing else.
pub(super) fn build_after(
    rib: &Rib,
    governance: &Governance,
    rules: &Rules,
    incumbents: &Incumbents,
    now: Timestamp,
) -> Fib {
    let (rows, _) = rows(rib, governance, rules, None, now);
    let making = Making { rows: &rows, governance, rules, now };
    let make = |tenant: Option<&str>| {
        let mut routes = Routes::new();
        for (capability, places) in offering(&rows) {
            for privacy in CLASSES {
                let destination = Destination { capability: capability.clone(), privacy };
                let ordered = making.ordered(&places, capability, rules.policy(tenant, &destination));
                let key = (tenant.map(str::to_owned), destination);
                let who = incumbents.get(&key).map(String::as_str);
                let route = making.route(&key.1, &ordered, &places, who);
                routes.insert(key.1, Arc::new(route));
            }
        }
        routes
    };
    let tenants = rules.tenants().into_iter().map(|tenant| (tenant.to_owned(), make(Some(tenant)))).collect();
    let (choice, weights, policies) = (Choice::of(&rules.score), Weights::of(rules), Aside(policies_hash(rules)));
    let (routes, at, rib, governance) = (make(None), now, rib.version, governance.version);
    let mut fib = Fib { version: Hash::ZERO, rib, governance, at, choice, weights, policies, rows, routes, tenants };
    fib.version = fib.computed_version();
    fib
}

/// The rows, and the capabilities of those that changed; no such set if anything may have.
fn rows(
    rib: &Rib,
    governance: &Governance,
    rules: &Rules,
    before: Option<&Fib>,
    now: Timestamp,
) -> (Vec<Row>, Option<BTreeSet<Capability>>) {
    let old = before.map(|before| before.rows.as_slice()).unwrap_or_default();
    let (mut rows, mut touched, mut same) = (Vec::with_capacity(rib.candidates.len()), BTreeSet::new(), true);
    for (place, candidate) in rib.candidates.values().enumerate() {
        let known = match old.get(place).filter(|row| row.facts.candidate == candidate.id) {
            Some(row) => Some(row),
            None => {
                same = false;
                old.binary_search_by(|row| row.facts.candidate.cmp(&candidate.id)).ok().map(|place| &old[place])
            }
        };
        let mut row = assess(candidate, rib, governance, rules, known, now);
        if known != Some(&row) {
            row.hash = row.computed_hash();
            if same {
                touched.extend(row.facts.capabilities.iter().cloned());
                touched.extend(known.into_iter().flat_map(|row| row.facts.capabilities.iter().cloned()));
            }
        }
        rows.push(row);
    }
    // Places are compared below, so they have to mean the same; pins and policies do not show in rows.
    let ruled_the_same = |before: &Fib| {
        before.governance == governance.version
            && before.policies.0 == policies_hash(rules)
            && pinning(governance, before.at).eq(pinning(governance, now))
    };
    let same = same && rows.len() == old.len() && before.is_some_and(ruled_the_same);
    (rows, same.then_some(touched))
}

/// The pins that count at this time.
fn pinning(governance: &Governance, now: Timestamp) -> impl Iterator<Item = &Override> {
    governance.active(now).filter(|one| matches!(one.action, Action::Pin { .. }))
}

/// What tells two lists of policies apart, and the weights that hold without one.
fn policies_hash(rules: &Rules) -> Hash {
    // Neither has a map with keys that are no strings, so both have a JSON form.
    let text = serde_json::to_string(&(&rules.policies, &rules.score)).unwrap_or_default();
    Hash::of(text.as_bytes())
}

fn assess(
    candidate: &Candidate,
    rib: &Rib,
    governance: &Governance,
    rules: &Rules,
    known: Option<&Row>,
    now: Timestamp,
) -> Row {
    let weight = governance.weights.get(&candidate.id).copied().unwrap_or(candidate.weight);
    let step = rules.score.step.0.max(1);
    let rounded = |(capability, quality): (&Capability, &Millionths)| {
        let quality = quality.0.min(Millionths::ONE.0);
        (capability.clone(), Millionths(quality - quality % step))
    };
    let facts = known.map(|row| &row.facts).filter(|facts| facts.are_of(candidate)).cloned();
    Row {
        facts: facts.unwrap_or_else(|| Arc::new(Facts::of(candidate))),
        cap: candidate.cap,
        barred: barred(candidate, governance, weight, now),
        parts: ScoreParts::of(candidate, &rules.score, &rules.live, now),
        qualities: candidate.qualities.iter().map(rounded).collect(),
        weight,
        dampened: dampened(candidate, rib, rules, now),
        stale: candidate.expires.is_some_and(|expires| expires <= now),
        // Of a row that turns out to be another one it is made anew.
        hash: known.map_or(Hash::ZERO, |row| row.hash),
    }
}

impl Facts {
    fn of(candidate: &Candidate) -> Facts {
        Facts {
            candidate: candidate.id.clone(),
            agent: candidate.agent.clone(),
            runtime: candidate.runtime.clone(),
            capabilities: candidate.capabilities.clone(),
            modalities: candidate.modalities.clone(),
            tier: candidate.tier,
            region: candidate.region.clone(),
            price: candidate.price,
            context_tokens: candidate.context_tokens,
            appetite: candidate.appetite,
        }
    }

    fn are_of(&self, candidate: &Candidate) -> bool {
        let Facts { candidate: id, agent, runtime, capabilities, modalities, tier, region, .. } = self;
        let Facts { price, context_tokens, appetite, .. } = self;
        *id == candidate.id
            && *agent == candidate.agent
            && *runtime == candidate.runtime
            && *capabilities == candidate.capabilities
            && *modalities == candidate.modalities
            && *tier == candidate.tier
            && *region == candidate.region
            && *price == candidate.price
            && *context_tokens == candidate.context_tokens
            && *appetite == candidate.appetite
    }
}

fn barred(candidate: &Candidate, governance: &Governance, weight: u32, now: Timestamp) -> Vec<Constraint> {
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
    barred
}

/// The longer of what the candidate itself and what its runtime have to wait for.
fn dampened(candidate: &Candidate, rib: &Rib, rules: &Rules, now: Timestamp) -> Option<Dampened> {
    let own = candidate.live.dampening.dampened_at(now, &rules.live);
    let shared = rib.runtimes.get(candidate.counted_as()).and_then(|damper| damper.dampened_at(now, &rules.live));
    own.into_iter().chain(shared).max_by_key(|one| one.until)
}

/// Who offers what, by place.
pub(super) fn offering(rows: &[Row]) -> BTreeMap<&Capability, Vec<usize>> {
    let mut offering: BTreeMap<&Capability, Vec<usize>> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate() {
        for capability in &row.facts.capabilities {
            let places = offering.entry(capability).or_default();
            // A capability that is named twice is offered once.
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
    }
    offering
}

/// What the routes of one table are made from.
struct Making<'a> {
    rows: &'a [Row],
    governance: &'a Governance,
    rules: &'a Rules,
    now: Timestamp,
}

impl Making<'_> {
    /// The routes of a tenant, taking over the old ones of capabilities that nothing touched.
    fn routes(
        &self,
        tenant: Option<&str>,
        before: Option<(&Routes, &Fib)>,
        touched: Option<&BTreeSet<Capability>>,
    ) -> Routes {
        let mut routes = Routes::new();
        for (capability, places) in offering(self.rows) {
            let mut ordered: BTreeMap<Option<usize>, Vec<Entry>> = BTreeMap::new();
            for privacy in CLASSES {
                let destination = Destination { capability: capability.clone(), privacy };
                let old = before.and_then(|(routes, fib)| Some((routes.get(&destination)?, fib)));
                if let (Some(touched), Some((route, _))) = (touched, old)
                    && !touched.contains(capability)
                {
                    routes.insert(destination, Arc::clone(route));
                    continue;
                }
                let policy = self.rules.policy(tenant, &destination);
                let ordered = ordered.entry(policy).or_insert_with(|| self.ordered(&places, capability, policy));
                let who = old.and_then(|(route, fib)| Some(fib.row_of(route.ranked.first()?).facts.candidate.as_str()));
                let route = self.route(&destination, ordered, &places, who);
                routes.insert(destination, Arc::new(route));
            }
        }
        routes
    }

    /// Everybody who offers a capability and is barred by nothing but the place they are in, best first.
    fn ordered(&self, places: &[usize], capability: &Capability, policy: Option<usize>) -> Vec<Entry> {
        let weights = self.rules.weights(policy);
        let fit = |place: &usize| {
            let row = &self.rows[*place];
            row.barred.is_empty().then(|| {
                let score = row.parts_for(capability).weigh(weights, row.weight);
                let score = Millionths(score.0 - score.0 % self.rules.score.step.0.max(1));
                let preference = policy.map_or(0, |policy| self.rules.policies[policy].place(&row.facts));
                Entry::of(row, *place, score, preference)
            })
        };
        let mut entries: Vec<Entry> = places.iter().filter_map(fit).collect();
        // Places are in the order of ids, which decides between equals.
        entries.sort_unstable_by_key(Entry::order);
        entries
    }

    fn route(&self, destination: &Destination, ordered: &[Entry], places: &[usize], who: Option<&str>) -> Route {
        let near = |entry: &&Entry| !self.rows[entry.row as usize].is_too_far(destination);
        let mut ranked: Vec<Entry> = ordered.iter().filter(near).copied().collect();
        let kept = self.keep(&mut ranked, who);
        finish(ranked, self.pins(&destination.capability), kept, excluded(destination, places, self.rows))
    }

    /// R10: puts the one that is in place first, unless another stands better, is preferred, or beats it by more than
    /// the margin. Says whether that changed the order.
    fn keep(&self, ranked: &mut [Entry], who: Option<&str>) -> bool {
        let (Some(incumbent), Some(best)) = (who, ranked.first().copied()) else { return false };
        let close = |entry: &Entry| {
            entry.standing == best.standing
                && entry.preference == best.preference
                && best.score.0 - entry.score.0 <= self.rules.score.keep_within.0
        };
        let near = ranked.iter().take_while(|entry| close(entry));
        let place = near.into_iter().position(|entry| self.rows[entry.row as usize].facts.candidate == incumbent);
        match place {
            // Of those that score the same, the order is that of their ids, whoever was there before.
            Some(place) if ranked[place].score < best.score => {
                ranked[..=place].rotate_right(1);
                true
            }
            _ => false,
        }
    }

    fn pins(&self, capability: &Capability) -> Vec<Pin> {
        let mut pins = Vec::new();
        for one in self.governance.active(self.now) {
            if let Action::Pin { candidate, capability: only } = &one.action
                && only.as_ref().is_none_or(|only| only == capability)
            {
                let (author, reason) = (one.author.clone(), one.reason.clone());
                pins.insert(0, Pin { candidate: candidate.clone(), author, reason, expires: one.expires });
            }
        }
        pins
    }
}

impl Entry {
    /// Standing, preference, the best score and the place, in one number: thousands are sorted by it at each build.
    fn order(&self) -> u128 {
        let worse = u32::MAX - self.score.0;
        (self.standing as u128) << 96
            | u128::from(self.preference) << 64
            | u128::from(worse) << 32
            | u128::from(self.row)
    }

    pub(super) fn of(row: &Row, place: usize, score: Millionths, preference: u32) -> Entry {
        Entry {
            // A table with more rows than 32 bits count does not fit into memory.
            row: u32::try_from(place).unwrap_or(u32::MAX),
            score,
            preference,
            standing: row.standing(),
            context_tokens: row.facts.context_tokens,
            price: row.facts.price,
            appetite: row.facts.appetite,
        }
    }
}

/// How many may not serve a destination, each counted by the hardest rule it breaks.
pub(super) fn excluded(destination: &Destination, places: &[usize], rows: &[Row]) -> BTreeMap<Rule, u32> {
    let mut excluded: BTreeMap<Rule, u32> = BTreeMap::new();
    let incapable = u32::try_from(rows.len() - places.len()).unwrap_or(u32::MAX);
    if incapable > 0 {
        excluded.insert(Rule::Capability, incapable);
    }
    for row in places.iter().map(|place| &rows[*place]) {
        let first =
            if row.is_too_far(destination) { Some(Rule::Privacy) } else { row.barred.first().map(Constraint::rule) };
        if let Some(first) = first {
            *excluded.entry(first).or_default() += 1;
        }
    }
    excluded
}

/// A route with what follows from its order: its limits, and its hash.
pub(super) fn finish(ranked: Vec<Entry>, pins: Vec<Pin>, kept: bool, excluded: BTreeMap<Rule, u32>) -> Route {
    let least_context = ranked.iter().map(|entry| entry.context_tokens).min().unwrap_or(0);
    let dearest = ranked.iter().fold(Price::default(), |most, entry| {
        Price::new(most.input.max(entry.price.input), most.output.max(entry.price.output))
    });
    let most_context = ranked.iter().map(|entry| entry.context_tokens).max().unwrap_or(0);
    let greediest = ranked.iter().map(|entry| entry.appetite).reduce(Appetite::or).unwrap_or_default();
    let mut bytes = Canonical::with_room(ranked.len() * 8 + 64);
    bytes.number(ranked.len() as u64);
    ranked.iter().for_each(|entry| bytes.number(u64::from(entry.row) << 32 | u64::from(entry.score.0)));
    // Few tables prefer anybody.
    let preferred = ranked.iter().any(|entry| entry.preference > 0);
    bytes.number(u64::from(preferred));
    if preferred {
        ranked.iter().for_each(|entry| bytes.number(u64::from(entry.preference)));
    }
    bytes.number(u64::from(kept));
    bytes.number(pins.len() as u64);
    for pin in &pins {
        [&pin.candidate, &pin.author, &pin.reason].into_iter().for_each(|text| bytes.text(text));
        bytes.number(pin.expires.0.cast_unsigned());
    }
    let hash = Hash::of(&bytes.0);
    Route { ranked, pins, kept, excluded, least_context, most_context, dearest, greediest, hash }
}
