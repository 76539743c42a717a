//! A supervisor as a child of another.

use std::time::Duration;

use async_trait::async_trait;
use ractor::ActorCell;
use tokio::sync::oneshot;

use super::{Birth, Input, Message, Running, Supervise, TREE_START_LIMIT, Table};
use crate::supervision::actor::{StartChild, spawn_failure};

/// What starts a subtree, again and again from the same table.
pub(super) struct Subtree {
    pub(super) table: Table,
}

#[async_trait]
impl StartChild for Subtree {
    async fn start(&self, birth: Birth, parent: ActorCell) -> Result<Running, String> {
        let (ready, up) = oneshot::channel();
        let supervise = Supervise { table: self.table.clone() };
        let (reference, _) =
            ractor::Actor::spawn_linked(None, supervise, (birth, ready), parent).await.map_err(spawn_failure)?;
        match up.await {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => return Err(reason),
            Err(_) => return Err("ended while starting".to_owned()),
        }
        let cell = reference.get_cell();
        let stop = move |_drain: bool| {
            let _ = reference.send_message(Message::Input(Input::Stop));
        };
        Ok(Running { cell, stop: Box::new(stop) })
    }

    fn suspend(&self) {
        self.table.link.set(None);
        self.table.rows.iter().for_each(|row| row.start.suspend());
    }

    fn close(&self) {
        self.table.link.set(None);
        self.table.rows.iter().for_each(|row| row.start.close());
    }

    fn start_limit(&self) -> Duration {
        TREE_START_LIMIT
    }

    fn stop_starting(&self) -> bool {
        self.table.link.send(Message::Input(Input::Stop))
    }
}
