//! One text for one tool, however it is written, and the hash of it.

use serde_json::Value;

use super::tool::{Limits, Observability, Policy, Retry, Tool};
use crate::types::Hash;

/// The canonical form: JSON as RFC 8785 writes it, without what only repeats a default, so that a key which a later version
/// of this standard adds changes no hash of today.
pub fn canonical(tool: &Tool) -> String {
    let mut value = serde_json::to_value(tool).unwrap_or_default();
    for (key, default) in [
        ("limits", serde_json::to_value(Limits::default())),
        ("retry", serde_json::to_value(Retry::default())),
        ("policy", serde_json::to_value(Policy::default())),
        ("observability", serde_json::to_value(Observability::default())),
        ("cost", serde_json::to_value(super::tool::Cost::default())),
        ("tests", serde_json::to_value(super::tool::Tests::default())),
    ] {
        if let (Some(value), Ok(default)) = (value.get_mut(key), default) {
            prune(value, &default);
        }
    }
    serde_json_canonicalizer::to_string(&value).unwrap_or_default()
}

fn prune(value: &mut Value, default: &Value) {
    let (Value::Object(map), Value::Object(default)) = (value, default) else { return };
    map.retain(|key, value| default.get(key) != Some(value));
    for (key, value) in map {
        if let Some(default) = default.get(key) {
            prune(value, default);
        }
    }
}

/// One text for one value, as RFC 8785 writes it.
pub fn canonical_value(value: &Value) -> String {
    // Only keys that are no texts have no such form, and a JSON value has none of those.
    serde_json_canonicalizer::to_string(value).unwrap_or_default()
}

/// What a tool is pinned by: the BLAKE3 hash of its canonical form.
pub fn hash(tool: &Tool) -> Hash {
    Hash::of(canonical(tool).as_bytes())
}
