//! The actor trait, and the one ractor shell that runs every actor of the house.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ractor::{ActorCell, ActorProcessingErr, ActorRef, SpawnErr};

use super::address::Address;
use super::context::Context;
use super::mailbox::{Door, Envelope, Wake};
use super::registry::Status;
use super::supervisor::{Birth, Running, START_LIMIT};

/// Why an actor cannot be trusted any more: it is restarted.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Something that handles messages one at a time. Returning an error from a method means: restart me.
pub trait Actor: Sized + Send + Sync + 'static {
    /// What it can be told.
    type Message: Send + 'static;

    /// Runs before the first message of each life.
    fn start(&mut self, _context: &mut Context<Self::Message>) -> impl Future<Output = Result<(), Fault>> + Send {
        std::future::ready(Ok(()))
    }

    /// Handles one message. Must not wait for another actor or the network: start a job instead.
    fn handle(
        &mut self,
        envelope: Envelope<Self::Message>,
        context: &mut Context<Self::Message>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Runs when it is stopped, but not when it is killed or has failed.
    fn stop(&mut self, _context: &mut Context<Self::Message>) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Messages handled before ractor's loop gets a turn to see a stop or kill that came meanwhile.
const BATCH: usize = 32;

/// Starts one child under a supervisor. A trait object, since the children of a table have different message types.
#[async_trait]
pub(super) trait StartChild: Send + Sync {
    /// Runs the start hook; the birth is noted before the child can end.
    async fn start(&self, birth: Birth, parent: ActorCell) -> Result<Running, String>;
    /// The child is down and will come back: mail waits.
    fn suspend(&self);
    /// The child is down and will not come back: callers must hear so.
    fn close(&self);
    /// How long the start may take.
    fn start_limit(&self) -> Duration;
    /// Asks a child that is still starting to stop; false if it cannot hear that yet.
    fn stop_starting(&self) -> bool;
}

/// What makes the incarnations of one actor.
pub(super) struct Shell<A: Actor> {
    pub(super) address: Address<A::Message>,
    pub(super) make: Arc<dyn Fn() -> A + Send + Sync>,
}

impl<A: Actor> Clone for Shell<A> {
    fn clone(&self) -> Shell<A> {
        Shell { address: self.address.clone(), make: Arc::clone(&self.make) }
    }
}

pub(super) struct Life<A: Actor> {
    actor: A,
    context: Context<A::Message>,
}

#[async_trait]
impl<A: Actor> StartChild for Shell<A> {
    async fn start(&self, birth: Birth, parent: ActorCell) -> Result<Running, String> {
        birth.entry.watch_mailbox(Arc::clone(&self.address.queue));
        let (reference, _) =
            ractor::Actor::spawn_linked(None, self.clone(), birth, parent).await.map_err(spawn_failure)?;
        let (cell, queue) = (reference.get_cell(), Arc::clone(&self.address.queue));
        let stop = move |drain: bool| match drain {
            true => queue.set_door(Door::Draining),
            false => reference.stop(None),
        };
        Ok(Running { cell, stop: Box::new(stop) })
    }

    fn suspend(&self) {
        self.address.queue.set_door(Door::Between);
    }

    fn close(&self) {
        self.address.queue.set_door(Door::Closed);
    }

    fn start_limit(&self) -> Duration {
        START_LIMIT
    }

    fn stop_starting(&self) -> bool {
        false
    }
}

/// Why ractor could not start an actor, in its own words.
pub(super) fn spawn_failure(error: SpawnErr) -> String {
    match error {
        SpawnErr::StartupFailed(cause) => cause.to_string(),
        other => other.to_string(),
    }
}

impl<A: Actor> ractor::Actor for Shell<A> {
    type Msg = Wake;
    type State = Life<A>;
    type Arguments = Birth;

    async fn pre_start(&self, myself: ActorRef<Wake>, birth: Birth) -> Result<Life<A>, ActorProcessingErr> {
        birth.note(myself.get_cell());
        let context = Context::new(birth.entry, self.address.clone(), birth.kernel);
        let mut life = Life { actor: (self.make)(), context };
        life.actor.start(&mut life.context).await?;
        self.address.queue.attach(myself);
        Ok(life)
    }

    async fn handle(&self, myself: ActorRef<Wake>, _wake: Wake, life: &mut Life<A>) -> Result<(), ActorProcessingErr> {
        let queue = &self.address.queue;
        let mut now = queue.clock.now();
        for _ in 0..BATCH {
            let Some(envelope) = queue.pop(now) else {
                if queue.door() == Door::Draining {
                    myself.stop(None);
                }
                return Ok(());
            };
            queue.stats.begin(now);
            life.actor.handle(envelope, &mut life.context).await?;
            let done = queue.clock.now();
            queue.stats.finish(now, done);
            now = done;
            if life.context.ends() {
                myself.stop(None);
                return Ok(());
            }
        }
        // More may wait: stay awake, but let a stop that came meanwhile go first.
        let _ = myself.send_message(Wake);
        Ok(())
    }

    async fn post_stop(&self, _myself: ActorRef<Wake>, life: &mut Life<A>) -> Result<(), ActorProcessingErr> {
        life.context.entry().set_status(Status::Stopping);
        life.actor.stop(&mut life.context).await;
        Ok(())
    }
}
