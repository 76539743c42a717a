//! The inbox: work that waits for people, durably, and what they said of it.
//!
//! What it is for: a human as a next hop. Work that needs one becomes an item; people approve, change, deny or pass it
//! on; an item nobody decides on expires as its rule says.
//! What it owns: the open items, their deadlines, and the notices that are due because of them.
//! What it never does: work, or touch a run. Whoever parked a run hears by subscription that its item is closed.
//!
//! Invariants (those of one item are IT1 to IT5 of `ziggy::review`):
//! - IN1: an item is in the journal, durably, before anybody is told of it; so is a verdict before it is answered.
//! - IN2: what happens to one item is decided one after the other, each from what the one before left in the journal.
//! - IN3: a payload and its edits are in no event: events name them by hash, and only `/hitl` shows them.
//! - IN4: a closed item stays listed as unsettled until its run has heard of it, over restarts too.
//! - IN5: a notice that is due is delivered at least once or given up after all its attempts, over restarts too; either
//!   is in the journal, and the latter an alert.

mod actor;
mod config;
mod courier;
mod handle;
mod message;
mod projection;
mod state;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use config::{Config, Delivery, Hook, HookEvent};
pub use handle::{Error, Handle, Opening, Page, Parts, Said};
pub use projection::{InboxProjection, Notified, Record, settled};

/// What the inbox shows of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Items that wait for people.
    pub open: usize,
    /// Items that were approved since the start.
    pub approved: u64,
    /// Items that were denied.
    pub denied: u64,
    /// Items that expired.
    pub expired: u64,
    /// Items whose run was cancelled.
    pub cancelled: u64,
    /// Items that found no room.
    pub refused: u64,
}
