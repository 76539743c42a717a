//! The journal in one SQLite file.
//!
//! What it is for: a host with nothing beside it. One task writes through one connection ([`writer`]), a few
//! connections read beside it, and a lock file keeps a second host out of the same data directory.
//! What it never does: answer a durable append before SQLite's sync, or go on after a write has failed.

mod cache;
mod compact;
mod connect;
mod group;
mod log;
mod on_disk;
mod place;
mod proof;
mod queue;
mod read;
mod reader;
mod rebuild;
mod refold;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tokio::sync::{Semaphore, broadcast, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    Config, Durability, Error, Event, Journal, NewEvent, Projection, RowQuery, Verification, View, limit_events,
    limit_payload,
};
use crate::types::{Hash, RunId, World};
use cache::Cache;
use connect::reading;
use group::Statements;
pub use on_disk::{Belonging, OnDisk};
use proof::Proved;
pub use reader::Reader;
use writer::{Command, Shared, Work, Writer};

/// The journal in one SQLite file, written by one task.
pub struct Sqlite {
    shared: Arc<Shared>,
    queue: queue::Sender,
    readers: SqlitePool,
    config: Config,
    world: World,
    projections: Vec<Arc<dyn Projection>>,
    path: PathBuf,
    /// Given up when closed; the writer holds it too, so that a journal that is only dropped stays locked until its
    /// last write.
    lock: Mutex<Option<Arc<File>>>,
}

impl Sqlite {
    /// Opens the journal at `path`, or makes one there, and brings its projections up to date.
    ///
    /// # Errors
    /// [`Error::InUse`] if another host has it open, [`Error::Newer`] if a newer program wrote it, [`Error::Corrupt`]
    /// if anything in it is not what was written (of a long journal: in its newest events), [`Error::Gone`] if there was one that is not there any more,
    /// [`Error::Open`] for everything else, such as a file of another kind. None of them changes the file.
    pub async fn open(
        path: &Path,
        config: &Config,
        world: World,
        projections: Vec<Arc<dyn Projection>>,
    ) -> Result<Arc<Sqlite>, Error> {
        Sqlite::open_beside(path, &[], config, world, projections).await
    }

    /// The same beside `companions`: names of files and folders which only somebody with a journal makes, so that one is
    /// missing where they are.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub async fn open_beside(
        path: &Path,
        companions: &[&str],
        config: &Config,
        world: World,
        projections: Vec<Arc<dyn Projection>>,
    ) -> Result<Arc<Sqlite>, Error> {
        Sqlite::open_with(path, companions, connect::options(path), config, world, projections).await
    }

    /// Whether there is a journal at `path`; if not, the next opening makes one.
    ///
    /// # Errors
    /// As [`Sqlite::open_beside`].
    pub async fn is_at(path: &Path, companions: &[&str]) -> Result<bool, Error> {
        connect::inspect(path, companions).await
    }

    async fn open_with(
        path: &Path,
        companions: &[&str],
        options: SqliteConnectOptions,
        config: &Config,
        world: World,
        projections: Vec<Arc<dyn Projection>>,
    ) -> Result<Arc<Sqlite>, Error> {
        let lock = Arc::new(connect::lock(path)?);
        if let Some(seq) = config.crash_before_event.or(config.crash_after_event) {
            tracing::warn!(seq, "this process kills itself at an event: store.crash_*_event is for tests only");
        }
        let lost = log::keep_lost(path)?;
        let mut connection = connect::open(path, companions, options).await?;
        if lost {
            let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await;
            emptied.map_err(|error| connect::opening(path, &error))?;
        }
        let tail = read::tail(&mut connection).await?;
        if let Some((seq, reason)) = tail.fault() {
            return Err(Error::Corrupt(format!("event {seq}: {reason}; {}", connect::SAVE)));
        }
        let archived = read::anchor(&mut connection).await?.seq;
        let proved = proof::events(&mut connection, &tail, archived).await?;
        if proved == Proved::Whole {
            proof::rows(path, &projections, &tail).await?;
        }
        rebuild::rebuild(&mut connection, &projections, tail.seq).await?;
        let capacity = config.queue_events.get() as usize;
        let shared = Arc::new(Shared {
            view: Mutex::new(View { last_seq: tail.seq, archived, unproved: proved == Proved::End, ..View::default() }),
            room: Arc::new(Semaphore::new(capacity)),
            news: broadcast::Sender::new(config.news()),
            closing: CancellationToken::new(),
            ended: CancellationToken::new(),
        });
        let (queue, commands) = queue::queue(config.group_commit_events.get());
        let journal = Sqlite {
            shared: shared.clone(),
            queue,
            readers: connect::readers(path, config),
            config: config.clone(),
            world: world.clone(),
            projections: projections.clone(),
            path: path.to_owned(),
            lock: Mutex::new(Some(lock.clone())),
        };
        let writer = Writer {
            connection,
            queue: commands,
            shared,
            config: config.clone(),
            world,
            statements: Statements::new(&projections),
            projections,
            cache: Cache::default(),
            seq: tail.seq,
            head: tail.hash,
            _lock: lock,
        };
        #[expect(clippy::disallowed_methods, reason = "the writer outlives every caller; close() ends it")]
        tokio::spawn(writer.run());
        Ok(Arc::new(journal))
    }

    /// Verifies the journal at `path` without writing to it and without its lock: a host may have it open.
    ///
    /// # Errors
    /// As [`Sqlite::open`], but a broken chain is an answer here and no error.
    pub async fn verify_file(path: &Path, projections: &[Arc<dyn Projection>]) -> Result<Verification, Error> {
        OnDisk::at(path, projections.to_vec()).verify().await
    }

    /// Queues work that takes this much room, all of it or nothing.
    async fn queue(&self, work: Work, room: usize, reply: Option<oneshot::Sender<u64>>) -> Result<(), Error> {
        let room = u32::try_from(room).unwrap_or(u32::MAX).clamp(1, self.config.queue_events.get());
        let permit = self.shared.room.clone().acquire_many_owned(room).await.map_err(|_| self.shared.why())?;
        let events = match &work {
            Work::Events(_, events) => events.len() as u64,
            Work::Payload(..) | Work::Compact { .. } | Work::Flush => 0,
        };
        self.shared.view.lock().queued += events;
        if self.queue.send(Command { work, reply, _room: permit }) {
            return Ok(());
        }
        self.shared.view.lock().queued -= events;
        Err(self.shared.why())
    }

    /// Queues work and waits for the commit that holds it.
    async fn written(&self, work: Work, room: usize) -> Result<u64, Error> {
        let (reply, answer) = oneshot::channel();
        self.queue(work, room, Some(reply)).await?;
        match answer.await {
            Ok(answer) => Ok(answer),
            // A writer that fails drops its callers a moment before it says why; it has said so when it has ended.
            Err(_) => {
                self.shared.ended.cancelled().await;
                Err(self.shared.why())
            }
        }
    }

    fn known(&self, projection: &str) -> Result<(), Error> {
        match self.projections.iter().any(|known| known.name() == projection) {
            true => Ok(()),
            false => Err(Error::NoProjection(projection.to_owned())),
        }
    }
}

#[async_trait]
impl Journal for Sqlite {
    async fn append(&self, events: Vec<NewEvent>, durability: Durability) -> Result<u64, Error> {
        limit_events(&events, &self.config)?;
        if events.is_empty() {
            return Ok(0);
        }
        let room = events.len();
        let work = Work::Events(self.world.clock.wall(), events);
        match durability {
            Durability::Durable => self.written(work, room).await,
            Durability::Behind => self.queue(work, room, None).await.map(|()| 0),
        }
    }

    async fn read(&self, from: u64, limit: usize) -> Result<Vec<Event>, Error> {
        let mut connection = self.readers.acquire().await.map_err(|error| reading(&error))?;
        read::from(&mut connection, from, limit).await
    }

    async fn read_run(&self, run: RunId, limit: usize) -> Result<Vec<Event>, Error> {
        read::of_run(&self.readers, run, limit).await
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.shared.news.subscribe()
    }

    async fn put_payload(&self, bytes: Vec<u8>) -> Result<Hash, Error> {
        limit_payload(&bytes, &self.config)?;
        let hash = Hash::of(&bytes);
        if !read::has_payload(&self.readers, hash).await? {
            // A payload takes the room of the events that its bytes would fill, so that the queue bounds bytes too.
            let room = 1 + bytes.len() / self.config.event_bytes_max.max(1);
            self.written(Work::Payload(hash, bytes), room).await?;
        }
        Ok(hash)
    }

    async fn get_payload(&self, hash: Hash) -> Result<Option<Vec<u8>>, Error> {
        read::payload(&self.readers, hash).await
    }

    async fn row(&self, projection: &str, key: &str) -> Result<Option<Value>, Error> {
        self.known(projection)?;
        read::row(&self.readers, projection, key).await
    }

    async fn rows(&self, query: RowQuery<'_>) -> Result<Vec<(String, Value)>, Error> {
        self.known(query.projection)?;
        read::rows(&self.readers, query).await
    }

    async fn flush(&self) -> Result<(), Error> {
        self.written(Work::Flush, 0).await.map(drop)
    }

    async fn verify(&self) -> Result<Verification, Error> {
        if self.shared.closing.is_cancelled() {
            return Err(Error::Closed);
        }
        Sqlite::verify_file(&self.path, &self.projections).await
    }

    async fn compact(&self, through: u64, archive: &str) -> Result<u64, Error> {
        let (at, archive) = (self.world.clock.wall(), archive.to_owned());
        self.written(Work::Compact { at, through, archive }, 1).await
    }

    fn view(&self) -> View {
        self.shared.view.lock().clone()
    }

    async fn close(&self) -> Result<(), Error> {
        self.shared.closing.cancel();
        self.shared.room.close();
        self.shared.ended.cancelled().await;
        self.readers.close().await;
        self.lock.lock().take();
        match self.shared.why() {
            Error::Closed => Ok(()),
            failed => Err(failed),
        }
    }
}
