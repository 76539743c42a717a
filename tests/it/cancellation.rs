//! Who gives up stops the work under them, down to the model: on a whole host, on a clock that stands still.

use std::time::Duration;

use syzygy::host::Host;
use syzygy::types::{Class, RunId};
use tokio::time::Instant;

use crate::support::{Metered, cx, end, events, task};

/// What a caller who left may still cost, in time.
const WITHIN: Duration = Duration::from_millis(100);

/// A host whose model writes a token every five milliseconds for a day.
async fn host() -> (Host, Metered) {
    let runtime = Metered::new("local", Duration::from_millis(5), 17_280_000);
    (Host::builder().runtime(runtime.clone()).start().await.unwrap(), runtime)
}

fn now(host: &Host) -> Instant {
    host.world().clock.now()
}

/// Nothing is generated any more, and nothing is for another hour.
async fn spends_nothing_more(host: &Host, runtime: &Metered, left: Instant) {
    runtime.inside(0).await;
    let passed = now(host) - left;
    assert!(passed <= WITHIN, "{passed:?}");
    let spent = runtime.tokens();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(runtime.tokens(), spent);
}

/// The run ended once, and this way.
async fn ended(host: &Host, run: RunId, kind: &str) {
    let ends: Vec<String> = events(host, run).await.into_iter().map(|event| event.kind).collect();
    let ends: Vec<&String> = ends.iter().filter(|kind| kind.starts_with("run.") && *kind != "run.accepted").collect();
    assert_eq!(ends, [kind]);
}

async fn only_run(host: &Host) -> RunId {
    host.journal().flush().await.unwrap();
    let all = host.journal().read(1, 10_000).await.unwrap();
    all.iter().find_map(|event| event.run).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_drops_the_question_stops_the_model() {
    let (host, runtime) = host().await;
    let asked = cx(&host);
    tokio::select! {
        answer = host.ask(&asked, task("Write a long story.")) => panic!("{answer:?}"),
        () = runtime.beyond(10) => {}
    }
    spends_nothing_more(&host, &runtime, now(&host)).await;
    ended(&host, only_run(&host).await, "run.cancelled").await;
    end(host).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_time_is_up_stops_the_model() {
    let (host, runtime) = host().await;
    let asked = host.context("tester", Duration::from_secs(3));
    let error = host.ask(&asked, task("Write a long story.")).await.unwrap_err();
    assert_eq!(error.class(), Class::Timeout);
    assert!(runtime.tokens() > 100);
    spends_nothing_more(&host, &runtime, asked.deadline()).await;
    end(host).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cancelled_stops_the_model() {
    let (host, runtime) = host().await;
    let run = host.io().accept(&cx(&host), task("Write a long story.")).await.unwrap();
    runtime.beyond(10).await;
    let left = now(&host);
    assert!(host.io().cancel(&cx(&host), run).await.unwrap());
    spends_nothing_more(&host, &runtime, left).await;
    ended(&host, run, "run.cancelled").await;
    end(host).await;
}

#[tokio::test(start_paused = true)]
async fn a_context_that_is_cancelled_stops_all_that_was_asked_under_it() {
    let (host, runtime) = host().await;
    let asked = cx(&host);
    let asks = futures::future::join_all((0..5).map(|_| host.ask(&asked, task("Write a long story."))));
    let cancel = async {
        runtime.inside(5).await;
        runtime.beyond(50).await;
        asked.cancel();
        now(&host)
    };
    let (answers, left) = tokio::join!(asks, cancel);
    assert!(answers.into_iter().all(|answer| answer.unwrap_err().class() == Class::Cancelled));
    spends_nothing_more(&host, &runtime, left).await;
    end(host).await;
}
