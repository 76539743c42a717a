//! What is made of a tool's description: what a model is told, a page for people, prompts that show calls, and the first
//! lines of an agent that calls it. The same tool gives the same text, byte for byte.

mod page;
mod stub;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Value, json};

use super::keywords::{list, referred};
use super::tool::Tool;
use crate::types::ToolSpec;

pub use page::page;
pub use stub::stub;

/// What a model is told of a tool: nothing that the host adds.
pub fn spec(tool: &Tool) -> ToolSpec {
    ToolSpec {
        name: tool.id.to_string(),
        description: tool.description.clone(),
        parameters: Arc::new(tool.interface.input.0.clone()),
    }
}

/// A call of the tool as a model makes it: the first example, or one with a value of the right kind for each required
/// input.
pub fn call(tool: &Tool) -> Value {
    let example = tool.interface.examples.first().map(|example| example.input.clone());
    let input = example.unwrap_or_else(|| sample(&tool.interface.input.0, &tool.interface.input.0, 0));
    json!({ "name": tool.id, "arguments": input })
}

/// Levels of a made-up value: enough to see its shape.
const SAMPLE_DEPTH: usize = 8;

fn sample(root: &Value, schema: &Value, depth: usize) -> Value {
    let Some(map) = schema.as_object().filter(|_| depth < SAMPLE_DEPTH) else { return Value::Null };
    if let Some(target) = map.get("$ref").and_then(Value::as_str).and_then(|text| referred(root, text)) {
        return sample(root, target, depth + 1);
    }
    let given = ["const", "default"].into_iter().find_map(|word| map.get(word));
    let given = given.or_else(|| ["enum", "examples"].into_iter().find_map(|word| list(map, word).first()));
    if let Some(value) = given {
        return value.clone();
    }
    let kind = match map.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        other => other.and_then(Value::as_str),
    };
    match kind {
        Some("string") => json!("..."),
        Some("integer" | "number") => map.get("minimum").cloned().unwrap_or(json!(0)),
        Some("boolean") => json!(false),
        Some("array") => json!([]),
        Some("object") => {
            let required = list(map, "required").iter().filter_map(Value::as_str);
            let property = |name: &str| map.get("properties")?.get(name);
            let filled = required.map(|name| {
                let value = property(name).map_or(Value::Null, |schema| sample(root, schema, depth + 1));
                (name.to_owned(), value)
            });
            Value::Object(filled.collect())
        }
        _ => Value::Null,
    }
}

/// Examples as a conversation shows them: what is asked, the call, what comes back.
pub fn prompts(tool: &Tool) -> String {
    let mut text = format!("Tool {}: {}\n", tool.id, one_line(&tool.description));
    for example in &tool.interface.examples {
        let mut call = json!({ "name": tool.id, "arguments": example.input });
        call.sort_all_objects();
        text.push_str(&format!("\nUser: {}\nCall: {call}\n", one_line(&example.prompt)));
        if let Some(output) = &example.output {
            text.push_str(&format!("Result: {output}\n"));
        }
    }
    if tool.interface.examples.is_empty() {
        text.push_str(&format!("\nCall: {}\n", call(tool)));
    }
    text
}

/// A text without breaks.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The kinds of values a schema names, in words of JSON Schema.
fn kind_words(root: &Value, schema: &Value) -> Vec<String> {
    let mut at = schema;
    for _ in 0..SAMPLE_DEPTH {
        match at.get("$ref").and_then(Value::as_str).and_then(|text| referred(root, text)) {
            Some(target) => at = target,
            None => break,
        }
    }
    match at.get("type") {
        Some(Value::String(word)) => vec![word.clone()],
        Some(Value::Array(words)) => words.iter().filter_map(|word| Some(word.as_str()?.to_owned())).collect(),
        _ => Vec::new(),
    }
}

/// The properties of an object's schema, the required ones first.
fn properties(schema: &Value) -> Vec<(&str, &Value, bool)> {
    let required: Vec<&str> =
        schema.as_object().map_or(&[][..], |map| list(map, "required")).iter().filter_map(Value::as_str).collect();
    let listed = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let mut found: Vec<(&str, &Value, bool)> =
        listed.map(|(name, schema)| (name.as_str(), schema, required.contains(&name.as_str()))).collect();
    found.sort_by_key(|(name, _, required)| (!required, *name));
    found
}
