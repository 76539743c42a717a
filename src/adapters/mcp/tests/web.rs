//! Over HTTP: whose session it is, how many there may be, whose task it is, what headers say.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::Config;
use super::support::{NEW, OLD, Served, config, mcp, serve};
use crate::adapters::tests::support::{Bench, fixtures};

/// Status, session and body of an answer.
struct Answered {
    status: u16,
    session: Option<String>,
    body: String,
}

impl Answered {
    /// The message in it, alone or as the last event of a stream.
    fn message(&self) -> Value {
        let mut event =
            self.body.lines().filter_map(|line| line.strip_prefix("data:")).filter(|data| !data.trim().is_empty());
        let text = event.next_back().unwrap_or(&self.body);
        serde_json::from_str(text.trim()).unwrap_or_default()
    }
}

async fn send(served: &Served, method: &str, headers: &[(&str, &str)], body: &str) -> Answered {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let mut head = format!("{method} /mcp HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", served.address);
    head.push_str("content-type: application/json\r\naccept: application/json, text/event-stream\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let session = head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).map(str::to_owned);
    // Chunks of a stream begin with their lengths on lines of their own, which no reader of events minds.
    Answered { status: head[9..12].parse().unwrap(), session, body: body.to_owned() }
}

async fn hello(served: &Served, principal: &str) -> Answered {
    let info = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": OLD, "capabilities": {}, "clientInfo": info });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }).to_string();
    send(served, "POST", &[("x-test-principal", principal)], &body).await
}

async fn ping(served: &Served, principal: &str, session: &str) -> u16 {
    let body = json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" }).to_string();
    let headers = [("x-test-principal", principal), ("mcp-session-id", session), ("mcp-protocol-version", OLD)];
    send(served, "POST", &headers, &body).await.status
}

#[tokio::test]
async fn who_has_no_context_is_answered_nothing() {
    let bench = Bench::new(fixtures());
    let served = serve(&mcp(bench.clone(), config())).await;
    let known = hello(&served, "anna").await;
    assert!((200..300).contains(&known.status));
    // MC1: neither a session is begun, nor anything said in one that is there.
    let unknown = hello(&served, "nobody").await;
    assert!(!(200..300).contains(&unknown.status) && unknown.session.is_none(), "{} {}", unknown.status, unknown.body);
    let status = ping(&served, "nobody", &known.session.unwrap()).await;
    assert!(!(200..300).contains(&status), "{status}");
}

// MC2.
#[tokio::test]
async fn a_session_is_that_of_who_began_it() {
    let served = serve(&mcp(Bench::new(fixtures()), config())).await;
    let session = hello(&served, "ann").await.session.unwrap();
    assert_eq!(ping(&served, "ann", &session).await, 200);
    assert_eq!(ping(&served, "bob", &session).await, 404);
    for method in ["GET", "DELETE"] {
        let headers =
            [("x-test-principal", "bob"), ("mcp-session-id", session.as_str()), ("mcp-protocol-version", OLD)];
        assert_eq!(send(&served, method, &headers, "").await.status, 404, "{method}");
    }
    assert_eq!(ping(&served, "ann", &session).await, 200, "bob could end it");
    let own = [("x-test-principal", "ann"), ("mcp-session-id", session.as_str()), ("mcp-protocol-version", OLD)];
    assert!(send(&served, "DELETE", &own, "").await.status < 300);
    assert_eq!(ping(&served, "ann", &session).await, 404);
}

// MC5.
#[tokio::test]
async fn sessions_have_a_limit_and_ended_ones_do_not_count() {
    let served = serve(&mcp(Bench::new(fixtures()), Config { sessions_max: 2, ..config() })).await;
    let first = hello(&served, "ann").await.session.unwrap();
    assert_eq!(hello(&served, "ann").await.status, 200);
    let refused = hello(&served, "bob").await;
    assert_eq!((refused.status, refused.body.contains("mcp.sessions_max")), (503, true), "{}", refused.body);
    let own = [("x-test-principal", "ann"), ("mcp-session-id", first.as_str()), ("mcp-protocol-version", OLD)];
    send(&served, "DELETE", &own, "").await;
    assert_eq!(hello(&served, "bob").await.status, 200);
}

/// A request of 2026-07-28 with all that it has to say.
async fn modern(served: &Served, principal: &str, method: &str, name: &str, params: Value) -> Answered {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": NEW,
        "io.modelcontextprotocol/clientCapabilities": { "extensions": { "io.modelcontextprotocol/tasks": {} } },
    });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let headers =
        [("x-test-principal", principal), ("mcp-protocol-version", NEW), ("mcp-method", method), ("mcp-name", name)];
    send(served, "POST", &headers, &body).await
}

#[tokio::test]
async fn a_task_is_that_of_who_began_it() {
    let served = serve(&mcp(Bench::new(fixtures()), Config { tasks_max: 2, ..config() })).await;
    let begin = json!({ "name": "slow_compute", "arguments": { "seconds": 60 } });
    let task = modern(&served, "ann", "tools/call", "slow_compute", begin.clone()).await.message();
    let id = task["result"]["taskId"].as_str().unwrap().to_owned();
    modern(&served, "bob", "tools/call", "slow_compute", begin.clone()).await;
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        let params = json!({ "taskId": id, "inputResponses": {} });
        let refused = modern(&served, "bob", method, &id, params).await.message();
        assert_eq!(refused["error"]["code"], -32_602, "{method} {refused}");
    }
    let own = modern(&served, "ann", "tasks/get", &id, json!({ "taskId": id })).await.message();
    assert_eq!(own["result"]["status"], "working", "{own}");

    // Tasks have a limit for each, which one principal does not use up for another.
    modern(&served, "ann", "tools/call", "slow_compute", begin.clone()).await;
    let many = modern(&served, "ann", "tools/call", "slow_compute", begin.clone()).await.message();
    assert_eq!(many["result"]["_meta"]["syzygy/class"], "exhausted", "{many}");
    let other = modern(&served, "bob", "tools/call", "slow_compute", begin).await.message();
    assert_eq!(other["result"]["resultType"], "task", "{other}");
    let params = json!({ "taskId": id });
    modern(&served, "ann", "tasks/cancel", &id, params.clone()).await;
    loop {
        let seen = modern(&served, "ann", "tasks/get", &id, params.clone()).await.message();
        if seen["result"]["status"] != "working" {
            assert_eq!(seen["result"]["status"], "cancelled", "{seen}");
            break;
        }
    }
}

#[tokio::test]
async fn headers_and_body_say_the_same_or_the_call_is_refused() {
    let bench = Bench::new(fixtures());
    let served = serve(&mcp(bench.clone(), config())).await;
    let mismatch = async |headers: &[(&str, &str)], arguments: Value| {
        let params = json!({ "name": "test_custom_header", "arguments": arguments, "_meta": {
            "io.modelcontextprotocol/protocolVersion": NEW, "io.modelcontextprotocol/clientCapabilities": {},
        } });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
        let all = [&[("mcp-protocol-version", NEW), ("mcp-method", "tools/call")], headers].concat();
        let answer = send(&served, "POST", &all, &body).await;
        (answer.status, answer.message()["error"]["code"].as_i64())
    };
    let named = ("mcp-name", "test_custom_header");
    let refused = (400, Some(-32_020));
    assert_eq!(mismatch(&[("mcp-name", "greet")], json!({})).await, refused);
    assert_eq!(mismatch(&[named], json!({ "value": "one" })).await, refused);
    assert_eq!(mismatch(&[named, ("mcp-param-value", "two")], json!({ "value": "one" })).await, refused);
    assert!(bench.reached().is_empty(), "a call was made all the same");
    assert_eq!(mismatch(&[named, ("mcp-param-value", "one")], json!({ "value": "one" })).await, (200, None));
    assert_eq!(bench.reached().len(), 1);
}

#[tokio::test]
async fn pages_of_other_places_and_other_names_are_refused() {
    let served = serve(&mcp(Bench::new(fixtures()), config())).await;
    let body = json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" }).to_string();
    for origin in ["http://evil.example", "null", "https://localhost.evil.example"] {
        assert_eq!(send(&served, "POST", &[("origin", origin)], &body).await.status, 403, "{origin}");
    }
    let long = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{{\"x\":\"{}\"}}}}",
        "x".repeat(2 << 20)
    );
    assert_eq!(send(&served, "POST", &[], &long).await.status, 413);
}
