//! Calls of tools that people have to agree to, and calls of which nobody knows whether they were made, on the real program.

use std::path::Path;

use serde_json::{Value, json};
use syzygy::types::Class;

use crate::program::{Running, code, command, configure, done, good, home, json, run};
use crate::sandbox::{self, containers};
use crate::support::eventually;

/// A tool that says how long a text is, or takes longer than it may.
fn tool(folder: &Path, id: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut value = json!({
        "tds": 1, "id": id, "name": "length", "version": "1.0.0",
        "description": "Says how many characters a text has.",
        "capabilities": ["query"], "side_effects": "none", "isolation": "jail",
        "interface": {
            "input": { "type": "object", "required": ["text"], "additionalProperties": false,
                       "properties": { "text": { "type": "string", "description": "The text." } } },
            "output": { "type": "integer" },
            "examples": [{ "prompt": "How long is 'one'?", "input": { "text": "one" }, "output": 3 }],
        },
        "run": { "program": { "argv": ["python3", "tool.py"], "files": ["tool.py"] } },
        "limits": { "timeout_ms": 30_000 },
        "tests": { "contract": [{ "name": "counts", "input": { "text": "two" }, "expect": { "output": 3 } }] },
    });
    change(&mut value);
    let place = folder.join(id);
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("tool.json"), value.to_string()).unwrap();
    let program = "import json, sys, time\n\
        text = json.loads(sys.stdin.readline())['input']['text']\n\
        if text == 'hang': time.sleep(1000)\n\
        print(json.dumps({'type': 'result', 'value': len(text)}))\n";
    std::fs::write(place.join("tool.py"), program).unwrap();
    place.to_str().unwrap().to_owned()
}

/// What a call prints, and its exit code.
async fn call(data: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = done(command(data, &["tool", "call"]).args(arguments)).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The one item that waits.
async fn waiting(data: &Path) -> Value {
    eventually("an item waits", async || {
        let items = json(data, &["inbox"]).await;
        items["items"].as_array().unwrap().first().cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_agrees_to_a_call_in_the_inbox_and_it_is_made_once() {
    if sandbox::jail().await.is_none() {
        return;
    }
    let data = home();
    let mut text = std::fs::read_to_string(data.path().join("syzygy.toml")).unwrap();
    text.push_str("\n[executor]\napproval_wait_s = 0\n");
    configure(data.path(), &text);
    let data = data.path();
    let place = tool(data, "text.length", |value| value["policy"] = json!({ "approval": "always" }));
    let host = Running::start(data).await;
    good(data, &["tool", "publish", &place]).await;
    let one = ["text.length", "--text", "one"];
    let (exit, _, error) = call(data, &one).await;
    assert_eq!(exit, code(Class::Denied), "{error}");
    let item = waiting(data).await;
    let id = item["id"].as_str().unwrap().to_owned();
    assert!(error.contains("a person has to agree first") && error.contains(&id), "{error}");
    assert_eq!((item["kind"].as_str(), item["status"].as_str()), (Some("tool_call"), Some("open")));
    let page = good(data, &["inbox", "show", &id]).await;
    for expected in ["operator calls text.length@1.0.0, and a person has to agree", "{\"text\":\"one\"}"] {
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
    let said = good(data, &["inbox", "approve", &id]).await;
    assert!(said.contains("is approved, so the same call may be made once until"), "{said}");
    // Agreed to is this call and no other.
    assert_eq!(call(data, &["text.length", "--text", "two"]).await.0, code(Class::Denied));
    let (exit, out, error) = call(data, &one).await;
    assert_eq!((exit, out.trim()), (0, "3"), "{error}");
    // Once: the next such call is another question. A restart forgets neither.
    host.stop().await;
    let host = Running::start(data).await;
    let (_, _, error) = call(data, &one).await;
    assert!(error.contains("a person has to agree first"), "{error}");
    let open = json(data, &["inbox"]).await;
    let next = open["items"].as_array().unwrap().iter().find(|item| item["id"].as_str().unwrap()[..32] == id[..32]);
    let next = next.unwrap()["id"].as_str().unwrap().to_owned();
    assert_ne!(next, id);
    good(data, &["inbox", "deny", &next, "-c", "not today"]).await;
    let (exit, _, error) = call(data, &one).await;
    assert_eq!(exit, code(Class::Denied));
    assert!(error.contains("operator denied it") && error.contains("not today"), "{error}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_waits_a_while_for_a_person_and_has_its_answer_then() {
    if sandbox::jail().await.is_none() {
        return;
    }
    let data = home();
    let data = data.path();
    let place = tool(data, "text.length", |value| value["policy"] = json!({ "approval": "always" }));
    let host = Running::start(data).await;
    good(data, &["tool", "publish", &place]).await;
    let approves = async {
        let item = waiting(data).await;
        good(data, &["inbox", "approve", item["id"].as_str().unwrap()]).await
    };
    let ((exit, out, error), _) = tokio::join!(call(data, &["text.length", "--text", "one"]), approves);
    assert_eq!((exit, out.trim()), (0, "3"), "{error}");
    // Nothing is left that anybody has to look at, and the run list knows nothing of runs there never were.
    eventually("it is settled", async || {
        let items = json(data, &["inbox", "list", "--status", "all"]).await;
        (items["items"][0]["settled"] == true).then_some(())
    })
    .await;
    assert_eq!(json(data, &["runs"]).await["runs"], json!([]));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_say_in_the_inbox_what_became_of_a_call_that_a_killed_host_left_behind() {
    let Some(own) = containers::containers() else { return };
    let data = home();
    let mut text = std::fs::read_to_string(data.path().join("syzygy.toml")).unwrap();
    text.push_str(&format!("\n[sandbox.docker]\nsocket = {:?}\n", own.socket.display().to_string()));
    configure(data.path(), &text);
    let data = data.path();
    let place = tool(data, "note.add", |value| {
        value["side_effects"] = json!("non_idempotent");
        value["capabilities"] = json!(["action"]);
        value["isolation"] = json!("docker");
        value["idempotency"] = json!({ "key": "host" });
        value["interface"]["host"] = json!({ "once": { "from": "idempotency_key" } });
    });
    let host = Running::start(data).await;
    good(data, &["tool", "publish", &place]).await;
    let keyed = ["--idempotency-key", "k", "note.add", "--text", "hang"];
    let mut hanging = command(data, &["tool", "call"]).args(keyed).spawn().unwrap();
    eventually("it is begun", async || {
        let doubts = json(data, &["tool", "doubts"]).await;
        doubts["doubts"].as_array().unwrap().first().cloned()
    })
    .await;
    host.kill().await;
    hanging.kill().await.unwrap();
    // Nobody asks; the next host brings it before people by itself.
    let host = Running::start(data).await;
    let item = waiting(data).await;
    assert_eq!(item["kind"], "tool_doubt", "{item}");
    let id = item["id"].as_str().unwrap();
    let page = good(data, &["inbox", "show", id]).await;
    for expected in
        ["note.add@1.0.0 was called, and nobody knows", "the host ended before it did", "deny: it was not done"]
    {
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
    let said = good(data, &["inbox", "edit", id, "7"]).await;
    assert!(said.contains("is approved, so the call counts as done"), "{said}");
    let (out, error) = eventually("its key knows", async || {
        let (exit, out, error) = call(data, &keyed).await;
        (exit == 0).then_some((out, error))
    })
    .await;
    assert_eq!(out.trim(), "7", "{error}");
    assert_eq!(json(data, &["tool", "doubts"]).await["doubts"], json!([]));
    let (exit, _, error) = run(data, &["inbox", "deny", id]).await;
    assert_eq!(exit, code(Class::Conflict), "{error}");
    host.stop().await;
}
