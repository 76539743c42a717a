//! Scale-up plans: what the measured load takes, what to add where, what that would cost, and what it would buy.
//!
//! A plan changes nothing. It is made of what was measured and of prices, by Little's law and the queues of `queue`.
//!
//! Invariants:
//! - PL1: the same loads, places and config give the same plan, byte for byte.
//! - PL2: without a measured load nothing is proposed, and the plan says so.
//! - PL3: a proposal never sends a destination where its privacy class may not go, nor to somebody who would then be over
//!   the utilisation wanted.
//! - PL4: with what is proposed the modelled wait and the share refused are no greater than before.

mod proposal;
pub mod queue;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::govern::Counts;
use super::route::Capability;
use crate::types::{Money, Price, Timestamp, TrustTier};

pub use proposal::{Proposal, What};

/// What a plan aims at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Seconds that are looked back, if the caller names no number.
    pub window_s: u64,
    /// The share of its time that a server is to be busy at the most, in millionths.
    pub utilisation: u64,
    /// Milliseconds that a request is to wait on average at the most.
    pub wait_ms: u64,
    /// Requests that prove a load; from fewer nothing is concluded.
    pub least: u64,
}

/// How a place gets larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grows {
    /// Its number of requests at a time is raised.
    Concurrency,
    /// Another of it is started: one process has one model, which works on one request.
    Copies,
}

/// Where work can go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its candidate.
    pub candidate: String,
    /// The runtime under it.
    pub runtime: String,
    /// How far it is trusted.
    pub tier: TrustTier,
    /// What its tokens cost.
    pub price: Price,
    /// What it offers.
    pub capabilities: Vec<Capability>,
    /// Requests it works on at a time.
    pub concurrency: u32,
    /// Requests that may wait for it.
    pub waiting: u32,
    /// How it gets larger.
    pub grows: Grows,
    /// Whether it serves now.
    pub serves: bool,
}

/// What was measured of one candidate at one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// The destination, as `capability/class`.
    pub destination: String,
    /// The candidate.
    pub candidate: String,
    /// What was counted.
    pub counts: Counts,
}

/// The load of one destination on a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Share {
    /// The destination.
    pub destination: String,
    /// Requests a second that came, in millionths.
    pub arrivals: u64,
    /// Requests in work at a time, by Little's law, in millionths.
    pub in_work: u64,
}

/// What a candidate carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Carried {
    /// The candidate.
    pub candidate: String,
    /// The load of each destination, greatest first.
    pub destinations: Vec<Share>,
    /// Requests that were measured.
    pub requests: u64,
    /// Requests a second that came, refused ones included, in millionths.
    pub arrivals: u64,
    /// Time of one answer on average, in microseconds.
    pub service_us: u64,
    /// Requests in work at a time if none were refused, by Little's law: arrivals times time. In millionths.
    pub in_work: u64,
    /// Requests it works on at a time at the most.
    pub concurrency: u32,
    /// The share of its time that it would be busy, in millionths; over a million it cannot keep up.
    pub utilisation: u64,
    /// How long requests waited on average before they were worked on, as measured, in microseconds.
    pub waited_us: u64,
    /// How long they would wait on average, by the queue M/M/c, in microseconds; none if the queue would grow for ever.
    pub wait_us: Option<u64>,
    /// The share of requests that were refused, as measured, in millionths.
    pub refused: u64,
    /// The share that would be refused, by the queue M/M/c/K, in millionths.
    pub would_refuse: u64,
    /// Requests at a time that it needs for what the plan aims at.
    pub needed: u32,
    /// What its answers cost in a day at this rate.
    pub cost_a_day: Money,
}

/// What to add where, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Plan {
    /// When it was made.
    pub at: Timestamp,
    /// Seconds that were looked back, no more than the host has run.
    pub window_s: u64,
    /// Whether any load was measured.
    pub measured: bool,
    /// The share of its time that a server is to be busy at the most, in millionths.
    pub utilisation: u64,
    /// Milliseconds that a request is to wait on average at the most.
    pub wait_ms: u64,
    /// What each candidate carries.
    pub carried: Vec<Carried>,
    /// What to do about it.
    pub proposals: Vec<Proposal>,
    /// All of it as sentences.
    pub words: Vec<String>,
}

/// Makes the plan. Pure.
pub fn plan(loads: &[Load], places: &[Place], config: &Config, window_s: u64, at: Timestamp) -> Plan {
    let places: BTreeMap<&str, &Place> = places.iter().map(|place| (place.candidate.as_str(), place)).collect();
    let mut by_candidate: BTreeMap<&str, Vec<&Load>> = BTreeMap::new();
    for load in loads.iter().filter(|load| load.counts.arrived > 0) {
        by_candidate.entry(&load.candidate).or_default().push(load);
    }
    let mut plan = Plan {
        at,
        window_s,
        measured: !by_candidate.is_empty(),
        utilisation: config.utilisation,
        wait_ms: config.wait_ms,
        carried: Vec::new(),
        proposals: Vec::new(),
        words: Vec::new(),
    };
    if !plan.measured {
        plan.words.push(format!("No load was measured in the last {window_s} s, so there is nothing to plan for."));
        return plan;
    }
    for (candidate, loads) in &by_candidate {
        if let Some(place) = places.get(candidate) {
            plan.carried.push(carried(place, loads, config, window_s));
        }
    }
    for carried in &plan.carried {
        plan.words.push(said(carried));
        let (Some(place), Some(loads)) =
            (places.get(carried.candidate.as_str()), by_candidate.get(carried.candidate.as_str()))
        else {
            continue;
        };
        if carried.requests < config.least {
            let (seen, least) = (carried.requests, config.least);
            plan.words.push(format!("From {seen} requests nothing is concluded; it takes {least} (crown.plan.least)."));
        } else if carried.needed > carried.concurrency {
            plan.proposals.extend(proposal::proposals(place, carried, loads, &places, &plan.carried, config));
        } else if carried.refused > 0 {
            plan.words.push(format!(
                "{} % of its requests were refused although it can keep up: they came all at once. More of them may wait \
                 if its agent's `waiting` is raised.",
                percent(carried.refused)
            ));
        }
    }
    if plan.proposals.is_empty() {
        plan.words.push("Nothing has to be added for this load.".to_owned());
    }
    plan.words.extend(plan.proposals.iter().map(|proposal| proposal.words.clone()));
    plan
}

fn carried(place: &Place, loads: &[&Load], config: &Config, window_s: u64) -> Carried {
    let mut all = Counts::default();
    loads.iter().for_each(|load| all.add(&load.counts));
    let service_us = all.took_us / all.served.max(1);
    let arrivals = rate(all.arrived, window_s);
    let in_work = product(arrivals, service_us);
    let mut destinations: Vec<Share> = loads
        .iter()
        .map(|load| {
            let arrivals = rate(load.counts.arrived, window_s);
            let own = load.counts.took_us.checked_div(load.counts.served).unwrap_or(service_us);
            Share { destination: load.destination.clone(), arrivals, in_work: product(arrivals, own) }
        })
        .collect();
    destinations.sort_by(|one, other| other.in_work.cmp(&one.in_work).then(one.destination.cmp(&other.destination)));
    let wait_most_us = config.wait_ms.saturating_mul(1_000);
    Carried {
        candidate: place.candidate.clone(),
        destinations,
        requests: all.arrived,
        arrivals,
        service_us,
        in_work,
        concurrency: place.concurrency,
        utilisation: in_work / u64::from(place.concurrency.max(1)),
        waited_us: all.waited_us / all.served.max(1),
        wait_us: queue::wait_us(place.concurrency, in_work, service_us),
        refused: share(all.refused, all.arrived),
        would_refuse: queue::refused(place.concurrency, place.waiting, in_work),
        needed: queue::needed(in_work, service_us, config.utilisation, wait_most_us),
        cost_a_day: a_day(all.cost, window_s),
    }
}

/// A count as so many a second, in millionths.
fn rate(count: u64, window_s: u64) -> u64 {
    share(count, window_s.max(1))
}

/// Some of all, in millionths; more than all gives more than a million.
fn share(some: u64, all: u64) -> u64 {
    u64::try_from(u128::from(some) * 1_000_000 / u128::from(all.max(1))).unwrap_or(u64::MAX)
}

/// Little's law: how many there are, in millionths, if so many millionths come each second and stay this long.
fn product(arrivals: u64, stay_us: u64) -> u64 {
    u64::try_from(u128::from(arrivals) * u128::from(stay_us) / 1_000_000).unwrap_or(u64::MAX)
}

/// What comes to this in a window, in a day.
fn a_day(cost: u64, window_s: u64) -> Money {
    let day = u128::from(cost) * 86_400 / u128::from(window_s.max(1));
    Money(i64::try_from(day).unwrap_or(i64::MAX))
}

/// Millionths as a number with three digits.
fn number(millionths: u64) -> String {
    format!("{}.{:03}", millionths / 1_000_000, millionths % 1_000_000 / 1_000)
}

/// Millionths as percent with one digit.
fn percent(millionths: u64) -> String {
    format!("{}.{}", millionths / 10_000, millionths % 10_000 / 1_000)
}

/// Microseconds as milliseconds.
fn millis(micros: u64) -> String {
    format!("{} ms", micros.div_ceil(1_000))
}

fn said(carried: &Carried) -> String {
    let modelled =
        carried.wait_us.map_or("for ever longer".to_owned(), |wait| format!("{} by the model", millis(wait)));
    format!(
        "{}: {} requests a second of {} each keep {} of its {} places busy ({} %); they wait {modelled}, {} as measured, and \
         {} % were refused.",
        carried.candidate,
        number(carried.arrivals),
        millis(carried.service_us),
        number(carried.in_work),
        carried.concurrency,
        percent(carried.utilisation),
        millis(carried.waited_us),
        percent(carried.refused)
    )
}
