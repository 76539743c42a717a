//! What a life begins with and what it leaves behind.
//!
//! ractor tells a supervisor that a child ended while the child's state is still being dropped, and says nothing of a
//! start that was given up. A tombstone is part of that state and the last of it to be dropped: exactly one report for
//! every start, and it comes when nothing of the incarnation is left to hold a file or a port (SU1).

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use ractor::ActorRef;
use tokio::sync::watch;

use super::actor::Fault;
use super::plan::{Input, Key, Life};
use super::registry::{Entry, Registry};
use super::spec::Exit;
use super::supervisor::Message;
use crate::types::{Hindrance, World};

/// What every actor of a host gets from it.
pub(super) struct Kernel {
    pub(super) world: World,
    pub(super) registry: Arc<Registry>,
}

/// What a child's start needs.
pub(super) struct Birth {
    pub(super) entry: Arc<Entry>,
    pub(super) kernel: Arc<Kernel>,
    pub(super) tombstone: Tombstone,
}

/// What the owner of a root sees of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RootState {
    Starting,
    Up,
    Ended(Exit),
}

/// Who is told.
pub(super) enum Mourner {
    Supervisor { parent: ActorRef<Message>, key: Key, life: Life },
    Root(watch::Sender<RootState>),
}

/// Tells whoever started an incarnation that it is up, and that it has ended.
pub(super) struct Tombstone {
    mourner: Mourner,
    exit: Exit,
}

impl Tombstone {
    /// Whoever is dropped without a word was killed.
    pub(super) fn new(mourner: Mourner) -> Tombstone {
        Tombstone { mourner, exit: Exit::Killed }
    }

    /// The start hook has returned.
    pub(super) fn is_up(&mut self) {
        match &self.mourner {
            Mourner::Supervisor { parent, key, life } => {
                let _ = parent.send_message(Message::Input(Input::Started { key: *key, life: *life }));
            }
            Mourner::Root(state) => _ = state.send_replace(RootState::Up),
        }
    }

    /// Notes how it ended.
    pub(super) fn carve(&mut self, exit: Exit) {
        self.exit = exit;
    }
}

impl Drop for Tombstone {
    fn drop(&mut self) {
        let exit = self.exit.clone();
        match &self.mourner {
            Mourner::Supervisor { parent, key, life } => {
                let _ = parent.send_message(Message::Input(Input::Exited { key: *key, life: *life, exit }));
            }
            Mourner::Root(state) => _ = state.send_replace(RootState::Ended(exit)),
        }
    }
}

/// Puts up with what a simulation puts in the way. Boxed, so that actors are not larger for what no real host does.
pub(super) fn endure(hindrance: Hindrance) -> BoxFuture<'static, Result<(), Fault>> {
    async move {
        match hindrance {
            Hindrance::Yield => tokio::task::yield_now().await,
            Hindrance::Wait(time) => tokio::time::sleep(time).await,
            Hindrance::Crash => return Err("the simulation made it fail".into()),
            // A panic that nobody prints.
            Hindrance::Panic => std::panic::resume_unwind(Box::new("the simulation made it panic")),
            Hindrance::Hang => std::future::pending().await,
        }
        Ok(())
    }
    .boxed()
}
