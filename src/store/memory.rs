//! The journal's fake: everything in memory, for the tests of other parts and of agent authors.
//!
//! It keeps J1, J2, J4 and J5 like the real one, and the part of J3 that memory can keep: a [`Disk`] outlives the
//! journal on it, so a test can restart a host and find what was written. Told to, it fails like a full disk.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::broadcast;

use super::compact::hash_row;
use super::fold::{Known, Touches, beyond};
use super::{
    BadEvent, COMPACTED, Compacted, Config, Durability, Error, Event, Journal, NewEvent, Projection, RowQuery,
    Verification, View, limit_events, limit_payload,
};
use crate::types::{Hash, RunId, Timestamp, World};

/// What a journal in memory writes on. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    held: bool,
    /// The last event that is in an archive, with its hash.
    anchor: (u64, Hash),
    /// The rows that the archived events had made.
    base: HashMap<String, BTreeMap<String, Value>>,
    /// Those after the anchor.
    events: Vec<Arc<Event>>,
    payloads: BTreeMap<Hash, Vec<u8>>,
    rows: HashMap<String, BTreeMap<String, Value>>,
    cursors: HashMap<String, (u32, u64)>,
}

/// The journal's fake.
pub struct Memory {
    disk: Disk,
    state: Mutex<State>,
    news: broadcast::Sender<Arc<Event>>,
    config: Config,
    world: World,
    projections: Vec<Arc<dyn Projection>>,
}

#[derive(Default)]
struct State {
    view: View,
    fail_next: Option<String>,
    closed: bool,
}

impl Memory {
    /// A journal on this disk; its projections are brought up to date.
    ///
    /// # Errors
    /// [`Error::InUse`] if another journal is open on the disk.
    pub fn open(
        disk: &Disk,
        config: &Config,
        world: World,
        projections: Vec<Arc<dyn Projection>>,
    ) -> Result<Arc<Memory>, Error> {
        let mut stored = disk.0.lock();
        if stored.held {
            return Err(Error::InUse { path: "memory".to_owned() });
        }
        stored.held = true;
        let (last_seq, archived) = (stored.last(), stored.anchor.0);
        for index in 0..projections.len() {
            stored.catch_up(&projections, index);
        }
        Ok(Arc::new(Memory {
            disk: disk.clone(),
            state: Mutex::new(State { view: View { last_seq, archived, ..View::default() }, ..State::default() }),
            news: broadcast::Sender::new(config.news()),
            config: config.clone(),
            world,
            projections,
        }))
    }

    /// Makes the next write fail for this reason, and with it all that follow, as a broken disk does.
    pub fn fail_next_commit(&self, reason: &str) {
        self.state.lock().fail_next = Some(reason.to_owned());
    }

    /// Writes under the lock that orders all writes.
    fn commit<T>(&self, write: impl FnOnce(&mut Stored, &mut View) -> T) -> Result<T, Error> {
        let mut stored = self.disk.0.lock();
        let mut state = self.state.lock();
        state.usable()?;
        if let Some(reason) = state.fail_next.take() {
            state.view.failed = Some(reason.clone());
            return Err(Error::Write(reason));
        }
        let written = write(&mut stored, &mut state.view);
        state.view.commits += 1;
        Ok(written)
    }

    /// Appends and folds, and returns the number of the first.
    fn write(&self, stored: &mut Stored, view: &mut View, at: Timestamp, new: Vec<NewEvent>) -> u64 {
        let events = stored.append(at, new);
        stored.fold(&self.projections, 0..self.projections.len(), &events);
        view.last_seq = stored.last();
        view.written += events.len() as u64;
        for projection in &self.projections {
            stored.cursors.insert(projection.name().to_owned(), (projection.version(), view.last_seq));
        }
        let first = events.first().map_or(0, |event| event.seq);
        // Sent under the lock, so that the news is in order; nobody may be listening.
        events.into_iter().for_each(|event| drop(self.news.send(event)));
        first
    }

    /// Reads, unless the journal was closed.
    fn look<T>(&self, read: impl FnOnce(&Stored) -> T) -> Result<T, Error> {
        let stored = self.disk.0.lock();
        if self.state.lock().closed { Err(Error::Closed) } else { Ok(read(&stored)) }
    }

    fn known(&self, projection: &str) -> Result<(), Error> {
        match self.projections.iter().any(|known| known.name() == projection) {
            true => Ok(()),
            false => Err(Error::NoProjection(projection.to_owned())),
        }
    }
}

impl State {
    fn usable(&self) -> Result<(), Error> {
        match &self.view.failed {
            Some(reason) => Err(Error::Write(reason.clone())),
            None if self.closed => Err(Error::Closed),
            None => Ok(()),
        }
    }
}

impl Stored {
    fn last(&self) -> u64 {
        self.anchor.0 + self.events.len() as u64
    }

    fn head(&self) -> Hash {
        self.events.last().map_or(self.anchor.1, |event| event.hash)
    }

    /// The place of the event after this one.
    fn place(&self, seq: u64) -> usize {
        usize::try_from(seq.saturating_sub(self.anchor.0)).unwrap_or(usize::MAX).min(self.events.len())
    }

    fn append(&mut self, at: Timestamp, new: Vec<NewEvent>) -> Vec<Arc<Event>> {
        let (first, mut head) = (self.last() + 1, self.head());
        let chain = (first..).zip(new).map(|(seq, new)| {
            let event = Arc::new(Event::next(seq, at, head, new));
            head = event.hash;
            event
        });
        let events: Vec<Arc<Event>> = chain.collect();
        self.events.extend(events.iter().cloned());
        events
    }

    /// What would go, with the rows as the events up to it made them.
    fn prepare(&self, projections: &[Arc<dyn Projection>], through: u64, archive: &str) -> Option<(Compacted, Stored)> {
        let going = self.place(through);
        let hash = self.events.get(going.checked_sub(1)?).filter(|event| event.seq == through)?.hash;
        let (anchor, base) = (self.anchor, self.base.clone());
        let events = self.events[..going].to_vec();
        let mut then = Stored { anchor, base, events, ..Stored::default() };
        for index in 0..projections.len() {
            then.catch_up(projections, index);
        }
        let what = Compacted { through, hash, base: rows_hash(&then.rows), archive: archive.to_owned() };
        Some((what, then))
    }

    fn catch_up(&mut self, projections: &[Arc<dyn Projection>], index: usize) {
        let projection = &projections[index];
        let last = self.last();
        let stored = self.cursors.get(projection.name()).filter(|(version, _)| *version == projection.version());
        let from = stored.map_or(0, |(_, seq)| *seq);
        if from <= self.anchor.0 {
            self.rows.remove(projection.name());
            if let Some(base) = self.base.get(projection.name()) {
                self.rows.insert(projection.name().to_owned(), base.clone());
            }
        }
        let events = self.events.split_at(self.place(from)).1.to_vec();
        self.fold(projections, std::iter::once(index), &events);
        self.cursors.insert(projection.name().to_owned(), (projection.version(), last));
    }

    fn fold(
        &mut self,
        projections: &[Arc<dyn Projection>],
        indexes: impl Iterator<Item = usize> + Clone,
        events: &[Arc<Event>],
    ) {
        let touches = Touches::of(indexes.map(|index| (index, &projections[index])), events);
        let take = |key: &&(usize, String)| {
            let value = self.rows.get_mut(projections[key.0].name()).and_then(|rows| rows.remove(&key.1));
            ((*key).clone(), value)
        };
        let mut rows: Known = touches.keys().iter().map(take).collect();
        touches.apply(projections, events, &mut rows);
        for ((index, key), value) in rows {
            if let Some(value) = value {
                self.rows.entry(projections[index].name().to_owned()).or_default().insert(key, value);
            }
        }
    }
}

impl Stored {
    /// Folds everything once more and compares: a row that is not what the events make is placed at the last of them.
    fn refold(&self, projections: &[Arc<dyn Projection>]) -> Option<BadEvent> {
        let (anchor, base, events) = (self.anchor, self.base.clone(), self.events.clone());
        let mut again = Stored { anchor, base, events, ..Stored::default() };
        for (index, projection) in projections.iter().enumerate() {
            again.catch_up(projections, index);
            let name = projection.name();
            let rows = |stored: &Stored| stored.rows.get(name).cloned().unwrap_or_default();
            if rows(self) != rows(&again) {
                let reason = format!("the rows of projection {name} are not what the events make");
                return Some(BadEvent { seq: self.last(), reason });
            }
        }
        None
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if !self.state.lock().closed {
            self.disk.0.lock().held = false;
        }
    }
}

#[async_trait]
impl Journal for Memory {
    async fn append(&self, new: Vec<NewEvent>, durability: Durability) -> Result<u64, Error> {
        limit_events(&new, &self.config)?;
        if new.is_empty() {
            return Ok(0);
        }
        let at = self.world.clock.wall();
        if durability == Durability::Behind {
            self.state.lock().usable()?;
        }
        let appended = self.commit(|stored, view| self.write(stored, view, at, new));
        match durability {
            Durability::Durable => appended,
            // As with the real one, a write-behind append is taken before it is written: when that fails, the view
            // says so, and so does every later call.
            Durability::Behind => Ok(0),
        }
    }

    async fn read(&self, from: u64, limit: usize) -> Result<Vec<Event>, Error> {
        self.look(|stored| {
            let from = stored.events.iter().skip(stored.place(from.saturating_sub(1)));
            from.take(limit).map(|event| Event::clone(event)).collect()
        })
    }

    async fn read_run(&self, run: RunId, limit: usize) -> Result<Vec<Event>, Error> {
        let of_run = |event: &&Arc<Event>| event.run == Some(run);
        self.look(|stored| stored.events.iter().filter(of_run).take(limit).map(|event| Event::clone(event)).collect())
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.news.subscribe()
    }

    async fn put_payload(&self, bytes: Vec<u8>) -> Result<Hash, Error> {
        limit_payload(&bytes, &self.config)?;
        let hash = Hash::of(&bytes);
        self.commit(|stored, _| {
            stored.payloads.entry(hash).or_insert(bytes);
        })?;
        Ok(hash)
    }

    async fn get_payload(&self, hash: Hash) -> Result<Option<Vec<u8>>, Error> {
        self.look(|stored| stored.payloads.get(&hash).cloned())
    }

    async fn row(&self, projection: &str, key: &str) -> Result<Option<Value>, Error> {
        self.known(projection)?;
        self.look(|stored| stored.rows.get(projection)?.get(key).cloned())
    }

    async fn rows(&self, query: RowQuery<'_>) -> Result<Vec<(String, Value)>, Error> {
        self.known(query.projection)?;
        let end = beyond(query.prefix);
        let mut low = Bound::Included(query.prefix);
        let mut high = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        match query.after {
            Some(after) if query.reverse && end.as_deref().is_none_or(|end| after < end) => {
                high = Bound::Excluded(after);
            }
            Some(after) if !query.reverse && after >= query.prefix => low = Bound::Excluded(after),
            _ => {}
        }
        let owned = |(key, value): (&String, &Value)| (key.clone(), value.clone());
        self.look(|stored| {
            let Some(rows) = stored.rows.get(query.projection).filter(|_| !is_empty(low, high)) else {
                return Vec::new();
            };
            let found = rows.range::<str, _>((low, high));
            match query.reverse {
                true => found.rev().take(query.limit).map(owned).collect(),
                false => found.take(query.limit).map(owned).collect(),
            }
        })
    }

    async fn flush(&self) -> Result<(), Error> {
        self.state.lock().usable()
    }

    async fn verify(&self) -> Result<Verification, Error> {
        self.look(|stored| {
            let (archived, anchor) = stored.anchor;
            let mut found = Verification { verified: 0, head: anchor, archived, anchor, withheld: 0, first_bad: None };
            for event in &stored.events {
                let next = archived + found.verified + 1;
                let follows = event.seq == next && event.previous == found.head;
                if !follows || event.hash != event.computed_hash() {
                    let reason = "it is not the event that was appended".to_owned();
                    found.first_bad = Some(BadEvent { seq: next, reason });
                    return found;
                }
                (found.verified, found.head) = (found.verified + 1, event.hash);
            }
            found.first_bad = stored.refold(&self.projections);
            found
        })
    }

    async fn compact(&self, through: u64, archive: &str) -> Result<u64, Error> {
        let at = self.world.clock.wall();
        self.commit(|stored, view| {
            let Some((what, then)) = stored.prepare(&self.projections, through, archive) else { return 0 };
            let said = self.write(stored, view, at, vec![NewEvent::new(COMPACTED, None, "store", &what)]);
            stored.events.drain(..stored.place(through));
            (stored.anchor, stored.base) = ((what.through, what.hash), then.rows);
            view.archived = through;
            said
        })
    }

    fn view(&self) -> View {
        self.state.lock().view.clone()
    }

    async fn close(&self) -> Result<(), Error> {
        let mut stored = self.disk.0.lock();
        let mut state = self.state.lock();
        if !std::mem::replace(&mut state.closed, true) {
            stored.held = false;
        }
        state.view.failed.clone().map_or(Ok(()), |reason| Err(Error::Write(reason)))
    }
}

/// One hash over all rows, in the order of their projections and keys.
fn rows_hash(rows: &HashMap<String, BTreeMap<String, Value>>) -> Hash {
    let mut hasher = blake3::Hasher::new();
    for (projection, rows) in rows.iter().collect::<BTreeMap<_, _>>() {
        rows.iter().for_each(|(key, value)| hash_row(&mut hasher, projection, key, &value.to_string()));
    }
    Hash(*hasher.finalize().as_bytes())
}

/// Whether a range holds no key at all; a map would panic on one whose ends are the wrong way round.
fn is_empty(low: Bound<&str>, high: Bound<&str>) -> bool {
    match (low, high) {
        (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => low >= high,
        _ => false,
    }
}
