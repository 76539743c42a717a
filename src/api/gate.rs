//! What every request passes before it is anybody's: its trace, the name it was sent to, a free place.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::HOST;
use axum::http::{Extensions, HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use super::app::App;
use super::problem::{Code, Problem};
use crate::telemetry;
use crate::types::{Budget, Cx, Money, Principal, RunId, TraceId};

/// The trace of a request: the caller's, or a new one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trace(pub(super) TraceId);

impl Trace {
    /// What the gate found. A request that has not passed it has none; its trace is the first there is.
    pub(super) fn of(extensions: &Extensions) -> Trace {
        extensions.get::<Trace>().copied().unwrap_or(Trace(TraceId(1)))
    }
}

/// The run a request led to; a handler leaves it in the answer, and the gate puts it into the header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ran(pub(super) RunId);

/// Puts the request into a span of its trace, counts it, and names trace and run in the answer.
pub(super) async fn observe(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let world = &app.parts.world;
    let trace = traceparent(request.headers()).unwrap_or_else(|| TraceId::new(world));
    request.extensions_mut().insert(Trace(trace));
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let began = world.clock.now();
    let nobody = Budget { money: Money::ZERO, tokens: 0 };
    let cx = Cx::new(trace, Principal::new("", &[]), began, nobody);
    let span = telemetry::root_span_for(&cx, &format!("{} {route}", request.method()));
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    let took = world.clock.now().saturating_duration_since(began);
    app.meter.answered(&route, status.as_u16(), took);
    let run = response.extensions().get::<Ran>().map(|ran| ran.0);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&telemetry::traceparent(trace)) {
        headers.insert("traceparent", value);
    }
    if let Some(run) = run {
        span.record("run", tracing::field::display(run));
        if let Ok(value) = HeaderValue::from_str(&run.to_string()) {
            headers.insert("x-run-id", value);
        }
    }
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::debug!(status = status.as_u16(), micros, "a request was answered"));
    response
}

/// The trace id of a W3C `traceparent`, if there is a valid one (<https://www.w3.org/TR/trace-context/>).
fn traceparent(headers: &HeaderMap) -> Option<TraceId> {
    let mut parts = headers.get("traceparent")?.to_str().ok()?.split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !hex(version, 2) || version == "ff" || !hex(trace, 32) || !hex(span, 16) {
        return None;
    }
    u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0).map(TraceId)
}

/// Refuses requests that were sent to another name. A page in a browser can make its own name mean 127.0.0.1, but not
/// change the name the browser sends (DNS rebinding).
pub(super) async fn host(State(app): State<Arc<App>>, request: Request, next: Next) -> Result<Response, Problem> {
    let said = request.headers().get(HOST).map(|value| value.to_str().unwrap_or_default());
    match said {
        Some(name) if app.loopback() && !is_local(name) => {
            Err(Problem::new(Code::WrongHost, "this interface answers to localhost and loopback addresses only"))
        }
        _ => Ok(next.run(request).await),
    }
}

fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Takes a place for the request, or says that there is none. Health is answered all the same: a full host lives.
pub(super) async fn place(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if super::auth::OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let Ok(permit) = Arc::clone(&app.places).try_acquire_owned() else {
        let most = app.config().requests_max;
        let detail = format!("{most} requests are being served (api.requests_max); try again in a moment");
        return Problem::new(Code::Overloaded, detail).into_response();
    };
    next.run(request).await.map(|body| Body::new(Held { body, _permit: permit }))
}

/// A body that keeps its request's place until it is sent or dropped.
struct Held {
    body: Body,
    _permit: OwnedSemaphorePermit,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}

/// The answer to a handler that panicked.
pub(super) fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(panic = text, "a handler panicked");
    Problem::new(Code::Internal, "the cause is in the host's log, under the trace id of this request").into_response()
}
