//! The registry of one host: which actors there are, how they fare, and what they show of themselves.
//!
//! ractor's own registry is process-wide, which would let two hosts see each other; this one belongs to its host.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::mailbox::Queue;

/// Where an actor is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[schema(as = ActorStatus)]
pub enum Status {
    /// Its start hook runs.
    Starting,
    /// It takes messages.
    Up,
    /// It waits for its next life.
    Restarting,
    /// It is being stopped.
    Stopping,
    /// It ended, and is not restarted.
    Ended,
    /// It is held down by an operator or by CROWN.
    Held,
}

const STATUSES: [Status; 6] =
    [Status::Starting, Status::Up, Status::Restarting, Status::Stopping, Status::Ended, Status::Held];

/// Counters of one actor; they go on across its lives.
#[derive(Debug)]
pub(super) struct Stats {
    depth: AtomicU64,
    handled: AtomicU64,
    expired: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
    handler_nanos: AtomicU64,
    longest_nanos: AtomicU64,
    /// What the times below are counted from.
    base: Instant,
    /// When the present message was begun, in nanoseconds since `base`, plus one; 0 at rest.
    busy_since: AtomicU64,
}

impl Stats {
    pub(super) fn new(base: Instant) -> Stats {
        let zero = || AtomicU64::new(0);
        Stats {
            depth: zero(),
            handled: zero(),
            expired: zero(),
            dropped: zero(),
            refused: zero(),
            handler_nanos: zero(),
            longest_nanos: zero(),
            base,
            busy_since: zero(),
        }
    }

    pub(super) fn set_depth(&self, depth: usize) {
        self.depth.store(depth as u64, Relaxed);
    }

    pub(super) fn depth(&self) -> usize {
        self.depth.load(Relaxed) as usize
    }

    pub(super) fn count_expired(&self) {
        self.expired.fetch_add(1, Relaxed);
    }

    pub(super) fn count_dropped(&self, messages: usize) {
        if messages > 0 {
            self.dropped.fetch_add(messages as u64, Relaxed);
        }
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn begin(&self, now: Instant) {
        self.busy_since.store(nanos(now - self.base).saturating_add(1), Relaxed);
    }

    /// No message is being handled any more.
    pub(super) fn rest(&self) {
        self.busy_since.store(0, Relaxed);
    }

    fn busy_since(&self) -> Option<Instant> {
        let since = self.busy_since.load(Relaxed).checked_sub(1)?;
        Some(self.base + Duration::from_nanos(since))
    }

    /// Only the actor itself writes these, so plain loads and stores are enough and cheaper than read-modify-write.
    pub(super) fn finish(&self, began: Instant, done: Instant) {
        let nanos = nanos(done - began);
        self.handled.store(self.handled.load(Relaxed) + 1, Relaxed);
        self.handler_nanos.store(self.handler_nanos.load(Relaxed).saturating_add(nanos), Relaxed);
        self.longest_nanos.store(self.longest_nanos.load(Relaxed).max(nanos), Relaxed);
        self.rest();
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// When the oldest message of a mailbox was sent; type-erased, since mailboxes have different message types.
trait Waiting: Send + Sync {
    fn oldest(&self) -> Option<Instant>;
    fn stats(&self) -> &Stats;
}

impl<M: Send + 'static> Waiting for Queue<M> {
    fn oldest(&self) -> Option<Instant> {
        Queue::oldest(self)
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }
}

/// What an actor shows; type-erased, since each shows another shape.
pub(super) trait Shown: Send + Sync {
    fn json(&self) -> serde_json::Value;
}

impl<V: Serialize + Send + Sync> Shown for V {
    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// One actor or supervisor of a host.
pub(super) struct Entry {
    path: Arc<str>,
    order: u64,
    supervisor: bool,
    policy: &'static str,
    status: AtomicU8,
    restarts: AtomicU64,
    left_behind: AtomicU64,
    up_since: AtomicI64,
    last_failure: Mutex<Option<String>>,
    view: Mutex<Option<Arc<dyn Shown>>>,
    mailbox: OnceLock<Arc<dyn Waiting>>,
}

impl Entry {
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The last part of the path.
    pub(super) fn id(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    pub(super) fn set_status(&self, status: Status) {
        self.status.store(status as u8, Relaxed);
    }

    pub(super) fn status(&self) -> Status {
        STATUSES[usize::from(self.status.load(Relaxed)).min(STATUSES.len() - 1)]
    }

    pub(super) fn set_up(&self, wall_micros: i64) {
        self.up_since.store(wall_micros, Relaxed);
        self.set_status(Status::Up);
    }

    pub(super) fn count_restart(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }

    pub(super) fn count_left_behind(&self) {
        self.left_behind.fetch_add(1, Relaxed);
    }

    pub(super) fn note_failure(&self, cause: &str) {
        *self.last_failure.lock() = Some(cause.to_owned());
    }

    pub(super) fn publish(&self, view: Arc<dyn Shown>) {
        // The view before is dropped when the lock is free again.
        let _before = self.view.lock().replace(view);
    }

    pub(super) fn watch_mailbox<M: Send + 'static>(&self, queue: Arc<Queue<M>>) {
        // The same queue serves every life, so a second call changes nothing.
        let _ = self.mailbox.set(queue);
    }

    fn node(&self, now: Instant) -> Node {
        let mailbox = self.mailbox.get();
        // A life that was killed has left its last message marked as begun.
        let alive = matches!(self.status(), Status::Up | Status::Stopping);
        let view = self.view.lock().clone();
        let stats = |read: fn(&Stats) -> &AtomicU64| mailbox.map_or(0, |mailbox| read(mailbox.stats()).load(Relaxed));
        let age = |since: Option<Instant>| {
            since.map(|since| u64::try_from(now.saturating_duration_since(since).as_micros()).unwrap_or(u64::MAX))
        };
        Node {
            path: self.path.to_string(),
            id: self.id().to_owned(),
            supervisor: self.supervisor,
            policy: self.policy.to_owned(),
            status: self.status(),
            restarts: self.restarts.load(Relaxed),
            left_behind: self.left_behind.load(Relaxed),
            up_since_micros: self.up_since.load(Relaxed),
            last_failure: self.last_failure.lock().clone(),
            mailbox_depth: stats(|stats| &stats.depth),
            mailbox_oldest_micros: age(mailbox.and_then(|mailbox| mailbox.oldest())),
            busy_micros: age(mailbox.filter(|_| alive).and_then(|mailbox| mailbox.stats().busy_since())),
            handled: stats(|stats| &stats.handled),
            expired: stats(|stats| &stats.expired),
            dropped: stats(|stats| &stats.dropped),
            refused: stats(|stats| &stats.refused),
            handler_micros: stats(|stats| &stats.handler_nanos) / 1_000,
            longest_handler_micros: stats(|stats| &stats.longest_nanos) / 1_000,
            view: view.map(|view| view.json()).unwrap_or_default(),
            children: Vec::new(),
        }
    }
}

/// What one actor shows: read from counters and views, never by asking it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Node {
    /// Its place, such as `host/crown/router`.
    pub path: String,
    /// The last part of the path.
    pub id: String,
    /// Whether it supervises others.
    pub supervisor: bool,
    /// Its strategy if it supervises, else its restart type.
    pub policy: String,
    /// Where it is in its life.
    pub status: Status,
    /// Times it was started again after it ended.
    pub restarts: u64,
    /// Incarnations that were killed and did not end.
    pub left_behind: u64,
    /// Wall time of its last start, microseconds since 1970.
    pub up_since_micros: i64,
    /// Why it last ended, if it ever failed.
    pub last_failure: Option<String>,
    /// Messages waiting.
    pub mailbox_depth: u64,
    /// Age of the oldest of them, in microseconds.
    pub mailbox_oldest_micros: Option<u64>,
    /// How long it has been handling its present message, in microseconds; none if it rests.
    pub busy_micros: Option<u64>,
    /// Messages handled.
    pub handled: u64,
    /// Messages dropped because their sender no longer waited.
    pub expired: u64,
    /// Messages dropped by policy or at the end.
    pub dropped: u64,
    /// Messages refused because the mailbox was full.
    pub refused: u64,
    /// Time spent in its handler, in microseconds.
    pub handler_micros: u64,
    /// The longest single message, in microseconds.
    pub longest_handler_micros: u64,
    /// What it publishes of itself.
    pub view: serde_json::Value,
    /// Those it supervises, in starting order.
    #[schema(no_recursion)]
    pub children: Vec<Node>,
}

/// All actors of one host. Two hosts in one process have two registries and do not see each other.
#[derive(Default)]
pub struct Registry {
    entries: RwLock<BTreeMap<Arc<str>, Arc<Entry>>>,
    next: AtomicU64,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Arc<Registry> {
        Arc::new(Registry::default())
    }

    /// The entry at this path, made on first use and kept across lives.
    pub(super) fn entry(&self, path: &str, supervisor: bool, policy: &'static str) -> Arc<Entry> {
        let mut entries = self.entries.write();
        if let Some(entry) = entries.get(path) {
            return Arc::clone(entry);
        }
        let path: Arc<str> = Arc::from(path);
        let entry = Arc::new(Entry {
            path: Arc::clone(&path),
            order: self.next.fetch_add(1, Relaxed),
            supervisor,
            policy,
            status: AtomicU8::new(Status::Starting as u8),
            restarts: AtomicU64::new(0),
            left_behind: AtomicU64::new(0),
            up_since: AtomicI64::new(0),
            last_failure: Mutex::new(None),
            view: Mutex::default(),
            mailbox: OnceLock::new(),
        });
        entries.insert(path, Arc::clone(&entry));
        entry
    }

    /// Forgets an actor and all below it.
    pub(super) fn remove(&self, path: &str) {
        // All below it are between "path/" and "path0", since '0' is the character after '/'.
        let (first, end): (Arc<str>, Arc<str>) = (format!("{path}/").into(), format!("{path}0").into());
        let mut entries = self.entries.write();
        entries.remove(path);
        let below: Vec<Arc<str>> = entries.range(first..end).map(|(path, _)| Arc::clone(path)).collect();
        below.iter().for_each(|path| _ = entries.remove(path));
    }

    /// What one actor shows, without its children.
    pub fn node(&self, path: &str, now: Instant) -> Option<Node> {
        self.entries.read().get(path).map(|entry| entry.node(now))
    }

    /// How many actors there are.
    pub fn len(&self) -> usize {
        self.entries.read().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The forest of all actors, each supervisor with its children in starting order.
    pub fn tree(&self, now: Instant) -> Vec<Node> {
        let entries: Vec<Arc<Entry>> = self.entries.read().values().map(Arc::clone).collect();
        let mut below: BTreeMap<String, Vec<(u64, Node)>> = BTreeMap::new();
        for entry in &entries {
            let parent = entry.path.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
            below.entry(parent).or_default().push((entry.order, entry.node(now)));
        }
        let roots = below.remove("").unwrap_or_default();
        Self::grow(roots, &mut below)
    }

    fn grow(mut siblings: Vec<(u64, Node)>, below: &mut BTreeMap<String, Vec<(u64, Node)>>) -> Vec<Node> {
        siblings.sort_by_key(|(order, _)| *order);
        siblings
            .into_iter()
            .map(|(_, mut node)| {
                let children = below.remove(&node.path).unwrap_or_default();
                node.children = Self::grow(children, below);
                node
            })
            .collect()
    }
}
