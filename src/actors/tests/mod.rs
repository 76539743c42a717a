//! What the actors' tests share: a clock that follows tokio's, a journal in memory, a runtime that is watched; and the
//! tests of the line.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics, and so does a model that is told to")]

pub(crate) mod configs;
mod line;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::inference::{Capabilities, Completion, Delta, Error, Health, Request, Runtime, Scripted, Step};
use crate::store::{Disk, Memory, Projection};
use crate::supervision::{Child, Registry, Root, Strategy, Tree};
use crate::types::{Budget, Cleared, Clock, Cx, Money, Principal, Seeded, Timestamp, TraceId, World};

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// When tests begin, on the wall.
pub(super) const BEGIN: Timestamp = Timestamp(1_750_000_000_000_000);

/// Tokio's clock, which can stand still, and a wall that moves with it.
struct TestClock(Instant);

impl Clock for TestClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of these tests")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        later(self.now() - self.0)
    }
}

/// So long after the beginning.
pub(super) fn later(passed: Duration) -> Timestamp {
    Timestamp(BEGIN.0 + i64::try_from(passed.as_micros()).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "the clock of these tests begins here")]
pub(super) fn world() -> World {
    World { clock: Arc::new(TestClock(Instant::now())), random: Arc::new(Seeded::new(7)) }
}

/// A caller who waits for so long and may spend anything.
pub(super) fn cx(world: &World, within: Duration) -> Cx {
    let budget = Budget { money: Money(i64::MAX), tokens: u64::MAX };
    Cx::new(TraceId(1), Principal::new("tester", &[]), world.clock.now() + within, budget)
}

/// A value out of JSON, as a config gives it.
pub(crate) fn read<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// The journal on this disk.
pub(super) fn journal(disk: &Disk, world: &World, projections: Vec<Arc<dyn Projection>>) -> Arc<Memory> {
    Memory::open(disk, &configs::store(), world.clone(), projections).unwrap()
}

/// A running tree with these children.
pub(super) async fn start(children: Vec<Child>, world: &World) -> (Root, Arc<Registry>) {
    let registry = Registry::new();
    let tree = Tree::new("host", Strategy::OneForOne).intensity(100, SECOND).children(children);
    let root = Root::start(tree, world.clone(), Arc::clone(&registry)).await.unwrap();
    (root, registry)
}

/// Stops a tree, in order.
pub(super) async fn stop(root: &Root, world: &World) {
    root.shutdown(&Cx::housekeeping(world.clock.now(), 600 * SECOND)).await.unwrap();
}

/// Fails if something takes a minute that should take no time.
pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(60 * SECOND, what).await.unwrap()
}

/// How many generations there are and were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) begun: u32,
    pub(super) inside: u32,
    pub(super) most: u32,
    pub(super) repairs: u32,
    /// How often its health was looked at.
    pub(super) looks: u32,
}

/// A runtime that does what the last message says (`panic`, `fail`, `gone`, `hang`, `at once`; anything else takes a second and
/// is said back), and counts who is inside.
pub(super) struct Watched {
    script: Scripted,
    count: watch::Sender<Count>,
    health: Mutex<Health>,
    repairs: Mutex<VecDeque<Result<bool, Error>>>,
}

impl Watched {
    pub(super) fn new(name: &str) -> Arc<Watched> {
        let answer = |request: &Request| {
            let said = request.messages.last().unwrap().content.clone();
            match said.as_str() {
                "panic" => panic!("told to panic"),
                "fail" => vec![Step::Fail(Error::Internal("told to fail".to_owned()))],
                "damaged" => {
                    let (model, reason) = ("m".to_owned(), "another hash".to_owned());
                    vec![Step::Fail(Error::Damaged { model, reason })]
                }
                "gone" => {
                    let (runtime, reason) = ("local".to_owned(), "connection refused".to_owned());
                    vec![Step::Fail(Error::Unavailable { runtime, reason })]
                }
                "hang" => vec![Step::text("well"), Step::Hang],
                "at once" => vec![Step::text("at once")],
                _ => vec![Step::Wait(SECOND), Step::Text(said)],
            }
        };
        Watched::playing(Scripted::new(name, answer))
    }

    /// The same counting around any script.
    pub(super) fn playing(script: Scripted) -> Arc<Watched> {
        Arc::new(Watched {
            script,
            count: watch::Sender::default(),
            health: Mutex::new(Health::Ready),
            repairs: Mutex::default(),
        })
    }

    pub(super) fn count(&self) -> Count {
        *self.count.borrow()
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.script.requests()
    }

    pub(super) fn is_now(&self, health: Health) {
        *self.health.lock() = health;
    }

    /// What comes of the next repairs; one that succeeds makes it ready.
    pub(super) fn repairs(&self, outcomes: impl IntoIterator<Item = Result<bool, Error>>) {
        self.repairs.lock().extend(outcomes);
    }

    /// Returns when the count is as wanted.
    pub(super) async fn until(&self, reached: impl Fn(&Count) -> bool) {
        let mut count = self.count.subscribe();
        soon(count.wait_for(|now| reached(now))).await.unwrap();
    }
}

/// Counts a generation out, however it ends.
struct Inside<'a>(&'a Watched);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.count.send_modify(|count| count.inside -= 1);
    }
}

#[async_trait]
impl Runtime for Watched {
    fn capabilities(&self) -> Capabilities {
        self.script.capabilities()
    }

    async fn health(&self, _cx: &Cx) -> Health {
        self.count.send_modify(|count| count.looks += 1);
        self.health.lock().clone()
    }

    async fn generate(
        &self,
        cx: &Cx,
        request: Cleared<Request>,
        news: mpsc::Sender<Delta>,
    ) -> Result<Completion, Error> {
        self.count.send_modify(|count| {
            count.begun += 1;
            count.inside += 1;
            count.most = count.most.max(count.inside);
        });
        let _inside = Inside(self);
        self.script.generate(cx, request, news).await
    }

    async fn repair(&self, _cx: &Cx) -> Result<bool, Error> {
        self.count.send_modify(|count| count.repairs += 1);
        let outcome = self.repairs.lock().pop_front().unwrap_or(Ok(false));
        if matches!(outcome, Ok(true)) {
            self.is_now(Health::Ready);
        }
        outcome
    }
}
