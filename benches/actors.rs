//! What supervision costs over bare ractor: casts, calls, idle actors, spawns; and what looking on costs: views, the
//! watchdog, a subscriber of what is traced.
//!
//! Both sides run in one process in interleaved rounds, and the figure is the median of the rounds' ratios, since the
//! load of a machine changes from second to second but hardly within a round. Memory and spawn rate need a fresh heap
//! each, so the program starts itself again for those.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a benchmark is a composition root: it has a clock and arguments")]

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use ractor::{ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use syzygy::supervision::{
    Actor, Address, Child, Context, Envelope, Fault, Mailbox, Overflow, Registry, Reply, Root, Strategy, Stuck, Tree,
    Watch,
};
use syzygy::types::{Clock, Cx, Seeded, Timestamp, World};
use tokio::time::Instant;

/// Enough for a round to take some hundred milliseconds.
const CASTS: u64 = 300_000;
const CALLS: usize = 50_000;
/// Odd, so that the median is a round.
const ROUNDS: usize = 11;
const AGENTS: usize = 100_000;

struct BenchClock;

impl Clock for BenchClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(0)
    }
}

fn world() -> World {
    World { clock: Arc::new(BenchClock), random: Arc::new(Seeded::new(1)) }
}

fn cx() -> Cx {
    Cx::housekeeping(Instant::now(), Duration::from_secs(3_600))
}

enum Bare {
    Cast(u64),
    Call(RpcReplyPort<u64>),
}

struct BareActor;

impl ractor::Actor for BareActor {
    type Msg = Bare;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Bare>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(&self, _: ActorRef<Bare>, message: Bare, sum: &mut u64) -> Result<(), ActorProcessingErr> {
        match message {
            Bare::Cast(number) => *sum += number,
            Bare::Call(reply) => reply.send(*sum)?,
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Bare>,
        _: SupervisionEvent,
        _: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

enum Governed {
    Cast(u64),
    Call(Reply<u64>),
    Publish(u64),
}

/// As many numbers as the view of an agent has.
#[derive(Clone, serde::Serialize)]
struct View {
    working: u64,
    waiting: u64,
    served: u64,
    failed: u64,
    input_tokens: u64,
    output_tokens: u64,
}

struct GovernedActor(u64);

impl Actor for GovernedActor {
    type Message = Governed;

    async fn handle(&mut self, envelope: Envelope<Governed>, context: &mut Context<Governed>) -> Result<(), Fault> {
        match envelope.message {
            Governed::Cast(number) => self.0 += number,
            Governed::Call(reply) => reply.send(self.0),
            Governed::Publish(number) => {
                self.0 += number;
                let sum = self.0;
                context.publish(&View {
                    working: 1,
                    waiting: 0,
                    served: sum,
                    failed: 0,
                    input_tokens: sum,
                    output_tokens: sum,
                });
            }
        }
        Ok(())
    }
}

fn governed(id: impl Into<String>, capacity: usize) -> (Child, Address<Governed>) {
    let address = Address::new(Mailbox::new(capacity, Overflow::Wait), &world());
    (Child::actor(id, &address, || GovernedActor(0)), address)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Casts per second until the last one is handled.
async fn bare_casts(actor: &ActorRef<Bare>) -> f64 {
    let began = Instant::now();
    for number in 0..CASTS {
        actor.cast(Bare::Cast(number)).unwrap();
    }
    actor.call(Bare::Call, None).await.unwrap();
    CASTS as f64 / began.elapsed().as_secs_f64()
}

async fn governed_casts(address: &Address<Governed>, message: fn(u64) -> Governed) -> f64 {
    let (began, cx) = (Instant::now(), cx());
    for number in 0..CASTS {
        address.cast(&cx, message(number)).await.unwrap();
    }
    address.call(&cx, Governed::Call).await.unwrap();
    CASTS as f64 / began.elapsed().as_secs_f64()
}

/// The median and the 99th percentile of a call, in microseconds.
fn percentiles(mut nanos: Vec<u64>) -> (f64, f64) {
    nanos.sort_unstable();
    let at = |share: f64| nanos[(nanos.len() as f64 * share) as usize] as f64 / 1_000.0;
    (at(0.5), at(0.99))
}

async fn bare_calls(actor: &ActorRef<Bare>, limit: Option<Duration>) -> (f64, f64) {
    let mut nanos = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let began = Instant::now();
        actor.call(Bare::Call, limit).await.unwrap();
        nanos.push(began.elapsed().as_nanos() as u64);
    }
    percentiles(nanos)
}

async fn governed_calls(address: &Address<Governed>) -> (f64, f64) {
    let (mut nanos, cx) = (Vec::with_capacity(CALLS), cx());
    for _ in 0..CALLS {
        let began = Instant::now();
        address.call(&cx, Governed::Call).await.unwrap();
        nanos.push(began.elapsed().as_nanos() as u64);
    }
    percentiles(nanos)
}

/// A watchdog as the defaults of a host have it.
fn watch() -> Watch {
    Watch { limit: Duration::from_secs(30), then: Stuck::Restart }
}

async fn messages() {
    let (bare, _) = ractor::Actor::spawn(None, BareActor, ()).await.unwrap();
    let (small, address) = governed("small", 1_024);
    let (large, roomy) = governed("large", CASTS as usize);
    let (seen, watched) = governed("watched", 1_024);
    let tree = Tree::new("bench", Strategy::OneForOne).child(small).child(large).child(seen.watch(Some(watch())));
    let _root = Root::start(tree, world(), Registry::new()).await.unwrap();
    let mut casts: [Vec<f64>; 5] = Default::default();
    let mut calls: [Vec<(f64, f64)>; 3] = Default::default();
    for _ in 0..ROUNDS {
        casts[0].push(bare_casts(&bare).await);
        casts[1].push(governed_casts(&address, Governed::Cast).await);
        casts[2].push(governed_casts(&roomy, Governed::Cast).await);
        casts[3].push(governed_casts(&watched, Governed::Cast).await);
        casts[4].push(governed_casts(&watched, Governed::Publish).await);
        calls[0].push(bare_calls(&bare, None).await);
        calls[1].push(bare_calls(&bare, Some(Duration::from_secs(3_600))).await);
        calls[2].push(governed_calls(&address).await);
    }
    let names = ["bare ractor", "mailbox of 1,024", "mailbox of 300,000", "watched", "watched, a view each time"];
    for (name, rates) in names.iter().zip(&casts) {
        let of = |others: &[f64]| median(rates.iter().zip(others).map(|(rate, other)| rate / other).collect());
        let (bare, plain) = (of(&casts[0]), of(&casts[1]));
        println!(
            "cast  {name:<26} {:>7.2} M/s   {bare:.2} x bare   {plain:.2} x unwatched",
            median(rates.clone()) / 1e6
        );
    }
    let names = ["bare ractor", "bare with a time limit", "governed"];
    for (name, times) in names.iter().zip(&calls) {
        let ratio = median(times.iter().zip(&calls[0]).map(|(time, bare)| time.0 / bare.0).collect());
        let (half, most) = (times.iter().map(|time| time.0).collect(), times.iter().map(|time| time.1).collect());
        println!("call  {name:<24} p50 {:.2} us  p99 {:.2} us   {ratio:.2} x bare", median(half), median(most));
    }
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1_024
}

/// Starts 100,000 idle actors in one of four ways and says what they took.
async fn idle(way: String) {
    let mut keep: Vec<Box<dyn std::any::Any + Send>> = Vec::with_capacity(AGENTS + 2);
    let (parent, _) = ractor::Actor::spawn(None, BareActor, ()).await.unwrap();
    let registry = Registry::new();
    let tree = Tree::new("bench", Strategy::OneForOne);
    let (before, began) = (resident(), Instant::now());
    match way.as_str() {
        "bare" => {
            for _ in 0..AGENTS {
                keep.push(Box::new(ractor::Actor::spawn(None, BareActor, ()).await.unwrap().0));
            }
        }
        "linked" => {
            for _ in 0..AGENTS {
                let started = ractor::Actor::spawn_linked(None, BareActor, (), parent.get_cell()).await;
                keep.push(Box::new(started.unwrap().0));
            }
        }
        "table" => {
            let made = (0..AGENTS).map(|index| governed(format!("agent-{index}"), 64));
            let (children, addresses): (Vec<Child>, Vec<_>) = made.unzip();
            keep.push(Box::new(addresses));
            keep.push(Box::new(Root::start(tree.children(children), world(), Arc::clone(&registry)).await.unwrap()));
        }
        _ => {
            let handle = tree.handle();
            keep.push(Box::new(Root::start(tree, world(), Arc::clone(&registry)).await.unwrap()));
            let cx = cx();
            let adds = (0..AGENTS).map(|index| {
                let (child, address) = governed(format!("agent-{index}"), 64);
                keep.push(Box::new(address));
                let (handle, cx) = (handle.clone(), cx.clone());
                async move { handle.add(&cx, child).await.unwrap() }
            });
            futures::stream::iter(adds).buffer_unordered(512).collect::<Vec<()>>().await;
        }
    }
    let took = began.elapsed();
    let each = (resident() - before) as f64 / AGENTS as f64;
    println!("idle  {way:<24} {each:>7.0} B each   {:>4.0} k/s", AGENTS as f64 / took.as_secs_f64() / 1e3);
    if !registry.is_empty() {
        let began = Instant::now();
        let nodes = registry.tree(Instant::now());
        println!("tree  of {:<21} {:>7.1} ms", registry.len(), began.elapsed().as_secs_f64() * 1e3);
        drop(nodes);
    }
    drop(keep);
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let way = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    match way {
        // What a host says is said here too, to nowhere: a subscriber is asked about each of it.
        Some(way) if way == "traced" => {
            let quiet = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(std::io::sink);
            tracing::subscriber::set_global_default(quiet.finish()).unwrap();
            println!("with a subscriber:");
            runtime.block_on(async { tokio::spawn(messages()).await.unwrap() });
        }
        // Spawned, since a future of block_on runs outside the workers and would measure the way between threads.
        Some(way) => runtime.block_on(async { tokio::spawn(idle(way)).await.unwrap() }),
        None => {
            runtime.block_on(async { tokio::spawn(messages()).await.unwrap() });
            for way in ["traced", "bare", "linked", "table", "handle"] {
                let program = std::env::current_exe().unwrap();
                assert!(std::process::Command::new(program).arg(way).status().unwrap().success());
            }
        }
    }
}
