//! What goes wrong in a simulation, and how often, as data.

use serde::{Deserialize, Serialize};

/// How often each thing goes wrong. Probabilities are parts per million of the occasions: 10_000 is one in a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// An actor lets everybody else go first before it handles a message.
    pub yields: u32,
    /// An actor is late for a message.
    pub waits: u32,
    /// By so many milliseconds at the most.
    pub wait_ms: u64,
    /// An actor fails instead of handling a message, and the message is lost with it.
    pub actor_fails: u32,
    /// An actor panics instead of handling a message.
    pub actor_panics: u32,
    /// An actor does not come back from a message, until its supervisor sees that and kills it.
    pub actor_hangs: u32,
    /// A runtime fails before its first word.
    pub runtime_fails: u32,
    /// A runtime says nothing until its caller gives up.
    pub runtime_hangs: u32,
    /// A runtime breaks off in the middle of its answer.
    pub runtime_cuts: u32,
    /// A runtime is slow to begin.
    pub runtime_slow: u32,
    /// By so many milliseconds at the most.
    pub runtime_slow_ms: u64,
    /// A runtime answers, and reports a usage that makes no sense.
    pub runtime_lies: u32,
    /// A tool fails instead of doing its work.
    pub tool_fails: u32,
    /// A tool does not come back, until its time is over or its caller gives up.
    pub tool_hangs: u32,
    /// A tool panics.
    pub tool_panics: u32,
    /// A sandbox fails before it begins a tool.
    pub sandbox_fails: u32,
    /// A sandbox does nothing until its caller gives up, its time is over, or it is told to end.
    pub sandbox_hangs: u32,
    /// A sandbox runs the tool, and what came of it is lost.
    pub sandbox_cuts: u32,
    /// A sandbox is slow to begin a tool.
    pub sandbox_slow: u32,
    /// By so many milliseconds at the most.
    pub sandbox_slow_ms: u64,
    /// A webhook's receiver says that it cannot now.
    pub webhook_fails: u32,
    /// It does not answer until its sender gives up.
    pub webhook_hangs: u32,
    /// It says no for good.
    pub webhook_refuses: u32,
    /// It takes the notice, and its answer is lost.
    pub webhook_forgets: u32,
    /// It is slow to answer.
    pub webhook_slow: u32,
    /// By so many milliseconds at the most.
    pub webhook_slow_ms: u64,
    /// A commit takes so many milliseconds at the most.
    pub commit_ms: u64,
    /// A commit is slow.
    pub commit_slow: u32,
    /// By so many milliseconds at the most.
    pub commit_slow_ms: u64,
    /// A commit fails, and with it the journal: the host stops and is started again.
    pub commit_fails: u32,
    /// [`Simulation::soak`](super::Simulation::soak) kills the whole host after so many milliseconds on the average; 0
    /// never does.
    pub host_dies_ms: u64,
    /// [`Simulation::soak`](super::Simulation::soak) sets the clock on the wall after so many milliseconds on the
    /// average; 0 never does. The clock that never goes back is left alone, as on a real machine.
    pub clock_set_ms: u64,
    /// So many milliseconds ahead of the time that has passed or behind it at the most; a short way as often as a long.
    pub clock_set_by_ms: u64,
}

/// A day, in milliseconds: windows of budgets are as long, so a clock that is set by more gets into others.
const DAY_MS: u64 = 86_400_000;

impl Faults {
    /// Nothing goes wrong. Only who comes first, and when, differs from seed to seed.
    pub const fn none() -> Faults {
        Faults {
            yields: 200_000,
            waits: 50_000,
            wait_ms: 3,
            actor_fails: 0,
            actor_panics: 0,
            actor_hangs: 0,
            runtime_fails: 0,
            runtime_hangs: 0,
            runtime_cuts: 0,
            runtime_slow: 0,
            runtime_slow_ms: 0,
            runtime_lies: 0,
            tool_fails: 0,
            tool_hangs: 0,
            tool_panics: 0,
            sandbox_fails: 0,
            sandbox_hangs: 0,
            sandbox_cuts: 0,
            sandbox_slow: 0,
            sandbox_slow_ms: 0,
            webhook_fails: 0,
            webhook_hangs: 0,
            webhook_refuses: 0,
            webhook_forgets: 0,
            webhook_slow: 0,
            webhook_slow_ms: 0,
            commit_ms: 4,
            commit_slow: 0,
            commit_slow_ms: 0,
            commit_fails: 0,
            host_dies_ms: 0,
            clock_set_ms: 0,
            clock_set_by_ms: 0,
        }
    }

    /// Everything goes wrong now and then: often enough that a soak of a few hundred messages sees most of it, rarely
    /// enough that most tasks still have an answer.
    pub const fn rough() -> Faults {
        Faults {
            actor_fails: 3_000,
            actor_panics: 1_000,
            actor_hangs: 500,
            runtime_fails: 50_000,
            runtime_hangs: 20_000,
            runtime_cuts: 40_000,
            runtime_slow: 100_000,
            runtime_slow_ms: 8_000,
            runtime_lies: 30_000,
            tool_fails: 100_000,
            tool_hangs: 30_000,
            tool_panics: 30_000,
            sandbox_fails: 40_000,
            sandbox_hangs: 20_000,
            sandbox_cuts: 60_000,
            sandbox_slow: 80_000,
            sandbox_slow_ms: 2_000,
            webhook_fails: 150_000,
            webhook_hangs: 50_000,
            webhook_refuses: 30_000,
            webhook_forgets: 50_000,
            webhook_slow: 100_000,
            webhook_slow_ms: 3_000,
            commit_slow: 20_000,
            commit_slow_ms: 700,
            commit_fails: 2_000,
            host_dies_ms: 20_000,
            clock_set_ms: 10_000,
            clock_set_by_ms: 2 * DAY_MS,
            ..Faults::none()
        }
    }
}
