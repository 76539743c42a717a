//! A runtime in the simulation's weather: it may fail, hang, break off, be slow, or lie about what it took.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::weather::{Trouble, Weather};
use crate::inference::{Capabilities, Completion, Delta, Error, Health, Request, Runtime, Usage};
use crate::types::{Cleared, Cx, TrustTier};

/// What a runtime was shown.
pub(super) struct Seen {
    pub(super) runtime: String,
    pub(super) tier: TrustTier,
    pub(super) text: String,
}

/// What all runtimes of a simulation were shown, in order. As long as the simulation's own list of tasks.
pub(super) type Sight = Arc<Mutex<Vec<Seen>>>;

pub(super) struct Unsteady {
    inner: Arc<dyn Runtime>,
    weather: Arc<Weather>,
    sight: Sight,
}

impl Unsteady {
    pub(super) fn new(inner: Arc<dyn Runtime>, weather: Arc<Weather>, sight: Sight) -> Unsteady {
        Unsteady { inner, weather, sight }
    }

    fn see(&self, request: &Request) {
        let Capabilities { name, tier, .. } = self.inner.capabilities();
        let text = request.messages.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n");
        self.sight.lock().push(Seen { runtime: name, tier, text });
    }

    /// Streams the first half of the answer, and breaks off.
    async fn cut(&self, cx: &Cx, request: Cleared<Request>, news: mpsc::Sender<Delta>) -> Result<Completion, Error> {
        // Nobody reads it, and a listener that is gone never stops a generation.
        let (unheard, _) = mpsc::channel(1);
        let completion = self.inner.generate(cx, request, unheard).await?;
        let half: String = completion.text.chars().take(completion.text.chars().count() / 2).collect();
        if !half.is_empty() {
            let _ = news.send(Delta::Text { text: half }).await;
        }
        let usage = Usage { output_tokens: completion.usage.output_tokens / 2, ..completion.usage };
        Err(Error::Cut { runtime: self.name(), reason: "the simulation cut the line".to_owned(), usage })
    }

    fn name(&self) -> String {
        self.inner.capabilities().name
    }
}

/// Only deadline and cancellation end it, as IF1 of `inference` wants.
async fn hang(cx: &Cx) -> Error {
    let usage = Usage::default();
    tokio::select! {
        biased;
        () = cx.cancelled() => Error::Cancelled { usage },
        () = tokio::time::sleep_until(cx.deadline()) => Error::TimedOut { usage },
    }
}

#[async_trait]
impl Runtime for Unsteady {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn health(&self, cx: &Cx) -> Health {
        self.inner.health(cx).await
    }

    async fn generate(
        &self,
        cx: &Cx,
        request: Cleared<Request>,
        news: mpsc::Sender<Delta>,
    ) -> Result<Completion, Error> {
        self.see(request.get());
        match self.weather.trouble() {
            None => self.inner.generate(cx, request, news).await,
            Some(Trouble::Fails) => {
                Err(Error::Unavailable { runtime: self.name(), reason: "the simulation took it away".to_owned() })
            }
            Some(Trouble::Hangs) => Err(hang(cx).await),
            Some(Trouble::Cuts) => self.cut(cx, request, news).await,
            Some(Trouble::Slow(time)) => {
                tokio::time::sleep(time).await;
                self.inner.generate(cx, request, news).await
            }
            Some(Trouble::Lies(drawn)) => {
                let completion = self.inner.generate(cx, request, news).await?;
                // Nothing, nearly everything, or the largest number there is.
                let claimed = [0, drawn, u64::MAX][usize::try_from(drawn % 3).unwrap_or(0)];
                let usage = Usage::new(claimed, claimed);
                Ok(Completion { usage, ..completion })
            }
        }
    }

    async fn repair(&self, cx: &Cx) -> Result<bool, Error> {
        self.inner.repair(cx).await
    }
}
