//! Any endpoint that speaks the chat completions protocol: vLLM, TGI, llama.cpp, Ollama, or hosted.
//!
//! What it owns: a pool of connections to one endpoint.
//! What it never does: retry, follow a redirect (a prompt goes where the operator said and nowhere else), or trust what
//! comes back: every wait ends with the call's deadline and every size has a limit.

mod answer;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzz;
mod pacing;
mod refusal;
mod sse;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, Response, Url, redirect};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use self::answer::Answer;
use self::sse::Parser;
use self::wire::{Ask, Part};
use super::news::News;
use super::{
    Capabilities, Completion, Delta, Error, Health, OpenaiConfig, OpenaiRuntime, Request, Runtime, Usage, http,
};
use crate::types::{Cleared, Clock, Cx, Secret};

/// Bytes of a whole answer at the most, events and all: some hundred bytes a token, for 64k tokens of output.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// A runtime over one model of one endpoint.
pub struct Openai {
    name: String,
    runtime: OpenaiRuntime,
    idle: Duration,
    head: Duration,
    client: Client,
    base: Url,
    key: Option<Secret>,
    capabilities: Capabilities,
    clock: Arc<dyn Clock>,
}

impl Openai {
    /// A runtime of this name, with its key already resolved. Fails if the base URL is none, or if the machine has no
    /// root certificates and the URL needs them. Connects to nothing yet.
    pub fn new(
        name: &str,
        runtime: OpenaiRuntime,
        settings: &OpenaiConfig,
        key: Option<Secret>,
        clock: Arc<dyn Clock>,
    ) -> Result<Openai, Error> {
        let unusable = |reason: String| Error::Unavailable { runtime: name.to_owned(), reason };
        let base = runtime.base().map_err(unusable)?;
        let client = http::builder(&base, Duration::from_secs(settings.connect_timeout_s))
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|cause| unusable(http::why(cause)))?;
        let idle = Duration::from_secs(settings.idle_timeout_s);
        let head = Duration::from_secs(settings.head_timeout_s);
        let capabilities = runtime.capabilities(name);
        Ok(Openai { name: name.to_owned(), runtime, idle, head, client, base, key, capabilities, clock })
    }

    fn url(&self, path: &str) -> Result<Url, Error> {
        self.base.join(path).map_err(|cause| self.unavailable(format!("its base_url takes no path: {cause}")))
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.key {
            Some(key) => request.bearer_auth(key.reveal()),
            None => request,
        }
    }

    fn unavailable(&self, reason: String) -> Error {
        Error::Unavailable { runtime: self.name.clone(), reason }
    }

    fn protocol(&self, reason: impl ToString) -> Error {
        Error::Protocol { runtime: self.name.clone(), reason: reason.to_string() }
    }

    /// Sends the request; returns the response once it is known to be a good one.
    async fn ask(&self, request: &Request, deadline: Instant) -> Result<Response, Error> {
        let ask = Ask::new(&self.runtime.model, request, self.runtime.max_tokens, self.runtime.tools);
        let request = self.signed(self.client.post(self.url("chat/completions")?)).json(&ask);
        // Half of what is left is for somebody else, if this one only holds the connection.
        let left = deadline.saturating_duration_since(self.clock.now());
        let most = self.head.min(left / 2);
        let silent =
            |_| self.unavailable(format!("it took the request and said nothing for {:.1} s", most.as_secs_f64()));
        let response = timeout(most, request.send()).await.map_err(silent)?;
        let response = response.map_err(|cause| self.unavailable(http::why(cause)))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response).await) }
    }

    /// Reads the answer as it comes.
    async fn read(&self, response: Response, answer: &mut Answer, news: &mut News) -> Result<(), Error> {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("application/json") {
            return self.read_whole(response, answer, news).await;
        }
        let (mut response, mut parser, mut size) = (response, Parser::default(), 0);
        loop {
            let chunk = timeout(self.idle, response.chunk())
                .await
                .map_err(|_| self.cut(answer, format!("nothing came for {} s", self.idle.as_secs())))?
                .map_err(|cause| self.cut(answer, http::why(cause)))?;
            let Some(chunk) = chunk else { break };
            size += chunk.len();
            if size > LARGEST_ANSWER {
                return Err(self.protocol(format!("the answer has more than {LARGEST_ANSWER} bytes")));
            }
            for event in parser.push(&chunk).map_err(|cause| self.protocol(cause))? {
                if self.take(&event, answer, news)? {
                    return Ok(());
                }
            }
        }
        if let Some(event) = parser.finish().map_err(|cause| self.protocol(cause))? {
            self.take(&event, answer, news)?;
        }
        // Some servers close after the last event without saying so.
        if answer.is_finished() { Ok(()) } else { Err(self.cut(answer, "the stream ended early".to_owned())) }
    }

    /// Reads the answer of a server that does not stream though asked to.
    async fn read_whole(&self, response: Response, answer: &mut Answer, news: &mut News) -> Result<(), Error> {
        let mut body = Vec::new();
        let read = http::body(response, &mut body, LARGEST_ANSWER, self.idle).await;
        if read.map_err(|reason| self.cut(answer, reason))? {
            return Err(self.protocol(format!("the answer has more than {LARGEST_ANSWER} bytes")));
        }
        let body = String::from_utf8(body).map_err(|cause| self.protocol(cause))?;
        self.take(&body, answer, news).map(drop)
    }

    /// Takes one event; returns whether it was the last.
    fn take(&self, event: &str, answer: &mut Answer, news: &mut News) -> Result<bool, Error> {
        if event == "[DONE]" {
            return Ok(true);
        }
        let part: Part = serde_json::from_str(event).map_err(|cause| self.protocol(cause))?;
        let text = answer.take(part).map_err(|reason| self.cut(answer, reason))?;
        news.text(&text);
        Ok(false)
    }

    fn cut(&self, answer: &Answer, reason: String) -> Error {
        Error::Cut { runtime: self.name.clone(), reason, usage: answer.usage() }
    }

    /// Asks one address whether the endpoint is there.
    async fn probe(&self, url: Url) -> Result<reqwest::StatusCode, Health> {
        let failed = |cause: reqwest::Error| match cause.is_connect() {
            true => Health::Unreachable { reason: http::why(cause) },
            false => Health::Down { reason: http::why(cause) },
        };
        Ok(self.signed(self.client.get(url)).send().await.map_err(failed)?.status())
    }

    /// The list of models, which needs the key to be right; or `/health` where a server has no such list.
    async fn look(&self) -> Health {
        let down = |reason: String| Health::Down { reason };
        let (Ok(models), Ok(health)) = (self.url("models"), self.url("/health")) else {
            return down("its base_url takes no path".to_owned());
        };
        let status = match self.probe(models).await {
            Ok(status) if status.as_u16() == 404 => self.probe(health).await,
            other => other,
        };
        match status {
            Ok(status) if status.is_success() => Health::Ready,
            Ok(status) if matches!(status.as_u16(), 401 | 403) => {
                down(format!("the endpoint does not accept the API key (status {status}); check api_key_env"))
            }
            Ok(status) => down(format!("the endpoint answers with status {status}")),
            Err(health) => health,
        }
    }
}

#[async_trait]
impl Runtime for Openai {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn health(&self, cx: &Cx) -> Health {
        tokio::select! {
            health = self.look() => health,
            () = cx.cancelled() => Health::Down { reason: "the check was cancelled".to_owned() },
            () = tokio::time::sleep_until(cx.deadline()) => {
                Health::Down { reason: "the endpoint did not answer in time".to_owned() }
            }
        }
    }

    async fn generate(
        &self,
        cx: &Cx,
        request: Cleared<Request>,
        news: mpsc::Sender<Delta>,
    ) -> Result<Completion, Error> {
        // The timer below looks every millisecond only, and a prompt nobody waits for must not be sent.
        if self.clock.now() >= cx.deadline() {
            return Err(Error::TimedOut { usage: Usage::default() });
        }
        let request = request.into_inner();
        let mut news = News::new(news);
        let mut answer = Answer::new(&request, request.max_tokens.min(self.runtime.max_tokens));
        let mut asked = false;
        let work = async {
            let response = self.ask(&request, cx.deadline()).await?;
            asked = true;
            answer.paced(pacing::pacing(response.headers()));
            self.read(response, &mut answer, &mut news).await
        };
        // Whichever of the three loses is dropped; for the work that closes the connection, which stops the server.
        let result = tokio::select! {
            biased;
            () = cx.cancelled() => Err(None),
            result = timeout_at(cx.deadline(), work) => result.map_err(Some),
        };
        news.finish();
        let usage = || if asked { answer.usage() } else { Usage::default() };
        match result {
            Ok(result) => result.map(|()| answer.complete()),
            Err(Some(_)) => Err(Error::TimedOut { usage: usage() }),
            Err(None) => Err(Error::Cancelled { usage: usage() }),
        }
    }
}
