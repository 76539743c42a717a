//! The doors: whoever only looks is told what would be said to a request, for every one of them, and counts nowhere.

use std::time::Duration;

use super::budgets::{money, open, priced};
use super::support::{Bench, LONG, bench, task};
use crate::actors::crown::Change;
use crate::actors::runtime::Hears;
use crate::inference::Pacing;
use crate::types::{Class, Timestamp};
use crate::ziggy::budget::{Unit, Window};
use crate::ziggy::explain::Explain;
use crate::ziggy::limit::{CircuitConfig, Config, Rates, Refused, ThrottleConfig};
use crate::ziggy::route::Request;
use crate::ziggy::{Action, Door, Override, Refusal, Shed, Value};

const MINUTE_US: i64 = 60_000_000;

async fn request(bench: &Bench) -> Request {
    let (cx, task) = (bench.cx(LONG), task("hello"));
    let class = bench.io.classify(&cx, &task).await.unwrap();
    bench.io.next_hop(&cx, &task, &class).request
}

/// Looks many times, and finds the same each time but for the time that is left.
async fn door(bench: &Bench) -> Door {
    let request = request(bench).await;
    let look = || bench.io.doors(&bench.cx(LONG), &request, Value::Normal, &["only".to_owned()]).remove(0);
    let first = look();
    for _ in 0..20 {
        assert_eq!(look(), first);
    }
    assert_eq!(bench.crown.in_flight("only"), 0, "nothing is taken");
    first
}

fn told(door: &Door) -> String {
    let said = door.words().join(" ");
    assert!(said.starts_with("only is legal, but not admitted now: "), "{said}");
    said
}

/// A bench of one candidate with these limits.
async fn limited(limits: Config) -> Bench {
    let bench = bench(&[priced("only", 1)]).await;
    let _ = bench.crown.clone().limited(limits);
    bench
}

fn wall(bench: &Bench) -> Timestamp {
    bench.world.clock.wall()
}

fn within(bench: &Bench, door: &Door, micros: i64) -> bool {
    door.until.is_some_and(|until| until > wall(bench) && until.0 <= wall(bench).0 + micros)
}

#[tokio::test(start_paused = true)]
async fn an_open_door_says_nothing_and_lets_the_request_in() {
    let rates = Rates { requests_per_minute: 1, tokens_per_minute: 0, burst_s: 60 };
    let bench = limited(Config { rates: [("only".to_owned(), rates)].into(), ..Config::unlimited() }).await;
    let budget = crate::ziggy::budget::Limit { requests: Some(1), money: None, ..money("tenant:*", Window::Day, 0) };
    open(&bench, vec![budget]).await;
    let found = door(&bench).await;
    assert_eq!((found.refusal.is_none(), found.until, found.words().is_empty()), (true, None, true));
    // The one request that the rate and the budget have is still there.
    bench.ask("hello").await.unwrap();
    assert!(door(&bench).await.refusal.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_cap_is_seen() {
    let bench = limited(Config::unlimited()).await;
    let cap = Change::Cap { candidate: "only".to_owned(), cap: Some(0) };
    bench.crown.change(&bench.cx(LONG), cap).await.unwrap();
    let found = door(&bench).await;
    assert_eq!(found.refusal, Some(Refusal::Full { in_flight: 0, cap: 0 }));
    assert!(told(&found).contains("its cap is 0, so it takes nothing; raise the cap"));
    assert_eq!(bench.ask("hello").await.unwrap_err().class(), Class::Exhausted);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_seen_with_the_time_of_its_trial() {
    let circuit = CircuitConfig { failures: 1, open_ms: 30_000, open_most_ms: 30_000, forget_ms: 1_000 };
    let bench = limited(Config { circuit, ..Config::unlimited() }).await;
    bench.ask("fail").await.unwrap_err();
    let found = door(&bench).await;
    assert!(matches!(found.refusal, Some(Refusal::Limited(Refused::Circuit { again_us: Some(_) }))), "{found:?}");
    assert!(within(&bench, &found, 30_000_000), "{found:?}");
    assert!(told(&found).contains("only if nobody else is left"));
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(door(&bench).await.refusal, None, "it is on trial, and whoever looks does not use that up");
    bench.ask("hello").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_provider_asked_for_is_seen_and_until_when() {
    let bench = limited(Config::unlimited()).await;
    bench.crown.heard("only", Some(Some(Duration::from_secs(40))), &Pacing::default());
    let found = door(&bench).await;
    assert!(matches!(found.refusal, Some(Refusal::Limited(Refused::Paused { .. }))), "{found:?}");
    assert!(within(&bench, &found, 40_000_000) && told(&found).contains("another key or provider"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_switched_off_or_sheds_is_seen() {
    let bench = limited(Config::unlimited()).await;
    let request = request(&bench).await;
    let look = |value| bench.io.doors(&bench.cx(LONG), &request, value, &["only".to_owned()]).remove(0);
    let shed = Change::Shed { shed: Shed::Below(Value::Normal) };
    bench.crown.change(&bench.cx(LONG), shed).await.unwrap();
    assert!(told(&look(Value::Background)).contains("background work is shed"));
    assert_eq!(look(Value::Normal).refusal, None);
    let expires = Timestamp(wall(&bench).0 + MINUTE_US);
    let off = Override {
        author: "ada".to_owned(),
        reason: "moving house".to_owned(),
        expires,
        action: Action::Disable { candidate: "only".to_owned() },
    };
    bench.crown.change(&bench.cx(LONG), Change::Override(off)).await.unwrap();
    let found = look(Value::Normal);
    assert!(told(&found).contains("switched it off (moving house)"), "{found:?}");
    assert_eq!(found.until, Some(expires));
}

#[tokio::test(start_paused = true)]
async fn a_throttle_is_seen_although_it_is_by_chance() {
    let throttle = ThrottleConfig { requests_per_accept: 1_000_000, window_s: 120, least: 1 };
    let bench = limited(Config { throttle, ..Config::unlimited() }).await;
    bench.ask("fail").await.unwrap_err();
    let found = door(&bench).await;
    let expected = Refused::Throttle { sent: 1, accepted: 0, again_us: 1_000_000 };
    assert_eq!(found.refusal, Some(Refusal::Limited(expected)));
    assert!(told(&found).contains("That is by chance, so some requests are sent"));
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_seen_and_when_there_is_room() {
    let rates = Rates { requests_per_minute: 1, tokens_per_minute: 0, burst_s: 60 };
    let bench = limited(Config { rates: [("only".to_owned(), rates)].into(), ..Config::unlimited() }).await;
    bench.ask("hello").await.unwrap();
    let found = door(&bench).await;
    assert!(matches!(found.refusal, Some(Refusal::Limited(Refused::Rate { per_minute: 1, .. }))), "{found:?}");
    assert!(within(&bench, &found, MINUTE_US) && told(&found).contains("limit.rates"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_is_seen_and_when_it_begins_again() {
    let bench: Bench = limited(Config::unlimited()).await;
    open(&bench, vec![money("tenant:*", Window::Day, 400)]).await;
    while bench.ask("hello").await.is_ok() {}
    let refused = |bench: &Bench| {
        let all = bench.crown.treasury().standings();
        all.iter().find(|one| one.unit == Unit::Money).map(|one| one.refused)
    };
    let before = refused(&bench);
    let found = door(&bench).await;
    assert_eq!(refused(&bench), before, "who looks is not counted as refused");
    assert!(matches!(found.refusal, Some(Refusal::Budget { .. })), "{found:?}");
    assert!(within(&bench, &found, 24 * 60 * MINUTE_US), "{found:?}");
    assert!(told(&found).contains("tenant:tester has $0.000"), "{found:?}");
    // What the caller may spend is a door of its own.
    let request = request(&bench).await;
    let poor = bench.cx(LONG).with_budget(crate::types::Budget { money: crate::types::Money(1), tokens: 1_000 });
    let found = bench.io.doors(&poor, &request, Value::Normal, &["only".to_owned()]).remove(0);
    assert!(told(&found).contains("request may spend $0.000001 for one request"), "{found:?}");
    let nobody = bench.io.doors(&poor, &request, Value::Normal, &["gone".to_owned()]);
    assert_eq!(nobody, [], "of who has left the table nothing is said");
}
