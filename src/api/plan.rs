//! What to add where: a plan from the load that was measured, which changes nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::app::App;
use super::extract::Query;
use super::problem::{Code, Problem, Problems};
use crate::ziggy::plan::{Grows, Place, Plan, plan};
use crate::ziggy::route::Health;

/// Over which time.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PlanQuery {
    /// Seconds that are looked back; what `crown.plan.window_s` says if none are named. No more than the host has run.
    #[serde(default)]
    #[param(minimum = 1)]
    window_s: Option<u64>,
}

/// What to add where, what it would cost, and what it would buy.
#[utoipa::path(get, path = "/plan", tag = "control", params(PlanQuery),
    responses((status = 200, body = Plan), Problems))]
pub(super) async fn show(State(app): State<Arc<App>>, Query(query): Query<PlanQuery>) -> Result<Json<Plan>, Problem> {
    let Some(config) = app.parts.crown.plans() else {
        return Err(Problem::new(Code::NotFound, "this host makes no plans: it has no [crown.plan]"));
    };
    if query.window_s == Some(0) {
        return Err(Problem::new(Code::InvalidRequest, "window_s is at least 1"));
    }
    let (loads, window_s) = app.parts.crown.loads(query.window_s.unwrap_or(config.window_s));
    let at = app.parts.world.clock.wall();
    Ok(Json(plan(&loads, &places(&app), &config, window_s, at)))
}

/// Every candidate as a place where work can go.
fn places(app: &App) -> Vec<Place> {
    let (rib, governance, known) = (app.parts.router.rib(), app.parts.crown.governance(), app.parts.crown.known());
    let now = app.parts.world.clock.wall();
    let place = |candidate: &crate::ziggy::Candidate| {
        let known = known.iter().find(|known| known.candidate == candidate.id);
        let out = governance.quarantine(&candidate.id, None, now).is_some()
            || governance.disabled(&candidate.id, now).is_some()
            || governance.weights.get(&candidate.id) == Some(&0);
        Place {
            candidate: candidate.id.clone(),
            runtime: candidate.runtime.clone(),
            tier: candidate.tier,
            price: candidate.price,
            capabilities: candidate.capabilities.clone(),
            // Of one that was found and not configured only the cap is known.
            concurrency: known.map_or(candidate.cap.unwrap_or(1), |known| known.concurrency),
            waiting: known.map_or(0, |known| known.waiting),
            grows: known.map_or(Grows::Concurrency, |known| known.grows),
            serves: candidate.enabled && candidate.health == Health::Healthy && !out,
        }
    };
    rib.candidates.values().map(|candidate| place(candidate)).collect()
}
