//! A runtime that says what a script says, so that agents can be tested to the letter without a model.
//!
//! What it owns: the script, and a record of what it was asked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::news::News;
use super::{Capabilities, Completion, Delta, Error, Finish, Health, Pacing, Request, Runtime, Usage};
use crate::types::{Cleared, Cx, Modality, Price, ToolCall, TrustTier};

/// Requests kept for tests to look at; a benchmark sends millions, and the newest are of interest.
const REMEMBERED: usize = 1024;

/// Tokens a scripted runtime says it can hold: more than any test sends.
const CONTEXT_TOKENS: u32 = 1 << 20;

/// One thing that happens while a scripted answer is given.
#[derive(Debug, Clone)]
pub enum Step {
    /// This text is streamed as one piece.
    Text(String),
    /// The model wants this tool called.
    Call(ToolCall),
    /// So much of so many prompt tokens was read.
    Reading {
        /// Prompt tokens read so far.
        tokens: u64,
        /// Prompt tokens in all.
        total: u64,
    },
    /// Nothing happens for this long, on tokio's clock.
    Wait(Duration),
    /// The token limit ends the answer here.
    Limit,
    /// The call fails here.
    Fail(Error),
    /// Nothing happens any more; only deadline, cancellation or dropping the call end it.
    Hang,
}

impl Step {
    /// A piece of text.
    pub fn text(text: impl Into<String>) -> Step {
        Step::Text(text.into())
    }

    /// A wish to have a tool called with these arguments.
    pub fn call(id: &str, name: &str, arguments: serde_json::Value) -> Step {
        Step::Call(ToolCall { id: id.to_owned(), name: name.to_owned(), arguments })
    }
}

type Answerer = dyn FnMut(&Request) -> Vec<Step> + Send;

/// A runtime over a script. One word counts as one token.
///
/// ```
/// use syzygy::inference::{Scripted, Step};
///
/// // Answers in this order, then fails:
/// let lines = Scripted::list("lines", [vec![Step::text("Hello "), Step::text("you")], vec![Step::Hang]]);
/// // Answers by what it is asked:
/// let echo = Scripted::new("echo", |request| vec![Step::text(request.messages[0].content.clone())]);
/// assert_eq!(lines.calls() + echo.calls(), 0);
/// ```
pub struct Scripted {
    capabilities: Capabilities,
    answerer: Mutex<Box<Answerer>>,
    calls: AtomicU64,
    requests: Mutex<VecDeque<Request>>,
}

impl Scripted {
    /// A runtime of this name that answers each request with the steps this closure returns.
    pub fn new(name: &str, answerer: impl FnMut(&Request) -> Vec<Step> + Send + 'static) -> Scripted {
        let capabilities = Capabilities {
            name: name.to_owned(),
            model: "script".to_owned(),
            provider: None,
            tier: TrustTier::Local,
            region: None,
            modalities: vec![Modality::Text],
            chat: true,
            tools: true,
            // It counts words, of which there are never more than the estimate says.
            own_tokenizer: false,
            embed: false,
            context_tokens: CONTEXT_TOKENS,
            price: Price::default(),
        };
        Scripted {
            capabilities,
            answerer: Mutex::new(Box::new(answerer)),
            calls: AtomicU64::new(0),
            requests: Mutex::new(VecDeque::new()),
        }
    }

    /// A runtime that gives these answers one after the other, and fails when it has no more.
    pub fn list(name: &str, answers: impl IntoIterator<Item = Vec<Step>>) -> Scripted {
        let mut answers: VecDeque<Vec<Step>> = answers.into_iter().collect();
        Scripted::new(name, move |_| {
            let end = || vec![Step::Fail(Error::Internal("the script has no more answers".to_owned()))];
            answers.pop_front().unwrap_or_else(end)
        })
    }

    /// A runtime that always gives this answer.
    pub fn saying(name: &str, answer: &str) -> Scripted {
        let answer = answer.to_owned();
        Scripted::new(name, move |_| vec![Step::Text(answer.clone())])
    }

    /// The same runtime in another tier.
    pub fn in_tier(mut self, tier: TrustTier) -> Scripted {
        self.capabilities.tier = tier;
        self
    }

    /// The same runtime in a region.
    pub fn in_region(mut self, region: &str) -> Scripted {
        self.capabilities.region = Some(region.to_owned());
        self
    }

    /// The same runtime, able to read these.
    pub fn reading(mut self, modalities: &[Modality]) -> Scripted {
        self.capabilities.modalities = modalities.to_vec();
        self
    }

    /// The same runtime at a price.
    pub fn at_price(mut self, price: Price) -> Scripted {
        self.capabilities.price = price;
        self
    }

    /// How often it was called.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Acquire)
    }

    /// What it was asked, oldest first: the last 1024 requests.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().iter().cloned().collect()
    }

    fn record(&self, request: &Request) {
        self.calls.fetch_add(1, Ordering::AcqRel);
        let mut requests = self.requests.lock();
        if requests.len() == REMEMBERED {
            requests.pop_front();
        }
        requests.push_back(request.clone());
    }
}

/// Plays the steps into the completion, which keeps what was said if the play is broken off.
async fn play(steps: Vec<Step>, completion: &mut Completion, news: &mut News) -> Result<(), Error> {
    for step in steps {
        match step {
            Step::Text(text) => {
                news.text(&text);
                completion.text.push_str(&text);
                completion.usage.output_tokens = words(&completion.text);
            }
            Step::Call(call) => {
                completion.tool_calls.push(call);
                completion.finish = Finish::ToolCalls;
            }
            Step::Reading { tokens, total } => news.reading(tokens, total),
            Step::Wait(time) => tokio::time::sleep(time).await,
            Step::Limit => {
                completion.finish = Finish::Length;
                return Ok(());
            }
            Step::Fail(error) => return Err(error),
            Step::Hang => std::future::pending().await,
        }
    }
    Ok(())
}

fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

#[async_trait]
impl Runtime for Scripted {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn health(&self, _cx: &Cx) -> Health {
        Health::Ready
    }

    async fn generate(
        &self,
        cx: &Cx,
        request: Cleared<Request>,
        news: mpsc::Sender<Delta>,
    ) -> Result<Completion, Error> {
        let request = request.into_inner();
        self.record(&request);
        let input_tokens = request.messages.iter().map(|message| words(&message.content)).sum();
        let steps = (self.answerer.lock())(&request);
        let mut news = News::new(news);
        let mut completion = Completion {
            text: String::new(),
            tool_calls: Vec::new(),
            finish: Finish::Stop,
            usage: Usage::new(input_tokens, 0),
            pacing: Pacing::default(),
        };
        let result = tokio::select! {
            biased;
            () = cx.cancelled() => Err(None),
            result = timeout_at(cx.deadline(), play(steps, &mut completion, &mut news)) => result.map_err(Some),
        };
        news.finish();
        match result {
            Ok(result) => result.map(|()| completion),
            Err(Some(_)) => Err(Error::TimedOut { usage: completion.usage }),
            Err(None) => Err(Error::Cancelled { usage: completion.usage }),
        }
    }
}
