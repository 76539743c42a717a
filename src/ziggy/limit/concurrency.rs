//! How many requests at a time: a number that is learned from how long answers take.
//!
//! Both ways are those of Netflix's concurrency-limits (`Gradient2Limit.java` and `VegasLimit.java`), in thousandths of a
//! request and whole microseconds instead of floats, so that a replay gives the same limit. Two things are added: an
//! answer that was lost or refused for overload takes a tenth off, as `AIMDLimit.java` does, since Gradient2 ignores it;
//! and the jitter of Vegas' probes comes from a counter instead of chance.

use serde::{Deserialize, Serialize};

/// How a limit is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// It stays what it is at the start.
    Fixed,
    /// Compares each answer's latency with the long-term average: tolerant of requests that differ in size.
    Gradient2,
    /// Compares it with the shortest latency seen: quick, and misled by requests that differ in size.
    Vegas,
}

/// Where a limit begins, and between which numbers it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConcurrencyConfig {
    /// How the limit is learned.
    pub algorithm: Algorithm,
    /// Requests at a time before anything was observed.
    pub initial: u32,
    /// The least it falls to.
    pub least: u32,
    /// The most it grows to.
    pub most: u32,
}

/// The limit of one candidate, as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// In thousandths of a request.
    limit: u64,
    /// Gradient2: the long-term average of latencies, in 1024ths of a microsecond.
    long: u64,
    /// Answers averaged so far.
    samples: u64,
    /// Vegas: the shortest latency since the last probe, in microseconds; 0 before the first.
    shortest: u64,
    /// Vegas: answers since the last probe.
    since_probe: u64,
    /// Vegas: probes so far, from which the jitter is drawn.
    probes: u64,
}

/// Thousandths.
const ONE: u64 = 1_000;

/// Gradient2: how many answers the long-term average looks back, and how many are averaged plainly at first.
const LONG_WINDOW: u64 = 600;
const WARM_UP: u64 = 10;

/// Gradient2: requests that may queue at the other end, added to the limit at every step so that it can grow.
const QUEUE: u64 = 4 * ONE;

/// Vegas: a new shortest latency is taken after so many answers for each request of the limit.
const PROBE_EVERY: u64 = 30;

impl Concurrency {
    /// The limit at the start.
    pub fn new(config: &ConcurrencyConfig) -> Concurrency {
        let limit = u64::from(config.initial.clamp(config.least, config.most.max(config.least))) * ONE;
        Concurrency { limit, long: 0, samples: 0, shortest: 0, since_probe: 0, probes: 0 }
    }

    /// Requests at a time.
    pub fn limit(&self) -> u32 {
        u32::try_from(self.limit / ONE).unwrap_or(u32::MAX)
    }

    /// Learns from an answer: how long it took, and how many were in flight when it was asked for, itself included.
    pub fn answered(&mut self, config: &ConcurrencyConfig, latency_us: u64, in_flight: u32) {
        let next = match config.algorithm {
            Algorithm::Fixed => return,
            Algorithm::Gradient2 => self.gradient2(latency_us.max(1), u64::from(in_flight) * ONE),
            Algorithm::Vegas => self.vegas(latency_us.max(1), u64::from(in_flight)),
        };
        self.limit = bounded(next, config);
    }

    /// Learns from a request that was lost or refused for overload: a tenth less.
    pub fn lost(&mut self, config: &ConcurrencyConfig) {
        if config.algorithm != Algorithm::Fixed {
            self.limit = bounded(self.limit * 9 / 10, config);
        }
    }

    fn gradient2(&mut self, short: u64, in_flight: u64) -> u64 {
        let sample = short.saturating_mul(1_024);
        self.samples = self.samples.saturating_add(1);
        let window = if self.samples <= WARM_UP { self.samples } else { LONG_WINDOW.div_ceil(2) };
        self.long = toward(self.long, sample, window);
        // A load that is over must not leave an average behind that no answer comes near for hundreds of answers.
        if self.long / 2 > sample {
            self.long = self.long / 100 * 95;
        }
        if in_flight < self.limit / 2 {
            return self.limit;
        }
        let ratio = u128::from(self.long) * 1_500 / u128::from(sample.max(1));
        let gradient = u64::try_from(ratio).unwrap_or(u64::MAX).clamp(ONE / 2, ONE);
        let next = self.limit * gradient / ONE + QUEUE;
        (self.limit * 8 + next * 2) / 10
    }

    fn vegas(&mut self, latency: u64, in_flight: u64) -> u64 {
        self.since_probe += 1;
        let limit = self.limit / ONE;
        // Between half and all of the distance, so that candidates that began together do not probe together.
        let jitter = 512 + (self.probes.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 55);
        if self.since_probe >= (PROBE_EVERY * limit.max(1) * jitter / 1_024).max(1) {
            (self.since_probe, self.shortest) = (0, latency);
            self.probes += 1;
            return self.limit;
        }
        if self.shortest == 0 || latency < self.shortest {
            self.shortest = latency;
            return self.limit;
        }
        if in_flight * 2 < limit {
            return self.limit;
        }
        let queued = (u128::from(limit) * u128::from(latency - self.shortest)).div_ceil(u128::from(latency));
        let queued = u64::try_from(queued).unwrap_or(u64::MAX);
        let step = u64::from(limit.max(1).ilog10()).max(1);
        let (alpha, beta) = (3 * step, 6 * step);
        if queued <= step {
            self.limit + beta * ONE
        } else if queued < alpha {
            self.limit + step * ONE
        } else if queued > beta {
            self.limit.saturating_sub(step * ONE)
        } else {
            self.limit
        }
    }
}

fn bounded(limit: u64, config: &ConcurrencyConfig) -> u64 {
    limit.clamp(u64::from(config.least) * ONE, u64::from(config.most.max(config.least)) * ONE)
}

/// One `window`-th of the way from an average to a sample.
fn toward(average: u64, sample: u64, window: u64) -> u64 {
    if sample >= average {
        average + (sample - average) / window.max(1)
    } else {
        average - (average - sample) / window.max(1)
    }
}
