//! Answers and refusals as MCP writes them.
//!
//! A tool that failed is told in the answer, where the model sees it and may do better. Only what makes a call no call at
//! all is an error of the protocol: no such tool, a caller that cannot do what the tool needs, a fault of ours.

use rmcp::ErrorData;
use rmcp::model::{
    CallToolResult, ClientCapabilities, ContentBlock, GetPromptResult, MetaObject, PromptMessage, ReadResourceResult,
    ResourceContents, Role,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Ability, Answer, Refusal};
use super::offer::VERSION;
use super::shape::Shape;
use crate::tds::Tool;
use crate::types::Class;

/// Where facts of ours stand in `_meta`.
pub(super) const CLASS: &str = "syzygy/class";
pub(super) const RETRYABLE: &str = "syzygy/retryable";
pub(super) const DECISION: &str = "syzygy/decision";
pub(super) const WARNINGS: &str = "syzygy/warnings";

fn meta(answer: &Answer) -> MetaObject {
    let mut meta = MetaObject::new();
    meta.0.insert(VERSION.to_owned(), json!(answer.version));
    meta.0.insert(DECISION.to_owned(), json!(answer.decision));
    if !answer.warnings.is_empty() {
        meta.0.insert(WARNINGS.to_owned(), json!(answer.warnings));
    }
    meta
}

/// A tool that says its values are content, and answers with something else.
fn unreadable(tool: &Tool, error: &dyn std::fmt::Display) -> Refusal {
    let reason = format!("could not show what {} answered: {error}", tool.id);
    Refusal { tools: true, ..Refusal::new(Class::Internal, reason) }
}

/// The result of a call.
pub(super) fn result(tool: &Tool, shape: &Shape, answer: Answer) -> Result<CallToolResult, Refusal> {
    let meta = meta(&answer);
    let mut made = if shape.content {
        let blocks = answer.value.get("content").cloned().unwrap_or(Value::Null);
        let blocks = Vec::<ContentBlock>::deserialize(blocks).map_err(|error| unreadable(tool, &error))?;
        CallToolResult::success(blocks)
    } else {
        let text = match &answer.value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut made = CallToolResult::success(vec![ContentBlock::text(text)]);
        made.structured_content = Some(answer.value);
        made
    };
    made.content.extend(answer.warnings.iter().map(|warning| ContentBlock::text(format!("warning: {warning}"))));
    made.meta = Some(meta);
    Ok(made)
}

/// A call that failed, as its result or as an error of the protocol.
pub(super) fn failed(refusal: &Refusal) -> Result<CallToolResult, ErrorData> {
    if (refusal.class == Class::Internal && !refusal.tools) || !refusal.lacking.is_empty() {
        return Err(error(refusal));
    }
    let mut made = CallToolResult::error(vec![ContentBlock::text(refusal.reason.clone())]);
    made.meta = Some(MetaObject(facts(refusal)));
    Ok(made)
}

fn facts(refusal: &Refusal) -> serde_json::Map<String, Value> {
    let mut facts = serde_json::Map::new();
    facts.insert(CLASS.to_owned(), json!(refusal.class));
    facts.insert(RETRYABLE.to_owned(), json!(refusal.class.retryable()));
    if let Some(decision) = &refusal.decision {
        facts.insert(DECISION.to_owned(), json!(decision));
    }
    facts
}

/// A refusal as an error of the protocol.
pub(super) fn error(refusal: &Refusal) -> ErrorData {
    if !refusal.lacking.is_empty() {
        return ErrorData::missing_required_client_capability(capabilities(refusal.lacking.iter().copied()));
    }
    let data = Some(Value::Object(facts(refusal)));
    match refusal.class {
        Class::NotFound | Class::Invalid | Class::Conflict => ErrorData::invalid_params(refusal.reason.clone(), data),
        Class::Unauthenticated | Class::Denied => ErrorData::invalid_request(refusal.reason.clone(), data),
        Class::Exhausted
        | Class::Timeout
        | Class::Cancelled
        | Class::Unavailable
        | Class::Corrupt
        | Class::Internal => ErrorData::internal_error(refusal.reason.clone(), data),
    }
}

/// Abilities as a client declares them.
pub(super) fn capabilities(abilities: impl Iterator<Item = Ability>) -> ClientCapabilities {
    let word = |ability| match ability {
        Ability::Form => "elicitation",
        Ability::Write => "sampling",
        Ability::Places => "roots",
    };
    let named: serde_json::Map<String, Value> =
        abilities.map(|ability| (word(ability).to_owned(), json!({}))).collect();
    serde_json::from_value(Value::Object(named)).unwrap_or_default()
}

/// What a client declares, as abilities.
pub(super) fn abilities(declared: &ClientCapabilities) -> std::collections::BTreeSet<Ability> {
    let pairs = [
        (declared.elicitation.is_some(), Ability::Form),
        (declared.sampling.is_some(), Ability::Write),
        (declared.roots.is_some(), Ability::Places),
    ];
    pairs.into_iter().filter(|(has, _)| *has).map(|(_, ability)| ability).collect()
}

/// A prompt's messages.
pub(super) fn prompt(tool: &Tool, answer: Answer) -> Result<GetPromptResult, Refusal> {
    let meta = meta(&answer);
    let messages = match answer.value {
        Value::String(text) => vec![PromptMessage::new_text(Role::User, text)],
        mut other => {
            let messages = other.get_mut("messages").map_or(Value::Null, Value::take);
            Vec::<PromptMessage>::deserialize(messages).map_err(|error| unreadable(tool, &error))?
        }
    };
    let mut made = GetPromptResult::new(messages);
    (made.description, made.meta) = (Some(tool.description.clone()), Some(meta));
    Ok(made)
}

/// A resource's contents.
pub(super) fn contents(uri: &str, shape: &Shape, answer: Answer) -> ReadResourceResult {
    let blob = answer.value.get("blob").and_then(Value::as_str).map(str::to_owned);
    let made = match (blob, answer.value) {
        (Some(blob), _) => ResourceContents::blob(blob, uri),
        (None, Value::String(text)) => ResourceContents::text(text, uri),
        (None, other) => ResourceContents::text(other.to_string(), uri),
    };
    let mime_type = shape.resource.as_ref().and_then(|resource| resource.mime_type.clone());
    ReadResourceResult::new(vec![match mime_type {
        Some(mime_type) => made.with_mime_type(mime_type),
        None => made,
    }])
}
