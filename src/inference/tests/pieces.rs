//! A server that sends a response byte for byte as told, for streams that wiremock would never send.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// What the server does after the last byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Closes the connection.
    Close,
    /// Leaves it open and silent.
    Hang,
}

/// A server for one request: answers it with these bytes, written one after the other. Returns its base URL and a
/// signal that comes when the client has closed the connection.
pub(super) async fn serve(head: &str, body: Vec<Vec<u8>>, then: Then) -> (String, oneshot::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let head = head.to_owned();
    let (gone, signal) = oneshot::channel();
    #[expect(clippy::disallowed_methods, reason = "a server beside the test; ends with the runtime of the test")]
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        for piece in body {
            if stream.write_all(&piece).await.is_err() || stream.flush().await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        if then == Then::Hang {
            // Nothing more is sent by the client; the read ends when it closes.
            let _ = stream.read(&mut [0; 1]).await;
            let _ = gone.send(());
        }
    });
    (url, signal)
}

/// The head of a response that streams events until the connection closes.
pub(super) const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// Reads a request to the end of its body.
async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.trim().parse::<usize>().unwrap() {
                return;
            }
        }
        let mut block = [0; 4096];
        match stream.read(&mut block).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&block[..read]),
        }
    }
}
