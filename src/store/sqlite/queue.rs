//! What waits to be written, between any number of callers and the one writer.
//!
//! A channel would wake the writer for every command, seven times a run, only for it to find that there is time yet. Here
//! the first command starts the writer's window, and after that it is woken by whoever waits for the commit, or by a
//! full group.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::writer::Command;

struct Queue {
    waiting: Mutex<Waiting>,
    bell: Notify,
    /// Events of a full group.
    group: usize,
}

#[derive(Default)]
struct Waiting {
    commands: VecDeque<Command>,
    events: usize,
    /// Commands of which somebody waits for the commit.
    awaited: usize,
    closed: bool,
}

impl Queue {
    fn close(&self) {
        self.waiting.lock().closed = true;
        self.bell.notify_one();
    }
}

/// The callers' end. When it is dropped, what waits is still written.
pub(super) struct Sender(Arc<Queue>);

/// The writer's end. When it is dropped, what waits is dropped, so that callers hear that nobody writes any more.
pub(super) struct Receiver(Arc<Queue>);

/// A queue whose writer takes up to so many events at a time. Its bound is the permits that commands hold.
pub(super) fn queue(group: usize) -> (Sender, Receiver) {
    let queue = Arc::new(Queue { waiting: Mutex::default(), bell: Notify::new(), group });
    (Sender(Arc::clone(&queue)), Receiver(queue))
}

impl Sender {
    /// Puts a command in line. False if nobody writes any more.
    pub(super) fn send(&self, command: Command) -> bool {
        let mut waiting = self.0.waiting.lock();
        if waiting.closed {
            return false;
        }
        let first = waiting.commands.is_empty();
        let awaited = command.reply.is_some();
        waiting.events += command.work.events();
        waiting.awaited += usize::from(awaited);
        let full = waiting.events >= self.0.group;
        waiting.commands.push_back(command);
        drop(waiting);
        if first || awaited || full {
            self.0.bell.notify_one();
        }
        true
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Receiver {
    /// Takes no more commands; those that wait stay.
    pub(super) fn close(&self) {
        self.0.close();
    }

    /// Returns when something waits, or when nothing ever will: then false.
    pub(super) async fn any(&self) -> bool {
        loop {
            {
                let waiting = self.0.waiting.lock();
                if !waiting.commands.is_empty() || waiting.closed {
                    return !waiting.commands.is_empty();
                }
            }
            self.0.bell.notified().await;
        }
    }

    /// Returns when there is a reason to write at once: somebody waits for it, the group is full, or nothing more comes;
    /// at this time at the latest.
    pub(super) async fn reason(&self, until: Instant) {
        loop {
            {
                let waiting = self.0.waiting.lock();
                if waiting.awaited > 0 || waiting.events >= self.0.group || waiting.closed {
                    return;
                }
            }
            if timeout_at(until, self.0.bell.notified()).await.is_err() {
                return;
            }
        }
    }

    /// The commands of the next group, in the order they came.
    pub(super) fn group(&self) -> Vec<Command> {
        let (mut group, mut events) = (Vec::new(), 0);
        let mut waiting = self.0.waiting.lock();
        while events < self.0.group
            && let Some(command) = waiting.commands.pop_front()
        {
            events += command.work.events();
            waiting.awaited -= usize::from(command.reply.is_some());
            group.push(command);
        }
        waiting.events -= events;
        group
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock();
        waiting.closed = true;
        // Outside of the lock, since dropping a command wakes its caller.
        let left = std::mem::take(&mut waiting.commands);
        drop(waiting);
        drop(left);
    }
}
