//! Schemas that a model is held to while it writes. Such a schema has no optional keys and no unknown ones: what may be left
//! out may be `null` instead, and a `null` that only stands for that is left out again when the call comes back.

use serde_json::{Map, Value, json};

/// Keywords that say nothing about which keys there are.
const KEPT: [&str; 14] = [
    "type",
    "description",
    "title",
    "enum",
    "const",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
];

/// Levels a strict schema may have, and keys in all: what the API takes.
const LEVELS_MAX: usize = 10;
const KEYS_MAX: usize = 5_000;

/// The strict form of an input's schema, if it has one.
pub(super) fn strict(schema: &Value) -> Option<Value> {
    let mut keys = 0;
    let made = narrowed(schema, 0, &mut keys)?;
    (made.get("type").is_some_and(|kind| kind == "object")).then_some(made)
}

fn narrowed(schema: &Value, level: usize, keys: &mut usize) -> Option<Value> {
    let map = schema.as_object().filter(|_| level <= LEVELS_MAX)?;
    let mut made = Map::new();
    for (word, value) in map {
        match word.as_str() {
            "properties" | "required" | "additionalProperties" => {}
            // The model is told them, and the host holds it to them.
            "minLength" | "maxLength" => {}
            // A default is for whoever leaves a key out, which nobody can any more.
            "default" | "$schema" | "examples" => {}
            "items" => {
                made.insert(word.clone(), narrowed(value, level + 1, keys)?);
            }
            kept if KEPT.contains(&kept) => {
                made.insert(word.clone(), value.clone());
            }
            annotation if annotation.starts_with("x-") => {}
            _ => return None,
        }
    }
    if let Some(lengths) = lengths(map) {
        let text = made.get("description").and_then(Value::as_str);
        let told = text.map_or_else(|| lengths.clone(), |text| format!("{text} {lengths}"));
        made.insert("description".to_owned(), Value::String(told));
    }
    if map.get("type").is_some_and(|kind| kind == "object") {
        objects(map, &mut made, level, keys)?;
    } else if map.contains_key("properties") || is_open(map) {
        return None;
    }
    Some(Value::Object(made))
}

/// Lengths of a text in words: strict schemas have no keyword for them, and a tool is not worth less for saying how long.
fn lengths(map: &Map<String, Value>) -> Option<String> {
    let number = |key| map.get(key).and_then(Value::as_u64).filter(|number| *number > 0);
    match (number("minLength"), number("maxLength")) {
        (None, None) => None,
        (None, Some(most)) => Some(format!("{most} characters at the most.")),
        (Some(least), None) => Some(format!("{least} characters at least.")),
        (Some(least), Some(most)) => Some(format!("{least} to {most} characters.")),
    }
}

/// Whether a schema takes objects of any kind, which a strict one cannot.
fn is_open(map: &Map<String, Value>) -> bool {
    let closed = |kind: &Value| kind.as_str().is_some_and(|kind| kind != "object" && kind != "array");
    let array = map.get("type").is_some_and(|kind| kind == "array") && map.contains_key("items");
    let kinds = match map.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().all(closed),
        Some(kind) => closed(kind),
        None => map.contains_key("enum") || map.contains_key("const"),
    };
    !(array || kinds)
}

fn objects(map: &Map<String, Value>, made: &mut Map<String, Value>, level: usize, keys: &mut usize) -> Option<()> {
    // What takes keys nobody named is meant to get them.
    let named = map.get("properties").and_then(Value::as_object);
    let open = map.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
    if open || (named.is_none() && map.get("additionalProperties").is_none()) {
        return None;
    }
    let required = required(map);
    let mut properties = Map::new();
    for (key, schema) in named.into_iter().flatten() {
        *keys += 1;
        let own = narrowed(schema, level + 1, keys)?;
        let own = if required.contains(&key.as_str()) { own } else { json!({ "anyOf": [own, { "type": "null" }] }) };
        properties.insert(key.clone(), own);
    }
    if *keys > KEYS_MAX || required.iter().any(|key| !properties.contains_key(*key)) {
        return None;
    }
    let mut all: Vec<&String> = properties.keys().collect();
    all.sort_unstable();
    made.insert("required".to_owned(), all.into_iter().cloned().collect());
    made.insert("properties".to_owned(), Value::Object(properties));
    made.insert("additionalProperties".to_owned(), Value::Bool(false));
    Some(())
}

fn required(map: &Map<String, Value>) -> Vec<&str> {
    map.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Leaves out each `null` under a key that may be left out and takes no `null` itself.
pub(super) fn drop_nothings(schema: &Value, value: &mut Value) {
    // Only a schema that has a strict form was ever shown with `null`s that stand for nothing.
    if strict(schema).is_some() {
        dropped(schema, value);
    }
}

fn dropped(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(given) => {
            let Some(map) = schema.as_object() else { return };
            let required = required(map);
            for (key, own) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if !required.contains(&key.as_str()) && given.get(key).is_some_and(Value::is_null) && !takes_null(own) {
                    given.remove(key);
                } else if let Some(inner) = given.get_mut(key) {
                    dropped(own, inner);
                }
            }
        }
        Value::Array(items) => {
            if let Some(own) = schema.get("items") {
                items.iter_mut().for_each(|item| dropped(own, item));
            }
        }
        _ => {}
    }
}

fn takes_null(schema: &Value) -> bool {
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "null"),
        Some(kind) => kind == "null",
        None => true,
    };
    let listed = match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(choices)), _) => choices.contains(&Value::Null),
        (_, Some(only)) => only.is_null(),
        _ => true,
    };
    kind && listed
}
