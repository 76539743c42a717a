//! Alert rules: whether what they wait for has held long enough to be said.
//!
//! Invariants:
//! - U1: nothing is said before it has held for `for_s` at every look, and all of it is unsaid at the first look it does
//!   not hold.
//! - U2: a clock that goes back makes nothing said sooner.

use std::collections::BTreeMap;

use super::{AlertRule, Evidence, Samples, When};
use crate::types::Timestamp;

/// The measures that alert rules may name; the names are those of `/metrics`.
pub const MEASURES: [&str; 10] = [
    "syzygy_mailbox_depth",
    "syzygy_mailbox_oldest_seconds",
    "syzygy_actor_restarts",
    "syzygy_mailbox_refused",
    "syzygy_journal_queued",
    "syzygy_journal_commit_seconds",
    "syzygy_alerts_firing",
    "syzygy_quarantined",
    "syzygy_budget_burn",
    "syzygy_webhook_waiting",
];

/// One measure of the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// One of [`MEASURES`].
    pub name: &'static str,
    /// Whom it is about.
    pub subject: String,
    /// In millionths of its unit.
    pub value: u64,
}

/// An alert that is to be said, or still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Place of its rule.
    pub rule: usize,
    /// Whom it is about.
    pub subject: String,
    /// Why.
    pub evidence: Evidence,
}

/// What holds, and since when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upkeep {
    since: BTreeMap<(usize, String), Timestamp>,
}

impl Upkeep {
    /// Looks, and returns everything that has held long enough.
    pub fn look(
        &mut self,
        rules: &[AlertRule],
        samples: &Samples,
        measures: &[Measure],
        now: Timestamp,
    ) -> Vec<Finding> {
        let mut holding = BTreeMap::new();
        let mut said = Vec::new();
        for (place, rule) in rules.iter().enumerate() {
            for (subject, evidence) in found(rule, samples, measures, now) {
                let key = (place, subject.clone());
                let since = self.since.get(&key).copied().unwrap_or(now);
                holding.insert(key, since);
                let held = u64::try_from(now.0.saturating_sub(since.0)).unwrap_or(0);
                if held >= rule.for_s.saturating_mul(1_000_000) {
                    said.push(Finding { rule: place, subject, evidence });
                }
            }
        }
        self.since = holding;
        said
    }
}

fn found(rule: &AlertRule, samples: &Samples, measures: &[Measure], now: Timestamp) -> Vec<(String, Evidence)> {
    match &rule.when {
        When::Event { kind, window_s, at_least } => {
            let seen = samples.kinds.get(kind).map_or(0, |series| series.over(*window_s, now).events);
            if seen < *at_least {
                return Vec::new();
            }
            let evidence = Evidence {
                signal: "events".to_owned(),
                value: seen,
                threshold: *at_least,
                samples: seen,
                window_s: *window_s,
                words: format!("{seen} events {kind} within {window_s} s"),
            };
            vec![("journal".to_owned(), evidence)]
        }
        When::Metric { name, above } => {
            // The cast of a float saturates.
            let threshold = (above * 1e6).round() as u64;
            let over = measures.iter().filter(|measure| measure.name == name && measure.value > threshold);
            over.map(|measure| {
                let evidence = Evidence {
                    signal: "metric".to_owned(),
                    value: measure.value,
                    threshold,
                    samples: 1,
                    window_s: 0,
                    words: format!("{name} of {} is {}, above {above}", measure.subject, measure.value as f64 / 1e6),
                };
                (measure.subject.clone(), evidence)
            })
            .collect()
        }
    }
}
