//! What others may ask of a supervisor, and the root of a tree.

use std::sync::Arc;

use parking_lot::Mutex;
use ractor::{ActorProcessingErr, ActorRef};
use tokio::sync::{oneshot, watch};

use super::{Birth, Births, Input, Kernel, Key, Life, Live, Message, Phase, Row, Supervise, Table};
use crate::supervision::actor::spawn_failure;
use crate::supervision::failure::Failure;
use crate::supervision::registry::Registry;
use crate::supervision::spec::{Child, Exit, Tree};
use crate::types::{Class, Cx, World};

/// Where a supervisor is reached in its present life.
#[derive(Default)]
pub(in crate::supervision) struct Link {
    target: Mutex<Option<ActorRef<Message>>>,
}

impl Link {
    pub(super) fn set(&self, target: Option<ActorRef<Message>>) {
        *self.target.lock() = target;
    }

    pub(super) fn send(&self, message: Message) -> bool {
        self.target.lock().as_ref().is_some_and(|target| target.send_message(message).is_ok())
    }
}

/// Why a supervisor could not do as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no such child.
    #[error("could not find a child named {0:?}")]
    Unknown(String),
    /// The id is taken.
    #[error("could not add a child named {0:?}: there is one already")]
    Exists(String),
    /// Its start hook failed.
    #[error("could not start {child:?}: {reason}")]
    Start {
        /// Which child.
        child: String,
        /// What the hook said.
        reason: String,
    },
    /// The supervisor did not answer.
    #[error(transparent)]
    Delivery(#[from] Failure),
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Unknown(_) => Class::NotFound,
            Error::Exists(_) => Class::Conflict,
            Error::Start { .. } => Class::Unavailable,
            Error::Delivery(failure) => failure.class(),
        }
    }
}

/// What is asked of a supervisor.
pub(in crate::supervision) struct Ask {
    what: What,
    reply: oneshot::Sender<Result<(), Error>>,
}

enum What {
    /// A child joins at the end of the table.
    Add(Child),
    /// It is stopped and leaves the table.
    Remove(String),
    /// It is stopped and stays down.
    Hold(String),
    /// It may run again.
    Release(String),
    /// It is stopped and started, without counting as a failure.
    Restart(String),
}

/// An answer that waits for a child to get somewhere.
pub(super) struct Pending {
    key: Key,
    until: Until,
    reply: oneshot::Sender<Result<(), Error>>,
}

enum Until {
    Up { after: Life },
    Down,
    Removed,
}

/// Asks a supervisor to change its table. Cheap to clone; valid across restarts of the supervisor.
#[derive(Clone)]
pub struct Handle {
    pub(in crate::supervision) link: Arc<Link>,
}

impl Handle {
    /// Adds a child and returns when it is up.
    pub async fn add(&self, cx: &Cx, child: Child) -> Result<(), Error> {
        self.ask(cx, What::Add(child)).await
    }

    /// Stops a child, takes it out of the table and returns when it is down.
    pub async fn remove(&self, cx: &Cx, id: &str) -> Result<(), Error> {
        self.ask(cx, What::Remove(id.to_owned())).await
    }

    /// Stops a child and keeps it down until it is released.
    pub async fn hold(&self, cx: &Cx, id: &str) -> Result<(), Error> {
        self.ask(cx, What::Hold(id.to_owned())).await
    }

    /// Starts a held or finished child again.
    pub async fn release(&self, cx: &Cx, id: &str) -> Result<(), Error> {
        self.ask(cx, What::Release(id.to_owned())).await
    }

    /// Stops and starts a child; this is not counted as a failure.
    pub async fn restart(&self, cx: &Cx, id: &str) -> Result<(), Error> {
        self.ask(cx, What::Restart(id.to_owned())).await
    }

    async fn ask(&self, cx: &Cx, what: What) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        if !self.link.send(Message::Ask(Ask { what, reply })) {
            return Err(Failure::Restarting.into());
        }
        tokio::select! {
            biased;
            answer = answer => answer.unwrap_or_else(|_| Err(Failure::Restarting.into())),
            () = cx.cancelled() => Err(Failure::Cancelled.into()),
            () = tokio::time::sleep_until(cx.deadline()) => Err(Failure::TimedOut.into()),
        }
    }
}

impl Live {
    fn find(&self, id: &str) -> Result<Key, Error> {
        self.names.get(id).copied().ok_or_else(|| Error::Unknown(id.to_owned()))
    }

    pub(super) fn ask(&mut self, ask: Ask) -> Result<(), ActorProcessingErr> {
        let Ask { what, reply } = ask;
        let (key, until, input) = match self.plan_for(what) {
            Ok(planned) => planned,
            Err(error) => {
                let _ = reply.send(Err(error));
                return Ok(());
            }
        };
        self.pending.push(Pending { key, until, reply });
        self.drive(input)
    }

    fn plan_for(&mut self, what: What) -> Result<(Key, Until, Input), Error> {
        let life = |live: &Live, key| live.plan.member(key).map_or(Life(0), |member| member.life);
        Ok(match what {
            What::Add(child) => {
                if self.names.contains_key(child.id()) {
                    return Err(Error::Exists(child.id));
                }
                let row = Row::new(child, &self.path);
                (self.adopt(&row), Until::Up { after: Life(0) }, Input::Begin)
            }
            What::Remove(id) => {
                let key = self.find(&id)?;
                (key, Until::Removed, Input::Remove(key))
            }
            What::Hold(id) => {
                let key = self.find(&id)?;
                (key, Until::Down, Input::Hold(key))
            }
            What::Release(id) => {
                let key = self.find(&id)?;
                let up = self.plan.member(key).is_some_and(|member| member.phase == Phase::Up);
                let after = life(self, key);
                (key, Until::Up { after: if up { Life(0) } else { after } }, Input::Release(key))
            }
            What::Restart(id) => {
                let key = self.find(&id)?;
                (key, Until::Up { after: life(self, key) }, Input::Restart(key))
            }
        })
    }

    /// Answers those whose child got where they wanted it.
    pub(super) fn answer_pending(&mut self) {
        let plan = &self.plan;
        let reached = |pending: &mut Pending| match (plan.member(pending.key), &pending.until) {
            (None, _) => true,
            (Some(member), Until::Up { after }) => member.phase == Phase::Up && member.life > *after,
            (Some(member), Until::Down) => member.phase == Phase::Down,
            (Some(_), Until::Removed) => false,
        };
        for pending in self.pending.extract_if(.., reached) {
            let _ = pending.reply.send(Ok(()));
        }
    }

    /// Tells whoever added a child that it could not start.
    pub(super) fn fail_pending(&mut self, key: Key, reason: String) {
        let child = self.slots.get(&key).map(|slot| slot.id.clone()).unwrap_or_default();
        for pending in self.pending.extract_if(.., |pending| pending.key == key) {
            let _ = pending.reply.send(Err(Error::Start { child: child.clone(), reason: reason.clone() }));
        }
    }
}

/// The root supervisor of one host. Dropping it does not stop the tree; [`Root::shutdown`] does.
pub struct Root {
    reference: ActorRef<Message>,
    ended: watch::Receiver<Option<Exit>>,
}

impl Root {
    /// Starts a tree and returns when every child is up, or says which could not start.
    pub async fn start(tree: Tree, world: World, registry: Arc<Registry>) -> Result<Root, Error> {
        let table = Table::new(tree, "");
        let path = table.path.clone();
        let entry = registry.entry(&path, true, table.policy());
        let rows = Arc::clone(&table.rows);
        let kernel = Kernel { world, registry };
        let birth = Birth { entry, kernel, births: Births::default(), key: Key(0), life: Life(1) };
        let (ready, up) = oneshot::channel();
        let started = ractor::Actor::spawn(None, Supervise { table }, (birth, ready)).await;
        let failed = |reason| Error::Start { child: path.clone(), reason };
        let (reference, task) = started.map_err(|error| failed(spawn_failure(error)))?;
        let (ending, ended) = watch::channel(None);
        let last = reference.clone();
        #[expect(clippy::disallowed_methods, reason = "the root has no supervisor whose job this could be")]
        tokio::spawn(async move {
            let _ = task.await;
            rows.iter().for_each(|row| row.start.close());
            let stopped = last.get_status() == ractor::ActorStatus::Stopped;
            ending.send_replace(Some(if stopped { Exit::Stopped } else { Exit::Killed }));
        });
        match up.await {
            Ok(Ok(())) => Ok(Root { reference, ended }),
            Ok(Err(reason)) => Err(failed(reason)),
            Err(_) => Err(failed("ended while starting".to_owned())),
        }
    }

    /// Stops the tree in reverse order and returns when all of it is down. Past the deadline the rest is killed.
    pub async fn shutdown(&self, cx: &Cx) -> Result<(), Failure> {
        let _ = self.reference.send_message(Message::Input(Input::Stop));
        let mut ended = self.ended.clone();
        let all_down = ended.wait_for(Option::is_some);
        if tokio::time::timeout_at(cx.deadline(), all_down).await.is_ok() {
            return Ok(());
        }
        self.reference.kill();
        Err(Failure::TimedOut)
    }

    /// Returns when the tree has ended, however that came.
    pub async fn ended(&self) {
        let _ = self.ended.clone().wait_for(Option::is_some).await;
    }
}
