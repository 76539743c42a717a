//! The client's own throttle: whoever is refused often sends less, so that refusing does not cost the provider the rest.
//!
//! From "Site Reliability Engineering", chapter 21, Handling Overload: a request is not sent with the probability
//! max(0, (requests - K * accepts) / (requests + 1)) over the last minutes. Requests that are still on their way say
//! nothing yet: answers of models take seconds, so a burst would count as refused. Of a provider that answers nothing no
//! more than its places are on the way, and each counts once its time is over.

use serde::{Deserialize, Serialize};

use crate::types::Timestamp;
use crate::ziggy::Millionths;

/// How much refusing is tolerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThrottleConfig {
    /// K, in millionths: requests per accepted one that are sent without a thought; 0 never throttles.
    pub requests_per_accept: u64,
    /// Seconds that are looked back. More than the slowest request takes.
    pub window_s: u32,
    /// Requests below which a window says nothing.
    pub least: u32,
}

/// How finely a window is counted.
const BUCKETS: usize = 12;

/// What was sent and accepted lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Throttle {
    buckets: [Bucket; BUCKETS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Bucket {
    /// Which stretch of time, counted from the beginning of time.
    stretch: u64,
    sent: u32,
    accepted: u32,
}

impl Throttle {
    /// Sent and accepted within the window.
    pub fn counts(&self, config: &ThrottleConfig, now: Timestamp) -> (u64, u64) {
        let stretch = stretch(config, now);
        let lately = self.buckets.iter().filter(|one| one.stretch + BUCKETS as u64 > stretch && one.stretch <= stretch);
        lately.fold((0, 0), |(sent, accepted), one| (sent + u64::from(one.sent), accepted + u64::from(one.accepted)))
    }

    /// The probability of not sending while so many are on their way.
    pub fn probability(&self, config: &ThrottleConfig, on_the_way: u32, now: Timestamp) -> Millionths {
        let (sent, accepted) = self.counts(config, now);
        let sent = sent.saturating_sub(u64::from(on_the_way));
        if config.requests_per_accept == 0 || sent < u64::from(config.least) {
            return Millionths::ZERO;
        }
        let excess = (sent * 1_000_000).saturating_sub(config.requests_per_accept.saturating_mul(accepted));
        Millionths(u32::try_from(excess / (sent + 1)).unwrap_or(1_000_000))
    }

    /// Counts a request that is sent.
    pub fn sent(&mut self, config: &ThrottleConfig, now: Timestamp) {
        let bucket = self.bucket(config, now);
        bucket.sent = bucket.sent.saturating_add(1);
    }

    /// Counts one that was accepted, whatever its answer.
    pub fn accepted(&mut self, config: &ThrottleConfig, now: Timestamp) {
        let bucket = self.bucket(config, now);
        bucket.accepted = bucket.accepted.saturating_add(1);
    }

    fn bucket(&mut self, config: &ThrottleConfig, now: Timestamp) -> &mut Bucket {
        let stretch = stretch(config, now);
        let place = usize::try_from(stretch % BUCKETS as u64).unwrap_or(0);
        let bucket = &mut self.buckets[place];
        if bucket.stretch != stretch {
            *bucket = Bucket { stretch, sent: 0, accepted: 0 };
        }
        bucket
    }
}

fn stretch(config: &ThrottleConfig, now: Timestamp) -> u64 {
    let length = (u64::from(config.window_s.max(1)) * 1_000_000 / BUCKETS as u64).max(1);
    u64::try_from(now.0).unwrap_or(0) / length
}
