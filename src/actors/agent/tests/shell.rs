//! The promises of an agent that thinks by its profile.

use std::sync::Arc;

use serde_json::json;

use super::support::{bench, bench_on, profile};
use crate::actors::agent::{Definition, Error, Profile};
use crate::actors::tests::{SECOND, Watched, world};
use crate::inference::{Request, Role, Scripted, Step};
use crate::store::{Disk, Journal};
use crate::types::{Budget, Class, Money};

// AG1.
#[tokio::test(start_paused = true)]
async fn every_assignment_is_answered_once_however_it_ends() {
    let bench = bench(profile("marvin"), Watched::new("local")).await;
    let answers = bench.all(&["panic", "one", "hang", "fail", "two", "three"]).await;
    assert_eq!(answers, ["internal", "one", "timeout", "internal", "two", "three"]);
    bench.runtime.until(|count| count.inside == 0).await;
    assert_eq!(bench.ask("four").await.unwrap().text, "four");
}

#[tokio::test(start_paused = true)]
async fn it_works_on_so_many_at_a_time_and_the_rest_wait() {
    let bench = bench(profile("marvin"), Watched::new("local")).await;
    let began = bench.world.clock.now();
    assert_eq!(bench.all(&["1", "2", "3", "4", "5", "6"]).await, ["1", "2", "3", "4", "5", "6"]);
    assert_eq!((bench.runtime.count().most, (bench.world.clock.now() - began).as_secs()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn one_too_many_is_refused_at_once() {
    let small = Profile { concurrency: 1, waiting: 1, ..profile("marvin") };
    let bench = bench(small, Watched::new("local")).await;
    let late = async {
        bench.runtime.until(|count| count.inside == 1).await;
        bench.all(&["2", "3", "4"]).await
    };
    let (first, late) = tokio::join!(bench.ask("1"), late);
    assert_eq!(first.unwrap().text, "1");
    assert_eq!(late.iter().filter(|one| *one == "exhausted").count(), 2, "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn giving_up_stops_the_generation_and_frees_the_place() {
    let small = Profile { concurrency: 1, ..profile("marvin") };
    let bench = bench(small, Watched::new("local")).await;
    tokio::select! {
        answer = bench.ask("hang") => panic!("{answer:?}"),
        () = bench.runtime.until(|count| count.inside == 1) => {}
    }
    bench.runtime.until(|count| count.inside == 0).await;
    assert_eq!(bench.ask("next").await.unwrap().text, "next");
}

/// Wants these calls first, then says what the tools said.
fn calling(calls: Vec<(&'static str, serde_json::Value)>) -> Arc<Watched> {
    let answer = move |request: &Request| {
        let told: Vec<&str> =
            request.messages.iter().filter(|one| one.role == Role::Tool).map(|one| &*one.content).collect();
        if told.is_empty() {
            let call = |(number, (name, arguments)): (usize, &(&str, serde_json::Value))| {
                Step::call(&format!("c{number}"), name, arguments.clone())
            };
            calls.iter().enumerate().map(call).collect()
        } else {
            vec![Step::Text(told.join(" | "))]
        }
    };
    Watched::playing(Scripted::new("local", answer))
}

#[tokio::test(start_paused = true)]
async fn tools_are_called_in_order_on_the_record_and_their_errors_are_messages() {
    let calls = vec![
        ("sum", json!({ "terms": [1, 2] })),
        ("fly", json!({})),
        ("break", json!({})),
        ("count", json!({ "text": 5 })),
    ];
    let bench = bench(profile("marvin"), calling(calls)).await;
    let outcome = bench.ask("Do it.").await.unwrap();
    let told: Vec<&str> = outcome.text.split(" | ").collect();
    assert_eq!(told[0], r#"{"sum":3.0}"#);
    assert!(told[1].contains("there is no such tool") && told[2].contains("told to break"), "{told:?}");
    assert!(told[3].contains("arguments do not fit"), "{told:?}");
    assert_eq!((outcome.turns, outcome.tools), (2, ["sum", "fly", "break", "count"].map(ToOwned::to_owned).to_vec()));
    let events = bench.journal.read(1, 100).await.unwrap();
    // What the executor says of the one call that was made stands between.
    let kinds = events.iter().map(|event| event.kind.as_str()).filter(|kind| *kind != "tool.invoked");
    assert_eq!(kinds.collect::<Vec<_>>(), ["tool.called", "tool.answered"].repeat(4));
    assert_eq!(events[0].body.value()["name"], "sum");
}

#[tokio::test(start_paused = true)]
async fn what_a_tool_keeps_off_the_record_is_in_no_event_and_the_model_has_it_all_the_same() {
    let bench = bench(profile("marvin"), calling(vec![("door", json!({ "word": "sesame", "side": "left" }))])).await;
    let outcome = bench.ask("Open it.").await.unwrap();
    assert!(outcome.text.contains("opened with") && outcome.text.contains("sesame"), "{}", outcome.text);
    let events = bench.journal.read(1, 100).await.unwrap();
    let said: Vec<String> = events.iter().map(|event| event.body.value().to_string()).collect();
    assert!(said.iter().all(|body| !body.contains("sesame")), "{said:#?}");
    assert!(said[0].contains(r#""side":"left""#) && said[0].contains(r#""word":"[redacted]""#), "{said:#?}");
}

#[tokio::test(start_paused = true)]
async fn no_tool_runs_that_is_not_on_the_record() {
    let bench = bench(profile("marvin"), calling(vec![("sum", json!({ "terms": [1] }))])).await;
    bench.journal.fail_next_commit("disk full");
    let error = bench.ask("Do it.").await.unwrap_err();
    assert!(error.to_string().contains("disk full"), "{error}");
    assert_eq!(error.class(), Class::Unavailable);
    let tree = bench.registry.tree(bench.world.clock.now());
    let executor = tree[0].children.iter().find(|node| node.view.get("succeeded").is_some()).unwrap();
    assert_eq!((&executor.view["succeeded"], &executor.view["failed"]), (&json!(0), &json!(0)));
}

// AG5.
#[tokio::test(start_paused = true)]
async fn an_answer_that_grows_too_long_is_stopped_where_it_is_made_also_if_nobody_reads() {
    // Eleven pieces of ten thousand bytes, of which ten are as much as may be, and then more to come.
    let pieces = (0..11).map(|_| Step::text("word ".repeat(2_000)));
    let script: Vec<Step> = pieces.chain([Step::Hang]).collect();
    let bench = bench(profile("marvin"), Watched::playing(Scripted::list("local", [script]))).await;
    let error = bench.ask("Do it.").await.unwrap_err();
    assert!(matches!(error.cause(), Error::TooLong { bytes: 110_000, limit: 100_000 }), "{error:?}");
    assert_eq!((error.class(), error.usage()), (Class::Unavailable, None), "nobody knows what it has taken");
    bench.runtime.until(|count| count.inside == 0).await;
}

// AG2.
#[tokio::test(start_paused = true)]
async fn a_model_that_goes_round_in_circles_is_stopped() {
    let round = |_: &Request| vec![Step::call("c", "sum", json!({ "terms": [1] }))];
    let long = Profile { max_turns: 50, ..profile("marvin") };
    let bench = bench(long, Watched::playing(Scripted::new("local", round))).await;
    let error = bench.ask("Do it.").await.unwrap_err();
    // Three questions of "Be brief." and "Do it.", each with what was called before, are paid for all the same.
    let Error::Spent { usage, error: cause } = &error else { panic!("{error}") };
    assert!(matches!(**cause, Error::Loop { repeats: 3, .. }) && usage.input_tokens >= 12, "{error:?}");
    assert_eq!(error.usage(), Some(*usage));
    assert_eq!(bench.runtime.count().begun, 3);
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_calls_never_end_is_stopped_by_its_turns() {
    let mut number = 0;
    let on = move |_: &Request| {
        number += 1;
        vec![Step::call("c", "sum", json!({ "terms": [number] }))]
    };
    let bench = bench(profile("marvin"), Watched::playing(Scripted::new("local", on))).await;
    let error = bench.ask("Do it.").await.unwrap_err();
    assert!(matches!(&error, Error::Spent { error, .. } if matches!(**error, Error::Turns { limit: 4 })), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_budget_of_the_caller_bounds_the_tokens() {
    let plain = Profile { tools: Vec::new(), ..profile("marvin") };
    let bench = bench(plain, Watched::new("local")).await;
    let poor = bench.cx(9 * SECOND).with_budget(Budget { money: Money(0), tokens: 0 });
    assert!(matches!(bench.work(&poor, "at once").await, Err(Error::Tokens { limit: 0, .. })));
    let modest = bench.cx(9 * SECOND).with_budget(Budget { money: Money(0), tokens: 30 });
    bench.work(&modest, "at once").await.unwrap();
    // "Be brief." and "at once" are six by the estimate.
    assert_eq!(bench.runtime.requests().last().unwrap().max_tokens, 24);
}

fn zoi() -> Profile {
    Profile { remembers: true, ..profile("zoi") }
}

/// Says back what it was asked.
fn echo() -> Arc<Watched> {
    Watched::playing(Scripted::new("local", |request| vec![Step::text(request.messages[1].content.clone())]))
}

#[tokio::test(start_paused = true)]
async fn what_she_is_told_she_recalls_also_after_a_restart() {
    let (disk, world) = (Disk::default(), world());
    let bench = bench_on(&disk, world.clone(), Definition::prompted(zoi()), echo()).await;
    let told = bench.ask("My dog is called Rex. What a day!").await.unwrap();
    assert_eq!(told.learned, ["My dog is called Rex"]);
    assert!(told.text.starts_with("Noted: My dog is called Rex. "), "{}", told.text);
    assert!(bench.ask("What is the capital of France?").await.unwrap().recalled.is_empty());
    let asked = bench.ask("What is my dog called?").await.unwrap();
    assert_eq!((asked.recalled, asked.learned), (vec!["My dog is called Rex".to_owned()], Vec::new()));
    bench.end().await;
    let bench = bench_on(&disk, world, Definition::prompted(zoi()), echo()).await;
    let asked = bench.ask("What is my dog called?").await.unwrap();
    assert_eq!(asked.recalled, ["My dog is called Rex"]);
    assert_eq!(asked.text, "Known: My dog is called Rex. What is my dog called?");
}

// AG3.
#[tokio::test(start_paused = true)]
async fn what_is_not_in_the_journal_is_neither_remembered_nor_answered() {
    let bench = bench_on(&Disk::default(), world(), Definition::prompted(zoi()), echo()).await;
    bench.journal.fail_next_commit("disk full");
    let error = bench.ask("My dog is called Rex.").await.unwrap_err();
    assert!(matches!(&error, Error::Memory(reason) if reason.contains("disk full")), "{error}");
    assert_eq!(bench.runtime.count().begun, 0, "the model was asked before the memory was safe");
    let asked = bench.ask("What is my dog called?").await.unwrap();
    assert!(asked.recalled.is_empty());
}
