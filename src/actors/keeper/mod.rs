//! The keeper of the journal: shows how it fares, and fails when it has failed.
//!
//! What it is for: making the store a part of the tree. A host that can no longer write down what it does must not go
//! on: the keeper's failure cannot be healed by a restart, so it is escalated until the host stops.
//! What it owns: the duty to close the journal, last of all, and to move old events into archives if it is told to.
//! What it never does: append an event of its own, or let one go that is not in an archive that was proved.
//!
//! Invariants:
//! - KE1: the journal is closed after every actor that was started after the keeper has stopped.
//! - KE2: what a long journal had at the start is verified while the host runs; where it is damaged, the host stops.

mod actor;
mod handle;
mod message;
mod state;

#[cfg(test)]
mod tests;

pub use actor::Archives;
pub use handle::launch;
