//! The suites of the module. `contract` runs over every backend; the others look at what is particular to one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod child;
mod contract;
mod embedded;
mod embedders;
mod openai;
mod parts;
mod pieces;
mod scripted;
mod store;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::*;
use crate::types::{Budget, Classified, Cleared, Clock, Label, Money, Place, Principal, Timestamp, TraceId, TrustTier};

/// Real monotonic time, and a wall clock that stands at 2026-01-01T00:00:00Z.
struct TestClock;

impl Clock for TestClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(1_767_225_600_000_000)
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(TestClock)
}

/// A context that lives this long.
fn cx(limit: Duration) -> Cx {
    let budget = Budget { money: Money(1_000_000), tokens: 1_000_000 };
    Cx::new(TraceId(1), Principal::host(), clock().now() + limit, budget)
}

/// Longer than any of these tests may take on a busy machine.
fn patient() -> Cx {
    cx(Duration::from_secs(300))
}

/// A request of one user message at temperature 0.
fn request(text: &str, max_tokens: u32) -> Request {
    Request { messages: vec![Message::new(Role::User, text)], tools: Vec::new(), max_tokens, temperature: 0.0, seed: 7 }
}

/// A request that may go anywhere.
fn cleared(request: Request) -> Cleared<Request> {
    Classified::new(Label::default(), request).clear(&Place::of(TrustTier::External)).unwrap()
}

/// Generates while listening; returns the outcome and all the news.
async fn listen(runtime: &dyn Runtime, cx: &Cx, request: Request) -> (Result<Completion, Error>, Vec<Delta>) {
    let (sender, mut news) = mpsc::channel(4);
    let collect = async {
        let mut all = Vec::new();
        while let Some(delta) = news.recv().await {
            all.push(delta);
        }
        all
    };
    tokio::join!(runtime.generate(cx, cleared(request), sender), collect)
}

/// The text of all the news.
fn text_of(news: &[Delta]) -> String {
    let texts = news.iter().filter_map(|delta| match delta {
        Delta::Text { text } => Some(text.as_str()),
        Delta::Reading { .. } => None,
    });
    texts.collect()
}

/// A call that generates into the void.
async fn generate(runtime: &dyn Runtime, cx: &Cx, request: Request) -> Result<Completion, Error> {
    listen(runtime, cx, request).await.0
}

fn embedded_config() -> EmbeddedConfig {
    EmbeddedConfig { queue: 4, piece_tokens: 64, repeat_penalty: 1.1, repeat_window: 64, unload_after_s: 0 }
}

fn openai_config() -> OpenaiConfig {
    OpenaiConfig { connect_timeout_s: 5, idle_timeout_s: 30, head_timeout_s: 30 }
}

fn openai_runtime(base_url: &str) -> OpenaiRuntime {
    OpenaiRuntime {
        region: None,
        modalities: vec![crate::types::Modality::Text],
        model: "test".to_owned(),
        base_url: base_url.to_owned(),
        tier: crate::types::TrustTier::Local,
        tools: true,
        context_tokens: 2048,
        max_tokens: 512,
        price: Some(Price::default()),
        api_key_env: None,
        child: None,
    }
}
