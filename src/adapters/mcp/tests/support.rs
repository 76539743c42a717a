//! A server over HTTP, with everybody being who a header says they are, and one at the other end of a pipe.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::super::{Config, Ends, Guard, Mcp, router, serve as pipe};
use crate::adapters::Toolbox;
use crate::adapters::tests::support::{cx, world};

pub(in crate::adapters) fn config() -> Config {
    Config {
        page_max: 100,
        fresh_s: 60,
        sessions_max: 64,
        session_idle_s: 60,
        tasks_max: 64,
        task_keep_s: 120,
        task_poll_ms: 100,
        rounds_max: 10,
        answer_within_s: 10,
        message_bytes_max: 1 << 20,
    }
}

pub(in crate::adapters) fn mcp(toolbox: Arc<dyn Toolbox>, config: Config) -> Arc<Mcp> {
    Mcp::new(toolbox, config, world(), &[7; 32], "0.0.0-test")
}

/// A server that ends with the test.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    _server: JoinSet<()>,
}

/// Who asks, unless the header `x-test-principal` says another, or `nobody`.
const SOMEBODY: &str = "somebody";

async fn named(mut request: Request, next: Next) -> Response {
    let said = request.headers().get("x-test-principal").map(|name| name.to_str().unwrap().to_owned());
    if said.as_deref() != Some("nobody") {
        request.extensions_mut().insert(cx(said.as_deref().unwrap_or(SOMEBODY)));
    }
    next.run(request).await
}

pub(super) async fn serve(mcp: &Arc<Mcp>) -> Served {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let guard = Guard::Here {
        hosts: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
        origins: vec!["http://localhost:*".to_owned(), "http://127.0.0.1:*".to_owned()],
    };
    let app = router(mcp, guard, Ends::default()).layer(from_fn(named));
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, app).await.unwrap() });
    Served { address, _server: server }
}

/// A client at the other end of a pipe.
pub(in crate::adapters) struct Pipe {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writes: WriteHalf<DuplexStream>,
    next: u64,
    /// What every request says of its sender, if it is of a revision in which it does.
    meta: Option<Value>,
    /// Requests and notifications that came while an answer was waited for.
    pub(in crate::adapters) heard: Vec<Value>,
    _server: JoinSet<()>,
}

pub(in crate::adapters) const OLD: &str = "2025-11-25";
pub(in crate::adapters) const NEW: &str = "2026-07-28";

impl Pipe {
    /// A client of this revision with these capabilities.
    pub(in crate::adapters) async fn open(mcp: &Arc<Mcp>, revision: &str, capabilities: Value) -> Pipe {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let own = Arc::clone(mcp);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let halves = tokio::io::split(theirs);
            let _ = pipe(&own, || cx(SOMEBODY), halves, CancellationToken::new()).await;
        });
        let (reads, writes) = tokio::io::split(ours);
        let lines = BufReader::new(reads).lines();
        let mut client = Pipe { lines, writes, next: 1, meta: None, heard: Vec::new(), _server: server };
        let info = json!({ "name": "test", "version": "1.0.0" });
        if revision == NEW {
            client.meta = Some(json!({
                "io.modelcontextprotocol/protocolVersion": revision,
                "io.modelcontextprotocol/clientInfo": info,
                "io.modelcontextprotocol/clientCapabilities": capabilities,
            }));
            return client;
        }
        let hello = json!({ "protocolVersion": revision, "capabilities": capabilities, "clientInfo": info });
        let answer = client.ask("initialize", hello).await;
        assert_eq!(answer["result"]["protocolVersion"], revision, "{answer}");
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        client
    }

    pub(in crate::adapters) async fn send(&mut self, message: &Value) {
        self.writes.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    pub(in crate::adapters) async fn hear(&mut self) -> Value {
        let line = tokio::time::timeout(std::time::Duration::from_secs(60), self.lines.next_line()).await;
        serde_json::from_str(&line.unwrap().unwrap().unwrap()).unwrap()
    }

    /// Sends a request and returns its id.
    pub(in crate::adapters) async fn begin(&mut self, method: &str, mut params: Value) -> u64 {
        let id = self.next;
        self.next += 1;
        for (key, value) in self.meta.iter().flat_map(|meta| meta.as_object().unwrap()) {
            params["_meta"][key] = value.clone();
        }
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        id
    }

    /// Asks and waits for the answer.
    pub(in crate::adapters) async fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params).await;
        loop {
            let message = self.hear().await;
            if message["id"] == id && message.get("method").is_none() {
                return message;
            }
            self.heard.push(message);
        }
    }

    /// Calls a tool.
    pub(in crate::adapters) async fn call(&mut self, name: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({ "name": name, "arguments": arguments })).await
    }
}
