//! Rules as data, and what each finds in what was observed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::series::SLOW_MOST;
use super::{Counts, Evidence, Observed};
use crate::types::Timestamp;
use crate::ziggy::admit::Value;
use crate::ziggy::fixed::Millionths;

/// How bad an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Notice,
    /// Something recovered by itself, but somebody should look.
    Warning,
    /// Something is down.
    Critical,
}

impl Severity {
    /// The word used in config, JSON and explanations.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Notice => "notice",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// What a rule watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "signal", rename_all = "snake_case", deny_unknown_fields)]
pub enum Signal {
    /// The share of answers that failed.
    Errors {
        /// Over so many seconds.
        window_s: u64,
        /// From so many answers on; fewer prove nothing.
        least: u64,
        /// In millionths.
        share: Millionths,
    },
    /// How fast the latency objective burns: the share of answers that failed or came late, over what may.
    Slow {
        /// Over so many seconds.
        window_s: u64,
        /// And over so many, so that it is still so.
        short_s: u64,
        /// From so many answers on.
        least: u64,
        /// An answer that takes longer than so many milliseconds is late.
        within_ms: u64,
        /// The share that is to come in time, in millionths.
        objective: Millionths,
        /// How many times faster than allowed, in millionths.
        burn: u64,
    },
    /// How fast a budget burns, told by whoever keeps it.
    Budget {
        /// How many times faster than the rate that uses it up just at its end, in millionths.
        burn: u64,
    },
    /// Runs that went round in circles.
    Repeated {
        /// Over so many seconds.
        window_s: u64,
        /// How many of them.
        times: u64,
    },
    /// Restarts of an actor, or of all below a path.
    Restarts {
        /// Over so many seconds.
        window_s: u64,
        /// How many.
        times: u64,
    },
    /// The age of the oldest message of an actor, or of any below a path.
    Mailbox {
        /// In milliseconds.
        oldest_ms: u64,
    },
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// It says so, and nothing else.
    Alert,
    /// The candidate gets less work for a while.
    Throttle {
        /// Its score is multiplied by this percentage; none leaves it.
        #[serde(default)]
        percent: Option<u32>,
        /// It works on so many at a time; none leaves it.
        #[serde(default)]
        cap: Option<u32>,
        /// For so many seconds.
        for_s: u64,
    },
    /// The actor, or the candidate's agent, is stopped and started.
    Restart,
    /// The candidate gets no work until it has proved itself, or somebody releases it.
    Quarantine,
    /// Work of little value is refused for a while.
    Shed {
        /// Everything of less value than this.
        below: Value,
        /// For so many seconds.
        for_s: u64,
    },
}

impl Act {
    /// The word used in config, JSON and explanations.
    pub fn word(&self) -> &'static str {
        match self {
            Act::Alert => "alert",
            Act::Throttle { .. } => "throttle",
            Act::Restart => "restart",
            Act::Quarantine => "quarantine",
            Act::Shed { .. } => "shed",
        }
    }

    /// How long it stays in force by itself, if that is for a time.
    pub fn lasts_s(&self) -> Option<u64> {
        match self {
            Act::Throttle { for_s, .. } | Act::Shed { for_s, .. } => Some(*for_s),
            Act::Alert | Act::Restart | Act::Quarantine => None,
        }
    }
}

/// One rule: what is watched, of whom, and what is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, which stands in what it does.
    pub name: String,
    /// What it watches.
    pub watch: Signal,
    /// Of whom: a candidate, a path or a scope, each `*` in it standing for anything, so that `*` means each by itself.
    /// What ends with `/**` means all below a path together, and `**` all candidates together.
    pub of: String,
    /// What it does.
    pub act: Act,
    /// How bad it is.
    pub severity: Severity,
    /// Seconds until it acts again on the same.
    pub cooldown_s: u64,
}

/// What an alert waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "on", rename_all = "snake_case", deny_unknown_fields)]
pub enum When {
    /// Events of a kind in the journal.
    Event {
        /// Which kind, such as `run.failed`.
        kind: String,
        /// Over so many seconds.
        window_s: u64,
        /// How many of them.
        at_least: u64,
    },
    /// A measure of the moment, by its name in `/metrics`.
    Metric {
        /// Which.
        name: String,
        /// In its own unit.
        above: f64,
    },
}

/// A rule that says something and does nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// Its name, which is the kind of its alerts.
    pub name: String,
    /// What it waits for.
    pub when: When,
    /// Seconds that must hold before it is said.
    pub for_s: u64,
    /// How bad it is.
    pub severity: Severity,
    /// Further labels, for silences and receivers.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Whether a text is meant by a pattern, each `*` in which stands for any run of characters.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Who counts together under this pattern: all below a path.
fn below(pattern: &str) -> Option<&str> {
    pattern.strip_suffix("/**").filter(|path| !path.is_empty())
}

/// Whether a path is this one or lies below it.
pub(super) fn within(path: &str, top: &str) -> bool {
    path == top || path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
}

impl Rule {
    /// Every subject for which the condition holds, with the evidence, in order.
    pub(super) fn found(&self, observed: &Observed<'_>, now: Timestamp) -> Vec<(String, Evidence)> {
        match &self.watch {
            Signal::Errors { window_s, .. } | Signal::Slow { window_s, .. } | Signal::Repeated { window_s, .. } => {
                self.counted(&observed.samples.candidates, *window_s, observed, now)
            }
            Signal::Restarts { window_s, .. } => self.counted(&observed.samples.actors, *window_s, observed, now),
            Signal::Mailbox { oldest_ms } => self.aged(*oldest_ms, observed),
            Signal::Budget { burn } => {
                let meant = observed.budgets.iter().filter(|(scope, _)| matches(&self.of, scope));
                let over = meant.filter(|(_, rate)| **rate >= *burn);
                over.map(|(scope, rate)| (scope.clone(), burning(scope, *rate, *burn))).collect()
            }
        }
    }

    fn counted(
        &self,
        all: &BTreeMap<String, super::Series>,
        window_s: u64,
        observed: &Observed<'_>,
        now: Timestamp,
    ) -> Vec<(String, Evidence)> {
        let short_s = if let Signal::Slow { short_s, .. } = &self.watch { *short_s } else { window_s };
        let together = if self.of == "**" { Some("") } else { below(&self.of) };
        let mut sums: BTreeMap<&str, (Counts, Counts)> = BTreeMap::new();
        for (key, series) in all {
            let subject = match together {
                Some("") => "**",
                Some(top) if within(key, top) => top,
                Some(_) => continue,
                None if matches(&self.of, key) => key.as_str(),
                None => continue,
            };
            let sum = sums.entry(subject).or_default();
            sum.0.add(&series.over(window_s, now));
            sum.1.add(&series.over(short_s, now));
        }
        let judged = sums.into_iter().filter_map(|(subject, (long, short))| {
            let evidence = self.judged(subject, &long, &short, observed)?;
            Some((subject.to_owned(), evidence))
        });
        judged.collect()
    }

    fn judged(&self, subject: &str, long: &Counts, short: &Counts, observed: &Observed<'_>) -> Option<Evidence> {
        let evidence = |signal: &str, value, threshold, samples, window_s, words| Evidence {
            signal: signal.to_owned(),
            value,
            threshold,
            samples,
            window_s,
            words,
        };
        let answers = long.served + long.failed;
        match &self.watch {
            Signal::Errors { window_s, least, share } => {
                let seen = part(long.failed, answers);
                let words = format!("{} of {answers} answers of {subject} failed within {window_s} s", long.failed);
                (answers >= *least && seen >= u64::from(share.0) && long.failed > 0)
                    .then(|| evidence("errors", seen, share.0.into(), answers, *window_s, words))
            }
            Signal::Slow { window_s, short_s, least, within_ms, objective, burn } => {
                let place = observed.samples.place(*within_ms)?;
                let rate = |counts: &Counts| {
                    let bad = counts.failed + counts.slow[place];
                    let allowed = u64::from(1_000_000 - objective.0.min(999_999));
                    part(bad, counts.served + counts.failed).saturating_mul(1_000_000) / allowed
                };
                let (seen, recent) = (rate(long), rate(short));
                let bad = long.failed + long.slow[place];
                let words = format!(
                    "{bad} of {answers} answers of {subject} failed or took over {within_ms} ms within {window_s} s, {} \
                     times what the objective allows, and {} times within the last {short_s} s",
                    times(seen),
                    times(recent)
                );
                (answers >= *least && seen >= *burn && recent >= *burn && bad > 0)
                    .then(|| evidence("slow", seen, *burn, answers, *window_s, words))
            }
            Signal::Repeated { window_s, times } => {
                let words = format!("{} runs of {subject} went round in circles within {window_s} s", long.repeated);
                (long.repeated >= *times)
                    .then(|| evidence("repeated", long.repeated, *times, long.repeated, *window_s, words))
            }
            Signal::Restarts { window_s, times } => {
                let words = format!("{subject} was restarted {} times within {window_s} s", long.restarts);
                (long.restarts >= *times)
                    .then(|| evidence("restarts", long.restarts, *times, long.restarts, *window_s, words))
            }
            Signal::Budget { .. } | Signal::Mailbox { .. } => None,
        }
    }

    fn aged(&self, most: u64, observed: &Observed<'_>) -> Vec<(String, Evidence)> {
        let mut oldest: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for mailbox in observed.mailboxes {
            let subject = match below(&self.of) {
                Some(top) if within(&mailbox.path, top) => top,
                Some(_) => continue,
                None if matches(&self.of, &mailbox.path) => mailbox.path.as_str(),
                None => continue,
            };
            let seen = oldest.entry(subject).or_default();
            seen.0 = seen.0.max(mailbox.oldest_ms);
            seen.1 += mailbox.depth;
        }
        let over = oldest.into_iter().filter(|(_, (age, _))| *age >= most);
        over.map(|(subject, (age, depth))| {
            let words = format!("the oldest of {depth} messages has waited {age} ms for {subject}");
            let signal = "mailbox".to_owned();
            let evidence = Evidence { signal, value: age, threshold: most, samples: depth, window_s: 0, words };
            (subject.to_owned(), evidence)
        })
        .collect()
    }

    /// Keys of it with values that cannot work, and what would.
    pub fn impossible(&self, horizon_s: u64) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut unless = |good: bool, key: &'static str, expected: &str| {
            if !good {
                wrong.push((key, expected.to_owned()));
            }
        };
        unless(named(&self.name), "name", NAMED);
        unless(!self.of.is_empty(), "of", "a candidate, a path or a scope, or `*` for each");
        self.watch.impossible(horizon_s, &mut unless);
        match &self.act {
            Act::Throttle { percent, cap, for_s } => {
                unless(percent.is_some() || cap.is_some(), "act", "`percent` or `cap` in it");
                unless(percent.is_none_or(|percent| percent <= 100), "act.percent", "at most 100");
                // None at a time would be a quarantine without a way back.
                unless(cap.is_none_or(|cap| cap > 0), "act.cap", "at least 1");
                unless(*for_s > 0, "act.for_s", "at least 1");
            }
            Act::Shed { for_s, .. } => unless(*for_s > 0, "act.for_s", "at least 1"),
            Act::Alert | Act::Restart | Act::Quarantine => {}
        }
        let of_tree = matches!(self.watch, Signal::Restarts { .. } | Signal::Mailbox { .. });
        let of_budget = matches!(self.watch, Signal::Budget { .. });
        unless(!of_tree || self.of.contains('/'), "of", "a path such as `host/crown/agents/*`");
        let about_candidates = !matches!(self.act, Act::Throttle { .. } | Act::Quarantine | Act::Restart);
        let nobody = "alert or shed, since a budget is nobody who could be restarted";
        unless(!of_budget || about_candidates, "act.action", nobody);
        wrong
    }
}

impl Signal {
    fn impossible(&self, horizon_s: u64, unless: &mut impl FnMut(bool, &'static str, &str)) {
        let window = |window_s: &u64| (1..=horizon_s).contains(window_s);
        let windows = format!("from 1 to crown.observe.for_s, which is {horizon_s}");
        match self {
            Signal::Errors { window_s, least, share } => {
                unless(window(window_s), "watch.window_s", &windows);
                unless(*least > 0, "watch.least", "at least 1");
                unless((1..=1_000_000).contains(&share.0), "watch.share", "from 1 to 1000000 millionths");
            }
            Signal::Slow { window_s, short_s, least, within_ms, objective, burn } => {
                unless(window(window_s), "watch.window_s", &windows);
                unless((1..=*window_s).contains(short_s), "watch.short_s", "from 1 to `window_s`");
                unless(*least > 0, "watch.least", "at least 1");
                unless(*within_ms > 0, "watch.within_ms", "at least 1");
                unless(*burn > 0, "watch.burn", "at least 1 millionth");
                unless((1..1_000_000).contains(&objective.0), "watch.objective", "from 1 to 999999 millionths");
            }
            Signal::Budget { burn } => unless(*burn > 0, "watch.burn", "at least 1 millionth"),
            Signal::Repeated { window_s, times } | Signal::Restarts { window_s, times } => {
                unless(window(window_s), "watch.window_s", &windows);
                unless(*times > 0, "watch.times", "at least 1");
            }
            Signal::Mailbox { oldest_ms } => unless(*oldest_ms > 0, "watch.oldest_ms", "at least 1"),
        }
    }
}

const NAMED: &str = "lowercase letters, digits and dashes";

fn named(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

impl AlertRule {
    /// Keys of it with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut unless = |good: bool, key: &'static str, expected: &str| {
            if !good {
                wrong.push((key, expected.to_owned()));
            }
        };
        unless(named(&self.name), "name", NAMED);
        match &self.when {
            When::Event { kind, window_s, at_least } => {
                unless(!kind.is_empty(), "when.kind", "the kind of an event, such as `run.failed`");
                unless(*window_s > 0, "when.window_s", "at least 1");
                unless(*at_least > 0, "when.at_least", "at least 1");
            }
            When::Metric { name, above } => {
                let measures = super::upkeep::MEASURES;
                unless(measures.contains(&name.as_str()), "when.name", &format!("one of {}", measures.join(", ")));
                unless(above.is_finite() && *above >= 0.0, "when.above", "a number from 0 on");
            }
        }
        wrong
    }
}

/// The limits in milliseconds that the rules watch for; more than there is room for are too many.
pub fn limits(rules: &[Rule]) -> Result<Vec<u64>, String> {
    let limits: BTreeSet<u64> = rules
        .iter()
        .filter_map(|rule| if let Signal::Slow { within_ms, .. } = rule.watch { Some(within_ms) } else { None })
        .collect();
    if limits.len() > SLOW_MOST {
        return Err(format!("at most {SLOW_MOST} different `within_ms` in all rules, not {}", limits.len()));
    }
    Ok(limits.into_iter().collect())
}

/// A part of a whole, in millionths.
fn part(some: u64, all: u64) -> u64 {
    let share = u128::from(some) * 1_000_000 / u128::from(all.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Millionths as times, with one digit.
pub(super) fn times(millionths: u64) -> String {
    format!("{}.{}", millionths / 1_000_000, millionths % 1_000_000 / 100_000)
}

fn burning(scope: &str, rate: u64, threshold: u64) -> Evidence {
    let words = format!("the budget {scope} burns {} times as fast as it lasts", times(rate));
    Evidence { signal: "budget".to_owned(), value: rate, threshold, samples: 1, window_s: 0, words }
}
