//! What the tests of every backend share: places to open a journal, a projection, and words to say.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod contract;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tempfile::TempDir;

use super::*;
use crate::types::{Clock, Seeded, Timestamp, World};

struct TestClock;

impl Clock for TestClock {
    #[expect(clippy::disallowed_methods, reason = "a clock is what this is")]
    fn now(&self) -> tokio::time::Instant {
        tokio::time::Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(1_750_000_000_000_000)
    }
}

pub(super) fn world() -> World {
    World { clock: Arc::new(TestClock), random: Arc::new(Seeded::new(1)) }
}

pub(super) fn config() -> Config {
    serde_json::from_value(json!({
        "group_commit_ms": 2,
        "group_commit_events": 128,
        "queue_events": 256,
        "read_connections": 2,
        "payload_bytes_max": 100_000,
        "event_bytes_max": 10_000,
        "subscribe_events": 4,
        "retention": { "days": 0, "events_most": 0, "segment_events": 10, "look_every_s": 1 },
    }))
    .unwrap()
}

/// How often each kind of event was seen, times a factor that its version carries. `forgotten` removes the kind it names.
pub(super) struct Counts {
    pub(super) version: u32,
}

impl Projection for Counts {
    fn name(&self) -> &'static str {
        "counts"
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn keys(&self, event: &Event) -> Vec<String> {
        match event.kind.as_str() {
            "forgotten" => vec![event.body.value()["kind"].as_str().unwrap_or_default().to_owned()],
            "ignored" => Vec::new(),
            kind => vec![kind.to_owned()],
        }
    }

    fn fold(&self, _key: &str, row: Option<Value>, event: &Event) -> Option<Value> {
        let before = row.and_then(|row| row["count"].as_u64()).unwrap_or(0);
        (event.kind != "forgotten").then(|| json!({ "count": before + u64::from(self.version), "last": event.seq }))
    }
}

pub(super) fn counts(version: u32) -> Vec<Arc<dyn Projection>> {
    vec![Arc::new(Counts { version })]
}

/// Where a journal lies, whatever opens it.
pub(super) enum Place {
    Memory(Disk, parking_lot::Mutex<Option<Arc<Memory>>>),
    Sqlite(TempDir),
}

impl Place {
    pub(super) fn memory() -> Place {
        Place::Memory(Disk::default(), parking_lot::Mutex::new(None))
    }

    pub(super) fn sqlite() -> Place {
        Place::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(super) async fn try_open(&self, projections: Vec<Arc<dyn Projection>>) -> Result<Arc<dyn Journal>, Error> {
        Ok(match self {
            Place::Memory(disk, last) => {
                let memory = Memory::open(disk, &config(), world(), projections)?;
                *last.lock() = Some(memory.clone());
                memory
            }
            Place::Sqlite(_) => Sqlite::open(&self.path(), &config(), world(), projections).await?,
        })
    }

    pub(super) async fn open(&self) -> Arc<dyn Journal> {
        self.try_open(counts(1)).await.unwrap()
    }

    pub(super) fn path(&self) -> PathBuf {
        match self {
            Place::Memory(..) => panic!("memory has no path"),
            Place::Sqlite(directory) => directory.path().join("journal.db"),
        }
    }

    /// Makes the next write fail.
    async fn fail(&self) {
        match self {
            Place::Memory(_, last) => last.lock().as_ref().unwrap().fail_next_commit("the disk is full"),
            Place::Sqlite(_) => {
                let refuse = "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
                self.sql(&format!("CREATE TRIGGER full_disk BEFORE INSERT ON events {refuse}")).await;
                self.sql(&format!("CREATE TRIGGER full_too BEFORE INSERT ON payloads {refuse}")).await;
            }
        }
    }

    /// Takes back what [`Place::fail`] did to the disk.
    async fn mend(&self) {
        if let Place::Sqlite(_) = self {
            self.sql("DROP TRIGGER full_disk; DROP TRIGGER full_too").await;
        }
    }

    /// Does this to the file behind the journal's back.
    pub(super) async fn sql(&self, statement: &str) {
        let mut connection = self.connect().await;
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
        connection.close().await.unwrap();
    }

    pub(super) async fn connect(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.path()).create_if_missing(true).connect().await.unwrap()
    }
}

pub(super) fn said(kind: &str) -> NewEvent {
    NewEvent::new(kind, None, "test", &json!({ "text": format!("{kind} was said") }))
}

pub(super) fn many(number: usize) -> Vec<NewEvent> {
    (0..number).map(|index| said(&format!("kind.{index}"))).collect()
}

pub(super) async fn everything(journal: &dyn Journal) -> Vec<Event> {
    journal.read(1, usize::MAX).await.unwrap()
}
