//! The root of a tree: what starts it, and what ends it.

use std::sync::Arc;

use ractor::ActorRef;
use tokio::sync::watch;

use super::handle::Error;
use super::table::Table;
use super::{Input, Message, Supervise};
use crate::supervision::failure::Failure;
use crate::supervision::life::{Birth, Kernel, Mourner, RootState, Tombstone};
use crate::supervision::registry::Registry;
use crate::supervision::spec::{Exit, Tree};
use crate::types::{Cx, World};

/// The root supervisor of one host. Dropping it does not stop the tree; [`Root::shutdown`] does.
pub struct Root {
    reference: ActorRef<Message>,
    state: watch::Receiver<RootState>,
    table: Table,
}

/// Stops a tree whose start nobody waits for any longer.
struct StopUnlessUp(Option<ActorRef<Message>>);

impl Drop for StopUnlessUp {
    fn drop(&mut self) {
        if let Some(reference) = &self.0 {
            let _ = reference.send_message(Message::Input(Input::Stop));
        }
    }
}

impl Root {
    /// Starts a tree and returns when every child is up, or says which could not start; then all of it is down again.
    pub async fn start(tree: Tree, world: World, registry: Arc<Registry>) -> Result<Root, Error> {
        let table = Table::new(tree, None)?;
        let entry = registry.entry(&table.id, true, table.policy());
        let (sender, mut state) = watch::channel(RootState::Starting);
        let tombstone = Tombstone::new(Mourner::Root(sender));
        let birth = Birth { entry, kernel: Arc::new(Kernel { world, registry }), tombstone };
        let failed = |reason| Error::Start { child: table.id.to_string(), reason };
        let supervise = Supervise { table: table.clone() };
        let (reference, _) =
            ractor::Actor::spawn(None, supervise, birth).await.map_err(|error| failed(error.to_string()))?;
        let mut guard = StopUnlessUp(Some(reference.clone()));
        let begun = state.wait_for(|state| *state != RootState::Starting).await.map(|state| state.clone());
        guard.0 = None;
        match begun {
            Ok(RootState::Ended(exit)) => {
                table.close();
                Err(failed(match exit {
                    Exit::Failed(reason) => reason,
                    _ => "ended while starting".to_owned(),
                }))
            }
            _ => Ok(Root { reference, state, table }),
        }
    }

    /// Stops the tree in reverse order and returns when all of it is down. Past the deadline, or when the caller cancels,
    /// the rest is killed.
    pub async fn shutdown(&self, cx: &Cx) -> Result<(), Failure> {
        let _ = self.reference.send_message(Message::Input(Input::Stop));
        let failure = tokio::select! {
            biased;
            _ = self.ended() => return Ok(()),
            () = cx.cancelled() => Failure::Cancelled,
            () = tokio::time::sleep_until(cx.deadline()) => Failure::TimedOut,
        };
        let _ = self.reference.send_message(Message::Input(Input::Kill));
        Err(failure)
    }

    /// Returns when the tree has ended, and says how that came.
    pub async fn ended(&self) -> Exit {
        let mut state = self.state.clone();
        let ended = state.wait_for(|state| matches!(state, RootState::Ended(_))).await;
        let exit = match ended.as_deref() {
            Ok(RootState::Ended(exit)) => exit.clone(),
            _ => Exit::Killed,
        };
        drop(ended);
        self.table.close();
        exit
    }
}
