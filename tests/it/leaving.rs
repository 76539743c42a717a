//! Who leaves a real connection, and what becomes of a real process under a tool.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use syzygy::actors::executor::Tool;
use syzygy::config::{Flag, Inputs, load};
use syzygy::host::Host;
use syzygy::inference::{Scripted, Step};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::watch;

use crate::support::{Metered, agent, cx, end, eventually, task};

/// A host on a port of its own, with a model that never ends, and what stands in every request to it.
async fn serving(data: &Path, runtime: Metered) -> (Host, String) {
    let flag = |key: &str, value: &str| Flag { name: key.to_owned(), key: key.to_owned(), value: value.to_owned() };
    let flags = vec![flag("api.listen", "127.0.0.1:0"), flag("host.data_dir", &data.display().to_string())];
    let config = load(&Inputs { flags, ..Inputs::default() }).unwrap().config;
    let host = Host::builder().config(config).data_dir(data).serve().runtime(runtime).start().await.unwrap();
    let token = std::fs::read_to_string(data.join("operator.token")).unwrap();
    let headers = format!("host: {}\r\nauthorization: Bearer {}\r\n", host.address().unwrap(), token.trim());
    (host, headers)
}

fn posted(headers: &str, accept: &str) -> String {
    let body = json!({ "prompt": "Write a long story.", "privacy": "restricted" }).to_string();
    let length = body.len();
    format!(
        "POST /route HTTP/1.1\r\n{headers}accept: {accept}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn a_client_that_leaves_its_stream_stops_the_model() {
    let data = tempfile::tempdir().unwrap();
    let runtime = Metered::new("local", Duration::from_millis(5), 1_000_000);
    let (host, headers) = serving(data.path(), runtime.clone()).await;
    let mut stream = TcpStream::connect(host.address().unwrap()).await.unwrap();
    stream.write_all(posted(&headers, "text/event-stream").as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    while !lines.next_line().await.unwrap().unwrap().contains("word") {}
    runtime.beyond(10).await;
    drop(lines);
    runtime.inside(0).await;
    let spent = runtime.tokens();
    end(host).await;
    assert_eq!(runtime.tokens(), spent);
}

#[tokio::test]
async fn a_client_that_leaves_stops_the_model_whatever_else_it_has_sent() {
    let data = tempfile::tempdir().unwrap();
    let runtime = Metered::new("local", Duration::from_millis(5), 1_000_000);
    let (host, headers) = serving(data.path(), runtime.clone()).await;
    let asked = posted(&headers, "application/json");
    let more = [String::new(), format!("GET /healthz HTTP/1.1\r\n{headers}\r\n"), "GET".to_owned(), asked.clone()];
    for more in more {
        let before = runtime.tokens();
        let mut stream = TcpStream::connect(host.address().unwrap()).await.unwrap();
        stream.write_all(format!("{asked}{more}").as_bytes()).await.unwrap();
        runtime.beyond(before + 10).await;
        drop(stream);
        runtime.inside(0).await;
    }
    // Who sends without end and waits for nothing is left by the host.
    let mut stream = TcpStream::connect(host.address().unwrap()).await.unwrap();
    let before = runtime.tokens();
    stream.write_all(asked.as_bytes()).await.unwrap();
    runtime.beyond(before + 10).await;
    let flood = asked.repeat(16);
    while stream.write_all(flood.as_bytes()).await.is_ok() {}
    runtime.inside(0).await;
    end(host).await;
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_one_after_the_other() {
    let data = tempfile::tempdir().unwrap();
    let (host, headers) = serving(data.path(), Metered::new("local", Duration::from_millis(5), 10)).await;
    let mut stream = TcpStream::connect(host.address().unwrap()).await.unwrap();
    let asked = posted(&headers, "application/json");
    let health = format!("GET /healthz HTTP/1.1\r\n{headers}\r\n");
    let last = format!("GET /healthz HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
    stream.write_all(format!("{health}{asked}{health}{asked}{last}").as_bytes()).await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    assert_eq!(all.matches("HTTP/1.1 200").count(), 5, "{all}");
    let answers: Vec<usize> = all.match_indices("\"answer\"").map(|(place, _)| place).collect();
    assert_eq!(answers.len(), 2, "{all}");
    end(host).await;
}

/// Whether the process runs; one that has ended and was not waited for does not.
fn runs(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = status.rsplit_once(')').and_then(|(_, rest)| rest.trim().chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_caller_who_leaves_ends_the_process_under_a_tool() {
    let (started, mut seen) = watch::channel(0);
    let schema = json!({ "type": "object", "properties": {} });
    let slow = Tool::new("slow", "Takes its time.", schema, move |_cx, _: Value| {
        let started = started.clone();
        async move {
            let mut process =
                Command::new("sleep").arg("3600").kill_on_drop(true).spawn().map_err(|error| error.to_string())?;
            started.send_replace(process.id().unwrap_or_default());
            process.wait().await.map_err(|error| error.to_string())?;
            Ok(Value::Null)
        }
    });
    let mut worker = agent("worker");
    worker.profile.tools = vec!["slow".to_owned()];
    let wants = Scripted::new("worker", |_| vec![Step::call("1", "slow", json!({}))]);
    let host = Host::builder().without_bundled_agents().agent(worker).runtime(wants).tool(slow).start().await.unwrap();
    let asked = cx(&host);
    tokio::select! {
        answer = host.ask(&asked, task("Take your time.")) => panic!("{answer:?}"),
        found = seen.wait_for(|process| *process != 0) => assert!(runs(*found.unwrap())),
    }
    let process = *seen.borrow();
    eventually("the process has ended", async || (!runs(process)).then_some(())).await;
    end(host).await;
}
