//! What the router can be told.

use crate::supervision::Reply;
use crate::types::Hash;
use crate::ziggy::route::Feedback;

pub(super) enum Message {
    /// Learn from an answer.
    Observe(Feedback),
    /// Build the table now. Answered with its version.
    Rebuild { reply: Reply<Hash> },
    /// Observations were gathered long enough.
    Gathered,
    /// Health or governance has changed.
    Changed,
    /// An override has expired.
    Expired,
}
