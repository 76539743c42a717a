//! What every tier has in common: specs, capabilities, the order of strength, a scripted tier.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::types::{Clock, Hash, Timestamp};

const MINUTE: Duration = Duration::from_secs(60);

/// Tokio's clock, which a test may pause.
struct Ticking;

impl Clock for Ticking {
    #[expect(clippy::disallowed_methods, reason = "it is a clock")]
    fn now(&self) -> tokio::time::Instant {
        tokio::time::Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(0)
    }
}

pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(Ticking)
}

fn cx() -> Cx {
    Cx::housekeeping(clock().now(), MINUTE)
}

fn spec() -> Spec {
    Spec::command("tool", &["true"], Limits::talking(MINUTE, 1_000))
}

/// A change after which no tier could run it, and what it is refused with.
type Asked = (fn(&mut Spec), &'static str);

#[test]
fn the_order_of_strength_is_the_order_of_the_list() {
    assert!(Tier::ALL.is_sorted());
    assert_eq!(Tier::ALL.map(Tier::word), ["native", "jail", "docker", "wasm", "gvisor", "microvm"]);
    for tier in Tier::ALL {
        assert_eq!(serde_json::to_value(tier).unwrap(), json!(tier.word()));
    }
}

#[tokio::test]
async fn a_spec_that_no_tier_could_run_is_invalid() {
    let puppet = Puppet::new(Tier::Jail, clock()).with("tool", Script::default().echoes());
    let input =
        |name: &str| Input { name: name.to_owned(), hash: Hash::of(b""), source: "x".into(), executable: false };
    let cases: Vec<Asked> = vec![
        (|spec| spec.program = Program::Command(Vec::new()), "it names no program"),
        (|spec| drop(spec.environment.insert("A=B".to_owned(), String::new())), "no environment can hold"),
    ];
    for (change, expected) in cases {
        let mut spec = spec();
        change(&mut spec);
        let error = puppet.prepare(&cx(), spec).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    for name in ["", ".", "..", "../x", "/a", "a/", "a//b", "a/../b", "a/.b", ".hidden", "a b", "é"] {
        let mut spec = spec();
        spec.inputs.push(input(name));
        assert!(matches!(puppet.prepare(&cx(), spec).await, Err(Error::Invalid { .. })), "{name}");
    }
    let mut twice = spec();
    twice.inputs = vec![input("a"), input("b"), input("a")];
    assert!(puppet.prepare(&cx(), twice).await.unwrap_err().to_string().ends_with("`a` is named twice"));
    assert!(puppet.prepare(&cx(), spec()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_script_is_played_heard_and_ended_on_the_clock() {
    let script = Script::default().prints("{\"type\":\"chunk\",\"text\":\"a\"}\n").waits(MINUTE / 2).echoes();
    let puppet = Puppet::new(Tier::Jail, clock()).with("tool", script.clone()).with("stuck", script.hangs());
    let prepared = puppet.prepare(&cx(), spec()).await.unwrap();
    let (stream, mut heard) = mpsc::channel(8);
    let call = Call { stream: Some(stream), ..Call::new("1", json!(7)) };
    let outcome = puppet.invoke(&cx(), &prepared, call).await;
    assert_eq!((outcome.answer, outcome.ended, outcome.usage.wall), (Ok(json!(7)), Ended::Finished, MINUTE / 2));
    assert_eq!(heard.recv().await, Some(Line::Chunk { text: "a".to_owned(), cut: 0 }));
    let stuck = puppet.prepare(&cx(), Spec { tool: "stuck".to_owned(), ..spec() }).await.unwrap();
    let cx = cx().with_deadline(clock().now() + MINUTE / 4);
    let outcome = puppet.invoke(&cx, &stuck, Call::new("2", json!(7))).await;
    assert_eq!((outcome.ended, outcome.usage.wall), (Ended::Deadline, MINUTE / 4));
    assert_eq!(puppet.calls().len(), 2);
}

#[test]
fn an_outcome_is_the_same_after_a_trip_through_json() {
    let mut outcome =
        Outcome::nothing(Ended::Limit(Resource::Memory), Failure::new(crate::types::Class::Exhausted, "no"));
    outcome.lines = vec![Line::Noise { text: "x".to_owned(), cut: 3 }, Line::MemoryDelta { delta: json!(1) }];
    outcome.effects.exit = Some(Exit::Signal(9));
    outcome.effects.written = vec![Written { path: "tree/a".to_owned(), change: Change::Created }];
    let text = serde_json::to_string(&outcome).unwrap();
    assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
}
