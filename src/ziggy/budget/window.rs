//! Windows: fixed stretches of time, aligned to the calendar of UTC. Chosen over sliding ones because a fixed window
//! needs one sum, its end can be told to whoever waits for it, and a restart finds it again without any history.

use serde::{Deserialize, Serialize};

use crate::types::Timestamp;
use crate::types::planted::{Bug, planted};

/// How long a limit counts before it counts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BudgetWindow)]
pub enum Window {
    /// One request by itself.
    Request,
    /// From one full minute to the next.
    Minute,
    /// From midnight to midnight, UTC.
    Day,
    /// From the first of a month to the first of the next, UTC.
    Month,
    /// For ever.
    Total,
}

/// When a window began, and when it ends if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) began: Timestamp,
    pub(super) ends: Option<Timestamp>,
}

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 86_400 * SECOND;

impl Window {
    /// Every window, the shortest first.
    pub const ALL: [Window; 5] = [Window::Request, Window::Minute, Window::Day, Window::Month, Window::Total];

    /// The word used in config, JSON and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Window::Request => "request",
            Window::Minute => "minute",
            Window::Day => "day",
            Window::Month => "month",
            Window::Total => "total",
        }
    }

    /// The window of this kind that a moment lies in.
    pub(super) fn period(self, at: Timestamp) -> Period {
        let fixed = |length: i64| {
            let began = at.0.div_euclid(length).saturating_mul(length);
            Period { began: Timestamp(began), ends: Some(Timestamp(began.saturating_add(length))) }
        };
        match self {
            Window::Minute => fixed(MINUTE),
            Window::Day => fixed(DAY),
            Window::Month => {
                let (year, month, _) = civil(at.0.div_euclid(DAY));
                let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                let first = |year, month| Timestamp(days(year, month, 1).saturating_mul(DAY));
                Period { began: first(year, month), ends: Some(first(next.0, next.1)) }
            }
            // A request ends with itself, a total never.
            Window::Request | Window::Total => Period { began: Timestamp(0), ends: None },
        }
    }

    /// Its length for burn rates, in microseconds. A month counts as the 30 days of the formula's source, and a total as
    /// one month, since something that never ends has no pace. None for what is over before anybody could act.
    pub(super) fn pace_us(self) -> Option<i64> {
        match self {
            Window::Request | Window::Minute => None,
            Window::Day => Some(DAY),
            Window::Month | Window::Total => Some(30 * DAY),
        }
    }
}

/// Year, month and day of a day since 1970-01-01 (civil-from-days of Howard Hinnant,
/// <https://howardhinnant.github.io/date_algorithms.html>).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let index = (5 * day_of_year + 2) / 153;
    let month = if index < 10 { index + 3 } else { index - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * index + 2) / 5 + 1)
}

/// The inverse: days-from-civil of the same source.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let index = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * index + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Midnight UTC of a date written as `2026-01-31`. None if there is no such day.
pub fn date(text: &str) -> Option<Timestamp> {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let shaped = year.len() == 4 && month.len() == 2 && day.len() == 2;
    if !shaped || !text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()) {
        return None;
    }
    let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    let days = (1..=12).contains(&month).then(|| days(year, month, day))?;
    (civil(days) == (year, month, day)).then_some(Timestamp(days * DAY))
}

/// The ledger's own time, which never goes back and never stands still: the wall's, but after the wall went back it runs
/// on from where it was at the pace of the monotonic clock. A clock that was a year ahead for a second therefore neither
/// gives a window back nor holds one open for a year.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Time {
    now: Timestamp,
    monotonic_us: u64,
}

impl Time {
    /// A time that is at least this late.
    pub fn since(at: Timestamp) -> Time {
        Time { now: at, monotonic_us: 0 }
    }

    /// The time, given what both clocks say: the wall's, and microseconds of the monotonic one since the start.
    pub fn now(&mut self, wall: Timestamp, monotonic_us: u64) -> Timestamp {
        if planted(Bug::WindowReopens) {
            return wall;
        }
        let passed = i64::try_from(monotonic_us.saturating_sub(self.monotonic_us)).unwrap_or(i64::MAX);
        self.now = wall.max(Timestamp(self.now.0.saturating_add(passed)));
        self.monotonic_us = self.monotonic_us.max(monotonic_us);
        self.now
    }
}
