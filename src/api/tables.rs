//! The router's tables, and what they say about a task.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::app::App;
use super::auth::Caller;
use super::bodies::{AtDoor, NextHop, Rebuilt, WhyNot};
use super::extract::{Body, Query};
use super::problem::{Code, Problem, Problems};
use crate::actors::io::{Task, Worth};
use crate::types::{Modality, PrivacyClass, some_of};
use crate::ziggy::explain::{Explain, considered_words, doors_words, why_not_words};
use crate::ziggy::route::{Destination, Request, Rib, Snapshot, Verdict, consider, consider_one};
use crate::ziggy::{Capability, decide};

/// The winners for every destination.
#[utoipa::path(get, path = "/fib", tag = "tables", responses((status = 200, body = Snapshot), Problems))]
pub(super) async fn fib(State(app): State<Arc<App>>) -> Json<Snapshot> {
    Json(app.parts.router.fib().snapshot())
}

/// Every candidate, with all that is known and observed of it.
#[utoipa::path(get, path = "/rib", tag = "tables", responses((status = 200, body = Rib), Problems))]
pub(super) async fn rib(State(app): State<Arc<App>>) -> Json<Rib> {
    Json(Rib::clone(&app.parts.router.rib()))
}

/// Builds the table of winners now, instead of when enough was observed.
#[utoipa::path(post, path = "/rib/rebuild", tag = "tables", responses((status = 200, body = Rebuilt), Problems))]
pub(super) async fn rebuild(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Rebuilt>, Problem> {
    Ok(Json(Rebuilt { fib: app.parts.router.rebuild(&caller.cx).await? }))
}

/// Tokens of a prompt and of its answer that are assumed if the caller names none: a short question.
const ASSUMED_TOKENS: u64 = 256;

/// Which destination.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct NextQuery {
    /// What is needed, such as `general` or `summarise`.
    capability: String,
    /// How private the data is; `public` if it is not said.
    #[serde(default)]
    privacy: PrivacyClass,
    /// Tokens of the prompt; 256 if none are named.
    #[serde(default)]
    #[param(maximum = 18_446_744_073_709_551_615usize)]
    tokens_in: Option<u64>,
    /// Tokens the answer may have; 256 if none are named.
    #[serde(default)]
    #[param(maximum = 18_446_744_073_709_551_615usize)]
    tokens_out: Option<u64>,
    /// The candidate or agent that is asked for by name.
    #[serde(default)]
    agent: Option<String>,
    /// The region the data may be in, of those the configuration allows; all of these if none is named.
    #[serde(default)]
    #[param(pattern = r"\S")]
    residency: Option<String>,
    /// What it has to be able to read, beside text.
    #[serde(default)]
    #[param(inline)]
    modality: Option<Modality>,
}

/// Who would serve a destination now, and why.
#[utoipa::path(get, path = "/fib/next", tag = "tables", params(NextQuery),
    responses((status = 200, body = NextHop), Problems))]
pub(super) async fn next(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<NextQuery>,
) -> Result<Json<NextHop>, Problem> {
    let within = app.parts.io.within(&caller.cx, query.residency.as_slice())?;
    let request = Request {
        destination: Destination { capability: Capability(query.capability), privacy: query.privacy },
        tokens_in: query.tokens_in.unwrap_or(ASSUMED_TOKENS),
        bytes_in: None,
        tokens_out_max: query.tokens_out.unwrap_or(ASSUMED_TOKENS),
        budget: caller.cx.budget(),
        session: None,
        pin: query.agent,
        tenant: Some(caller.cx.principal().tenant().to_owned()),
        modalities: query.modality.into_iter().collect(),
        residency: within.label().residency.named(),
        seed: None,
        at: app.parts.world.clock.wall(),
    };
    let fib = app.parts.router.fib();
    let decision = decide(&fib, &request);
    let considered = consider(&fib, &request);
    let doors = app.parts.io.doors(&within, &request, Worth::default(), &decision.ladder);
    let words = [decision.words(), doors_words(&doors), considered_words(&considered)].concat();
    let doors = doors.iter().map(AtDoor::of).collect();
    Ok(Json(NextHop { classification: None, words, decision, considered, doors }))
}

/// Who would serve this task now, and why, without doing it.
#[utoipa::path(post, path = "/fib/next", tag = "tables", request_body = Task,
    responses((status = 200, body = NextHop), Problems))]
pub(super) async fn next_for(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(task): Body<Task>,
) -> Result<Json<NextHop>, Problem> {
    let class = app.parts.io.classify(&caller.cx, &task).await?;
    let within = app.parts.io.within(&caller.cx, &task.residency)?;
    let decision = app.parts.io.next_hop(&within, &task, &class);
    let considered = consider(&app.parts.router.fib(), &decision.request);
    let doors = app.parts.io.doors(&within, &decision.request, task.value, &decision.ladder);
    let words = [class.words(), decision.words(), doors_words(&doors), considered_words(&considered)].concat();
    let doors = doors.iter().map(AtDoor::of).collect();
    Ok(Json(NextHop { classification: Some(class), decision, words, considered, doors }))
}

/// Which destination and whom.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhyNotQuery {
    /// The destination, such as `code/public`.
    destination: String,
    /// The candidate.
    candidate: String,
    /// Tokens of the prompt; 256 if none are named.
    #[serde(default)]
    tokens_in: Option<u64>,
    /// Tokens the answer may have; 256 if none are named.
    #[serde(default)]
    tokens_out: Option<u64>,
    /// The region the data may be in, of those the configuration allows; all of these if none is named.
    #[serde(default)]
    #[param(pattern = r"\S")]
    residency: Option<String>,
    /// What it has to be able to read, beside text.
    #[serde(default)]
    #[param(inline)]
    modality: Option<Modality>,
}

/// Why a candidate would or would not serve a destination now, and what would change that.
#[utoipa::path(get, path = "/why-not", tag = "tables", params(WhyNotQuery),
    responses((status = 200, body = WhyNot), Problems))]
pub(super) async fn why_not(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<WhyNotQuery>,
) -> Result<Json<WhyNot>, Problem> {
    let fib = app.parts.router.fib();
    let unknown = |code, what: &str, name: &str, known: Vec<String>| {
        let known = if known.is_empty() { "nothing".to_owned() } else { some_of(known) };
        Problem::new(code, format!("there is no {what} {name:?}; there is {known}"))
    };
    let tenant = caller.cx.principal().tenant().to_owned();
    let routes = fib.routes_of(Some(&tenant));
    let known = |destination: &Destination| routes.contains_key(destination);
    let Some(destination) = query.destination.parse::<Destination>().ok().filter(known) else {
        let all = routes.keys().map(ToString::to_string).collect();
        return Err(unknown(Code::UnknownDestination, "destination", &query.destination, all));
    };
    let within = app.parts.io.within(&caller.cx, query.residency.as_slice())?;
    let request = Request {
        destination: destination.clone(),
        tokens_in: query.tokens_in.unwrap_or(ASSUMED_TOKENS),
        bytes_in: None,
        tokens_out_max: query.tokens_out.unwrap_or(ASSUMED_TOKENS),
        budget: caller.cx.budget(),
        session: None,
        pin: None,
        tenant: Some(tenant),
        modalities: query.modality.into_iter().collect(),
        residency: within.label().residency.named(),
        seed: None,
        at: app.parts.world.clock.wall(),
    };
    let Some(considered) = consider_one(&fib, &request, &query.candidate) else {
        let all = fib.rows.iter().map(|row| row.facts.candidate.clone()).collect();
        return Err(unknown(Code::UnknownCandidate, "candidate", &query.candidate, all));
    };
    let decision = decide(&fib, &request);
    let legal = matches!(considered.verdict, Verdict::Legal { .. });
    let asked = if legal { std::slice::from_ref(&query.candidate) } else { &[] };
    let door = app.parts.io.doors(&within, &request, Worth::default(), asked).pop();
    let words = why_not_words(&considered, &decision, door.as_ref());
    let door = door.as_ref().map(AtDoor::of);
    Ok(Json(WhyNot { fib: fib.version, destination, considered, door, words }))
}
