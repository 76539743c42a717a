//! Values made of schemas: what fits fits, what is broken does not, and the same seed gives the same.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use serde_json::{Value, json};

use super::*;
use crate::tds::Checker;

fn made(schema: &Value) -> Samples {
    samples(schema, &[], 7, 200).unwrap()
}

fn has(samples: &[Sample], value: &Value) -> bool {
    samples.iter().any(|sample| sample.value == *value)
}

fn schemas() -> Vec<Value> {
    let tree = json!({
        "type": "object", "required": ["root"], "additionalProperties": false,
        "properties": { "root": { "$ref": "#/$defs/node" } },
        "$defs": { "node": {
            "type": "object", "required": ["name"], "additionalProperties": false,
            "properties": { "name": { "type": "string", "minLength": 1 },
                            "left": { "$ref": "#/$defs/node" }, "right": { "$ref": "#/$defs/node" } },
        } },
    });
    let object =
        |properties: Value| json!({ "type": "object", "properties": properties, "additionalProperties": false });
    vec![
        tree,
        object(json!({ "text": { "type": "string", "minLength": 2, "maxLength": 5 } })),
        object(json!({ "code": { "type": "string", "pattern": "^[A-Z]{2}-\\d{3,}(x|y)?$" } })),
        object(json!({ "n": { "type": "integer", "minimum": 3, "maximum": 9 },
                       "x": { "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 },
                       "by": { "type": "integer", "multipleOf": 5, "exclusiveMaximum": 50 } })),
        object(json!({ "one": { "enum": ["a", "b", 3, null] }, "fixed": { "const": { "a": 1 } },
                       "kind": { "type": ["string", "null"] } })),
        object(json!({ "list": { "type": "array", "items": { "type": "integer" }, "minItems": 2, "maxItems": 4,
                                 "uniqueItems": true },
                       "pair": { "type": "array", "prefixItems": [{ "type": "string" }, { "type": "boolean" }],
                                 "items": false, "minItems": 2 } })),
        json!({ "type": "object", "minProperties": 1, "maxProperties": 3, "additionalProperties": { "type": "string" } }),
        json!({ "type": "object", "oneOf": [
            { "required": ["a"], "properties": { "a": { "type": "string" } } },
            { "required": ["b"], "properties": { "b": { "type": "integer" } }, "not": { "required": ["a"] } },
        ] }),
        json!({ "allOf": [{ "type": "object", "properties": { "a": { "minLength": 2 } }, "required": ["a"] },
                          { "properties": { "a": { "type": "string", "maxLength": 3 } } }] }),
        json!({ "type": "object", "properties": { "kind": { "enum": ["far", "near"] }, "host": { "type": "string" } },
                "required": ["kind"], "if": { "properties": { "kind": { "const": "far" } } },
                "then": { "required": ["host"] } }),
        json!({ "type": "object" }),
        json!({ "type": "object", "properties": { "anything": true, "nothing": false } }),
    ]
}

// TDS5.
#[test]
fn what_is_made_to_fit_fits_and_what_is_broken_does_not() {
    for schema in schemas() {
        let checker = Checker::compile(&schema).unwrap();
        let Samples { fitting, unfitting } = made(&schema);
        assert!(fitting.len() >= 3, "{schema}: {fitting:?}");
        assert!(unfitting.len() >= 3, "{schema}: {unfitting:?}");
        for Sample { about, value } in &fitting {
            assert!(checker.takes(value), "{schema}: {about}: {value}");
        }
        for Sample { about, value } in &unfitting {
            assert!(!checker.takes(value), "{schema}: {about}: {value}");
        }
        assert_eq!(made(&schema), Samples { fitting, unfitting }, "the same seed makes the same");
    }
}

#[test]
fn borders_are_among_what_fits_and_what_lies_beyond_them_is_among_what_does_not() {
    let text = json!({ "type": "object", "required": ["text"], "additionalProperties": false, "properties": {
        "text": { "type": "string", "maxLength": 9 }, "n": { "type": "integer", "minimum": 1, "maximum": 99 },
        "tone": { "enum": ["kind", "curt"] },
    } });
    let Samples { fitting, unfitting } = made(&text);
    let full = |key: &str, value: Value| {
        let mut all = json!({ "text": "text", "n": 1, "tone": "kind" });
        all[key] = value;
        all
    };
    let taken = [
        json!({ "text": "text" }),
        full("text", json!("")),
        full("text", json!("aaaaaaaaa")),
        full("n", json!(1)),
        full("n", json!(99)),
        full("tone", json!("curt")),
        json!({ "text": "text", "tone": "kind" }),
    ];
    for value in taken {
        assert!(has(&fitting, &value), "{value} is not among {fitting:?}");
    }
    assert!(fitting.iter().any(|sample| sample.value["text"].as_str().is_some_and(|text| !text.is_ascii())));
    let refused = [
        full("text", json!("aaaaaaaaaa")),
        full("text", Value::Null),
        full("n", json!(0)),
        full("n", json!(100)),
        full("n", json!(0.5)),
        full("tone", json!("xxxxx")),
        full("nobody-knows-this", json!(1)),
        json!({ "n": 1, "tone": "kind" }),
        json!([]),
    ];
    for value in refused {
        assert!(has(&unfitting, &value), "{value} is not among {unfitting:?}");
    }
    assert!(fitting.windows(2).all(|pair| pair[0].bytes() <= pair[1].bytes()), "the shortest come first");
}

#[test]
fn a_pattern_is_spelled_and_a_schema_that_cannot_be_is_tried_with_what_is_known() {
    let code = json!({ "type": "object", "required": ["code"],
        "properties": { "code": { "type": "string", "pattern": "^(no|yes)-[a-f]{3}$" } } });
    let Samples { fitting, .. } = made(&code);
    let codes: Vec<&str> = fitting.iter().filter_map(|sample| sample.value["code"].as_str()).collect();
    assert!(codes.contains(&"no-aaa") && codes.iter().any(|code| code.starts_with("yes-")), "{codes:?}");
    // Nobody finds out by looking what is both.
    let odd = json!({ "type": "object", "required": ["text", "n"], "additionalProperties": false, "properties": {
        "n": { "type": "integer" },
        "text": { "type": "string", "allOf": [{ "pattern": "^a" }, { "pattern": "z$" }, { "pattern": "m" }] } } });
    assert_eq!(made(&odd), Samples::default());
    let known = [json!({ "text": 7 }), json!({ "text": "amz", "n": 5 })];
    let Samples { fitting, unfitting } = samples(&odd, &known, 7, 50).unwrap();
    assert!(has(&fitting, &known[1]) && has(&fitting, &json!({ "text": "amz", "n": 0 })), "{fitting:?}");
    assert!(has(&unfitting, &json!({ "text": "amz" })), "{unfitting:?}");
}

#[test]
fn there_are_no_more_than_were_asked_for_also_of_a_fan_of_references() {
    let mut definitions = json!({ "d16": { "type": "object" } });
    for level in 0..16 {
        let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
        definitions[format!("d{level}")] = json!({ "anyOf": [next.clone(), next] });
    }
    let fan = json!({ "$ref": "#/$defs/d0", "$defs": definitions });
    let few = samples(&schemas()[5], &[], 1, 8).unwrap();
    assert_eq!((few.fitting.len(), few.unfitting.len()), (8, 8));
    let _ = samples(&fan, &[], 1, 8).unwrap();
}

#[test]
fn a_schema_that_asks_for_terabytes_gets_megabytes() {
    let long = json!({ "type": "string", "minLength": 100_000 });
    let many: serde_json::Map<String, Value> = (0..600).map(|number| (format!("k{number}"), long.clone())).collect();
    let wide = json!({ "type": "object", "properties": many });
    let list = |items: Value| json!({ "type": "array", "minItems": 1_000, "items": items });
    let nested = json!({ "type": "object", "properties": { "a": list(list(list(list(long.clone())))) } });
    let endless = json!({ "type": "object", "properties": { "a": { "type": "array", "minItems": 1_000_000_000 },
        "b": { "type": "string", "minLength": 4_000_000_000_u64 }, "c": { "minProperties": 4_000_000_000_u64 } } });
    let bounded = json!({ "type": "object", "properties": { "a": {
        "type": "array", "items": long, "minItems": 1, "maxItems": 9_999 } } });
    for schema in [wide, nested, endless, bounded] {
        let Samples { fitting, unfitting } = samples(&schema, &[json!({})], 1, 1_000).unwrap();
        let bytes: usize = fitting.iter().chain(&unfitting).map(Sample::bytes).sum();
        assert!(bytes < 3 * BYTES_MOST, "{bytes}");
    }
}

#[test]
fn a_smaller_value_is_found_step_by_step_down_to_what_matters() {
    // What is wrong is a `b` in a text, wherever.
    let wrong = |value: &Value| value.to_string().contains("xbx");
    let mut value = json!({ "list": [1, { "text": "aaaaaaaaaxbxcccccccccc" }, [true]], "more": { "n": 77 } });
    while let Some(less) = smaller(&value).into_iter().find(wrong) {
        value = less;
    }
    assert_eq!(value, json!({ "list": [{ "text": "xbx" }] }));
}
