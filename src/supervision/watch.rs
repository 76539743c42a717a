//! How long a handler may take, and what happens to an actor whose handler takes longer.
//!
//! A handler notes when it began; the supervisor looks at these notes now and then, so a message costs a few stores and
//! no timer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What happens to an actor whose handler is over its limit, besides being reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stuck {
    /// Nothing: somebody has to look.
    Report,
    /// It is killed and restarted by its own rules, which counts as a failure. One that blocks its thread cannot be
    /// killed: it is left behind, reported once more, and a new life begins.
    Restart,
}

/// How long a handler may take with one message, and what happens after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// The longest a handler may take with one message.
    pub limit: Duration,
    /// What happens then.
    pub then: Stuck,
}

/// How the actors of a host are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Milliseconds a handler may take with one message; 0 watches nobody.
    pub handle_limit_ms: u64,
    /// What happens to an actor that takes longer.
    pub stuck: Stuck,
}

impl Config {
    /// The rule for every actor that has none of its own.
    pub fn watch(self) -> Option<Watch> {
        let limit = Duration::from_millis(self.handle_limit_ms);
        (!limit.is_zero()).then_some(Watch { limit, then: self.stuck })
    }
}

/// Looks within the time of one limit: a handler is seen at the latest an eighth of its limit after it was over it.
const LOOKS: u32 = 8;

/// Looking more often than this would cost more than it tells.
const LOOK_SHORTEST: Duration = Duration::from_millis(1);

/// Looking less often than this would make an operator wait.
const LOOK_LONGEST: Duration = Duration::from_secs(5);

impl Watch {
    /// The time between two looks.
    pub(super) fn every(self) -> Duration {
        (self.limit / LOOKS).clamp(LOOK_SHORTEST, LOOK_LONGEST)
    }
}
