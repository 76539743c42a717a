//! A host with very many agents: started, asked and stopped, with what each step takes and leaves in the journal.
//!
//! `cargo bench --bench agents`. `SYZYGY_AGENTS` says how many, in steps, such as `1000,10000`; all three steps by default.
//! The agents are real definitions with a model's script behind them, on a journal on disk. What takes more than its share
//! with many of them than with few fails the program.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints what it saw and stops if it cannot")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the real clock")]

use std::path::Path;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use syzygy::actors::agent::{Definition, Profile};
use syzygy::actors::io::Task;
use syzygy::config::{Flag, Inputs};
use syzygy::host::Host;
use syzygy::inference::Scripted;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Agents of each step if `SYZYGY_AGENTS` does not say.
const STEPS: [usize; 3] = [1_000, 10_000, 100_000];
/// Agents that are asked one after the other, each by its name.
const ASKED: usize = 200;
/// Then so many are asked, some at a time.
const CROWD: usize = 1_000;
const AT_ONCE: usize = 16;
/// The longest that is waited for a table with what they taught: of very many agents one takes seconds.
const TABLE_WITHIN: Duration = Duration::from_secs(60);
/// Words that agents offer: as many kinds of work as a large host has.
const KINDS: usize = 50;
/// What one agent costs in a step may be so many times what it costs in the first: a cliff shows as ten or a hundred times.
const CLIFF: f64 = 4.0;

/// What a step took.
struct Step {
    agents: usize,
    start: Duration,
    ask_p50: Duration,
    ask_p99: Duration,
    crowd: f64,
    stop: Duration,
    kib: u64,
    /// Bytes of the first table, and the number and bytes of all that were written while agents were asked.
    whole: u64,
    changes: (u64, u64),
}

fn main() {
    let steps: Vec<usize> = match std::env::var("SYZYGY_AGENTS") {
        Ok(text) => text.split(',').map(|step| step.trim().parse().unwrap()).collect(),
        Err(_) => STEPS.to_vec(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!(
        " agents   start s   ask p50 ms   p99 ms   asked/s   stop s   MB   first table MB   further ones   KB an answer"
    );
    let mut seen: Vec<Step> = Vec::new();
    for agents in steps {
        let step = runtime.block_on(step(agents));
        println!(
            "{:7} {:9.2} {:12.2} {:8.2} {:9.0} {:8.2} {:4} {:16.1} {:14} {:14.1}",
            step.agents,
            step.start.as_secs_f64(),
            step.ask_p50.as_secs_f64() * 1e3,
            step.ask_p99.as_secs_f64() * 1e3,
            step.crowd,
            step.stop.as_secs_f64(),
            step.kib / 1024,
            step.whole as f64 / 1e6,
            step.changes.0,
            step.changes.1 as f64 / 1e3 / (ASKED + step.agents.min(CROWD)) as f64
        );
        seen.push(step);
    }
    no_cliff(&seen);
}

fn profile(number: usize, like: &Profile) -> Profile {
    let mut own = like.clone();
    own.name = format!("agent-{number:06}");
    own.runtime = format!("runtime-{}", number % 8);
    own.capabilities = vec!["general".to_owned(), format!("kind-{}", number % KINDS)];
    own.qualities = [].into();
    own.remembers = false;
    own
}

async fn host(agents: usize, data: &Path) -> Host {
    let flag = |key: &str, value: String| Flag { name: key.to_owned(), key: key.to_owned(), value };
    let flags = vec![flag("host.data_dir", data.display().to_string())];
    let config = syzygy::config::load(&Inputs { flags, ..Inputs::default() }).unwrap().config;
    let mut host = Host::builder().config(config).data_dir(data).without_bundled_agents();
    for number in 0..8 {
        host = host.runtime(Scripted::saying(&format!("runtime-{number}"), "Well."));
    }
    let like: Profile = toml::from_str(include_str!("../config/agents/marvin.toml")).unwrap();
    for number in 0..agents {
        host = host.agent(Definition::prompted(profile(number, &like)));
    }
    host.start().await.unwrap()
}

fn task(number: usize) -> Task {
    let agent = Some(format!("agent-{number:06}"));
    Task { prompt: "What is it?".to_owned(), agent, ..Task::default() }
}

/// Tables that were written after this event, their bytes with those of what they were made from, and the last event.
async fn tables(host: &Host, mut after: u64) -> (u64, u64, u64) {
    host.journal().flush().await.unwrap();
    let (mut count, mut bytes) = (0, 0);
    loop {
        let events = host.journal().read(after + 1, 100).await.unwrap();
        let Some(last) = events.last() else { return (count, bytes, after) };
        after = last.seq;
        for event in &events {
            if ["routes.part", "providers.recorded", "rib.recorded", "fib.built"].contains(&event.kind.as_str()) {
                bytes += event.body.text().len() as u64;
                count += u64::from(event.kind == "fib.built");
            }
        }
    }
}

async fn step(agents: usize) -> Step {
    let data = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let host = host(agents, data.path()).await;
    let start = began.elapsed();
    let cx = || host.context("soak", Duration::from_secs(600));
    let (mut count, mut whole, mut after) = (0, 0, 0);
    // It is written while the host is up already.
    while count == 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        (count, whole, after) = tables(&host, 0).await;
    }
    let mut times = Vec::new();
    for number in 0..ASKED {
        let before = Instant::now();
        host.ask(&cx(), task(number * (agents / ASKED).max(1) % agents)).await.unwrap();
        times.push(before.elapsed());
    }
    let (began, crowd) = (Instant::now(), agents.min(CROWD));
    stream::iter(0..crowd)
        .for_each_concurrent(AT_ONCE, |number| {
            let (host, cx) = (&host, cx());
            async move { _ = host.ask(&cx, task(number * (agents / crowd))).await.unwrap() }
        })
        .await;
    let crowd = crowd as f64 / began.elapsed().as_secs_f64();
    let kib = resident_kib();
    let (mut count, mut bytes, until) = (0, 0, Instant::now() + TABLE_WITHIN);
    while count == 0 && Instant::now() < until {
        (count, bytes, _) = tables(&host, after).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let began = Instant::now();
    host.shutdown(Duration::from_secs(600)).await.unwrap();
    let stop = began.elapsed();
    times.sort_unstable();
    let (ask_p50, ask_p99) = (times[ASKED / 2], times[ASKED * 99 / 100]);
    Step { agents, start, ask_p50, ask_p99, crowd, stop, kib, whole, changes: (count, bytes) }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Fails if an agent costs much more among many than among few.
fn no_cliff(steps: &[Step]) {
    let Some(first) = steps.first() else { return };
    let share = |step: &Step, time: Duration| time.as_secs_f64() / step.agents as f64;
    for step in steps {
        for (what, own, least) in [("start", step.start, first.start), ("stop", step.stop, first.stop)] {
            let ratio = share(step, own) / share(first, least);
            println!("  {what} of {}: each agent took {ratio:.1} times what it takes of {}", step.agents, first.agents);
            // The first step has less to do than the clock of a busy machine is off by.
            assert!(ratio <= CLIFF || own < Duration::from_secs(1), "{what} has a cliff: {ratio:.1} times");
        }
        let slower = step.ask_p50.as_secs_f64() / first.ask_p50.as_secs_f64();
        let fewer = first.crowd / step.crowd;
        println!("  asking of {}: {slower:.1} times as long, {fewer:.1} times fewer a second", step.agents);
        assert!(slower <= CLIFF && fewer <= CLIFF, "asking has a cliff: {slower:.1} and {fewer:.1} times");
    }
}
