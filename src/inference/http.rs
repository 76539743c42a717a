//! HTTP clients as this module wants them: bounded, without surprises about where a request ends up.

use std::time::Duration;

use reqwest::{Client, ClientBuilder, Response, Url};
use tokio::time::timeout;

/// A builder with what all clients here share. `url` is where the client will talk to: a client for plain HTTP must
/// work on a machine without root certificates, so it gets none.
pub(super) fn builder(url: &Url, connect_timeout: Duration) -> ClientBuilder {
    // Fails when another part of the program installed one first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Nagle's algorithm would hold small requests back for the peer's delayed acknowledgement, 40 ms.
    let builder = Client::builder().connect_timeout(connect_timeout).tcp_nodelay(true);
    if url.scheme() == "http" { builder.tls_certs_only([]) } else { builder }
}

/// Reads the body of a response into `body`, up to a limit; what goes beyond it is not read, and the flag says so. Between
/// two pieces it waits for `idle` at the most. What had come before an error is in `body`.
pub(super) async fn body(
    mut response: Response,
    body: &mut Vec<u8>,
    limit: usize,
    idle: Duration,
) -> Result<bool, String> {
    loop {
        let silent = |_| format!("nothing came for {} s", idle.as_secs());
        let chunk = timeout(idle, response.chunk()).await.map_err(silent)?.map_err(why)?;
        let Some(chunk) = chunk else { return Ok(false) };
        let room = limit - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok(true);
        }
    }
}

/// An error of the client with its causes, which name the reason, and without the URL, which may hold a credential.
pub(super) fn why(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
