//! What must hold of notices to webhooks, whatever went wrong: the record of who was told, held against what receivers have.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use super::post::Posted;
use crate::actors::crown::GovernanceProjection;
use crate::actors::inbox::InboxProjection;
use crate::config::Config;
use crate::store::{Event, Journal, RowQuery};

const TOLD: &str = "every notice is delivered or given up";

/// How one notice ended, by the record.
struct Outcome {
    letter: u64,
    arrived: bool,
    attempts: u64,
}

/// The notice by which a receiver knows an event: alerts have the webhook's name before their number.
type IdOf = fn(&str, u64) -> String;

/// What webhooks have still to be told; nothing in a host at rest.
pub(super) async fn due(journal: &dyn Journal) -> Vec<Violation> {
    let mut found = Vec::new();
    let places =
        [(GovernanceProjection::NAME, GovernanceProjection::DUE), (InboxProjection::NAME, InboxProjection::DUE)];
    for (projection, prefix) in places {
        let query = RowQuery { projection, prefix, reverse: false, after: None, limit: 1 };
        let seen = match journal.rows(query).await {
            Ok(rows) => rows.first().map(|(key, _)| format!("{key} of {projection} is still to be told")),
            Err(error) => Some(error.to_string()),
        };
        found.extend(seen.map(|seen| Violation::new(TOLD, seen)));
    }
    found
}

/// The record of who was told, against what came.
pub(super) fn of_notices(events: &[Event], posted: &[Posted], config: &Config) -> Vec<Violation> {
    let alerts = config.alerts.webhooks.iter().map(|hook| {
        let outcomes = alert_outcomes(events, &hook.name);
        of_hook(&hook.name, &outcomes, posted.iter().filter(|one| one.url == hook.url), |name, seq| {
            format!("{name}-{seq}")
        })
    });
    let items = config.review.webhooks.iter().map(|hook| {
        let outcomes = item_outcomes(events, &hook.name);
        of_hook(&hook.name, &outcomes, posted.iter().filter(|one| one.url == hook.url), |_, seq| seq.to_string())
    });
    alerts.chain(items).flatten().collect()
}

fn alert_outcomes(events: &[Event], hook: &str) -> Vec<Outcome> {
    let outcome = |event: &Event| {
        let arrived = match event.kind.as_str() {
            "webhook.delivered" => true,
            "webhook.gave_up" => false,
            _ => return None,
        };
        let body = event.body.value();
        let attempts = body["attempts"].as_u64().unwrap_or(1);
        (body["webhook"] == hook).then(|| Some(Outcome { letter: body["letter"].as_u64()?, arrived, attempts }))?
    };
    events.iter().filter_map(outcome).collect()
}

fn item_outcomes(events: &[Event], hook: &str) -> Vec<Outcome> {
    let outcome = |event: &Event| {
        let body = (event.kind == "hitl.notified").then(|| event.body.value()).filter(|body| body["hook"] == hook)?;
        let (letter, arrived, attempts) =
            (body["seq"].as_u64()?, body["arrived"].as_bool()?, body["attempts"].as_u64()?);
        Some(Outcome { letter, arrived, attempts })
    };
    events.iter().filter_map(outcome).collect()
}

fn of_hook<'a>(
    hook: &str,
    outcomes: &[Outcome],
    posted: impl Iterator<Item = &'a Posted>,
    id_of: IdOf,
) -> Vec<Violation> {
    let (mut tried, mut arrived, mut order): (BTreeMap<&str, u64>, BTreeSet<&str>, Vec<&str>) = Default::default();
    for one in posted {
        *tried.entry(&one.id).or_default() += 1;
        if one.arrived && arrived.insert(&one.id) {
            order.push(&one.id);
        }
    }
    let mut broken = Vec::new();
    for Outcome { letter, arrived: said, attempts } in outcomes {
        let id = id_of(hook, *letter);
        if *said && !arrived.contains(id.as_str()) {
            let seen = format!("{hook} was not told of event {letter}, and the record says it was");
            broken.push(Violation::new("who is said to have been told was told", seen));
        }
        let times = tried.get(id.as_str()).copied().unwrap_or(0);
        if times < *attempts {
            let seen = format!("{hook} was told {times} times of event {letter}, and the record says {attempts}");
            broken.push(Violation::new("who is said to have been told was told", seen));
        }
    }
    let numbers: Vec<u64> = order.iter().filter_map(|id| id.rsplit('-').next()?.parse().ok()).collect();
    for pair in numbers.windows(2).filter(|pair| pair[0] > pair[1]) {
        let seen = format!("{hook} heard of event {} before event {}", pair[0], pair[1]);
        broken.push(Violation::new("notices come in the order of what happened", seen));
    }
    broken
}
