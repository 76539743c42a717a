//! The shell around the keeper's state.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::message::Message;
use super::state::State;
use crate::rat;
use crate::store::{Journal, Retention};
use crate::supervision::{Actor, Context, Envelope, Fault};
use crate::types::{Cx, World};

pub(super) struct Shell {
    journal: Arc<dyn Journal>,
    archives: Option<Archives>,
    world: World,
    state: State,
}

/// What stays in the journal, and where the rest goes.
#[derive(Clone)]
pub struct Archives {
    /// What stays.
    pub retention: Retention,
    /// The folder of the archives.
    pub folder: PathBuf,
}

/// Often enough for a person who watches, and for a host that must stop before it does much more.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Writing, checking and letting go of one segment takes about a second; a disk that needs so long has other trouble.
const ARCHIVE_WITHIN: Duration = Duration::from_secs(600);

impl Shell {
    pub(super) fn new(journal: Arc<dyn Journal>, archives: Option<Archives>, world: World) -> Shell {
        Shell { journal, archives, world, state: State::default() }
    }

    fn look(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        let news = self.state.look(self.journal.view());
        context.publish(self.state.view());
        context.after(LOOK_EVERY, Message::Look);
        Ok(news?)
    }

    /// Moves the next segment that is due into an archive, in a job: the keeper goes on looking meanwhile.
    fn retain(&mut self, context: &mut Context<Message>) {
        let Some(Archives { retention, folder }) = self.archives.clone() else { return };
        let (journal, world) = (Arc::clone(&self.journal), self.world.clone());
        let cx = Cx::housekeeping(context.now(), ARCHIVE_WITHIN);
        let work = async move {
            match rat::due(&*journal, &retention, world.clock.wall()).await? {
                Some(through) => rat::archive(journal, through, &folder).await.map(Some),
                None => Ok(None),
            }
        };
        context.job(&cx, work, |outcome| {
            Message::Retained(match outcome {
                Ok(Ok(archived)) => Ok(archived),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            })
        });
    }

    fn retained(&self, outcome: Result<Option<rat::Archived>, String>, context: &mut Context<Message>) {
        let again = self
            .archives
            .as_ref()
            .map_or(LOOK_EVERY, |archives| Duration::from_secs(u64::from(archives.retention.look_every_s.get())));
        let wait = match outcome {
            // There may be another segment: a host that was given a retention late has many.
            Ok(Some(archived)) => {
                let (from, to) = (archived.from, archived.to);
                tracing::info!(from, to, file = %archived.path.display(), "old events moved into an archive");
                Duration::ZERO
            }
            Ok(None) => again,
            Err(reason) => {
                tracing::error!(reason, "old events stay in the journal");
                again
            }
        };
        context.after(wait, Message::Retain);
    }
}

impl Actor for Shell {
    type Message = Message;

    async fn start(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        if self.archives.is_some() {
            context.after(Duration::ZERO, Message::Retain);
        }
        self.look(context)
    }

    async fn handle(&mut self, envelope: Envelope<Message>, context: &mut Context<Message>) -> Result<(), Fault> {
        match envelope.message {
            Message::Look => self.look(context),
            Message::Retain => {
                self.retain(context);
                Ok(())
            }
            Message::Retained(outcome) => {
                self.retained(outcome, context);
                Ok(())
            }
        }
    }

    async fn stop(&mut self, _context: &mut Context<Message>) {
        if let Err(error) = self.journal.close().await {
            tracing::error!(%error, "the journal could not be closed in order");
        }
    }
}
