//! The journal for auditors: whether it is whole, and all of it as a file that proves itself.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use serde::Deserialize;
use utoipa::IntoParams;

use super::app::App;
use super::extract::Query;
use super::problem::{Problem, Problems};
use crate::rat;
use crate::store::Verification;
use crate::types::{Place, TrustTier};

/// Reads the whole chain and says whether it is what was written.
#[utoipa::path(get, path = "/audit/verify", tag = "audit", responses((status = 200, body = Verification), Problems))]
pub(super) async fn verify(State(app): State<Arc<App>>) -> Result<Json<Verification>, Problem> {
    app.parts.journal.flush().await?;
    Ok(Json(app.parts.journal.verify().await?))
}

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportQuery {
    /// Number of the first event; 1 if none is named.
    #[serde(default = "first")]
    #[param(maximum = 18_446_744_073_709_551_615usize)]
    from: u64,
    /// How far the place is trusted that it is for: what that may not see is withheld, and the chain goes on through it.
    /// Without one everything is shown.
    #[serde(default)]
    tier: Option<TrustTier>,
    /// Where that place is; left out, that is not known.
    #[serde(default)]
    region: Option<String>,
}

fn first() -> u64 {
    1
}

/// The journal as lines of JSON: a header, then one event a line. The chain can be checked without a host.
#[utoipa::path(get, path = "/audit/export", tag = "audit", params(ExportQuery),
    responses((status = 200, description = "lines of JSON", body = String, content_type = "application/x-ndjson"),
        Problems))]
pub(super) async fn export(State(app): State<Arc<App>>, Query(query): Query<ExportQuery>) -> Result<Response, Problem> {
    app.parts.journal.flush().await?;
    let lines = rat::export(
        Arc::clone(&app.parts.journal),
        query.from,
        query.tier.map(|tier| Place { tier, region: query.region.clone() }),
    );
    // The head is sent by then, so an error can only break the body off; the header line makes that noticeable.
    let lines = lines.inspect_err(|error| tracing::error!(%error, "an export broke off"));
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}
