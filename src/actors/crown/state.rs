//! What CROWN knows: the governance, and what the tree looked like when it last looked. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::book::{Report, fingerprint};
use super::{Change, Config, Severity};
use crate::supervision::{Node, Status};
use crate::types::Timestamp;
use crate::ziggy::{Action, Announced, Governance, WEIGHT_MOST};

pub(super) struct State {
    config: Config,
    governance: Governance,
    seen: BTreeMap<String, Seen>,
}

/// What a look at the tree has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// What is new.
    pub(super) news: Vec<Report>,
    /// Fingerprints of what is so for as long as it is so.
    pub(super) holding: BTreeSet<String>,
    /// Restarts since the last look, by path.
    pub(super) restarts: Vec<(String, u64)>,
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

impl State {
    pub(super) fn new(config: Config, governance: Governance) -> State {
        State { config, governance, seen: BTreeMap::new() }
    }

    pub(super) fn governance(&self) -> &Governance {
        &self.governance
    }

    /// The governance after these changes, one version on, or why they cannot be made. No changes leave it as it is.
    pub(super) fn plan(&self, changes: &[Change], now: Timestamp) -> Result<Governance, String> {
        let mut next = self.governance.clone();
        next.overrides.retain(|one| now < one.expires);
        next.announced.retain(|_, one| now < one.gone);
        for change in changes {
            self.make(change, &mut next, now)?;
        }
        next.version += u64::from(!changes.is_empty());
        Ok(next)
    }

    fn make(&self, change: &Change, next: &mut Governance, now: Timestamp) -> Result<(), String> {
        match change.clone() {
            Change::Weight { percent: Some(percent), .. } if percent > WEIGHT_MOST => {
                return Err(format!("a weight is at most {WEIGHT_MOST} percent, not {percent}"));
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
            Change::Announce { candidate, announced } => self.announce(next, candidate, announced, now)?,
            Change::Withdraw { candidate } => {
                if next.announced.remove(&candidate).is_none() {
                    return Err(format!("nobody has announced {candidate}, so it cannot be withdrawn"));
                }
            }
            Change::Quarantine { candidate, reason } => {
                next.trials.remove(&candidate);
                set(&mut next.quarantined, candidate, Some(reason));
            }
            Change::Unquarantine { candidate } => {
                next.trials.remove(&candidate);
                set(&mut next.quarantined, candidate, None);
            }
            Change::Trial { candidate, trial } => set(&mut next.trials, candidate, trial),
            Change::Shed { shed } => next.shed = shed,
        }
        Ok(())
    }

    fn announce(
        &self,
        next: &mut Governance,
        candidate: String,
        said: Announced,
        now: Timestamp,
    ) -> Result<(), String> {
        if said.expires <= now || said.gone < said.expires {
            return Err(format!("{candidate} must expire in the future, not at {}", said.expires.rfc3339()));
        }
        if said.reason.trim().is_empty() {
            return Err("announcing a candidate needs a reason".to_owned());
        }
        if let Some(percent) = said.weight.filter(|percent| *percent > WEIGHT_MOST) {
            return Err(format!("a weight is at most {WEIGHT_MOST} percent, not {percent}"));
        }
        let most = self.config.overrides_most;
        if next.announced.len() >= most && !next.announced.contains_key(&candidate) {
            return Err(format!("at most {most} candidates are announced at a time; withdraw one first"));
        }
        next.announced.insert(candidate, said);
        Ok(())
    }

    /// Puts a stored snapshot in force.
    pub(super) fn adopt(&mut self, next: Governance) {
        self.governance = next;
    }

    /// Compares the tree with what it was.
    pub(super) fn watch(&mut self, tree: &[Node]) -> Found {
        let mut found = Found::default();
        self.look(tree, &mut found);
        found
    }

    fn look(&mut self, nodes: &[Node], found: &mut Found) {
        for node in nodes {
            let ended = node.status == Status::Ended;
            // What an actor shows as its health: runtimes do.
            let health = node.view.get("health").filter(|health| health["status"] == "down");
            let (restarts, left_behind, stuck, down) = (node.restarts, node.left_behind, node.stuck, health.is_some());
            let seen = Seen { restarts, left_behind, stuck, ended, down };
            let first = Seen { restarts: 0, left_behind: 0, stuck: 0, ended: false, down: false };
            let before = self.seen.insert(node.path.clone(), seen).unwrap_or(first);
            let cause = node.last_failure.as_deref().unwrap_or("it ended");
            let mut tell = |severity, kind: &str, message: String| {
                found.news.push(Report::of(severity, kind, &node.path, message));
            };
            if seen.stuck > before.stuck {
                tell(Severity::Critical, "actor_stuck", node.last_stuck.clone().unwrap_or_default());
            }
            if seen.restarts > before.restarts {
                let times = seen.restarts - before.restarts;
                tell(Severity::Warning, "actor_restarted", format!("restarted {times} times: {cause}"));
            }
            if seen.left_behind > before.left_behind {
                let message =
                    "has left something behind that holds a thread and does not end: code that waits for nothing"
                        .to_owned();
                tell(Severity::Critical, "actor_left_behind", message);
            }
            if ended && !before.ended {
                let severity = if node.last_failure.is_some() { Severity::Critical } else { Severity::Notice };
                tell(severity, "actor_ended", format!("ended: {cause}"));
            }
            if let Some(health) = health {
                found.holding.insert(fingerprint("runtime_down", &node.path, &BTreeMap::new()));
                if !before.down {
                    let reason = health["reason"].as_str().unwrap_or("it does not say why").to_owned();
                    let report = Report::of(Severity::Critical, "runtime_down", &node.path, reason);
                    found.news.push(Report { lasting: true, ..report });
                }
            }
            if seen.restarts > before.restarts {
                found.restarts.push((node.path.clone(), seen.restarts - before.restarts));
            }
            self.look(&node.children, found);
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
        // A pin of somebody else stays behind the newer one, for when that one cannot serve.
        (Action::Pin { .. }, Action::Pin { .. }) => one == other,
        (Action::Disable { candidate: one }, Action::Disable { candidate: other })
        | (Action::Release { candidate: one }, Action::Release { candidate: other }) => one == other,
        _ => false,
    }
}
