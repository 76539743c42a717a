//! The keywords of JSON Schema 2020-12 that hold schemas, and what they apply to.

use serde_json::{Map, Value};

use super::pointer;

/// What a schema within a schema is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied<'s> {
    /// The same value.
    Here,
    /// The property of this name.
    Property(&'s str),
    /// Properties that are not named one by one.
    AnyProperty,
    /// The item of this index.
    Item(usize),
    /// Items that are not numbered one by one.
    AnyItem,
    /// Nothing, before somebody refers to it.
    Definition,
}

/// A schema within a schema: where it stands below it, what it applies to.
pub(crate) struct Part<'s> {
    pub(crate) pointer: String,
    pub(crate) applied: Applied<'s>,
    pub(crate) schema: &'s Value,
}

/// Keywords whose value is one schema.
const ONE: [(&str, Applied<'static>); 11] = [
    ("not", Applied::Here),
    ("if", Applied::Here),
    ("then", Applied::Here),
    ("else", Applied::Here),
    ("additionalProperties", Applied::AnyProperty),
    ("unevaluatedProperties", Applied::AnyProperty),
    ("propertyNames", Applied::AnyProperty),
    ("items", Applied::AnyItem),
    ("contains", Applied::AnyItem),
    ("unevaluatedItems", Applied::AnyItem),
    ("contentSchema", Applied::Definition),
];

/// Keywords whose value is a list of schemas for the same value.
pub(crate) const LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Keywords that say something and hold no schema.
const PLAIN: [&str; 38] = [
    "$schema",
    "$id",
    "$ref",
    "$anchor",
    "$comment",
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxContains",
    "minContains",
    "maxProperties",
    "minProperties",
    "required",
    "dependentRequired",
    "title",
    "description",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "examples",
    "format",
    "contentEncoding",
    "contentMediaType",
    "$defs",
    "definitions",
    "$vocabulary",
];

/// Every keyword there is, for who misspells one.
pub(crate) fn all() -> Vec<&'static str> {
    let maps = ["properties", "patternProperties", "dependentSchemas", "prefixItems"];
    PLAIN.into_iter().chain(ONE.into_iter().map(|(word, _)| word)).chain(LISTS).chain(maps).collect()
}

/// The schemas that stand directly in this one.
pub(crate) fn parts<'s>(schema: &'s Map<String, Value>) -> Vec<Part<'s>> {
    let mut found = Vec::new();
    for (word, applied) in ONE {
        let one = schema.get(word);
        found.extend(one.map(|schema| Part { pointer: format!("/{word}"), applied, schema }));
    }
    for word in LISTS {
        for (index, schema) in list(schema, word).iter().enumerate() {
            found.push(Part { pointer: format!("/{word}/{index}"), applied: Applied::Here, schema });
        }
    }
    for (index, schema) in list(schema, "prefixItems").iter().enumerate() {
        found.push(Part { pointer: format!("/prefixItems/{index}"), applied: Applied::Item(index), schema });
    }
    let mut map = |word: &str, applied: fn(&'s str) -> Applied<'s>| {
        for (key, schema) in schema.get(word).and_then(Value::as_object).into_iter().flatten() {
            let pointer = pointer::join(&format!("/{word}"), key);
            found.push(Part { pointer, applied: applied(key), schema });
        }
    };
    map("properties", Applied::Property);
    map("patternProperties", |_| Applied::AnyProperty);
    map("dependentSchemas", |_| Applied::Here);
    map("$defs", |_| Applied::Definition);
    map("definitions", |_| Applied::Definition);
    found
}

pub(crate) fn list<'s>(schema: &'s Map<String, Value>, word: &str) -> &'s [Value] {
    schema.get(word).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What a reference within `root` refers to, if it is within it: `#`, `#/pointer` or `#anchor`.
pub(crate) fn referred<'s>(root: &'s Value, reference: &str) -> Option<&'s Value> {
    let fragment = reference.strip_prefix('#')?;
    if fragment.is_empty() || fragment.starts_with('/') {
        return root.pointer(&percent_decoded(fragment)?);
    }
    anchored(root, fragment)
}

/// The schema that bears this anchor.
fn anchored<'s>(root: &'s Value, name: &str) -> Option<&'s Value> {
    let mut open = vec![root];
    while let Some(schema) = open.pop() {
        let Some(map) = schema.as_object() else { continue };
        if map.get("$anchor").and_then(Value::as_str) == Some(name) {
            return Some(schema);
        }
        open.extend(parts(map).into_iter().map(|part| part.schema));
    }
    None
}

/// A fragment of a URI may write any byte as `%XX`.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}
