//! The bounded queue in front of an actor.
//!
//! ractor's own mailbox has no bound, no priority and dies with the actor, so mail waits here, and ractor only carries
//! a wake-up. That gives a capacity with a policy, a control lane, and mail that outlives a restart.
//!
//! Nothing of the caller's runs under the lock: what is dropped is handed out first, since the drop of a message may
//! send another one.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use ractor::ActorRef;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::asker::Mark;
use super::failure::{Failure, Undelivered};
use super::stats::Stats;
use crate::types::{Clock, Cx};

/// What happens to a user message when the mailbox is full.
pub enum Overflow<M> {
    /// The sender waits until its deadline.
    Wait,
    /// The sender is refused with `Busy`.
    Refuse,
    /// The oldest waiting message is dropped and counted.
    DropOldest,
    /// A waiting message with the same key is replaced; with no such message the sender is refused.
    Conflate(fn(&M) -> u64),
}

/// How much mail an actor holds, and what happens to more.
pub struct Mailbox<M> {
    /// User messages waiting at the most; none counts as one.
    pub capacity: usize,
    /// What happens to the next one.
    pub overflow: Overflow<M>,
}

impl<M> Mailbox<M> {
    /// So much mail at the most, with this policy.
    pub fn new(capacity: usize, overflow: Overflow<M>) -> Mailbox<M> {
        Mailbox { capacity, overflow }
    }
}

/// A message on its way: what is said, in which context, since when.
pub struct Envelope<M> {
    /// What is said.
    pub message: M,
    /// In which context.
    pub cx: Cx,
    /// When it was sent.
    pub sent: Instant,
}

/// Which incarnation the mail goes to. Every start of the actor behind an address makes a new one, so that what is
/// left of an old life can neither take mail nor report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tenant(u64);

/// The lane a message takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Bounded by the mailbox's capacity, in the order sent.
    User,
    /// Before any user message; bounded by [`CONTROL_CAPACITY`].
    Control,
    /// Before any user message, and never refused: what an incarnation's own jobs and timers tell it. Their number is
    /// bounded where they are started, and they end with the incarnation.
    Report(Tenant),
}

/// Control messages waiting at the most. They are rare (weights, drain, probes), so more means a sender gone wrong.
const CONTROL_CAPACITY: usize = 256;

/// What ractor carries: that there is mail.
pub(super) struct Wake;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Mail is taken in.
    Open,
    /// The receiver is not up; mail already here waits for its next life.
    Between,
    /// No more mail; what is here is still handled.
    Draining,
    /// The receiver has ended for good.
    Closed,
}

/// What a receiver finds when it looks for mail.
pub(super) enum Next<M> {
    /// A message to handle.
    Mail(Envelope<M>),
    /// Nothing: sleep until the next wake-up.
    Rest,
    /// Nothing, and nothing will come: end.
    Leave,
}

pub(super) struct Queue<M> {
    limits: Mailbox<M>,
    state: Mutex<Lanes<M>>,
    room: Notify,
    /// Changes whenever the door may have opened or closed, for senders that wait.
    door: Notify,
    pub(super) stats: Stats,
    pub(super) clock: Arc<dyn Clock>,
    /// Of the actor behind it, from its first life on.
    pub(super) path: OnceLock<Arc<str>>,
}

struct Lanes<M> {
    control: VecDeque<Envelope<M>>,
    reports: VecDeque<Envelope<M>>,
    user: VecDeque<Envelope<M>>,
    door: Door,
    /// A wake-up is on its way or being worked on, so another one is not needed.
    awake: bool,
    waiters: usize,
    tenant: Tenant,
    target: Option<ActorRef<Wake>>,
}

/// What became of an attempt: taken in (perhaps in place of an older message), or refused and handed back.
type Pushed<M> = Result<Option<Envelope<M>>, (Failure, Envelope<M>)>;

impl<M> Lanes<M> {
    fn depth(&self) -> usize {
        self.user.len() + self.control.len() + self.reports.len()
    }

    fn take(&mut self) -> Option<Envelope<M>> {
        self.control.pop_front().or_else(|| self.reports.pop_front()).or_else(|| self.user.pop_front())
    }

    /// Whom to wake up, if somebody must be. To be sent after the lock is free, or the receiver wakes up into it.
    fn rouse(&mut self) -> Option<ActorRef<Wake>> {
        if self.awake {
            return None;
        }
        self.awake = self.target.is_some();
        self.target.clone()
    }
}

fn wake(target: Option<ActorRef<Wake>>) {
    // A receiver that has just ended takes no wake-up; its next life begins with one if there is mail.
    let _ = target.map(|target| target.send_message(Wake));
}

/// Counts one waiting sender for as long as it lives, also when the sender is dropped while it waits.
struct Waiter<'a, M>(&'a Queue<M>);

impl<M> Drop for Waiter<'_, M> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.waiters -= 1;
        // A wake-up that this sender did not use, or one of several that fell into one, goes to the next in line.
        if state.waiters > 0 && state.user.len() < self.0.limits.capacity {
            self.0.room.notify_one();
        }
    }
}

impl<M: Send + 'static> Queue<M> {
    pub(super) fn new(mut limits: Mailbox<M>, clock: Arc<dyn Clock>) -> Queue<M> {
        limits.capacity = limits.capacity.max(1);
        let state = Lanes {
            control: VecDeque::new(),
            reports: VecDeque::new(),
            user: VecDeque::new(),
            door: Door::Between,
            awake: false,
            waiters: 0,
            tenant: Tenant(0),
            target: None,
        };
        let stats = Stats::new(clock.now());
        let (room, door) = (Notify::new(), Notify::new());
        Queue { limits, state: Mutex::new(state), room, door, stats, clock, path: OnceLock::new() }
    }

    /// Puts a message in its lane without waiting, or says why not and hands it back.
    pub(super) fn push(&self, lane: Lane, envelope: Envelope<M>) -> Result<(), (Failure, Envelope<M>)> {
        if envelope.cx.deadline() <= envelope.sent {
            return Err((Failure::TimedOut, envelope));
        }
        if envelope.cx.is_cancelled() {
            return Err((Failure::Cancelled, envelope));
        }
        let mut state = self.state.lock();
        let _displaced = self.admit(&mut state, lane, envelope)?;
        self.stats.set_depth(state.depth());
        let target = state.rouse();
        drop(state);
        wake(target);
        Ok(())
    }

    fn admit(&self, state: &mut Lanes<M>, lane: Lane, envelope: Envelope<M>) -> Pushed<M> {
        if let Lane::Report(tenant) = lane {
            // Also before the door opens: a job of the start hook may be done before the hook is.
            if tenant != state.tenant || state.door == Door::Closed {
                return Err((Failure::Gone, envelope));
            }
            state.reports.push_back(envelope);
            return Ok(None);
        }
        match state.door {
            Door::Open => {}
            Door::Between | Door::Draining => return Err((Failure::Restarting, envelope)),
            Door::Closed => return Err((Failure::Gone, envelope)),
        }
        if lane == Lane::Control {
            if state.control.len() >= CONTROL_CAPACITY {
                return Err((Failure::Busy, envelope));
            }
            state.control.push_back(envelope);
        } else if state.user.len() < self.limits.capacity {
            state.user.push_back(envelope);
        } else {
            return self.make_room(state, envelope);
        }
        Ok(None)
    }

    fn make_room(&self, state: &mut Lanes<M>, envelope: Envelope<M>) -> Pushed<M> {
        match self.limits.overflow {
            Overflow::Wait | Overflow::Refuse => Err((Failure::Busy, envelope)),
            Overflow::DropOldest => {
                self.stats.count_dropped(1);
                let oldest = state.user.pop_front();
                state.user.push_back(envelope);
                Ok(oldest)
            }
            Overflow::Conflate(key) => {
                let wanted = key(&envelope.message);
                match state.user.iter_mut().find(|waiting| key(&waiting.message) == wanted) {
                    Some(waiting) => {
                        self.stats.count_dropped(1);
                        Ok(Some(std::mem::replace(waiting, envelope)))
                    }
                    None => Err((Failure::Busy, envelope)),
                }
            }
        }
    }

    /// Puts a user message in the queue, waiting for room or for the receiver's next life if the policy says so.
    pub(super) async fn send(&self, envelope: Envelope<M>) -> Result<(), Undelivered<M>> {
        let waits = matches!(self.limits.overflow, Overflow::Wait);
        match self.push(Lane::User, envelope) {
            Ok(()) => Ok(()),
            Err((Failure::Busy | Failure::Restarting, envelope)) if waits => self.send_late(envelope).await,
            Err((failure, envelope)) => Err(self.returned(failure, envelope)),
        }
    }

    /// A message that goes back to its sender for good. It is counted, unless its time was over before it was sent.
    pub(super) fn returned(&self, failure: Failure, envelope: Envelope<M>) -> Undelivered<M> {
        if !matches!(failure, Failure::TimedOut | Failure::Cancelled) {
            self.stats.count_refused();
        }
        Undelivered::unsent(failure, envelope.message)
    }

    async fn send_late(&self, mut envelope: Envelope<M>) -> Result<(), Undelivered<M>> {
        // Where the receiver keeps up, there is room as soon as this thread has turned to others; waiting in line for
        // each message costs more than handling it.
        tokio::task::yield_now().await;
        self.state.lock().waiters += 1;
        let _waiter = Waiter(self);
        let cx = envelope.cx.clone();
        let mut deadline = std::pin::pin!(tokio::time::sleep_until(cx.deadline()));
        loop {
            // Both are made before the attempt, so that a change right after it is not missed.
            let (room, door) = (self.room.notified(), self.door.notified());
            let late = match self.push(Lane::User, envelope) {
                Ok(()) => return Ok(()),
                Err((failure @ (Failure::Busy | Failure::Restarting), returned)) => {
                    envelope = returned;
                    if failure == Failure::Restarting { failure } else { Failure::TimedOut }
                }
                Err((failure, envelope)) => return Err(self.returned(failure, envelope)),
            };
            let waited = tokio::select! {
                biased;
                () = room => Ok(()),
                () = door => Ok(()),
                () = cx.cancelled() => Err(Failure::Cancelled),
                () = &mut deadline => Err(late),
            };
            if let Err(failure) = waited {
                if failure != Failure::Restarting {
                    // As one whose time is over in the mailbox.
                    self.stats.count_expired();
                }
                return Err(self.returned(failure, envelope));
            }
        }
    }

    /// The next message for this incarnation. Messages whose sender no longer waits are dropped here and counted.
    pub(super) fn pop(&self, tenant: Tenant, now: Instant) -> Next<M> {
        loop {
            let mut state = self.state.lock();
            if state.tenant != tenant || matches!(state.door, Door::Between | Door::Closed) {
                return Next::Rest;
            }
            let Some(envelope) = state.take() else {
                state.awake = false;
                return if state.door == Door::Draining { Next::Leave } else { Next::Rest };
            };
            self.stats.set_depth(state.depth());
            let waiters = state.waiters;
            drop(state);
            if waiters > 0 {
                self.room.notify_one();
            }
            if envelope.cx.deadline() > now && !envelope.cx.is_cancelled() {
                return Next::Mail(envelope);
            }
            self.stats.count_expired();
        }
    }

    /// A new incarnation begins, before its start hook. What the jobs of the last one reported is not for it.
    pub(super) fn enter(&self) -> Tenant {
        let mut state = self.state.lock();
        state.tenant = Tenant(state.tenant.0 + 1);
        (state.door, state.target, state.awake) = (Door::Between, None, false);
        let stale = std::mem::take(&mut state.reports);
        self.stats.set_depth(state.depth());
        let tenant = state.tenant;
        drop(state);
        self.stats.count_dropped(stale.len());
        tenant
    }

    /// The incarnation is up and takes the mail over, beginning with what waits.
    pub(super) fn attach(&self, tenant: Tenant, target: ActorRef<Wake>) {
        let mut state = self.state.lock();
        if state.tenant != tenant || state.door == Door::Closed {
            return;
        }
        (state.target, state.awake, state.door) = (Some(target), false, Door::Open);
        let target = if state.depth() > 0 { state.rouse() } else { None };
        drop(state);
        wake(target);
        self.door.notify_waiters();
    }

    /// Changes whether mail is taken. Closing drops what waits, so that callers hear at once.
    pub(super) fn set_door(&self, door: Door) {
        let mut state = self.state.lock();
        if state.door == Door::Closed {
            return;
        }
        state.door = door;
        let mut target = None;
        let mut dropped = [VecDeque::new(), VecDeque::new(), VecDeque::new()];
        match door {
            Door::Open => {}
            Door::Draining => target = state.rouse(),
            Door::Between => (state.target, state.awake) = (None, false),
            Door::Closed => {
                (state.target, state.awake) = (None, false);
                let Lanes { control, reports, user, .. } = &mut *state;
                dropped = [control, reports, user].map(std::mem::take);
                self.stats.set_depth(0);
            }
        }
        drop(state);
        wake(target);
        self.stats.count_dropped(dropped.iter().map(VecDeque::len).sum());
        self.door.notify_waiters();
    }

    /// What the actor's own turns run under. An actor that runs has a path.
    pub(super) fn mark(&self) -> Mark {
        Mark { path: self.path.get().map(Arc::clone).unwrap_or_default(), held: true }
    }

    pub(super) fn door(&self) -> Door {
        self.state.lock().door
    }

    /// Since when the oldest message has waited.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let state = self.state.lock();
        let oldest = |lane: &VecDeque<Envelope<M>>| lane.front().map(|envelope| envelope.sent);
        [&state.control, &state.reports, &state.user].into_iter().filter_map(oldest).min()
    }
}
