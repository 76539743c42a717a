//! How fast the journal writes, against SQLite alone on the same disk in the same run.
//!
//! The floor is what SQLite does through the same library, the same settings and the same table, with one prepared
//! statement of as many rows and a commit: no chain, no projections, no queue. Rounds alternate, so that a disk that
//! slows down slows both, and the median round counts.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and panics when it cannot run")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use syzygy::store::{Config, Durability, Event, Journal, NewEvent, Projection, Sqlite};
use syzygy::types::{Clock, RunId, Seeded, Timestamp, World};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Rounds of each measurement; odd, so that there is a median.
const ROUNDS: usize = 7;

/// Events in a batch.
const BATCH: usize = 100;

/// Appenders that append at the same time.
const APPENDERS: usize = 64;

struct Wall;

impl Clock for Wall {
    fn now(&self) -> Instant {
        now()
    }

    #[expect(clippy::disallowed_methods, reason = "a clock is what this is")]
    fn wall(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Timestamp(i64::try_from(since.as_micros()).unwrap())
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures")]
fn now() -> Instant {
    Instant::now()
}

/// What the host keeps of a run, more or less: a row that most events of the run change.
struct Runs;

impl Projection for Runs {
    fn name(&self) -> &'static str {
        "runs"
    }

    fn version(&self) -> u32 {
        1
    }

    fn keys(&self, event: &Event) -> Vec<String> {
        event.run.iter().map(ToString::to_string).collect()
    }

    fn fold(&self, _key: &str, row: Option<Value>, event: &Event) -> Option<Value> {
        let steps = row.and_then(|row| row["steps"].as_u64()).unwrap_or(0) + 1;
        Some(json!({ "steps": steps, "last": event.kind, "state": "working", "at": event.at }))
    }
}

fn config() -> Config {
    serde_json::from_value(json!({
        "group_commit_ms": 2, "group_commit_events": 128, "queue_events": 4096, "read_connections": 2,
        "payload_bytes_max": 16_777_216, "event_bytes_max": 65_536, "subscribe_events": 1024,
    }))
    .unwrap()
}

fn world() -> World {
    World { clock: Arc::new(Wall), random: Arc::new(Seeded::new(7)) }
}

/// An event of about 300 bytes in a run of its own, which it shares with the other events of its batch of 20.
fn event(run: RunId) -> NewEvent {
    let reasons =
        "latency 212 ms, cost 0, truthfulness 0.71; excluded: zerene (privacy), vllm-a (down), vllm-b (budget)";
    let body = json!({ "chunk": 3, "winner": "marvin/smollm2", "candidates": 7, "score": 0.8125, "reasons": reasons,
        "snapshot": "5f0c9a3e7b1d2c4f8e6a5b7c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f7081920" });
    NewEvent::new("router.hop_chosen", Some(run), "crown/router", &body)
}

fn batch(world: &World) -> Vec<NewEvent> {
    let runs: Vec<RunId> = (0..BATCH.div_ceil(20)).map(|_| RunId::new(world)).collect();
    (0..BATCH).map(|index| event(runs[index / 20])).collect()
}

/// SQLite alone: the journal's table, written directly.
struct Floor {
    connection: SqliteConnection,
    seq: i64,
}

impl Floor {
    async fn open(directory: &Path) -> Floor {
        let path = directory.join("floor.db");
        Sqlite::open(&path, &config(), world(), Vec::new()).await.unwrap().close().await.unwrap();
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", "4000")
            .disable_statement_logging();
        Floor { connection: options.connect().await.unwrap(), seq: 0 }
    }

    async fn write(&mut self, events: Vec<NewEvent>) {
        let rows = vec!["(?, ?, ?, ?, ?, ?, ?)"; events.len()].join(", ");
        let sql = format!("INSERT INTO events (seq, at, kind, run, source, body, hash) VALUES {rows}");
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for event in events {
            self.seq += 1;
            let run = event.run.map(|run| run.to_string());
            let body = event.body.text().to_owned();
            query = query.bind(self.seq).bind(0).bind(event.kind).bind(run).bind(event.source).bind(body);
            query = query.bind(vec![0u8; 32]);
        }
        query.execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
    }
}

/// Events per second of each round.
#[derive(Default)]
struct Rates(Vec<f64>);

impl Rates {
    fn add(&mut self, events: usize, took: Duration) {
        self.0.push(events as f64 / took.as_secs_f64());
    }

    fn median(&mut self) -> f64 {
        self.0.sort_by(f64::total_cmp);
        self.0[self.0.len() / 2]
    }
}

fn show(what: &str, rate: f64, floor: f64) {
    println!("{what:<52} {rate:>9.0} events/s   {:>5.2} x floor", rate / floor);
}

async fn batches(journal: &dyn Journal, world: &World, number: usize) -> Duration {
    let batches: Vec<Vec<NewEvent>> = (0..number).map(|_| batch(world)).collect();
    let start = now();
    for batch in batches {
        journal.append(batch, Durability::Durable).await.unwrap();
    }
    now() - start
}

async fn together(journal: &Arc<dyn Journal>, world: &World, each: usize) -> Duration {
    let mut appenders = JoinSet::new();
    let start = now();
    for _ in 0..APPENDERS {
        let (journal, run) = (journal.clone(), RunId::new(world));
        appenders.spawn(async move {
            for _ in 0..each {
                journal.append(vec![event(run)], Durability::Durable).await.unwrap();
            }
        });
    }
    appenders.join_all().await;
    now() - start
}

async fn in_batches(floor: &mut Floor, plain: &dyn Journal, folding: &dyn Journal, world: &World) {
    const COMMITS: usize = 60;
    let (mut raw, mut chained, mut folded) = (Rates::default(), Rates::default(), Rates::default());
    for _ in 0..ROUNDS {
        let batches_of_floor: Vec<Vec<NewEvent>> = (0..COMMITS).map(|_| batch(world)).collect();
        let start = now();
        for batch in batches_of_floor {
            floor.write(batch).await;
        }
        raw.add(COMMITS * BATCH, now() - start);
        chained.add(COMMITS * BATCH, batches(plain, world, COMMITS).await);
        folded.add(COMMITS * BATCH, batches(folding, world, COMMITS).await);
    }
    let floor = raw.median();
    show("batches of 100, durable, one after another: SQLite", floor, floor);
    show("  journal", chained.median(), floor);
    show("  journal with a projection", folded.median(), floor);
}

async fn alone_and_together(floor: &mut Floor, journal: &Arc<dyn Journal>, world: &World) {
    const EVENTS: usize = 100;
    const EACH: usize = 40;
    let (mut raw, mut alone, mut crowd, mut behind) =
        (Rates::default(), Rates::default(), Rates::default(), Rates::default());
    let commits_before = journal.view().commits;
    let mut crowd_commits = 0;
    for _ in 0..ROUNDS {
        let run = RunId::new(world);
        let start = now();
        for _ in 0..EVENTS {
            floor.write(vec![event(run)]).await;
        }
        raw.add(EVENTS, now() - start);
        let start = now();
        for _ in 0..EVENTS {
            journal.append(vec![event(run)], Durability::Durable).await.unwrap();
        }
        alone.add(EVENTS, now() - start);
        let before = journal.view().commits;
        crowd.add(APPENDERS * EACH, together(journal, world, EACH).await);
        crowd_commits += journal.view().commits - before;
        let start = now();
        for _ in 0..APPENDERS * EACH {
            journal.append(vec![event(run)], Durability::Behind).await.unwrap();
        }
        journal.flush().await.unwrap();
        behind.add(APPENDERS * EACH, now() - start);
    }
    assert!(journal.view().commits > commits_before);
    let floor = raw.median();
    show("one event a commit, one after another: SQLite", floor, floor);
    show("  journal, alone", alone.median(), floor);
    show("  journal, 64 durable appenders at once", crowd.median(), floor);
    println!("    events in each of their commits: {:.1}", (ROUNDS * APPENDERS * EACH) as f64 / crowd_commits as f64);
    show("  journal, write-behind and one flush", behind.median(), floor);
}

async fn reading(path: &Path, journal: Arc<dyn Journal>) {
    let events = journal.view().last_seq as f64;
    let start = now();
    assert_eq!(journal.verify().await.unwrap().first_bad, None);
    println!("verify: {:.0} events/s over {events} events", events / (now() - start).as_secs_f64());
    journal.close().await.unwrap();
    drop(journal);
    let start = now();
    let journal = Sqlite::open(path, &config(), world(), vec![Arc::new(Runs)]).await.unwrap();
    println!("open and rebuild a projection: {:.0} events/s", events / (now() - start).as_secs_f64());
    journal.close().await.unwrap();
    let start = now();
    let journal = Sqlite::open(path, &config(), world(), vec![Arc::new(Runs)]).await.unwrap();
    println!("open: {:.1} ms", (now() - start).as_secs_f64() * 1e3);
    journal.close().await.unwrap();
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let directory = tempfile::tempdir_in(PathBuf::from(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let (world, path) = (world(), directory.path().join("plain.db"));
    let mut floor = Floor::open(directory.path()).await;
    let plain: Arc<dyn Journal> = Sqlite::open(&path, &config(), world.clone(), Vec::new()).await.unwrap();
    let projections: Vec<Arc<dyn Projection>> = vec![Arc::new(Runs)];
    let folding: Arc<dyn Journal> =
        Sqlite::open(&directory.path().join("folding.db"), &config(), world.clone(), projections).await.unwrap();
    println!("event body: {} bytes", event(RunId::new(&world)).body.text().len());
    in_batches(&mut floor, &*plain, &*folding, &world).await;
    alone_and_together(&mut floor, &folding, &world).await;
    reading(&path, plain).await;
    folding.close().await.unwrap();
}
