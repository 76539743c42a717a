//! The clock of a simulation: tokio's paused one, a wall beside it, and the hindrances of the weather.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;

use super::weather::Weather;
use crate::types::{Clock, Hindrance, Timestamp};

/// 2026-01-01T00:00:00Z, in microseconds: the first moment at which a simulation can begin.
const FIRST: i64 = 1_767_225_600_000_000;

/// A year of seconds: simulations begin anywhere in it, so that nothing is proved for one date only.
const YEAR_S: u64 = 365 * 86_400;

pub(super) struct SimulatedClock {
    began: Instant,
    began_wall: i64,
    /// Microseconds by which the wall is ahead of the time that has passed; it is behind if they are negative.
    ahead: AtomicI64,
    weather: Arc<Weather>,
}

impl SimulatedClock {
    /// A clock that begins now, at a wall time drawn from the seed. To be made inside the simulation's runtime.
    pub(super) fn begin(weather: Arc<Weather>) -> SimulatedClock {
        let second = i64::try_from(weather.up_to(YEAR_S)).unwrap_or(0);
        SimulatedClock { began: now(), began_wall: FIRST + second * 1_000_000, ahead: AtomicI64::new(0), weather }
    }

    /// Sets the wall, and nothing else, so far ahead of the time that has passed.
    pub(super) fn set(&self, ahead_us: i64) {
        self.ahead.store(ahead_us, Ordering::Release);
    }

    /// Microseconds since the simulation began, on the clock that never goes back.
    pub(super) fn since_us(&self) -> u64 {
        u64::try_from(now().saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX)
    }
}

#[expect(clippy::disallowed_methods, reason = "tokio's clock is paused here: this is the simulation's own time")]
fn now() -> Instant {
    Instant::now()
}

impl Clock for SimulatedClock {
    fn now(&self) -> Instant {
        now()
    }

    fn wall(&self) -> Timestamp {
        let since = i64::try_from(self.since_us()).unwrap_or(i64::MAX);
        Timestamp(self.began_wall.saturating_add(since).saturating_add(self.ahead.load(Ordering::Acquire)))
    }

    fn hinder(&self) -> Option<Hindrance> {
        self.weather.hindrance()
    }
}
