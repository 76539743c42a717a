//! The keeper of the journal: shows how it fares, and fails when it has failed.
//!
//! What it is for: making the store a part of the tree. A host that can no longer write down what it does must not go
//! on: the keeper's failure cannot be healed by a restart, so it is escalated until the host stops.
//! What it owns: nothing but the duty to close the journal, last of all.
//! What it never does: read or write an event.
//!
//! Invariants:
//! - K1: the journal is closed after every actor that was started after the keeper has stopped.

mod actor;
mod handle;
mod message;
mod state;

#[cfg(test)]
mod tests;

pub use handle::launch;
