//! What the inbox can be told.

use super::handle::Error;
use super::state::Ask;
use crate::supervision::Reply;
use crate::types::RunId;
use crate::ziggy::review::Item;

/// Where an answer goes: the item as it is after that.
pub(super) type Asker = Reply<Result<Item, Error>>;

pub(super) enum Message {
    /// Something is to happen to the item of this id.
    Ask { id: String, ask: Box<Ask<Asker>> },
    /// A run was cancelled; its open item goes with it. Answered with an error if it has none.
    Cancel { run: RunId, by: String, reply: Asker },
    /// The journal has what happened to the item, or not.
    Stored { id: String, stored: Result<(), String> },
    /// See whose time is over.
    Look,
}
