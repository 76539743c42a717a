//! The real time and the real chance: the only place that reads either.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::types::{Clock, Seeded, Timestamp, World};

/// The machine's own clock.
struct RealClock;

impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where real time comes in")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where real time comes in")]
    fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The world as it is: the machine's clock, and chance seeded by the operating system.
pub fn real_world() -> World {
    let mut seed = [0; 8];
    // A machine that gives no randomness still gives time, which is enough for jitter and ids.
    if getrandom::fill(&mut seed).is_err() {
        seed = RealClock.wall().0.to_le_bytes();
    }
    World { clock: Arc::new(RealClock), random: Arc::new(Seeded::new(u64::from_le_bytes(seed))) }
}
