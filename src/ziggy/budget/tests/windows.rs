//! Windows are those of the calendar, and time never goes back.

use super::{NOW, SECOND, at};
use crate::types::Timestamp;
use crate::ziggy::budget::{Time, Window, date};

#[test]
fn windows_begin_and_end_with_the_calendar_of_utc() {
    let rows = [
        (Window::Minute, "2026-03-14T15:09:00", Some("2026-03-14T15:10:00")),
        (Window::Day, "2026-03-14T00:00:00", Some("2026-03-15T00:00:00")),
        (Window::Month, "2026-03-01T00:00:00", Some("2026-04-01T00:00:00")),
        (Window::Total, "1970-01-01T00:00:00", None),
    ];
    for (window, began, ends) in rows {
        let period = window.period(NOW);
        assert_eq!(period.began.rfc3339(), format!("{began}.000000Z"), "{window:?}");
        assert_eq!(period.ends.map(Timestamp::rfc3339), ends.map(|ends| format!("{ends}.000000Z")), "{window:?}");
    }
}

#[test]
fn every_month_follows_the_one_before_without_a_gap() {
    let mut began = date("1969-11-01").unwrap();
    let mut lengths = Vec::new();
    for _ in 0..2_400 {
        let period = Window::Month.period(began);
        let ends = period.ends.unwrap();
        assert_eq!(period.began, began, "{}", began.rfc3339());
        assert_eq!(Window::Month.period(Timestamp(ends.0 - 1)).began, began);
        lengths.push((ends.0 - began.0) / (86_400 * SECOND));
        began = ends;
    }
    // 200 years have 49 leap days here: 2000 is one, 2100 is none.
    assert_eq!(lengths.iter().sum::<i64>(), 200 * 365 + 49);
    assert!(lengths.iter().all(|length| (28..=31).contains(length)));
}

#[test]
fn a_date_is_a_day_that_exists() {
    assert_eq!(date("2024-02-29").unwrap().rfc3339(), "2024-02-29T00:00:00.000000Z");
    for wrong in
        ["2023-02-29", "2024-13-01", "2024-1-1", "24-01-01", "2024-01-32", "2024-01-01T00:00", "+024-01-01", ""]
    {
        assert_eq!(date(wrong), None, "{wrong}");
    }
}

// B4.
#[test]
fn the_ledgers_time_never_goes_back_and_never_stands_still() {
    let second = SECOND.unsigned_abs();
    let mut time = Time::since(at(-60));
    assert_eq!(time.now(NOW, 0), NOW);
    assert_eq!(time.now(at(10), 10 * second), at(10));
    // The wall goes a day back: its time goes on at the pace of the other clock.
    assert_eq!(time.now(at(-86_400), 11 * second), at(11));
    assert_eq!(time.now(at(-86_399), 12 * second), at(12));
    // It jumps a year ahead for a moment, and comes back.
    let year = 365 * 86_400;
    assert_eq!(time.now(at(year), 13 * second), at(year));
    assert_eq!(time.now(at(14), 14 * second), at(year + 1));
    // After a start behind what the journal knows it begins there.
    let mut after = Time::since(at(year));
    assert_eq!(after.now(NOW, 5 * second), at(year + 5));
}
