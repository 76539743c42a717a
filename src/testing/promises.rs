//! What must hold after every simulation, whatever went wrong in it.
//!
//! Each check is one promise of `docs/semantics.md` or an invariant of a part, held against three witnesses: the
//! journal on the disk, what callers heard, and what runtimes were shown.

use std::collections::{BTreeMap, BTreeSet};

use super::journal::Chronicle;
use super::runtime::Seen;
use super::workload::{Heard, What};
use crate::actors::executor::Begun;
use crate::actors::io::record::{Accepted, kind};
use crate::actors::io::{Answer, RunStatus};
use crate::host::Host;
use crate::store::Event;
use crate::supervision::{Node, Status};
use crate::types::{Class, Money, RunId, Timestamp};
use crate::ziggy::budget::{Amounts, Limit, Settlement, Standing, Window};
use crate::ziggy::review;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which promise, in words.
    pub promise: &'static str,
    /// What was seen instead.
    pub seen: String,
}

impl Violation {
    pub(super) fn new(promise: &'static str, seen: impl Into<String>) -> Violation {
        Violation { promise, seen: seen.into() }
    }
}

/// A caller that hears of a timeout so long after its run was completed on the record was not answered in time. Six
/// seconds are far more than a slow commit takes, and than it takes to find an io actor that does not come back.
const REPLY_WITHIN_US: u64 = 6_000_000;

/// One run as the journal tells it.
#[derive(Default)]
struct Told {
    accepted: u32,
    marker: String,
    /// How it ended, when in microseconds since the simulation began, and with which answer.
    endings: Vec<(RunStatus, u64, Option<Answer>)>,
    other_before: bool,
}

/// What the journal says of every run, held against itself and against what callers heard.
/// When events were written is told by the chronicle, since the clock in them may be set.
/// `durable` is whether an answer is on disk before it is given, in any life; otherwise only the last one's must be.
pub(super) fn of_record(
    (events, chronicle): (&[Event], &Chronicle),
    heard: &[Heard],
    last_life: u32,
    durable: bool,
) -> Vec<Violation> {
    let mut broken = Vec::new();
    let runs = told(events, chronicle);
    for (run, told) in &runs {
        if told.accepted != 1 || told.other_before {
            broken
                .push(Violation::new("a run begins once, before all else of it", format!("{run}: {}", told.accepted)));
        }
        if told.endings.len() != 1 {
            let kinds: Vec<RunStatus> = told.endings.iter().map(|(status, ..)| *status).collect();
            broken.push(Violation::new("every accepted run ends exactly once", format!("{run} ended in {kinds:?}")));
        }
    }
    let by_marker: BTreeMap<&str, (&RunId, &Told)> =
        runs.iter().map(|(run, told)| (told.marker.as_str(), (run, told))).collect();
    for heard in heard {
        let known = by_marker.get(heard.marker.as_str()).map(|(_, told)| *told);
        broken.extend(of_caller(heard, known, durable || heard.life == last_life));
    }
    broken
}

fn told(events: &[Event], chronicle: &Chronicle) -> BTreeMap<RunId, Told> {
    let mut runs: BTreeMap<RunId, Told> = BTreeMap::new();
    // Where people are asked about a call, the call stands in the place of a run.
    let called = |event: &Event| event.body.parse::<Begun>().and_then(|begun| begun.invocation.parse().ok());
    let begun = events.iter().filter(|event| event.kind == "effect.begun");
    let calls: BTreeSet<RunId> = begun.filter_map(called).collect();
    for event in events {
        let Some(run) = event.run.filter(|run| !calls.contains(run)) else { continue };
        let told = runs.entry(run).or_default();
        let status = match event.kind.as_str() {
            kind::ACCEPTED => {
                told.accepted += 1;
                told.marker =
                    event.body.parse::<Accepted>().map(|body| marker_of(&body.task.prompt)).unwrap_or_default();
                continue;
            }
            kind::COMPLETED => RunStatus::Completed,
            kind::RUN_FAILED => RunStatus::Failed,
            kind::CANCELLED => RunStatus::Cancelled,
            kind::INTERRUPTED => RunStatus::Interrupted,
            _ => {
                told.other_before |= told.accepted == 0;
                continue;
            }
        };
        let answer = if status == RunStatus::Completed { event.body.parse::<Answer>() } else { None };
        told.endings.push((status, chronicle.when_us(event.seq).unwrap_or_default(), answer));
    }
    runs
}

/// What one caller heard, against the record.
fn of_caller(heard: &Heard, told: Option<&Told>, sure: bool) -> Option<Violation> {
    let ending = told.and_then(|told| told.endings.first());
    if heard.acknowledged && told.is_none_or(|told| told.accepted == 0) {
        let promise = "a run whose id was handed out is on disk";
        return Some(Violation::new(promise, format!("{} is not on the record", heard.marker)));
    }
    match (&heard.what, ending) {
        (What::Answered(answer), ending) => of_answer(heard, answer, ending, sure),
        (What::Failed(Class::Timeout, _), Some((RunStatus::Completed, at, _)))
            if heard.at_us.saturating_sub(*at) > REPLY_WITHIN_US =>
        {
            let seen = format!("{} was completed at {at} us and not heard until {} us", heard.marker, heard.at_us);
            Some(Violation::new("whoever waits hears of the end", seen))
        }
        (What::Failed(class @ (Class::Denied | Class::Exhausted | Class::Invalid), reason), Some((status, ..)))
            if *status == RunStatus::Completed =>
        {
            let seen = format!("{} heard {class:?} ({reason}), the record says completed", heard.marker);
            Some(Violation::new("what is heard is what is on record", seen))
        }
        _ if heard.at_us > heard.deadline_us => {
            let late = heard.at_us - heard.deadline_us;
            let seen = format!("{} heard {late} us after its deadline", heard.marker);
            Some(Violation::new("every wait ends with the deadline of its context", seen))
        }
        _ => None,
    }
}

fn of_answer(
    heard: &Heard,
    answer: &Answer,
    ending: Option<&(RunStatus, u64, Option<Answer>)>,
    sure: bool,
) -> Option<Violation> {
    if answer.cost < Money::ZERO || (heard.honest && answer.cost > heard.budget) {
        let seen = format!("{} cost {} of {}", heard.marker, answer.cost, heard.budget);
        return Some(Violation::new("no run costs less than nothing or more than its budget", seen));
    }
    let waited = heard.at_us.saturating_sub(heard.began_us);
    if answer.took_us > waited {
        let seen =
            format!("{} took {} us by its answer, and its caller waited {waited} us", heard.marker, answer.took_us);
        return Some(Violation::new("what is measured does not move with the clock on the wall", seen));
    }
    match ending {
        Some((RunStatus::Completed, _, Some(told))) if told.answer == answer.answer && told.cost == answer.cost => None,
        // An answer that is written behind may be lost in a crash some milliseconds later.
        None | Some((RunStatus::Interrupted, ..)) if !sure => None,
        other => {
            let status = other.map(|(status, ..)| *status);
            let seen = format!("{} was answered, the record says {status:?}", heard.marker);
            Some(Violation::new("what is heard is what is on record", seen))
        }
    }
}

/// A task is told by the first words of its prompt.
pub(super) fn marker_of(prompt: &str) -> String {
    prompt.split(':').next().unwrap_or_default().to_owned()
}

/// Nothing of a task was shown to a place that its class forbids.
pub(super) fn of_privacy(seen: &[Seen], heard: &[Heard]) -> Vec<Violation> {
    let mut broken = Vec::new();
    let tasks: BTreeMap<&str, &Heard> = heard.iter().map(|heard| (heard.marker.as_str(), heard)).collect();
    for Seen { runtime, tier, text } in seen {
        for (marker, heard) in &tasks {
            if !heard.privacy.may_go_to(*tier) && text.contains(&format!("{marker}:")) {
                let seen = format!("{marker} is {}, {runtime} is {}", heard.privacy.word(), tier.word());
                broken.push(Violation::new("nobody is shown what it may not see", seen));
            }
        }
    }
    broken
}

/// Everything that was charged, and to which run.
fn charges(events: &[Event]) -> impl Iterator<Item = (RunId, Settlement)> {
    events.iter().filter_map(|event| {
        let settled: Option<Settlement> = match event.kind.as_str() {
            kind::SERVED | kind::FAILED => event.body.value().get("spent").and_then(parsed),
            kind::CHARGED => event.body.parse(),
            _ => None,
        };
        event.run.zip(settled)
    })
}

/// What was reserved is charged once, and nobody pays for what was not reserved.
pub(super) fn of_charges(events: &[Event]) -> Vec<Violation> {
    let mut seen: BTreeMap<(RunId, u64), u32> = BTreeMap::new();
    for (run, settlement) in charges(events) {
        *seen.entry((run, settlement.hold)).or_default() += 1;
    }
    let twice = seen.into_iter().filter(|(_, times)| *times > 1);
    let told = |((run, hold), times)| format!("reservation {hold} of {run} was charged {times} times");
    twice.map(|found| Violation::new("what was reserved is charged once", told(found))).collect()
}

/// A window opens once: all that was ever charged in one is within its limit, however often the host died and the clock
/// was set, where no runtime lies about what it took.
pub(super) fn of_windows(events: &[Event], limits: &[Limit]) -> Vec<Violation> {
    let mut spent: BTreeMap<(String, Window, Timestamp), Amounts> = BTreeMap::new();
    for (_, settlement) in charges(events) {
        for account in &settlement.accounts {
            let window = spent.entry((account.scope.to_string(), account.window, account.began)).or_default();
            *window = window.plus(settlement.charged);
        }
    }
    let over = spent.into_iter().filter_map(|((scope, window, began), spent)| {
        let each = format!("{}:*", scope.split(':').next().unwrap_or_default());
        let named = |name: &str| limits.iter().find(|limit| limit.scope == name && limit.window == window);
        let (unit, cap) = named(&scope).or_else(|| named(&each))?.caps().exceeded_by(spent)?;
        let (window, spent) = (window.word(), spent.of(unit));
        Some(format!("{scope} was charged {spent} of {cap} {unit:?} in the {window} that began at {}", began.rfc3339()))
    });
    over.map(|seen| Violation::new("a window opens once", seen)).collect()
}

fn parsed<T: serde::de::DeserializeOwned>(value: &serde_json::Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

/// What people were asked is closed once and acted on once.
pub(super) fn of_items(events: &[Event]) -> Vec<Violation> {
    let mut items: BTreeMap<String, [u32; 3]> = BTreeMap::new();
    for event in events {
        let place = match event.kind.as_str() {
            review::kind::OPENED => 0,
            review::kind::CLOSED => 1,
            review::kind::SETTLED => 2,
            _ => continue,
        };
        let item = event.body.value()["item"].as_str().unwrap_or_default().to_owned();
        items.entry(item).or_default()[place] += 1;
    }
    let wrong = items.into_iter().filter(|(_, times)| *times != [1, 1, 1]);
    let told = |(item, [opened, closed, settled]): (String, [u32; 3])| {
        format!("{item} was opened {opened} times, closed {closed} times and acted on {settled} times")
    };
    wrong.map(|found| Violation::new("what people decided is acted on once", told(found))).collect()
}

/// No budget is overrun, where no runtime lies about what it took.
pub(super) fn of_budgets(host: &Host) -> Vec<Violation> {
    let standings = host.crown().treasury().standings().into_iter();
    let told = |Standing { scope, spent, limit, .. }| format!("{scope} spent {spent} of {limit}");
    let over = standings.filter(|standing| standing.spent > standing.limit);
    over.map(|standing| Violation::new("no budget is overrun", told(standing))).collect()
}

/// What is not at rest in a host that nobody asks anything of. Empty once all is well.
pub(super) fn unrest(host: &Host) -> Vec<Violation> {
    let mut found = Vec::new();
    let tree = host.tree();
    let mut nodes: Vec<(&Node, bool)> = tree.iter().map(|node| (node, false)).collect();
    while let Some((node, above)) = nodes.pop() {
        nodes.extend(node.children.iter().map(|child| (child, above || node.restarts > 0)));
        if node.status != Status::Up {
            found.push(Violation::new("the tree is healthy at the end", format!("{} is {:?}", node.path, node.status)));
        }
        // Under a supervisor that was itself restarted, the count begins anew.
        if !node.supervisor && !above && node.restarts == 0 && node.last_failure.is_some() {
            found.push(Violation::new("every restart is counted", format!("{} failed, and counts none", node.path)));
        }
        let busy = ["working", "waiting", "running", "open"]
            .into_iter()
            .filter_map(|key| node.view.get(key)?.as_u64())
            .sum::<u64>();
        if busy > 0 {
            found.push(Violation::new("what was taken is given back", format!("{} is still at {busy}", node.path)));
        }
    }
    for standing in host.crown().treasury().standings() {
        let Standing { scope, reserved, .. } = standing;
        if reserved > 0 {
            found.push(Violation::new("what was reserved is given back", format!("{scope} has {reserved} reserved")));
        }
    }
    for id in host.router().rib().candidates.keys() {
        let out = host.crown().in_flight(id);
        if out > 0 {
            found.push(Violation::new("every permit comes back", format!("{id} has {out} in flight")));
        }
    }
    found
}
