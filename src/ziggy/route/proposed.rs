//! What another configuration would have made of a recorded table: its rules, its candidates, its prices.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::build::{Incumbents, build_after};
use super::candidate::{Candidate, Health, Origin, Rib};
use super::decide::Decision;
use super::destination::Destination;
use super::fib::Fib;
use super::policy::Rules;
use super::replay::Basis;

/// Another configuration, as far as routing knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// What tables are made by.
    pub rules: Rules,
    /// Whom it has, as a host would begin with them. Nothing: those who were recorded.
    pub candidates: Option<BTreeMap<String, Candidate>>,
}

impl Proposed {
    /// The same basis with the candidates of this configuration: what was observed of them stays, who is not in it is
    /// gone, who is new is as nobody has tried them. Whom code or people had put there stays as they were.
    pub fn basis(&self, recorded: &Basis) -> Basis {
        let Some(candidates) = &self.candidates else { return recorded.clone() };
        let mut rib = Rib { runtimes: recorded.rib.runtimes.clone(), version: recorded.rib.version, ..Rib::default() };
        let theirs = recorded.rib.candidates.values().filter(|one| one.origin != Origin::Config);
        rib.candidates = theirs.map(|one| (one.id.clone(), Arc::clone(one))).collect();
        for (id, new) in candidates {
            if rib.candidates.contains_key(id) {
                continue;
            }
            let merged = match recorded.rib.candidates.get(id) {
                Some(known) => merged(new, known),
                None => Candidate { since: recorded.at, ..new.clone() },
            };
            rib.candidates.insert(id.clone(), Arc::new(merged));
        }
        Basis { rib, governance: recorded.governance.clone(), at: recorded.at }
    }
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
    Candidate {
        quality: quality(new.quality, known.quality),
        qualities,
        live: if seen { known.live } else { new.live },
        since: known.since,
        health: match new.health {
            // Its runtime is configured no more.
            Health::Unhealthy { .. } => new.health.clone(),
            Health::Healthy => known.health.clone(),
        },
        quarantined: known.quarantined.clone(),
        ..new.clone()
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

/// The same question as the other configuration would put it: in the regions that remain.
pub fn asked_again(recorded: &Decision, residency: Option<Vec<String>>) -> Decision {
    let mut decision = recorded.clone();
    if let Some(residency) = residency {
        decision.request.residency = residency;
    }
    decision
}
