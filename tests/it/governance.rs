//! Weights, caps and overrides of CROWN change the next hop, and the record says why.

use std::time::Duration;

use syzygy::actors::crown::Change;
use syzygy::actors::io::record::Hop;
use syzygy::host::Host;
use syzygy::inference::Scripted;
use syzygy::types::{Budget, Class, Money, Price, Timestamp};
use syzygy::ziggy::route::consider;
use syzygy::ziggy::{Action, Override};

use crate::support::{agent, cx, end, events, eventually, task};

/// Two agents that differ by name and weight only, so Ann serves whatever is observed of their speed.
async fn host() -> Host {
    let mut bob = agent("bob");
    bob.profile.weight = 60;
    let host = Host::builder().without_bundled_agents().agent(agent("ann")).agent(bob);
    let host = host.runtime(Scripted::saying("ann", "I am Ann.")).runtime(Scripted::saying("bob", "I am Bob."));
    host.start().await.unwrap()
}

async fn change(host: &Host, change: Change) {
    let version = host.crown().change(&cx(host), change).await.unwrap();
    // The router hears of it by itself; a task that comes later is decided by the new table.
    eventually("a table under the new governance", async || (host.router().fib().governance >= version).then_some(()))
        .await;
}

async fn served(host: &Host) -> String {
    host.ask(&cx(host), task("Who are you?")).await.unwrap().served_by.remove(0)
}

#[tokio::test]
async fn levers_change_the_next_hop_and_back() {
    let host = host().await;
    let (ann, bob) = ("ann@ann".to_owned(), "bob@bob".to_owned());
    assert_eq!(served(&host).await, ann);
    change(&host, Change::Weight { candidate: ann.clone(), percent: Some(10) }).await;
    assert_eq!(served(&host).await, bob);
    change(&host, Change::Weight { candidate: ann.clone(), percent: None }).await;
    assert_eq!(served(&host).await, ann);
    change(&host, Change::Cap { candidate: ann.clone(), cap: Some(0) }).await;
    assert_eq!(served(&host).await, bob);
    change(&host, Change::Cap { candidate: ann.clone(), cap: None }).await;
    change(&host, Change::Quarantine { candidate: ann.clone(), reason: "lies".to_owned() }).await;
    assert_eq!(served(&host).await, bob);
    change(&host, Change::Unquarantine { candidate: ann.clone() }).await;
    assert_eq!(served(&host).await, ann);
    end(host).await;
}

#[tokio::test]
async fn an_override_counts_until_it_expires() {
    let host = host().await;
    let expires = Timestamp(host.world().clock.wall().0 + 1_500_000);
    let action = Action::Disable { candidate: "ann@ann".to_owned() };
    let one = Override { author: "ada".to_owned(), reason: "maintenance".to_owned(), expires, action };
    change(&host, Change::Override(one)).await;
    let answer = host.ask(&cx(&host), task("Who are you?")).await.unwrap();
    assert_eq!(answer.served_by, ["bob@bob"]);
    let decided = events(&host, answer.run_id).await.into_iter().find(|event| event.kind == "hop.decided").unwrap();
    let decision = decided.body.parse::<Hop>().unwrap().decision;
    let fib = host.router().fib();
    assert_eq!((decision.fib, decision.counts.excluded.len()), (fib.version, 1));
    let text = serde_json::to_string(&consider(&fib, &decision.request)).unwrap();
    assert!(text.contains("maintenance") && text.contains("ada"), "{text}");
    eventually("the override to expire", async || (served(&host).await == "ann@ann").then_some(())).await;
    assert!(host.world().clock.wall() >= expires);
    end(host).await;
}

#[tokio::test]
async fn nothing_is_spent_that_is_not_in_the_budget() {
    let dear = Scripted::saying("dear", "Yes.").at_price(Price::new(1_000_000, 1_000_000));
    let host = Host::builder().without_bundled_agents().agent(agent("dear")).runtime(dear).start().await.unwrap();
    let poor = cx(&host).with_budget(Budget { money: Money::ZERO, tokens: u64::MAX });
    let error = host.ask(&poor, task("Are you there?")).await.unwrap_err();
    assert_eq!(error.class(), Class::Exhausted, "{error}");
    assert!(error.to_string().contains("dear@dear could if"), "{error}");
    let answer = host.ask(&host.context("tester", Duration::from_secs(9)), task("Are you there?")).await.unwrap();
    assert!(answer.cost > Money::ZERO);
    end(host).await;
}
