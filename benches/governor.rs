//! What governance costs a message: its permit, whether it is of a trial, its place in a trajectory; and what is done for
//! it off the way: counting, and a look by the rules.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a benchmark is a composition root: it has a clock and arguments")]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::json;
use syzygy::actors::crown::{Asked, Change, Known};
use syzygy::host::Host;
use syzygy::inference::Scripted;
use syzygy::types::{RunId, Timestamp, ToolCall};
use syzygy::ziggy::Value;
use syzygy::ziggy::govern::{Counts, Mailbox, Memory, Observed, Samples, Trajectory, Trial, govern, rule, trajectory};
use syzygy::ziggy::plan::Grows;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Odd, so that the median is a round.
const ROUNDS: usize = 11;

/// Enough for a round to take some milliseconds.
const TIMES: u32 = 100_000;

/// Nanoseconds that one of these takes: the median of the rounds.
fn nanos(name: &str, mut one: impl FnMut(u64)) -> f64 {
    let mut figures: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            (0..TIMES).for_each(|number| one(u64::from(number)));
            began.elapsed().as_nanos() as f64 / f64::from(TIMES)
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    let median = figures[figures.len() / 2];
    println!("{name:<58} {median:>8.0} ns");
    median
}

fn call(size: usize) -> Vec<ToolCall> {
    let arguments = json!({ "query": "x".repeat(size), "limit": 10 });
    vec![ToolCall { id: "1".to_owned(), name: "search".to_owned(), arguments }]
}

fn candidates(count: usize) -> Vec<Known> {
    let row = |number: usize| Known {
        candidate: format!("agent-{number}@local"),
        agent: format!("host/crown/agents/agent-{number}"),
        runtime: "host/crown/runtimes/local".to_owned(),
        concurrency: 4,
        waiting: 16,
        weight: 100,
        grows: Grows::Concurrency,
        capabilities: vec!["general".to_owned()],
        placed: true,
    };
    (0..count).map(row).collect()
}

/// What is done for a message off its way: it is counted, and the rules look once a second, whatever their number.
fn off_the_way(rules: &[rule::Rule]) {
    let limits = rule::limits(rules).unwrap();
    let mut samples = Samples::new(5, 3_600, 10_000, limits);
    let served = Counts { arrived: 1, served: 1, took_us: 900_000, ..Counts::default() };
    let at = |number: u64| Timestamp(i64::try_from(number).unwrap() * 1_000);
    nanos("counting one answer", |number| {
        samples.candidate("agent-1@local", Some("general/public"), &served, at(number));
    });
    for count in [10, 100, 1_000] {
        let known = candidates(count);
        let mut samples = Samples::new(5, 3_600, 10_000, rule::limits(rules).unwrap());
        for (number, one) in known.iter().enumerate() {
            (0..720).for_each(|step| {
                let now = Timestamp(step * 5_000_000 + i64::try_from(number).unwrap());
                samples.candidate(&one.candidate, None, &served, now);
            });
        }
        let mailboxes: Vec<Mailbox> =
            known.iter().map(|one| Mailbox { path: one.agent.clone(), oldest_ms: 0, depth: 0 }).collect();
        let (budgets, out, memory) = (BTreeMap::new(), BTreeSet::new(), Memory::default());
        let observed = Observed {
            samples: &samples,
            mailboxes: &mailboxes,
            budgets: &budgets,
            known: &known,
            out: &out,
            own: "host/crown/governor",
        };
        let mut figures: Vec<Duration> = (0..ROUNDS)
            .map(|_| {
                let began = Instant::now();
                black_box(govern(rules, &observed, &memory, Timestamp(3_600_000_000)));
                began.elapsed()
            })
            .collect();
        figures.sort();
        println!("a look by {} rules at {count} candidates, an hour each  {:?}", rules.len(), figures[ROUNDS / 2]);
    }
}

#[tokio::main]
async fn main() {
    let host = Host::builder().runtime(Scripted::saying("local", "Forty-two.")).start().await.unwrap();
    let crown = host.crown().clone();
    let run = |number| RunId::from_pair(0x0197_0000_0000_7000, number);
    let bare =
        nanos("a permit, without a run", |_| drop(black_box(crown.admit("marvin@local", Some(64), Value::Normal))));
    let (candidate, runtime, cap, value) = ("marvin@local", "local", Some(64), Value::Normal);
    let asked = Asked { candidate, runtime, cap, value, tokens: 100, last_resort: false };
    let permit = nanos("a permit for a run, nobody on trial", |number| {
        drop(black_box(crown.admit_run(run(number), &asked)));
    });
    let mut ladder = vec!["marvin@local".to_owned(), "zerene@field".to_owned()];
    let order = nanos("the order of a ladder, nobody on trial", |number| {
        black_box(crown.on_trial(run(number), &mut ladder));
    });
    let trial = Some(Trial { share: 10, successes: 0, needed: 5 });
    let change = Change::Trial { candidate: "marvin@local".to_owned(), trial };
    crown.change(&host.context("bench", Duration::from_secs(60)), change).await.unwrap();
    let on_trial = nanos("a permit for a run, on trial", |number| {
        drop(black_box(crown.admit_run(run(number), &asked)));
    });
    let ordered = nanos("the order of a ladder, one on trial", |number| {
        black_box(crown.on_trial(run(number), &mut ladder));
    });
    let mut turns = Trajectory::new();
    let short = call(40);
    let turn = nanos("a turn of a trajectory, a call of 60 bytes", |_| {
        black_box(turns.turn(trajectory::fingerprint(&short, "")));
    });
    let long = call(1_000);
    nanos("a turn of a trajectory, a call of 1 KB", |_| {
        black_box(turns.turn(trajectory::fingerprint(&long, "")));
    });
    println!(
        "what governance adds to a message at the most               {:>8.0} ns",
        (on_trial - bare).max(permit - bare) + ordered.max(order) + turn
    );
    off_the_way(&host.config().crown.rules);
    host.shutdown(Duration::from_secs(60)).await.unwrap();
}
