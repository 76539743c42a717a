//! A crowd of agents: added, spoken to, made to fail, and stopped. `make soak` does the same with 100,000 and times it.

use futures::stream::{self, StreamExt};

use super::*;

/// As many as a test has time for.
const AGENTS: usize = 5_000;

/// Requests to one supervisor at a time.
const AT_ONCE: usize = 256;

enum Tell {
    Count(Reply<u32>),
    Fail,
}

struct Agent(u32);

impl Actor for Agent {
    type Message = Tell;

    async fn handle(&mut self, envelope: Envelope<Tell>, _context: &mut Context<Tell>) -> Result<(), Fault> {
        self.0 += 1;
        match envelope.message {
            Tell::Count(reply) => reply.send(self.0),
            Tell::Fail => return Err("told to fail".into()),
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_starts_works_fails_and_stops_and_leaves_nothing() {
    let watch = Watch { limit: 3_600 * SECOND, then: Stuck::Restart };
    let tree = Tree::new("host", Strategy::OneForOne).intensity(AGENTS as u32, SECOND).watch(Some(watch));
    let handle = tree.handle();
    let (root, registry) = start(tree).await;
    let addresses: Vec<Address<Tell>> =
        (0..AGENTS).map(|_| Address::new(Mailbox::new(4, Overflow::Refuse), &world())).collect();
    let (whole, day) = (&addresses, Cx::housekeeping(now(), 24 * 3_600 * SECOND));
    let counts = |expected: u32| {
        let day = day.clone();
        stream::iter(whole).for_each_concurrent(AT_ONCE, move |address| {
            let day = day.clone();
            async move { assert_eq!(address.call(&day, Tell::Count).await.unwrap(), expected) }
        })
    };
    let added = stream::iter(addresses.iter().enumerate()).for_each_concurrent(AT_ONCE, |(number, address)| {
        let child = Child::actor(format!("agent-{number}"), address, || Agent(0)).backoff(Backoff::NONE);
        let (handle, day) = (handle.clone(), day.clone());
        async move { handle.add(&day, child).await.unwrap() }
    });
    added.await;
    assert_eq!(registry.len(), AGENTS + 1);
    counts(1).await;
    addresses.iter().for_each(|address| address.try_cast(&day, Tell::Fail).unwrap());
    while registry.tree(now())[0].children.iter().any(|node| node.restarts == 0 || node.status != Status::Up) {
        tokio::time::sleep(SECOND / 100).await;
    }
    counts(1).await;
    for (number, address) in addresses.iter().enumerate().take(AGENTS / 100) {
        handle.remove(&day, &format!("agent-{number}")).await.unwrap();
        assert_eq!(address.try_cast(&day, Tell::Fail).unwrap_err().failure, Failure::Gone);
    }
    assert_eq!(registry.len(), AGENTS + 1 - AGENTS / 100);
    root.shutdown(&day).await.unwrap();
    assert_eq!(registry.len(), 1, "what was added is gone with its supervisor");
}
