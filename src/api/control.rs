//! CROWN's levers: weights, caps, overrides.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::app::App;
use super::auth::Caller;
use super::bodies::{Caps, Changed, NewOverride, OverrideKind, Overrides, SetCap, SetWeight, Weights};
use super::extract::Body;
use super::problem::{Code, Problem, Problems};
use crate::actors::crown::Change;
use crate::types::Timestamp;
use crate::ziggy::{Action, Capability, Override};

/// The longest an override may count, in seconds: thirty days. What is meant for longer belongs into the config.
const OVERRIDE_MOST_S: u64 = 30 * 24 * 3600;

/// Refuses a candidate nobody knows: a lever on a misspelt name would do nothing, silently.
fn known(app: &App, candidate: &str) -> Result<(), Problem> {
    let rib = app.parts.router.rib();
    if rib.candidates.contains_key(candidate) {
        return Ok(());
    }
    let known: Vec<&str> = rib.candidates.keys().map(String::as_str).collect();
    let detail = format!("there is no candidate {candidate:?}; there are {}", known.join(", "));
    Err(Problem::new(Code::UnknownCandidate, detail))
}

/// The weights in force.
#[utoipa::path(get, path = "/control/weights", tag = "control", responses((status = 200, body = Weights), Problems))]
pub(super) async fn weights(State(app): State<Arc<App>>) -> Json<Weights> {
    let governance = app.parts.crown.governance();
    Json(Weights { governance: governance.version, weights: governance.weights.clone() })
}

/// Sets or lifts the weight of a candidate.
#[utoipa::path(post, path = "/control/weights", tag = "control", request_body = SetWeight,
    responses((status = 200, body = Changed), Problems))]
pub(super) async fn set_weight(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(SetWeight { candidate, percent }): Body<SetWeight>,
) -> Result<Json<Changed>, Problem> {
    known(&app, &candidate)?;
    let governance = app.parts.crown.change(&caller.cx, Change::Weight { candidate, percent }).await?;
    Ok(Json(Changed { governance }))
}

/// The caps in force, and what is in flight.
#[utoipa::path(get, path = "/control/caps", tag = "control", responses((status = 200, body = Caps), Problems))]
pub(super) async fn caps(State(app): State<Arc<App>>) -> Json<Caps> {
    let governance = app.parts.crown.governance();
    let rib = app.parts.router.rib();
    let in_flight = rib.candidates.keys().map(|id| (id.clone(), app.parts.crown.in_flight(id))).collect();
    Json(Caps { governance: governance.version, caps: governance.caps.clone(), in_flight })
}

/// Sets or lifts the cap of a candidate.
#[utoipa::path(post, path = "/control/caps", tag = "control", request_body = SetCap,
    responses((status = 200, body = Changed), Problems))]
pub(super) async fn set_cap(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(SetCap { candidate, cap }): Body<SetCap>,
) -> Result<Json<Changed>, Problem> {
    known(&app, &candidate)?;
    let governance = app.parts.crown.change(&caller.cx, Change::Cap { candidate, cap }).await?;
    Ok(Json(Changed { governance }))
}

/// The overrides that count now.
#[utoipa::path(get, path = "/overrides", tag = "control", responses((status = 200, body = Overrides), Problems))]
pub(super) async fn overrides(State(app): State<Arc<App>>) -> Json<Overrides> {
    let governance = app.parts.crown.governance();
    let overrides = governance.active(app.parts.world.clock.wall()).cloned().collect();
    Json(Overrides { governance: governance.version, overrides })
}

/// Puts a person's decision over the rules, until it expires. It takes the place of one of the same kind on the same
/// thing.
#[utoipa::path(post, path = "/overrides", tag = "control", request_body = NewOverride,
    responses((status = 200, body = Changed), Problems))]
pub(super) async fn set_override(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(wanted): Body<NewOverride>,
) -> Result<Json<Changed>, Problem> {
    let NewOverride { action, candidate, capability, reason, expires_in_s } = wanted;
    known(&app, &candidate)?;
    if expires_in_s == 0 || expires_in_s > OVERRIDE_MOST_S {
        return Err(Problem::new(Code::InvalidRequest, format!("expires_in_s is from 1 to {OVERRIDE_MOST_S}")));
    }
    let action = match (action, capability) {
        (OverrideKind::Pin, capability) => Action::Pin { candidate, capability: capability.map(Capability) },
        (_, Some(_)) => return Err(Problem::new(Code::InvalidRequest, "only a pin is for one capability")),
        (OverrideKind::Disable, None) => Action::Disable { candidate },
        (OverrideKind::Release, None) => Action::Release { candidate },
    };
    let author = caller.cx.principal().name.clone();
    let expires = later(app.parts.world.clock.wall(), expires_in_s);
    let change = Change::Override(Override { author, reason, expires, action });
    let governance = app.parts.crown.change(&caller.cx, change).await?;
    Ok(Json(Changed { governance }))
}

/// A time so many seconds after another.
pub(super) fn later(now: Timestamp, seconds: u64) -> Timestamp {
    let micros = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    Timestamp(now.0.saturating_add(micros))
}
