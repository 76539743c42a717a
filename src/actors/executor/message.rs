//! What an executor can be told.

use serde_json::Value;

use super::handle::Error;
use crate::supervision::Reply;
use crate::types::{Cx, ToolCall};

/// One call, with where its result goes.
pub(super) struct Work {
    pub(super) cx: Cx,
    pub(super) call: ToolCall,
    pub(super) reply: Reply<Result<Value, Error>>,
}

pub(super) enum Message {
    /// Run a tool. Answered when it is done.
    Call(Box<Work>),
    /// A tool is done, well or badly.
    Called { reply: Reply<Result<Value, Error>>, result: Result<Value, Error> },
}
