//! The whole host in virtual time: many seeds, every fault, and all promises held against what came of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use syzygy::actors::io::record::kind;
use syzygy::inference::{self, Capabilities, Completion, Delta, Health, Request, Runtime, Scripted};
use syzygy::prelude::*;
use syzygy::store::{self, Durability, Event, Journal, NewEvent, RowQuery, Verification, View};
use syzygy::testing::{Error, Faults, Report, Simulated, Simulation, Soak};
use syzygy::types::{Cleared, Cx, Hash, Price, RunId};
use syzygy::ziggy::budget::{Limit, Window};
use tokio::sync::mpsc;

use crate::greeter::example;

/// What each seed has to do: enough that every kind of task and most faults come to their turn.
const SOAK: Soak = Soak { callers: 5, tasks_each: 5 };

/// Seeds of `make test`. All thousand by `make soak`, which sets `SYZYGY_SEEDS`.
const SEEDS: u64 = 120;

const HOUR: Duration = Duration::from_secs(3_600);

fn seeds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a test reads its own environment")]
    let named = std::env::var("SYZYGY_SEEDS");
    named.map_or(SEEDS, |seeds| seeds.parse().unwrap())
}

fn soak(seed: u64, faults: Faults) -> Report {
    Simulation::new(seed).unwrap().faults(faults).soak(SOAK).unwrap()
}

#[test]
fn every_promise_holds_for_every_seed() {
    let (next, most) = (AtomicU64::new(0), seeds());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // Each simulation has a thread of its own, so as many run at a time as there are cores.
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let worker = || {
            let mut reports = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= most {
                    return reports;
                }
                // Where no runtime lies about what it took, costs are held against budgets too.
                let lies = if seed % 2 == 0 { Faults::rough().runtime_lies } else { 0 };
                reports.push(soak(seed, Faults { runtime_lies: lies, ..Faults::rough() }));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let broken: Vec<_> = reports
        .iter()
        .filter(|report| !report.violations.is_empty())
        .map(|report| (report.seed, &report.violations))
        .collect();
    assert!(broken.is_empty(), "{} of {most} seeds: {:#?}", broken.len(), &broken[..broken.len().min(5)]);
    let sum = |count: fn(&Report) -> u32| reports.iter().map(|report| u64::from(count(report))).sum::<u64>();
    let (answered, unanswered, lives) =
        (sum(|report| report.answered), sum(|report| report.unanswered), sum(|report| report.lives));
    // Faults that stop everything would let every promise hold, and so would none at all.
    assert!(answered > unanswered / 2 && unanswered > 0, "{answered} answered, {unanswered} not");
    assert!(lives > most + most / 4, "{lives} lives of {most} hosts");
}

// TS1.
#[test]
fn the_same_seed_writes_the_same_journal_byte_for_byte() {
    for (faults, seeds) in [(Faults::none(), 5), (Faults::rough(), 20)] {
        for seed in 0..seeds {
            let (once, twice) = (soak(seed, faults), soak(seed, faults));
            assert!(!once.journal.is_empty());
            if once.journal != twice.journal {
                let (once, twice) =
                    (String::from_utf8(once.journal).unwrap(), String::from_utf8(twice.journal).unwrap());
                let mut lines = once.lines().zip(twice.lines()).skip(1);
                panic!("seed {seed}: {:#?}", lines.find(|(once, twice)| once != twice));
            }
            assert_eq!(once, twice);
        }
    }
}

/// The kinds and sources of all events, in their order, without times and ids.
fn order(report: &Report) -> Vec<String> {
    let text = std::str::from_utf8(&report.journal).unwrap();
    let event = |line: &str| {
        let event: Event = serde_json::from_str(line).unwrap();
        format!("{} {}", event.kind, event.source)
    };
    text.lines().skip(1).map(event).collect()
}

/// Callers who ask the same things at the same times, whatever the seed.
#[test]
fn another_seed_is_another_order() {
    let play = |seed: u64| {
        let simulation = Simulation::new(seed).unwrap().runtime(Scripted::saying("local", "Good day!"));
        let scenario = async |host: Simulated| {
            let task = |number: u32| Task { prompt: format!("Task {number}."), ..Task::default() };
            let asked = (0..8).map(async |number| host.ask(task(number)).await.unwrap());
            futures::future::join_all(asked).await;
            host.with(async |host, _| host.journal().flush().await.unwrap()).await?;
            host.export().await
        };
        simulation.run(scenario).unwrap()
    };
    let order =
        |journal| order(&Report { seed: 0, journal, answered: 0, unanswered: 0, lives: 0, violations: Vec::new() });
    let orders: BTreeSet<Vec<String>> = (0..20).map(|seed| order(play(seed))).collect();
    assert!(orders.len() > 10, "{} orders of 20 seeds", orders.len());
}

// TS3.
#[test]
fn the_greeter_counts_its_guests_and_forgets_them_in_a_crash() {
    for seed in 0..20 {
        let simulation =
            Simulation::new(seed).unwrap().agent(example::greeter).runtime(Scripted::saying("local", "Good day!"));
        let scenario = async |host: Simulated| {
            let prompt = "My name is Ada.".to_owned();
            let task = Task { prompt, agent: Some("greeter".to_owned()), ..Task::default() };
            assert_eq!(host.ask(task.clone()).await?.answer, "Guest 1: Good day!");
            assert_eq!(host.ask(task.clone()).await?.answer, "Guest 2: Good day!");
            host.crash().await;
            assert_eq!(host.ask(task).await?.answer, "Guest 1: Good day!");
            Ok(())
        };
        simulation.run(scenario).unwrap();
    }
}

/// A runtime that costs money, says when it is asked, and never answers.
struct Asked(Arc<tokio::sync::Notify>);

#[async_trait]
impl Runtime for Asked {
    fn capabilities(&self) -> Capabilities {
        Scripted::saying("local", "").at_price(Price::new(1_000_000, 1_000_000)).capabilities()
    }

    async fn health(&self, _cx: &Cx) -> Health {
        Health::Ready
    }

    async fn generate(
        &self,
        _cx: &Cx,
        _request: Cleared<Request>,
        _news: mpsc::Sender<Delta>,
    ) -> Result<Completion, inference::Error> {
        self.0.notify_one();
        std::future::pending().await
    }
}

/// The disk is slow, and the host dies in the moment in which somebody is asked: the next one knows what was reserved.
#[test]
fn a_reservation_of_money_is_on_disk_before_anybody_is_asked() {
    for seed in 0..20 {
        let asked = Arc::new(tokio::sync::Notify::new());
        let limit = Limit {
            scope: "provider:local".to_owned(),
            window: Window::Total,
            money: Some(1_000_000),
            tokens: None,
            requests: None,
        };
        let simulation = Simulation::new(seed)
            .unwrap()
            .faults(Faults { commit_ms: 400, ..Faults::none() })
            .configured(|config| config.budgets.limits = vec![limit])
            .runtime(Asked(Arc::clone(&asked)));
        let scenario = async |host: Simulated| {
            let task = Task { prompt: "Think about it.".to_owned(), ..Task::default() };
            tokio::select! {
                biased;
                () = asked.notified() => {}
                answer = host.ask(task) => panic!("seed {seed}: {answer:?}"),
            }
            host.crash().await;
            let standings = host.with(async |host, _| host.crown().treasury().standings()).await?;
            assert!(standings[0].spent > 0 && standings[0].reserved == 0, "seed {seed}: {standings:?}");
            Ok(())
        };
        simulation.run(scenario).unwrap();
    }
}

#[test]
fn the_greeter_keeps_every_promise_in_rough_weather() {
    for seed in 0..10 {
        let simulation = Simulation::new(seed).unwrap().faults(Faults::rough()).agent(example::greeter);
        let report = simulation.runtime(Scripted::saying("local", "Good day!")).soak(SOAK).unwrap();
        assert_eq!(report.violations, [], "seed {seed}");
    }
}

#[test]
fn an_hour_passes_at_once_and_shows_on_both_clocks() {
    let simulation = Simulation::new(1).unwrap().without_bundled_agents();
    let scenario = async |host: Simulated| {
        let clock = host.world().clock.clone();
        let (now, wall) = (clock.now(), clock.wall());
        host.pass(HOUR).await;
        assert_eq!(clock.now() - now, HOUR);
        assert_eq!(clock.wall().0 - wall.0, 3_600_000_000);
        Ok(())
    };
    simulation.run(scenario).unwrap();
}

#[test]
fn a_clock_that_is_set_moves_the_wall_and_nothing_else() {
    let simulation = Simulation::new(1).unwrap().runtime(Scripted::saying("local", "Good day!"));
    let scenario = async |host: Simulated| {
        let clock = host.world().clock.clone();
        let (now, wall) = (clock.now(), clock.wall());
        for hours in [30_i64, -30, 0] {
            host.set_clock(hours * 3_600_000);
            assert_eq!((clock.now(), clock.wall().0 - wall.0), (now, hours * 3_600_000_000));
        }
        host.set_clock(-3_600_000);
        let answer = host.ask(Task { prompt: "Hello.".to_owned(), ..Task::default() }).await?;
        assert!(answer.took_us < 60_000_000, "{}", answer.took_us);
        Ok(())
    };
    simulation.run(scenario).unwrap();
}

#[test]
fn a_scenario_that_waits_for_what_never_comes_is_told_so() {
    let simulation = Simulation::new(1).unwrap().without_bundled_agents();
    let error = simulation.run(async |_| std::future::pending::<Result<(), Error>>().await).unwrap_err();
    assert!(
        matches!(&error, Error::Endless { within, state } if *within > HOUR && state.contains("is running")),
        "{error}"
    );
}

#[test]
#[should_panic(expected = "IO is disabled")]
fn there_is_no_real_io_in_simulated_time() {
    let simulation = Simulation::new(1).unwrap().without_bundled_agents();
    let scenario = async |_| {
        drop(tokio::net::TcpStream::connect("127.0.0.1:9").await);
        Ok(())
    };
    simulation.run(scenario).unwrap();
}

#[tokio::test]
async fn a_simulation_does_not_start_inside_a_runtime() {
    let error = Simulation::new(1).unwrap().run(async |_| Ok(())).unwrap_err();
    assert!(matches!(error, Error::InsideRuntime));
}

/// A journal that changes what it is given to write.
struct Forged {
    honest: Arc<dyn Journal>,
    forge: fn(NewEvent) -> Option<NewEvent>,
}

#[async_trait]
impl Journal for Forged {
    async fn append(&self, events: Vec<NewEvent>, durability: Durability) -> Result<u64, store::Error> {
        self.honest.append(events.into_iter().filter_map(self.forge).collect(), durability).await
    }

    async fn read(&self, from: u64, limit: usize) -> Result<Vec<Event>, store::Error> {
        self.honest.read(from, limit).await
    }

    async fn read_run(&self, run: RunId, limit: usize) -> Result<Vec<Event>, store::Error> {
        self.honest.read_run(run, limit).await
    }

    fn subscribe(&self) -> tokio::sync::broadcast::Receiver<Arc<Event>> {
        self.honest.subscribe()
    }

    async fn put_payload(&self, bytes: Vec<u8>) -> Result<Hash, store::Error> {
        self.honest.put_payload(bytes).await
    }

    async fn get_payload(&self, hash: Hash) -> Result<Option<Vec<u8>>, store::Error> {
        self.honest.get_payload(hash).await
    }

    async fn row(&self, projection: &str, key: &str) -> Result<Option<serde_json::Value>, store::Error> {
        self.honest.row(projection, key).await
    }

    async fn rows(&self, query: RowQuery<'_>) -> Result<Vec<(String, serde_json::Value)>, store::Error> {
        self.honest.rows(query).await
    }

    async fn flush(&self) -> Result<(), store::Error> {
        self.honest.flush().await
    }

    async fn verify(&self) -> Result<Verification, store::Error> {
        self.honest.verify().await
    }

    async fn compact(&self, through: u64, archive: &str) -> Result<u64, store::Error> {
        self.honest.compact(through, archive).await
    }

    fn view(&self) -> View {
        self.honest.view()
    }

    async fn close(&self) -> Result<(), store::Error> {
        self.honest.close().await
    }
}

/// What a soak says of a host whose journal is forged.
fn forged(forge: fn(NewEvent) -> Option<NewEvent>) -> Vec<&'static str> {
    let through = move |honest| -> Arc<dyn Journal> { Arc::new(Forged { honest, forge }) };
    let report = Simulation::new(0).unwrap().through(through).soak(SOAK).unwrap();
    report.violations.into_iter().map(|violation| violation.promise).collect()
}

#[test]
fn a_journal_that_is_forged_is_found_out() {
    assert_eq!(forged(Some), Vec::<&str>::new());
    let loses_endings = |event: NewEvent| (event.kind != kind::COMPLETED).then_some(event);
    assert!(forged(loses_endings).contains(&"every accepted run ends exactly once"));
    let changes_answers = |event: NewEvent| {
        let mut body = event.body.value();
        if event.kind == kind::COMPLETED {
            body["answer"] = "Something else.".into();
        }
        Some(NewEvent::new(&event.kind, event.run, &event.source, &body))
    };
    assert!(forged(changes_answers).contains(&"what is heard is what is on record"));
}

#[test]
fn the_guide_shows_the_test_as_it_is() {
    let guide = include_str!("../../docs/testing.md");
    let shown = guide.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(include_str!("simulation.rs").contains(shown.trim()), "docs/testing.md does not show the test as it is");
}
