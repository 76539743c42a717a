//! CROWN's levers: weights, caps, overrides.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::app::App;
use super::auth::Caller;
use super::bodies::{Caps, Changed, NewCandidate, NewOverride, OverrideKind, Overrides, SetCap, SetWeight, Weights};
use super::extract::{Body, Path};
use super::problem::{Code, Problem, Problems};
use crate::actors::crown::Change;
use crate::types::{Timestamp, some_of};
use crate::ziggy::{Action, Announced, Capability, Millionths, Override};

/// The longest an override may count, in seconds: thirty days. What is meant for longer belongs into the config.
const OVERRIDE_MOST_S: u64 = 30 * 24 * 3600;

/// Refuses a candidate nobody knows: a lever on a misspelt name would do nothing, silently.
fn known(app: &App, candidate: &str) -> Result<(), Problem> {
    let rib = app.parts.router.rib();
    if rib.candidates.contains_key(candidate) {
        return Ok(());
    }
    let detail = format!("there is no candidate {candidate:?}; there are {}", some_of(rib.candidates.keys()));
    Err(Problem::new(Code::UnknownCandidate, detail))
}

/// What anybody offers.
fn offered(app: &App) -> BTreeSet<String> {
    let rib = app.parts.router.rib();
    rib.candidates.values().flat_map(|one| &one.capabilities).map(|capability| capability.0.clone()).collect()
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

/// The overrides that count now, and the candidates that people announced.
#[utoipa::path(get, path = "/overrides", tag = "control", responses((status = 200, body = Overrides), Problems))]
pub(super) async fn overrides(State(app): State<Arc<App>>) -> Json<Overrides> {
    let governance = app.parts.crown.governance();
    let now = app.parts.world.clock.wall();
    let overrides = governance.active(now).cloned().collect();
    let mut announced = governance.announced.clone();
    announced.retain(|_, said| now < said.gone);
    Json(Overrides { governance: governance.version, overrides, announced })
}

/// Puts a person's decision over the rules, until it expires. It takes the place of one of the same kind on the same
/// candidate (and for the same capability). Of several pins the newest counts whose candidate may serve.
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
        (OverrideKind::Pin, Some(capability)) if !offered(&app).contains(&capability) => {
            let all: Vec<String> = offered(&app).into_iter().collect();
            let detail = format!("nobody offers {capability:?}; what is offered is {}", all.join(", "));
            return Err(Problem::new(Code::UnknownDestination, detail));
        }
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

/// The longest reason of an announcement, in bytes: a paragraph.
const REASON_BYTES_MAX: usize = 1_024;

/// Announces that an agent can be served through a runtime that is not its own, until that expires. It takes the place of
/// what was said of the same before.
#[utoipa::path(put, path = "/rib/candidates/{id}", tag = "control", params(("id" = String, Path)),
    request_body = NewCandidate, responses((status = 200, body = Changed), Problems))]
pub(super) async fn announce(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(wanted): Body<NewCandidate>,
) -> Result<Json<Changed>, Problem> {
    let offer = app.parts.router.offer(&id)?;
    let NewCandidate { weight, quality, qualities, reason, expires_in_s } = wanted;
    let wrong = |detail: String| Err(Problem::new(Code::InvalidRequest, detail));
    if expires_in_s == 0 || expires_in_s > OVERRIDE_MOST_S {
        return wrong(format!("expires_in_s is from 1 to {OVERRIDE_MOST_S}"));
    }
    if reason.len() > REASON_BYTES_MAX {
        return wrong(format!("a reason has at most {REASON_BYTES_MAX} bytes"));
    }
    if quality.iter().chain(qualities.values()).any(|quality| !(0.0..=1.0).contains(quality)) {
        return wrong("a quality is a number from 0 to 1".to_owned());
    }
    let offered: Vec<&str> = offer.capabilities.iter().map(|one| one.0.as_str()).collect();
    if let Some(other) = qualities.keys().find(|name| !offered.contains(&name.as_str())) {
        return wrong(format!("{} does not offer {other:?}; it offers {}", offer.agent, offered.join(", ")));
    }
    let since = app.parts.world.clock.wall();
    let expires = later(since, expires_in_s);
    let announced = Announced {
        author: caller.cx.principal().name.clone(),
        reason,
        since,
        expires,
        gone: app.parts.router.gone(expires),
        weight,
        quality: quality.map(Millionths::of),
        qualities: qualities.into_iter().map(|(name, one)| (Capability(name), Millionths::of(one))).collect(),
    };
    let governance = app.parts.crown.change(&caller.cx, Change::Announce { candidate: id, announced }).await?;
    Ok(Json(Changed { governance }))
}

/// Withdraws a candidate that a person announced. One of the configuration is withdrawn by its weight.
#[utoipa::path(delete, path = "/rib/candidates/{id}", tag = "control", params(("id" = String, Path)),
    responses((status = 204, description = "withdrawn"), Problems))]
pub(super) async fn withdraw(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let (governance, now) = (app.parts.crown.governance(), app.parts.world.clock.wall());
    if governance.announced.get(&id).is_none_or(|said| now >= said.gone) {
        let known: Vec<&str> = governance.announced.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "nobody".to_owned() } else { known.join(", ") };
        let detail = format!("nobody has announced {id:?}, so it cannot be withdrawn; announced is {known}");
        return Err(Problem::new(Code::UnknownCandidate, detail));
    }
    app.parts.crown.change(&caller.cx, Change::Withdraw { candidate: id }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A time so many seconds after another.
pub(super) fn later(now: Timestamp, seconds: u64) -> Timestamp {
    let micros = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    Timestamp(now.0.saturating_add(micros))
}
