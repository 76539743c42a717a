//! The promises of the actor, on a clock that stands still.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tokio::sync::mpsc;

use crate::actors::runtime::{Error, Handle, Launch};
use crate::actors::tests::{SECOND, Watched, cx, read, soon, start, stop, world};
use crate::inference::{self, Health, Message, Request, Role};
use crate::supervision::Root;
use crate::types::{Class, Classified, Cx, World};

struct Bench {
    world: World,
    runtime: Arc<Watched>,
    handle: Handle,
    root: Root,
}

/// A runtime with so many places, and room for so many to wait.
async fn bench(concurrency: u32, waiting: usize) -> Bench {
    let (world, runtime) = (world(), Watched::new("local"));
    let config = read(json!({
        "waiting": waiting, "concurrency": concurrency, "health_every_s": 10, "health_within_s": 5, "unreachable_every_s": 1,
        "repair_again_s": 300,
    }));
    let launch = Launch { runtime: runtime.clone(), child: None };
    let (handle, child) = Handle::launch(launch, config, &world);
    let (root, _) = start(vec![child], &world).await;
    Bench { world, runtime, handle, root }
}

impl Bench {
    fn cx(&self, within: Duration) -> Cx {
        cx(&self.world, within)
    }

    async fn ask(&self, cx: &Cx, said: &str) -> Result<String, Error> {
        let messages = vec![Message::new(Role::User, said)];
        let request = Request { messages, tools: Vec::new(), max_tokens: 8, temperature: 0.0, seed: 0 };
        let (news, _unread) = mpsc::channel(8);
        self.handle.generate(cx, Classified::under(cx, request), news).await.map(|completion| completion.text)
    }

    /// What became of each, in words.
    async fn all(&self, within: Duration, said: &[&str]) -> Vec<String> {
        let cx = self.cx(within);
        let answers = said.iter().map(|said| self.ask(&cx, said));
        let worded = |answer: Result<String, Error>| match answer {
            Ok(text) => text,
            Err(error) => error.class().word().to_owned(),
        };
        soon(join_all(answers)).await.into_iter().map(worded).collect()
    }
}

// RT1.
#[tokio::test(start_paused = true)]
async fn every_request_is_answered_once_however_its_work_ends() {
    let bench = bench(2, 16).await;
    let answers = bench.all(5 * SECOND, &["panic", "one", "fail", "hang", "two", "panic", "three"]).await;
    assert_eq!(answers, ["internal", "one", "internal", "timeout", "two", "internal", "three"]);
    // The report of the one that timed out may come after its caller has heard so.
    bench.runtime.until(|count| count.inside == 0).await;
    assert_eq!(bench.all(5 * SECOND, &["four"]).await, ["four"]);
    let view = bench.handle.view();
    assert_eq!((view.served, view.running, view.waiting), (4, 0, 0));
    // Whether the one that hung had failed or its caller had left is a matter of the same instant.
    assert!((3..=4).contains(&view.failed), "{view:?}");
}

// RT2.
#[tokio::test(start_paused = true)]
async fn no_more_generate_at_a_time_than_there_are_places() {
    let bench = bench(3, 12).await;
    let said: Vec<String> = (0..12).map(|number| number.to_string()).collect();
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let began = bench.world.clock.now();
    assert_eq!(bench.all(30 * SECOND, &said).await, said);
    assert_eq!(bench.runtime.count().most, 3);
    // Twelve that take a second each, three at a time.
    assert_eq!((bench.world.clock.now() - began).as_secs(), 4);
    let order: Vec<String> = bench.runtime.requests().iter().map(|one| one.messages[0].content.clone()).collect();
    assert_eq!(order, said);
}

#[tokio::test(start_paused = true)]
async fn one_too_many_is_refused_at_once() {
    let bench = bench(1, 2).await;
    let cx = bench.cx(30 * SECOND);
    let (first, second, third) = (bench.ask(&cx, "1"), bench.ask(&cx, "2"), bench.ask(&cx, "3"));
    let last = async {
        while bench.handle.view().waiting < 2 {
            tokio::task::yield_now().await;
        }
        let before = bench.world.clock.now();
        let refused = bench.ask(&cx, "4").await;
        (refused, bench.world.clock.now() - before)
    };
    let (first, second, third, (fourth, took)) = tokio::join!(first, second, third, last);
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert!(matches!(fourth, Err(Error::Full { waiting: 2, .. })), "{fourth:?}");
    assert_eq!(took, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn giving_up_stops_the_generation_and_frees_the_place() {
    let bench = bench(1, 4).await;
    let cx = bench.cx(30 * SECOND);
    tokio::select! {
        answer = bench.ask(&cx, "hang") => panic!("{answer:?}"),
        () = bench.runtime.until(|count| count.inside == 1) => {}
    }
    // The future is dropped; nobody has cancelled anything.
    bench.runtime.until(|count| count.inside == 0).await;
    assert_eq!(bench.all(5 * SECOND, &["next"]).await, ["next"]);
    let cancelled = cx.child();
    let (answer, ()) = tokio::join!(bench.ask(&cancelled, "hang"), async {
        bench.runtime.until(|count| count.inside == 1).await;
        cancelled.cancel();
    });
    assert_eq!(answer.unwrap_err().class(), Class::Cancelled);
    bench.runtime.until(|count| count.inside == 0).await;
    assert_eq!(bench.handle.view().failed, 0, "a caller who left says nothing about the runtime");
}

#[tokio::test(start_paused = true)]
async fn who_gave_up_in_line_is_never_generated_for() {
    let bench = bench(1, 4).await;
    let (long, short) = (bench.cx(30 * SECOND), bench.cx(SECOND / 2));
    let (first, second, third) =
        tokio::join!(bench.ask(&long, "first"), bench.ask(&short, "second"), bench.ask(&long, "third"));
    assert_eq!(first.unwrap(), "first");
    assert_eq!(second.unwrap_err().class(), Class::Timeout);
    assert_eq!(third.unwrap(), "third");
    assert_eq!(bench.runtime.count().begun, 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_health_is_shown_within_the_time_between_two_looks() {
    let bench = bench(1, 4).await;
    let mut health = bench.handle.watch_health();
    let down = Health::Down { reason: "the endpoint is gone".to_owned() };
    bench.runtime.is_now(down.clone());
    let before = bench.world.clock.now();
    soon(health.wait_for(|seen| *seen == down)).await.unwrap();
    assert!((bench.world.clock.now() - before).as_secs() <= 10);
    bench.runtime.is_now(Health::Ready);
    soon(health.wait_for(|seen| *seen == Health::Ready)).await.unwrap();
}

// RT8.
#[tokio::test(start_paused = true)]
async fn a_request_that_finds_nobody_has_health_looked_at_until_somebody_is_there() {
    let bench = bench(1, 4).await;
    let mut health = bench.handle.watch_health();
    soon(health.wait_for(|seen| *seen == Health::Ready)).await.unwrap();
    let (before, gone) = (bench.world.clock.now(), Health::Unreachable { reason: "refused".to_owned() });
    bench.runtime.is_now(gone.clone());
    assert_eq!(bench.all(SECOND, &["gone"]).await, ["unavailable"]);
    soon(health.wait_for(|seen| *seen == gone)).await.unwrap();
    assert_eq!(bench.world.clock.now(), before, "at once");
    bench.runtime.until(|count| count.looks == 5).await;
    assert_eq!((bench.world.clock.now() - before).as_secs(), 3, "and each second");
    bench.runtime.is_now(Health::Ready);
    soon(health.wait_for(|seen| *seen == Health::Ready)).await.unwrap();
    assert_eq!((bench.world.clock.now() - before).as_secs(), 4);
    // A crowd of failures has it looked at once a second and not more.
    let looks = bench.runtime.count().looks;
    assert_eq!(bench.all(SECOND, &["gone", "gone", "gone", "gone"]).await, ["unavailable"; 4]);
    assert!(bench.runtime.count().looks <= looks + 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_in_code_gets_the_text_of_an_answer() {
    let bench = bench(1, 4).await;
    let cx = bench.cx(5 * SECOND);
    assert_eq!(bench.handle.complete(&cx, "Be brief.", "at once", 9).await.unwrap(), "at once");
    let asked = bench.runtime.requests().remove(0);
    let seen: Vec<(Role, &str)> = asked.messages.iter().map(|one| (one.role, one.content.as_str())).collect();
    assert_eq!(seen, [(Role::System, "Be brief."), (Role::User, "at once")]);
    assert_eq!(asked.max_tokens, 9);
    stop(&bench.root, &bench.world).await;
    let gone = bench.handle.complete(&bench.cx(SECOND), "", "at once", 9).await;
    assert_eq!(gone.unwrap_err().class(), Class::Unavailable);
}

// RT4.
#[tokio::test(start_paused = true)]
async fn what_is_damaged_is_repaired_and_a_failed_repair_is_tried_again_later() {
    let bench = bench(1, 4).await;
    let mut health = bench.handle.watch_health();
    bench.runtime.repairs([Err(inference::Error::Internal("no network".to_owned())), Ok(true)]);
    let down = Health::Down { reason: "a byte was changed".to_owned() };
    bench.runtime.is_now(down.clone());
    soon(health.wait_for(|seen| *seen == down)).await.unwrap();
    let began = bench.world.clock.now();
    let ready = health.wait_for(|seen| *seen == Health::Ready);
    tokio::time::timeout(600 * SECOND, ready).await.unwrap().unwrap();
    let took = (bench.world.clock.now() - began).as_secs();
    assert!((300..=320).contains(&took), "again after 300 s, at the look that follows, not {took} s");
    assert_eq!(bench.runtime.count().repairs, 2);
}

#[tokio::test(start_paused = true)]
async fn a_generation_that_meets_damage_has_it_repaired() {
    let bench = bench(1, 4).await;
    assert_eq!(bench.all(5 * SECOND, &["damaged"]).await, ["unavailable"]);
    bench.runtime.until(|count| count.repairs == 1).await;
    assert_eq!(bench.all(5 * SECOND, &["fail", "next"]).await, ["internal", "next"]);
    assert_eq!(bench.runtime.count().repairs, 1, "an error of another kind is no damage");
}
