//! `syzygy mcp`: the Model Context Protocol on stdin and stdout, for programs that start their servers themselves. Each
//! message is passed on to the running host, and what the host says is passed back; the host is who speaks the protocol.

use std::collections::HashMap;
use std::future::Future;
use std::io::{BufRead, BufReader, Read};
use std::pin::Pin;

use futures::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::budgets::encoded;
use super::client::{Client, REQUEST_BYTES_MAX, why};
use super::console::Console;
use super::error::Error;
use super::paint::plain;
use super::sse::Parser;
use crate::api::Problem;

/// Where the host speaks the protocol.
const PATH: &str = "/mcp";

/// Messages that may wait to be written; the host waits too then.
const WAITING: usize = 64;

/// Tools with inputs that headers repeat, of which it is remembered which.
const MIRRORED_MAX: usize = 10_000;

/// The error of JSON-RPC for a message that could not be passed on.
const NOT_PASSED: i64 = -32_603;

/// What is said to whom.
enum Said {
    /// A message, to the client.
    Line(String),
    /// Why something was not passed on, to the client's keeper as well: clients show what is on stderr, and tell their own
    /// story of an error.
    Remark(String),
}

impl Said {
    fn out(&self, console: &mut Console) -> Result<(), Error> {
        match self {
            Said::Line(line) => console.out_now(line),
            Said::Remark(text) => {
                console.remark(&format!("syzygy: {}", plain(text)));
                Ok(())
            }
        }
    }
}

type Going<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Passes messages on until stdin ends and everything was answered.
pub(super) async fn mcp(client: &Client, workspace: Option<&str>, console: &mut Console) -> Result<(), Error> {
    let (say, mut said) = mpsc::channel(WAITING);
    let query = workspace.map(|name| format!("?workspace={}", encoded(name))).unwrap_or_default();
    let bridge = Bridge { client, path: format!("{PATH}{query}"), say, state: Mutex::default() };
    let mut incoming = lines(console.stdin());
    let mut going: FuturesUnordered<Going<'_>> = FuturesUnordered::new();
    let mut news: Option<Going<'_>> = None;
    let mut open = true;
    while open || !going.is_empty() {
        tokio::select! {
            biased;
            Some(said) = said.recv() => said.out(console)?,
            Some(()) = going.next(), if !going.is_empty() => {}
            () = async { if let Some(news) = &mut news { news.await } }, if news.is_some() => news = None,
            line = incoming.recv(), if open => match line {
                None => open = false,
                Some(Err(cause)) => return Err(Error::File { path: "stdin".into(), cause }),
                Some(Ok(line)) => {
                    let message = Message::read(&line);
                    let begins = message.method == "notifications/initialized";
                    going.extend(bridge.take(message, line).await);
                    if begins {
                        news = Some(Box::pin(bridge.news()));
                    }
                }
            },
        }
    }
    drop(news);
    while let Ok(said) = said.try_recv() {
        said.out(console)?;
    }
    bridge.end().await;
    Ok(())
}

/// Lines of stdin, read on a thread of their own: reading cannot be given up.
fn lines(stdin: Box<dyn Read + Send>) -> mpsc::Receiver<std::io::Result<String>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let mut reader = BufReader::new(stdin);
        loop {
            let mut line = Vec::new();
            let most = REQUEST_BYTES_MAX as u64 + 1;
            let read = reader.by_ref().take(most).read_until(b'\n', &mut line);
            let line = match read {
                Ok(0) => return,
                Ok(_) if line.len() > REQUEST_BYTES_MAX => Err(std::io::Error::other("a line is too long")),
                Ok(_) => String::from_utf8(line).map_err(std::io::Error::other),
                Err(error) => Err(error),
            };
            let failed = line.is_err();
            let empty = line.as_ref().is_ok_and(|line| line.trim().is_empty());
            if !empty && (sender.blocking_send(line).is_err() || failed) {
                return;
            }
        }
    });
    receiver
}

/// What has to be known of a message to pass it on.
struct Message {
    value: Value,
    method: String,
    id: Option<Value>,
    /// The revision it says it is of, which only those since 2026-07-28 do.
    revision: Option<String>,
}

impl Message {
    fn read(line: &str) -> Message {
        let value: Value = serde_json::from_str(line).unwrap_or(Value::Null);
        let text = |at: &str| value.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let method = text("/method").unwrap_or_default();
        let revision = text("/params/_meta/io.modelcontextprotocol~1protocolVersion");
        let id = value.get("id").filter(|_| !method.is_empty()).cloned();
        Message { method, id, revision, value }
    }

    /// What a call names, where a header repeats it.
    fn name(&self) -> Option<&str> {
        let at = match self.method.as_str() {
            "tools/call" | "prompts/get" => "/params/name",
            "resources/read" => "/params/uri",
            "tasks/get" | "tasks/update" | "tasks/cancel" => "/params/taskId",
            _ => return None,
        };
        self.value.pointer(at).and_then(Value::as_str)
    }
}

#[derive(Default)]
struct State {
    /// The session of a revision before 2026-07-28, and which revision it is.
    session: Option<String>,
    revision: Option<String>,
    /// Calls that go on, by their ids.
    calls: HashMap<String, CancellationToken>,
    /// Inputs that headers repeat, by tool: where they are, and the header.
    mirrored: HashMap<String, Vec<(String, String)>>,
}

impl State {
    /// What every request of a session says.
    fn of_session(&self) -> Vec<(String, String)> {
        let Some(session) = &self.session else { return Vec::new() };
        let revision = self.revision.iter().map(|revision| header("mcp-protocol-version", revision));
        revision.chain([header("mcp-session-id", session)]).collect()
    }
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// A text as a header may have it: as it is, or in base64 between marks.
fn safe(text: &str) -> String {
    let plain = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if plain && text.trim() == text && !text.starts_with("=?base64?") {
        return text.to_owned();
    }
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut coded = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let sign = SIGNS[(bits >> (18 - 6 * place) & 63) as usize];
            coded.push(if place <= three.len() { char::from(sign) } else { '=' });
        }
    }
    format!("=?base64?{coded}?=")
}

struct Bridge<'c> {
    client: &'c Client,
    path: String,
    say: mpsc::Sender<Said>,
    state: Mutex<State>,
}

impl Bridge<'_> {
    /// Passes one message on. What is answered later is what is returned.
    async fn take(&self, message: Message, line: String) -> Option<Going<'_>> {
        if message.value.is_null() {
            self.fail(Value::Null, "could not read a line: it is no JSON").await;
            return None;
        }
        let cancelled =
            message.value.pointer("/params/requestId").filter(|_| message.method == "notifications/cancelled");
        let in_session = self.state.lock().session.is_some();
        if let Some(id) = cancelled.filter(|_| !in_session) {
            // Since 2026-07-28 who leaves the answer has given up the call.
            if let Some(call) = self.state.lock().calls.remove(&id.to_string()) {
                call.cancel();
            }
            return None;
        }
        if message.revision.is_some() {
            // Its answer may take as long as the call, and others are asked meanwhile.
            return Some(Box::pin(self.whole(message, line)));
        }
        let response = self.post(&message, line).await?;
        Some(Box::pin(async move { self.answer(&message, response).await }))
    }

    async fn whole(&self, message: Message, line: String) {
        let key = message.id.as_ref().map(Value::to_string).unwrap_or_default();
        let call = CancellationToken::new();
        self.state.lock().calls.insert(key.clone(), call.clone());
        let done = async {
            if let Some(response) = self.post(&message, line).await {
                self.answer(&message, response).await;
            }
        };
        tokio::select! {
            () = call.cancelled() => {}
            () = done => {}
        }
        self.state.lock().calls.remove(&key);
    }

    async fn post(&self, message: &Message, line: String) -> Option<Response> {
        let headers = self.headers(message);
        match self.client.pass(Method::POST, &self.path, &headers, Some(line)).await {
            Ok(response) => {
                let session = response.headers().get("mcp-session-id").and_then(|value| value.to_str().ok());
                if message.method == "initialize" && session.is_some() {
                    self.state.lock().session = session.map(str::to_owned);
                }
                Some(response)
            }
            Err(error) => {
                self.fail(message.id.clone().unwrap_or(Value::Null), &error.to_string()).await;
                None
            }
        }
    }

    fn headers(&self, message: &Message) -> Vec<(String, String)> {
        let state = self.state.lock();
        let mut headers =
            vec![header("content-type", "application/json"), header("accept", "application/json, text/event-stream")];
        if let Some(revision) = &message.revision {
            headers.push(header("mcp-protocol-version", revision));
            headers.push(header("mcp-method", &message.method));
            headers.extend(message.name().map(|name| header("mcp-name", &safe(name))));
            let mirrored = message.name().and_then(|name| state.mirrored.get(name)).into_iter().flatten();
            headers.extend(mirrored.filter_map(|(input, named)| {
                let value = message.value.pointer("/params/arguments")?.get(input)?;
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                Some(header(&format!("mcp-param-{named}"), &safe(&text)))
            }));
        } else if message.method != "initialize" {
            headers.extend(state.of_session());
        }
        headers
    }

    /// Learns which inputs of which tools headers repeat.
    fn learn(&self, tools: &[Value]) {
        let mut state = self.state.lock();
        for tool in tools {
            let Some(name) = tool.get("name").and_then(Value::as_str) else { continue };
            let inputs = tool.pointer("/inputSchema/properties").and_then(Value::as_object).into_iter().flatten();
            let repeated = inputs
                .filter_map(|(input, schema)| Some((input.clone(), schema.get("x-mcp-header")?.as_str()?.to_owned())));
            let repeated: Vec<_> = repeated.collect();
            if !repeated.is_empty() && state.mirrored.len() < MIRRORED_MAX {
                state.mirrored.insert(name.to_owned(), repeated);
            }
        }
    }

    /// Passes back whatever an answer holds.
    async fn answer(&self, message: &Message, mut response: Response) {
        let kind = response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.starts_with("text/event-stream") {
            let mut parser = Parser::default();
            while let Ok(Some(bytes)) = response.chunk().await {
                let Ok(events) = parser.push(&bytes) else { return };
                for event in events {
                    self.back(&event.data).await;
                }
            }
            return;
        }
        let (status, id) = (response.status(), message.id.clone());
        let body = match response.text().await {
            Ok(body) => body,
            Err(error) => format!("the answer broke off: {}", why(&error)),
        };
        let refused = match serde_json::from_str::<Value>(&body) {
            Ok(value) if value.get("jsonrpc").is_some() => return self.back(&body).await,
            _ if body.is_empty() && status.is_success() => return,
            Ok(value) => serde_json::from_value::<Problem>(value).map_or(body, |problem| problem.detail),
            Err(_) => body,
        };
        if let Some(id) = id {
            self.fail(id, &format!("the host refused with status {}: {refused}", status.as_u16())).await;
        }
    }

    /// News that no request waits for, of the session that has begun.
    async fn news(&self) {
        let mut headers = vec![header("accept", "text/event-stream")];
        headers.extend(self.state.lock().of_session());
        let nobody = Message::read("{}");
        if let Ok(response) = self.client.pass(Method::GET, &self.path, &headers, None).await
            && response.status().is_success()
        {
            self.answer(&nobody, response).await;
        }
    }

    /// One message of the host, on one line.
    async fn back(&self, text: &str) {
        let Ok(value) = serde_json::from_str::<Value>(text) else { return };
        if let Some(revision) = value.pointer("/result/protocolVersion").and_then(Value::as_str) {
            self.state.lock().revision = Some(revision.to_owned());
        }
        if let Some(tools) = value.pointer("/result/tools").and_then(Value::as_array) {
            self.learn(tools);
        }
        let _ = self.say.send(Said::Line(format!("{value}\n"))).await;
    }

    async fn fail(&self, id: Value, reason: &str) {
        let error = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": NOT_PASSED, "message": reason } });
        let _ = self.say.send(Said::Line(format!("{error}\n"))).await;
        let _ = self.say.send(Said::Remark(reason.to_owned())).await;
    }

    /// Says that the session is over. A host that does not hear it ends the session by itself.
    async fn end(&self) {
        let headers = self.state.lock().of_session();
        if !headers.is_empty() {
            let _ = self.client.pass(Method::DELETE, &self.path, &headers, None).await;
        }
    }
}
