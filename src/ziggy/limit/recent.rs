//! The latest latencies of a candidate, to tell what is unusually long.

use serde::{Deserialize, Serialize};

/// Latencies looked back on: of so many, three lie above the 95th percentile.
const KEPT: usize = 64;

/// Answers before a percentile means anything.
const LEAST: usize = 20;

/// The latest latencies, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    latencies: Vec<u32>,
    next: usize,
}

impl Default for Recent {
    fn default() -> Recent {
        Recent { latencies: Vec::with_capacity(KEPT), next: 0 }
    }
}

impl Recent {
    /// Keeps one more, in place of the oldest.
    pub fn saw(&mut self, latency_us: u64) {
        // More than an hour is an hour.
        let latency = u32::try_from(latency_us).unwrap_or(u32::MAX);
        if self.latencies.len() < KEPT {
            self.latencies.push(latency);
        } else {
            self.latencies[self.next] = latency;
        }
        self.next = (self.next + 1) % KEPT;
    }

    /// The latency that 95 of 100 stay at or under, by nearest rank.
    pub fn p95_us(&self) -> Option<u64> {
        if self.latencies.len() < LEAST {
            return None;
        }
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        sorted.get((sorted.len() * 95).div_ceil(100) - 1).map(|latency| u64::from(*latency))
    }
}
