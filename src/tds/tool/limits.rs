//! What a call may use, what happens when it fails, what it costs.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::is_default;

use super::text::KeySource;

/// What a call may use. What it needs more of is refused or cut, never given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Milliseconds until it is killed. Half a minute is long for a person who waits.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub timeout_ms: u64,
    /// Milliseconds of processor time.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub cpu_ms: u64,
    /// Bytes of memory. An interpreter with a library fits.
    #[schemars(range(min = 1_048_576, max = 17_179_869_184_u64))]
    pub memory_bytes: u64,
    /// Processes and threads at a time.
    #[schemars(range(min = 1, max = 1_024))]
    pub processes: u64,
    /// Bytes it may write to disk.
    #[schemars(range(min = 0, max = 68_719_476_736_u64))]
    pub disk_bytes: u64,
    /// Files open at a time.
    #[schemars(range(min = 8, max = 4_096))]
    pub open_files: u64,
    /// Bytes of the input.
    #[schemars(range(min = 1, max = 67_108_864))]
    pub input_bytes: u64,
    /// Bytes of the answer. More is cut, with a mark.
    #[schemars(range(min = 1, max = 67_108_864))]
    pub output_bytes: u64,
    /// Bytes of log lines. More is dropped, with a mark.
    #[schemars(range(min = 0, max = 16_777_216))]
    pub log_bytes: u64,
    /// Calls at a time; further ones wait.
    #[schemars(range(min = 1, max = 1_024))]
    pub concurrency: u64,
    /// Inputs of one call, for tools that offer `batch`.
    #[schemars(range(min = 1, max = 1_000))]
    pub batch_items: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            timeout_ms: 30_000,
            cpu_ms: 30_000,
            memory_bytes: 256 << 20,
            processes: 16,
            disk_bytes: 64 << 20,
            open_files: 64,
            input_bytes: 1 << 20,
            output_bytes: 1 << 20,
            log_bytes: 64 << 10,
            concurrency: 8,
            batch_items: 1,
        }
    }
}

/// What happens when a call fails in a way that may pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// How often it is tried in all; 1 is never again.
    #[schemars(range(min = 1, max = 10))]
    pub attempts: u64,
    /// After which failures.
    #[schemars(length(min = 1))]
    pub on: BTreeSet<RetryOn>,
    /// How long it waits between.
    pub backoff: Backoff,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry {
            attempts: 1,
            on: BTreeSet::from([RetryOn::Unavailable, RetryOn::Exhausted]),
            backoff: Backoff::default(),
        }
    }
}

/// A failure that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryOn {
    /// What the tool needs is down.
    Unavailable,
    /// A limit was reached.
    Exhausted,
    /// It took too long. Whether it was done, nobody knows.
    Timeout,
}

/// Waits between attempts, each longer than the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Backoff {
    /// Milliseconds before the second attempt.
    #[schemars(range(min = 1, max = 60_000))]
    pub first_ms: u64,
    /// How many times longer each further wait is.
    #[schemars(range(min = 1, max = 10))]
    pub factor: u64,
    /// Milliseconds of a wait at the most.
    #[schemars(range(min = 1, max = 600_000))]
    pub most_ms: u64,
    /// Whether each wait is shortened by chance, so that callers do not come back together.
    pub jitter: bool,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { first_ms: 200, factor: 2, most_ms: 10_000, jitter: true }
    }
}

fn a_day() -> u64 {
    86_400
}

/// How a call is kept from being done twice: its key is remembered with its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Idempotency {
    /// Where the key comes from.
    pub key: KeySource,
    /// Seconds for which a key is remembered; a day if it is not said.
    #[serde(default = "a_day")]
    #[schemars(range(min = 60, max = 31_536_000))]
    pub keep_s: u64,
}

/// Whether answers may be used again. Only for tools without side effects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Seconds for which an answer is good.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub keep_s: u64,
    /// Whether the host may call the tool before anybody has asked.
    #[serde(default, skip_serializing_if = "is_default")]
    pub speculative: bool,
}

/// What a call costs, in millionths of a US dollar.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cost {
    /// Each call.
    #[schemars(range(max = 1_000_000_000_000_u64))]
    pub call_micro_usd: u64,
    /// Each second of a call.
    #[schemars(range(max = 1_000_000_000_000_u64))]
    pub second_micro_usd: u64,
    /// Each million bytes of the answer.
    #[schemars(range(max = 1_000_000_000_000_u64))]
    pub megabyte_micro_usd: u64,
}

/// How good a version has to be. A version on trial that is not is taken back by itself; one in general use stands back
/// behind another if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Slo {
    /// Of a hundred calls that the tool is to blame for if they fail, so many succeed.
    #[schemars(range(min = 1, max = 100))]
    pub success_percent: u64,
    /// Of a hundred calls 95 take at most so many milliseconds; without it, time does not matter.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub p95_ms: Option<u64>,
    /// Seconds that are looked back.
    #[schemars(range(min = 10, max = 86_400))]
    pub window_s: u64,
    /// Calls in that time without which nothing is said.
    #[schemars(range(min = 1, max = 256))]
    pub calls_least: u64,
}

impl Default for Slo {
    /// Nineteen of twenty, over five minutes: fewer calls say little of a share.
    fn default() -> Slo {
        Slo { success_percent: 95, p95_ms: None, window_s: 300, calls_least: 20 }
    }
}

/// How often it may be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Calls of one tenant in a minute, spread as it likes; further ones are refused until there is room.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub calls_per_minute: u64,
}
