//! The actor trait, and the one ractor shell that runs every actor of the house.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use ractor::{ActorCell, ActorProcessingErr, ActorRef, ActorRuntime};

use super::address::Address;
use super::asker;
use super::context::{Context, panic_text};
use super::life::{Birth, Tombstone, endure};
use super::mailbox::{Door, Envelope, Next, Queue, Tenant, Wake};
use super::registry::Status;
use super::spec::Exit;

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

/// Starts and ends one child of a supervisor. A trait object, since the children of a table have different message
/// types. No method waits: what becomes of an order is reported by the child's tombstone.
pub(super) trait StartChild: Send + Sync {
    /// Begins a life, with its start hook.
    fn start(&self, birth: Birth) -> Option<ActorCell>;
    /// Asks it to end, after its mail if `drain`.
    fn stop(&self, cell: &ActorCell, drain: bool);
    /// Ends it at its next await.
    fn kill(&self, cell: &ActorCell);
    /// The child is down and will come back: mail waits.
    fn suspend(&self);
    /// The child is down and will not come back: callers must hear so.
    fn close(&self);
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

/// One incarnation. The order of the fields is the order in which they are dropped: the tombstone last, since it tells
/// the supervisor that nothing of this life is left.
pub(super) struct Life<A: Actor> {
    actor: A,
    context: Context<A::Message>,
    tombstone: Tombstone,
}

impl<A: Actor> StartChild for Shell<A> {
    fn start(&self, birth: Birth) -> Option<ActorCell> {
        birth.entry.watch_mailbox(Arc::clone(&self.address.queue));
        let _ = self.address.queue.path.set(birth.entry.shared_path());
        ActorRuntime::spawn_instant(None, self.clone(), birth).ok().map(|(reference, _)| reference.get_cell())
    }

    fn stop(&self, cell: &ActorCell, drain: bool) {
        if drain {
            self.address.queue.set_door(Door::Draining);
        } else {
            // The door closes first, so that nothing is begun after the message that is being handled.
            self.address.queue.set_door(Door::Between);
            cell.stop(None);
        }
    }

    fn kill(&self, cell: &ActorCell) {
        cell.kill();
    }

    fn suspend(&self) {
        self.address.queue.set_door(Door::Between);
    }

    fn close(&self) {
        self.address.queue.set_door(Door::Closed);
    }
}

impl<A: Actor> Life<A> {
    /// Handles what waits. A stop that comes meanwhile closes the door, a kill takes effect at the next await.
    async fn turn(&mut self, queue: &Queue<A::Message>, tenant: Tenant, myself: &ActorRef<Wake>) -> Result<(), Fault> {
        let mut now = queue.clock.now();
        loop {
            let envelope = match queue.pop(tenant, now) {
                Next::Mail(envelope) => envelope,
                Next::Rest => return Ok(()),
                Next::Leave => {
                    myself.stop(None);
                    return Ok(());
                }
            };
            let begun = queue.stats.begin(now, &envelope.cx);
            if let Some(hindrance) = queue.clock.hinder() {
                endure(hindrance).await?;
            }
            self.actor.handle(envelope, &mut self.context).await?;
            let done = queue.clock.now();
            begun.finish(now, done);
            now = done;
            if self.context.ends() {
                queue.set_door(Door::Between);
                myself.stop(None);
                return Ok(());
            }
            // As after every message of ractor's: now and then the thread goes to somebody else, however much waits.
            tokio::task::consume_budget().await;
        }
    }
}

impl<A: Actor> ractor::Actor for Shell<A> {
    type Msg = Wake;
    type State = Option<Life<A>>;
    type Arguments = Birth;

    async fn pre_start(&self, myself: ActorRef<Wake>, birth: Birth) -> Result<Option<Life<A>>, ActorProcessingErr> {
        let Birth { entry, kernel, mut tombstone } = birth;
        let queue = &self.address.queue;
        let tenant = queue.enter();
        let mut context = Context::new(entry, self.address.clone(), kernel, tenant);
        let hook = async {
            let mut actor = (self.make)();
            actor.start(&mut context).await.map(|()| actor)
        };
        let cause = match asker::under(queue.mark(), AssertUnwindSafe(hook).catch_unwind()).await {
            Ok(Ok(actor)) => {
                let ends = context.ends();
                queue.attach(tenant, myself.clone());
                if ends {
                    queue.set_door(Door::Between);
                    myself.stop(None);
                }
                tombstone.is_up();
                return Ok(Some(Life { actor, context, tombstone }));
            }
            Ok(Err(fault)) => fault.to_string(),
            Err(panic) => panic_text(&*panic),
        };
        drop(context);
        tombstone.carve(Exit::Failed(cause.clone()));
        Err(cause.into())
    }

    async fn handle(
        &self,
        myself: ActorRef<Wake>,
        _wake: Wake,
        state: &mut Option<Life<A>>,
    ) -> Result<(), ActorProcessingErr> {
        let Some(life) = state else { return Ok(()) };
        let (queue, tenant) = (&self.address.queue, life.context.tenant());
        let turn = AssertUnwindSafe(life.turn(queue, tenant, &myself)).catch_unwind();
        let cause = match asker::under(queue.mark(), turn).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(fault)) => fault.to_string(),
            Err(panic) => panic_text(&*panic),
        };
        life.tombstone.carve(Exit::Failed(cause.clone()));
        *state = None;
        Err(cause.into())
    }

    async fn post_stop(&self, _myself: ActorRef<Wake>, state: &mut Option<Life<A>>) -> Result<(), ActorProcessingErr> {
        let Some(life) = state else { return Ok(()) };
        life.context.entry().set_status(Status::Stopping);
        let hook = AssertUnwindSafe(life.actor.stop(&mut life.context)).catch_unwind();
        let exit = match asker::under(self.address.queue.mark(), hook).await {
            Ok(()) if life.context.ends() => Exit::Normal,
            Ok(()) => Exit::Stopped,
            Err(panic) => Exit::Failed(panic_text(&*panic)),
        };
        life.tombstone.carve(exit);
        *state = None;
        Ok(())
    }
}
