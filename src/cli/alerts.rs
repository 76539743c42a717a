//! `syzygy alerts`: what fires, and what people say about it.

use std::collections::BTreeMap;

use serde_json::json;

use super::arguments::AlertsVerb;
use super::client::Client;
use super::console::Console;
use super::error::Error;
use super::paint::{Paint, columns, short};
use crate::actors::crown::{AlertState, Severity, Silence};
use crate::api::{Alerts, NewSilence, Silences};

/// Lists alerts, or says something about them.
pub(super) async fn alerts(client: &Client, verb: Option<AlertsVerb>, console: &mut Console) -> Result<(), Error> {
    match verb.unwrap_or(AlertsVerb::List { all: false, silences: false }) {
        AlertsVerb::List { silences: true, .. } => {
            let found: Silences = client.get("/alerts/silences").await?;
            if console.json { console.out_json(&found) } else { console.out(&silence_table(&found.silences)) }
        }
        AlertsVerb::List { all, silences: false } => {
            let found: Alerts = client.get(if all { "/alerts" } else { "/alerts?state=firing" }).await?;
            if console.json {
                return console.out_json(&found);
            }
            let (paint, width) = (console.paint(), console.columns());
            console.out(&table(&found, paint, width))
        }
        AlertsVerb::Ack { id } => {
            client.tell(reqwest::Method::POST, &format!("/alerts/{id}/acknowledge")).await?;
            said(console, &json!({ "id": id, "acknowledged": true }), &format!("alert {id} is acknowledged\n"))
        }
        AlertsVerb::Silence { matchers, expires_in, reason } => {
            let wanted = NewSilence { matcher: matcher(&matchers)?, reason, expires_in_s: expires_in };
            let made: Silence = client.post("/alerts/silences", &wanted).await?;
            let words = format!("silence {} holds until {}\n", made.id, made.until.rfc3339());
            said(console, &json!(made), &words)
        }
        AlertsVerb::Unsilence { id } => {
            client.tell(reqwest::Method::DELETE, &format!("/alerts/silences/{id}")).await?;
            said(console, &json!({ "id": id, "lifted": true }), &format!("silence {id} is lifted\n"))
        }
    }
}

fn said(console: &mut Console, value: &serde_json::Value, words: &str) -> Result<(), Error> {
    if console.json { console.out_json(value) } else { console.out(words) }
}

/// `kind=loops subject=host/*` as a matcher.
fn matcher(said: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let pair = |one: &String| {
        let pair = one.split_once('=').filter(|(name, pattern)| !name.is_empty() && !pattern.is_empty());
        let (name, pattern) = pair.ok_or_else(|| {
            Error::Usage(format!(
                "{one:?} says nothing to match (expected kind=..., subject=..., severity=... or a label)"
            ))
        })?;
        Ok((name.to_owned(), pattern.to_owned()))
    };
    said.iter().map(pair).collect()
}

/// Alerts as a table.
pub(super) fn table(found: &Alerts, paint: Paint, width: usize) -> String {
    if found.alerts.is_empty() {
        return "no alerts\n".to_owned();
    }
    let mut rows = vec![
        ["ID", "SINCE", "STATE", "SEVERITY", "KIND", "SUBJECT", "TIMES", "SEEN BY", "MESSAGE"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(found.alerts.iter().map(|alert| {
        let state = match (alert.state, alert.silenced_by) {
            (AlertState::Resolved, _) => "over",
            (AlertState::Firing, Some(_)) => "silenced",
            (AlertState::Firing, None) => "firing",
        };
        vec![
            alert.id.to_string(),
            alert.at.rfc3339().chars().take(19).collect(),
            state.to_owned(),
            alert.severity.word().to_owned(),
            short(&alert.kind, 40),
            short(&alert.subject, 60),
            alert.count.to_string(),
            alert.acknowledged_by.as_ref().map_or("-".to_owned(), |name| short(name, 30)),
            short(&alert.message, width.max(60)),
        ]
    }));
    let text = columns(&rows);
    let bad = found.alerts.iter().any(|alert| {
        alert.severity == Severity::Critical && alert.state == AlertState::Firing && alert.silenced_by.is_none()
    });
    match text.split_once('\n') {
        Some((first, rest)) if bad => format!("{}\n{rest}", paint.bad(first)),
        Some((first, rest)) => format!("{}\n{rest}", paint.bold(first)),
        None => text,
    }
}

fn silence_table(silences: &[Silence]) -> String {
    if silences.is_empty() {
        return "no silences\n".to_owned();
    }
    let mut rows = vec![["ID", "UNTIL", "AUTHOR", "MATCHES", "REASON"].map(str::to_owned).to_vec()];
    rows.extend(silences.iter().map(|one| {
        let pairs: Vec<String> = one.matcher.iter().map(|(name, pattern)| format!("{name}={pattern}")).collect();
        vec![
            one.id.to_string(),
            one.until.rfc3339().chars().take(19).collect(),
            short(&one.author, 30),
            short(&pairs.join(" "), 100),
            short(&one.reason, 100),
        ]
    }));
    columns(&rows)
}
