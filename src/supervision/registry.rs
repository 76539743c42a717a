//! The registry of one host: which actors there are, how they fare, and what they show of themselves.
//!
//! ractor's own registry is process-wide, which would let two hosts see each other; this one belongs to its host.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::guest::Guests;
use super::mailbox::Queue;
use super::stats::{AtHand, Stats};
use super::supervisor::{Handle, Link};
use super::watch::Watch;
use crate::types::{Cx, RunId, TraceId};

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
    /// It has been over its limit with one message for a while.
    Stuck,
}

const STATUSES: [Status; 7] =
    [Status::Starting, Status::Up, Status::Restarting, Status::Stopping, Status::Ended, Status::Held, Status::Stuck];

/// When the oldest message of a mailbox was sent; type-erased, since mailboxes have different message types.
trait Waiting: Send + Sync {
    fn oldest(&self) -> Option<Instant>;
    fn stats(&self) -> &Stats;
    fn message(&self) -> &'static str;
}

impl<M: Send + 'static> Waiting for Queue<M> {
    fn oldest(&self) -> Option<Instant> {
        Queue::oldest(self)
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn message(&self) -> &'static str {
        std::any::type_name::<M>()
    }
}

/// The times an actor was found over its limit. Made with the first, since most actors never are.
struct Found {
    times: AtomicU64,
    last: Mutex<(Instant, String)>,
}

/// What an actor shows; type-erased, since each shows another shape.
pub(super) trait Shown: Any + Send + Sync {
    fn json(&self) -> serde_json::Value;
}

impl<V: Serialize + Send + Sync + 'static> Shown for V {
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
    found: OnceLock<Box<Found>>,
    /// Where it is asked to change its table, if it supervises.
    link: OnceLock<Arc<Link>>,
}

impl Entry {
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn shared_path(&self) -> Arc<str> {
        Arc::clone(&self.path)
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

    pub(super) fn publish<V: Serialize + Clone + Send + Sync + 'static>(&self, view: &V) {
        let mut shown = self.view.lock();
        // An actor shows one shape, and nobody looks most of the time: then the view before is overwritten where it is.
        let before = shown.as_mut().and_then(Arc::get_mut).map(|before| before as &mut dyn Any);
        if let Some(before) = before.and_then(|before| before.downcast_mut::<V>()) {
            before.clone_from(view);
            return;
        }
        let before = shown.replace(Arc::new(view.clone()));
        drop(shown);
        // Once the lock is free again.
        drop(before);
    }

    /// Notes where a supervisor is asked; the same in every life.
    pub(super) fn reached_by(&self, link: &Arc<Link>) {
        let _ = self.link.set(Arc::clone(link));
    }

    pub(super) fn watch_mailbox<M: Send + 'static>(&self, queue: Arc<Queue<M>>) {
        // The same queue serves every life, so a second call changes nothing.
        let _ = self.mailbox.set(queue);
    }

    /// What an actor that is up has been handling for longer than it may, said once for each message.
    pub(super) fn find_stuck(&self, watch: Watch, now: Instant) -> Option<String> {
        let mailbox = self.mailbox.get()?;
        let over = |since: Instant| now.saturating_duration_since(since) >= watch.limit;
        mailbox.stats().busy_since().filter(|since| over(*since))?;
        let at_hand = mailbox.stats().at_hand().filter(|at_hand| over(at_hand.since))?;
        if self.status() != Status::Up || self.found_since() == Some(at_hand.since) {
            return None;
        }
        let passed = now.saturating_duration_since(at_hand.since);
        let mut report =
            format!("has handled a {} for {:?}, over its limit of {:?}", mailbox.message(), passed, watch.limit);
        if let Some(run) = at_hand.run {
            report.push_str(&format!(", of run {run}"));
        }
        if let Some(trace) = shown(at_hand.trace) {
            report.push_str(&format!(", under trace {trace}"));
        }
        let found = self
            .found
            .get_or_init(|| Box::new(Found { times: AtomicU64::new(0), last: Mutex::new((now, String::new())) }));
        found.times.fetch_add(1, Relaxed);
        *found.last.lock() = (at_hand.since, report.clone());
        Some(report)
    }

    /// When the message it was last found stuck with was begun.
    fn found_since(&self) -> Option<Instant> {
        let found = self.found.get().filter(|found| found.times.load(Relaxed) > 0)?;
        Some(found.last.lock().0)
    }

    /// As it fares; with what it shows of itself if that is wanted, which has to be put into JSON first.
    fn node(&self, now: Instant, shows: bool) -> Node {
        let mailbox = self.mailbox.get();
        // A life that was killed has left its last message marked as begun.
        let alive = matches!(self.status(), Status::Up | Status::Stopping);
        let view = shows.then(|| self.view.lock().clone()).flatten();
        let stats = |read: fn(&Stats) -> &AtomicU64| mailbox.map_or(0, |mailbox| read(mailbox.stats()).load(Relaxed));
        let age = |since: Option<Instant>| {
            since.map(|since| u64::try_from(now.saturating_duration_since(since).as_micros()).unwrap_or(u64::MAX))
        };
        let at_hand = mailbox.filter(|_| alive).and_then(|mailbox| mailbox.stats().at_hand());
        let stuck = at_hand.is_some() && at_hand.map(|at_hand| at_hand.since) == self.found_since();
        let found = self.found.get();
        Node {
            path: self.path.to_string(),
            id: self.id().to_owned(),
            supervisor: self.supervisor,
            policy: self.policy.to_owned(),
            status: if stuck && self.status() == Status::Up { Status::Stuck } else { self.status() },
            restarts: self.restarts.load(Relaxed),
            left_behind: self.left_behind.load(Relaxed),
            up_since_micros: self.up_since.load(Relaxed),
            last_failure: self.last_failure.lock().clone(),
            mailbox_depth: stats(|stats| &stats.depth),
            mailbox_oldest_micros: age(mailbox.and_then(|mailbox| mailbox.oldest())),
            busy_micros: age(at_hand.map(|at_hand| at_hand.since)),
            doing: at_hand.zip(mailbox).map(|(at_hand, mailbox)| Doing::of(at_hand, mailbox.message())),
            stuck: found.map_or(0, |found| found.times.load(Relaxed)),
            last_stuck: found.map(|found| found.last.lock().1.clone()),
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

/// The message an actor is handling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Doing {
    /// The type of the message.
    pub message: String,
    /// The trace it belongs to; none for the host's own housekeeping.
    pub trace: Option<String>,
    /// The run it belongs to.
    pub run: Option<RunId>,
}

impl Doing {
    fn of(at_hand: AtHand, message: &str) -> Doing {
        Doing { message: message.to_owned(), trace: shown(at_hand.trace), run: at_hand.run }
    }
}

/// A trace somebody outside began; the host's own work has none that would lead anywhere.
fn shown(trace: TraceId) -> Option<String> {
    (trace != Cx::HOUSEKEEPING).then(|| trace.to_string())
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
    /// Incarnations that were killed and did not end, and work that holds its thread though nobody waits for it.
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
    /// What that message is.
    #[serde(default)]
    pub doing: Option<Doing>,
    /// Times it was found over its limit with one message.
    #[serde(default)]
    pub stuck: u64,
    /// What it was last found doing then.
    #[serde(default)]
    pub last_stuck: Option<String>,
    /// Messages handled.
    pub handled: u64,
    /// Messages dropped because their sender no longer waited.
    pub expired: u64,
    /// Messages dropped by policy, at the end, or with the handler that failed at them.
    pub dropped: u64,
    /// Messages handed back because there was no room, or nobody to take them.
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
    pub(super) guests: Guests,
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
            found: OnceLock::new(),
            link: OnceLock::new(),
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
        self.entries.read().get(path).map(|entry| entry.node(now, true))
    }

    /// Who supervises the actor at this path, and by which id. Nobody supervises a root.
    pub fn above(&self, path: &str) -> Option<(Handle, String)> {
        let (parent, id) = path.rsplit_once('/')?;
        let link = self.entries.read().get(parent)?.link.get().map(Arc::clone)?;
        Some((Handle { link }, id.to_owned()))
    }

    /// Whether a supervisor above this path was told to stop, or has ended: then all below it is going down in order.
    pub fn stops(&self, path: &str) -> bool {
        let entries = self.entries.read();
        let mut above = path.match_indices('/').filter_map(|(end, _)| entries.get(&path[..end]));
        above.any(|entry| matches!(entry.status(), Status::Stopping | Status::Ended))
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
        self.tree_with(now, |_| true)
    }

    /// The same with what those at certain paths show, for who looks at all of them every second: of a hundred thousand
    /// it takes half the time.
    pub fn tree_with(&self, now: Instant, shows: impl Fn(&str) -> bool) -> Vec<Node> {
        let entries: Vec<Arc<Entry>> = self.entries.read().values().map(Arc::clone).collect();
        let mut below: BTreeMap<String, Vec<(u64, Node)>> = BTreeMap::new();
        for entry in &entries {
            let parent = entry.path.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
            below.entry(parent).or_default().push((entry.order, entry.node(now, shows(&entry.path))));
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
