//! What must hold of calls that do something to the world, whatever went wrong: the record of what was done, held against what
//! sandboxes began and what callers were told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Violation;
use super::errands::{Came, Errand, LABEL};
use super::sandboxed::Deed;
use crate::actors::executor::{Settled, Standing};
use crate::host::Host;
use crate::store::Event;
use crate::types::RunId;

const ONCE: &str = "under one key nothing is done twice";
const ENDS: &str = "what is known of a call stays known";
const SAME: &str = "who was told a result is told the same under its key";
const KNOWN: &str = "of every call it is known what became of it, or people are asked";

/// What is not known of calls in a host that nobody asks anything of. Empty once all is well.
pub(super) async fn unrest(host: &Host) -> Vec<Violation> {
    let cx = host.context("auditor", std::time::Duration::from_secs(5));
    let rows = match host.tools().doubts(&cx).await {
        Ok(rows) => rows,
        Err(error) => return vec![Violation::new(KNOWN, error.to_string())],
    };
    let mut found = Vec::new();
    for row in rows {
        let (call, key) = (&row.begun.invocation, &row.begun.key.text);
        if row.standing == Standing::Begun {
            found.push(Violation::new(KNOWN, format!("{call} of {key:?} is begun, and nobody makes it")));
            continue;
        }
        let item = match call.parse::<RunId>() {
            Ok(subject) => host.inbox().newest(subject).await.map_err(|error| error.to_string()),
            Err(_) => Err("nobody can be asked about it".to_owned()),
        };
        let seen = match item {
            Ok(Some(_)) => continue,
            Ok(None) => "nobody was asked about it".to_owned(),
            Err(reason) => reason,
        };
        found.push(Violation::new(KNOWN, format!("{call} of {key:?} is in doubt: {seen}")));
    }
    found
}

/// What is known of a call is not in doubt after that.
pub(super) fn of_ends(events: &[Event]) -> Vec<Violation> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut broken = Vec::new();
    for event in events {
        let body = event.body.value();
        let Some(call) = body["invocation"].as_str() else { continue };
        match event.kind.as_str() {
            "effect.ended" | "effect.settled" if !known.insert(call.to_owned()) => {
                broken.push(Violation::new(ENDS, format!("{call} was known, and {} came after that", event.kind)));
            }
            "effect.doubted" if known.contains(call) => {
                broken.push(Violation::new(ENDS, format!("{call} was known, and in doubt after that")));
            }
            _ => {}
        }
    }
    broken
}

/// What was begun, against what is on record: a key is used once, and once more each time somebody said that it was not done.
pub(super) fn of_deeds(events: &[Event], deeds: &[Deed]) -> Vec<Violation> {
    let mut allowed: BTreeMap<String, u32> = BTreeMap::new();
    for settled in
        events.iter().filter(|event| event.kind == "effect.settled").filter_map(|event| event.body.parse::<Settled>())
    {
        *allowed.entry(settled.key.text).or_default() += u32::from(!settled.done);
    }
    let mut done: BTreeMap<&str, u32> = BTreeMap::new();
    // The tests of the tool have no key of anybody.
    let keys = deeds.iter().filter(|deed| deed.tool == LABEL).filter_map(|deed| deed.input["host"]["once"].as_str());
    for key in keys.filter(|key| *key != "test") {
        *done.entry(key).or_default() += 1;
    }
    let told = |(key, times): (&str, u32)| {
        let said = allowed.get(key).copied().unwrap_or(0);
        (times > 1 + said)
            .then(|| format!("{key:?} was done {times} times, and {said} times somebody said that it was not"))
    };
    done.into_iter().filter_map(told).map(|seen| Violation::new(ONCE, seen)).collect()
}

/// What callers were told, against each other.
pub(super) fn of_errands(errands: &[Errand]) -> Vec<Violation> {
    let mut first: BTreeMap<&str, (&Value, u64)> = BTreeMap::new();
    let mut broken = Vec::new();
    for Errand { key, began_us, at_us, came } in errands {
        let known = first.get(key.as_str()).copied();
        match (came, known) {
            (Came::Told(value), None) => _ = first.insert(key, (value, *at_us)),
            (Came::Told(value), Some((before, _))) if value != before => {
                broken.push(Violation::new(SAME, format!("{key:?} gave {before}, and then {value}")));
            }
            (Came::Doubted, Some((_, at))) if at < *began_us => {
                broken.push(Violation::new(SAME, format!("{key:?} gave a result, and was in doubt after that")));
            }
            _ => {}
        }
    }
    broken
}
