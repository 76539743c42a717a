//! The work itself: classify, chunk, route, assemble, and what people think of the answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::auth::Caller;
use super::bodies::{AcceptedRun, Assemble, ChunkAnswer, ChunkRequest, FeedbackGiven, FeedbackRequest, RouteRequest};
use super::extract::{Body, Wants};
use super::follow;
use super::gate::Ran;
use super::problem::{Code, Problem, Problems};
use super::runs::finished_row;
use crate::actors::io::{Answer, RunStatus, Task, record};
use crate::store::{Durability, NewEvent};
use crate::types::{Cx, RunId, aside};
use crate::ziggy::chunk::Policy;
use crate::ziggy::route::Feedback;
use crate::ziggy::{Assembled, Capability, Classification, Millionths, assemble, chunk, estimate_tokens};

/// What a task is, without doing it.
#[utoipa::path(post, path = "/classify", tag = "work", request_body = Task,
    responses((status = 200, body = Classification),
        Problems))]
pub(super) async fn classify(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(task): Body<Task>,
) -> Result<Json<Classification>, Problem> {
    Ok(Json(app.parts.io.classify(&caller.cx, &task).await?))
}

/// Where a text would be cut.
#[utoipa::path(post, path = "/chunk", tag = "work", request_body = ChunkRequest,
    responses((status = 200, body = ChunkAnswer),
        Problems))]
pub(super) async fn cut(
    State(app): State<Arc<App>>,
    Body(request): Body<ChunkRequest>,
) -> Result<Json<ChunkAnswer>, Problem> {
    let (own, request_bytes) = (app.parts.chunk, request.text.len());
    let policy = Policy {
        max_tokens: request.max_tokens.unwrap_or(own.max_tokens),
        overlap_tokens: request.overlap_tokens.unwrap_or(own.overlap_tokens),
    };
    if policy.max_tokens < Policy::LEAST_TOKENS {
        let detail = format!("max_tokens is at least {}, not {}", Policy::LEAST_TOKENS, policy.max_tokens);
        return Err(Problem::new(Code::InvalidRequest, detail));
    }
    let text = request.text;
    let cut = move || ChunkAnswer { tokens: estimate_tokens(&text), chunks: chunk(&text, &policy) };
    Ok(Json(aside(request_bytes, cut).await))
}

/// Makes one answer of the answers to chunks.
#[utoipa::path(post, path = "/assemble", tag = "work", request_body = Assemble,
    responses((status = 200, body = Assembled),
        Problems))]
pub(super) async fn put_together(Body(request): Body<Assemble>) -> Json<Assembled> {
    Json(assemble(request.parts))
}

/// Does a task.
///
/// Answers with the answer; with `Accept: text/event-stream` as a stream of progress that ends in an event `answer` or
/// `error`; with `Prefer: respond-async` or `"detach": true` at once with a run id. A client that leaves stops its run,
/// unless it is detached. A run that has to wait for people answers 202 with the item they decide on; a stream tells
/// `parked` and `resumed` and goes on to the answer, and leaving it stops the run no more.
#[utoipa::path(post, path = "/route", tag = "work", request_body = RouteRequest,
    params(("Prefer" = Option<String>, Header, description = "`respond-async` answers at once"),
        ("Accept" = Option<String>, Header, description = "`text/event-stream` streams"),
        ("traceparent" = Option<String>, Header, description = "W3C trace context")),
    responses(
        (status = 200, description = "the answer, or a stream of events", content(
            (Answer = "application/json"), (String = "text/event-stream"))),
        (status = 202, description = "taken in, durably, or parked until people decide", body = AcceptedRun,
            headers(("Location" = String, description = "where the run is shown"))),
        Problems))]
pub(super) async fn route(
    State(app): State<Arc<App>>,
    caller: Caller,
    wants: Wants,
    Body(request): Body<RouteRequest>,
) -> Result<Response, Problem> {
    let cx = tightened(&app, &caller.cx, &request)?;
    if request.detach || wants.respond_async {
        return detach(&app, &cx, request.task(), wants.respond_async).await;
    }
    if wants.stream {
        follow::Following::begin(&app, cx, request.task()).stream().await
    } else {
        follow::answer(&app, cx, request.task()).await
    }
}

/// The caller's own limits, which can only be tighter than the host's.
fn tightened(app: &App, cx: &Cx, request: &RouteRequest) -> Result<Cx, Problem> {
    let mut cx = cx.clone();
    if let Some(budget) = request.budget {
        if budget.money.0 < 0 {
            return Err(Problem::new(Code::InvalidRequest, "budget.money must be at least 0"));
        }
        cx = cx.with_budget(budget);
    }
    match request.timeout_s {
        Some(0) => return Err(Problem::new(Code::InvalidRequest, "timeout_s must be at least 1")),
        // A number no clock can hold is later than the host's own limit.
        Some(seconds) => {
            let within = std::time::Duration::from_secs(seconds);
            if let Some(deadline) = app.parts.world.clock.now().checked_add(within) {
                cx = cx.with_deadline(deadline);
            }
        }
        None => {}
    }
    Ok(cx)
}

async fn detach(app: &App, cx: &Cx, task: Task, preferred: bool) -> Result<Response, Problem> {
    let run_id = app.parts.io.accept(cx, task).await?;
    let mut response = accepted(AcceptedRun { run_id, item: None });
    if preferred {
        response.headers_mut().insert("preference-applied", HeaderValue::from_static("respond-async"));
    }
    Ok(response)
}

/// What is answered for a run that goes on without its caller.
pub(super) fn accepted(taken: AcceptedRun) -> Response {
    let run = taken.run_id;
    let mut response = (StatusCode::ACCEPTED, Json(taken)).into_response();
    response.extensions_mut().insert(Ran(run));
    if let Ok(place) = HeaderValue::from_str(&format!("/runs/{run}")) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

/// The longest comment that is kept, in bytes: a page of text.
const COMMENT_BYTES_MAX: usize = 4_096;

/// Takes a judgement on an answer; those who gave the answer are ranked by it from the next table on.
#[utoipa::path(post, path = "/feedback", tag = "work", request_body = FeedbackRequest,
    responses((status = 200, body = FeedbackGiven),
        Problems))]
pub(super) async fn feedback(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(request): Body<FeedbackRequest>,
) -> Result<Json<FeedbackGiven>, Problem> {
    let FeedbackRequest { run_id, quality, comment } = request;
    if !(0.0..=1.0).contains(&quality) {
        return Err(Problem::new(Code::InvalidRequest, "quality is a number from 0 to 1"));
    }
    if comment.as_ref().is_some_and(|comment| comment.len() > COMMENT_BYTES_MAX) {
        return Err(Problem::new(Code::TooLarge, format!("a comment has at most {COMMENT_BYTES_MAX} bytes")));
    }
    let row = finished_row(&app, run_id).await?;
    if row.status != RunStatus::Completed {
        return Err(Problem::new(Code::Conflict, "the run has no answer to judge").in_run(Some(run_id)));
    }
    let principal = caller.cx.principal().name.clone();
    let capability = asked_for(&app, run_id).await?;
    let given = FeedbackGiven { principal, quality, comment, candidates: row.served_by, capability };
    let event = NewEvent::new(record::kind::FEEDBACK, Some(run_id), "api", &given);
    app.parts.journal.append(vec![event], Durability::Durable).await?;
    for candidate in &given.candidates {
        let judged = Feedback::judged(candidate, Millionths::of(quality), given.capability.clone());
        app.parts.router.observe(&caller.cx, judged);
    }
    Ok(Json(given))
}

/// Events of a run among which its first decision is: what comes before it are a few.
const FIRST_EVENTS: usize = 16;

/// The capability that a run was routed by.
async fn asked_for(app: &App, run: RunId) -> Result<Option<Capability>, Problem> {
    let events = app.parts.journal.read_run(run, FIRST_EVENTS).await?;
    let decided = events.iter().find(|event| event.kind == record::kind::DECIDED);
    let hop = decided.and_then(|event| event.body.parse::<record::Hop>());
    Ok(hop.map(|hop| hop.decision.request.destination.capability))
}
