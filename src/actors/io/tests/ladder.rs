//! The ladder carried out: lines, second tries, answers given again, people.

use std::sync::Arc;
use std::time::Duration;

use super::support::{Bench, LONG, bench, bench_under, task};
use crate::actors::crown::Change;
use crate::actors::io::{Answer, Task};
use crate::actors::tests::{SECOND, Watched, configs};
use crate::inference::{self, Pacing, Scripted, Step, Usage};
use crate::store::Disk;
use crate::types::{Class, Cx, PrivacyClass};
use crate::ziggy::ladder::Config;
use crate::ziggy::limit;

async fn with_ladder(runtime: &Arc<Watched>, ladder: Config) -> Bench {
    bench_under(&Disk::default(), std::slice::from_ref(runtime), ladder).await
}

fn rungs(answer: &Answer) -> Vec<&'static str> {
    answer.steps.iter().map(|taken| taken.step.rung.word()).collect()
}

fn unavailable() -> Step {
    Step::Fail(inference::Error::Unavailable { runtime: "only".to_owned(), reason: "connection refused".to_owned() })
}

/// One request at a time for the candidate.
async fn one_at_a_time(bench: &Bench) {
    let change = Change::Cap { candidate: "only".to_owned(), cap: Some(1) };
    bench.crown.change(&bench.cx(LONG), change).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_place_waits_in_line_and_the_line_is_bounded() {
    let runtime = Watched::new("only");
    let bench = bench(std::slice::from_ref(&runtime)).await;
    one_at_a_time(&bench).await;
    let began = bench.world.clock.now();
    let crowd = futures::future::join_all((0..5).map(|_| bench.ask("hello"))).await;
    // IL2: one works, two wait, and there is no room for the others.
    let served: Vec<&Answer> = crowd.iter().flatten().collect();
    let refused = crowd.iter().filter(|one| matches!(one, Err(error) if error.class() == Class::Exhausted)).count();
    assert_eq!((served.len(), refused, runtime.count().most), (3, 2, 1));
    let waited = served.iter().filter(|answer| rungs(answer).contains(&"wait")).count();
    assert_eq!(waited, 2, "IL1");
    assert_eq!((bench.world.clock.now() - began).as_secs(), 3);
    assert_eq!(bench.crown.in_flight("only"), 0);
    // And the line is empty again.
    assert!(futures::future::join_all((0..3).map(|_| bench.ask("hello"))).await.iter().all(Result::is_ok));
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_gives_up_when_the_longest_wait_is_over() {
    let runtime = Watched::new("only");
    let bench = bench(std::slice::from_ref(&runtime)).await;
    one_at_a_time(&bench).await;
    let (hanging, waiting) = (bench.cx(50 * SECOND), bench.cx(50 * SECOND));
    let hang = bench.route(&hanging, task("hang"));
    let wait = async {
        runtime.until(|count| count.inside == 1).await;
        let began = bench.world.clock.now();
        let error = bench.route(&waiting, task("hello")).await.unwrap_err();
        hanging.cancel();
        (error, bench.world.clock.now() - began)
    };
    let (_, (error, took)) = tokio::join!(hang, wait);
    assert_eq!((error.class(), took.as_secs()), (Class::Exhausted, 5));
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_failed_in_passing_is_tried_again_unless_something_was_shown() {
    let said = |text: &str| Step::text(text);
    let cut = inference::Error::Cut { runtime: "only".to_owned(), reason: "gone".to_owned(), usage: Usage::default() };
    let rows = [
        (vec![vec![unavailable()], vec![unavailable()], vec![said("Yes.")]], Some("Yes."), 3),
        // Three attempts are all there are.
        (vec![vec![unavailable()], vec![unavailable()], vec![unavailable()], vec![said("Yes.")]], None, 3),
        // IL4.
        (vec![vec![said("Ye"), Step::Fail(cut)], vec![said("Yes.")]], None, 1),
        (vec![vec![Step::Fail(inference::Error::Internal("a bug".to_owned()))], vec![said("Yes.")]], None, 1),
    ];
    for (script, expected, begun) in rows {
        let runtime = Watched::playing(Scripted::list("only", script));
        let bench = bench(std::slice::from_ref(&runtime)).await;
        let retry =
            limit::RetryConfig { attempts: 3, tokens: 10, token_per_answer: 100, first_ms: 100, most_ms: 2_000 };
        let _ = bench.crown.clone().limited(limit::Config { retry, ..limit::Config::unlimited() });
        let answer = bench.ask("hello").await;
        assert_eq!(answer.as_ref().ok().map(|answer| answer.answer.as_str()), expected, "{answer:?}");
        assert_eq!(runtime.count().begun, begun);
        if let Ok(answer) = answer {
            assert_eq!(rungs(&answer), ["retry", "retry"]);
        }
        bench.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_asks_to_wait_is_waited_for() {
    let limited = inference::Error::RateLimited {
        runtime: "only".to_owned(),
        retry_after: Some(2 * SECOND),
        pacing: Pacing::default(),
    };
    let script = vec![vec![Step::Fail(limited)], vec![Step::text("Yes.")]];
    let runtime = Watched::playing(Scripted::list("only", script));
    let bench = bench(std::slice::from_ref(&runtime)).await;
    let began = bench.world.clock.now();
    let answer = bench.ask("hello").await.unwrap();
    assert_eq!(rungs(&answer), ["wait", "local"]);
    let took = bench.world.clock.now() - began;
    assert!((2 * SECOND..3 * SECOND).contains(&took), "{took:?}");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_again_to_its_own_principal_for_the_same_words_in_time() {
    let script = vec![vec![Step::text("Yes.")], vec![Step::text("Again.")]];
    let runtime = Watched::playing(Scripted::list("only", script));
    let bench = with_ladder(&runtime, Config { off: Vec::new(), ..configs::ladder() }).await;
    assert_eq!(bench.ask("hello").await.unwrap().answer, "Yes.");
    assert_eq!(bench.ask("hello").await.unwrap().answer, "Again.", "a candidate comes first");
    let given = bench.ask("hello").await.unwrap();
    assert_eq!((given.answer.as_str(), rungs(&given).last()), ("Again.", Some(&"cached")));
    assert_eq!((given.served_by.as_slice(), given.cost.0), (&["only".to_owned()][..], 0));
    // IL3: other words, other limits, another class, another principal, too late.
    assert!(bench.ask("good day").await.is_err());
    let brief = Task { max_tokens: Some(1), ..task("hello") };
    assert!(bench.route(&bench.cx(LONG), brief).await.is_err());
    let secret = Task { privacy: PrivacyClass::Restricted, ..task("hello") };
    assert!(bench.route(&bench.cx(LONG), secret).await.is_err());
    let other = Cx::housekeeping(bench.world.clock.now(), LONG).with_budget(bench.cx(LONG).budget());
    assert!(bench.route(&other, task("hello")).await.is_err());
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(bench.ask("hello").await.is_err());
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_unusually_slow_is_helped_by_a_second_before_it_speaks() {
    // Twenty answers after a second each, then one that hangs without a word, and one that hangs after a word.
    let mut script: Vec<Vec<Step>> = (0..20).map(|_| vec![Step::Wait(SECOND), Step::text("One.")]).collect();
    script.push(vec![Step::Hang]);
    script.push(vec![Step::text("Well "), Step::Wait(3 * SECOND), Step::text("said.")]);
    let (first, second) = (Watched::playing(Scripted::list("first", script)), Watched::new("second"));
    let ladder = Config { hedge: true, ..configs::ladder() };
    let bench = bench_under(&Disk::default(), &[first.clone(), second.clone()], ladder).await;
    let retry = limit::RetryConfig { attempts: 1, tokens: 10, token_per_answer: 100, first_ms: 0, most_ms: 0 };
    let _ = bench.crown.clone().limited(limit::Config { retry, ..limit::Config::unlimited() });
    for _ in 0..20 {
        assert_eq!(bench.ask("at once").await.unwrap().answer, "One.");
    }
    assert_eq!(second.count().begun, 0, "until twenty answers nobody knows what is slow");
    let began = bench.world.clock.now();
    let answer = bench.ask("at once").await.unwrap();
    assert_eq!((answer.answer.as_str(), answer.served_by.as_slice()), ("at once", &["second".to_owned()][..]));
    assert_eq!((bench.world.clock.now() - began).as_secs(), 1, "after the 95th percentile");
    assert!(answer.steps[0].step.reason.contains("slower"), "{:?}", answer.steps);
    first.until(|count| count.inside == 0).await;
    assert_eq!(bench.crown.in_flight("first"), 0, "the slower one is stopped");
    assert_eq!(bench.ask("at once").await.unwrap().answer, "Well said.");
    assert_eq!(second.count().begun, 1, "who has begun to speak is not helped");
    bench.end().await;
}
