//! What an executor can be told.

use super::handle::Error;
use super::library::Entry;
use super::request::{Answer, Request};
use crate::supervision::Reply;
use crate::types::Cx;

/// One call, with where its answer goes.
pub(super) struct Work {
    pub(super) cx: Cx,
    pub(super) entry: Entry,
    pub(super) request: Request,
    pub(super) reply: Reply<Result<Answer, Error>>,
}

pub(super) enum Message {
    /// Make a call. Answered when it is done.
    Call(Box<Work>),
    /// A call is done, well or badly.
    Called { reply: Reply<Result<Answer, Error>>, result: Result<Box<Answer>, Error> },
    /// Take back secrets whose calls are over and that nobody gave back.
    Sweep,
}
