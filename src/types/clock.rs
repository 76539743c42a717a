//! Time and chance as things that are passed in, so that a test can hold them in its hand.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Wall time: microseconds since 1970-01-01T00:00:00Z. For records, never for measuring.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// RFC 3339 in UTC with microseconds, computed with the civil-from-days algorithm of Howard Hinnant
    /// (<https://howardhinnant.github.io/date_algorithms.html>).
    pub fn rfc3339(self) -> String {
        let (seconds, micros) = (self.0.div_euclid(1_000_000), self.0.rem_euclid(1_000_000));
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_index + 2) / 5 + 1;
        let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

/// Where time comes from. The real one lives in the composition root; tests pass their own.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time, for deadlines and durations. Follows tokio's clock, so paused tests work.
    fn now(&self) -> Instant;
    /// Wall time, for records.
    fn wall(&self) -> Timestamp;
    /// What is put in the way of an actor that is about to handle a message. Nothing, by any clock but that of a
    /// simulation, which draws from its seed who comes to their turn late, or never.
    fn hinder(&self) -> Option<Hindrance> {
        None
    }
}

/// What a simulation puts in the way of an actor before it handles a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// Everybody else who can go on goes first.
    Yield,
    /// It takes so long, on tokio's clock.
    Wait(Duration),
    /// The actor fails, and the message is lost with it. A supervisor is not hindered so.
    Crash,
    /// The same by a panic.
    Panic,
    /// It does not come back from the message. A supervisor is not hindered so.
    Hang,
}

/// Where chance comes from: jitter, ids, sampling. Never used for secrets.
pub trait Random: Send + Sync + 'static {
    /// The next 64 random bits.
    fn next(&self) -> u64;
}

/// A seeded stream of random bits: the same seed gives the same stream.
pub struct Seeded(Mutex<fastrand::Rng>);

impl Seeded {
    /// A stream that starts at this seed.
    pub fn new(seed: u64) -> Seeded {
        Seeded(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl Random for Seeded {
    fn next(&self) -> u64 {
        self.0.lock().u64(..)
    }
}

/// Time and chance together, as the composition root hands them to every part.
#[derive(Clone)]
pub struct World {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
}
