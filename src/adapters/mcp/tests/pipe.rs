//! Calls over a pipe: what is said meanwhile, what is asked meanwhile, what is given up, what fails.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use serde_json::{Value, json};

use super::support::{NEW, OLD, Pipe, config, mcp};
use crate::adapters::Refusal;
use crate::adapters::tests::support::{Bench, described, fixtures};
use crate::types::Class;

#[tokio::test]
async fn what_a_tool_says_reaches_who_asked_for_it() {
    for revision in [OLD, NEW] {
        let adapter = mcp(Bench::new(fixtures()), config());
        let mut client = Pipe::open(&adapter, revision, json!({})).await;
        let params = json!({ "name": "test_tool_with_progress", "arguments": {}, "_meta": { "progressToken": "t" } });
        client.ask("tools/call", params).await;
        let told = |client: &mut Pipe, method: &str| -> Vec<Value> {
            let all = std::mem::take(&mut client.heard);
            all.into_iter()
                .filter(|message| message["method"] == method)
                .map(|message| message["params"].clone())
                .collect()
        };
        let progress = told(&mut client, "notifications/progress");
        let steps: Vec<Value> =
            progress.iter().map(|one| json!([one["progress"], one["total"], one["progressToken"]])).collect();
        assert_eq!(json!(steps), json!([[0.0, 100.0, "t"], [50.0, 100.0, "t"], [100.0, 100.0, "t"]]), "{revision}");

        // Before 2026-07-28 a session hears what happens; since then who asks for it does.
        client.call("test_tool_with_logging", json!({})).await;
        assert_eq!(told(&mut client, "notifications/message").len(), if revision == OLD { 3 } else { 0 });
        if revision == OLD {
            client.ask("logging/setLevel", json!({ "level": "error" })).await;
        }
        let meta = json!({ "io.modelcontextprotocol/logLevel": "debug" });
        client.ask("tools/call", json!({ "name": "test_tool_with_logging", "arguments": {}, "_meta": meta })).await;
        let said = told(&mut client, "notifications/message");
        assert_eq!(said.len(), if revision == OLD { 0 } else { 3 }, "{revision}");
    }
}

// MC3.
#[tokio::test]
async fn who_gives_up_ends_the_call() {
    for revision in [OLD, NEW] {
        let bench = Bench::new(fixtures());
        let adapter = mcp(bench.clone(), config());
        let mut client = Pipe::open(&adapter, revision, json!({})).await;
        let id = client.begin("tools/call", json!({ "name": "slow_compute", "arguments": { "seconds": 100 } })).await;
        // Another one is answered meanwhile, so the first has begun.
        client.call("greet", json!({ "name": "Ann" })).await;
        client
            .send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } }))
            .await;
        let mut reached = bench.reached();
        while !reached.iter().any(|one| one.call.name == "slow_compute") {
            client.call("greet", json!({ "name": "Ann" })).await;
            reached.extend(bench.reached());
        }
        let slow = reached.iter().find(|one| one.call.name == "slow_compute").unwrap();
        assert_eq!((slow.class, slow.cancelled), (Some(Class::Cancelled), true), "{revision}");
    }
}

#[tokio::test]
async fn an_older_client_is_asked_while_its_call_waits() {
    let adapter = mcp(Bench::new(fixtures()), config());
    let mut client = Pipe::open(&adapter, OLD, json!({ "elicitation": {}, "sampling": {} })).await;
    let id =
        client.begin("tools/call", json!({ "name": "test_input_required_result_multi_round", "arguments": {} })).await;
    for (field, value) in [("name", "Ann"), ("color", "red")] {
        let asked = client.hear().await;
        assert_eq!(asked["method"], "elicitation/create");
        assert!(asked["params"]["requestedSchema"]["properties"].get(field).is_some(), "{asked}");
        let result = json!({ "action": "accept", "content": { field: value } });
        client.send(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result })).await;
    }
    let answer = client.hear().await;
    assert_eq!((&answer["id"], answer["result"]["isError"].as_bool()), (&json!(id), Some(false)), "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("Ann") && text.contains("red"), "{text}");

    // What a client cannot be asked is not asked.
    let answer = client.call("test_input_required_result_list_roots", json!({})).await;
    assert_eq!(answer["error"]["code"], -32_021, "{answer}");
}

// MC4.
#[tokio::test]
async fn what_a_caller_keeps_comes_back_as_it_was_or_not_at_all() {
    let adapter = mcp(Bench::new(fixtures()), config());
    let mut client = Pipe::open(&adapter, NEW, json!({ "elicitation": {} })).await;
    let name = "test_input_required_result_request_state";
    let asks = client.call(name, json!({})).await;
    let state = asks["result"]["requestState"].as_str().unwrap().to_owned();
    assert!(!state.contains("asked"), "it is not for its keeper to read or write: {state}");
    let answers = json!({ "confirm": { "action": "accept", "content": { "ok": true } } });
    let retry = |name: &str, state: &str| json!({ "name": name, "arguments": {}, "inputResponses": answers, "requestState": state });
    let mut tampered = state.clone().into_bytes();
    let last = tampered.len() - 2;
    tampered[last] = if tampered[last] == b'A' { b'B' } else { b'A' };
    let tampered = String::from_utf8(tampered).unwrap();
    for (name, state) in [(name, tampered.as_str()), (name, ""), ("test_input_required_result_tampered_state", &state)]
    {
        let refused = client.ask("tools/call", retry(name, state)).await;
        assert_eq!(refused["error"]["code"], -32_602, "{name} {refused}");
    }
    let done = client.ask("tools/call", retry(name, &state)).await;
    assert_eq!(done["result"]["content"][0]["text"], "state-ok: true", "{done}");
}

#[tokio::test]
async fn each_class_is_told_in_its_form() {
    let bench = Bench::new(vec![described("a.b", json!({ "type": "object" })).into()]);
    let adapter = mcp(bench.clone(), config());
    let mut client = Pipe::open(&adapter, NEW, json!({})).await;
    for class in Class::ALL {
        bench.refuse("a.b", Refusal::new(class, "could not do it"));
        let answer = client.call("a.b", json!({})).await;
        if class == Class::Internal {
            assert_eq!(answer["error"]["code"], -32_603);
            assert_eq!(answer["error"]["data"]["syzygy/class"], "internal");
            continue;
        }
        let result = &answer["result"];
        assert_eq!((&result["isError"], &result["content"][0]["text"]), (&json!(true), &json!("could not do it")));
        assert_eq!(result["_meta"]["syzygy/class"], class.word());
        assert_eq!(result["_meta"]["syzygy/retryable"], class.retryable());
    }
    // A tool that fails is told in the answer as well: only what the host does wrong is for its own log.
    bench.refuse("a.b", Refusal { tools: true, ..Refusal::new(Class::Internal, "it gave no result") });
    let result = client.call("a.b", json!({})).await["result"].take();
    assert_eq!((&result["isError"], &result["content"][0]["text"]), (&json!(true), &json!("it gave no result")));
    assert_eq!(result["_meta"]["syzygy/class"], "internal");
    let unknown = client.call("a.c", json!({})).await;
    assert_eq!(unknown["error"]["code"], -32_602);
    assert_eq!(unknown["error"]["data"]["syzygy/class"], "not_found");
}

#[tokio::test]
async fn versions_and_keys_are_passed_on() {
    let bench = Bench::new(vec![described("a.b", json!({ "type": "object" })).into()]);
    let adapter = mcp(bench.clone(), config());
    let mut client = Pipe::open(&adapter, NEW, json!({})).await;
    let meta = |requires: &str| json!({ "syzygy/requires": requires, "syzygy/idempotencyKey": "k-1" });
    let call = |requires: &str| json!({ "name": "a.b", "arguments": {}, "_meta": meta(requires) });
    let done = client.ask("tools/call", call("^1")).await;
    assert_eq!(done["result"]["_meta"]["syzygy/version"], "1.0.0", "{done}");
    assert_eq!(done["result"]["_meta"]["syzygy/decision"], "decision-1");
    let [one] = &bench.reached()[..] else { unreachable!("one call was made") };
    assert_eq!(one.call.idempotency_key.as_deref(), Some("k-1"));
    assert_eq!(one.call.required.as_ref().map(ToString::to_string).as_deref(), Some("^1"));
    assert_eq!(one.caller.program.as_deref(), Some("test/1.0.0"));
    for wrong in ["^2", "one"] {
        assert_eq!(client.ask("tools/call", call(wrong)).await["error"]["code"], -32_602, "{wrong}");
    }
}

#[tokio::test]
async fn a_session_hears_of_changed_lists_and_of_what_it_watches() {
    let bench = Bench::new(fixtures());
    let adapter = mcp(bench.clone(), config());
    let mut client = Pipe::open(&adapter, OLD, json!({})).await;
    let none = client.ask("resources/subscribe", json!({ "uri": "test://nowhere" })).await;
    assert_eq!(none["error"]["code"], -32_002);
    client.ask("resources/subscribe", json!({ "uri": "test://watched-resource" })).await;
    let mut heard = Vec::new();
    for id in ["test_dynamic_prompt", "watched_resource"] {
        // A notification is on its way as soon as the list was looked at; the first look may be this change's.
        loop {
            bench.toggle(id);
            client.ask("ping", json!({})).await;
            heard.extend(std::mem::take(&mut client.heard));
            let wanted = if id == "watched_resource" {
                "notifications/resources/updated"
            } else {
                "notifications/prompts/list_changed"
            };
            if heard.iter().any(|message| message["method"] == wanted) {
                break;
            }
        }
    }
    assert!(!heard.iter().any(|message| message["method"] == "notifications/tools/list_changed"), "{heard:?}");
}
