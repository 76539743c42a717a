//! The governance as a projection of the journal: the snapshot in force, what rules hold, alerts, silences, and what
//! webhooks have still to be told.

use serde_json::Value;

use super::book::kind;
use crate::store::{Event, Projection};

/// Kind of the events that change the governance. Their body holds the change, its author, and the snapshot after it.
pub(super) const CHANGED: &str = "governance.changed";

/// Kind of the events that say what a rule did, with its evidence.
pub(super) const ACTED: &str = "crown.acted";

/// Kind of the events that say what no longer stands.
pub(super) const LIFTED: &str = "crown.lifted";

/// Kind of the events of candidates on their way back from quarantine.
pub(super) const PROBATION: &str = "crown.probation";

/// Kind of the events that hold everything that stands, written with those above.
pub(super) const STANDS: &str = "crown.stands";

/// A webhook has been told.
pub(super) const DELIVERED: &str = "webhook.delivered";

/// A webhook could not be told, and is not tried again with this.
pub(super) const GAVE_UP: &str = "webhook.gave_up";

/// The key of the snapshot in force.
pub(super) const CURRENT: &str = "current";

/// The key of what rules hold.
pub(super) const STANDING: &str = "standing";

/// Prefixes of the keys of which there are many.
pub(super) const ALERTS: &str = "alert/";
pub(super) const SILENCES: &str = "silence/";
pub(super) const LETTERS: &str = "letter/";

/// A key whose order is that of its number.
pub(super) fn key(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:020}")
}

/// The prefix of what one webhook has still to be told.
pub(super) fn letters(webhook: &str) -> String {
    format!("{LETTERS}{webhook}/")
}

/// Keeps the snapshot in force, so that a restart finds it (CR4), and with it everything CROWN has to remember.
pub struct GovernanceProjection;

impl GovernanceProjection {
    /// Name of the projection.
    pub const NAME: &'static str = "governance";

    /// Prefix of the keys of what webhooks have still to be told.
    pub const DUE: &'static str = LETTERS;
}

/// The alert an event is about.
fn alert(event: &Event) -> Option<(u64, Vec<String>)> {
    let body = event.body.value();
    let told = body["told"].as_array().map(|names| names.iter().filter_map(|name| name.as_str()).map(str::to_owned));
    Some((body["id"].as_u64()?, told.into_iter().flatten().collect()))
}

impl Projection for GovernanceProjection {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        2
    }

    fn keys(&self, event: &Event) -> Vec<String> {
        let number = |field: &str| event.body.value()[field].as_u64();
        match event.kind.as_str() {
            CHANGED => vec![CURRENT.to_owned()],
            STANDS => vec![STANDING.to_owned()],
            kind::RAISED | kind::REPEATED | kind::ACKNOWLEDGED | kind::RESOLVED | kind::DROPPED => {
                let Some((id, told)) = alert(event) else { return Vec::new() };
                let letters = told.iter().map(|webhook| key(&letters(webhook), event.seq));
                let letters: Vec<String> = if event.kind == kind::DROPPED { Vec::new() } else { letters.collect() };
                std::iter::once(key(ALERTS, id)).chain(letters).collect()
            }
            kind::SILENCED | kind::UNSILENCED => number("id").map(|id| key(SILENCES, id)).into_iter().collect(),
            DELIVERED | GAVE_UP => {
                let body = event.body.value();
                let named = body["webhook"].as_str().zip(body["letter"].as_u64());
                named.map(|(webhook, letter)| key(&letters(webhook), letter)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn fold(&self, key: &str, _row: Option<Value>, event: &Event) -> Option<Value> {
        match event.kind.as_str() {
            CHANGED => event.body.value().get_mut("governance").map(Value::take),
            kind::DROPPED | kind::UNSILENCED | DELIVERED | GAVE_UP => None,
            _ if key.starts_with(LETTERS) => Some(serde_json::json!({
                "kind": event.kind, "seq": event.seq, "at": event.at, "alert": event.body.value(),
            })),
            _ => Some(event.body.value()),
        }
    }
}
