//! Files that are damaged, old, locked, out of reach or forged at their anchor; and copies of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::{Connection, Executor};

use super::super::super::tests::{Place, counts, everything, many, said, world};
use super::super::*;
use super::{first_bad, with_ten_events};
use crate::types::{Random, Seeded};
use Durability::Durable;

fn on_disk(place: &Place) -> OnDisk {
    OnDisk::at(&place.path(), counts(1))
}

async fn archived_up_to_six() -> (Place, Arc<dyn Journal>) {
    let (place, journal) = with_ten_events().await;
    journal.compact(6, "one").await.unwrap();
    (place, journal)
}

#[tokio::test]
async fn the_tables_let_nothing_go_that_the_anchor_has_not_passed() {
    let (place, _journal) = archived_up_to_six().await;
    let mut connection = place.connect().await;
    for statement in [
        "DELETE FROM events WHERE seq = 7",
        "UPDATE anchor SET seq = 5",
        "UPDATE anchor SET seq = 8",
        "UPDATE anchor SET seq = 99",
        "DELETE FROM anchor",
    ] {
        let refused = connection.execute(statement).await.unwrap_err();
        assert!(refused.to_string().contains("never"), "{statement}: {refused}");
    }
}

#[tokio::test]
async fn an_anchor_that_no_event_speaks_of_is_found() {
    for (forgery, bad, word) in [
        // A forger who moves the anchor in order, with the hash of the event, and lets more go.
        (
            "UPDATE anchor SET (seq, hash) = (SELECT seq, hash FROM events WHERE seq = 8); \
             DELETE FROM events WHERE seq <= 8",
            8,
            "no journal.compacted event says so",
        ),
        ("DELETE FROM base WHERE key = 'step.done'", 6, "the rows that the archived events"),
        ("UPDATE base SET value = '{}'", 6, "the rows that the archived events"),
        ("INSERT INTO base VALUES ('counts', 'new', '{}')", 6, "the rows that the archived events"),
        ("DROP TRIGGER the_anchor_moves_onto_an_event; UPDATE anchor SET hash = zeroblob(32)", 7, "hash"),
        ("DROP TRIGGER the_anchor_is_never_removed; DELETE FROM anchor", 1, "begins is missing"),
    ] {
        let (place, journal) = archived_up_to_six().await;
        place.sql(forgery).await;
        let (_, seq, reason) = first_bad(&*journal).await;
        assert!(seq == bad && reason.contains(word), "{forgery}: {seq} {reason}");
    }
}

#[tokio::test]
async fn a_crash_between_the_two_halves_of_a_compaction_loses_nothing() {
    let (place, journal) = with_ten_events().await;
    journal.close().await.unwrap();
    let mut connection = place.connect().await;
    let what = compact::prepare(&mut connection, &counts(1), 6, "one").await.unwrap().unwrap();
    connection.close().await.unwrap();
    let journal = place.open().await;
    journal.append(vec![NewEvent::new(super::super::super::COMPACTED, None, "store", &what)], Durable).await.unwrap();
    let found = journal.verify().await.unwrap();
    assert_eq!((found.archived, found.verified, found.first_bad), (0, 11, None));
    assert_eq!(journal.compact(6, "one").await.unwrap(), 12);
    assert_eq!(journal.verify().await.unwrap().first_bad, None);
}

#[tokio::test]
async fn a_journal_of_the_first_schema_is_read_as_it_is_and_brought_up_to_date_when_opened() {
    let (place, journal) = with_ten_events().await;
    journal.close().await.unwrap();
    place
        .sql(
            "DROP TABLE anchor; DROP TABLE base; DROP TRIGGER events_are_never_deleted; \
             CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'never'); END; \
             DELETE FROM _sqlx_migrations WHERE version = 2",
        )
        .await;
    let before = std::fs::read(place.path()).unwrap();
    assert_eq!(on_disk(&place).verify().await.unwrap().verified, 10);
    let reader = on_disk(&place).read().await.unwrap();
    assert_eq!((reader.sound(1).await.unwrap().to, reader.after(0, Hash::ZERO, 99).await.unwrap().len()), (10, 10));
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
    let journal = place.open().await;
    assert_eq!(journal.compact(5, "one").await.unwrap(), 11);
    assert_eq!(journal.verify().await.unwrap().first_bad, None);
}

#[tokio::test]
async fn what_a_newer_program_wrote_can_still_be_read() {
    let (place, journal) = with_ten_events().await;
    journal.close().await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (99, 'the future', true, x'00', 0)";
    place.sql(newer).await;
    assert!(matches!(on_disk(&place).verify().await, Err(Error::Newer { found: 99, .. })));
    let reader = on_disk(&place).read().await.unwrap();
    assert_eq!(reader.sound(1).await.unwrap().damage, None);
    assert_eq!(reader.after(0, Hash::ZERO, 99).await.unwrap().len(), 10);
}

#[tokio::test]
async fn what_stands_before_and_after_a_changed_event_is_read() {
    let (place, journal) = with_ten_events().await;
    journal.close().await.unwrap();
    super::forge(&place, "UPDATE events SET source = 'tests' WHERE seq = 5").await;
    let reader = on_disk(&place).read().await.unwrap();
    let sound = reader.sound(1).await.unwrap();
    let damage = sound.damage.unwrap();
    assert_eq!((sound.from, sound.to, damage.bad.seq, damage.next, damage.last), (1, 4, 5, Some(6), Some(10)));
    let rest = reader.sound(6).await.unwrap();
    assert_eq!((rest.from, rest.to, rest.damage), (6, 10, None));
    place.sql("UPDATE events SET hash = x'00' WHERE seq = 8").await;
    let after = on_disk(&place).read().await.unwrap().sound(9).await.unwrap();
    let damage = after.damage.unwrap();
    assert_eq!((after.from, after.to, damage.bad.seq, damage.next), (9, 8, 9, Some(10)), "{}", damage.bad.reason);
}

/// A journal that fills some pages, and its events.
async fn large() -> (Place, Vec<Event>) {
    let place = Place::sqlite();
    let journal = place.open().await;
    for _ in 0..6 {
        journal.append(many(50), Durable).await.unwrap();
    }
    journal.put_payload(vec![7; 20_000]).await.unwrap();
    let events = everything(&*journal).await;
    journal.close().await.unwrap();
    (place, events)
}

/// Looks at a damaged file in every way that does not write, and says whether verification found it.
async fn looked_at(what: &str, damaged: &[u8], events: &[Event]) -> bool {
    let place = Place::sqlite();
    std::fs::write(place.path(), damaged).unwrap();
    let found = match on_disk(&place).verify().await {
        Ok(found) => found.first_bad.is_some(),
        Err(Error::Corrupt(_) | Error::Open { .. } | Error::Newer { .. }) => true,
        Err(other) => panic!("{what}: {other}"),
    };
    let read = async {
        let reader = on_disk(&place).read().await?;
        let sound = reader.sound(1).await?;
        let read = reader.after(0, Hash::ZERO, usize::try_from(sound.to).unwrap()).await?;
        Ok::<_, Error>((sound, read))
    };
    match read.await {
        Ok((sound, read)) => {
            assert!(read == events[..read.len()], "{what}: not what was written");
            assert_eq!(read.len() as u64, sound.to, "{what}");
            assert!(sound.damage.is_some() || sound.to == events.len() as u64, "{what}");
        }
        Err(Error::Corrupt(_) | Error::Open { .. }) => assert!(found, "{what}: only reading found it"),
        Err(other) => panic!("{what}: {other}"),
    }
    assert!(std::fs::read(place.path()).unwrap() == damaged, "{what}: looking changed the file");
    let opened = place.try_open(counts(1)).await;
    assert_eq!(
        opened.is_err(),
        found,
        "{what}: what verification finds is not built upon, and nothing else is refused"
    );
    if found {
        assert!(std::fs::read(place.path()).unwrap() == damaged, "{what}: a refused opening changed the file");
    }
    found
}

#[tokio::test]
async fn any_damaged_byte_is_found_or_harmless_and_what_comes_before_it_is_read() {
    let (place, events) = large().await;
    let whole = std::fs::read(place.path()).unwrap();
    assert!(!looked_at("nothing", &whole, &events).await);
    let random = Seeded::new(20_261_122);
    let mut found = 0;
    for _ in 0..150 {
        let at = usize::try_from(random.next() % whole.len() as u64).unwrap();
        let mut damaged = whole.clone();
        damaged[at] ^= u8::try_from(random.next() % 255 + 1).unwrap();
        found += usize::from(looked_at(&format!("byte {at}"), &damaged, &events).await);
    }
    assert!(found > 75, "most bytes mean something, but {found} of 150 were found");
}

#[tokio::test]
async fn torn_and_lost_pages_are_found() {
    let (place, events) = large().await;
    let live: BTreeSet<usize> = pages_of_events(&place).await.into_iter().map(|(page, _)| page).collect();
    let whole = std::fs::read(place.path()).unwrap();
    const PAGE: usize = 4_096;
    let random = Seeded::new(7);
    let mut torn_events = 0;
    for page in 0..whole.len() / PAGE {
        let mut torn = whole.clone();
        torn[page * PAGE + PAGE / 2..(page + 1) * PAGE].fill(0);
        let meant = whole[page * PAGE + PAGE / 2..(page + 1) * PAGE].iter().any(|byte| *byte != 0);
        let found = looked_at(&format!("torn page {page}"), &torn, &events).await;
        // Cells are written from the end of a page, so what holds events holds some there. The half of any other page
        // may be free space, or left over from what was there before, and nobody can tell.
        let tells = page == 0 || live.contains(&(page + 1));
        assert!(found || !meant || !tells, "page {page}");
        torn_events += usize::from(tells && meant);
    }
    assert!(torn_events > 4, "only {torn_events} pages were torn that hold something");
    for _ in 0..10 {
        let length = usize::try_from(random.next() % whole.len() as u64).unwrap();
        let found = looked_at(&format!("cut to {length}"), &whole[..length], &events).await;
        assert!(found, "cut to {length}");
    }
}

/// Which pages hold events, in the order of the events, and how many each holds.
async fn pages_of_events(place: &Place) -> Vec<(usize, u64)> {
    let leaves = "SELECT pageno, ncell FROM dbstat WHERE name = 'events' AND pagetype = 'leaf' ORDER BY path";
    let mut connection = place.connect().await;
    let rows: Vec<(i64, i64)> = sqlx::query_as(leaves).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows.into_iter().map(|(page, cells)| (usize::try_from(page).unwrap(), u64::try_from(cells).unwrap())).collect()
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_read_up_to_the_first_page_that_is_gone() {
    let (place, events) = large().await;
    let leaves = pages_of_events(&place).await;
    let whole = std::fs::read(place.path()).unwrap();
    let (pages, last) = (whole.len() / 4_096, events.len() as u64);
    let mut lengths = std::collections::BTreeSet::new();
    for left in 1..pages {
        let cut = Place::sqlite();
        std::fs::write(cut.path(), &whole[..left * 4_096]).unwrap();
        let expected: u64 = leaves.iter().take_while(|(page, _)| *page <= left).map(|(_, events)| events).sum();
        let reader = on_disk(&cut).read().await.unwrap();
        let sound = reader.sound(1).await.unwrap();
        assert_eq!((sound.from, sound.to), (1, expected), "{left} of {pages} pages");
        let readable = usize::try_from(expected).unwrap();
        let read = reader.after(0, Hash::ZERO, readable).await.unwrap();
        assert_eq!(read, events[..readable], "{left} of {pages} pages");
        assert!(reader.refused().unwrap().contains("the rest was cut off"), "{:?}", reader.refused());
        lengths.insert(expected);
        if expected == last {
            continue;
        }
        let damage = sound.damage.unwrap();
        assert_eq!(damage.bad.seq, expected + 1);
        if expected > 0 {
            assert_eq!(damage.last, Some(last), "the row that counts them is still there");
        }
        let found = on_disk(&cut).verify().await.unwrap();
        assert_eq!((found.verified, found.first_bad.unwrap().seq), (expected, expected + 1), "{left} of {pages} pages");
        assert!(matches!(cut.try_open(counts(1)).await.map(drop), Err(Error::Corrupt(_))));
    }
    assert!(lengths.len() > 5, "events stand on several pages: {lengths:?}");
}

#[tokio::test]
async fn a_file_that_was_cut_short_beside_its_log_is_read_with_it() {
    let (place, journal) = with_ten_events().await;
    journal.close().await.unwrap();
    let journal = place.open().await;
    for _ in 0..6 {
        journal.append(many(50), Durable).await.unwrap();
    }
    let after = super::crash(&place);
    let whole = std::fs::read(after.path()).unwrap();
    std::fs::write(after.path(), &whole[..whole.len() - 4_096]).unwrap();
    let reader = on_disk(&after).read().await.unwrap();
    let sound = reader.sound(1).await.unwrap();
    let read = reader.after(0, Hash::ZERO, usize::try_from(sound.to).unwrap()).await.unwrap();
    assert_eq!(read, everything(&*journal).await[..read.len()]);
    assert!(sound.to >= 10, "{sound:?}");
}

#[tokio::test]
async fn a_file_that_another_program_locks_is_refused_in_words_and_still_read() {
    let (place, journal) = with_ten_events().await;
    journal.close().await.unwrap();
    let mut shell = place.connect().await;
    shell.execute("PRAGMA locking_mode = EXCLUSIVE").await.unwrap();
    shell.execute("BEGIN EXCLUSIVE; UPDATE head SET seq = seq").await.unwrap();
    let refused = place.try_open(counts(1)).await.map(drop).unwrap_err();
    assert!(refused.to_string().contains("another program holds the file"), "{refused}");
    let reader = on_disk(&place).read().await.unwrap();
    assert_eq!(reader.sound(1).await.unwrap().to, 10);
    shell.execute("ROLLBACK").await.unwrap();
    shell.close().await.unwrap();
    place.open().await;
}

#[tokio::test]
async fn a_backup_of_a_journal_in_use_is_whole_and_restores() {
    let (place, journal) = with_ten_events().await;
    let hash = journal.put_payload(b"kept".to_vec()).await.unwrap();
    let (from, file) = (on_disk(&place), place.path().with_file_name("one.backup"));
    let appending = tokio::join!(
        async {
            for _ in 0..50 {
                journal.append(many(3), Durable).await.unwrap();
            }
        },
        from.backup(&file, &[]),
    );
    let kept = appending.1.unwrap();
    assert!(kept.events >= 10 && (kept.events - 10) % 3 == 0, "{kept:?}");
    let file = place.path().with_file_name("two.backup");
    let own = Belonging { name: "agents/own.toml".to_owned(), bytes: b"name = 'own'".to_vec() };
    let kept = on_disk(&place).backup(&file, std::slice::from_ref(&own)).await.unwrap();
    assert_eq!((kept.events, kept.files.as_slice()), (160, [own.name.clone()].as_slice()));
    assert!(matches!(on_disk(&place).backup(&file, &[]).await, Err(Error::Exists { .. })));

    let other = Place::sqlite();
    let restored = on_disk(&other).restore(&file).await.unwrap();
    assert_eq!((restored.events, restored.head), (kept.events, kept.head));
    assert_eq!(std::fs::read(other.path().with_file_name("agents").join("own.toml")).unwrap(), own.bytes);
    assert!(matches!(on_disk(&other).restore(&file).await, Err(Error::Exists { .. })));
    let again = other.open().await;
    assert_eq!(everything(&*again).await, everything(&*journal).await);
    assert_eq!(again.get_payload(hash).await.unwrap(), Some(b"kept".to_vec()));
    assert_eq!(again.append(many(1), Durable).await.unwrap(), 161);
    assert_eq!(again.verify().await.unwrap().first_bad, None);
    let left: Vec<_> =
        std::fs::read_dir(place.path().parent().unwrap()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains(".part")), "{left:?}");
}

#[tokio::test]
async fn nothing_is_made_of_or_from_what_is_damaged() {
    let (place, journal) = with_ten_events().await;
    let file = place.path().with_file_name("good.backup");
    on_disk(&place).backup(&file, &[]).await.unwrap();
    super::forge(&place, "UPDATE events SET source = 'tests' WHERE seq = 5").await;
    let refused = on_disk(&place).backup(&place.path().with_file_name("bad.backup"), &[]).await.unwrap_err();
    assert!(matches!(&refused, Error::Corrupt(reason) if reason.starts_with("event 5")), "{refused}");
    assert!(!place.path().with_file_name("bad.backup").exists());
    journal.close().await.unwrap();
    assert!(matches!(on_disk(&place).rebuild().await, Err(Error::Corrupt(_))));

    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(9).position(|window| window == b"step.done").unwrap();
    bytes[at] = b'S';
    std::fs::write(&file, bytes).unwrap();
    let other = Place::sqlite();
    assert!(matches!(on_disk(&other).restore(&file).await, Err(Error::Corrupt(_))));
    assert!(!other.path().exists());

    for name in ["../outside", "/outside", "a/../../outside", ""] {
        let (place, _journal) = with_ten_events().await;
        let (file, wrong) = (place.path().with_file_name("b"), Belonging { name: name.to_owned(), bytes: vec![1] });
        on_disk(&place).backup(&file, &[wrong]).await.unwrap();
        let other = Place::sqlite();
        let refused = on_disk(&other).restore(&file).await.unwrap_err();
        assert!(!other.path().exists(), "{name:?}: {refused}");
    }
}

#[tokio::test]
async fn rows_are_made_anew_and_only_while_nobody_has_the_journal() {
    let (place, journal) = archived_up_to_six().await;
    journal.append(vec![said("a")], Durable).await.unwrap();
    let row = journal.row("counts", "step.done").await.unwrap();
    place.sql("UPDATE rows SET value = '{\"count\":99}' WHERE key = 'step.done'").await;
    assert!(first_bad(&*journal).await.2.contains("`syzygy audit rebuild`"));
    assert!(matches!(on_disk(&place).rebuild().await, Err(Error::InUse { .. })));
    journal.close().await.unwrap();
    let found = on_disk(&place).rebuild().await.unwrap();
    assert_eq!((found.archived, found.verified, found.first_bad), (6, 6, None));
    let journal = Sqlite::open(&place.path(), &super::config(), world(), counts(1)).await.unwrap();
    assert_eq!(journal.row("counts", "step.done").await.unwrap(), row);
}
