//! The record proves itself, and nothing that was touched passes.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::sync::Arc;

use futures::TryStreamExt;
use serde_json::json;

use super::*;
use crate::store::{Body, Config, Disk, Durability, Event, Journal, Memory, NewEvent, Retention, Verification};
use crate::types::{Clock, Hash, Place, RunId, Seeded, Timestamp, TrustTier, World};

struct Still;

impl Clock for Still {
    #[expect(clippy::disallowed_methods, reason = "a clock is what this is")]
    fn now(&self) -> tokio::time::Instant {
        tokio::time::Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(1_750_000_000_000_000)
    }
}

async fn journal(events: usize) -> Arc<dyn Journal> {
    let world = World { clock: Arc::new(Still), random: Arc::new(Seeded::new(3)) };
    let config: Config = serde_json::from_value(json!({
        "group_commit_ms": 2, "group_commit_events": 128, "queue_events": 1024, "read_connections": 1,
        "payload_bytes_max": 1000, "event_bytes_max": 1000, "subscribe_events": 16,
        "retention": { "days": 0, "events_most": 0, "segment_events": 10, "look_every_s": 1 },
    }))
    .unwrap();
    let run = Some(RunId::new(&world));
    let journal = Memory::open(&Disk::default(), &config, world, Vec::new()).unwrap();
    let body: Body = serde_json::from_str("{\n  \"exact\": 1.50,\n  \"text\": \"line\\nbreak\"\n}").unwrap();
    for index in 0..events {
        let mut event = NewEvent::new(&format!("kind.{index}"), run, "test", &index);
        if index % 2 == 1 {
            event.body = body.clone();
        }
        journal.append(vec![event], Durability::Durable).await.unwrap();
    }
    journal
}

async fn text(journal: &Arc<dyn Journal>, from: u64) -> String {
    export(journal.clone(), from, None).try_collect::<Vec<String>>().await.unwrap().concat()
}

fn check(text: &str) -> Verification {
    check_export(text.as_bytes()).unwrap()
}

#[tokio::test]
async fn an_export_checks_out_and_has_every_event() {
    let journal = journal(600).await;
    let text = text(&journal, 1).await;
    let events: Vec<Event> = text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events, journal.read(1, 1_000).await.unwrap());
    assert_eq!(check(&text), journal.verify().await.unwrap());
}

#[tokio::test]
async fn part_of_a_chain_checks_out_by_itself() {
    let journal = journal(10).await;
    let part = text(&journal, 4).await;
    assert!(part.starts_with(r#"{"format":"syzygy.journal/1","from":4,"to":10,"previous":""#), "{part}");
    assert_eq!((check(&part).verified, check(&part).first_bad), (7, None));
    for from in [11, 99] {
        let nothing = text(&journal, from).await;
        assert_eq!(nothing.lines().count(), 1);
        assert_eq!((check(&nothing).verified, check(&nothing).first_bad), (0, None));
    }
}

#[tokio::test]
async fn an_empty_journal_exports_as_empty() {
    let text = text(&journal(0).await, 1).await;
    assert_eq!(
        check(&text),
        Verification { verified: 0, head: Hash::ZERO, archived: 0, anchor: Hash::ZERO, withheld: 0, first_bad: None }
    );
}

#[tokio::test]
async fn any_character_changed_in_any_event_is_found_in_its_line() {
    let text = text(&journal(4).await, 1).await;
    let lines: Vec<&str> = text.lines().collect();
    for number in 1..lines.len() {
        for at in 0..lines[number].len() {
            let mut changed: Vec<String> = lines.iter().map(ToString::to_string).collect();
            let other = if lines[number].as_bytes()[at] == b'7' { "8" } else { "7" };
            changed[number].replace_range(at..=at, other);
            let found = check(&changed.join("\n"));
            let bad = found.first_bad.map(|bad| bad.seq);
            assert_eq!((found.verified, bad), (number as u64 - 1, Some(number as u64)), "{}", changed[number]);
        }
    }
}

#[tokio::test]
async fn lines_that_are_gone_added_or_exchanged_are_found() {
    let text = text(&journal(5).await, 1).await;
    let lines: Vec<&str> = text.lines().collect();
    let pick = |order: &[usize]| order.iter().map(|index| lines[*index]).collect::<Vec<_>>().join("\n");
    for (order, bad) in [
        (&[0, 1, 2, 3, 4, 5][..], None),
        (&[0, 1, 2, 3, 4], Some(5)),
        (&[0], Some(1)),
        (&[0, 1, 3, 4, 5], Some(2)),
        (&[0, 1, 3, 2, 4, 5], Some(2)),
        (&[0, 1, 2, 3, 4, 5, 5], Some(6)),
    ] {
        assert_eq!(check(&pick(order)).first_bad.map(|bad| bad.seq), bad, "{order:?}");
    }
    let added = text.replacen(r#","hash""#, r#","verdict":"good","hash""#, 1);
    assert_eq!(check(&added).first_bad.unwrap().seq, 1, "a field that was never hashed");
    let cut = &text[..text.len() - 20];
    assert_eq!(check(cut).first_bad.unwrap().seq, 5, "cut within the last line");
}

#[test]
fn what_is_no_export_is_said_to_be_none() {
    for text in ["", "hello", "{}", "\u{0}\u{1}"] {
        assert!(matches!(check_export(text.as_bytes()), Err(Error::NoExport(_))), "{text:?}");
    }
}

#[tokio::test]
async fn the_report_says_what_was_found() {
    let whole = journal(3).await.verify().await.unwrap();
    assert_eq!(report(&whole), format!("The chain is whole: 3 events, the last with hash {}.", whole.head));
    assert!(broken(&whole).is_none());
    let bad = crate::store::BadEvent { seq: 4, reason: "it is missing".to_owned() };
    let cut = Verification { first_bad: Some(bad), ..whole };
    let expected = "The chain is broken at event 4: it is missing.\nBefore it 3 events are good, the last with hash ";
    assert!(report(&cut).starts_with(expected), "{}", report(&cut));
    assert_eq!(broken(&cut).unwrap().to_string(), "could not trust the journal: event 4: it is missing");
}

/// Nothing belongs together.
struct Free;

#[async_trait::async_trait]
impl Ties for Free {
    async fn cut(&self, _journal: &dyn Journal, through: u64) -> Result<Option<u64>, crate::store::Error> {
        Ok(Some(through))
    }
}

#[tokio::test]
async fn whole_segments_that_are_old_or_too_many_go_into_archives_that_join() {
    let (journal, folder) = (journal(30).await, tempfile::tempdir().unwrap());
    let later = Timestamp(1_750_000_000_000_000 + 3 * 86_400_000_000);
    let due = async |days: u32, most: u64| {
        let said = json!({ "days": days, "events_most": most, "segment_events": 10, "look_every_s": 1 });
        let retention: Retention = serde_json::from_value(said).unwrap();
        due(&*journal, &retention, &Free, later).await.unwrap()
    };
    for (days, most, expected) in
        [(0, 0, None), (2, 0, Some(10)), (3, 0, None), (0, 20, Some(10)), (0, 21, None), (9, 20, Some(10))]
    {
        assert_eq!(due(days, most).await, expected, "{days} days, {most} events");
    }
    let archived = archive(journal.clone(), 10, folder.path()).await.unwrap();
    assert_eq!((archived.from, archived.to, journal.view().archived), (1, 10, 10));
    assert_eq!((due(2, 0).await, due(0, 20).await), (Some(20), None), "eleven events would stay");
    let next = archive(journal.clone(), 20, folder.path()).await.unwrap();
    let part = |path: &std::path::Path| check(&std::fs::read_to_string(path).unwrap());
    let rest = journal.verify().await.unwrap();
    assert!(report(&rest).contains(" after event 20, "), "{}", report(&rest));
    let all = join(Some(join(Some(part(&archived.path)), part(&next.path))), rest.clone());
    assert_eq!((all.archived, all.verified, all.head, all.first_bad), (0, 32, rest.head, None));
    let gap = join(Some(part(&archived.path)), rest.clone());
    assert_eq!(gap.first_bad.unwrap().seq, 10);
    let other = Verification { head: Hash::ZERO, ..part(&next.path) };
    assert_eq!(join(Some(other), rest).first_bad.unwrap().seq, 20);
}

/// A journal with two runs, one about somebody, and events of the host.
async fn mixed() -> Arc<dyn Journal> {
    let journal = journal(1).await;
    let world = World { clock: Arc::new(Still), random: Arc::new(Seeded::new(4)) };
    let (open, closed, cut) = (RunId::new(&world), RunId::new(&world), RunId::new(&world));
    let task = |privacy: &str, regions: &[&str]| json!({ "task": { "privacy": privacy, "residency": regions } });
    let events = [
        ("host.started", None, json!({})),
        ("run.accepted", Some(open), task("public", &[])),
        ("run.accepted", Some(closed), task("public", &["eu"])),
        ("task.classified", Some(open), json!({ "privacy": "public" })),
        ("task.classified", Some(closed), json!({ "privacy": "confidential" })),
        ("run.completed", Some(open), json!({ "answer": "The sky is blue." })),
        ("run.completed", Some(closed), json!({ "answer": "Ask Ada." })),
        ("tool.answered", Some(open), json!({ "result": "ada@example.com" })),
        ("run.accepted", Some(cut), task("public", &[])),
    ];
    for (kind, run, body) in events {
        journal.append(vec![NewEvent::new(kind, run, "test", &body)], Durability::Durable).await.unwrap();
    }
    journal
}

async fn shown_to(journal: &Arc<dyn Journal>, place: Place) -> (String, Vec<u64>) {
    let lines = export(journal.clone(), 1, Some(place)).try_collect::<Vec<String>>().await.unwrap();
    let whole = lines.iter().skip(1).filter_map(|line| serde_json::from_str::<Event>(line).ok());
    (lines.concat(), whole.map(|event| event.seq).collect())
}

#[tokio::test]
async fn an_export_for_somebody_withholds_what_they_may_not_see_and_the_chain_goes_through_it() {
    let journal = mixed().await;
    let cases = [
        // The first event is of a run of which nothing else is known, and the last of one that was not classified yet.
        (Place::of(TrustTier::External), vec![3, 5, 7]),
        (Place::of(TrustTier::Partner), vec![2, 3, 5, 7]),
        (Place::of(TrustTier::Private), vec![2, 3, 5, 7, 9]),
        (Place::of(TrustTier::Private).in_region("eu"), vec![2, 3, 4, 5, 6, 7, 8, 9]),
        (Place::of(TrustTier::Local).in_region("eu"), (1..=10).collect()),
    ];
    for (place, expected) in cases {
        let (text, shown) = shown_to(&journal, place.clone()).await;
        assert_eq!(shown, expected, "{place:?}");
        assert_eq!(text.contains("ada@example.com"), expected.contains(&9), "{text}");
        let found = check(&text);
        let whole = journal.verify().await.unwrap();
        assert_eq!((found.verified, found.withheld, found.head), (10, 10 - expected.len() as u64, whole.head));
        assert_eq!(found.first_bad, None);
    }
}

#[tokio::test]
async fn a_run_for_which_something_private_was_recalled_is_as_private_as_that() {
    let journal = mixed().await;
    let whole = journal.read(1, 100).await.unwrap();
    let open = whole.iter().find(|event| event.kind == "run.completed").unwrap().run;
    let under = json!({ "class": "confidential", "residency": ["eu"] });
    let outcome = json!({ "text": "At noon.", "recalled": ["noon"], "recalled_under": under });
    let served = NewEvent::new("hop.served", open, "test", &json!({ "outcome": outcome }));
    journal.append(vec![served], Durability::Durable).await.unwrap();
    let private = Place::of(TrustTier::Private);
    for (place, seen) in
        [(Place::of(TrustTier::External), false), (private.clone(), false), (private.in_region("eu"), true)]
    {
        let (text, shown) = shown_to(&journal, place).await;
        assert_eq!((text.contains("At noon."), text.contains("The sky is blue.")), (seen, seen), "{text}");
        assert_eq!(shown.contains(&5), seen, "the other events of the run are no less private: {shown:?}");
    }
}

#[tokio::test]
async fn what_is_withheld_cannot_be_changed_left_out_or_made_up() {
    let journal = mixed().await;
    let (text, _) = shown_to(&journal, Place::of(TrustTier::External)).await;
    let lines: Vec<&str> = text.lines().collect();
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let without = [&lines[..4], &lines[5..]].concat();
    assert!(check(&joined(&without)).first_bad.is_some());
    let hash = serde_json::from_str::<serde_json::Value>(lines[4]).unwrap()["hash"].as_str().unwrap().to_owned();
    let forged = lines[4].replace(&hash, &Hash::of(b"forged").to_string());
    let changed = [&lines[..4], &[forged.as_str()], &lines[5..]].concat();
    assert_eq!(check(&joined(&changed)).first_bad.unwrap().seq, 5, "the event after it does not follow");
    // In a file that is for nobody in particular nothing may be withheld.
    let place = r#","for":{"tier":"external"}"#;
    assert!(lines[0].contains(place));
    let header = lines[0].replace(place, "");
    let anybody = [&[header.as_str()], &lines[1..]].concat();
    assert_eq!(check(&joined(&anybody)).first_bad.unwrap().seq, 1);
}
