//! A server over HTTP, with everybody being who a header says they are.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::super::{Config, Guard, Mcp, router};
use crate::adapters::Toolbox;
use crate::adapters::tests::support::{cx, world};

pub(super) fn config() -> Config {
    Config {
        page_max: 100,
        fresh_s: 60,
        sessions_max: 64,
        session_idle_s: 60,
        tasks_max: 64,
        task_keep_s: 120,
        task_poll_ms: 100,
        rounds_max: 10,
        answer_within_s: 10,
        message_bytes_max: 1 << 20,
    }
}

pub(super) fn mcp(toolbox: Arc<dyn Toolbox>, config: Config) -> Arc<Mcp> {
    Mcp::new(toolbox, config, world(), &[7; 32], "0.0.0-test")
}

/// A server that ends with the test.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    _server: JoinSet<()>,
}

/// Who asks, unless the header `x-test-principal` says another.
const SOMEBODY: &str = "somebody";

async fn named(mut request: Request, next: Next) -> Response {
    let said = request.headers().get("x-test-principal").map(|name| name.to_str().unwrap().to_owned());
    request.extensions_mut().insert(cx(said.as_deref().unwrap_or(SOMEBODY)));
    next.run(request).await
}

pub(super) async fn serve(mcp: &Arc<Mcp>) -> Served {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let guard = Guard::Here {
        hosts: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
        origins: vec!["http://localhost:*".to_owned(), "http://127.0.0.1:*".to_owned()],
    };
    let app = router(mcp, guard, CancellationToken::new()).layer(from_fn(named));
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, app).await.unwrap() });
    Served { address, _server: server }
}
