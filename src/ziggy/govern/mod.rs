//! Supervision by policy: what CROWN does when something goes wrong, as a function of rules and of what was observed.
//!
//! Sources: burn rates over a long and a short window after the Site Reliability Workbook (Google, 2018), chapter 5.
//!
//! Invariants:
//! - G1: the same rules, observations, memory and time give the same actions in the same order.
//! - G2: a rule acts on one subject at most once within its cooldown, also when the clock goes back.
//! - G3: every action carries its evidence: what was measured, over which time, from how many samples, and the threshold.
//! - G4: no rule takes the last candidate out of service.
//! - G5: what a rule does on its own is never more than its `act` says; a subject that no rule names is left alone.

mod examples;
pub mod probation;
pub mod rule;
pub mod series;
pub mod trajectory;
pub mod upkeep;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::plan::Grows;
use crate::types::Timestamp;

pub use probation::{Phase, Probation, Trial};
pub use rule::{Act, AlertRule, Rule, Severity, Signal, When};
pub use series::{Counts, Samples, Series};
pub use trajectory::{Cycle, Trajectory};
pub use upkeep::{Finding, Measure, Upkeep};

/// A candidate as rules know it: enough to find it by its agent's and its runtime's place in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its id, such as `marvin@local`.
    pub candidate: String,
    /// Path of its agent.
    pub agent: String,
    /// Path of its runtime; empty if it has none.
    pub runtime: String,
    /// Requests it works on at a time.
    pub concurrency: u32,
    /// Requests that may wait for it.
    pub waiting: u32,
    /// Percent by which its score is multiplied.
    pub weight: u32,
    /// How it gets larger.
    pub grows: Grows,
    /// What it offers.
    pub capabilities: Vec<String>,
    /// Whether it has a place to run in, by the configuration.
    pub placed: bool,
}

/// One actor at the time of the look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Its path.
    pub path: String,
    /// Age of the oldest message that waits, in milliseconds.
    pub oldest_ms: u64,
    /// Messages that wait.
    pub depth: u64,
}

/// Everything a look sees.
pub struct Observed<'a> {
    /// What was counted of candidates and actors.
    pub samples: &'a Samples,
    /// What waits in mailboxes.
    pub mailboxes: &'a [Mailbox],
    /// How fast budgets burn, in millionths of the rate that uses one up just at its end; told by whoever keeps them.
    pub budgets: &'a BTreeMap<String, u64>,
    /// Every candidate there is.
    pub known: &'a [Known],
    /// Those that are out of service: in quarantine.
    pub out: &'a BTreeSet<String>,
    /// Path of whoever looks: it does not restart itself, nor what it stands on.
    pub own: &'a str,
}

/// What was measured, and against which threshold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Evidence {
    /// Which signal: `errors`, `slow`, `budget`, `repeated`, `restarts`, `mailbox`, `events` or `metric`.
    pub signal: String,
    /// What was measured, in the unit of the signal: millionths, or a count, or milliseconds.
    pub value: u64,
    /// From which value on the rule acts.
    pub threshold: u64,
    /// How many samples it was measured from.
    pub samples: u64,
    /// Over how many seconds; 0 if it is of the moment.
    pub window_s: u64,
    /// All of it as a sentence.
    pub words: String,
}

/// One thing to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The rule that says so.
    pub rule: String,
    /// Whom it is about: a candidate, a path, a scope, or a pattern that counts all together.
    pub subject: String,
    /// What is done.
    pub act: Act,
    /// The candidates it is done to; for a restart the path.
    pub targets: Vec<String>,
    /// How bad it is.
    pub severity: Severity,
    /// Why.
    pub evidence: Evidence,
    /// Why nothing but an alert comes of it, if that is so.
    pub spared: Option<String>,
}

/// When each rule last acted on each subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    acted: BTreeMap<(String, String), Timestamp>,
}

impl Memory {
    /// Notes what was done.
    pub fn note(&mut self, actions: &[Action], now: Timestamp) {
        for action in actions {
            self.acted.insert((action.rule.clone(), action.subject.clone()), now);
        }
    }

    /// Forgets what no cooldown needs any more.
    pub fn forget(&mut self, rules: &[Rule], now: Timestamp) {
        self.acted
            .retain(|(name, _), at| rules.iter().any(|rule| rule.name == *name && !passed(*at, rule.cooldown_s, now)));
    }

    /// G2: whether the cooldown is over. A clock that went back makes it longer and never shorter.
    fn may(&self, rule: &Rule, subject: &str, now: Timestamp) -> bool {
        let last = self.acted.get(&(rule.name.clone(), subject.to_owned()));
        last.is_none_or(|last| passed(*last, rule.cooldown_s, now))
    }
}

fn passed(since: Timestamp, seconds: u64, now: Timestamp) -> bool {
    now.0.saturating_sub(since.0) >= i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

/// What a look comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What is to be done now.
    pub actions: Vec<Action>,
    /// Every rule and subject whose condition holds, whether anything is done again or not.
    pub holding: BTreeSet<(String, String)>,
}

/// What the rules say about what was observed. Pure.
pub fn govern(rules: &[Rule], observed: &Observed<'_>, memory: &Memory, now: Timestamp) -> Judgement {
    let mut judgement = Judgement::default();
    // Those a rule of this same look takes out are out for the next rule.
    let mut out = observed.out.clone();
    for rule in rules {
        for (subject, evidence) in rule.found(observed, now) {
            judgement.holding.insert((rule.name.clone(), subject.clone()));
            if memory.may(rule, &subject, now) {
                judgement.actions.push(action(rule, subject, evidence, observed, &mut out));
            }
        }
    }
    judgement
}

fn action(
    rule: &Rule,
    subject: String,
    evidence: Evidence,
    observed: &Observed<'_>,
    out: &mut BTreeSet<String>,
) -> Action {
    let mut spared = None;
    let targets = match &rule.act {
        Act::Alert | Act::Shed { .. } => Vec::new(),
        Act::Restart => {
            let mut targets = restarted(&subject, observed);
            if targets.iter().any(|path| rule::within(observed.own, path)) {
                spared = Some("it would end the governor with it".to_owned());
                targets.clear();
            }
            targets
        }
        Act::Throttle { .. } => candidates(&subject, observed),
        Act::Quarantine => {
            let mut targets = candidates(&subject, observed);
            targets.retain(|one| !out.contains(one));
            if let Some(nobody) = last_for(&targets, observed, out) {
                spared = Some(nobody);
                targets.clear();
            }
            out.extend(targets.iter().cloned());
            targets
        }
    };
    if targets.is_empty() && spared.is_none() && !matches!(rule.act, Act::Alert | Act::Shed { .. }) {
        spared = Some("there is nobody it could be done to".to_owned());
    }
    let (rule, act, severity) = (rule.name.clone(), rule.act.clone(), rule.severity);
    Action { rule, subject, act, targets, severity, evidence, spared }
}

/// What nobody would be left for without these: something that one of them offers and no other who stays and has a place.
/// Nothing, if somebody is left for everything.
fn last_for(targets: &[String], observed: &Observed<'_>, out: &BTreeSet<String>) -> Option<String> {
    let taken: BTreeSet<&String> = targets.iter().chain(out).collect();
    let stays = |one: &&Known| one.placed && !taken.contains(&one.candidate);
    let left: BTreeSet<&String> = observed.known.iter().filter(stays).flat_map(|one| &one.capabilities).collect();
    let going = observed.known.iter().filter(|one| one.placed && targets.contains(&one.candidate));
    let lost = going.flat_map(|one| &one.capabilities).find(|offered| !left.contains(offered))?;
    Some(format!("nobody else would be left to serve {lost}"))
}

/// The candidates a subject stands for: itself, or those whose agent or runtime it is, or lies above.
fn candidates(subject: &str, observed: &Observed<'_>) -> Vec<String> {
    let at = |path: &str| rule::within(path, subject);
    let meant = |one: &&Known| {
        one.candidate == subject
            || rule::matches(subject, &one.candidate)
            || at(&one.agent)
            || (!one.runtime.is_empty() && at(&one.runtime))
    };
    observed.known.iter().filter(meant).map(|one| one.candidate.clone()).collect()
}

/// The path that is restarted: the subject, or the agent of the candidate it is.
fn restarted(subject: &str, observed: &Observed<'_>) -> Vec<String> {
    let known = observed.known.iter().find(|one| one.candidate == subject);
    match known {
        Some(known) => vec![known.agent.clone()],
        None if subject.contains('/') => vec![subject.to_owned()],
        None => Vec::new(),
    }
}
