//! A program that the system lets have few files open at a time.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::program::{Running, configure, good};
use crate::support::MINUTE;

/// Clients at a time: more than a process with 64 files has for them.
const CLIENTS: usize = 100;

/// What the program says where it takes fewer connections than it was told to.
const CAPPED: &str = "at most 32 connections are taken at a time and not 2048 (api.connections_max)";

fn home(api: &str) -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let runtime = "[inference.runtimes.local]\nkind = \"scripted\"\nanswer = \"Forty-two.\"\ntier = \"local\"\n";
    configure(data.path(), &format!("[api]\n{api}\n{runtime}"));
    data
}

fn log(data: &Path) -> String {
    std::fs::read_to_string(data.join("up.log")).unwrap()
}

/// That many clients, all connected before the first of them says anything.
async fn clients(data: &Path) -> Vec<TcpStream> {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(data.join("host.json")).unwrap()).unwrap();
    let address = file["url"].as_str().unwrap().strip_prefix("http://").unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(TcpStream::connect(address).await.unwrap());
    }
    clients
}

/// Whether a client is answered well, for its only request.
async fn answered(mut client: TcpStream) -> bool {
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(MINUTE, client.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer.starts_with("HTTP/1.1 200 OK")
}

#[tokio::test]
async fn more_clients_than_files_wait_for_each_other_and_work_goes_on() {
    let data = home("connections_per_peer_max = 2_048");
    let data = data.path();
    let host = Running::start_under(data, "-n 64").await;
    for (place, client) in clients(data).await.into_iter().enumerate() {
        assert!(answered(client).await, "client {place}: {}", log(data));
    }
    assert_eq!(good(data, &["ask", "What is six times seven?"]).await.trim(), "Forty-two.");
    host.stop().await;
    let log = log(data);
    assert_eq!(log.matches(CAPPED).count(), 1, "{log}");
    assert!(!log.contains("could not be accepted") && !log.contains("Too many open files"), "{log}");
}

#[tokio::test]
async fn a_limit_that_may_be_raised_is_and_then_nobody_waits() {
    let data = home("connections_max = 100\nconnections_per_peer_max = 100");
    let data = data.path();
    let host = Running::start_under(data, "-Sn 64").await;
    // The last one is answered while all before it keep their connections open.
    for client in clients(data).await.into_iter().rev() {
        assert!(answered(client).await, "{}", log(data));
    }
    host.stop().await;
    assert!(!log(data).contains("api.connections_max"), "{}", log(data));
}
