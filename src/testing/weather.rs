//! The chance of one simulation: every fault and every delay is drawn here, from one seeded stream.

use std::time::Duration;

use parking_lot::Mutex;

use super::Faults;
use crate::types::{Hindrance, Random, Seeded};

/// Probabilities are parts of this.
const WHOLE: u64 = 1_000_000;

pub(super) struct Weather {
    dice: Seeded,
    faults: Mutex<Faults>,
}

/// What a runtime does instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    Fails,
    Hangs,
    Cuts,
    Slow(Duration),
    Lies(u64),
}

/// What a tool does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    Fails,
    Hangs,
    Panics,
}

/// What a sandbox does instead of running a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breakdown {
    Fails,
    Hangs,
    Cuts,
    Slow(Duration),
}

/// What a webhook's receiver does instead of taking a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slip {
    Fails,
    Hangs,
    Refuses,
    Forgets,
    Slow(Duration),
}

/// Clocks are set by the most there is, or by half of it, or by a quarter, and so on down to a millionth.
const HALVINGS: u64 = 20;

impl Weather {
    pub(super) fn new(seed: u64, faults: Faults) -> Weather {
        Weather { dice: Seeded::new(seed), faults: Mutex::new(faults) }
    }

    /// Nothing goes wrong any more; who comes first still differs.
    pub(super) fn calm(&self) {
        let mut faults = self.faults.lock();
        let Faults { yields, waits, wait_ms, commit_ms, .. } = *faults;
        *faults = Faults { yields, waits, wait_ms, commit_ms, ..Faults::none() };
    }

    pub(super) fn faults(&self) -> Faults {
        *self.faults.lock()
    }

    /// A number from 0 to `most`.
    pub(super) fn up_to(&self, most: u64) -> u64 {
        self.dice.next() % most.saturating_add(1)
    }

    pub(super) fn within_ms(&self, most: u64) -> Duration {
        Duration::from_millis(self.up_to(most))
    }

    fn part(&self) -> u64 {
        self.dice.next() % WHOLE
    }

    /// What an actor has to put up with before its next message.
    pub(super) fn hindrance(&self) -> Option<Hindrance> {
        let Faults { yields, waits, wait_ms, actor_fails, actor_panics, actor_hangs, .. } = self.faults();
        let odds = [actor_fails, actor_panics, actor_hangs, waits, yields];
        Some(match pick(self.part(), &odds)? {
            0 => Hindrance::Crash,
            1 => Hindrance::Panic,
            2 => Hindrance::Hang,
            3 => Hindrance::Wait(self.within_ms(wait_ms)),
            _ => Hindrance::Yield,
        })
    }

    /// What a runtime does instead of answering.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let faults = self.faults();
        let Faults { runtime_fails, runtime_hangs, runtime_cuts, runtime_slow, runtime_lies, .. } = faults;
        let odds = [runtime_fails, runtime_hangs, runtime_cuts, runtime_slow, runtime_lies];
        Some(match pick(self.part(), &odds)? {
            0 => Trouble::Fails,
            1 => Trouble::Hangs,
            2 => Trouble::Cuts,
            3 => Trouble::Slow(self.within_ms(faults.runtime_slow_ms)),
            _ => Trouble::Lies(self.dice.next()),
        })
    }

    /// What a tool does instead of its work.
    pub(super) fn mishap(&self) -> Option<Mishap> {
        let Faults { tool_fails, tool_hangs, tool_panics, .. } = self.faults();
        Some(match pick(self.part(), &[tool_fails, tool_hangs, tool_panics])? {
            0 => Mishap::Fails,
            1 => Mishap::Hangs,
            _ => Mishap::Panics,
        })
    }

    /// What a sandbox does instead of running a tool.
    pub(super) fn breakdown(&self) -> Option<Breakdown> {
        let Faults { sandbox_fails, sandbox_hangs, sandbox_cuts, sandbox_slow, sandbox_slow_ms, .. } = self.faults();
        Some(match pick(self.part(), &[sandbox_fails, sandbox_hangs, sandbox_cuts, sandbox_slow])? {
            0 => Breakdown::Fails,
            1 => Breakdown::Hangs,
            2 => Breakdown::Cuts,
            _ => Breakdown::Slow(self.within_ms(sandbox_slow_ms)),
        })
    }

    /// What a webhook's receiver does instead of taking a notice.
    pub(super) fn slip(&self) -> Option<Slip> {
        let faults = self.faults();
        let Faults { webhook_fails, webhook_hangs, webhook_refuses, webhook_forgets, webhook_slow, .. } = faults;
        let odds = [webhook_fails, webhook_hangs, webhook_refuses, webhook_forgets, webhook_slow];
        Some(match pick(self.part(), &odds)? {
            0 => Slip::Fails,
            1 => Slip::Hangs,
            2 => Slip::Refuses,
            3 => Slip::Forgets,
            _ => Slip::Slow(self.within_ms(faults.webhook_slow_ms)),
        })
    }

    /// How far ahead of the time that has passed a clock is set, in milliseconds; behind if negative.
    pub(super) fn ahead_ms(&self, most: u64) -> i64 {
        let by = i64::try_from(self.up_to(most) >> self.up_to(HALVINGS)).unwrap_or(i64::MAX);
        if self.up_to(1) == 0 { by } else { -by }
    }

    /// How long a commit takes.
    pub(super) fn commit(&self) -> Duration {
        let Faults { commit_ms, commit_slow, commit_slow_ms, .. } = self.faults();
        let slow = pick(self.part(), &[commit_slow]).is_some();
        self.within_ms(if slow { commit_slow_ms } else { commit_ms })
    }

    /// Whether the disk breaks under a commit.
    pub(super) fn breaks(&self) -> bool {
        pick(self.part(), &[self.faults().commit_fails]).is_some()
    }
}

/// Which of these odds a draw falls into, if any.
fn pick(drawn: u64, odds: &[u32]) -> Option<usize> {
    let mut end = 0;
    odds.iter().position(|odds| {
        end += u64::from(*odds);
        drawn < end
    })
}
