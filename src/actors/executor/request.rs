//! What a caller asks for and what it gets.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::lap::Workspace;
use crate::sandbox::{Effects, Line, Tier, Usage};
use crate::tds::tool::Range;
use crate::types::{Money, ToolCall};

/// A call of a tool.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The id of the tool.
    pub tool: String,
    /// The versions the caller takes; the newest if it does not say.
    pub required: Option<Range>,
    /// What was filled in.
    pub arguments: Value,
    /// Under which key it happens once, if the caller has one.
    pub key: Option<String>,
    /// What the caller names this call by; with its run it makes the key of a call that has none.
    pub call: String,
    /// The agent that calls, if one does.
    pub agent: Option<String>,
    /// The folder that was granted.
    pub workspace: Option<Workspace>,
    /// Who hears what the tool says while it says it.
    pub lines: Option<mpsc::Sender<Line>>,
}

impl Request {
    /// A model's wish.
    pub fn of(call: ToolCall) -> Request {
        let ToolCall { id, name, arguments } = call;
        Request { tool: name, arguments, call: id, ..Request::default() }
    }
}

/// How an answer came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ToolAnswerSource)]
pub enum How {
    /// The tool was run.
    Performed,
    /// It was done before under this key; this is what came of it then.
    Repeated,
    /// The same was asked before, and the tool says that answers may be used again.
    Cached,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The result.
    pub value: Value,
    /// Id of the call, as records have it.
    pub invocation: String,
    /// The tool.
    pub tool: String,
    /// The version that answered.
    pub version: String,
    /// How it came to be.
    pub how: How,
    /// In which tier it ran, if it ran.
    pub tier: Option<Tier>,
    /// How often it was tried.
    pub attempts: u32,
    /// What callers of this version should know.
    pub warnings: Vec<String>,
    /// What the tool said before its answer.
    pub lines: Vec<Line>,
    /// What it did.
    pub effects: Effects,
    /// What it used.
    pub usage: Usage,
    /// What it cost.
    pub cost: Money,
}
