//! A GGUF model in this process, so that the host answers with nothing installed beside it.
//!
//! What it owns: one thread per runtime, and on it the model, loaded by the first call and dropped when idle.
//! What it never does: run two generations at once. They would share the same cores and both be slower.

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzz;
mod header;
pub(super) mod llm;
mod template;
mod vocabulary;
mod weights;
mod worker;

#[cfg(test)]
pub(super) mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use self::worker::{Job, Meter, Worker};
use super::models::{Quiet, State, Store};
use super::news::News;
use super::{Capabilities, Completion, Delta, EmbeddedConfig, EmbeddedRuntime, Error, Health, Request, Runtime};
use crate::types::{Cleared, Clock, Cx};

/// A runtime over one GGUF model of the catalogue. Loads on first use; one call at a time, the rest wait in order,
/// each no longer than its own deadline.
pub struct Embedded {
    name: String,
    worker: Worker,
    jobs: Mutex<Option<SyncSender<Job>>>,
    turns: Arc<Semaphore>,
    places: Semaphore,
}

impl Embedded {
    /// A runtime of this name. Touches neither disk nor memory until it is used.
    pub fn new(
        name: &str,
        runtime: EmbeddedRuntime,
        settings: EmbeddedConfig,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
    ) -> Embedded {
        // One more than may wait: the call that works has a place too.
        let places = Semaphore::new(settings.queue.saturating_add(1).min(Semaphore::MAX_PERMITS));
        Embedded {
            name: name.to_owned(),
            worker: Worker { runtime, settings, store, clock, resident: Arc::new(AtomicBool::new(false)) },
            jobs: Mutex::new(None),
            turns: Arc::new(Semaphore::new(1)),
            places,
        }
    }

    /// Waits for this call's turn, which ends when the worker drops the permit.
    async fn turn(&self, cx: &Cx) -> Result<OwnedSemaphorePermit, Error> {
        tokio::select! {
            biased;
            () = cx.cancelled() => Err(Error::Cancelled { usage: Default::default() }),
            turn = Arc::clone(&self.turns).acquire_owned() => turn.map_err(|cause| Error::Internal(cause.to_string())),
            () = tokio::time::sleep_until(cx.deadline()) => Err(Error::TimedOut { usage: Default::default() }),
        }
    }

    /// Gives the job to the thread, and starts it if there is none or the last one died of a bug in the model's code.
    fn hand_over(&self, mut job: Job) -> Result<(), Error> {
        let mut jobs = self.jobs.lock();
        // Twice, because the first sender may lead to a thread that is gone.
        for _ in 0..2 {
            let sender = match jobs.take() {
                Some(sender) => sender,
                None => self.start()?,
            };
            match sender.try_send(job) {
                Ok(()) => {
                    *jobs = Some(sender);
                    return Ok(());
                }
                Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) => job = back,
            }
        }
        Err(Error::Internal("the model's thread takes no work".to_owned()))
    }

    /// Starts the thread. The channel holds one job, because only the holder of the one turn sends.
    fn start(&self) -> Result<SyncSender<Job>, Error> {
        let (sender, jobs) = sync_channel(1);
        let worker = self.worker.clone();
        std::thread::Builder::new()
            .name(format!("model {}", self.name))
            .spawn(move || worker.work(&jobs))
            .map_err(|cause| Error::Internal(format!("no thread for the model: {cause}")))?;
        Ok(sender)
    }
}

#[async_trait]
impl Runtime for Embedded {
    fn capabilities(&self) -> Capabilities {
        self.worker.runtime.capabilities(&self.name)
    }

    async fn health(&self, _cx: &Cx) -> Health {
        if self.worker.resident.load(Ordering::Acquire) {
            return Health::Ready;
        }
        let model = &self.worker.runtime.model;
        match self.worker.store.state(model) {
            Ok(State::Installed) => Health::Cold,
            Ok(State::Missing) => Health::Down { reason: Error::NotInstalled { model: model.clone() }.to_string() },
            Ok(State::Damaged { reason }) => {
                Health::Down { reason: Error::Damaged { model: model.clone(), reason }.to_string() }
            }
            Err(cause) => Health::Down { reason: cause.to_string() },
        }
    }

    async fn generate(
        &self,
        cx: &Cx,
        request: Cleared<Request>,
        news: mpsc::Sender<Delta>,
    ) -> Result<Completion, Error> {
        let Ok(_place) = self.places.try_acquire() else {
            return Err(Error::Busy { runtime: self.name.clone(), waiting: self.worker.settings.queue });
        };
        let turn = self.turn(cx).await?;
        let meter = Arc::new(Meter::default());
        let (reply, answer) = oneshot::channel();
        let request = request.into_inner();
        let job = Job { cx: cx.clone(), request, news: News::new(news), meter: Arc::clone(&meter), reply, _turn: turn };
        self.hand_over(job)?;
        tokio::select! {
            biased;
            answer = answer => {
                let (result, news) = answer.map_err(|_| Error::Internal("the model's thread died".to_owned()))?;
                news.finish();
                result
            }
            // Leaving drops the receiver of the answer, which stops the worker before its next token.
            () = cx.cancelled() => Err(Error::Cancelled { usage: meter.usage() }),
            () = tokio::time::sleep_until(cx.deadline()) => Err(Error::TimedOut { usage: meter.usage() }),
        }
    }
    /// Fetches the model again if its files were found damaged. One that was never installed is the operator's to pull.
    async fn repair(&self, cx: &Cx) -> Result<bool, Error> {
        let (model, store) = (&self.worker.runtime.model, &self.worker.store);
        let failed = |cause: super::models::Error| Error::Load { model: model.clone(), reason: cause.to_string() };
        if !matches!(store.state(model).map_err(failed)?, State::Damaged { .. }) {
            return Ok(false);
        }
        tracing::warn!(model, "the model's files are damaged and are fetched again");
        store.pull(cx, model, Arc::new(Quiet)).await.map_err(failed)?;
        Ok(true)
    }
}
