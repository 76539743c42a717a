//! Attached runs: each ends once, the ladder is walked, and who leaves stops the work.

use super::support::{LONG, bench, ends, task};
use crate::actors::crown::Change;
use crate::actors::io::{Document, Error, Progress, Task};
use crate::actors::tests::{SECOND, Watched};
use crate::types::{Budget, Class, Money, PrivacyClass, TrustTier};

// IO1.
#[tokio::test(start_paused = true)]
async fn every_run_begins_and_ends_on_the_record_exactly_once() {
    let runtime = Watched::new("only");
    let bench = bench(&[runtime]).await;
    let rows = [
        (task("hello"), Ok(()), "run.completed"),
        (task("fail"), Err(Class::Internal), "run.failed"),
        (task("panic"), Err(Class::Internal), "run.failed"),
        (task("hang"), Err(Class::Timeout), "run.failed"),
        (
            // So much text is more chunks than a task may have.
            Task {
                documents: vec![Document { name: "long.txt".to_owned(), text: "Words in a row. ".repeat(2_000) }],
                ..task("Read this")
            },
            Err(Class::Invalid),
            "run.failed",
        ),
    ];
    for (number, (task, expected, kind)) in rows.into_iter().enumerate() {
        let prompt = task.prompt.clone();
        let result = bench.route(&bench.cx(LONG), task).await;
        assert_eq!(result.map(|_| ()).map_err(|error| error.class()), expected, "{prompt}");
        let runs = bench.runs().await;
        assert_eq!(runs.len(), number + 1);
        let kinds: Vec<&str> = runs[number].1.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!((kinds[0], *kinds.last().unwrap()), ("run.accepted", kind), "{prompt}: {kinds:?}");
        assert_eq!(kinds.iter().filter(|kind| ends(kind)).count(), 1, "{prompt}: {kinds:?}");
        assert_eq!(bench.row(runs[number].0).await.class, expected.err());
    }
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused_before_there_is_a_run() {
    let bench = bench(&[Watched::new("only")]).await;
    let document = |bytes: usize| vec![Document { name: "a".to_owned(), text: "x".repeat(bytes) }];
    let rows = [
        (task(" \n"), "the prompt is empty"),
        (task(&"x".repeat(4_001)), "pass the longer part as a document"),
        (Task { max_tokens: Some(0), ..task("a") }, "max_tokens must be at least 1"),
        (Task { agent: Some("nobody".to_owned()), ..task("a") }, "there are only"),
        (Task { documents: document(100_000), ..task("a") }, "at most 100000 are taken"),
    ];
    for (task, expected) in rows {
        let error = bench.route(&bench.cx(LONG), task).await.unwrap_err();
        assert!(error.to_string().contains(expected) && error.class() == Class::Invalid, "{error}");
    }
    assert!(bench.runs().await.is_empty());
}

// IO4.
#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_stops_the_work() {
    let runtime = Watched::new("only");
    let bench = bench(std::slice::from_ref(&runtime)).await;
    tokio::select! {
        answer = bench.ask("hang") => panic!("{answer:?}"),
        () = runtime.until(|count| count.inside == 1) => {}
    }
    runtime.until(|count| count.inside == 0).await;
    let run = bench.runs().await[0].0;
    assert_eq!(bench.ending(run).await, ("run.cancelled".to_owned(), Class::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_caller_ends_the_run() {
    let runtime = Watched::new("only");
    let bench = bench(std::slice::from_ref(&runtime)).await;
    let error = bench.route(&bench.cx(5 * SECOND), task("hang")).await.unwrap_err();
    assert_eq!(error.class(), Class::Timeout);
    let run = bench.runs().await[0].0;
    let (kind, class) = bench.ending(run).await;
    // Whether the run saw its deadline or that its caller had left is a matter of the same instant.
    assert!(
        matches!((kind.as_str(), class), ("run.failed", Class::Timeout) | ("run.cancelled", _)),
        "{kind} {class:?}"
    );
    runtime.until(|count| count.inside == 0).await;
}

#[tokio::test(start_paused = true)]
async fn when_the_first_fails_the_next_answers_and_both_are_on_the_record() {
    let failing = Watched::playing(crate::inference::Scripted::list("first", Vec::new()));
    let second = Watched::new("second");
    let bench = bench(&[failing.clone(), second.clone()]).await;
    let answer = bench.ask("hello").await.unwrap();
    assert_eq!((answer.answer.as_str(), answer.served_by), ("hello", vec!["second".to_owned()]));
    let (_, events) = bench.runs().await.remove(0);
    let told: Vec<(String, String)> = events
        .iter()
        .filter(|event| event.kind.starts_with("hop."))
        .map(|event| (event.kind.clone(), event.body.value()["candidate"].as_str().unwrap_or("").to_owned()))
        .collect();
    let expected = [
        ("hop.decided", ""),
        ("hop.admitted", "first"),
        ("hop.failed", "first"),
        ("hop.step", "second"),
        ("hop.admitted", "second"),
        ("hop.served", "second"),
    ];
    assert_eq!(told, expected.map(|(kind, who)| (kind.to_owned(), who.to_owned())));
    assert_eq!((failing.count().begun, second.count().begun), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn who_is_tried_next_is_said_and_that_nobody_is() {
    let failing = |name: &str| Watched::playing(crate::inference::Scripted::list(name, Vec::new()));
    let bench = bench(&[failing("first"), failing("second")]).await;
    let (sender, mut news) = tokio::sync::mpsc::channel(256);
    bench.io.route(&bench.cx(LONG), task("hello"), sender).await.unwrap_err();
    let mut said = Vec::new();
    while let Ok(progress) = news.try_recv() {
        if let Progress::Fallback { candidate, next, .. } = progress {
            said.push((candidate, next));
        }
    }
    assert_eq!(said, [("first".to_owned(), Some("second".to_owned())), ("second".to_owned(), None)]);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_without_a_place_is_passed_over_and_with_none_left_the_task_is_refused() {
    let (first, second) = (Watched::new("first"), Watched::new("second"));
    let bench = bench(&[first.clone(), second.clone()]).await;
    let cap = |candidate: &str| Change::Cap { candidate: candidate.to_owned(), cap: Some(0) };
    bench.crown.change(&bench.cx(LONG), cap("first")).await.unwrap();
    assert_eq!(bench.ask("hello").await.unwrap().served_by, ["second"]);
    bench.crown.change(&bench.cx(LONG), cap("second")).await.unwrap();
    let error = bench.ask("hello").await.unwrap_err();
    assert!(matches!(error, Error::Refused { class: Class::Exhausted, .. }), "{error}");
    assert_eq!((first.count().begun, second.count().begun), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_private_leaves_and_nothing_is_spent_that_is_not_there() {
    use crate::inference::Scripted;
    use crate::types::Price;
    let dear = Scripted::saying("dear", "From afar.").in_tier(TrustTier::External);
    let dear = Watched::playing(dear.at_price(Price::new(1_000_000, 1_000_000)));
    let bench = bench(std::slice::from_ref(&dear)).await;
    let card = bench.ask("Is my card 4111 1111 1111 1111 still good?").await.unwrap_err();
    assert_eq!(card.class(), Class::Denied, "{card}");
    let secret = Task { privacy: PrivacyClass::Internal, ..task("hello") };
    assert_eq!(bench.route(&bench.cx(LONG), secret).await.unwrap_err().class(), Class::Denied);
    let poor = bench.cx(LONG).with_budget(Budget { money: Money(0), tokens: u64::MAX });
    let refused = bench.route(&poor, task("hello")).await.unwrap_err();
    assert_eq!(refused.class(), Class::Exhausted, "{refused}");
    assert_eq!(dear.count().begun, 0);
    let answer = bench.ask("hello").await.unwrap();
    // "Be brief." and "hello" in, "From afar." out, at one micro-dollar a token.
    assert_eq!((answer.cost, dear.count().begun), (Money(5), 1));
}

#[tokio::test(start_paused = true)]
async fn more_runs_than_may_be_under_way_are_refused() {
    let runtime = Watched::new("only");
    let bench = bench(&[runtime]).await;
    let cx = bench.cx(50 * SECOND);
    let crowd = futures::future::join_all((0..40).map(|_| bench.route(&cx, task("hello")))).await;
    let served = crowd.iter().filter(|one| one.is_ok()).count();
    let refused = crowd.iter().filter(|one| matches!(one, Err(error) if error.class() == Class::Exhausted)).count();
    // Two actors with eight runs each.
    assert!((8..=16).contains(&served) && served + refused == 40, "{served} served, {refused} refused");
}
