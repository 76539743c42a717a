//! The example agent, with the scripted runtime, as an author would test it.

use std::time::Duration;

use syzygy::inference::Scripted;
use syzygy::prelude::*;

#[path = "../../examples/greeter.rs"]
#[expect(dead_code, unreachable_pub, reason = "an example is a program of its own")]
pub(crate) mod example;

#[tokio::test]
async fn the_greeter_counts_its_guests() {
    let world = real_world();
    let runtime = Scripted::saying("local", "Good day!");
    let agent = example::greeter(&world);
    let host = Host::builder().runtime(runtime).agent(agent).world(world).start().await.unwrap();
    let cx = host.context("tester", Duration::from_secs(30));
    let task = Task { prompt: "My name is Ada.".to_owned(), agent: Some("greeter".to_owned()), ..Task::default() };
    for guest in ["Guest 1: Good day!", "Guest 2: Good day!"] {
        let answer = host.ask(&cx, task.clone()).await.unwrap();
        assert_eq!(answer.answer, guest);
        assert_eq!(answer.served_by, ["greeter@local"]);
    }
    host.shutdown(Duration::from_secs(10)).await.unwrap();
}

#[test]
fn the_readme_shows_the_example_as_it_is() {
    let readme = include_str!("../../README.md");
    let example = include_str!("../../examples/greeter.rs");
    let shown = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(example.contains(shown.trim()), "the README's agent is not that of examples/greeter.rs");
}
