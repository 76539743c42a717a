//! The shell around the inbox's state: stores what happens, item by item, and keeps the deadlines.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Config;
use super::handle::{self, News};
use super::message::{Asker, Message};
use super::projection::Record;
use super::state::{Ask, Effect, Now, State, What};
use crate::store::{Durability, Journal, NewEvent};
use crate::supervision::{Actor, Context, Envelope, Fault};
use crate::types::{Cx, World};
use crate::ziggy::review::{Happened, Item};

pub(super) struct Shell {
    journal: Arc<dyn Journal>,
    config: Arc<Config>,
    news: Arc<News>,
    state: State<Asker>,
    /// From when on time is counted.
    began: Instant,
    /// For when the next look is set, on the clock that never goes back.
    set_for: Option<Instant>,
}

/// The journal syncs in milliseconds; a disk that takes longer than this to store one verdict is a fault to report.
const STORE_WITHIN: Duration = Duration::from_secs(10);

/// The longest wait between two looks at the deadlines: a wall clock that is set forward is noticed after it.
const LOOK_AT_LEAST: Duration = Duration::from_secs(60);

/// The shortest wait between two looks, so that an expiry that cannot be stored is not tried in a circle.
const LOOK_AT_MOST: Duration = Duration::from_millis(10);

impl Shell {
    pub(super) fn new(journal: Arc<dyn Journal>, config: Arc<Config>, news: Arc<News>, world: &World) -> Shell {
        let (began, wall) = (world.clock.now(), world.clock.wall());
        let state = State::new(config.open_most, Vec::new(), Now { wall, since_us: 0 });
        Shell { journal, config, news, state, began, set_for: None }
    }

    fn now(&self, context: &Context<Message>) -> Now {
        let since = context.now().saturating_duration_since(self.began).as_micros();
        Now { wall: context.world().clock.wall(), since_us: u64::try_from(since).unwrap_or(u64::MAX) }
    }

    fn carry_out(&mut self, effects: Vec<Effect<Asker>>, context: &mut Context<Message>) {
        for effect in effects {
            match effect {
                Effect::Store { item, happened, with } => self.store(&item, happened, with, context),
                Effect::Answer { reply, answer } => reply.send(*answer),
                Effect::Closed { of_a_call: false } => bump(&self.news.closed),
                Effect::Closed { of_a_call: true } => bump(&self.news.calls),
            }
        }
        self.set_alarm(context);
        context.publish(&self.state.view());
    }

    fn store(&self, item: &Item, happened: Vec<Happened>, with: Vec<NewEvent>, context: &mut Context<Message>) {
        let record = |happened: Happened| {
            let hooks = self.config.told_of(happened.kind());
            Record { item: item.id.clone(), hooks, happened }.event(item.run, context.path())
        };
        let mut events = with;
        events.extend(happened.into_iter().map(record));
        let (journal, news, id) = (Arc::clone(&self.journal), Arc::clone(&self.news), item.id.clone());
        let store = async move {
            let stored = journal.append(events, Durability::Durable).await;
            // Whoever delivers notices looks for those that are due by itself, so telling too often costs one look.
            bump(&news.due);
            stored
        };
        let cx = Cx::housekeeping(context.now(), STORE_WITHIN);
        context.job(&cx, store, move |outcome| Message::Stored {
            id,
            stored: match outcome {
                Ok(stored) => stored.map(|_| ()).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            },
        });
    }

    /// Sees to it that somebody looks when the next item's time is over.
    fn set_alarm(&mut self, context: &mut Context<Message>) {
        let Some(left_us) = self.state.next_end_us(self.now(context)) else { return };
        let wait = Duration::from_micros(left_us).clamp(LOOK_AT_MOST, LOOK_AT_LEAST);
        let at = context.now() + wait;
        if self.set_for.is_some_and(|set_for| set_for <= at) {
            return;
        }
        self.set_for = Some(at);
        context.after(wait, Message::Look);
    }
}

fn bump(news: &watch::Sender<u64>) {
    news.send_modify(|count| *count += 1);
}

impl Actor for Shell {
    type Message = Message;

    async fn start(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        // What a life before this one had on its way may be about to be written.
        self.journal.flush().await?;
        let items = handle::unsettled(&*self.journal).await?;
        let now = self.now(context);
        self.state = State::new(self.config.open_most, items, now);
        // Items that were closed just before the last life ended may not have been told of.
        bump(&self.news.closed);
        bump(&self.news.calls);
        let due = self.state.look(now);
        self.carry_out(due, context);
        Ok(())
    }

    async fn handle(&mut self, envelope: Envelope<Message>, context: &mut Context<Message>) -> Result<(), Fault> {
        let now = self.now(context);
        let effects = match envelope.message {
            Message::Ask { id, ask } => self.state.ask(&id, *ask, now),
            Message::Cancel { run, by, reply } => match self.state.of_run(run) {
                Some(id) => self.state.ask(&id, Ask { what: What::Cancel { by }, reply: Some(reply) }, now),
                None => {
                    let answer = Box::new(Err(handle::Error::NotOpen(run.to_string())));
                    vec![Effect::Answer { reply, answer }]
                }
            },
            Message::Stored { id, stored } => self.state.stored(&id, stored, now),
            Message::Look => {
                self.set_for = None;
                self.state.look(now)
            }
        };
        self.carry_out(effects, context);
        Ok(())
    }
}
