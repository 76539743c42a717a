//! What others may ask of a supervisor.

use std::sync::Arc;

use parking_lot::Mutex;
use ractor::ActorRef;
use tokio::sync::{Semaphore, oneshot};

use super::{Input, Key, Life, Live, Message, Phase, Row};
use crate::supervision::failure::Failure;
use crate::supervision::spec::Child;
use crate::types::{Class, Cx};

/// Requests one supervisor works on at a time; more wait for their turn until their deadline. Adding children is the
/// only request that comes in crowds, and this many keep two cores busy with starting them.
const ASKS_MOST: usize = 1_024;

/// Where a supervisor is reached in its present life.
pub(in crate::supervision) struct Link {
    target: Mutex<Target>,
    asks: Semaphore,
}

enum Target {
    Between,
    At(ActorRef<Message>),
    Closed,
}

impl Default for Link {
    fn default() -> Link {
        Link { target: Mutex::new(Target::Between), asks: Semaphore::new(ASKS_MOST) }
    }
}

impl Link {
    pub(super) fn open(&self, target: ActorRef<Message>) {
        *self.target.lock() = Target::At(target);
    }

    pub(super) fn suspend(&self) {
        let mut target = self.target.lock();
        if !matches!(*target, Target::Closed) {
            *target = Target::Between;
        }
    }

    pub(super) fn close(&self) {
        *self.target.lock() = Target::Closed;
    }

    fn send(&self, message: Message) -> Result<(), Failure> {
        match &*self.target.lock() {
            Target::At(target) => target.send_message(message).map_err(|_| Failure::Restarting),
            Target::Between => Err(Failure::Restarting),
            Target::Closed => Err(Failure::Gone),
        }
    }

    /// Why a request it had taken was not answered.
    fn why_unanswered(&self) -> Failure {
        if matches!(*self.target.lock(), Target::Closed) { Failure::Gone } else { Failure::Restarting }
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
    /// The id cannot be part of a path.
    #[error("could not add a child named {0:?}: an id is not empty and has no slash")]
    BadId(String),
    /// The supervisor has as many children as it may have.
    #[error("could not add a child named {child:?}: there are {most} already (Tree::children_most)")]
    Full {
        /// Which child.
        child: String,
        /// How many there may be.
        most: usize,
    },
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
            Error::BadId(_) => Class::Invalid,
            Error::Full { .. } => Class::Exhausted,
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
    until: Until,
    reply: oneshot::Sender<Result<(), Error>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        let asked = async {
            let _turn = self.link.asks.acquire().await;
            self.link.send(Message::Ask(Ask { what, reply }))?;
            answer.await.unwrap_or_else(|_| Err(self.link.why_unanswered().into()))
        };
        tokio::select! {
            biased;
            answer = asked => answer,
            () = cx.cancelled() => Err(Failure::Cancelled.into()),
            () = tokio::time::sleep_until(cx.deadline()) => Err(Failure::TimedOut.into()),
        }
    }
}

impl Live {
    fn find(&self, id: &str) -> Result<Key, Error> {
        self.names.get(id).copied().ok_or_else(|| Error::Unknown(id.to_owned()))
    }

    pub(super) fn ask(&mut self, ask: Ask) {
        let Ask { what, reply } = ask;
        match self.plan_for(what) {
            Ok((key, until, input)) => {
                let waiting = self.pending.entry(key).or_default();
                // Those who no longer wait would otherwise stay for as long as the child does not get there.
                waiting.retain(|pending| !pending.reply.is_closed());
                waiting.push(Pending { until, reply });
                self.drive([input]);
            }
            Err(error) => _ = reply.send(Err(error)),
        }
    }

    fn plan_for(&mut self, what: What) -> Result<(Key, Until, Input), Error> {
        let life = |live: &Live, key| live.plan.member(key).map_or(Life(0), |member| member.life);
        Ok(match what {
            What::Add(child) => {
                if self.names.contains_key(child.id()) {
                    return Err(Error::Exists(child.id));
                }
                let most = self.children_most;
                if self.names.len() >= most {
                    return Err(Error::Full { child: child.id, most });
                }
                let row = Row::new(child, self.watch)?;
                (self.adopt(&row, true), Until::Up { after: Life(0) }, Input::Begin)
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
                let after = if up { Life(0) } else { life(self, key) };
                (key, Until::Up { after }, Input::Release(key))
            }
            What::Restart(id) => {
                let key = self.find(&id)?;
                (key, Until::Up { after: life(self, key) }, Input::Restart(key))
            }
        })
    }

    /// Answers those whose child got where they wanted it, or never will.
    pub(super) fn answer_pending(&mut self, key: Key) {
        let Some(waiting) = self.pending.get_mut(&key) else { return };
        let member = self.plan.member(key);
        let reached = |pending: &mut Pending| match (member, pending.until) {
            (None, _) => true,
            (Some(member), Until::Up { after }) => member.phase == Phase::Up && member.life > after,
            (Some(member), Until::Down) => member.phase == Phase::Down,
            (Some(_), Until::Removed) => false,
        };
        for Pending { until, reply } in waiting.extract_if(.., reached) {
            let gone = member.is_none() && matches!(until, Until::Up { .. });
            let _ = reply.send(if gone { Err(Failure::Gone.into()) } else { Ok(()) });
        }
        if waiting.is_empty() {
            self.pending.remove(&key);
        }
    }

    /// Tells whoever added a child that it could not start.
    pub(super) fn fail_pending(&mut self, key: Key, reason: &str) {
        let child = self.slots.get(&key).map(|slot| slot.entry.id().to_owned()).unwrap_or_default();
        for Pending { reply, .. } in self.pending.remove(&key).unwrap_or_default() {
            let _ = reply.send(Err(Error::Start { child: child.clone(), reason: reason.to_owned() }));
        }
    }
}
