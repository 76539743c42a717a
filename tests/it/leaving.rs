//! Who leaves a real connection, and what becomes of a real process under a tool.

use std::time::Duration;

use serde_json::{Value, json};
use syzygy::actors::executor::Tool;
use syzygy::host::Host;
use syzygy::inference::{Scripted, Step};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::watch;

use crate::support::{Metered, agent, cx, end, eventually, task};

#[tokio::test]
async fn a_client_that_leaves_its_stream_stops_the_model() {
    let data = tempfile::tempdir().unwrap();
    let runtime = Metered::new("local", Duration::from_millis(5), 1_000_000);
    let listen = syzygy::config::Flag {
        name: "--listen".to_owned(),
        key: "api.listen".to_owned(),
        value: "127.0.0.1:0".to_owned(),
    };
    let place = syzygy::config::Flag {
        name: "--data-dir".to_owned(),
        key: "host.data_dir".to_owned(),
        value: data.path().display().to_string(),
    };
    let inputs = syzygy::config::Inputs { flags: vec![listen, place], ..Default::default() };
    let config = syzygy::config::load(&inputs).unwrap().config;
    let host = Host::builder().config(config).data_dir(data.path()).serve().runtime(runtime.clone());
    let host = host.start().await.unwrap();
    let address = host.address().unwrap();
    let token = std::fs::read_to_string(data.path().join("operator.token")).unwrap();
    let body = json!({ "prompt": "Write a long story.", "privacy": "restricted" }).to_string();
    let head = format!(
        "POST /route HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\naccept: text/event-stream\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        token.trim(),
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    while !lines.next_line().await.unwrap().unwrap().contains("word") {}
    runtime.beyond(10).await;
    drop(lines);
    runtime.inside(0).await;
    let spent = runtime.tokens();
    end(host).await;
    assert_eq!(runtime.tokens(), spent);
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
