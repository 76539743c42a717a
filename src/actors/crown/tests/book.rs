//! The book of alerts: one for each thing that is so, over when it is over, silent where somebody wants silence.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::actors::crown::book::{Book, Entry, Report, kind};
use crate::actors::crown::{AlertState, AlertsConfig, Severity, Silence};
use crate::actors::tests::{BEGIN, SECOND, later, read};
use crate::types::Timestamp;

fn config() -> AlertsConfig {
    read(serde_json::json!({
        "quiet_s": 10, "silences_most": 2, "rules": [], "webhooks": [
            { "name": "all", "url": "http://x", "least": "notice", "within_s": 1, "attempts": 3, "wait_s": 1, "wait_most_s": 4 },
            { "name": "bad", "url": "http://x", "least": "critical", "within_s": 1, "attempts": 3, "wait_s": 1, "wait_most_s": 4 },
        ],
    }))
}

fn book() -> Book {
    Book::new(config(), 3, Vec::new(), Vec::new())
}

fn report(severity: Severity, kind: &str, subject: &str) -> Report {
    Report::of(severity, kind, subject, "it happened".to_owned())
}

fn kinds(entries: &[Entry]) -> Vec<(&str, u64)> {
    entries.iter().map(|(kind, alert)| (*kind, alert.id)).collect()
}

fn at(seconds: u32) -> Timestamp {
    later(seconds * SECOND)
}

#[test]
fn what_comes_again_while_it_fires_is_counted_and_after_that_is_a_new_alert() {
    let mut book = book();
    let restart = || report(Severity::Warning, "actor_restarted", "host/a");
    assert_eq!(kinds(&book.raise(restart(), at(0))), [(kind::RAISED, 1)]);
    assert_eq!(kinds(&book.raise(restart(), at(6))), [(kind::REPEATED, 1)]);
    assert_eq!((book.alerts().len(), book.alerts()[0].count, book.firing()), (1, 2, 1));
    let none = BTreeSet::new();
    assert_eq!(kinds(&book.settle(&none, at(15))), [], "nine seconds after the last time");
    assert_eq!(kinds(&book.settle(&none, at(16))), [(kind::RESOLVED, 1)]);
    assert_eq!((book.alerts()[0].state, book.alerts()[0].resolved_at), (AlertState::Resolved, Some(at(16))));
    assert_eq!(kinds(&book.raise(restart(), at(17))), [(kind::RAISED, 2)]);
}

// BK2.
#[test]
fn what_lasts_is_over_when_its_condition_is() {
    let mut book = book();
    let down = Report { lasting: true, ..report(Severity::Critical, "runtime_down", "host/r") };
    let holding: BTreeSet<String> = [down.fingerprint()].into();
    book.raise(down, at(0));
    assert_eq!(kinds(&book.settle(&holding, at(1_000))), []);
    assert_eq!(kinds(&book.settle(&BTreeSet::new(), at(1_001))), [(kind::RESOLVED, 1)]);
}

#[test]
fn webhooks_hear_of_what_is_bad_enough_and_never_of_themselves() {
    let mut book = book();
    let told = |entries: Vec<Entry>| entries[0].1.told.clone();
    assert_eq!(told(book.raise(report(Severity::Warning, "a", "x"), at(0))), ["all"]);
    assert_eq!(told(book.raise(report(Severity::Critical, "b", "x"), at(0))), ["all", "bad"]);
    assert_eq!(told(book.raise(report(Severity::Critical, "c", "webhook:all"), at(0))), ["bad"]);
    let over = book.settle(&BTreeSet::new(), at(60));
    assert_eq!(over[1].1.told, ["all", "bad"], "they hear that it is over too");
}

fn silence(matcher: &[(&str, &str)], until: Timestamp) -> Silence {
    let matcher = matcher.iter().map(|(name, pattern)| ((*name).to_owned(), (*pattern).to_owned())).collect();
    let (author, reason) = ("ada".to_owned(), "a move".to_owned());
    Silence { id: 0, matcher, until, author, reason, since: BEGIN }
}

// BK3.
#[test]
fn whoever_is_silenced_is_recorded_and_nobody_is_told() {
    let mut book = book();
    let kept = book.silence(silence(&[("subject", "host/a*"), ("kind", "b")], at(50)), at(0)).unwrap();
    assert_eq!(kept.id, 1);
    let raised = |book: &mut Book, kind: &str, subject: &str, now| {
        let alert = book.raise(report(Severity::Critical, kind, subject), now).remove(0).1;
        (alert.silenced_by, alert.told.len())
    };
    assert_eq!(raised(&mut book, "b", "host/agents/x", at(1)), (Some(1), 0));
    assert_eq!(raised(&mut book, "c", "host/agents/x", at(1)), (None, 2), "all of the matcher has to fit");
    assert_eq!(raised(&mut book, "b", "host/b", at(1)), (None, 2));
    assert_eq!(raised(&mut book, "b", "host/agents/y", at(50)), (None, 2), "it has ended");
    assert_eq!(book.silences(at(49)).len(), 1);
    assert_eq!(book.unsilence(1).map(|one| one.id), Some(1));
    assert!(book.unsilence(1).is_none());
}

#[test]
fn a_silence_has_a_matcher_an_end_a_reason_and_a_limit() {
    let mut book = book();
    let good = silence(&[("kind", "x")], at(50));
    let rows = [
        (silence(&[], at(50)), "says what it is for"),
        (silence(&[("kind", "")], at(50)), "says what it is for"),
        (silence(&[("kind", "x")], at(1)), "must end in the future"),
        (Silence { reason: " ".to_owned(), ..good.clone() }, "needs a reason"),
    ];
    for (wrong, expected) in rows {
        let said = book.silence(wrong, at(1)).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
    book.silence(good.clone(), at(1)).unwrap();
    book.silence(good.clone(), at(1)).unwrap();
    assert!(book.silence(good.clone(), at(1)).unwrap_err().contains("at most 2 silences"));
    assert_eq!(book.silence(Silence { until: at(90), ..good }, at(51)).unwrap().id, 3, "the others have ended");
}

#[test]
fn an_alert_is_seen_by_the_first_who_says_so_and_only_while_it_is_kept() {
    let mut book = book();
    for number in 1..=5 {
        let entries = book.raise(report(Severity::Notice, "k", &number.to_string()), at(number));
        let expected: &[(&str, u64)] =
            if number > 3 { &[(kind::RAISED, number.into()), (kind::DROPPED, u64::from(number) - 3)] } else { &[] };
        assert!(number <= 3 || kinds(&entries) == expected, "{entries:?}");
    }
    let ids: Vec<u64> = book.alerts().iter().map(|alert| alert.id).collect();
    assert_eq!(ids, [5, 4, 3], "as many as are kept");
    assert!(book.acknowledge(1, "ada", at(9)).is_none(), "it is in the journal only");
    assert_eq!(kinds(&book.acknowledge(4, "ada", at(9)).unwrap()), [(kind::ACKNOWLEDGED, 4)]);
    assert_eq!(book.acknowledge(4, "bob", at(9)), Some(Vec::new()));
    assert_eq!(book.alerts()[1].acknowledged_by.as_deref(), Some("ada"));
    assert_eq!(book.open(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    /// BK1, BK4: whatever comes in whatever order, of one fingerprint one fires, and no more are kept than may be.
    #[test]
    fn one_fires_for_each_fingerprint_and_the_book_stays_small(
        steps in proptest::collection::vec((0_u8..4, 0_u8..3, 0_u32..40), 1..80),
    ) {
        let mut book = book();
        for (subject, what, seconds) in steps {
            let now = at(seconds);
            match what {
                0 | 1 => {
                    let lasting = what == 1;
                    book.raise(Report { lasting, ..report(Severity::Warning, "k", &subject.to_string()) }, now);
                }
                _ => { book.settle(&BTreeSet::new(), now); }
            }
            let alerts = book.alerts();
            prop_assert!(alerts.len() <= 3);
            let mut firing: BTreeMap<String, u32> = BTreeMap::new();
            for one in alerts.iter().filter(|one| one.state == AlertState::Firing) {
                *firing.entry(one.fingerprint.clone()).or_default() += 1;
            }
            prop_assert!(firing.values().all(|count| *count == 1), "{alerts:?}");
        }
    }
}
