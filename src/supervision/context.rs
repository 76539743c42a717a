//! What an actor has while it handles a message: its own address, time, jobs, timers, and its view.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::address::Address;
use super::registry::{Entry, Registry};
use super::supervisor::Kernel;
use crate::types::{Cx, World};

/// Why a job has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// The deadline of its context passed.
    #[error("could not finish the job before its deadline")]
    TimedOut,
    /// Its context was cancelled.
    #[error("could not finish the job: it was cancelled")]
    Cancelled,
    /// It panicked, with this message.
    #[error("could not finish the job: it panicked: {0}")]
    Panicked(String),
    /// The actor already runs as many jobs as it may.
    #[error("could not start the job: {0} are running already")]
    TooMany(usize),
}

/// Jobs and timers one actor may have running. Enough for every run an io actor may hold, and a bound for an actor
/// that starts them in a loop.
const JOBS_MOST: usize = 10_000;

/// What an actor has at hand. Its jobs and timers end with it.
pub struct Context<M> {
    entry: Arc<Entry>,
    address: Address<M>,
    kernel: Kernel,
    jobs: JoinSet<()>,
    ends: bool,
}

impl<M: Send + 'static> Context<M> {
    pub(super) fn new(entry: Arc<Entry>, address: Address<M>, kernel: Kernel) -> Context<M> {
        Context { entry, address, kernel, jobs: JoinSet::new(), ends: false }
    }

    /// Its path in the tree, such as `host/crown/io/io-1`.
    pub fn path(&self) -> &str {
        self.entry.path()
    }

    /// Its own address.
    pub fn address(&self) -> &Address<M> {
        &self.address
    }

    /// Time and chance.
    pub fn world(&self) -> &World {
        &self.kernel.world
    }

    /// The registry of its host.
    pub fn registry(&self) -> &Registry {
        &self.kernel.registry
    }

    /// The time now.
    pub fn now(&self) -> Instant {
        self.kernel.world.clock.now()
    }

    /// Shows this view of itself from now on.
    pub fn publish(&self, view: &impl Serialize) {
        self.entry.publish(serde_json::to_value(view).unwrap_or_default());
    }

    /// Ends after this message, by its own decision.
    pub fn end(&mut self) {
        self.ends = true;
    }

    pub(super) fn ends(&self) -> bool {
        self.ends
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Starts work that may wait, under `cx`'s deadline and cancellation. Its outcome comes back as a message, ahead of
    /// user mail, exactly once; a panic inside is an outcome too.
    pub fn job<T: Send + 'static>(
        &mut self,
        cx: &Cx,
        work: impl Future<Output = T> + Send + 'static,
        report: impl FnOnce(Result<T, JobError>) -> M + Send + 'static,
    ) {
        while self.jobs.try_join_next().is_some() {}
        let (cx, address) = (cx.clone(), self.address.clone());
        // The report outlives the context of the work: a job that timed out must still be able to say so.
        let report_cx = Cx::housekeeping(self.now(), REPORT_LIMIT).with_privacy(cx.privacy());
        if self.jobs.len() >= JOBS_MOST {
            let _ = address.report(&report_cx, report(Err(JobError::TooMany(JOBS_MOST))));
            return;
        }
        let clock = Arc::clone(&self.kernel.world.clock);
        self.jobs.spawn(async move {
            let outcome = tokio::select! {
                biased;
                () = cx.cancelled() => Err(JobError::Cancelled),
                outcome = AssertUnwindSafe(work).catch_unwind() => outcome.map_err(|panic| JobError::Panicked(panic_text(&*panic))),
                () = tokio::time::sleep_until(cx.deadline()) => Err(JobError::TimedOut),
            };
            let report_cx = Cx::housekeeping(clock.now(), REPORT_LIMIT).with_privacy(cx.privacy());
            let _ = address.report(&report_cx, report(outcome));
        });
    }

    /// Starts work whose outcome nobody needs, under `cx`'s deadline and cancellation.
    pub fn jot(&mut self, cx: &Cx, work: impl Future<Output = ()> + Send + 'static) {
        while self.jobs.try_join_next().is_some() {}
        if self.jobs.len() >= JOBS_MOST {
            tracing::error!(actor = self.path(), "too many jobs: one was not started");
            return;
        }
        let cx = cx.clone();
        self.jobs.spawn(async move {
            tokio::select! {
                biased;
                () = cx.cancelled() => {}
                () = work => {}
                () = tokio::time::sleep_until(cx.deadline()) => {}
            }
        });
    }

    /// Tells itself something whenever a watched value has changed. Changes in quick succession are told once.
    pub fn follow<T: Send + Sync + 'static>(
        &mut self,
        mut watched: watch::Receiver<T>,
        told: impl Fn() -> M + Send + 'static,
    ) {
        let (address, clock) = (self.address.clone(), Arc::clone(&self.kernel.world.clock));
        self.jobs.spawn(async move {
            while watched.changed().await.is_ok() {
                let _ = address.report(&Cx::housekeeping(clock.now(), REPORT_LIMIT), told());
            }
        });
    }

    /// Tells itself something after a while.
    pub fn after(&mut self, delay: Duration, message: M) {
        while self.jobs.try_join_next().is_some() {}
        let (address, clock) = (self.address.clone(), Arc::clone(&self.kernel.world.clock));
        self.jobs.spawn(async move {
            tokio::time::sleep(delay).await;
            let _ = address.report(&Cx::housekeeping(clock.now(), REPORT_LIMIT), message);
        });
    }
}

/// A report waits behind other reports only, so an hour is as good as for ever, and still a limit.
const REPORT_LIMIT: Duration = Duration::from_secs(3600);

/// The text of a panic, as `panic!` and `assert!` write it.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a value that is no text".to_owned()
    }
}
