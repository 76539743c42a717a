//! How a tool is called. What the model fills in ([`Interface::input`]) and what the host adds ([`Interface::host`]) are
//! apart: the model never sees a host argument and cannot fill one in, since both arrive in objects of their own.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::types::is_default;

use super::Name;
use super::text::Title;

/// A JSON Schema 2020-12 in which only this schema itself is referred to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ToolSchema(pub Value);

impl JsonSchema for ToolSchema {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ToolSchema".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["object", "boolean"],
            "description": "A JSON Schema 2020-12. `$ref` may point into this schema only."
        })
    }
}

/// How a tool is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// What the model fills in: a schema of an object.
    pub input: ToolSchema,
    /// What the tool answers.
    pub output: ToolSchema,
    /// One piece of a streamed answer, or one report of a subscription.
    #[serde(default, skip_serializing_if = "is_default")]
    pub chunk: Option<ToolSchema>,
    /// What the host adds to each call. The model never sees these and cannot set them.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("maxProperties" = 32))]
    pub host: BTreeMap<Name, HostArgument>,
    /// Calls as a model would make them.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 32))]
    pub examples: Vec<Example>,
}

/// Something the host adds to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostArgument {
    /// Where its value comes from.
    pub from: HostSource,
    /// What the tool needs it for.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 500))]
    pub description: String,
}

/// What the host knows of a call and can pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostSource {
    /// Whose data it is: a text.
    Tenant,
    /// Who asked: a text.
    Principal,
    /// Which agent calls: a text.
    Agent,
    /// Which run the call belongs to: 32 hexadecimal digits.
    RunId,
    /// Its W3C trace context: a `traceparent`.
    Trace,
    /// Milliseconds left for it: a whole number.
    DeadlineMs,
    /// How private the data of the call is: `public`, `internal`, `confidential` or `restricted`.
    PrivacyClass,
    /// In which regions it may be worked on: a list of texts.
    Residency,
    /// The key under which it happens once: a text.
    IdempotencyKey,
    /// The folder that was granted for it: a path.
    Workspace,
}

impl HostSource {
    /// What such a value looks like.
    pub fn schema(self) -> Value {
        match self {
            HostSource::Tenant | HostSource::Principal | HostSource::Agent | HostSource::Trace => {
                json!({ "type": "string", "minLength": 1 })
            }
            HostSource::Workspace | HostSource::IdempotencyKey => json!({ "type": "string", "minLength": 1 }),
            HostSource::RunId => json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" }),
            HostSource::DeadlineMs => json!({ "type": "integer", "minimum": 0 }),
            HostSource::PrivacyClass => json!({ "enum": ["public", "internal", "confidential", "restricted"] }),
            HostSource::Residency => json!({ "type": "array", "items": { "type": "string" } }),
        }
    }
}

/// A call as a model would make it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What somebody asks that leads to this call.
    #[schemars(length(min = 1, max = 500))]
    pub prompt: String,
    /// What it shows, if the prompt does not say it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub title: Option<Title>,
    /// What the model fills in.
    pub input: Value,
    /// What the tool answers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub output: Option<Value>,
}

impl Interface {
    /// What a program gets beside the input: an object with every host argument.
    pub fn host_schema(&self) -> Value {
        let properties: serde_json::Map<String, Value> =
            self.host.iter().map(|(name, argument)| (name.to_string(), argument.from.schema())).collect();
        let required: Vec<&str> = self.host.keys().map(Name::as_str).collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }
}
