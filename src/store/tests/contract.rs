//! What every backend must do, run over each of them.

use std::collections::HashMap;

use futures::FutureExt;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::JoinSet;

use super::*;
use crate::types::RunId;
use Durability::{Behind, Durable};

macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Place::memory()).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Place::sqlite()).await;
            })*
        }
    };
}

contract!(
    numbers_start_at_one_and_have_no_gaps,
    every_hash_follows_from_the_one_before,
    events_come_back_as_they_were_said,
    reading_keeps_to_its_bounds,
    a_run_is_read_by_itself,
    rows_follow_events_and_are_removed_by_them,
    rows_are_listed_like_a_sorted_list,
    what_nobody_projects_is_refused,
    news_comes_in_order_once_it_is_written,
    a_reader_that_lags_is_told,
    write_behind_needs_no_push,
    two_hundred_appenders_do_not_mix_their_units,
    a_changed_projection_is_rebuilt,
    a_projection_that_was_away_catches_up,
    reopening_continues_the_chain,
    payloads_are_stored_once_under_their_hash,
    what_is_too_large_leaves_nothing_behind,
    an_abandoned_append_is_written_whole_or_not_at_all,
    a_closed_journal_takes_and_tells_nothing,
    a_second_opening_is_refused_and_the_first_unharmed,
    after_a_failed_write_nothing_is_taken_and_nothing_acknowledged_is_lost,
    what_is_archived_goes_and_the_rest_stays_provable,
    a_projection_that_changes_after_an_archive_goes_on_from_its_rows,
);

// J1.
async fn numbers_start_at_one_and_have_no_gaps(place: Place) {
    let journal = place.open().await;
    assert_eq!(journal.append(many(3), Durable).await.unwrap(), 1);
    assert_eq!(journal.append(many(200), Behind).await.unwrap(), 0);
    assert_eq!(journal.append(many(1), Durable).await.unwrap(), 204);
    assert_eq!(journal.append(Vec::new(), Durable).await.unwrap(), 0);
    assert_eq!(journal.append(many(300), Durable).await.unwrap(), 205, "one append may exceed the queue");
    let numbers: Vec<u64> = everything(&*journal).await.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=504).collect::<Vec<u64>>());
    let view = journal.view();
    assert_eq!((view.last_seq, view.written, view.queued, view.failed), (504, 504, 0, None));
}

// J2.
async fn every_hash_follows_from_the_one_before(place: Place) {
    let journal = place.open().await;
    journal.append(many(5), Durable).await.unwrap();
    journal.append(many(5), Durable).await.unwrap();
    let events = everything(&*journal).await;
    let mut head = crate::types::Hash::ZERO;
    for event in &events {
        assert_eq!(event.previous, head);
        assert_eq!(event.hash, event.computed_hash());
        head = event.hash;
    }
    assert_eq!(
        journal.verify().await.unwrap(),
        Verification {
            verified: 10,
            head,
            archived: 0,
            anchor: crate::types::Hash::ZERO,
            withheld: 0,
            first_bad: None
        }
    );
}

async fn events_come_back_as_they_were_said(place: Place) {
    let journal = place.open().await;
    let odd = r#"{"small":1.50,"large":123456789012345678901234567890,"text":"a\u0000b 🦀 \" \\ é"}"#;
    let run = Some(RunId::new(&world()));
    let body: Body = serde_json::from_str(odd).unwrap();
    let new = NewEvent { kind: "odd.κ".to_owned(), run, source: "a/\0/b".to_owned(), body };
    journal.append(vec![new.clone()], Durable).await.unwrap();
    let event = everything(&*journal).await.remove(0);
    assert_eq!(event.body.text(), odd);
    assert_eq!((event.kind, event.run, event.source), (new.kind, run, new.source));
    assert_eq!(event.at, world().clock.wall());
    assert_eq!(journal.verify().await.unwrap().first_bad, None);
}

async fn reading_keeps_to_its_bounds(place: Place) {
    let journal = place.open().await;
    journal.append(many(10), Durable).await.unwrap();
    let numbers = async |from, limit| -> Vec<u64> {
        journal.read(from, limit).await.unwrap().iter().map(|event| event.seq).collect()
    };
    assert_eq!(numbers(4, 3).await, [4, 5, 6]);
    assert_eq!(numbers(0, 2).await, [1, 2]);
    assert_eq!(numbers(9, 100).await, [9, 10]);
    assert_eq!(numbers(1, 0).await, [0; 0]);
    assert_eq!(numbers(11, 5).await, [0; 0]);
    assert_eq!(numbers(u64::MAX, 5).await, [0; 0]);
    let second = journal.read(2, 1).await.unwrap().remove(0);
    assert_eq!(second.previous, journal.read(1, 1).await.unwrap()[0].hash);
}

async fn a_run_is_read_by_itself(place: Place) {
    let (journal, world) = (place.open().await, world());
    let (one, other) = (RunId::new(&world), RunId::new(&world));
    for run in [Some(one), None, Some(other), Some(one), Some(one)] {
        journal.append(vec![NewEvent::new("step.done", run, "test", &1)], Behind).await.unwrap();
    }
    journal.flush().await.unwrap();
    let of_run = journal.read_run(one, 10).await.unwrap();
    assert_eq!(of_run.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 4, 5]);
    assert!(of_run.iter().all(|event| event.hash == event.computed_hash()));
    assert_eq!(journal.read_run(one, 2).await.unwrap().len(), 2);
    assert_eq!(journal.read_run(RunId::new(&world), 2).await.unwrap(), []);
}

// J4.
async fn rows_follow_events_and_are_removed_by_them(place: Place) {
    let journal = place.open().await;
    let forget = NewEvent::new("forgotten", None, "test", &json!({ "kind": "a" }));
    journal.append(vec![said("a"), said("b"), said("ignored"), said("a")], Durable).await.unwrap();
    assert_eq!(journal.row("counts", "a").await.unwrap(), Some(json!({ "count": 2, "last": 4 })));
    assert_eq!(journal.row("counts", "ignored").await.unwrap(), None);
    journal.append(vec![forget.clone()], Durable).await.unwrap();
    assert_eq!(journal.row("counts", "a").await.unwrap(), None);
    journal.append(vec![said("a"), forget.clone(), said("a")], Durable).await.unwrap();
    assert_eq!(journal.row("counts", "a").await.unwrap(), Some(json!({ "count": 1, "last": 8 })));
    assert_eq!(journal.row("counts", "b").await.unwrap(), Some(json!({ "count": 1, "last": 2 })));
}

async fn rows_are_listed_like_a_sorted_list(place: Place) {
    let journal = place.open().await;
    let last = format!("run/{}", char::MAX);
    let keys = ["a", "run", "run/", "run/1", "run/10", "run/2", "run/é", &last, "run0", "z"];
    journal.append(keys.iter().map(|key| said(key)).collect(), Durable).await.unwrap();
    for prefix in ["", "r", "run/", "run/1", "run/é", &last, "none", "z"] {
        for after in [None, Some(""), Some("run/1"), Some("run/15"), Some("zz"), Some("a")] {
            for (reverse, limit) in [(false, 100), (true, 100), (false, 2), (true, 2), (false, 0)] {
                let query = RowQuery { projection: "counts", prefix, reverse, after, limit };
                let mut expected: Vec<&str> = keys.into_iter().filter(|key| key.starts_with(prefix)).collect();
                expected.sort_unstable();
                expected.retain(|key| after.is_none_or(|after| if reverse { *key < after } else { *key > after }));
                if reverse {
                    expected.reverse();
                }
                expected.truncate(limit);
                let found = journal.rows(query).await.unwrap();
                assert_eq!(found.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), expected, "{query:?}");
            }
        }
    }
}

async fn what_nobody_projects_is_refused(place: Place) {
    let journal = place.open().await;
    let query = RowQuery { projection: "none", prefix: "", reverse: false, after: None, limit: 1 };
    assert!(matches!(journal.rows(query).await, Err(Error::NoProjection(name)) if name == "none"));
    assert!(matches!(journal.row("none", "a").await, Err(Error::NoProjection(_))));
}

async fn news_comes_in_order_once_it_is_written(place: Place) {
    let journal = place.open().await;
    journal.append(many(1), Durable).await.unwrap();
    let mut news = journal.subscribe();
    assert!(matches!(news.try_recv(), Err(TryRecvError::Empty)));
    journal.append(many(2), Durable).await.unwrap();
    for seq in [2, 3] {
        let event = news.recv().await.unwrap();
        assert_eq!(event.seq, seq);
        assert_eq!(journal.read(seq, 1).await.unwrap(), [Event::clone(&event)], "it can be read by then");
    }
}

async fn a_reader_that_lags_is_told(place: Place) {
    let journal = place.open().await;
    let mut news = journal.subscribe();
    journal.append(many(10), Durable).await.unwrap();
    let Err(RecvError::Lagged(missed)) = news.recv().await else { panic!("it lags") };
    assert_eq!(journal.read(missed + 1, 1).await.unwrap(), [Event::clone(&*news.recv().await.unwrap())]);
}

async fn write_behind_needs_no_push(place: Place) {
    let journal = place.open().await;
    let mut news = journal.subscribe();
    journal.append(many(1), Behind).await.unwrap();
    assert_eq!(news.recv().await.unwrap().seq, 1);
    assert_eq!(journal.view().last_seq, 1);
}

async fn two_hundred_appenders_do_not_mix_their_units(place: Place) {
    const APPENDERS: usize = 200;
    const UNITS: usize = 5;
    let journal = place.open().await;
    let mut appenders = JoinSet::new();
    for appender in 0..APPENDERS {
        let journal = journal.clone();
        appenders.spawn(async move {
            let mut firsts = Vec::new();
            for unit in 0..UNITS {
                let source = format!("{appender}/{unit}");
                let event = NewEvent::new("unit.done", None, &source, &unit);
                firsts.push((journal.append(vec![event.clone(), event], Durable).await.unwrap(), source));
            }
            firsts
        });
    }
    let firsts: HashMap<u64, String> = appenders.join_all().await.into_iter().flatten().collect();
    let events = everything(&*journal).await;
    assert_eq!((firsts.len(), events.len()), (APPENDERS * UNITS, APPENDERS * UNITS * 2));
    for unit in events.chunks(2) {
        assert_eq!(unit[0].source, firsts[&unit[0].seq]);
        assert_eq!(unit[1].source, unit[0].source);
    }
    assert_eq!(journal.verify().await.unwrap().verified, events.len() as u64);
    assert_eq!(journal.row("counts", "unit.done").await.unwrap().unwrap()["count"], events.len());
}

async fn a_changed_projection_is_rebuilt(place: Place) {
    let journal = place.open().await;
    let mut events = vec![said("a"); 2_500];
    events.extend([said("b"), NewEvent::new("forgotten", None, "test", &json!({ "kind": "b" }))]);
    journal.append(events, Durable).await.unwrap();
    journal.close().await.unwrap();
    drop(journal);
    let journal = place.try_open(counts(10)).await.unwrap();
    assert_eq!(journal.row("counts", "a").await.unwrap(), Some(json!({ "count": 25_000, "last": 2_500 })));
    assert_eq!(journal.row("counts", "b").await.unwrap(), None);
    journal.append(vec![said("a")], Durable).await.unwrap();
    assert_eq!(journal.row("counts", "a").await.unwrap(), Some(json!({ "count": 25_010, "last": 2_503 })));
}

async fn a_projection_that_was_away_catches_up(place: Place) {
    for projections in [counts(1), Vec::new(), counts(1)] {
        let journal = place.try_open(projections).await.unwrap();
        journal.append(vec![said("a")], Durable).await.unwrap();
        journal.close().await.unwrap();
    }
    let journal = place.open().await;
    assert_eq!(journal.row("counts", "a").await.unwrap(), Some(json!({ "count": 3, "last": 3 })));
}

async fn reopening_continues_the_chain(place: Place) {
    for round in 0..3 {
        let journal = place.open().await;
        assert_eq!(journal.view().last_seq, round * 2);
        assert_eq!(journal.append(many(2), Durable).await.unwrap(), round * 2 + 1);
        journal.append(Vec::new(), Behind).await.unwrap();
        journal.close().await.unwrap();
    }
    assert_eq!(place.open().await.verify().await.unwrap().verified, 6);
}

// J5.
async fn payloads_are_stored_once_under_their_hash(place: Place) {
    let journal = place.open().await;
    let text = b"a long text".to_vec();
    let address = journal.put_payload(text.clone()).await.unwrap();
    assert_eq!(address, crate::types::Hash::of(&text));
    let (again, once_more) = tokio::join!(journal.put_payload(text.clone()), journal.put_payload(text.clone()));
    assert_eq!((again.unwrap(), once_more.unwrap()), (address, address));
    assert_eq!(journal.put_payload(Vec::new()).await.unwrap(), crate::types::Hash::of(b""));
    assert_eq!(journal.get_payload(crate::types::Hash::ZERO).await.unwrap(), None);
    journal.close().await.unwrap();
    let journal = place.open().await;
    assert_eq!(journal.get_payload(address).await.unwrap(), Some(text));
    assert_eq!(journal.verify().await.unwrap().first_bad, None);
}

async fn what_is_too_large_leaves_nothing_behind(place: Place) {
    let journal = place.open().await;
    let large = NewEvent::new("large", None, "test", &"x".repeat(config().event_bytes_max));
    let refused = journal.append(vec![said("small"), large], Durable).await;
    assert!(matches!(refused, Err(Error::TooLarge { limit: 10_000, .. })), "{refused:?}");
    let refused = journal.put_payload(vec![0; config().payload_bytes_max + 1]).await;
    assert!(matches!(refused, Err(Error::TooLarge { bytes: 100_001, limit: 100_000 })), "{refused:?}");
    journal.put_payload(vec![0; config().payload_bytes_max]).await.unwrap();
    assert_eq!(everything(&*journal).await, []);
}

async fn an_abandoned_append_is_written_whole_or_not_at_all(place: Place) {
    let journal = place.open().await;
    for _ in 0..20 {
        // Polled once and dropped: whatever it reached by then is all it will ever do.
        let _ = journal.append(many(3), Durable).now_or_never();
    }
    journal.flush().await.unwrap();
    assert_eq!(everything(&*journal).await.len(), 60, "each was queued by its first poll");
}

async fn a_closed_journal_takes_and_tells_nothing(place: Place) {
    let journal = place.open().await;
    journal.append(many(5), Behind).await.unwrap();
    journal.close().await.unwrap();
    journal.close().await.unwrap();
    assert!(matches!(journal.append(many(1), Durable).await, Err(Error::Closed)));
    assert!(matches!(journal.append(many(1), Behind).await, Err(Error::Closed)));
    assert!(matches!(journal.put_payload(vec![1]).await, Err(Error::Closed)));
    assert!(matches!(journal.flush().await, Err(Error::Closed)));
    assert!(matches!(journal.read(1, 1).await, Err(Error::Closed)));
    assert!(matches!(journal.row("counts", "a").await, Err(Error::Closed)));
    assert!(matches!(journal.verify().await, Err(Error::Closed)));
    assert_eq!(everything(&*place.open().await).await.len(), 5, "what was queued was written");
}

async fn a_second_opening_is_refused_and_the_first_unharmed(place: Place) {
    let journal = place.open().await;
    assert!(matches!(place.try_open(counts(2)).await, Err(Error::InUse { .. })));
    journal.append(vec![said("a")], Durable).await.unwrap();
    assert_eq!(journal.row("counts", "a").await.unwrap(), Some(json!({ "count": 1, "last": 1 })));
    journal.close().await.unwrap();
    place.open().await;
}

async fn after_a_failed_write_nothing_is_taken_and_nothing_acknowledged_is_lost(place: Place) {
    let journal = place.open().await;
    journal.append(many(3), Durable).await.unwrap();
    place.fail().await;
    let appends = (0..20).map(|_| journal.append(many(2), Durable));
    for refused in futures::future::join_all(appends).await {
        assert!(matches!(&refused, Err(Error::Write(reason)) if reason.contains("the disk is full")), "{refused:?}");
    }
    assert!(journal.view().failed.unwrap().contains("the disk is full"));
    for refused in [
        journal.append(many(1), Behind).await.map(drop),
        journal.append(many(1), Durable).await.map(drop),
        journal.put_payload(vec![1]).await.map(drop),
        journal.flush().await,
    ] {
        assert!(matches!(&refused, Err(Error::Write(reason)) if reason.contains("the disk is full")), "{refused:?}");
    }
    assert_eq!(everything(&*journal).await.len(), 3, "what was acknowledged can still be read");
    assert!(matches!(journal.close().await, Err(Error::Write(_))));
    place.mend().await;
    let journal = place.open().await;
    assert_eq!(journal.append(many(1), Durable).await.unwrap(), 4);
    assert_eq!(journal.verify().await.unwrap().verified, 4);
}

// J6.
async fn what_is_archived_goes_and_the_rest_stays_provable(place: Place) {
    let journal = place.open().await;
    journal.append(many(10), Durable).await.unwrap();
    let sixth = journal.read(6, 1).await.unwrap().remove(0);
    assert_eq!(journal.compact(6, "one").await.unwrap(), 11);
    let kept = everything(&*journal).await;
    assert_eq!(kept.iter().map(|event| event.seq).collect::<Vec<_>>(), [7, 8, 9, 10, 11]);
    assert_eq!(kept[0].previous, sixth.hash);
    let said: Compacted = kept[4].body.parse().unwrap();
    assert_eq!(
        (kept[4].kind.as_str(), said.through, said.hash, said.archive.as_str()),
        (COMPACTED, 6, sixth.hash, "one")
    );
    assert_eq!(journal.row("counts", "kind.0").await.unwrap(), Some(json!({ "count": 1, "last": 1 })));
    let found = journal.verify().await.unwrap();
    assert_eq!((found.archived, found.anchor, found.verified, found.first_bad), (6, sixth.hash, 5, None));
    for nothing in [6, 3, 0, 12, u64::MAX] {
        assert_eq!(journal.compact(nothing, "no").await.unwrap(), 0, "{nothing}");
    }
    assert_eq!(journal.append(vec![said_of(&sixth), said_of(&sixth)], Durable).await.unwrap(), 12);
    assert_eq!(journal.row("counts", &sixth.kind).await.unwrap(), Some(json!({ "count": 3, "last": 13 })));
    assert_eq!(journal.compact(12, "two").await.unwrap(), 14);
    journal.close().await.unwrap();
    let journal = place.open().await;
    assert_eq!((journal.view().last_seq, journal.view().archived), (14, 12));
    let found = journal.verify().await.unwrap();
    assert_eq!((found.archived, found.verified, found.first_bad), (12, 2, None));
    assert_eq!(journal.append(many(1), Durable).await.unwrap(), 15);
    assert_eq!(journal.verify().await.unwrap().first_bad, None);
}

/// Another event of the same kind.
fn said_of(event: &Event) -> NewEvent {
    said(&event.kind)
}

async fn a_projection_that_changes_after_an_archive_goes_on_from_its_rows(place: Place) {
    let journal = place.open().await;
    journal.append(vec![said("a"), said("a"), said("b"), said("a")], Durable).await.unwrap();
    journal.compact(3, "one").await.unwrap();
    journal.close().await.unwrap();
    let journal = place.try_open(counts(10)).await.unwrap();
    assert_eq!(journal.row("counts", "a").await.unwrap(), Some(json!({ "count": 12, "last": 4 })));
    assert_eq!(journal.row("counts", "b").await.unwrap(), Some(json!({ "count": 1, "last": 3 })));
    assert_eq!(journal.verify().await.unwrap().first_bad, None);
}
