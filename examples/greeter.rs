//! An agent with a typed message, an actor of its own and a strategy. `cargo run --release --example greeter -- Ada`
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use syzygy::prelude::*;

struct Next(Reply<u64>);
struct Greeter(Address<Next>);

#[async_trait]
impl Work for Greeter {
    async fn work(&self, cx: &Cx, task: Assignment, kit: Kit) -> Result<String, Fault> {
        let number = self.0.call(cx, Next).await?;
        let greeting = kit.ask(cx, "Greet the user in one short sentence.", &task.said, &task).await?;
        Ok(format!("Guest {number}: {greeting}"))
    }
}

/// The agent and its counter, an actor of its own: it starts first, and if it fails both start again.
pub fn greeter(world: &World) -> Definition {
    let counter = Address::new(Mailbox::new(64, Overflow::Wait), world);
    let count = |guests: &mut u64, Next(reply): Next| {
        *guests += 1;
        reply.send(*guests);
    };
    Definition::code("greeter", "Greets people and counts them.", &["general"], Greeter(counter.clone()))
        .child(Child::from_fn("counter", &counter, || 0, count))
        .strategy(Strategy::RestForOne)
}

/// Greets the name that was given. Its models come from `syzygy models pull --data-dir target/greeter`.
#[tokio::main]
pub async fn main() -> Result<(), Fault> {
    let world = real_world();
    let host = Host::builder().data_dir("target/greeter").agent(greeter(&world)).world(world).start().await?;
    let cx = host.context("me", Duration::from_secs(60));
    let prompt = format!("My name is {}.", std::env::args().nth(1).as_deref().unwrap_or("Ada"));
    let task = Task { prompt, agent: Some("greeter".to_owned()), ..Task::default() };
    let answer = host.ask(&cx, task).await?;
    println!("{}", answer.answer);
    Ok(host.shutdown(Duration::from_secs(10)).await?)
}
