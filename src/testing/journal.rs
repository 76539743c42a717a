//! The journal of a simulated host: in memory, on a disk that survives crashes, with a disk's own time and troubles.
//!
//! The fake of `store` has an event on its disk as soon as it is appended. This one stands before it like the writer
//! of the real one: events wait in a queue, commits take time and can fail, and what was not committed when the host
//! crashes is lost (TS2).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::clock::SimulatedClock;
use super::weather::Weather;
use crate::store::{
    Config, Durability, Error, Event, Journal, Memory, NewEvent, RowQuery, Verification, View, limit_events,
};
use crate::types::{Hash, RunId};

/// Appends in one commit at the most, as many as the real writer groups by default.
const GROUP_MOST: usize = 128;

enum Write {
    Events(Vec<NewEvent>, Option<oneshot::Sender<Result<u64, Error>>>),
    Payload(Vec<u8>, oneshot::Sender<Result<Hash, Error>>),
    Mark(oneshot::Sender<Result<(), Error>>),
}

/// When events were committed, on the clock that never goes back: the journal itself knows the one on the wall, which
/// may be set.
pub(super) struct Chronicle {
    clock: Arc<SimulatedClock>,
    /// Numbers of the first events of appends, and when those were on disk.
    commits: Mutex<Vec<(u64, u64)>>,
}

impl Chronicle {
    pub(super) fn new(clock: Arc<SimulatedClock>) -> Chronicle {
        Chronicle { clock, commits: Mutex::default() }
    }

    fn note(&self, first: u64) {
        self.commits.lock().push((first, self.clock.since_us()));
    }

    /// Microseconds since the simulation began at which an event was on disk.
    pub(super) fn when_us(&self, seq: u64) -> Option<u64> {
        let commits = self.commits.lock();
        let after = commits.partition_point(|(first, _)| *first <= seq);
        commits.get(after.checked_sub(1)?).map(|(_, at)| *at)
    }
}

pub(super) struct Spooled {
    memory: Arc<Memory>,
    queue: mpsc::Sender<Write>,
    queued: Arc<AtomicU64>,
    cut: Arc<AtomicBool>,
    config: Config,
}

impl Spooled {
    /// A journal before this one. Its writer ends with it.
    pub(super) fn begin(
        memory: Arc<Memory>,
        (weather, chronicle): (Arc<Weather>, Arc<Chronicle>),
        config: &Config,
    ) -> Arc<Spooled> {
        let room = usize::try_from(config.queue_events.get()).unwrap_or(usize::MAX);
        let (queue, waiting) = mpsc::channel(room);
        let (queued, cut) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let writer = Writer {
            memory: Arc::clone(&memory),
            waiting,
            queued: Arc::clone(&queued),
            cut: Arc::clone(&cut),
            weather,
            chronicle,
        };
        #[expect(clippy::disallowed_methods, reason = "a backend's own writer; it ends when the journal is dropped")]
        tokio::spawn(writer.run());
        Arc::new(Spooled { memory, queue, queued, cut, config: config.clone() })
    }

    /// The host is dead: nothing that waits is written any more, and the disk is free for the next one.
    pub(super) async fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        let _ = self.memory.close().await;
    }

    fn usable(&self) -> Result<(), Error> {
        if self.cut.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        match self.memory.view().failed {
            Some(reason) => Err(Error::Write(reason)),
            None => Ok(()),
        }
    }

    /// Puts a write in the queue once there is room. Nothing is queued if the caller leaves before.
    async fn enqueue(&self, write: Write) -> Result<(), Error> {
        self.usable()?;
        let room = self.queue.reserve().await.map_err(|_| Error::Closed)?;
        self.usable()?;
        self.queued.fetch_add(1, Ordering::AcqRel);
        room.send(write);
        Ok(())
    }

    async fn answer<T>(&self, answer: oneshot::Receiver<Result<T, Error>>) -> Result<T, Error> {
        answer.await.unwrap_or(Err(Error::Closed))
    }
}

/// Takes what waits, and commits it group by group.
struct Writer {
    memory: Arc<Memory>,
    waiting: mpsc::Receiver<Write>,
    queued: Arc<AtomicU64>,
    cut: Arc<AtomicBool>,
    weather: Arc<Weather>,
    chronicle: Arc<Chronicle>,
}

impl Writer {
    async fn run(mut self) {
        let mut group = Vec::new();
        while self.waiting.recv_many(&mut group, GROUP_MOST).await > 0 {
            tokio::time::sleep(self.weather.commit()).await;
            if self.cut.load(Ordering::Acquire) {
                return;
            }
            if self.weather.breaks() {
                self.memory.fail_next_commit("the simulated disk broke");
            }
            for write in group.drain(..) {
                self.queued.fetch_sub(1, Ordering::AcqRel);
                self.commit(write).await;
            }
        }
    }

    /// Whoever gave up waiting for the answer does not hear it.
    async fn commit(&self, write: Write) {
        match write {
            Write::Events(events, reply) => {
                let appended = self.memory.append(events, Durability::Durable).await;
                if let Ok(first) = &appended {
                    self.chronicle.note(*first);
                }
                reply.map(|reply| reply.send(appended));
            }
            Write::Payload(bytes, reply) => _ = reply.send(self.memory.put_payload(bytes).await),
            Write::Mark(reply) => _ = reply.send(self.memory.flush().await),
        }
    }
}

#[async_trait]
impl Journal for Spooled {
    async fn append(&self, events: Vec<NewEvent>, durability: Durability) -> Result<u64, Error> {
        limit_events(&events, &self.config)?;
        if events.is_empty() {
            return Ok(0);
        }
        if durability == Durability::Behind {
            return self.enqueue(Write::Events(events, None)).await.map(|()| 0);
        }
        let (reply, answer) = oneshot::channel();
        self.enqueue(Write::Events(events, Some(reply))).await?;
        self.answer(answer).await
    }

    async fn read(&self, from: u64, limit: usize) -> Result<Vec<Event>, Error> {
        self.memory.read(from, limit).await
    }

    async fn read_run(&self, run: RunId, limit: usize) -> Result<Vec<Event>, Error> {
        self.memory.read_run(run, limit).await
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.memory.subscribe()
    }

    async fn put_payload(&self, bytes: Vec<u8>) -> Result<Hash, Error> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Write::Payload(bytes, reply)).await?;
        self.answer(answer).await
    }

    async fn get_payload(&self, hash: Hash) -> Result<Option<Vec<u8>>, Error> {
        self.memory.get_payload(hash).await
    }

    async fn row(&self, projection: &str, key: &str) -> Result<Option<Value>, Error> {
        self.memory.row(projection, key).await
    }

    async fn rows(&self, query: RowQuery<'_>) -> Result<Vec<(String, Value)>, Error> {
        self.memory.rows(query).await
    }

    async fn flush(&self) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Write::Mark(reply)).await?;
        self.answer(answer).await
    }

    async fn verify(&self) -> Result<Verification, Error> {
        self.memory.verify().await
    }

    async fn compact(&self, through: u64, archive: &str) -> Result<u64, Error> {
        self.flush().await?;
        self.memory.compact(through, archive).await
    }

    fn view(&self) -> View {
        View { queued: self.queued.load(Ordering::Acquire), ..self.memory.view() }
    }

    async fn close(&self) -> Result<(), Error> {
        if self.usable().is_ok() {
            // What cannot be written any more is told by the close below.
            let _ = self.flush().await;
        }
        self.memory.close().await
    }
}
