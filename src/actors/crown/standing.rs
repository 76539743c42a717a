//! What rules have put in force for a while, and who is on the way back from quarantine. Pure.
//!
//! Invariants:
//! - ST1: when the last of several throttles of a candidate ends, it has what it had before the first.
//! - ST2: with several in force the strictest counts.
//! - ST3: what a person has changed meanwhile is left as the person wants it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Change;
use crate::types::Timestamp;
use crate::ziggy::govern::{Act, Action, Evidence, Known, Phase, Probation, probation};
use crate::ziggy::{Governance, Shed, Value};

/// Something a rule has put in force until a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct InForce {
    /// The rule.
    pub rule: String,
    /// Whom the rule found.
    pub subject: String,
    /// The candidate it is done to; none if work is shed.
    pub candidate: Option<String>,
    /// Percent of its score.
    pub percent: Option<u32>,
    /// Requests at a time.
    pub cap: Option<u32>,
    /// What is shed.
    pub shed: Option<Value>,
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub evidence: Evidence,
}

/// A lever that rules hold: what they set it to, and what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Held<T> {
    set: T,
    before: Option<T>,
}

/// A candidate's way back, and which rule took it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OnTheWay {
    /// The rule.
    pub rule: String,
    /// Where it is.
    #[serde(flatten)]
    pub probation: Probation,
}

/// Everything that stands. One row of the journal's projection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) in_force: Vec<InForce>,
    weights: BTreeMap<String, Held<u32>>,
    caps: BTreeMap<String, Held<u32>>,
    shed: Option<Held<Shed>>,
    pub(super) probations: BTreeMap<String, OnTheWay>,
}

/// One step on a candidate's way back, for the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moved {
    pub(super) candidate: String,
    pub(super) step: String,
    pub(super) words: String,
    pub(super) probation: Option<Probation>,
}

impl Standing {
    /// Puts in force what an action says. The levers follow in [`Standing::changes`].
    pub(super) fn act(
        &mut self,
        action: &Action,
        policy: Option<&probation::Policy>,
        known: &[Known],
        now: Timestamp,
    ) -> Vec<Moved> {
        let until = |seconds: u64| {
            let micros = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
            Timestamp(now.0.saturating_add(micros))
        };
        let row = |candidate: Option<&String>, for_s| InForce {
            rule: action.rule.clone(),
            subject: action.subject.clone(),
            candidate: candidate.cloned(),
            percent: None,
            cap: None,
            shed: None,
            until: until(for_s),
            evidence: action.evidence.clone(),
        };
        let mut moved = Vec::new();
        match &action.act {
            Act::Throttle { percent, cap, for_s } => {
                for target in &action.targets {
                    let known = known.iter().find(|known| known.candidate == *target);
                    // Less than its own, never more.
                    let percent = percent.map(|percent| known.map_or(100, |known| known.weight) * percent / 100);
                    let own = known.map_or(u32::MAX, |known| known.concurrency.saturating_add(known.waiting));
                    let cap = cap.map(|cap| cap.min(own));
                    self.put(InForce { percent, cap, ..row(Some(target), *for_s) });
                }
            }
            Act::Shed { below, for_s } => {
                let row = InForce { shed: Some(*below), ..row(None, *for_s) };
                self.put(row);
            }
            Act::Quarantine => {
                for target in &action.targets {
                    let Some(policy) = policy else { continue };
                    let probation = Probation::begin(policy, now);
                    moved.push(told(target, "waiting", &probation, policy));
                    self.probations.insert(target.clone(), OnTheWay { rule: action.rule.clone(), probation });
                }
            }
            Act::Alert | Act::Restart => {}
        }
        moved
    }

    /// A rule that acts again on the same takes the place of itself.
    fn put(&mut self, row: InForce) {
        self.in_force
            .retain(|one| (&one.rule, &one.subject, &one.candidate) != (&row.rule, &row.subject, &row.candidate));
        self.in_force.push(row);
    }

    /// Lets go of what has ended, and says what.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<InForce> {
        self.in_force.extract_if(.., |one| one.until <= now).collect()
    }

    /// Time has passed and these answers came: who goes how far on the way back, and what changes with it.
    pub(super) fn advance(
        &mut self,
        outcomes: &[(String, bool)],
        policy: &probation::Policy,
        governance: &Governance,
        now: Timestamp,
    ) -> (Vec<Moved>, Vec<Change>) {
        use probation::Step;
        let (mut moved, mut changes) = (Vec::new(), Vec::new());
        // Somebody let it back by hand.
        self.probations.retain(|candidate, _| governance.quarantined.contains_key(candidate));
        for (candidate, way) in &mut self.probations {
            let before = way.probation;
            let mut steps = vec![way.probation.tick(now)];
            let own = outcomes.iter().filter(|(one, _)| one == candidate);
            // What was asked before a trial began says nothing about it: only a trial that was seen has answers.
            if matches!(before.phase, Phase::OnTrial { .. }) {
                for (_, ok) in own {
                    let step = way.probation.outcome(*ok, policy, now);
                    steps.push(step);
                    if matches!(step, Step::Release | Step::Back) {
                        break;
                    }
                }
            }
            let last = steps.into_iter().rfind(|step| *step != Step::Stay);
            let trial = way.probation.trial(policy);
            match last {
                None | Some(Step::Stay) => continue,
                Some(Step::Release) => {
                    moved.push(told(candidate, "released", &way.probation, policy));
                    changes.push(Change::Unquarantine { candidate: candidate.clone() });
                    continue;
                }
                Some(Step::Begin) => moved.push(told(candidate, "trial", &way.probation, policy)),
                Some(Step::Counted) => moved.push(told(candidate, "success", &way.probation, policy)),
                Some(Step::Back) => moved.push(told(candidate, "back", &way.probation, policy)),
            }
            changes.push(Change::Trial { candidate: candidate.clone(), trial });
        }
        for one in moved.iter().filter(|one| one.step == "released") {
            self.probations.remove(&one.candidate);
        }
        (moved, changes)
    }

    /// ST1, ST2, ST3: what has to change about the levers so that they are as what is in force wants them.
    pub(super) fn changes(&mut self, governance: &Governance) -> Vec<Change> {
        let mut changes = Vec::new();
        self.yield_to_people(governance);
        let strictest = |read: fn(&InForce) -> Option<u32>| {
            let mut wanted: BTreeMap<String, u32> = BTreeMap::new();
            for one in &self.in_force {
                if let (Some(candidate), Some(value)) = (&one.candidate, read(one)) {
                    wanted.entry(candidate.clone()).and_modify(|least| *least = value.min(*least)).or_insert(value);
                }
            }
            wanted
        };
        let (weights, caps) = (strictest(|one| one.percent), strictest(|one| one.cap));
        for (candidate, percent) in levers(&mut self.weights, &governance.weights, &weights) {
            changes.push(Change::Weight { candidate, percent });
        }
        for (candidate, cap) in levers(&mut self.caps, &governance.caps, &caps) {
            changes.push(Change::Cap { candidate, cap });
        }
        let wanted = self.in_force.iter().filter_map(|one| one.shed).max().map(Shed::Below);
        changes.extend(self.shed_as(governance.shed, wanted).map(|shed| Change::Shed { shed }));
        changes
    }

    /// ST3: lets go of levers that somebody else has moved.
    fn yield_to_people(&mut self, governance: &Governance) {
        let moved = |held: &BTreeMap<String, Held<u32>>, now: &BTreeMap<String, u32>| -> BTreeSet<String> {
            let other = held.iter().filter(|(candidate, lever)| now.get(*candidate) != Some(&lever.set));
            other.map(|(candidate, _)| candidate.clone()).collect()
        };
        let (weights, caps) = (moved(&self.weights, &governance.weights), moved(&self.caps, &governance.caps));
        self.weights.retain(|candidate, _| !weights.contains(candidate));
        self.caps.retain(|candidate, _| !caps.contains(candidate));
        let shed = self.shed.is_some_and(|held| held.set != governance.shed);
        if shed {
            self.shed = None;
        }
        self.in_force.retain_mut(|one| {
            if let Some(candidate) = &one.candidate {
                one.percent = one.percent.filter(|_| !weights.contains(candidate));
                one.cap = one.cap.filter(|_| !caps.contains(candidate));
            }
            one.shed = one.shed.filter(|_| !shed);
            one.percent.is_some() || one.cap.is_some() || one.shed.is_some()
        });
    }

    fn shed_as(&mut self, now: Shed, wanted: Option<Shed>) -> Option<Shed> {
        match (self.shed, wanted) {
            (held, Some(wanted)) => {
                let before = held.map_or(Some(now), |held| held.before);
                // A person who sheds more than the rule wants is left alone.
                let weaker = rank(wanted) <= before.map_or(0, rank);
                self.shed = (!weaker).then_some(Held { set: wanted, before });
                (!weaker && wanted != now).then_some(wanted)
            }
            (Some(held), None) => {
                self.shed = None;
                held.before.filter(|before| *before != now)
            }
            (None, None) => None,
        }
    }
}

fn rank(shed: Shed) -> u32 {
    match shed {
        Shed::Nothing => 0,
        Shed::Below(Value::Background) => 1,
        Shed::Below(Value::Normal) => 2,
        Shed::Below(Value::Interactive) => 3,
        Shed::Everything => 4,
    }
}

/// The levers of one kind that have to be moved, and where to.
fn levers(
    held: &mut BTreeMap<String, Held<u32>>,
    now: &BTreeMap<String, u32>,
    wanted: &BTreeMap<String, u32>,
) -> Vec<(String, Option<u32>)> {
    let mut moves = Vec::new();
    held.retain(|candidate, lever| {
        if !wanted.contains_key(candidate) {
            moves.push((candidate.clone(), lever.before));
            return false;
        }
        true
    });
    for (candidate, value) in wanted {
        let at = now.get(candidate).copied();
        let before = held.get(candidate).map_or(at, |lever| lever.before);
        // A person who set less is left alone.
        let value = before.map_or(*value, |before| before.min(*value));
        if at != Some(value) {
            moves.push((candidate.clone(), Some(value)));
        }
        held.insert(candidate.clone(), Held { set: value, before });
    }
    moves
}

fn told(candidate: &str, step: &str, probation: &Probation, policy: &probation::Policy) -> Moved {
    let words = match (step, probation.phase) {
        ("waiting", Phase::Waiting { until }) => {
            format!("{candidate} gets no work before {}, and then a little on trial", until.rfc3339())
        }
        ("back", Phase::Waiting { until }) => {
            let waits = format!("waits again for {} s, until {}", probation.wait_s, until.rfc3339());
            format!("{candidate} failed on trial and {waits}")
        }
        ("trial", _) => format!(
            "{candidate} is on trial: {} % of runs try it, and {} successes in a row release it",
            policy.share, policy.trials
        ),
        (_, Phase::OnTrial { successes }) if step == "success" => {
            format!("{candidate} has {successes} of {} successes in a row", policy.trials)
        }
        _ => format!("{candidate} has proved itself and serves again"),
    };
    let probation = (step != "released").then_some(*probation);
    Moved { candidate: candidate.to_owned(), step: step.to_owned(), words, probation }
}
