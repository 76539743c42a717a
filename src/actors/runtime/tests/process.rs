//! A runtime with a process of its own: a small real server, which reports its life to a socket the test listens on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::actors::runtime::{Handle, Launch};
use crate::actors::tests::{SECOND, cx, read, start, stop, world};
use crate::inference::{ChildCommand, Scripted};

/// Answers everything with 200, dies at `/die`, and tells port `argv[2]` when it begins and when it is asked to end.
const SERVER: &str = r#"
import http.server, os, signal, socket, sys

def tell(word):
    with socket.create_connection(("127.0.0.1", int(sys.argv[2]))) as news:
        news.sendall(word.encode())

def end(*_):
    tell("asked to end")
    os._exit(0)

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            sys.stderr.write("out of luck\n")
            sys.stderr.flush()
            os._exit(3)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass

signal.signal(signal.SIGTERM, end)
http.server.HTTPServer.allow_reuse_address = True
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer)
tell("began")
server.serve_forever()
"#;

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// The next word the process tells.
async fn told(news: &TcpListener) -> String {
    let hear = async {
        let (mut stream, _) = news.accept().await.unwrap();
        let mut word = String::new();
        stream.read_to_string(&mut word).await.unwrap();
        word
    };
    tokio::time::timeout(Duration::from_secs(30), hear).await.unwrap()
}

#[tokio::test]
async fn a_process_that_dies_is_started_again_and_a_stop_asks_it_to_end() {
    let news = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, heard_at) = (free_port().await, news.local_addr().unwrap().port());
    let command = ChildCommand {
        command: "python3".to_owned(),
        args: vec!["-c".to_owned(), SERVER.to_owned(), port.to_string(), heard_at.to_string()],
        env: BTreeMap::new(),
        ready_url: format!("http://127.0.0.1:{port}/health"),
        ready_timeout_s: 30,
        stop_grace_s: 5,
    };
    let world = world();
    let config = read(
        json!({ "waiting": 4, "concurrency": 1, "health_every_s": 60, "health_within_s": 5, "unreachable_every_s": 1, "repair_again_s": 0 }),
    );
    let launch = Launch { runtime: Arc::new(Scripted::saying("lab", "here")), child: Some(command) };
    let (handle, child) = Handle::launch(launch, config, &world);
    let (root, registry) = start(vec![child], &world).await;
    assert_eq!(told(&news).await, "began");
    let mut deadly = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    deadly.write_all(b"GET /die HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(told(&news).await, "began", "RT3: its actor failed with it, and both were started again");
    let node = registry.node("host/lab", world.clock.now()).unwrap();
    assert_eq!(node.restarts, 1);
    let why = node.last_failure.unwrap();
    assert!(why.contains("process ended") && why.contains("out of luck"), "{why}");
    assert_eq!(handle.complete(&cx(&world, 10 * SECOND), "", "hello", 4).await.unwrap(), "here");
    let (word, ()) = tokio::join!(told(&news), stop(&root, &world));
    assert_eq!(word, "asked to end");
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "the process outlived its actor");
}
