//! The journal: one append-only, hash-chained log of events, and the projections made from it.
//!
//! What it is for: everything that must survive is an event here before it happens or is acknowledged.
//! What it owns: the order of events, their chain, the payloads they name, and the projections' rows and cursors.
//! What it never does: change an event, let one go that is in no archive, or acknowledge one that is not on disk.
//!
//! Invariants:
//! - J1: sequence numbers start at 1 and have no gaps.
//! - J2: an event's hash is BLAKE3 over the hash before it and its own canonical bytes ([`Event::canonical`]).
//! - J3: a durable append returns only after the commit that holds it was synced.
//! - J4: a projection's rows and its cursor change in the transaction that holds the event.
//! - J5: a payload is stored once, under the hash of its bytes.
//! - J6: what is let go is named by an event that stays, with its hash and that of the rows it had made.

mod compact;
mod config;
mod error;
mod event;
mod fold;
mod memory;
mod rows;
mod sqlite;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::types::{Hash, RunId};

pub use compact::{COMPACTED, Compacted};
pub use config::{Config, Retention};
pub use error::Error;
pub use event::{Body, Event, NewEvent};
pub use memory::{Disk, Memory};
pub use rows::Rows;
pub use sqlite::{Belonging, OnDisk, Reader, Sqlite};

/// Where an append stands when it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// On disk and synced: for what precedes an effect or an acknowledgement.
    Durable,
    /// In the bounded queue of the writer, on disk within 10 ms: for everything else.
    Behind,
}

/// A pure fold of events into rows, kept in step with the journal.
pub trait Projection: Send + Sync + 'static {
    /// Name of its table of rows.
    fn name(&self) -> &'static str;
    /// Raised when the fold changes: a stored projection of another version is rebuilt from the first event.
    fn version(&self) -> u32;
    /// The rows an event touches; none if it does not concern this projection.
    fn keys(&self, event: &Event) -> Vec<String>;
    /// Whether the rows an event touches cannot be there before it. They are then not looked for, which spares a look
    /// into the file for every new run.
    fn begins(&self, _event: &Event) -> bool {
        false
    }
    /// The row after the event. `None` removes it.
    fn fold(&self, key: &str, row: Option<serde_json::Value>, event: &Event) -> Option<serde_json::Value>;
}

/// What reading the whole chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Verification {
    /// How many events were read and found good.
    pub verified: u64,
    /// Hash of the last good event.
    pub head: Hash,
    /// Events up to this number are in archives and not here; 0 if all are here.
    #[serde(default)]
    pub archived: u64,
    /// Hash of the last event that is in an archive: what the last archive ends with. Zeros if there is none.
    #[serde(default)]
    pub anchor: Hash,
    /// How many of the good ones were only followed: an export withholds what its reader may not see.
    #[serde(default, skip_serializing_if = "crate::types::is_default")]
    pub withheld: u64,
    /// The first event that is not what was written, or whose payload or row is not, and why; `None` if all is whole.
    pub first_bad: Option<BadEvent>,
}

/// The first place where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BadEvent {
    /// Sequence number where reading stopped.
    pub seq: u64,
    /// What is wrong there.
    pub reason: String,
}

/// The events from some number on that follow from each other without a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// Number of the first.
    pub from: u64,
    /// Number of the last; one less than `from` if there is none.
    pub to: u64,
    /// Hash of the event before the first.
    pub previous: Hash,
    /// Hash of the last.
    pub head: Hash,
    /// What comes after them, if it is not the end of the chain.
    pub damage: Option<Damage>,
}

impl Sound {
    fn none(from: u64, previous: Hash) -> Sound {
        Sound { from, to: from - 1, previous, head: previous, damage: None }
    }
}

/// Where reading stopped before the end of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The first event that is not what was written, and why.
    pub bad: BadEvent,
    /// The next event that can be read and proved, if one was found near.
    pub next: Option<u64>,
    /// Number of the last event that was committed, if that can be read.
    pub last: Option<u64>,
}

/// A journal that was copied as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Events in it.
    pub events: u64,
    /// Hash of the last.
    pub head: Hash,
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// Names of the files that were kept with it.
    pub files: Vec<String>,
}

/// What the journal shows of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct View {
    /// Sequence number of the last event on disk.
    pub last_seq: u64,
    /// Sequence number of the last event that is in an archive and not here; 0 if all are here.
    #[serde(skip_serializing_if = "crate::types::is_default")]
    pub archived: u64,
    /// Events waiting in the writer's queue.
    pub queued: u64,
    /// Commits since the start.
    pub commits: u64,
    /// Events written since the start.
    pub written: u64,
    /// Duration of the last commit, in microseconds.
    pub commit_micros: u64,
    /// Why the writer stopped, if it did: nothing is accepted any more.
    pub failed: Option<String>,
    /// Whether only the newest of the events that were there at the start were proved before more were written.
    #[serde(skip_serializing_if = "crate::types::is_default")]
    pub unproved: bool,
}

/// One append-only log with payloads and projections. Every backend passes the suite in `tests.rs`.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Appends these events as one unit, in order, and returns the sequence number of the first.
    /// With [`Durability::Behind`] the number is not known yet and 0 is returned, as it is for no events at all.
    /// Waits while the queue is full. Once queued, the events are written even if nobody waits for the answer.
    /// An error means that nothing was acknowledged: after [`Error::Write`] a restart shows what reached the disk.
    async fn append(&self, events: Vec<NewEvent>, durability: Durability) -> Result<u64, Error>;
    /// Up to `limit` events from sequence number `from` on, in order.
    async fn read(&self, from: u64, limit: usize) -> Result<Vec<Event>, Error>;
    /// The events of one run, in order, at most `limit`.
    async fn read_run(&self, run: RunId, limit: usize) -> Result<Vec<Event>, Error>;
    /// News of every event from now on, in order, each once it is on disk. Subscribe first and read then: nothing is
    /// missed, and what comes twice has the same number. A reader that lags is told so by the channel and reads what
    /// it missed.
    fn subscribe(&self) -> broadcast::Receiver<Arc<Event>>;
    /// Stores a payload durably (once) and returns its address. An event appended after that may name it.
    async fn put_payload(&self, bytes: Vec<u8>) -> Result<Hash, Error>;
    /// The payload at this address; [`Error::Corrupt`] if it is not the bytes that were put there.
    async fn get_payload(&self, hash: Hash) -> Result<Option<Vec<u8>>, Error>;
    /// One row of a projection, as of the last commit.
    async fn row(&self, projection: &str, key: &str) -> Result<Option<serde_json::Value>, Error>;
    /// Rows of a projection whose key starts with `prefix`, by key, newest key first if `reverse`, at most `limit`,
    /// beginning after the key `after` if given.
    async fn rows(&self, query: RowQuery<'_>) -> Result<Vec<(String, serde_json::Value)>, Error>;
    /// Waits until everything appended so far is on disk.
    async fn flush(&self) -> Result<(), Error>;
    /// Reads the whole chain up to the last commit and checks J1, J2, J4 and J5; for J4 every projection is folded once
    /// more and compared with its rows.
    async fn verify(&self) -> Result<Verification, Error>;
    /// Lets the events up to `through` go, which are in an archive of this name: an event says so ([`COMPACTED`]), and
    /// from then on the chain begins after them. Rows stay as they are. Returns the number of that event; 0 if there is
    /// nothing to let go, because they have gone already or are not there yet.
    async fn compact(&self, through: u64, archive: &str) -> Result<u64, Error>;
    /// What it shows of itself, without asking anybody.
    fn view(&self) -> View;
    /// Writes what is queued, syncs, and closes. Closing twice is closing once.
    async fn close(&self) -> Result<(), Error>;
}

/// Which rows of a projection to list.
#[derive(Debug, Clone, Copy)]
pub struct RowQuery<'a> {
    /// The projection's name.
    pub projection: &'a str,
    /// Only keys that start so.
    pub prefix: &'a str,
    /// Greatest key first.
    pub reverse: bool,
    /// Begin after this key, in the order asked for.
    pub after: Option<&'a str>,
    /// At most so many.
    pub limit: usize,
}

/// Refuses events that are larger than a journal takes.
pub(crate) fn limit_events(events: &[NewEvent], config: &Config) -> Result<(), Error> {
    let limit = config.event_bytes_max;
    let size = |event: &NewEvent| event.kind.len() + event.source.len() + event.body.text().len();
    match events.iter().map(size).find(|bytes| *bytes > limit) {
        Some(bytes) => Err(Error::TooLarge { bytes, limit }),
        None => Ok(()),
    }
}

/// Refuses a payload that is larger than a journal takes.
fn limit_payload(bytes: &[u8], config: &Config) -> Result<(), Error> {
    let (bytes, limit) = (bytes.len(), config.payload_bytes_max);
    if bytes > limit { Err(Error::TooLarge { bytes, limit }) } else { Ok(()) }
}
