//! The shell around the keeper's state.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::message::Message;
use super::state::State;
use crate::rat;
use crate::store::{BadEvent, Journal, Retention};
use crate::supervision::{Actor, Context, Envelope, Fault};
use crate::types::{Cx, World};

pub(super) struct Shell {
    journal: Arc<dyn Journal>,
    archives: Option<Archives>,
    world: World,
    state: State,
    /// What is wrong with the journal, known to every life of the keeper: none of them can heal it.
    damage: Arc<OnceLock<String>>,
}

/// What stays in the journal, and where the rest goes.
#[derive(Clone)]
pub struct Archives {
    /// What stays.
    pub retention: Retention,
    /// The folder of the archives.
    pub folder: PathBuf,
    /// What leaves together.
    pub ties: Arc<dyn rat::Ties>,
}

/// Often enough for a person who watches, and for a host that must stop before it does much more.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Writing, checking and letting go of one segment takes about a second; a disk that needs so long has other trouble.
const ARCHIVE_WITHIN: Duration = Duration::from_secs(600);

/// Millions of events take a minute; whatever takes an hour will not end.
const VERIFY_WITHIN: Duration = Duration::from_secs(3_600);

/// What is left to do with a damaged journal.
const SAVE: &str =
    "`syzygy audit export` saves what can still be read, `syzygy restore` makes a data directory of a backup";

impl Shell {
    pub(super) fn new(
        journal: Arc<dyn Journal>,
        archives: Option<Archives>,
        world: World,
        damage: Arc<OnceLock<String>>,
    ) -> Shell {
        Shell { journal, archives, world, state: State::default(), damage }
    }

    /// KE2: reads everything there is once, in a job.
    fn verify(&self, context: &mut Context<Message>) {
        let journal = Arc::clone(&self.journal);
        let cx = Cx::housekeeping(context.now(), VERIFY_WITHIN);
        context.job(&cx, async move { journal.verify().await }, |outcome| {
            Message::Verified(match outcome {
                Ok(Ok(found)) => Ok(found.first_bad),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            })
        });
    }

    fn verified(&self, outcome: Result<Option<BadEvent>, String>) -> Result<(), Fault> {
        match outcome {
            Ok(None) => Ok(()),
            Ok(Some(BadEvent { seq, reason })) => {
                let words = format!("the journal is damaged at event {seq}: {reason}; {SAVE}");
                Err(self.damage.get_or_init(|| words).clone().into())
            }
            Err(reason) => {
                tracing::error!(reason, "the journal could not be verified; `syzygy audit verify` does it again");
                Ok(())
            }
        }
    }

    fn look(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        let news = self.state.look(self.journal.view());
        context.publish(self.state.view());
        context.after(LOOK_EVERY, Message::Look);
        Ok(news?)
    }

    /// Moves the next segment that is due into an archive, in a job: the keeper goes on looking meanwhile.
    fn retain(&mut self, context: &mut Context<Message>) {
        let Some(Archives { retention, folder, ties }) = self.archives.clone() else { return };
        let (journal, world) = (Arc::clone(&self.journal), self.world.clone());
        let cx = Cx::housekeeping(context.now(), ARCHIVE_WITHIN);
        let work = async move {
            match rat::due(&*journal, &retention, &*ties, world.clock.wall()).await? {
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
        if let Some(damage) = self.damage.get() {
            return Err(damage.clone().into());
        }
        if self.journal.view().unproved {
            self.verify(context);
        }
        if self.archives.is_some() {
            context.after(Duration::ZERO, Message::Retain);
        }
        self.look(context)
    }

    async fn handle(&mut self, envelope: Envelope<Message>, context: &mut Context<Message>) -> Result<(), Fault> {
        match envelope.message {
            Message::Look => self.look(context),
            Message::Verified(outcome) => self.verified(outcome),
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
