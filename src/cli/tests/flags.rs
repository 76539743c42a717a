//! Flags of tools, read by their schemas.

use serde_json::{Value, json};

use super::super::flags::read;

fn schema() -> Value {
    json!({ "type": "object", "properties": {
        "text": { "type": "string" }, "max_count": { "type": "integer" }, "deep": { "type": "boolean" },
        "paths": { "type": "array", "items": { "type": "string" } }, "mode": { "enum": ["a", "b"] },
        "id": { "type": ["string", "integer"] }, "any": {}, "range": { "$ref": "#/$defs/range" },
    }, "$defs": { "range": { "type": "object" } } })
}

#[test]
fn flags_are_read_by_the_kinds_of_the_schema() {
    let rows: [(&[&str], Value); 12] = [
        (&[], json!({})),
        (&["{\"text\":\"x\"}"], json!({ "text": "x" })),
        (&["--text", "7"], json!({ "text": "7" })),
        (&["--max-count", "-7", "--text=--deep"], json!({ "max_count": -7, "text": "--deep" })),
        (&["--max_count=3"], json!({ "max_count": 3 })),
        (&["--deep", "--text", "x"], json!({ "deep": true, "text": "x" })),
        (&["--no-deep"], json!({ "deep": false })),
        (&["--paths", "a", "--paths", "b"], json!({ "paths": ["a", "b"] })),
        (&["--paths", "[\"a\",\"b\"]"], json!({ "paths": ["a", "b"] })),
        (&["--mode", "a", "--id", "7"], json!({ "mode": "a", "id": 7 })),
        (&["--id", "x7", "--any", "words here"], json!({ "id": "x7", "any": "words here" })),
        (&["--range", "{\"from\":1}"], json!({ "range": { "from": 1 } })),
    ];
    for (typed, expected) in rows {
        let typed: Vec<String> = typed.iter().map(ToString::to_string).collect();
        assert_eq!(read(&schema(), &typed), Ok(expected), "{typed:?}");
    }
}

#[test]
fn what_has_no_place_is_told_with_what_there_is() {
    let rows: [(&[&str], &str); 5] = [
        (&["text"], "\"text\" is no flag; there are --any, --deep, --id, --max-count"),
        (&["--txt", "x"], "there is no --txt; there are"),
        (&["--max-count", "many"], "--max_count takes integer, and \"many\" is none"),
        (&["--text"], "--text takes string"),
        (&["{\"text\":"], "the arguments are no JSON object"),
    ];
    for (typed, expected) in rows {
        let typed: Vec<String> = typed.iter().map(ToString::to_string).collect();
        let error = read(&schema(), &typed).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    assert!(read(&json!({}), &["--x".to_owned()]).unwrap_err().ends_with("the tool takes no arguments"));
}
