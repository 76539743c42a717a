//! An agent with actors of its own: typed messages, a strategy, and a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;

use super::support::{Bench, bench_on};
use crate::actors::agent::{Assignment, Definition, Kit, Work};
use crate::actors::tests::{SECOND, Watched, world};
use crate::store::Disk;
use crate::supervision::{
    Actor, Address, Backoff, Child, Context, Envelope, Fault, Mailbox, Overflow, Reply, Strategy,
};
use crate::types::{Class, Cx, World};

/// What the agent's own counter understands.
enum Count {
    Up { reply: Reply<u32> },
    Break,
}

/// Counts, and knows which of its lives it is in.
struct Counter {
    lives: Arc<AtomicU32>,
    count: u32,
}

impl Actor for Counter {
    type Message = Count;

    async fn start(&mut self, _context: &mut Context<Count>) -> Result<(), Fault> {
        self.lives.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    async fn handle(&mut self, envelope: Envelope<Count>, _context: &mut Context<Count>) -> Result<(), Fault> {
        match envelope.message {
            Count::Up { reply } => {
                self.count += 1;
                reply.send(self.count);
                Ok(())
            }
            Count::Break => Err("told to break".into()),
        }
    }
}

/// Works with its counter.
struct Counting(Address<Count>);

#[async_trait]
impl Work for Counting {
    async fn work(&self, cx: &Cx, assignment: Assignment, _kit: Kit) -> Result<String, Fault> {
        match assignment.prompt.as_str() {
            "break" => {
                self.0.try_cast(cx, Count::Break)?;
                // The crash takes this agent along or not, as the strategy says.
                std::future::pending().await
            }
            _ => Ok(self.0.call(cx, |reply| Count::Up { reply }).await?.to_string()),
        }
    }
}

struct Counted {
    bench: Bench,
    lives: Arc<AtomicU32>,
    neighbour: Arc<AtomicU32>,
}

fn counter(id: &str, world: &World) -> (Address<Count>, Arc<AtomicU32>, Child) {
    let address = Address::new(Mailbox::new(8, Overflow::Wait), world);
    let lives = Arc::new(AtomicU32::new(0));
    let shared = Arc::clone(&lives);
    let child = Child::actor(id, &address, move || Counter { lives: Arc::clone(&shared), count: 0 });
    (address, lives, child.backoff(Backoff::NONE))
}

/// An agent with a neighbour, a counter, and this strategy over the three, started in this order.
async fn counted(strategy: Strategy) -> Counted {
    let world = world();
    let (_, neighbour, first) = counter("neighbour", &world);
    let (address, lives, second) = counter("counter", &world);
    let definition = Definition::code("counting", "Counts.", &["general"], Counting(address))
        .child(first)
        .child(second)
        .strategy(strategy);
    let bench = bench_on(&Disk::default(), world, definition, Watched::new("local")).await;
    Counted { bench, lives, neighbour }
}

impl Counted {
    async fn count(&self) -> String {
        self.bench.ask("up").await.unwrap().text
    }

    /// Lives so far: of the neighbour, the counter, and the agent itself.
    fn lives(&self) -> (u32, u32, u64) {
        let node = self.bench.registry.node("host/counting/self", self.bench.world.clock.now()).unwrap();
        (self.neighbour.load(Ordering::Acquire), self.lives.load(Ordering::Acquire), node.restarts + 1)
    }
}

#[tokio::test(start_paused = true)]
async fn rest_for_one_restarts_the_agent_after_the_child_it_stands_on() {
    let counted = counted(Strategy::RestForOne).await;
    assert_eq!((counted.count().await, counted.count().await), ("1".to_owned(), "2".to_owned()));
    let lost = counted.bench.ask("break").await.unwrap_err();
    assert_eq!(lost.class(), Class::Unavailable, "the assignment at hand ended with the life that held it");
    assert_eq!(counted.count().await, "1");
    assert_eq!(counted.lives(), (1, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn one_for_all_restarts_everybody() {
    let counted = counted(Strategy::OneForAll).await;
    assert_eq!(counted.count().await, "1");
    assert_eq!(counted.bench.ask("break").await.unwrap_err().class(), Class::Unavailable);
    assert_eq!(counted.count().await, "1");
    assert_eq!(counted.lives(), (2, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn one_for_one_leaves_the_agent_at_work() {
    let counted = counted(Strategy::OneForOne).await;
    assert_eq!(counted.count().await, "1");
    // Nothing takes its assignment away, so it ends with its own time.
    let cx = counted.bench.cx(3 * SECOND);
    assert_eq!(counted.bench.work(&cx, "break").await.unwrap_err().class(), Class::Timeout);
    assert_eq!(counted.count().await, "1");
    assert_eq!(counted.lives(), (1, 2, 1));
}
