//! A tool that brings an image, from its description to its answer, in the real program.

use serde_json::{Value, json};

use super::images::image;
use super::{containers, engine};
use crate::program::{Running, checked, configure, good, home, run};

/// A description of a tool.
fn description(reference: &str, isolation: &str) -> Value {
    json!({
        "tds": 1, "id": "text.same", "name": "same", "version": "1.0.0",
        "description": "Says what it is told.",
        "capabilities": ["query"], "side_effects": "none", "isolation": isolation,
        "interface": {
            "input": { "type": "object", "required": ["text"], "additionalProperties": false,
                       "properties": { "text": { "type": "string", "description": "What it says." } } },
            "output": { "type": "object" },
            "examples": [{ "prompt": "Say one.", "input": { "text": "one" } }],
        },
        "run": { "image": {
            "image": reference,
            "argv": ["/bin/tool"],
            "runs_code": false,
        } },
        "limits": { "timeout_ms": 60_000 },
        "tests": { "contract": [
            { "name": "says-it", "input": { "text": "two" }, "expect": { "contains": { "input": { "text": "two" } } } },
        ] },
    })
}

// 216.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_with_an_image_is_published_and_called_from_end_to_end() {
    let Some(own) = containers() else { return };
    let id = image("whole:1", &[]);
    let data = home();
    let mut text = std::fs::read_to_string(data.path().join("syzygy.toml")).unwrap();
    text.push_str(&format!("\n[sandbox.docker]\nsocket = {:?}\n", own.socket.display().to_string()));
    configure(data.path(), &text);
    let running = Running::start(data.path()).await;
    let said = checked(&good(data.path(), &["doctor", "-o", "json"]).await, "sandbox docker");
    assert_eq!(said["verdict"], "good", "{said}");
    let tool = data.path().join("same");
    std::fs::create_dir(&tool).unwrap();
    let describe = |reference: &str| {
        std::fs::write(tool.join("tool.json"), description(reference, "docker").to_string()).unwrap();
    };
    let tool = tool.to_str().unwrap();
    describe(&format!("nobody/has@sha256:{}", "0".repeat(64)));
    let (code, _, error) = run(data.path(), &["tool", "publish", tool]).await;
    assert!(code != 0 && error.contains("the engine has no image"), "{error}");
    describe(&format!("whole@{id}"));
    good(data.path(), &["tool", "publish", tool]).await;
    let mut command = crate::program::command(data.path(), &["tool", "call"]);
    command.args(["text.same", "--text", "three"]);
    let output = crate::program::done(&mut command).await;
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(answer["input"]["text"], "three", "{output:?}");
    running.stop().await;
    let own = std::fs::read_to_string(data.path().join("containers/owner")).unwrap();
    assert_eq!(engine(&["ps", "--all", "--quiet", "--filter", &format!("label=syzygy.host={own}")]), "");
}

// 215.
#[tokio::test]
async fn an_operator_is_told_why_there_are_no_containers() {
    let data = home();
    let mut text = std::fs::read_to_string(data.path().join("syzygy.toml")).unwrap();
    text.push_str("\n[sandbox.docker]\nsocket = \"/nowhere/engine.sock\"\n");
    configure(data.path(), &text);
    let said = checked(&good(data.path(), &["doctor", "-o", "json"]).await, "sandbox docker");
    assert_eq!(said["verdict"], "lacking", "{said}");
    assert!(said["detail"].as_str().unwrap().contains("no engine answers at /nowhere/engine.sock"), "{said}");
}
