//! Native tools: functions of the host that a model may call.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::handle::Error;
use crate::types::{Clock, Cx, ToolSpec};

type Call = Arc<dyn Fn(Cx, Value) -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;

/// A native tool: what a model is told of it, and the function behind it.
#[derive(Clone)]
pub struct Tool {
    spec: ToolSpec,
    call: Call,
}

impl Tool {
    /// A tool whose arguments are of type `A`. Arguments that do not fit are refused before the function sees them.
    pub fn new<A, F, R>(name: &str, description: &str, parameters: Value, function: F) -> Tool
    where
        A: DeserializeOwned + Send + 'static,
        F: Fn(Cx, A) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, String>> + Send + 'static,
    {
        let call: Call = Arc::new(move |cx, arguments| match serde_json::from_value::<A>(arguments) {
            Ok(arguments) => Box::pin(function(cx, arguments)),
            Err(error) => Box::pin(std::future::ready(Err(format!("arguments do not fit: {error}")))),
        });
        let spec =
            ToolSpec { name: name.to_owned(), description: description.to_owned(), parameters: Arc::new(parameters) };
        Tool { spec, call }
    }

    /// What a model is told of it.
    pub fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    /// The same tool behind something that is asked first, at every call: what it returns runs in the place of the call,
    /// which it is given and may make.
    pub(crate) fn behind<F>(self, gate: F) -> Tool
    where
        F: Fn(BoxFuture<'static, Result<Value, String>>) -> BoxFuture<'static, Result<Value, String>>
            + Send
            + Sync
            + 'static,
    {
        let Tool { spec, call } = self;
        Tool { spec, call: Arc::new(move |cx, arguments| gate(call(cx, arguments))) }
    }

    pub(super) fn call(&self, cx: Cx, arguments: Value) -> BoxFuture<'static, Result<Value, String>> {
        (self.call)(cx, arguments)
    }
}

/// Tools by name.
pub(super) type Table = BTreeMap<String, Tool>;

/// Puts tools in a table, refusing two of one name.
pub(super) fn table(tools: Vec<Tool>) -> Result<Table, Error> {
    let mut table = Table::new();
    for tool in tools {
        let name = tool.spec.name.clone();
        if table.insert(name.clone(), tool).is_some() {
            return Err(Error::Twice { name });
        }
    }
    Ok(table)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sum {
    terms: Vec<f64>,
}

/// The tools every host has: what small models get wrong most and a function gets right.
pub fn core_tools(clock: Arc<dyn Clock>) -> Vec<Tool> {
    let nothing = json!({ "type": "object", "properties": {}, "additionalProperties": false });
    let text = json!({
        "type": "object",
        "properties": { "text": { "type": "string", "description": "the text to count" } },
        "required": ["text"],
        "additionalProperties": false
    });
    let terms = json!({
        "type": "object",
        "properties": { "terms": { "type": "array", "items": { "type": "number" }, "description": "the numbers to add" } },
        "required": ["terms"],
        "additionalProperties": false
    });
    vec![
        Tool::new("time", "Tells the present date and time in UTC.", nothing, move |_cx, _nothing: Nothing| {
            let now = clock.wall().rfc3339();
            async move { Ok(json!({ "utc": now })) }
        }),
        Tool::new(
            "count",
            "Counts the characters, words and lines of a text.",
            text,
            |_cx, Text { text }| async move {
                let (characters, words, lines) =
                    (text.chars().count(), text.split_whitespace().count(), text.lines().count());
                Ok(json!({ "characters": characters, "words": words, "lines": lines }))
            },
        ),
        Tool::new("sum", "Adds numbers exactly.", terms, |_cx, Sum { terms }| async move {
            let sum: f64 = terms.iter().sum();
            if sum.is_finite() { Ok(json!({ "sum": sum })) } else { Err("the sum is not a finite number".to_owned()) }
        }),
    ]
}
