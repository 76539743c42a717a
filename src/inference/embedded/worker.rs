//! The thread under an embedded runtime: takes one job after the other and keeps the model between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::llm::Llm;
use crate::inference::models::{FileRole, Store};
use crate::inference::news::News;
use crate::inference::{Completion, EmbeddedConfig, EmbeddedRuntime, Error, Request, Usage};
use crate::types::{Clock, Cx};

/// What was processed so far, readable from the caller's side at any time.
#[derive(Default)]
pub(super) struct Meter {
    /// Prompt tokens read.
    pub(super) input: AtomicU64,
    /// Tokens generated.
    pub(super) output: AtomicU64,
}

impl Meter {
    pub(super) fn usage(&self) -> Usage {
        Usage::new(self.input.load(Ordering::Relaxed), self.output.load(Ordering::Relaxed))
    }
}

/// The outcome, and the news line with what its listener has not taken yet.
pub(super) type Reply = (Result<Completion, Error>, News);

/// One generation.
pub(super) struct Job {
    pub(super) cx: Cx,
    pub(super) request: Request,
    pub(super) news: News,
    pub(super) meter: Arc<Meter>,
    pub(super) reply: oneshot::Sender<Reply>,
    /// Dropped with the job: the next call's turn begins when this one's work has really ended.
    pub(super) _turn: OwnedSemaphorePermit,
}

impl Job {
    /// Why the work should stop now, if it should.
    pub(super) fn stop(&self, clock: &dyn Clock) -> Option<Error> {
        if self.cx.is_cancelled() || self.reply.is_closed() {
            return Some(Error::Cancelled { usage: self.meter.usage() });
        }
        (clock.now() >= self.cx.deadline()).then(|| Error::TimedOut { usage: self.meter.usage() })
    }
}

/// What the thread needs.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) runtime: EmbeddedRuntime,
    pub(super) settings: EmbeddedConfig,
    pub(super) store: Arc<Store>,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether the model is in memory.
    pub(super) resident: Arc<AtomicBool>,
}

impl Worker {
    /// Works until the runtime is dropped.
    pub(super) fn work(self, jobs: &Receiver<Job>) {
        let mut model = None;
        while let Some(mut job) = self.next(jobs, &mut model) {
            let result = self.serve(&mut job, &mut model);
            // A caller that left does not want the answer.
            let _ = job.reply.send((result, job.news));
        }
        self.resident.store(false, Ordering::Release);
    }

    /// The next job; drops the model while none comes for long enough. Nothing when the runtime is gone.
    fn next(&self, jobs: &Receiver<Job>, model: &mut Option<Llm>) -> Option<Job> {
        if let (Some(idle), Some(_)) = (self.settings.unload_after(), &model) {
            match jobs.recv_timeout(idle) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    *model = None;
                    self.resident.store(false, Ordering::Release);
                }
            }
        }
        jobs.recv().ok()
    }

    fn serve(&self, job: &mut Job, model: &mut Option<Llm>) -> Result<Completion, Error> {
        if let Some(stop) = job.stop(&*self.clock) {
            return Err(stop);
        }
        let model = match model {
            Some(model) => model,
            None => {
                let loaded = model.insert(self.load()?);
                self.resident.store(true, Ordering::Release);
                loaded
            }
        };
        model.generate(job, self)
    }

    fn load(&self) -> Result<Llm, Error> {
        let model = &self.runtime.model;
        let files = self.store.locate(model).map_err(|cause| cause.for_model(model))?;
        let path = files
            .file(FileRole::Gguf)
            .ok_or_else(|| Error::Load { model: model.clone(), reason: "it is not of kind gguf".to_owned() })?;
        Llm::load(model, &path).map_err(|cause| Error::Load { model: model.clone(), reason: cause.to_string() })
    }
}
