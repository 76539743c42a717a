//! One child as the plan sees it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Life, Token};
use crate::supervision::spec::Rules;

/// Where a child is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::supervision) enum Phase {
    /// Not running.
    Down,
    /// Its start hook runs; the timer kills it.
    Starting(Token),
    /// It takes messages.
    Up,
    /// It was told to end; the timer kills it.
    Stopping(Token),
    /// It was killed; the timer leaves it behind.
    Killing(Token),
}

impl Phase {
    /// The timer that limits this phase.
    pub(super) fn timer(self) -> Option<Token> {
        match self {
            Phase::Down | Phase::Up => None,
            Phase::Starting(token) | Phase::Stopping(token) | Phase::Killing(token) => Some(token),
        }
    }
}

/// Why a child that is down is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::supervision) enum Rest {
    /// Between two lives.
    Coming,
    /// Until an operator releases it.
    Held,
    /// For good, unless somebody releases it.
    Ended,
}

/// What the plan knows of one child.
#[derive(Debug)]
pub(in crate::supervision) struct Member {
    pub(super) rules: Arc<Rules>,
    pub(in crate::supervision) phase: Phase,
    pub(in crate::supervision) life: Life,
    /// Whether it should run. False when it ended for good or is held by an operator.
    pub(super) wanted: bool,
    /// An operator keeps it down.
    pub(super) held: bool,
    /// It leaves the table once it is down.
    pub(super) removed: bool,
    /// It was up at least once; a first start that fails is the caller's to know, not a restart.
    pub(super) proven: bool,
    /// It may not start before this timer has fired.
    pub(super) held_by: Option<Token>,
    /// Restarts in a row, which the wait before the next one grows with.
    pub(super) attempts: u32,
    /// When the start hook of this life returned; `None` before that.
    pub(super) up_since: Option<Instant>,
}

impl Member {
    pub(super) fn new(rules: Arc<Rules>) -> Member {
        Member {
            rules,
            phase: Phase::Down,
            life: Life(0),
            wanted: true,
            held: false,
            removed: false,
            proven: false,
            held_by: None,
            attempts: 0,
            up_since: None,
        }
    }

    /// What a child that is down waits for.
    pub(in crate::supervision) fn rest(&self) -> Rest {
        match (self.wanted, self.held) {
            (true, _) => Rest::Coming,
            (false, true) => Rest::Held,
            (false, false) => Rest::Ended,
        }
    }

    /// The wait before its next start: longer with each restart in a row, short again after a long life.
    pub(super) fn next_wait(&mut self, now: Instant, chance: u64) -> Duration {
        let backoff = self.rules.backoff;
        let rested = self.up_since.take().is_some_and(|since| now - since >= backoff.reset_after);
        self.attempts = if rested { 0 } else { self.attempts };
        let wait = backoff.wait(self.attempts, chance);
        self.attempts = self.attempts.saturating_add(1);
        wait
    }
}
