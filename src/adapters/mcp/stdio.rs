//! The protocol over a pipe: one message a line.

use std::sync::Arc;

use rmcp::service::serve_server;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::Mcp;
use super::server::Server;
use crate::types::Cx;

/// Serves whoever is at the other end until it leaves or this is stopped. Every call is made under a context of `asker`:
/// who can write to the pipe is who asks.
///
/// # Errors
/// What is said first is not the protocol.
pub async fn serve(
    mcp: &Arc<Mcp>,
    asker: impl Fn() -> Cx + Send + Sync + 'static,
    (reads, writes): (impl AsyncRead + Send + Unpin + 'static, impl AsyncWrite + Send + Unpin + 'static),
    stopping: CancellationToken,
) -> Result<(), String> {
    let server = Server::new(mcp, Some(Arc::new(asker)), stopping.clone());
    let began = serve_server(server, (reads, writes)).await;
    let running = began.map_err(|error| format!("could not begin to speak MCP: {error}"))?;
    let ending = running.cancellation_token();
    let waiting = running.waiting();
    tokio::pin!(waiting);
    let ended = tokio::select! {
        ended = &mut waiting => ended,
        () = stopping.cancelled() => {
            ending.cancel();
            waiting.await
        }
    };
    ended.map(|_| ()).map_err(|error| format!("could not go on speaking MCP: {error}"))
}
