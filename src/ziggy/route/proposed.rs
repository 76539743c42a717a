//! What another configuration would have made of a recorded table: its rules, its candidates, its prices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::build::{Incumbents, build_after};
use super::candidate::{Candidate, Health, Origin, Rib};
use super::destination::Destination;
use super::fib::Fib;
use super::live::Live;
use super::policy::Rules;
use super::replay::Basis;
use crate::types::{Price, Timestamp};

/// Another configuration, as far as routing knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// What tables are made by.
    pub rules: Rules,
    /// Whom it has. Nothing: those who were recorded.
    pub company: Option<Company>,
}

/// Whom a configuration has, and what they cost.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Company {
    /// Its agents on their own runtimes, as a host would begin with them.
    pub own: BTreeMap<String, Candidate>,
    /// The same agents on its other runtimes, as a person can announce them.
    pub offers: BTreeMap<String, Candidate>,
    /// What the tokens of its runtimes cost, from when on.
    pub prices: BTreeMap<String, BTreeMap<Timestamp, Price>>,
}

impl Proposed {
    /// The same basis with the candidates of this configuration, at its prices of that time: what was observed of them
    /// stays, who is not in it is gone, who is new is as nobody has tried them. Whom a person had announced is there if
    /// it could be announced. Whom code or research had put there stays as it was.
    pub fn basis(&self, recorded: &Basis) -> Basis {
        let Some(company) = &self.company else { return recorded.clone() };
        let mut rib = Rib { runtimes: recorded.rib.runtimes.clone(), version: recorded.rib.version, ..Rib::default() };
        let everybody = || recorded.rib.candidates.values();
        // An agent in code stands in for the one of its name in the files.
        let in_code: BTreeSet<&str> =
            everybody().filter(|one| one.origin == Origin::Code).map(|one| one.agent.as_str()).collect();
        for new in company.own.values().filter(|new| !in_code.contains(new.agent.as_str())) {
            let known = recorded.rib.candidates.get(&new.id).filter(|known| is_the_same(new, known));
            let one = match known {
                Some(known) => merged(new, known),
                None => untried(new, recorded.at),
            };
            rib.candidates.insert(new.id.clone(), Arc::new(one));
        }
        for known in everybody().filter(|known| known.origin != Origin::Config) {
            let one = match (known.origin, company.offers.get(&known.id)) {
                (Origin::Operator, None) => continue,
                (Origin::Operator, Some(offer)) => Arc::new(announced(offer, known)),
                _ => Arc::clone(known),
            };
            rib.candidates.entry(known.id.clone()).or_insert(one);
        }
        for one in rib.candidates.values_mut().filter(|one| one.origin != Origin::Code) {
            let dated = company.prices.get(&one.runtime).and_then(|dated| dated.range(..=recorded.at).next_back());
            if let Some((_, price)) = dated.filter(|(_, price)| **price != one.price) {
                Arc::make_mut(one).price = *price;
            }
        }
        // A penalty is of who failed. Who asks another model by the same name has not.
        let others = rib
            .candidates
            .values()
            .filter(|one| recorded.rib.candidates.get(&one.id).is_some_and(|known| !is_the_same(one, known)));
        let others: BTreeSet<String> = others.map(|one| one.runtime.clone()).collect();
        rib.runtimes.retain(|runtime, _| !others.contains(runtime));
        Basis { rib, governance: recorded.governance.clone(), at: recorded.at }
    }
}

/// Whether what was seen of one was seen of the other: the same model, at the same address, by the same key. Old records
/// do not tell.
fn is_the_same(new: &Candidate, known: &Candidate) -> bool {
    let told = !known.model.is_empty();
    new.runtime == known.runtime && (!told || (new.model == known.model && new.provider == known.provider))
}

/// A candidate of a host that had just begun.
fn untried(new: &Candidate, at: Timestamp) -> Candidate {
    Candidate { since: at, live: Live { updated: at, ..new.live }, ..new.clone() }
}

/// What the configuration says of a candidate, with what was observed of it.
fn merged(new: &Candidate, known: &Candidate) -> Candidate {
    let seen = known.live.samples > 0;
    // What was learned of its quality counts for more than what the configuration assumes, once there was an answer.
    let quality = |own, learned| if seen { learned } else { own };
    let mut qualities = new.qualities.clone();
    for (capability, own) in &mut qualities {
        *own = quality(*own, known.qualities.get(capability).copied().unwrap_or(*own));
    }
    // What is assumed has its age too.
    let assumed = Live { updated: known.live.updated, in_flight: known.live.in_flight, ..new.live };
    Candidate {
        quality: quality(new.quality, known.quality),
        qualities,
        live: if seen { known.live } else { assumed },
        since: known.since,
        // Who could not work then cannot now, and who lacks a runtime never can.
        health: if new.health == Health::Healthy { known.health.clone() } else { new.health.clone() },
        quarantined: known.quarantined.clone(),
        ..new.clone()
    }
}

/// The offer as it was announced: the words of the person stay.
fn announced(offer: &Candidate, known: &Candidate) -> Candidate {
    let (same, fresh) = (is_the_same(offer, known), Live { updated: known.live.updated, ..offer.live });
    Candidate {
        live: if same { known.live } else { fresh },
        health: if same { known.health.clone() } else { offer.health.clone() },
        quality: known.quality,
        qualities: known.qualities.clone(),
        weight: known.weight,
        since: known.since,
        expires: known.expires,
        quarantined: known.quarantined.clone(),
        ..offer.clone()
    }
}

/// Tables of another configuration, made one after another as the recorded ones were: who is in place stays there for as
/// long as it would have.
#[derive(Debug, Default)]
pub struct Walk {
    last: Option<Step>,
}

/// The recorded table of a step, and what the other configuration made of it.
#[derive(Debug)]
struct Step {
    recorded: Arc<Fib>,
    basis: Arc<Basis>,
    made: Arc<Fib>,
}

impl Walk {
    /// The table that the other configuration has where the recorded one is in force, and what it is made from.
    pub fn table(&mut self, recorded: &Arc<Fib>, basis: &Basis, proposed: &Proposed) -> (Arc<Basis>, Arc<Fib>) {
        if let Some(step) = self.last.as_ref().filter(|step| step.recorded.version == recorded.version) {
            return (Arc::clone(&step.basis), Arc::clone(&step.made));
        }
        let incumbents = self.incumbents(recorded);
        let own = Arc::new(proposed.basis(basis));
        let made = Arc::new(build_after(&own.rib, &own.governance, &proposed.rules, &incumbents, basis.at));
        self.last = Some(Step { recorded: Arc::clone(recorded), basis: Arc::clone(&own), made: Arc::clone(&made) });
        (own, made)
    }

    /// Who is in place. Where both worlds had the same one in the step before, and at the first step, whoever is first in
    /// the recorded table: what happened between two tables of which decisions were made is in it. Elsewhere whoever the
    /// other world had.
    fn incumbents(&self, recorded: &Fib) -> Incumbents {
        let first = |fib: &Fib, tenant: Option<&str>, destination: &Destination| {
            let route = fib.routes_of(tenant).get(destination)?;
            Some(fib.row_of(route.ranked.first()?).facts.candidate.clone())
        };
        let mut incumbents = Incumbents::new();
        let tenants = std::iter::once(None).chain(recorded.tenants.keys().map(|tenant| Some(tenant.as_str())));
        for tenant in tenants {
            for destination in recorded.routes_of(tenant).keys() {
                let parted = self.last.as_ref().and_then(|step| {
                    let theirs = first(&step.recorded, tenant, destination);
                    let own = first(&step.made, tenant, destination);
                    (theirs != own).then_some(own)
                });
                let who = parted.unwrap_or_else(|| first(recorded, tenant, destination));
                if let Some(who) = who {
                    incumbents.insert((tenant.map(str::to_owned), destination.clone()), who);
                }
            }
        }
        incumbents
    }
}
