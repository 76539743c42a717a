//! `syzygy replay --with`: what another configuration would have made of recorded decisions.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::error::Error;
use super::library::{Known, Library};
use super::paint::{Paint, micros, plain};
use super::restated::restated;
use super::routing::headed;
use crate::actors::io::record::Hop;
use crate::store::Event;
use crate::types::{Money, RunId};
use crate::ziggy::privacy;
use crate::ziggy::route::{Compared, Decision, Outcome, Proposed, Took, Walk, compare};

/// Another configuration, as far as decisions depend on it.
#[derive(Debug, Clone)]
pub struct Other {
    /// By what tables are made, and of whom.
    pub proposed: Proposed,
    /// Where data may be.
    pub privacy: privacy::Config,
}

/// What another configuration would have changed.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    decisions: usize,
    /// Decisions whose table, or what it was made from, is not in the journal any more.
    without_table: usize,
    changed: usize,
    destinations: BTreeMap<String, Sums>,
    /// The same by how private they are.
    classes: BTreeMap<String, Sums>,
    /// How often who took whose place.
    moves: BTreeMap<String, usize>,
    /// Those that were served and would be refused.
    newly_refused: usize,
    /// Those that were refused and would be served.
    newly_served: usize,
    /// How often what left for a place would be of another class.
    reclassified: BTreeMap<String, usize>,
    /// Some of those that would go elsewhere.
    examples: Vec<Example>,
}

/// One decision that would be another.
#[derive(Debug, Serialize)]
struct Example {
    run_id: Option<RunId>,
    destination: String,
    before: Option<String>,
    after: Option<String>,
}

/// Examples that are shown.
const EXAMPLES_MOST: usize = 10;

/// Sums of one destination.
#[derive(Debug, Default, Serialize)]
struct Sums {
    decisions: usize,
    changed: usize,
    /// Decisions of which an answer came, by which costs and times are known and not only their bounds.
    answered: usize,
    before: Sum,
    after: Sum,
}

/// Sums of one policy.
#[derive(Debug, Default, Serialize)]
struct Sum {
    /// What the winners may cost together at the most.
    cost_max: Money,
    /// The mean of the most that an answer may take, by what was observed, in microseconds.
    latency_us: u64,
    /// What the answers that came cost, at the price of whoever wins.
    cost: Money,
    /// The mean time that they take whoever wins, by what was observed, in microseconds.
    took_us: u64,
    refused: usize,
    /// How often who ran where.
    tiers: BTreeMap<String, usize>,
    #[serde(skip)]
    total_us: u128,
    #[serde(skip)]
    served: u128,
    #[serde(skip)]
    took_total_us: u128,
}

impl Sum {
    fn add(&mut self, one: &Outcome) {
        self.cost_max += one.cost_max;
        if one.winner.is_none() {
            self.refused += 1;
            return;
        }
        if let Some(tier) = one.tier {
            *self.tiers.entry(tier.word().to_owned()).or_default() += 1;
        }
        self.total_us += u128::from(one.latency_us);
        self.served += 1;
        self.latency_us = u64::try_from(self.total_us / self.served).unwrap_or(u64::MAX);
    }

    /// Adds what an answer takes, of which there are so many with it.
    fn take(&mut self, took: &Took, answers: usize) {
        self.cost += took.cost;
        self.took_total_us += u128::from(took.latency_us);
        self.took_us = u64::try_from(self.took_total_us / (answers.max(1) as u128)).unwrap_or(u64::MAX);
    }

    fn tiers(&self) -> String {
        let tiers: Vec<String> = self.tiers.iter().map(|(tier, count)| format!("{tier} {count}")).collect();
        if tiers.is_empty() { "-".to_owned() } else { tiers.join(" ") }
    }
}

/// Decides everything once more, in order, as another configuration would have.
pub(super) async fn compare_all(hops: Vec<Event>, library: &mut Library, other: &Other) -> Result<Report, Error> {
    let mut report = Report { decisions: hops.len(), ..Report::default() };
    // Of several decisions on one part of a run only the last one led to its answer.
    let part = |event: &Event| Some((event.run?, event.body.parse::<Hop>()?.chunk));
    let last: BTreeMap<(RunId, usize), u64> = hops.iter().filter_map(|event| Some((part(event)?, event.seq))).collect();
    let mut walk = Walk::default();
    for event in hops {
        let hop = event.body.parse::<Hop>();
        let version = hop.as_ref().map(|hop| hop.decision.fib);
        let known = match version {
            Some(version) => library.table(version).await?.ok(),
            None => None,
        };
        let (Some(hop), Some(Known { fib, basis: Some(basis), registry })) = (hop, known) else {
            report.without_table += 1;
            continue;
        };
        let (own, table) = walk.table(&fib, &basis, &other.proposed);
        let then = registry.as_ref().map(|registry| &registry.privacy);
        let told = event.run.and_then(|run| library.asked(run)).unwrap_or_default();
        let asked = restated(&hop.decision, &told, then, &other.privacy);
        report.reclassify(&hop.decision, &asked);
        let answered = event.run.filter(|run| last.get(&(*run, hop.chunk)) == Some(&event.seq));
        let used = answered.and_then(|run| library.used(run, hop.chunk));
        report.add(&compare(&hop.decision, &basis, &asked, (&own, &table), used.as_ref()), event.run);
    }
    Ok(report)
}

impl Report {
    fn reclassify(&mut self, recorded: &Decision, asked: &Decision) {
        let (was, is) = (recorded.request.destination.privacy, asked.request.destination.privacy);
        if was != is {
            *self.reclassified.entry(format!("{} -> {}", was.word(), is.word())).or_default() += 1;
        }
    }

    fn add(&mut self, one: &Compared, run_id: Option<RunId>) {
        let changed = one.before.winner != one.after.winner;
        let class = one.privacy.word().to_owned();
        for sums in [self.destinations.entry(one.destination.clone()), self.classes.entry(class)] {
            let sums = sums.or_default();
            sums.decisions += 1;
            sums.changed += usize::from(changed);
            sums.before.add(&one.before);
            sums.after.add(&one.after);
            if let Some((before, after)) = &one.took {
                sums.answered += 1;
                sums.before.take(before, sums.answered);
                sums.after.take(after, sums.answered);
            }
        }
        self.changed += usize::from(changed);
        let (was_served, is_served) = (one.before.winner.is_some(), one.after.winner.is_some());
        self.newly_refused += usize::from(was_served && !is_served);
        self.newly_served += usize::from(!was_served && is_served);
        if changed {
            let name = |one: &Outcome| one.winner.clone().unwrap_or_else(|| "nobody".to_owned());
            *self.moves.entry(format!("{} -> {}", name(&one.before), name(&one.after))).or_default() += 1;
            if self.examples.len() < EXAMPLES_MOST {
                let (before, after) = (one.before.winner.clone(), one.after.winner.clone());
                self.examples.push(Example { run_id, destination: one.destination.clone(), before, after });
            }
        }
    }

    pub(super) fn told(&self, paint: Paint) -> String {
        let mut text = table("DESTINATION", &self.destinations, paint);
        text.push_str(&table("CLASS", &self.classes, paint));
        for (moved, count) in &self.moves {
            text.push_str(&format!("{count} x {}\n", plain(moved)));
        }
        for (moved, count) in &self.reclassified {
            text.push_str(&format!("{count} x {moved} data, by what has stand-ins\n"));
        }
        let runs = self.examples.iter().filter_map(|one| one.run_id).map(|run| run.to_string());
        let runs: BTreeSet<String> = runs.collect();
        if !runs.is_empty() {
            let runs: Vec<String> = runs.into_iter().collect();
            text.push_str(&format!("such as in run {}\n", runs.join(", ")));
        }
        text.push_str(&format!(
            "{} decisions: {} would go elsewhere, {} of these would be refused and {} no more; {} could not be made again for \
             want of their table\n",
            self.decisions, self.changed, self.newly_refused, self.newly_served, self.without_table
        ));
        text
    }
}

/// Sums under their names.
fn table(of: &str, all: &BTreeMap<String, Sums>, paint: Paint) -> String {
    let heading = [
        of,
        "DECISIONS",
        "CHANGED",
        "ANSWERED",
        "COST",
        "WOULD BE",
        "LATENCY",
        "WOULD BE",
        "COST AT MOST",
        "WOULD BE",
        "LATENCY MAX",
        "WOULD BE",
        "TIERS",
        "WOULD BE",
        "REFUSED",
        "WOULD BE",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|(destination, sums)| {
        let Sums { decisions, changed, answered, before, after } = sums;
        vec![
            plain(destination),
            decisions.to_string(),
            changed.to_string(),
            answered.to_string(),
            before.cost.to_string(),
            after.cost.to_string(),
            micros(before.took_us),
            micros(after.took_us),
            before.cost_max.to_string(),
            after.cost_max.to_string(),
            micros(before.latency_us),
            micros(after.latency_us),
            before.tiers(),
            after.tiers(),
            before.refused.to_string(),
            after.refused.to_string(),
        ]
    }));
    headed(&rows, paint)
}
