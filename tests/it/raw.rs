//! An endpoint that speaks the chat completions protocol, or does not, byte for byte as a test says.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The head of a response that streams events until the connection closes.
pub(crate) const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// The end of a good stream.
pub(crate) const END: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// An event with a piece of text.
pub(crate) fn said(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n")
}

/// An event with what was used.
pub(crate) fn counted(input: u64, output: u64) -> String {
    format!("data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":{input},\"completion_tokens\":{output}}}}}\n\n")
}

/// Serves for as long as the set lives; returns where. `answer` is given each question with its head, and says what is
/// sent and whether the connection is then left open and silent. Health is always good.
pub(crate) async fn serving(answer: impl Fn(&str) -> (Vec<u8>, bool) + Send + Sync + 'static) -> (JoinSet<()>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let (mut serving, answer) = (JoinSet::new(), Arc::new(answer));
    serving.spawn(async move {
        let mut served = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = Arc::clone(&answer);
            served.spawn(async move { serve(stream, &*answer).await });
        }
    });
    (serving, url)
}

async fn serve(mut stream: TcpStream, answer: &(dyn Fn(&str) -> (Vec<u8>, bool) + Send + Sync)) {
    let Some(request) = request(&mut stream).await else { return };
    if request.starts_with("GET ") {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
        return;
    }
    let (bytes, open) = answer(&request);
    let _ = stream.write_all(&bytes).await;
    if open {
        // The client sends nothing more; the read ends when it closes.
        let _ = stream.read(&mut [0; 1]).await;
    }
}

/// Reads a request to the end of its body; `None` if the client left.
pub(crate) async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.trim().parse().unwrap() {
                return Some(text);
            }
        }
        let mut block = [0; 4096];
        match stream.read(&mut block).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&block[..read]),
        }
    }
}
