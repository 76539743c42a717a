//! The inbox as a projection of the journal: every item, those that are not settled, and the notices that are due.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::{Event, NewEvent, Projection};
use crate::types::{RunId, Timestamp};
use crate::ziggy::review::{Happened, Item, kind};

/// Kind of the event that says what became of a notice: [`Notified`].
pub(super) const NOTIFIED: &str = "hitl.notified";

/// Body of the events that say what happened to an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The item.
    pub item: String,
    /// The webhooks that are to be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<String>,
    /// What happened.
    #[serde(flatten)]
    pub happened: Happened,
}

impl Record {
    /// The event of something that happened to an item of this run.
    pub(super) fn event(self, run: RunId, source: &str) -> NewEvent {
        NewEvent::new(self.happened.kind(), Some(run), source, &self)
    }
}

/// The event that says that the run of an item has heard of its end. It belongs into the append that acts on it.
pub fn settled(item: &Item, source: &str) -> NewEvent {
    Record { item: item.id.clone(), hooks: Vec::new(), happened: Happened::Settled }.event(item.run, source)
}

/// Body of the event that a notice was delivered or given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notified {
    /// Number of the event it was about.
    pub seq: u64,
    /// Which webhook.
    pub hook: String,
    /// Whether it arrived; otherwise it was given up.
    pub arrived: bool,
    /// How often it was sent.
    pub attempts: u32,
    /// Why it did not arrive.
    pub reason: Option<String>,
}

/// A notice that is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Due {
    /// Number of the event it is about.
    pub(super) seq: u64,
    /// When that was.
    pub(super) at: Timestamp,
    /// Its kind.
    pub(super) kind: String,
    /// The item.
    pub(super) item: String,
    /// The webhooks that have not been told yet.
    pub(super) hooks: Vec<String>,
}

/// Keeps the items and the notices.
pub struct InboxProjection;

/// Keys of every item.
pub(super) const ALL: &str = "item/";

/// Keys of the items that are open, or closed and not settled yet.
pub(super) const UNSETTLED: &str = "open/";

/// Keys of the notices that are due, in their order.
pub(super) const DUE: &str = "out/";

fn due_key(seq: u64) -> String {
    // As wide as any number, so that keys are ordered as their numbers are.
    format!("{DUE}{seq:020}")
}

impl InboxProjection {
    /// Name of the projection.
    pub const NAME: &'static str = "inbox";

    /// Prefix of the keys of the notices that are due.
    pub const DUE: &'static str = DUE;
}

impl Projection for InboxProjection {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn keys(&self, event: &Event) -> Vec<String> {
        if event.kind == NOTIFIED {
            return event.body.parse::<Notified>().map(|said| due_key(said.seq)).into_iter().collect();
        }
        let kinds = [kind::OPENED, kind::VERDICT, kind::DELEGATED, kind::EXPIRED, kind::CLOSED, kind::SETTLED];
        let record = kinds.contains(&event.kind.as_str()).then(|| event.body.parse::<Record>()).flatten();
        let Some(record) = record else { return Vec::new() };
        let mut keys = vec![format!("{ALL}{}", record.item), format!("{UNSETTLED}{}", record.item)];
        keys.extend((!record.hooks.is_empty()).then(|| due_key(event.seq)));
        keys
    }

    fn fold(&self, key: &str, row: Option<Value>, event: &Event) -> Option<Value> {
        if event.kind == NOTIFIED {
            let mut due: Due = serde_json::from_value(row?).ok()?;
            let told = event.body.parse::<Notified>()?.hook;
            due.hooks.retain(|hook| *hook != told);
            return if due.hooks.is_empty() { None } else { serde_json::to_value(due).ok() };
        }
        let Record { item, hooks, happened } = event.body.parse()?;
        if key.starts_with(DUE) {
            let due = Due { seq: event.seq, at: event.at, kind: event.kind.clone(), item, hooks };
            return serde_json::to_value(due).ok();
        }
        if key.starts_with(UNSETTLED) && happened == Happened::Settled {
            return None;
        }
        let before = row.and_then(|row| serde_json::from_value::<Item>(row).ok());
        serde_json::to_value(Item::after(before, &happened)?).ok()
    }
}
