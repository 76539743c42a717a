//! What only a file can suffer: other hands, other programs, crashes and a full disk.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod place;
mod proof;
mod rescue;

use serde_json::json;
use sqlx::Connection;

use super::super::tests::{Place, config, counts, everything, many, said, world};
use super::*;
use Durability::{Behind, Durable};

async fn with_ten_events() -> (Place, Arc<dyn Journal>) {
    let place = Place::sqlite();
    let journal = place.open().await;
    let run = Some(RunId::new(&world()));
    let events = (0..10).map(|index| NewEvent::new("step.done", run, "test", &json!({ "step": index })));
    journal.append(events.collect(), Durable).await.unwrap();
    (place, journal)
}

/// Lets a forger at the events.
async fn forge(place: &Place, statement: &str) {
    place.sql("DROP TRIGGER events_are_never_changed; DROP TRIGGER events_are_never_deleted").await;
    place.sql(statement).await;
}

async fn first_bad(journal: &dyn Journal) -> (u64, u64, String) {
    let found = journal.verify().await.unwrap();
    let bad = found.first_bad.unwrap_or_else(|| panic!("the chain is whole"));
    (found.verified, bad.seq, bad.reason)
}

#[tokio::test]
async fn one_byte_changed_in_any_column_is_found_where_it_is() {
    for change in [
        "at = at + 1",
        "kind = 'step.dome'",
        "run = replace(run, '0', '1')",
        "run = 'somebody'",
        "run = NULL",
        "source = 'tests'",
        "body = replace(body, '4', '5')",
        "body = body || ' '",
        "hash = zeroblob(32)",
        "hash = x'00'",
    ] {
        let (place, journal) = with_ten_events().await;
        forge(&place, &format!("UPDATE events SET {change} WHERE seq = 5")).await;
        let (verified, seq, reason) = first_bad(&*journal).await;
        assert_eq!((verified, seq), (4, 5), "{change}: {reason}");
    }
}

#[tokio::test]
async fn events_that_are_gone_added_or_in_another_order_are_found() {
    for (change, bad) in [
        ("DELETE FROM events WHERE seq = 1", 1),
        ("DELETE FROM events WHERE seq = 5", 5),
        ("DELETE FROM events WHERE seq > 8", 9),
        ("DELETE FROM events", 1),
        (
            "UPDATE events SET seq = -1 WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = 4; \
          UPDATE events SET seq = 4 WHERE seq = -1",
            3,
        ),
        ("INSERT INTO events SELECT 11, at, kind, run, source, body, hash FROM events WHERE seq = 10", 11),
        ("UPDATE head SET hash = zeroblob(32)", 10),
        ("UPDATE head SET seq = 11", 11),
        ("DELETE FROM head", 1),
    ] {
        let (place, journal) = with_ten_events().await;
        forge(&place, change).await;
        let (_, seq, reason) = first_bad(&*journal).await;
        assert_eq!(seq, bad, "{change}: {reason}");
    }
}

#[tokio::test]
async fn the_table_itself_refuses_to_change_or_delete() {
    let (place, _journal) = with_ten_events().await;
    let mut connection = place.connect().await;
    for statement in ["UPDATE events SET at = 0 WHERE seq = 5", "DELETE FROM events WHERE seq = 10"] {
        let refused = sqlx::query(statement).execute(&mut connection).await.unwrap_err();
        assert!(refused.to_string().contains("never"), "{refused}");
    }
}

#[tokio::test]
async fn a_journal_with_a_cut_tail_is_not_continued() {
    let (place, journal) = with_ten_events().await;
    forge(&place, "DELETE FROM events WHERE seq > 8").await;
    journal.close().await.unwrap();
    let Err(Error::Corrupt(reason)) = place.try_open(counts(1)).await else { panic!("it was opened") };
    assert!(reason.starts_with("event 9: it is missing"), "{reason}");
    let found = Sqlite::verify_file(&place.path(), &counts(1)).await.unwrap();
    assert_eq!(found.first_bad.unwrap().seq, 9);
}

#[tokio::test]
async fn a_changed_payload_condemns_the_first_event_that_names_it() {
    let (place, journal) = with_ten_events().await;
    let hash = journal.put_payload(b"the whole prompt".to_vec()).await.unwrap();
    let named = NewEvent::new("prompt.kept", None, "test", &json!({ "prompt": hash }));
    journal.append(vec![said("a"), named.clone(), named], Durable).await.unwrap();
    place.sql("UPDATE payloads SET bytes = x'00'").await;
    let (verified, seq, reason) = first_bad(&*journal).await;
    assert_eq!((verified, seq), (11, 12));
    assert!(reason.contains(&hash.to_string()), "{reason}");
    assert!(matches!(journal.get_payload(hash).await, Err(Error::Corrupt(_))));
}

#[tokio::test]
async fn a_payload_that_no_event_names_is_checked_too() {
    let (place, journal) = with_ten_events().await;
    for text in ["one", "two", "three"] {
        journal.put_payload(text.into()).await.unwrap();
    }
    assert_eq!(journal.verify().await.unwrap().first_bad, None);
    place.sql("UPDATE payloads SET bytes = x'00' WHERE id = 3").await;
    assert_eq!(first_bad(&*journal).await.1, 10);
    place
        .sql("DELETE FROM payloads WHERE id = 2; UPDATE payloads SET bytes = CAST('three' AS BLOB) WHERE id = 3")
        .await;
    let (_, seq, reason) = first_bad(&*journal).await;
    assert_eq!(seq, 10);
    assert!(reason.contains("missing"), "{reason}");
}

#[tokio::test]
async fn a_row_that_the_events_do_not_make_is_found_and_placed() {
    let (place, journal) = with_ten_events().await;
    journal.append(vec![said("a"), said("b"), said("a"), said("c")], Durable).await.unwrap();
    assert_eq!(journal.verify().await.unwrap().first_bad, None);
    let kind = said("a").kind;
    for (change, back, seq) in [
        ("UPDATE rows SET value = replace(value, '13', '12') WHERE key = ?", true, 13),
        ("DELETE FROM rows WHERE key = ?", true, 13),
        ("UPDATE rows SET value = 'no json' WHERE key = ?", true, 13),
        ("UPDATE rows SET value = replace(value, '{', '{ ') WHERE key = ?", true, 0),
        ("UPDATE cursors SET seq = 9", true, 14),
        ("INSERT INTO rows VALUES ('counts', 'never seen', '{}')", false, 14),
    ] {
        place.sql("CREATE TABLE kept AS SELECT * FROM rows; CREATE TABLE stood AS SELECT * FROM cursors").await;
        place.sql(&change.replace('?', &format!("'{kind}'"))).await;
        let found = journal.verify().await.unwrap();
        let bad = found.first_bad.map_or((0, String::new()), |bad| (bad.seq, bad.reason));
        assert_eq!((found.verified, bad.0), (14, seq), "{change}: {}", bad.1);
        if back {
            place.sql("DELETE FROM rows; INSERT INTO rows SELECT * FROM kept; DELETE FROM cursors").await;
            place.sql("INSERT INTO cursors SELECT * FROM stood; DROP TABLE kept; DROP TABLE stood").await;
        }
    }
}

#[tokio::test]
async fn rows_are_not_made_anew_of_an_event_that_was_changed() {
    let (place, journal) = with_ten_events().await;
    journal.close().await.unwrap();
    forge(&place, "UPDATE events SET body = replace(body, '4', '5') WHERE seq = 5").await;
    place.sql("DELETE FROM rows; DELETE FROM cursors").await;
    let Err(Error::Corrupt(reason)) = place.try_open(counts(1)).await else { panic!("it was opened") };
    assert!(reason.starts_with("event 5: "), "{reason}");
}

#[tokio::test]
async fn an_index_that_is_not_of_its_table_is_found() {
    let (place, journal) = with_ten_events().await;
    journal.close().await.unwrap();
    // The index now says it was made of another column: an honest SQLite never looks again.
    let change = "UPDATE sqlite_schema SET sql = replace(sql, '(run)', '(kind)') WHERE name = 'events_by_run'";
    place.sql(&format!("PRAGMA writable_schema = ON; {change}")).await;
    let found = Sqlite::verify_file(&place.path(), &counts(1)).await.unwrap();
    assert!(found.first_bad.unwrap().reason.contains("events_by_run"));
}

#[tokio::test]
async fn one_bit_flipped_in_the_file_is_found() {
    let (place, journal) = with_ten_events().await;
    journal.append(vec![said("a.rare.word"), said("b")], Durable).await.unwrap();
    journal.close().await.unwrap();
    let mut bytes = std::fs::read(place.path()).unwrap();
    let text = b"{\"text\":\"a.rare.word was said\"}";
    let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
    bytes[at + 12] ^= 1;
    std::fs::write(place.path(), bytes).unwrap();
    let found = Sqlite::verify_file(&place.path(), &counts(1)).await.unwrap();
    assert_eq!((found.verified, found.first_bad.unwrap().seq), (10, 11));
}

#[tokio::test]
async fn a_file_is_verified_while_a_host_writes_it() {
    let (place, journal) = with_ten_events().await;
    let found = Sqlite::verify_file(&place.path(), &counts(1)).await.unwrap();
    assert_eq!((found.verified, found.first_bad), (10, None));
    journal.append(many(1), Durable).await.unwrap();
    let nothing = Sqlite::verify_file(&place.path().with_extension("none"), &counts(1)).await;
    assert!(matches!(nothing, Err(Error::Open { .. })));
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let (place, journal) = with_ten_events().await;
    journal.close().await.unwrap();
    place
        .sql(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
              VALUES (99, 'the future', true, x'00', 0)",
        )
        .await;
    let before = std::fs::read(place.path()).unwrap();
    let refused = place.try_open(counts(1)).await.map(drop).unwrap_err();
    assert!(matches!(refused, Error::Newer { found: 99, known: 2, .. }), "{refused}");
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
}

#[tokio::test]
async fn files_of_another_kind_are_refused_and_left_alone() {
    let foreign = Place::sqlite();
    foreign.sql("CREATE TABLE songs (title TEXT)").await;
    let garbage = Place::sqlite();
    std::fs::write(garbage.path(), "no database at all\n".repeat(1_000)).unwrap();
    let (cut, journal) = with_ten_events().await;
    journal.append(many(100), Durable).await.unwrap();
    journal.close().await.unwrap();
    let whole = std::fs::read(cut.path()).unwrap();
    std::fs::write(cut.path(), &whole[..whole.len() / 2]).unwrap();
    for (place, word) in [(foreign, "another program"), (garbage, "another program wrote it"), (cut, "was cut off")] {
        let before = std::fs::read(place.path()).unwrap();
        let refused = place.try_open(counts(1)).await.map(drop).unwrap_err();
        assert!(refused.to_string().contains(word), "{refused}");
        assert_eq!(std::fs::read(place.path()).unwrap(), before, "{word}");
    }
}

#[tokio::test]
async fn a_directory_that_is_missing_is_named() {
    let path = tempfile::tempdir().unwrap().path().join("none").join("journal.db");
    let refused = Sqlite::open(&path, &config(), world(), Vec::new()).await.map(drop).unwrap_err();
    assert!(matches!(&refused, Error::Open { reason, .. } if reason.contains("No such file")), "{refused}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let (place, _journal) = with_ten_events().await;
    for file in std::fs::read_dir(place.path().parent().unwrap()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
}

/// The files as a power cut would leave them, at a moment when everything acknowledged was acknowledged.
fn crash(place: &Place) -> Place {
    let after = Place::sqlite();
    for name in ["journal.db", "journal.db-wal"] {
        let (from, to) = (place.path().with_file_name(name), after.path().with_file_name(name));
        std::fs::copy(from, to).unwrap();
    }
    after
}

// J3.
#[tokio::test]
async fn a_crash_loses_nothing_that_was_acknowledged() {
    let (place, journal) = with_ten_events().await;
    let hash = journal.put_payload(b"kept".to_vec()).await.unwrap();
    let mut acknowledged = 10;
    for _ in 0..20 {
        acknowledged = journal.append(vec![said("a"), said("b")], Durable).await.unwrap() + 1;
    }
    let after = crash(&place);
    let found = after.open().await;
    assert_eq!((found.view().last_seq, found.verify().await.unwrap().verified), (acknowledged, acknowledged));
    assert_eq!(found.row("counts", "b").await.unwrap(), Some(json!({ "count": 20, "last": acknowledged })));
    assert_eq!(found.get_payload(hash).await.unwrap(), Some(b"kept".to_vec()));
    assert_eq!(found.append(many(1), Durable).await.unwrap(), acknowledged + 1);
}

#[test]
fn a_runtime_that_is_torn_down_leaves_a_whole_journal() {
    let place = Place::sqlite();
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let torn = runtime();
    let (journal, acknowledged) = torn.block_on(async {
        let journal = place.open().await;
        let acknowledged = journal.append(many(7), Durable).await.unwrap() + 6;
        for _ in 0..20 {
            journal.append(many(10), Behind).await.unwrap();
        }
        (journal, acknowledged)
    });
    torn.shutdown_background();
    drop(journal);
    runtime().block_on(async {
        // The thread under the torn runtime may still be committing; a copy taken behind its back would not be fair.
        let journal = loop {
            match place.try_open(counts(1)).await {
                Err(Error::InUse { .. }) => tokio::task::yield_now().await,
                opened => break opened.unwrap(),
            }
        };
        let found = journal.verify().await.unwrap();
        assert_eq!(found.first_bad, None);
        assert!(found.verified >= acknowledged && (found.verified - acknowledged) % 10 == 0, "{}", found.verified);
    });
}

#[tokio::test]
async fn a_journal_that_is_only_dropped_writes_what_was_queued_and_frees_its_lock() {
    let place = Place::sqlite();
    let journal = Sqlite::open(&place.path(), &config(), world(), counts(1)).await.unwrap();
    journal.append(many(50), Behind).await.unwrap();
    let ended = journal.shared.ended.clone();
    drop(journal);
    ended.cancelled().await;
    assert_eq!(everything(&*place.open().await).await.len(), 50);
}

#[tokio::test]
async fn a_full_disk_stops_the_journal_and_keeps_what_was_acknowledged() {
    let place = Place::sqlite();
    let options = connect::options(&place.path()).pragma("max_page_count", "60");
    let journal = Sqlite::open_with(&place.path(), &[], options, &config(), world(), counts(1)).await.unwrap();
    let mut acknowledged = 0;
    let reason = loop {
        match journal.append(many(20), Durable).await {
            Ok(first) => acknowledged = first + 19,
            Err(Error::Write(reason)) => break reason,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(reason.contains("full"), "{reason}");
    assert_eq!(journal.view().failed, Some(reason));
    assert_eq!(journal.view().last_seq, acknowledged);
    assert!(journal.close().await.is_err());
    let journal = place.open().await;
    assert_eq!(journal.verify().await.unwrap().verified, acknowledged);
    assert_eq!(journal.append(many(1), Durable).await.unwrap(), acknowledged + 1);
}

struct Panics;

impl Projection for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }

    fn version(&self) -> u32 {
        1
    }

    fn keys(&self, event: &Event) -> Vec<String> {
        assert_ne!(event.kind, "bad");
        Vec::new()
    }

    fn fold(&self, _key: &str, row: Option<Value>, _event: &Event) -> Option<Value> {
        row
    }
}

#[tokio::test]
async fn a_projection_that_panics_stops_the_journal_and_answers_everybody() {
    let place = Place::sqlite();
    let journal = place.try_open(vec![Arc::new(Panics)]).await.unwrap();
    journal.append(vec![said("good")], Durable).await.unwrap();
    let refused = journal.append(vec![said("bad")], Durable).await.unwrap_err();
    assert!(matches!(&refused, Error::Write(reason) if reason.contains("work undone")), "{refused}");
    assert!(matches!(journal.append(vec![said("good")], Behind).await, Err(Error::Write(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_that_come_together_share_their_syncs() {
    const APPENDS: usize = 640;
    let place = Place::sqlite();
    let journal = place.open().await;
    let mut appenders = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let journal = journal.clone();
        appenders.spawn(async move {
            for _ in 0..APPENDS / 64 {
                journal.append(many(1), Durable).await.unwrap();
            }
        });
    }
    appenders.join_all().await;
    let view = journal.view();
    assert_eq!(view.written, APPENDS as u64);
    assert!(view.commits < APPENDS as u64 / 8, "{} commits", view.commits);
}

#[tokio::test]
async fn lookups_go_through_an_index() {
    let (place, _journal) = with_ten_events().await;
    let mut connection = place.connect().await;
    for (statement, index) in [
        (
            "EXPLAIN QUERY PLAN SELECT value FROM rows WHERE projection = ? AND key IN (SELECT value FROM json_each(?))",
            "projection=? AND key=?",
        ),
        (
            "EXPLAIN QUERY PLAN SELECT key FROM rows WHERE projection = ? AND key >= ? AND key < ? ORDER BY key DESC",
            "projection=? AND key>? AND key<?",
        ),
        ("EXPLAIN QUERY PLAN SELECT seq FROM events WHERE run = ? ORDER BY seq LIMIT 3", "events_by_run"),
    ] {
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(statement).fetch_all(&mut connection).await.unwrap();
        let words: Vec<&str> = plan.iter().map(|(_, _, _, words)| words.as_str()).collect();
        assert!(words.iter().any(|words| words.contains(index)), "{words:?}");
        assert!(!words.iter().any(|words| words.contains("TEMP B-TREE")), "{words:?}");
    }
    connection.close().await.unwrap();
}
