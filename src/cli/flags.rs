//! Arguments of a tool as a person types them: flags made of its input schema, or JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Flags of the verb itself. A tool may have one of the same name, and behind its id that is the tool's.
const OWN: [&str; 8] = ["version", "idempotency-key", "workspace", "timeout-s", "url", "token", "data-dir", "output"];

/// What was typed behind the tool's id, as the object that its input schema describes.
///
/// Either one JSON object, or `--name value` for its properties: a text is taken as it is, a number, a list or an object is
/// JSON, a flag without a value is `true`, `--no-name` is `false`, and a flag of a list that is said again adds to it.
/// Underscores in a name may be typed as dashes.
///
/// # Errors
/// What was typed that the schema has no place for, and what there is.
pub(super) fn read(schema: &Value, typed: &[String]) -> Result<Value, String> {
    match typed {
        [] => return Ok(json!({})),
        [whole] if whole.trim_start().starts_with('{') => {
            return serde_json::from_str(whole).map_err(|error| format!("the arguments are no JSON object: {error}"));
        }
        _ => {}
    }
    let known = properties(schema);
    let mut read = Map::new();
    let mut rest = typed.iter().peekable();
    while let Some(word) = rest.next() {
        let Some(flag) = word.strip_prefix("--") else {
            return Err(format!("{word:?} is no flag; {}", flags(&known)));
        };
        let (name, said) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        if let Some((own, _)) = name.strip_prefix("no-").and_then(|name| find(&known, name)) {
            read.insert(own.to_owned(), Value::Bool(false));
            continue;
        }
        let Some((own, property)) = find(&known, name) else {
            if OWN.contains(&name) {
                return Err(format!("--{name} is no argument of the tool; it stands before the tool's id"));
            }
            return Err(format!("there is no --{name}; {}", flags(&known)));
        };
        let value = match said {
            Some(value) => Some(value),
            // What follows is the value, unless it is the next flag. A number may begin with a dash.
            None if kinds(schema, property) == ["boolean"] => None,
            None => rest.next_if(|next| !next.starts_with("--")).cloned(),
        };
        put(&mut read, own, valued(schema, property, own, value)?, kinds(schema, property).contains(&"array"));
    }
    Ok(Value::Object(read))
}

fn put(read: &mut Map<String, Value>, name: &str, value: Value, list: bool) {
    match read.get_mut(name) {
        Some(Value::Array(items)) if list => match value {
            Value::Array(more) => items.extend(more),
            one => items.push(one),
        },
        _ => drop(read.insert(name.to_owned(), value)),
    }
}

/// A value of the kind that its property has.
fn valued(schema: &Value, property: &Value, name: &str, value: Option<String>) -> Result<Value, String> {
    let kinds = kinds(schema, property);
    let Some(text) = value else {
        return if kinds.is_empty() || kinds.contains(&"boolean") {
            Ok(Value::Bool(true))
        } else {
            Err(format!("--{name} takes {}", kinds.join(" or ")))
        };
    };
    if kinds.contains(&"string") {
        // Where texts and others may stand, a text that reads as another is meant as that.
        let other = serde_json::from_str::<Value>(&text).ok().filter(|value| kinds.contains(&kind(value)));
        return Ok(other.unwrap_or(Value::String(text)));
    }
    let read = serde_json::from_str::<Value>(&text);
    if kinds.contains(&"array") {
        let item = property.get("items").unwrap_or(&Value::Null);
        return match read {
            Ok(list @ Value::Array(_)) => Ok(list),
            _ => valued(schema, item, name, Some(text)).map(|one| json!([one])),
        };
    }
    match read {
        Ok(value) => Ok(value),
        Err(_) if kinds.is_empty() => Ok(Value::String(text)),
        Err(_) => Err(format!("--{name} takes {}, and {text:?} is none", kinds.join(" or "))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The kinds a property may be of, in words of JSON Schema; none if it does not say.
fn kinds<'s>(root: &'s Value, property: &'s Value) -> Vec<&'s str> {
    let property = match property.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix('#')) {
        Some(at) => root.pointer(at).unwrap_or(property),
        None => property,
    };
    match property.get("type") {
        Some(Value::String(word)) => vec![word],
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        _ => {
            let choices = property.get("enum").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let mut kinds: Vec<&str> = choices.iter().map(kind).collect();
            kinds.dedup();
            kinds
        }
    }
}

fn properties(schema: &Value) -> BTreeMap<&str, &Value> {
    let listed = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    listed.map(|(name, property)| (name.as_str(), property)).collect()
}

fn find<'p>(known: &BTreeMap<&'p str, &'p Value>, typed: &str) -> Option<(&'p str, &'p Value)> {
    let exact = known.get_key_value(typed);
    let found = exact.or_else(|| known.iter().find(|(name, _)| name.replace('_', "-") == typed));
    found.map(|(name, property)| (*name, *property))
}

fn flags(known: &BTreeMap<&str, &Value>) -> String {
    if known.is_empty() {
        return "the tool takes no arguments".to_owned();
    }
    let all: Vec<String> = known.keys().map(|name| format!("--{}", name.replace('_', "-"))).collect();
    format!("there are {}", all.join(", "))
}
