//! All routes in one table: method, path, the scope it takes, and the handler.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, delete, get, post, put};
use tower_http::catch_panic::CatchPanicLayer;

use super::app::App;
use super::problem::{Code, Problem};
use super::tokens::Scope;
use super::{
    alerts, audit, auth, budgets, control, gate, hitl, mount, observe, plan, publishing, runs, tables, token_routes,
    tools, work,
};

type Handler = MethodRouter<Arc<App>>;

/// One route.
pub(super) struct Route {
    /// As HTTP writes it.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests walk the table; the handler knows its method"))]
    pub(super) method: &'static str,
    /// With `{names}` for what changes.
    pub(super) path: &'static str,
    /// What its token must have; none for health.
    pub(super) scope: Option<Scope>,
    handler: Handler,
}

fn route(method: &'static str, path: &'static str, scope: impl Into<Option<Scope>>, handler: Handler) -> Route {
    Route { method, path, scope: scope.into(), handler }
}

/// Every route there is.
pub(super) fn table() -> Vec<Route> {
    use Scope::{Admin, Control, Read, Review, Route as Work};
    vec![
        route("POST", "/classify", Work, post(work::classify)),
        route("POST", "/chunk", Work, post(work::cut)),
        route("POST", "/route", Work, post(work::route)),
        route("POST", "/assemble", Work, post(work::put_together)),
        route("POST", "/feedback", Work, post(work::feedback)),
        route("GET", "/fib", Read, get(tables::fib)),
        route("GET", "/rib", Read, get(tables::rib)),
        route("GET", "/fib/next", Read, get(tables::next)),
        route("POST", "/fib/next", Work, post(tables::next_for)),
        route("GET", "/why-not", Read, get(tables::why_not)),
        route("POST", "/rib/rebuild", Control, post(tables::rebuild)),
        route("PUT", "/rib/candidates/{id}", Control, put(control::announce)),
        route("DELETE", "/rib/candidates/{id}", Control, delete(control::withdraw)),
        route("GET", "/control/weights", Read, get(control::weights)),
        route("POST", "/control/weights", Control, post(control::set_weight)),
        route("GET", "/control/caps", Read, get(control::caps)),
        route("POST", "/control/caps", Control, post(control::set_cap)),
        route("GET", "/overrides", Read, get(control::overrides)),
        route("POST", "/overrides", Control, post(control::set_override)),
        route("GET", "/alerts", Read, get(alerts::list)),
        route("POST", "/alerts/{id}/acknowledge", Control, post(alerts::acknowledge)),
        route("GET", "/alerts/silences", Read, get(alerts::silences)),
        route("POST", "/alerts/silences", Control, post(alerts::silence)),
        route("DELETE", "/alerts/silences/{id}", Control, delete(alerts::unsilence)),
        route("GET", "/budgets", Read, get(budgets::budgets)),
        route("GET", "/control/standing", Read, get(alerts::standing)),
        route("GET", "/plan", Read, get(plan::show)),
        route("GET", "/runs", Read, get(runs::list)),
        route("GET", "/runs/{id}", Read, get(runs::show)),
        route("POST", "/runs/{id}/cancel", Work, post(runs::cancel)),
        route("GET", "/runs/{id}/events", Read, get(runs::events)),
        route("GET", "/runs/{id}/why", Read, get(runs::explain)),
        route("GET", "/hitl", Review, get(hitl::list)),
        route("GET", "/hitl/{id}", Review, get(hitl::show)),
        route("POST", "/hitl/{id}/approve", Review, post(hitl::approve)),
        route("POST", "/hitl/{id}/deny", Review, post(hitl::deny)),
        route("POST", "/hitl/{id}/delegate", Review, post(hitl::delegate)),
        route("POST", "/hitl/{id}/expire", Review, post(hitl::expire)),
        route("GET", "/tools", Read, get(tools::list)),
        route("POST", "/tools", Admin, post(publishing::publish)),
        route("DELETE", "/tools/{id}/versions/{version}", Admin, delete(publishing::retire)),
        route("POST", "/tools/{id}/versions/{version}/stage", Admin, post(publishing::stage)),
        route("GET", "/effects/doubts", Review, get(publishing::doubts)),
        route("POST", "/effects/doubts/{invocation}", Review, post(publishing::settle)),
        route("GET", "/tools/{id}", Read, get(tools::show)),
        route("POST", "/tools/{id}/invoke", Work, post(tools::invoke)),
        route("GET", "/tree", Read, get(observe::tree)),
        route("GET", "/metrics", Read, get(observe::metrics)),
        route("GET", "/openapi.json", Read, get(observe::contract)),
        route("GET", "/audit/verify", Admin, get(audit::verify)),
        route("GET", "/audit/export", Admin, get(audit::export)),
        route("GET", "/tokens", Admin, get(token_routes::list)),
        route("POST", "/tokens", Admin, post(token_routes::make)),
        route("DELETE", "/tokens/{name}", Admin, delete(token_routes::revoke)),
        route("GET", "/healthz", None, get(observe::healthz)),
        route("GET", "/readyz", None, get(observe::readyz)),
    ]
}

/// The table behind its gates. What is written last is passed first.
pub(super) fn router(app: &Arc<App>) -> Router {
    gated(app, Router::new())
}

/// The same with more routes, for tests of what no real handler does.
pub(super) fn gated(app: &Arc<App>, more: Router<Arc<App>>) -> Router {
    let mut router = more;
    for Route { path, scope, handler, .. } in table() {
        let guarded = match scope {
            Some(scope) => handler.route_layer(from_fn_with_state(scope, auth::require)),
            None => handler,
        };
        router = router.route(path, guarded);
    }
    for mount in &app.parts.mounts {
        router = router.merge(mount::routes(app, mount));
    }
    router
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(gate::panicked))
        .layer(from_fn(gate::plain))
        .layer(from_fn_with_state(Arc::clone(app), gate::place))
        .layer(from_fn_with_state(Arc::clone(app), auth::authenticate))
        .layer(from_fn_with_state(Arc::clone(app), gate::host))
        .layer(from_fn(no_store))
        .layer(from_fn_with_state(Arc::clone(app), gate::observe))
        .with_state(Arc::clone(app))
}

/// Answers are about a moment and may be private: nobody on the way keeps them.
async fn no_store(request: Request, next: axum::middleware::Next) -> axum::response::Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert("cache-control", axum::http::HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", axum::http::HeaderValue::from_static("nosniff"));
    response
}

async fn unknown_path(request: Request) -> impl IntoResponse {
    let detail = format!("there is nothing at {}; /openapi.json lists what there is", request.uri().path());
    Problem::new(Code::UnknownPath, detail)
}

async fn wrong_method(request: Request) -> impl IntoResponse {
    let detail =
        format!("{} does not take {}; the header `allow` says what it takes", request.uri().path(), request.method());
    Problem::new(Code::MethodNotAllowed, detail)
}
