//! The first lines of an agent in Rust that calls a tool.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::tool::Tool;
use super::{kind_words, one_line, properties};

/// Inputs that are parameters of their own; with more of them, a call is read better with their names beside it.
const PARAMETERS_MAX: usize = 4;

/// Words of Rust that no parameter can be called.
const RESERVED: [&str; 53] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "kit", "cx",
];

struct Parameter<'t> {
    key: &'t str,
    name: String,
    kind: &'static str,
    required: bool,
}

/// A function that calls the tool, for an agent in Rust.
pub fn stub(tool: &Tool) -> String {
    let schema = &tool.interface.input.0;
    let parameters = parameters(schema);
    let mut text = String::from(
        "//! Made by `syzygy tool docs --part rust`.\n\nuse syzygy::prelude::*;\nuse syzygy::types::ToolCall;\n\n",
    );
    for line in [tool.name.as_str(), "", &one_line(&tool.description)] {
        text.push_str(format!("/// {line}").trim_end());
        text.push('\n');
    }
    let name = identifier(&tool.id.snake());
    let list: String =
        parameters.iter().map(|parameter| format!(", {}: {}", parameter.name, declared(parameter))).collect();
    let last = if fits(schema) { list } else { ", arguments: serde_json::Value".to_owned() };
    text.push_str(&format!("pub async fn {name}(kit: &Kit, cx: &Cx{last}) -> Result<serde_json::Value, Fault> {{\n"));
    if fits(schema) {
        body(&mut text, &parameters);
    }
    let id = Value::String(name.trim_start_matches("r#").to_owned());
    let tool = Value::String(tool.id.to_string());
    text.push_str(&format!("    let call = ToolCall {{ id: {id}.to_owned(), name: {tool}.to_owned(), arguments }};\n"));
    text.push_str("    Ok(kit.tools.call(cx, call).await?)\n}\n");
    text
}

fn fits(schema: &Value) -> bool {
    properties(schema).len() <= PARAMETERS_MAX
}

fn parameters(schema: &Value) -> Vec<Parameter<'_>> {
    let mut taken = BTreeSet::new();
    let parameter = |(key, property, required)| {
        let mut name = identifier(key);
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        let kinds = kind_words(schema, property);
        let kind = match kinds.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["string"] => "&str",
            ["integer"] => "i64",
            ["number"] => "f64",
            ["boolean"] => "bool",
            _ => "serde_json::Value",
        };
        Parameter { key, name, kind, required }
    };
    properties(schema).into_iter().map(parameter).collect()
}

fn declared(parameter: &Parameter<'_>) -> String {
    if parameter.required { parameter.kind.to_owned() } else { format!("Option<{}>", parameter.kind) }
}

fn body(text: &mut String, parameters: &[Parameter<'_>]) {
    let mutable = if parameters.is_empty() { "" } else { "mut " };
    text.push_str(&format!("    let {mutable}arguments = serde_json::Map::new();\n"));
    for Parameter { key, name, required, .. } in parameters {
        let key = literal(key);
        let insert = format!("arguments.insert({key}.to_owned(), serde_json::json!({name}));");
        if *required {
            text.push_str(&format!("    {insert}\n"));
        } else {
            text.push_str(&format!("    if let Some({name}) = {name} {{\n        {insert}\n    }}\n"));
        }
    }
    text.push_str("    let arguments = serde_json::Value::Object(arguments);\n");
}

/// A text as Rust writes it.
fn literal(text: &str) -> String {
    format!("{text:?}")
}

/// A name that Rust takes.
fn identifier(text: &str) -> String {
    let sign = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let mut name: String = text.chars().map(sign).collect();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert_str(0, "the_");
    }
    if RESERVED.contains(&name.as_str()) {
        name.push('_');
    }
    name
}
