//! The resumer: hears that items of parked runs are closed, and has each of those runs acted on, also after a restart.

use std::time::Duration;

use super::handle::{Error, Handle};
use crate::supervision::{Actor, Context, Envelope, Fault};
use crate::types::Cx;

pub(super) struct Resumer {
    io: Handle,
    /// A look is under way, and whether there was news meanwhile.
    looking: Option<bool>,
}

pub(super) enum Message {
    /// An item may be closed.
    Look,
    /// All that were closed are settled, or why not.
    Looked(Result<(), String>),
}

/// Time to act on everything that is closed: each takes a commit, and there may be as many as a host has parked.
const LOOK_WITHIN: Duration = Duration::from_secs(600);

/// Wait before what could not be settled is tried again: the place it takes may be free by then.
const AGAIN: Duration = Duration::from_secs(1);

impl Resumer {
    pub(super) fn new(io: Handle) -> Resumer {
        Resumer { io, looking: None }
    }

    fn look(&mut self, context: &mut Context<Message>) {
        if let Some(again) = &mut self.looking {
            *again = true;
            return;
        }
        self.looking = Some(false);
        let (io, cx) = (self.io.clone(), Cx::housekeeping(context.now(), LOOK_WITHIN));
        let own = cx.clone();
        let work = async move { io.settle_all(&own).await };
        context.job(&cx, work, |outcome| {
            Message::Looked(match outcome {
                Ok(settled) => settled.map_err(|error: Error| error.to_string()),
                Err(error) => Err(error.to_string()),
            })
        });
    }

    fn looked(&mut self, outcome: Result<(), String>, context: &mut Context<Message>) {
        let again = self.looking.take().unwrap_or(false);
        match outcome {
            Ok(()) if again => self.look(context),
            Ok(()) => {}
            Err(reason) => {
                tracing::warn!(reason, "a run that people decided on waits a little longer");
                context.after(AGAIN, Message::Look);
            }
        }
    }
}

impl Actor for Resumer {
    type Message = Message;

    async fn start(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        context.follow(self.io.closings(), || Message::Look);
        self.look(context);
        Ok(())
    }

    async fn handle(&mut self, envelope: Envelope<Message>, context: &mut Context<Message>) -> Result<(), Fault> {
        match envelope.message {
            Message::Look => self.look(context),
            Message::Looked(outcome) => self.looked(outcome, context),
        }
        Ok(())
    }
}
