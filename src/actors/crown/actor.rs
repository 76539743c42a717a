//! The shell around CROWN's state: stores changes one at a time, then publishes them, and watches the tree.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::handle::{Error, Published};
use super::message::{Changed, Message, Pending};
use super::projection::{CHANGED, CURRENT, GovernanceProjection};
use super::state::State;
use super::{Alert, Change, Config};
use crate::store::{Durability, Journal, NewEvent};
use crate::supervision::{Actor, Context, Envelope, Fault};
use crate::types::Cx;
use crate::ziggy::Governance;

pub(super) struct Shell {
    journal: Arc<dyn Journal>,
    config: Config,
    published: Arc<Published>,
    state: State,
    /// C1: the first is on its way to the journal, the others wait for it.
    pending: VecDeque<Pending>,
    waiting: VecDeque<(Change, String, Changed)>,
}

/// The journal syncs in milliseconds; a disk that takes longer than this to store one change is a fault to report.
const STORE_WITHIN: Duration = Duration::from_secs(10);

impl Shell {
    pub(super) fn new(journal: Arc<dyn Journal>, config: Config, published: Arc<Published>) -> Shell {
        let state = State::new(config, Governance::default());
        Shell { journal, config, published, state, pending: VecDeque::new(), waiting: VecDeque::new() }
    }

    fn publish(&self, context: &Context<Message>) {
        let governance = self.state.governance();
        self.published.governance.store(Arc::new(governance.clone()));
        self.published.version.send_replace(governance.version);
        context.publish(&self.state.view());
    }

    fn change(&mut self, change: Change, author: String, reply: Changed, context: &mut Context<Message>) {
        if !self.pending.is_empty() {
            self.waiting.push_back((change, author, reply));
            return;
        }
        match self.state.plan(&change, context.world().clock.wall()) {
            Ok(next) => self.store(Pending { change, author, reply, next }, context),
            Err(reason) => reply.send(Err(Error::Invalid(reason))),
        }
    }

    fn store(&mut self, pending: Pending, context: &mut Context<Message>) {
        let body = serde_json::json!({
            "author": pending.author, "change": pending.change, "governance": pending.next,
        });
        let event = NewEvent::new(CHANGED, None, context.path(), &body);
        self.pending.push_back(pending);
        let journal = Arc::clone(&self.journal);
        let store = async move { journal.append(vec![event], Durability::Durable).await };
        let cx = Cx::housekeeping(context.now(), STORE_WITHIN);
        context.job(&cx, store, |outcome| Message::Stored {
            stored: match outcome {
                Ok(stored) => stored.map(|_| ()).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            },
        });
    }

    fn stored(&mut self, stored: Result<(), String>, context: &mut Context<Message>) {
        let Some(pending) = self.pending.pop_front() else { return };
        match stored {
            Ok(()) => {
                let version = pending.next.version;
                self.state.adopt(pending.next);
                self.publish(context);
                pending.reply.send(Ok(version));
            }
            Err(reason) => pending.reply.send(Err(Error::Journal(reason))),
        }
        // A change that makes no sense is answered at once, so more than one may be taken up.
        while self.pending.is_empty() {
            let Some((change, author, reply)) = self.waiting.pop_front() else { return };
            self.change(change, author, reply, context);
        }
    }

    fn watch(&mut self, context: &mut Context<Message>) {
        context.after(Duration::from_secs(self.config.watch_every_s.max(1)), Message::Watch);
        let tree = context.registry().tree(context.now());
        let mut news = self.state.watch(&tree, context.world().clock.wall());
        news.extend(self.state.budgets(self.published.treasury.news(), context.world().clock.wall()));
        self.tell(&news, context);
    }

    /// Writes alerts down and shows that there are some.
    fn tell(&self, news: &[Alert], context: &mut Context<Message>) {
        if news.is_empty() {
            return;
        }
        let events: Vec<NewEvent> =
            news.iter().map(|alert| NewEvent::new("alert.raised", None, context.path(), alert)).collect();
        let journal = Arc::clone(&self.journal);
        let cx = Cx::housekeeping(context.now(), STORE_WITHIN);
        context.jot(&cx, async move {
            if let Err(error) = journal.append(events, Durability::Behind).await {
                tracing::error!(%error, "an alert could not be recorded");
            }
        });
        for alert in news {
            tracing::warn!(subject = alert.subject, kind = alert.kind, "{}", alert.message);
        }
        context.publish(&self.state.view());
    }
}

impl Actor for Shell {
    type Message = Message;

    async fn start(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        let row = self.journal.row(GovernanceProjection::NAME, CURRENT).await?;
        let governance = row.map(serde_json::from_value::<Governance>).transpose()?.unwrap_or_default();
        self.state = State::new(self.config, governance);
        self.publish(context);
        context.after(Duration::from_secs(self.config.watch_every_s.max(1)), Message::Watch);
        Ok(())
    }

    async fn handle(&mut self, envelope: Envelope<Message>, context: &mut Context<Message>) -> Result<(), Fault> {
        match envelope.message {
            Message::Change { change, author, reply } => self.change(change, author, reply, context),
            Message::Stored { stored } => self.stored(stored, context),
            Message::Watch => self.watch(context),
            Message::Acknowledge { alert, author, reply } => {
                let known = self.state.acknowledge(alert, &author);
                context.publish(&self.state.view());
                reply.send(if known { Ok(()) } else { Err(Error::NoAlert(alert)) });
            }
            Message::Raise { severity, kind, subject, message } => {
                let alert = self.state.raise(severity, &kind, &subject, message, context.world().clock.wall());
                self.tell(&[alert], context);
            }
            Message::Alerts { reply } => reply.send(self.state.alerts()),
        }
        Ok(())
    }
}
