//! Which types follow from a JSON Schema, and which values they take.

use cedar_policy::{Context, RestrictedExpression, Schema};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::shape::{Shape, decimal, whole};
use super::super::tree::Want;
use super::super::{typed, value};
use super::git_log;
use crate::tds::Checker;

/// The type of an argument with this schema, as Cedar's JSON writes it.
fn kind(schema: Value) -> Value {
    let input = json!({ "type": "object", "properties": { "it": schema } });
    Shape::of_input(&input).cedar().unwrap()["attributes"]["it"].clone()
}

/// Why an argument with this schema has no type.
fn opaque(schema: Value) -> String {
    let input = json!({ "type": "object", "properties": { "it": schema } });
    match Shape::of_input(&input).opaque_at(&["it".to_owned()]) {
        Some((_, why)) => why.to_owned(),
        None => String::new(),
    }
}

#[test]
fn json_schema_types_become_cedar_types() {
    for (schema, name) in [
        (json!({ "type": "boolean" }), "Boolean"),
        (json!({ "type": "integer" }), "Long"),
        (json!({ "type": "string", "format": "date-time" }), "String"),
        (json!({ "enum": ["a", "b"] }), "String"),
        (json!({ "const": 5 }), "Long"),
        (json!({ "enum": [true] }), "Boolean"),
        (json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }), "String"),
        (json!({ "type": ["null", "integer"] }), "Long"),
    ] {
        assert_eq!(kind(schema.clone()), json!({ "type": name, "required": false }), "{schema}");
    }
    let number = json!({ "type": "Extension", "name": "decimal", "required": false });
    assert_eq!(kind(json!({ "type": "number" })), number);
    assert_eq!(kind(json!({ "type": ["number", "integer"] })), number);
    let set = json!({ "type": "Set", "element": { "type": "Set", "element": { "type": "Long" } }, "required": false });
    let list = json!({ "type": "array", "items": { "type": "array", "items": { "type": "integer" } } });
    assert_eq!(kind(list), set);
}

#[test]
fn what_is_required_and_never_null_is_required() {
    let input = json!({
        "type": "object",
        "properties": { "a": { "type": "string" }, "b": { "type": ["string", "null"] }, "c": { "type": "string" } },
        "required": ["a", "b"],
    });
    let record = Shape::of_input(&input).cedar().unwrap();
    let required = |name: &str| record["attributes"][name]["required"].as_bool().unwrap();
    assert_eq!((required("a"), required("b"), required("c")), (true, false, false));
}

#[test]
fn what_has_no_type_says_why() {
    for (schema, why) in [
        (json!({ "type": ["string", "integer"] }), "it may be string or integer"),
        (json!({ "type": "null" }), "it can only be null"),
        (json!({}), "does not say what type"),
        (json!(true), "does not say what type"),
        (json!({ "enum": ["a", 1] }), "it may be integer or string"),
        (json!({ "oneOf": [{ "type": "string" }, { "type": "integer" }] }), "one of several things"),
        (json!({ "type": "array" }), "does not say what its elements are"),
        (json!({ "type": "array", "items": { "type": ["string", "null"] } }), "its elements may be null"),
        (json!({ "type": "array", "prefixItems": [{ "type": "string" }] }), "types by their place"),
        (json!({ "type": "array", "items": {} }), "of its elements: its schema does not say"),
        (json!({ "type": "object", "additionalProperties": { "type": "string" } }), "does not say what is in it"),
        (json!({ "$ref": "https://example.com/schema" }), "refers to something outside"),
        (json!({ "$ref": "#/properties/it" }), "its schema contains itself"),
    ] {
        let found = opaque(schema.clone());
        assert!(found.contains(why), "{schema}: {found}");
    }
}

#[test]
fn references_within_the_schema_are_followed() {
    let input = json!({
        "type": "object",
        "$defs": { "name": { "type": "string" } },
        "properties": { "a": { "$ref": "#/$defs/name" }, "b": { "type": "array", "items": { "$ref": "#/$defs/name" } } },
    });
    let record = Shape::of_input(&input).cedar().unwrap();
    assert_eq!(record["attributes"]["a"]["type"], "String");
    assert_eq!(record["attributes"]["b"]["element"]["type"], "String");
}

#[test]
fn schemas_of_any_kind_make_a_record() {
    let bomb = (0..200)
        .fold(json!({ "type": "string" }), |inner, _| json!({ "type": "object", "properties": { "a": inner } }));
    let wide: serde_json::Map<String, Value> =
        (0..2_000).map(|number| (format!("a{number}"), json!({ "type": "string" }))).collect();
    let wide = json!({ "type": "object", "properties": wide });
    let fan = json!({ "type": "object", "properties": {
        "a": { "type": "object", "properties": { "x": { "$ref": "#" }, "y": { "$ref": "#" } } },
        "b": { "type": "object", "properties": { "x": { "$ref": "#" }, "y": { "$ref": "#" } } } } });
    for schema in [json!(true), json!({}), json!([]), json!({ "type": "string" }), bomb, wide, fan] {
        let shape = Shape::of_input(&schema);
        assert!(matches!(shape, Shape::Record(_)));
        assert!(Schema::from_json_value(typed::schema(&shape)).is_ok());
    }
}

#[test]
fn numbers_are_read_exactly_or_not_at_all() {
    let scaled = |text: &str| decimal(&text.parse().unwrap());
    for (text, expected) in [
        ("0", Some(0)),
        ("-0.0", Some(0)),
        ("1", Some(10_000)),
        ("-1.5", Some(-15_000)),
        ("0.0001", Some(1)),
        ("0.00010", Some(1)),
        ("0.00001", None),
        ("1e3", Some(10_000_000)),
        ("1.2345e-1", None),
        ("12.345e1", Some(1_234_500)),
        ("922337203685477.5", Some(9_223_372_036_854_775_000)),
        ("922337203685478", None),
        ("1e300", None),
        ("1e-300", None),
    ] {
        assert_eq!(scaled(text), expected, "{text}");
    }
    let number = |text: &str| whole(&text.parse().unwrap());
    assert_eq!(number("9223372036854775807"), Some(i64::MAX));
    assert_eq!(number("9223372036854775808"), None);
    assert_eq!((number("2.0"), number("2.5"), number("1e2")), (Some(2), None, Some(100)));
}

proptest! {
    #![proptest_config(super::laws::config(256))]

    /// What is made of arguments that fit the tool's schema always fits the schema that policies were typed against.
    #[test]
    fn converted_arguments_fit_the_schema_for_policies(
        path in ".{0,8}", count in 1_i64..=1_000, share in proptest::option::of(0_u32..=10_000),
        merges in proptest::option::of(any::<bool>()), labels in proptest::option::of(proptest::collection::vec(".{0,4}", 0..5)),
        email in proptest::option::of(proptest::option::of(".{0,4}")), author in any::<bool>(), extra in any::<bool>(),
    ) {
        let mut arguments = json!({ "path": path, "count": count });
        if let Some(share) = share { arguments["share"] = json!(f64::from(share) / 10_000.0); }
        if let Some(merges) = merges { arguments["merges"] = json!(merges); }
        if let Some(labels) = labels { arguments["labels"] = json!(labels); }
        if author { arguments["author"] = json!({ "name": "anna" }); }
        if let (true, Some(email)) = (author, email) { arguments["author"]["email"] = json!(email); }
        if extra { arguments["unknown"] = json!({ "any": [1, null] }); }
        prop_assert!(Checker::compile(&git_log()).unwrap().takes(&arguments));
        let shape = Shape::of_input(&git_log());
        let converted = value::expression(&shape, &arguments, &Want::whole(), &mut Vec::new()).unwrap();
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let context = Context::from_pairs([
            ("args".to_owned(), converted),
            ("scopes".to_owned(), RestrictedExpression::new_set([])),
            ("privacy".to_owned(), text("public")),
            ("privacy_level".to_owned(), RestrictedExpression::new_long(0)),
            ("now".to_owned(), RestrictedExpression::new_long(0)),
            ("personal_data".to_owned(), RestrictedExpression::new_bool(false)),
            ("approved".to_owned(), RestrictedExpression::new_bool(false)),
        ]).unwrap();
        let schema = Schema::from_json_value(typed::schema(&shape)).unwrap();
        context.validate(&schema, &"Action::\"invoke\"".parse().unwrap()).unwrap();
    }
}
