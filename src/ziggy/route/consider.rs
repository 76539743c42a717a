//! Everybody, with what was found about them: made when somebody asks, from the table and the request alone.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::constraint::{Constraint, Rule};
use super::damp::Dampened;
use super::decide::Reason;
use super::destination::{Capability, Destination};
use super::fib::{Entry, Fib, Route, Row};
use super::request::Request;
use super::score::ScoreParts;
use crate::types::{Money, Price};
use crate::ziggy::fixed::Millionths;
use crate::ziggy::{Tokens, Wanted};

/// What was found about one candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It may serve this request.
    Legal {
        /// Its place in the order, from 1.
        place: u32,
        /// Its score.
        score: Millionths,
        /// What the score is made of.
        parts: ScoreParts,
        /// The most that serving this request can cost: what would be reserved for it.
        cost_max: Money,
        /// What it is expected to cost, if that is less.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost_expected: Option<Money>,
        /// Why it ranks behind everybody else, if it does.
        dampened: Option<Dampened>,
        /// Whether what is known of it has expired.
        stale: bool,
    },
    /// It may not.
    Excluded {
        /// Every rule it breaks, hardest first.
        constraints: Vec<Constraint>,
    },
}

/// One candidate and what was found about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Considered {
    /// Which candidate.
    pub candidate: String,
    /// Its agent.
    pub agent: String,
    /// What was found.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Where a request is looked up: its own destination, or the general one of its class where nobody offers what it needs.
pub(super) fn resolve<'a>(fib: &'a Fib, request: &'a Request) -> (Cow<'a, Destination>, Option<&'a Route>) {
    let routes = fib.routes_of(request.tenant.as_deref());
    let wanted = &request.destination;
    if let Some(route) = routes.get(wanted) {
        return (Cow::Borrowed(wanted), Some(route));
    }
    if wanted.capability.0 != Capability::GENERAL {
        let general = Destination { capability: Capability::new(Capability::GENERAL), privacy: wanted.privacy };
        if let Some(route) = routes.get(&general) {
            return (Cow::Owned(general), Some(route));
        }
    }
    (Cow::Borrowed(wanted), None)
}

/// Everybody: the legal ones best first, then the excluded ones by id. Nobody if there is no route at all.
pub fn consider(fib: &Fib, request: &Request) -> Vec<Considered> {
    let (destination, Some(route)) = resolve(fib, request) else { return Vec::new() };
    let demand = Demand::of(request);
    let (mut all, mut ranked) = (Vec::with_capacity(fib.rows.len()), vec![false; fib.rows.len()]);
    for entry in &route.ranked {
        let row = fib.row_of(entry);
        if demand.fits(entry, row) {
            ranked[entry.row as usize] = true;
            all.push(legal(all.len(), entry, row, &destination, request));
        }
    }
    for (row, _) in fib.rows.iter().zip(ranked).filter(|(_, ranked)| !ranked) {
        let verdict = Verdict::Excluded { constraints: broken(row, &destination, request) };
        let (candidate, agent) = (row.facts.candidate.clone(), row.facts.agent.clone());
        all.push(Considered { candidate, agent, verdict });
    }
    all
}

/// What was found about one candidate; nothing if the table does not know it or the destination.
pub fn consider_one(fib: &Fib, request: &Request, candidate: &str) -> Option<Considered> {
    let (destination, Some(route)) = resolve(fib, request) else { return None };
    let place = fib.place(candidate)?;
    let (row, demand) = (&fib.rows[place], Demand::of(request));
    let before = |entry: &&Entry| demand.fits(entry, fib.row_of(entry));
    let found = route.ranked.iter().filter(before).enumerate().find(|(_, entry)| entry.row as usize == place);
    Some(match found {
        Some((place, entry)) => legal(place, entry, row, &destination, request),
        None => {
            let verdict = Verdict::Excluded { constraints: broken(row, &destination, request) };
            Considered { candidate: candidate.to_owned(), agent: row.facts.agent.clone(), verdict }
        }
    })
}

fn legal(place: usize, entry: &Entry, row: &Row, destination: &Destination, request: &Request) -> Considered {
    let (cost_max, cost_expected) = entry.costs(request);
    let verdict = Verdict::Legal {
        place: u32::try_from(place + 1).unwrap_or(u32::MAX),
        score: entry.score,
        parts: row.parts_for(&destination.capability),
        cost_max,
        cost_expected,
        dampened: row.dampened,
        stale: row.stale,
    };
    Considered { candidate: row.facts.candidate.clone(), agent: row.facts.agent.clone(), verdict }
}

impl Entry {
    /// The most that serving a request can cost, and what it is expected to cost if that is less.
    pub(super) fn costs(&self, request: &Request) -> (Money, Option<Money>) {
        let wanted = request.wanted();
        let most = self.appetite.worst(self.price, self.context_tokens, &wanted).money;
        let expected = self.appetite.expected(&wanted);
        let expected = self.price.cost(expected.read, expected.written);
        (most, (expected < most).then_some(expected))
    }
}

/// Every rule a candidate breaks, in the order of hardness.
pub(super) fn broken(row: &Row, destination: &Destination, request: &Request) -> Vec<Constraint> {
    let mut constraints = row.barred_from(destination);
    let (facts, tokens) = (&row.facts, request.tokens_in.saturating_add(request.tokens_out_max));
    let unread = request.modalities.iter().filter(|needed| !facts.modalities.contains(needed));
    constraints.extend(unread.map(|needed| Constraint::Modality { needed: *needed }));
    if !resides(row, request) {
        constraints.push(Constraint::Residency { allowed: request.residency.clone(), region: facts.region.clone() });
    }
    if tokens > u64::from(facts.context_tokens) {
        constraints.push(Constraint::Context { needed: tokens, has: u64::from(facts.context_tokens) });
    }
    let worst = facts.appetite.worst(facts.price, facts.context_tokens, &request.wanted());
    if worst.money > request.budget.money {
        constraints.push(Constraint::Budget { cost: worst.money, budget: request.budget.money });
    }
    if worst.tokens > request.budget.tokens {
        constraints.push(Constraint::Tokens { needed: worst.tokens, budget: request.budget.tokens });
    }
    constraints.sort_by_key(Constraint::rule);
    constraints
}

/// Data that may be in some regions only goes nowhere else, and to no place of which the region is not known.
fn resides(row: &Row, request: &Request) -> bool {
    request.residency.is_empty() || row.facts.region.as_ref().is_some_and(|region| request.residency.contains(region))
}

/// Of those who offer the capability, whoever breaks the fewest rules; of equals the first by id.
pub(super) fn closest(fib: &Fib, destination: &Destination, request: &Request) -> Option<Reason> {
    let incapable = |constraints: &[Constraint]| matches!(constraints.first(), Some(Constraint::Capability { .. }));
    let mut best: Option<(&Row, Vec<Constraint>)> = None;
    for row in &fib.rows {
        let found = broken(row, destination, request);
        let key = |constraints: &[Constraint]| (incapable(constraints), constraints.len());
        if !found.is_empty() && best.as_ref().is_none_or(|(_, known)| key(&found) < key(known)) {
            best = Some((row, found));
        }
    }
    best.map(|(row, constraints)| Reason::Refused { closest: row.facts.candidate.clone(), constraints })
}

/// What a request demands of each candidate, made ready to be compared.
#[derive(Clone)]
pub(super) struct Demand<'a> {
    request: &'a Request,
    wanted: Wanted,
    tokens: u64,
    /// Millionths of micro-dollars that may be spent: what price times tokens is compared with.
    money: i128,
    /// Whether more is demanded than tokens and money.
    particular: bool,
    all_fit: bool,
}

impl<'a> Demand<'a> {
    pub(super) fn of(request: &'a Request) -> Demand<'a> {
        let tokens = request.tokens_in.saturating_add(request.tokens_out_max);
        // The largest amount is no limit: what costs more than it can hold is shown as it.
        let limit = if request.budget.money == Money(i64::MAX) { i128::MAX } else { 0 };
        Demand {
            request,
            wanted: request.wanted(),
            tokens,
            money: limit.max(i128::from(request.budget.money.0) * 1_000_000),
            particular: !request.residency.is_empty() || !request.modalities.is_empty(),
            all_fit: false,
        }
    }

    /// Notes whether everybody of a route satisfies it, so that nobody has to be looked at.
    pub(super) fn satisfied_by_all(&mut self, route: &Route) {
        let roomy = self.tokens <= u64::from(route.least_context);
        let most = route.greediest.most(route.dearest, route.most_context, &self.wanted);
        self.all_fit = roomy && self.has(most) && !self.particular && self.affords(route.dearest, most);
    }

    pub(super) fn fits_all(&self) -> bool {
        self.all_fit
    }

    fn affords(&self, price: Price, most: Tokens) -> bool {
        // The same as comparing the cost rounded up with the budget, without dividing.
        let (read, written) = (i128::from(most.read), i128::from(most.written));
        i128::from(price.input) * read + i128::from(price.output) * written <= self.money
    }

    fn has(&self, most: Tokens) -> bool {
        most.sum() <= self.request.budget.tokens
    }

    /// Whether a ranked candidate may serve the request.
    pub(super) fn fits(&self, entry: &Entry, row: &Row) -> bool {
        self.all_fit || self.broken_first(entry, row).is_none()
    }

    /// The hardest rule a ranked candidate breaks.
    pub(super) fn broken_first(&self, entry: &Entry, row: &Row) -> Option<Rule> {
        if self.particular {
            if self.request.modalities.iter().any(|needed| !row.facts.modalities.contains(needed)) {
                return Some(Rule::Modality);
            }
            if !resides(row, self.request) {
                return Some(Rule::Residency);
            }
        }
        if self.tokens > u64::from(entry.context_tokens) {
            return Some(Rule::Context);
        }
        let most = entry.appetite.most(entry.price, entry.context_tokens, &self.wanted);
        if !self.affords(entry.price, most) {
            return Some(Rule::Budget);
        }
        (!self.has(most)).then_some(Rule::Tokens)
    }
}
