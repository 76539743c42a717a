//! The shell around an executor's state: runs calls as jobs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use futures::future::BoxFuture;

use super::Config;
use super::cache::{Cache, Locks};
use super::call::{Invocation, Shared};
use super::doubts;
use super::handle::Error;
use super::health::Pulse;
use super::ledger::forget;
use super::library::{Entry, Library};
use super::likeness::{Likeness, Near, no_embedder};
use super::message::{Message, Work};
use super::people;
use super::ports::Ports;
use super::publishing::Publisher;
use super::state::State;
use crate::actors::line::Arrival;
use crate::supervision::{Actor, Context, Envelope, Fault, JobError, Reply};
use crate::types::{Class, Cx, RunId};

/// How long a call may take to clean up behind itself after its time: a jail that is killed, a secret that is given back.
const GRACE: Duration = Duration::from_secs(10);

/// How often secrets are looked for that nobody gave back, and calls in doubt that nobody was asked about.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// How often keys are looked for whose time is over: they are kept for a day at the least, mostly.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// How long it may take to act on what people said: each takes a commit, and there are at most as many as they can look through.
const HEAR_WITHIN: Duration = Duration::from_secs(60);

/// How long the tests of all published tools may take when a host starts that has not run them yet.
const RECHECK_WITHIN: Duration = Duration::from_secs(3_600);

/// How long vectors of all tools may take: ten thousand of them take a slow embedder some minutes.
const LEARN_WITHIN: Duration = Duration::from_secs(1_800);

/// How long after a failure they are tried again.
const LEARN_AGAIN: Duration = Duration::from_secs(60);

pub(super) struct Shell {
    library: Arc<Library>,
    ports: Ports,
    config: Config,
    state: State<Box<Work>>,
    shared: Option<Arc<Shared>>,
    likeness: Option<Arc<Likeness>>,
    /// What people said is being acted on, and whether they have said more meanwhile.
    hearing: Option<bool>,
}

impl Shell {
    pub(super) fn new(library: Arc<Library>, ports: Ports, config: Config) -> Shell {
        let state = State::new(library.count(), config.concurrency, config.waiting);
        let likeness = ports.embedder.clone().map(|embedder| Arc::new(Likeness::new(embedder)));
        Shell { library, ports, config, state, shared: None, likeness, hearing: None }
    }

    fn run(&self, work: Work, context: &mut Context<Message>) {
        let Work { cx, entry, request, reply } = work;
        let Some(shared) = self.shared.clone() else { return };
        let name = entry.label();
        let id = RunId::new(context.world()).to_string();
        let waits = entry.is_function();
        let job_cx = cx.clone();
        let job = async move {
            let call = Invocation { shared: &shared, entry: &entry, request: &request, cx: &job_cx, id };
            call.make().await.map(Box::new)
        };
        let report = move |outcome: Result<Result<_, Error>, JobError>| {
            let lost = |error: JobError| {
                let class = match error {
                    JobError::Cancelled => Class::Cancelled,
                    JobError::TimedOut => Class::Timeout,
                    JobError::Panicked(_) | JobError::TooMany(_) => Class::Internal,
                };
                Err(Error::Failed { name, class, reason: error.to_string() })
            };
            Message::Called { reply, result: outcome.unwrap_or_else(lost) }
        };
        if waits {
            // Somebody else's code may hold its thread; then it is left behind when its time is over.
            return context.guest(&cx, job, report);
        }
        // The call ends itself when its caller gives up, and then still has things to give back.
        let left = cx.deadline().saturating_duration_since(context.now());
        let outer = Cx::housekeeping(context.now(), left + GRACE);
        context.job(&outer, job, report);
    }

    /// Changes what there is: one change after another, since each is judged by what the one before has left.
    fn manage(
        &self,
        cx: Cx,
        context: &mut Context<Message>,
        work: impl for<'p> FnOnce(&'p Publisher<'p>) -> BoxFuture<'p, ()> + Send + 'static,
    ) {
        let Some(shared) = self.shared.clone() else { return };
        let library = Arc::clone(&self.library);
        let job_cx = cx.clone();
        let job = async move {
            let _one_at_a_time = shared.changing.lock().await;
            let publisher = Publisher { shared: &shared, library: &library, cx: &job_cx };
            work(&publisher).await;
        };
        // Whoever asked hears nothing of a job that is ended before it has answered, and so that it was.
        context.job(&cx, job, |_| Message::Done);
    }

    /// Runs the tests of what this build of the host has not tested yet. What fails is not called any more.
    fn recheck(&self, context: &mut Context<Message>) {
        let Some(shared) = self.shared.clone() else { return };
        let library = Arc::clone(&self.library);
        let cx = Cx::housekeeping(context.now(), RECHECK_WITHIN);
        let job_cx = cx.clone();
        context.jot(&cx, async move {
            let publisher = Publisher { shared: &shared, library: &library, cx: &job_cx };
            if let Err(error) = publisher.recheck_all().await {
                tracing::error!(%error, "published tools could not be tested");
            }
        });
    }

    fn pulses(&self, id: &str) -> BTreeMap<String, Pulse> {
        let Some(shared) = &self.shared else { return BTreeMap::new() };
        let pulse = |entry: Entry| {
            let health = shared.health.get(&entry.ready.hash)?;
            Some((entry.ready.tool.version.to_string(), health.pulse(None)))
        };
        self.library.versions(id).into_iter().filter_map(pulse).collect()
    }

    /// Looks after secrets that were not given back.
    fn sweep(&self, context: &mut Context<Message>) {
        if self.ports.secrets.is_some() || self.ports.people.is_some() {
            context.after(SWEEP_EVERY, Message::Sweep);
        }
        let Some(secrets) = self.ports.secrets.clone() else { return };
        let cx = Cx::housekeeping(context.now(), SWEEP_EVERY);
        let job_cx = cx.clone();
        context.jot(&cx, async move {
            if let Err(error) = secrets.sweep(&job_cx, false).await {
                tracing::warn!(%error, "secrets could not be taken back, and will be tried again");
            }
        });
    }

    /// Acts on what people said of calls.
    fn hear(&mut self, context: &mut Context<Message>) {
        let Some(shared) = self.shared.clone().filter(|shared| shared.ports.people.is_some()) else { return };
        if let Some(more) = &mut self.hearing {
            *more = true;
            return;
        }
        self.hearing = Some(false);
        let cx = Cx::housekeeping(context.now(), HEAR_WITHIN);
        let own = cx.clone();
        context.job(&cx, async move { people::hear(&shared, &own).await }, |_| Message::Heard);
    }

    /// Lets go of keys whose time is over.
    fn forget(&self, context: &mut Context<Message>) {
        let Some(shared) = self.shared.clone() else { return };
        context.jot(&Cx::housekeeping(context.now(), FORGET_EVERY), async move {
            if let Err(error) = forget(&shared).await {
                tracing::warn!(%error, "keys whose time is over could not be let go of, and will be tried again");
            }
        });
        context.after(FORGET_EVERY, Message::Forget);
    }

    /// Makes the vectors of tools that have none yet.
    fn learn(&mut self, context: &mut Context<Message>) {
        let Some(likeness) = self.likeness.clone() else { return };
        let change = *self.library.changes().borrow();
        if !self.state.learning.begins(change) {
            return;
        }
        let library = Arc::clone(&self.library);
        let cx = Cx::housekeeping(context.now(), LEARN_WITHIN);
        let job_cx = cx.clone();
        let job = async move { likeness.learn(&job_cx, &library).await };
        context.job(&cx, job, |outcome| {
            let failed = match outcome {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            Message::Learned { failed }
        });
    }

    /// Goes on with what came meanwhile, or tries again after a while.
    fn learned(&mut self, failed: Option<String>, context: &mut Context<Message>) {
        self.state.learning.ended(failed.is_none());
        match failed {
            None => self.learn(context),
            Some(reason) => {
                tracing::warn!(reason, "tools are not found by likeness yet, which will be tried again");
                context.after(LEARN_AGAIN, Message::Learn);
            }
        }
    }

    /// Says how near tools are to a text.
    fn near(&self, (cx, text): (Cx, String), reply: Reply<Result<Near, Error>>, context: &mut Context<Message>) {
        let Some(likeness) = self.likeness.clone() else { return reply.send(Err(no_embedder())) };
        let job_cx = cx.clone();
        let job = async move { reply.send(likeness.near(&job_cx, text).await) };
        // Whoever asked hears nothing of a job that is ended before it has answered, and so that it was.
        context.job(&cx, job, |_| Message::Done);
    }

    fn publish(&mut self, context: &Context<Message>) {
        let cached = self.shared.as_ref().map_or(0, |shared| shared.cache.len());
        self.state.know(self.library.count(), cached);
        context.publish(self.state.view());
    }
}

impl Actor for Shell {
    type Message = Message;

    async fn start(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        self.shared = Some(Arc::new(Shared {
            ports: self.ports.clone(),
            config: self.config,
            world: context.world().clone(),
            cache: Cache::new(self.config.cache_bytes_max),
            locks: Locks::default(),
            places: DashMap::new(),
            health: DashMap::new(),
            rooms: DashMap::new(),
            library: Arc::clone(&self.library),
            changing: tokio::sync::Mutex::default(),
            source: context.path().to_owned(),
        }));
        self.publish(context);
        self.sweep(context);
        self.forget(context);
        self.recheck(context);
        self.learn(context);
        if let Some(people) = &self.ports.people {
            context.follow(people.closings(), || Message::Hear);
        }
        self.hear(context);
        Ok(())
    }

    async fn handle(&mut self, envelope: Envelope<Message>, context: &mut Context<Message>) -> Result<(), Fault> {
        match envelope.message {
            Message::Call(mut work) => {
                work.cx = work.cx.on_the_way_of(&envelope.cx);
                match self.state.call(work) {
                    Arrival::Enters(work) => self.run(*work, context),
                    Arrival::Waits => {}
                    Arrival::Refused(work) => {
                        let name = work.entry.label();
                        work.reply.send(Err(Error::Full { name }));
                    }
                }
            }
            Message::Called { reply, result } => {
                let next = self.state.called(result.is_ok());
                reply.send(result.map(|answer| *answer));
                if let Some(work) = next {
                    self.run(*work, context);
                }
            }
            Message::Publish { cx, package, stage, reply } => {
                self.manage(cx, context, move |publisher| {
                    Box::pin(async move { reply.send(publisher.publish(*package, stage).await) })
                });
            }
            Message::Test { cx, package, reply } => {
                self.manage(cx, context, move |publisher| {
                    Box::pin(async move { reply.send(publisher.test(*package).await) })
                });
            }
            Message::Retire { cx, id, version, reply } => {
                self.manage(cx, context, move |publisher| {
                    Box::pin(async move { reply.send(publisher.retire(&id, &version).await) })
                });
            }
            Message::Stage { cx, id, version, stage, reply } => {
                self.manage(cx, context, move |publisher| {
                    Box::pin(async move { reply.send(publisher.stage(&id, &version, stage).await) })
                });
            }
            Message::Pulses { id, reply } => reply.send(self.pulses(&id)),
            Message::Doubts { cx, reply } => {
                self.manage(cx, context, move |publisher| {
                    Box::pin(async move { reply.send(doubts::open(publisher.shared).await) })
                });
            }
            Message::Settle { cx, invocation, done, reply } => {
                self.manage(cx, context, move |publisher| {
                    let settling = doubts::settle(publisher.shared, publisher.cx, invocation, done);
                    Box::pin(async move { reply.send(settling.await) })
                });
            }
            Message::Near { cx, text, reply } => self.near((cx, text), reply, context),
            Message::Learned { failed } => self.learned(failed, context),
            // What was done may have been a tool that was published.
            Message::Done | Message::Learn => self.learn(context),
            Message::Sweep => {
                self.sweep(context);
                self.hear(context);
            }
            Message::Hear => self.hear(context),
            Message::Heard => {
                if self.hearing.take() == Some(true) {
                    self.hear(context);
                }
            }
            Message::Forget => self.forget(context),
        }
        self.publish(context);
        Ok(())
    }
}
