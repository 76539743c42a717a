//! The shell around the keeper's state.

use std::sync::Arc;
use std::time::Duration;

use super::message::Message;
use super::state::State;
use crate::store::Journal;
use crate::supervision::{Actor, Context, Envelope, Fault};

pub(super) struct Shell {
    journal: Arc<dyn Journal>,
    state: State,
}

/// Often enough for a person who watches, and for a host that must stop before it does much more.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Shell {
    pub(super) fn new(journal: Arc<dyn Journal>) -> Shell {
        Shell { journal, state: State::default() }
    }

    fn look(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        let news = self.state.look(self.journal.view());
        context.publish(self.state.view());
        context.after(LOOK_EVERY, Message::Look);
        Ok(news?)
    }
}

impl Actor for Shell {
    type Message = Message;

    async fn start(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        self.look(context)
    }

    async fn handle(&mut self, envelope: Envelope<Message>, context: &mut Context<Message>) -> Result<(), Fault> {
        match envelope.message {
            Message::Look => self.look(context),
        }
    }

    async fn stop(&mut self, _context: &mut Context<Message>) {
        if let Err(error) = self.journal.close().await {
            tracing::error!(%error, "the journal could not be closed in order");
        }
    }
}
