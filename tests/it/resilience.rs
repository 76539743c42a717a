//! A dead and a flapping target, in virtual time: who sends nothing to the dead, forgives the flapping once it is stable,
//! and lets no caller notice. `benches/resilience.rs` does the same with real servers on the real clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use syzygy::actors::agent::Definition;
use syzygy::host::{Host, real_world};
use syzygy::inference::{Error, Scripted, Step};
use syzygy::types::{Clock, Timestamp, World};
use tokio::time::{Instant, Interval};

use crate::support::{agent, cx, end, events, task};

/// Both times are tokio's, which stands still and jumps.
struct Virtual(Instant);

impl Clock for Virtual {
    fn now(&self) -> Instant {
        now()
    }

    fn wall(&self) -> Timestamp {
        let since = now() - self.0;
        Timestamp(1_767_225_600_000_000 + i64::try_from(since.as_micros()).unwrap())
    }
}

#[expect(clippy::disallowed_methods, reason = "tokio's clock is paused in these tests")]
fn now() -> Instant {
    Instant::now()
}

/// What was asked of the first target, and how often in vain.
#[derive(Clone, Default)]
struct Seen {
    asked: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl Seen {
    fn take(&self) -> (u64, u64) {
        (self.asked.swap(0, Ordering::AcqRel), self.failed.swap(0, Ordering::AcqRel))
    }
}

/// An agent of this name and quality.
fn rated(name: &str, quality: f32) -> Definition {
    let mut made = agent(name);
    made.profile.quality = quality;
    made
}

/// A host whose better target works only when it is said to, and whose other one always does.
async fn host(works: impl Fn(Duration) -> bool + Send + 'static) -> (Host, Seen) {
    beside(0.81, works).await
}

/// The same with the quality of the other one.
async fn beside(quality: f32, works: impl Fn(Duration) -> bool + Send + 'static) -> (Host, Seen) {
    let (began, seen) = (now(), Seen::default());
    let (count, asked) = (seen.clone(), now);
    let first = Scripted::new("first", move |_| {
        count.asked.fetch_add(1, Ordering::AcqRel);
        if works(asked() - began) {
            return vec![Step::text("Yes.")];
        }
        count.failed.fetch_add(1, Ordering::AcqRel);
        vec![Step::Fail(Error::Unavailable { runtime: "first".to_owned(), reason: "connection refused".to_owned() })]
    });
    let world = World { clock: Arc::new(Virtual(began)), ..real_world() };
    let host = Host::builder()
        .without_bundled_agents()
        .agent(rated("first", 0.9))
        .agent(rated("second", quality))
        .runtime(first)
        .runtime(Scripted::saying("second", "Yes."))
        .world(world)
        .start()
        .await
        .unwrap();
    (host, seen)
}

/// So many requests, one at each tick. Nobody may hear of a failure.
async fn ask(host: &Host, clock: &mut Interval, count: u64) {
    for _ in 0..count {
        clock.tick().await;
        let answer = host.ask(&cx(host), task("Are you there?")).await.unwrap();
        assert_eq!(answer.answer, "Yes.");
    }
}

fn each(millis: u64) -> Interval {
    tokio::time::interval(Duration::from_millis(millis))
}

#[tokio::test(start_paused = true)]
async fn a_dead_target_is_asked_four_times_of_six_hundred() {
    let (host, seen) = host(|_| false).await;
    ask(&host, &mut each(40), 600).await;
    let (asked, failed) = seen.take();
    assert_eq!(asked, failed);
    assert!((1..=4).contains(&failed), "{failed} attempts were wasted");
    end(host).await;
}

#[tokio::test(start_paused = true)]
async fn a_flapping_target_is_left_alone_and_comes_back_once_it_is_stable() {
    // Four seconds on, four seconds off, and on for good after 48 seconds.
    let stable = Duration::from_secs(48);
    // So much better that it takes its place back from the one that keeps it (`ziggy.score.keep_within`).
    let (host, seen) = beside(0.75, move |at| at >= stable || (at.as_secs() / 4).is_multiple_of(2)).await;
    ask(&host, &mut each(40), 1_200).await;
    let (asked, failed) = seen.take();
    assert!(failed <= 10 && asked >= 100, "{failed} of {asked} failed while it flapped");
    // Two half-lives of the penalty later it has to be back.
    let half_life = u64::from(host.config().ziggy.live.penalty_half_life_s);
    ask(&host, &mut each(1_000), 2 * half_life).await;
    seen.take();
    ask(&host, &mut each(40), 200).await;
    let (asked, failed) = seen.take();
    // It is the better one, so its fair share is all of it.
    assert!(asked >= 180 && failed == 0, "{asked} of 200");
    end(host).await;
}

#[tokio::test(start_paused = true)]
async fn every_step_down_the_ladder_is_told_with_its_reason() {
    let (host, _) = host(|_| false).await;
    let answer = host.ask(&cx(&host), task("Are you there?")).await.unwrap();
    assert_eq!(answer.served_by, ["second@second"]);
    let step = &answer.steps[0].step;
    assert_eq!((step.rung.word(), step.candidate.as_deref()), ("local", Some("second@second")));
    assert_eq!(step.reason, "of those tried 1 failed");
    let events = events(&host, answer.run_id).await;
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    let expected =
        ["hop.decided", "hop.admitted", "hop.failed", "hop.step", "hop.admitted", "hop.served", "run.completed"];
    assert_eq!(&kinds[kinds.len() - expected.len()..], expected);
    end(host).await;
}
