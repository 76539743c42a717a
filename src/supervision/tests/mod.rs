//! Tests of the shells on tokio: real actors, real mailboxes, and a clock that stands still where nothing but fakes run.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics, and so does an actor that is told to")]

mod cycles;
mod hosts;
mod jobs;
mod lives;
mod mail;
mod many;
mod operators;
mod overflow;
pub(super) mod reference;
mod schedules;
mod stuck;
mod trees;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::*;
use crate::types::{Clock, Cx, Seeded, Timestamp, World};

const SECOND: Duration = Duration::from_secs(1);

/// How many random schedules a test tries: as many as `make test` has time for, or all that `make soak` asks for.
pub(super) fn cases(usual: u32) -> u32 {
    #[expect(clippy::disallowed_methods, reason = "a test reads its own environment")]
    let asked = std::env::var("SYZYGY_CASES");
    asked.map_or(usual, |number| number.parse().unwrap())
}

struct TestClock;

impl Clock for TestClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of these tests, and tokio's can stand still")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(1_000_000)
    }
}

fn world() -> World {
    World { clock: Arc::new(TestClock), random: Arc::new(Seeded::new(1)) }
}

fn now() -> Instant {
    TestClock.now()
}

/// A context for a minute.
fn cx() -> Cx {
    Cx::housekeeping(now(), 60 * SECOND)
}

/// What happened, in order, and a way to wait for it.
#[derive(Clone, Default)]
struct Diary {
    lines: Arc<Mutex<Vec<String>>>,
    changed: Arc<Notify>,
}

impl Diary {
    fn note(&self, line: impl Into<String>) {
        self.lines.lock().push(line.into());
        self.changed.notify_waiters();
    }

    fn text(&self) -> String {
        self.lines.lock().join(", ")
    }

    fn take(&self) -> String {
        std::mem::take(&mut *self.lines.lock()).join(", ")
    }

    /// Returns when this line stands in the diary for the `times`-th time.
    async fn wait_for(&self, line: &str, times: usize) {
        self.wait_until(|lines| lines.iter().filter(|other| *other == line).count() >= times).await;
    }

    async fn wait_until(&self, reached: impl Fn(&[String]) -> bool) {
        loop {
            let changed = self.changed.notified();
            if reached(&self.lines.lock()) {
                return;
            }
            changed.await;
        }
    }
}

/// What a probe can be told.
enum Say {
    /// Write this into the diary.
    Note(u32),
    /// How many messages this life has handled.
    Count(Reply<u32>),
    /// Wait for this long, as a handler should not.
    Wait(Duration),
    /// Wait until the test says so.
    Until(Arc<Notify>),
    /// Fail.
    Fail,
    /// Wait for this long, and then fail.
    FailAfter(Duration),
    /// Panic, and take a waiting caller along.
    Panic(Option<Reply<u32>>),
    /// End by its own decision.
    End,
    /// Do something with the context.
    Do(Deed),
}

type Deed = Box<dyn FnOnce(&mut Context<Say>) + Send>;

/// An actor that does as it is told and writes down what happens to it.
struct Probe {
    id: &'static str,
    diary: Diary,
    handled: u32,
    hooks: Hooks,
}

/// What the hooks of a probe do, shared by its lives so that a test can change it.
#[derive(Clone, Default)]
struct Hooks(Arc<Mutex<Wrongs>>);

#[derive(Clone, Default)]
struct Wrongs {
    fail_starts: u32,
    panic_starts: u32,
    stuck_start: bool,
    panic_stop: bool,
    stuck_stop: bool,
}

impl Actor for Probe {
    type Message = Say;

    async fn start(&mut self, _context: &mut Context<Say>) -> Result<(), Fault> {
        self.diary.note(format!("start {}", self.id));
        let wrongs = self.hooks.0.lock().clone();
        if wrongs.stuck_start {
            std::future::pending::<()>().await;
        }
        if wrongs.fail_starts > 0 {
            self.hooks.0.lock().fail_starts -= 1;
            return Err("no luck".into());
        }
        if wrongs.panic_starts > 0 {
            self.hooks.0.lock().panic_starts -= 1;
            panic!("a panic in start");
        }
        Ok(())
    }

    async fn handle(&mut self, envelope: Envelope<Say>, context: &mut Context<Say>) -> Result<(), Fault> {
        self.handled += 1;
        match envelope.message {
            Say::Note(number) => self.diary.note(number.to_string()),
            Say::Count(reply) => reply.send(self.handled),
            Say::Wait(time) => {
                self.diary.note("waits");
                tokio::time::sleep(time).await;
            }
            Say::Until(gate) => {
                self.diary.note("waits");
                gate.notified().await;
            }
            Say::Fail => return Err("told to fail".into()),
            Say::FailAfter(time) => {
                tokio::time::sleep(time).await;
                return Err("told to fail later".into());
            }
            Say::Panic(_reply) => panic!("told to panic"),
            Say::End => context.end(),
            Say::Do(what) => what(context),
        }
        Ok(())
    }

    async fn stop(&mut self, _context: &mut Context<Say>) {
        self.diary.note(format!("stop {}", self.id));
        let wrongs = self.hooks.0.lock().clone();
        if wrongs.stuck_stop {
            std::future::pending::<()>().await;
        }
        assert!(!wrongs.panic_stop, "a panic in stop");
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.diary.note(format!("drop {}", self.id));
    }
}

/// A probe as a child, with its address and hooks.
struct Made {
    child: Child,
    address: Address<Say>,
    hooks: Hooks,
}

fn probe_with(id: &'static str, diary: &Diary, mailbox: Mailbox<Say>) -> Made {
    let (address, hooks) = (Address::new(mailbox, &world()), Hooks::default());
    let (diary, of_lives) = (diary.clone(), hooks.clone());
    let make = move || Probe { id, diary: diary.clone(), handled: 0, hooks: of_lives.clone() };
    let child = Child::actor(id, &address, make).backoff(Backoff::NONE);
    Made { child, address, hooks }
}

fn probe(id: &'static str, diary: &Diary) -> Made {
    probe_with(id, diary, Mailbox::new(1_000, Overflow::Wait))
}

/// A tree that forgives a hundred restarts.
fn tree(strategy: Strategy) -> Tree {
    Tree::new("host", strategy).intensity(100, SECOND)
}

async fn start(tree: Tree) -> (Root, Arc<Registry>) {
    let registry = Registry::new();
    let root = Root::start(tree, world(), Arc::clone(&registry)).await.unwrap();
    (root, registry)
}

/// One probe under a root, which is all most tests need.
async fn alone(diary: &Diary, mailbox: Mailbox<Say>) -> (Root, Address<Say>, Arc<Registry>) {
    let Made { child, address, .. } = probe_with("a", diary, mailbox);
    let (root, registry) = start(tree(Strategy::OneForOne).child(child)).await;
    (root, address, registry)
}

/// How many messages its present life has handled; waits for that life if it must.
async fn count(address: &Address<Say>) -> u32 {
    address.call(&cx(), Say::Count).await.unwrap()
}

/// Fails if something takes a minute that should take no time.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(60 * SECOND, what).await.unwrap()
}
