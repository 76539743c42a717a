//! The six ways a delivery can fail, and the message that comes back.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::Class;

/// Why a message was not delivered, or its answer not received.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The mailbox is full and its policy is to refuse.
    #[error("could not deliver: the receiver's mailbox is full")]
    Busy,
    /// The receiver is between two lives. Sending again is safe if the message came back.
    #[error("could not deliver: the receiver is restarting")]
    Restarting,
    /// The receiver has ended for good.
    #[error("could not deliver: the receiver has ended")]
    Gone,
    /// The deadline passed first.
    #[error("could not deliver or be answered before the deadline")]
    TimedOut,
    /// The caller's context was cancelled.
    #[error("could not deliver: the caller cancelled")]
    Cancelled,
    /// The receiver waits for the answer itself, so it would never answer: the way from it back to it.
    #[error("could not ask: the receiver waits for the answer itself ({0})")]
    Cycle(Box<str>),
}

impl Failure {
    /// The class this failure belongs to.
    pub fn class(&self) -> Class {
        match self {
            Failure::Busy => Class::Exhausted,
            Failure::Restarting | Failure::Gone => Class::Unavailable,
            Failure::TimedOut => Class::Timeout,
            Failure::Cancelled => Class::Cancelled,
            Failure::Cycle(_) => Class::Conflict,
        }
    }
}

/// A message that was not delivered, or a question that was not answered.
pub struct Undelivered<M> {
    /// Why.
    pub failure: Failure,
    /// What was to be said. `None` if the mailbox had taken it: then it may have been handled.
    pub message: Option<M>,
}

impl<M> Undelivered<M> {
    pub(super) fn unsent(failure: Failure, message: M) -> Undelivered<M> {
        Undelivered { failure, message: Some(message) }
    }

    pub(super) fn taken(failure: Failure) -> Undelivered<M> {
        Undelivered { failure, message: None }
    }
}

impl<M> fmt::Debug for Undelivered<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let returned = if self.message.is_some() { "message returned" } else { "message taken" };
        write!(f, "{:?} ({returned})", self.failure)
    }
}

impl<M> fmt::Display for Undelivered<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl<M> std::error::Error for Undelivered<M> {}

impl<M> From<Undelivered<M>> for Failure {
    fn from(undelivered: Undelivered<M>) -> Failure {
        undelivered.failure
    }
}
