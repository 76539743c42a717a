//! Routes of others behind the same gates: who is let in by a token is passed on as a context.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::auth::{self, Caller};
use super::problem::Problem;
use super::{Scope, extract};

/// Routes that somebody else brings.
#[derive(Clone)]
pub struct Mount {
    /// What a token must have for each of them.
    pub scope: Scope,
    /// Makes them, for each life of the listener anew. Their requests have a `Cx` among their extensions.
    pub routes: Arc<dyn Fn(Ends) -> Router + Send + Sync>,
}

/// How a life of the listener ends.
#[derive(Debug, Clone)]
pub struct Ends {
    /// Cancelled when it stops: no new requests, and whoever only listens is let go.
    pub stopping: CancellationToken,
    /// Cancelled when the time of requests in flight is over.
    pub cutting: CancellationToken,
}

/// The routes of a mount, behind what only they pass.
pub(super) fn routes(app: &Arc<App>, mount: &Mount) -> Router<Arc<App>> {
    let stopping = CancellationToken::clone(&app.stopping.load());
    let cutting = CancellationToken::clone(&app.cutting.load());
    let routes = (mount.routes)(Ends { stopping, cutting });
    let routes = routes.layer(from_fn_with_state(Arc::clone(app), pass));
    routes.layer(from_fn_with_state(mount.scope, auth::require)).with_state(())
}

/// API2: a body is read here, within the limits of all bodies, so that nobody behind has to know them.
async fn pass(State(app): State<Arc<App>>, caller: Caller, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut request, _room) = extract::complete(&app, request).await?;
    request.extensions_mut().insert(caller.cx.clone());
    Ok(next.run(request).await.into_response())
}
