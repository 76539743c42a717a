//! Notices: at least once, in order, over restarts, and given up with an alert (IN5).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::{bench_on, config, hook, need};
use crate::actors::inbox::courier::wait;
use crate::actors::inbox::{Config, Delivery, Said};
use crate::actors::tests::{SECOND, soon};
use crate::field::{Error, Mailroom};
use crate::store::{Disk, Journal};

fn told(events: &[&str]) -> Config {
    config(|config| config.webhooks = vec![hook("desk", events)])
}

/// Waits until nothing is due any more.
async fn delivered(bench: &super::support::Bench) {
    let mut news = bench.journal.subscribe();
    let none = async {
        while !bench.rows("out/").await.is_empty() {
            news.recv().await.unwrap();
        }
    };
    soon(none).await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_is_told_what_it_asked_for_in_order_signed_and_without_a_text_of_the_work() {
    let mail = Arc::new(Mailroom::default());
    let bench = bench_on(&Disk::default(), told(&["opened", "closed"]), &mail).await;
    let opened = bench.open(1, need(1, 60)).await;
    bench.inbox.approve(&bench.who("ann"), &opened.id, Said::default()).await.unwrap();
    let came = soon(mail.until(2)).await;
    let events: Vec<&str> = came.iter().map(|notice| notice.event.as_str()).collect();
    assert_eq!(events, ["hitl.opened", "hitl.closed"]);
    assert!(came.iter().all(|notice| notice.key.is_some() && notice.url == "http://desk.example"));
    let body: Value = serde_json::from_str(&came[1].body).unwrap();
    assert_eq!((&body["item"], &body["status"]), (&json!(opened.id), &json!("approved")));
    assert!(!came.iter().any(|notice| notice.body.contains("Forty-two")), "IN3");
    delivered(&bench).await;
    assert_eq!(mail.attempts().len(), 2, "what arrived is not sent again");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_down_is_told_later_and_one_that_refuses_is_given_up_with_an_alert() {
    let down = || Err(Error::Unreachable("nobody is there".to_owned()));
    let mail = Arc::new(Mailroom::answering([down(), Err(Error::Status(503)), Ok(()), Err(Error::Status(410))]));
    let bench = bench_on(&Disk::default(), told(&["opened"]), &mail).await;
    bench.open(1, need(1, 600)).await;
    bench.open(2, need(1, 600)).await;
    let came = soon(mail.until(4)).await;
    assert_eq!(came[0].id, came[2].id, "a repetition has the same id");
    assert_ne!(came[2].id, came[3].id);
    delivered(&bench).await;
    let said: Vec<Value> = bench.events("hitl.notified").await.iter().map(|event| event.body.value()).collect();
    assert_eq!((&said[0]["arrived"], &said[0]["attempts"]), (&json!(true), &json!(3)));
    assert_eq!((&said[1]["arrived"], &said[1]["attempts"]), (&json!(false), &json!(1)));
    let alerts = bench.crown.alerts(&bench.who("ann")).await.unwrap();
    assert_eq!((alerts.len(), alerts[0].kind.as_str()), (1, "webhook_failed"));
    assert!(alerts[0].message.contains("410") && alerts[0].subject == "webhook desk", "{alerts:?}");
    assert_eq!(bench.events("alert.raised").await.len(), 1);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn all_attempts_are_made_and_no_more() {
    let mail = Arc::new(Mailroom::answering(vec![Err(Error::Status(500)); 10]));
    let bench = bench_on(&Disk::default(), told(&["opened"]), &mail).await;
    bench.open(1, need(1, 6_000)).await;
    soon(mail.until(3)).await;
    delivered(&bench).await;
    assert_eq!(mail.attempts().len(), 3, "delivery.attempts");
    assert_eq!(bench.events("hitl.notified").await[0].body.value()["arrived"], false);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_stays_down_is_given_up_after_its_attempts_and_the_next_notice_goes() {
    let own = told(&["opened"]);
    let attempts = own.delivery.attempts as usize;
    let mail = Arc::new(Mailroom::answering(vec![Err(Error::Status(503)); attempts]));
    let bench = bench_on(&Disk::default(), own, &mail).await;
    bench.open(1, need(1, 60_000)).await;
    bench.open(2, need(1, 60_000)).await;
    let came = soon(mail.until(attempts + 1)).await;
    assert!(came[..attempts].iter().all(|one| one.id == came[0].id) && came[attempts].id != came[0].id);
    delivered(&bench).await;
    let said: Vec<Value> = bench.events("hitl.notified").await.iter().map(|event| event.body.value()).collect();
    let told: Vec<(bool, u64)> =
        said.iter().map(|one| (one["arrived"].as_bool().unwrap(), one["attempts"].as_u64().unwrap())).collect();
    assert_eq!(told, [(false, attempts as u64), (true, 1)]);
    assert_eq!(bench.events("alert.raised").await.len(), 1);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_due_when_the_host_ends_is_delivered_by_the_next() {
    let (disk, never) = (Disk::default(), Arc::new(Mailroom::answering(vec![Err(Error::Status(500)); 100])));
    let patient = config(|config| {
        config.webhooks = vec![hook("desk", &["opened"]), hook("gone", &["opened"])];
        config.delivery.attempts = 100;
    });
    let first = bench_on(&disk, patient, &never).await;
    let opened = first.open(1, need(1, 60_000)).await;
    soon(never.until(2)).await;
    first.end().await;
    let mail = Arc::new(Mailroom::default());
    let second = bench_on(&disk, told(&["opened"]), &mail).await;
    let came = soon(mail.until(1)).await;
    assert!(came[0].body.contains(&opened.id));
    delivered(&second).await;
    let said: Vec<Value> = second.events("hitl.notified").await.iter().map(|event| event.body.value()).collect();
    let gone = said.iter().find(|said| said["hook"] == "gone").unwrap();
    assert_eq!((&gone["arrived"], &gone["reason"]), (&json!(false), &json!("it is configured no more")));
    second.end().await;
}

#[test]
fn a_wait_takes_any_time_up_to_a_limit_that_doubles() {
    let delivery = Delivery { attempts: 9, within_s: 1, first_wait_ms: 1_000, longest_wait_ms: 10_000 };
    for (attempts, most) in [(1, 1_000), (2, 2_000), (4, 8_000), (5, 10_000), (70, 10_000)] {
        assert_eq!(wait(&delivery, attempts, 0), Duration::ZERO);
        assert_eq!(wait(&delivery, attempts, most), Duration::from_millis(most), "{attempts}");
        assert_eq!(wait(&delivery, attempts, most + 1), Duration::ZERO, "{attempts}");
        assert!(wait(&delivery, attempts, u64::MAX) <= 10 * SECOND);
    }
}
