//! Addresses: the only way to an actor. Typed, bounded, with a deadline in every call, and valid across restarts.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::asker;
use super::failure::{Failure, Undelivered};
use super::mailbox::{Door, Envelope, Lane, Mailbox, Queue};
use crate::types::{Cx, World};

/// Where an actor is reached. Cheap to clone; stays valid when the actor behind it is restarted.
pub struct Address<M> {
    pub(super) queue: Arc<Queue<M>>,
}

impl<M> Clone for Address<M> {
    fn clone(&self) -> Address<M> {
        Address { queue: Arc::clone(&self.queue) }
    }
}

impl<M: Send + 'static> Address<M> {
    /// An address nobody answers yet: a child spec puts an actor behind it.
    pub fn new(mailbox: Mailbox<M>, world: &World) -> Address<M> {
        Address { queue: Arc::new(Queue::new(mailbox, Arc::clone(&world.clock))) }
    }

    /// Counts as refused what its handle turned away before it became a message, so that the tree shows it.
    pub fn count_refused(&self) {
        self.queue.stats.count_refused();
    }

    /// A message nobody waits for the answer to.
    fn envelope(&self, cx: &Cx, message: M) -> Envelope<M> {
        self.under(cx.unasked(), message)
    }

    fn under(&self, cx: Cx, message: M) -> Envelope<M> {
        Envelope { message, cx, sent: self.queue.clock.now() }
    }

    /// A question, under a context that says who waits for the answer. Refused if this very actor does.
    fn question(&self, cx: &Cx, message: M) -> Result<Envelope<M>, Undelivered<M>> {
        let cx = asker::now(cx);
        match self.queue.path.get().and_then(|path| cx.cycle(path)) {
            None => Ok(self.under(cx, message)),
            Some(way) => Err(Undelivered::unsent(Failure::Cycle(way.into()), message)),
        }
    }

    /// Says something without waiting for anything. With the policy `Wait` a full mailbox refuses here.
    pub fn try_cast(&self, cx: &Cx, message: M) -> Result<(), Undelivered<M>> {
        self.queue
            .push(Lane::User, self.envelope(cx, message))
            .map_err(|(failure, envelope)| self.queue.returned(failure, envelope))
    }

    /// Says something; if the policy is `Wait`, waits for room until the context's deadline.
    pub async fn cast(&self, cx: &Cx, message: M) -> Result<(), Undelivered<M>> {
        self.queue.send(self.envelope(cx, message)).await
    }

    /// Says something ahead of all user mail.
    pub fn control(&self, cx: &Cx, message: M) -> Result<(), Undelivered<M>> {
        self.push_control(self.envelope(cx, message))
    }

    fn push_control(&self, envelope: Envelope<M>) -> Result<(), Undelivered<M>> {
        self.queue.push(Lane::Control, envelope).map_err(|(failure, envelope)| self.queue.returned(failure, envelope))
    }

    /// Asks something and waits for the answer until the context's deadline. Once the mailbox has taken the question it
    /// is not handed back, since it may be handled already. An actor that waits for this question to be answered is not
    /// asked: the failure names the cycle.
    pub async fn call<T>(&self, cx: &Cx, ask: impl FnOnce(Reply<T>) -> M) -> Result<T, Undelivered<M>> {
        let (sender, answer) = oneshot::channel();
        self.queue.send(self.question(cx, ask(Reply(sender)))?).await?;
        self.answer(cx, answer).await
    }

    /// Asks something ahead of all user mail.
    pub async fn call_control<T>(&self, cx: &Cx, ask: impl FnOnce(Reply<T>) -> M) -> Result<T, Undelivered<M>> {
        let (sender, answer) = oneshot::channel();
        self.push_control(self.question(cx, ask(Reply(sender)))?)?;
        self.answer(cx, answer).await
    }

    async fn answer<T>(&self, cx: &Cx, mut answer: oneshot::Receiver<T>) -> Result<T, Undelivered<M>> {
        // A timer costs more than a whole call, and most answers come as soon as this thread turns to the receiver. So
        // it is set only when the thread has run out of other work and would sleep.
        tokio::select! {
            biased;
            answer = &mut answer => return answer.map_err(|_| Undelivered::taken(self.why_unanswered(cx))),
            () = tokio::task::yield_now() => {}
        }
        tokio::select! {
            biased;
            answer = &mut answer => answer.map_err(|_| Undelivered::taken(self.why_unanswered(cx))),
            () = cx.cancelled() => Err(Undelivered::taken(Failure::Cancelled)),
            () = tokio::time::sleep_until(cx.deadline()) => Err(Undelivered::taken(Failure::TimedOut)),
        }
    }

    /// A reply port was dropped: the message expired in the queue, or its handler failed, or the receiver ended.
    fn why_unanswered(&self, cx: &Cx) -> Failure {
        if cx.is_cancelled() {
            Failure::Cancelled
        } else if cx.deadline() <= self.queue.clock.now() {
            Failure::TimedOut
        } else if self.queue.door() == Door::Closed {
            Failure::Gone
        } else {
            Failure::Restarting
        }
    }

    /// The time now, by the clock of this address's host.
    pub fn now(&self) -> Instant {
        self.queue.clock.now()
    }

    /// How many messages wait.
    pub fn depth(&self) -> usize {
        self.queue.stats.depth()
    }
}

/// Where the answer to a call goes. Dropping it tells the caller that there will be none.
#[derive(Debug)]
pub struct Reply<T>(oneshot::Sender<T>);

impl<T> Reply<T> {
    /// Answers. A caller that no longer waits is no error.
    pub fn send(self, answer: T) {
        let _ = self.0.send(answer);
    }

    /// Whether the caller no longer waits.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// A reply and the receiver of its answer, for tests of pure states.
    pub fn pair() -> (Reply<T>, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Reply(sender), receiver)
    }
}
