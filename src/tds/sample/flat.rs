//! What a schema says of one value in plain words: references followed, and schemas that hold together merged into one.

use serde_json::{Map, Value, json};

use super::{Room, weight};
use crate::tds::keywords::{list, referred};

/// The words of a schema that are said of one value.
pub(super) type Words = Map<String, Value>;

/// Alternatives of one schema at the most: an `anyOf` of more is tried in part.
const ALTERNATIVES_MOST: usize = 16;

/// Bytes of schemas that are merged for all values of one tool: honest ones stay far below, and a fan of references ends here.
const ROOM: usize = 64 << 20;

/// Words that hold schemas for the same value, which are merged.
const MERGED: [&str; 7] = ["$ref", "allOf", "anyOf", "oneOf", "if", "then", "else"];

pub(super) struct Flat<'s> {
    root: &'s Value,
    room: Room,
}

impl<'s> Flat<'s> {
    pub(super) fn new(root: &'s Value) -> Flat<'s> {
        Flat { root, room: Room(ROOM) }
    }

    /// Each way in which a value may satisfy a schema; nothing if there is none, or no room to look.
    pub(super) fn alternatives(&mut self, schema: &Value) -> Vec<Words> {
        if !self.room.takes(weight(schema)) {
            return Vec::new();
        }
        let map = match schema {
            Value::Bool(true) => return vec![Words::new()],
            Value::Object(map) => map,
            _ => return Vec::new(),
        };
        let own = map.iter().filter(|(word, _)| !MERGED.contains(&word.as_str()));
        let mut all = vec![own.map(|(word, value)| (word.clone(), value.clone())).collect()];
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            let target = referred(self.root, reference).map(|schema| self.alternatives(schema));
            all = self.product(&all, &target.unwrap_or_default());
        }
        for part in list(map, "allOf") {
            let more = self.alternatives(part);
            all = self.product(&all, &more);
        }
        for word in ["anyOf", "oneOf"] {
            let choices = list(map, word);
            if !choices.is_empty() {
                let choices: Vec<Words> =
                    choices.iter().take(ALTERNATIVES_MOST).flat_map(|part| self.alternatives(part)).collect();
                all = self.product(&all, &choices);
            }
        }
        if let Some(condition) = map.get("if") {
            let anything = json!(true);
            let (when, then) = (self.alternatives(condition), map.get("then").unwrap_or(&anything));
            let then = self.alternatives(then);
            let mut ways = self.product(&when, &then);
            ways.extend(self.alternatives(map.get("else").unwrap_or(&anything)));
            all = self.product(&all, &ways);
        }
        all
    }

    /// Each with each.
    fn product(&mut self, one: &[Words], other: &[Words]) -> Vec<Words> {
        let pairs = one.iter().flat_map(|own| other.iter().map(move |more| (own, more)));
        let weight = |words: &Words| words.values().map(weight).sum::<usize>();
        let mut found = Vec::new();
        for (own, more) in pairs.take(ALTERNATIVES_MOST) {
            if !self.room.takes(weight(own) + weight(more)) {
                break;
            }
            found.push(merge(own.clone(), more));
        }
        found
    }
}

/// Both at once. What cannot be merged is left to the checker, which has the last word.
fn merge(mut one: Words, other: &Words) -> Words {
    for (word, value) in other {
        let Some(own) = one.get_mut(word) else {
            one.insert(word.clone(), value.clone());
            continue;
        };
        match word.as_str() {
            "required" => {
                let more = value.as_array().into_iter().flatten();
                let Some(keys) = own.as_array_mut() else { continue };
                for key in more {
                    if !keys.contains(key) {
                        keys.push(key.clone());
                    }
                }
            }
            "properties" | "patternProperties" => {
                let Some(map) = own.as_object_mut() else { continue };
                for (key, schema) in value.as_object().into_iter().flatten() {
                    match map.get_mut(key) {
                        Some(own) => both(own, schema),
                        None => drop(map.insert(key.clone(), schema.clone())),
                    }
                }
            }
            "items" | "additionalProperties" => both(own, value),
            "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties"
                if value.as_f64() > own.as_f64() =>
            {
                *own = value.clone()
            }
            "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties"
                if value.as_f64() < own.as_f64() =>
            {
                *own = value.clone()
            }
            "enum" => {
                let others = value.as_array().cloned().unwrap_or_default();
                if let Some(choices) = own.as_array_mut() {
                    choices.retain(|choice| others.contains(choice));
                }
            }
            "type" => *own = json!(common(&types(own), &types(value))),
            _ => {}
        }
    }
    one
}

fn both(own: &mut Value, other: &Value) {
    *own = match (&*own, other) {
        (Value::Bool(false), _) | (_, Value::Bool(false)) => json!(false),
        (Value::Bool(true), other) => other.clone(),
        (_, Value::Bool(true)) => return,
        (one, other) => json!({ "allOf": [one, other] }),
    };
}

/// The types that a word of a schema names.
pub(super) fn types(word: &Value) -> Vec<&str> {
    match word {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Types that are both: a whole number is a number.
fn common(one: &[&str], other: &[&str]) -> Vec<String> {
    let whole = |types: &[&str]| types.contains(&"number");
    let has = |types: &[&str], kind: &str| types.contains(&kind) || (kind == "integer" && whole(types));
    let all = one.iter().chain(other).filter(|kind| has(one, kind) && has(other, kind));
    let mut found: Vec<String> = all.map(|kind| (*kind).to_owned()).collect();
    found.sort_unstable();
    found.dedup();
    found
}
