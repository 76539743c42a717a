//! What a supervisor's plan hears and what it orders.

use std::time::Duration;

use crate::supervision::spec::Exit;

/// A child's place in the plan, stable while others come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::supervision) struct Key(pub(in crate::supervision) u64);

/// Which incarnation of a child, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::supervision) struct Life(pub(in crate::supervision) u64);

/// A timer the plan asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::supervision) struct Token(pub(in crate::supervision) u64);

/// What the plan is told.
#[derive(Debug, Clone)]
pub(in crate::supervision) enum Input {
    /// The supervisor is up, or a child was added to it.
    Begin,
    /// A start hook returned.
    Started { key: Key, life: Life },
    /// A child ended: nothing of this life is left. Comes once for every start, also if the start hook failed.
    Exited { key: Key, life: Life, exit: Exit },
    /// A timer fired.
    Elapsed(Token),
    /// The handler of a child is over its limit, and its rules say that it is not to go on.
    Stuck(Key),
    /// The level above wants it to end, in order.
    Stop,
    /// The level above wants it to end now: every child is killed at once.
    Kill,
    /// A child leaves for good.
    Remove(Key),
    /// A child is stopped and stays down until released.
    Hold(Key),
    /// A held or finished child may run again.
    Release(Key),
    /// A child is stopped and started again, without being counted as a failure.
    Restart(Key),
}

/// What the shell is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::supervision) enum Effect {
    /// Run a child's start hook.
    Start { key: Key, life: Life },
    /// Ask a child to end, after its mail if `drain`. A child in its start hook ends after the hook.
    Stop { key: Key, drain: bool },
    /// End a child at its next await.
    Kill { key: Key },
    /// A killed child did not end in time: forget it and tell the operator.
    LeftBehind { key: Key },
    /// Report back after this time.
    Timer { token: Token, after: Duration },
    /// Every child of the table is up, for the first time.
    Ready,
    /// An added child could not start; it leaves the table.
    AddFailed { key: Key, reason: String },
    /// A child has left the table.
    Removed { key: Key },
    /// All children are down: end this way.
    End(Exit),
}

impl Input {
    /// The child this input concerns, if it concerns one.
    pub(in crate::supervision) fn key(&self) -> Option<Key> {
        match self {
            Input::Started { key, .. } | Input::Exited { key, .. } => Some(*key),
            Input::Stuck(key) | Input::Remove(key) | Input::Hold(key) | Input::Release(key) | Input::Restart(key) => {
                Some(*key)
            }
            Input::Begin | Input::Elapsed(_) | Input::Stop | Input::Kill => None,
        }
    }
}
