//! What a model is told about a tool, and what it asks of one.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A tool as a model sees it: name, purpose, and the JSON Schema of its arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Unique name, such as `time` or `memory.recall`.
    pub name: String,
    /// One sentence for the model.
    pub description: String,
    /// JSON Schema 2020-12 of the arguments object. Shared, since every run offers the same tools anew.
    #[serde(serialize_with = "by_value", deserialize_with = "shared")]
    pub parameters: Arc<Value>,
}

fn by_value<S: Serializer>(value: &Arc<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    Value::serialize(value, serializer)
}

fn shared<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Value>, D::Error> {
    Value::deserialize(deserializer).map(Arc::new)
}

/// A model's wish to have a tool called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call, echoed with the result.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// The arguments object as the model wrote it.
    pub arguments: serde_json::Value,
}
