//! What integration tests have in common: a whole host on scripted runtimes, and a bounded wait for a condition.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use syzygy::actors::agent::{Definition, Profile};
use syzygy::actors::io::Task;
use syzygy::host::{Builder, Host};
use syzygy::inference::{
    Capabilities, Completion, Delta, Error, Finish, Health, Pacing, Request, Runtime, Scripted, Usage,
};
use syzygy::store::Event;
use syzygy::types::{Cleared, Cx, RunId};
use tokio::sync::{mpsc, watch};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// A host whose `local` runtime says this to everything; nothing else is changed, and nothing is on disk.
pub(crate) fn scripted(answer: &str) -> Builder {
    Host::builder().runtime(Scripted::saying("local", answer))
}

pub(crate) fn task(prompt: &str) -> Task {
    Task { prompt: prompt.to_owned(), ..Task::default() }
}

/// An agent like Marvin, of this name, on the runtime of this name.
pub(crate) fn agent(name: &str) -> Definition {
    let mut profile: Profile = toml::from_str(include_str!("../../config/agents/marvin.toml")).unwrap();
    (profile.name, profile.runtime) = (name.to_owned(), name.to_owned());
    Definition::prompted(profile)
}

/// A caller who waits for a minute.
pub(crate) fn cx(host: &Host) -> Cx {
    host.context("tester", MINUTE)
}

/// Everything a run left in the journal.
pub(crate) async fn events(host: &Host, run: RunId) -> Vec<Event> {
    host.journal().flush().await.unwrap();
    host.journal().read_run(run, 10_000).await.unwrap()
}

/// Stops a host, after a look at its chain.
pub(crate) async fn end(host: Host) {
    host.journal().flush().await.unwrap();
    let found = host.journal().verify().await.unwrap();
    assert_eq!(found.first_bad, None);
    host.shutdown(MINUTE).await.unwrap();
}

/// Returns what `look` finds, as soon as it finds something. For what no event tells: another process, a file.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut again = tokio::time::interval(Duration::from_millis(20));
    let found = async {
        loop {
            again.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    tokio::time::timeout(MINUTE, found).await.unwrap_or_else(|_| panic!("not within a minute: {what}"))
}

/// What `scripts/test-parts.sh` fetched, if it could be fetched here: this path among the parts. Says so if it is known to
/// be out of reach, and fails if nobody tried.
pub(crate) fn part(name: &str, path: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a test reads its own environment")]
    let named = std::env::var("SYZYGY_TEST_PARTS");
    let parts = named.map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/parts"), PathBuf::from);
    if parts.join(path).exists() {
        return Some(parts.join(path));
    }
    match std::fs::read_to_string(parts.join(format!("{name}.unavailable"))) {
        Ok(reason) => {
            use std::io::Write;
            // Straight to the descriptor: the harness hides what a passing test prints.
            let _ = writeln!(std::io::stderr(), "SKIPPED: no {name} could be fetched here: {}", reason.trim());
            None
        }
        Err(_) => panic!("{path} is not in {}: run scripts/test-parts.sh", parts.display()),
    }
}

/// A runtime that writes a token every few milliseconds for as long as somebody waits, and counts them: what it counts
/// is what a real one would cost.
#[derive(Clone)]
pub(crate) struct Metered {
    capabilities: Capabilities,
    every: Duration,
    most: u64,
    tokens: watch::Sender<u64>,
    inside: watch::Sender<u32>,
}

impl Metered {
    /// One that answers with so many tokens, this far apart.
    pub(crate) fn new(name: &str, every: Duration, most: u64) -> Metered {
        let capabilities = Scripted::saying(name, "").capabilities();
        Metered { capabilities, every, most, tokens: watch::Sender::new(0), inside: watch::Sender::new(0) }
    }

    /// Tokens so far.
    pub(crate) fn tokens(&self) -> u64 {
        *self.tokens.borrow()
    }

    /// Returns when there are so many generations that go on.
    pub(crate) async fn inside(&self, number: u32) {
        self.inside.subscribe().wait_for(|inside| *inside == number).await.unwrap();
    }

    /// Returns when there are more tokens than this.
    pub(crate) async fn beyond(&self, tokens: u64) {
        self.tokens.subscribe().wait_for(|so_far| *so_far > tokens).await.unwrap();
    }
}

/// Counts a generation for as long as it has not been dropped.
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
        news: mpsc::Sender<Delta>,
    ) -> Result<Completion, Error> {
        self.inside.send_modify(|inside| *inside += 1);
        let _inside = Inside(self.inside.clone());
        let mut clock = tokio::time::interval(self.every);
        clock.tick().await;
        let mut text = String::new();
        for _ in 0..self.most {
            clock.tick().await;
            self.tokens.send_modify(|tokens| *tokens += 1);
            let _ = news.send(Delta::Text { text: "word ".to_owned() }).await;
            text.push_str("word ");
        }
        let usage = Usage::new(1, self.most);
        Ok(Completion { text, tool_calls: Vec::new(), finish: Finish::Stop, usage, pacing: Pacing::default() })
    }
}

/// Where the real models of the tests are.
pub(crate) fn real_models() -> Option<PathBuf> {
    let model = part("models", "models/smollm2-135m-instruct/model.gguf")?;
    model.ancestors().nth(2).map(Path::to_owned)
}
