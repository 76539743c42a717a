//! Questions of tools to whoever calls them. Since 2026-07-28 the call is answered with the questions and sent again with
//! the answers; before, the questions are requests to the client while the call waits. To a tool both are the same.

use std::collections::BTreeMap;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{InputRequest, InputRequests, InputRequiredResult, InputResponses, RequestStateCodec, SealOptions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{Asks, Caller, Question, Refusal, Said, Told};
use crate::tds::Tool;
use crate::tds::tool::Range;
use crate::types::{Class, Cx};

/// What a caller keeps for a tool between two rounds. It is signed: the caller could not have made it, nor another caller,
/// nor for another tool.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// The version that asked, which is the one that is told.
    version: String,
    state: Value,
}

/// Whose state of what tool it is.
fn bound(cx: &Cx, tool: &Tool) -> Vec<u8> {
    json!([cx.principal().name, tool.id]).to_string().into_bytes()
}

/// What a caller sent back: what it answered, and which version it is for.
pub(super) fn told(
    codec: &RequestStateCodec,
    (cx, tool): (&Cx, &Tool),
    answers: Option<InputResponses>,
    state: Option<String>,
) -> Result<(Told, Option<Range>), ErrorData> {
    let answers = answers.into_iter().flatten().filter_map(|(key, answer)| Some((key, said(&answer)?))).collect();
    let Some(sealed) = state else { return Ok((Told { state: None, answers }, None)) };
    let kept: Kept = codec.open_json_with(&sealed, &bound(cx, tool)).map_err(|error| {
        tracing::debug!(%error, tool = %tool.id, "a requestState was refused");
        ErrorData::invalid_params("could not take this requestState: it is not ours, or too old", None)
    })?;
    let version = format!("={}", kept.version).parse().ok();
    Ok((Told { state: Some(kept.state), answers }, version))
}

/// An answer by its form; what is none is as good as missing, and the tool asks again.
pub(super) fn said(answer: &Value) -> Option<Said> {
    if let Some(action) = answer.get("action").and_then(Value::as_str) {
        return match action {
            "accept" => Some(Said::Filled(answer.get("content").cloned().unwrap_or_else(|| json!({})))),
            "decline" => Some(Said::Declined),
            "cancel" => Some(Said::Left),
            _ => None,
        };
    }
    if let Some(roots) = answer.get("roots").and_then(Value::as_array) {
        let places = roots.iter().filter_map(|root| Some(root.get("uri")?.as_str()?.to_owned()));
        return Some(Said::Places(places.collect()));
    }
    let content = answer.get("role").and(answer.get("content"))?;
    let blocks = match content {
        Value::Array(blocks) => blocks.iter().collect(),
        one => vec![one],
    };
    Some(Said::Written(blocks.iter().filter_map(|block| block.get("text")?.as_str()).collect()))
}

/// Questions as requests of the protocol. One that the caller cannot be asked is why the call is refused.
pub(super) fn requests(tool: &Tool, caller: &Caller, asks: &Asks) -> Result<InputRequests, Refusal> {
    let beyond = asks.questions.values().map(Question::needs).filter(|ability| !caller.can.contains(ability));
    let lacking: std::collections::BTreeSet<_> = beyond.collect();
    if !lacking.is_empty() {
        let reason = format!("could not call {}: it has to ask what its caller cannot answer", tool.id);
        return Err(Refusal { lacking, ..Refusal::new(Class::Invalid, reason) });
    }
    let made: Result<BTreeMap<_, _>, _> =
        asks.questions.iter().map(|(key, question)| Ok((key.clone(), request(question)?))).collect();
    made.map_err(|error: serde_json::Error| {
        Refusal::new(Class::Internal, format!("could not ask what {} wants to know: {error}", tool.id))
    })
}

fn request(question: &Question) -> Result<InputRequest, serde_json::Error> {
    let value = match question {
        Question::Form { message, schema } => json!({
            "method": "elicitation/create",
            "params": { "mode": "form", "message": message, "requestedSchema": schema },
        }),
        Question::Write { prompt, tokens_max } => json!({
            "method": "sampling/createMessage",
            "params": {
                "messages": [{ "role": "user", "content": { "type": "text", "text": prompt } }],
                "maxTokens": tokens_max,
            },
        }),
        Question::Places => json!({ "method": "roots/list" }),
    };
    serde_json::from_value(value)
}

/// The result that asks.
pub(super) fn required(
    codec: &RequestStateCodec,
    (cx, tool, keep): (&Cx, &Tool, Duration),
    caller: &Caller,
    asks: &Asks,
) -> Result<InputRequiredResult, Refusal> {
    let requests = requests(tool, caller, asks)?;
    let Some(state) = &asks.state else { return Ok(InputRequiredResult::from_input_requests(requests)) };
    let kept = Kept { version: tool.version.to_string(), state: state.clone() };
    let options = SealOptions::new().ttl(keep);
    let bound = bound(cx, tool);
    let sealed = codec.seal_json_with(&kept, &options.associated_data(&bound)).map_err(|error| {
        Refusal::new(Class::Internal, format!("could not keep what {} wants to be given back: {error}", tool.id))
    })?;
    Ok(InputRequiredResult::new(Some(requests), Some(sealed)))
}
