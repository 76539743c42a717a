//! Tests of the executor: tools by a table, its promises on a clock that stands still.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics, and so does a tool that is told to")]

mod calls;
mod gate;
mod jira;
mod likeness;
mod people;
mod policies;
mod publishing;
mod reach;
mod staging;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::actors::line::Arrival;
use crate::actors::tests::{SECOND, cx, read, soon, start, world};
use crate::store::{Disk, Journal};
use crate::supervision::Root;
use crate::types::{Class, ToolCall, World};

#[derive(Deserialize)]
struct Said {
    said: String,
}

/// How many calls of the test's tool are inside.
#[derive(Default)]
struct Inside {
    now: AtomicU32,
    most: AtomicU32,
}

struct Guard(Arc<Inside>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A tool that does what it is told, and counts.
fn tool(inside: &Arc<Inside>) -> Tool {
    let inside = Arc::clone(inside);
    Tool::new("do", "Does what it is told.", json!({ "type": "object" }), move |_cx, Said { said }| {
        let inside = Arc::clone(&inside);
        async move {
            let now = inside.now.fetch_add(1, Ordering::AcqRel) + 1;
            inside.most.fetch_max(now, Ordering::AcqRel);
            let _guard = Guard(inside);
            match said.as_str() {
                "panic" => panic!("told to panic"),
                "fail" => Err("told to fail".to_owned()),
                "hang" => std::future::pending().await,
                "much" => Ok(json!("x".repeat(2_000))),
                _ => {
                    tokio::time::sleep(SECOND).await;
                    Ok(json!(said))
                }
            }
        }
    })
}

/// An issuer whose keys are drawn from a seed.
fn issuer() -> Arc<crate::lap::grant::Issuer> {
    let next = AtomicU32::new(1);
    let chance = move || {
        let [one, two, three, four] = next.fetch_add(1, Ordering::AcqRel).to_le_bytes();
        Some(std::array::from_fn(|at| [one, two, three, four][at % 4]))
    };
    Arc::new(crate::lap::grant::Issuer::new(Arc::new(chance)).unwrap())
}

struct Bench {
    world: World,
    handle: Handle,
    inside: Arc<Inside>,
    _root: Root,
}

fn journal() -> Arc<dyn Journal> {
    crate::actors::tests::journal(&Disk::default(), &world(), vec![Arc::new(EffectsProjection)])
}

async fn bench(concurrency: u32, waiting: usize) -> Bench {
    let (world, inside) = (world(), Arc::new(Inside::default()));
    let config = read(json!({
        "concurrency": concurrency, "waiting": waiting, "call_within_s": 10, "result_bytes_max": 1_000, "cache_bytes_max": 10_000, "approval_s": 3_600, "approval_wait_s": 0,
    }));
    let mut tools = core_tools(Arc::clone(&world.clock));
    tools.push(tool(&inside));
    let (handle, child) = Handle::of_functions("native", tools, journal(), config, &world).unwrap();
    let (root, _) = start(vec![child], &world).await;
    Bench { world, handle, inside, _root: root }
}

impl Bench {
    async fn call(&self, name: &str, arguments: Value) -> Result<Value, Error> {
        let call = ToolCall { id: "1".to_owned(), name: name.to_owned(), arguments };
        soon(self.handle.call(&cx(&self.world, 30 * SECOND), call)).await
    }

    async fn told(&self, said: &str) -> Result<Value, Error> {
        self.call("do", json!({ "said": said })).await
    }
}

#[test]
fn the_state_counts_and_hands_places_on() {
    let mut state = state::State::new(1, 1, 1);
    assert_eq!(state.call(1), Arrival::Enters(1));
    assert_eq!(state.call(2), Arrival::Waits);
    assert_eq!(state.call(3), Arrival::Refused(3));
    assert_eq!((state.view().running, state.view().waiting), (1, 1));
    assert_eq!(state.called(true), Some(2));
    assert_eq!(state.called(false), None);
    let expected = View { tools: 1, succeeded: 1, failed: 1, ..View::default() };
    assert_eq!(*state.view(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_core_tools_do_what_they_say() {
    let bench = bench(2, 4).await;
    let rows = [
        ("sum", json!({ "terms": [1, 2.5, -0.5] }), json!({ "sum": 3.0 })),
        ("sum", json!({ "terms": [] }), json!({ "sum": 0.0 })),
        ("count", json!({ "text": "zwei Wörter\n" }), json!({ "characters": 12, "words": 2, "lines": 1 })),
        ("time", json!({}), json!({ "utc": "2025-06-15T15:06:40.000000Z" })),
    ];
    for (name, arguments, expected) in rows {
        assert_eq!(bench.call(name, arguments).await.unwrap(), expected, "{name}");
    }
    let infinite = bench.call("sum", json!({ "terms": [1e308, 1e308] })).await.unwrap_err();
    assert!(infinite.to_string().contains("not a finite number"), "{infinite}");
}

// EX2.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_called_is_an_answer() {
    let bench = bench(1, 4).await;
    let unknown = bench.call("fly", json!({})).await.unwrap_err();
    assert_eq!(unknown.class(), Class::NotFound);
    assert_eq!(unknown.to_string(), "could not call \"fly\": there is no such tool; there are count, do, sum, time");
    for arguments in [json!({ "terms": "many" }), json!({}), json!({ "terms": [], "more": 1 }), json!(7)] {
        let misfit = bench.call("sum", arguments).await.unwrap_err();
        assert!(misfit.to_string().contains("arguments do not fit"), "{misfit}");
        assert_eq!(misfit.class(), Class::Invalid);
    }
    let large = bench.told("much").await.unwrap_err();
    assert_eq!(large.to_string(), "could not call do: its result has more than 1000 bytes (executor.result_bytes_max)");
    assert_eq!(bench.told("still here").await.unwrap(), "still here");
}

// EX1.
#[tokio::test(start_paused = true)]
async fn every_call_is_answered_once_however_it_ends_and_none_outlasts_its_limit() {
    let bench = bench(2, 8).await;
    let began = bench.world.clock.now();
    let said = ["panic", "fail", "hang", "one", "two"];
    let answers = join_all(said.iter().map(|said| bench.told(said))).await;
    let worded: Vec<String> = answers
        .into_iter()
        .map(|answer| answer.map_or_else(|error| error.to_string(), |value| value.to_string()))
        .collect();
    assert!(worded[0].contains("panicked: told to panic"), "{worded:?}");
    assert_eq!(worded[1], "could not call do: told to fail");
    assert_eq!(worded[2], "could not call do: its time was over");
    assert_eq!(worded[3..], ["\"one\"", "\"two\""]);
    // EX3: the caller would have waited for thirty.
    assert_eq!((bench.world.clock.now() - began).as_secs(), 10);
    assert_eq!(bench.inside.now.load(Ordering::Acquire), 0);
}

#[tokio::test(start_paused = true)]
async fn places_are_bounded_and_one_too_many_is_refused() {
    let bench = bench(2, 6).await;
    let said: Vec<String> = (0..6).map(|number| number.to_string()).collect();
    let answers = join_all(said.iter().map(|said| bench.told(said))).await;
    let texts: Vec<Value> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(texts, ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(bench.inside.most.load(Ordering::Acquire), 2);
    let crowd = join_all((0..20).map(|_| bench.told("again"))).await;
    let refused = crowd.iter().filter(|one| matches!(one, Err(error) if error.class() == Class::Exhausted)).count();
    let served = crowd.iter().filter(|one| one.is_ok()).count();
    assert!(refused > 0 && served >= 6, "{served} served, {refused} refused");
    assert_eq!(served + refused, 20);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_ends_the_call() {
    let bench = bench(1, 4).await;
    let seen = async {
        while bench.inside.now.load(Ordering::Acquire) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = bench.told("hang") => panic!("{answer:?}"),
        () = seen => {}
    }
    // The one place is free again long before the limit of the call.
    let answer = tokio::time::timeout(Duration::from_secs(3), bench.told("next")).await.unwrap();
    assert_eq!(answer.unwrap(), "next");
}

#[test]
fn two_tools_of_one_name_are_refused() {
    let inside = Arc::default();
    let config = read(
        json!({ "concurrency": 1, "waiting": 1, "call_within_s": 1, "result_bytes_max": 1, "cache_bytes_max": 0, "approval_s": 3_600, "approval_wait_s": 0 }),
    );
    let twice = Handle::of_functions("native", vec![tool(&inside), tool(&inside)], journal(), config, &world());
    assert!(matches!(twice, Err(Error::Twice { name }) if name == "do"));
}

#[tokio::test(start_paused = true)]
async fn a_model_is_told_of_the_tools_there_are() {
    let bench = bench(1, 1).await;
    let wanted: Vec<String> = ["sum", "fly", "do"].map(ToOwned::to_owned).to_vec();
    let names: Vec<String> =
        bench.handle.specs(&cx(&bench.world, SECOND), "marvin", &wanted).into_iter().map(|spec| spec.name).collect();
    assert_eq!(names, ["sum", "do"]);
    assert_eq!(bench.handle.names(), ["count", "do", "sum", "time"]);
}

/// A tool that moves money, each time it is called, and looks into the journal while it does.
fn payment(journal: &Arc<dyn Journal>, paid: &Arc<AtomicU32>) -> Tool {
    let words = json!({
        "tds": crate::tds::tool::STANDARD,
        "id": "pay",
        "name": "pay",
        "version": "1.0.0",
        "description": "Moves money.",
        "capabilities": ["query"],
        "side_effects": "non_idempotent",
        "isolation": "native",
        "interface": { "input": { "type": "object" }, "output": { "type": "string" } },
        "run": { "native": { "function": "pay" } },
        "limits": { "concurrency": 4, "timeout_ms": 1_000 },
        "policy": { "privacy": "restricted", "pii": { "input": "allow", "output": "allow" } },
    });
    let (journal, paid) = (Arc::clone(journal), Arc::clone(paid));
    Tool::described(read(words), move |_cx, envelope| {
        let (journal, paid) = (Arc::clone(&journal), Arc::clone(&paid));
        async move {
            paid.fetch_add(1, Ordering::AcqRel);
            let kinds: Vec<String> =
                journal.read(1, 100).await.unwrap().iter().map(|event| event.kind.clone()).collect();
            match envelope["input"]["said"].as_str() {
                Some("hang") => std::future::pending().await,
                Some("wrong") => Ok(json!(7)),
                _ => Ok(json!(kinds.last().unwrap())),
            }
        }
    })
}

// EX4, EX5 and EX6.
#[tokio::test(start_paused = true)]
async fn what_changes_something_is_on_the_record_before_it_is_done_and_done_once_under_its_key() {
    let (world, journal, paid) = (world(), journal(), Arc::new(AtomicU32::new(0)));
    let config = read(json!({
        "concurrency": 4, "waiting": 4, "call_within_s": 10, "result_bytes_max": 1_000, "cache_bytes_max": 0, "approval_s": 3_600, "approval_wait_s": 0,
    }));
    let tools = vec![payment(&journal, &paid)];
    let (handle, child) = Handle::of_functions("native", tools, Arc::clone(&journal), config, &world).unwrap();
    let (_root, _) = start(vec![child], &world).await;
    let pay = async |key: &str, said: &str| {
        let (arguments, key) = (json!({ "said": said }), Some(key.to_owned()));
        let request = Request { tool: "pay".to_owned(), arguments, key, ..Request::default() };
        soon(handle.invoke(&cx(&world, 30 * SECOND), request)).await
    };
    let done = pay("a", "rent").await.unwrap();
    assert_eq!((&done.value, done.how), (&json!("effect.begun"), How::Performed), "it stood there before");
    let again = pay("a", "rent").await.unwrap();
    assert_eq!((&again.value, again.how, paid.load(Ordering::Acquire)), (&json!("effect.begun"), How::Repeated, 1));
    let kinds = async || journal.read(1, 100).await.unwrap().iter().map(|event| event.kind.clone()).collect::<Vec<_>>();
    let ended = |kind: &&String| kind.as_str() == "effect.ended";
    assert_eq!(kinds().await.iter().filter(ended).count(), 1);
    // Its time is over in the middle of it, so nobody knows.
    for _ in 0..2 {
        let doubt = pay("b", "hang").await.unwrap_err();
        assert!(matches!(&doubt, Error::InDoubt { key, .. } if key == "b"), "{doubt}");
    }
    assert_eq!(paid.load(Ordering::Acquire), 2, "what may have been done is not done again");
    assert!(kinds().await.iter().any(|kind| kind == "effect.doubted"));
    let wrong = pay("c", "wrong").await.unwrap_err();
    assert!(wrong.to_string().contains("its answer is not what it promises"), "{wrong}");
}
