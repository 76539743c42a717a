//! The chat completions protocol as it is on the wire: what is sent, and the little that is read of what comes back.
//!
//! Fields that some servers leave out or send as null are optional here; unknown fields are ignored.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::inference::{Message, Request, Role};
use crate::types::ToolCall;

/// The body of a request.
#[derive(Debug, Serialize)]
pub(super) struct Ask<'a> {
    pub(super) model: &'a str,
    pub(super) messages: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tools: Vec<Value>,
    pub(super) max_tokens: u32,
    pub(super) temperature: f32,
    pub(super) seed: u64,
    pub(super) stream: bool,
    pub(super) stream_options: Value,
}

impl<'a> Ask<'a> {
    pub(super) fn new(model: &'a str, request: &Request, max_tokens: u32, tools: bool) -> Ask<'a> {
        let offered = request.tools.iter().filter(|_| tools);
        Ask {
            model,
            messages: request.messages.iter().map(message).collect(),
            tools: offered
                .map(|tool| {
                    let (name, about, shape) = (&tool.name, &tool.description, &*tool.parameters);
                    json!({ "type": "function", "function": { "name": name, "description": about, "parameters": shape } })
                })
                .collect(),
            max_tokens: request.max_tokens.min(max_tokens),
            temperature: request.temperature,
            // The protocol's seed is a signed number to some servers.
            seed: request.seed & i64::MAX.unsigned_abs(),
            stream: true,
            stream_options: json!({ "include_usage": true }),
        }
    }
}

fn message(message: &Message) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut shaped = json!({ "role": role, "content": message.content });
    if !message.tool_calls.is_empty() {
        shaped["tool_calls"] = message.tool_calls.iter().map(call).collect();
    }
    if let Some(id) = &message.tool_call_id {
        shaped["tool_call_id"] = json!(id);
    }
    shaped
}

/// A call as it goes back to the model. The protocol wants the arguments as a text of JSON.
fn call(call: &ToolCall) -> Value {
    let arguments = match &call.arguments {
        Value::String(unparsed) => unparsed.clone(),
        parsed => parsed.to_string(),
    };
    json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": arguments } })
}

/// One event of a stream, or the whole answer of a server that does not stream.
#[derive(Debug, Deserialize)]
pub(super) struct Part {
    #[serde(default)]
    pub(super) choices: Vec<Choice>,
    pub(super) usage: Option<Counts>,
    pub(super) error: Option<Value>,
}

/// One of several answers; only one is ever asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    /// News of a stream, or all of it at once.
    #[serde(alias = "message")]
    pub(super) delta: Option<Piece>,
    pub(super) finish_reason: Option<String>,
}

/// What is new.
#[derive(Debug, Deserialize)]
pub(super) struct Piece {
    pub(super) content: Option<String>,
    pub(super) tool_calls: Option<Vec<CallPiece>>,
}

/// Part of a tool call. The first part names it, the others add to its arguments.
#[derive(Debug, Deserialize)]
pub(super) struct CallPiece {
    pub(super) index: Option<usize>,
    pub(super) id: Option<String>,
    pub(super) function: Option<FunctionPiece>,
}

/// The function's part of it.
#[derive(Debug, Deserialize)]
pub(super) struct FunctionPiece {
    pub(super) name: Option<String>,
    pub(super) arguments: Option<String>,
}

/// Tokens as the server counted them.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Counts {
    #[serde(default)]
    pub(super) prompt_tokens: u64,
    #[serde(default)]
    pub(super) completion_tokens: u64,
    #[serde(default)]
    pub(super) prompt_tokens_details: Option<PromptCounts>,
}

/// What kinds of tokens the prompt's were.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct PromptCounts {
    #[serde(default)]
    pub(super) cached_tokens: Option<u64>,
}

/// The body of a refusal. Servers disagree on its shape: an object under `error`, or a text under one of these.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Complaint {
    error: Value,
    message: Option<String>,
    detail: Option<Value>,
}

impl Complaint {
    /// What it says, for people.
    pub(super) fn message(&self) -> Option<String> {
        let nested = self.error.get("message").or(Some(&self.error)).and_then(Value::as_str);
        nested
            .map(ToOwned::to_owned)
            .or_else(|| self.message.clone())
            .or_else(|| self.detail.as_ref().map(ToString::to_string))
    }

    /// Tokens of the prompt and of the context, if it complains about them: the two numbers are zero where the server
    /// does not tell.
    pub(super) fn too_long(&self) -> Option<(u64, u64)> {
        let word = |key: &str| self.error.get(key).and_then(Value::as_str).unwrap_or_default();
        let count = |key: &str| self.error.get(key).and_then(Value::as_u64).unwrap_or_default();
        let says_so = word("code") == "context_length_exceeded" || word("type") == "exceed_context_size_error";
        says_so.then(|| (count("n_prompt_tokens"), count("n_ctx")))
    }
}
