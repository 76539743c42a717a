//! Tools as OpenAI's Chat Completions API writes them: a `tools` array, `tool_calls` entries, `tool` messages. How they are
//! written is pure; over HTTP they are had and called below `/openai`, by whoever asks such a model.
//!
//! Invariants:
//! - OA1: the name of a tool in this protocol is the name of one tool, and is read back as it.
//! - OA2: a schema is marked strict only if what a model fills in under it is an input the tool's own schema takes, or is
//!   made one by leaving out `null`s that stand for nothing. Only lengths of texts are told in words instead.
//! - OA3: each call of a message has an answer in its place, and happens once under the key of its request.

mod http;
mod name;
mod strict;

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::{Answer, Call, Refusal};
use crate::tds::Tool;
use crate::types::Class;

pub use http::router;
pub use name::{from_safe, to_safe};

/// Bytes of one call's arguments at the most: what a tool may be given at its largest, with room for the escapes of a text
/// within a text.
const ARGUMENTS_BYTES_MAX: usize = 64 << 20;

/// One tool as an entry of `tools`.
pub fn tool(tool: &Tool) -> Value {
    let input = &tool.interface.input.0;
    let strict = strict::strict(input);
    let mut function = json!({
        "name": to_safe(tool.id.as_str()),
        "description": tool.description,
        "strict": strict.is_some(),
    });
    function["parameters"] = strict.unwrap_or_else(|| input.clone());
    json!({ "type": "function", "function": function })
}

/// The call that an entry of `tool_calls` makes. The tool it names is needed to know what a `null` stands for.
///
/// # Errors
/// It is no call of this tool.
pub fn call(entry: &Value, tool: &Tool) -> Result<Call, Refusal> {
    let (name, text) = parts(entry)?;
    if from_safe(name) != tool.id.as_str() {
        return Err(Refusal::unknown(name));
    }
    let mut arguments: Value = if text.trim().is_empty() {
        json!({})
    } else {
        let wrong = |error| Refusal::new(Class::Invalid, format!("could not read the arguments as JSON: {error}"));
        serde_json::from_str(text).map_err(wrong)?
    };
    strict::drop_nothings(&tool.interface.input.0, &mut arguments);
    Ok(Call { name: tool.id.to_string(), arguments, ..Call::default() })
}

/// The id of the tool that an entry of `tool_calls` names.
///
/// # Errors
/// It is no call of a function.
pub fn named(entry: &Value) -> Result<String, Refusal> {
    parts(entry).map(|(name, _)| from_safe(name))
}

fn parts(entry: &Value) -> Result<(&str, &str), Refusal> {
    let text = |at: &str| entry.pointer(at).and_then(Value::as_str);
    let wrong = |what: &str| Refusal::new(Class::Invalid, format!("could not read the tool call: {what}"));
    if entry.get("type").is_some_and(|kind| kind != "function") {
        return Err(wrong("its type is not \"function\""));
    }
    let name = text("/function/name").ok_or_else(|| wrong("it has no function.name"))?;
    let arguments = text("/function/arguments").ok_or_else(|| wrong("its function.arguments are no text"))?;
    if arguments.len() > ARGUMENTS_BYTES_MAX {
        return Err(wrong("its arguments are too long"));
    }
    Ok((name, arguments))
}

/// The `tool` message that answers an entry of `tool_calls`. What failed is told to the model too: it may do better.
pub fn message(entry: &Value, answer: &Result<Answer, Refusal>) -> Value {
    let content = match answer {
        Ok(answer) => match (&answer.value, answer.warnings.is_empty()) {
            (Value::String(text), true) => text.clone(),
            (value, true) => value.to_string(),
            (value, false) => json!({ "result": value, "warnings": answer.warnings }).to_string(),
        },
        Err(refusal) => json!({ "error": { "class": refusal.class, "message": refusal.reason } }).to_string(),
    };
    let id = entry.get("id").and_then(Value::as_str).unwrap_or_default();
    json!({ "role": "tool", "tool_call_id": id, "content": content })
}
