//! How fast a budget burns, over a long and a short look back each, and when it will be used up.
//!
//! A burn rate of 1 uses a budget up exactly at the end of its window. The pairs of looks back are those of the Google
//! SRE workbook, chapter 5, "multiwindow, multi-burn-rate alerts" (<https://sre.google/workbook/alerting-on-slos/>): for
//! thirty days 14.4 over one hour and five minutes, and 6 over six hours and thirty minutes. They scale with the window:
//! a 720th and an 8640th of it, a 120th and a 1440th. Both must be over, so that an alert needs weight and ends soon.

use serde::{Deserialize, Serialize};

use super::{Amounts, Unit};
use crate::types::Timestamp;

/// When a budget burns too fast, in thousandths of the rate that lasts exactly for its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BurnConfig {
    /// Over a 720th and an 8640th of the window: somebody should act now.
    pub fast: u64,
    /// Over a 120th and a 1440th of the window: somebody should look today.
    pub slow: u64,
}

impl BurnConfig {
    pub(super) fn impossible(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if self.slow == 0 {
            found.push(("burn.slow", "at least 1".to_owned()));
        }
        if self.fast < self.slow {
            found.push(("burn.fast", format!("at least burn.slow, which is {}", self.slow)));
        }
        found
    }
}

/// Burn rates in thousandths: 1000 lasts exactly for the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = BudgetBurn)]
pub struct Burn {
    /// Over a 720th of the window: an hour of a month.
    pub fast_long: u64,
    /// Over an 8640th: five minutes of a month.
    pub fast_short: u64,
    /// Over a 120th: six hours of a month.
    pub slow_long: u64,
    /// Over a 1440th: half an hour of a month.
    pub slow_short: u64,
}

/// How bad a burn is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BudgetPace)]
pub enum Pace {
    /// It may last.
    Even,
    /// It will be used up long before its window ends.
    Slow,
    /// It will be used up within hours of a month.
    Fast,
}

impl Burn {
    /// Both looks back of a pair must be over its threshold.
    pub fn pace(&self, config: &BurnConfig) -> Pace {
        if self.fast_long.min(self.fast_short) >= config.fast {
            Pace::Fast
        } else if self.slow_long.min(self.slow_short) >= config.slow {
            Pace::Slow
        } else {
            Pace::Even
        }
    }
}

/// Looks back in buckets; a bucket is an 8640th of the window.
const FAST_LONG: i64 = 12;
const FAST_SHORT: i64 = 1;
const SLOW_LONG: i64 = 72;
const SLOW_SHORT: i64 = 6;
const BUCKETS_IN_WINDOW: i64 = 8_640;

/// The buckets of the longest look back and the one that is being filled.
const KEPT: usize = 73;

/// What was charged lately, in buckets.
#[derive(Debug, Clone)]
pub(super) struct Recent {
    bucket_us: i64,
    window_us: i64,
    newest: i64,
    buckets: Box<[Amounts; KEPT]>,
}

impl Recent {
    pub(super) fn new(window_us: i64, now: Timestamp) -> Recent {
        let bucket_us = (window_us / BUCKETS_IN_WINDOW).max(1);
        let buckets = Box::new([Amounts::ZERO; KEPT]);
        Recent { bucket_us, window_us, newest: now.0.div_euclid(bucket_us), buckets }
    }

    fn place(number: i64) -> usize {
        // The remainder is below the number of buckets.
        usize::try_from(number.rem_euclid(KEPT as i64)).unwrap_or(0)
    }

    fn advance(&mut self, now: Timestamp) {
        let number = now.0.div_euclid(self.bucket_us);
        let passed = number.saturating_sub(self.newest);
        if passed <= 0 {
            return;
        }
        if passed >= KEPT as i64 {
            *self.buckets = [Amounts::ZERO; KEPT];
        } else {
            (self.newest + 1..=number).for_each(|number| self.buckets[Recent::place(number)] = Amounts::ZERO);
        }
        self.newest = number;
    }

    pub(super) fn add(&mut self, now: Timestamp, amounts: Amounts) {
        self.advance(now);
        let bucket = &mut self.buckets[Recent::place(self.newest)];
        *bucket = bucket.plus(amounts);
    }

    /// What was charged in so many whole buckets and the one that is being filled, and the time that is.
    fn look_back(&self, now: Timestamp, buckets: i64, unit: Unit) -> (u64, i64) {
        let numbers = self.newest - buckets..=self.newest;
        let sum = numbers.map(|number| self.buckets[Recent::place(number)].of(unit)).fold(0, u64::saturating_add);
        let filling = (now.0 - self.newest.saturating_mul(self.bucket_us)).clamp(0, self.bucket_us);
        (sum, buckets * self.bucket_us + filling)
    }

    /// How fast a limit burns in this unit.
    pub(super) fn burn(&mut self, now: Timestamp, unit: Unit, limit: u64) -> Burn {
        self.advance(now);
        let rate = |buckets: i64| {
            let (sum, over_us) = self.look_back(now, buckets, unit);
            let (window, over) = (u128::from(self.window_us.unsigned_abs()), u128::from(over_us.unsigned_abs()));
            // The share of the limit that was used, by the share of the window that it took.
            let rate = u128::from(sum) * 1_000 * window / (u128::from(limit.max(1)) * over.max(1));
            u64::try_from(rate).unwrap_or(u64::MAX)
        };
        Burn {
            fast_long: rate(FAST_LONG),
            fast_short: rate(FAST_SHORT),
            slow_long: rate(SLOW_LONG),
            slow_short: rate(SLOW_SHORT),
        }
    }

    /// When so much more will have been charged, at the pace of the longest look back; none if nothing was.
    pub(super) fn used_up(&mut self, now: Timestamp, unit: Unit, left: u64) -> Option<Timestamp> {
        self.advance(now);
        let (sum, over_us) = self.look_back(now, SLOW_LONG, unit);
        let takes = u128::from(left) * u128::from(over_us.unsigned_abs()) / u128::from((sum > 0).then_some(sum)?);
        let at = i128::from(now.0) + i128::try_from(takes).ok()?;
        i64::try_from(at).ok().map(Timestamp)
    }
}
