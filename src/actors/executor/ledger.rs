//! What calls did to the world, as the journal has it: what was begun, how it ended, and what nobody knows.
//!
//! A call that changes something is written down before it is begun and after it has ended, under its key. A key that was
//! begun and never ended is in doubt: it may have been done. It is not done again until a person has looked.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::Shared;
use crate::lap::Key;
use crate::lap::policy::Explanation;
use crate::sandbox::{Effects, Ended, Failure, Tier, Usage};
use crate::store::{self, Durability, Event, NewEvent, Projection, Rows};
use crate::types::planted::{Bug, planted};
use crate::types::{Hash, Money, RunId, Timestamp};

/// Kinds of events.
pub(super) mod kind {
    /// A call with effects is about to be made: [`super::Begun`].
    pub(in super::super) const BEGUN: &str = "effect.begun";
    /// It was made and is known: [`super::EndedCall`].
    pub(in super::super) const ENDED: &str = "effect.ended";
    /// Nobody knows whether it was done: [`super::Doubted`].
    pub(in super::super) const DOUBTED: &str = "effect.doubted";
    /// A person has said what became of it: [`super::Settled`].
    pub(in super::super) const SETTLED: &str = "effect.settled";
    /// Keys whose time is over: [`super::Forgotten`].
    pub(in super::super) const FORGOTTEN: &str = "effect.forgotten";
    /// A call of a tool has ended, with effects or without: [`super::EndedCall`].
    pub(in super::super) const INVOKED: &str = "tool.invoked";
    /// A call was denied, by the host's own rules or by a policy: [`super::Refused`].
    pub(in super::super) const REFUSED: &str = "tool.refused";
}

/// A call with effects before it is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// Its id.
    pub invocation: String,
    /// Under which key it happens once.
    pub key: Key,
    /// Which version of the tool.
    pub version: String,
    /// What the tool and its files are.
    pub hash: Hash,
    /// What the arguments are; they stand under this hash among the payloads.
    pub arguments: Hash,
    /// The arguments as they may be shown.
    pub shown: Value,
    /// Who asked, and which agent called.
    pub principal: String,
    /// The agent that called, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Until when its key is remembered.
    pub until: Timestamp,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndedCall {
    /// Its id.
    pub invocation: String,
    /// Its key, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The tool.
    pub tool: String,
    /// Its version.
    pub version: String,
    /// In which tier it ran; none if it never began to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// Where its result is among the payloads, or why there is none.
    pub answer: Result<Hash, Failure>,
    /// Why it ended.
    pub ended: Ended,
    /// The hash of the grant under which the host did something for it, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Hash>,
    /// How often it was tried.
    pub attempts: u32,
    /// What it did.
    pub effects: Effects,
    /// What it used.
    pub usage: Usage,
    /// What it cost.
    pub cost: Money,
}

/// A call that was denied. It has no arguments: they may be what it was denied for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// Its id.
    pub invocation: String,
    /// The tool.
    pub tool: String,
    /// Its version.
    pub version: String,
    /// Whose data it was.
    pub tenant: String,
    /// Who asked.
    pub principal: String,
    /// The agent that called, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What the caller was told.
    pub reason: String,
    /// The policies and clauses that refused it, if policies did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// A call of which nobody knows whether it was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doubted {
    /// The call as it was begun.
    #[serde(flatten)]
    pub begun: Begun,
    /// Why nobody knows.
    pub reason: String,
}

/// What a person said of a call in doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// Its id.
    pub invocation: String,
    /// Its key.
    pub key: Key,
    /// Whether it was done.
    pub done: bool,
    /// Where the result is that a repeated call gets, if it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Hash>,
    /// Who said so.
    pub by: String,
}

/// Keys that are no longer remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Forgotten {
    /// Their rows.
    pub(super) rows: Vec<String>,
}

/// How a key stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Standing {
    /// It was begun, and nothing more is known.
    Begun,
    /// It was done, and this came of it.
    Done {
        /// Where the result is among the payloads.
        answer: Hash,
    },
    /// It was not done, and may be tried again.
    NotDone,
    /// Nobody knows.
    InDoubt {
        /// Why.
        reason: String,
    },
}

/// A row: a key and how it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The call as it was begun last.
    pub begun: Begun,
    /// Its run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// When.
    pub at: Timestamp,
    /// How it stands.
    pub standing: Standing,
}

impl Row {
    /// Whether it is not known what became of it.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.standing, Standing::Begun | Standing::InDoubt { .. })
    }

    /// Whether nobody needs it any more. What is in doubt is kept until somebody says what became of it.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        !self.is_open() && self.begun.until <= now
    }
}

/// How a key stands, for who holds its lock.
pub(super) async fn standing(shared: &Shared, row: &str) -> Result<Option<Row>, store::Error> {
    let journal = &shared.ports.journal;
    let look = async || {
        let found = journal.row(EffectsProjection::NAME, &format!("{ALL}{row}")).await?;
        Ok::<_, store::Error>(found.and_then(|row| serde_json::from_value::<Row>(row).ok()))
    };
    let found = look().await?;
    if !found.as_ref().is_some_and(Row::is_open) {
        return Ok(found);
    }
    // Whoever began it is gone, or it would hold the lock. How it ended may still be on its way to the disk, and so may what
    // people said of it.
    journal.flush().await?;
    look().await
}

/// Lets go of every key whose time is over.
pub(super) async fn forget(shared: &Shared) -> Result<(), store::Error> {
    let (journal, now) = (&shared.ports.journal, shared.world.clock.wall());
    let mut all = Rows::under(&**journal, EffectsProjection::NAME, ALL);
    while let Some(page) = all.page().await? {
        let over = |row: Value| serde_json::from_value::<Row>(row).is_ok_and(|row| row.is_over(now));
        let rows: Vec<String> = page
            .into_iter()
            .filter_map(|(key, row)| over(row).then(|| key.strip_prefix(ALL).unwrap_or(&key).to_owned()))
            .collect();
        if !rows.is_empty() {
            let event = NewEvent::new(kind::FORGOTTEN, None, &shared.source, &Forgotten { rows });
            journal.append(vec![event], Durability::Behind).await?;
        }
    }
    Ok(())
}

/// Keeps every key that was ever begun, until its time is over.
pub struct EffectsProjection;

/// Keys of all rows.
pub(super) const ALL: &str = "key/";

/// Keys of the rows that are begun or in doubt.
pub(super) const OPEN: &str = "open/";

impl EffectsProjection {
    /// Name of the projection.
    pub const NAME: &'static str = "effects";
}

/// The key an event is about.
fn key_of(event: &Event) -> Option<Key> {
    match event.kind.as_str() {
        kind::BEGUN => event.body.parse::<Begun>().map(|begun| begun.key),
        kind::ENDED => event.body.parse::<EndedCall>().and_then(|ended| ended.key),
        kind::DOUBTED => event.body.parse::<Doubted>().map(|doubted| doubted.begun.key),
        kind::SETTLED => event.body.parse::<Settled>().map(|settled| settled.key),
        _ => None,
    }
}

impl Projection for EffectsProjection {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn keys(&self, event: &Event) -> Vec<String> {
        if event.kind == kind::FORGOTTEN {
            let rows = event.body.parse::<Forgotten>().map(|forgotten| forgotten.rows).unwrap_or_default();
            return rows.into_iter().map(|row| format!("{ALL}{row}")).collect();
        }
        let Some(row) = key_of(event).map(|key| key.row()) else { return Vec::new() };
        vec![format!("{ALL}{row}"), format!("{OPEN}{row}")]
    }

    fn fold(&self, key: &str, row: Option<Value>, event: &Event) -> Option<Value> {
        let before: Option<Row> = row.and_then(|row| serde_json::from_value(row).ok());
        if event.kind == kind::FORGOTTEN {
            // It may have been used anew meanwhile.
            return before.filter(|row| !row.is_over(event.at)).and_then(|row| serde_json::to_value(row).ok());
        }
        let row = next(before, event)?;
        if key.starts_with(OPEN) && !row.is_open() {
            return None;
        }
        serde_json::to_value(row).ok()
    }
}

/// How a key stands after an event about it. An event about an older call of the key changes nothing.
fn next(before: Option<Row>, event: &Event) -> Option<Row> {
    let same = |row: &Row, invocation: &str| row.begun.invocation == invocation;
    let (run, at) = (event.run, event.at);
    match event.kind.as_str() {
        kind::BEGUN => Some(Row { begun: event.body.parse()?, run, at, standing: Standing::Begun }),
        kind::DOUBTED => {
            let Doubted { begun, reason } = event.body.parse()?;
            Some(Row { begun, run, at, standing: Standing::InDoubt { reason } })
        }
        kind::ENDED => {
            let ended: EndedCall = event.body.parse()?;
            let mut row = before?;
            if same(&row, &ended.invocation) {
                row.standing = ended.answer.map_or(Standing::NotDone, |answer| Standing::Done { answer });
            }
            Some(row)
        }
        kind::SETTLED => {
            let settled: Settled = event.body.parse()?;
            let mut row = before?;
            if same(&row, &settled.invocation) {
                row.standing = match (settled.done, settled.answer) {
                    (true, Some(answer)) => Standing::Done { answer },
                    _ => Standing::NotDone,
                };
            }
            Some(row)
        }
        _ => before,
    }
}

/// Whether a call with effects that ended so may have done something all the same: what was ended from outside may have been
/// in the middle of it. What the tool itself says it did not do, it did not do.
pub(super) fn in_doubt(ended: Ended) -> bool {
    match ended {
        Ended::Finished | Ended::Refused => false,
        Ended::Failed => !planted(Bug::LostTakenForNotMade),
        Ended::Deadline | Ended::Cancelled | Ended::Killed | Ended::Limit(_) => true,
    }
}
