//! Parked runs: what the next life makes of a verdict nobody acted on, and what happens when nobody can be asked.

use serde_json::{Value, json};

use super::support::{Bench, LONG, bench_with, task};
use crate::actors::inbox::{self, Record, Said};
use crate::actors::io::{Error, RunStatus};
use crate::actors::tests::{SECOND, Watched, configs, read, soon};
use crate::store::{Disk, Durability, Journal, NewEvent};
use crate::types::{Class, RunId};
use crate::ziggy::review::{Happened, ItemStatus, Opinion, Verdict};

fn reviewing(more: &Value) -> inbox::Config {
    let mut rule = json!({
        "name": "all", "kind": "policy", "action": "before", "deadline_s": 600, "quorum": 1, "on_expiry": "deny",
        "class": "public",
    });
    rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut config: inbox::Config = configs::inbox();
    config.rules = vec![read(rule)];
    config
}

/// Returns when a run stands so.
async fn until(bench: &Bench, run: RunId, status: RunStatus) {
    let mut news = bench.journal.subscribe();
    let stands = async {
        while bench.row(run).await.status != status {
            news.recv().await.unwrap();
        }
    };
    soon(stands).await;
}

async fn count(bench: &Bench, run: RunId, kind: &str) -> usize {
    let events = bench.journal.read_run(run, 1_000).await.unwrap();
    events.iter().filter(|event| event.kind == kind).count()
}

// IO5.
#[tokio::test(start_paused = true)]
async fn a_verdict_nobody_acted_on_is_acted_on_by_the_next_life_once() {
    let (disk, runtime) = (Disk::default(), Watched::new("only"));
    let life = async || bench_with(&disk, std::slice::from_ref(&runtime), reviewing(&json!({}))).await;
    let first = life().await;
    let run = first.io.accept(&first.cx(LONG), task("hello")).await.unwrap();
    until(&first, run, RunStatus::Parked).await;
    let item = first.inbox.item(&format!("{run}-1")).await.unwrap();
    // What is on disk when a host is killed between the verdict and what follows: the inbox's own append, and no more.
    let at = item.opened_at;
    let (author, opinion, comment) = ("ann".to_owned(), Opinion::Approve, None);
    let verdict = Verdict { author, at, opinion, comment, edited: Vec::new(), revision: 0 };
    let closed = Happened::Closed { status: ItemStatus::Approved, goes_on: true, at, by: None };
    let events = [Happened::Judged { verdict, edits: None }, closed].map(|happened| {
        let kind = happened.kind();
        NewEvent::new(kind, Some(run), "test", &Record { item: item.id.clone(), hooks: Vec::new(), happened })
    });
    first.journal.append(events.to_vec(), Durability::Durable).await.unwrap();
    assert_eq!(first.row(run).await.status, RunStatus::Parked, "nobody here has heard of it");
    first.end().await;

    let second = life().await;
    assert_eq!(second.ending(run).await.0, "run.completed");
    second.end().await;
    let third = life().await;
    assert!(third.inbox.unsettled().await.unwrap().is_empty());
    assert_eq!(third.ending(run).await.0, "run.completed");
    for kind in ["run.parked", "run.resumed", "hitl.settled", "hop.served", "run.completed"] {
        assert_eq!(count(&third, run, kind).await, 1, "{kind}");
    }
    assert_eq!(runtime.count().begun, 1, "it was worked on once");
    third.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_finds_no_room_in_the_inbox_fails_and_says_why() {
    let mut config = reviewing(&json!({}));
    config.open_most = 1;
    let bench = bench_with(&Disk::default(), &[Watched::new("only")], config).await;
    assert!(matches!(bench.ask("hello").await, Err(Error::Parked(_))));
    let error = bench.ask("hello").await.unwrap_err();
    assert!(error.class() == Class::Exhausted && error.to_string().contains("review.open_most"), "{error}");
    let (run, _) = bench.runs().await.pop().unwrap();
    assert_eq!(bench.ending(run).await, ("run.failed".to_owned(), Class::Exhausted));
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_a_parked_run_stops_nothing_and_a_stop_of_the_host_does_not_interrupt_it() {
    let disk = Disk::default();
    let first = bench_with(&disk, &[Watched::new("only")], reviewing(&json!({ "action": "after" }))).await;
    let Err(Error::Parked(waiting)) = first.ask("hello").await else { panic!("it waits") };
    let wait = first.io.wait(&first.cx(SECOND), waiting.run_id).await.unwrap_err();
    assert!(matches!(wait, Error::NotRunning(_)), "{wait}");
    assert_eq!(first.row(waiting.run_id).await.status, RunStatus::Parked);
    first.end().await;
    let second = bench_with(&disk, &[Watched::new("only")], reviewing(&json!({ "action": "after" }))).await;
    let journal: std::sync::Arc<dyn Journal> = second.journal.clone();
    assert_eq!(crate::actors::io::record::interrupt_unfinished(&journal, "host").await.unwrap(), 0);
    second.inbox.approve(&second.cx(LONG), &waiting.item, Said::default()).await.unwrap();
    assert_eq!(second.ending(waiting.run_id).await.0, "run.completed");
    second.end().await;
}

#[tokio::test(start_paused = true)]
async fn people_cannot_approve_what_no_candidate_may_see() {
    let bench = bench_with(&Disk::default(), &[], reviewing(&json!({ "nobody": true }))).await;
    let Err(Error::Parked(waiting)) = bench.ask("hello").await else { panic!("it waits") };
    bench.inbox.approve(&bench.cx(LONG), &waiting.item, Said::default()).await.unwrap();
    let (kind, class) = bench.ending(waiting.run_id).await;
    assert_eq!((kind.as_str(), class), ("run.failed", Class::NotFound), "nobody is there still");
}
