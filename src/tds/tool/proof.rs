//! What is recorded of a call, how a tool is proved to work, how a call is undone, and how a tool ends.

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::types::{Class, is_default};

use super::text::{Date, FilePath, Name, Reference, ValuePointer};

/// What is recorded of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Observability {
    /// Which of the tool's log lines are kept.
    pub log_level: LogLevel,
    /// Attributes of the call's span: a name, and which value of the call it shows.
    #[schemars(extend("maxProperties" = 32))]
    pub trace: BTreeMap<Name, ValuePointer>,
    /// Values that are hidden wherever a call is shown: logs, traces, the journal's readable form.
    #[schemars(length(max = 64))]
    pub redact: BTreeSet<ValuePointer>,
}

/// How loud a log line must be. Ordered: the louder is less.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// What went wrong.
    Error,
    /// What may go wrong.
    Warn,
    /// What was done.
    #[default]
    Info,
    /// How it was done.
    Debug,
    /// Everything.
    Trace,
}

/// How a tool is proved to work.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tests {
    /// Calls and what must be true of their answers.
    #[schemars(length(max = 100))]
    pub contract: Vec<Contract>,
    /// Recorded calls whose answers must not change.
    #[schemars(length(max = 100))]
    pub golden: Vec<Golden>,
}

impl Tests {
    /// The files that recorded calls are in, each with where the description names it.
    pub fn files(&self) -> impl Iterator<Item = (String, &FilePath)> {
        let golden = self.golden.iter().enumerate();
        golden.map(|(at, golden)| (format!("/tests/golden/{at}/file"), &golden.file))
    }
}

/// A call and what must be true of its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// What it shows.
    pub name: Name,
    /// What the model would fill in.
    pub input: Value,
    /// What the host would add; made up by the host if it is not said.
    #[serde(default, skip_serializing_if = "is_default")]
    pub host: BTreeMap<Name, Value>,
    /// What must come of it. Without it, any answer that satisfies the output's schema.
    #[serde(default, skip_serializing_if = "is_default")]
    pub expect: Option<Expect>,
}

/// What must come of a call: one of three.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// Exactly this answer.
    Output(Value),
    /// An answer with at least these keys and values.
    Contains(Value),
    /// A failure of this class.
    Error(Class),
}

impl JsonSchema for Expect {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Expect".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let classes: Vec<&str> = Class::ALL.into_iter().map(Class::word).collect();
        json_schema!({
            "type": "object",
            "description": "What must come of a call: one of three.",
            "properties": {
                "output": { "description": "Exactly this answer." },
                "contains": { "description": "An answer with at least these keys and values." },
                "error": { "enum": classes, "description": "A failure of this class." },
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        })
    }
}

/// A recorded call whose answer must not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// What it shows.
    pub name: Name,
    /// The file, beside this one: JSON with `input`, `output` and, if the tool has host arguments, `host`.
    pub file: FilePath,
}

/// How a call is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compensation {
    /// The tool that undoes it.
    pub tool: Reference,
    /// Its arguments: names, and which values of the call that is undone they are.
    #[schemars(extend("maxProperties" = 32))]
    pub arguments: BTreeMap<Name, ValuePointer>,
    /// Seconds within which it can be undone; without it, ever after.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub within_s: Option<u64>,
}

/// What a tool replaces, and when it goes itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Deprecation {
    /// Tools whose callers are told to use this one.
    #[schemars(length(max = 16))]
    pub replaces: Vec<Reference>,
    /// The tool to use instead of this one.
    #[serde(skip_serializing_if = "is_default")]
    pub replaced_by: Option<Reference>,
    /// The day from which on it is not called any more.
    #[serde(skip_serializing_if = "is_default")]
    pub sunset_at: Option<Date>,
    /// What callers are told.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(length(max = 500))]
    pub message: String,
}
