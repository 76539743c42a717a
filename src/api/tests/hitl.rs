//! Work that waits for people, as clients see it.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::support::{TestHost, Wanted, data_with};
use crate::actors::inbox;
use crate::actors::tests::{configs, read};
use crate::api::{Scope, TOKENS_FILE};

/// A host that asks people before it gives an answer.
fn asking() -> Wanted {
    let mut review: inbox::Config = configs::inbox();
    review.rules = vec![read(json!({
        "name": "all", "kind": "publication", "action": "after", "deadline_s": 600, "quorum": 1, "on_expiry": "deny",
        "class": "public",
    }))];
    Wanted { review, ..Wanted::default() }
}

fn question() -> Value {
    json!({ "prompt": "What is six times seven?", "privacy": "internal" })
}

#[tokio::test]
async fn a_task_that_waits_is_told_its_item_and_a_stream_goes_on_to_the_answer() {
    let host = TestHost::start(asking()).await;
    let headers = host.headers(&[]);
    let waits = host.raw("POST", "/route", &headers, question().to_string().as_bytes()).await;
    assert_eq!(waits.status, 202, "{}", waits.body);
    let said = waits.json();
    let run = said["run_id"].as_str().unwrap();
    assert_eq!(said["item"], format!("{run}-1"));
    assert_eq!(waits.headers["location"], format!("/runs/{run}"));
    let row = host.get(&format!("/runs/{run}")).await.json();
    assert_eq!(
        (&row["status"], &row["item"], row.get("answer")),
        (&json!("parked"), &said["item"], Some(&Value::Null))
    );
    let early = host.post("/feedback", json!({ "run_id": run, "quality": 1.0 })).await;
    assert_eq!(early.code(), "conflict");

    let headers = host.headers(&[("accept", "text/event-stream")]);
    let stream = host.send("POST", "/route", &headers, question().to_string().as_bytes()).await;
    let (mut lines, mut names) = (BufReader::new(stream).lines(), Vec::new());
    let mut answer = Value::Null;
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(name) = line.strip_prefix("event: ") {
            names.push(name.to_owned());
        }
        let Some(data) = line.strip_prefix("data: ") else { continue };
        match names.last().map(String::as_str) {
            Some("parked") => {
                let item = serde_json::from_str::<Value>(data).unwrap()["item"].as_str().unwrap().to_owned();
                let done = host.post(&format!("/hitl/{item}/approve"), json!({ "comment": "good" })).await;
                assert_eq!((done.status, &done.json()["status"]), (200, &json!("approved")), "{}", done.body);
            }
            Some("answer") => {
                answer = serde_json::from_str(data).unwrap();
                break;
            }
            _ => {}
        }
    }
    assert_eq!(answer["answer"], "Forty-two.");
    assert_eq!(names[names.len() - 3..], ["parked", "resumed", "answer"], "{names:?}");
    assert!(!names.contains(&"text".to_owned()), "it was withheld: {names:?}");
    host.stop().await;
}

#[tokio::test]
async fn an_item_is_listed_shown_changed_and_decided_on_once() {
    let host = TestHost::start(asking()).await;
    let waits = host.post("/route", question()).await.json();
    let item = waits["item"].as_str().unwrap();
    let listed = host.get("/hitl?status=open").await.json();
    assert_eq!((&listed["items"][0]["id"], &listed["next"]), (&json!(item), &Value::Null));
    assert!(!listed.to_string().contains("Forty-two"), "a list shows nothing of the work");
    let shown = host.get(&format!("/hitl/{item}")).await.json();
    assert_eq!((&shown["payload"]["answer"], &shown["item"]["editable"]), (&json!("Forty-two."), &json!(["/answer"])));
    for (name, scope) in [("ann", "review"), ("bob", "read")] {
        assert_eq!(host.post("/tokens", json!({ "name": name, "scopes": [scope] })).await.status, 201);
    }
    for (name, why) in [("ghost", "there is no token of this name"), ("bob", "has not the scope `review`")] {
        let refused = host.post(&format!("/hitl/{item}/delegate"), json!({ "to": name })).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid_request"));
        assert!(refused.body.contains(why), "{}", refused.body);
    }
    let asked = host.post(&format!("/hitl/{item}/delegate"), json!({ "to": "ann" })).await;
    assert_eq!((asked.status, &asked.json()["delegate"]), (200, &json!("ann")));
    let rows = [
        (json!({ "edits": { "/nothing": "x" } }), 422, "invalid_request"),
        (json!({ "revision": 9 }), 409, "conflict"),
        (json!({ "comment": "x".repeat(5_000) }), 422, "invalid_request"),
        (json!({ "coment": "x" }), 422, "invalid_request"),
    ];
    for (body, status, code) in rows {
        let refused = host.post(&format!("/hitl/{item}/approve"), body).await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{}", refused.body);
    }
    let edits = json!({ "edits": { "/answer": "Forty-two, of course." } });
    assert_eq!(host.post(&format!("/hitl/{item}/approve"), edits).await.json()["goes_on"], true);
    let closed = host.post(&format!("/hitl/{item}/deny"), json!({})).await;
    assert_eq!((closed.status, closed.code().as_str()), (409, "conflict"));
    assert!(closed.body.contains("approved since") && closed.body.contains("by operator"), "{}", closed.body);
    assert_eq!(host.get("/hitl/nothing").await.status, 404);
    assert_eq!(host.get("/hitl?limit=0").await.code(), "invalid_request");
    host.stop().await;
}

#[tokio::test]
async fn whoever_waits_for_a_run_that_is_cancelled_hears_so() {
    let host = TestHost::start(asking()).await;
    let headers = host.headers(&[("accept", "text/event-stream")]);
    let stream = host.send("POST", "/route", &headers, question().to_string().as_bytes()).await;
    let (mut lines, mut name, mut problem) = (BufReader::new(stream).lines(), String::new(), Value::Null);
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(said) = line.strip_prefix("event: ") {
            said.clone_into(&mut name);
        }
        let Some(data) = line.strip_prefix("data: ") else { continue };
        if name == "parked" {
            let item = serde_json::from_str::<Value>(data).unwrap()["item"].as_str().unwrap().to_owned();
            let run = item.split('-').next().unwrap();
            assert_eq!(host.ask("POST", &format!("/runs/{run}/cancel"), None).await.status, 202);
        }
        if name == "error" {
            problem = serde_json::from_str(data).unwrap();
            break;
        }
    }
    assert_eq!(problem["code"], "cancelled");
    let listed = host.get("/hitl?status=cancelled").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    host.stop().await;
}

#[tokio::test]
async fn the_operator_of_an_earlier_version_may_decide_and_nobody_else_without_the_scope() {
    let old = [Scope::Read, Scope::Route, Scope::Control, Scope::Admin];
    let data = data_with(&[("admin", "syz_admin", &old, None)]);
    let path = data.path().join(TOKENS_FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(",\"review\"").count(), 1, "{text}");
    std::fs::write(&path, text.replace(",\"review\"", "")).unwrap();
    let host = TestHost::start_in(data, Wanted::default()).await.unwrap();
    assert_eq!(host.get("/hitl").await.status, 200);
    let refused = host.ask_as(Some("syz_admin"), "GET", "/hitl", None).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "insufficient_scope"));
    assert!(refused.body.contains("`review`"), "{}", refused.body);
    host.stop().await;
}

#[tokio::test]
async fn somebody_ends_the_time_of_an_item_and_stands_on_the_record() {
    let host = TestHost::start(asking()).await;
    let waits = host.post("/route", question()).await.json();
    let item = waits["item"].as_str().unwrap();
    let ended = host.ask("POST", &format!("/hitl/{item}/expire"), None).await;
    let said = ended.json();
    assert_eq!((ended.status, &said["status"], &said["goes_on"]), (200, &json!("expired"), &json!(false)), "{said}");
    assert_eq!(said["closed_by"], "operator");
    for again in ["expire", "approve"] {
        let late = host.post(&format!("/hitl/{item}/{again}"), json!({})).await;
        assert_eq!((late.status, late.code().as_str()), (409, "conflict"), "{again}");
        assert!(late.body.contains("it is expired since") && late.body.contains(", by operator"), "{}", late.body);
    }
    let events = host.journal.read(1, 1_000).await.unwrap();
    let expired = events.iter().find(|event| event.kind == "hitl.expired").unwrap();
    assert_eq!(expired.body.value()["by"], "operator", "{}", expired.body.text());
    assert_eq!(host.ask("POST", "/hitl/nothing-1/expire", None).await.status, 404);
    host.stop().await;
}
