//! What may lie where a journal belongs instead of one, and what is said of it.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::{Connection, Executor};

use super::super::super::tests::{Place, config, counts, everything, many, world};
use super::super::*;
use super::with_ten_events;
use crate::types::Class;
use Durability::Durable;

/// Every file beside the journal with what is in it. Locks, shared memory and an empty log say nothing.
fn files(place: &Place) -> BTreeMap<String, Vec<u8>> {
    let folder = place.path();
    let entries = std::fs::read_dir(folder.parent().unwrap()).unwrap().map(|entry| entry.unwrap());
    let told = |name: &String| !name.ends_with(".lock") && !name.ends_with("-shm");
    entries
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .filter(|(name, bytes)| told(name) && !(name.ends_with("-wal") && bytes.is_empty()))
        .collect()
}

fn beside(place: &Place, end: &str) -> std::path::PathBuf {
    connect::beside(&place.path(), end)
}

/// A journal as a kill leaves it: most of it in its log.
async fn killed() -> (Place, Vec<Event>) {
    let (place, journal) = with_ten_events().await;
    let events = everything(&*journal).await;
    let after = super::crash(&place);
    std::fs::copy(beside(&place, ".made"), beside(&after, ".made")).unwrap();
    (after, events)
}

async fn refused(place: &Place) -> Error {
    place.try_open(counts(1)).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn a_journal_that_is_gone_is_not_begun_anew_and_what_is_left_is_left() {
    type Harm = fn(&Path);
    let blank: Harm = |path| {
        // All of a young journal is in its log; without it the file has a header and no table.
        std::fs::remove_file(connect::beside(path, "-wal")).unwrap();
    };
    let rows: [(&str, Harm); 3] = [
        ("there is no such file", |path| std::fs::remove_file(path).unwrap()),
        ("it is empty", |path| std::fs::write(path, "").unwrap()),
        ("there is nothing in it", blank),
    ];
    for (word, harm) in rows {
        let (place, _) = killed().await;
        harm(&place.path());
        let before = files(&place);
        let error = refused(&place).await;
        let said = error.to_string();
        assert!(matches!(error, Error::Gone { .. }) && said.contains(word), "{said}");
        assert!(said.contains("(journal.db.made") && said.contains("syzygy restore FILE"), "{said}");
        assert_eq!(error.class(), Class::Corrupt);
        assert!(matches!(Sqlite::is_at(&place.path(), &[]).await, Err(Error::Gone { .. })), "{word}");
        let on_disk = OnDisk::at(&place.path(), counts(1));
        assert!(matches!(on_disk.verify().await, Err(Error::Gone { .. })), "{word}");
        assert!(matches!(on_disk.rebuild().await, Err(Error::Gone { .. })), "{word}");
        let copy = on_disk.backup(&place.path().with_file_name("copy"), &[]).await;
        assert!(matches!(copy, Err(Error::Gone { .. })), "{word}");
        assert_eq!(files(&place), before, "{word}");
        // Whoever wants to begin anew moves away what is left.
        std::fs::remove_file(beside(&place, ".made")).unwrap();
        let _ = std::fs::remove_file(beside(&place, "-wal"));
        assert_eq!(place.open().await.append(many(1), Durable).await.unwrap(), 1, "{word}");
        assert!(beside(&place, ".made").exists(), "{word}");
    }
}

#[tokio::test]
async fn what_the_log_of_a_lost_file_holds_is_not_thrown_away_and_is_read() {
    for emptied in [true, false] {
        let (place, events) = killed().await;
        // An older program left no mark; the log alone tells.
        std::fs::remove_file(beside(&place, ".made")).unwrap();
        let _ = if emptied { std::fs::write(place.path(), "") } else { std::fs::remove_file(place.path()) };
        let before = files(&place);
        let said = refused(&place).await.to_string();
        assert!(said.contains("(journal.db-wal)") && said.contains("saves what its log still holds"), "{said}");
        let reader = OnDisk::at(&place.path(), counts(1)).read().await.unwrap();
        let sound = reader.sound(1).await.unwrap();
        assert_eq!((sound.to, sound.damage), (10, None));
        assert_eq!(reader.after(0, Hash::ZERO, 99).await.unwrap(), events);
        assert!(reader.refused().unwrap().contains("says that there was one"), "{:?}", reader.refused());
        assert_eq!(files(&place), before);
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_not_left_out_without_a_word() {
    let (place, journal) = with_ten_events().await;
    journal.close().await.unwrap();
    let _ = std::fs::remove_file(beside(&place, "-wal"));
    std::fs::create_dir_all(beside(&place, "-wal").join("something")).unwrap();
    let on_disk = OnDisk::at(&place.path(), counts(1));
    let said = on_disk.verify().await.unwrap_err().to_string();
    assert!(said.contains("journal.db-wal is a directory; move it away"), "{said}");
    let reader = on_disk.read().await.unwrap();
    assert_eq!(reader.sound(1).await.unwrap().to, 10);
    assert!(reader.refused().unwrap().contains("journal.db-wal is a directory"));
}

#[tokio::test]
async fn a_first_start_that_was_cut_short_is_begun_again() {
    let touched = Place::sqlite();
    std::fs::write(touched.path(), "").unwrap();
    std::fs::write(beside(&touched, ".lock"), "").unwrap();
    std::fs::write(beside(&touched, "-wal"), "").unwrap();
    let header = Place::sqlite();
    header.sql("PRAGMA journal_mode = WAL").await;
    // The first table is on its way into the log and not committed.
    let half = Place::sqlite();
    half.sql("PRAGMA journal_mode = WAL").await;
    let mut connection = half.connect().await;
    connection
        .execute("PRAGMA cache_size = 1; BEGIN; CREATE TABLE a (b); INSERT INTO a VALUES (zeroblob(99999))")
        .await
        .unwrap();
    let log = std::fs::read(beside(&half, "-wal")).unwrap();
    connection.close().await.unwrap();
    std::fs::write(beside(&half, "-wal"), &log).unwrap();
    assert!(!log.is_empty());
    // The first step of all was on its way into the file itself, of which only a writer can take it back.
    let cut = Place::sqlite();
    let mut connection = cut.connect().await;
    connection
        .execute("PRAGMA cache_size = 1; BEGIN; CREATE TABLE a (b); INSERT INTO a VALUES (zeroblob(99999))")
        .await
        .unwrap();
    let [file, undo] = [cut.path(), beside(&cut, "-journal")].map(|path| std::fs::read(path).unwrap());
    connection.close().await.unwrap();
    assert!(!file.is_empty() && !undo.is_empty());
    std::fs::write(cut.path(), &file).unwrap();
    std::fs::write(beside(&cut, "-journal"), &undo).unwrap();
    let places = [
        ("a file without a byte", touched),
        ("a header", header),
        ("a log without a commit", half),
        ("a first step that was cut off", cut),
    ];
    for (what, place) in places {
        assert!(!Sqlite::is_at(&place.path(), &["tokens.json"]).await.unwrap(), "{what}");
        assert_eq!(place.open().await.append(many(1), Durable).await.unwrap(), 1, "{what}");
        assert!(Sqlite::is_at(&place.path(), &["tokens.json"]).await.unwrap(), "{what}");
    }
}

#[tokio::test]
async fn companions_say_that_there_was_a_journal_if_there_is_something_in_them() {
    const COMPANIONS: [&str; 2] = ["tokens.json", "archive"];
    let open = async |place: &Place| {
        let opened = Sqlite::open_beside(&place.path(), &COMPANIONS, &config(), world(), counts(1)).await;
        opened.map(drop).map_err(|error| error.to_string())
    };
    let place = Place::sqlite();
    let at = |name: &str| place.path().with_file_name(name);
    std::fs::create_dir(at("archive")).unwrap();
    std::fs::write(at("syzygy.toml"), "[api]").unwrap();
    std::fs::write(at("archive/journal-1.jsonl"), "{}").unwrap();
    assert!(open(&place).await.unwrap_err().contains("(archive)"));
    std::fs::write(at("tokens.json"), "[]").unwrap();
    assert!(open(&place).await.unwrap_err().contains("(tokens.json, archive)"));
    assert!(matches!(OnDisk::at(&place.path(), counts(1)).beside(&COMPANIONS).read().await, Err(Error::Gone { .. })));
    assert!(!place.path().exists());
    std::fs::remove_file(at("archive/journal-1.jsonl")).unwrap();
    std::fs::remove_file(at("tokens.json")).unwrap();
    open(&place).await.unwrap();
    // A journal is taken as it is, whatever lies beside it, and gets its mark if an older program made it.
    std::fs::remove_file(beside(&place, ".made")).unwrap();
    std::fs::write(at("tokens.json"), "[]").unwrap();
    while let Err(said) = open(&place).await {
        assert!(said.contains("another host"), "{said}");
        tokio::task::yield_now().await;
    }
    assert!(beside(&place, ".made").exists());
}

#[tokio::test]
async fn a_restored_journal_has_its_mark() {
    let (place, _journal) = with_ten_events().await;
    let file = place.path().with_file_name("one.backup");
    OnDisk::at(&place.path(), counts(1)).backup(&file, &[]).await.unwrap();
    let other = Place::sqlite();
    let on_disk = OnDisk::at(&other.path(), counts(1));
    on_disk.restore(&file).await.unwrap();
    std::fs::remove_file(other.path()).unwrap();
    assert!(matches!(refused(&other).await, Error::Gone { .. }));
    // The mark does not stand in the way of putting it back.
    on_disk.restore(&file).await.unwrap();
    assert_eq!(everything(&*other.open().await).await.len(), 10);
    std::fs::write(&file, "").unwrap();
    let said = OnDisk::at(&Place::sqlite().path(), counts(1)).restore(&file).await.unwrap_err().to_string();
    assert!(said.contains("it is empty; name a file that `syzygy backup` wrote"), "{said}");
}

#[tokio::test]
async fn what_stands_in_the_way_is_named() {
    for (end, word) in [
        ("", "journal.db: it is a directory; move it away"),
        ("-wal", "journal.db-wal is a directory; move it away"),
        ("-shm", "journal.db-shm is a directory; move it away"),
        (".lock", "journal.db.lock: Is a directory"),
    ] {
        let (place, journal) = with_ten_events().await;
        journal.close().await.unwrap();
        let _ = std::fs::remove_file(beside(&place, end));
        std::fs::create_dir(beside(&place, end)).unwrap();
        let error = refused(&place).await;
        let said = error.to_string();
        assert!(matches!(error, Error::Open { .. }) && said.contains(word), "{said}");
        assert!(!said.contains("audit export"), "{said}");
        if end.is_empty() {
            let read = OnDisk::at(&place.path(), counts(1)).read().await.map(drop).unwrap_err().to_string();
            assert!(read.contains(word), "{read}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_no_journal_is_described_and_advice_is_given_that_can_be_followed() {
    let (place, journal) = with_ten_events().await;
    journal.close().await.unwrap();
    let whole = std::fs::read(place.path()).unwrap();
    let length = whole.len();
    let half = &whole[..length / 2];
    for (bytes, word, readable) in [
        (b"no database at all\n".repeat(1_000).as_slice(), "it does not begin as a journal does".to_owned(), false),
        (&whole[..7], "it has 7 bytes, and the header alone has 100".to_owned(), false),
        (
            &whole[..2_000],
            format!("it has 2000 of {length} bytes: the rest was cut off, and nothing can be read"),
            false,
        ),
        (half, format!("it has {} of {length} bytes: the rest was cut off", half.len()), true),
    ] {
        std::fs::write(place.path(), bytes).unwrap();
        let error = refused(&place).await;
        let said = error.to_string();
        assert!(matches!(error, Error::Corrupt(_)) && said.contains(&word), "{said}");
        assert_eq!(said.contains("`syzygy audit export` saves"), readable, "{said}");
        assert!(said.contains("syzygy restore"), "{said}");
        let read = OnDisk::at(&place.path(), counts(1)).read().await;
        assert_eq!(read.is_ok(), readable, "{word}");
        assert_eq!(std::fs::read(place.path()).unwrap(), bytes, "{word}");
    }
}
