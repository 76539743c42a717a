//! The clock of a simulation: tokio's paused one, a wall beside it, and the hindrances of the weather.

use std::sync::Arc;

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
    weather: Arc<Weather>,
}

impl SimulatedClock {
    /// A clock that begins now, at a wall time drawn from the seed. To be made inside the simulation's runtime.
    pub(super) fn begin(weather: Arc<Weather>) -> SimulatedClock {
        let second = i64::try_from(weather.up_to(YEAR_S)).unwrap_or(0);
        SimulatedClock { began: now(), began_wall: FIRST + second * 1_000_000, weather }
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
        let since = now().saturating_duration_since(self.began).as_micros();
        Timestamp(self.began_wall.saturating_add(i64::try_from(since).unwrap_or(i64::MAX)))
    }

    fn hinder(&self) -> Option<Hindrance> {
        self.weather.hindrance()
    }
}
