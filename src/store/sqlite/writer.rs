//! The one task that writes: it gathers what waits into groups, and each group is one transaction.
//!
//! It owns the connection that writes, the end of the chain and the rows known to it. When a write fails it ends, and
//! with it every promise it had not kept: callers learn of it because the other end of their answer is gone.

use std::sync::Arc;

use parking_lot::Mutex;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, oneshot};
use tokio_util::sync::CancellationToken;

use super::super::{COMPACTED, Config, Error, Event, NewEvent, Projection, View};
use super::cache::Cache;
use super::compact;
use super::connect::{advised, words};
use super::group::{self, Statements};
use super::queue::Receiver;
use crate::types::{Hash, Timestamp, World};

/// One thing to write, as it waits in the queue.
pub(super) struct Command {
    pub(super) work: Work,
    /// Where somebody waits for the commit, if somebody does; gets the first sequence number.
    pub(super) reply: Option<oneshot::Sender<u64>>,
    /// Its room in the queue, free again when it is written.
    pub(super) _room: OwnedSemaphorePermit,
}

/// What to write.
pub(super) enum Work {
    /// Events that were said at this time.
    Events(Timestamp, Vec<NewEvent>),
    /// A payload and its address.
    Payload(Hash, Vec<u8>),
    /// Lets events go that are in an archive; said at this time.
    Compact { at: Timestamp, through: u64, archive: String },
    /// Nothing: only an answer once everything before is written.
    Flush,
}

/// Who says that events have gone.
const SOURCE: &str = "store";

impl Command {
    fn compacts(&self) -> bool {
        matches!(self.work, Work::Compact { .. })
    }
}

impl Work {
    /// Events it counts as in a group.
    pub(super) fn events(&self) -> usize {
        match self {
            Work::Events(_, events) => events.len(),
            Work::Payload(..) | Work::Compact { .. } => 1,
            Work::Flush => 0,
        }
    }
}

/// What the writer and its callers both see.
pub(super) struct Shared {
    pub(super) view: Mutex<View>,
    pub(super) room: Arc<Semaphore>,
    pub(super) news: broadcast::Sender<Arc<Event>>,
    /// Cancelled when the journal is to close.
    pub(super) closing: CancellationToken,
    /// Cancelled when the writer is gone.
    pub(super) ended: CancellationToken,
}

impl Shared {
    /// Why nothing is accepted any more.
    pub(super) fn why(&self) -> Error {
        self.view.lock().failed.clone().map_or(Error::Closed, Error::Write)
    }

    /// Says why nothing is accepted any more; what was said first stays.
    fn fail(&self, reason: &str) {
        let mut view = self.view.lock();
        if view.failed.is_none() {
            tracing::error!(reason, lost = view.queued, "the journal has stopped, nothing more is accepted");
            view.failed = Some(reason.to_owned());
        }
    }
}

/// Makes the end of the writer known, however it ended: a panic in a projection, or a runtime that was shut down.
struct Ending {
    shared: Arc<Shared>,
    /// Everything that was queued is written.
    drained: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.drained {
            self.shared.fail("the writer ended with its work undone");
        }
        self.shared.room.close();
        self.shared.ended.cancel();
    }
}

/// The writer's own.
pub(super) struct Writer {
    pub(super) connection: SqliteConnection,
    pub(super) queue: Receiver,
    pub(super) shared: Arc<Shared>,
    pub(super) config: Config,
    pub(super) world: World,
    pub(super) projections: Vec<Arc<dyn Projection>>,
    pub(super) statements: Statements,
    pub(super) cache: Cache,
    pub(super) seq: u64,
    pub(super) head: Hash,
    /// The lock of the data directory, held until the last write.
    pub(super) _lock: Arc<std::fs::File>,
}

impl Writer {
    /// Writes until the journal is closed, forgotten or broken.
    pub(super) async fn run(mut self) {
        let mut ending = Ending { shared: self.shared.clone(), drained: false };
        while let Some(group) = self.gather().await {
            let (compactions, group) = group.into_iter().partition(Command::compacts);
            if let Err(error) = self.write(group).await {
                return self.shared.fail(&advised(&error));
            }
            for command in compactions {
                if let Err(reason) = self.compact(command).await {
                    return self.shared.fail(&reason);
                }
            }
        }
        ending.drained = true;
        self.finish().await;
    }

    /// The next commands that go into one transaction; `None` when there will be none.
    ///
    /// A durable append never waits for company: while one group is synced the next gathers by itself. Of 64 callers
    /// that append in a loop, 54 then share a sync; waiting for the others as well made it 62, and cost the whole
    /// window whenever a caller did not come back. Write-behind events wait for company, since nobody waits for them,
    /// until the window is over or somebody durable comes along.
    async fn gather(&mut self) -> Option<Vec<Command>> {
        tokio::select! {
            biased;
            any = self.queue.any() => if !any { return None },
            () = self.shared.closing.cancelled() => {
                self.queue.close();
                if !self.queue.any().await {
                    return None;
                }
            }
        }
        let until = self.world.clock.now() + self.config.window();
        tokio::select! {
            biased;
            () = self.queue.reason(until) => {}
            () = self.shared.closing.cancelled() => {}
        }
        Some(self.queue.group())
    }

    async fn write(&mut self, group: Vec<Command>) -> Result<(), sqlx::Error> {
        let (mut events, mut payloads, mut replies) = (Vec::new(), Vec::new(), Vec::new());
        let (mut seq, mut head) = (self.seq, self.head);
        let mut rooms = Vec::with_capacity(group.len());
        for Command { work, reply, _room } in group {
            let first = match work {
                Work::Events(at, new) => {
                    let first = seq + 1;
                    for new in new {
                        let event = Event::next(seq + 1, at, head, new);
                        (seq, head) = (event.seq, event.hash);
                        events.push(Arc::new(event));
                    }
                    first
                }
                Work::Payload(hash, bytes) => {
                    payloads.push((hash, seq, bytes));
                    0
                }
                Work::Compact { .. } | Work::Flush => 0,
            };
            replies.extend(reply.map(|reply| (reply, first)));
            rooms.push(_room);
        }
        if !(events.is_empty() && payloads.is_empty()) {
            let start = self.world.clock.now();
            self.transact(&events, payloads).await?;
            (self.seq, self.head) = (seq, head);
            let took = self.world.clock.now().saturating_duration_since(start);
            self.show(events.len(), u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
        drop(rooms);
        // Nobody may be listening, to the news or for the answer; what was written stays written.
        for event in events {
            let _ = self.shared.news.send(event);
        }
        for (reply, first) in replies {
            let _ = reply.send(first);
        }
        Ok(())
    }

    /// Lets archived events go: says so in the chain, then moves the anchor.
    async fn compact(&mut self, command: Command) -> Result<(), String> {
        let Command { work, reply, _room } = command;
        let Work::Compact { at, through, archive } = work else { return Ok(()) };
        let prepared = compact::prepare(&mut self.connection, &self.projections, through, &archive).await;
        let mut seq = 0;
        if let Some(what) = prepared.map_err(|error| error.to_string())? {
            let event = NewEvent::new(COMPACTED, None, SOURCE, &what);
            let said = Command { work: Work::Events(at, vec![event]), reply: None, _room };
            self.shared.view.lock().queued += 1;
            self.write(vec![said]).await.map_err(|error| advised(&error))?;
            seq = self.seq;
            compact::carry_out(&mut self.connection, &what).await.map_err(|error| advised(&error))?;
            self.shared.view.lock().archived = what.through;
        }
        // Nobody may be waiting for the answer; what has gone is gone.
        if let Some(reply) = reply {
            let _ = reply.send(seq);
        }
        Ok(())
    }

    /// The whole group in one transaction. Rows are read before it begins: nobody else writes.
    async fn transact(
        &mut self,
        events: &[Arc<Event>],
        payloads: Vec<(Hash, u64, Vec<u8>)>,
    ) -> Result<(), sqlx::Error> {
        let Writer { connection, projections, cache, statements, .. } = self;
        let rows = group::fold(connection, cache, projections, events).await?;
        crash(self.config.crash_before_event, events);
        statements.commit(connection, payloads, events, projections, &rows).await?;
        crash(self.config.crash_after_event, events);
        cache.keep(rows);
        Ok(())
    }

    fn show(&self, written: usize, commit_micros: u64) {
        let mut view = self.shared.view.lock();
        view.last_seq = self.seq;
        view.commits += 1;
        view.written += written as u64;
        view.queued = view.queued.saturating_sub(written as u64);
        view.commit_micros = commit_micros;
    }

    /// Copies the log into the file, so that what is left behind is one file, and closes it.
    async fn finish(mut self) {
        // Everything acknowledged is in the log already: a checkpoint that fails loses nothing.
        if let Err(error) = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await {
            tracing::warn!(reason = words(&error), "the journal's log could not be copied into its file");
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(reason = words(&error), "the journal's file could not be closed cleanly");
        }
    }
}

/// Ends the process as a power cut would, if a test wants that at one of these events: no hook runs, nobody is told.
#[expect(clippy::disallowed_methods, reason = "this is to be no orderly end")]
fn crash(at: Option<u64>, events: &[Arc<Event>]) {
    if events.iter().any(|event| Some(event.seq) == at) {
        std::process::abort();
    }
}
