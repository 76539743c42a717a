//! What is proved before anything is written, and what is lost of a log.

use super::super::super::tests::{Place, counts, many, said};
use super::super::log::{Lost, lost};
use super::super::*;
use super::{forge, with_ten_events};
use Durability::Durable;

#[tokio::test]
async fn a_row_that_the_events_do_not_make_is_not_built_upon_until_it_is_made_anew() {
    let (place, journal) = with_ten_events().await;
    journal.close().await.unwrap();
    place.sql("UPDATE rows SET value = '{}'").await;
    let Err(error) = place.try_open(counts(1)).await else { panic!("it is built upon") };
    assert!(error.to_string().contains("`syzygy audit rebuild` makes the rows anew"), "{error}");
    OnDisk::at(&place.path(), counts(1)).rebuild().await.unwrap();
    place.open().await.close().await.unwrap();
}

/// A journal whose last commits are in its log alone, as a kill leaves it.
async fn killed() -> Place {
    let place = Place::sqlite();
    let journal = place.open().await;
    for _ in 0..6 {
        journal.append(many(20), Durable).await.unwrap();
    }
    let left = Place::sqlite();
    for end in ["", "-wal"] {
        std::fs::copy(connect::beside(&place.path(), end), connect::beside(&left.path(), end)).unwrap();
    }
    journal.close().await.unwrap();
    left
}

#[tokio::test]
async fn commits_behind_a_damaged_frame_are_told_and_their_log_is_kept() {
    let place = killed().await;
    let log = connect::beside(&place.path(), "-wal");
    let whole = std::fs::read(&log).unwrap();
    assert_eq!(lost(&place.path()), None);
    let frame = 24 + 4_096;
    let frames = (whole.len() - 32) / frame;
    let mut damaged = whole.clone();
    damaged[32 + frame * (frames / 2) + 100] ^= 1;
    std::fs::write(&log, &damaged).unwrap();
    let Some(Lost { sound, frames: behind, commits }) = lost(&place.path()) else { panic!("nothing is lost") };
    assert_eq!((sound as usize, behind as usize), (frames / 2, frames - frames / 2 - 1));
    assert!(commits > 1, "{commits}");
    let on_disk = OnDisk::at(&place.path(), counts(1));
    let found = on_disk.verify().await.unwrap();
    let bad = found.first_bad.unwrap();
    assert_eq!(bad.seq, found.verified + 1);
    assert!(bad.reason.contains("write-ahead log is damaged"), "{}", bad.reason);
    assert!(on_disk.read().await.unwrap().refused().unwrap().contains("lost"));
    assert!(std::fs::read(&log).unwrap() == damaged, "looking changed the log");
    // A power cut can leave this, so the host starts; what it could not read is there for whoever can.
    let journal = place.open().await;
    assert!(std::fs::read(connect::beside(&place.path(), "-wal.lost-1")).unwrap() == damaged);
    journal.append(vec![said("again")], Durable).await.unwrap();
    assert_eq!(journal.verify().await.unwrap().first_bad, None);
    journal.close().await.unwrap();
    assert_eq!(on_disk.verify().await.unwrap().first_bad, None);
}

#[tokio::test]
async fn a_log_that_ends_early_and_one_that_was_used_again_lack_nothing() {
    let place = killed().await;
    let log = connect::beside(&place.path(), "-wal");
    let whole = std::fs::read(&log).unwrap();
    for length in [0, 5, 32, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&log, &whole[..length]).unwrap();
        assert_eq!(lost(&place.path()), None, "cut to {length}");
    }
    // Of a log that is begun anew the rest of the one before it is left, under another salt.
    std::fs::write(&log, &whole).unwrap();
    let journal = place.open().await;
    let mut connection = place.connect().await;
    for _ in 0..3 {
        sqlx::query("PRAGMA wal_checkpoint(RESTART)").execute(&mut connection).await.unwrap();
        journal.append(vec![said("again")], Durable).await.unwrap();
        assert_eq!(lost(&place.path()), None);
    }
    drop(connection);
    journal.close().await.unwrap();
}

#[tokio::test]
async fn of_a_long_journal_the_newest_events_are_proved_and_the_rest_is_left_to_be() {
    let place = Place::sqlite();
    let journal = place.open().await;
    for _ in 0..21 {
        journal.append(many(500), Durable).await.unwrap();
    }
    assert!(!journal.view().unproved, "whoever writes them knows them");
    journal.close().await.unwrap();
    forge(&place, "UPDATE events SET source = 'tests' WHERE seq = 7").await;
    let journal = place.open().await;
    assert!(journal.view().unproved);
    assert_eq!(journal.verify().await.unwrap().first_bad.unwrap().seq, 7);
    journal.close().await.unwrap();
    place.sql("UPDATE events SET source = 'tests' WHERE seq = 10400").await;
    let Err(error) = place.try_open(counts(1)).await else { panic!("it is built upon") };
    assert!(error.to_string().contains("event 10400: "), "{error}");
}
