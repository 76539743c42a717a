//! Schemas that fetch, and schemas that are bombs: refused with their place, and fast.

use serde_json::{Value, json};

use super::super::limits::{
    ENUM_MAX, PATTERN_BYTES_MAX, SCHEMA_NAMED_MAX, SCHEMA_NODES_MAX, SCHEMA_PATTERNS_MAX, SCHEMA_REFERENCES_MAX,
};
use super::super::{Checker, Format, Report, compat, read};
use super::support::{SMALL, good, value};

/// The small tool with another input.
fn report(input: Value) -> Result<(), Report> {
    let mut tree = value(SMALL);
    tree["interface"]["input"] = input;
    tree["interface"].as_object_mut().unwrap().remove("examples");
    tree.as_object_mut().unwrap().remove("tests");
    read(Format::Json, &tree.to_string()).map(drop)
}

#[track_caller]
fn refused(input: Value, pointer: &str, said: &str) {
    let report = report(input).unwrap_err();
    let found = report
        .problems
        .iter()
        .any(|one| one.pointer == format!("/interface/input{pointer}") && one.found.contains(said));
    assert!(found, "expected {pointer}: {said}\n{report}");
}

/// A schema in which each of `levels` definitions is made of the next one, twice.
fn fan(levels: usize, twice: impl Fn(Value) -> Value) -> Value {
    let mut definitions = serde_json::Map::new();
    for level in 0..levels {
        definitions.insert(format!("d{level}"), twice(json!({ "$ref": format!("#/$defs/d{}", level + 1) })));
    }
    definitions.insert(format!("d{levels}"), json!({ "type": "string" }));
    json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/d0" } }, "$defs": definitions })
}

#[test]
fn nothing_outside_is_referred_to() {
    for reference in ["https://example.com/s.json", "other.json", "file:///etc/passwd", "//host/x", "urn:x", "", "a#/b"]
    {
        let input = json!({ "type": "object", "properties": { "a": { "$ref": reference } } });
        refused(input, "/properties/a/$ref", "a reference to something else");
    }
    refused(
        json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/b" } } }),
        "/properties/a/$ref",
        "a reference to nothing",
    );
    // A place that is no schema was not looked at, so nobody may refer to it.
    let data =
        json!({ "type": "object", "default": { "pattern": "(" }, "properties": { "a": { "$ref": "#/default" } } });
    refused(data, "/properties/a/$ref", "a reference to nothing");
    refused(json!({ "type": "object", "$dynamicRef": "#x" }), "/$dynamicRef", "the keyword $dynamicRef");
    refused(json!({ "type": "object", "$defs": { "a": { "$id": "x" } } }), "/$defs/a/$id", "an `$id` within a schema");
    refused(json!({ "type": "object", "$schema": "http://json-schema.org/draft-07/schema#" }), "/$schema", "draft-07");
}

#[test]
fn anchors_and_recursion_are_fine() {
    report(json!({
        "$id": "https://example.com/tree", "type": "object",
        "properties": { "root": { "$ref": "#node" }, "name": { "$ref": "#/$defs/a~1b%20c" } },
        "$defs": {
            "n": { "$anchor": "node", "type": "object", "properties": {
                "left": { "$ref": "#node" }, "right": { "$ref": "#/$defs/n" }, "all": { "type": "array", "items": { "$ref": "#node" } } } },
            "a/b c": { "type": "string" },
        },
    }))
    .unwrap_or_else(|report| panic!("{report}"));
}

// TDS3 and TDS4.
#[test]
fn references_that_fan_out_or_go_round_are_refused() {
    refused(fan(40, |next| json!({ "allOf": [next.clone(), next] })), "", "references that fan out");
    refused(
        fan(40, |next| json!({ "anyOf": [{ "properties": { "x": next.clone() } }, { "properties": { "x": next } }] })),
        "",
        "references that fan out",
    );
    let ast = json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/e" } }, "$defs": { "e": { "oneOf": [
        { "type": "object", "properties": { "left": { "$ref": "#/$defs/e" } } },
        { "type": "array", "items": { "$ref": "#/$defs/e" } }, { "type": "object", "properties": { "left": { "$ref": "#/$defs/e" } } } ] } } });
    refused(ast, "", "references that fan out");
    let round = json!({ "type": "object", "allOf": [{ "$ref": "#/$defs/a" }], "$defs": { "a": { "anyOf": [{ "$ref": "#/$defs/b" }] }, "b": { "$ref": "#/$defs/a" } } });
    refused(round, "/$defs/b/$ref", "comes back to itself");
    refused(json!({ "type": "object", "allOf": [{ "$ref": "#" }] }), "/allOf/0/$ref", "comes back to itself");
}

#[test]
fn a_fan_over_different_properties_is_no_bomb() {
    // Each value passes one of them, so checking costs what the value is long; compiling must not unfold it either.
    let schema = fan(30, |next| json!({ "type": "object", "properties": { "x": next.clone(), "y": next } }));
    report(schema.clone()).unwrap_or_else(|report| panic!("{report}"));
    let checker = Checker::compile(&schema).unwrap();
    assert!(checker.takes(&json!({ "a": { "x": { "y": { "x": {} } } } })));
    assert!(!checker.takes(&json!({ "a": { "x": { "y": 5 } } })));
}

#[test]
fn size_depth_and_choices_have_limits() {
    let wide: serde_json::Map<String, Value> =
        (0..SCHEMA_NODES_MAX).map(|number| (format!("p{number}"), json!(true))).collect();
    refused(json!({ "type": "object", "properties": wide }), "", "a schema of more than 2000 values");
    let mut deep = json!({ "type": "string" });
    for _ in 0..20 {
        deep = json!({ "type": "array", "items": deep });
        deep = json!({ "not": deep });
    }
    refused(json!({ "type": "object", "properties": { "a": deep } }), "", "a schema of more than 32 levels");
    let choices: Vec<usize> = (0..=ENUM_MAX).collect();
    refused(
        json!({ "type": "object", "properties": { "a": { "enum": choices } } }),
        "/properties/a/enum",
        "more than 500 choices",
    );
}

#[test]
fn references_and_patterns_are_counted() {
    let chain = |links: usize| {
        let mut definitions = serde_json::Map::new();
        for link in 0..links {
            let next = json!({ "$ref": format!("#/$defs/d{}", link + 1) });
            definitions.insert(format!("d{link}"), json!({ "type": "object", "properties": { "x": next } }));
        }
        definitions.insert(format!("d{links}"), json!({ "type": "string" }));
        json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/d0" } }, "$defs": definitions })
    };
    report(chain(SCHEMA_REFERENCES_MAX - 1)).unwrap_or_else(|report| panic!("{report}"));
    refused(chain(SCHEMA_REFERENCES_MAX), "", "201 references");
    let named: serde_json::Map<String, Value> =
        (0..=SCHEMA_NAMED_MAX).map(|number| (format!("p{number}"), json!({ "$ref": "#x" }))).collect();
    let named = json!({ "type": "object", "properties": named, "$defs": { "x": { "$anchor": "x" } } });
    refused(named, "", "33 references by an anchor's name");
    let patterns: serde_json::Map<String, Value> =
        (0..=SCHEMA_PATTERNS_MAX).map(|number| (format!("p{number}"), json!({ "pattern": "(\\w{9}){9}" }))).collect();
    refused(json!({ "type": "object", "properties": patterns }), "", "33 patterns");
}

#[test]
fn circles_that_meet_in_many_pairs_are_not_followed_for_ever() {
    let round = |links: usize| {
        let mut definitions = serde_json::Map::new();
        for link in 0..links {
            let next = json!({ "$ref": format!("#/$defs/d{}", (link + 1) % links) });
            definitions.insert(format!("d{link}"), json!({ "type": "object", "properties": { "x": next } }));
        }
        json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/d0" } }, "$defs": definitions })
    };
    // Of lengths without a common divisor, so that each meets each.
    let (mut old, mut new) = (good(SMALL).tool, good(SMALL).tool);
    (old.interface.input.0, new.interface.input.0) = (round(99), round(100));
    let changes = compat::diff(&old, &new);
    assert!(changes.iter().any(|change| change.what.starts_with("too much or too deep")), "{changes:?}");
    assert_eq!(compat::diff(&old, &old.clone()), []);
}

#[test]
fn patterns_stay_small_and_never_go_back() {
    let pattern =
        |text: &str| json!({ "type": "object", "properties": { "a": { "type": "string", "pattern": text } } });
    refused(pattern("(?=a)b"), "/properties/a/pattern", "the pattern");
    refused(pattern("(a)\\1"), "/properties/a/pattern", "the pattern");
    refused(pattern("("), "/properties/a/pattern", "the pattern");
    refused(pattern("((a{100}){100}){100}"), "/properties/a/pattern", "the pattern");
    refused(pattern(&"a".repeat(PATTERN_BYTES_MAX + 1)), "/properties/a/pattern", "a pattern of 513 bytes");
    refused(
        json!({ "type": "object", "patternProperties": { "(?!x)": true } }),
        "/patternProperties/(?!x)",
        "the pattern",
    );
    report(pattern("^[\\p{L} '-]{1,100}$")).unwrap_or_else(|report| panic!("{report}"));
    report(pattern("^[a-z]{1,100}@(\\d+|\\p{L}+)$")).unwrap_or_else(|report| panic!("{report}"));
    // What takes a backtracking engine until the end of time.
    let checker = Checker::compile(&json!({ "pattern": "^(a+)+$" })).unwrap();
    assert!(!checker.takes(&Value::String("a".repeat(20_000) + "!")));
}

#[test]
fn what_is_no_schema_is_explained() {
    refused(json!({ "type": "objet" }), "/type", "the text \"objet\"");
    refused(json!({ "type": "object", "required": "text" }), "/required", "the text \"text\"");
    refused(json!({ "type": "object", "properties": { "a": 5 } }), "/properties/a", "the number 5");
    refused(json!({ "type": "object", "minProperties": -1 }), "/minProperties", "the number -1");
}
