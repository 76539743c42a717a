//! What single schemas say: which kinds of values, which choices, and whether they say anything at all.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::keywords::{list, referred};

/// Keywords that say something to people only.
const TOLD: [&str; 13] = [
    "title",
    "description",
    "examples",
    "$comment",
    "deprecated",
    "readOnly",
    "writeOnly",
    "default",
    "$defs",
    "definitions",
    "$schema",
    "$id",
    "$anchor",
];

/// References followed one after the other; the guard has refused circles, so this is only a second lock.
const HOPS: usize = 64;

/// Whether a schema says anything that a value can violate.
pub(super) fn speaks(map: &Map<String, Value>) -> bool {
    map.keys().any(|word| !TOLD.contains(&word.as_str()) && !word.starts_with("x-"))
}

/// What a schema looks at: two of another shape may take the same values, and leave over others.
pub(super) fn shape(map: &Map<String, Value>) -> (BTreeSet<&str>, BTreeSet<&str>, usize) {
    let words = map.keys().map(String::as_str).filter(|word| !TOLD.contains(word) && !word.starts_with("x-"));
    let listed = map.get("properties").and_then(Value::as_object).into_iter().flatten();
    (words.collect(), listed.map(|(name, _)| name.as_str()).collect(), list(map, "prefixItems").len())
}

/// What a schema is that does nothing but refer to another.
pub(super) fn sole<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let mut at = schema;
    for _ in 0..HOPS {
        let Some(map) = at.as_object() else { return at };
        let alone = map.keys().all(|word| word == "$ref" || (word != "default" && TOLD.contains(&word.as_str())));
        let target = map.get("$ref").and_then(Value::as_str).and_then(|text| referred(root, text));
        match target.filter(|_| alone) {
            Some(target) => at = target,
            None => return at,
        }
    }
    at
}

/// The kinds of values there are; a whole number is a number too.
const KINDS: [(&str, u8); 6] =
    [("null", 1), ("boolean", 2), ("object", 4), ("array", 8), ("string", 16), ("integer", 32)];
const NUMBER: u8 = 32 | 64;
const ALL: u8 = 127;

pub(super) fn kind(word: &str) -> u8 {
    if word == "number" { NUMBER } else { KINDS.iter().find(|(name, _)| *name == word).map_or(0, |(_, bit)| *bit) }
}

pub(super) fn kinds(map: &Map<String, Value>) -> u8 {
    match map.get("type") {
        Some(Value::String(word)) => kind(word),
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).fold(0, |bits, word| bits | kind(word)),
        _ => choices(map).map_or(ALL, |choices| choices.into_iter().fold(0, |bits, choice| bits | kind_of(choice))),
    }
}

pub(super) fn kind_of(value: &Value) -> u8 {
    match value {
        Value::Null => 1,
        Value::Bool(_) => 2,
        Value::Object(_) => 4,
        Value::Array(_) => 8,
        Value::String(_) => 16,
        Value::Number(number) if number.is_f64() => 64,
        Value::Number(_) => 32,
    }
}

pub(super) fn names(bits: u8) -> String {
    let mut words: Vec<&str> = KINDS.iter().filter(|(_, bit)| bits & bit != 0).map(|(name, _)| *name).collect();
    if bits & 64 != 0 {
        words.retain(|word| *word != "integer");
        words.push("number");
    }
    words.join(" or ")
}

/// The values a schema lists one by one, if it does.
pub(super) fn choices(map: &Map<String, Value>) -> Option<Vec<&Value>> {
    let listed = map.get("enum").and_then(Value::as_array).map(|choices| choices.iter().collect::<Vec<_>>());
    let constant = map.get("const").map(|only| vec![only]);
    let lists = [listed, constant, constants(map)];
    lists.into_iter().flatten().reduce(|one, other| one.into_iter().filter(|choice| other.contains(choice)).collect())
}

/// A choice written as `oneOf` with one constant each.
pub(super) fn constants(map: &Map<String, Value>) -> Option<Vec<&Value>> {
    let alternatives = list(map, "oneOf");
    let constant = |schema: &'_ Value| {
        let map = schema.as_object()?;
        map.keys().all(|word| word == "const" || TOLD.contains(&word.as_str())).then_some(())
    };
    let mut found: Vec<&Value> = Vec::new();
    for alternative in alternatives {
        constant(alternative)?;
        let only = alternative.get("const")?;
        if found.contains(&only) {
            return None;
        }
        found.push(only);
    }
    (!found.is_empty()).then_some(found)
}
