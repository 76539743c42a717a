//! What the keeper can be told.

use crate::rat::Archived;

pub(super) enum Message {
    /// Look at the journal.
    Look,
    /// See whether old events are due to leave it.
    Retain,
    /// A segment left it, or none was due, or why one that was due could not.
    Retained(Result<Option<Archived>, String>),
}
