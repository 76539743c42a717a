//! Budgets on the way of a run: reserved on the record before anybody is asked, charged for what was taken, and never
//! free when nobody knows.

#![expect(clippy::panic, reason = "a failed test panics")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::support::{Bench, LONG, bench, bench_on, task};
use crate::actors::crown::{Change, Opening};
use crate::actors::io::budget::find;
use crate::actors::io::{Document, Error, Task};
use crate::actors::tests::{Watched, soon};
use crate::inference::{Scripted, Step};
use crate::store::{Disk, Event, Journal};
use crate::types::{Class, Money, Price, RunId};
use crate::ziggy::budget::{BurnConfig, Config, Limit, PriceList, Reservation, Settlement, Standing, Unit, Window};

pub(super) fn money(scope: &str, window: Window, micros: i64) -> Limit {
    Limit { scope: scope.to_owned(), window, money: Some(micros), tokens: None, requests: None }
}

fn config(limits: Vec<Limit>) -> Config {
    Config { limits, accounts_most: 100, burn: BurnConfig { fast: 14_400, slow: 6_000 } }
}

/// Opens the books of a bench with what its journal says, as a host does.
pub(super) async fn open(bench: &Bench, limits: Vec<Limit>) -> usize {
    let journal: Arc<dyn Journal> = bench.journal.clone();
    let found = find(&journal, &config(limits), bench.world.clock.wall(), "host").await.unwrap();
    let (prices, providers) = (PriceList::default(), BTreeMap::new());
    let charged = found.charged;
    bench.crown.treasury().open(Opening {
        ledger: found.ledger,
        since: found.since,
        first: found.last,
        prices,
        providers,
    });
    charged
}

/// A runtime that answers in two words at one micro-dollar a token.
pub(super) fn priced(name: &str, micros: i64) -> Arc<Watched> {
    let price = Price::new(micros * 1_000_000, micros * 1_000_000);
    let script = Scripted::new(name, |request| match request.messages.last().unwrap().content.as_str() {
        "hang" => vec![Step::text("well"), Step::Hang],
        "fail" => vec![Step::Fail(crate::inference::Error::Internal("told to fail".to_owned()))],
        "refuse" => vec![Step::Fail(crate::inference::Error::NotInstalled { model: "m".to_owned() })],
        _ => vec![Step::text("two words")],
    });
    Watched::playing(script.at_price(price))
}

fn standing(bench: &Bench, scope: &str) -> Standing {
    let all = bench.crown.treasury().standings();
    all.iter().find(|one| one.scope == scope && one.unit == Unit::Money).unwrap_or_else(|| panic!("{all:?}")).clone()
}

fn of<'a>(events: &'a [Event], kind: &str) -> Vec<&'a Event> {
    events.iter().filter(|event| event.kind == kind).collect()
}

async fn events(bench: &Bench, run: RunId) -> Vec<Event> {
    bench.journal.flush().await.unwrap();
    bench.journal.read_run(run, 1_000).await.unwrap()
}

fn reservation(event: &Event) -> Reservation {
    serde_json::from_value(event.body.value()["reserved"].clone()).unwrap()
}

fn settlement(event: &Event) -> Settlement {
    serde_json::from_value(event.body.value()["spent"].clone()).unwrap()
}

// WO1: what the decision says is what is reserved, and no less than what is taken.
#[tokio::test(start_paused = true)]
async fn at_most_in_a_decision_is_what_is_reserved_for_whatever_is_asked() {
    let runtime = priced("only", 1);
    let bench = bench(std::slice::from_ref(&runtime)).await;
    open(&bench, vec![money("tenant:*", Window::Day, 1_000_000_000)]).await;
    for length in [1, 7, 40, 333, 2_000] {
        for max_tokens in [None, Some(1), Some(50), Some(9_999)] {
            for text in ["word ", "語", "qzxj", "é1\n"] {
                let asked = Task { max_tokens, ..task(&text.repeat(length / text.len() + 1)) };
                let Ok(answer) = soon(bench.route(&bench.cx(LONG), asked)).await else {
                    // It does not fit the context, and so was decided on and refused.
                    continue;
                };
                let events = events(&bench, answer.run_id).await;
                let said = of(&events, "hop.decided")[0].body.value()["decision"]["cost_max"].as_i64().unwrap();
                let reserved = reservation(of(&events, "hop.admitted")[0]).amounts;
                assert_eq!(Money(said), reserved.money, "{length} x {text:?}, {max_tokens:?}");
                assert!(answer.cost <= reserved.money && answer.usage.tokens() <= reserved.tokens);
            }
        }
    }
    assert!(runtime.count().begun > 40, "{}", runtime.count().begun);
}

// IO7.
#[tokio::test(start_paused = true)]
async fn the_worst_case_is_reserved_on_the_record_and_what_was_taken_is_charged() {
    let runtime = priced("only", 1);
    let bench = bench(std::slice::from_ref(&runtime)).await;
    open(&bench, vec![money("tenant:tester", Window::Day, 1_000), money("agent:*", Window::Total, 5_000)]).await;
    let answer = bench.ask("hello").await.unwrap();
    // "Be brief." and "hello" in, two words out.
    assert_eq!(answer.cost, Money(5));
    let events = events(&bench, answer.run_id).await;
    let reserved = reservation(of(&events, "hop.admitted")[0]);
    let spent = settlement(of(&events, "hop.served")[0]);
    assert_eq!((reserved.hold, reserved.amounts), (spent.hold, spent.reserved));
    // 64 tokens may be answered, and instructions and message framing are counted in.
    assert!(reserved.amounts.money > Money(64 + 96) && reserved.amounts.money < Money(400), "{reserved:?}");
    assert_eq!((spent.charged.money, spent.charged.tokens, spent.charged.requests), (Money(5), 5, 1));
    assert!(!spent.over && spent.unknown.is_none());
    let names: Vec<&str> = reserved.accounts.iter().map(|account| &*account.scope).collect();
    assert_eq!(names, ["tenant:tester", "agent:only"]);
    for scope in names {
        let found = standing(&bench, scope);
        assert_eq!((found.spent, found.reserved), (5, 0), "{scope}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_fits_the_budget_serves_and_when_nobody_does_the_refusal_says_which_and_until_when() {
    let (dear, cheap) = (priced("dear", 2), priced("cheap", 1));
    let bench = bench(&[dear.clone(), cheap.clone()]).await;
    // Enough for the worst case of the cheap one, and not quite for that of the dear one.
    open(&bench, vec![money("tenant:*", Window::Day, 400)]).await;
    let answer = bench.ask("hello").await.unwrap();
    assert_eq!((answer.served_by, dear.count().begun), (vec!["cheap".to_owned()], 0));
    let told = events(&bench, answer.run_id).await;
    let admitted = of(&told, "hop.admitted");
    let refused = admitted[0].body.value();
    assert_eq!((&refused["candidate"], &refused["reserved"]), (&"dear".into(), &serde_json::Value::Null));
    let reason = &refused["admission"]["reason"]["shortage"];
    assert_eq!((&reason["scope"], &reason["window"]), (&"tenant:tester".into(), &"day".into()), "{refused}");
    let mut answered = 1;
    let error = loop {
        match bench.ask("hello").await {
            Ok(_) => answered += 1,
            Err(error) => break error,
        }
    };
    assert!(answered > 10, "{answered} answers at five micro-dollars each");
    let Error::Budget { refusal, wait } = &error else { panic!("{error}") };
    assert_eq!(error.class(), Class::Exhausted);
    let said = error.to_string();
    assert!(
        said.contains("tenant:tester has $0.000") && said.contains("the day ends at 2025-06-16T00:00:00"),
        "{said}"
    );
    let ends = refusal.ends().unwrap();
    let left = Duration::from_micros(u64::try_from(ends.0 - bench.world.clock.wall().0).unwrap());
    assert!(wait.unwrap().abs_diff(left) < Duration::from_secs(1), "{wait:?} {left:?}");
    assert!(standing(&bench, "tenant:tester").spent <= 400);
    // The next day is another budget.
    tokio::time::advance(wait.unwrap()).await;
    bench.ask("hello").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failure_costs_what_the_runtime_says_it_took_and_everything_if_nobody_knows() {
    let bench = bench(&[priced("only", 1)]).await;
    open(&bench, vec![money("principal:*", Window::Day, 10_000)]).await;
    bench.ask("refuse").await.unwrap_err();
    assert_eq!(standing(&bench, "principal:tester").spent, 0, "nothing was begun");
    bench.ask("fail").await.unwrap_err();
    let (run, _) = bench.runs().await.remove(1);
    let events = events(&bench, run).await;
    let spent = settlement(of(&events, "hop.failed")[0]);
    assert_eq!(spent.charged, spent.reserved);
    assert!(spent.unknown.is_some());
    assert_eq!(standing(&bench, "principal:tester").spent, u64::try_from(spent.reserved.money.0).unwrap());
}

// TR1 of the treasury, B5.
#[tokio::test(start_paused = true)]
async fn a_run_whose_caller_left_is_charged_in_full_before_its_end() {
    let runtime = priced("only", 1);
    let bench = bench(std::slice::from_ref(&runtime)).await;
    open(&bench, vec![money("tenant:*", Window::Day, 10_000)]).await;
    tokio::select! {
        answer = bench.ask("hang") => panic!("{answer:?}"),
        () = runtime.until(|count| count.inside == 1) => {}
    }
    let run = bench.runs().await[0].0;
    assert_eq!(bench.ending(run).await.0, "run.cancelled");
    let events = events(&bench, run).await;
    let charged: Settlement = of(&events, "budget.charged")[0].body.parse().unwrap();
    let reserved = reservation(of(&events, "hop.admitted")[0]);
    assert_eq!((charged.hold, charged.charged), (reserved.hold, reserved.amounts));
    let found = standing(&bench, "tenant:tester");
    assert_eq!((found.reserved, found.spent), (0, u64::try_from(reserved.amounts.money.0).unwrap()));
    // The journal knows it as settled, too.
    let journal: Arc<dyn Journal> = bench.journal.clone();
    let again = find(&journal, &config(Vec::new()), bench.world.clock.wall(), "host").await.unwrap();
    assert_eq!(again.charged, 0);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_without_a_place_costs_nothing() {
    let runtime = priced("only", 1);
    let bench = bench(std::slice::from_ref(&runtime)).await;
    open(&bench, vec![money("tenant:*", Window::Day, 10_000)]).await;
    let cap = Change::Cap { candidate: "only".to_owned(), cap: Some(0) };
    bench.crown.change(&bench.cx(LONG), cap).await.unwrap();
    let error = bench.ask("hello").await.unwrap_err();
    assert!(matches!(error, Error::Refused { class: Class::Exhausted, .. }), "{error}");
    let taken = bench.crown.treasury().standings().into_iter().any(|one| (one.reserved, one.spent) != (0, 0));
    assert_eq!((taken, runtime.count().begun), (false, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_spent_is_found_again_and_what_was_open_is_charged_once() {
    let (disk, runtime) = (Disk::default(), priced("only", 1));
    let limits = || vec![money("tenant:*", Window::Day, 1_000), money("agent:only", Window::Total, 1_000)];
    let life = bench_on(&disk, std::slice::from_ref(&runtime)).await;
    assert_eq!(open(&life, limits()).await, 0);
    soon(life.ask("hello")).await.unwrap();
    let cut = life.io.accept(&life.cx(LONG), task("hang")).await.unwrap();
    runtime.until(|count| count.inside == 1).await;
    let reserved = standing(&life, "tenant:tester").reserved;
    assert!(reserved > 0);
    // The host stops under it and writes no more of it than that it was interrupted.
    life.end().await;
    let life = bench_on(&disk, std::slice::from_ref(&runtime)).await;
    assert_eq!(open(&life, limits()).await, 1);
    for scope in ["tenant:tester", "agent:only"] {
        let found = standing(&life, scope);
        assert_eq!((found.spent, found.reserved), (5 + reserved, 0), "{scope}");
    }
    let events = events(&life, cut).await;
    let charged: Settlement = of(&events, "budget.charged")[0].body.parse().unwrap();
    assert!(charged.unknown.unwrap().contains("the host stopped before the outcome was known"));
    life.end().await;
    let life = bench_on(&disk, &[runtime]).await;
    assert_eq!(open(&life, limits()).await, 0);
    assert_eq!(standing(&life, "tenant:tester").spent, 5 + reserved);
    assert_eq!(life.journal.verify().await.unwrap().first_bad, None);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_held_to_the_reservation() {
    let runtime = priced("only", 0);
    let bench = bench(std::slice::from_ref(&runtime)).await;
    let limit = Limit { tokens: Some(100_000), money: None, ..money("model:*", Window::Minute, 0) };
    open(&bench, vec![limit]).await;
    let asked = Task { max_tokens: Some(7), ..task("hello") };
    let answer = soon(bench.route(&bench.cx(LONG), asked)).await.unwrap();
    let events = events(&bench, answer.run_id).await;
    let reserved = reservation(of(&events, "hop.admitted")[0]).amounts;
    let request = runtime.requests().remove(0);
    assert_eq!(request.max_tokens, 7);
    let said: u64 = request.messages.iter().map(|message| crate::ziggy::estimate_tokens(&message.content)).sum();
    assert!(said + 7 <= reserved.tokens, "{said} and 7 of {reserved:?}");
}

/// A task in several pieces of some 100 tokens each.
fn in_pieces(count: usize) -> Task {
    let text = (0..count).map(|part| format!("# Part {part}\n\n{}\n\n", "word ".repeat(60))).collect::<String>();
    Task { documents: vec![Document { name: "book".to_owned(), text }], ..task("Sum it up.") }
}

// IO8.
#[tokio::test(start_paused = true)]
async fn all_pieces_of_a_run_together_take_no_more_than_its_caller_allowed() {
    let runtime = priced("only", 1);
    let bench = bench(std::slice::from_ref(&runtime)).await;
    let all = bench.ask_for(in_pieces(4), 1_000_000, 1_000_000).await.unwrap();
    assert!(all.chunks > 4, "{}", all.chunks);
    let (begun, cost) = (runtime.count().begun, all.cost.0);
    // Too few tokens for all of them are known before anything is spent.
    let error = bench.ask_for(in_pieces(4), 1_000_000, 400).await.unwrap_err();
    assert_eq!(error.class(), Class::Exhausted);
    assert!(error.to_string().contains("only could if the budget has at least 671 tokens"), "{error}");
    assert_eq!(runtime.count().begun, begun);
    // Too little money is found on the way, and never overrun.
    let before = standing_of(&bench).await;
    let error = bench.ask_for(in_pieces(4), cost / 2, 1_000_000).await.unwrap_err();
    assert!(matches!(&error, Error::Budget { .. }) || error.to_string().contains("budget"), "{error}");
    let spent = standing_of(&bench).await - before;
    assert!(spent <= cost / 2, "{spent} of {}", cost / 2);
    // What all of them took is enough for all of them, if each worst case fits beside it.
    let again = bench.ask_for(in_pieces(4), cost + 1_000, 1_000_000).await.unwrap();
    assert_eq!(again.cost.0, cost);
}

/// Micro-dollars that stand in the journal as the cost of hops.
async fn standing_of(bench: &Bench) -> i64 {
    bench.journal.flush().await.unwrap();
    let events = bench.journal.read(1, 10_000).await.unwrap();
    of(&events, "hop.served").iter().map(|event| event.body.value()["cost"].as_i64().unwrap()).sum()
}

// IO8.
#[tokio::test(start_paused = true)]
async fn a_limit_of_one_request_counts_all_its_pieces() {
    let runtime = priced("only", 1);
    let bench = bench(std::slice::from_ref(&runtime)).await;
    let thrice =
        Limit { scope: "agent:*".to_owned(), window: Window::Request, money: None, tokens: None, requests: Some(3) };
    open(&bench, vec![thrice]).await;
    let error = bench.ask_for(in_pieces(4), 1_000_000, 1_000_000).await.unwrap_err();
    assert!(error.to_string().contains("agent:only may spend 3 requests for one request"), "{error}");
    assert_eq!(runtime.count().begun, 3);
    bench.ask("hello").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_counts_with_a_tokenizer_of_its_own_may_count_every_byte() {
    let runtime = priced("only", 1);
    let bench = bench(std::slice::from_ref(&runtime)).await;
    open(&bench, vec![money("tenant:tester", Window::Day, 1_000_000)]).await;
    let letters = "qzxjkvwpbm".repeat(100);
    let answer = bench.ask(&letters).await.unwrap();
    let reserved = reservation(of(&events(&bench, answer.run_id).await, "hop.admitted")[0]);
    assert!(reserved.amounts.tokens >= 1_000, "{reserved:?}");
}
