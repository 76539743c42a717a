//! What an operator sets about CROWN: how it watches, by which rules it acts, and whom it tells.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::field::{NOT_OUTSIDE, usual_tier};
use crate::types::TrustTier;

use crate::ziggy::govern::{AlertRule, Rule, Severity, probation, rule};
use crate::ziggy::plan;

/// How CROWN watches the host, and what it does by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Seconds between two looks at the tree.
    pub watch_every_s: u64,
    /// Alerts kept for operators; older ones are in the journal only.
    pub alerts_kept: usize,
    /// Overrides in force at a time.
    pub overrides_most: usize,
    /// What it does by itself. Without rules it does nothing.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// How what happens is counted.
    #[serde(default)]
    pub observe: Observe,
    /// How a candidate comes back from quarantine. Left out, it does not by itself.
    #[serde(default)]
    pub probation: Option<probation::Policy>,
    /// What a plan aims at. Left out, there are no plans.
    #[serde(default)]
    pub plan: Option<plan::Config>,
}

/// How what happens is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observe {
    /// Seconds of one step: windows are as exact as that.
    pub step_s: u64,
    /// Seconds that are remembered: the longest window.
    pub for_s: u64,
    /// Candidates, pairs of destination and candidate, and actors that are counted, each at the most.
    pub subjects_most: usize,
}

impl Default for Observe {
    /// For hosts in code and tests that do not say: a minute, a hundred subjects.
    fn default() -> Observe {
        Observe { step_s: 1, for_s: 60, subjects_most: 100 }
    }
}

/// What is said to whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertsConfig {
    /// Seconds without a repetition after which an alert about something that happened is over.
    pub quiet_s: u64,
    /// Silences in force at a time.
    pub silences_most: usize,
    /// What to say beyond what CROWN says by itself.
    pub rules: Vec<AlertRule>,
    /// Who is told.
    pub webhooks: Vec<Webhook>,
}

impl Default for AlertsConfig {
    /// For tests of other actors: nobody is told, and nothing is over before they are.
    fn default() -> AlertsConfig {
        AlertsConfig { quiet_s: 3_600, silences_most: 10, rules: Vec::new(), webhooks: Vec::new() }
    }
}

/// Somebody who is told of alerts by HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Its name, which stands in what is said about it.
    pub name: String,
    /// Where it listens.
    pub url: String,
    /// How far the place behind the address is trusted; a partner if it is left out. What it may not see it is not told.
    #[serde(default = "usual_tier")]
    pub tier: TrustTier,
    /// Where in the world it is, in the operator's own words; left out, that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Environment variable with the key that messages are signed with; left out, they are not signed.
    #[serde(default)]
    pub secret_env: Option<String>,
    /// The least severity it hears of.
    pub least: Severity,
    /// Seconds one attempt may take.
    pub within_s: u64,
    /// Attempts before a message is given up.
    pub attempts: u32,
    /// Seconds of the first wait between two attempts; each one after may be twice as long.
    pub wait_s: u64,
    /// Seconds a wait may grow to.
    pub wait_most_s: u64,
}

impl Webhook {
    /// A right one with every key: what somebody writes is compared to it, key by key.
    pub fn examples() -> [Webhook; 1] {
        [Webhook {
            name: "desk".to_owned(),
            url: "https://desk.example/alerts".to_owned(),
            tier: usual_tier(),
            region: Some("eu".to_owned()),
            secret_env: Some("DESK_ALERT_KEY".to_owned()),
            least: Severity::Warning,
            within_s: 10,
            attempts: 1,
            wait_s: 1,
            wait_most_s: 1,
        }]
    }
}

/// The places of names that stand before them already.
fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    names.into_iter().enumerate().filter(|(_, name)| !seen.insert(*name)).map(|(place, _)| place).collect()
}

impl Config {
    /// Keys with values that cannot work, and what would. Zeros of the first three are found with the other sections'.
    pub fn impossible(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut unless = |good: bool, key: &str, expected: String| {
            if !good {
                found.push((key.to_owned(), expected));
            }
        };
        let observe = &self.observe;
        unless(observe.step_s > 0, "observe.step_s", "at least 1".to_owned());
        unless(observe.subjects_most > 0, "observe.subjects_most", "at least 1".to_owned());
        let least = observe.step_s.max(1);
        unless(observe.for_s >= least, "observe.for_s", format!("at least crown.observe.step_s, which is {least}"));
        for (place, one) in self.rules.iter().enumerate() {
            for (key, expected) in one.impossible(observe.for_s) {
                unless(false, &format!("rules.{place}.{key}"), expected);
            }
        }
        for place in twice(self.rules.iter().map(|one| one.name.as_str())) {
            unless(false, &format!("rules.{place}.name"), "a name that no other rule has".to_owned());
        }
        if let Err(reason) = rule::limits(&self.rules) {
            unless(false, "rules", reason);
        }
        if let Some(policy) = &self.probation {
            unless(policy.after_s > 0, "probation.after_s", "at least 1".to_owned());
            unless((1..=100).contains(&policy.share), "probation.share", "from 1 to 100 percent".to_owned());
            unless(policy.trials > 0, "probation.trials", "at least 1".to_owned());
            let after_s = policy.after_s;
            let expected = format!("at least crown.probation.after_s, which is {after_s}");
            unless(policy.ceiling_s >= after_s.max(1), "probation.ceiling_s", expected);
        }
        if let Some(plan) = &self.plan {
            let window = (1..=observe.for_s).contains(&plan.window_s);
            let expected = format!("from 1 to crown.observe.for_s, which is {}", observe.for_s);
            unless(window, "plan.window_s", expected);
            let share = (1..=1_000_000).contains(&plan.utilisation);
            unless(share, "plan.utilisation", "from 1 to 1000000 millionths".to_owned());
            unless(plan.wait_ms > 0, "plan.wait_ms", "at least 1".to_owned());
            unless(plan.least > 0, "plan.least", "at least 1".to_owned());
        }
        found
    }
}

impl AlertsConfig {
    /// Keys with values that cannot work, and what would. Windows reach as far as `crown.observe.for_s`, which is looked
    /// at where both are known.
    pub fn impossible(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut unless = |good: bool, key: &str, expected: String| {
            if !good {
                found.push((key.to_owned(), expected));
            }
        };
        unless(self.quiet_s > 0, "quiet_s", "at least 1".to_owned());
        unless(self.silences_most > 0, "silences_most", "at least 1".to_owned());
        for (place, one) in self.rules.iter().enumerate() {
            for (key, expected) in one.impossible() {
                unless(false, &format!("rules.{place}.{key}"), expected);
            }
        }
        for place in twice(self.rules.iter().map(|one| one.name.as_str())) {
            unless(false, &format!("rules.{place}.name"), "a name that no other rule has".to_owned());
        }
        for place in twice(self.webhooks.iter().map(|one| one.name.as_str())) {
            unless(false, &format!("webhooks.{place}.name"), "a name that no other webhook has".to_owned());
        }
        for (place, one) in self.webhooks.iter().enumerate() {
            let name = &one.name;
            let mut unless = |good: bool, key: &str, expected: &str| {
                unless(good, &format!("webhooks.{place}.{key}"), expected.to_owned());
            };
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            let named = !name.is_empty() && name.bytes().all(plain);
            unless(named, "name", "lowercase letters, digits and dashes");
            let url = one.url.starts_with("http://") || one.url.starts_with("https://");
            let tier = one.tier != TrustTier::External;
            unless(tier, "tier", NOT_OUTSIDE);
            unless(url, "url", "a URL such as `https://example.org/alerts`");
            let attempts = u64::from(one.attempts);
            let counts = [("within_s", one.within_s), ("attempts", attempts), ("wait_s", one.wait_s)];
            counts.into_iter().for_each(|(key, count)| unless(count > 0, key, "at least 1"));
            unless(one.wait_most_s >= one.wait_s.max(1), "wait_most_s", "at least wait_s");
        }
        found
    }

    /// The kinds of events that rules count.
    pub(super) fn kinds(&self) -> BTreeSet<String> {
        let kinds = self.rules.iter().filter_map(|one| match &one.when {
            crate::ziggy::govern::When::Event { kind, .. } => Some(kind.clone()),
            crate::ziggy::govern::When::Metric { .. } => None,
        });
        kinds.collect()
    }

    /// Labels of an alert of this rule.
    pub(super) fn labels(&self, rule: usize) -> BTreeMap<String, String> {
        self.rules.get(rule).map(|one| one.labels.clone()).unwrap_or_default()
    }
}
