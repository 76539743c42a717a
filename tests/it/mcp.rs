//! Tools for programs that speak MCP, at a whole host: behind its tokens and checks, and over a pipe.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use syzygy::adapters::{Answer, Call, Caller, Refusal, Reply, Toolbox};
use syzygy::host::Host;
use syzygy::sandbox::Line;
use syzygy::tds::{self, Format, Tool};
use syzygy::types::{Class, Cx};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use crate::program::{Running, command, configure, home};
use crate::support::{MINUTE, eventually, scripted};

/// One tool: it counts words, or waits until its caller leaves.
struct Words {
    tool: Arc<Tool>,
    changes: watch::Sender<u64>,
    left: watch::Sender<u32>,
}

const TOOL: &str = r#"
tds = 1
id = "text.count"
name = "Count words"
version = "1.2.0"
description = "Counts the words of a text."
capabilities = ["query"]
side_effects = "none"
isolation = "native"
run.native.function = "count"

[interface.input]
type = "object"
required = ["text"]
properties.text = { type = "string", x-mcp-header = "Text" }

[interface.output]
type = "object"
properties.words = { type = "integer" }
"#;

impl Words {
    fn new() -> Arc<Words> {
        let tool = tds::read(Format::Toml, TOOL).unwrap_or_else(|report| panic!("{report}")).tool;
        Arc::new(Words { tool: Arc::new(tool), changes: watch::Sender::new(0), left: watch::Sender::new(0) })
    }
}

#[async_trait]
impl Toolbox for Words {
    async fn list(&self, _cx: &Cx, _caller: &Caller) -> Vec<Arc<Tool>> {
        vec![Arc::clone(&self.tool)]
    }

    async fn call(
        &self,
        cx: &Cx,
        _caller: &Caller,
        call: Call,
        _lines: Option<mpsc::Sender<Line>>,
    ) -> Result<Reply, Refusal> {
        let text = call.arguments["text"].as_str().unwrap_or_default();
        if text == "wait" {
            cx.cancelled().await;
            self.left.send_modify(|left| *left += 1);
            return Err(Refusal::new(Class::Cancelled, "could not count: nobody waits"));
        }
        let value = json!({ "words": text.split_whitespace().count(), "asked_by": cx.principal().name });
        let version = self.tool.version.clone();
        Ok(Reply::Answer(Answer { value, warnings: Vec::new(), version, decision: "1".to_owned() }))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

const NEW: &str = "2026-07-28";

fn params(more: Value) -> Value {
    let mut params = more;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": NEW,
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    params
}

fn request(id: u32, method: &str, more: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params(more) })
}

async fn post(address: SocketAddr, headers: &[(&str, &str)], body: &Value) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = body.to_string();
    let mut head = format!("POST /mcp HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    head.push_str("content-type: application/json\r\naccept: application/json, text/event-stream\r\n");
    head.push_str(&format!("mcp-protocol-version: {NEW}\r\n"));
    if !headers.iter().any(|(name, _)| *name == "host") {
        head.push_str(&format!("host: {address}\r\n"));
    }
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    (text[9..12].parse().unwrap(), text.split_once("\r\n\r\n").unwrap().1.to_owned())
}

async fn start(data: &std::path::Path, words: &Arc<Words>) -> (Host, String) {
    let inputs = syzygy::config::Inputs {
        flags: vec![
            syzygy::config::Flag {
                name: "listen".to_owned(),
                key: "api.listen".to_owned(),
                value: "127.0.0.1:0".to_owned(),
            },
            syzygy::config::Flag {
                name: "data-dir".to_owned(),
                key: "host.data_dir".to_owned(),
                value: data.display().to_string(),
            },
        ],
        ..Default::default()
    };
    let config = syzygy::config::load(&inputs).unwrap().config;
    let toolbox: Arc<dyn Toolbox> = words.clone();
    let host = scripted("Forty-two.").config(config).data_dir(data).toolbox(toolbox).serve().start().await.unwrap();
    let token = std::fs::read_to_string(data.join("operator.token")).unwrap();
    (host, format!("Bearer {}", token.trim()))
}

#[tokio::test]
async fn the_host_lets_in_who_has_a_token_and_comes_from_here() {
    let (data, words) = (home(), Words::new());
    let (host, token) = start(data.path(), &words).await;
    let address = host.address().unwrap();
    let list = request(1, "tools/list", json!({}));
    let with = |more: &[(&'static str, &'static str)]| -> Vec<(&str, &str)> {
        let own = [("authorization", token.as_str()), ("mcp-method", "tools/list")];
        own.iter().chain(more).copied().collect()
    };
    assert_eq!(post(address, &[("mcp-method", "tools/list")], &list).await.0, 401);
    assert_eq!(post(address, &with(&[("host", "evil.example")]), &list).await.0, 421);
    assert_eq!(post(address, &with(&[("origin", "http://evil.example")]), &list).await.0, 403);
    let (status, body) = post(address, &with(&[]), &list).await;
    assert_eq!((status, body.contains("\"text.count\"")), (200, true), "{body}");
    let call = request(2, "tools/call", json!({ "name": "text.count", "arguments": { "text": "one two" } }));
    let named = [
        ("authorization", token.as_str()),
        ("mcp-method", "tools/call"),
        ("mcp-name", "text.count"),
        ("mcp-param-text", "one two"),
    ];
    let (status, body) = post(address, &named, &call).await;
    assert_eq!((status, body.contains(r#""asked_by":"operator""#)), (200, true), "{body}");
    let deep = request(3, "tools/call", json!({ "name": "text.count", "arguments": { "text": nested(200) } }));
    assert_eq!(post(address, &named, &deep).await.0, 413);
    host.shutdown(MINUTE).await.unwrap();
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

#[tokio::test]
async fn who_closes_the_connection_ends_the_call_and_a_stop_waits_for_nobody_who_listens() {
    let (data, words) = (home(), Words::new());
    let (host, token) = start(data.path(), &words).await;
    let address = host.address().unwrap();
    let call = request(2, "tools/call", json!({ "name": "text.count", "arguments": { "text": "wait" } }));
    let named = [
        ("authorization", token.as_str()),
        ("mcp-method", "tools/call"),
        ("mcp-name", "text.count"),
        ("mcp-param-text", "wait"),
    ];
    let gone = tokio::time::timeout(Duration::from_millis(500), post(address, &named, &call)).await;
    assert!(gone.is_err(), "it was answered: {gone:?}");
    words.left.subscribe().wait_for(|left| *left == 1).await.unwrap();
    let listen = request(3, "subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } }));
    let headers = [("authorization", token.as_str()), ("mcp-method", "subscriptions/listen")];
    // Who only listens is told that it is over as soon as the host stops; its time to finish is not waited for.
    let before = words.changes.receiver_count();
    let stopping = async {
        eventually("somebody listens", async || (words.changes.receiver_count() > before).then_some(())).await;
        tokio::time::timeout(Duration::from_secs(5), host.shutdown(MINUTE)).await
    };
    let ((status, body), stopped) = tokio::join!(post(address, &headers, &listen), stopping);
    stopped.unwrap().unwrap();
    assert_eq!((status, body.contains("notifications/subscriptions/acknowledged")), (200, true), "{body}");
}

#[tokio::test]
async fn the_command_line_speaks_it_over_a_pipe() {
    let (data, words) = (home(), Words::new());
    configure(data.path(), "");
    let (host, _) = start(data.path(), &words).await;
    let mut child = command(data.path(), &["mcp"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let (mut writes, reads) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut lines = BufReader::new(reads).lines();
    let mut said = async |message: Value| writes.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    let mut heard = async || -> Value {
        let line = tokio::time::timeout(MINUTE, lines.next_line()).await.unwrap().unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    };
    // 2026-07-28: nothing is agreed on before, and what a header repeats is learned from the list.
    said(request(1, "tools/list", json!({}))).await;
    assert_eq!(heard().await["result"]["tools"][0]["name"], "text.count");
    let text = "eins zw\u{f6}lf drei";
    said(request(2, "tools/call", json!({ "name": "text.count", "arguments": { "text": text } }))).await;
    let answer = heard().await;
    assert_eq!(answer["result"]["structuredContent"]["words"], 3, "{answer}");
    // A call that is given up ends at the host, and one that goes on holds up nobody.
    said(request(3, "tools/call", json!({ "name": "text.count", "arguments": { "text": "wait" } }))).await;
    said(request(4, "tools/call", json!({ "name": "text.count", "arguments": { "text": "one" } }))).await;
    assert_eq!(heard().await["id"], 4);
    said(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 3 } })).await;
    words.left.subscribe().wait_for(|left| *left == 1).await.unwrap();
    // 2025-11-25: a session with a handshake, and news of the list.
    let hello =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    said(json!({ "jsonrpc": "2.0", "id": 5, "method": "initialize", "params": hello })).await;
    assert_eq!(heard().await["result"]["protocolVersion"], "2025-11-25");
    said(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    let call = json!({ "name": "text.count", "arguments": { "text": "a b" } });
    said(json!({ "jsonrpc": "2.0", "id": 6, "method": "tools/call", "params": call })).await;
    assert_eq!(heard().await["result"]["structuredContent"]["words"], 2);
    writes.write_all(b"no JSON\n").await.unwrap();
    assert_eq!(heard().await["error"]["code"], -32_603);
    drop(writes);
    let status = tokio::time::timeout(MINUTE, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
    host.shutdown(MINUTE).await.unwrap();
}

#[tokio::test]
async fn the_tools_of_a_host_are_those_of_its_executor() {
    let data = home();
    let host = Running::start(data.path()).await;
    let mut child = command(data.path(), &["mcp"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut writes = child.stdin.take().unwrap();
    let list = request(1, "tools/list", json!({}));
    let call = request(2, "tools/call", json!({ "name": "time", "arguments": {} }));
    let wrong = request(3, "tools/call", json!({ "name": "time", "arguments": { "no": "such" } }));
    writes.write_all(format!("{list}\n{call}\n{wrong}\n").as_bytes()).await.unwrap();
    drop(writes);
    let output = tokio::time::timeout(MINUTE, child.wait_with_output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    answers.sort_by_key(|answer| answer["id"].as_u64());
    let [listed, called, refused] = &answers[..] else { panic!("{text}") };
    let named = listed["result"]["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "time");
    assert!(named, "{listed}");
    assert_eq!(called["result"]["isError"], false, "{called}");
    assert!(called["result"]["_meta"]["syzygy/decision"].is_string(), "{called}");
    assert_eq!(refused["result"]["_meta"]["syzygy/class"], "invalid", "{refused}");
    host.stop().await;
}
