//! A supervisor as a child of another.

use ractor::{ActorCell, ActorRuntime};

use super::{Input, Message, Supervise, Table};
use crate::supervision::actor::StartChild;
use crate::supervision::life::Birth;

/// What starts a subtree, again and again from the same table.
pub(super) struct Subtree {
    pub(super) table: Table,
}

impl StartChild for Subtree {
    fn start(&self, birth: Birth) -> Option<ActorCell> {
        let supervise = Supervise { table: self.table.clone() };
        ActorRuntime::spawn_instant(None, supervise, birth).ok().map(|(reference, _)| reference.get_cell())
    }

    fn stop(&self, cell: &ActorCell, _drain: bool) {
        let _ = cell.send_message(Message::Input(Input::Stop));
    }

    /// A supervisor never waits, so it can always be told; killing it from outside would leave its children running
    /// with nobody to see them end.
    fn kill(&self, cell: &ActorCell) {
        let _ = cell.send_message(Message::Input(Input::Kill));
    }

    fn suspend(&self) {
        self.table.suspend();
    }

    fn close(&self) {
        self.table.close();
    }
}
