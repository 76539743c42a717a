//! What integration tests have in common: a whole host on scripted runtimes, and a bounded wait for a condition.

use std::path::{Path, PathBuf};
use std::time::Duration;

use syzygy::actors::agent::{Definition, Profile};
use syzygy::actors::io::Task;
use syzygy::host::{Builder, Host};
use syzygy::inference::Scripted;
use syzygy::store::Event;
use syzygy::types::{Cx, RunId};

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

/// Where the real models of the tests are.
pub(crate) fn real_models() -> Option<PathBuf> {
    let model = part("models", "models/smollm2-135m-instruct/model.gguf")?;
    model.ancestors().nth(2).map(Path::to_owned)
}
