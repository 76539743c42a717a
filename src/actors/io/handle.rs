//! What others may ask of IO, and how its pool is put into the tree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::actor::{Open, Shell};
use super::asking::Size;
use super::message::{Arrival, Message};
use super::parking::Passed;
use super::pipeline::Pipeline;
use super::prompt::whole;
use super::resumer::Resumer;
use super::{Answer, Config, Progress, Task, Waiting, Worth};
use crate::actors::{agent, crown, inbox, router};
use crate::inference::Embedder;
use crate::store::{self, Journal};
use crate::supervision::{Address, Child, Failure, Mailbox, Overflow, Shutdown, Strategy, Tree};
use crate::types::{Class, Cx, RunId, World};
use crate::ziggy::explain::Explain;
use crate::ziggy::{Classification, Door, IntentModel, budget, ladder, privacy, route};

/// Why a run has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The task makes no sense.
    #[error("could not take the task: {0}")]
    Invalid(String),
    /// The task is larger than allowed: what is too large, how large it may be, and the key of the limit.
    #[error("could not take the task: {0}")]
    TooLarge(String),
    /// Too many runs are under way.
    #[error("could not take the task: {limit} runs are under way already")]
    Busy {
        /// The limit.
        limit: usize,
    },
    /// Tasks under way have as many bytes as they may.
    #[error("could not take the task: tasks of nearly {limit} bytes are under way already (io.tasks_bytes_max)")]
    Crowded {
        /// The limit.
        limit: usize,
    },
    /// No candidate may serve it.
    #[error("could not route the task: {reason}")]
    Refused {
        /// What kind of constraint stood in the way.
        class: Class,
        /// In words: the constraint, and what would satisfy it.
        reason: String,
    },
    /// No candidate that may serve it has a budget with enough left for it; this is what stood in the way of the last.
    #[error("could not reserve a budget: {}", refusal.words().join(" "))]
    Budget {
        /// Which budget, and how much it has.
        refusal: Box<budget::Refusal>,
        /// How long until its window ends, if it does.
        wait: Option<Duration>,
    },
    /// Every candidate that may serve it failed; this is what the last one said.
    #[error("could not get an answer from {candidate}: {error}")]
    Agent {
        /// Who.
        candidate: String,
        /// What it said.
        #[source]
        error: Box<agent::Error>,
    },
    /// The journal did not take it.
    #[error("could not record the run: {0}")]
    Journal(#[from] store::Error),
    /// The run is not under way here.
    #[error("could not wait for run {0}: it is not under way")]
    NotRunning(RunId),
    /// The work on the run broke.
    #[error("could not finish the run: {0}")]
    Broken(String),
    /// It waits for people. It goes on without its caller.
    #[error("could not finish the run yet: {}", .0.reason)]
    Parked(Box<Waiting>),
    /// People decided against it.
    #[error("could not finish the run: {0}")]
    Denied(String),
    /// The inbox did not take it, or has lost it.
    #[error("could not have the run decided on: {0}")]
    Review(#[from] inbox::Error),
    /// Somebody stopped the run, or nobody waited for it any more.
    #[error("could not finish the run: it was cancelled")]
    Cancelled,
    /// The actor did not answer.
    #[error(transparent)]
    Delivery(#[from] Failure),
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Invalid(_) | Error::TooLarge(_) => Class::Invalid,
            Error::Busy { .. } | Error::Crowded { .. } | Error::Budget { .. } => Class::Exhausted,
            Error::Refused { class, .. } => *class,
            Error::Agent { error, .. } => error.class(),
            Error::Journal(error) => error.class(),
            Error::NotRunning(_) => Class::NotFound,
            Error::Broken(_) => Class::Internal,
            Error::Parked(_) => Class::Conflict,
            Error::Denied(_) => Class::Denied,
            Error::Review(error) => error.class(),
            Error::Cancelled => Class::Cancelled,
            Error::Delivery(failure) => failure.class(),
        }
    }
}

/// What a run works with.
#[derive(Clone)]
pub struct Parts {
    /// Where everything is recorded.
    pub journal: Arc<dyn Journal>,
    /// What makes vectors of prompts.
    pub embedder: Arc<dyn Embedder>,
    /// What intents look like.
    pub intents: Arc<IntentModel>,
    /// How texts are cut.
    pub chunk: crate::ziggy::chunk::Policy,
    /// Who decides where people have to.
    pub inbox: inbox::Handle,
    /// Who is the next hop.
    pub router: router::Handle,
    /// Who may start.
    pub crown: crown::Handle,
    /// Who works, by name.
    pub agents: Arc<BTreeMap<String, agent::Handle>>,
    /// What is done when the first choice does not serve.
    pub ladder: Arc<ladder::Config>,
    /// Where data may be.
    pub privacy: Arc<privacy::Config>,
}

/// Reaches the pool of io actors.
#[derive(Clone)]
pub struct Handle {
    pool: Arc<[Address<Message>]>,
    pipeline: Arc<Pipeline>,
    world: World,
}

/// News that may wait for a slow reader before the work waits with it.
const NEWS_WAITING: usize = 256;

/// Mail of the one who resumes parked runs: its own reports only.
const REPORTS: usize = 64;

/// An io actor that fails loses its runs, so a pool that fails ten times in ten seconds is better stopped.
const RESTARTS: u32 = 10;
const PERIOD: Duration = Duration::from_secs(10);

impl Handle {
    /// The pool as a row of the tree, and its handle.
    pub fn launch(parts: Parts, config: Config, world: &World) -> (Handle, Child) {
        let pipeline = Arc::new(Pipeline::new(parts, config, world.clone()));
        let mut tree = Tree::new("io", Strategy::OneForOne).intensity(RESTARTS, PERIOD);
        let mut pool = Vec::new();
        for number in 1..=config.pool.max(1) {
            let address = Address::new(Mailbox::new(config.runs_most.max(1), Overflow::Refuse), world);
            let (shared, open) = (Arc::clone(&pipeline), Open::default());
            let make = move || Shell::new(Arc::clone(&shared), open.clone());
            let child =
                Child::actor(format!("io-{number}"), &address, make).shutdown(Shutdown::After(Duration::from_secs(5)));
            tree = tree.child(child);
            pool.push(address);
        }
        let handle = Handle { pool: pool.into(), pipeline, world: world.clone() };
        let (mailbox, io) = (Address::new(Mailbox::new(REPORTS, Overflow::Refuse), world), handle.clone());
        let tree = tree.child(Child::actor("resumer", &mailbox, move || Resumer::new(io.clone())));
        (handle, Child::tree(tree))
    }

    /// The io actor a run belongs to: the same one for everybody who asks for that run.
    fn home(&self, run: RunId) -> &Address<Message> {
        let place = run.spread() % self.pool.len() as u64;
        &self.pool[usize::try_from(place).unwrap_or(0)]
    }

    fn arrival(&self, cx: &Cx, task: Task, news: mpsc::Sender<Progress>) -> Result<Box<Arrival>, Error> {
        self.pipeline.check(&task)?;
        let room =
            Arc::clone(&self.pipeline.room).try_acquire_many_owned(u32::try_from(task.bytes()).unwrap_or(u32::MAX));
        let run = RunId::new(&self.world);
        let Ok(room) = room else {
            self.home(run).count_refused();
            return Err(Error::Crowded { limit: self.pipeline.config().tasks_bytes_max });
        };
        let within = Duration::from_secs(self.pipeline.config().run_within_s);
        let cx = self.pipeline.bound(cx, &task)?.with_run(run).with_deadline(self.world.clock.now() + within);
        Ok(Box::new(Arrival { run, cx, task, news, passed: Passed::default(), _room: Some(room) }))
    }

    /// Does a task and returns its answer, showing progress on the way. Giving up on the answer stops the work (IO4).
    pub async fn route(&self, cx: &Cx, task: Task, news: mpsc::Sender<Progress>) -> Result<Answer, Error> {
        self.begin(cx, task, news)?.1.await
    }

    /// The same, for who needs the run's id at once: the id, and the work, which begins when it is awaited. Somebody else
    /// may be told the id when the news say so, or when the journal has been flushed after that.
    pub fn begin(
        &self,
        cx: &Cx,
        task: Task,
        news: mpsc::Sender<Progress>,
    ) -> Result<(RunId, impl Future<Output = Result<Answer, Error>> + Send + use<>), Error> {
        let cx = cx.child();
        let stop_with_caller = cx.cancel_token().clone().drop_guard();
        let arrival = self.arrival(&cx, task, news)?;
        let (run, cx, home) = (arrival.run, arrival.cx.clone(), self.home(arrival.run).clone());
        let work = async move {
            let _stop_with_caller = stop_with_caller;
            home.call(&cx, |reply| Message::Route { arrival, reply }).await.map_err(Failure::from)?
        };
        Ok((run, work))
    }

    /// Takes a task in and returns its run once the journal has it; the work goes on without the caller (IO2).
    pub async fn accept(&self, cx: &Cx, task: Task) -> Result<RunId, Error> {
        // The caller's own deadline is for the acknowledgement only, so the run gets a context of its own.
        let within = Duration::from_secs(self.pipeline.config().run_within_s);
        let own = Cx::new(cx.trace(), cx.principal().clone(), self.world.clock.now() + within, cx.budget());
        let (news, _) = mpsc::channel(NEWS_WAITING);
        let arrival = self.arrival(&own, task, news)?;
        let home = self.home(arrival.run);
        home.call(cx, |reply| Message::Accept { arrival, reply }).await.map_err(Failure::from)?
    }

    /// Waits for the answer of a run that is under way.
    pub async fn wait(&self, cx: &Cx, run: RunId) -> Result<Answer, Error> {
        self.home(run).call(cx, |reply| Message::Wait { run, reply }).await.map_err(Failure::from)?
    }

    /// Stops a run. False if it is not under way.
    pub async fn cancel(&self, cx: &Cx, run: RunId) -> Result<bool, Error> {
        Ok(self.home(run).call_control(cx, |reply| Message::Cancel { run, reply }).await.map_err(Failure::from)?)
    }

    /// Counts up when items of parked runs are closed.
    pub(super) fn closings(&self) -> watch::Receiver<u64> {
        self.pipeline.parts.inbox.closings()
    }

    /// Has every closed item acted on whose run has not heard of it. One that cannot be now holds up no other.
    pub(super) async fn settle_all(&self, cx: &Cx) -> Result<(), Error> {
        let mut last = Ok(());
        let closed = self.pipeline.parts.inbox.unsettled().await?;
        // What is about a call of a tool is for whoever makes calls.
        for item in closed.into_iter().filter(|item| !item.kind.is_of_a_call()) {
            let (home, item) = (self.home(item.run), Box::new(item));
            let settled = home.call(cx, |reply| Message::Settle { item, reply }).await.map_err(Failure::from);
            if let Err(error) = settled.map_err(Error::from).and_then(|settled| settled) {
                last = Err(error);
            }
        }
        last
    }

    /// The context of a caller, for data that may be where the configuration lets it and these regions do.
    pub fn within(&self, cx: &Cx, regions: &[String]) -> Result<Cx, Error> {
        self.pipeline.bound(cx, &Task { residency: regions.to_vec(), ..Task::default() })
    }

    /// What a task is, without doing it.
    pub async fn classify(&self, cx: &Cx, task: &Task) -> Result<Classification, Error> {
        self.pipeline.check(task)?;
        self.pipeline.classify(cx, task).await
    }

    /// What stands at the doors of these candidates for such a request, in order. Nothing is counted by looking.
    pub fn doors(&self, cx: &Cx, request: &route::Request, value: Worth, candidates: &[String]) -> Vec<Door> {
        self.pipeline.doors(cx, request, value, candidates)
    }

    /// Where a task of this kind would go now, without sending it there.
    pub fn next_hop(&self, cx: &Cx, task: &Task, class: &Classification) -> route::Decision {
        let size = Size { tokens: class.tokens, bytes: whole(task).len() as u64 };
        self.pipeline.decide(cx, task, class, size)
    }
}
