//! What a model is shown, and what it says back.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::adapters::tests::support::described;
use crate::tds::tool::Version;

// OA1.
#[test]
fn a_name_is_read_back_as_the_tool_it_stands_for() {
    for (id, name) in [
        ("git.log", "git__log"),
        ("shell", "shell"),
        ("text.count-words.all_of", "text__count-words__all_of"),
        ("a__b", "A__b"),
        ("a_.b", "A_Xb"),
    ] {
        assert_eq!((to_safe(id).as_str(), from_safe(name).as_str()), (name, id));
    }
    let long = format!("a{}", ".b".repeat(31));
    assert_eq!((long.len(), to_safe(&long).len()), (63, 63));
}

proptest! {
    #[test]
    fn no_two_tools_have_one_name(
        one in "[a-z][a-z0-9_-]{0,9}(\\.[a-z0-9][a-z0-9_-]{0,9}){0,5}",
        other in "[a-z][a-z0-9_-]{0,3}(\\.[a-z0-9][a-z0-9_-]{0,3}){0,3}",
    ) {
        for id in [&one, &other] {
            let name = to_safe(id);
            prop_assert!(name.len() <= 64 && name.bytes().all(|sign| sign.is_ascii_alphanumeric() || b"_-".contains(&sign)));
            prop_assert_eq!(&from_safe(&name), id);
        }
        prop_assert_eq!(to_safe(&one) == to_safe(&other), one == other);
    }
}

// OA2.
#[test]
fn a_tool_is_shown_strict_where_its_schema_allows() {
    let closed = described(
        "a.b",
        json!({
            "type": "object",
            "properties": {
                "text": { "type": "string", "description": "What to count." },
                "most": { "type": "integer", "minimum": 1 },
                "parts": { "type": "array", "items": { "type": "object", "properties": { "x": { "type": "number" } } } },
            },
            "required": ["text"],
            "additionalProperties": false,
        }),
    );
    assert_eq!(
        tool(&closed),
        json!({ "type": "function", "function": {
            "name": "a__b",
            "description": "A tool of a test.",
            "strict": true,
            "parameters": {
                "type": "object",
                "properties": {
                    "text": { "type": "string", "description": "What to count." },
                    "most": { "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "null" }] },
                    "parts": { "anyOf": [{ "type": "array", "items": {
                        "type": "object",
                        "properties": { "x": { "anyOf": [{ "type": "number" }, { "type": "null" }] } },
                        "required": ["x"],
                        "additionalProperties": false,
                    } }, { "type": "null" }] },
                },
                "required": ["most", "parts", "text"],
                "additionalProperties": false,
            },
        }})
    );
    let open = json!({ "type": "object", "properties": { "any": { "type": "object" } } });
    let made = tool(&described("a.b", open.clone()));
    assert_eq!((&made["function"]["strict"], &made["function"]["parameters"]), (&json!(false), &open));
    for odd in [
        json!({ "type": "object", "properties": { "a": {} } }),
        json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        json!({ "type": "object", "properties": { "a": { "type": "string" } }, "minProperties": 1 }),
        json!({ "type": "object", "properties": { "a": { "type": "array" } } }),
        json!({ "type": "object", "properties": { "a": { "type": ["object", "string"] } } }),
    ] {
        assert_eq!(strict::strict(&odd), None, "{odd}");
    }
}

fn entry(name: &str, arguments: &str) -> Value {
    json!({ "id": "call_1", "type": "function", "function": { "name": name, "arguments": arguments } })
}

#[test]
fn a_null_that_stands_for_nothing_is_left_out() {
    let tool = described(
        "a.b",
        json!({
            "type": "object",
            "properties": {
                "most": { "type": "integer" },
                "none": { "type": ["string", "null"] },
                "must": { "type": ["string", "null"] },
            },
            "required": ["must"],
        }),
    );
    let call = call(&entry("a__b", r#"{"most":null,"none":null,"must":null,"more":null}"#), &tool).unwrap();
    assert_eq!(call.arguments, json!({ "none": null, "must": null, "more": null }));
    assert_eq!(call.name, "a.b");
}

#[test]
fn what_is_no_call_is_refused_in_its_class() {
    let tool = described("a.b", json!({ "type": "object" }));
    for (entry, class) in [
        (entry("a__b", "{"), Class::Invalid),
        (entry("a__c", "{}"), Class::NotFound),
        (json!({ "id": "1", "type": "custom", "custom": {} }), Class::Invalid),
        (json!({ "function": { "name": "a__b", "arguments": {} } }), Class::Invalid),
        (json!(3), Class::Invalid),
    ] {
        assert_eq!(call(&entry, &tool).unwrap_err().class, class, "{entry}");
    }
    assert_eq!(call(&entry("a__b", ""), &tool).unwrap().arguments, json!({}));
}

#[test]
fn an_answer_goes_back_under_the_id_of_its_call() {
    let asked = entry("a__b", "{}");
    let answer = |value, warnings: &[&str]| {
        let version: Version = "1.2.3".parse().unwrap();
        let warnings = warnings.iter().map(ToString::to_string).collect();
        Ok(Answer { value, warnings, version, decision: "d".to_owned() })
    };
    let said = |answer| message(&asked, &answer);
    assert_eq!(
        said(answer(json!({ "n": 1 }), &[])),
        json!({ "role": "tool", "tool_call_id": "call_1", "content": "{\"n\":1}" })
    );
    assert_eq!(said(answer(json!("plain"), &[]))["content"], "plain");
    let warned: Value = serde_json::from_str(said(answer(json!(1), &["old"]))["content"].as_str().unwrap()).unwrap();
    assert_eq!(warned, json!({ "result": 1, "warnings": ["old"] }));
    let refused = said(Err(Refusal::new(Class::Denied, "could not call it: no")));
    let refused: Value = serde_json::from_str(refused["content"].as_str().unwrap()).unwrap();
    assert_eq!(refused, json!({ "error": { "class": "denied", "message": "could not call it: no" } }));
}
