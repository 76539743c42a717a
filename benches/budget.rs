//! Budgets: what reserving and charging cost, alone and in a crowd, and whether a crowd can overrun or waste a budget.
//!
//! `cargo bench --bench budget`. Everything goes through the treasury as hops use it: the lock, both clocks, the ledger.
//! The last table is the one in which other gateways were measured with 50 callers and a budget worth 20 requests: one
//! admitted 50, another 57.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints what it saw and stops if it cannot")]
#![expect(clippy::disallowed_methods, reason = "a benchmark is a composition root: it has a clock and starts tasks")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use syzygy::actors::crown::{self, Opening, Treasury};
use syzygy::store::{self, Disk, Memory};
use syzygy::types::{Clock, Money, Price, RunId, Seeded, Timestamp, World};
use syzygy::ziggy::budget::{Amounts, BurnConfig, Claim, Config, Ledger, Limit, PriceList, Unit, Window};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Enough for a round to take some tenths of a second.
const PAIRS: u64 = 300_000;
/// Odd, so that the median is a round.
const ROUNDS: usize = 7;
/// Callers of a crowd.
const CALLERS: u64 = 1_000;
/// Pairs of each of them.
const EACH: u64 = 300;

struct BenchClock;

impl Clock for BenchClock {
    fn now(&self) -> tokio::time::Instant {
        tokio::time::Instant::now()
    }

    fn wall(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

fn main() {
    let world = World { clock: Arc::new(BenchClock), random: Arc::new(Seeded::new(1)) };
    println!("reserve and charge           ns");
    let one = vec![limit("tenant:acme", Window::Day, i64::MAX / 1_000)];
    let kinds = ["tenant:*", "principal:*", "agent:*", "destination:*", "provider:*", "model:*"];
    let windows = [Window::Day, Window::Month];
    let twelve: Vec<Limit> =
        kinds.iter().flat_map(|scope| windows.map(|window| limit(scope, window, i64::MAX / 1_000))).collect();
    for (name, limits) in [("1 account", one), ("12 accounts", twelve.clone())] {
        let treasury = treasury(&world, limits);
        println!("  {name:26} {:6.0}", median(|| alone(&world, &treasury, false)));
        println!("  {:26} {:6.0}", format!("{name}, for the record"), median(|| alone(&world, &treasury, true)));
    }
    println!("{CALLERS} callers                 pairs a second");
    for (name, workers) in [("1 thread", 1), ("2 threads", 2), ("8 threads", 8)] {
        let treasury = treasury(&world, twelve.clone());
        println!("  {name:26} {:12.0}", crowd(&world, &treasury, workers));
    }
    println!("a budget worth exactly       callers  admitted  overshoot  unused");
    for (worth, callers) in [(20, 50), (20, 1_000), (200, 1_000), (990, 1_000)] {
        race(&world, worth, callers, 1);
        race(&world, worth, callers, 10);
    }
}

fn limit(scope: &str, window: Window, money: i64) -> Limit {
    Limit {
        scope: scope.to_owned(),
        window,
        money: Some(money.min(10_000_000_000_000_000)),
        tokens: None,
        requests: None,
    }
}

fn treasury(world: &World, limits: Vec<Limit>) -> Arc<Treasury> {
    let config = Config { limits, accounts_most: 100_000, burn: BurnConfig { fast: 14_400, slow: 6_000 } };
    let store: store::Config = serde_json::from_value(serde_json::json!({
        "group_commit_ms": 1, "group_commit_events": 128, "queue_events": 256, "read_connections": 2,
        "payload_bytes_max": 1_000_000, "event_bytes_max": 1_000_000, "subscribe_events": 1_024,
        "retention": { "days": 0, "events_most": 0, "segment_events": 10, "look_every_s": 1 },
    }))
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    let journal = Memory::open(&Disk::default(), &store, world.clone(), Vec::new()).unwrap();
    let watching = serde_json::json!({ "watch_every_s": 1, "alerts_kept": 10, "overrides_most": 10 });
    let watching: crown::Config = serde_json::from_value(watching).unwrap();
    let (crown, _) = crown::Handle::launch(journal, watching, world);
    let now = world.clock.wall();
    let (ledger, prices) = (Ledger::new(&config, now), PriceList::default());
    crown.treasury().open(Opening { ledger, since: now, first: 0, prices, providers: BTreeMap::new() });
    Arc::clone(crown.treasury())
}

fn claim() -> Claim<'static> {
    Claim {
        tenant: "acme",
        principal: "acme/anna",
        agent: "marvin",
        destination: "general/public",
        provider: "local",
        model: "small",
    }
}

const WORST: Amounts = Amounts { money: Money(10), tokens: 300, requests: 1 };
const ACTUAL: Amounts = Amounts { money: Money(4), tokens: 120, requests: 1 };

fn pair(treasury: &Arc<Treasury>, run: RunId, record: bool) {
    let hold = treasury.reserve(run, &claim(), WORST, Price::default()).unwrap().unwrap();
    if record {
        std::hint::black_box(hold.reservation());
    }
    std::hint::black_box(hold.commit(ACTUAL));
}

/// Nanoseconds of one pair, nobody else about.
fn alone(world: &World, treasury: &Arc<Treasury>, record: bool) -> f64 {
    let run = RunId::new(world);
    let began = Instant::now();
    for _ in 0..PAIRS {
        pair(treasury, run, record);
    }
    began.elapsed().as_nanos() as f64 / PAIRS as f64
}

fn median(mut round: impl FnMut() -> f64) -> f64 {
    let mut figures: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    figures.sort_by(f64::total_cmp);
    figures[ROUNDS / 2]
}

/// Pairs a second of a crowd of tasks on so many threads.
fn crowd(world: &World, treasury: &Arc<Treasury>, workers: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build().unwrap();
    let run = RunId::new(world);
    let began = Instant::now();
    runtime.block_on(async {
        let callers = (0..CALLERS).map(|_| {
            let treasury = Arc::clone(treasury);
            tokio::spawn(async move {
                for _ in 0..EACH {
                    pair(&treasury, run, true);
                    tokio::task::yield_now().await;
                }
            })
        });
        futures::future::join_all(callers.collect::<Vec<_>>()).await;
    });
    (CALLERS * EACH) as f64 / began.elapsed().as_secs_f64()
}

/// All callers at once, each holding its reservation for a while, as a slow upstream does, and taking a part of it, as
/// most requests do. Who is held back by reservations alone comes again.
fn race(world: &World, worth: u64, callers: u64, part: i64) {
    let cost = 10;
    let money = i64::try_from(worth * cost).unwrap();
    let treasury = treasury(world, vec![limit("tenant:acme", Window::Total, money)]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(8).enable_time().build().unwrap();
    let (run, admitted) = (RunId::new(world), Arc::new(AtomicU64::new(0)));
    runtime.block_on(async {
        let all = (0..callers).map(|_| {
            let (treasury, admitted) = (Arc::clone(&treasury), Arc::clone(&admitted));
            tokio::spawn(async move {
                let mut hold = loop {
                    match treasury.reserve(run, &claim(), WORST, Price::default()) {
                        Ok(hold) => break hold.unwrap(),
                        Err(refusal) if refusal.held_back() => tokio::time::sleep(Duration::from_millis(5)).await,
                        Err(_) => return,
                    }
                };
                hold.ask();
                admitted.fetch_add(1, Ordering::AcqRel);
                tokio::time::sleep(Duration::from_millis(30)).await;
                hold.commit(Amounts { money: Money(WORST.money.0 / part), ..WORST });
            })
        });
        futures::future::join_all(all.collect::<Vec<_>>()).await;
    });
    let standing = treasury.standings().into_iter().find(|one| one.unit == Unit::Money).unwrap();
    let admitted = admitted.load(Ordering::Acquire);
    let unused = (worth * cost - standing.spent) as f64 * 100.0 / (worth * cost) as f64;
    let over = standing.spent.saturating_sub(worth * cost);
    let worth = format!("{worth} worst cases, 1/{part} taken");
    println!("  {worth:<29} {callers:>7}  {admitted:>8}  {over:>9}  {unused:>5.1} %");
}
