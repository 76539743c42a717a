//! A run that waits for people, as whoever holds on to its stream sees it: what the journal says until it has ended.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::broadcast::{self, error::RecvError};

use super::app::App;
use super::problem::{Code, Problem};
use super::runs::EVENTS_MOST;
use crate::actors::io::record::{Ended, Parked, Resumed, kind};
use crate::actors::io::{Answer, Progress, Waiting};
use crate::store::Event;
use crate::types::RunId;

/// Follows a run from where it was parked. Dropping it stops nothing.
pub(super) struct Watching {
    app: Arc<App>,
    run: RunId,
    /// The item it was parked with: the client has been told of it.
    item: String,
    news: broadcast::Receiver<Arc<Event>>,
    waiting: VecDeque<Event>,
    /// Number of the last event that was looked at.
    seen: u64,
    /// Whether what was there before the news has been read.
    caught_up: bool,
}

/// What the client is told.
pub(super) enum Told {
    /// It is parked again, or goes on.
    News(Progress),
    /// It has its answer.
    Answered(Box<Answer>),
    /// It has ended without one.
    Failed(Problem),
}

impl Watching {
    pub(super) fn begin(app: &Arc<App>, waiting: Waiting) -> Watching {
        let news = app.parts.journal.subscribe();
        let Waiting { run_id: run, item, .. } = waiting;
        Watching { app: Arc::clone(app), run, item, news, waiting: VecDeque::new(), seen: 0, caught_up: false }
    }

    /// What happens next; nothing if the journal is closed.
    pub(super) async fn next(&mut self) -> Option<Told> {
        loop {
            while let Some(event) = self.waiting.pop_front() {
                if event.seq <= self.seen {
                    continue;
                }
                self.seen = event.seq;
                if let Some(told) = told(&event, self.run) {
                    return Some(told);
                }
            }
            if !self.caught_up {
                self.read().await?;
                continue;
            }
            match self.news.recv().await {
                Ok(event) if event.run == Some(self.run) => self.waiting.push_back(Event::clone(&event)),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => self.caught_up = false,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Reads what the journal has. What came before the run was parked was told while it happened.
    async fn read(&mut self) -> Option<()> {
        let events = self.app.parts.journal.read_run(self.run, EVENTS_MOST).await.ok()?;
        let parked = |event: &&Event| {
            event.kind == kind::PARKED && event.body.parse::<Parked>().is_some_and(|parked| parked.item == self.item)
        };
        let from = events.iter().find(parked).map_or(0, |event| event.seq);
        self.seen = self.seen.max(from);
        self.waiting.extend(events);
        self.caught_up = true;
        Some(())
    }
}

fn told(event: &Event, run: RunId) -> Option<Told> {
    match event.kind.as_str() {
        kind::PARKED => {
            let Parked { item, until, words, .. } = event.body.parse()?;
            Some(Told::News(Progress::Parked { item, reason: words, until }))
        }
        kind::RESUMED => {
            let Resumed { item, words } = event.body.parse()?;
            Some(Told::News(Progress::Resumed { item, reason: words }))
        }
        kind::COMPLETED => Some(Told::Answered(Box::new(event.body.parse()?))),
        kind::RUN_FAILED | kind::CANCELLED | kind::INTERRUPTED => {
            let Ended { class, reason } = event.body.parse()?;
            Some(Told::Failed(Problem::new(Code::of(class), reason).in_run(Some(run))))
        }
        _ => None,
    }
}
