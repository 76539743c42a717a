//! What the host shows of itself: the tree, health, metrics, and the contract.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::bodies::{Liveness, TreeAnswer};
use super::budgets;
use super::openapi;
use super::problem::Problems;
use crate::supervision::{Node, Status};
use crate::telemetry::Metrics;

/// The tree of actors, from their views alone: nobody is asked, so nobody can keep it waiting.
#[utoipa::path(get, path = "/tree", tag = "host", responses((status = 200, body = TreeAnswer), Problems))]
pub(super) async fn tree(State(app): State<Arc<App>>) -> Json<TreeAnswer> {
    let clock = &app.parts.world.clock;
    let actors = app.parts.registry.tree(clock.now());
    Json(TreeAnswer { version: app.parts.version.to_owned(), at: clock.wall(), actors })
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "host", security(()),
    responses((status = 200, body = Liveness)))]
pub(super) async fn healthz() -> Json<Liveness> {
    Json(Liveness { status: "ok".to_owned() })
}

/// Whether the host can take tasks: its journal writes, and what every task passes is up.
#[utoipa::path(get, path = "/readyz", tag = "host", security(()),
    responses((status = 200, body = Liveness), (status = 503, description = "not now", body = Liveness)))]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let draining = app.stopping.load().is_cancelled();
    let journal_failed = app.parts.journal.view().failed.is_some();
    let tree = app.parts.registry.tree(app.parts.world.clock.now());
    let status = match () {
        () if draining => "draining",
        () if journal_failed => "journal_failed",
        () if !essential_up(&tree) => "starting",
        () => "ready",
    };
    let code = if status == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Liveness { status: status.to_owned() })).into_response()
}

/// Whether all io actors, the router and the governor are up. An agent or a runtime that is not is no reason to send
/// tasks elsewhere: the router goes round it.
fn essential_up(tree: &[Node]) -> bool {
    fn essential<'a>(nodes: &'a [Node], found: &mut Vec<&'a Node>) {
        for node in nodes {
            if ["io", "router", "governor"].contains(&node.id.as_str()) || node.id.starts_with("io-") {
                found.push(node);
            }
            essential(&node.children, found);
        }
    }
    let mut found = Vec::new();
    essential(tree, &mut found);
    !found.is_empty() && found.iter().all(|node| node.status == Status::Up)
}

/// Counters, gauges and distributions in the OpenMetrics text format, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "host",
    responses((status = 200, description = "OpenMetrics text", body = String,
        content_type = "application/openmetrics-text"), Problems))]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let tree = app.parts.registry.tree(app.parts.world.clock.now());
    let (journal, budgets) = (app.parts.journal.view(), budgets::metered(&app));
    let page = app.meter.page(&tree, &journal, &budgets, &app.parts.crown);
    ([(CONTENT_TYPE, Metrics::CONTENT_TYPE)], page).into_response()
}

/// This contract.
#[utoipa::path(get, path = "/openapi.json", tag = "host",
    responses((status = 200, description = "OpenAPI 3", body = Object), Problems))]
pub(super) async fn contract(State(app): State<Arc<App>>) -> Json<utoipa::openapi::OpenApi> {
    Json(openapi::contract(app.parts.version))
}
