//! What could be added for a candidate that cannot keep up, each with its price and what it would buy.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Carried, Config, Grows, Load, Place, millis, percent, product, queue, share};
use crate::types::Money;
use crate::ziggy::route::{Capability, Destination};

/// What is added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "add", rename_all = "snake_case")]
pub enum What {
    /// More requests at a time on the same runtime.
    Concurrency {
        /// How many it works on now.
        from: u32,
        /// How many it would.
        to: u32,
    },
    /// More runtimes like it.
    Runtimes {
        /// The runtime.
        like: String,
        /// How many more.
        copies: u32,
    },
    /// A part of the work goes to somebody else: another runtime, tier or model.
    Offload {
        /// Whose work.
        destination: String,
        /// To whom.
        to: String,
        /// Which share of the candidate's requests, in millionths.
        share: u64,
    },
}

/// One thing that could be done, and what would come of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Proposal {
    /// For whom.
    pub candidate: String,
    /// What.
    #[serde(flatten)]
    pub what: What,
    /// What the answers cost in a day now.
    pub cost_a_day_before: Money,
    /// What they would cost: what was refused would be answered. Machines have no price here.
    pub cost_a_day_after: Money,
    /// The mean wait now, by the model, in microseconds; none if the queue grows for ever.
    pub wait_us_before: Option<u64>,
    /// The mean wait with it.
    pub wait_us_after: Option<u64>,
    /// The share refused now, by the model, in millionths.
    pub refused_before: u64,
    /// The share refused with it.
    pub refused_after: u64,
    /// All of it as a sentence.
    pub words: String,
}

/// What could be done for a candidate that needs more than it has.
pub(super) fn proposals(
    place: &Place,
    carried: &Carried,
    loads: &[&Load],
    places: &BTreeMap<&str, &Place>,
    all: &[Carried],
    config: &Config,
) -> Vec<Proposal> {
    let mut found = vec![larger(place, carried, loads)];
    found.extend(offload(place, carried, loads, places, all, config));
    found
}

/// What the candidate's answers cost in a day if nothing were refused.
fn whole_day(carried: &Carried, loads: &[&Load]) -> Money {
    let (cost, served) = loads
        .iter()
        .fold((0_u64, 0_u64), |(cost, served), load| (cost + load.counts.cost, served + load.counts.served));
    let each = u128::from(cost) * 1_000_000 / u128::from(served.max(1));
    // Arrivals are in millionths of requests a second, and so is the cost of one.
    let day = each * u128::from(carried.arrivals) * 86_400 / 1_000_000_000_000;
    Money(i64::try_from(day).unwrap_or(i64::MAX)).max(carried.cost_a_day)
}

/// The same candidate, larger.
fn larger(place: &Place, carried: &Carried, loads: &[&Load]) -> Proposal {
    let (from, to) = (carried.concurrency, carried.needed);
    let (what, servers) = match place.grows {
        Grows::Concurrency => (What::Concurrency { from, to }, to),
        Grows::Copies => {
            let copies = to.div_ceil(from.max(1)) - 1;
            (What::Runtimes { like: place.runtime.clone(), copies }, from.max(1).saturating_mul(copies + 1))
        }
    };
    let wait = queue::wait_us(servers, carried.in_work, carried.service_us);
    let refused = queue::refused(servers, place.waiting, carried.in_work);
    finish(carried, what, whole_day(carried, loads), wait, refused)
}

/// A part of its largest destination to the cheapest other that may have it and has room.
fn offload(
    place: &Place,
    carried: &Carried,
    loads: &[&Load],
    places: &BTreeMap<&str, &Place>,
    all: &[Carried],
    config: &Config,
) -> Option<Proposal> {
    let largest = carried.destinations.first()?;
    let destination = Destination::from_str(&largest.destination).ok()?;
    let load = loads.iter().find(|load| load.destination == largest.destination)?;
    // What it can keep within the utilisation wanted; the rest has to go.
    let keeps = product(config.utilisation, u64::from(place.concurrency).saturating_mul(1_000_000));
    let goes = carried.in_work.saturating_sub(keeps).min(largest.in_work);
    let part = share(goes, carried.in_work).min(1_000_000);
    let moved = product(carried.arrivals, part);
    let served = load.counts.served.max(1);
    let (tokens_in, tokens_out) = (load.counts.tokens_in / served, load.counts.tokens_out / served);
    let offers = |other: &&&Place| {
        other.serves
            && other.candidate != place.candidate
            && other.runtime != place.runtime
            && destination.privacy.may_go_to(other.tier)
            && offers(other, &destination.capability)
    };
    let has_room = |other: &&&Place| {
        let known = all.iter().find(|carried| carried.candidate == other.candidate);
        // Somebody who was never asked takes as long as this one, as far as anybody knows.
        let service_us = known.map_or(carried.service_us, |known| known.service_us.max(1));
        let then = known.map_or(0, |known| known.in_work).saturating_add(product(moved, service_us));
        then <= product(config.utilisation, u64::from(other.concurrency).saturating_mul(1_000_000))
    };
    let cost = |other: &Place| other.price.cost(tokens_in, tokens_out);
    let to = places
        .values()
        .filter(offers)
        .filter(has_room)
        .min_by(|one, other| cost(one).cmp(&cost(other)).then(one.candidate.cmp(&other.candidate)))?;
    let rest = carried.in_work - goes;
    let day = |money: Money, arrivals: u64| {
        let cost = u128::try_from(money.0).unwrap_or(0) * u128::from(arrivals) * 86_400 / 1_000_000;
        i64::try_from(cost).unwrap_or(i64::MAX)
    };
    let kept = i128::from(whole_day(carried, loads).0) * i128::from(1_000_000 - part) / 1_000_000;
    let after = i64::try_from(kept).unwrap_or(i64::MAX).saturating_add(day(cost(to), moved));
    let what = What::Offload { destination: largest.destination.clone(), to: to.candidate.clone(), share: part };
    let wait = queue::wait_us(place.concurrency, rest, carried.service_us);
    let refused = queue::refused(place.concurrency, place.waiting, rest);
    Some(finish(carried, what, Money(after), wait, refused))
}

/// Whether somebody offers a capability, or is general.
fn offers(place: &Place, capability: &Capability) -> bool {
    place.capabilities.iter().any(|own| own == capability || own.0 == Capability::GENERAL)
}

fn finish(carried: &Carried, what: What, after: Money, wait: Option<u64>, refused: u64) -> Proposal {
    let told = |wait: Option<u64>| wait.map_or("for ever longer".to_owned(), millis);
    let add = match &what {
        What::Concurrency { from, to } => format!("let it work on {to} requests at a time instead of {from}"),
        What::Runtimes { like, copies } => format!("add {copies} more runtimes like {like}"),
        What::Offload { destination, to, share } => {
            format!("let {to} do {} % of its requests, of {destination}", percent(*share))
        }
    };
    let words = format!(
        "For {}: {add}. Answers would cost {after} a day instead of {}; requests would wait {} instead of {}, and {} % instead \
         of {} % would be refused.",
        carried.candidate,
        carried.cost_a_day,
        told(wait),
        told(carried.wait_us),
        percent(refused),
        percent(carried.would_refuse)
    );
    Proposal {
        candidate: carried.candidate.clone(),
        what,
        cost_a_day_before: carried.cost_a_day,
        cost_a_day_after: after,
        wait_us_before: carried.wait_us,
        wait_us_after: wait,
        refused_before: carried.would_refuse,
        refused_after: refused,
        words,
    }
}
