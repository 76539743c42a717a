//! Functions of the host that a model may call, and that may wait.

use std::sync::Arc;

use futures::TryFutureExt;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::handle::Error;
use crate::lap::{Front, Ready};
use crate::sandbox::Failure;
use crate::tds;
use crate::types::{Class, Clock, Cx, ToolSpec};

type Call = Arc<dyn Fn(Cx, Value) -> BoxFuture<'static, Result<Value, Failure>> + Send + Sync>;

/// What a function says that only says no.
fn invalid(reason: String) -> Failure {
    Failure::new(Class::Invalid, reason)
}

/// A native tool: what a model is told of it, and the function behind it.
#[derive(Clone)]
pub struct Tool {
    spec: ToolSpec,
    /// What is said of it beside that, in the words of TDS.
    described: Option<Arc<tds::Tool>>,
    does: Does,
}

/// What is behind a tool of the host.
#[derive(Clone)]
enum Does {
    /// A function that waits without holding a thread.
    Function(Call),
    /// Steps in the tool's own sandbox and through its own way out.
    Front(Arc<dyn Front>),
}

impl Tool {
    /// A tool whose arguments are of type `A`. Arguments that do not fit are refused before the function sees them. It is
    /// taken for one that changes nothing; who writes one that does describes it with [`Tool::described`].
    pub fn new<A, F, R>(name: &str, description: &str, parameters: Value, function: F) -> Tool
    where
        A: DeserializeOwned + Send + 'static,
        F: Fn(Cx, A) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, String>> + Send + 'static,
    {
        let call: Call = Arc::new(move |cx, arguments| match serde_json::from_value::<A>(arguments) {
            Ok(arguments) => Box::pin(function(cx, arguments).map_err(invalid)),
            Err(error) => Box::pin(std::future::ready(Err(invalid(format!("arguments do not fit: {error}"))))),
        });
        let spec =
            ToolSpec { name: name.to_owned(), description: description.to_owned(), parameters: Arc::new(parameters) };
        Tool { spec, described: None, does: Does::Function(call) }
    }

    /// The function behind a description. It is given `{"input": ..., "host": ...}`.
    pub fn described<F, R>(tool: tds::Tool, function: F) -> Tool
    where
        F: Fn(Cx, Value) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, String>> + Send + 'static,
    {
        Tool::failing(tool, move |cx, envelope| function(cx, envelope).map_err(invalid))
    }

    /// The same for a function whose failures have classes.
    pub fn failing<F, R>(tool: tds::Tool, function: F) -> Tool
    where
        F: Fn(Cx, Value) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, Failure>> + Send + 'static,
    {
        let spec = tds::spec(&tool);
        let call: Call = Arc::new(move |cx, envelope| Box::pin(function(cx, envelope)));
        Tool { spec, described: Some(Arc::new(tool)), does: Does::Function(call) }
    }

    /// A tool of which a front makes steps: it runs as its description says, in the sandbox and with the way out that it
    /// asks for.
    pub fn fronted(tool: tds::Tool, front: Arc<dyn Front>) -> Tool {
        Tool { spec: tds::spec(&tool), described: Some(Arc::new(tool)), does: Does::Front(front) }
    }

    /// The front, if that is what is behind it.
    pub(super) fn front(&self) -> Option<&Arc<dyn Front>> {
        match &self.does {
            Does::Front(front) => Some(front),
            Does::Function(_) => None,
        }
    }

    /// What a model is told of it.
    pub fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    /// The same tool behind something that is asked first, at every call: what it returns runs in the place of the call,
    /// which it is given and may make.
    pub(crate) fn behind<F>(self, gate: F) -> Tool
    where
        F: Fn(BoxFuture<'static, Result<Value, Failure>>) -> BoxFuture<'static, Result<Value, Failure>>
            + Send
            + Sync
            + 'static,
    {
        let Tool { spec, described, does } = self;
        let does = match does {
            Does::Function(call) => Does::Function(Arc::new(move |cx, arguments| gate(call(cx, arguments)))),
            // What a sandbox does is not the function's.
            front @ Does::Front(_) => front,
        };
        Tool { spec, described, does }
    }

    /// The same function under another description.
    pub(super) fn under(&self, tool: &Arc<tds::Tool>) -> Tool {
        Tool {
            spec: tds::spec(tool),
            described: self.described.as_ref().map(|_| Arc::clone(tool)),
            does: self.does.clone(),
        }
    }

    /// Whether nothing is known of it but a name, a purpose and a schema.
    pub(super) fn is_plain(&self) -> bool {
        self.described.is_none()
    }

    /// The tool as every other is described, so that one way leads to all of them.
    pub(super) fn ready(&self) -> Result<Ready, Error> {
        let tool = match &self.described {
            Some(tool) => Arc::clone(tool),
            None => Arc::new(self.plain()?),
        };
        let wrong = |reason| Error::Description { name: self.spec.name.clone(), reason };
        Ready::new(tool, Vec::new()).map_err(wrong)
    }

    /// What is said of a function of which only a name, a purpose and a schema are known.
    fn plain(&self) -> Result<tds::Tool, Error> {
        let words = json!({
            "tds": tds::tool::STANDARD,
            "id": self.spec.name,
            "name": self.spec.name,
            "version": "1.0.0",
            "description": self.spec.description,
            "capabilities": ["query"],
            "side_effects": "none",
            "isolation": "native",
            "interface": { "input": *self.spec.parameters, "output": true },
            "run": { "native": { "function": self.spec.name } },
            // A function of the host may be called as often as the executor has places, and be given whatever a task may hold.
            "limits": { "concurrency": 1_024, "timeout_ms": 3_600_000, "input_bytes": 67_108_864 },
            "policy": { "privacy": "restricted", "pii": { "input": "allow", "output": "allow" } },
        });
        let wrong =
            |error: serde_json::Error| Error::Description { name: self.spec.name.clone(), reason: error.to_string() };
        serde_json::from_value(words).map_err(wrong)
    }

    pub(super) fn call(&self, cx: Cx, envelope: Value) -> BoxFuture<'static, Result<Value, Failure>> {
        let Does::Function(call) = &self.does else {
            let failure = Failure::new(Class::Internal, "it is no function of the host");
            return Box::pin(std::future::ready(Err(failure)));
        };
        match (&self.described, envelope) {
            (None, Value::Object(mut parts)) => call(cx, parts.remove("input").unwrap_or(Value::Null)),
            (_, envelope) => call(cx, envelope),
        }
    }
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
