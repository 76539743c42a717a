//! What the keeper can be told.

pub(super) enum Message {
    /// Look at the journal.
    Look,
}
