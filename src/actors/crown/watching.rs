//! What CROWN does by itself: looks at the tree and at what was heard, asks the rules, and does what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::actor::Shell;
use super::book::{Entry, Report, fingerprint};
use super::handle::AGENTS;
use super::message::{Deed, Message, Pending};
use super::projection::{ACTED, LIFTED, PROBATION, STANDS};
use super::state::Found;
use super::{Change, Severity, Standings, View};
use crate::store::NewEvent;
use crate::supervision::{Context, Node};
use crate::types::{Cx, Timestamp};
use crate::ziggy::budget;
use crate::ziggy::explain::Explain;
use crate::ziggy::govern::{Act, Action, Judgement, Mailbox, Measure, Observed, When, govern};

/// A restart waits for the actor's own grace and for its start hook; one that takes longer is reported.
const RESTART_WITHIN: Duration = Duration::from_secs(60);

/// Budgets that rules look at: the first so many by scope. A look at more would take longer than the time between two.
const BURNS_MOST: usize = 10_000;

/// In whose name rules change the governance.
const AUTHOR: &str = "crown";

impl Shell {
    /// One look. What it would do is left where it would change the governance while a change is on its way (CR1). In a
    /// host that stops there is none: what ends there is told to, and a rule that acted would only be in the way.
    pub(super) fn watch(&mut self, context: &mut Context<Message>) {
        context.after(Duration::from_secs(self.parts.config.watch_every_s.max(1)), Message::Watch);
        // No agent shows a health of its own, which is all that is looked at here.
        let tree = context.registry().tree_with(context.now(), |path| !path.starts_with(AGENTS));
        // Asked after the tree was read, in the order the other side writes: who stops says so before its children end.
        if context.registry().stops(context.path()) {
            return;
        }
        let now = context.world().clock.wall();
        let mut found = self.state.watch(&tree);
        found.news.extend(self.published.treasury.news().into_iter().map(budget_report));
        self.hear_budgets();
        {
            let samples = &mut self.published.ear.heard.lock().samples;
            found.restarts.iter().for_each(|(path, restarts)| samples.restarts(path, *restarts, now));
        }
        let mailboxes = mailboxes(&tree);
        let judgement = self.judge(&mailboxes, context.path(), now);
        let entries = self.say(found, &judgement, &tree, now);
        self.record(entries, context);
        if self.pending.is_empty() {
            self.perform(judgement.actions, context);
        }
        self.memory.forget(&self.parts.config.rules, now);
        self.tell(context);
        self.show(context);
    }

    /// How fast budgets burn, for rules: of each scope its fastest budget, by the longer look back.
    fn hear_budgets(&self) {
        let mut burns = BTreeMap::new();
        for standing in self.published.treasury.standings_of("", BURNS_MOST).0 {
            let Some(burn) = standing.burn else { continue };
            let rate: &mut u64 = burns.entry(standing.scope).or_default();
            *rate = (*rate).max(burn.slow_long.saturating_mul(1_000));
        }
        self.published.budgets.lock().extend(burns);
    }

    /// Raises what another part of the host reports.
    pub(super) fn raise(&mut self, report: Report, context: &mut Context<Message>) {
        let entries = self.book.raise(report, context.world().clock.wall());
        self.record(entries, context);
        self.tell(context);
    }

    fn judge(&self, mailboxes: &[Mailbox], own: &str, now: Timestamp) -> Judgement {
        let out: BTreeSet<String> = self.state.governance().quarantined.keys().cloned().collect();
        let (known, budgets) = (self.published.known(now), self.published.budgets.lock());
        let heard = self.published.ear.heard.lock();
        let observed =
            Observed { samples: &heard.samples, mailboxes, budgets: &budgets, known: &known, out: &out, own };
        govern(&self.parts.config.rules, &observed, &self.memory, now)
    }

    /// Everything that is to be said of what was found, and everything that is over.
    fn say(&mut self, found: Found, judgement: &Judgement, tree: &[Node], now: Timestamp) -> Vec<Entry> {
        let mut holding = found.holding;
        let none = BTreeMap::new();
        holding.extend(judgement.holding.iter().map(|(rule, subject)| fingerprint(rule, subject, &none)));
        let measures = self.measures(tree);
        let findings = {
            let heard = self.published.ear.heard.lock();
            self.upkeep.look(&self.parts.alerts.rules, &heard.samples, &measures, now)
        };
        let mut reports = found.news;
        for one in findings {
            let Some(rule) = self.parts.alerts.rules.get(one.rule) else { continue };
            let labels = self.parts.alerts.labels(one.rule);
            let print = fingerprint(&rule.name, &one.subject, &labels);
            if holding.insert(print.clone()) && !self.book.fires(&print) {
                reports.push(Report {
                    severity: rule.severity,
                    kind: rule.name.clone(),
                    subject: one.subject,
                    message: one.evidence.words.clone(),
                    evidence: Some(one.evidence),
                    labels,
                    lasting: true,
                });
            }
        }
        let mut entries: Vec<_> = reports.into_iter().flat_map(|report| self.book.raise(report, now)).collect();
        entries.extend(self.book.settle(&holding, now));
        entries
    }

    /// CR5: writes down what is to be done; it is done when the journal has it.
    fn perform(&mut self, actions: Vec<Action>, context: &mut Context<Message>) {
        let now = context.world().clock.wall();
        let policy = self.parts.config.probation;
        let mut standing = self.standing.clone();
        let (mut changes, mut moved) = (Vec::new(), Vec::new());
        if let Some(policy) = &policy {
            let outcomes = self.published.ear.heard.lock().outcomes();
            (moved, changes) = standing.advance(&outcomes, policy, self.state.governance(), now);
        }
        let known = self.published.known(now);
        for action in &actions {
            moved.extend(standing.act(action, policy.as_ref(), &known, now));
            if action.act == Act::Quarantine {
                changes.extend(action.targets.iter().map(|candidate| Change::Quarantine {
                    candidate: candidate.clone(),
                    reason: format!("rule {}: {}", action.rule, action.evidence.words),
                }));
            }
        }
        let ended = standing.expire(now);
        changes.extend(standing.changes(self.state.governance()));
        if actions.is_empty() && moved.is_empty() && ended.is_empty() && changes.is_empty() && standing == self.standing
        {
            return;
        }
        let source = context.path();
        let mut events: Vec<NewEvent> =
            actions.iter().map(|action| NewEvent::new(ACTED, None, source, action)).collect();
        events.extend(ended.iter().map(|one| NewEvent::new(LIFTED, None, source, one)));
        events.extend(moved.iter().map(|one| NewEvent::new(PROBATION, None, source, one)));
        if standing != self.standing {
            events.push(NewEvent::new(STANDS, None, source, &standing));
        }
        // CR5: in one commit with what is done, so that no crash comes between.
        let entries: Vec<Entry> =
            actions.iter().flat_map(|action| self.book.raise(report(action.clone()), now)).collect();
        events.extend(self.events(&entries, context));
        let told = self.hear_of(&entries);
        match self.state.plan(&changes, now) {
            Ok(next) => {
                let deed = Some(Deed { actions, standing, events, told });
                self.store(Pending { changes, author: AUTHOR.to_owned(), reply: None, next, deed }, context);
            }
            Err(reason) => tracing::error!(reason, "what the rules want makes no sense"),
        }
    }

    /// The journal has it: now it is so, and now it is done.
    pub(super) fn done(&mut self, deed: Deed, context: &mut Context<Message>) {
        let now = context.world().clock.wall();
        self.standing = deed.standing;
        self.memory.note(&deed.actions, now);
        for action in &deed.actions {
            let (rule, subject, words) = (&action.rule, &action.subject, &action.evidence.words);
            tracing::warn!(rule, subject, act = action.act.word(), "a rule acts: {words}");
            if action.act == Act::Restart {
                action.targets.iter().for_each(|path| self.restart(path, context));
            }
        }
        for (line, told) in self.lines.iter_mut().zip(deed.told) {
            line.due |= told;
        }
        self.tell(context);
    }

    fn restart(&self, path: &str, context: &mut Context<Message>) {
        let cx = Cx::housekeeping(context.now(), RESTART_WITHIN);
        let path = path.to_owned();
        let Some((above, id)) = context.registry().above(&path) else {
            return self.restart_failed(&path, "nobody supervises it", context);
        };
        let job_cx = cx.clone();
        let job = async move { above.restart(&job_cx, &id).await.map_err(|error| error.to_string()) };
        context.job(&cx, job, move |outcome| {
            let outcome = outcome.unwrap_or_else(|error| Err(error.to_string()));
            Message::Restarted { path, outcome }
        });
    }

    fn restart_failed(&self, path: &str, reason: &str, context: &mut Context<Message>) {
        let cx = Cx::housekeeping(context.now(), RESTART_WITHIN);
        let (path, reason) = (path.to_owned(), reason.to_owned());
        let outcome = Err(reason);
        context.job(&cx, async {}, move |_| Message::Restarted { path, outcome });
    }

    pub(super) fn restarted(&mut self, path: &str, outcome: Result<(), String>, context: &mut Context<Message>) {
        let Err(reason) = outcome else { return };
        // What a host that stops does not start again has not failed.
        if context.registry().stops(context.path()) {
            return;
        }
        let message = format!("could not be restarted as a rule wants: {reason}");
        self.raise(Report::of(Severity::Critical, "restart_failed", path, message), context);
    }

    pub(super) fn standings(&self) -> Standings {
        Standings { in_force: self.standing.in_force.clone(), on_the_way: self.standing.probations.clone() }
    }

    pub(super) fn show(&self, context: &Context<Message>) {
        let governance = self.state.governance();
        context.publish(&View {
            governance: governance.version,
            overrides: governance.overrides.len(),
            quarantined: governance.quarantined.len(),
            shed: governance.shed,
            alerts_open: self.book.open(),
            alerts_firing: self.book.firing(),
            on_trial: governance.trials.len(),
            in_force: self.standing.in_force.len(),
            webhooks_waiting: self.lines.iter().filter(|line| line.due).count(),
        });
    }

    /// What alert rules may name.
    fn measures(&self, tree: &[Node]) -> Vec<Measure> {
        let named = self.parts.alerts.rules.iter().filter_map(|one| match &one.when {
            When::Metric { name, .. } => Some(name.as_str()),
            When::Event { .. } => None,
        });
        let named: BTreeSet<&str> = named.collect();
        if named.is_empty() {
            return Vec::new();
        }
        let mut measures = Vec::new();
        actors(tree, &named, &mut measures);
        let mut one = |name, subject: &str, value: u64| {
            let value = value.saturating_mul(1_000_000);
            measures.push(Measure { name, subject: subject.to_owned(), value });
        };
        let journal = self.parts.journal.view();
        one("syzygy_journal_queued", "journal", journal.queued);
        one("syzygy_alerts_firing", "crown", self.book.firing() as u64);
        one("syzygy_quarantined", "crown", self.state.governance().quarantined.len() as u64);
        for (webhook, line) in self.parts.alerts.webhooks.iter().zip(&self.lines) {
            one("syzygy_webhook_waiting", &webhook.name, u64::from(line.due));
        }
        let commit = Measure {
            name: "syzygy_journal_commit_seconds",
            subject: "journal".to_owned(),
            value: journal.commit_micros,
        };
        measures.push(commit);
        let burns = self.published.budgets.lock();
        measures.extend(burns.iter().map(|(scope, rate)| Measure {
            name: "syzygy_budget_burn",
            subject: scope.clone(),
            value: *rate,
        }));
        measures
    }
}

/// What happened to a budget as an alert.
fn budget_report(one: budget::News) -> Report {
    let (severity, kind) = match (one.what, one.standing.pace) {
        (budget::What::Exhausted, _) => (Severity::Critical, "budget_exhausted"),
        (budget::What::Burning, budget::Pace::Fast) => (Severity::Critical, "budget_burning"),
        (budget::What::Burning, _) => (Severity::Warning, "budget_burning"),
    };
    Report::of(severity, kind, &one.standing.scope, one.words().join(" "))
}

/// What an action is as an alert.
fn report(action: Action) -> Report {
    let done = match (&action.spared, &action.act) {
        (Some(reason), act) => format!("nothing is done ({}), because {reason}", act.word()),
        (None, Act::Alert) => "nothing is done about it".to_owned(),
        (None, Act::Throttle { percent, cap, for_s }) => {
            let percent = percent.map(|percent| format!("its score counts {percent} %"));
            let cap = cap.map(|cap| format!("it works on {cap} at a time"));
            let both: Vec<String> = percent.into_iter().chain(cap).collect();
            format!("for {for_s} s {}: {}", both.join(" and "), action.targets.join(", "))
        }
        (None, Act::Restart) => format!("it is restarted: {}", action.targets.join(", ")),
        (None, Act::Quarantine) => format!("it gets no work: {}", action.targets.join(", ")),
        (None, Act::Shed { below, for_s }) => format!("for {for_s} s work below {} is refused", below.word()),
    };
    Report {
        severity: action.severity,
        kind: action.rule,
        subject: action.subject,
        message: format!("{}; {done}", action.evidence.words),
        evidence: Some(action.evidence),
        labels: BTreeMap::new(),
        lasting: true,
    }
}

fn mailboxes(nodes: &[Node]) -> Vec<Mailbox> {
    let mut found = Vec::new();
    let mut left: Vec<&Node> = nodes.iter().collect();
    while let Some(node) = left.pop() {
        // In a large host nearly all are empty, and an empty one is nobody's trouble.
        if node.mailbox_depth > 0 {
            let oldest_ms = node.mailbox_oldest_micros.unwrap_or(0) / 1_000;
            found.push(Mailbox { path: node.path.clone(), oldest_ms, depth: node.mailbox_depth });
        }
        left.extend(&node.children);
    }
    found
}

/// The measures of actors that somebody names.
fn actors(nodes: &[Node], named: &BTreeSet<&str>, measures: &mut Vec<Measure>) {
    let mut left: Vec<&Node> = nodes.iter().collect();
    while let Some(node) = left.pop() {
        let mut one = |name, value| {
            if named.contains(name) {
                measures.push(Measure { name, subject: node.path.clone(), value });
            }
        };
        one("syzygy_mailbox_depth", node.mailbox_depth.saturating_mul(1_000_000));
        one("syzygy_mailbox_oldest_seconds", node.mailbox_oldest_micros.unwrap_or(0));
        one("syzygy_actor_restarts", node.restarts.saturating_mul(1_000_000));
        one("syzygy_mailbox_refused", node.refused.saturating_mul(1_000_000));
        left.extend(&node.children);
    }
}
