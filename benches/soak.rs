//! The host under load and fire, against the clock: cancellation, ten times its capacity, and a crowd of agents.
//!
//! `make soak` runs all of it, ten minutes of overload included; `cargo bench --bench soak` runs half a minute. What is
//! promised in `docs/semantics.md` in time and memory is checked here, since a test should not depend on how busy a
//! machine is: a figure over its limit makes the program fail.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints what it saw and stops if it cannot")]
#![expect(
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a benchmark reads the real clock, and fails by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use syzygy::actors::agent::{Definition, Profile};
use syzygy::actors::executor::Tool;
use syzygy::actors::io::{Document, Task};
use syzygy::config::{Flag, Inputs};
use syzygy::host::{Host, real_world};
use syzygy::inference::{
    Capabilities, Completion, Delta, Error, Finish, Health, Pacing, Request, Runtime, Scripted, Step, Usage,
};
use syzygy::supervision::{
    Actor, Address, Child, Config, Context, Envelope, Fault, Mailbox, Node, Overflow, Registry, Reply, Root, Strategy,
    Stuck, Tree,
};
use syzygy::types::{Class, Cleared, Cx};
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// As the program has it: what is held under load depends on who holds it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seconds of overload if `SYZYGY_SOAK_SECONDS` does not say.
const SECONDS: u64 = 30;
/// Callers who leave, one after the other.
const LEAVES: usize = 300;
/// Tasks in a row that show how things are.
const CALM: u32 = 20;
/// Agents in one host, and how many are added between two lines of the table.
const AGENTS: usize = 100_000;
const STEP: usize = 10_000;
/// Requests to one supervisor at a time.
const AT_ONCE: usize = 512;

/// Promises in time and memory, as `docs/semantics.md` gives them.
const CANCEL_WITHIN: Duration = Duration::from_millis(100);
const CONTROL_WITHIN: Duration = Duration::from_millis(10);
const NORMAL_WITHIN: Duration = Duration::from_secs(1);
/// The slowest step of a crowd may take this many times as long as the first: what is a cliff shows as ten or a hundred
/// times, and a busy machine as two.
const CLIFF: f64 = 4.0;
/// Bytes of a large task.
const LARGE_BYTES: usize = 1_000_000;
/// What the resident memory of this process may grow by under overload once it is warm, in KiB. Under the caps below a
/// host holds 64 runs of some kilobytes and four large ones, some 12 MB; the rest is room for the allocator.
const GROWTH_KIB: u64 = 32 * 1024;

fn main() {
    let seconds = std::env::var("SYZYGY_SOAK_SECONDS").map_or(SECONDS, |text| text.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        cancellation().await;
        connections().await;
        #[cfg(target_os = "linux")]
        processes().await;
        overload(Duration::from_secs(seconds)).await;
        crowd().await;
    });
}

/// A runtime that takes its time over every token, and counts who is inside.
#[derive(Clone)]
struct Metered {
    capabilities: Capabilities,
    every: Duration,
    most: u64,
    tokens: Arc<AtomicU64>,
    inside: watch::Sender<u32>,
}

impl Metered {
    fn new(every: Duration, most: u64) -> Metered {
        let capabilities = Scripted::saying("ann", "").capabilities();
        Metered { capabilities, every, most, tokens: Arc::default(), inside: watch::Sender::new(0) }
    }
}

struct Inside(watch::Sender<u32>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.send_modify(|inside| *inside -= 1);
    }
}

#[async_trait]
impl Runtime for Metered {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn health(&self, _cx: &Cx) -> Health {
        Health::Ready
    }

    async fn generate(
        &self,
        _cx: &Cx,
        _request: Cleared<Request>,
        _news: mpsc::Sender<Delta>,
    ) -> Result<Completion, Error> {
        self.inside.send_modify(|inside| *inside += 1);
        let _inside = Inside(self.inside.clone());
        for _ in 0..self.most {
            tokio::time::sleep(self.every).await;
            self.tokens.fetch_add(1, Relaxed);
        }
        let usage = Usage::new(1, self.most);
        let (text, pacing) = ("Well.".to_owned(), Pacing::default());
        Ok(Completion { text, tool_calls: Vec::new(), finish: Finish::Stop, usage, pacing })
    }
}

/// A host with a journal on disk and one agent that does four things at a time.
async fn host(data: &std::path::Path, runtime: Metered) -> Host {
    let flag = |key: &str, value: String| Flag { name: key.to_owned(), key: key.to_owned(), value };
    let flags = vec![
        flag("host.data_dir", data.display().to_string()),
        flag("io.runs_most", "32".to_owned()),
        flag("io.task_bytes_max", LARGE_BYTES.to_string()),
        flag("io.tasks_bytes_max", (4 * LARGE_BYTES).to_string()),
    ];
    let config = syzygy::config::load(&Inputs { flags, ..Inputs::default() }).unwrap().config;
    let mut ann: Profile = toml::from_str(include_str!("../config/agents/marvin.toml")).unwrap();
    (ann.name, ann.runtime, ann.concurrency, ann.waiting) = ("ann".to_owned(), "ann".to_owned(), 4, 16);
    let host = Host::builder().config(config).data_dir(data).without_bundled_agents();
    host.agent(Definition::prompted(ann)).runtime(runtime).start().await.unwrap()
}

fn task() -> Task {
    Task { prompt: "What is it?".to_owned(), ..Task::default() }
}

/// One that would be a megabyte in memory, for every fiftieth caller.
fn large() -> Task {
    let text = "Nobody reads what is written here. ".repeat((LARGE_BYTES - 64) / 35);
    Task { documents: vec![Document { name: "a.txt".to_owned(), text }], ..task() }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn promised(what: &str, seen: Duration, limit: Duration) {
    assert!(seen <= limit, "{what}: {:.1} ms, and {:.0} ms are promised", millis(seen), millis(limit));
}

/// From the moment a caller leaves until nothing is generated for them any more.
async fn cancellation() {
    let data = tempfile::tempdir().unwrap();
    let runtime = Metered::new(Duration::from_millis(1), u64::MAX);
    let host = host(data.path(), runtime.clone()).await;
    let (mut times, mut spent) = (Vec::new(), 0);
    for _ in 0..LEAVES {
        let (cx, task, mut inside) =
            (host.context("soak", Duration::from_secs(60)), task(), runtime.inside.subscribe());
        tokio::select! {
            answer = host.ask(&cx, task) => panic!("{answer:?}"),
            _ = inside.wait_for(|inside| *inside == 1) => {}
        }
        let (left, tokens) = (Instant::now(), runtime.tokens.load(Relaxed));
        inside.wait_for(|inside| *inside == 0).await.unwrap();
        times.push(left.elapsed());
        spent += runtime.tokens.load(Relaxed) - tokens;
    }
    host.shutdown(Duration::from_secs(10)).await.unwrap();
    let (p50, p99, most) = (percentile(&mut times, 50), percentile(&mut times, 99), percentile(&mut times, 100));
    println!("a caller leaves, until the model stops ({LEAVES} times)");
    println!(
        "  p50 {:.2} ms   p99 {:.2} ms   worst {:.2} ms   tokens after leaving {spent}",
        millis(p50),
        millis(p99),
        millis(most)
    );
    promised("a caller left", most, CANCEL_WITHIN);
    assert_eq!(spent, 0, "tokens were spent on callers who had left");
}

/// The same for a client that leaves a real connection in the middle of a stream.
async fn connections() {
    let data = tempfile::tempdir().unwrap();
    let runtime = Metered::new(Duration::from_millis(1), u64::MAX);
    let flag = |key: &str, value: String| Flag { name: key.to_owned(), key: key.to_owned(), value };
    let place = data.path().display().to_string();
    let flags = vec![flag("host.data_dir", place), flag("api.listen", "127.0.0.1:0".to_owned())];
    let config = syzygy::config::load(&Inputs { flags, ..Inputs::default() }).unwrap().config;
    let mut ann: Profile = toml::from_str(include_str!("../config/agents/marvin.toml")).unwrap();
    (ann.name, ann.runtime) = ("ann".to_owned(), "ann".to_owned());
    let host = Host::builder().config(config).data_dir(data.path()).serve().without_bundled_agents();
    let host = host.agent(Definition::prompted(ann)).runtime(runtime.clone()).start().await.unwrap();
    let address = host.address().unwrap();
    let token = std::fs::read_to_string(data.path().join("operator.token")).unwrap();
    let body = r#"{"prompt":"What is it?"}"#;
    let asked = format!(
        "POST /route HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\naccept: text/event-stream\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        token.trim(),
        body.len()
    );
    let mut times = Vec::new();
    for _ in 0..LEAVES {
        let mut inside = runtime.inside.subscribe();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(asked.as_bytes()).await.unwrap();
        inside.wait_for(|inside| *inside == 1).await.unwrap();
        let left = Instant::now();
        drop(stream);
        inside.wait_for(|inside| *inside == 0).await.unwrap();
        times.push(left.elapsed());
    }
    host.shutdown(Duration::from_secs(10)).await.unwrap();
    told("a client leaves its connection, until the model stops", &mut times);
}

/// The same for a process that a tool has started.
#[cfg(target_os = "linux")]
async fn processes() {
    let (started, mut seen) = watch::channel(0_u32);
    let schema = serde_json::json!({ "type": "object", "properties": {} });
    let slow = Tool::new("slow", "Takes its time.", schema, move |_cx, _: serde_json::Value| {
        let started = started.clone();
        async move {
            let mut process = tokio::process::Command::new("sleep");
            let mut process = process.arg("3600").kill_on_drop(true).spawn().map_err(|error| error.to_string())?;
            started.send_replace(process.id().unwrap_or_default());
            process.wait().await.map_err(|error| error.to_string())?;
            Ok(serde_json::Value::Null)
        }
    });
    let mut ann: Profile = toml::from_str(include_str!("../config/agents/marvin.toml")).unwrap();
    (ann.name, ann.runtime, ann.tools) = ("ann".to_owned(), "ann".to_owned(), vec!["slow".to_owned()]);
    let wants = Scripted::new("ann", |_| vec![Step::call("1", "slow", serde_json::json!({}))]);
    let host = Host::builder().without_bundled_agents().agent(Definition::prompted(ann)).runtime(wants).tool(slow);
    let host = host.start().await.unwrap();
    let mut times = Vec::new();
    for _ in 0..LEAVES / 10 {
        let cx = host.context("soak", Duration::from_secs(60));
        seen.mark_unchanged();
        let process = tokio::select! {
            answer = host.ask(&cx, task()) => panic!("{answer:?}"),
            _ = seen.changed() => *seen.borrow(),
        };
        let left = Instant::now();
        // One that has ended and was not waited for yet runs no more.
        let runs = || {
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
        };
        while runs() {
            tokio::task::yield_now().await;
        }
        times.push(left.elapsed());
    }
    host.shutdown(Duration::from_secs(10)).await.unwrap();
    told("a caller leaves, until the process of a tool has ended", &mut times);
}

fn told(what: &str, times: &mut [Duration]) {
    let (p50, p99, most) = (percentile(times, 50), percentile(times, 99), percentile(times, 100));
    println!("{what} ({} times)", times.len());
    println!("  p50 {:.2} ms   p99 {:.2} ms   worst {:.2} ms", millis(p50), millis(p99), millis(most));
    promised(what, most, CANCEL_WITHIN);
}

#[derive(Default)]
struct Seen {
    sent: AtomicU64,
    answered: AtomicU64,
    refused: AtomicU64,
}

/// Ten times as many tasks as there is room for, control calls meanwhile, and an ordinary task afterwards.
async fn overload(time: Duration) {
    let data = tempfile::tempdir().unwrap();
    let runtime = Metered::new(Duration::from_millis(20), 1);
    let host = Arc::new(host(data.path(), runtime).await);
    // Four at a time, 20 ms each: 200 a second.
    let (every, each) = (Duration::from_millis(10), 20);
    let seen = Arc::new(Seen::default());
    let calm = calm(&host).await;
    let (mut asks, mut control, mut memory) = (JoinSet::new(), Vec::new(), Vec::new());
    let (began, mut ticks) = (Instant::now(), tokio::time::interval(every));
    let mut said = Instant::now();
    while began.elapsed() < time {
        ticks.tick().await;
        for number in 0..each {
            // One in a hundred ticks brings two large ones, which is twenty times what fits.
            let asked = if number < 2 && control.len() % 100 == 0 { large() } else { task() };
            let (host, seen) = (Arc::clone(&host), Arc::clone(&seen));
            asks.spawn(async move {
                seen.sent.fetch_add(1, Relaxed);
                match host.ask(&host.context("soak", Duration::from_secs(60)), asked).await {
                    Ok(_) => seen.answered.fetch_add(1, Relaxed),
                    Err(error) if error.class() == Class::Exhausted => seen.refused.fetch_add(1, Relaxed),
                    Err(error) => panic!("{error}"),
                }
            });
        }
        while asks.try_join_next().is_some() {}
        let before = Instant::now();
        host.crown().alerts(&host.context("soak", Duration::from_secs(60))).await.unwrap();
        control.push(before.elapsed());
        if said.elapsed() >= Duration::from_secs(1) {
            said = Instant::now();
            memory.push(resident_kib());
        }
    }
    let (stopped, offered) = (Instant::now(), seen.sent.load(Relaxed) as f64 / began.elapsed().as_secs_f64());
    let normal = normal(&host, stopped, calm).await;
    while asks.join_next().await.is_some() {}
    report(&host, &seen, offered, normal, &mut control, &memory);
    Arc::into_inner(host).unwrap().shutdown(Duration::from_secs(10)).await.unwrap();
}

/// The longest that a task takes of a row of them while nobody else asks.
async fn calm(host: &Host) -> Duration {
    let cx = host.context("soak", Duration::from_secs(60));
    let mut most = Duration::ZERO;
    for _ in 0..CALM {
        let asked = Instant::now();
        host.ask(&cx, task()).await.unwrap();
        most = most.max(asked.elapsed());
    }
    most
}

/// When the first of a row of tasks was asked which were all answered as fast as before, twice the time allowed for what
/// else a machine does.
async fn normal(host: &Host, since: Instant, calm: Duration) -> Duration {
    let cx = host.context("soak", Duration::from_secs(60));
    let (mut first, mut row) = (since.elapsed(), 0);
    while row < CALM {
        let asked = Instant::now();
        match host.ask(&cx, task()).await {
            Ok(_) if asked.elapsed() <= 2 * calm => row += 1,
            _ => (first, row) = (since.elapsed(), 0),
        }
        assert!(since.elapsed() < Duration::from_secs(60), "it does not become normal");
    }
    first
}

fn report(host: &Host, seen: &Seen, offered: f64, normal: Duration, control: &mut [Duration], memory: &[u64]) {
    let (sent, answered, refused) = (seen.sent.load(Relaxed), seen.answered.load(Relaxed), seen.refused.load(Relaxed));
    let (p50, p99, most) = (percentile(control, 50), percentile(control, 99), percentile(control, 100));
    // Warm after a tenth of the time: caches, connections and the allocator have what they need. What is held at a moment
    // depends on how many large tasks are under way, so the most of an early stretch is held against the most after it.
    let (cold, early) = (memory.len() / 10, memory.len() / 2);
    let most_of = |from: usize, to: usize| memory[from..to].iter().max().copied().unwrap_or_else(resident_kib);
    let (warm, top) = (most_of(cold, early), most_of(early, memory.len()));
    println!("overload: {offered:.0} tasks a second offered for {} s, 200 a second is what it can do", memory.len());
    println!("  sent {sent}   answered {answered}   refused {refused}");
    println!("  control  p50 {:.2} ms   p99 {:.2} ms   worst {:.2} ms", millis(p50), millis(p99), millis(most));
    println!(
        "  memory   at most {:.1} MB in the first half, at most {:.1} MB in the second",
        warm as f64 / 1024.0,
        top as f64 / 1024.0
    );
    println!("  back to normal after {:.1} ms", millis(normal));
    assert_eq!(sent, answered + refused, "every task was answered or refused");
    let counted = counted(&host.tree());
    assert!(counted >= refused, "{refused} were refused and {counted} are in the tree");
    promised("control", p99, CONTROL_WITHIN);
    promised("back to normal", normal, NORMAL_WITHIN);
    assert!(top - warm.min(top) <= GROWTH_KIB, "memory grew from {warm} to {top} KiB");
}

/// What the io actors show as not done: refused at the door, refused inside, failed.
fn counted(nodes: &[Node]) -> u64 {
    let own = |node: &Node| {
        let inside = ["failed", "refused"].map(|what| node.view[what].as_u64().unwrap_or(0));
        node.refused + inside.iter().sum::<u64>()
    };
    let io = |node: &&Node| node.path.starts_with("host/crown/io/");
    nodes.iter().map(|node| counted(&node.children) + Some(node).filter(io).map_or(0, own)).sum()
}

enum Tell {
    Count(Reply<u64>),
}

struct Agent(u64);

impl Actor for Agent {
    type Message = Tell;

    async fn handle(&mut self, envelope: Envelope<Tell>, _context: &mut Context<Tell>) -> Result<(), Fault> {
        self.0 += 1;
        let Tell::Count(reply) = envelope.message;
        reply.send(self.0);
        Ok(())
    }
}

/// Agents by the ten thousand, each watched: added, asked, and stopped, with a line for every step.
async fn crowd() {
    let world = real_world();
    let watched = Config { handle_limit_ms: 30_000, stuck: Stuck::Restart };
    let tree = Tree::new("host", Strategy::OneForOne).watch(watched.watch());
    let (handle, registry) = (tree.handle(), Registry::new());
    let root = Root::start(tree, world.clone(), Arc::clone(&registry)).await.unwrap();
    let cx = Cx::housekeeping(world.clock.now(), Duration::from_secs(3_600));
    let mut addresses: Vec<Address<Tell>> = Vec::new();
    let mut steps: Vec<[Duration; 3]> = Vec::new();
    let empty = resident_kib();
    println!("actors in one tree    added/s   asked/s   restarted/s   KB each   tree read ms");
    while addresses.len() < AGENTS {
        let began = Instant::now();
        let before = addresses.len();
        addresses.extend((0..STEP).map(|_| Address::new(Mailbox::new(64, Overflow::Wait), &world)));
        let fresh = addresses[before..].iter().enumerate();
        stream::iter(fresh)
            .for_each_concurrent(AT_ONCE, |(number, address)| {
                let child = Child::actor(format!("agent-{}", before + number), address, || Agent(0));
                let (handle, cx) = (&handle, &cx);
                async move { handle.add(cx, child).await.unwrap() }
            })
            .await;
        let added = began.elapsed();
        let began = Instant::now();
        // Spread over all there are, not only the new ones: what is slow with many of them must show.
        let asked = addresses.iter().step_by(addresses.len() / STEP);
        stream::iter(asked)
            .for_each_concurrent(AT_ONCE, |address| {
                let cx = &cx;
                async move { _ = address.call(cx, Tell::Count).await.unwrap() }
            })
            .await;
        let asked = began.elapsed();
        let began = Instant::now();
        let again = (0..addresses.len()).step_by(addresses.len() / STEP);
        stream::iter(again)
            .for_each_concurrent(AT_ONCE, |number| {
                let (handle, cx) = (&handle, &cx);
                async move { handle.restart(cx, &format!("agent-{number}")).await.unwrap() }
            })
            .await;
        let restarted = began.elapsed();
        steps.push([added, asked, restarted]);
        let each = (resident_kib() - empty) as f64 / addresses.len() as f64;
        let began = Instant::now();
        assert_eq!(registry.tree(world.clock.now())[0].children.len(), addresses.len());
        println!(
            "  {:17} {:9.0} {:9.0} {:13.0} {:9.1} {:9.0}",
            addresses.len(),
            STEP as f64 / added.as_secs_f64(),
            STEP as f64 / asked.as_secs_f64(),
            STEP as f64 / restarted.as_secs_f64(),
            each,
            millis(began.elapsed())
        );
    }
    no_cliff(&steps);
    let began = Instant::now();
    root.shutdown(&cx).await.unwrap();
    println!(
        "  all stopped, one after another, in {:.2} s; {} left",
        began.elapsed().as_secs_f64(),
        registry.len() - 1
    );
    assert_eq!(registry.len(), 1);
}

/// Fails if adding, asking or restarting takes much longer with many than with few.
fn no_cliff(steps: &[[Duration; 3]]) {
    for (place, what) in ["adding", "asking", "restarting"].iter().enumerate() {
        let worst = steps.iter().map(|step| step[place]).max().unwrap_or_default();
        let ratio = worst.as_secs_f64() / steps[0][place].as_secs_f64();
        println!("  {what}: the slowest step took {ratio:.1} times as long as the first, at most {CLIFF} are promised");
        assert!(ratio <= CLIFF, "{what} has a cliff: {ratio:.1} times the first step");
    }
}
