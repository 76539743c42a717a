//! A dead target for 600 requests, then a flapping one for 1,200, 25 a second, with a second target that works: what was
//! sent in vain, what callers noticed, and how soon a target that turns stable has its share again.
//!
//! Targets are servers of their own port that speak the chat completions protocol. The host is the whole one, with its
//! defaults, over real connections and the real clock; it takes three and a half minutes. `dead` or `flapping` does one.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints what it saw and stops if it cannot")]
#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock, and servers of its own")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use syzygy::actors::agent::{Definition, Profile};
use syzygy::actors::io::Task;
use syzygy::config::Inputs;
use syzygy::host::Host;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that answers while it is up, and hangs up while it is not.
#[derive(Clone)]
struct Target {
    port: u16,
    up: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl Target {
    async fn start() -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = Target { port, up: Arc::default(), asked: Arc::default(), failed: Arc::default() };
        target.up.store(true, Ordering::Release);
        let served = target.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = served.clone();
                tokio::spawn(async move { served.serve(stream).await });
            }
        });
        target
    }

    async fn serve(self, mut stream: TcpStream) -> Option<()> {
        let head = head(&mut stream).await?;
        let up = self.up.load(Ordering::Acquire);
        if head.starts_with("POST ") {
            self.asked.fetch_add(1, Ordering::AcqRel);
            self.failed.fetch_add(u64::from(!up), Ordering::AcqRel);
        }
        if !up {
            return None;
        }
        let body = if head.starts_with("POST ") {
            r#"{"choices":[{"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#
        } else {
            r#"{"data":[]}"#
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await.ok()
    }

    fn take(&self) -> (u64, u64) {
        (self.asked.swap(0, Ordering::AcqRel), self.failed.swap(0, Ordering::AcqRel))
    }
}

/// Reads a whole request; returns its head.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&read).to_lowercase();
        let Some(end) = text.find("\r\n\r\n") else { continue };
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        if read.len() >= end + 4 + length {
            return Some(String::from_utf8_lossy(&read[..end]).into_owned());
        }
    }
}

async fn host(first: u16, second: u16) -> Host {
    let runtime = |name: &str, port: u16| {
        format!(
            "[inference.runtimes.{name}]\nkind = \"openai\"\nmodel = \"fake\"\ntier = \"local\"\ntools = false\n\
             base_url = \"http://127.0.0.1:{port}/v1\"\ncontext_tokens = 32768\nmax_tokens = 256\n\
             price = {{ input = 0, output = 0 }}\n"
        )
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), runtime("first", first) + &runtime("second", second)).unwrap();
    let environment = vec![("HOME".to_owned(), "/nonexistent".to_owned())];
    let inputs = Inputs { file: Some(file.path().to_owned()), environment, ..Inputs::default() };
    let config = syzygy::config::load(&inputs).unwrap().config;
    let agent = |name: &str, quality: f32| {
        let mut profile: Profile = toml::from_str(include_str!("../config/agents/marvin.toml")).unwrap();
        (profile.name, profile.runtime, profile.quality) = (name.to_owned(), name.to_owned(), quality);
        Definition::prompted(profile)
    };
    let builder = Host::builder().config(config).without_bundled_agents();
    builder.agent(agent("first", 0.9)).agent(agent("second", 0.81)).start().await.unwrap()
}

/// So many requests, this far apart, whatever becomes of those before. Errors of callers, and the slowest of a hundred.
async fn ask(host: &Arc<Host>, count: u64, apart: Duration, each: impl Fn(Duration)) -> (u64, Duration) {
    let (began, mut clock) = (Instant::now(), tokio::time::interval(apart));
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..count {
        clock.tick().await;
        each(began.elapsed());
        let host = Arc::clone(host);
        asked.spawn(async move {
            let sent = Instant::now();
            let task = Task { prompt: "Are you there?".to_owned(), ..Task::default() };
            let answer = host.ask(&host.context("bench", Duration::from_secs(30)), task).await;
            (answer.is_err(), sent.elapsed())
        });
    }
    let (mut errors, mut took) = (0, Vec::new());
    while let Some(Ok((failed, time))) = asked.join_next().await {
        errors += u64::from(failed);
        took.push(time);
    }
    took.sort();
    (errors, took[took.len() * 99 / 100])
}

const APART: Duration = Duration::from_millis(40);

async fn dead() {
    let (first, second) = (Target::start().await, Target::start().await);
    let host = Arc::new(host(first.port, second.port).await);
    // It is alive when the host starts, so that its health says nothing yet.
    ask(&host, 5, APART, |_| ()).await;
    first.up.store(false, Ordering::Release);
    first.take();
    let (errors, p99) = ask(&host, 600, APART, |_| ()).await;
    let (_, failed) = first.take();
    println!("| dead target, 600 requests | {failed} wasted attempts | {errors} client errors | p99 {p99:.1?} |");
}

async fn flapping() {
    let (first, second) = (Target::start().await, Target::start().await);
    let host = Arc::new(host(first.port, second.port).await);
    let flap = |at: Duration| first.up.store((at.as_secs() / 4).is_multiple_of(2), Ordering::Release);
    let (errors, p99) = ask(&host, 1_200, APART, flap).await;
    let (asked, failed) = first.take();
    println!(
        "| flapping 4 s / 4 s, 1,200 requests | {failed} failed attempts of {asked} | {errors} client errors | p99 \
         {p99:.1?} |"
    );
    first.up.store(true, Ordering::Release);
    let wait = Duration::from_secs(2 * u64::from(host.config().ziggy.live.penalty_half_life_s));
    let (errors, _) = ask(&host, wait.as_secs(), Duration::from_secs(1), |_| ()).await;
    first.take();
    let (more, p99) = ask(&host, 200, APART, |_| ()).await;
    let (asked, _) = first.take();
    println!(
        "| stable for two half-lives, 200 requests | {} % of them to it | {} client errors | p99 {p99:.1?} |",
        asked / 2,
        errors + more
    );
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let only = std::env::args().find(|word| ["dead", "flapping"].contains(&word.as_str()));
    if only.as_deref() != Some("flapping") {
        runtime.block_on(dead());
    }
    if only.as_deref() != Some("dead") {
        runtime.block_on(flapping());
    }
}
