//! Everybody, with what was found about them: made when somebody asks, from the table and the request alone.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::constraint::{Constraint, Rule};
use super::damp::Dampened;
use super::decide::{Reason, Request};
use super::destination::{Capability, Destination};
use super::fib::{Entry, Fib, Route, Row};
use super::score::ScoreParts;
use crate::types::Money;
use crate::ziggy::fixed::Millionths;

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
        /// The most that serving this request can cost.
        cost_max: Money,
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
    let verdict = Verdict::Legal {
        place: u32::try_from(place + 1).unwrap_or(u32::MAX),
        score: entry.score,
        parts: row.parts_for(&destination.capability),
        cost_max: row.facts.price.cost(request.tokens_in, request.tokens_out_max),
        dampened: row.dampened,
        stale: row.stale,
    };
    Considered { candidate: row.facts.candidate.clone(), agent: row.facts.agent.clone(), verdict }
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
    let cost = facts.price.cost(request.tokens_in, request.tokens_out_max);
    if cost > request.budget.money {
        constraints.push(Constraint::Budget { cost, budget: request.budget.money });
    }
    if tokens > request.budget.tokens {
        constraints.push(Constraint::Tokens { needed: tokens, budget: request.budget.tokens });
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
    tokens: u64,
    /// Whether its own budget has the tokens, which is so for all candidates or for none.
    tokens_fit: bool,
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
            tokens,
            tokens_fit: tokens <= request.budget.tokens,
            money: limit.max(i128::from(request.budget.money.0) * 1_000_000),
            particular: !request.residency.is_empty() || !request.modalities.is_empty(),
            all_fit: false,
        }
    }

    /// Notes whether everybody of a route satisfies it, so that nobody has to be looked at.
    pub(super) fn satisfied_by_all(&mut self, route: &Route) {
        let roomy = self.tokens <= u64::from(route.least_context);
        self.all_fit = roomy && self.tokens_fit && !self.particular && self.affords(route.dearest);
    }

    pub(super) fn fits_all(&self) -> bool {
        self.all_fit
    }

    fn affords(&self, price: crate::types::Price) -> bool {
        // The same as comparing the cost rounded up with the budget, without dividing.
        let cost = i128::from(price.input) * i128::from(self.request.tokens_in)
            + i128::from(price.output) * i128::from(self.request.tokens_out_max);
        cost <= self.money
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
        if !self.affords(entry.price) {
            return Some(Rule::Budget);
        }
        (!self.tokens_fit).then_some(Rule::Tokens)
    }
}
