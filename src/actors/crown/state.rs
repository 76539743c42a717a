//! What CROWN knows: the governance, the alerts, and what the tree looked like when it last looked. Pure.

use std::collections::{BTreeMap, VecDeque};

use super::{Alert, Change, Config, Severity, View};
use crate::supervision::{Node, Status};
use crate::types::Timestamp;
use crate::ziggy::budget;
use crate::ziggy::explain::Explain;
use crate::ziggy::{Action, Governance};

pub(super) struct State {
    config: Config,
    governance: Governance,
    alerts: VecDeque<Alert>,
    raised: u64,
    seen: BTreeMap<String, Seen>,
}

/// What was last seen of one actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    restarts: u64,
    left_behind: u64,
    stuck: u64,
    ended: bool,
    down: bool,
}

/// The greatest weight: ten times the candidate's own score. More would make every other term meaningless.
const PERCENT_MOST: u32 = 1_000;

impl State {
    pub(super) fn new(config: Config, governance: Governance) -> State {
        State { config, governance, alerts: VecDeque::new(), raised: 0, seen: BTreeMap::new() }
    }

    pub(super) fn governance(&self) -> &Governance {
        &self.governance
    }

    /// The governance after a change, or why it cannot be made.
    pub(super) fn plan(&self, change: &Change, now: Timestamp) -> Result<Governance, String> {
        let mut next = self.governance.clone();
        next.overrides.retain(|one| now < one.expires);
        match change.clone() {
            Change::Weight { percent: Some(percent), .. } if percent > PERCENT_MOST => {
                return Err(format!("a weight is at most {PERCENT_MOST} percent, not {percent}"));
            }
            Change::Weight { candidate, percent } => set(&mut next.weights, candidate, percent),
            Change::Cap { candidate, cap } => set(&mut next.caps, candidate, cap),
            Change::Override(one) => {
                if one.expires <= now {
                    return Err(format!("an override must expire in the future, not at {}", one.expires.rfc3339()));
                }
                if one.reason.trim().is_empty() {
                    return Err("an override needs a reason".to_owned());
                }
                next.overrides.retain(|other| !same_target(&other.action, &one.action));
                if next.overrides.len() >= self.config.overrides_most {
                    return Err(format!("at most {} overrides are kept at a time", self.config.overrides_most));
                }
                next.overrides.push(one);
            }
            Change::Quarantine { candidate, reason } => set(&mut next.quarantined, candidate, Some(reason)),
            Change::Unquarantine { candidate } => set(&mut next.quarantined, candidate, None),
            Change::Shed { shed } => next.shed = shed,
        }
        next.version += 1;
        Ok(next)
    }

    /// Puts a stored snapshot in force.
    pub(super) fn adopt(&mut self, next: Governance) {
        self.governance = next;
    }

    /// Compares the tree with what it was and raises what is new.
    pub(super) fn watch(&mut self, tree: &[Node], now: Timestamp) -> Vec<Alert> {
        let mut news = Vec::new();
        self.look(tree, now, &mut news);
        news
    }

    fn look(&mut self, nodes: &[Node], now: Timestamp, news: &mut Vec<Alert>) {
        for node in nodes {
            let ended = node.status == Status::Ended;
            // What an actor shows as its health: runtimes do.
            let health = node.view.get("health").filter(|health| health["status"] == "down");
            let (restarts, left_behind, stuck, down) = (node.restarts, node.left_behind, node.stuck, health.is_some());
            let seen = Seen { restarts, left_behind, stuck, ended, down };
            let first = Seen { restarts: 0, left_behind: 0, stuck: 0, ended: false, down: false };
            let before = self.seen.insert(node.path.clone(), seen).unwrap_or(first);
            let cause = node.last_failure.as_deref().unwrap_or("it ended");
            if seen.stuck > before.stuck {
                let message = node.last_stuck.clone().unwrap_or_default();
                news.push(self.raise(Severity::Critical, "actor_stuck", &node.path, message, now));
            }
            if let Some(health) = health.filter(|_| !before.down) {
                let reason = health["reason"].as_str().unwrap_or("it does not say why").to_owned();
                news.push(self.raise(Severity::Critical, "runtime_down", &node.path, reason, now));
            }
            if seen.restarts > before.restarts {
                let message = format!("restarted {} times: {cause}", seen.restarts - before.restarts);
                news.push(self.raise(Severity::Warning, "actor_restarted", &node.path, message, now));
            }
            if seen.left_behind > before.left_behind {
                let message = "was killed and does not end: its handler blocks a thread".to_owned();
                news.push(self.raise(Severity::Critical, "actor_left_behind", &node.path, message, now));
            }
            if ended && !before.ended {
                let severity = if node.last_failure.is_some() { Severity::Critical } else { Severity::Notice };
                news.push(self.raise(severity, "actor_ended", &node.path, format!("ended: {cause}"), now));
            }
            self.look(&node.children, now, news);
        }
    }

    /// Raises what happened to budgets.
    pub(super) fn budgets(&mut self, news: Vec<budget::News>, now: Timestamp) -> Vec<Alert> {
        let raised = news.into_iter().map(|one| {
            let (severity, kind) = match (one.what, one.standing.pace) {
                (budget::What::Exhausted, _) => (Severity::Critical, "budget_exhausted"),
                (budget::What::Burning, budget::Pace::Fast) => (Severity::Critical, "budget_burning"),
                (budget::What::Burning, _) => (Severity::Warning, "budget_burning"),
            };
            self.raise(severity, kind, &one.standing.scope, one.words().join(" "), now)
        });
        raised.collect()
    }

    pub(super) fn raise(
        &mut self,
        severity: Severity,
        kind: &str,
        subject: &str,
        message: String,
        at: Timestamp,
    ) -> Alert {
        self.raised += 1;
        let alert = Alert {
            id: self.raised,
            at,
            severity,
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            message,
            acknowledged_by: None,
        };
        if self.alerts.len() >= self.config.alerts_kept {
            self.alerts.pop_front();
        }
        self.alerts.push_back(alert.clone());
        alert
    }

    pub(super) fn acknowledge(&mut self, id: u64, author: &str) -> bool {
        let found = self.alerts.iter_mut().find(|alert| alert.id == id);
        if let Some(alert) = found {
            alert.acknowledged_by.get_or_insert_with(|| author.to_owned());
            return true;
        }
        false
    }

    /// The alerts, newest first.
    pub(super) fn alerts(&self) -> Vec<Alert> {
        self.alerts.iter().rev().cloned().collect()
    }

    pub(super) fn view(&self) -> View {
        View {
            governance: self.governance.version,
            overrides: self.governance.overrides.len(),
            quarantined: self.governance.quarantined.len(),
            shed: self.governance.shed,
            alerts_open: self.alerts.iter().filter(|alert| alert.acknowledged_by.is_none()).count(),
        }
    }
}

fn set<V>(map: &mut BTreeMap<String, V>, candidate: String, value: Option<V>) {
    match value {
        Some(value) => map.insert(candidate, value),
        None => map.remove(&candidate),
    };
}

/// Whether a newer override takes the place of an older one: the same kind of decision on the same thing.
fn same_target(one: &Action, other: &Action) -> bool {
    match (one, other) {
        (Action::Pin { capability: one, .. }, Action::Pin { capability: other, .. }) => one == other,
        (Action::Disable { candidate: one }, Action::Disable { candidate: other })
        | (Action::Release { candidate: one }, Action::Release { candidate: other }) => one == other,
        _ => false,
    }
}
