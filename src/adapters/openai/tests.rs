//! What a model is shown, and what it says back.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::adapters::Toolbox;
use crate::adapters::tests::support::{Bench, cx, described, fixtures};
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
                "path": { "type": "string", "description": "Where.", "minLength": 1, "maxLength": 9 },
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
                    "path": { "anyOf": [
                        { "type": "string", "description": "Where. 1 to 9 characters." },
                        { "type": "null" },
                    ] },
                    "parts": { "anyOf": [{ "type": "array", "items": {
                        "type": "object",
                        "properties": { "x": { "anyOf": [{ "type": "number" }, { "type": "null" }] } },
                        "required": ["x"],
                        "additionalProperties": false,
                    } }, { "type": "null" }] },
                },
                "required": ["most", "parts", "path", "text"],
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

/// Status and body of what a server on this toolbox answers to `anna`.
async fn over_http(bench: &Arc<Bench>, request: &str, headers: &str, body: &str) -> (u16, Value) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let toolbox: Arc<dyn Toolbox> = bench.clone();
    let app = router(&toolbox).layer(axum::Extension(cx("anna")));
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move { axum::serve(listener, app).await.unwrap() });
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    (text[9..12].parse().unwrap(), serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap())
}

fn numbered(id: &str, name: &str, arguments: &str) -> Value {
    json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
}

// OA3.
#[tokio::test]
async fn each_call_of_a_message_is_answered_in_its_place_under_a_key_of_its_own() {
    let bench = Bench::new(fixtures());
    let calls = [
        numbered("one", "greet", r#"{"name": "Ada"}"#),
        numbered("two", "no__such", "{}"),
        numbered("three", "test_elicitation", r#"{"message": "Who?"}"#),
    ];
    let body = json!({ "role": "assistant", "content": null, "tool_calls": calls }).to_string();
    let request = "POST /openai/calls?workspace=notes";
    let (status, came) = over_http(&bench, request, "idempotency-key: k\r\nuser-agent: sdk/1\r\n", &body).await;
    assert_eq!(status, 200, "{came}");
    let messages = came["messages"].as_array().unwrap();
    let ids: Vec<&str> = messages.iter().map(|message| message["tool_call_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["one", "two", "three"]);
    let classes: Vec<Option<Value>> = messages
        .iter()
        .map(|message| serde_json::from_str::<Value>(message["content"].as_str().unwrap()).ok())
        .map(|content| content.and_then(|content| content.pointer("/error/class").cloned()))
        .collect();
    // Nobody can be asked this way what a tool wants to know first, so it is refused in words.
    assert_eq!(classes, [None, Some(json!("not_found")), Some(json!("invalid"))], "{messages:#?}");
    let reached = bench.reached();
    let mut keys: Vec<_> = reached.iter().map(|one| one.call.idempotency_key.clone().unwrap()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["k/one", "k/three"]);
    let caller = &reached[0].caller;
    let said = (caller.protocol.as_str(), caller.program.as_deref(), caller.workspace.as_deref());
    assert_eq!((said, reached[0].principal.as_str()), (("openai", Some("sdk/1"), Some("notes")), "anna"));
}

#[tokio::test]
async fn what_makes_no_request_is_refused_as_clients_of_that_protocol_read_it() {
    let bench = Bench::new(fixtures());
    let many = json!({ "tool_calls": vec![json!({}); 129] }).to_string();
    for (request, headers, body, status, said) in [
        ("POST /openai/calls", "", "{", 422, "could not read the body as JSON"),
        ("POST /openai/calls", "", "{\"content\": \"Hello.\"}", 422, "could not find `tool_calls`"),
        ("POST /openai/calls", "", many.as_str(), 422, "could not make 129 calls in one request: there may be 128"),
        ("POST /openai/calls", "idempotency-key: \r\n", "{\"tool_calls\": []}", 422, "`idempotency-key`"),
        ("GET /openai/tools?names=greet,no.such", "", "", 404, "could not find a tool \"no.such\""),
        ("GET /openai/tools?names=%ff&names=a", "", "", 422, "could not read the query"),
    ] {
        let (found, came) = over_http(&bench, request, headers, body).await;
        let message = came["error"]["message"].as_str().unwrap_or_default();
        assert_eq!((found, message.contains(said)), (status, true), "{request}: {came}");
    }
    assert!(bench.reached().is_empty());
    let (status, came) = over_http(&bench, "GET /openai/tools?names=greet", "", "").await;
    let names: Vec<&Value> = came["tools"].as_array().unwrap().iter().map(|tool| &tool["function"]["name"]).collect();
    assert_eq!((status, names), (200, vec![&json!("greet")]));
    let crowd = Bench::new(
        (0..129).map(|number| Arc::new(described(&format!("a.b{number}"), json!({ "type": "object" })))).collect(),
    );
    let (status, came) = over_http(&crowd, "GET /openai/tools", "", "").await;
    let message = came["error"]["message"].as_str().unwrap_or_default();
    assert_eq!((status, message.contains("could not list 129 tools")), (422, true), "{came}");
}
