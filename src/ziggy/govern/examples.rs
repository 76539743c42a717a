//! Right rules, with every key of every kind there is: what somebody writes is compared to them, key by key.

use std::collections::BTreeMap;

use super::rule::{Act, AlertRule, Rule, Severity, Signal, When};
use crate::ziggy::admit::Value;
use crate::ziggy::fixed::Millionths;

impl Rule {
    /// With each signal and each act.
    pub fn examples() -> Vec<Rule> {
        let (window_s, least, times, burn) = (1, 1, 1, 1);
        let half = Millionths(500_000);
        let signals = [
            Signal::Errors { window_s, least, share: half },
            Signal::Slow { window_s, short_s: 1, least, within_ms: 1, objective: half, burn },
            Signal::Budget { burn },
            Signal::Repeated { window_s, times },
            Signal::Restarts { window_s, times },
            Signal::Mailbox { oldest_ms: 1 },
        ];
        let acts = [
            Act::Throttle { percent: Some(50), cap: Some(1), for_s: 1 },
            Act::Restart,
            Act::Quarantine,
            Act::Shed { below: Value::Normal, for_s: 1 },
        ];
        let rule = |watch, act| Rule {
            name: "example".to_owned(),
            watch,
            of: "host/crown/agents/*".to_owned(),
            act,
            severity: Severity::Notice,
            cooldown_s: 1,
        };
        let [first, ..] = &signals;
        let acting = acts.map(|act| rule(first.clone(), act));
        signals.iter().map(|signal| rule(signal.clone(), Act::Alert)).chain(acting).collect()
    }
}

impl AlertRule {
    /// Of an event and of a measure.
    pub fn examples() -> [AlertRule; 2] {
        let (window_s, at_least) = (1, 1);
        let name = super::upkeep::MEASURES.first().map(|name| (*name).to_owned()).unwrap_or_default();
        let whens =
            [When::Event { kind: "run.failed".to_owned(), window_s, at_least }, When::Metric { name, above: 1.0 }];
        whens.map(|when| AlertRule {
            name: "example".to_owned(),
            when,
            for_s: 1,
            severity: Severity::Notice,
            labels: BTreeMap::new(),
        })
    }
}
