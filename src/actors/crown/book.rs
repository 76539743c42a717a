//! The book of alerts and silences. Pure: it is told what happens and when, and says what is to be written down.
//!
//! Invariants:
//! - BK1: of one fingerprint at most one alert is firing; what comes again while it fires is counted in it.
//! - BK2: an alert that lasts is over when its condition is, one of a moment when nothing came for `quiet_s`.
//! - BK3: whatever a silence matches is recorded all the same, and nobody is told of it.
//! - BK4: the book holds no more than it may; what is let go is over or, if there is nothing else, the oldest.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{AlertsConfig, Severity};
use crate::types::{Hash, Timestamp};
use crate::ziggy::govern::{Evidence, rule};

/// Where an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AlertState)]
pub enum AlertState {
    /// It holds.
    Firing,
    /// It is over.
    Resolved,
}

/// Something an operator should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Alert {
    /// Number, from 1, in the order raised.
    pub id: u64,
    /// When it was raised.
    pub at: Timestamp,
    /// How bad.
    pub severity: Severity,
    /// What kind: `actor_stuck`, `actor_restarted`, `actor_ended`, `actor_left_behind`, `runtime_down`, `webhook_failed`,
    /// or the name of a rule.
    pub kind: String,
    /// Whom it is about: a path in the tree, a candidate, a scope.
    pub subject: String,
    /// What happened, in words.
    pub message: String,
    /// What was measured, if a rule raised it.
    pub evidence: Option<Evidence>,
    /// Further labels, from the rule.
    pub labels: BTreeMap<String, String>,
    /// The same for all alerts of this kind about this subject with these labels.
    pub fingerprint: String,
    /// Whether it holds.
    pub state: AlertState,
    /// Times it happened since it was raised.
    pub count: u64,
    /// When it last happened.
    pub last_at: Timestamp,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// Who has seen it.
    pub acknowledged_by: Option<String>,
    /// When.
    pub acknowledged_at: Option<Timestamp>,
    /// The silence it came under.
    pub silenced_by: Option<u64>,
    /// Whether it holds for as long as its condition, and not for a while after a moment.
    pub lasting: bool,
    /// The webhooks that are told.
    pub told: Vec<String>,
}

/// What is raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) severity: Severity,
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) message: String,
    pub(super) evidence: Option<Evidence>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) lasting: bool,
}

impl Report {
    /// About something that happened, without measures.
    pub(super) fn of(severity: Severity, kind: &str, subject: &str, message: String) -> Report {
        Report {
            severity,
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            message,
            evidence: None,
            labels: BTreeMap::new(),
            lasting: false,
        }
    }

    pub(super) fn fingerprint(&self) -> String {
        fingerprint(&self.kind, &self.subject, &self.labels)
    }
}

/// Who is meant, as a text of sixteen digits.
pub(super) fn fingerprint(kind: &str, subject: &str, labels: &BTreeMap<String, String>) -> String {
    let text = serde_json::json!([kind, subject, labels]).to_string();
    Hash::of(text.as_bytes()).to_string().chars().take(16).collect()
}

/// What nobody is to be told of for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Silence {
    /// Its number.
    pub id: u64,
    /// What an alert must be to come under it: `kind`, `subject`, `severity` or a label, each with a pattern in which `*`
    /// stands for anything. All of it must fit.
    pub matcher: BTreeMap<String, String>,
    /// Until when.
    pub until: Timestamp,
    /// Who.
    pub author: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

impl Silence {
    /// Whether an alert comes under it now.
    pub(super) fn covers(&self, alert: &Alert, now: Timestamp) -> bool {
        now < self.until && self.matcher.iter().all(|(name, pattern)| matches(alert, name, pattern))
    }
}

fn matches(alert: &Alert, name: &str, pattern: &str) -> bool {
    let value = match name {
        "kind" => Some(alert.kind.as_str()),
        "subject" => Some(alert.subject.as_str()),
        "severity" => Some(alert.severity.word()),
        label => alert.labels.get(label).map(String::as_str),
    };
    value.is_some_and(|value| rule::matches(pattern, value))
}

/// Something to be written down: an event of this kind about this alert.
pub(super) type Entry = (&'static str, Alert);

/// A kind of event.
pub(super) mod kind {
    pub(in super::super) const RAISED: &str = "alert.raised";
    pub(in super::super) const REPEATED: &str = "alert.repeated";
    pub(in super::super) const ACKNOWLEDGED: &str = "alert.acknowledged";
    pub(in super::super) const RESOLVED: &str = "alert.resolved";
    pub(in super::super) const DROPPED: &str = "alert.dropped";
    pub(in super::super) const SILENCED: &str = "silence.added";
    pub(in super::super) const UNSILENCED: &str = "silence.removed";
}

pub(super) struct Book {
    config: AlertsConfig,
    kept: usize,
    alerts: VecDeque<Alert>,
    silences: Vec<Silence>,
    raised: u64,
    silenced: u64,
}

impl Book {
    /// The book as it was when the host was last up.
    pub(super) fn new(config: AlertsConfig, kept: usize, alerts: Vec<Alert>, silences: Vec<Silence>) -> Book {
        let raised = alerts.iter().map(|alert| alert.id).max().unwrap_or(0);
        let silenced = silences.iter().map(|silence| silence.id).max().unwrap_or(0);
        Book { config, kept: kept.max(1), alerts: alerts.into(), silences, raised, silenced }
    }

    /// Raises an alert, or counts it in the one that is firing.
    pub(super) fn raise(&mut self, report: Report, now: Timestamp) -> Vec<Entry> {
        let fingerprint = report.fingerprint();
        let firing = |alert: &&mut Alert| alert.state == AlertState::Firing && alert.fingerprint == fingerprint;
        if let Some(alert) = self.alerts.iter_mut().rev().find(firing) {
            alert.count += 1;
            alert.last_at = alert.last_at.max(now);
            (alert.message, alert.evidence) = (report.message, report.evidence);
            return vec![(kind::REPEATED, Alert { told: Vec::new(), ..alert.clone() })];
        }
        self.raised += 1;
        let mut alert = Alert {
            id: self.raised,
            at: now,
            severity: report.severity,
            kind: report.kind,
            subject: report.subject,
            message: report.message,
            evidence: report.evidence,
            labels: report.labels,
            fingerprint,
            state: AlertState::Firing,
            count: 1,
            last_at: now,
            resolved_at: None,
            acknowledged_by: None,
            acknowledged_at: None,
            silenced_by: None,
            lasting: report.lasting,
            told: Vec::new(),
        };
        alert.silenced_by = self.silences.iter().find(|one| one.covers(&alert, now)).map(|one| one.id);
        alert.told = self.told(&alert);
        self.alerts.push_back(alert.clone());
        let mut entries = vec![(kind::RAISED, alert)];
        while self.alerts.len() > self.kept {
            let place = self.alerts.iter().position(|alert| alert.state == AlertState::Resolved).unwrap_or(0);
            entries.extend(self.alerts.remove(place).map(|alert| (kind::DROPPED, alert)));
        }
        entries
    }

    /// BK3: who is told of an alert. Nobody is told by the webhook that an alert is about.
    fn told(&self, alert: &Alert) -> Vec<String> {
        if alert.silenced_by.is_some() {
            return Vec::new();
        }
        let hears = |one: &&super::Webhook| alert.severity >= one.least && alert.subject != webhook_subject(&one.name);
        self.config.webhooks.iter().filter(hears).map(|one| one.name.clone()).collect()
    }

    /// Time has passed, and these fingerprints still hold: what is over is over.
    pub(super) fn settle(&mut self, holding: &BTreeSet<String>, now: Timestamp) -> Vec<Entry> {
        let quiet_us = i64::try_from(self.config.quiet_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        let mut entries = Vec::new();
        self.silences.retain(|silence| {
            // Those that ended are let go when nothing came under them that still fires.
            now < silence.until || self.alerts.iter().any(|alert| alert.silenced_by == Some(silence.id))
        });
        for place in 0..self.alerts.len() {
            let alert = &self.alerts[place];
            let over = if alert.lasting {
                !holding.contains(&alert.fingerprint)
            } else {
                now.0.saturating_sub(alert.last_at.0) >= quiet_us
            };
            if alert.state == AlertState::Firing && over {
                let told = self.told(alert);
                let alert = &mut self.alerts[place];
                alert.state = AlertState::Resolved;
                alert.resolved_at = Some(now);
                entries.push((kind::RESOLVED, Alert { told, ..alert.clone() }));
            }
        }
        entries
    }

    /// Notes that somebody has seen an alert; the first who says so counts.
    pub(super) fn acknowledge(&mut self, id: u64, author: &str, now: Timestamp) -> Option<Vec<Entry>> {
        let alert = self.alerts.iter_mut().find(|alert| alert.id == id)?;
        if alert.acknowledged_by.is_some() {
            return Some(Vec::new());
        }
        (alert.acknowledged_by, alert.acknowledged_at) = (Some(author.to_owned()), Some(now));
        Some(vec![(kind::ACKNOWLEDGED, Alert { told: Vec::new(), ..alert.clone() })])
    }

    /// Adds a silence, for what is raised from now on.
    pub(super) fn silence(&mut self, mut silence: Silence, now: Timestamp) -> Result<Silence, String> {
        if silence.matcher.is_empty() || silence.matcher.values().any(String::is_empty) {
            return Err(
                "a silence says what it is for: `kind`, `subject`, `severity` or a label, with a pattern".to_owned()
            );
        }
        if silence.until <= now {
            return Err(format!("a silence must end in the future, not at {}", silence.until.rfc3339()));
        }
        if silence.reason.trim().is_empty() {
            return Err("a silence needs a reason".to_owned());
        }
        let most = self.config.silences_most.max(1);
        if self.silences.iter().filter(|one| now < one.until).count() >= most {
            return Err(format!("at most {most} silences are kept at a time (alerts.silences_most)"));
        }
        self.silenced += 1;
        silence.id = self.silenced;
        self.silences.push(silence.clone());
        Ok(silence)
    }

    /// Lifts a silence.
    pub(super) fn unsilence(&mut self, id: u64) -> Option<Silence> {
        let place = self.silences.iter().position(|silence| silence.id == id)?;
        Some(self.silences.remove(place))
    }

    /// The silences in force.
    pub(super) fn silences(&self, now: Timestamp) -> Vec<Silence> {
        self.silences.iter().filter(|silence| now < silence.until).cloned().collect()
    }

    /// The alerts, newest first.
    pub(super) fn alerts(&self) -> Vec<Alert> {
        self.alerts.iter().rev().cloned().collect()
    }

    /// Whether an alert with this fingerprint fires.
    pub(super) fn fires(&self, fingerprint: &str) -> bool {
        let firing = |alert: &Alert| alert.state == AlertState::Firing && alert.fingerprint == fingerprint;
        self.alerts.iter().rev().any(firing)
    }

    /// Those that fire.
    pub(super) fn firing(&self) -> usize {
        self.alerts.iter().filter(|alert| alert.state == AlertState::Firing).count()
    }

    /// Those that nobody has seen.
    pub(super) fn open(&self) -> usize {
        self.alerts.iter().filter(|alert| alert.acknowledged_by.is_none()).count()
    }
}

/// The subject of alerts about a webhook.
pub(super) fn webhook_subject(name: &str) -> String {
    format!("webhook:{name}")
}
