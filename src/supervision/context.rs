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
use super::asker::{self, Mark};
use super::life::Kernel;
use super::mailbox::{Envelope, Lane, Tenant};
use super::registry::{Entry, Registry};
use crate::types::{Cx, PrivacyClass, World};

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

/// What an actor has at hand. Its jobs and timers end with it, at their next await, and what they report reaches only
/// the life that started them.
pub struct Context<M> {
    entry: Arc<Entry>,
    address: Address<M>,
    kernel: Arc<Kernel>,
    tenant: Tenant,
    /// Made with the first job: most actors of a large pool never have one.
    jobs: Option<JoinSet<()>>,
    ends: bool,
}

impl<M: Send + 'static> Context<M> {
    pub(super) fn new(entry: Arc<Entry>, address: Address<M>, kernel: Arc<Kernel>, tenant: Tenant) -> Context<M> {
        Context { entry, address, kernel, tenant, jobs: None, ends: false }
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

    /// Shows this view of itself from now on. It is kept as it is, and becomes JSON when somebody looks.
    pub fn publish<V: Serialize + Clone + Send + Sync + 'static>(&self, view: &V) {
        self.entry.publish(view);
    }

    /// Ends after this message, by its own decision.
    pub fn end(&mut self) {
        self.ends = true;
    }

    pub(super) fn ends(&self) -> bool {
        self.ends
    }

    pub(super) fn tenant(&self) -> Tenant {
        self.tenant
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The context for work that takes a place of this actor until it is done. Under it the actor is not asked again:
    /// with all places taken by work that waits for a place, none would ever be free.
    pub fn holding(&self, cx: &Cx) -> Cx {
        cx.asked_by(&self.address.queue.mark().path, true)
    }

    /// Starts work that may wait, under `cx`'s deadline and cancellation. Its outcome comes back as a message, ahead of
    /// user mail, exactly once; a panic inside is an outcome too.
    pub fn job<T: Send + 'static>(
        &mut self,
        cx: &Cx,
        work: impl Future<Output = T> + Send + 'static,
        report: impl FnOnce(Result<T, JobError>) -> M + Send + 'static,
    ) {
        let (cx, privacy, reporter) = (cx.clone(), cx.privacy(), self.reporter());
        if self.running() >= JOBS_MOST {
            reporter.report(privacy, report(Err(JobError::TooMany(JOBS_MOST))));
            return;
        }
        let mark = self.mark();
        self.jobs.get_or_insert_default().spawn(asker::under(mark, async move {
            let outcome = tokio::select! {
                biased;
                () = cx.cancelled() => Err(JobError::Cancelled),
                outcome = AssertUnwindSafe(work).catch_unwind() => {
                    outcome.map_err(|panic| JobError::Panicked(panic_text(&*panic)))
                }
                () = tokio::time::sleep_until(cx.deadline()) => Err(JobError::TimedOut),
            };
            reporter.report(privacy, report(outcome));
        }));
    }

    /// The same for code that somebody else wrote and that may hold its thread: it gets one of its own.
    pub fn guest<T: Send + 'static>(
        &mut self,
        cx: &Cx,
        work: impl Future<Output = T> + Send + 'static,
        report: impl FnOnce(Result<T, JobError>) -> M + Send + 'static,
    ) {
        let hosted = self.kernel.registry.guests.clone().host(Arc::clone(&self.entry), self.mark(), work);
        self.job(cx, hosted, |outcome| report(outcome.and_then(|outcome| outcome)));
    }

    /// Starts work whose outcome nobody needs, under `cx`'s deadline and cancellation.
    pub fn jot(&mut self, cx: &Cx, work: impl Future<Output = ()> + Send + 'static) {
        if self.running() >= JOBS_MOST {
            tracing::error!(actor = self.path(), most = JOBS_MOST, "job dropped: too many jobs and timers");
            return;
        }
        let (cx, mark) = (cx.clone(), self.mark());
        self.jobs.get_or_insert_default().spawn(asker::under(mark, async move {
            tokio::select! {
                biased;
                () = cx.cancelled() => {}
                () = work => {}
                () = tokio::time::sleep_until(cx.deadline()) => {}
            }
        }));
    }

    /// Tells itself something whenever a watched value has changed. Changes in quick succession are told once.
    pub fn follow<T: Send + Sync + 'static>(
        &mut self,
        mut watched: watch::Receiver<T>,
        told: impl Fn() -> M + Send + 'static,
    ) {
        let reporter = self.reporter();
        self.jobs.get_or_insert_default().spawn(async move {
            while watched.changed().await.is_ok() {
                reporter.report(PrivacyClass::Public, told());
            }
        });
    }

    /// Tells itself something after a while. Timers count as jobs; one too many is dropped and logged.
    pub fn after(&mut self, delay: Duration, message: M) {
        if self.running() >= JOBS_MOST {
            self.address.queue.stats.count_dropped(1);
            tracing::error!(actor = self.path(), most = JOBS_MOST, "timer dropped: too many jobs and timers");
            return;
        }
        let reporter = self.reporter();
        self.jobs.get_or_insert_default().spawn(async move {
            tokio::time::sleep(delay).await;
            reporter.report(PrivacyClass::Public, message);
        });
    }

    /// How many jobs and timers run, after the finished ones were cleared away.
    fn running(&mut self) -> usize {
        let Some(jobs) = &mut self.jobs else { return 0 };
        while jobs.try_join_next().is_some() {}
        jobs.len()
    }

    /// What its jobs run under: they leave the actor free.
    fn mark(&self) -> Mark {
        Mark { held: false, ..self.address.queue.mark() }
    }

    fn reporter(&self) -> Reporter<M> {
        Reporter { address: self.address.clone(), tenant: self.tenant }
    }
}

/// The way back from a job to the life that started it.
struct Reporter<M> {
    address: Address<M>,
    tenant: Tenant,
}

impl<M: Send + 'static> Reporter<M> {
    /// The report has its own deadline: a job that timed out must still be able to say so.
    fn report(&self, privacy: PrivacyClass, message: M) {
        let now = self.address.queue.clock.now();
        let cx = Cx::housekeeping(now, REPORT_LIMIT);
        let cx = if privacy == PrivacyClass::Public { cx } else { cx.with_privacy(privacy) };
        let reported = self.address.queue.push(Lane::Report(self.tenant), Envelope { message, cx, sent: now });
        if reported.is_err() {
            self.address.queue.stats.count_dropped(1);
        }
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
