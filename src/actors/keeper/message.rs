//! What the keeper can be told.

use crate::rat::Archived;
use crate::store::BadEvent;

pub(super) enum Message {
    /// Look at the journal.
    Look,
    /// What was found wrong with what the journal had at the start, if anything was.
    Verified(Result<Option<BadEvent>, String>),
    /// See whether old events are due to leave it.
    Retain,
    /// A segment left it, or none was due, or why one that was due could not.
    Retained(Result<Option<Archived>, String>),
}
