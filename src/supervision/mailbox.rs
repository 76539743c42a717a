//! The bounded queue in front of an actor.
//!
//! ractor's own mailbox has no bound, no priority and dies with the actor, so mail waits here, and ractor only carries
//! a wake-up. That gives a capacity with a policy, a control lane, and mail that outlives a restart.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use ractor::ActorRef;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::failure::{Failure, Undelivered};
use super::registry::Stats;
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
    /// User messages waiting at the most.
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

/// The lane a message takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Bounded by the mailbox's capacity, in the order sent.
    User,
    /// Before any user message; bounded by [`CONTROL_CAPACITY`].
    Control,
    /// Before any user message, and never refused: what an actor's own jobs and timers report. Their number is
    /// bounded where they are started.
    Report,
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

pub(super) struct Queue<M> {
    limits: Mailbox<M>,
    state: Mutex<Lanes<M>>,
    room: Notify,
    /// Changes whenever the door may have opened or closed, for senders that wait.
    door: Notify,
    pub(super) stats: Arc<Stats>,
    pub(super) clock: Arc<dyn Clock>,
}

struct Lanes<M> {
    control: VecDeque<Envelope<M>>,
    user: VecDeque<Envelope<M>>,
    door: Door,
    awake: bool,
    waiters: usize,
    target: Option<ActorRef<Wake>>,
}

/// Counts one waiting sender for as long as it lives, also when the sender is dropped while it waits.
struct Waiter<'a, M>(&'a Queue<M>);

impl<M> Drop for Waiter<'_, M> {
    fn drop(&mut self) {
        self.0.state.lock().waiters -= 1;
    }
}

impl<M: Send + 'static> Queue<M> {
    pub(super) fn new(limits: Mailbox<M>, clock: Arc<dyn Clock>) -> Queue<M> {
        let state = Lanes {
            control: VecDeque::new(),
            user: VecDeque::new(),
            door: Door::Between,
            awake: false,
            waiters: 0,
            target: None,
        };
        Queue {
            limits,
            state: Mutex::new(state),
            room: Notify::new(),
            door: Notify::new(),
            stats: Arc::new(Stats::default()),
            clock,
        }
    }

    /// Puts a message in its lane without waiting, or says why not and hands it back.
    pub(super) fn push(&self, lane: Lane, envelope: Envelope<M>) -> Result<(), (Failure, Envelope<M>)> {
        self.push_locked(&mut self.state.lock(), lane, envelope)
    }

    fn push_locked(
        &self,
        state: &mut Lanes<M>,
        lane: Lane,
        envelope: Envelope<M>,
    ) -> Result<(), (Failure, Envelope<M>)> {
        match state.door {
            Door::Open => {}
            Door::Between if lane == Lane::Report => {}
            Door::Draining if lane == Lane::Report => {}
            Door::Between => return Err((Failure::Restarting, envelope)),
            Door::Draining | Door::Closed => return Err((Failure::Gone, envelope)),
        }
        match lane {
            Lane::User => {
                if state.user.len() >= self.limits.capacity {
                    self.make_room(state, envelope)?;
                } else {
                    state.user.push_back(envelope);
                }
            }
            Lane::Control if state.control.len() >= CONTROL_CAPACITY => return Err((Failure::Busy, envelope)),
            Lane::Control | Lane::Report => state.control.push_back(envelope),
        }
        self.stats.set_depth(state.user.len() + state.control.len());
        Self::wake(state);
        Ok(())
    }

    fn make_room(&self, state: &mut Lanes<M>, envelope: Envelope<M>) -> Result<(), (Failure, Envelope<M>)> {
        match self.limits.overflow {
            Overflow::Wait => Err((Failure::Busy, envelope)),
            Overflow::Refuse => {
                self.stats.count_refused();
                Err((Failure::Busy, envelope))
            }
            Overflow::DropOldest => {
                self.stats.count_dropped();
                state.user.pop_front();
                state.user.push_back(envelope);
                Ok(())
            }
            Overflow::Conflate(key) => {
                let wanted = key(&envelope.message);
                match state.user.iter_mut().find(|waiting| key(&waiting.message) == wanted) {
                    Some(waiting) => {
                        self.stats.count_dropped();
                        *waiting = envelope;
                        Ok(())
                    }
                    None => {
                        self.stats.count_refused();
                        Err((Failure::Busy, envelope))
                    }
                }
            }
        }
    }

    fn wake(state: &mut Lanes<M>) {
        if let (false, Some(target)) = (state.awake, &state.target) {
            state.awake = target.send_message(Wake).is_ok();
        }
    }

    /// Puts a message in its lane, waiting for room or for the receiver's next life if the policy says so.
    pub(super) async fn send(&self, lane: Lane, mut envelope: Envelope<M>) -> Result<(), Undelivered<M>> {
        let waits = matches!(self.limits.overflow, Overflow::Wait);
        loop {
            if envelope.cx.is_cancelled() {
                return Err(Undelivered::unsent(Failure::Cancelled, envelope.message));
            }
            // Both are made before the attempt, so that a change right after it is not missed.
            let (room, door) = (self.room.notified(), self.door.notified());
            let pushed = {
                let mut state = self.state.lock();
                let pushed = self.push_locked(&mut state, lane, envelope);
                state.waiters += usize::from(pushed.is_err());
                pushed
            };
            let (failure, returned) = match pushed {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            let _waiting = Waiter(self);
            envelope = returned;
            if !waits || failure == Failure::Gone {
                return Err(Undelivered::unsent(failure, envelope.message));
            }
            let cx = envelope.cx.clone();
            let late = if failure == Failure::Restarting { failure } else { Failure::TimedOut };
            let waited = tokio::select! {
                () = room => Ok(()),
                () = door => Ok(()),
                () = cx.cancelled() => Err(Failure::Cancelled),
                () = tokio::time::sleep_until(cx.deadline()) => Err(late),
            };
            if let Err(failure) = waited {
                return Err(Undelivered::unsent(failure, envelope.message));
            }
        }
    }

    /// The next message to handle; `None` puts the receiver to sleep until the next push. Messages whose sender no
    /// longer waits are dropped here and counted.
    pub(super) fn pop(&self, now: Instant) -> Option<Envelope<M>> {
        let mut state = self.state.lock();
        loop {
            let Some(envelope) = state.control.pop_front().or_else(|| state.user.pop_front()) else {
                state.awake = false;
                self.stats.set_depth(0);
                return None;
            };
            if state.waiters > 0 {
                self.room.notify_one();
            }
            if envelope.cx.is_cancelled() || envelope.cx.deadline() <= now {
                self.stats.count_expired();
                continue;
            }
            self.stats.set_depth(state.user.len() + state.control.len());
            return Some(envelope);
        }
    }

    /// A new incarnation takes the mail over, beginning with what waits.
    pub(super) fn attach(&self, target: ActorRef<Wake>) {
        let mut state = self.state.lock();
        state.target = Some(target);
        state.awake = false;
        state.door = Door::Open;
        if !(state.user.is_empty() && state.control.is_empty()) {
            Self::wake(&mut state);
        }
        drop(state);
        self.door.notify_waiters();
    }

    /// Changes whether mail is taken. Closing drops what waits, so that callers hear at once.
    pub(super) fn set_door(&self, door: Door) {
        let mut state = self.state.lock();
        if state.door == Door::Closed && door == Door::Between {
            return;
        }
        state.door = door;
        let mut dropped = (VecDeque::new(), VecDeque::new());
        if matches!(door, Door::Between | Door::Closed) {
            state.target = None;
            state.awake = false;
        }
        if door == Door::Closed {
            dropped = (std::mem::take(&mut state.control), std::mem::take(&mut state.user));
            self.stats.set_depth(0);
        }
        if door == Door::Draining {
            Self::wake(&mut state);
        }
        drop(state);
        (0..dropped.0.len() + dropped.1.len()).for_each(|_| self.stats.count_dropped());
        self.door.notify_waiters();
    }

    pub(super) fn door(&self) -> Door {
        self.state.lock().door
    }

    /// How long the oldest message has waited.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let state = self.state.lock();
        let oldest = |lane: &VecDeque<Envelope<M>>| lane.front().map(|envelope| envelope.sent);
        [oldest(&state.control), oldest(&state.user)].into_iter().flatten().min()
    }
}
