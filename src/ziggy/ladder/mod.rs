//! The ladder: what is done for a request when its first choice does not serve, step by step, down to a refusal.
//!
//! What it is for: one pure function from what happened so far to the next step and why; the same for every destination,
//! with its order and its switches.
//! What it owns: the rungs, their order, and what has to hold to stand on one.
//! What it never does: find candidates. It steps among those a decision has found legal, and checks them once more.
//!
//! Invariants:
//! - LA1: no step leads to a candidate that may not see the request's class, or may cost more than its budget.
//! - LA2: from every situation the ladder ends: each candidate is tried once between two waits and so often in all, and
//!   no wait reaches beyond the longest or the deadline.
//! - LA3: a rung that is switched off is not stepped on, and the record says so.
//! - LA4: a candidate that failed too often lately is tried after all others of its kind.
//! - LA5: one that is left alone for its failures is tried once if nobody else is left: the last way is never closed.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Millionths;
use super::route::Destination;
use crate::types::planted::{Bug, planted};
use crate::types::{Money, PrivacyClass, TrustTier};

/// One thing that can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Send it to a candidate on this machine.
    Local,
    /// Send it to another machine of the operator.
    Private,
    /// Send it to a partner under contract.
    Partner,
    /// Send it to a public endpoint.
    External,
    /// Send it once more to one that failed in passing.
    Retry,
    /// Wait in line until a candidate is free.
    Wait,
    /// Send it to a candidate that is clearly not as good.
    Smaller,
    /// Answer as the same request was answered before.
    Cached,
    /// Ask a person.
    Human,
    /// Say no.
    Refuse,
}

impl Rung {
    /// The word used in config, JSON and explanations.
    pub fn word(self) -> &'static str {
        match self {
            Rung::Local => "local",
            Rung::Private => "private",
            Rung::Partner => "partner",
            Rung::External => "external",
            Rung::Retry => "retry",
            Rung::Wait => "wait",
            Rung::Smaller => "smaller",
            Rung::Cached => "cached",
            Rung::Human => "human",
            Rung::Refuse => "refuse",
        }
    }

    fn of(tier: TrustTier) -> Rung {
        match tier {
            TrustTier::Local => Rung::Local,
            TrustTier::Private => Rung::Private,
            TrustTier::Partner => Rung::Partner,
            TrustTier::External => Rung::External,
        }
    }
}

/// The ladder of one destination, where it differs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    /// Its order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<Rung>>,
    /// The rungs that are switched off for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<Vec<Rung>>,
}

/// The ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rungs, in the order in which they are tried. What is not named is switched off; refusing is always last.
    pub order: Vec<Rung>,
    /// Rungs that are switched off.
    pub off: Vec<Rung>,
    /// Pieces of work that wait for one destination at a time; one more goes on to the next rung.
    pub wait_most: u32,
    /// Milliseconds one piece of work waits at the most, all its waits together.
    pub wait_within_ms: u64,
    /// How much lower than the first choice's a quality is, in millionths, for a candidate to count as smaller.
    pub smaller_below: Millionths,
    /// Answers that are kept for being given again.
    pub cache_entries: u32,
    /// Seconds they are kept.
    pub cache_ttl_s: u64,
    /// Whether a second candidate is asked when the first is slower than it is 95 times of 100.
    pub hedge: bool,
    /// Ladders of single destinations, such as `"general/public"`.
    pub destinations: BTreeMap<String, Own>,
}

impl Config {
    /// The rungs of a destination in order, each with whether it is switched on.
    pub fn rungs(&self, destination: &Destination) -> Vec<(Rung, bool)> {
        let own = self.destinations.get(&destination.to_string());
        let order = own.and_then(|own| own.order.as_ref()).unwrap_or(&self.order);
        let off = own.and_then(|own| own.off.as_ref()).unwrap_or(&self.off);
        let named = order.iter().filter(|rung| **rung != Rung::Refuse);
        named.map(|rung| (*rung, !off.contains(rung))).chain([(Rung::Refuse, true)]).collect()
    }

    /// Whether a destination has this rung, switched on.
    pub fn has(&self, destination: &Destination, rung: Rung) -> bool {
        self.rungs(destination).contains(&(rung, true))
    }

    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (destination, own) in &self.destinations {
            if let Err(expected) = destination.parse::<Destination>() {
                found.push((format!("destinations.{destination}"), expected));
            }
            if own.order.as_ref().is_some_and(|order| doubled(order)) {
                found.push((format!("destinations.{destination}.order"), "each rung once".to_owned()));
            }
        }
        if self.off.contains(&Rung::Refuse) {
            found.push(("off".to_owned(), "no `refuse`: whom nobody serves is always refused".to_owned()));
        }
        for (destination, own) in &self.destinations {
            if own.off.as_ref().is_some_and(|off| off.contains(&Rung::Refuse)) {
                let expected = "no `refuse`: whom nobody serves is always refused".to_owned();
                found.push((format!("destinations.{destination}.off"), expected));
            }
        }
        if doubled(&self.order) {
            found.push(("order".to_owned(), "each rung once".to_owned()));
        }
        found
    }
}

fn doubled(order: &[Rung]) -> bool {
    order.iter().enumerate().any(|(place, rung)| order[..place].contains(rung))
}

/// A legal candidate, as a step needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Which.
    pub candidate: String,
    /// How far its place is trusted.
    pub tier: TrustTier,
    /// How good its answers are.
    pub quality: Millionths,
    /// The most it can cost.
    pub cost_max: Money,
    /// Whether it failed too often lately.
    pub dampened: bool,
}

/// What came of a candidate so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "came", rename_all = "snake_case")]
pub enum Came {
    /// It was not admitted, and may be later.
    Busy {
        /// Microseconds until asking again is worth it; none if that depends on another's end.
        again_us: Option<u64>,
    },
    /// It was not admitted, and waiting does not change that.
    Barred,
    /// It failed in a row and is left alone, unless nobody else can serve.
    Out,
    /// It failed.
    Failed {
        /// How often.
        attempts: u32,
        /// Whether it may be asked once more: the failure may pass, nothing was shown, its provider's budget allows it.
        again: bool,
    },
}

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Situation {
    /// Who may serve it, best first.
    pub legal: Vec<Standing>,
    /// Who was chosen: the first of them, unless somebody on trial goes before.
    pub chosen: Option<String>,
    /// What came of those that were tried since the last wait, by candidate.
    pub came: BTreeMap<String, Came>,
    /// How private it is.
    pub privacy: PrivacyClass,
    /// What may be spent on it.
    pub money: Money,
    /// Times one candidate may be asked.
    pub attempts_most: u32,
    /// How many wait for its destination.
    pub waiting: u32,
    /// Microseconds it has waited.
    pub waited_us: u64,
    /// Microseconds until its deadline.
    pub left_us: u64,
    /// Whether an earlier answer to the same is at hand.
    pub cached: bool,
    /// Whether a person can be asked.
    pub human: bool,
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = LadderStep)]
pub struct Step {
    /// Where to.
    pub rung: Rung,
    /// Whom to send it to, if to anybody.
    pub candidate: Option<String>,
    /// For a wait: microseconds after which to ask again even if nobody has become free.
    pub again_us: Option<u64>,
    /// Why this step.
    pub reason: String,
    /// The rungs before it that were left out, and why.
    pub passed: Vec<Passed>,
}

/// A rung that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = LadderPassed)]
pub struct Passed {
    /// Which.
    pub rung: Rung,
    /// Why.
    pub reason: String,
}

impl Step {
    /// The step in sentences, most important first.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![match &self.candidate {
            Some(candidate) => format!("Step to {} ({candidate}): {}.", self.rung.word(), self.reason),
            None => format!("Step to {}: {}.", self.rung.word(), self.reason),
        }];
        words.extend(self.passed.iter().map(|one| format!("Not {}: {}.", one.rung.word(), one.reason)));
        words
    }
}

/// What one rung says to a situation.
enum Stands {
    /// Step here.
    Yes(Step),
    /// Go on.
    No(String),
}

/// The next step. Pure: the same situation gives the same step.
pub fn next(config: &Config, destination: &Destination, situation: &Situation) -> Step {
    let rungs = config.rungs(destination);
    let mut passed = Vec::new();
    if situation.came.is_empty()
        && let Some(first) = situation.legal.first().filter(|first| lawful(situation, first))
        && rungs.contains(&(Rung::of(first.tier), true))
    {
        return step(Rung::of(first.tier), Some(first), "it is the first choice".to_owned(), passed);
    }
    for (rung, on) in &rungs {
        let rung = *rung;
        let stands =
            if *on { stand(config, &rungs, situation, rung) } else { Stands::No("it is switched off".to_owned()) };
        match stands {
            Stands::Yes(step) => return Step { passed, ..step },
            Stands::No(reason) => passed.push(Passed { rung, reason }),
        }
    }
    step(Rung::Refuse, None, "nothing else is left".to_owned(), passed)
}

fn step(rung: Rung, standing: Option<&Standing>, reason: String, passed: Vec<Passed>) -> Step {
    Step { rung, candidate: standing.map(|one| one.candidate.clone()), again_us: None, reason, passed }
}

/// LA1, checked where it counts and not only where the list was made.
fn lawful(situation: &Situation, standing: &Standing) -> bool {
    let may_see =
        situation.privacy.may_go_to(standing.tier) || (planted(Bug::TierIgnored) || planted(Bug::AnywhereCleared));
    may_see && standing.cost_max <= situation.money
}

fn stand(config: &Config, rungs: &[(Rung, bool)], situation: &Situation, rung: Rung) -> Stands {
    match rung {
        Rung::Local | Rung::Private | Rung::Partner | Rung::External => peer(config, rungs, situation, rung),
        Rung::Retry => retry(situation),
        Rung::Wait => wait(config, situation),
        Rung::Smaller => smaller(config, situation),
        Rung::Cached if situation.cached => {
            Stands::Yes(step(rung, None, "the same was answered before".to_owned(), Vec::new()))
        }
        Rung::Cached => Stands::No("the same was not answered lately".to_owned()),
        Rung::Human if situation.human => {
            Stands::Yes(step(rung, None, "nobody else can serve it now".to_owned(), Vec::new()))
        }
        Rung::Human => Stands::No("no rule hands over what nobody serves (review.rules with nobody = true)".to_owned()),
        Rung::Refuse => Stands::Yes(step(rung, None, "nothing else is left".to_owned(), Vec::new())),
    }
}

/// Whether a candidate is clearly not as good as the first choice.
fn is_smaller(config: &Config, situation: &Situation, standing: &Standing) -> bool {
    let chosen = situation.legal.iter().find(|one| situation.chosen.as_ref() == Some(&one.candidate));
    let first = chosen.or(situation.legal.first()).map_or(0, |first| first.quality.0);
    standing.quality.0.saturating_add(config.smaller_below.0) < first
}

fn untried(situation: &Situation) -> impl Iterator<Item = &Standing> {
    situation.legal.iter().filter(|one| !situation.came.contains_key(&one.candidate) && lawful(situation, one))
}

/// Another of the first choice's kind, at this tier.
fn peer(config: &Config, rungs: &[(Rung, bool)], situation: &Situation, rung: Rung) -> Stands {
    let on = |one: &&Standing| rungs.contains(&(Rung::of(one.tier), true));
    let peers = || untried(situation).filter(|one| !is_smaller(config, situation, one)).filter(on);
    // LA4: those that failed lately, at whatever tier, wait until no other is left.
    let healthy = peers().any(|one| !one.dampened);
    let here: Vec<&Standing> = peers().filter(|one| Rung::of(one.tier) == rung).collect();
    match here.iter().find(|one| one.dampened != healthy) {
        Some(one) => Stands::Yes(step(rung, Some(one), so_far(situation), Vec::new())),
        None if !here.is_empty() => Stands::No("who is left there failed too often lately".to_owned()),
        // Who is smaller is another rung, and says so here: it may be the very candidate that is sent to next.
        None if untried(situation).filter(on).any(|one| Rung::of(one.tier) == rung) => {
            Stands::No("who is left there is smaller than the first choice".to_owned())
        }
        None => Stands::No("nobody who may serve it is left there".to_owned()),
    }
}

fn smaller(config: &Config, situation: &Situation) -> Stands {
    let mut all: Vec<&Standing> = untried(situation).filter(|one| is_smaller(config, situation, one)).collect();
    all.sort_by_key(|one| one.dampened);
    match all.first() {
        Some(one) => Stands::Yes(step(Rung::Smaller, Some(one), so_far(situation), Vec::new())),
        None => Stands::No("nobody smaller who may serve it is left".to_owned()),
    }
}

fn retry(situation: &Situation) -> Stands {
    let again = |one: &&Standing| {
        let came = situation.came.get(&one.candidate);
        let may = matches!(came, Some(Came::Failed { attempts, again: true }) if *attempts < situation.attempts_most);
        may && lawful(situation, one)
    };
    match situation.legal.iter().find(again) {
        Some(one) => {
            let reason = "its failure may have been in passing, and its provider's budget allows another try";
            Stands::Yes(step(Rung::Retry, Some(one), reason.to_owned(), Vec::new()))
        }
        None => last_resort(situation),
    }
}

/// LA5: who is left alone is asked all the same if nobody else is left, and nobody would be free later.
fn last_resort(situation: &Situation) -> Stands {
    let came = |is: fn(&Came) -> bool| {
        situation.legal.iter().find(|one| situation.came.get(&one.candidate).is_some_and(is) && lawful(situation, one))
    };
    let others = untried(situation).next().or_else(|| came(|came| matches!(came, Came::Busy { .. })));
    match came(|came| matches!(came, Came::Out)).filter(|_| others.is_none()) {
        Some(one) => {
            let reason = "it failed in a row, but nobody else is left";
            Stands::Yes(step(Rung::Retry, Some(one), reason.to_owned(), Vec::new()))
        }
        None => Stands::No("nobody failed in a way that may pass, or within what may be tried again".to_owned()),
    }
}

fn wait(config: &Config, situation: &Situation) -> Stands {
    let busy: Vec<Option<u64>> = situation
        .legal
        .iter()
        .filter_map(|one| match situation.came.get(&one.candidate) {
            Some(Came::Busy { again_us }) if lawful(situation, one) => Some(*again_us),
            _ => None,
        })
        .collect();
    if busy.is_empty() {
        return Stands::No("nobody would be free later".to_owned());
    }
    if situation.waiting >= config.wait_most {
        return Stands::No(format!("{} wait already", situation.waiting));
    }
    let within = config.wait_within_ms.saturating_mul(1_000);
    let left = within.saturating_sub(situation.waited_us).min(situation.left_us);
    if left == 0 {
        return Stands::No("it has waited for as long as it may".to_owned());
    }
    // One whose end nobody knows may be free at any moment.
    let soonest = if busy.contains(&None) { 0 } else { busy.iter().flatten().copied().min().unwrap_or(0) };
    if soonest > left {
        return Stands::No("nobody will be free within the time it may wait".to_owned());
    }
    let again_us = busy.iter().flatten().copied().min().map_or(left, |again| again.min(left));
    let reason = format!("{}, and somebody will be free", so_far(situation));
    Stands::Yes(Step { again_us: Some(again_us), ..step(Rung::Wait, None, reason, Vec::new()) })
}

/// What came of the others, in words.
fn so_far(situation: &Situation) -> String {
    let count = |is: fn(&Came) -> bool| situation.came.values().filter(|came| is(came)).count();
    let failed = count(|came| matches!(came, Came::Failed { .. }));
    let busy = count(|came| matches!(came, Came::Busy { .. }));
    let barred = count(|came| matches!(came, Came::Barred));
    let out = count(|came| matches!(came, Came::Out));
    let counts =
        [(failed, "failed"), (out, "failed in a row before"), (busy, "had no room"), (barred, "may not be given work")];
    let parts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if parts.is_empty() { "nobody was tried yet".to_owned() } else { format!("of those tried {}", parts.join(", ")) }
}
