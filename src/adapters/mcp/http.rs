//! The protocol over HTTP, below `/mcp`, behind whoever found out who asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use parking_lot::Mutex;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio_util::sync::CancellationToken;

use super::super::Caller;
use super::Mcp;
use super::server::Server;
use crate::tds::Tool;
use crate::types::Cx;

tokio::task_local! {
    /// The tool that the headers of a request name, as far as its caller may see it. The transport asks for it in the
    /// middle of its own work, where nobody can wait for a toolbox.
    static MEANT: Option<Arc<Tool>>;
}

/// The tool that the request of this task names in its headers.
pub(super) fn meant() -> Option<Arc<Tool>> {
    MEANT.try_with(Clone::clone).ok().flatten()
}

/// Who looks at the names a request was sent to and from.
#[derive(Debug, Clone, Default)]
pub enum Guard {
    /// Whoever passed the request on here.
    #[default]
    Before,
    /// This: only these hosts and origins. An origin may end with `:*`.
    Here {
        /// Names and addresses, with a port or without.
        hosts: Vec<String>,
        /// Schemes with names.
        origins: Vec<String>,
    },
}

/// How this ends.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    /// Cancelled when nothing new is wanted: who only listens is told so.
    pub stopping: CancellationToken,
    /// Cancelled when the time of calls is over too.
    pub cutting: CancellationToken,
}

/// Where a session is named.
const SESSION: &str = "mcp-session-id";

/// Silence after which a stream says that it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The sessions of older revisions and whose they are.
struct Sessions {
    mcp: Arc<Mcp>,
    stopping: CancellationToken,
    manager: Arc<LocalSessionManager>,
    owners: Mutex<HashMap<String, String>>,
}

/// The routes. Requests have a [`Cx`] among their extensions, or are refused.
pub fn router(mcp: &Arc<Mcp>, guard: Guard, ends: Ends) -> Router {
    let Ends { stopping, cutting } = ends;
    let mut manager = LocalSessionManager::default();
    manager.session_config.keep_alive = Some(Duration::from_secs(mcp.config.session_idle_s));
    let manager = Arc::new(manager);
    let base = StreamableHttpServerConfig::default()
        .with_cancellation_token(cutting)
        .with_sse_keep_alive(Some(KEEP_ALIVE))
        .with_max_request_body_bytes(mcp.config.message_bytes_max);
    let config = match guard {
        Guard::Before => base.disable_allowed_hosts().disable_allowed_origins(),
        Guard::Here { hosts, origins } => {
            base.with_allowed_hosts(hosts).with_allowed_origins(origins).enforce_origin_validation()
        }
    };
    let (own, ending) = (Arc::clone(mcp), stopping.clone());
    let make = move || Ok(Server::new(&own, None, ending.clone()));
    let service = StreamableHttpService::new(make, Arc::clone(&manager), config);
    let sessions = Arc::new(Sessions { mcp: Arc::clone(mcp), stopping, manager, owners: Mutex::default() });
    Router::new().route_service("/mcp", service).layer(from_fn_with_state(sessions, pass))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What each request passes: whose session it is, and which tool it names.
async fn pass(State(sessions): State<Arc<Sessions>>, request: Request, next: Next) -> Response {
    let Some(cx) = request.extensions().get::<Cx>().cloned() else {
        return (StatusCode::UNAUTHORIZED, "could not tell who asks").into_response();
    };
    let principal = cx.principal().name.clone();
    let (method, headers) = (request.method().clone(), request.headers());
    let named = text(headers, SESSION).map(str::to_owned);
    match &named {
        Some(session) if sessions.owners.lock().get(session) != Some(&principal) => return no_session(),
        Some(_) => {}
        None if method == Method::POST && text(headers, "mcp-method").is_none() && !sessions.has_room().await => {
            let most = sessions.mcp.config.sessions_max;
            let detail = format!("could not begin a session: there are {most} already (mcp.sessions_max)");
            return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "30")], detail).into_response();
        }
        None => {}
    }
    let meant = match (text(headers, "mcp-method"), text(headers, "mcp-name")) {
        (Some("tools/call"), Some(name)) => {
            let caller = Caller { protocol: "mcp".to_owned(), ..Caller::default() };
            sessions.mcp.toolbox.find(&cx, &caller, name, None).await
        }
        _ => None,
    };
    let response = MEANT.scope(meant, next.run(request)).await;
    if let (None, Some(begun)) = (&named, text(response.headers(), SESSION)) {
        sessions.owners.lock().insert(begun.to_owned(), principal);
    } else if let (Some(ended), &Method::DELETE, true) = (&named, &method, response.status().is_success()) {
        sessions.owners.lock().remove(ended);
    }
    if method == Method::GET { sessions.until_stop(response) } else { response }
}

/// MC2: what is another's does not exist.
fn no_session() -> Response {
    (StatusCode::NOT_FOUND, "could not find this session").into_response()
}

impl Sessions {
    /// The news of a session, which no request waits for, until the host stops.
    fn until_stop(&self, response: Response) -> Response {
        let stopping = self.stopping.clone().cancelled_owned();
        response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(stopping))))
    }

    /// Whether one more session may begin, once those that ended by themselves are forgotten.
    async fn has_room(&self) -> bool {
        let most = self.mcp.config.sessions_max;
        if self.owners.lock().len() < most {
            return true;
        }
        let living = self.manager.sessions.read().await;
        let mut owners = self.owners.lock();
        owners.retain(|session, _| living.contains_key(session.as_str()));
        owners.len() < most
    }
}
