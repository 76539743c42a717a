//! How fast the journal writes, against SQLite alone on the same disk in the same run.
//!
//! The floor is what SQLite does through the same library, the same settings and the same table, with one prepared
//! statement of as many rows and a commit: no chain, no projections, no queue. Floor and journal take turns commit by
//! commit, so that a neighbour who slows the machine down slows both.

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

/// Commits of each kind that are measured: some seconds on a common disk.
const COMMITS: usize = 600;

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
        "retention": { "days": 0, "events_most": 0, "segment_events": 10, "look_every_s": 1 },
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

/// How long each commit took.
struct Times {
    what: &'static str,
    events: usize,
    taken: Vec<Duration>,
}

impl Times {
    fn new(what: &'static str, events: usize) -> Times {
        Times { what, events, taken: Vec::new() }
    }

    async fn measure<T>(&mut self, write: impl Future<Output = T>) {
        let start = now();
        write.await;
        self.taken.push(now() - start);
    }

    fn at(&self, share: f64) -> f64 {
        let mut sorted = self.taken.clone();
        sorted.sort_unstable();
        sorted[((sorted.len() - 1) as f64 * share) as usize].as_secs_f64()
    }

    /// Events per second over all commits, the times of a commit, and how it compares to the floor: by all the time
    /// taken, and by the median commit.
    fn show(&self, floor: &Times) {
        let total = |times: &Times| times.taken.iter().sum::<Duration>().as_secs_f64() / times.taken.len() as f64;
        println!(
            "{:<44} {:>8.0} events/s  p50 {:>5.0} us  p99 {:>6.0} us  {:>5.2} x floor  {:>5.2} x by p50",
            self.what,
            self.events as f64 / total(self),
            self.at(0.5) * 1e6,
            self.at(0.99) * 1e6,
            self.events as f64 / total(self) / (floor.events as f64 / total(floor)),
            self.events as f64 / self.at(0.5) / (floor.events as f64 / floor.at(0.5)),
        );
    }
}

async fn append(journal: &dyn Journal, events: Vec<NewEvent>) {
    journal.append(events, Durability::Durable).await.unwrap();
}

async fn in_batches(floor: &mut Floor, plain: &dyn Journal, folding: &dyn Journal, world: &World) {
    let mut raw = Times::new("batches of 100: SQLite", BATCH);
    let mut chained = Times::new("  journal", BATCH);
    let mut folded = Times::new("  journal with a projection", BATCH);
    for _ in 0..COMMITS {
        let (one, two, three) = (batch(world), batch(world), batch(world));
        raw.measure(floor.write(one)).await;
        chained.measure(append(plain, two)).await;
        folded.measure(append(folding, three)).await;
    }
    for times in [&raw, &chained, &folded] {
        times.show(&raw);
    }
}

async fn alone(floor: &mut Floor, plain: &dyn Journal, folding: &dyn Journal, world: &World) -> Times {
    let mut raw = Times::new("one event a commit: SQLite", 1);
    let mut chained = Times::new("  journal", 1);
    let mut folded = Times::new("  journal with a projection", 1);
    let run = RunId::new(world);
    for _ in 0..COMMITS {
        raw.measure(floor.write(vec![event(run)])).await;
        chained.measure(append(plain, vec![event(run)])).await;
        folded.measure(append(folding, vec![event(run)])).await;
    }
    for times in [&raw, &chained, &folded] {
        times.show(&raw);
    }
    raw
}

/// Every appender appends one durable event after another; what is measured is each append.
async fn together(journal: &Arc<dyn Journal>, world: &World, raw: &Times) {
    const EACH: usize = 200;
    let (commits_before, start) = (journal.view().commits, now());
    let mut appenders = JoinSet::new();
    for _ in 0..APPENDERS {
        let (journal, run) = (journal.clone(), RunId::new(world));
        appenders.spawn(async move {
            let mut times = Times::new("", 1);
            for _ in 0..EACH {
                times.measure(append(&*journal, vec![event(run)])).await;
            }
            times
        });
    }
    let taken = appenders.join_all().await.into_iter().flat_map(|times| times.taken).collect();
    let (took, events) = (now() - start, (APPENDERS * EACH) as f64);
    let times = Times { what: "", events: 1, taken };
    println!(
        "{:<44} {:>8.0} events/s  p50 {:>5.0} us  p99 {:>6.0} us  {:>5.2} x floor of one by one",
        "  journal, 64 durable appenders at once",
        events / took.as_secs_f64(),
        times.at(0.5) * 1e6,
        times.at(0.99) * 1e6,
        events / took.as_secs_f64() * raw.taken.iter().sum::<Duration>().as_secs_f64() / raw.taken.len() as f64,
    );
    println!("    events in each of their commits: {:.1}", events / (journal.view().commits - commits_before) as f64);
    let start = now();
    for _ in 0..APPENDERS * EACH {
        journal.append(vec![event(RunId::new(world))], Durability::Behind).await.unwrap();
    }
    journal.flush().await.unwrap();
    let rate = events / (now() - start).as_secs_f64();
    println!("{:<44} {rate:>8.0} events/s", "  journal, write-behind, each a run of its own");
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
    let raw = alone(&mut floor, &*plain, &*folding, &world).await;
    together(&folding, &world, &raw).await;
    reading(&path, plain).await;
    folding.close().await.unwrap();
}
