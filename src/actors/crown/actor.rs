//! The shell around CROWN's state: stores changes one at a time, then publishes them. What it does by itself is in
//! `watching`, whom it tells in `telling`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::book::{Book, Report};
use super::handle::{Error, Parts, Published};
use super::message::{Changed, Message, Pending};
use super::projection::{ALERTS, CHANGED, CURRENT, GovernanceProjection, SILENCES, STANDING};
use super::standing::Standing;
use super::state::State;
use super::webhook::Line;
use super::{Change, ear};
use crate::store::{self, Durability, NewEvent, Rows};
use crate::supervision::{Actor, Context, Envelope, Fault};
use crate::types::Cx;
use crate::types::planted::{Bug, planted};
use crate::ziggy::Governance;
use crate::ziggy::govern::{Memory, Upkeep};

pub(super) struct Shell {
    pub(super) parts: Parts,
    pub(super) published: Arc<Published>,
    pub(super) state: State,
    pub(super) book: Book,
    pub(super) standing: Standing,
    /// When rules last acted. Evidence begins anew with the host, and so does this.
    pub(super) memory: Memory,
    pub(super) upkeep: Upkeep,
    /// In the order of the config.
    pub(super) lines: Vec<Line>,
    /// CR1: the first is on its way to the journal, the others wait for it.
    pub(super) pending: VecDeque<Pending>,
    pub(super) waiting: VecDeque<(Change, String, Changed)>,
}

/// The journal syncs in milliseconds; a disk that takes longer than this to store one change is a fault to report.
pub(super) const STORE_WITHIN: Duration = Duration::from_secs(10);

/// The ear listens for as long as the host lives: longer than any does.
const LISTENS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

impl Shell {
    pub(super) fn new(parts: Parts, published: Arc<Published>) -> Shell {
        let state = State::new(parts.config.clone(), Governance::default());
        let book = Book::new(parts.alerts.clone(), parts.config.alerts_kept, Vec::new(), Vec::new());
        let lines = vec![Line { due: !planted(Bug::NoticeLeftBehind), ..Line::default() }; parts.alerts.webhooks.len()];
        Shell {
            parts,
            published,
            state,
            book,
            standing: Standing::default(),
            memory: Memory::default(),
            upkeep: Upkeep::default(),
            lines,
            pending: VecDeque::new(),
            waiting: VecDeque::new(),
        }
    }

    fn publish(&self, context: &Context<Message>) {
        let governance = self.state.governance();
        self.published.governance.store(Arc::new(governance.clone()));
        self.published.version.send_if_modified(|version| {
            let changed = *version != governance.version;
            *version = governance.version;
            changed
        });
        self.show(context);
    }

    fn change(&mut self, change: Change, author: String, reply: Changed, context: &mut Context<Message>) {
        if !self.pending.is_empty() {
            self.waiting.push_back((change, author, reply));
            return;
        }
        let changes = vec![change];
        match self.state.plan(&changes, context.world().clock.wall()) {
            Ok(next) => self.store(Pending { changes, author, reply: Some(reply), next, deed: None }, context),
            Err(reason) => reply.send(Err(Error::Invalid(reason))),
        }
    }

    pub(super) fn store(&mut self, mut pending: Pending, context: &mut Context<Message>) {
        let mut events = Vec::new();
        if !pending.changes.is_empty() {
            let change = match pending.changes.as_slice() {
                [one] => serde_json::json!(one),
                several => serde_json::json!(several),
            };
            let body = serde_json::json!({
                "author": pending.author, "change": change, "governance": pending.next,
            });
            events.push(NewEvent::new(CHANGED, None, context.path(), &body));
        }
        if let Some(deed) = &mut pending.deed {
            events.append(&mut deed.events);
        }
        self.pending.push_back(pending);
        let journal = Arc::clone(&self.parts.journal);
        let store = async move { journal.append(events, Durability::Durable).await };
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
                if let Some(deed) = pending.deed {
                    self.done(deed, context);
                }
                self.publish(context);
                if let Some(reply) = pending.reply {
                    reply.send(Ok(version));
                }
            }
            Err(reason) => match pending.reply {
                Some(reply) => reply.send(Err(Error::Journal(reason))),
                None => tracing::error!(reason, "what the rules want could not be recorded, so nothing was done"),
            },
        }
        // A change that makes no sense is answered at once, so more than one may be taken up.
        while self.pending.is_empty() {
            let Some((change, author, reply)) = self.waiting.pop_front() else { return };
            self.change(change, author, reply, context);
        }
    }

    /// All rows under a prefix, as values of a type.
    async fn rows<T: serde::de::DeserializeOwned>(&self, prefix: &str) -> Result<Vec<T>, store::Error> {
        let mut all = Vec::new();
        let mut rows = Rows::under(&*self.parts.journal, GovernanceProjection::NAME, prefix);
        while let Some(page) = rows.page().await? {
            all.extend(page.into_iter().filter_map(|(_, row)| serde_json::from_value(row).ok()));
        }
        Ok(all)
    }
}

impl Actor for Shell {
    type Message = Message;

    async fn start(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        let journal = Arc::clone(&self.parts.journal);
        let row = journal.row(GovernanceProjection::NAME, CURRENT).await?;
        let governance = row.map(serde_json::from_value::<Governance>).transpose()?.unwrap_or_default();
        let standing = journal.row(GovernanceProjection::NAME, STANDING).await?;
        // One of a later version that does not fit is as if there were none.
        self.standing = standing.and_then(|row| serde_json::from_value(row).ok()).unwrap_or_default();
        let (alerts, silences) = (self.rows(ALERTS).await?, self.rows(SILENCES).await?);
        self.book = Book::new(self.parts.alerts.clone(), self.parts.config.alerts_kept, alerts, silences);
        self.state = State::new(self.parts.config.clone(), governance);
        self.publish(context);
        let cx = Cx::housekeeping(context.now(), LISTENS);
        context.job(&cx, ear::follow(journal, Arc::clone(&self.published)), |_| Message::Deaf);
        self.tell(context);
        context.after(Duration::from_secs(self.parts.config.watch_every_s.max(1)), Message::Watch);
        Ok(())
    }

    async fn handle(&mut self, envelope: Envelope<Message>, context: &mut Context<Message>) -> Result<(), Fault> {
        match envelope.message {
            Message::Change { change, author, reply } => self.change(change, author, reply, context),
            Message::Stored { stored } => self.stored(stored, context),
            Message::Watch => self.watch(context),
            Message::Acknowledge { alert, author, reply } => self.acknowledge(alert, &author, reply, context),
            Message::Alerts { reply } => reply.send(self.book.alerts()),
            Message::Silence { silence, reply } => self.silence(*silence, reply, context),
            Message::Unsilence { silence, reply } => self.unsilence(silence, reply, context),
            Message::Silences { reply } => reply.send(self.book.silences(context.world().clock.wall())),
            Message::Standings { reply } => reply.send(self.standings()),
            Message::Restarted { path, outcome } => self.restarted(&path, outcome, context),
            Message::Told { webhook, round } => self.told(webhook, round, context),
            Message::Due { told, freed } => self.due(&told, freed, context),
            Message::Again { webhook } => {
                if let Some(line) = self.lines.get_mut(webhook) {
                    line.rests_until = None;
                }
                self.tell(context);
            }
            Message::Raise { severity, kind, subject, message } => {
                self.raise(Report::of(severity, &kind, &subject, message), context);
            }
            Message::Deaf => return Err("the governor hears nothing of the journal any more".into()),
        }
        Ok(())
    }
}
