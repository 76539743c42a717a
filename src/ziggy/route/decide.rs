//! The next hop of one request, in the order of steps that the module's header gives (BP1 to BP9).
//!
//! The way to the winner touches no more than it must: routes are in order, so the walk ends when the ladder is full, and
//! what everybody satisfies is checked once. Whom it passed over, and why, [`super::consider`] says when somebody asks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::consider::{self, Demand};
use super::constraint::{Constraint, Rule};
use super::destination::{Capability, Destination};
use super::fib::{Entry, Fib, Route, Row};
use super::request::Request;
use super::score::ScoreWeights;
use super::spread::{Equal, by_session, is_lighter, two};
use crate::types::{Hash, Money, Timestamp};
use crate::ziggy::fixed::Millionths;

/// How many requests a candidate had in flight when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Load {
    /// Which candidate.
    pub candidate: String,
    /// How many.
    pub in_flight: u32,
}

/// How many may serve, and how many may not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Counts {
    /// May.
    pub legal: u32,
    /// May not, by the hardest rule they break.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, u32>)]
    pub excluded: BTreeMap<Rule, u32>,
}

/// Why a decision came out as it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "why", rename_all = "snake_case")]
#[schema(as = DecisionReason)]
pub enum Reason {
    /// Nobody offers the capability; the general one stands in.
    Substituted {
        /// What was wanted.
        wanted: Capability,
    },
    /// Nobody offers the capability, and nobody is general.
    NoRoute {
        /// What was wanted.
        wanted: Capability,
        /// What is offered; the first of it if that is much.
        offered: Vec<Capability>,
    },
    /// Everybody who offers the capability breaks a rule.
    Refused {
        /// Who breaks the fewest.
        closest: String,
        /// Which ones: satisfying these would let it serve.
        constraints: Vec<Constraint>,
    },
    /// A person prefers the winner.
    OperatorPin {
        /// Who.
        author: String,
        /// Why.
        reason: String,
        /// Until when.
        expires: Timestamp,
    },
    /// The caller asked for the winner by name.
    RequestPin,
    /// Somebody was asked for by name but may not serve.
    PinExcluded {
        /// Who was asked for.
        pin: String,
        /// The rules it breaks; none if nobody has that name.
        constraints: Vec<Constraint>,
    },
    /// Nobody else may serve.
    OnlyLegal,
    /// A policy prefers the winner to who comes next.
    Preferred {
        /// Who comes next.
        runner_up: String,
    },
    /// The winner has the best score, or the same and the smaller id.
    BestScore {
        /// Who comes next.
        runner_up: String,
        /// By how much it is behind.
        margin: Millionths,
    },
    /// The winner was there before, and who scores better does so by less than the margin.
    Kept {
        /// Who scores better.
        challenger: String,
        /// By how much.
        margin: Millionths,
    },
    /// Several are as good as equal; the session decides between them.
    Session {
        /// How many are.
        equal: u32,
    },
    /// The session's own candidate has too much to do, so the next in its order serves.
    SessionMoved {
        /// Who is too busy.
        from: String,
        /// Requests it has in flight.
        in_flight: u32,
        /// Requests the least loaded of the equals has.
        least: u32,
    },
    /// Several are as good as equal; of two drawn by chance the winner had less to do for its weight.
    TwoChoices {
        /// How many are equal.
        equal: u32,
        /// The other one.
        other: String,
    },
    /// The winner failed too often lately; nobody else may serve.
    LastResort {
        /// Its penalty when it last failed.
        penalty: u64,
        /// When it is ranked by its score again.
        until: Timestamp,
    },
    /// What is known of the winner has expired; of nobody who may serve is anything newer known.
    Stale,
}

/// Who serves a request, and why. Small whatever the number of candidates: who else was considered follows from the
/// table of this version and the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Decision {
    /// Version of the FIB it was made from.
    pub fib: Hash,
    /// The destination that was looked up.
    pub destination: Destination,
    /// What was asked.
    pub request: Request,
    /// How much each part of a score counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<ScoreWeights>,
    /// What candidates had to do, as far as it was looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loads: Vec<Load>,
    /// Who serves; nobody if the request is refused.
    pub winner: Option<String>,
    /// The winner and then whom to try if it fails, in order.
    pub ladder: Vec<String>,
    /// The most that the winner can cost: what is reserved for it.
    pub cost_max: Money,
    /// What the winner is expected to cost, if that is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_expected: Option<Money>,
    /// How many could have served.
    pub counts: Counts,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// Capabilities that a refusal lists at the most.
const OFFERED_MOST: usize = 32;

/// Finds the next hop where nobody has anything to do. Pure: the same FIB and request give the same bytes.
pub fn decide(fib: &Fib, request: &Request) -> Decision {
    decide_under(fib, request, &|_| 0)
}

/// Finds the next hop, looking at what the equals have to do. Pure but for that, and what it looked at is in the
/// decision: given the same again, it gives the same bytes.
pub fn decide_under(fib: &Fib, request: &Request, load: &dyn Fn(&str) -> u32) -> Decision {
    Made::of(fib, request, load).recorded()
}

/// Whether a recorded decision is the one that its own inputs give on this table. Copies nothing.
pub(super) fn is_same(fib: &Fib, recorded: &Decision, load: &dyn Fn(&str) -> u32) -> bool {
    Made::of(fib, &recorded.request, load).is(recorded)
}

/// A decision that borrows what its record will own.
struct Made<'a> {
    fib: &'a Fib,
    destination: Cow<'a, Destination>,
    request: &'a Request,
    weights: Option<ScoreWeights>,
    loads: Vec<(&'a str, u32)>,
    ladder: Vec<&'a str>,
    cost_max: Money,
    cost_expected: Option<Money>,
    legal: u32,
    excluded: Cow<'a, BTreeMap<Rule, u32>>,
    reasons: Vec<Reason>,
}

impl<'a> Made<'a> {
    fn of(fib: &'a Fib, request: &'a Request, load: &dyn Fn(&str) -> u32) -> Made<'a> {
        let (destination, route) = consider::resolve(fib, request);
        let mut made = Made {
            fib,
            destination,
            request,
            weights: None,
            loads: Vec::new(),
            ladder: Vec::new(),
            cost_max: Money::ZERO,
            cost_expected: None,
            legal: 0,
            excluded: Cow::Owned(BTreeMap::new()),
            reasons: Vec::new(),
        };
        let Some(route) = route else {
            let mut offered: Vec<Capability> = fib.routes.keys().map(|known| known.capability.clone()).collect();
            offered.dedup();
            offered.truncate(OFFERED_MOST);
            made.reasons.push(Reason::NoRoute { wanted: made.destination.capability.clone(), offered });
            return made;
        };
        if made.destination.capability != request.destination.capability {
            made.reasons.push(Reason::Substituted { wanted: request.destination.capability.clone() });
        }
        made.weights = fib.weights.at(request.tenant.as_deref(), &made.destination);
        let demand = Demand::of(request);
        let (destination, reasons) = (&*made.destination, std::mem::take(&mut made.reasons));
        let mut choosing = Choosing { fib, route, destination, request, demand, load, reasons, loads: Vec::new() };
        choosing.demand.satisfied_by_all(route);
        let counts = choosing.counts();
        let winner = choosing.choose();
        let Choosing { reasons, loads, demand, .. } = choosing;
        (made.legal, made.excluded) = counts;
        made.reasons = reasons;
        if let Some(winner) = winner {
            made.loads = loads;
            made.ladder = ladder(fib, route, winner, &demand, request);
            (made.cost_max, made.cost_expected) = winner.costs(request);
        }
        made
    }

    fn recorded(self) -> Decision {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<String>>();
        let load = |(candidate, in_flight): (&str, u32)| Load { candidate: candidate.to_owned(), in_flight };
        Decision {
            fib: self.fib.version,
            destination: self.destination.into_owned(),
            request: self.request.clone(),
            weights: self.weights,
            loads: self.loads.into_iter().map(load).collect(),
            winner: self.ladder.first().map(ToString::to_string),
            ladder: owned(&self.ladder),
            cost_max: self.cost_max,
            cost_expected: self.cost_expected,
            counts: Counts { legal: self.legal, excluded: self.excluded.into_owned() },
            reasons: self.reasons,
        }
    }

    fn is(&self, recorded: &Decision) -> bool {
        let Decision { fib, destination, request, weights, loads, winner, ladder, counts, reasons, .. } = recorded;
        let load = |(seen, known): (&(&str, u32), &Load)| seen.0 == known.candidate && seen.1 == known.in_flight;
        *fib == self.fib.version
            && *destination == *self.destination
            && *weights == self.weights
            && (std::ptr::eq(request, self.request) || request == self.request)
            && loads.len() == self.loads.len()
            && self.loads.iter().zip(loads).all(load)
            && winner.as_deref() == self.ladder.first().copied()
            && *ladder == self.ladder
            && recorded.cost_max == self.cost_max
            && recorded.cost_expected == self.cost_expected
            && counts.legal == self.legal
            && counts.excluded == *self.excluded
            && *reasons == self.reasons
    }
}

/// The winner, then those that may stand in for it. Nobody stands in for an agent that the caller asked for by name.
fn ladder<'a>(fib: &'a Fib, route: &Route, winner: &Entry, demand: &Demand<'_>, request: &Request) -> Vec<&'a str> {
    let most = (fib.choice.ladder_most as usize).max(1);
    let mut ladder = Vec::with_capacity(most.min(route.ranked.len()));
    ladder.push(fib.row_of(winner).facts.candidate.as_str());
    let named = request.pin.as_ref().map(|pin| fib.named(pin));
    // Whoever is asked for by name has nobody else to look for.
    let alone = named.as_ref().is_some_and(|named| named.len() == 1);
    for entry in route.ranked.iter().take_while(|_| !alone) {
        if ladder.len() >= most {
            break;
        }
        let row = fib.row_of(entry);
        let meant = named.as_ref().is_none_or(|named| named.contains(&entry.row));
        if entry.row != winner.row && meant && demand.fits(entry, row) {
            ladder.push(&row.facts.candidate);
        }
    }
    ladder
}

/// Whether this candidate is meant by a name: its own or its agent's.
pub(super) fn is(row: &Row, name: &str) -> bool {
    row.facts.candidate == name || row.facts.agent == name
}

struct Choosing<'a, 'b> {
    fib: &'a Fib,
    route: &'a Route,
    destination: &'b Destination,
    request: &'a Request,
    demand: Demand<'a>,
    load: &'b dyn Fn(&str) -> u32,
    reasons: Vec<Reason>,
    loads: Vec<(&'a str, u32)>,
}

impl<'a> Choosing<'a, '_> {
    /// How many may serve, and how many may not. Nobody is looked at if the request fits everybody.
    fn counts(&self) -> (u32, Cow<'a, BTreeMap<Rule, u32>>) {
        let mut excluded = Cow::Borrowed(&self.route.excluded);
        if self.demand.fits_all() {
            return (u32::try_from(self.route.ranked.len()).unwrap_or(u32::MAX), excluded);
        }
        let mut legal = 0;
        for entry in &self.route.ranked {
            match self.demand.broken_first(entry, self.fib.row_of(entry)) {
                None => legal += 1,
                Some(rule) => *excluded.to_mut().entry(rule).or_default() += 1,
            }
        }
        (legal, excluded)
    }

    fn legal(&self) -> impl Iterator<Item = &'a Entry> {
        let (fib, demand) = (self.fib, self.demand.clone());
        self.route.ranked.iter().filter(move |entry| demand.fits(entry, fib.row_of(entry)))
    }

    fn choose(&mut self) -> Option<&'a Entry> {
        let Some(best) = self.legal().next() else {
            self.reasons.extend(consider::closest(self.fib, self.destination, self.request));
            return None;
        };
        if let Some(pinned) = self.operator_pin() {
            return Some(pinned);
        }
        if let Some(pin) = &self.request.pin {
            let named = self.fib.named(pin);
            let meant = self.route.ranked.iter().filter(|entry| named.contains(&entry.row));
            let pinned = meant.into_iter().find(|entry| self.demand.fits(entry, self.fib.row_of(entry)));
            let reason = pinned.map(|_| Reason::RequestPin);
            self.reasons.push(reason.unwrap_or_else(|| self.pin_excluded(pin)));
            return pinned;
        }
        let row = self.fib.row_of(best);
        match row.dampened {
            Some(one) => self.reasons.push(Reason::LastResort { penalty: one.penalty, until: one.until }),
            None if row.stale => self.reasons.push(Reason::Stale),
            None => {}
        }
        let equals = self.equals(best);
        if equals.len() > 1 {
            match (&self.request.session, self.request.seed) {
                (Some(session), _) => return Some(self.of_session(session, &equals)),
                (None, Some(seed)) => return Some(self.of_two(seed, &equals)),
                (None, None) => {}
            }
        }
        let reason = self.because(best);
        self.reasons.push(reason);
        Some(best)
    }

    /// Why the first is first.
    fn because(&self, best: &Entry) -> Reason {
        let name = |entry: &Entry| self.fib.row_of(entry).facts.candidate.clone();
        let Some(next) = self.legal().nth(1) else { return Reason::OnlyLegal };
        if next.standing == best.standing && next.preference > best.preference {
            return Reason::Preferred { runner_up: name(next) };
        }
        if next.standing == best.standing && next.score > best.score {
            return Reason::Kept { challenger: name(next), margin: Millionths(next.score.0 - best.score.0) };
        }
        Reason::BestScore { runner_up: name(next), margin: Millionths(best.score.0.saturating_sub(next.score.0)) }
    }

    fn operator_pin(&mut self) -> Option<&'a Entry> {
        let (fib, request) = (self.fib, self.request);
        for pin in self.route.pins.iter().filter(|pin| request.at < pin.expires) {
            let place = fib.place(&pin.candidate);
            // R8: nobody is put before whom the caller asked for by name.
            let other = |named: &String| place.is_none_or(|place| !is(&fib.rows[place], named));
            if request.pin.as_ref().is_some_and(other) {
                continue;
            }
            let meant = |entry: &&Entry| Some(entry.row as usize) == place;
            let pinned = self.route.ranked.iter().find(meant);
            if let Some(pinned) = pinned.filter(|entry| self.demand.fits(entry, fib.row_of(entry))) {
                let (author, reason) = (pin.author.clone(), pin.reason.clone());
                self.reasons.push(Reason::OperatorPin { author, reason, expires: pin.expires });
                return Some(pinned);
            }
            let reason = self.pin_excluded(&pin.candidate);
            self.reasons.push(reason);
        }
        None
    }

    fn pin_excluded(&self, pin: &str) -> Reason {
        let row = self.fib.named(pin).first().map(|place| &self.fib.rows[*place as usize]);
        let constraints = row.map(|row| consider::broken(row, self.destination, self.request)).unwrap_or_default();
        Reason::PinExcluded { pin: pin.to_owned(), constraints }
    }

    /// Those that are as good as the best: of the same standing and preference, with a score within the margin.
    fn equals(&self, best: &Entry) -> Vec<&'a Entry> {
        let (choice, most) = (&self.fib.choice, self.fib.choice.equal_most as usize);
        let same = |entry: &&Entry| {
            entry.standing == best.standing
                && entry.preference == best.preference
                && best.score.0.saturating_sub(entry.score.0) <= choice.equal_within.0
        };
        // One that was kept in place may have others before it by score, which are beyond the margin of equality.
        let near = |entry: &&Entry| entry.score.0.saturating_sub(best.score.0) <= choice.equal_within.0;
        self.legal().take_while(same).filter(near).take(most.max(1)).collect()
    }

    fn look(&mut self, entry: &Entry) -> u32 {
        let candidate = self.fib.row_of(entry).facts.candidate.as_str();
        let in_flight = (self.load)(candidate);
        self.loads.push((candidate, in_flight));
        in_flight
    }

    fn weighted(&self, equals: &[&'a Entry]) -> Vec<Equal<'a>> {
        let fib = self.fib;
        let one = |entry: &&'a Entry| {
            let row = fib.row_of(entry);
            Equal { candidate: &row.facts.candidate, weight: row.weight }
        };
        equals.iter().map(one).collect()
    }

    /// The session's own, unless that has too much to do beside the others.
    fn of_session(&mut self, session: &str, equals: &[&'a Entry]) -> &'a Entry {
        let order = by_session(session, &self.weighted(equals));
        let loads: Vec<u32> = order.iter().map(|place| self.look(equals[*place])).collect();
        let least = loads.iter().copied().min().unwrap_or(0);
        let limit = least.saturating_add(self.fib.choice.load_margin);
        let chosen = loads.iter().position(|load| *load <= limit).unwrap_or(0);
        self.reasons.push(Reason::Session { equal: u32::try_from(equals.len()).unwrap_or(u32::MAX) });
        if chosen > 0 {
            let from = self.fib.row_of(equals[order[0]]).facts.candidate.clone();
            self.reasons.push(Reason::SessionMoved { from, in_flight: loads[0], least });
        }
        equals[order[chosen]]
    }

    /// Two are drawn by weight; the one with less to do serves.
    fn of_two(&mut self, seed: u64, equals: &[&'a Entry]) -> &'a Entry {
        let (first, second) = two(seed, &self.weighted(equals));
        let (one, other) = (equals[first], equals[second]);
        let loads = (self.look(one), self.look(other));
        let weight = |entry: &Entry| self.fib.row_of(entry).weight;
        let lighter = is_lighter((loads.0, weight(one)), (loads.1, weight(other)));
        let (winner, loser) = if lighter { (one, other) } else { (other, one) };
        let other = self.fib.row_of(loser).facts.candidate.clone();
        let equal = u32::try_from(equals.len()).unwrap_or(u32::MAX);
        self.reasons.push(Reason::TwoChoices { equal, other });
        winner
    }
}
