//! Calls of a tool over MCP: a whole host with its policy, schema and journal, beside the library it speaks MCP with and
//! nothing else, and beside FastMCP, in turns.
//!
//! `cargo bench --bench mcp`. Each adds two numbers, is a process of its own and is asked in 2026-07-28 by the same
//! connections, which send a call as soon as they have the answer. What a call costs is what the system counts for the
//! process. FastMCP is among what `scripts/test-parts.sh` fetches, and left out, which is said, where it could not be had.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints what it saw and stops if it cannot")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the real clock and its environment")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use axum::serve::ListenerExt;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ServerCapabilities, ServerConfig};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// Connections at a time: more than cores, so that nobody waits for the one who asks.
const CONNECTIONS: usize = 16;
/// Turns of each, of which the medians are told, and how long each is.
const ROUNDS: usize = 7;
const TURN: Duration = Duration::from_secs(3);
/// Calls by one connection, for the time of one.
const ALONE: usize = 1_000;
/// How long a server may take to be there. Python reads some hundred files first.
const READY: Duration = Duration::from_secs(60);
/// Clock ticks of a second, as `/proc` counts them on every Linux.
const TICKS: f64 = 100.0;
/// What this program is told when it is to be the bare server.
const BARE: &str = "be-the-bare-server";

/// A server of the library's, with one tool and nothing else.
#[derive(Clone)]
struct Bare;

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let terms = request.arguments.as_ref().and_then(|given| given.get("terms")?.as_array());
        let sum: f64 = terms.into_iter().flatten().filter_map(Value::as_f64).sum();
        Ok(CallToolResponse::Complete(CallToolResult::structured(json!({ "sum": sum }))))
    }
}

async fn be_bare() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let sessions = std::sync::Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(|| Ok(Bare), sessions, StreamableHttpServerConfig::default());
    // As the host's own connections are: without it an answer in two parts waits for the client's system.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    axum::serve(listener, axum::Router::new().route_service("/mcp", service)).await.unwrap();
}

/// A server that is a process of its own.
struct Server {
    name: &'static str,
    address: String,
    token: Option<String>,
    process: Child,
}

impl Server {
    async fn host(data: &Path) -> Server {
        let config = "[inference.runtimes.local]\nkind = \"scripted\"\nanswer = \"\"\ntier = \"local\"\n\
                      [telemetry]\nlog = \"warn\"\n";
        std::fs::write(data.join("syzygy.toml"), config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_syzygy"));
        command.args(["up", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data);
        let process = command.stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let found = || {
            let said: Value = serde_json::from_str(&std::fs::read_to_string(data.join("host.json")).ok()?).ok()?;
            let token = std::fs::read_to_string(data.join("operator.token")).ok()?;
            Some((said["url"].as_str()?.strip_prefix("http://")?.to_owned(), token.trim().to_owned()))
        };
        let begun = Instant::now();
        let (address, token) = loop {
            if let Some(found) = found() {
                break found;
            }
            assert!(begun.elapsed() < READY, "the host is not there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        Server { name: "host", address, token: Some(token), process }.ready().await
    }

    async fn bare() -> Server {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process = command.arg(BARE).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut address = String::new();
        let mut said = process.stdout.take().unwrap();
        while !address.ends_with('\n') {
            address.push(char::from(said.read_u8().await.unwrap()));
        }
        Server { name: "rmcp", address: address.trim().to_owned(), token: None, process }.ready().await
    }

    async fn python(python: &Path) -> Server {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/clients/fastmcp_server.py");
        let mut command = Command::new(python);
        let process = command.arg(script).arg(port.to_string()).kill_on_drop(true).spawn().unwrap();
        Server { name: "FastMCP", address: format!("127.0.0.1:{port}"), token: None, process }.ready().await
    }

    async fn ready(self) -> Server {
        let begun = Instant::now();
        while TcpStream::connect(&self.address).await.is_err() {
            assert!(begun.elapsed() < READY, "{} is not there", self.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self
    }

    /// Seconds that its process has been on a processor so far.
    fn processor(&self) -> f64 {
        let line = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id().unwrap())).unwrap();
        // The name of the program may hold anything, but what follows its bracket are numbers.
        let fields: Vec<&str> = line.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / TICKS
    }

    fn request(&self) -> Vec<u8> {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "name": "sum", "arguments": { "terms": [1.5, 2.5] }, "_meta": meta });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
        let token = self.token.iter().map(|token| format!("authorization: Bearer {token}\r\n"));
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\naccept: application/json, \
             text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: sum\r\n{}\
             content-length: {}\r\n\r\n{body}",
            self.address,
            token.collect::<String>(),
            body.len()
        );
        head.into_bytes()
    }

    async fn connection(&self) -> Connection {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { stream, request: self.request(), held: Vec::new() }
    }

    /// Calls in a turn, and what each took of a processor, in microseconds.
    async fn turn(&self) -> (f64, f64) {
        let mut crowd = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let mut connection = self.connection().await;
            connection.call().await;
            let until = Instant::now() + TURN;
            crowd.spawn(async move {
                let mut calls = 0_u32;
                while Instant::now() < until {
                    connection.call().await;
                    calls += 1;
                }
                calls
            });
        }
        let (begun, before) = (Instant::now(), self.processor());
        let calls: f64 = crowd.join_all().await.into_iter().map(f64::from).sum();
        (calls / begun.elapsed().as_secs_f64(), (self.processor() - before) * 1e6 / calls)
    }

    /// The median time of a call when there is no other, in microseconds.
    async fn alone(&self) -> f64 {
        let mut connection = self.connection().await;
        let mut times = Vec::new();
        for _ in 0..ALONE {
            let begun = Instant::now();
            connection.call().await;
            times.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        median(&mut times)
    }
}

/// A connection that is kept.
struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    held: Vec<u8>,
}

impl Connection {
    /// Makes a call and reads its answer, which must be right.
    async fn call(&mut self) {
        self.stream.write_all(&self.request).await.unwrap();
        self.held.clear();
        while !whole(&self.held) {
            let read = self.stream.read_buf(&mut self.held).await.unwrap();
            assert!(read > 0, "it hung up: {}", String::from_utf8_lossy(&self.held));
        }
        let text = String::from_utf8_lossy(&self.held);
        assert!(text.starts_with("HTTP/1.1 200") && text.contains(r#""structuredContent":{"sum":4.0}"#), "{text}");
    }
}

/// Whether all of an answer is there: as many bytes as it says, or its last chunk.
fn whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    match head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        Some(length) => bytes.len() >= end + 4 + length.trim().parse::<usize>().unwrap(),
        None => bytes[end..].ends_with(b"\r\n0\r\n\r\n"),
    }
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Python with FastMCP, if it was fetched.
fn python() -> Option<PathBuf> {
    let named = std::env::var("SYZYGY_TEST_PARTS");
    let parts = named.map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/parts"), PathBuf::from);
    Some(parts.join("clients/bin/python")).filter(|python| python.exists())
}

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == BARE) {
        return be_bare().await;
    }
    let data = tempfile::tempdir().unwrap();
    let mut servers = vec![Server::host(data.path()).await, Server::bare().await];
    match python() {
        Some(python) => servers.push(Server::python(&python).await),
        None => println!("FastMCP is not here: scripts/test-parts.sh fetches it"),
    }
    let mut found: Vec<(Vec<f64>, Vec<f64>)> = servers.iter().map(|_| (Vec::new(), Vec::new())).collect();
    for _ in 0..ROUNDS {
        for (server, (calls, costs)) in servers.iter().zip(&mut found) {
            let (rate, cost) = server.turn().await;
            calls.push(rate);
            costs.push(cost);
        }
    }
    println!("tools/call by {CONNECTIONS} connections, medians of {ROUNDS} turns of {} s:", TURN.as_secs());
    let found: Vec<(f64, f64)> = found.iter_mut().map(|(calls, costs)| (median(calls), median(costs))).collect();
    for (server, (rate, cost)) in servers.iter().zip(&found) {
        let alone = server.alone().await;
        println!("{:8} {rate:7.0} calls/s  {cost:6.0} us of a processor each  {alone:6.0} us alone (p50)", server.name);
    }
    for (server, (rate, cost)) in servers.iter().zip(&found).skip(1) {
        println!(
            "host against {}: {:.2}x the calls, {:.2}x the cost",
            server.name,
            found[0].0 / rate,
            found[0].1 / cost
        );
    }
}
